/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_ODE_CELL_LTC_PACK_ARGS_H
#define SEGUE_GPU_ODE_CELL_LTC_PACK_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

#define CONSTRAINT_FREE 0
#define CONSTRAINT_SOFTPLUS 1
#define CONSTRAINT_CLIP 2

struct ode_cell_ltc_pack_args { /* behind one pointer for each of these, and for the workspace */
    VIEW2 output_w, output_b, gleak, vleak, cm;
    VIEW2 sigma, mu, w, E, A, ptr, src;
    VIEW2 sensory_sigma, sensory_mu, sensory_w, sensory_E, sensory_A, sensory_ptr, sensory_src;
    VIEW2 input_w, input_b;
    i64 to;                       /* in the workspace */
    i64 listed, sensory_listed;   /* c, a */
    i32 units, features, outputs; /* n, d, f */
    i32 items;                    /* of all groups */
    i32 constraint, reserved;
};

#endif
