/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, streams and events of a device: checked here, done by the plugin. */
#include "diag.h"
#include "object.h"

#include <inttypes.h>

static const char *const api_names[] = { "none", "CPU", "CUDA", "HIP", "OpenCL" };

static const char *api_name(uint32_t api)
{
    return api < sizeof api_names / sizeof *api_names ? api_names[api] : "an unknown API";
}

static segue_status check_api(segue_device *dev, const char *what, uint32_t api, segue_diag *diag)
{
    const segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (status) return status;
    if (api == dev->facts.api) return SEGUE_OK;
    return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0, "%s is of %s, wanted one of %s for %s",
                      what, api_name(api), api_name(dev->facts.api), dev->facts.name);
}

segue_status segue_wrong_stream(const segue_device *dev, segue_stream stream, uint32_t phase, segue_diag *diag)
{
    return segue_fail(
        diag, SEGUE_ERROR_ARGUMENT, phase, 0,
        "stream is of API %u, wanted one of %s (API %u): segue_stream_create or segue_stream_wrap", stream.api,
        dev->facts.name, dev->facts.api);
}

static segue_status passed(segue_device *dev, segue_status status, segue_diag *said, segue_diag *diag)
{
    return status ? segue_device_failed(dev, status, SEGUE_PHASE_CALL, said, diag) : SEGUE_OK;
}

segue_status segue_memory_alloc(segue_device *dev, uint64_t bytes, segue_buffer *out, segue_diag *diag)
{
    segue_diag said = { 0 };
    segue_buffer buffer = { NULL, 0, 0 };
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (status) return status;
    if (!out)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "out is NULL, wanted where to put the buffer");
    if (bytes >> 62)
        return segue_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_CALL, 0,
                          "%s: wanted %" PRIu64 " bytes, more than any device has", dev->facts.name, bytes);
    if (bytes) status = passed(dev, dev->plugin->memory_alloc(dev->handle, bytes, &buffer, &said), &said, diag);
    if (!status) *out = buffer;
    return status;
}

void segue_memory_free(segue_device *dev, segue_buffer buffer)
{
    if (buffer.data && !segue_object_check(dev, KIND_DEVICE, NULL))
        dev->plugin->memory_free(dev->handle, buffer);
}

/* bytes from buffer's offset must lie within it. */
static segue_status check_range(const char *what, segue_buffer buffer, uint64_t bytes, segue_diag *diag)
{
    if (buffer.data && buffer.offset <= buffer.bytes && bytes <= buffer.bytes - buffer.offset) return SEGUE_OK;
    return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                      "%s: wanted %" PRIu64 " bytes from offset %" PRIu64 ", given %s of %" PRIu64 " bytes",
                      what, bytes, buffer.offset, buffer.data ? "a buffer" : "NULL", buffer.bytes);
}

segue_status segue_memory_copy(segue_device *dev, segue_stream stream, uint32_t direction, segue_buffer to,
                               segue_buffer from, uint64_t bytes, segue_diag *diag)
{
    segue_diag said = { 0 };
    segue_status status = check_api(dev, "stream", stream.api, diag);
    if (status || !bytes) return status;
    if (direction < SEGUE_COPY_TO_DEVICE || direction > SEGUE_COPY_ON_DEVICE)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "direction is %u, wanted SEGUE_COPY_TO_DEVICE (1), FROM_DEVICE (2) or ON_DEVICE (3)",
                          direction);
    if ((status = check_range("to", to, bytes, diag))) return status;
    if ((status = check_range("from", from, bytes, diag))) return status;
    return passed(dev, dev->plugin->memory_copy(dev->handle, stream, direction, to, from, bytes, &said), &said,
                  diag);
}

segue_status segue_memory_fill(segue_device *dev, segue_stream stream, segue_buffer to, uint8_t value,
                               uint64_t bytes, segue_diag *diag)
{
    segue_diag said = { 0 };
    segue_status status = check_api(dev, "stream", stream.api, diag);
    if (status || !bytes) return status;
    if ((status = check_range("to", to, bytes, diag))) return status;
    return passed(dev, dev->plugin->memory_fill(dev->handle, stream, to, value, bytes, &said), &said, diag);
}

