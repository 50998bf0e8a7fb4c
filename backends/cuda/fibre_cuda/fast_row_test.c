/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of backends/cuda as fibres, every access checked: what they refuse, and what the suite's lists seldom
 * have: lengths around their chunks, tails of vectors, bases and rows that are not aligned, plans run with other
 * strides. Results are compared with double loops. */
#include "../../gpu/fibre/fibre.h"
#include "gpu_testing.h"

#include <math.h>
#include <string.h>

extern const segue_row selective_scan_decode, selective_scan_chunked, causal_conv1d_wide;

/* ---- numbers --------------------------------------------------------------------------------------------- */

static uint32_t drawn = 1;
static float draw(float low, float high)
{
    drawn = drawn * 1664525u + 1013904223u;
    return low + (high - low) * (float)(drawn >> 8) / (float)(1 << 24);
}

static double get(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    const int64_t at = i * t->stride[0] + j * t->stride[1] + k * t->stride[2] + l * t->stride[3];
    const char *p = (const char *)t->data + t->offset + at * (t->dtype.bits / 8);
    float x;
    if (t->dtype.bits == 32) return memcpy(&x, p, 4), x;
    uint16_t h;
    memcpy(&h, p, 2);
    const uint32_t word = (uint32_t)h << 16;
    return memcpy(&x, &word, 4), x;
}

/* ---- operands in one pool, each between guards ------------------------------------------------------------- */

enum { POOL = 1 << 20, GUARD = 64, CANARY = 0x5a };
static _Alignas(64) char pool[POOL];
static size_t used;
static int shift, pad; /* elements before the first; behind a row of the last axis */

static segue_tensor make(uint32_t dtype, int rank, const int64_t *shape, float low, float high)
{
    segue_tensor t = segue_tensor_of(NULL, dtype, rank, shape);
    const size_t bytes = t.dtype.bits / 8u;
    int64_t extent = 1;
    for (int axis = rank - 1; axis >= 0; axis--) {
        t.stride[axis] = extent;
        extent *= shape[axis] + (axis == rank - 1 && rank > 1 ? pad : 0);
    }
    const size_t size = ((size_t)(extent + shift) * bytes + 2 * GUARD + 63) / 64 * 64;
    assert_true(used + size <= POOL);
    t.data = pool + used;
    t.offset = GUARD + (size_t)shift * bytes;
    t.bytes = size;
    used += size;
    for (int64_t i = 0; i < extent; i++) {
        const float x = draw(low, high);
        uint32_t word;
        memcpy(&word, &x, 4);
        const uint16_t half = (uint16_t)(word >> 16);
        memcpy((char *)t.data + t.offset + (size_t)i * bytes, bytes == 4 ? (const void *)&x : &half, bytes);
    }
    return t;
}
#define MAKE(dtype, low, high, ...) \
    make(dtype, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (int64_t[]){ __VA_ARGS__ }, low, high)

static segue_tensor make_integers(int rank, const int64_t *shape, const int32_t *values, int count)
{
    const int pads = pad, shifts = shift;
    pad = shift = 0;
    segue_tensor t = make(SEGUE_I32, rank, shape, 0, 0);
    memcpy((char *)t.data + t.offset, values, (size_t)count * sizeof *values);
    pad = pads, shift = shifts;
    return t;
}

/* ---- the device -------------------------------------------------------------------------------------------- */

static struct gpu *gpu;
static segue_host host;
static segue_kit_device device;

static int open_fibre(void **state)
{
    segue_diag why = { 0 };
    if (fresh_folder(state)) return -1;
    setenv("SEGUE_FIBRE_CHECK", "1", 1);
    setenv("SEGUE_FIBRE_SEED", "5", 1);
    setenv("SEGUE_FIBRE_GROUP", "128", 1);
    setenv("SEGUE_FIBRE_GRID", "3", 1); /* rows must go on behind their third group */
    host = test_host;
    host.describe = segue_describe;
    gpu = fibre_open(&host, &why);
    if (!gpu) return print_error("%s\n", why.text), -1;
    gpu->features |= GPU_HAS_SM80;
    device = (segue_kit_device){ .handle = gpu, .host = &host };
    return 0;
}

static int close_fibre(void **state)
{
    fibre_close(gpu);
    return remove_folder(state);
}

