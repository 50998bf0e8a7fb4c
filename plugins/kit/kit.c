/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin's entry: checks what the vendor wrote and answers with the table. Everything found wrong here is
 * the vendor's to mend, so the words name the member or the row. */
#include "kit_private.h"

#include <stdarg.h>
#include <stdio.h>

/* The formula that rows compute: no primitive has another yet. */
enum { REVISION = 1 };

static const struct {
    uint32_t primitive, level, size;
} op_sizes[] = {
#define ROW(primitive, level, size) { primitive, level, size },
    SEGUE_EACH_SIZE(ROW)
#undef ROW
};

uint32_t segue_kit_op_size(uint32_t primitive, uint32_t level)
{
    for (size_t i = 0; i < sizeof op_sizes / sizeof *op_sizes; i++)
        if (op_sizes[i].primitive == primitive && op_sizes[i].level == level) return op_sizes[i].size;
    return 0;
}

segue_status segue_kit_fail(segue_diag *diag, segue_status code, uint32_t phase, uint32_t field,
                            const char *format, ...)
{
    va_list args;
    if (!diag) return code;
    memset(diag, 0, sizeof *diag);
    diag->code = code;
    diag->field = field;
    diag->phase = phase;
    va_start(args, format);
    vsnprintf(diag->text, sizeof diag->text, format, args);
    va_end(args);
    return code;
}

static const struct {
    const char *name;
    size_t offset;
} required[] = {
#define MEMBER(name) #name, offsetof(segue_kit_adapter, name)
    { MEMBER(count) },          { MEMBER(info) },          { MEMBER(open) },         { MEMBER(close) },
    { MEMBER(alloc) },          { MEMBER(free) },          { MEMBER(copy) },         { MEMBER(fill) },
    { MEMBER(tensor_copy) },    { MEMBER(stream_create) }, { MEMBER(stream_wrap) },  { MEMBER(stream_sync) },
    { MEMBER(stream_destroy) }, { MEMBER(event_create) },  { MEMBER(event_record) }, { MEMBER(event_wait) },
    { MEMBER(event_sync) },     { MEMBER(event_destroy) },
#undef MEMBER
};

static segue_status check_host(const segue_host *host, const segue_plugin *out, segue_diag *diag)
{
    if (!host || !out || host->size < sizeof *host || out->size < sizeof *out)
        return segue_kit_fail(
            diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_ENTRY, 0,
            "the host's tables are %u and %u bytes, this plugin was built for %zu and %zu: rebuild it",
            host ? host->size : 0, out ? out->size : 0, sizeof *host, sizeof *out);
    if (host->epoch != SEGUE_PLUGIN_EPOCH || host->minor_min > SEGUE_PLUGIN_MINOR ||
        host->minor_max < SEGUE_PLUGIN_MINOR)
        return segue_kit_fail(diag, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_ENTRY, 0,
                              "the host speaks epoch %u, minors %u to %u; this plugin was built for epoch %d, "
                              "minor %d: rebuild it",
                              host->epoch, host->minor_min, host->minor_max, SEGUE_PLUGIN_EPOCH,
                              SEGUE_PLUGIN_MINOR);
    if (!host->alloc || !host->free || !host->describe)
        return segue_kit_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_ENTRY, 0, "the host's table lacks %s",
                              !host->alloc  ? "alloc"
                              : !host->free ? "free"
                                            : "describe");
    return SEGUE_OK;
}

static segue_status check_adapter(const segue_kit_adapter *adapter, segue_diag *diag)
{
    static const char nothing[sizeof(void (*)(void))];
    if (!adapter)
        return segue_kit_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_ENTRY, 0, "the plugin's .device is NULL");
    for (size_t i = 0; i < sizeof required / sizeof *required; i++)
        if (!memcmp((const char *)adapter + required[i].offset, nothing, sizeof nothing))
            return segue_kit_fail(
                diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_ENTRY, 0,
                "the device adapter's %s is NULL: set it, or name segue_kit_host_... for host memory",
                required[i].name);
    return SEGUE_OK;
}

