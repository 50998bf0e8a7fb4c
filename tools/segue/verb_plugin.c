/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue plugin: new writes a vendor's starting point, probe tries a plugin in a child process. */
#include "plugin_new.h"
#include "probe.h"
#include "tool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int usage(FILE *to)
{
    fputs("usage: segue plugin new NAME\n"
          "       segue plugin probe [--json | --plain] PATH\n"
          "new    writes ./NAME: a plugin with a device NAME:0 that builds against an installed Segue\n"
          "probe  loads a plugin file in a child process: its devices, or what went wrong and how far it came\n"
          "Exit: 0 good, 1 rejected, 2 wrong use, 4 the folder cannot be written, or the file read.\n"
          "Example: segue plugin new acme    (prints how to build it)\n"
          "         segue plugin probe acme/build/segue_acme.so\n",
          to);
    return to == stdout ? EXIT_DONE : EXIT_USAGE;
}

/* What can be told without running any of its code; 0 where the library itself refuses. */
static int read_note(const char *path, segue_plugin_facts *facts, segue_diag *why)
{
    const char *const plugins[] = { path, NULL };
    const segue_context_options options = { .size = sizeof options,
                                            .flags = SEGUE_CONTEXT_NO_DISCOVERY,
                                            .plugins = plugins };
    segue_context *ctx = NULL;
    uint32_t room = 1;
    if (segue_context_create(&options, &ctx, why) != SEGUE_OK) return 0;
    const segue_status status =
        segue_plugin_report(ctx, facts, &room, why); /* what is given by path comes first */
    segue_context_destroy(ctx);
    return status == SEGUE_OK;
}

static void print_probe(const char *id, const struct probe *p, const struct manners *m)
{
    struct table t = { 0 };
    size_t i;
    const json_t *device;
    printf("%s: %s, %s, ", id, p->good ? "good" : "rejected", phase_name(p->phase));
    if (p->words[0]) printf("%s\n", p->words);
    else printf("devices: %zu\n", json_array_size(p->devices));
    json_array_foreach(p->devices, i, device) {
        const int ready = json_is_true(json_object_get(device, "ready"));
        const char *text = json_string_value(json_object_get(device, "text"));
        char status[600];
        if (!text) text = "";
        snprintf(status, sizeof status, "%s%s%s", ready ? "ready" : "not ready", *text ? ": " : "", text);
        const char *const cells[TABLE_COLUMNS] = { json_string_value(json_object_get(device, "name")),
                                                   json_string_value(json_object_get(device, "description")),
                                                   status };
        table_add(&t, ready ? TONE_GOOD : TONE_BAD, cells);
    }
    table_print(&t, m);
    table_free(&t);
}

static int probe(const char *given, const struct manners *m)
{
    segue_plugin_facts facts = { .size = sizeof facts };
    segue_diag why = { 0 };
    struct probe p = { 0 };
    char *path = realpath(given, NULL);
    if (!path) {
        fprintf(stderr, "segue plugin: %s: %s\n", given, strerror(errno));
        return EXIT_ENVIRONMENT;
    }
    if (!read_note(path, &facts, &why)) {
        fprintf(stderr, "segue plugin: %s\n", why.text);
        free(path);
        return EXIT_ENVIRONMENT;
    }
    if (facts.state == SEGUE_PLUGIN_REJECTED) {
        p.phase = facts.phase;
        snprintf(p.words, sizeof p.words, "%s", facts.text);
    } else probe_plugin(path, &p);
    const char *id = facts.id[0] ? facts.id : path;
    if (m->json) {
        json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s, s:O?}", "id", id, "path", path, "status",
                              p.good ? "good" : "rejected", "phase", phase_name(p.phase), "words", p.words,
                              "devices", p.devices);
        json_dumpf(o, stdout, JSON_INDENT(1));
        putchar('\n');
        json_decref(o);
    } else print_probe(id, &p, m);
    json_decref(p.devices);
    free(path);
    return p.good ? EXIT_DONE : EXIT_FAILED;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "child", no_argument, NULL, 'c' },
                                             SHARED_OPTIONS,
                                             { NULL, 0, NULL, 0 } };
    struct manners m = manners();
    int child = 0;
    argv[0] = (char[]){ "segue plugin" }; /* what getopt_long calls us */
    for (int c; (c = getopt_long(argc, argv, "qh", options, NULL)) != -1;) {
        if (c == 'h') return finish(stdout, usage(stdout));
        if (c == 'c') child = 1; /* from probe_plugin() only */
        else if (!shared_option(&m, c)) return usage(stderr);
    }
    if (optind + 2 != argc) return usage(stderr);
    if (!strcmp(argv[optind], "new")) return finish(stdout, plugin_new(argv[optind + 1]));
    if (!strcmp(argv[optind], "probe"))
        return child ? probe_child(argv[optind + 1]) : finish(stdout, probe(argv[optind + 1], &m));
    fprintf(stderr, "segue plugin: no such action: %s\n", argv[optind]);
    return usage(stderr);
}
