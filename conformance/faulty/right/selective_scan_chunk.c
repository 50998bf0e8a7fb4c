/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The scan in chunks of 16, 64 or 256 tokens, as Mamba-2's chunked kernels have it (arXiv:2405.21060 section 6): within a chunk
 *
 *     S_t = sum of delta_i A over i <= t
 *     x_t = exp(S_t) x_before + sum over i <= t of exp(S_t - S_i) delta_i u_i B_i
 *
 * for one channel and one state at a time; x at a chunk's end goes on into the next. Exponents are differences and
 * so at most 0 for negative A. Floats of 16 bits are read and rounded by arithmetic alone. */
#include <segue/kit.h>

#include <math.h>

enum { LONGEST = 256 };

struct chunk { /* one channel, from token `first` on */
    int64_t b, d, first, count;
    float delta[LONGEST], write[LONGEST], y[LONGEST];
};

typedef float (*reader)(const void *from);

static float read_f32(const void *from)
{
    float x;
    memcpy(&x, from, 4);
    return x;
}

static float read_bf16(const void *from)
{
    uint16_t part[2] = { 0, 0 };
    const uint16_t probe = 1;
    const int high = *(const unsigned char *)&probe; /* 1 where the lower half lies first */
    float x;
    memcpy(&part[high], from, 2);
    memcpy(&x, part, 4);
    return x;
}

static float read_f16(const void *from)
{
    uint16_t h;
    float x;
    memcpy(&h, from, 2);
    if ((h & 0x7c00) == 0x7c00) x = h & 0x3ff ? NAN : INFINITY;
    else if (h & 0x7c00) x = ldexpf((float)(0x400 | (h & 0x3ff)), (h >> 10 & 31) - 25);
    else x = ldexpf((float)(h & 0x3ff), -24);
    return h & 0x8000 ? -x : x;
}

static reader reader_of(const segue_tensor *t)
{
    return t->dtype.bits == 32 ? read_f32 : t->dtype.code == SEGUE_CODE_BFLOAT ? read_bf16 : read_f16;
}

static char *element(const segue_tensor *t, const int64_t *at)
{
    int64_t index = 0;
    for (int axis = 0; axis < t->rank; axis++) index += at[axis] * t->stride[axis];
    return (char *)t->data + (int64_t)t->offset + index * (t->dtype.bits / 8);
}

static float fetch(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    return reader_of(t)(element(t, (const int64_t[]){ i, j, k, l }));
}

/* The nearest multiple of step, ties to even: adding and taking away 1.5 * 2^52 steps leaves no other digits. */
static double nearest(double x, double step)
{
    volatile double sum = x + step * 0x1.8p52;
    return sum - step * 0x1.8p52;
}

/* The exponent e of 2^e <= |x|, but at least `least`. */
static int floor_exponent(double x, int least)
{
    int e = 0;
    if (x == 0) return least;
    frexp(x, &e);
    return e - 1 < least ? least : e - 1;
}

static uint16_t encode_f16(float x)
{
    const double r = fabs(nearest(x, ldexp(1, floor_exponent(x, -14) - 10)));
    const uint16_t sign = signbit(x) ? 0x8000 : 0;
    if (isnan(x)) return 0x7e01;
    if (isinf(x) || r > 65504) return sign | 0x7c00;
    if (r < 0x1p-14) return (uint16_t)(sign + (uint16_t)(r * 0x1p24));
    const int e = floor_exponent(r, -14);
    return (uint16_t)(sign + ((e + 15) << 10) + (int)ldexp(r, 10 - e) - 1024);
}

static uint16_t encode_bf16(float x)
{
    const double r = fabs(nearest(x, ldexp(1, floor_exponent(x, -126) - 7)));
    const uint16_t sign = signbit(x) ? 0x8000 : 0;
    if (isnan(x)) return 0x7fc1;
    if (isinf(x) || r >= 0x1p128) return sign | 0x7f80;
    if (r < 0x1p-126) return (uint16_t)(sign + (uint16_t)ldexp(r, 133));
    const int e = floor_exponent(r, -126);
    return (uint16_t)(sign + ((e + 127) << 7) + (int)ldexp(r, 7 - e) - 128);
}

