/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Kernels of the shared dialect on a CPU: every item of a group is a fibre, and in checked mode every access to
 * memory is looked at.
 *
 * fibre_driver.c answers gpu.h; fibre_module.c compiles and loads; fibre_group.c runs groups; fibre_shadow.c
 * knows who touched which byte; fibre_tool.c runs programs. One launch at a time on a machine. */
#ifndef SEGUE_FIBRE_H
#define SEGUE_FIBRE_H

#include "../gpu.h"

enum {
    FIBRE_MOST_ITEMS = 256,
    FIBRE_LOCAL_BYTES = 32 << 10,
    FIBRE_MOST_GROUPS = 65535,
    FIBRE_STACK = 64 << 10
};

/* ---- what loaded kernels and the runtime share: dialect.h declares the same two structs -------------- */

enum fibre_kind { FIBRE_READ, FIBRE_WRITE, FIBRE_ATOMIC, FIBRE_KINDS };

struct fibre_now { /* lies in the loaded object */
    int32_t local, group[3];
    void *machine;
    void (*barrier)(void *machine, const char *where);
    void (*access)(void *machine, const void *at, int64_t bytes, int32_t kind, const void *pc);
    void (*fault)(void *machine, const char *what, const char *file, int32_t line);
};

struct fibre_kernel {
    int32_t now_bytes, stack_bytes, group, count;
    int32_t bytes[GPU_MOST_ARGS]; /* of each parameter */
    uint32_t pointers;            /* bit i: parameter i is one */
    void (*call)(void **args);
};

/* ---- modules: compiled kernels ----------------------------------------------------------------------- */

struct fibre_settings { /* from the environment: README.md */
    uint32_t seed;      /* 0: items in order */
    int32_t group, checked;
    int32_t grid; /* the most groups along axes 1 and 2 */
    char compiler[256], kernels[256];
};

struct fibre_module {
    void *handle;
    int file; /* open while loaded: dlopen() knows objects by path, and the path is the descriptor's */
    struct fibre_now *now;
    const struct fibre_kernel *kernel;
    const char *local, *local_end, *image, *image_end;
    char name[64]; /* of the kernel */
};

segue_status fibre_read_settings(struct fibre_settings *out, segue_diag *why);
/* The text that stands for all that compiled code depends on besides its source. */
segue_status fibre_identity(const struct fibre_settings *settings, char *out, size_t room, segue_diag *why);
/* A part of the source that calls itself dialect.h is replaced: text composed for another device compiles, too. */
segue_status fibre_build(const segue_host *host, const struct fibre_settings *settings, const char *source,
                         const char *options, void **blob, uint64_t *bytes, segue_diag *why);
/* kernel is NULL: an image of which fibre_find() chooses one. */
segue_status fibre_load(const segue_host *host, const void *blob, uint64_t bytes, const char *kernel,
                        struct fibre_module **out, segue_diag *why);
segue_status fibre_find(struct fibre_module *module, const char *kernel, segue_diag *why);
void fibre_unload(const segue_host *host, struct fibre_module *module);
/* "selective_scan.k.h:41" of an instruction, with "(in words.h:80)" where code of another line was inlined. */
void fibre_place(const struct fibre_module *module, uint32_t pc, char *out, size_t room);

/* ---- shadow: who touched a byte ---------------------------------------------------------------------- */

/* The last item of each kind, as a stamp: base = several items, base + 1 + i = item i, less = history. */
struct fibre_cell {
    uint32_t stamp[FIBRE_KINDS];
    uint32_t pc[FIBRE_KINDS]; /* from the start of the module's image */
};

/* Four bytes that were only touched together have one cell; after a narrower access each has its own, for the epoch. */
struct fibre_word {
    struct fibre_cell cell;
    uint32_t split; /* the base when that happened */
};

struct fibre_space {
    struct fibre_word *words;
    struct fibre_cell *cells; /* of each byte of a split word; in the allocation of words */
    uint8_t *rights;          /* of each byte; NULL = all */
    uint8_t *saved;           /* the bytes as they were before the launch; in the allocation of rights */
    uint64_t room;            /* bytes */
    uint32_t base; /* of the current epoch: a launch for GLOBAL, the time between two barriers for LOCAL */
    uint32_t born; /* LOCAL: written since this stamp = written in this group */
};

struct fibre_span { /* bytes of arguments without a gap, as a part of the GLOBAL space */
    const char *at, *end;
    uint64_t first;
};

struct fibre_extent {
    const char *at, *end;
    uint32_t arg;
};

struct fibre_memory {
    struct fibre_space local, global;
    struct fibre_span spans[GPU_MOST_ARGS];
    struct fibre_extent extents[GPU_MOST_ARGS];
    uint32_t span_count, extent_count, last_span;
};

enum fibre_fault { FIBRE_FINE, FIBRE_OUTSIDE, FIBRE_READ_ONLY, FIBRE_BLANK, FIBRE_RACE };

struct fibre_touch { /* one access */
    const char *at;
    int64_t bytes;
    enum fibre_kind kind;
    uint32_t pc;
    uint32_t item; /* in the space's epoch */
};

struct fibre_clash { /* what a race is with */
    enum fibre_kind kind;
    uint32_t stamp, base, pc;
};

segue_status fibre_memory_of(const segue_host *host, struct fibre_memory *m, const struct gpu_arg *args,
                             uint32_t count, uint64_t items, uint64_t local_bytes, segue_diag *why);
/* A call that failed has written nothing: after a finding the arguments are as they came. */
void fibre_memory_restore(struct fibre_memory *m);
void fibre_memory_free(const segue_host *host, struct fibre_memory *m);
void fibre_memory_group(struct fibre_memory *m, int32_t items, uint64_t local_bytes);
void fibre_memory_barrier(struct fibre_memory *m, int32_t items, uint64_t local_bytes);
enum fibre_fault fibre_touch_local(struct fibre_memory *m, uint64_t first, const struct fibre_touch *t,
                                   struct fibre_clash *clash);
enum fibre_fault fibre_touch_global(struct fibre_memory *m, const struct fibre_touch *t,
                                    struct fibre_clash *clash);
/* "4 bytes past the end of argument 3": where at lies, seen from the nearest argument. */
void fibre_nearest(const struct fibre_memory *m, const char *at, int64_t bytes, char *out, size_t room);

/* ---- the machine ------------------------------------------------------------------------------------- */

struct fibre_machine;

struct fibre_machine *fibre_machine_create(const segue_host *host, const struct fibre_settings *settings,
                                           segue_diag *why);
void fibre_machine_destroy(struct fibre_machine *machine);
segue_status fibre_run(struct fibre_machine *machine, const struct fibre_module *module,
                       const int32_t groups[3], const struct gpu_arg *args, uint32_t count, segue_diag *why);

/* ---- tools ------------------------------------------------------------------------------------------- */

/* Runs argv[0], found in PATH; its output and complaints go to text, cut and ended with NUL. Its exit status,
 * or -1 when it could not be run. */
int fibre_tool(const char *const *argv, char *text, size_t room);

/* ---- the device -------------------------------------------------------------------------------------- */

struct gpu *fibre_open(const segue_host *host, segue_diag *why); /* with fibre_read_settings() */
void fibre_close(struct gpu *gpu);

#endif
