/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The short convolution with its sums by halves: products and bias are leaves of a tree. A channel is first laid out
 * in a row of floats, what came before and then the tokens, and the filter slides over it. */
#include <segue/kit.h>

#include <math.h>

struct strip { /* a sequence */
    int64_t b, from, tokens;
    int64_t rows[2];       /* of the pool: read, written; -1 = none */
    int64_t kept, elapsed; /* columns of a state; tokens before, where it is a ring */
    int ring;
    float *line;   /* [taps - 1 + tokens] one channel */
    float *leaves; /* [taps + 1] */
    float *old;    /* [kept] */
};

/* bf16 is the upper half of an f32; f16 moves there through an f32 that is 2^112 too small. */
static float from16(uint16_t bits, segue_dtype d)
{
    union {
        uint32_t u;
        float f;
    } v = { .u = (uint32_t)bits << 16 };
    if (d.code == SEGUE_CODE_BFLOAT) return v.f;
    v.u = (uint32_t)(bits & 0x8000) << 16 | (uint32_t)(bits & 0x7fff) << 13;
    if ((bits & 0x7c00) != 0x7c00) return v.f * 0x1p112f;
    v.u |= 0x7f800000;
    return v.f;
}

/* Rounding by the machine itself: adding a power of two of the right size pushes the digits out that must go, in
 * the current mode, nearest even. */
static uint16_t to16(float x, segue_dtype d)
{
    const int brain = d.code == SEGUE_CODE_BFLOAT, bits = brain ? 7 : 10, low = brain ? -126 : -14;
    union {
        float f;
        uint32_t u;
    } v = { .f = fabsf(x) };
    const uint16_t sign = (uint16_t)(signbit(x) ? 1u << 15 : 0), most = brain ? 0x7f80 : 0x7c00;
    int exponent = (int)(v.u >> 23) - 127;
    if (x != x) return most | 0x40;
    if (exponent < low) exponent = low;
    if (exponent > -low + 1) return sign | most;
    volatile double shifted = ldexp(0x1.8p52, exponent - bits) + (double)v.f;
    const double kept = shifted - ldexp(0x1.8p52, exponent - bits);
    const uint32_t code = (uint32_t)ldexp(kept, bits - exponent) + (uint32_t)((exponent - low) << bits);
    return sign | (uint16_t)(code > most ? most : code);
}

static int64_t byte_of(const segue_tensor *t, const int64_t index[3])
{
    int64_t at = 0;
    for (int a = 0; a < t->rank; a++) at += index[a] * t->stride[a];
    return at * t->dtype.bits / 8 + (int64_t)t->offset;
}

static float in(const segue_tensor *t, int64_t i, int64_t j, int64_t k)
{
    const char *p = (const char *)t->data + byte_of(t, (int64_t[3]){ i, j, k });
    float f;
    uint16_t h;
    if (t->dtype.bits == 32) return memcpy(&f, p, sizeof f), f;
    return memcpy(&h, p, sizeof h), from16(h, t->dtype);
}

static int32_t in_whole(const segue_tensor *t, int64_t i, int64_t j)
{
    int32_t x;
    return memcpy(&x, (const char *)t->data + byte_of(t, (int64_t[3]){ i, j }), sizeof x), x;
}

static void out(const segue_tensor *t, float x, int64_t i, int64_t j, int64_t k)
{
    char *p = (char *)t->data + byte_of(t, (int64_t[3]){ i, j, k });
    const uint16_t h = t->dtype.bits == 32 ? 0 : to16(x, t->dtype);
    memcpy(p, t->dtype.bits == 32 ? (const void *)&x : (const void *)&h, t->dtype.bits / 8);
}

static float halves(const float *leaf, int64_t count)
{
    if (count == 1) return leaf[0];
    return halves(leaf, count / 2) + halves(leaf + count / 2, count - count / 2);
}

static int64_t kept_columns(const segue_causal_conv1d *op)
{
    if (op->h_in.dtype.bits) return op->h_in.shape[2];
    if (op->h_out.dtype.bits) return op->h_out.shape[2];
    return op->weight.shape[1] - 1;
}

/* Puts channel d in a row: token t at line[taps - 1 + t]. */
static void lay_out(const segue_causal_conv1d *op, const struct strip *s, int64_t d)
{
    const int64_t before = op->weight.shape[1] - 1;
    for (int64_t c = 0; c < s->kept; c++)
        s->old[c] = s->rows[0] < 0 || !op->h_in.dtype.bits ? 0 : in(&op->h_in, s->rows[0], d, c);
    for (int64_t back = 1; back <= before; back++) {
        int64_t column = s->kept - back;
        if (s->ring) column = (s->elapsed % s->kept + column) % s->kept; /* kept >= back: not below 0 */
        s->line[before - back] = s->old[column];
    }
    for (int64_t t = 0; t < s->tokens; t++) {
        float v = in(&op->x, s->b, s->from + t, d);
        if (op->pre_gate.dtype.bits) v *= in(&op->pre_gate, s->b, s->from + t, d);
        s->line[before + t] = v;
    }
}

static int same_document(const segue_causal_conv1d *op, const struct strip *s, int64_t t, int64_t other)
{
    if (!op->seq_idx.dtype.bits) return 1;
    if (other < 0) other = 0;
    return in_whole(&op->seq_idx, s->b, t) == in_whole(&op->seq_idx, s->b, other);
}