/* Plans with one op, runs another. */
static void run_row(const segue_row *row, const segue_op_header *bound, const segue_op_header *op)
{
    segue_diag why = { 0 };
    segue_kit_plan plan = { 0 };
    const char *refused = row->accepts(bound, &device);
    if (refused) fail_msg("%s: %s", row->name, refused);
    if (row->prepare(bound, &device, &plan, &why)) fail_msg("%s", why.text);
    const segue_kit_call call = { .device = &device, .data = plan.data, .why = &why };
    if (row->run(op, &call)) fail_msg("%s", why.text);
    plan.release(plan.data, &device);
}

/* ---- sequences --------------------------------------------------------------------------------------------- */

struct sequence {
    int64_t batch, first, count, read, write;
};

static struct sequence sequence_of(const segue_tensor *cu, const segue_tensor *slot, int64_t s, int64_t tokens)
{
    struct sequence q = { s, 0, tokens, s, s };
    const int32_t *at = cu->dtype.bits ? (const void *)((char *)cu->data + cu->offset) : NULL;
    const int32_t *rows = slot->dtype.bits ? (const void *)((char *)slot->data + slot->offset) : NULL;
    if (at) q.batch = 0, q.first = at[s], q.count = at[s + 1] - at[s];
    if (rows) q.read = rows[2 * s], q.write = rows[2 * s + 1];
    return q;
}

static void near(double got, double want, double scale, const segue_tensor *t, const char *what, int64_t i,
                 int64_t j)
{
    const double rounding = t->dtype.bits == 32 ? 0 : fabs(want) * 0x1p-8;
    if (!(fabs(got - want) <= 4e-6 * scale + rounding + 1e-30))
        fail_msg("%s %d,%d: %.9g, wanted %.9g (scale %g)", what, (int)i, (int)j, got, want, scale);
}

static double silu_of(double x)
{
    return x / (1 + exp(-x));
}

/* ---- the scan ---------------------------------------------------------------------------------------------- */

static segue_selective_scan scan_of(uint32_t act, uint32_t state, int64_t b, int64_t t, int64_t d, int64_t n,
                                    int64_t p)
{
    segue_selective_scan op = segue_selective_scan_init();
    used = 0;
    memset(pool, CANARY, sizeof pool);
    op.u = MAKE(act, -1, 1, b, t, d);
    op.delta = MAKE(act, -6, 1, b, t, d);
    op.A = MAKE(SEGUE_F32, -8, -0.1f, d, n);
    op.B = MAKE(act, -1, 1, b, t, 1, n);
    op.C = MAKE(act, -1, 1, b, t, 1, n);
    op.D = MAKE(SEGUE_F32, -1, 1, d);
    op.z = MAKE(act, -4, 4, b, t, d);
    op.delta_bias = MAKE(SEGUE_F32, -1, 1, d);
    op.h_in = MAKE(state, -1, 1, p, d, n);
    op.h_out = MAKE(state, 7, 7, p, d, n);
    op.y = MAKE(act, 7, 7, b, t, d);
    return op;
}

static void check_scan(const segue_selective_scan *op, int64_t sequences)
{
    const int64_t channels = op->A.shape[0], states = op->A.shape[1];
    for (int64_t s = 0; s < sequences; s++) {
        const struct sequence q = sequence_of(&op->cu_seqlens, &op->slot, s, op->u.shape[1]);
        const int padding = q.read < 0 && q.write < 0;
        for (int64_t d = 0; d < channels; d++) {
            double h[64], size[64];
            for (int64_t n = 0; n < states; n++)
                size[n] = fabs(h[n] = q.read < 0 ? 0 : get(&op->h_in, q.read, d, n, 0));
            for (int64_t t = q.first; t < q.first + q.count; t++) {
                const double step =
                    log1p(exp(get(&op->delta, q.batch, t, d, 0) + get(&op->delta_bias, d, 0, 0, 0)));
                const double u = get(&op->u, q.batch, t, d, 0), gate = silu_of(get(&op->z, q.batch, t, d, 0));
                double y = get(&op->D, d, 0, 0, 0) * u, scale = fabs(y);
                for (int64_t n = 0; n < states; n++) {
                    const double decay = exp(step * get(&op->A, d, n, 0, 0));
                    const double write = step * u * get(&op->B, q.batch, t, 0, n);
                    const double read = get(&op->C, q.batch, t, 0, n);
                    h[n] = decay * h[n] + write;
                    size[n] = decay * size[n] + fabs(write);
                    y += read * h[n];
                    scale += fabs(read) * size[n];
                }
                near(get(&op->y, q.batch, t, d, 0), padding ? 0 : y * gate, padding ? 0 : scale * fabs(gate),
                     &op->y, "y", t, d);
            }
            for (int64_t n = 0; q.write >= 0 && n < states; n++)
                near(get(&op->h_out, q.write, d, n, 0), h[n], size[n], &op->h_out, "h_out", d, n);
        }
    }
}

