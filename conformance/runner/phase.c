/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "phase.h"

#include <segue/segue.h>

#include <pthread.h>
#include <unistd.h>

struct phase_page *phase_page;

static const char *const words[PHASE_COUNT] = {
    [PHASE_NONE] = "outside of the device's functions",
    [PHASE_OPEN] = "when the device was opened",
    [PHASE_SUPPORT] = "in support",
    [PHASE_EXPLAIN] = "in explain",
    [PHASE_PLAN] = "in plan",
    [PHASE_RUN] = "in run",
    [PHASE_MEMORY] = "in a memory function",
    [PHASE_SYNC] = "when the stream was synchronised",
    [PHASE_STREAM] = "when a stream was made or destroyed",
    [PHASE_EVENT] = "in an event function",
    [PHASE_PLAN_FACTS] = "when a plan was asked for its facts",
    [PHASE_PLAN_END] = "when a plan was destroyed",
    [PHASE_STATUS] = "when the device was asked for its status",
    [PHASE_THREADS] = "in calls of other threads",
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

static int watched(void)
{
    return phase_page && gettid() == getpid(); /* two threads would leave each other's phase behind */
}

/* Sets the phase and returns the one before, to which the caller goes back. What a device does when it is opened or closed
 * stays that. */
static enum phase enter(enum phase p)
{
    if (!watched()) return PHASE_NONE;
    const int before = atomic_load_explicit(&phase_page->phase, memory_order_relaxed);
    if (before != PHASE_OPEN && before != PHASE_CLOSE) phase_set(p);
    return (enum phase)before;
}

static void leave(enum phase before)
{
    if (watched()) phase_set(before);
}

static segue_status leave_with(enum phase before, segue_status s)
{
    leave(before);
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
segue_status __real_segue_plan_info(const segue_plan *plan, segue_plan_facts *out, segue_diag *diag);
segue_status __wrap_segue_plan_info(const segue_plan *plan, segue_plan_facts *out, segue_diag *diag);
void __real_segue_plan_destroy(segue_plan *plan);
void __wrap_segue_plan_destroy(segue_plan *plan);
segue_status __real_segue_device_status(segue_device *dev, segue_diag *diag);
segue_status __wrap_segue_device_status(segue_device *dev, segue_diag *diag);
void __real_segue_memory_free(segue_device *dev, segue_buffer buffer);
void __wrap_segue_memory_free(segue_device *dev, segue_buffer buffer);
segue_status __real_segue_stream_create(segue_device *dev, segue_stream *out, segue_diag *diag);
segue_status __wrap_segue_stream_create(segue_device *dev, segue_stream *out, segue_diag *diag);
void __real_segue_stream_destroy(segue_device *dev, segue_stream stream);
void __wrap_segue_stream_destroy(segue_device *dev, segue_stream stream);
segue_status __real_segue_event_create(segue_device *dev, segue_event *out, segue_diag *diag);
segue_status __wrap_segue_event_create(segue_device *dev, segue_event *out, segue_diag *diag);
segue_status __real_segue_event_record(segue_device *dev, segue_event event, segue_stream stream,
                                       segue_diag *diag);
segue_status __wrap_segue_event_record(segue_device *dev, segue_event event, segue_stream stream,
                                       segue_diag *diag);
segue_status __real_segue_event_wait(segue_device *dev, segue_event event, segue_stream stream,
                                     segue_diag *diag);
segue_status __wrap_segue_event_wait(segue_device *dev, segue_event event, segue_stream stream,
                                     segue_diag *diag);
segue_status __real_segue_event_sync(segue_device *dev, segue_event event, segue_diag *diag);
segue_status __wrap_segue_event_sync(segue_device *dev, segue_event event, segue_diag *diag);
void __real_segue_event_destroy(segue_device *dev, segue_event event);
void __wrap_segue_event_destroy(segue_device *dev, segue_event event);
int __real_pthread_join(pthread_t thread, void **out);
int __wrap_pthread_join(pthread_t thread, void **out);

segue_status __wrap_segue_support(segue_device *dev, const segue_op_header *op, segue_support_facts *out,
                                  segue_diag *diag)
{
    const enum phase before = enter(PHASE_SUPPORT);
    return leave_with(before, __real_segue_support(dev, op, out, diag));
}

segue_status __wrap_segue_explain(segue_device *dev, const segue_op_header *op, segue_row_facts *out,
                                  uint32_t *count, segue_diag *diag)
{
    const enum phase before = enter(PHASE_EXPLAIN);
    return leave_with(before, __real_segue_explain(dev, op, out, count, diag));
}

segue_status __wrap_segue_plan_create(segue_device *dev, const segue_op_header *op, segue_plan **out,
                                      segue_diag *diag)
{
    const enum phase before = enter(PHASE_PLAN);
    return leave_with(before, __real_segue_plan_create(dev, op, out, diag));
}

segue_status __wrap_segue_plan_create_row(segue_device *dev, const segue_op_header *op, const char *row,
                                          segue_plan **out, segue_diag *diag)
{
    const enum phase before = enter(PHASE_PLAN);
    return leave_with(before, __real_segue_plan_create_row(dev, op, row, out, diag));
}

segue_status __wrap_segue_plan_run(const segue_plan *plan, const segue_op_header *op, segue_stream stream,
                                   segue_buffer workspace, segue_diag *diag)
{
    const enum phase before = enter(PHASE_RUN);
    return leave_with(before, __real_segue_plan_run(plan, op, stream, workspace, diag));
}

segue_status __wrap_segue_run(segue_device *dev, const segue_op_header *op, segue_stream stream,
                              segue_diag *diag)
{
    const enum phase before = enter(PHASE_RUN);
    return leave_with(before, __real_segue_run(dev, op, stream, diag));
}

segue_status __wrap_segue_stream_sync(segue_device *dev, segue_stream stream, segue_diag *diag)
{
    const enum phase before = enter(PHASE_SYNC);
    return leave_with(before, __real_segue_stream_sync(dev, stream, diag));
}

segue_status __wrap_segue_memory_alloc(segue_device *dev, uint64_t bytes, segue_buffer *out, segue_diag *diag)
{
    const enum phase before = enter(PHASE_MEMORY);
    return leave_with(before, __real_segue_memory_alloc(dev, bytes, out, diag));
}

segue_status __wrap_segue_memory_copy(segue_device *dev, segue_stream stream, uint32_t direction,
                                      segue_buffer to, segue_buffer from, uint64_t bytes, segue_diag *diag)
{
    const enum phase before = enter(PHASE_MEMORY);
    return leave_with(before, __real_segue_memory_copy(dev, stream, direction, to, from, bytes, diag));
}

segue_status __wrap_segue_memory_fill(segue_device *dev, segue_stream stream, segue_buffer to, uint8_t value,
                                      uint64_t bytes, segue_diag *diag)
{
    const enum phase before = enter(PHASE_MEMORY);
    return leave_with(before, __real_segue_memory_fill(dev, stream, to, value, bytes, diag));
}

segue_status __wrap_segue_plan_info(const segue_plan *plan, segue_plan_facts *out, segue_diag *diag)
{
    const enum phase before = enter(PHASE_PLAN_FACTS);
    return leave_with(before, __real_segue_plan_info(plan, out, diag));
}

void __wrap_segue_plan_destroy(segue_plan *plan)
{
    const enum phase before = enter(PHASE_PLAN_END);
    __real_segue_plan_destroy(plan);
    leave(before);
}

segue_status __wrap_segue_device_status(segue_device *dev, segue_diag *diag)
{
    const enum phase before = enter(PHASE_STATUS);
    return leave_with(before, __real_segue_device_status(dev, diag));
}

void __wrap_segue_memory_free(segue_device *dev, segue_buffer buffer)
{
    const enum phase before = enter(PHASE_MEMORY);
    __real_segue_memory_free(dev, buffer);
    leave(before);
}

segue_status __wrap_segue_stream_create(segue_device *dev, segue_stream *out, segue_diag *diag)
{
    const enum phase before = enter(PHASE_STREAM);
    return leave_with(before, __real_segue_stream_create(dev, out, diag));
}

void __wrap_segue_stream_destroy(segue_device *dev, segue_stream stream)
{
    const enum phase before = enter(PHASE_STREAM);
    __real_segue_stream_destroy(dev, stream);
    leave(before);
}

segue_status __wrap_segue_event_create(segue_device *dev, segue_event *out, segue_diag *diag)
{
    const enum phase before = enter(PHASE_EVENT);
    return leave_with(before, __real_segue_event_create(dev, out, diag));
}

segue_status __wrap_segue_event_record(segue_device *dev, segue_event event, segue_stream stream,
                                       segue_diag *diag)
{
    const enum phase before = enter(PHASE_EVENT);
    return leave_with(before, __real_segue_event_record(dev, event, stream, diag));
}

segue_status __wrap_segue_event_wait(segue_device *dev, segue_event event, segue_stream stream,
                                     segue_diag *diag)
{
    const enum phase before = enter(PHASE_EVENT);
    return leave_with(before, __real_segue_event_wait(dev, event, stream, diag));
}

segue_status __wrap_segue_event_sync(segue_device *dev, segue_event event, segue_diag *diag)
{
    const enum phase before = enter(PHASE_EVENT);
    return leave_with(before, __real_segue_event_sync(dev, event, diag));
}

void __wrap_segue_event_destroy(segue_device *dev, segue_event event)
{
    const enum phase before = enter(PHASE_EVENT);
    __real_segue_event_destroy(dev, event);
    leave(before);
}

int __wrap_pthread_join(pthread_t thread, void **out)
{
    const enum phase before = enter(PHASE_THREADS);
    const int failed = __real_pthread_join(thread, out);
    leave(before);
    return failed;
}
