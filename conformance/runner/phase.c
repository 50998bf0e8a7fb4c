/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "phase.h"

#include <segue/segue.h>

struct phase_page *phase_page;

static const char *const words[PHASE_COUNT] = {
    [PHASE_NONE] = "outside of the device's functions",
    [PHASE_OPEN] = "when the device was opened",
    [PHASE_SUPPORT] = "in support",
    [PHASE_EXPLAIN] = "in explain",
    [PHASE_PLAN] = "in plan",
    [PHASE_RUN] = "in run",
    [PHASE_MEMORY] = "in a memory function",
    [PHASE_STREAM] = "when the stream was synchronised",
    [PHASE_CLOSE] = "when the device was closed",
};

const char *phase_words(int phase)
{
    return phase >= 0 && phase < PHASE_COUNT ? words[phase] : words[PHASE_NONE];
}

void phase_set(enum phase p)
{
    if (phase_page) atomic_store_explicit(&phase_page->phase, (int)p, memory_order_relaxed);
}

/* Sets the phase and returns the one before, to which the caller goes back. */
static enum phase enter(enum phase p)
{
    const int before = phase_page ? atomic_load_explicit(&phase_page->phase, memory_order_relaxed) : PHASE_NONE;
    phase_set(p);
    return (enum phase)before;
}

static segue_status leave(enum phase before, segue_status s)
{
    phase_set(before);
    return s;
}

/* The linker gives __wrap_ and __real_ their meaning; it knows no header. */
segue_status __real_segue_support(segue_device *dev, const segue_op_header *op, segue_support_facts *out,
                                  segue_diag *diag);
segue_status __wrap_segue_support(segue_device *dev, const segue_op_header *op, segue_support_facts *out,
                                  segue_diag *diag);
segue_status __real_segue_explain(segue_device *dev, const segue_op_header *op, segue_row_facts *out,
                                  uint32_t *count, segue_diag *diag);
segue_status __wrap_segue_explain(segue_device *dev, const segue_op_header *op, segue_row_facts *out,
                                  uint32_t *count, segue_diag *diag);
segue_status __real_segue_plan_create(segue_device *dev, const segue_op_header *op, segue_plan **out,
                                      segue_diag *diag);
segue_status __wrap_segue_plan_create(segue_device *dev, const segue_op_header *op, segue_plan **out,
                                      segue_diag *diag);
segue_status __real_segue_plan_create_row(segue_device *dev, const segue_op_header *op, const char *row,
                                          segue_plan **out, segue_diag *diag);
segue_status __wrap_segue_plan_create_row(segue_device *dev, const segue_op_header *op, const char *row,
                                          segue_plan **out, segue_diag *diag);
segue_status __real_segue_plan_run(const segue_plan *plan, const segue_op_header *op, segue_stream stream,
                                   segue_buffer workspace, segue_diag *diag);
segue_status __wrap_segue_plan_run(const segue_plan *plan, const segue_op_header *op, segue_stream stream,
                                   segue_buffer workspace, segue_diag *diag);
segue_status __real_segue_run(segue_device *dev, const segue_op_header *op, segue_stream stream,
                              segue_diag *diag);
segue_status __wrap_segue_run(segue_device *dev, const segue_op_header *op, segue_stream stream,
                              segue_diag *diag);
segue_status __real_segue_stream_sync(segue_device *dev, segue_stream stream, segue_diag *diag);
segue_status __wrap_segue_stream_sync(segue_device *dev, segue_stream stream, segue_diag *diag);
segue_status __real_segue_memory_alloc(segue_device *dev, uint64_t bytes, segue_buffer *out, segue_diag *diag);
segue_status __wrap_segue_memory_alloc(segue_device *dev, uint64_t bytes, segue_buffer *out, segue_diag *diag);
segue_status __real_segue_memory_copy(segue_device *dev, segue_stream stream, uint32_t direction,
                                      segue_buffer to, segue_buffer from, uint64_t bytes, segue_diag *diag);
segue_status __wrap_segue_memory_copy(segue_device *dev, segue_stream stream, uint32_t direction,
                                      segue_buffer to, segue_buffer from, uint64_t bytes, segue_diag *diag);
segue_status __real_segue_memory_fill(segue_device *dev, segue_stream stream, segue_buffer to, uint8_t value,
                                      uint64_t bytes, segue_diag *diag);
segue_status __wrap_segue_memory_fill(segue_device *dev, segue_stream stream, segue_buffer to, uint8_t value,
                                      uint64_t bytes, segue_diag *diag);

segue_status __wrap_segue_support(segue_device *dev, const segue_op_header *op, segue_support_facts *out,
                                  segue_diag *diag)
{
    const enum phase before = enter(PHASE_SUPPORT);
    return leave(before, __real_segue_support(dev, op, out, diag));
}

segue_status __wrap_segue_explain(segue_device *dev, const segue_op_header *op, segue_row_facts *out,
                                  uint32_t *count, segue_diag *diag)
{
    const enum phase before = enter(PHASE_EXPLAIN);
    return leave(before, __real_segue_explain(dev, op, out, count, diag));
}

segue_status __wrap_segue_plan_create(segue_device *dev, const segue_op_header *op, segue_plan **out,
                                      segue_diag *diag)
{
    const enum phase before = enter(PHASE_PLAN);
    return leave(before, __real_segue_plan_create(dev, op, out, diag));
}

segue_status __wrap_segue_plan_create_row(segue_device *dev, const segue_op_header *op, const char *row,
                                          segue_plan **out, segue_diag *diag)
{
    const enum phase before = enter(PHASE_PLAN);
    return leave(before, __real_segue_plan_create_row(dev, op, row, out, diag));
}

segue_status __wrap_segue_plan_run(const segue_plan *plan, const segue_op_header *op, segue_stream stream,
                                   segue_buffer workspace, segue_diag *diag)
{
    const enum phase before = enter(PHASE_RUN);
    return leave(before, __real_segue_plan_run(plan, op, stream, workspace, diag));
}

segue_status __wrap_segue_run(segue_device *dev, const segue_op_header *op, segue_stream stream,
                              segue_diag *diag)
{
    const enum phase before = enter(PHASE_RUN);
    return leave(before, __real_segue_run(dev, op, stream, diag));
}

segue_status __wrap_segue_stream_sync(segue_device *dev, segue_stream stream, segue_diag *diag)
{
    const enum phase before = enter(PHASE_STREAM);
    return leave(before, __real_segue_stream_sync(dev, stream, diag));
}

segue_status __wrap_segue_memory_alloc(segue_device *dev, uint64_t bytes, segue_buffer *out, segue_diag *diag)
{
    const enum phase before = enter(PHASE_MEMORY);
    return leave(before, __real_segue_memory_alloc(dev, bytes, out, diag));
}

segue_status __wrap_segue_memory_copy(segue_device *dev, segue_stream stream, uint32_t direction,
                                      segue_buffer to, segue_buffer from, uint64_t bytes, segue_diag *diag)
{
    const enum phase before = enter(PHASE_MEMORY);
    return leave(before, __real_segue_memory_copy(dev, stream, direction, to, from, bytes, diag));
}

segue_status __wrap_segue_memory_fill(segue_device *dev, segue_stream stream, segue_buffer to, uint8_t value,
                                      uint64_t bytes, segue_diag *diag)
{
    const enum phase before = enter(PHASE_MEMORY);
    return leave(before, __real_segue_memory_fill(dev, stream, to, value, bytes, diag));
}