static void plain_scan(const segue_row *row, uint32_t act, uint32_t state, int64_t bound, int64_t t, int64_t d,
                       int64_t n)
{
    segue_selective_scan op = scan_of(act, state, 2, t, d, n, 2), planned = op;
    segue_tensor *const longer[] = {
        &planned.u, &planned.delta, &planned.B, &planned.C, &planned.z, &planned.y
    };
    for (size_t i = 0; i < sizeof longer / sizeof *longer; i++) longer[i]->shape[1] = bound;
    run_row(row, &planned.header, &op.header);
    check_scan(&op, 2);
}

static void lengths_of_scans(void **state)
{
    static const int64_t ends[] = { 0, 1, 2, 15, 16, 17, 31, 127, 128, 129, 143, 144, 145, 255, 256, 257 };
    (void)state;
    shift = pad = 0;
    for (int64_t t = 0; t <= 16; t++) plain_scan(&selective_scan_decode, SEGUE_F32, SEGUE_F32, 16, t, 5, 16);
    for (int64_t t = 1; t <= 16; t += 5)
        plain_scan(&selective_scan_decode, SEGUE_BF16, SEGUE_BF16, 16, t, 9, 8);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        plain_scan(&selective_scan_chunked, SEGUE_F32, SEGUE_F32, 300, ends[i], 8, 4);
        plain_scan(&selective_scan_chunked, SEGUE_BF16, SEGUE_F32, 300, ends[i], 16, 4);
    }
}

/* d that leave parts of vectors, n that leave parts of batches, bases and rows off 16 bytes. */
static void tails_of_scans(void **state)
{
    static const int64_t ds[] = { 1, 3, 4, 7, 8, 15, 16, 17, 33 }, ns[] = { 1, 3, 16, 12 };
    (void)state;
    for (int i = 0; i < 9; i++)
        for (int odd = 0; odd < 3; odd++) {
            shift = odd == 1, pad = odd == 2 ? 3 : 0;
            plain_scan(&selective_scan_decode, i % 2 ? SEGUE_F32 : SEGUE_BF16, SEGUE_F32, 3, 3, ds[i], 16);
            plain_scan(&selective_scan_chunked, i % 2 ? SEGUE_F32 : SEGUE_BF16, SEGUE_F32, 130, 130, ds[i], 8);
        }
    for (int i = 0; i < 4; i++) {
        shift = i % 2, pad = 0;
        plain_scan(&selective_scan_chunked, SEGUE_BF16, SEGUE_BF16, 70, 70, 17, ns[i]);
    }
    shift = pad = 0;
}

static const int32_t offsets[] = { 0, 0, 1, 130, 130, 137, 150, 150 };
static const int32_t rows[] = { 1, 1, -1, 2, 3, -1, -1, -1, 0, 0, -1, -1, -1, 5 };
enum { PACKED = 7, PACKED_TOKENS = 150, PACKED_ROWS = 6 };

/* Empty sequences at the front, in the middle and at the end, which hand on states; -1 to read, to write, and both. */
static void packed_scans(void **state)
{
    (void)state;
    for (int row = 0; row < 2; row++) {
        segue_selective_scan op = scan_of(SEGUE_BF16, SEGUE_F32, 1, PACKED_TOKENS, 17, 8, PACKED_ROWS), planned;
        op.cu_seqlens = make_integers(1, (int64_t[]){ PACKED + 1 }, offsets, PACKED + 1);
        op.slot = make_integers(2, (int64_t[]){ PACKED, 2 }, rows, 2 * PACKED);
        op.h_out = op.h_in;
        planned = op;
        planned.max_seqlen = row ? 0 : 16; /* too short for one of the sequences: wrong, but no harm */
        static char before[POOL];
        memcpy(before, pool, sizeof before);
        run_row(row ? &selective_scan_chunked : &selective_scan_decode, &planned.header, &op.header);
        op.h_in.data = before + ((char *)op.h_in.data - pool);
        check_scan(&op, PACKED);
    }
}