static int is_filler(const segue_causal_conv1d *op, const struct strip *s, int64_t t)
{
    return op->seq_idx.dtype.bits && in_whole(&op->seq_idx, s->b, t) < 0;
}

static float respond(const segue_causal_conv1d *op, const struct strip *s, int64_t d, int64_t t)
{
    const int64_t taps = op->weight.shape[1];
    int64_t count = 0;
    float y;
    for (int64_t k = 0; k < taps; k++)
        if (same_document(op, s, t, t - taps + 1 + k))
            s->leaves[count++] = s->line[t + k] * in(&op->weight, d, k, 0);
    if (op->bias.dtype.bits) s->leaves[count++] = in(&op->bias, d, 0, 0);
    y = halves(s->leaves, count);
    if (op->activation == SEGUE_CAUSAL_CONV1D_SILU) y = y / (1.0f + expf(-y));
    if (op->post_gate.dtype.bits) y *= in(&op->post_gate, s->b, s->from + t, d);
    return is_filler(op, s, t) ? 0 : y;
}

static void keep(const segue_causal_conv1d *op, const struct strip *s, int64_t d)
{
    const int64_t before = op->weight.shape[1] - 1, last = s->tokens - 1;
    for (int64_t c = 0; c < s->kept && s->ring; c++) {
        /* Columns of a ring count tokens modulo `kept`; of those of this call that fall on c, the last one stays. */
        const int64_t first = ((c - s->elapsed) % s->kept + s->kept) % s->kept;
        const int64_t stays = first > last ? -1 : last - (last - first) % s->kept;
        out(&op->h_out, stays < 0 ? s->old[c] : s->line[before + stays], s->rows[1], d, c);
    }
    for (int64_t c = 0; c < s->kept && !s->ring; c++) {
        const int64_t t = s->tokens - s->kept + c;
        float v = t < 0 ? s->old[s->kept + t] : s->line[before + t];
        if (last >= 0 && (is_filler(op, s, last) || !same_document(op, s, last, t))) v = 0;
        out(&op->h_out, v, s->rows[1], d, c);
    }
}

static int64_t bounded(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

static void cut(const segue_causal_conv1d *op, struct strip *s, int64_t number)
{
    const int64_t end = op->x.shape[1];
    s->b = s->rows[0] = s->rows[1] = number;
    s->from = 0;
    s->tokens = end;
    if (op->cu_seqlens.dtype.bits) {
        s->b = 0;
        s->from = bounded(in_whole(&op->cu_seqlens, number, 0), 0, end);
        s->tokens = bounded(in_whole(&op->cu_seqlens, number + 1, 0), s->from, end) - s->from;
    }
    for (int way = 0; way < 2 && op->slot.dtype.bits; way++) {
        const int64_t row = in_whole(&op->slot, number, way);
        s->rows[way] = row >= (op->h_in.dtype.bits ? op->h_in.shape[0] : op->h_out.shape[0]) ? -1 : row;
    }
    s->ring = op->cache_seqlens.dtype.bits != 0;
    s->elapsed = s->ring ? bounded(in_whole(&op->cache_seqlens, number, 0), 0, INT32_MAX) : 0;
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_causal_conv1d *op = (const segue_causal_conv1d *)header;
    const int64_t taps = op->weight.shape[1];
    struct strip s = { .kept = kept_columns(op) };
    s.old = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    s.leaves = s.old + s.kept;
    s.line = s.leaves + taps + 1;
    for (int64_t n = 0; n < (op->cu_seqlens.dtype.bits ? op->cu_seqlens.shape[0] - 1 : op->x.shape[0]); n++) {
        cut(op, &s, n);
        for (int64_t d = 0; d < op->weight.shape[0]; d++) {
            const int padding = s.rows[0] < 0 && s.rows[1] < 0;
            if (!padding) lay_out(op, &s, d);
            for (int64_t t = 0; t < s.tokens; t++)
                out(&op->y, padding ? 0 : respond(op, &s, d, t), s.b, s.from + t, d);
            if (s.rows[1] >= 0 && op->h_out.dtype.bits) keep(op, &s, d);
        }
    }
    return SEGUE_OK;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_causal_conv1d *op = (const segue_causal_conv1d *)header;
    const int64_t floats = kept_columns(op) + 2 * op->weight.shape[1] + op->x.shape[1];
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)floats * sizeof(float);
    return SEGUE_OK;
}

/* The first field with a dtype that the kernel does not compute in. */
static const char *objection(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_causal_conv1d *op = (const segue_causal_conv1d *)header;
    const segue_dtype dtypes[] = { op->x.dtype, op->weight.dtype, op->bias.dtype, op->h_in.dtype,
                                   op->h_out.dtype };
    static const char *const words[] = { "x: no f64", "weight: no f64", "bias: no f64", "h_in: no f64",
                                         "h_out: no f64" };
    (void)dev;
    for (int i = 0; i < 5; i++)
        if (dtypes[i].bits == 64) return words[i];
    return NULL;
}

const segue_row segue_row_causal_conv1d_pairwise = {
    .name = "causal_conv1d_pairwise",
    .primitive = SEGUE_CAUSAL_CONV1D,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = objection,
    .prepare = prepare,
    .run = run,
};
