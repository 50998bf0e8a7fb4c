/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_GATED_RECURRENCE_ARGS_H
#define SEGUE_GPU_GATED_RECURRENCE_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

/* The keys of a state are cut into slices of up to 12 rows, its value columns go side by side: an item has a
 * slice of RECURRENCE_WIDTH columns, and a group as many columns as its items leave. */
#define RECURRENCE_WANTED(keys) \
    ((keys) <= 12 ? 1 : (keys) <= 24 ? 2 : (keys) <= 48 ? 4 : (keys) <= 96 ? 8 : (keys) <= 192 ? 16 : 32)
#define RECURRENCE_SLICES(keys, group) (RECURRENCE_WANTED(keys) < (group) ? RECURRENCE_WANTED(keys) : (group))
#define RECURRENCE_LANES(keys, group) ((group) / RECURRENCE_SLICES(keys, group))
#define RECURRENCE_WIDTH(keys, group) \
    (RECURRENCE_LANES(keys, group) >= 64 ? 1 : RECURRENCE_LANES(keys, group) >= 32 ? 2 : 4)
#define RECURRENCE_COLUMNS(keys, group) (RECURRENCE_LANES(keys, group) * RECURRENCE_WIDTH(keys, group))

struct gated_recurrence_args { /* behind one pointer for each of the operands up to y, in the same order */
    VIEW q, k, v, g, gk, gain, D, z, cu_seqlens, slot, S_in, n_in, S_out, n_out, y;
    i64 sequence; /* of the first groups along axis 1 */
    i64 tokens, pool;
    i32 keys, columns; /* of a state; keys <= KEYS */
    i32 heads,
        passes;  /* of states; groups that share a state's columns, each taking every so many-th part of them */
    i32 readers; /* heads of y that read one state */
    i32 heads_q, readers_q; /* heads of q; heads of y that share one */
    i32 heads_k, writers_k; /* heads of k; states that share one */
    i32 modulo;             /* which heads share one: 0 = consecutive ones, 1 = every so many-th */
    i32 norm, gain_is_log;
    i32 rows_first; /* the states' rows lie closer together than their columns */
    float scale, eps;
    i32 reserved;
};

#endif
