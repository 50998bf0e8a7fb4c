/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Contexts, devices and plans: counted objects behind the public handles. A handle's first word tells its kind,
 * so that null, wrong-kind and (while anything still holds the object) closed handles are caught. With
 * SEGUE_CHECK=1 a set of live handles catches stale ones too. */
#ifndef SEGUE_CORE_OBJECT_H
#define SEGUE_CORE_OBJECT_H

#include "check.h"
#include "os.h"
#include "plugins.h"

#include <stdatomic.h>

enum object_kind {
    KIND_CONTEXT = 0x53474301,
    KIND_DEVICE = 0x53474402,
    KIND_PLAN = 0x53475003,
    KIND_CLOSED = 0x534758ff
};

struct object {
    uint32_t kind;
    atomic_uint holders; /* the caller's handle counts as one */
};

struct segue_context {
    struct object object;
    struct os_mutex *lock; /* of candidates */
    struct candidates candidates;
    segue_host host; /* template of what plugins get */
    void (*log)(void *user, int32_t level, const char *text);
    void *log_user;
    struct capture *capture; /* capture.h; NULL: calls are not captured */
};

enum { CACHED_PLANS = 64 };

struct run_cache { /* of segue_run */
    struct os_mutex *lock;
    struct segue_plan *plans[CACHED_PLANS];
    uint64_t used[CACHED_PLANS], clock;
    segue_buffer workspace;
};

struct segue_device {
    struct object object;
    segue_context *context;
    const struct candidate *candidate;
    const segue_plugin *plugin;
    void *handle;    /* the plugin's */
    atomic_int lost; /* sticky */
    segue_device_facts facts;
    struct run_cache cache;
};

struct computer { /* what computes for a plan: a plugin's plan, or core's lowering */
    segue_status (*run)(const void *plan, const segue_op_header *op, segue_stream stream,
                        segue_buffer workspace, segue_diag *diag);
    void (*destroy)(void *plan);
    void *handle;
    uint32_t op_size, reserved; /* op_size: that it expects */
    segue_plan_facts facts;
};

struct segue_plan {
    struct object object;
    uint32_t api; /* of streams */
    segue_device *device;
    uint64_t workspace_bytes, workspace_mask; /* mask = alignment - 1 */
    uint32_t primitive, revision;
    struct computer computer;
    struct check check;
    struct op_storage planned;
};

/* SEGUE_CHECK=1 in the environment of the first context. */
extern atomic_int segue_checking;

void segue_object_open(void *object, enum object_kind kind);
/* The caller's handle ends; 0 if it was not a live handle of that kind. */
int segue_object_close(void *object, enum object_kind kind);
void segue_object_hold(void *object);
int segue_object_release(void *object); /* 1: that was the last holder */
/* SEGUE_OK, or SEGUE_ERROR_ARGUMENT with words. */
segue_status segue_object_check(const void *object, enum object_kind kind, segue_diag *diag);

void segue_context_release(segue_context *ctx);
void segue_device_release(segue_device *dev);
/* Passes on a plugin's failure, and remembers for good that the device was lost. */
segue_status segue_device_failed(segue_device *dev, segue_status status, uint32_t phase, segue_diag *said,
                                 segue_diag *diag);
segue_status segue_device_fail_lost(const segue_device *dev, segue_diag *diag);

/* The size of a query struct that the caller knows, checked; fills only that many bytes. */
segue_status segue_answer(void *out, const void *facts, uint32_t known, segue_diag *diag);
/* For calls that fill an array: *count is the capacity of out. */
segue_status segue_check_room(const void *out, const uint32_t *count, segue_diag *diag);
/* The entries of such an array lie as far apart as each says, since the caller's struct may be an older or a newer one.
 * Those that will be written are checked before any is. */
segue_status segue_check_entries(void *out, uint32_t count, segue_diag *diag);
void *segue_entry(void *out, uint32_t i);

/* A caller's options struct (NULL = all zero) into one of the known size; what the caller knows beyond it must be zero. */
segue_status segue_take_options(const void *given, void *out, uint32_t known, const char *type, uint32_t phase,
                                segue_diag *diag);

/* Fails, in words, for a stream of another API than the device's. */
segue_status segue_wrong_stream(const segue_device *dev, segue_stream stream, uint32_t phase, segue_diag *diag);

/* What converting a state checks of a tensor and the stream, in the words of that name; written: no two elements may share
 * a place. */
segue_status segue_state_check(const segue_device *dev, segue_stream stream, const char *name,
                               const segue_tensor *t, int written, segue_diag *diag);

/* A plugin's facts of its plan, vetted. */
segue_status segue_plan_ask(const segue_device *dev, const void *handle, segue_plan_facts *facts,
                            segue_diag *diag);

void segue_cache_destroy(segue_device *dev);

#endif
