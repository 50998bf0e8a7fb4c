/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Memory, streams and events. A stream is an in-order queue; a NULL handle means the device's own. */
#include "opencl.h"
#include "tensor_copy.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

#define PHASE SEGUE_PHASE_CALL

/* What a driver call gave, as a status with words. */
static segue_status told(struct opencl_device *dev, int32_t error, const char *call, segue_diag *diag)
{
    return error ? opencl_failed_enqueuing(dev, error, PHASE, call, diag) : SEGUE_OK;
}

static segue_status told_waiting(struct opencl_device *dev, int32_t error, const char *call, segue_diag *diag)
{
    return error ? opencl_failed_waiting(dev, error, call, diag) : SEGUE_OK;
}

static segue_status status(void *device, segue_diag *diag)
{
    struct opencl_device *dev = device;
    const int32_t error = atomic_load(&dev->lost);
    if (!error) return SEGUE_OK;
    segue_kit_fail(diag, SEGUE_ERROR_DEVICE_LOST, PHASE, 0,
                   "the driver failed with %d and the device is lost: close it and open it again", error);
    if (diag) diag->native_code = error;
    return SEGUE_ERROR_DEVICE_LOST;
}

/* ---- memory --------------------------------------------------------------------------------------------- */

static segue_status alloc(void *device, uint64_t bytes, segue_buffer *out, segue_diag *diag)
{
    struct opencl_device *dev = device;
    int32_t error = CL_SUCCESS;
    if (bytes > dev->most_bytes)
        return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, PHASE, 0,
                              "%" PRIu64 " bytes, wanted at most %" PRIu64 " in one allocation on this device",
                              bytes, dev->most_bytes);
    cl_memory memory = dev->cl.CreateBuffer(dev->context, CL_MEM_READ_WRITE, bytes, NULL, &error);
    if (error) return opencl_failed(dev, error, PHASE, "clCreateBuffer", diag);
    *out = (segue_buffer){ memory, 0, bytes };
    return SEGUE_OK;
}

/* The driver keeps it until the commands that use it are done. */
static void free_memory(void *device, segue_buffer buffer)
{
    struct opencl_device *dev = device;
    dev->cl.ReleaseMemObject(buffer.data);
}

static segue_status copy(void *device, segue_stream stream, uint32_t direction, segue_buffer to,
                         segue_buffer from, uint64_t bytes, segue_diag *diag)
{
    struct opencl_device *dev = device;
    const struct opencl_api *cl = &dev->cl;
    cl_queue queue = opencl_queue(dev, stream);
    if (direction == SEGUE_COPY_TO_DEVICE)
        return told(dev,
                    cl->EnqueueWriteBuffer(queue, to.data, 0, to.offset, bytes,
                                           (const char *)from.data + from.offset, 0, NULL, NULL),
                    "clEnqueueWriteBuffer", diag);
    if (direction == SEGUE_COPY_FROM_DEVICE)
        return told(dev,
                    cl->EnqueueReadBuffer(queue, from.data, 0, from.offset, bytes, (char *)to.data + to.offset,
                                          0, NULL, NULL),
                    "clEnqueueReadBuffer", diag);
    return told(dev,
                cl->EnqueueCopyBuffer(queue, from.data, to.data, from.offset, to.offset, bytes, 0, NULL, NULL),
                "clEnqueueCopyBuffer", diag);
}

static segue_status fill(void *device, segue_stream stream, segue_buffer to, uint8_t value, uint64_t bytes,
                         segue_diag *diag)
{
    struct opencl_device *dev = device;
    return told(dev,
                dev->cl.EnqueueFillBuffer(opencl_queue(dev, stream), to.data, &value, 1, to.offset, bytes, 0,
                                          NULL, NULL),
                "clEnqueueFillBuffer", diag);
}

static segue_status tensor_copy(void *device, segue_stream stream, const segue_tensor *to,
                                const segue_tensor *from, segue_diag *diag)
{
    return gpu_tensor_copy(device, stream, to, from, diag);
}

/* ---- streams -------------------------------------------------------------------------------------------- */

static segue_status stream_create(void *device, segue_stream *out, segue_diag *diag)
{
    struct opencl_device *dev = device;
    int32_t error = CL_SUCCESS;
    cl_queue queue = dev->cl.CreateCommandQueue(dev->context, dev->device, 0, &error);
    if (error) return opencl_failed(dev, error, PHASE, "clCreateCommandQueue", diag);
    *out = (segue_stream){ SEGUE_API_OPENCL, SEGUE_STREAM_OWNED, queue };
    return SEGUE_OK;
}

static segue_status stream_wrap(void *device, segue_stream stream, segue_diag *diag)
{
    struct opencl_device *dev = device;
    const struct opencl_api *cl = &dev->cl;
    cl_context context = NULL;
    cl_device on = NULL;
    uint64_t properties = 0;
    if (!stream.handle) return SEGUE_OK; /* the default stream */
    int32_t error = cl->GetCommandQueueInfo(stream.handle, CL_QUEUE_CONTEXT, sizeof context, &context, NULL);
    if (!error) error = cl->GetCommandQueueInfo(stream.handle, CL_QUEUE_DEVICE, sizeof on, &on, NULL);
    if (!error)
        error =
            cl->GetCommandQueueInfo(stream.handle, CL_QUEUE_PROPERTIES, sizeof properties, &properties, NULL);
    if (error) return opencl_failed(dev, error, PHASE, "clGetCommandQueueInfo", diag);
    if (context != dev->context)
        return segue_kit_fail(
            diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
            "the queue is of another cl_context than the device, wanted one: open the device with "
            "that context in options.native_context");
    if (on != dev->device)
        return segue_kit_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                              "the queue is of another cl_device_id of the context, wanted the opened one's");
    if (properties & CL_QUEUE_OUT_OF_ORDER)
        return segue_kit_fail(
            diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
            "the queue is out of order, wanted an in-order one: a stream's commands run one after "
            "the other");
    return SEGUE_OK;
}