enum { STEPS = 8 };

/* Steps that last an eighth of the tokens each, from a state of h on; nothing is written before step `first`. */
static void take_steps(const segue_row *row, int64_t tokens, const float steps[STEPS], int first, double h)
{
    enum { CHANNELS = 16, STATES = 16 };
    segue_selective_scan op = segue_selective_scan_init();
    used = 0;
    op.softplus = 0;
    op.u = MAKE(SEGUE_F32, 1, 1, 1, tokens, CHANNELS), op.delta = MAKE(SEGUE_F32, 0, 0, 1, tokens, CHANNELS);
    op.A = MAKE(SEGUE_F32, -1, -1, CHANNELS, STATES);
    op.B = MAKE(SEGUE_F32, 1, 1, 1, tokens, 1, STATES), op.C = MAKE(SEGUE_F32, 1, 1, 1, tokens, 1, STATES);
    op.h_in = MAKE(SEGUE_F32, h, h, 1, CHANNELS, STATES), op.h_out = MAKE(SEGUE_F32, 7, 7, 1, CHANNELS, STATES);
    op.y = MAKE(SEGUE_F32, 7, 7, 1, tokens, CHANNELS);
    for (int64_t i = 0; i < tokens * CHANNELS; i++) {
        const int64_t step = i / CHANNELS * STEPS / tokens;
        ((float *)(void *)((char *)op.delta.data + op.delta.offset))[i] = steps[step];
        if (step < first) ((float *)(void *)((char *)op.u.data + op.u.offset))[i] = 0;
    }
    run_row(row, &op.header, &op.header);
    for (int64_t t = 0; t < tokens; t++) {
        const int64_t step = t * STEPS / tokens;
        h = h * exp(-(double)steps[step]) + (step < first ? 0 : (double)steps[step]);
        for (int64_t d = 0; d < CHANNELS; d++)
            near(get(&op.y, 0, t, d, 0), STATES * h, STATES, &op.y, "y", t, d);
    }
    for (int64_t d = 0; d < CHANNELS; d++) near(get(&op.h_out, 0, d, 3, 0), h, 1, &op.h_out, "h_out", d, 3);
}

/* A chunk that forgets all beside one that grows past the largest number: together they forget. */
static void forget_and_grow(void **state)
{
    (void)state;
    pad = shift = 0;
    take_steps(&selective_scan_chunked, 128,
               (const float[STEPS]){ 0, 12, -8, 0.125, 0.125, 0.125, 0.125, 0.125 }, 3, 1);
}

/* Steps of -100 grow by e^100, past the largest number: states of 0 stay, and what is written later counts. */
static void growth_leaves_zero_at_zero(void **state)
{
    static const float steps[STEPS] = { -100, -100, -100, -100, 0.125, 0.125, 0.125, 0.125 };
    (void)state;
    pad = shift = 0;
    take_steps(&selective_scan_decode, 4, steps, STEPS / 2, 0);
    take_steps(&selective_scan_chunked, 100, steps, STEPS / 2, 0);
    take_steps(&selective_scan_chunked, 300, steps, STEPS / 2, 0);
}

/* ---- the convolution --------------------------------------------------------------------------------------- */

static segue_causal_conv1d conv_of(uint32_t act, int64_t b, int64_t t, int64_t d, int64_t w, int64_t l,
                                   int64_t p)
{
    segue_causal_conv1d op = segue_causal_conv1d_init();
    used = 0;
    memset(pool, CANARY, sizeof pool);
    op.x = MAKE(act, -2, 2, b, t, d);
    op.weight = MAKE(SEGUE_F32, -1, 1, d, w);
    op.bias = MAKE(SEGUE_F32, -1, 1, d);
    op.h_in = MAKE(SEGUE_F32, -1, 1, p, d, l);
    op.h_out = MAKE(SEGUE_F32, 7, 7, p, d, l);
    op.y = MAKE(act, 7, 7, b, t, d);
    op.activation = SEGUE_CAUSAL_CONV1D_SILU;
    return op;
}

