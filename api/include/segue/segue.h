/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Segue: everything an engine needs. Create a context, open a device by name, fill one typed struct (ops.h),
 * make a plan, run it on a stream.
 *
 * Errors   Every fallible call returns a segue_status and takes a nullable segue_diag last, which says what
 *          was wanted and what was given. Nothing aborts, exits or prints. On failure nothing is written but
 *          the diag.
 * Owners   The caller owns op structs, tensors, states and workspace. Objects hold what they need (a plan its
 *          device, a device its context): any order of destruction is legal, and destroying never fails.
 * Threads  Every call may be made from any thread; segue_plan_run from many at once on one plan, with different
 *          workspaces. The caller makes sure that nobody uses an object while it is being destroyed. */
#ifndef SEGUE_SEGUE_H
#define SEGUE_SEGUE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <segue/version.h>

#if defined(_WIN32)
#define SEGUE_API
#else
#define SEGUE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ---- status and diagnostics ----------------------------------------------------------------------------- */

typedef int32_t segue_status;
enum {
    SEGUE_OK = 0,
    SEGUE_ERROR_ARGUMENT = -1, /* the call itself is wrong: null, handle of another kind, value out of range */
    SEGUE_ERROR_OPERAND = -2,  /* an operand or parameter of an op is wrong; diag.field tells which */
    SEGUE_ERROR_UNSUPPORTED = -3,  /* a valid request that this device or plugin does not offer */
    SEGUE_ERROR_FIELD = -4,        /* the struct sets a field that the callee does not know yet */
    SEGUE_ERROR_MEMORY = -5,       /* host or device memory ran out */
    SEGUE_ERROR_WORKSPACE = -6,    /* the workspace is missing, too small or misaligned */
    SEGUE_ERROR_NO_DEVICE = -7,    /* no such device, or it cannot be used: the text gives the remedy */
    SEGUE_ERROR_PLUGIN = -8,       /* a plugin was rejected; see segue_plugin_report */
    SEGUE_ERROR_BUSY = -9,         /* a bounded resource of the plan is in use; run again later */
    SEGUE_ERROR_CAPTURE = -10,     /* not legal while the stream is being captured */
    SEGUE_ERROR_DEVICE_LOST = -11, /* sticky: the device failed; close it and open it again */
    SEGUE_ERROR_INTERNAL = -12     /* a promise inside Segue or a plugin was broken; please report */
};

enum { /* segue_diag.phase: how far the call had come */
       SEGUE_PHASE_CALL = 0,
       SEGUE_PHASE_PATH = 1,      /* plugin candidate: the file, its owner and mode */
       SEGUE_PHASE_NOTE = 2,      /* its identity note, read without running any of its code */
       SEGUE_PHASE_LOAD = 3,      /* the dynamic loader */
       SEGUE_PHASE_ENTRY = 4,     /* its entry function */
       SEGUE_PHASE_VET = 5,       /* the table that it answered with */
       SEGUE_PHASE_ENUMERATE = 6, /* counting and describing its devices */
       SEGUE_PHASE_OPEN = 7,
       SEGUE_PHASE_VALIDATE = 8, /* the op against its description */
       SEGUE_PHASE_PLAN = 9,
       SEGUE_PHASE_RUN = 10
};

/* What went wrong; filled on failure only. Zero-initialise it or not: every field is written. */
typedef struct segue_diag {
    int32_t code;        /* the segue_status returned */
    int32_t native_code; /* the driver's or system's own code; 0 = none */
    uint32_t field;      /* operand or parameter: its number in the op struct, from 1; 0 = none */
    uint32_t phase;      /* SEGUE_PHASE_... */
    char text[496];      /* one line, ends in NUL, cut if longer */
} segue_diag;

/* The text of this thread's last failed call; "" if none failed. Valid until the thread's next Segue call. */
SEGUE_API const char *segue_last_error(void);
/* "SEGUE_ERROR_OPERAND" and the like; "unknown status" for any other number. */
SEGUE_API const char *segue_status_name(segue_status status);
/* SEGUE_VERSION_NUMBER of the loaded library. */
SEGUE_API uint32_t segue_version(void);

/* ---- values: dtype, tensor, buffer, stream, event ------------------------------------------------------- */

