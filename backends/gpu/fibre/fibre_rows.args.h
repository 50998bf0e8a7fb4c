/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_FIBRE_ROWS_ARGS_H
#define SEGUE_FIBRE_ROWS_ARGS_H
#ifndef KERNEL
#include "../kernel_types.h"
#endif

struct fibre_rows_args { /* behind pointers to x, p, best, count */
    VIEW x, p;
    i32 columns;
    i32 reserved;
};

#endif
