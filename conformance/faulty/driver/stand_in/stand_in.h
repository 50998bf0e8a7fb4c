/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The driver behind libcuda and libamdhip64 of tests: one core under two faces (stand_in_cuda.c, stand_in_hip.c).
 *
 *     stand_in_core.c     lock, calls counted and failed on demand, handles, settings, control by tests
 *     stand_in_context.c  devices, contexts, what is current on a thread
 *     stand_in_memory.c   allocations: poison, guards, addresses that do not come back soon
 *     stand_in_queue.c    streams and events: work is stored, and done when somebody waits
 *     stand_in_work.c     doing one piece of work
 *     stand_in_capture.c  captures and graphs
 *     stand_in_module.c   images, kernels, compilers
 *
 * Every function below is called with the lock held, between enter() and leave(). Codes are CUDA's; HIP's have the
 * same numbers. */
#ifndef SEGUE_STAND_IN_H
#define SEGUE_STAND_IN_H

#include <stddef.h>
#include <stdint.h>

enum {
    DROPPED = -1, /* leave() answers OK */
    OK = 0,
    INVALID_VALUE = 1,
    OUT_OF_MEMORY = 2,
    NOT_INITIALIZED = 3,
    INVALID_DEVICE = 101,
    INVALID_IMAGE = 200,
    INVALID_CONTEXT = 201,
    INVALID_HANDLE = 400,
#ifdef HIP_MAJOR
    STALE_STREAM =
        709, /* hipErrorContextIsDestroyed, for any stream that it does not know (CLR, hip_stream.cpp) */
#else
    STALE_STREAM = 400,
#endif
    ILLEGAL_STATE = 401,
    NOT_FOUND = 500,
    NOT_READY = 600,
    ILLEGAL_ADDRESS = 700,
    LAUNCH_FAILED = 719,
    CAPTURE_UNSUPPORTED = 900,
    CAPTURE_INVALIDATED = 901,
    CAPTURE_MERGE = 902,
    CAPTURE_UNMATCHED = 903,
    CAPTURE_UNJOINED = 904,
    CAPTURE_ISOLATION = 905,
    CAPTURE_IMPLICIT = 906,
    CAPTURED_EVENT = 907,
    CAPTURE_WRONG_THREAD = 908
};

/* ---- core ----------------------------------------------------------------------------------------------- */

enum kind { ALLOCATION, STREAM, EVENT, MODULE, FUNCTION, GRAPH, EXEC, CONTEXT, PROGRAM, KINDS };

struct context;

/* First member of whatever has a handle. Handles are numbers that are never given out twice: one that is stale is
 * always noticed, and one that is followed crashes. */
struct object {
    struct object *next;
    enum kind kind;
    uintptr_t handle;
    struct context *context; /* NULL: of none */
};

struct settings {
    uint32_t seed; /* SEGUE_STAND_IN_SEED */
    int wave;      /* SEGUE_STAND_IN_WAVE */
    int checked;   /* SEGUE_STAND_IN_CHECK */
    char arch[64]; /* SEGUE_STAND_IN_ARCH; "" = one for which nothing is embedded */
};

/* Takes the lock and counts the call; a code other than 0 is the answer, injected or because there is no current
 * context or it is broken. leave() gives the lock back and returns its argument. */
int enter(const char *entry);
int enter_context(const char *entry, struct context **here); /* *here is set when the code is its own, too */
int leave(int code);

const struct settings *settings(void);
uint32_t draw_below(uint32_t n); /* of the seed's sequence */
/* Remembers in words what went wrong, for segue_stand_in_words(), and returns code. */
int complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

void *make(enum kind kind, struct context *context, size_t bytes); /* zeroed, in the list; NULL: no memory */
void unmake(void *object);                                         /* out of the list, and freed */
/* NULL: no live object of this kind and, where context is not NULL, this context. */
void *find(enum kind kind, const struct context *context, const void *handle);
/* The next object of a kind behind last (NULL: the first); context NULL: of any. */
void *next_of(enum kind kind, const struct context *context, const void *last);
void *handle_of(const void *object);
void lost_one(void); /* counts an object that died with its context */

