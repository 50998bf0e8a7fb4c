/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue devices: what can compute here. A device that is there but refused is the commonest first hour, so
 * every plugin has its line, with the reason and what to do. */
#include "probe.h"
#include "survey.h"
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>

static int usage(FILE *to)
{
    fputs("usage: segue devices [--json | --plain] [-q]\n"
          "Lists every device and every plugin without one: name, description, memory, backend, status.\n"
          "  --json   one JSON object: devices, plugins\n"
          "  --plain  tabs between the columns, no colour\n"
          "  -q       only the names of devices that are ready, one a line\n"
          "Exit: 0 some device is ready, 3 none but the reference, 4 the library cannot be used.\n"
          "Example: segue devices -q | head -1\n",
          to);
    return to == stdout ? EXIT_DONE : EXIT_USAGE;
}

static const char *name_of(const segue_device_facts *d)
{
    return d->alias[0] ? d->alias : d->name;
}

static void add_device(struct table *t, const segue_device_facts *d)
{
    char memory[32], status[sizeof d->text + 64];
    const uint32_t ready = d->flags & SEGUE_DEVICE_READY, reference = d->flags & SEGUE_DEVICE_REFERENCE;
    print_size(memory, sizeof memory, d->memory_bytes);
    const char *remark = d->flags & SEGUE_DEVICE_STAND_IN ? "; a test's stand-in driver, no hardware" : "";
    if (ready) snprintf(status, sizeof status, "ready%s%s%s", remark, d->text[0] ? "; " : "", d->text);
    else snprintf(status, sizeof status, "not ready: %s", d->text[0] ? d->text : "the plugin does not say why");
    const char *const cells[TABLE_COLUMNS] = { name_of(d), d->description[0] ? d->description : "-", memory,
                                               reference ? "built in" : d->backend, status };
    table_add(t, ready ? TONE_GOOD : TONE_BAD, cells);
}

/* A plugin without a device. */
static void add_plugin(struct table *t, const segue_plugin_facts *p)
{
    char status[sizeof p->path + sizeof p->text + 64];
    const int rejected = p->state == SEGUE_PLUGIN_REJECTED;
    if (rejected)
        snprintf(status, sizeof status, "rejected (%s): %s; not loaded: %s", phase_name(p->phase), p->text,
                 p->path);
    else snprintf(status, sizeof status, "no device: %s", p->text[0] ? p->text : "the plugin does not say why");
    const char *slash = strrchr(p->path, '/'), *file = slash ? slash + 1 : p->path;
    const char *const cells[TABLE_COLUMNS] = { p->id[0] ? p->id : file, "-", "-", p->id[0] ? p->id : "-",
                                               status };
    table_add(t, rejected ? TONE_BAD : TONE_WARNING, cells);
}

/* One object a device. */
static json_t *device_json(const segue_device_facts *d)
{
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:I, s:I, s:i, s:s}", "name", d->name, "alias", d->alias,
        "backend", d->backend, "description", d->description, "ready", (d->flags & SEGUE_DEVICE_READY) != 0,
        "reference", (d->flags & SEGUE_DEVICE_REFERENCE) != 0, "stand_in",
        (d->flags & SEGUE_DEVICE_STAND_IN) != 0, "memory_bytes", (json_int_t)d->memory_bytes,
        "allocation_bytes", (json_int_t)d->allocation_bytes, "threads", (int)d->threads, "text", d->text);
}

static json_t *plugin_json(const segue_plugin_facts *p)
{
    static const char *const states[] = { "found", "loaded", "rejected" };
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s}", "id", p->id, "alias", p->alias,
                     "path", p->path, "state", states[p->state], "phase",
                     p->state == SEGUE_PLUGIN_REJECTED ? phase_name(p->phase) : "", "vendor", p->vendor,
                     "version", p->version, "uuid", p->uuid, "devices", (int)p->device_count, "text", p->text);
}

struct found {
    segue_device_facts *devices;
    uint32_t count, ready;
};

