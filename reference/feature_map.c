/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel features of queries or keys by their definition: for every token and head y = phi(c x) [b t h f], the formulas
 * and their sources in feature_maps.h. A token whose keep is 0 gives y = 0 and has no part in M or R; what it holds reaches
 * nothing. Tokens outside cu_seqlens are not written. */
#include "feature_maps.h"

static features rule_of(const segue_feature_map *op)
{
    features of;
    of.W = &op->W, of.bias = &op->bias;
    of.width = op->x.shape[3];
    of.map = op->map, of.shift_mode = op->shift_mode;
    of.position = op->position, of.length = op->length ? op->length : op->position + op->x.shape[1];
    of.scale = op->scale, of.eps = op->eps, of.shift = op->shift;
    return of;
}

/* Numbers that segue_reference_feature_map() works in: c x and u, then y. */
int64_t segue_reference_feature_map_work(const segue_op_header *header)
{
    const segue_feature_map *op = (const segue_feature_map *)header;
    const features of = rule_of(op);
    return size_sum(features_work(&of), op->y.shape[3]);
}

static void map_sequence(const segue_feature_map *op, const sequence *q, int64_t h, real *work)
{
    const features of = rule_of(op);
    const real shift = features_shift(&of, &op->x, &op->keep, q, h, work), zero = 0;
    real *const y = work + features_work(&of);
    for (int64_t t = q->first; t < q->first + q->count; t++) {
        const int kept = !present(&op->keep) || load_int(&op->keep, q->b, t);
        if (kept) features_of(&of, &op->x, q, t, h, shift, work, y);
        for (int64_t f = 0; f < op->y.shape[3]; f++) store(&op->y, kept ? y[f] : zero, q->b, t, h, f);
    }
}

void segue_reference_feature_map(const segue_op_header *header, real *work)
{
    const segue_feature_map *op = (const segue_feature_map *)header;
    segue_tensor no_slot;
    memset(&no_slot, 0, sizeof no_slot);
    for (int64_t s = 0; s < sequence_count(&op->x, &op->cu_seqlens); s++) {
        const sequence q = sequence_at(s, &op->x, &op->cu_seqlens, &no_slot, 0);
        for (int64_t h = 0; h < op->x.shape[2]; h++) map_sequence(op, &q, h, work);
    }
}

#ifndef SEGUE_GAUGE
#include <segue/kit.h>

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    return fits_workspace(segue_reference_feature_map_work(op)) ? NULL
                                                                : "y: f is at most 2^60 numbers of workspace";
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)segue_reference_feature_map_work(op) * sizeof(real);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    segue_reference_feature_map(op, (real *)((char *)call->workspace.data + call->workspace.offset));
    return SEGUE_OK;
}

extern const segue_row segue_row_feature_map_reference;
const segue_row segue_row_feature_map_reference = {
    .name = "feature_map_reference",
    .primitive = SEGUE_FEATURE_MAP,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F64,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
#endif