/* ---- devices and contexts -------------------------------------------------------------------------------- */

enum { DEVICES = 2, MOST_GROUPS_YZ = 65535, MOST_ITEMS = 256, LOCAL_BYTES = 32 << 10 };
#define DEVICE_BYTES ((size_t)32 << 30)

struct context {
    struct object object;
    int device, primary, references;
    int was_device; /* HIP: current before this one was pushed */
    int broken;     /* sticky: the code that all calls return from now on */
    size_t allocated;
    struct stream *legacy;
};

int started(void); /* cuInit was called */
int start(void);
int device_of(int device); /* INVALID_DEVICE, or OK */
const char *device_name(void);
struct context *primary_of(int device); /* NULL: nobody retains it */
int primary_retain(int device, struct context **out);
int primary_release(int device);
int context_create(int device, struct context **out);
int context_destroy(struct context *context); /* with all that is in it */
int context_synchronize(struct context *context);
struct context *current(void); /* top of the thread's stack */
struct context *at_hand(void); /* what this thread's calls go to: CUDA: current(); HIP: its device's */
int push_current(struct context *context);
int pop_current(struct context **out);
int set_current(struct context *context);
int *current_device(void); /* of the thread, for HIP */

/* ---- memory ---------------------------------------------------------------------------------------------- */

struct allocation {
    struct object object; /* the handle is the address */
    char *at, *map;
    size_t bytes, map_bytes;
};

int memory_alloc(struct context *context, void **at, size_t bytes);
int memory_free(struct context *context, void *at); /* waits for the device; context NULL: of any */
void memory_drop(struct allocation *a);
/* The allocation of the context that holds all of the bytes; NULL = none does. */
struct allocation *memory_of(const struct context *context, const void *at, size_t bytes);
int memory_is_device(const void *at); /* of any context, live or freed */
int guards_whole(const struct allocation *a);

/* ---- streams, events, work ------------------------------------------------------------------------------- */

enum work_kind { LAUNCH, COPY, FILL, RECORD, WAIT, REPLAY };
enum { MOST_ARGS = 32, MOST_BRANCHES = 16, ARG_BYTES = 4096 };

struct record { /* one cuEventRecord */
    int users, done;
    struct capture *capture; /* not NULL: recorded in a capture, by now perhaps ended */
    uint32_t clock[MOST_BRANCHES];
};

struct work {
    struct work *next;
    enum work_kind kind;
    uint64_t ticket; /* in the order of enqueueing */
    struct context *context;
    struct kernel *kernel;
    int32_t groups[3];
    uint32_t items, arg_at[MOST_ARGS], arg_count;
    int to_device, from_device, value;
    void *to;
    const void *from;
    size_t bytes;
    struct record *record;
    struct tape *tape;
    uint32_t branch, clock[MOST_BRANCHES]; /* in a capture: what must be done before it */
    char args[];
};

struct stream {
    struct object object;
    int blocking, legacy, closed;
    uintptr_t thread; /* of cuda's per-thread stream; 0 = an ordinary one */
    struct work *first, **last;
    struct capture *capture;
    uint32_t branch; /* in capture */
};

struct event {
    struct object object;
    struct record *latest; /* NULL: never recorded */
};

/* NULL and 1 are the legacy stream, 2 the thread's own; anything else must be a live stream of the context. */
struct stream *stream_of(struct context *context, void *handle);
int stream_create(struct context *context, void **out, uint32_t flags);
int stream_destroy(struct context *context, void *handle); /* its work is still done */
int stream_synchronize(struct context *context, void *handle);
int stream_query(struct context *context, void *handle);
int stream_wait(struct context *context, void *handle, void *event);
void stream_drop(struct stream *s);

