/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_GPU_TENSOR_COPY_ARGS_H
#define SEGUE_GPU_TENSOR_COPY_ARGS_H
#ifndef KERNEL
#include "kernel_types.h"
#endif

struct tensor_copy_args { /* behind to and from; elements */
    i64 count, to_at, from_at;
    i64 shape[6], to_stride[6], from_stride[6]; /* the last axis runs fastest; unused ones in front are 1 */
    i32 to_dtype, from_dtype;                   /* as in VIEW, while bits is 0 */
    i32 bits;                                   /* of an element that is copied as it is; 0 = a conversion */
    i32 groups;
};

#endif
