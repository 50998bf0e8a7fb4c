/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of this folder: runs a row as the kit would, on tensors in host memory. */
#ifndef SEGUE_REFERENCE_TESTING_H
#define SEGUE_REFERENCE_TESTING_H

#include <segue/kit.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the three above */
#include <cmocka.h>

#define TENSOR(data, dtype, ...)                                                       \
    segue_tensor_of(data, dtype, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), \
                    (int64_t[]){ __VA_ARGS__ })
#define F64(data, ...) TENSOR(data, SEGUE_F64, __VA_ARGS__)
#define I32(data, ...) TENSOR(data, SEGUE_I32, __VA_ARGS__)
#define COUNT(array) (sizeof(array) / sizeof *(array))

/* With a workspace of exactly the size that the row asks for, full of NaN. */
static inline void run_row(const segue_row *row, const segue_op_header *op)
{
    segue_kit_device device = { 0 };
    segue_kit_plan plan = { 0 };
    assert_int_equal(row->prepare(op, &device, &plan, NULL), SEGUE_OK);
    void *work = malloc(plan.workspace_bytes ? plan.workspace_bytes : 1);
    memset(work, 0xff, plan.workspace_bytes);
    const segue_kit_call call = {
        &device, plan.data, { SEGUE_API_CPU, 0, NULL }, { work, 0, plan.workspace_bytes }, NULL
    };
    assert_int_equal(row->run(op, &call), SEGUE_OK);
    free(work);
}

/* Repeatable numbers in [-1/2, 1/2): value n of the stream that begins at offset. */
static inline double value(int offset, int n)
{
    return (37 * (n + offset) + 11) % 101 / 101.0 - 0.5;
}

static inline void fill(double *to, int count, int offset, double scale, double shift)
{
    for (int n = 0; n < count; n++) to[n] = scale * value(offset, n) + shift;
}

static inline double sum(const double *x, int count, int power)
{
    double s = 0;
    for (int n = 0; n < count; n++) s += power == 2 ? x[n] * x[n] : x[n];
    return s;
}

/* To the twelve digits that the published sums have. */
static inline void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 6e-12 * fmax(1, fabs(want)))) fail_msg("%.15g, wanted %.15g", got, want);
}

static inline void assert_same(const double *got, const double *want, int count)
{
    for (int n = 0; n < count; n++)
        if (!(got[n] == want[n])) fail_msg("element %d is %.17g, wanted %.17g", n, got[n], want[n]);
}

#endif
