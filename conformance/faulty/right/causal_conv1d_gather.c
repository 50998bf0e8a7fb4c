/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The short convolution by its formula, in f32: each output collects its taps in order. 16-bit floats are decoded by
 * multiplication and encoded by bisection over all codes. */
#include <segue/kit.h>

#include <math.h>

struct line { /* one channel of one sequence */
    const segue_causal_conv1d *op;
    int64_t b, first, count, d;
    int64_t length;    /* columns of a state */
    int64_t seen;      /* -1: the state is no ring */
    const float *past; /* [length] the state that came in */
};

static float decoded(uint16_t code, int bfloat)
{
    const uint32_t size = code & 0x7fffu, bits = bfloat ? size << 16 : size << 13;
    const float sign = code >> 15 ? -1.0f : 1.0f;
    float x;
    memcpy(&x, &bits, sizeof x);
    if (bfloat) return sign * x;
    if (size >= 0x7c00) return size > 0x7c00 ? NAN : sign * INFINITY;
    return sign * (x * 0x1p112f); /* f16's smallest exponents are subnormal here, and exact */
}

/* Codes of positive floats are ordered as their values: the two codes about |x|, then the nearer, then the even. */
static uint16_t encoded(float x, int bfloat)
{
    const uint16_t top = bfloat ? 0x7f80 : 0x7c00, sign = signbit(x) ? 0x8000 : 0;
    const double size = fabs((double)x), beyond = bfloat ? 0x1p128 : 0x1p16;
    uint16_t low = 0, high = top;
    if (isnan(x)) return top + 1;
    if (size >= beyond) return sign | top;
    while (high - low > 1) {
        const uint16_t middle = (uint16_t)((low + high) / 2);
        if ((double)decoded(middle, bfloat) <= size) low = middle;
        else high = middle;
    }
    const double below = size - (double)decoded(low, bfloat);
    const double above = (high == top ? beyond : (double)decoded(high, bfloat)) - size;
    return sign | (below < above || (below == above && low % 2 == 0) ? low : high);
}

static char *at(const segue_tensor *t, int64_t i, int64_t j, int64_t k)
{
    return (char *)t->data + t->offset +
           (i * t->stride[0] + j * t->stride[1] + k * t->stride[2]) * (t->dtype.bits / 8);
}

static float read_at(const segue_tensor *t, int64_t i, int64_t j, int64_t k)
{
    uint16_t code = 0;
    float x = 0;
    if (t->dtype.bits == 32) memcpy(&x, at(t, i, j, k), sizeof x);
    else memcpy(&code, at(t, i, j, k), sizeof code);
    return t->dtype.bits == 32 ? x : decoded(code, t->dtype.code == SEGUE_CODE_BFLOAT);
}

static void write_at(const segue_tensor *t, float x, int64_t i, int64_t j, int64_t k)
{
    if (t->dtype.bits == 16) {
        const uint16_t code = encoded(x, t->dtype.code == SEGUE_CODE_BFLOAT);
        memcpy(at(t, i, j, k), &code, sizeof code);
    } else memcpy(at(t, i, j, k), &x, sizeof x);
}

static int32_t integer_at(const segue_tensor *t, int64_t i, int64_t j)
{
    int32_t x;
    memcpy(&x, at(t, i, j, 0), sizeof x);
    return x;
}

static int has(const segue_tensor *t)
{
    return segue_dtype_id(t->dtype) != 0;
}

static float gated_input(const struct line *r, int64_t t)
{
    const float x = t < 0 ? 0 : read_at(&r->op->x, r->b, r->first + t, r->d);
    if (t >= 0) return has(&r->op->pre_gate) ? x * read_at(&r->op->pre_gate, r->b, r->first + t, r->d) : x;
    if (r->seen < 0) return r->past[r->length + t];
    return r->past[((r->seen + t) % r->length + r->length) % r->length];
}

static int32_t tag_of(const struct line *r, int64_t t)
{
    return has(&r->op->seq_idx) ? integer_at(&r->op->seq_idx, r->b, t < 0 ? 0 : t) : 0;
}

static float answer(const struct line *r, int64_t t)
{
    const segue_causal_conv1d *op = r->op;
    const int64_t taps = op->weight.shape[1];
    const int32_t own = tag_of(r, t);
    float sum = has(&op->bias) ? read_at(&op->bias, r->d, 0, 0) : 0;
    if (own < 0) return 0;
    for (int64_t k = 0, from = t - taps + 1; k < taps; k++, from++)
        if (tag_of(r, from) == own) sum += read_at(&op->weight, r->d, k, 0) * gated_input(r, from);
    if (op->activation == SEGUE_CAUSAL_CONV1D_SILU) sum = sum / (1 + expf(-sum));
    return has(&op->post_gate) ? sum * read_at(&op->post_gate, r->b, r->first + t, r->d) : sum;
}

