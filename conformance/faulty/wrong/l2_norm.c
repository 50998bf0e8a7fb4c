/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plain L2 norm in f32 with one flaw a row. Without any it is right. */
#include "wrong.h"

#define FLAWS(FLAW)          \
    FLAW(step_eps_as_floor)  \
    FLAW(packed_eps_on_mean) \
    FLAW(packed_heads_joined)

#define NAMED(name) LENGTH_##name,
enum flaw { FLAWS(NAMED) };
#undef NAMED

static float squares_of(const segue_l2_norm *op, int64_t b, int64_t t, int64_t h, int64_t heads)
{
    float sum = 0;
    for (int64_t i = h; i < h + heads; i++)
        for (int64_t k = 0; k < op->x.shape[3]; k++) {
            const float x = load(&op->x, b, t, i, k);
            sum += x * x;
        }
    return sum;
}

static void normalise(const segue_l2_norm *op, enum flaw flaw, int64_t b, int64_t t, int64_t h)
{
    const int packed = op->x.stride[3] == 1 && op->x.stride[2] == op->x.shape[3];
    const int joined = flaw == LENGTH_packed_heads_joined && packed;
    const float count = (float)op->x.shape[3], eps = (float)op->eps;
    const float squares = joined ? squares_of(op, b, t, 0, op->x.shape[2]) : squares_of(op, b, t, h, 1);
    float length = sqrtf(squares + (flaw == LENGTH_packed_eps_on_mean && packed ? eps * count : eps));
    if (flaw == LENGTH_step_eps_as_floor && op->x.shape[1] == 1) length = fmaxf(sqrtf(squares), eps);
    for (int64_t k = 0; k < op->x.shape[3]; k++) store(&op->y, load(&op->x, b, t, h, k) / length, b, t, h, k);
}

static segue_status norm(const segue_op_header *header, const segue_kit_call *call, enum flaw flaw)
{
    const segue_l2_norm *op = (const segue_l2_norm *)header;
    (void)call;
    for (int64_t b = 0; b < op->x.shape[0]; b++)
        for (int64_t t = 0; t < op->x.shape[1]; t++)
            for (int64_t h = 0; h < op->x.shape[2]; h++) normalise(op, flaw, b, t, h);
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    (void)dev;
    return has_f64(header, offsetof(segue_l2_norm, x), offsetof(segue_l2_norm, y)) ? "x: no operand may be f64"
                                                                                   : NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)header, (void)dev, (void)plan, (void)why;
    return SEGUE_OK;
}

#define ROW(flaw) WRONG_ROW(l2_norm, SEGUE_L2_NORM, flaw, norm, LENGTH_##flaw)
FLAWS(ROW)
