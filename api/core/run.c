/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue_run: plan, workspace and run in one call, for scripts and tests. The 64 plans used last are kept per
 * device. */
#include "diag.h"
#include "lower_plan.h"
#include "object.h"

/* A plan that was made for exactly this op, bounds included: the row is chosen for the bounds. */
static int plan_fits(const segue_plan *plan, const segue_op_header *op)
{
    const segue_primitive_facts *facts = plan->check.shapes.facts;
    const segue_op_header *planned = (const segue_op_header *)plan->planned.bytes;
    if (op->primitive != facts->id || op->revision != plan->revision) return 0;
    for (uint32_t i = 0; i < facts->field_count; i++) {
        const segue_field_facts *f = &facts->fields[i];
        const segue_tensor *a = tensor_at(op, f), *b = tensor_at(planned, f);
        if (!is_tensor(f)) {
            if (memcmp(a, b, 8)) return 0;
            continue;
        }
        if (segue_dtype_id(a->dtype) != segue_dtype_id(b->dtype)) return 0;
        if (a->dtype.bits && (a->rank != b->rank || memcmp(a->shape, b->shape, a->rank * sizeof *a->shape)))
            return 0;
    }
    struct form form;
    if (segue_validate(&plan->check.shapes, op, FOR_PLAN, plan->check.handles, &form, NULL)) return 0;
    for (uint32_t i = 0; i < facts->field_count; i++)
        if (form.alias[i] != plan->check.form.alias[i]) return 0;
    return plan->computer.run != segue_lowered_run || segue_lowered_fits(plan->computer.handle, op);
}

static void drop_plan(segue_device *dev, uint32_t i)
{
    if (!dev->cache.plans[i]) return;
    segue_object_hold(dev); /* what find_plan gave back */
    segue_plan_destroy(dev->cache.plans[i]);
    dev->cache.plans[i] = NULL;
}

/* op: full, as plan_fits compares. */
static segue_status find_plan(segue_device *dev, const segue_op_header *op, segue_plan **out, segue_diag *diag)
{
    struct run_cache *cache = &dev->cache;
    uint32_t oldest = 0;
    for (uint32_t i = 0; i < CACHED_PLANS; i++) {
        if (cache->plans[i] && plan_fits(cache->plans[i], op)) {
            cache->used[i] = ++cache->clock;
            *out = cache->plans[i];
            return SEGUE_OK;
        }
        if (cache->used[i] < cache->used[oldest]) oldest = i;
    }
    const segue_status status = segue_plan_create(dev, op, out, diag);
    if (status) return status;
    drop_plan(dev, oldest);
    segue_device_release(dev); /* the cache must not keep its own device open */
    cache->plans[oldest] = *out;
    cache->used[oldest] = ++cache->clock;
    return SEGUE_OK;
}

static void drop_workspace(segue_device *dev)
{
    if (dev->cache.workspace.data) segue_memory_free(dev, dev->cache.workspace);
    dev->cache.workspace = (segue_buffer){ NULL, 0, 0 };
}

static segue_status grow_workspace(segue_device *dev, uint64_t bytes, segue_diag *diag)
{
    segue_buffer grown;
    if (bytes <= dev->cache.workspace.bytes) return SEGUE_OK;
    const segue_status status = segue_memory_alloc(dev, bytes, &grown, diag);
    if (status) return status;
    drop_workspace(dev); /* idle: every segue_run synchronises */
    dev->cache.workspace = grown;
    return SEGUE_OK;
}

static segue_status check_capture(segue_device *dev, segue_stream stream, segue_diag *diag)
{
    segue_diag said = { 0 };
    uint32_t capturing = 0;
    if (!dev->plugin->stream_capturing) return SEGUE_OK;
    const segue_status status = dev->plugin->stream_capturing(dev->handle, stream, &capturing, &said);
    if (status) return segue_device_failed(dev, status, SEGUE_PHASE_RUN, &said, diag);
    if (!capturing) return SEGUE_OK;
    return segue_fail(diag, SEGUE_ERROR_CAPTURE, SEGUE_PHASE_RUN, 0,
                      "segue_run may allocate and synchronises: wanted a stream that is not being captured; "
                      "make a plan and use segue_plan_run");
}

/* What was enqueued before a failure uses the workspace and the plan, which the next call may free or run again. */
static segue_status run_and_wait(segue_device *dev, const segue_plan *plan, const segue_op_header *op,
                                 segue_stream stream, segue_diag *diag)
{
    segue_diag said = { 0 };
    const segue_status status = segue_plan_run(plan, op, stream, dev->cache.workspace, &said);
    const segue_status waited = segue_stream_sync(dev, stream, status ? NULL : diag);
    return status ? segue_pass_on(diag, status, said.phase, &said)
                  : waited; /* the first is the last error, too */
}

segue_status segue_run(segue_device *dev, const segue_op_header *op, segue_stream stream, segue_diag *diag)
{
    struct shapes shapes;
    struct op_storage storage;
    segue_plan *plan = NULL;
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (!status) status = segue_validate_header(op, &shapes, diag);
    if (!status && stream.api != dev->facts.api)
        status = segue_wrong_stream(dev, stream, SEGUE_PHASE_RUN, diag);
    if (!status) status = check_capture(dev, stream, diag); /* drivers take any handle for one of theirs */
    if (status) return status;
    op = segue_full_op(op, shapes.facts->op_size, &storage);
    os_mutex_lock(dev->cache.lock);
    status = find_plan(dev, op, &plan, diag);
    if (!status) status = grow_workspace(dev, plan->workspace_bytes, diag);
    if (!status) status = run_and_wait(dev, plan, op, stream, diag);
    if (status == SEGUE_ERROR_MEMORY) drop_workspace(dev); /* the driver may have given what it does not have */
    os_mutex_unlock(dev->cache.lock);
    return status;
}

void segue_cache_destroy(segue_device *dev)
{
    for (uint32_t i = 0; i < CACHED_PLANS; i++) drop_plan(dev, i);
    if (dev->cache.workspace.data) dev->plugin->memory_free(dev->handle, dev->cache.workspace);
    dev->cache.workspace = (segue_buffer){ NULL, 0, 0 };
}
