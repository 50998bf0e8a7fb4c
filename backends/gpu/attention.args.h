/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_ATTENTION_ARGS_H
#define SEGUE_GPU_ATTENTION_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

/* Twenty VIEWs and pointers would be more than the 1024 bytes that OpenCL guarantees: vectors, and index
 * operands of up to three axes, bring what their elements' places take. Which are there, `present` says. AT1 to
 * AT3 work on them, too. */
typedef struct ATTENTION_LINE {
    i64 at, stride[1];
} ATTENTION_LINE;

typedef struct ATTENTION_LIST {
    i64 at, stride[3];
} ATTENTION_LIST;

enum { /* bits of present: the operands of the .def, in its order from cu_seqlens on */
       HAS_CU_SEQLENS = 1,
       HAS_CU_SEQLENS_K = 2,
       HAS_K_LEN = 4,
       HAS_KEEP = 8,
       HAS_KEEP_Q = 16,
       HAS_Q_OFFSET = 32,
       HAS_Q_POS = 64,
       HAS_K_POS = 128,
       HAS_Q_INDEX = 256,
       HAS_K_INDEX = 512,
       HAS_O_INDEX = 1024,
       HAS_LABEL = 2048,
       HAS_BIAS = 4096,
       HAS_SLOPES = 8192,
       HAS_SINK = 16384
};

struct
    attention_args { /* behind one pointer for each operand, in the order of the .def, and one to the parts */
    VIEW q, k, v, bias, y, lse;
    ATTENTION_LINE cu_seqlens, cu_seqlens_k, k_len, q_offset, slopes, sink;
    ATTENTION_LIST keep, keep_q, q_pos, k_pos, q_index, k_index, o_index, label;
    i64 sequence; /* of the first groups along axis 1 */
    i64 parts_at; /* what parts leave: for each sequence, key head, part and row the sums, then two numbers */
    i32 queries, keys; /* slots */
    i32 rows_q, rows_k, rows_y;
    i32 heads, group;   /* of keys; query heads that read one */
    i32 width, columns; /* of a key and of a value */
    i32 passes, parts;  /* groups that share columns, and keys */
    i32 chunk, chunks_before, chunks_after, window_left, window_right;
    i32 present, slopes_dtype, sink_dtype;
    i32 causal, top_left, wrap, unit, self_rule;
    i32 tile; /* of the first groups along axis 0 */
    float scale, softcap, key_eps, self_value;
};

#endif