/* DLPack's triple. bits == 0 means: no tensor here. */
typedef struct segue_dtype {
    uint8_t code; /* SEGUE_CODE_... */
    uint8_t bits;
    uint16_t lanes; /* 1 */
} segue_dtype;

enum {
    SEGUE_CODE_INT = 0,
    SEGUE_CODE_UINT = 1,
    SEGUE_CODE_FLOAT = 2,
    SEGUE_CODE_BFLOAT = 4,
    SEGUE_CODE_COMPLEX = 5
};
enum { /* code | bits << 8 | lanes << 16 */
       SEGUE_F64 = 0x14002,
       SEGUE_F32 = 0x12002,
       SEGUE_F16 = 0x11002,
       SEGUE_BF16 = 0x11004,
       SEGUE_I64 = 0x14000,
       SEGUE_I32 = 0x12000,
       SEGUE_I8 = 0x10800,
       SEGUE_I4 = 0x10400,
       SEGUE_U8 = 0x10801,
       SEGUE_C64 = 0x14005
};

enum { SEGUE_MAX_RANK = 6 };

/* A strided view; frozen at 128 bytes. Strides are in elements and may be 0 (broadcast, inputs only) or
 * negative. */
typedef struct segue_tensor {
    void *data;      /* host address, device address or cl_mem; NULL with a dtype: metadata for planning */
    uint64_t offset; /* bytes from data to element (0, ..., 0) */
    uint64_t bytes;  /* bytes that may be touched, counted from data */
    segue_dtype dtype;
    uint16_t rank;
    uint16_t flags; /* 0 */
    int64_t shape[SEGUE_MAX_RANK];
    int64_t stride[SEGUE_MAX_RANK];
} segue_tensor;

/* Memory of one device: kernels take (data, offset) pairs, since a cl_mem has no arithmetic. */
typedef struct segue_buffer {
    void *data;
    uint64_t offset;
    uint64_t bytes; /* counted from data */
} segue_buffer;

enum { SEGUE_API_NONE = 0, SEGUE_API_CPU = 1, SEGUE_API_CUDA = 2, SEGUE_API_HIP = 3, SEGUE_API_OPENCL = 4 };
enum { SEGUE_STREAM_LEGACY_DEFAULT = 1, SEGUE_STREAM_PER_THREAD_DEFAULT = 2, SEGUE_STREAM_OWNED = 4 };

/* A queue of work, typed. OpenCL queues are in-order. A NULL handle of CUDA, HIP or OpenCL needs one of the
 * default flags (OpenCL: the device's own queue). */
typedef struct segue_stream {
    uint32_t api;   /* SEGUE_API_... */
    uint32_t flags; /* SEGUE_STREAM_... */
    void *handle;
} segue_stream;

typedef struct segue_event {
    uint32_t api;
    uint32_t flags; /* 0 */
    void *handle;
} segue_event;

static inline segue_dtype segue_dtype_of(uint32_t dtype)
{
    segue_dtype d;
    d.code = (uint8_t)(dtype & 0xff);
    d.bits = (uint8_t)(dtype >> 8 & 0xff);
    d.lanes = (uint16_t)(dtype >> 16);
    return d;
}

/* The SEGUE_F32-like number of a dtype; 0 = absent. */
static inline uint32_t segue_dtype_id(segue_dtype d)
{
    return d.bits ? (uint32_t)d.code | (uint32_t)d.bits << 8 | (uint32_t)d.lanes << 16 : 0;
}

/* Packed row-major tensor at data, which holds exactly its elements. rank <= SEGUE_MAX_RANK; more gives an
 * absent one. */
static inline segue_tensor segue_tensor_of(void *data, uint32_t dtype, int rank, const int64_t *shape)
{
    segue_tensor t;
    int64_t count = 1;
    memset(&t, 0, sizeof t);
    if (rank < 0 || rank > SEGUE_MAX_RANK) return t;
    t.data = data;
    t.dtype = segue_dtype_of(dtype);
    t.rank = (uint16_t)rank;
    for (int i = rank - 1; i >= 0; i--) {
        t.shape[i] = shape[i];
        t.stride[i] = count;
        count *= shape[i];
    }
    t.bytes = ((uint64_t)count * t.dtype.bits + 7) / 8;
    return t;
}