static double input_of(const segue_causal_conv1d *op, const struct sequence *q, int64_t t, int64_t d)
{
    if (t >= 0) return get(&op->x, q->batch, q->first + t, d, 0);
    return q->read < 0 ? 0 : get(&op->h_in, q->read, d, op->h_in.shape[2] + t, 0);
}

static void check_conv(const segue_causal_conv1d *op, int64_t sequences)
{
    const int64_t taps = op->weight.shape[1], columns = op->h_in.shape[2];
    for (int64_t s = 0; s < sequences; s++) {
        const struct sequence q = sequence_of(&op->cu_seqlens, &op->slot, s, op->x.shape[1]);
        const int padding = q.read < 0 && q.write < 0;
        for (int64_t d = 0; d < op->x.shape[2]; d++) {
            for (int64_t t = 0; t < q.count; t++) {
                double sum = get(&op->bias, d, 0, 0, 0), scale = fabs(sum);
                for (int64_t w = 0; w < taps; w++) {
                    const double part = get(&op->weight, d, w, 0, 0) * input_of(op, &q, t + w - (taps - 1), d);
                    sum += part;
                    scale += fabs(part);
                }
                near(get(&op->y, q.batch, q.first + t, d, 0), padding ? 0 : silu_of(sum), padding ? 0 : scale,
                     &op->y, "y", t, d);
            }
            for (int64_t c = 0; q.write >= 0 && c < columns; c++)
                near(get(&op->h_out, q.write, d, c, 0), input_of(op, &q, q.count - columns + c, d), 0,
                     &op->h_out, "h_out", d, c);
        }
    }
}

static void plain_conv(uint32_t act, int64_t bound, int64_t t, int64_t d, int64_t w)
{
    segue_causal_conv1d op = conv_of(act, 2, t, d, w, w + 1, 2), planned = op;
    planned.x.shape[1] = planned.y.shape[1] = bound;
    run_row(&causal_conv1d_wide, &planned.header, &op.header);
    check_conv(&op, 2);
}

static void lengths_and_tails_of_convolutions(void **state)
{
    static const int64_t ds[] = { 1, 3, 4, 7, 8, 16, 17, 33 };
    (void)state;
    shift = pad = 0;
    for (int64_t t = 0; t <= 35; t++) plain_conv(t % 2 ? SEGUE_F32 : SEGUE_BF16, 70, t, 9, 2 + t % 3);
    for (int i = 0; i < 8; i++)
        for (int odd = 0; odd < 3; odd++) {
            shift = odd == 1, pad = odd == 2 ? 3 : 0;
            plain_conv(SEGUE_F32, 66, 66, ds[i], 4);
            plain_conv(SEGUE_BF16, 66, 66, ds[i], 4);
        }
    shift = pad = 0;
}

static void packed_convolutions(void **state)
{
    static char before[POOL];
    (void)state;
    segue_causal_conv1d op = conv_of(SEGUE_BF16, 1, PACKED_TOKENS, 17, 4, 5, PACKED_ROWS);
    op.cu_seqlens = make_integers(1, (int64_t[]){ PACKED + 1 }, offsets, PACKED + 1);
    op.slot = make_integers(2, (int64_t[]){ PACKED, 2 }, rows, 2 * PACKED);
    op.max_seqlen = 129;
    op.h_out = op.h_in;
    memcpy(before, pool, sizeof before);
    run_row(&causal_conv1d_wide, &op.header, &op.header);
    op.h_in.data = before + ((char *)op.h_in.data - pool);
    check_conv(&op, PACKED);
}

