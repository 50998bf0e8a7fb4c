/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The adapter of ordinary host memory, in parts. Everything has happened when a call returns, so streams and
 * events are only tokens. Memory comes from libc: the adapter's handle is the vendor's own and may be NULL. */
#define _GNU_SOURCE
#include <segue/kit.h>

#include <stdlib.h>
#include <sys/mman.h>

/* ALIGNMENT: promised by segue_memory_alloc. */
enum { ALIGNMENT = 256, HUGE_PAGE = 2 << 20 };

static char *address(segue_buffer buffer)
{
    return (char *)buffer.data + buffer.offset;
}

static segue_status check_stream(segue_stream stream, uint32_t phase, segue_diag *diag)
{
    if (stream.api == SEGUE_API_CPU && !stream.handle) return SEGUE_OK;
    return segue_kit_fail(diag, SEGUE_ERROR_ARGUMENT, phase, 0,
                          "stream: wanted SEGUE_API_CPU (%d) with a NULL handle, given API %u with handle %p",
                          SEGUE_API_CPU, stream.api, stream.handle);
}

segue_status segue_kit_count_one(const segue_host *host, uint32_t *count, segue_diag *diag)
{
    (void)host, (void)diag;
    *count = 1;
    return SEGUE_OK;
}

/* Rows of tensors lie pages apart: whole huge pages within are asked for. The memory does not begin with one, or all tensors would
 * meet in the same sets of the caches. */
static void ask_for_huge_pages(void *data, uint64_t bytes)
{
#ifdef MADV_HUGEPAGE
    const uintptr_t end = ((uintptr_t)data + bytes) / HUGE_PAGE * HUGE_PAGE;
    char *const first = (char *)data + (HUGE_PAGE - (uintptr_t)data % HUGE_PAGE) % HUGE_PAGE;
    if ((uintptr_t)first < end) madvise(first, end - (uintptr_t)first, MADV_HUGEPAGE);
#else
    (void)data, (void)bytes;
#endif
}

segue_status segue_kit_host_alloc(void *device, uint64_t bytes, segue_buffer *out, segue_diag *diag)
{
    void *data = NULL;
    (void)device;
    if (bytes <= SIZE_MAX - ALIGNMENT)
        data = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (!data)
        return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_CALL, 0, "no host memory for %llu bytes",
                              (unsigned long long)bytes);
    ask_for_huge_pages(data, bytes);
    *out = (segue_buffer){ data, 0, bytes };
    return SEGUE_OK;
}

void segue_kit_host_free(void *device, segue_buffer buffer)
{
    (void)device;
    free(buffer.data);
}

segue_status segue_kit_host_copy(void *device, segue_stream stream, uint32_t direction, segue_buffer to,
                                 segue_buffer from, uint64_t bytes, segue_diag *diag)
{
    const segue_status s = check_stream(stream, SEGUE_PHASE_CALL, diag);
    (void)device;
    (void)direction; /* both sides are host memory */
    if (!s && bytes) memmove(address(to), address(from), bytes);
    return s;
}

segue_status segue_kit_host_fill(void *device, segue_stream stream, segue_buffer to, uint8_t value,
                                 uint64_t bytes, segue_diag *diag)
{
    const segue_status s = check_stream(stream, SEGUE_PHASE_CALL, diag);
    (void)device;
    if (!s && bytes) memset(address(to), value, bytes);
    return s;
}

segue_status segue_kit_host_stream_create(void *device, segue_stream *out, segue_diag *diag)
{
    (void)device;
    (void)diag;
    *out = (segue_stream){ SEGUE_API_CPU, SEGUE_STREAM_OWNED, NULL };
    return SEGUE_OK;
}

segue_status segue_kit_host_stream_wrap(void *device, segue_stream stream, segue_diag *diag)
{
    (void)device;
    return check_stream(stream, SEGUE_PHASE_CALL, diag);
}

segue_status segue_kit_host_stream_sync(void *device, segue_stream stream, segue_diag *diag)
{
    (void)device;
    return check_stream(stream, SEGUE_PHASE_CALL, diag);
}

void segue_kit_host_stream_destroy(void *device, segue_stream stream)
{
    (void)device;
    (void)stream;
}

segue_status segue_kit_host_event_create(void *device, segue_event *out, segue_diag *diag)
{
    (void)device;
    (void)diag;
    *out = (segue_event){ SEGUE_API_CPU, 0, NULL };
    return SEGUE_OK;
}

segue_status segue_kit_host_event_record(void *device, segue_event event, segue_stream stream, segue_diag *diag)
{
    (void)device;
    (void)event;
    return check_stream(stream, SEGUE_PHASE_CALL, diag);
}

segue_status segue_kit_host_event_wait(void *device, segue_event event, segue_stream stream, segue_diag *diag)
{
    (void)device;
    (void)event;
    return check_stream(stream, SEGUE_PHASE_CALL, diag);
}

segue_status segue_kit_host_event_sync(void *device, segue_event event, segue_diag *diag)
{
    (void)device;
    (void)event;
    (void)diag;
    return SEGUE_OK;
}

void segue_kit_host_event_destroy(void *device, segue_event event)
{
    (void)device;
    (void)event;
}
