/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_ODE_CELL_ARGS_H
#define SEGUE_GPU_ODE_CELL_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

/* The primitive's enumerators. */
#define CELL_LTC 0
#define CELL_CFC 1
#define CELL_CFC_NO_GATE 2
#define CELL_CFC_PURE 3
#define KAPPA_OVER_DT 0
#define KAPPA_OVER_DT_PLUS1 1
#define KAPPA_DIRECT 2
#define BACKBONE_LECUN_TANH 0
#define BACKBONE_TANH 1
#define BACKBONE_RELU 2
#define BACKBONE_GELU 3
#define BACKBONE_SILU 4
#define HEAD_TANH 1
#define HEAD_IDENTITY 2
#define HEAD_LECUN_TANH 3

/* Units that a LOCAL array of WIDTH floats a sequence has room for: gates leave four numbers of each. */
#define ODE_UNITS(liquid, width) ((liquid) ? (width) : (width) / 4)

struct
    ode_cell_args { /* behind one pointer for each operand up to h, in the same order, and for the workspace */
    VIEW x, elapsed, lengths, cu_seqlens, slot, h_in, h_out, y, h;
    i64 weights; /* where ode_cell_ltc_pack.k.h or ode_cell_cfc_pack.k.h left them in the workspace */
    i64 first;   /* ROWS sequences: of the first groups along axis 1 */
    i64 sequences, tokens, pool;
    i32 units, features, outputs; /* n, d, f */
    i32 backbone, layers;         /* e; how many layers in all, deep ones included; 0 = no backbone */
    i32 lanes, head_lanes;        /* items side by side: neurons or outputs of a layer; outputs of the heads */
    i32 cell, unfolds, kappa, activation, head_act;
    float eps, time_sign;
};

#endif