/* Plans for rows of 16 aligned bytes, runs with channels far apart. */
static void other_strides_than_planned(void **state)
{
    (void)state;
    segue_causal_conv1d conv = conv_of(SEGUE_BF16, 1, 20, 48, 4, 3, 1), narrow = conv;
    narrow.x.shape[2] = narrow.y.shape[2] = narrow.weight.shape[0] = narrow.bias.shape[0] = 16;
    narrow.h_in.shape[1] = narrow.h_out.shape[1] = 16;
    segue_causal_conv1d apart = narrow;
    apart.x.stride[2] = apart.y.stride[2] = 3;
    run_row(&causal_conv1d_wide, &narrow.header, &apart.header);
    check_conv(&apart, 1);

    for (int row = 0; row < 2; row++) {
        const int64_t t = row ? 70 : 4;
        segue_selective_scan scan = scan_of(SEGUE_F32, SEGUE_F32, 1, t, 48, 16, 1);
        segue_tensor *const channels[] = { &scan.u, &scan.delta, &scan.z, &scan.y };
        segue_tensor *const states[] = { &scan.A, &scan.h_in, &scan.h_out, &scan.B, &scan.C };
        for (int i = 0; i < 4; i++) channels[i]->shape[2] = 16;
        for (int i = 0; i < 3; i++) states[i]->shape[i ? 1 : 0] = 16;
        scan.D.shape[0] = scan.delta_bias.shape[0] = 16;
        for (int i = 0; i < 5; i++) states[i]->shape[states[i]->rank - 1] = 8;
        segue_selective_scan wide = scan;
        for (int i = 0; i < 4; i++) channels[i]->stride[2] = 3;
        for (int i = 0; i < 5; i++) states[i]->stride[states[i]->rank - 1] = 2;
        run_row(row ? &selective_scan_chunked : &selective_scan_decode, &wide.header, &scan.header);
        check_scan(&scan, 1);
    }
}

/* ---- refusals ---------------------------------------------------------------------------------------------- */

static void expect(const segue_row *row, const void *op, const char *want)
{
    const char *got = row->accepts(op, &device);
    if (want ? !got || strcmp(got, want) : got != NULL)
        fail_msg("%s: \"%s\", wanted \"%s\"", row->name, got ? got : "accepted", want ? want : "accepted");
}
#define REFUSED(row, made, change, want) \
    do {                                 \
        __typeof__(made) op = made;      \
        expect(&row, &op, NULL);         \
        change;                          \
        expect(&row, &op, want);         \
    } while (0)

static void refusals_of_scans(void **state)
{
    (void)state;
    shift = pad = 0;
    segue_selective_scan few = scan_of(SEGUE_BF16, SEGUE_F32, 1, 4, 48, 16, 1);
    REFUSED(selective_scan_decode, few, op.u.shape[1] = 17, "u: t is supported up to 16");
    REFUSED(selective_scan_decode, few, op.A.shape[1] = 12,
            "A: n must be 16 bytes of the state times 1, 2, 4 ... 32");
    REFUSED(selective_scan_decode, few, op.A.shape[1] = 256,
            "A: n must be 16 bytes of the state times 1, 2, 4 ... 32");
    REFUSED(selective_scan_decode, few, op.A.shape[1] = 17,
            "A: n must be 16 bytes of the state times 1, 2, 4 ... 32");
    REFUSED(selective_scan_decode, few, op.h_in.stride[2] = 48, "h_in: states must lie side by side");
    REFUSED(selective_scan_decode, few, op.h_out.stride[2] = 48, "h_out: states must lie side by side");
    REFUSED(selective_scan_decode, few, op.u.shape[2] = INT64_C(1) << 31, "u: d is at most 2^30");
    REFUSED(selective_scan_decode, few, op.A.dtype = segue_dtype_of(SEGUE_F64), "A: f64 is not supported");

    segue_selective_scan many = scan_of(SEGUE_BF16, SEGUE_F32, 1, 64, 48, 16, 1);
    REFUSED(selective_scan_chunked, many, op.u.shape[1] = 63, "u: t is supported from 64");
    REFUSED(selective_scan_chunked, many, op.A.shape[1] = 17, "A: n is supported from 1 to 16");
    REFUSED(selective_scan_chunked, many, op.A.shape[1] = 0, "A: n is supported from 1 to 16");
    REFUSED(selective_scan_chunked, many, op.B.shape[2] = 6, "B: a group must have a multiple of 16 channels");
    REFUSED(selective_scan_chunked, many, op.C.shape[2] = 48, "C: a group must have a multiple of 16 channels");
    REFUSED(selective_scan_chunked, many, op.u.stride[2] = 64, "u: channels must lie side by side");
    REFUSED(selective_scan_chunked, many, op.delta.stride[2] = 64, "delta: channels must lie side by side");
    REFUSED(selective_scan_chunked, many, op.z.stride[2] = -1, "z: channels must lie side by side");
    REFUSED(selective_scan_chunked, many, op.y.stride[2] = 2, "y: channels must lie side by side");
    REFUSED(selective_scan_chunked, many, op.u.shape[2] = INT64_C(1) << 31, "u: d is at most 2^30");
    REFUSED(selective_scan_chunked, many, op.D.dtype = segue_dtype_of(SEGUE_F64), "D: f64 is not supported");
}

