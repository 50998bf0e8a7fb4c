/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What core's unit tests share: cmocka, a device to try things on, and a small scan. */
#ifndef SEGUE_CORE_CORE_TESTING_H
#define SEGUE_CORE_CORE_TESTING_H

#include <segue/segue.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define F32(...)                                                        \
    SEGUE_F32, (int)(sizeof(int64_t[]){ __VA_ARGS__ } / 8), (int64_t[]) \
    {                                                                   \
        __VA_ARGS__                                                     \
    }

#define assert_ok(call)                                               \
    do {                                                              \
        segue_diag why_ = { 0 };                                      \
        segue_diag *const why = &why_;                                \
        if ((call) != SEGUE_OK) fail_msg("%s: %s", #call, why_.text); \
    } while (0)

/* The call, which passes `why`, is refused with this status, and both pieces are in its text. */
#define assert_refused(status, piece, other, call)                                                            \
    do {                                                                                                      \
        segue_diag why_ = { 0 };                                                                              \
        segue_diag *const why = &why_;                                                                        \
        const segue_status got_ = (call);                                                                     \
        if (got_ != (status)) fail_msg("%s: %s: %s", #call, segue_status_name(got_), why_.text);              \
        if (!strstr(why_.text, piece) || !strstr(why_.text, other)) fail_msg("%s: \"%s\"", #call, why_.text); \
        assert_int_equal(why_.code, got_);                                                                    \
    } while (0)

struct bench {
    segue_context *ctx;
    segue_device *dev;
    segue_stream stream;
};

static inline struct bench open_bench(const char *device)
{
    struct bench b = { 0 };
    assert_ok(segue_context_create(NULL, &b.ctx, why));
    assert_ok(segue_device_open(b.ctx, device, NULL, &b.dev, why));
    assert_ok(segue_stream_create(b.dev, &b.stream, why));
    return b;
}

static inline void close_bench(struct bench *b)
{
    segue_stream_destroy(b->dev, b->stream);
    segue_device_close(b->dev);
    segue_context_destroy(b->ctx);
}

enum { SCAN_D = 4, SCAN_N = 2, SCAN_T = 8 };

/* A scan whose answer is known without computing it: with A = 0 and no softplus the state is a running sum.
 * delta = 1, B = 1, C = 1, u = 1: h after t tokens is t in every place, and y is N t. */
struct small_scan {
    float u[SCAN_T * SCAN_D], delta[SCAN_T * SCAN_D], A[SCAN_D * SCAN_N], B[SCAN_T * SCAN_N],
        C[SCAN_T * SCAN_N], h[SCAN_D * SCAN_N], y[SCAN_T * SCAN_D];
    segue_selective_scan op;
};

static inline void make_scan(struct small_scan *s, int64_t t)
{
    memset(s, 0, sizeof *s);
    for (int i = 0; i < SCAN_T * SCAN_D; i++) s->u[i] = s->delta[i] = 1;
    for (int i = 0; i < SCAN_T * SCAN_N; i++) s->B[i] = s->C[i] = 1;
    s->op = segue_selective_scan_init();
    s->op.softplus = 0;
    s->op.u = segue_tensor_of(s->u, F32(1, t, SCAN_D));
    s->op.delta = segue_tensor_of(s->delta, F32(1, t, SCAN_D));
    s->op.A = segue_tensor_of(s->A, F32(SCAN_D, SCAN_N));
    s->op.B = segue_tensor_of(s->B, F32(1, t, 1, SCAN_N));
    s->op.C = segue_tensor_of(s->C, F32(1, t, 1, SCAN_N));
    s->op.h_in = s->op.h_out = segue_tensor_of(s->h, F32(1, SCAN_D, SCAN_N));
    s->op.y = segue_tensor_of(s->y, F32(1, t, SCAN_D));
}

/* y after the scan of t tokens that began with this many behind it. */
static inline void check_scan(const struct small_scan *s, int64_t before, int64_t t)
{
    for (int64_t i = 0; i < t * SCAN_D; i++)
        assert_true(s->y[i] == (float)(SCAN_N * (before + 1 + i / SCAN_D)));
    for (int i = 0; i < SCAN_D * SCAN_N; i++) assert_true(s->h[i] == (float)(before + t));
}

#endif
