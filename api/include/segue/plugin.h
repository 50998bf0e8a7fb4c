/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Segue's plugin ABI: everything a vendor needs who fills the table by hand. segue/kit.h fills it from a list of
 * kernels.
 *
 * A plugin is one shared library, segue_<id>.so, with one exported symbol, segue_plugin_entry_<epoch>, and an
 * identity note that is read without running any of its code. Everything comes in through the host table; a
 * plugin links nothing of Segue. The entry is pure: no threads, no driver calls, no environment, no allocation
 * but the host's for self; it may be called more than once and by two hosts in one process, so all state hangs
 * off self and devices, never off file statics. Plugins never print, abort, exit, or touch signal handlers; they
 * are never unloaded.
 *
 * Every op that arrives has been validated against its description, and the fields beyond the op_size that the
 * plugin declared are zero. Strings in structs end in NUL within their arrays. */
#ifndef SEGUE_PLUGIN_H
#define SEGUE_PLUGIN_H

#include <segue/segue.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- identity note -------------------------------------------------------------------------------------- */

/* An ELF note in a PT_NOTE segment: name "Segue", type 1, this descriptor. */
typedef struct segue_plugin_note {
    uint32_t size;
    uint16_t epoch;
    uint16_t minor; /* built against */
    char id[32];    /* "acme": devices are acme:0, acme:1 ...; of a-z, 0-9 and _, at most 27 */
    char alias[32]; /* a second name for device 0, or ""; at most 27, too */
    char vendor[64];
    char version[32];
    char uuid[40];  /* 8-4-4-4-12 hexadecimal digits; fixed for the life of the plugin */
    char build[64]; /* compiler and what else helps */
} segue_plugin_note;

typedef struct segue_plugin_elf_note { /* as it lies in the file */
    uint32_t name_bytes, note_bytes, type;
    char name[8];
    segue_plugin_note note;
} segue_plugin_elf_note;

#ifndef SEGUE_PLUGIN_BUILD
#define SEGUE_PLUGIN_BUILD "segue " SEGUE_VERSION_STRING ", " __VERSION__
#endif
#ifndef SEGUE_PLUGIN_ALIAS
#define SEGUE_PLUGIN_ALIAS ""
#endif

#define SEGUE_TEXT_(x) #x
#define SEGUE_TEXT(x) SEGUE_TEXT_(x)
#define SEGUE_JOIN3_(a, b, c) a##b##c
#define SEGUE_JOIN3(a, b, c) SEGUE_JOIN3_(a, b, c)
#define SEGUE_STATIC_NAME_(id, epoch) segue_static_##id##_entry_##epoch
#define SEGUE_STATIC_NAME(id, epoch) SEGUE_STATIC_NAME_(id, epoch)

/* Defines the note. ... = designated initialisers of vendor, version and uuid. In an archive
 * (SEGUE_PLUGIN_STATIC) there is no file to read it from, and none is made. */
#ifdef SEGUE_PLUGIN_STATIC
#define SEGUE_PLUGIN_NOTE(plugin_id, ...) typedef char segue_no_note_##plugin_id
#define SEGUE_PLUGIN_ENTRY(id) SEGUE_STATIC_NAME(id, SEGUE_PLUGIN_EPOCH)
#else
#define SEGUE_PLUGIN_NOTE(plugin_id, ...)                                                     \
    __attribute__((section(".note.segue"), used,                                              \
                   aligned(4))) static const segue_plugin_elf_note segue_note_##plugin_id = { \
        6,                                                                                    \
        sizeof(segue_plugin_note),                                                            \
        1,                                                                                    \
        "Segue",                                                                              \
        { .size = sizeof(segue_plugin_note),                                                  \
          .epoch = SEGUE_PLUGIN_EPOCH,                                                        \
          .minor = SEGUE_PLUGIN_MINOR,                                                        \
          .id = #plugin_id,                                                                   \
          .alias = SEGUE_PLUGIN_ALIAS,                                                        \
          .build = SEGUE_PLUGIN_BUILD,                                                        \
          __VA_ARGS__ }                                                                       \
    }
#define SEGUE_PLUGIN_ENTRY(id) SEGUE_JOIN3(segue_plugin, _entry_, SEGUE_PLUGIN_EPOCH)
#endif

/* ---- the table ------------------------------------------------------------------------------------------ */