static void deposit(const segue_tensor *t, float x, int64_t i, int64_t j, int64_t k)
{
    char *to = element(t, (const int64_t[]){ i, j, k });
    uint16_t small;
    if (t->dtype.bits == 32) {
        memcpy(to, &x, 4);
        return;
    }
    small = t->dtype.code == SEGUE_CODE_BFLOAT ? encode_bf16(x) : encode_f16(x);
    memcpy(to, &small, 2);
}

static int64_t number(const segue_tensor *t, int64_t i, int64_t j)
{
    int32_t x;
    memcpy(&x, element(t, (const int64_t[]){ i, j }), 4);
    return x;
}

/* delta and delta u of the chunk's tokens; y = 0. */
static void begin(const segue_selective_scan *op, struct chunk *c)
{
    for (int64_t i = 0; i < c->count; i++) {
        float x = fetch(&op->delta, c->b, c->first + i, c->d, 0);
        if (op->delta_bias.dtype.bits) x += fetch(&op->delta_bias, c->d, 0, 0, 0);
        if (op->softplus && !(x > 20)) x = fmaxf(x, 0) + log1pf(expf(-fabsf(x)));
        c->delta[i] = x;
        c->write[i] = x * fetch(&op->u, c->b, c->first + i, c->d, 0);
        c->y[i] = 0;
    }
}

/* What state n adds to y of the chunk; the state behind its last token. */
static float advance(const segue_selective_scan *op, struct chunk *c, int64_t n, float before)
{
    const int64_t g = c->d * op->B.shape[2] / op->u.shape[2], j = c->d * op->C.shape[2] / op->u.shape[2];
    const float a = fetch(&op->A, c->d, n, 0, 0);
    float sum[LONGEST], input[LONGEST], x = before, total = 0;
    for (int64_t i = 0; i < c->count; i++) {
        total += c->delta[i] * a;
        sum[i] = total;
        input[i] = c->write[i] * fetch(&op->B, c->b, c->first + i, g, n);
        x = expf(sum[i]) * before;
        for (int64_t k = 0; k < i; k++) x += expf(sum[i] - sum[k]) * input[k];
        x += input[i];
        c->y[i] += fetch(&op->C, c->b, c->first + i, j, n) * x;
    }
    return x;
}

static void finish(const segue_selective_scan *op, const struct chunk *c)
{
    for (int64_t i = 0; i < c->count; i++) {
        const int64_t t = c->first + i;
        float y = c->y[i];
        if (op->D.dtype.bits) y += fetch(&op->D, c->d, 0, 0, 0) * fetch(&op->u, c->b, t, c->d, 0);
        if (op->z.dtype.bits) {
            const float z = fetch(&op->z, c->b, t, c->d, 0);
            y *= z * (1 / (1 + expf(-z)));
        }
        deposit(&op->y, y, c->b, t, c->d);
    }
}

/* Sequence of batch row b, tokens first to end - 1; from, into: rows of the pool, -1 = none. x: [n] scratch. */
static void sequence(const segue_selective_scan *op, int64_t length, int64_t b, int64_t first, int64_t end,
                     int64_t from, int64_t into, float *x)
{
    const int64_t states = op->A.shape[1];
    struct chunk c;
    c.b = b;
    for (c.d = 0; c.d < op->u.shape[2]; c.d++) {
        for (int64_t n = 0; n < states; n++)
            x[n] = op->h_in.dtype.bits && from >= 0 ? fetch(&op->h_in, from, c.d, n, 0) : 0;
        for (c.first = first; c.first < end; c.first += length) {
            c.count = end - c.first < length ? end - c.first : length;
            begin(op, &c);
            for (int64_t n = 0; n < states; n++) x[n] = advance(op, &c, n, x[n]);
            finish(op, &c);
        }
        if (op->h_out.dtype.bits && into >= 0)
            for (int64_t n = 0; n < states; n++) deposit(&op->h_out, x[n], into, c.d, n);
    }
}