segue_status segue_stream_create(segue_device *dev, segue_stream *out, segue_diag *diag)
{
    segue_diag said = { 0 };
    segue_stream stream = { 0 };
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (status) return status;
    if (!out)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "out is NULL, wanted where to put the stream");
    status = passed(dev, dev->plugin->stream_create(dev->handle, &stream, &said), &said, diag);
    if (status) return status;
    stream.flags |= SEGUE_STREAM_OWNED;
    *out = stream;
    return SEGUE_OK;
}

segue_status segue_stream_wrap(segue_device *dev, uint32_t api, void *handle, uint32_t flags, segue_stream *out,
                               segue_diag *diag)
{
    const uint32_t defaults = SEGUE_STREAM_LEGACY_DEFAULT | SEGUE_STREAM_PER_THREAD_DEFAULT;
    const segue_stream stream = { api, flags, handle };
    segue_diag said = { 0 };
    segue_status status = check_api(dev, "stream", api, diag);
    if (status) return status;
    if (!out)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "out is NULL, wanted where to put the stream");
    if (flags & ~defaults || flags == defaults)
        return segue_fail(
            diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
            "flags are %#x, wanted 0, SEGUE_STREAM_LEGACY_DEFAULT or SEGUE_STREAM_PER_THREAD_DEFAULT", flags);
    if (!handle && !flags && api != SEGUE_API_CPU)
        return segue_fail(
            diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
            "handle is NULL, wanted a stream, or one of the default flags to mean the default stream");
    status = passed(dev, dev->plugin->stream_wrap(dev->handle, stream, &said), &said, diag);
    if (!status) *out = stream;
    return status;
}

segue_status segue_stream_sync(segue_device *dev, segue_stream stream, segue_diag *diag)
{
    segue_diag said = { 0 };
    const segue_status status = check_api(dev, "stream", stream.api, diag);
    return status ? status : passed(dev, dev->plugin->stream_sync(dev->handle, stream, &said), &said, diag);
}

void segue_stream_destroy(segue_device *dev, segue_stream stream)
{
    if (stream.flags & SEGUE_STREAM_OWNED && !check_api(dev, "stream", stream.api, NULL))
        dev->plugin->stream_destroy(dev->handle, stream);
}

segue_status segue_event_create(segue_device *dev, segue_event *out, segue_diag *diag)
{
    segue_diag said = { 0 };
    segue_event event = { 0 };
    segue_status status = segue_object_check(dev, KIND_DEVICE, diag);
    if (status) return status;
    if (!out)
        return segue_fail(diag, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_CALL, 0,
                          "out is NULL, wanted where to put the event");
    status = passed(dev, dev->plugin->event_create(dev->handle, &event, &said), &said, diag);
    if (!status) *out = event;
    return status;
}

static segue_status check_event(segue_device *dev, segue_event event, segue_stream stream, segue_diag *diag)
{
    const segue_status status = check_api(dev, "stream", stream.api, diag);
    return status ? status : check_api(dev, "event", event.api, diag);
}

segue_status segue_event_record(segue_device *dev, segue_event event, segue_stream stream, segue_diag *diag)
{
    segue_diag said = { 0 };
    const segue_status status = check_event(dev, event, stream, diag);
    return status ? status
                  : passed(dev, dev->plugin->event_record(dev->handle, event, stream, &said), &said, diag);
}

segue_status segue_event_wait(segue_device *dev, segue_event event, segue_stream stream, segue_diag *diag)
{
    segue_diag said = { 0 };
    const segue_status status = check_event(dev, event, stream, diag);
    return status ? status
                  : passed(dev, dev->plugin->event_wait(dev->handle, event, stream, &said), &said, diag);
}

segue_status segue_event_sync(segue_device *dev, segue_event event, segue_diag *diag)
{
    segue_diag said = { 0 };
    const segue_status status = check_api(dev, "event", event.api, diag);
    return status ? status : passed(dev, dev->plugin->event_sync(dev->handle, event, &said), &said, diag);
}

void segue_event_destroy(segue_device *dev, segue_event event)
{
    if (!check_api(dev, "event", event.api, NULL)) dev->plugin->event_destroy(dev->handle, event);
}