typedef struct segue_plugin_primitive { /* what the plugin was built to understand of one primitive */
    uint32_t primitive;
    uint32_t revision_min, revision_max;
    uint32_t op_size; /* of the struct it knows; fields beyond it are refused by the host when set */
} segue_plugin_primitive;

/* The plugin's answer. The host passes it zeroed, with size set to what the host knows. Functions marked
 * optional may be NULL. "device" and "plan" are the plugin's own objects. Arrays and strings live until
 * close(). But for entry, close, counting and opening, functions are called from any thread, several at once: plan_run also with one
 * plan, each with a workspace of its own. */
typedef struct segue_plugin {
    uint32_t size; /* bytes filled in, at most what came in */
    uint16_t epoch, minor;
    char id[32], uuid[40]; /* as in the note */
    void *self;
    const segue_plugin_primitive *primitives;
    uint32_t primitive_count; /* at most 256 */
    uint32_t reserved;

    /* Frees self, after the last device was closed. The code stays mapped. */
    void (*close)(void *self);
    /* 0 devices is no error: then diag->text says why, and what to do. At most 256. */
    segue_status (*device_count)(void *self, uint32_t *count, segue_diag *diag);
    segue_status (*device_info)(void *self, uint32_t index, segue_device_facts *out, segue_diag *diag);
    segue_status (*device_open)(void *self, uint32_t index, const segue_device_options *options, void **device,
                                segue_diag *diag);
    void (*device_close)(void *device);
    segue_status (*device_facts)(void *device, segue_device_facts *out, segue_diag *diag);
    segue_status (*device_status)(void *device, segue_diag *diag);

    segue_status (*memory_alloc)(void *device, uint64_t bytes, segue_buffer *out,
                                 segue_diag *diag); /* bytes > 0 */
    void (*memory_free)(void *device, segue_buffer buffer);
    segue_status (*memory_copy)(void *device, segue_stream stream, uint32_t direction, segue_buffer to,
                                segue_buffer from, uint64_t bytes, segue_diag *diag);
    segue_status (*memory_fill)(void *device, segue_stream stream, segue_buffer to, uint8_t value,
                                uint64_t bytes, segue_diag *diag);
    /* Copies between layouts and floating dtypes of one shape. */
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

    /* Lock-free; returns SEGUE_OK with the verdict in *out. */
    segue_status (*support)(void *device, const segue_op_header *op, segue_support_facts *out,
                            segue_diag *diag);
    /* Fills at most *count rows, best first, and returns in it how many there are: at most 256. */
    segue_status (*explain)(void *device, const segue_op_header *op, segue_row_facts *out, uint32_t *count,
                            segue_diag *diag);
    segue_status (*plan_create)(void *device, const segue_op_header *op, const char *row, void **plan,
                                segue_diag *diag);
    segue_status (*plan_info)(const void *plan, segue_plan_facts *out, segue_diag *diag);
    segue_status (*plan_run)(const void *plan, const segue_op_header *op, segue_stream stream,
                             segue_buffer workspace, segue_diag *diag);
    void (*plan_destroy)(void *plan);

    /* Optional. *capturing = 1 while the stream is being captured into a graph. */
    segue_status (*stream_capturing)(void *device, segue_stream stream, uint32_t *capturing, segue_diag *diag);
    /* Optional. A table that begins with its size and revision, or NULL. */
    const void *(*extension)(void *self, const char *name, uint32_t min_revision);
} segue_plugin;

/* What the host offers; lives as long as the plugin's devices. */
typedef struct segue_host {
    uint32_t size;
    uint16_t epoch;
    uint16_t minor_min, minor_max; /* minors that this host can work with */
    uint16_t reserved[3];
    void *user; /* for the three functions below, which may be called from any thread */
    void *(*alloc)(void *user, uint64_t bytes, uint64_t alignment); /* zeroed; NULL when memory runs out */
    void (*free)(void *user, void *memory);
    void (*log)(void *user, int32_t level, const char *text);
    const segue_primitive_facts *(*describe)(uint32_t primitive); /* segue_describe */
    const char
        *plugin_dir; /* of the plugin's own file, absolute; "" when linked in: data files only from here */
    const segue_plugin
        *reference; /* the built-in reference, for delegation; NULL while the reference itself is loaded */
} segue_host;

/* segue_status SEGUE_PLUGIN_ENTRY(acme)(const segue_host *host, segue_plugin *out, segue_diag *diag) */

#ifdef __cplusplus
}
#endif

#endif
