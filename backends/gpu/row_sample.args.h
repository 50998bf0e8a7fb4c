/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_ROW_SAMPLE_ARGS_H
#define SEGUE_GPU_ROW_SAMPLE_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

enum {                     /* what a launch does */
       SAMPLE_WHOLE = 0,   /* a row, and what comes of it */
       SAMPLE_PART = 1,    /* part of a row: leaves a partial in the workspace */
       SAMPLE_ENTROPY = 2, /* the same for negative entropy, which needs the partials of the whole row */
       SAMPLE_JOIN = 3     /* what comes of a row's partials */
};

#define SAMPLE_WORDS 8 /* of a partial */

struct row_sample_args { /* behind one pointer for each operand, in the same order, and one to the workspace */
    VIEW3 logits, logits_u;
    VIEW2 x, row;
    VIEW1 lo, hi, temperature, top_p, top_k, guidance, banned;
    VIEW2 seed;
    VIEW1 seq_id;
    VIEW2 pos;
    VIEW1 step;
    VIEW3 draws;
    VIEW1 move, stay;
    VIEW2 tok, conf, lse, logp;
    i64 position, positions; /* of the first groups along axis 1; b t */
    i64 tokens;              /* t */
    i64 partials;        /* word of the workspace where they begin: SAMPLE_WORDS for each position and part */
    i32 rows, ids, bans; /* n, v, z */
    i32 parts, part;     /* parts of a row; ids of one */
    i32 stage;
    i32 whole_words; /* 1: two neighbouring logits of 16 bits lie in one aligned word */
    i32 mask_id, noise, confidence, exclude, exact_k, absorb;
    float scale; /* what a probability of 1 is as an integer, a power of two: the sum of all stays below 2^63 */
};

#endif
