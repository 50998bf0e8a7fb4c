/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The row that hands an op to the built-in reference. It computes at once on the caller's thread, so it may
 * only stand in for a device whose memory it can read and whose own work is done when a call returns. */
#include "kit_private.h"

#include <stdio.h>

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    const uint32_t need = SEGUE_DEVICE_HOST_MEMORY | SEGUE_DEVICE_SYNCHRONOUS;
    (void)op;
    return (dev->facts.flags & need) != need ? "delegation needs host memory and a synchronous device"
           : !dev->reference                 ? "the host offers no reference to delegate to"
                                             : NULL;
}

int segue_kit_delegate_accepts(const segue_op_header *op, const struct kit_device *dev, char reason[240],
                               uint32_t *field)
{
    const segue_plugin *reference = dev->shown.host->reference;
    segue_support_facts facts = { .size = sizeof facts };
    const char *why = accepts(op, &dev->shown);
    if (!why) {
        const segue_status s = reference->support(dev->shown.reference, op, &facts, NULL);
        if (!s && facts.verdict == SEGUE_SUPPORT_YES) return 1;
        why = s ? "the reference failed to answer" : facts.text;
    }
    snprintf(reason, 240, "%s", why);
    *field = facts.field;
    return 0;
}

static void release(void *data, const segue_kit_device *dev)
{
    dev->host->reference->plan_destroy(data);
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_plugin *reference = dev->host->reference;
    segue_plan_facts facts = { .size = sizeof facts };
    segue_status s = reference->plan_create(dev->reference, op, NULL, &plan->data, why);
    if (s) return s;
    s = reference->plan_info(plan->data, &facts, why);
    if (s) {
        release(plan->data, dev);
        return s;
    }
    plan->release = release;
    plan->workspace_bytes = facts.workspace_bytes;
    plan->workspace_alignment = facts.workspace_alignment;
    return SEGUE_OK;
}

segue_status segue_kit_delegate_facts(const struct kit_plan *plan, segue_plan_facts *out, segue_diag *diag)
{
    segue_plan_facts facts = { .size = out->size };
    const segue_status s = plan->device->shown.host->reference->plan_info(plan->made.data, &facts, diag);
    if (s) return s;
    facts.flags |= SEGUE_PLAN_DELEGATED;
    snprintf(facts.row, sizeof facts.row, "%s", segue_row_delegate.name);
    *out = facts;
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    const segue_stream stream = { SEGUE_API_CPU, 0, NULL }; /* the reference has no queues */
    return call->device->host->reference->plan_run(call->data, op, stream, call->workspace, call->why);
}

const segue_row segue_row_delegate = {
    .name = "reference",
    .priority = INT32_MIN,
    .accuracy = SEGUE_ACCURACY_F64,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
