/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. Channels lie in lanes, states in registers, CHUNK of them at a time; B and C
 * come in as broadcasts. Decays are 2^(delta A log2 e). */
#include "engine/lanes.h"
#include "selective_scan.h"

enum { CHUNK = LANES == 16 ? 16 : 8 }; /* states that fit in the registers beside the rest */

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

static const struct scan_job *job_of(const struct segue_tile *t)
{
    return (const struct scan_job *)(const void *)t->job;
}

/* ---- the register kernel -------------------------------------------------------------------------------- */

struct rows { /* one block of one tile */
    const float *delta, *u, *A, *B, *C;
    float *h, *y;
    int64_t B_step, C_step; /* floats from token to token; 0 = constant */
    int64_t tokens, states;
    const char *next_u, *next_delta; /* the next tile's, fetched ahead; steps in bytes */
    int64_t next_u_step, next_delta_step;
};

/* The decay of h where exponents are large. Growth that overflows, though finite, leaves a state of 0 at 0. */
INLINE lanes grown(lanes h, lanes a, lanes delta)
{
    lanes decay = lanes_exp2_product_any(a, delta), inf = lanes_splat(__builtin_inff());
    return lanes_select((h == 0.0f) & (decay == inf) & (a * delta < inf), (lanes){ 0 }, decay);
}

/* States n .. n+count-1 of all tokens; y is added to from the second chunk on. by_lane: lanes have different
 * groups. wide: exponents may leave the range that the fast form can do. */
INLINE void chunk(const struct rows *r, int64_t n, const int count, const int by_lane, const int wide)
{
    const float *A = r->A + n * LANES, *B = r->B + n * (by_lane ? LANES : 1),
                *C = r->C + n * (by_lane ? LANES : 1);
    float *state = r->h + n * LANES;
    lanes h[CHUNK];
    UNROLL
    for (int i = 0; i < count; i++) h[i] = lanes_load(state + i * LANES);
    for (int64_t t = 0; t < r->tokens; t++, B += r->B_step, C += r->C_step) {
        lanes delta = lanes_load(r->delta + t * LANES), x = delta * lanes_load(r->u + t * LANES);
        if (n == 0) {
            __builtin_prefetch(r->next_u + t * r->next_u_step, 0, 2);
            __builtin_prefetch(r->next_delta + t * r->next_delta_step, 0, 2);
        }
        lanes y[2] = { n ? lanes_load(r->y + t * LANES) : (lanes){ 0 }, { 0 } };
        UNROLL
        for (int i = 0; i < count; i++) {
            lanes a = lanes_load(A + i * LANES);
            lanes decay = wide ? grown(h[i], a, delta) : lanes_exp2_product(a, delta);
            lanes b = by_lane ? lanes_load(B + i * LANES) : lanes_splat(B[i]);
            lanes c = by_lane ? lanes_load(C + i * LANES) : lanes_splat(C[i]);
            h[i] = lanes_fma(h[i], decay, x * b);
            y[i & 1] = lanes_fma(h[i], c, y[i & 1]);
        }
        lanes_store(r->y + t * LANES, y[0] + y[1]);
    }
    UNROLL
    for (int i = 0; i < count; i++) lanes_store(state + i * LANES, h[i]);
}

INLINE void recur(const struct rows *r, const int by_lane, const int wide)
{
    int64_t n = 0;
    for (; n + CHUNK <= r->states; n += CHUNK) chunk(r, n, CHUNK, by_lane, wide);
    for (; n + 4 <= r->states; n += 4) chunk(r, n, 4, by_lane, wide);
    for (; n < r->states; n++) chunk(r, n, 1, by_lane, wide);
}

static void recur_shared(const struct rows *r)
{
    recur(r, 0, 0);
}
static void recur_shared_wide(const struct rows *r)
{
    recur(r, 0, 1);
}
static void recur_lanes(const struct rows *r)
{
    recur(r, 1, 0);
}
static void recur_lanes_wide(const struct rows *r)
{
    recur(r, 1, 1);
}
static void (*const recurs[2][2])(const struct rows *) = { { recur_shared, recur_shared_wide },
                                                           { recur_lanes, recur_lanes_wide } };

/* ---- B and C -------------------------------------------------------------------------------------------- */

