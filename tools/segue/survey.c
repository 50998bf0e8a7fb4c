/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "survey.h"

#include "probe.h"
#include "tool.h"

#include <stdio.h>
#include <stdlib.h>

/* "acme:1" and "acme" mean the plugin acme, */
static int means_id(const char *device, const segue_plugin_facts *plugin)
{
    const size_t length = strcspn(device, ":");
    return length && strlen(plugin->id) == length && !strncmp(plugin->id, device, length);
}

/* "cpu" the one with that alias; */
static int means_alias(const char *device, const segue_plugin_facts *plugin)
{
    return plugin->alias[0] && !strcmp(plugin->alias, device);
}

/* either may be the one that the library takes: an id before anybody's alias. */
static int means(const char *device, const segue_plugin_facts *plugin)
{
    return means_id(device, plugin) || means_alias(device, plugin);
}

const segue_plugin_facts *survey_plugin(const struct survey *s, const char *device)
{
    for (uint32_t i = 0; i < s->count; i++)
        if (means_id(device, &s->plugins[i])) return &s->plugins[i];
    for (uint32_t i = 0; i < s->count; i++)
        if (means_alias(device, &s->plugins[i])) return &s->plugins[i];
    return NULL;
}

static segue_status list(segue_context *ctx, struct survey *s, segue_diag *why)
{
    uint32_t count = 0;
    segue_status status = segue_plugin_report(ctx, NULL, &count, why);
    if (status != SEGUE_OK) return status;
    s->plugins = calloc(count ? count : 1, sizeof *s->plugins);
    if (!s->plugins) {
        snprintf(why->text, sizeof why->text, "out of memory");
        return SEGUE_ERROR_MEMORY;
    }
    for (uint32_t i = 0; i < count; i++) s->plugins[i].size = sizeof *s->plugins;
    s->count = count;
    return segue_plugin_report(ctx, s->plugins, &s->count, why);
}

static int is_known(const struct survey *s, const char *device)
{
    for (uint32_t i = 0; device && i < s->count; i++)
        if (means(device, &s->plugins[i])) return 1;
    return 0;
}

/* Tries what is not rejected yet; the good ones' paths go to paths. */
static void try_all(struct survey *s, const char *device, const char **paths)
{
    for (uint32_t i = 0; i < s->count; i++) {
        segue_plugin_facts *plugin = &s->plugins[i];
        struct probe probe;
        if (plugin->state != SEGUE_PLUGIN_FOUND || !plugin->path[0] || (device && !means(device, plugin)))
            continue;
        probe_plugin(plugin->path, &probe);
        json_decref(probe.devices);
        if (probe.good) {
            *paths++ = plugin->path;
            continue;
        }
        plugin->state = SEGUE_PLUGIN_REJECTED;
        plugin->code = SEGUE_ERROR_PLUGIN;
        plugin->phase = probe.phase;
        snprintf(plugin->text, sizeof plugin->text, "%.495s", probe.words);
    }
}

/* What loading told of them; a warning from discovery stays. */
static void update(struct survey *s)
{
    struct survey now = { .ctx = s->ctx };
    segue_diag why;
    if (list(s->ctx, &now, &why) == SEGUE_OK)
        for (uint32_t i = 0; i < s->count; i++)
            for (uint32_t k = 0; k < now.count; k++) {
                segue_plugin_facts *was = &s->plugins[i], *is = &now.plugins[k];
                if (was->state != SEGUE_PLUGIN_FOUND || strcmp(was->path, is->path) || strcmp(was->id, is->id))
                    continue;
                if (!is->text[0]) memcpy(is->text, was->text, sizeof is->text);
                *was = *is;
            }
    free(now.plugins);
}

int survey_open(const char *device, struct survey *out, segue_diag *why)
{
    struct survey s = { 0 };
    uint32_t devices = 0;
    segue_status status = segue_context_create(NULL, &s.ctx, why);
    if (status == SEGUE_OK) status = list(s.ctx, &s, why);
    segue_context_destroy(s.ctx);
    s.ctx = NULL;
    const char **paths = calloc(s.count + 1, sizeof *paths);
    if (status == SEGUE_OK && paths) {
        const segue_context_options options = { .size = sizeof options,
                                                .flags = SEGUE_CONTEXT_NO_DISCOVERY,
                                                .plugins = paths };
        try_all(&s, is_known(&s, device) ? device : NULL,
                paths); /* an unknown name: the error lists all there is */
        status = segue_context_create(&options, &s.ctx, why);
        if (status == SEGUE_OK) status = segue_device_count(s.ctx, &devices, why);
        if (status == SEGUE_OK) update(&s);
    }
    free(paths);
    *out = s;
    if (status == SEGUE_OK && paths) return EXIT_DONE;
    survey_close(out);
    return EXIT_ENVIRONMENT;
}

void survey_close(struct survey *s)
{
    segue_context_destroy(s->ctx);
    free(s->plugins);
    memset(s, 0, sizeof *s);
}