static int read_devices(const struct survey *s, struct found *f, segue_diag *why)
{
    if (segue_device_count(s->ctx, &f->count, why) != SEGUE_OK) return -1;
    f->devices = calloc(f->count ? f->count : 1, sizeof *f->devices);
    for (uint32_t i = 0; f->devices && i < f->count; i++) {
        segue_device_facts *d = &f->devices[i];
        d->size = sizeof *d;
        if (segue_device_info(s->ctx, i, d, why) != SEGUE_OK) return -1;
        f->ready +=
            (d->flags & SEGUE_DEVICE_READY) && !(d->flags & (SEGUE_DEVICE_REFERENCE | SEGUE_DEVICE_STAND_IN));
    }
    return f->devices ? 0 : -1;
}

/* Plugin by plugin in search order, the reference last: its candidate is the last one too. */
static void print_table(const struct survey *s, const struct found *f, const struct manners *m)
{
    struct table t = { 0 };
    for (uint32_t p = 0; p < s->count; p++) {
        uint32_t own = 0;
        for (uint32_t i = 0; i < f->count; i++)
            if (s->plugins[p].state == SEGUE_PLUGIN_LOADED &&
                !strcmp(f->devices[i].backend, s->plugins[p].id)) {
                add_device(&t, &f->devices[i]);
                own++;
            }
        if (!own) add_plugin(&t, &s->plugins[p]);
    }
    table_print(&t, m);
    table_free(&t);
}

static void print_json(const struct survey *s, const struct found *f, FILE *to)
{
    json_t *devices = json_array(), *plugins = json_array();
    for (uint32_t i = 0; i < f->count; i++) json_array_append_new(devices, device_json(&f->devices[i]));
    for (uint32_t i = 0; i < s->count; i++) json_array_append_new(plugins, plugin_json(&s->plugins[i]));
    json_t *all = json_pack("{s:o, s:o}", "devices", devices, "plugins", plugins);
    json_dumpf(all, to, JSON_INDENT(1));
    fputc('\n', to);
    json_decref(all);
}

static void print_names(const struct found *f, FILE *to)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->devices[i].flags & SEGUE_DEVICE_READY) fprintf(to, "%s\n", name_of(&f->devices[i]));
}

static void print_warnings(const struct survey *s)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (s->plugins[i].state == SEGUE_PLUGIN_LOADED && s->plugins[i].device_count && s->plugins[i].text[0])
            fprintf(stderr, "segue devices: %s: %s\n", s->plugins[i].path, s->plugins[i].text);
}

int main(int argc, char **argv)
{
    static const struct option options[] = { SHARED_OPTIONS, { NULL, 0, NULL, 0 } };
    struct manners m = manners();
    struct survey s;
    struct found f = { 0 };
    segue_diag why = { 0 };
    argv[0] = (char[]){ "segue devices" }; /* what getopt_long calls us */
    for (int c; (c = getopt_long(argc, argv, "qh", options, NULL)) != -1;) {
        if (c == 'h') return finish(stdout, usage(stdout));
        if (!shared_option(&m, c)) return usage(stderr);
    }
    if (optind < argc) {
        fprintf(stderr, "segue devices: takes no argument, given %s\n", argv[optind]);
        return usage(stderr);
    }
    keep_output(&m);
    if (survey_open(NULL, &s, &why) || read_devices(&s, &f, &why)) {
        fprintf(stderr, "segue devices: %s\n", why.text[0] ? why.text : "out of memory");
        return EXIT_ENVIRONMENT;
    }
    if (m.json) print_json(&s, &f, m.out);
    else if (m.quiet) print_names(&f, m.out);
    else print_table(&s, &f, &m);
    if (!m.quiet) print_warnings(&s);
    if (!m.quiet && !f.ready) fprintf(stderr, "segue devices: no device but the reference is ready\n");
    const int code = f.ready ? EXIT_DONE : EXIT_NO_DEVICE;
    free(f.devices);
    survey_close(&s);
    return finish(m.out, code);
}