static segue_status stream_sync(void *device, segue_stream stream, segue_diag *diag)
{
    struct opencl_device *dev = device;
    return told_waiting(dev, dev->cl.Finish(opencl_queue(dev, stream)), "clFinish", diag);
}

/* What was enqueued is still done: the driver keeps the queue until then. */
static void stream_destroy(void *device, segue_stream stream)
{
    struct opencl_device *dev = device;
    if (stream.handle) dev->cl.ReleaseCommandQueue(stream.handle);
}

/* ---- events --------------------------------------------------------------------------------------------- */

struct holder { /* OpenCL makes a new event at every record */
    pthread_mutex_t lock;
    cl_event last; /* NULL = not recorded yet: waiting for it is done at once */
};

static segue_status event_create(void *device, segue_event *out, segue_diag *diag)
{
    const segue_host *host = ((struct opencl_device *)device)->gpu.host;
    struct holder *holder = host->alloc(host->user, sizeof *holder, 64);
    if (!holder) return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, PHASE, 0, "no memory for an event");
    pthread_mutex_init(&holder->lock, NULL);
    *out = (segue_event){ SEGUE_API_OPENCL, 0, holder };
    return SEGUE_OK;
}

/* Puts in an event and gives back what was there. */
static cl_event exchange(struct holder *holder, cl_event event)
{
    pthread_mutex_lock(&holder->lock);
    const cl_event before = holder->last;
    holder->last = event;
    pthread_mutex_unlock(&holder->lock);
    return before;
}

/* The caller's own reference; NULL = not recorded. */
static segue_status peek(struct opencl_device *dev, struct holder *holder, cl_event *out, segue_diag *diag)
{
    pthread_mutex_lock(&holder->lock);
    *out = holder->last;
    const int32_t error = *out ? dev->cl.RetainEvent(*out) : CL_SUCCESS;
    pthread_mutex_unlock(&holder->lock);
    return told(dev, error, "clRetainEvent", diag);
}

static segue_status check_event(segue_event event, segue_diag *diag)
{
    if (event.handle) return SEGUE_OK;
    return segue_kit_fail(diag, SEGUE_ERROR_ARGUMENT, PHASE, 0,
                          "event: the handle is NULL, wanted one from segue_event_create");
}

static segue_status event_record(void *device, segue_event event, segue_stream stream, segue_diag *diag)
{
    struct opencl_device *dev = device;
    cl_queue queue = opencl_queue(dev, stream);
    cl_event marker = NULL;
    const segue_status s = check_event(event, diag);
    if (s) return s;
    int32_t error = dev->cl.EnqueueMarkerWithWaitList(queue, 0, NULL, &marker);
    if (error) return told(dev, error, "clEnqueueMarkerWithWaitList", diag);
    error = dev->cl.Flush(queue); /* other queues may wait only for what has been flushed */
    cl_event before = exchange(event.handle, marker);
    if (before) dev->cl.ReleaseEvent(before);
    return told(dev, error, "clFlush", diag);
}

static segue_status event_wait(void *device, segue_event event, segue_stream stream, segue_diag *diag)
{
    struct opencl_device *dev = device;
    cl_event last = NULL;
    segue_status s = check_event(event, diag);
    if (!s) s = peek(dev, event.handle, &last, diag);
    if (s || !last) return s;
    const int32_t error = dev->cl.EnqueueBarrierWithWaitList(opencl_queue(dev, stream), 1, &last, NULL);
    dev->cl.ReleaseEvent(last);
    return told(dev, error, "clEnqueueBarrierWithWaitList", diag);
}

static segue_status event_sync(void *device, segue_event event, segue_diag *diag)
{
    struct opencl_device *dev = device;
    cl_event last = NULL;
    segue_status s = check_event(event, diag);
    if (!s) s = peek(dev, event.handle, &last, diag);
    if (s || !last) return s;
    const int32_t error = dev->cl.WaitForEvents(1, &last);
    dev->cl.ReleaseEvent(last);
    return told_waiting(dev, error, "clWaitForEvents", diag);
}

static void event_destroy(void *device, segue_event event)
{
    struct opencl_device *dev = device;
    struct holder *holder = event.handle;
    if (!holder) return;
    if (holder->last) dev->cl.ReleaseEvent(holder->last);
    pthread_mutex_destroy(&holder->lock);
    dev->gpu.host->free(dev->gpu.host->user, holder);
}

const segue_kit_adapter opencl_adapter = {
    .api = SEGUE_API_OPENCL,
    .flags = SEGUE_DEVICE_HANDLE_MEMORY,
    .count = opencl_count,
    .info = opencl_info,
    .open = opencl_open,
    .close = opencl_close,
    .facts = opencl_facts,
    .status = status,
    .alloc = alloc,
    .free = free_memory,
    .copy = copy,
    .fill = fill,
    .tensor_copy = tensor_copy,
    .stream_create = stream_create,
    .stream_wrap = stream_wrap,
    .stream_sync = stream_sync,
    .stream_destroy = stream_destroy,
    .event_create = event_create,
    .event_record = event_record,
    .event_wait = event_wait,
    .event_sync = event_sync,
    .event_destroy = event_destroy,
};
