/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "cover.h"

struct oracle {
    segue_context *context;
    segue_device *device;
};

struct oracle *oracle_open(char *why)
{
    const segue_context_options options = { .size = sizeof options, .flags = SEGUE_CONTEXT_NO_DISCOVERY };
    struct oracle *o = calloc(1, sizeof *o);
    segue_diag diag = { .text = "out of memory" };
    if (o && segue_context_create(&options, &o->context, &diag) == SEGUE_OK &&
        segue_device_open(o->context, "reference", NULL, &o->device, &diag) == SEGUE_OK)
        return o;
    snprintf(why, DESCRIPTOR_WHY, "the reference device: %.300s", diag.text);
    oracle_close(o);
    return NULL;
}

void oracle_close(struct oracle *o)
{
    if (!o) return;
    if (o->device) segue_device_close(o->device);
    if (o->context) segue_context_destroy(o->context);
    free(o);
}

int oracle_accepts(const struct oracle *o, const char *name, char *why)
{
    segue_support_facts facts = { .size = sizeof facts };
    struct test_case c;
    if (test_case_outline(name, &c, why)) return 0;
    segue_support(o->device, c.op, &facts, NULL);
    const int good = facts.verdict == SEGUE_SUPPORT_YES;
    if (!good) snprintf(why, DESCRIPTOR_WHY, "%s", facts.text);
    test_case_free(&c);
    return good;
}
