/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The plugin kit: turns a device adapter and a list of rows (kernels as data) into the plugin ABI. Link
 * libsegue-kit.a; nothing else of Segue is needed. Our own backends are made with it.
 *
 *     SEGUE_KIT_PLUGIN(acme, .vendor = "Acme", .version = "0.1", .uuid = ACME_UUID, .device = &acme_device,
 *                      .rows = (const segue_row *const[]){ &selective_scan_acme, &segue_row_delegate, NULL })
 */
#ifndef SEGUE_KIT_H
#define SEGUE_KIT_H

#include <segue/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- devices -------------------------------------------------------------------------------------------- */

struct segue_kit_device;

/* What a device can do apart from computing. The kit calls these; a NULL among the required ones is reported
 * when the plugin is loaded. "device" is what open() gave; options are never NULL. The kit fills backend,
 * index, api, the flags below and, where it is empty, name ("acme:0") into device facts. Texts go to diag by
 * segue_kit_fail(). */
typedef struct segue_kit_adapter {
    uint32_t api;   /* of its streams and events: SEGUE_API_... */
    uint32_t flags; /* SEGUE_DEVICE_... that hold for every device of the plugin */
    segue_status (*count)(const segue_host *host, uint32_t *count,
                          segue_diag *diag); /* 0: diag->text says why */
    segue_status (*info)(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag);
    segue_status (*open)(const segue_host *host, uint32_t index, const segue_device_options *options,
                         void **device, segue_diag *diag);
    void (*close)(void *device);
    void (*facts)(void *device,
                  segue_device_facts *facts); /* corrects info()'s after opening; NULL: nothing to */
    segue_status (*status)(void *device, segue_diag *diag); /* NULL: never lost */
    segue_status (*alloc)(void *device, uint64_t bytes, segue_buffer *out, segue_diag *diag);
    void (*free)(void *device, segue_buffer buffer);
    segue_status (*copy)(void *device, segue_stream stream, uint32_t direction, segue_buffer to,
                         segue_buffer from, uint64_t bytes, segue_diag *diag);
    segue_status (*fill)(void *device, segue_stream stream, segue_buffer to, uint8_t value, uint64_t bytes,
                         segue_diag *diag);
    segue_status (*tensor_copy)(void *device, segue_stream stream, const segue_tensor *to,
                                const segue_tensor *from, segue_diag *diag);
    segue_status (*stream_create)(void *device, segue_stream *out, segue_diag *diag);
    segue_status (*stream_wrap)(void *device, segue_stream stream, segue_diag *diag);
    segue_status (*stream_sync)(void *device, segue_stream stream, segue_diag *diag);
    void (*stream_destroy)(void *device, segue_stream stream);
    segue_status (*event_create)(void *device, segue_event *out, segue_diag *diag);
    segue_status (*event_record)(void *device, segue_event event, segue_stream stream, segue_diag *diag);
    segue_status (*event_wait)(void *device, segue_event event, segue_stream stream, segue_diag *diag);
    segue_status (*event_sync)(void *device, segue_event event, segue_diag *diag);
    void (*event_destroy)(void *device, segue_event event);
    segue_status (*stream_capturing)(void *device, segue_stream stream, uint32_t *capturing,
                                     segue_diag *diag); /* NULL: never */
} segue_kit_adapter;

/* count() of a plugin that always has exactly one device. */
segue_status segue_kit_count_one(const segue_host *host, uint32_t *count, segue_diag *diag);

/* The adapter of ordinary host memory, in parts: a synchronous device whose memory the CPU reads. A host-memory
 * device names these and writes count, info, open and close itself. */
segue_status segue_kit_host_alloc(void *device, uint64_t bytes, segue_buffer *out, segue_diag *diag);
void segue_kit_host_free(void *device, segue_buffer buffer);
segue_status segue_kit_host_copy(void *device, segue_stream stream, uint32_t direction, segue_buffer to,
                                 segue_buffer from, uint64_t bytes, segue_diag *diag);
segue_status segue_kit_host_fill(void *device, segue_stream stream, segue_buffer to, uint8_t value,
                                 uint64_t bytes, segue_diag *diag);
segue_status segue_kit_host_tensor_copy(void *device, segue_stream stream, const segue_tensor *to,
                                        const segue_tensor *from, segue_diag *diag);
segue_status segue_kit_host_stream_create(void *device, segue_stream *out, segue_diag *diag);
segue_status segue_kit_host_stream_wrap(void *device, segue_stream stream, segue_diag *diag);
segue_status segue_kit_host_stream_sync(void *device, segue_stream stream, segue_diag *diag);
void segue_kit_host_stream_destroy(void *device, segue_stream stream);
segue_status segue_kit_host_event_create(void *device, segue_event *out, segue_diag *diag);
segue_status segue_kit_host_event_record(void *device, segue_event event, segue_stream stream,
                                         segue_diag *diag);
segue_status segue_kit_host_event_wait(void *device, segue_event event, segue_stream stream, segue_diag *diag);
segue_status segue_kit_host_event_sync(void *device, segue_event event, segue_diag *diag);
void segue_kit_host_event_destroy(void *device, segue_event event);

