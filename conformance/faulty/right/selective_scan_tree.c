/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The scan as a parallel prefix over pairs. Token t maps a state x to a x + b; two maps compose to another,
 *
 *     (a2, b2) after (a1, b1) = (a2 a1, a2 b1 + b2)
 *
 * which is associative but does not commute (Blelloch 1990, section 1.4). Within a block of 64 tokens the prefixes grow by
 * doubling their reach (Kogge and Stone 1973); the block's state goes on into the next. */
#include <segue/kit.h>

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 64 };

struct pair {
    float a, b;
};

struct lane { /* one channel of one sequence */
    const segue_selective_scan *op;
    int64_t b, d, begin, end, read, write;
    float *carry; /* [n] */
    float delta[BLOCK], u[BLOCK], y[BLOCK];
};

/* A float of `digits` binary digits, the hidden one included, and exponents from `low` on, as sign, exponent and
 * fraction fields of a 16-bit word. */
struct small_format {
    int digits, low;
};

static const struct small_format half = { 11, -14 }, brain = { 8, -126 };

static const struct small_format *format_of(segue_dtype d)
{
    return d.code == SEGUE_CODE_BFLOAT ? &brain : &half;
}

static float expand(uint16_t word, const struct small_format *f)
{
    const int unit = 1 << (f->digits - 1), field = (word & 0x7fff) / unit, fraction = word % unit;
    const int top = 0x7fff / unit; /* infinities and NaN */
    const float sign = word > 0x7fff ? -1.0f : 1.0f;
    if (field == top) return fraction ? NAN : sign * INFINITY;
    if (field == 0) return sign * ldexpf((float)fraction, f->low - f->digits + 1);
    return sign * ldexpf((float)(unit + fraction), f->low + field - f->digits);
}

/* Nearest, ties to even, since that is the rounding mode that rintf finds. A carry into the next exponent comes by
 * itself from adding the fields. */
static uint16_t contract(float x, const struct small_format *f)
{
    const int unit = 1 << (f->digits - 1), top = 0x7fff / unit * unit, sign = signbit(x) ? 0x8000 : 0;
    int exponent, word;
    if (isnan(x)) return (uint16_t)(top + unit / 2);
    if (isinf(x)) return (uint16_t)(sign + top);
    frexpf(x, &exponent);
    if (x == 0 || exponent - 1 < f->low) exponent = f->low + 1;
    word = (exponent - 1 - f->low) * unit + (int)rintf(fabsf(ldexpf(x, f->digits - exponent)));
    return (uint16_t)(sign + (word > top ? top : word));
}

static void *spot(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    const int64_t step[4] = { i, j, k, l };
    int64_t bytes = (int64_t)t->offset;
    for (unsigned axis = 0; axis < t->rank; axis++) bytes += step[axis] * t->stride[axis] * t->dtype.bits / 8;
    return (char *)t->data + bytes;
}

static float peek(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    union {
        float wide;
        uint16_t narrow;
    } v;
    memcpy(&v, spot(t, i, j, k, l), t->dtype.bits / 8);
    return t->dtype.bits == 32 ? v.wide : expand(v.narrow, format_of(t->dtype));
}

static float peek_or(const segue_tensor *t, int64_t i, float absent)
{
    return segue_dtype_id(t->dtype) ? peek(t, i, 0, 0, 0) : absent;
}

static void poke(const segue_tensor *t, float x, int64_t i, int64_t j, int64_t k)
{
    union {
        float wide;
        uint16_t narrow;
    } v;
    if (t->dtype.bits == 32) v.wide = x;
    else v.narrow = contract(x, format_of(t->dtype));
    memcpy(spot(t, i, j, k, 0), &v, t->dtype.bits / 8);
}

/* p[i] = map of tokens 0 to i. From the back, so that each step reads what the step before left. */
static void prefixes(struct pair *p, int64_t count)
{
    for (int64_t reach = 1; reach < count; reach *= 2)
        for (int64_t i = count - 1; i >= reach; i--) {
            const struct pair early = p[i - reach], late = p[i];
            p[i] = (struct pair){ late.a * early.a, late.a * early.b + late.b };
        }
}

