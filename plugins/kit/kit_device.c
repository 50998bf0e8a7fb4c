/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Devices: the table's calls handed to the vendor's adapter, and what the kit knows better than it. */
#include "kit_private.h"

#include <stdio.h>

static const segue_kit_adapter *adapter_of(const void *device)
{
    return ((const struct kit_device *)device)->self->adapter;
}

static void *handle_of(const void *device)
{
    return ((const struct kit_device *)device)->shown.handle;
}

static segue_status device_count(void *self, uint32_t *count, segue_diag *diag)
{
    const struct kit_self *k = self;
    return k->adapter->count(k->host, count, diag);
}

static void complete(const struct kit_self *self, uint32_t index, segue_device_facts *facts)
{
    facts->index = index;
    facts->api = self->adapter->api;
    facts->flags |= self->adapter->flags;
    if (!facts->name[0]) snprintf(facts->name, sizeof facts->name, "%s:%u", self->plugin->id, index);
    snprintf(facts->backend, sizeof facts->backend, "%s", self->plugin->id);
}

static segue_status device_info(void *self, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    const struct kit_self *k = self;
    segue_device_facts facts = { .size = sizeof facts };
    const segue_status s = k->adapter->info(k->host, index, &facts, diag);
    if (s) return s;
    complete(k, index, &facts);
    *out = facts;
    return SEGUE_OK;
}

/* The reference's device 0, which a delegate row computes on. */
static segue_status open_reference(struct kit_device *dev, segue_diag *diag)
{
    const segue_plugin *reference = dev->self->host->reference;
    for (uint32_t i = 0; reference && i < dev->self->row_count; i++)
        if (dev->self->rows[i] == &segue_row_delegate)
            return reference->device_open(reference->self, 0, NULL, &dev->shown.reference, diag);
    return SEGUE_OK;
}

static void device_close(void *device)
{
    struct kit_device *dev = device;
    const segue_host *host = dev->shown.host;
    if (dev->shown.reference) host->reference->device_close(dev->shown.reference);
    dev->self->adapter->close(dev->shown.handle);
    host->free(host->user, dev);
}

static segue_status device_open(void *self, uint32_t index, const segue_device_options *options, void **device,
                                segue_diag *diag)
{
    const struct kit_self *k = self;
    static const segue_device_options none = { .size = sizeof none };
    struct kit_device *dev = k->host->alloc(k->host->user, sizeof *dev, 64);
    segue_status s;
    if (!dev)
        return segue_kit_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_OPEN, 0, "no memory for device %s:%u",
                              k->plugin->id, index);
    dev->self = k;
    dev->shown.host = k->host;
    s = k->adapter->open(k->host, index, options ? options : &none, &dev->shown.handle, diag);
    if (s) {
        k->host->free(k->host->user, dev);
        return s;
    }
    s = device_info(self, index, &dev->shown.facts, diag);
    if (!s) s = open_reference(dev, diag);
    if (s) {
        device_close(dev);
        return s;
    }
    if (k->adapter->facts) k->adapter->facts(dev->shown.handle, &dev->shown.facts);
    complete(k, index, &dev->shown.facts);
    *device = dev;
    return SEGUE_OK;
}

static segue_status device_facts(void *device, segue_device_facts *out, segue_diag *diag)
{
    (void)diag;
    *out = ((const struct kit_device *)device)->shown.facts;
    return SEGUE_OK;
}

static segue_status device_status(void *device, segue_diag *diag)
{
    const segue_kit_adapter *adapter = adapter_of(device);
    return adapter->status ? adapter->status(handle_of(device), diag) : SEGUE_OK;
}

static segue_status memory_alloc(void *device, uint64_t bytes, segue_buffer *out, segue_diag *diag)
{
    return adapter_of(device)->alloc(handle_of(device), bytes, out, diag);
}

static void memory_free(void *device, segue_buffer buffer)
{
    adapter_of(device)->free(handle_of(device), buffer);
}

static segue_status memory_copy(void *device, segue_stream stream, uint32_t direction, segue_buffer to,
                                segue_buffer from, uint64_t bytes, segue_diag *diag)
{
    return adapter_of(device)->copy(handle_of(device), stream, direction, to, from, bytes, diag);
}

static segue_status memory_fill(void *device, segue_stream stream, segue_buffer to, uint8_t value,
                                uint64_t bytes, segue_diag *diag)
{
    return adapter_of(device)->fill(handle_of(device), stream, to, value, bytes, diag);
}

static segue_status tensor_copy(void *device, segue_stream stream, const segue_tensor *to,
                                const segue_tensor *from, segue_diag *diag)
{
    return adapter_of(device)->tensor_copy(handle_of(device), stream, to, from, diag);
}

static segue_status stream_create(void *device, segue_stream *out, segue_diag *diag)
{
    return adapter_of(device)->stream_create(handle_of(device), out, diag);
}

static segue_status stream_wrap(void *device, segue_stream stream, segue_diag *diag)
{
    return adapter_of(device)->stream_wrap(handle_of(device), stream, diag);
}

static segue_status stream_sync(void *device, segue_stream stream, segue_diag *diag)
{
    return adapter_of(device)->stream_sync(handle_of(device), stream, diag);
}

static void stream_destroy(void *device, segue_stream stream)
{
    adapter_of(device)->stream_destroy(handle_of(device), stream);
}

static segue_status event_create(void *device, segue_event *out, segue_diag *diag)
{
    return adapter_of(device)->event_create(handle_of(device), out, diag);
}

static segue_status event_record(void *device, segue_event event, segue_stream stream, segue_diag *diag)
{
    return adapter_of(device)->event_record(handle_of(device), event, stream, diag);
}

static segue_status event_wait(void *device, segue_event event, segue_stream stream, segue_diag *diag)
{
    return adapter_of(device)->event_wait(handle_of(device), event, stream, diag);
}

static segue_status event_sync(void *device, segue_event event, segue_diag *diag)
{
    return adapter_of(device)->event_sync(handle_of(device), event, diag);
}

static void event_destroy(void *device, segue_event event)
{
    adapter_of(device)->event_destroy(handle_of(device), event);
}

static segue_status stream_capturing(void *device, segue_stream stream, uint32_t *capturing, segue_diag *diag)
{
    return adapter_of(device)->stream_capturing(handle_of(device), stream, capturing, diag);
}

void segue_kit_fill_device(const segue_kit_adapter *adapter, segue_plugin *out)
{
    out->device_count = device_count;
    out->device_info = device_info;
    out->device_open = device_open;
    out->device_close = device_close;
    out->device_facts = device_facts;
    out->device_status = device_status;
    out->memory_alloc = memory_alloc;
    out->memory_free = memory_free;
    out->memory_copy = memory_copy;
    out->memory_fill = memory_fill;
    out->tensor_copy = tensor_copy;
    out->stream_create = stream_create;
    out->stream_wrap = stream_wrap;
    out->stream_sync = stream_sync;
    out->stream_destroy = stream_destroy;
    out->event_create = event_create;
    out->event_record = event_record;
    out->event_wait = event_wait;
    out->event_sync = event_sync;
    out->event_destroy = event_destroy;
    out->stream_capturing = adapter->stream_capturing ? stream_capturing : NULL;
}