/* All of them as initialisers of a segue_kit_adapter. */
#define SEGUE_KIT_HOST_MEMORY                                                                   \
    .api = SEGUE_API_CPU, .flags = SEGUE_DEVICE_HOST_MEMORY | SEGUE_DEVICE_SYNCHRONOUS,         \
    .alloc = segue_kit_host_alloc, .free = segue_kit_host_free, .copy = segue_kit_host_copy,    \
    .fill = segue_kit_host_fill, .tensor_copy = segue_kit_host_tensor_copy,                     \
    .stream_create = segue_kit_host_stream_create, .stream_wrap = segue_kit_host_stream_wrap,   \
    .stream_sync = segue_kit_host_stream_sync, .stream_destroy = segue_kit_host_stream_destroy, \
    .event_create = segue_kit_host_event_create, .event_record = segue_kit_host_event_record,   \
    .event_wait = segue_kit_host_event_wait, .event_sync = segue_kit_host_event_sync,           \
    .event_destroy = segue_kit_host_event_destroy

/* An opened device as rows see it. */
typedef struct segue_kit_device {
    void *handle; /* what the adapter's open() gave */
    const segue_host *host;
    void *reference; /* the reference's device, NULL without a delegate row */
    segue_device_facts facts;
} segue_kit_device;

/* ---- rows: kernels as data ------------------------------------------------------------------------------ */

typedef struct segue_kit_plan {                               /* filled by a row's prepare(), zero before */
    void *data;                                               /* the row's own */
    void (*release)(void *data, const segue_kit_device *dev); /* frees data; NULL = nothing to free */
    uint64_t workspace_bytes;                                 /* exact for the bounds in op */
    uint64_t workspace_alignment;                             /* a power of two, at most 256; 0 = 64 */
    int64_t state_stride[SEGUE_MAX_RANK];                     /* the layout liked best; zeros = packed */
    uint32_t flags;                                           /* SEGUE_PLAN_... */
    uint32_t reserved;
} segue_kit_plan;

typedef struct segue_kit_call { /* one run */
    const segue_kit_device *device;
    const void *data; /* segue_kit_plan.data */
    segue_stream stream;
    segue_buffer workspace;
    segue_diag *why; /* nullable: segue_kit_fail() takes it as it is */
} segue_kit_call;

/* One kernel. The conditions stand in accepts(), directly above run(), in the kernel's own file, with the row
 * last. */
typedef struct segue_row {
    const char *name; /* begins with its primitive's name */
    uint32_t primitive;
    uint32_t since; /* the level of the .def that the row was written for: later fields are refused when set */
    int32_t priority;     /* the highest that accepts wins; shared 100, fast 200 and up, delegate lowest */
    uint32_t accuracy;    /* SEGUE_ACCURACY_... */
    uint32_t capture;     /* SEGUE_CAPTURE_... */
    uint32_t determinism; /* SEGUE_RUN_TO_RUN ..., combined */
    /* NULL, or one short reason that begins with the field's name: "A: n is at most 256". Lock-free. NULL =
     * accepts all. */
    const char *(*accepts)(const segue_op_header *op, const segue_kit_device *dev);
    /* Everything that allocates, compiles or loads; may be NULL. After a failure release() is not called. */
    segue_status (*prepare)(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why);
    /* From many threads at once on one plan. op: as planned, with the run's pointers, strides and smaller dynamic axes. */
    segue_status (*run)(const segue_op_header *op, const segue_kit_call *call);
} segue_row;

/* For accepts(): an operand that must not have some dtype, and the words for it. */
typedef struct segue_kit_refusal {
    size_t offset;    /* in the op struct */
    const char *text; /* "A: f64 is not supported" */
} segue_kit_refusal;

/* The text of the first operand in the list, which ends with a NULL text, that has this dtype (SEGUE_F64 ...), or
 * NULL: then none has. */
const char *segue_kit_refuse_dtype(const segue_op_header *op, uint32_t dtype, const segue_kit_refusal *list);

/* Lets the reference run what the plugin has no row for, on host-memory devices; such plans are marked
 * DELEGATED. */
extern const segue_row segue_row_delegate;

typedef struct segue_kit_plugin {
    const char *id;
    const char *vendor, *version, *uuid;
    const segue_kit_adapter *device;
    const segue_row *const *rows; /* NULL-ended */
} segue_kit_plugin;

/* Fills diag (nullable) and returns code. field: number in the op struct, or 0. */
segue_status segue_kit_fail(segue_diag *diag, segue_status code, uint32_t phase, uint32_t field,
                            const char *format, ...) __attribute__((format(printf, 5, 6)));
segue_status segue_kit_entry(const segue_kit_plugin *plugin, const segue_host *host, segue_plugin *out,
                             segue_diag *diag);

/* The identity note takes the first three initialisers, which are .vendor, .version and .uuid (strings) in this
 * order. Takes no semicolon. */
#define SEGUE_KIT_IDENTITY(vendor, version, uuid, ...) vendor, version, uuid
#define SEGUE_KIT_PLUGIN(plugin_id, ...)                                                                    \
    static const segue_kit_plugin segue_kit_##plugin_id = { .id = #plugin_id, __VA_ARGS__ };                \
    SEGUE_PLUGIN_NOTE(plugin_id, SEGUE_KIT_IDENTITY(__VA_ARGS__));                                          \
    SEGUE_API segue_status SEGUE_PLUGIN_ENTRY(plugin_id)(const segue_host *, segue_plugin *, segue_diag *); \
    SEGUE_API segue_status SEGUE_PLUGIN_ENTRY(plugin_id)(const segue_host *host, segue_plugin *out,         \
                                                         segue_diag *diag)                                  \
    {                                                                                                       \
        return segue_kit_entry(&segue_kit_##plugin_id, host, out, diag);                                    \
    }

#ifdef __cplusplus
}
#endif

#endif