struct group {
    const segue_tensor *tensor; /* [b t g n] */
    int64_t channels;           /* of one group */
    float *data;
    int64_t step; /* floats from token to token; 0 = constant */
    int64_t held; /* the group that data holds as plain rows; -1 = none */
};

static struct segue_strip group_strip(const struct segue_tile *t, const struct group *g, int64_t index)
{
    struct segue_strip s = strip_of(g->tensor, 1, 3);
    strip_move(&s, t->sequence.batch * g->tensor->stride[0] + index * g->tensor->stride[2]);
    strip_cut_rows(&s, t->sequence.first + t->first, g->tensor->stride[1] ? t->tokens : 1);
    return s;
}

static void pack_shared(const struct segue_tile *t, struct group *g, int64_t channel)
{
    int64_t index = channel / g->channels, pitch = job_of(t)->row_pitch;
    if (g->held == index) return;
    struct segue_strip s = group_strip(t, g, index);
    PACK(g->data, pitch, LANES, &s);
    g->step = g->tensor->stride[1] ? pitch : 0;
    g->held = index;
}

static void pack_by_lane(const struct segue_tile *t, struct group *g, int64_t channel, int64_t width)
{
    int64_t states = job_of(t)->states, rows = g->tensor->stride[1] ? t->tokens : 1;
    float *row = t->scratch + job_of(t)->row;
    g->step = g->tensor->stride[1] ? states * LANES : 0;
    g->held = -1;
    for (int64_t i = 0; i < rows; i++) {
        for (int64_t lane = 0, next; lane < LANES; lane = next) {
            int64_t index = (channel + (lane < width ? lane : width - 1)) / g->channels;
            struct segue_strip s = group_strip(t, g, index);
            strip_cut_rows(&s, i, 1);
            PACK(row, 0, LANES, &s);
            next = (index + 1) * g->channels - channel;
            if (next >= width) next = LANES;
            for (int64_t n = 0; n < states; n++)
                for (int64_t k = lane; k < next; k++) g->data[(i * states + n) * LANES + k] = row[n];
        }
    }
}

static int straddles(const struct group *g, int64_t channel, int64_t width)
{
    return channel / g->channels != (channel + width - 1) / g->channels;
}

/* ---- the tile ------------------------------------------------------------------------------------------- */

/* delta + bias, softplus. Returns whether all exponents delta A stay where the fast form holds. */
static int prepare_delta(const struct segue_tile *t, int64_t block, float *delta)
{
    const struct scan_job *job = job_of(t);
    lanes range = lanes_load(t->scratch + job->range + block * LANES);
    lanes bias = lanes_load(t->scratch + job->bias + block * LANES);
    lanes_int narrow = ~(lanes_int){ 0 };
    for (int64_t i = 0; i < t->tokens; i++) {
        lanes x = lanes_load(delta + i * LANES) + bias;
        if (job->op->softplus) x = lanes_softplus(x);
        lanes_store(delta + i * LANES, x);
        narrow &= lanes_abs(x) * range < 126.0f; /* false for NaN */
    }
    return lanes_all(narrow);
}

/* y += D u; y *= silu(z), with z in z. */
static void finish(const struct segue_tile *t, int64_t block, float *y, const float *u, const float *z)
{
    lanes skip = lanes_load(t->scratch + job_of(t)->D + block * LANES);
    int has_D = job_of(t)->op->D.dtype.bits != 0, has_z = job_of(t)->op->z.dtype.bits != 0;
    for (int64_t i = 0; i < t->tokens; i++) {
        lanes v = lanes_load(y + i * LANES);
        if (has_D) v = lanes_fma(skip, lanes_load(u + i * LANES), v);
        if (has_z) v *= lanes_silu(lanes_load(z + i * LANES));
        lanes_store(y + i * LANES, v);
    }
}