/* Packed tensor behind the last byte of a packed one in the same allocation, aligned to 256 bytes. */
static inline segue_tensor segue_tensor_after(segue_tensor before, uint32_t dtype, int rank,
                                              const int64_t *shape)
{
    segue_tensor t = segue_tensor_of(before.data, dtype, rank, shape);
    t.offset = (before.bytes + 255) / 256 * 256;
    t.bytes += t.offset;
    return t;
}

/* Elements first .. first+count-1 of one axis. */
static inline segue_tensor segue_tensor_slice(segue_tensor t, int axis, int64_t first, int64_t count)
{
    t.offset = (uint64_t)((int64_t)t.offset + first * t.stride[axis] * t.dtype.bits / 8);
    t.shape[axis] = count;
    return t;
}

/* ---- ops: one typed struct a primitive (ops.h, printed from api/ops) ------------------------------------ */

/* Begins every op struct. segue_<primitive>_init() fills it; only flags are yours to set. */
typedef struct segue_op_header {
    uint32_t size;      /* bytes of the struct that the caller knows */
    uint32_t primitive; /* SEGUE_SELECTIVE_SCAN ...; permanent */
    uint32_t revision;  /* of the formula */
    uint32_t flags;     /* SEGUE_RUN_... */
} segue_op_header;

enum { SEGUE_RUN_TRUSTED = 1 }; /* skip the checks of segue_plan_run: the caller made sure */
enum { SEGUE_MAX_OP_SIZE = 16384 };

