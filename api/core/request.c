/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "request.h"

#include "diag.h"

static const segue_plugin_primitive *declared(const segue_plugin *plugin, uint32_t primitive)
{
    for (uint32_t i = 0; i < plugin->primitive_count; i++)
        if (plugin->primitives[i].primitive == primitive) return &plugin->primitives[i];
    return NULL;
}

/* Fields that the plugin was built without must be absent or zero. */
static segue_status check_tail(const segue_device *dev, const struct request *r, uint32_t known,
                               segue_diag *diag)
{
    static const char zeros[sizeof(segue_tensor)];
    for (uint32_t i = 0; i < r->facts->field_count; i++) {
        const segue_field_facts *f = &r->facts->fields[i];
        const int set = is_tensor(f) ? tensor_at(r->op, f)->dtype.bits != 0
                                     : memcmp((const char *)r->op + f->offset, zeros, 8) != 0;
        if (f->offset >= known && set)
            return segue_fail(
                diag, SEGUE_ERROR_FIELD, SEGUE_PHASE_PLAN, i + 1,
                "%s: plugin %s predates it (knows %u bytes of %s); leave it unset or update the plugin",
                f->name, dev->facts.backend, known, r->facts->name);
    }
    return SEGUE_OK;
}

segue_status segue_request_declared(const segue_device *dev, struct request *r, struct op_storage *storage,
                                    uint32_t *reasons, segue_diag *diag)
{
    const segue_plugin_primitive *p = declared(dev->plugin, r->facts->id);
    *reasons = SEGUE_REASON_PRIMITIVE;
    if (!p)
        return segue_fail(diag, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, 0, "%s has no kernel for %s",
                          dev->facts.name, r->facts->name);
    *reasons = SEGUE_REASON_REVISION;
    if (r->op->revision < p->revision_min || r->op->revision > p->revision_max)
        return segue_fail(diag, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, 0,
                          "%s: revision is %u, plugin %s offers %u to %u", r->facts->name, r->op->revision,
                          dev->facts.backend, p->revision_min, p->revision_max);
    r->op_size = p->op_size;
    r->op = segue_full_op(r->op, p->op_size,
                          storage); /* the plugin may know, and read, more fields than this library */
    return check_tail(dev, r, p->op_size, diag);
}

segue_status segue_request_make(const segue_device *dev, const segue_op_header *op, struct op_storage *storage,
                                struct request *out, segue_diag *diag)
{
    const int handles = (dev->facts.flags & SEGUE_DEVICE_HANDLE_MEMORY) != 0;
    const segue_status status = segue_validate_header(op, &out->shapes, diag);
    if (status) return status;
    out->facts = out->shapes.facts;
    out->op = segue_full_op(op, out->facts->op_size, storage);
    out->op_size = 0;
    return segue_validate(&out->shapes, out->op, FOR_PLAN, handles, &out->form, diag);
}