static void tokens(const struct segue_tile *t)
{
    const struct scan_job *job = job_of(t);
    const segue_selective_scan *op = job->op;
    float *u = t->scratch + job->u, *delta = t->scratch + job->delta, *y = t->scratch + job->y;
    int64_t pitch = job->tile_pitch;
    struct segue_strip us = tile_strip(t, &op->u), ds = tile_strip(t, &op->delta), ys = tile_strip(t, &op->y);
    struct group B = { &op->B, job->tile.channels / op->B.shape[2], t->scratch + job->B, 0, -1 };
    struct group C = { &op->C, job->tile.channels / op->C.shape[2], t->scratch + job->C, 0, -1 };
    PACK(u, LANES, pitch, &us);
    PACK(delta, LANES, pitch, &ds);
    for (int64_t b = 0; b < t->blocks; b++) {
        int64_t channel = t->channel + b * LANES, left = t->channels - b * LANES,
                width = left < LANES ? left : LANES;
        int by_lane = straddles(&B, channel, width) || straddles(&C, channel, width);
        int narrow = prepare_delta(t, b, delta + b * pitch);
        if (by_lane) {
            pack_by_lane(t, &B, channel, width);
            pack_by_lane(t, &C, channel, width);
        } else {
            pack_shared(t, &B, channel);
            pack_shared(t, &C, channel);
        }
        struct rows r = { .delta = delta + b * pitch,
                          .u = u + b * pitch,
                          .A = t->scratch + job->A + b * job->states * LANES,
                          .B = B.data,
                          .C = C.data,
                          .h = t->scratch + job->h + b * job->states * LANES,
                          .y = y + b * pitch,
                          .B_step = B.step,
                          .C_step = C.step,
                          .tokens = t->tokens,
                          .states = job->states };
        r.next_u = tile_ahead(t, &us, b * LANES, &r.next_u_step);
        r.next_delta = tile_ahead(t, &ds, b * LANES, &r.next_delta_step);
        recurs[by_lane][!narrow](&r);
    }
    if (op->z.dtype.bits) {
        struct segue_strip zs = tile_strip(t, &op->z);
        PACK(delta, LANES, pitch, &zs); /* delta has done its work */
    }
    for (int64_t b = 0; (op->z.dtype.bits || op->D.dtype.bits) && b < t->blocks; b++)
        finish(t, b, y + b * pitch, u + b * pitch, delta + b * pitch);
    UNPACK(&ys, y, LANES, pitch);
}

/* ---- weights and state ---------------------------------------------------------------------------------- */

static void pack_weight(const struct segue_tile *t, const segue_tensor *w, uint64_t at, int64_t block_pitch)
{
    if (!w->dtype.bits) {
        memset(t->scratch + at, 0, (size_t)(t->blocks * block_pitch) * sizeof(float));
        return;
    }
    struct segue_strip s = weight_strip(t, w);
    PACK(t->scratch + at, LANES, block_pitch, &s);
}

static void weights(const struct segue_tile *t)
{
    const struct scan_job *job = job_of(t);
    pack_weight(t, &job->op->A, job->A, job->states * LANES);
    pack_weight(t, &job->op->D, job->D, LANES);
    pack_weight(t, &job->op->delta_bias, job->bias, LANES);
    for (int64_t b = 0; b < t->blocks; b++) {
        float *A = t->scratch + job->A + b * job->states * LANES;
        lanes range = { 0 };
        lanes_int nan = { 0 };
        for (int64_t n = 0; n < job->states; n++) {
            lanes given = lanes_load(A + n * LANES), a = given * LANES_LOG2E;
            /* A finite A stays finite: infinity times a delta of 0 would be NaN. */
            a = lanes_select(lanes_abs(a) == __builtin_inff(), given, a);
            lanes size = lanes_abs(a);
            lanes_store(A + n * LANES, a);
            range = lanes_select(size > range, size, range);
            nan |= a != a;
        }
        lanes_store(t->scratch + job->range + b * LANES,
                    lanes_select(nan, lanes_splat(__builtin_inff()), range));
    }
}

static void begin(const struct segue_tile *t)
{
    const struct scan_job *job = job_of(t);
    float *h = t->scratch + job->h;
    if (!job->op->h_in.dtype.bits || t->sequence.read < 0) {
        memset(h, 0, (size_t)(t->blocks * job->states * LANES) * sizeof *h);
        return;
    }
    struct segue_strip s = state_strip(t, &job->op->h_in, t->sequence.read);
    PACK(h, LANES, job->states * LANES, &s);
}

static void end(const struct segue_tile *t)
{
    const struct scan_job *job = job_of(t);
    if (!job->op->h_out.dtype.bits || t->sequence.write < 0) return;
    struct segue_strip s = state_strip(t, &job->op->h_out, t->sequence.write);
    UNPACK(&s, t->scratch + job->h, LANES, job->states * LANES);
}

const struct segue_tile_kernel SEGUE_ISA_NAME(segue_scan) = { LANES, weights, begin, tokens, end };