static int64_t within(int64_t x, int64_t last)
{
    return x < 0 ? 0 : x < last ? x : last;
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call, int64_t length)
{
    const segue_selective_scan *op = (const void *)header;
    const int packed = op->cu_seqlens.dtype.bits != 0, pooled = op->slot.dtype.bits != 0;
    const int64_t rows = op->h_in.dtype.bits ? op->h_in.shape[0] : op->h_out.shape[0], tokens = op->u.shape[1];
    float *x = (void *)((char *)call->workspace.data + call->workspace.offset);
    for (int64_t s = 0; s < (packed ? op->cu_seqlens.shape[0] - 1 : op->u.shape[0]); s++) {
        const int64_t first = packed ? within(number(&op->cu_seqlens, s, 0), tokens) : 0;
        const int64_t end = packed ? within(number(&op->cu_seqlens, s + 1, 0), tokens) : tokens;
        int64_t from = pooled ? number(&op->slot, s, 0) : s, into = pooled ? number(&op->slot, s, 1) : s;
        if (pooled && (from >= rows || from < 0)) from = -1;
        if (pooled && (into >= rows || into < 0)) into = -1;
        if (from >= 0 || into >= 0) {
            sequence(op, length, packed ? 0 : s, first, end, from, into, x);
            continue;
        }
        for (int64_t t = first; t < end; t++)
            for (int64_t d = 0; d < op->u.shape[2]; d++) deposit(&op->y, 0, packed ? 0 : s, t, d);
    }
    return SEGUE_OK;
}

static const char *refuses_f64(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_selective_scan *op = (const void *)header;
    const struct {
        const segue_tensor *tensor;
        const char *words;
    } floats[] = {
        { &op->u, "u: only f32, f16 and bf16" },
        { &op->delta, "delta: only f32, f16 and bf16" },
        { &op->A, "A: only f32, f16 and bf16" },
        { &op->B, "B: only f32, f16 and bf16" },
        { &op->C, "C: only f32, f16 and bf16" },
        { &op->D, "D: only f32, f16 and bf16" },
        { &op->z, "z: only f32, f16 and bf16" },
        { &op->delta_bias, "delta_bias: only f32, f16 and bf16" },
        { &op->h_in, "h_in: only f32, f16 and bf16" },
        { &op->h_out, "h_out: only f32, f16 and bf16" },
    };
    (void)dev;
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++)
        if (floats[i].tensor->dtype.bits > 32) return floats[i].words;
    return NULL;
}

static segue_status ask(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                        segue_diag *why)
{
    const segue_selective_scan *op = (const void *)header;
    (void)dev, (void)why;
    plan->workspace_bytes = sizeof(float) * (uint64_t)op->A.shape[1];
    return SEGUE_OK;
}

static segue_status run_16(const segue_op_header *op, const segue_kit_call *call)
{
    return run(op, call, 16);
}

static segue_status run_64(const segue_op_header *op, const segue_kit_call *call)
{
    return run(op, call, 64);
}

static segue_status run_256(const segue_op_header *op, const segue_kit_call *call)
{
    return run(op, call, LONGEST);
}

#define CHUNKED                                                                                               \
    .primitive = SEGUE_SELECTIVE_SCAN, .since = 1, .priority = 100,                                           \
    .accuracy = SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG, .capture = SEGUE_CAPTURE_NONE,                 \
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT, .accepts = refuses_f64, \
    .prepare = ask

const segue_row segue_row_selective_scan_chunk_16 = { .name = "selective_scan_chunk_16",
                                                      .run = run_16,
                                                      CHUNKED };
const segue_row segue_row_selective_scan_chunk_64 = { .name = "selective_scan_chunk_64",
                                                      .run = run_64,
                                                      CHUNKED };
const segue_row segue_row_selective_scan_chunk_256 = { .name = "selective_scan_chunk_256",
                                                       .run = run_256,
                                                       CHUNKED };
