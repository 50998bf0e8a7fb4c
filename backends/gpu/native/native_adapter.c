/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, streams and events. */
#include "native.h"
#include "tensor_copy.h"

#include <inttypes.h>
#include <stdio.h>

#define PHASE SEGUE_PHASE_CALL

/* entry: offsetof(struct native_api, ...) of what was called. */
static segue_status told(struct native_device *dev, int error, size_t entry, segue_diag *diag)
{
    return error ? native_told(dev, error, PHASE, native_call(dev->kind, entry), diag) : SEGUE_OK;
}

/* ---- devices -------------------------------------------------------------------------------------------- */

static segue_status make_queue(struct native_device *dev, segue_diag *why)
{
    struct native_scope scope;
    segue_status s = native_enter_relaxed(dev, &scope, SEGUE_PHASE_OPEN, why);
    if (s) return s;
    s = native_told(dev, dev->api.stream_create(&dev->queue, NATIVE_STREAM_NON_BLOCKING), SEGUE_PHASE_OPEN,
                    native_call(dev->kind, offsetof(struct native_api, stream_create)), why);
    native_leave(dev, &scope);
    return s;
}

segue_status native_open(struct native_device *dev, segue_diag *why)
{
    const segue_status s = make_queue(dev, why);
    if (s) return s;
    dev->gpu.driver = dev->kind->driver;
    dev->gpu.warm = (segue_stream){ dev->kind->api, SEGUE_STREAM_OWNED, dev->queue };
    return gpu_open(&dev->gpu, why);
}

void native_close(struct native_device *dev)
{
    struct native_scope scope;
    gpu_close(&dev->gpu);
    if (!dev->queue || !native_enter_to_release(dev, &scope)) return;
    dev->api.stream_synchronize(dev->queue);
    dev->api.stream_destroy(dev->queue);
    dev->queue = NULL;
    native_leave(dev, &scope);
}

/* ---- memory --------------------------------------------------------------------------------------------- */

segue_status native_alloc(void *device, uint64_t bytes, segue_buffer *out, segue_diag *diag)
{
    struct native_device *dev = device;
    struct native_scope scope;
    void *at = NULL;
    segue_status s = native_enter_relaxed(dev, &scope, PHASE, diag);
    if (s) return s;
    s = told(dev, dev->api.memory_alloc(&at, bytes), offsetof(struct native_api, memory_alloc), diag);
    native_leave(dev, &scope);
    if (!s) *out = (segue_buffer){ at, 0, bytes };
    if (s != SEGUE_ERROR_MEMORY || !diag) return s;
    const size_t used = strlen(diag->text);
    snprintf(diag->text + used, sizeof diag->text - used, "; %" PRIu64 " bytes were wanted", bytes);
    return s;
}

/* The driver waits for the work that uses it. */
void native_free(void *device, segue_buffer buffer)
{
    struct native_device *dev = device;
    struct native_scope scope;
    if (!native_enter_to_release(dev, &scope)) return;
    dev->api.memory_free(buffer.data);
    native_leave(dev, &scope);
}

segue_status native_copy(void *device, segue_stream stream, uint32_t direction, segue_buffer to,
                         segue_buffer from, uint64_t bytes, segue_diag *diag)
{
    static const size_t entries[] = {
        [SEGUE_COPY_TO_DEVICE] = offsetof(struct native_api, copy_to_device),
        [SEGUE_COPY_FROM_DEVICE] = offsetof(struct native_api, copy_from_device),
        [SEGUE_COPY_ON_DEVICE] = offsetof(struct native_api, copy_within),
    };
    struct native_device *dev = device;
    struct native_scope scope;
    int (*copy)(void *, const void *, size_t, void *);
    segue_status s = native_enter(dev, &scope, PHASE, diag);
    if (s) return s;
    memcpy(&copy, (const char *)&dev->api + entries[direction], sizeof copy);
    s = told(
        dev,
        copy((char *)to.data + to.offset, (const char *)from.data + from.offset, bytes, native_stream(stream)),
        entries[direction], diag);
    native_leave(dev, &scope);
    return s;
}

segue_status native_fill(void *device, segue_stream stream, segue_buffer to, uint8_t value, uint64_t bytes,
                         segue_diag *diag)
{
    struct native_device *dev = device;
    struct native_scope scope;
    segue_status s = native_enter(dev, &scope, PHASE, diag);
    if (s) return s;
    s = told(dev, dev->api.fill((char *)to.data + to.offset, value, bytes, native_stream(stream)),
             offsetof(struct native_api, fill), diag);
    native_leave(dev, &scope);
    return s;
}

segue_status native_tensor_copy(void *device, segue_stream stream, const segue_tensor *to,
                                const segue_tensor *from, segue_diag *diag)
{
    return gpu_tensor_copy(device, stream, to, from, diag);
}

/* ---- streams -------------------------------------------------------------------------------------------- */