#ifdef __cplusplus
}
#endif
#include <segue/ops.h>
#ifdef __cplusplus
extern "C" {
#endif

enum {                          /* segue_field_facts.role */
       SEGUE_ROLE_IN = 1,       /* required input */
       SEGUE_ROLE_OPT = 2,      /* optional input */
       SEGUE_ROLE_STATE_IN = 3, /* optional: state before the first token */
       SEGUE_ROLE_STATE_OUT =
           4,                  /* optional: state after the last token; may be exactly the state that came in */
       SEGUE_ROLE_OUT = 5,     /* required output */
       SEGUE_ROLE_OPT_OUT = 6, /* optional output */
       SEGUE_ROLE_INT = 7,     /* int64_t parameter */
       SEGUE_ROLE_REAL = 8     /* double parameter */
};

enum { /* segue_field_facts.kind: which dtypes a tensor may have */
       SEGUE_KIND_NONE = 0,
       SEGUE_KIND_ACT = 1,    /* f32, f16, bf16, f64; the same for all of this kind */
       SEGUE_KIND_GATE = 2,   /* f32, f16, bf16, f64; its own */
       SEGUE_KIND_WEIGHT = 3, /* f32, f16, bf16, f64; its own; constant over time */
       SEGUE_KIND_STATE = 4,  /* f32, f16, bf16, f64; the same for all of this kind; f32 by default */
       SEGUE_KIND_I32 = 5,
       SEGUE_KIND_MIXED = 6 /* as GATE, for activations: what lowerings pass on in f32 */
};

typedef struct segue_field_facts { /* one operand or parameter of a primitive */
    const char *name;
    const char *dims; /* tensors: axes as letters, slowest first: "b t d", "s+1" */
    const char *doc;
    double initial, min, max; /* parameters, whole ones within 2^53; initial outside: it must be given */
    uint32_t role, kind;
    uint32_t offset; /* in the op struct */
    uint32_t since;  /* level at which the field was added */
} segue_field_facts;

typedef struct segue_enum_facts { /* one named value of an integer parameter */
    const char *param, *name, *doc;
    int64_t value;
} segue_enum_facts;

typedef struct segue_primitive_facts { /* a primitive's description as data; lives as long as the process */
    const char *name, *title, *source;
    const char *dynamic; /* axes that a plan takes as upper bounds: "b t s p" */
    const char *rules;   /* relations between axes and operands */
    const segue_field_facts *fields;
    const segue_enum_facts *enums;
    uint32_t id, revision, op_size, field_count, enum_count, reserved;
} segue_primitive_facts;

/* NULL for an unknown id. Ids run from 1 without holes. */
SEGUE_API const segue_primitive_facts *segue_describe(uint32_t primitive);
/* What segue_<primitive>_init() does, for languages without inline functions; size: bytes of the caller's
 * struct. */
SEGUE_API segue_status segue_op_init(uint32_t primitive, segue_op_header *op, uint32_t size, segue_diag *diag);

/* ---- contexts and plugins ------------------------------------------------------------------------------- */

typedef struct segue_context segue_context;
typedef struct segue_device segue_device;
typedef struct segue_plan segue_plan;

enum { SEGUE_LOG_ERROR = 1, SEGUE_LOG_WARNING = 2, SEGUE_LOG_INFO = 3, SEGUE_LOG_DEBUG = 4 };

struct segue_host;
struct segue_plugin;
typedef segue_status (*segue_plugin_entry)(const struct segue_host *host, struct segue_plugin *out,
                                           segue_diag *diag);

enum { SEGUE_CONTEXT_NO_DISCOVERY = 1 }; /* only the plugins named here, and the built-in reference */

typedef struct segue_context_options {
    uint32_t size; /* sizeof (segue_context_options) */
    uint32_t flags;
    const char *const *plugins;        /* NULL-ended absolute paths of plugin files, tried first; or NULL */
    const segue_plugin_entry *entries; /* NULL-ended entries linked into the program; or NULL */
    /* NULL: nothing is logged. Called from any thread, also while a context's lock is held: it must not call Segue. */
    void (*log)(void *user, int32_t level, const char *text);
    void *log_user;
} segue_context_options;

/* Reads the identity notes of plugin candidates; loads none. options may be NULL. */
SEGUE_API segue_status segue_context_create(const segue_context_options *options, segue_context **out,
                                            segue_diag *diag);
SEGUE_API void segue_context_destroy(segue_context *ctx);

enum { SEGUE_PLUGIN_FOUND = 0, SEGUE_PLUGIN_LOADED = 1, SEGUE_PLUGIN_REJECTED = 2 };

typedef struct segue_plugin_facts { /* one candidate */
    uint32_t size;
    uint32_t state;        /* SEGUE_PLUGIN_... */
    int32_t code;          /* why rejected, as a status */
    uint32_t phase;        /* where */
    uint32_t device_count; /* once loaded */
    uint32_t minor;        /* the plugin ABI minor it was built for */
    char id[32], vendor[64], version[32], uuid[40], build[64], alias[32];
    char path[1024];
    char text[496]; /* why rejected, why no device, or a warning; "" = nothing to say */
} segue_plugin_facts;

/* Every candidate, in search order: found, loaded, or rejected with phase and words. *count takes the capacity
 * of out[] and returns how many there are; out may be NULL with *count 0. Each out[i].size must be set to sizeof *out.
 * Loads nothing. */
SEGUE_API segue_status segue_plugin_report(segue_context *ctx, segue_plugin_facts *out, uint32_t *count,
                                           segue_diag *diag);

/* ---- devices -------------------------------------------------------------------------------------------- */

enum {
    SEGUE_DEVICE_READY = 1,         /* can be opened; otherwise text says why not and what to do */
    SEGUE_DEVICE_HOST_MEMORY = 2,   /* its memory is ordinary host memory */
    SEGUE_DEVICE_HANDLE_MEMORY = 4, /* data is a handle (cl_mem) without arithmetic */
    SEGUE_DEVICE_SYNCHRONOUS = 8,   /* run returns when done */
    SEGUE_DEVICE_REFERENCE = 16,    /* never chosen for anybody */
    SEGUE_DEVICE_STAND_IN = 32 /* its driver is a test's, without hardware: never chosen, no result counts */
};

typedef struct segue_device_facts {
    uint32_t size;
    uint32_t flags; /* SEGUE_DEVICE_... */
    uint64_t memory_bytes;
    uint32_t index, threads;   /* threads: of a CPU device, as opened or as it would be; else 0 */
    uint32_t api, reserved;    /* api: of its streams */
    char name[32];             /* "opencl:0": what segue_device_open takes */
    char alias[32];            /* "cpu", or "" */
    char backend[32];          /* the plugin's id */
    char description[128];     /* maker, model, what matters */
    char text[496];            /* remarks; if not ready: the reason and the remedy */
    uint64_t allocation_bytes; /* at most in one allocation; 0 = memory_bytes */
} segue_device_facts;

typedef struct segue_device_options {
    uint32_t size;
    uint32_t flags;   /* 0 */
    uint32_t threads; /* CPU: workers, the caller's included; 0 = affinity and cgroup quota */
    uint32_t reserved;
    /* CPU: the engine's own parallel-for, used instead of Segue's pool: calls body(arg, i) for 0 <= i < count,
     * from any threads, and returns when all are done. threads must be given with it. */
    void (*parallel_for)(void *user, int32_t count, void (*body)(void *arg, int32_t index), void *arg);
    void *parallel_user;
    void *native_context; /* an engine's CUcontext, cl_context or HIP context; NULL = the plugin's own */
    void *native_device;  /* an engine's device handle, where a context does not tell */
} segue_device_options;

/* Both load every plugin. Devices are numbered through all plugins, the reference last. */
SEGUE_API segue_status segue_device_count(segue_context *ctx, uint32_t *count, segue_diag *diag);
SEGUE_API segue_status segue_device_info(segue_context *ctx, uint32_t index, segue_device_facts *out,
                                         segue_diag *diag);
/* By name ("cpu", "opencl:0", "reference"); "opencl" means "opencl:0". Loads only the plugin that it names.
 * options may be NULL. */
SEGUE_API segue_status segue_device_open(segue_context *ctx, const char *name,
                                         const segue_device_options *options, segue_device **out,
                                         segue_diag *diag);
SEGUE_API void segue_device_close(segue_device *dev);
/* The facts of an opened device. */
SEGUE_API segue_status segue_device_facts_of(segue_device *dev, segue_device_facts *out, segue_diag *diag);
/* SEGUE_OK, or the sticky SEGUE_ERROR_DEVICE_LOST. */
SEGUE_API segue_status segue_device_status(segue_device *dev, segue_diag *diag);

/* ---- memory, streams, events ---------------------------------------------------------------------------- */

enum { SEGUE_COPY_TO_DEVICE = 1, SEGUE_COPY_FROM_DEVICE = 2, SEGUE_COPY_ON_DEVICE = 3 };

/* Aligned to 256 bytes, contents undefined. 0 bytes give an empty buffer, which may be freed and used like any
 * other. */
SEGUE_API segue_status segue_memory_alloc(segue_device *dev, uint64_t bytes, segue_buffer *out,
                                          segue_diag *diag);
SEGUE_API void segue_memory_free(segue_device *dev, segue_buffer buffer);
/* Enqueued; host memory stays in use until the stream is synchronised. The host side is a segue_buffer over
 * host memory. */
SEGUE_API segue_status segue_memory_copy(segue_device *dev, segue_stream stream, uint32_t direction,
                                         segue_buffer to, segue_buffer from, uint64_t bytes, segue_diag *diag);
/* Sets bytes to value. Enqueued. */
SEGUE_API segue_status segue_memory_fill(segue_device *dev, segue_stream stream, segue_buffer to, uint8_t value,
                                         uint64_t bytes, segue_diag *diag);

SEGUE_API segue_status segue_stream_create(segue_device *dev, segue_stream *out, segue_diag *diag);
/* Checks an engine's own stream and makes it usable here; the engine keeps it alive and destroys it. */
SEGUE_API segue_status segue_stream_wrap(segue_device *dev, uint32_t api, void *handle, uint32_t flags,
                                         segue_stream *out, segue_diag *diag);
SEGUE_API segue_status segue_stream_sync(segue_device *dev, segue_stream stream, segue_diag *diag);
SEGUE_API void segue_stream_destroy(segue_device *dev,
                                    segue_stream stream); /* wrapped streams are left alone */

/* record: marks what is enqueued on the stream so far; again: the mark moves. wait: what is enqueued on the stream from now on waits
 * for the mark, the host does not. sync: the host waits. */
SEGUE_API segue_status segue_event_create(segue_device *dev, segue_event *out, segue_diag *diag);
SEGUE_API segue_status segue_event_record(segue_device *dev, segue_event event, segue_stream stream,
                                          segue_diag *diag);
SEGUE_API segue_status segue_event_wait(segue_device *dev, segue_event event, segue_stream stream,
                                        segue_diag *diag);
SEGUE_API segue_status segue_event_sync(segue_device *dev, segue_event event, segue_diag *diag);
SEGUE_API void segue_event_destroy(segue_device *dev, segue_event event);

/* ---- asking --------------------------------------------------------------------------------------------- */

enum { SEGUE_SUPPORT_NO = 0, SEGUE_SUPPORT_YES = 1 };
enum {                             /* segue_support_facts.reasons */
       SEGUE_REASON_INVALID = 1,   /* the op contradicts its own description: no device would take it */
       SEGUE_REASON_PRIMITIVE = 2, /* the plugin has no kernel for this primitive */
       SEGUE_REASON_REVISION = 4,  /* the plugin is older than the op or its fields */
       SEGUE_REASON_ROW = 8,       /* every kernel declined; segue_explain has each one's reason */
       SEGUE_REASON_DEVICE = 16    /* the device is lost or not ready */
};

typedef struct segue_support_facts {
    uint32_t size;
    int32_t verdict;  /* SEGUE_SUPPORT_... */
    uint32_t reasons; /* SEGUE_REASON_... */
    uint32_t field;   /* the offending operand or parameter, from 1; 0 = none */
    char text[240];
} segue_support_facts;

/* Lock-free. YES: planning and running succeed up to these shapes unless memory runs out. NO: planning is
 * refused for the same reasons. Both return SEGUE_OK. */
SEGUE_API segue_status segue_support(segue_device *dev, const segue_op_header *op, segue_support_facts *out,
                                     segue_diag *diag);

enum {                                   /* accuracy classes, combined as the row declares */
       SEGUE_ACCURACY_F32 = 1,           /* ordinary f32 arithmetic */
       SEGUE_ACCURACY_CHUNK_LOG = 2,     /* takes logs of decays and sums them over a chunk */
       SEGUE_ACCURACY_FAST = 4,          /* fast exp and tanh */
       SEGUE_ACCURACY_TRANSFORM = 8,     /* error set by the norm of the whole input (FFT) */
       SEGUE_ACCURACY_BF16_PRODUCT = 16, /* operands of products are rounded to bf16 */
       SEGUE_ACCURACY_F64 = 32           /* double arithmetic */
};
enum {                         /* graph capture */
       SEGUE_CAPTURE_NONE = 0, /* refused under capture */
       SEGUE_CAPTURE_POINTERS =
           1 /* may be captured; replays use the captured pointers and the plan's code, so that the
                                   * plan must live as long as the graph */
};
enum { /* determinism, combined */
       SEGUE_NOT_DETERMINISTIC = 0,
       SEGUE_RUN_TO_RUN = 1,       /* same call, same device: same bits */
       SEGUE_BATCH_INVARIANT = 2,  /* a sequence's bits do not depend on what else is in the batch */
       SEGUE_THREAD_INVARIANT = 4, /* nor on the number of threads */
       SEGUE_STEP_EXACT = 8        /* prefill and token-by-token decode give the same bits */
};

enum { SEGUE_ROW_CHOSEN = 1, SEGUE_ROW_ACCEPTS = 2, SEGUE_ROW_DELEGATED = 4 };

typedef struct segue_row_facts { /* one kernel */
    uint32_t size;
    uint32_t flags; /* SEGUE_ROW_... */
    int32_t priority;
    uint32_t accuracy, capture, determinism;
    char name[64];
    char reason[240]; /* why it declines; "" = it accepts */
    char steps[256];  /* of the row "lowered": the rows that compute, in order; else "" */
} segue_row_facts;

/* Every kernel of the device for this op, best first: chosen, or the one-line reason why not. A composite has one more
 * row behind the device's, "lowered": a few other primitives, called one after the other with f32 in between; it is
 * chosen where the device has no kernel of its own. *count: capacity in, number out. Each out[i].size must be set to
 * sizeof *out. */
SEGUE_API segue_status segue_explain(segue_device *dev, const segue_op_header *op, segue_row_facts *out,
                                     uint32_t *count, segue_diag *diag);

/* ---- plans ---------------------------------------------------------------------------------------------- */

/* Freezes primitive, revision, parameters, dtypes, ranks, presence, alias choice and every axis that is not
 * dynamic; dynamic axes (segue_primitive_facts.dynamic: "b t s p" of a scan) become upper bounds, for which
 * the kernel is chosen: make a second plan for decode. Tensors may have NULL data. May allocate, compile, load. */
SEGUE_API segue_status segue_plan_create(segue_device *dev, const segue_op_header *op, segue_plan **out,
                                         segue_diag *diag);
/* The same with a named row; NULL = the best. */
SEGUE_API segue_status segue_plan_create_row(segue_device *dev, const segue_op_header *op, const char *row,
                                             segue_plan **out, segue_diag *diag);

enum { SEGUE_PLAN_DELEGATED = 1 }; /* the reference computes: never counts as the device's own */

typedef struct segue_plan_facts {
    uint32_t size;
    uint32_t primitive, revision;
    uint32_t flags;               /* SEGUE_PLAN_... */
    uint64_t workspace_bytes;     /* exact for the bounds */
    uint64_t workspace_alignment; /* a power of two, at most 256 */
    uint32_t accuracy, capture, determinism, reserved;
    int64_t
        state_stride[SEGUE_MAX_RANK]; /* the state layout that the row likes best; every layout is accepted */
    char row[64];
} segue_plan_facts;

SEGUE_API segue_status segue_plan_info(const segue_plan *plan, segue_plan_facts *out, segue_diag *diag);

/* Enqueues; on a synchronous device it returns when done. No allocation, lock, compilation or synchronisation
 * in code that Segue ships, unless SEGUE_CAPTURE asks for files of the calls. op may have smaller dynamic axes, other
 * strides and other pointers than the plan's. */
SEGUE_API segue_status segue_plan_run(const segue_plan *plan, const segue_op_header *op, segue_stream stream,
                                      segue_buffer workspace, segue_diag *diag);
/* Its runs must be done on the device, as for the buffers that they use: a driver may take the code away at once. */
SEGUE_API void segue_plan_destroy(segue_plan *plan);

/* For scripts and tests: keeps 64 plans a device, takes a lock, may allocate, synchronises; refused under
 * capture. */
SEGUE_API segue_status segue_run(segue_device *dev, const segue_op_header *op, segue_stream stream,
                                 segue_diag *diag);

/* ---- states: ordinary tensors, axis 0 counts sequences or pool rows ------------------------------------- */

/* The canonical tensor (f32, packed, data NULL, bytes = what to allocate) of state number index (from 0) of an
 * op whose other operands are filled in; p comes from the state operands or, without any, from the batch. */
SEGUE_API segue_status segue_state_describe(const segue_op_header *op, uint32_t index, segue_tensor *out,
                                            segue_diag *diag);
/* Copies between two layouts or dtypes of the same shape, floating and apart in memory. Enqueued. */
SEGUE_API segue_status segue_state_convert(segue_device *dev, segue_stream stream, const segue_tensor *to,
                                           const segue_tensor *from, segue_diag *diag);
/* Copies pool row from over pool row to. Enqueued. */
SEGUE_API segue_status segue_state_fork(segue_device *dev, segue_stream stream, const segue_tensor *pool,
                                        int64_t to, int64_t from, segue_diag *diag);
/* to[i] = from[rows[i]] for i < count; to and from must not overlap; rows is host memory. Enqueued. */
SEGUE_API segue_status segue_state_gather(segue_device *dev, segue_stream stream, const segue_tensor *to,
                                          const segue_tensor *from, const int32_t *rows, uint32_t count,
                                          segue_diag *diag);
/* The states that op writes, as bytes in host memory that any device loads. *bytes: room at to, in; size, out; to NULL asks
 * for the size. Other operands of op are not looked at; a row of a pool: a slice in h_out's place. Waits for the stream. */
SEGUE_API segue_status segue_state_save(segue_device *dev, segue_stream stream, const segue_op_header *op,
                                        void *to, uint64_t *bytes, segue_diag *diag);
/* Those bytes into the states that op reads, of any strides and dtype. Refused where a byte has changed, or where primitive,
 * revision or shapes are others. Waits for the stream. */
SEGUE_API segue_status segue_state_load(segue_device *dev, segue_stream stream, const segue_op_header *op,
                                        const void *from, uint64_t bytes, segue_diag *diag);

#ifdef __cplusplus
}

/* C++ has no compound literals: segue_tensor_of(data, SEGUE_F32, {1, T, D}). */
template <int rank>
inline segue_tensor segue_tensor_of(void *data, uint32_t dtype, const int64_t (&shape)[rank])
{
    return segue_tensor_of(data, dtype, rank, shape);
}
template <int rank>
inline segue_tensor segue_tensor_after(segue_tensor before, uint32_t dtype, const int64_t (&shape)[rank])
{
    return segue_tensor_after(before, dtype, rank, shape);
}
#endif

#endif
