/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_ODE_CELL_CFC_PACK_ARGS_H
#define SEGUE_GPU_ODE_CELL_CFC_PACK_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

struct ode_cell_cfc_pack_args { /* behind one pointer for each of these, and for the workspace */
    VIEW2 output_w, output_b, backbone_w, backbone_b;
    VIEW2 deep_w, deep_b; /* of the first deep layer */
    VIEW2 mask, ff1_w, ff1_b, ff2_w, ff2_b, time_a_w, time_a_b, time_b_w, time_b_b, w_tau, pure_A;
    i64 to;                       /* in the workspace */
    i64 deep_w_step, deep_b_step; /* from a deep layer to the next one */
    i32 units, features, outputs; /* n, d, f */
    i32 backbone, layers;         /* e; how many layers in all, deep ones included; 0 = no backbone */
    i32 heads;                    /* 1 or 4 */
    i32 items;                    /* of all groups */
    i32 reserved;
};

#endif