segue_status native_stream_create(void *device, segue_stream *out, segue_diag *diag)
{
    struct native_device *dev = device;
    struct native_scope scope;
    void *made = NULL;
    segue_status s = native_enter_relaxed(dev, &scope, PHASE, diag);
    if (s) return s;
    s = told(dev, dev->api.stream_create(&made, NATIVE_STREAM_NON_BLOCKING),
             offsetof(struct native_api, stream_create), diag);
    native_leave(dev, &scope);
    if (!s) *out = (segue_stream){ dev->kind->api, SEGUE_STREAM_OWNED, made };
    return s;
}

/* A default stream is of whichever context is current: the device's own, then. */
segue_status native_stream_wrap(void *device, segue_stream stream, segue_diag *diag)
{
    struct native_device *dev = device;
    struct native_scope scope;
    if ((uintptr_t)stream.handle <= NATIVE_STREAM_PER_THREAD || !dev->kind->check_stream) return SEGUE_OK;
    segue_status s = native_enter(dev, &scope, PHASE, diag);
    if (s) return s;
    s = dev->kind->check_stream(dev, stream.handle, diag);
    native_leave(dev, &scope);
    return s;
}

segue_status native_stream_sync(void *device, segue_stream stream, segue_diag *diag)
{
    struct native_device *dev = device;
    struct native_scope scope;
    segue_status s = native_enter(dev, &scope, PHASE, diag);
    if (s) return s;
    s = told(dev, dev->api.stream_synchronize(native_stream(stream)),
             offsetof(struct native_api, stream_synchronize), diag);
    native_leave(dev, &scope);
    return s;
}

/* What was enqueued is still done: the driver keeps the stream until then. */
void native_stream_destroy(void *device, segue_stream stream)
{
    struct native_device *dev = device;
    struct native_scope scope;
    if (!stream.handle || !native_enter_to_release(dev, &scope)) return;
    dev->api.stream_destroy(stream.handle);
    native_leave(dev, &scope);
}

segue_status native_stream_capturing(void *device, segue_stream stream, uint32_t *capturing, segue_diag *diag)
{
    struct native_device *dev = device;
    struct native_scope scope;
    int status = 0; /* 1 = it is being captured; 2 = it was, and the capture is broken but not ended */
    segue_status s = native_enter(dev, &scope, PHASE, diag);
    if (s) return s;
    s = told(dev, dev->api.stream_is_capturing(native_stream(stream), &status),
             offsetof(struct native_api, stream_is_capturing), diag);
    native_leave(dev, &scope);
    if (!s) *capturing = status != 0;
    return s;
}

/* ---- events: one that was never recorded is done ---------------------------------------------------------- */

static segue_status enter_with(struct native_device *dev, segue_event event, struct native_scope *scope,
                               segue_diag *diag)
{
    if (event.handle) return native_enter(dev, scope, PHASE, diag);
    return segue_kit_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "event: the handle is NULL, wanted one from segue_event_create");
}

segue_status native_event_create(void *device, segue_event *out, segue_diag *diag)
{
    struct native_device *dev = device;
    struct native_scope scope;
    void *made = NULL;
    segue_status s = native_enter_relaxed(dev, &scope, PHASE, diag);
    if (s) return s;
    s = told(dev, dev->api.event_create(&made, NATIVE_EVENT_NO_TIMING),
             offsetof(struct native_api, event_create), diag);
    native_leave(dev, &scope);
    if (!s) *out = (segue_event){ dev->kind->api, 0, made };
    return s;
}

segue_status native_event_record(void *device, segue_event event, segue_stream stream, segue_diag *diag)
{
    struct native_device *dev = device;
    struct native_scope scope;
    segue_status s = enter_with(dev, event, &scope, diag);
    if (s) return s;
    s = told(dev, dev->api.event_record(event.handle, native_stream(stream)),
             offsetof(struct native_api, event_record), diag);
    native_leave(dev, &scope);
    return s;
}

segue_status native_event_wait(void *device, segue_event event, segue_stream stream, segue_diag *diag)
{
    struct native_device *dev = device;
    struct native_scope scope;
    segue_status s = enter_with(dev, event, &scope, diag);
    if (s) return s;
    s = told(dev, dev->api.stream_wait_event(native_stream(stream), event.handle, 0),
             offsetof(struct native_api, stream_wait_event), diag);
    native_leave(dev, &scope);
    return s;
}

segue_status native_event_sync(void *device, segue_event event, segue_diag *diag)
{
    struct native_device *dev = device;
    struct native_scope scope;
    segue_status s = enter_with(dev, event, &scope, diag);
    if (s) return s;
    s = told(dev, dev->api.event_synchronize(event.handle), offsetof(struct native_api, event_synchronize),
             diag);
    native_leave(dev, &scope);
    return s;
}

void native_event_destroy(void *device, segue_event event)
{
    struct native_device *dev = device;
    struct native_scope scope;
    if (!event.handle || !native_enter_to_release(dev, &scope)) return;
    dev->api.event_destroy(event.handle);
    native_leave(dev, &scope);
}