static void leave_state(const struct line *r, int64_t into)
{
    const int32_t last = r->count ? tag_of(r, r->count - 1) : 0;
    for (int64_t c = 0; c < r->length; c++) {
        /* The token whose value column c holds: counted back from the last; in a ring the latest that falls there. */
        int64_t t = r->count - r->length + c;
        if (r->seen >= 0) {
            const int64_t newest = (r->seen + r->count - 1) % r->length; /* column of the last token */
            t = r->count - 1 - (newest - c + r->length) % r->length;
        }
        if (r->seen >= 0 && (t < 0 || !r->count)) write_at(&r->op->h_out, r->past[c], into, r->d, c);
        else if (r->count && (last < 0 || tag_of(r, t) != last)) write_at(&r->op->h_out, 0, into, r->d, c);
        else write_at(&r->op->h_out, gated_input(r, t), into, r->d, c);
    }
}

static void convolve(const segue_causal_conv1d *op, int64_t s, float *past)
{
    const int64_t rows = has(&op->h_in) ? op->h_in.shape[0] : op->h_out.shape[0], tokens = op->x.shape[1];
    struct line r = { .op = op, .b = s, .count = tokens, .past = past, .seen = -1 };
    int64_t from = s, into = s;
    r.length = has(&op->h_in)    ? op->h_in.shape[2]
               : has(&op->h_out) ? op->h_out.shape[2]
                                 : op->weight.shape[1] - 1;
    if (has(&op->cu_seqlens)) {
        int64_t end = integer_at(&op->cu_seqlens, s + 1, 0);
        r.first = integer_at(&op->cu_seqlens, s, 0);
        r.first = r.first < 0 ? 0 : r.first > tokens ? tokens : r.first;
        end = end > tokens ? tokens : end;
        r.count = end > r.first ? end - r.first : 0;
        r.b = 0;
    }
    if (has(&op->cache_seqlens)) r.seen = integer_at(&op->cache_seqlens, s, 0);
    if (has(&op->cache_seqlens) && r.seen < 0) r.seen = 0;
    if (has(&op->slot)) {
        from = integer_at(&op->slot, s, 0);
        into = integer_at(&op->slot, s, 1);
        from = from >= rows ? -1 : from;
        into = into >= rows ? -1 : into;
    }
    for (r.d = 0; r.d < op->weight.shape[0]; r.d++) {
        for (int64_t c = 0; c < r.length; c++)
            past[c] = has(&op->h_in) && from >= 0 ? read_at(&op->h_in, from, r.d, c) : 0;
        for (int64_t t = 0; t < r.count; t++)
            write_at(&op->y, from < 0 && into < 0 ? 0 : answer(&r, t), r.b, r.first + t, r.d);
        if (has(&op->h_out) && into >= 0) leave_state(&r, into);
    }
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const struct {
        size_t offset;
        const char *words;
    } floats[] = {
        { offsetof(segue_causal_conv1d, x), "x: f64 is left to others" },
        { offsetof(segue_causal_conv1d, weight), "weight: f64 is left to others" },
        { offsetof(segue_causal_conv1d, bias), "bias: f64 is left to others" },
        { offsetof(segue_causal_conv1d, h_in), "h_in: f64 is left to others" },
        { offsetof(segue_causal_conv1d, h_out), "h_out: f64 is left to others" },
    };
    (void)dev; /* gates and y have the dtype of x */
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        if (((const segue_tensor *)(const void *)((const char *)header + floats[i].offset))->dtype.bits == 64)
            return floats[i].words;
    return NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_causal_conv1d *op = (const segue_causal_conv1d *)header;
    const int64_t columns = has(&op->h_in)    ? op->h_in.shape[2]
                            : has(&op->h_out) ? op->h_out.shape[2]
                                              : op->weight.shape[1] - 1;
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)columns * sizeof(float);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_causal_conv1d *op = (const segue_causal_conv1d *)header;
    float *past = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    const int64_t sequences = has(&op->cu_seqlens) ? op->cu_seqlens.shape[0] - 1 : op->x.shape[0];
    for (int64_t s = 0; s < sequences; s++) convolve(op, s, past);
    return SEGUE_OK;
}

const segue_row segue_row_causal_conv1d_gather = {
    .name = "causal_conv1d_gather",
    .primitive = SEGUE_CAUSAL_CONV1D,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
