/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_UNMASK_SELECT_ARGS_H
#define SEGUE_GPU_UNMASK_SELECT_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

enum { /* the values of `rule` */
       SELECT_ALL = 0,
       SELECT_TOPK = 1,
       SELECT_THRESHOLD = 2,
       SELECT_BUDGET = 3,
       SELECT_BERNOULLI = 4,
       SELECT_GUMBEL_TOPK = 5,
       SELECT_MASKGIT = 6,
       SELECT_FIRST_HIT = 7
};

struct unmask_select_args { /* behind one pointer for each operand, in the same order */
    VIEW2 x, tok, conf;
    VIEW1 lo, hi, k, steps_left, tau, p, temp, carry;
    VIEW2 seed;
    VIEW1 seq_id;
    VIEW2 pos;
    VIEW1 step;
    VIEW2 draws, x_out;
    VIEW1 n_changed, n_left;
    VIEW2 changed;
    VIEW1 carry_out;
    i64 row;            /* b of the first groups along axis 1 */
    i32 tokens, places; /* t, c */
    i32 mask_id, rule, k_min, noise;
};

#endif