static segue_status check_row(const segue_row *row, const segue_host *host, segue_diag *diag)
{
    const segue_primitive_facts *facts;
    if (!row->name || !row->run)
        return segue_kit_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_ENTRY, 0, "row '%s' has no %s",
                              row->name ? row->name : "", row->name ? "run" : "name");
    if (row == &segue_row_delegate) return SEGUE_OK;
    if (!segue_kit_op_size(row->primitive, row->since))
        return segue_kit_fail(
            diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_ENTRY, 0,
            "row '%s': level %u of primitive %u is unknown to the kit that it was linked with", row->name,
            row->since, row->primitive);
    facts = host->describe(row->primitive); /* NULL in a host that is older than the primitive */
    if (facts && strncmp(row->name, facts->name, strlen(facts->name)))
        return segue_kit_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_ENTRY, 0,
                              "row '%s': its name must begin with '%s'", row->name, facts->name);
    return SEGUE_OK;
}

/* Counts the rows once each of them is known to be sound. */
static segue_status check_rows(const segue_kit_plugin *plugin, const segue_host *host, uint32_t *count,
                               segue_diag *diag)
{
    segue_status s = SEGUE_OK;
    uint32_t n = 0;
    for (; plugin->rows && plugin->rows[n] && !s; n++) s = check_row(plugin->rows[n], host, diag);
    if (!n) return segue_kit_fail(diag, SEGUE_ERROR_PLUGIN, SEGUE_PHASE_ENTRY, 0, "the plugin lists no rows");
    *count = n;
    return s;
}

static void sort_rows(struct kit_self *self)
{
    for (uint32_t i = 0; i < self->row_count; i++) { /* stable: the listed order decides among equals */
        const segue_row *row = self->plugin->rows[i];
        uint32_t at = i;
        for (; at > 0 && self->rows[at - 1]->priority < row->priority; at--)
            self->rows[at] = self->rows[at - 1];
        self->rows[at] = row;
    }
}

static void declare(struct kit_self *self, segue_plugin_primitive what)
{
    for (uint32_t i = 0; i < self->primitive_count; i++) {
        segue_plugin_primitive *known = &self->primitives[i];
        if (known->primitive != what.primitive) continue;
        if (known->op_size < what.op_size) known->op_size = what.op_size;
        return;
    }
    self->primitives[self->primitive_count++] = what;
}

/* With rows of several levels the largest struct is declared; kit_plan.c refuses for the older rows. */
static void declare_all(struct kit_self *self)
{
    const segue_plugin *reference = self->host->reference;
    for (uint32_t i = 0; i < self->row_count; i++) {
        const segue_row *row = self->rows[i];
        if (row == &segue_row_delegate)
            for (uint32_t j = 0; reference && j < reference->primitive_count; j++)
                declare(self, reference->primitives[j]);
        else
            declare(self, (segue_plugin_primitive){ row->primitive, REVISION, REVISION,
                                                    segue_kit_op_size(row->primitive, row->since) });
    }
}

static void close_self(void *self)
{
    const segue_host *host = ((struct kit_self *)self)->host;
    host->free(host->user, self);
}

segue_status segue_kit_entry(const segue_kit_plugin *plugin, const segue_host *host, segue_plugin *out,
                             segue_diag *diag)
{
    struct kit_self *self;
    uint64_t primitives;
    uint32_t rows = 0;
    segue_status s = check_host(host, out, diag);
    if (!s) s = check_adapter(plugin->device, diag);
    if (!s) s = check_rows(plugin, host, &rows, diag);
    if (s) return s;
    primitives = rows + (host->reference ? host->reference->primitive_count : 0);
    self = host->alloc(host->user,
                       sizeof *self + rows * sizeof *self->rows + primitives * sizeof *self->primitives, 64);
    if (!self)
        return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_ENTRY, 0,
                              "no memory for the table of %u rows", rows);
    self->plugin = plugin;
    self->adapter = plugin->device;
    self->host = host;
    self->rows = (void *)(self + 1);
    self->row_count = rows;
    self->primitives = (void *)(self->rows + rows);
    sort_rows(self);
    declare_all(self);

    out->size = sizeof *out;
    out->epoch = SEGUE_PLUGIN_EPOCH;
    out->minor = SEGUE_PLUGIN_MINOR;
    snprintf(out->id, sizeof out->id, "%s", plugin->id);
    snprintf(out->uuid, sizeof out->uuid, "%s", plugin->uuid ? plugin->uuid : "");
    out->self = self;
    out->primitives = self->primitives;
    out->primitive_count = self->primitive_count;
    out->close = close_self;
    segue_kit_fill_device(plugin->device, out);
    segue_kit_fill_plan(out);
    return SEGUE_OK;
}