static void block(struct lane *w, int64_t first, int64_t count)
{
    const segue_selective_scan *op = w->op;
    const int64_t g = w->d / (op->y.shape[2] / op->B.shape[2]), j = w->d / (op->y.shape[2] / op->C.shape[2]);
    const float bias = peek_or(&op->delta_bias, w->d, 0), skip = peek_or(&op->D, w->d, 0);
    struct pair map[BLOCK];
    for (int64_t i = 0; i < count; i++) {
        const float raw = peek(&op->delta, w->b, first + i, w->d, 0) + bias;
        w->delta[i] = !op->softplus || raw > 20 ? raw : log1pf(expf(raw));
        w->u[i] = peek(&op->u, w->b, first + i, w->d, 0);
        w->y[i] = skip * w->u[i];
    }
    for (int64_t n = 0; n < op->A.shape[1]; n++) {
        for (int64_t i = 0; i < count; i++)
            map[i] = (struct pair){ expf(w->delta[i] * peek(&op->A, w->d, n, 0, 0)),
                                    w->delta[i] * peek(&op->B, w->b, first + i, g, n) * w->u[i] };
        prefixes(map, count);
        for (int64_t i = 0; i < count; i++)
            w->y[i] += peek(&op->C, w->b, first + i, j, n) * (map[i].a * w->carry[n] + map[i].b);
        w->carry[n] = map[count - 1].a * w->carry[n] + map[count - 1].b;
    }
    for (int64_t i = 0; i < count; i++) {
        const float z = op->z.dtype.bits ? peek(&op->z, w->b, first + i, w->d, 0) : 0;
        poke(&op->y, op->z.dtype.bits ? w->y[i] * z / (expf(-z) + 1) : w->y[i], w->b, first + i, w->d);
    }
}

static void scan_lane(struct lane *w)
{
    const segue_selective_scan *op = w->op;
    for (int64_t n = 0; n < op->A.shape[1]; n++)
        w->carry[n] = w->read < 0 ? 0 : peek(&op->h_in, w->read, w->d, n, 0);
    for (int64_t t = w->begin; t < w->end; t += BLOCK) block(w, t, w->end - t < BLOCK ? w->end - t : BLOCK);
    for (int64_t n = 0; n < op->A.shape[1]; n++)
        if (w->write >= 0) poke(&op->h_out, w->carry[n], w->write, w->d, n);
}

static int32_t index_at(const segue_tensor *t, int64_t i, int64_t j)
{
    int32_t x;
    memcpy(&x, spot(t, i, j, 0, 0), sizeof x);
    return x;
}

/* Fills the sequence's part of *w; 1 = padding. */
static int take_sequence(struct lane *w, int64_t s)
{
    const segue_selective_scan *op = w->op;
    const int64_t tokens = op->y.shape[1];
    int padding = 0;
    *w = (struct lane){ .op = op, .carry = w->carry, .b = s, .end = tokens, .read = s, .write = s };
    if (op->cu_seqlens.dtype.bits) {
        w->b = 0;
        w->begin = index_at(&op->cu_seqlens, s, 0);
        w->end = index_at(&op->cu_seqlens, s + 1, 0);
        if (w->begin < 0) w->begin = 0;
        if (w->end > tokens) w->end = tokens; /* begin may lie behind: then there is no token */
    }
    if (op->slot.dtype.bits) {
        const int64_t rows = (op->h_out.dtype.bits ? op->h_out : op->h_in).shape[0];
        w->read = index_at(&op->slot, s, 0);
        w->write = index_at(&op->slot, s, 1);
        if (w->read >= rows) w->read = -1;
        if (w->write >= rows) w->write = -1;
        padding = w->read < 0 && w->write < 0;
    }
    if (!op->h_in.dtype.bits) w->read = -1;
    if (!op->h_out.dtype.bits) w->write = -1;
    return padding;
}

static const char *conditions(const segue_op_header *header, const segue_kit_device *dev)
{
    static const char *const words[] = {
        "u: is f64", "delta: is f64",      "A: is f64",    "B: is f64",     "C: is f64", "D: is f64",
        "z: is f64", "delta_bias: is f64", "h_in: is f64", "h_out: is f64", "y: is f64",
    };
    const segue_selective_scan *op = (const segue_selective_scan *)header;
    const segue_tensor *operands[] = { &op->u, &op->delta,      &op->A,    &op->B,     &op->C, &op->D,
                                       &op->z, &op->delta_bias, &op->h_in, &op->h_out, &op->y };
    int worst = -1;
    (void)dev;
    for (int i = 10; i >= 0; i--)
        if (segue_dtype_id(operands[i]->dtype) == SEGUE_F64) worst = i;
    return worst < 0 ? NULL : words[worst];
}

static segue_status size_up(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = 4 * (uint64_t)((const segue_selective_scan *)header)->A.shape[1];
    return SEGUE_OK;
}

static segue_status scan_by_tree(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_selective_scan *op = (const segue_selective_scan *)header;
    struct lane w = { .op = op,
                      .carry = (float *)call->workspace.data + call->workspace.offset / sizeof(float) };
    const int64_t sequences = op->cu_seqlens.dtype.bits ? op->cu_seqlens.shape[0] - 1 : op->y.shape[0];
    for (int64_t s = 0; s < sequences; s++) {
        const int padding = take_sequence(&w, s);
        for (w.d = 0; w.d < op->y.shape[2]; w.d++) {
            if (!padding) scan_lane(&w);
            for (int64_t t = w.begin; padding && t < w.end; t++) poke(&op->y, 0, w.b, t, w.d);
        }
    }
    return SEGUE_OK;
}

const segue_row segue_row_selective_scan_tree = {
    .name = "selective_scan_tree",
    .primitive = SEGUE_SELECTIVE_SCAN,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = conditions,
    .prepare = size_up,
    .run = scan_by_tree,
};
