/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_GATE_PREP_ARGS_H
#define SEGUE_GPU_GATE_PREP_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

/* The primitive's gates: its enumerators. */
#define GATE_DELTA 0
#define GATE_LOG_SIGMOID 1
#define GATE_HGRN2 2
#define GATE_BOUNDED 3
#define GATE_RWKV7 4
#define GATE_RWKV 5
#define GATE_SOFT_CAP 6

#define GATE_EACH 8 /* gates of an item in one go */

struct gate_prep_args { /* behind one pointer for each operand, in the same order */
    VIEW x, bias, A, A_log, lower_bound, delta, g, key;
    i64 batch; /* of the first groups along axis 1 */
    i64 tokens;
    i32 heads, width; /* h, k */
    i32 parts;        /* groups that share a batch row */
    i32 gate, softplus;
    float dt_min, dt_max; /* dt_max: infinity for no limit */
    float factor;         /* divisor, lower or cap, whichever the gate has */
};

#endif
