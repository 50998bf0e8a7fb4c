/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The scan token by token in f32, a channel after the other: arXiv:2312.00752 eq. 2 as it stands. f16 and bf16 are
 * taken apart by their bits. */
#include <segue/kit.h>

#include <math.h>

typedef struct span { /* tokens of one sequence, and its rows of the state pool: -1 = none */
    int64_t b, begin, end, read, write;
} span;

static int given(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

static float from_bits(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t to_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* f16 has 5 bits of exponent with bias 15, f32 8 with bias 127: 112 apart. */
static float widen_half(uint32_t h)
{
    const uint32_t sign = (h & 0x8000) << 16, size = h & 0x7fff;
    if (size < 0x400) return from_bits(to_bits((float)size * 0x1p-24f) | sign);
    return from_bits(((size << 13) + ((size >= 0x7c00 ? 224u : 112u) << 23)) | sign);
}

/* Drops the lowest `gone` bits, rounding to nearest, ties to even. */
static uint32_t shortened(uint32_t bits, int gone)
{
    const uint32_t half = 1u << (gone - 1), low = bits & (2 * half - 1), kept = bits >> gone;
    return kept + (low > half || (low == half && (kept & 1)));
}

static uint16_t narrow_half(float x)
{
    const uint32_t bits = to_bits(x), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    const int exponent = (int)(size >> 23) - 112; /* biased as f16's */
    if (size > 0x7f800000) return (uint16_t)(sign | 0x7e00);
    if (exponent >= 31) return (uint16_t)(sign | 0x7c00);
    if (exponent >= 1) return (uint16_t)(sign | shortened(size - (112u << 23), 13));
    if (exponent < -10) return (uint16_t)sign; /* below half of the smallest */
    return (uint16_t)(sign | shortened((size & 0x7fffff) | 0x800000, 14 - exponent));
}

static uint16_t narrow_bfloat(float x)
{
    const uint32_t bits = to_bits(x);
    if (isnan(x)) return (uint16_t)(bits >> 16 | 0x40);
    return (uint16_t)shortened(bits, 16);
}

static char *place(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    const int64_t index = i * t->stride[0] + j * t->stride[1] + k * t->stride[2] + l * t->stride[3];
    return (char *)t->data + ((int64_t)t->offset + index * (t->dtype.bits / 8));
}

static float get(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    uint16_t small;
    float x;
    const char *from = place(t, i, j, k, l);
    if (t->dtype.bits == 32) {
        memcpy(&x, from, sizeof x);
        return x;
    }
    memcpy(&small, from, sizeof small);
    return t->dtype.code == SEGUE_CODE_BFLOAT ? from_bits((uint32_t)small << 16) : widen_half(small);
}

static void put(const segue_tensor *t, float x, int64_t i, int64_t j, int64_t k)
{
    char *to = place(t, i, j, k, 0);
    const uint16_t small = t->dtype.code == SEGUE_CODE_BFLOAT ? narrow_bfloat(x) : narrow_half(x);
    if (t->dtype.bits == 32) memcpy(to, &x, sizeof x);
    else memcpy(to, &small, sizeof small);
}

static int64_t whole(const segue_tensor *t, int64_t i, int64_t j)
{
    int32_t value;
    memcpy(&value, place(t, i, j, 0, 0), sizeof value);
    return value;
}

static span span_of(const segue_selective_scan *op, int64_t s)
{
    const int64_t tokens = op->u.shape[1], pool = given(&op->h_in) ? op->h_in.shape[0] : op->h_out.shape[0];
    span q = { s, 0, tokens, s, s };
    if (given(&op->cu_seqlens)) {
        const int64_t from = whole(&op->cu_seqlens, s, 0), to = whole(&op->cu_seqlens, s + 1, 0);
        q.b = 0;
        q.begin = from < 0 ? 0 : from > tokens ? tokens : from;
        q.end = to < q.begin ? q.begin : to > tokens ? tokens : to;
    }
    if (given(&op->slot)) {
        q.read = whole(&op->slot, s, 0);
        q.write = whole(&op->slot, s, 1);
        if (q.read < 0 || q.read >= pool) q.read = -1;
        if (q.write < 0 || q.write >= pool) q.write = -1;
    }
    return q;
}

static float softplus(float x)
{
    return x > 20 ? x : log1pf(expf(x));
}

static void channel(const segue_selective_scan *op, const span *q, int64_t d, float *x)
{
    const int64_t states = op->A.shape[1];
    const int64_t g = d / (op->A.shape[0] / op->B.shape[2]), j = d / (op->A.shape[0] / op->C.shape[2]);
    const float bias = given(&op->delta_bias) ? get(&op->delta_bias, d, 0, 0, 0) : 0;
    for (int64_t n = 0; n < states; n++)
        x[n] = given(&op->h_in) && q->read >= 0 ? get(&op->h_in, q->read, d, n, 0) : 0;
    for (int64_t t = q->begin; t < q->end; t++) {
        const float raw = get(&op->delta, q->b, t, d, 0) + bias, delta = op->softplus ? softplus(raw) : raw;
        const float u = get(&op->u, q->b, t, d, 0), write = delta * u;
        float y = 0;
        for (int64_t n = 0; n < states; n++) {
            x[n] = expf(delta * get(&op->A, d, n, 0, 0)) * x[n] + write * get(&op->B, q->b, t, g, n);
            y += get(&op->C, q->b, t, j, n) * x[n];
        }
        if (given(&op->D)) y += get(&op->D, d, 0, 0, 0) * u;
        if (given(&op->z)) {
            const float z = get(&op->z, q->b, t, d, 0);
            y *= z / (1 + expf(-z));
        }
        put(&op->y, y, q->b, t, d);
    }
    for (int64_t n = 0; n < states && given(&op->h_out) && q->write >= 0; n++)
        put(&op->h_out, x[n], q->write, d, n);
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
#define OPERAND(name)                                                      \
    {                                                                      \
        offsetof(segue_selective_scan, name), #name ": f64 is not offered" \
    }
    static const struct {
        size_t offset;
        const char *reason;
    } operands[] = { OPERAND(u), OPERAND(delta), OPERAND(A),          OPERAND(B),    OPERAND(C),
                     OPERAND(D), OPERAND(z),     OPERAND(delta_bias), OPERAND(h_in), OPERAND(h_out) };
#undef OPERAND
    (void)dev;
    for (size_t i = 0; i < sizeof operands / sizeof *operands; i++) {
        const segue_tensor *t = (const segue_tensor *)(const void *)((const char *)header + operands[i].offset);
        if (t->dtype.bits == 64) return operands[i].reason;
    }
    return NULL;
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = (uint64_t)((const segue_selective_scan *)header)->A.shape[1] * sizeof(float);
    return SEGUE_OK;
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_selective_scan *op = (const segue_selective_scan *)header;
    const int64_t sequences = given(&op->cu_seqlens) ? op->cu_seqlens.shape[0] - 1 : op->u.shape[0];
    float *x = (float *)(void *)((char *)call->workspace.data + call->workspace.offset);
    for (int64_t s = 0; s < sequences; s++) {
        const span q = span_of(op, s);
        const int padding = q.read < 0 && q.write < 0;
        for (int64_t d = 0; d < op->A.shape[0] && !padding; d++) channel(op, &q, d, x);
        for (int64_t t = q.begin; t < q.end && padding; t++)
            for (int64_t d = 0; d < op->A.shape[0]; d++) put(&op->y, 0, q.b, t, d);
    }
    return SEGUE_OK;
}

const segue_row segue_row_selective_scan_sequential = {
    .name = "selective_scan_sequential",
    .primitive = SEGUE_SELECTIVE_SCAN,
    .since = 1,
    .priority = 200,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
