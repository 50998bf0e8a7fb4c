/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The gauge's constants against kernels that are known: correct ones never fail, wrong ones are far off. Run by tools/calibrate.
 *
 *     calibrate --right PLUGIN --wrong PLUGIN --list FILE [--keys N] [--dtype D] */
#include "calibrate.h"

#include <stdio.h>
#include <stdlib.h>

static int open_device(struct lab *lab, segue_context *context, const char *name)
{
    segue_diag diag;
    lab->context = context;
    lab->device.facts.size = sizeof lab->device.facts;
    if (!segue_device_open(context, name, NULL, &lab->device.handle, &diag) &&
        !segue_device_facts_of(lab->device.handle, &lab->device.facts, &diag) &&
        !segue_stream_create(lab->device.handle, &lab->device.stream, &diag))
        return 0;
    fprintf(stderr, "%s: %s\n", name, diag.text);
    return -1;
}

static void close_device(struct lab *lab)
{
    if (lab->device.handle) segue_stream_destroy(lab->device.handle, lab->device.stream);
    segue_device_close(lab->device.handle);
}

static int calibrate(struct bench *b)
{
    static int (*const parts[])(struct bench * b) = { calibrate_right, calibrate_wrong, calibrate_proof,
                                                      calibrate_vacuous };
    static const char *const names[] = { "correct kernels", "wrong kernels", "proof of cases",
                                         "cases that prove nothing" };
    int failed = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const int result = parts[i](b);
        fflush(stdout);
        if (result < 0) return 4;
        if (result) printf("FAILED: %s\n", names[i]);
        failed |= result;
    }
    printf("\n%s\n", failed ? "calibration failed" : "calibrated");
    return failed ? 1 : 0;
}

static int run(struct bench *b, const char *right, const char *wrong, const char *list)
{
    const char *const plugins[] = { right, wrong, NULL };
    const segue_context_options options = {
        .size = sizeof options,
        .flags = SEGUE_CONTEXT_NO_DISCOVERY,
        .plugins = plugins,
    };
    segue_context *context = NULL;
    segue_diag diag;
    char why[DESCRIPTOR_WHY];
    int result = 4;
    if (list_read_file(list, &b->list, why)) fprintf(stderr, "%s\n", why);
    else if (segue_context_create(&options, &context, &diag)) fprintf(stderr, "%s\n", diag.text);
    else if (!open_device(&b->right, context, "right") && !open_device(&b->wrong, context, "wrong"))
        result = calibrate(b);
    close_device(&b->right);
    close_device(&b->wrong);
    segue_context_destroy(context);
    list_free(&b->list);
    return result;
}

int main(int argc, char **argv)
{
    const char *right = NULL, *wrong = NULL, *list = NULL, *keys = "1000";
    struct bench b;
    memset(&b, 0, sizeof b);
    const struct {
        const char *name, **value;
    } options[] = { { "--right", &right },
                    { "--wrong", &wrong },
                    { "--list", &list },
                    { "--keys", &keys },
                    { "--dtype", &b.dtype } };
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0;
        while (k < 5 && strcmp(argv[i], options[k].name)) k++;
        if (k == 5 || i + 1 == argc) {
            fprintf(stderr, "%s: wanted --right, --wrong, --list, --keys or --dtype, each with a value\n",
                    argv[i]);
            return 2;
        }
        *options[k].value = argv[i + 1];
    }
    char *end;
    b.keys = strtoll(keys, &end, 10);
    const int known =
        !b.dtype || !strcmp(b.dtype, "f32") || !strcmp(b.dtype, "bf16") || !strcmp(b.dtype, "f16");
    if (!right || !wrong || !list || *end || b.keys < 1 || !known) {
        fprintf(
            stderr,
            "wanted --right PLUGIN --wrong PLUGIN --list FILE [--keys 1 or more] [--dtype f32, bf16 or f16]\n");
        return 2;
    }
    return run(&b, right, wrong, list);
}