int event_create(struct context *context, void **out);
int event_destroy(struct context *context, void *handle);
int event_record(struct context *context, void *handle, void *stream);
int event_synchronize(struct context *context, void *handle);
int event_query(struct context *context, void *handle);
void event_drop(struct event *e);
void record_release(struct record *record);

int enqueue_copy(struct context *context, void *to, const void *from, size_t bytes, int to_device,
                 int from_device, void *stream);
int enqueue_fill(struct context *context, void *to, int value, size_t bytes, void *stream);
/* Into the stream, or into its capture; the work is the stream's from here on, also after a failure. */
int enqueue(struct stream *stream, struct work *work);
int drain_context(struct context *context); /* all streams of it; its sticky code */
void work_free(struct work *work);
struct work *work_make(enum work_kind kind, struct context *context, size_t arg_bytes);
uint64_t work_pending(void); /* pieces that are stored, of all contexts */

int perform(struct work *work); /* 0, or a code that breaks the context */

/* ---- captures and graphs ---------------------------------------------------------------------------------- */

struct tape { /* captured work, shared by a graph and what was made of it */
    int users;
    struct work *first;
};

struct capture {
    int users; /* streams and records */
    int mode, broken, ended;
    uintptr_t thread;
    struct stream *origin;
    struct work *first, **last;
    uint32_t branches, steps[MOST_BRANCHES];      /* of each branch */
    uint32_t clock[MOST_BRANCHES][MOST_BRANCHES]; /* what each branch comes after */
};

int capture_begin(struct context *context, void *stream, int mode);
int capture_end(struct context *context, void *stream, void **graph);
int capture_status(struct context *context, void *stream, int *status); /* 0 none, 1 active, 2 invalidated */
int capture_mode(int *mode);                                            /* exchanged with the thread's */
int capture_add(struct stream *stream, struct work *work);
int capture_record(struct stream *stream, struct record *record);
int capture_join(struct stream *stream, struct record *record);
/* A call that is not allowed while something captures: its code, and the capture is no good any more. */
int capture_forbids(struct capture *capture, int code);
int capture_unsafe(void);                          /* such as cuMemAlloc: by the thread's mode */
int capture_implicit(const struct stream *stream); /* the legacy stream, while a blocking one captures */
int capture_anywhere(const struct context *context);
void capture_release(struct capture *capture);
int graph_instantiate(void **exec, void *graph);
int graph_launch(struct context *context, void *exec, void *stream);
int graph_destroy(enum kind kind, void *handle);
void graph_drop(struct object *graph);
void tape_release(struct tape *tape);
int tape_play(const struct tape *tape); /* in an order that the capture allows */

/* ---- modules, kernels, compilers -------------------------------------------------------------------------- */

struct module;
struct kernel;

int module_load(struct context *context, void **out, const void *image);
int module_unload(struct context *context, void *handle);
int module_function(struct context *context, void **out, void *module, const char *name);
int function_items(void *handle, int *items);
void module_drop(struct module *m);
int launch(struct context *context, void *function, const uint32_t groups[3], const uint32_t items[3],
           uint32_t local_bytes, void *stream, void **args, void **extra);
int run_kernel(struct work *work);
void kernel_release(struct kernel *k);
void machine_drop(void);

enum {
    COMPILED = 0,
    COMPILER_OUT_OF_MEMORY = 1,
    NO_INPUT = 2,
    NO_PROGRAM = 4,
    BAD_OPTION = 5,
    COMPILE_FAILED = 6
};

struct program {
    struct object object;
    char *source, *log;
    void *code;
    uint64_t bytes;
};

int program_create(void **out, const char *source, int headers);
struct program *program_of(void *handle);
int program_compile(void *handle, const char *const *options, int count, const char *architecture);
int program_destroy(void **handle);
void program_drop(struct program *p);

#endif
