/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of driver_faults_test share: an engine's side of a stand-in driver, and a scenario that an engine plays
 * through the public ABI, step by step. No header of a plugin's is needed: which entry points a plugin uses is read from
 * the two libraries themselves. */
#ifndef SEGUE_DRIVER_FAULTS_H
#define SEGUE_DRIVER_FAULTS_H

#include <segue/segue.h>

#include <stddef.h>
#include <stdint.h>

/* ---- driver_faults_engine.c: the driver as an engine and a test see it -------------------------------------- */

/* ENTRY(field, parameters, CUDA's name, HIP's name); "" = that driver has none. */
#define ENGINE_ENTRIES(ENTRY)                                                                                \
    ENTRY(init, (uint32_t), "cuInit", "hipInit")                                                             \
    ENTRY(context_create, (void **, uint32_t, int), "cuCtxCreate_v2", "")                                    \
    ENTRY(context_destroy, (void *), "cuCtxDestroy_v2", "")                                                  \
    ENTRY(context_set, (void *), "cuCtxSetCurrent", "")                                                      \
    ENTRY(context_current, (void **), "cuCtxGetCurrent", "")                                                 \
    ENTRY(primary_retain, (void **, int), "cuDevicePrimaryCtxRetain", "hipDevicePrimaryCtxRetain")           \
    ENTRY(primary_release, (int), "cuDevicePrimaryCtxRelease_v2", "hipDevicePrimaryCtxRelease")              \
    ENTRY(device_set, (int), "", "hipSetDevice")                                                             \
    ENTRY(device_current, (int *), "", "hipGetDevice")                                                       \
    ENTRY(device_reset, (void), "", "hipDeviceReset")                                                        \
    ENTRY(peek_error, (void), "", "hipPeekAtLastError")                                                      \
    ENTRY(last_error, (void), "", "hipGetLastError")                                                         \
    ENTRY(stream_create, (void **, uint32_t), "cuStreamCreate", "hipStreamCreateWithFlags")                  \
    ENTRY(stream_destroy, (void *), "cuStreamDestroy_v2", "hipStreamDestroy")                                \
    ENTRY(exchange_mode, (int *), "cuThreadExchangeStreamCaptureMode", "hipThreadExchangeStreamCaptureMode") \
    ENTRY(capture_begin, (void *, int), "cuStreamBeginCapture_v2", "hipStreamBeginCapture")                  \
    ENTRY(capture_end, (void *, void **), "cuStreamEndCapture", "hipStreamEndCapture")                       \
    ENTRY(graph_make, (void **, void *, unsigned long long), "cuGraphInstantiateWithFlags",                  \
          "hipGraphInstantiateWithFlags")                                                                    \
    ENTRY(graph_launch, (void *, void *), "cuGraphLaunch", "hipGraphLaunch")                                 \
    ENTRY(exec_destroy, (void *), "cuGraphExecDestroy", "hipGraphExecDestroy")                               \
    ENTRY(graph_destroy, (void *), "cuGraphDestroy", "hipGraphDestroy")

struct engine {
#define ENTRY(field, parameters, cuda, hip) int(*field) parameters;
    ENGINE_ENTRIES(ENTRY)
#undef ENTRY
    uint64_t (*calls)(const char *entry); /* stand_in/stand_in_control.h */
    uint64_t (*live)(const char *kind);
    void (*reset)(void);
    int hip;
    const char *id;      /* of the plugin: "cuda", "rocm" */
    const char *library; /* path of the stand-in */
};

enum { MOST_NAMES = 160, NAME_ROOM = 48 };
struct names {
    char at[MOST_NAMES][NAME_ROOM];
    int count;
};

/* 0 = the stand-in of SEGUE_DRIVER_PATH is there, with all that is wanted of it. */
int engine_load(struct engine *e, const char *driver);
/* What the library exports under a driver's prefix and the binary of the plugin (or of its compiler) has the name of. */
int names_in_use(struct names *out, const char *library, const char *binary, const char *const *prefixes);

/* What the thread had before the scenario, and must have after every call. */
struct thread_state {
    void *context;
    int device, mode, pending; /* pending: HIP's last error is not cleared by others */
};
struct thread_state thread_now(const struct engine *e);

enum { WAY_OWN = 0, WAY_ADOPTED = 1, WAYS = 2 }; /* adopted: in an engine's context, with another one current */
struct place { /* where the scenario is played; first: the engine's context on the device under test */
    void *first, *other;
    struct thread_state before;
};
int place_make(const struct engine *e, int way, struct place *out);
void place_drop(const struct engine *e, int way, struct place *p);
/* The engine turns to the device under test, and back. */
void engine_on(const struct engine *e, const struct place *p);
void engine_off(const struct engine *e, const struct place *p);

/* ---- driver_faults_numbers.c: operands in one allocation, 256 bytes each ------------------------------------ */

enum { U, DELTA, A, B, C, STATE, Y, X, WEIGHT, BIAS, Z, OPERANDS };
enum { ARENA_BYTES = OPERANDS * 256, SMALL_BYTES = 256, SMALL = SMALL_BYTES / 4, SETS = 2 };

segue_selective_scan scan_of(void *arena);
segue_causal_conv1d conv_of(void *arena);
/* Inputs of a set; results are poisoned (a NaN in f32). */
void put_inputs(unsigned char *arena, int set);
/* What the reference device computes, once, for both sets of inputs. */
int expect_numbers(const char *plugin);
int differs(const unsigned char *arena, int set, int first,
            int last); /* operands first to last; 0 = as expected */

/* ---- driver_faults_scenario.c ------------------------------------------------------------------------------- */

enum { MOST_STEPS = 96 };
enum {
    STEP_ENGINE = 1,
    STEP_VOID = 2,
    STEP_SHORT = 4,
    STEP_COUNTS = 8,
    STEP_HEALS = 16
}; /* struct step.flags */

struct scene;
struct step {
    const char *name;
    segue_status (*play)(struct scene *s, segue_diag *why);
    uint32_t needs, makes; /* things */
    uint32_t flags; /* STEP_ENGINE: the driver is called, not Segue. STEP_SHORT: also in the short scenario.
                              STEP_COUNTS: tells of a refused plugin in words without a native code. STEP_HEALS: where
                              the driver does not take code that was kept, it compiles anew, which takes long */
};
extern const struct step steps[];
extern const int step_count;

struct told { /* what became of one step */
    int played;
    segue_status status;
    segue_diag why;
    uint64_t first, last; /* calls of the watched entry before and after */
    int touched;          /* a refused call wrote to what it was given for its answer */
    struct thread_state after;
};

struct scene {
    const struct engine *engine;
    struct place *place;
    const char *plugin; /* path */
    int way, brief;
    uint32_t things; /* made so far */
    segue_context *context;
    segue_device *device;
    segue_buffer arena, scratch, second;
    segue_stream own, wrapped;
    segue_event event;
    segue_plan *scan, *conv;
    void *stream, *graph, *exec;     /* the engine's */
    unsigned char *host, *inputs[2]; /* from the device, and to it */
    int touched, wrong;              /* wrong: numbers that are not the reference's */
    int engines_lost;                /* what the engine itself could not destroy */
    struct told told[MOST_STEPS];
};

/* All steps in order; a step whose things are missing is left out. watch: the entry whose calls are counted. */
void scene_play(struct scene *s, const char *watch);

#endif