static void refusals_of_convolutions(void **state)
{
    (void)state;
    segue_causal_conv1d made = conv_of(SEGUE_BF16, 1, 16, 48, 4, 3, 1);
    REFUSED(causal_conv1d_wide, made, op.pre_gate = op.x, "pre_gate: is not supported");
    REFUSED(causal_conv1d_wide, made, op.post_gate = op.x, "post_gate: is not supported");
    REFUSED(causal_conv1d_wide, made, op.seq_idx = op.bias, "seq_idx: is not supported");
    REFUSED(causal_conv1d_wide, made, op.cache_seqlens = op.bias, "cache_seqlens: is not supported");
    REFUSED(causal_conv1d_wide, made, op.weight.shape[1] = 5, "weight: w is supported from 2 to 4");
    REFUSED(causal_conv1d_wide, made, op.weight.shape[1] = 1, "weight: w is supported from 2 to 4");
    REFUSED(causal_conv1d_wide, made, op.x.shape[1] = 15, "x: t is supported from 16");
    REFUSED(causal_conv1d_wide, made, op.x.shape[2] = INT64_C(1) << 31, "x: d is at most 2^30");
    segue_causal_conv1d packed = conv_of(SEGUE_BF16, 1, 1000, 48, 4, 3, 100);
    packed.cu_seqlens = packed.bias;
    packed.cu_seqlens.shape[0] = 2;
    REFUSED(causal_conv1d_wide, packed, op.cu_seqlens.shape[0] = 101,
            "max_seqlen: is wanted where many sequences are packed");
    packed.max_seqlen = 64;
    packed.cu_seqlens.shape[0] = 101;
    expect(&causal_conv1d_wide, &packed, NULL);
    REFUSED(causal_conv1d_wide, made, op.x.stride[2] = 16, "x: channels must lie side by side");
    REFUSED(causal_conv1d_wide, made, op.y.stride[2] = 16, "y: channels must lie side by side");
    REFUSED(causal_conv1d_wide, made, op.weight.dtype = segue_dtype_of(SEGUE_F64),
            "weight: f64 is not supported");
}

static void refused_on_older_devices(void **state)
{
    (void)state;
    segue_selective_scan few = scan_of(SEGUE_BF16, SEGUE_F32, 1, 4, 48, 16, 1);
    gpu->features &= ~(uint32_t)GPU_HAS_SM80;
    expect(&selective_scan_decode, &few, "u: needs a GPU of compute capability 8.0 or later");
    segue_selective_scan many = scan_of(SEGUE_BF16, SEGUE_F32, 1, 64, 48, 16, 1);
    expect(&selective_scan_chunked, &many, "u: needs a GPU of compute capability 8.0 or later");
    const segue_causal_conv1d conv = conv_of(SEGUE_BF16, 1, 16, 48, 4, 3, 1);
    expect(&causal_conv1d_wide, &conv, "x: needs a GPU of compute capability 8.0 or later");
}

int main(int argc, char **argv) /* a test's name: only that */
{
    const struct CMUnitTest tests[] = {
#define TEST(f) cmocka_unit_test_setup_teardown(f, open_fibre, close_fibre)
        TEST(lengths_of_scans),
        TEST(tails_of_scans),
        TEST(packed_scans),
        TEST(growth_leaves_zero_at_zero),
        TEST(forget_and_grow),
        TEST(lengths_and_tails_of_convolutions),
        TEST(packed_convolutions),
        TEST(other_strides_than_planned),
        TEST(refusals_of_scans),
        TEST(refusals_of_convolutions),
        TEST(refused_on_older_devices),
#undef TEST
    };
    if (argc > 1) cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
