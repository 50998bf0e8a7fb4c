/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. Channels lie in lanes, states in registers, CHUNK of them at a time; B and C
 * come in as broadcasts. Decays are 2^(A (delta log2 e)). */
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

/* A or h of some blocks: state n of lane k of block b lies at data + n state + k lane + b block; lane or
 * state is 1. Either scratch, or the tensor itself: what a call looks at only once is not copied first. */
struct matrix {
    float *data; /* NULL: zeros, and nowhere to store */
    int64_t lane, state, block;
};

struct rows { /* blocks of one tile that have the same groups */
    int64_t blocks, tokens, states;
    struct matrix A, h_in, h_out;
    int64_t direct;            /* 1 = one token; A and h are the tensors */
    const float *range, *peak; /* [block][lane]: max |A|, max |delta| */
    const float *delta, *x, *B, *C;
    float *y;
    int64_t pitch;                   /* of delta, x and y, from block to block */
    int64_t B_step, C_step;          /* floats from token to token; 0 = constant */
    const char *next_u, *next_delta; /* the next tile's, fetched ahead; steps in bytes */
    int64_t next_u_step, next_delta_step, next_u_block, next_delta_block;
};

/* The decay of h where exponents are large. Growth that overflows, though finite, leaves a state of 0 at 0. */
INLINE lanes grown(lanes h, lanes a, lanes delta)
{
    lanes decay = lanes_exp2_product_any(a, delta), inf = lanes_splat(__builtin_inff());
    return lanes_select((h == 0.0f) & (decay == inf) & (a * delta < inf), (lanes){ 0 }, decay);
}

/* One state of one token: the only copy of the recurrence. wide: the exponent may leave the range that the fast
 * form can do. */
INLINE void update(lanes *h, lanes *y, lanes a, lanes delta, lanes x, lanes b, lanes c, const int wide)
{
    lanes decay = wide ? grown(*h, a, delta) : lanes_exp2_product(a, delta);
    *h = lanes_fma(*h, decay, x * b);
    *y = lanes_fma(*h, c, *y);
}

/* by_lane: lanes have different groups. */
INLINE lanes coefficient(const float *p, int64_t n, const int by_lane)
{
    return by_lane ? lanes_load(p + n * LANES) : lanes_splat(p[n]);
}

/* All tokens of states n .. n+count-1 of block b, in h. y is added to from the second chunk on; its sum is
 * that of states with even and with odd numbers. */
INLINE void sweep(const struct rows *r, int64_t b, int64_t n, const int count, const int by_lane,
                  const int wide, const float *A, lanes *h)
{
    const float *B = r->B + n * (by_lane ? LANES : 1), *C = r->C + n * (by_lane ? LANES : 1),
                *deltas = r->delta + b * r->pitch, *xs = r->x + b * r->pitch;
    const char *next_u = r->next_u + b * r->next_u_block, *next_delta = r->next_delta + b * r->next_delta_block;
    float *ys = r->y + b * r->pitch;
    for (int64_t t = 0; t < r->tokens; t++, B += r->B_step, C += r->C_step) {
        lanes delta = lanes_load(deltas + t * LANES), x = lanes_load(xs + t * LANES);
        if (n == 0) {
            __builtin_prefetch(next_u + t * r->next_u_step, 0, 2);
            __builtin_prefetch(next_delta + t * r->next_delta_step, 0, 2);
        }
        lanes y[2] = { n ? lanes_load(ys + t * LANES) : (lanes){ 0 }, { 0 } };
        UNROLL
        for (int i = 0; i < count; i++)
            update(h + i, y + (i & 1), lanes_load(A + i * LANES), delta, x, coefficient(B, i, by_lane),
                   coefficient(C, i, by_lane), wide);
        lanes_store(ys + t * LANES, y[0] + y[1]);
    }
}

/* An address that the compiler knows nothing of: it would keep one for each of the loads behind it, in
 * memory. */
INLINE const float *plain(const float *p)
{
    __asm__("" : "+r"(p));
    return p;
}

/* States n .. n+count-1 of block b, count 4 or 1. side: channels lie side by side, not states. */
INLINE void load(lanes *out, const struct matrix *m, int64_t b, int64_t n, const int count, const int side)
{
    const float *at = plain(m->data + b * m->block + n * m->state);
    if (side) {
        UNROLL
        for (int i = 0; i < count; i++) out[i] = lanes_load(at + i * m->state);
    } else if (count == 4) {
        lanes_load4(out, at, m->lane);
    } else {
        float one[LANES];
        for (int k = 0; k < LANES; k++) one[k] = at[k * m->lane];
        out[0] = lanes_load(one);
    }
}

INLINE void store(const struct matrix *m, int64_t b, int64_t n, const int count, const int side, lanes *in)
{
    float *at = (float *)(uintptr_t)plain(m->data + b * m->block + n * m->state);
    if (side) {
        UNROLL
        for (int i = 0; i < count; i++) lanes_store(at + i * m->state, in[i]);
    } else if (count == 4) {
        lanes_store4(at, m->lane, in);
    } else {
        float one[LANES];
        lanes_store(one, in[0]);
        for (int k = 0; k < LANES; k++) at[k * m->lane] = one[k];
    }
}

/* A line of each of four states' rows, or four lanes' lines, of the block after next, on its way from a
 * cache that several cores share: hardware does not follow so many rows. */
INLINE void fetch_ahead(const struct matrix *m, int64_t b, int64_t n, const int side)
{
    const float *at = m->data + (b + 2) * m->block;
    int64_t next = side ? m->state : m->lane;
    at += side ? n * m->state : n - n % LANES + n % LANES * m->lane;
    at = plain(at);
    UNROLL
    for (int i = 0; i < 4; i++) __builtin_prefetch(at + i * next, 0, 3);
}

/* Whether all exponents delta A stay where the fast form holds; never with a NaN, whose bits are larger than
 * all. */
INLINE int narrow(const float *range, const float *peak)
{
    return lanes_all_less(lanes_load(range) * lanes_load(peak), lanes_splat(126.0f));
}

/* Whether one token's exponents do, as above. */
INLINE int narrow_step(const lanes *a, const int count, lanes delta)
{
    lanes_int size = { 0 };
    UNROLL
    for (int i = 0; i < count; i++) size = lanes_larger(size, (lanes_int)lanes_abs(a[i] * delta));
    return lanes_all_less((lanes)size, lanes_splat(126.0f));
}

/* The one token of states n .. n+count-1, count 4 or 1, from tensor to tensor. */
INLINE void step(const struct rows *r, int64_t b, int64_t n, const int count, const int A_side,
                 const int h_side, lanes delta, lanes x, lanes *y)
{
    lanes a[4], h[4] = { { 0 } };
    int more = count == 4 && b + 2 < r->blocks;
    if (more) fetch_ahead(&r->A, b, n, A_side);
    load(a, &r->A, b, n, count, A_side);
    if (r->h_in.data) {
        if (more) fetch_ahead(&r->h_in, b, n, h_side);
        load(h, &r->h_in, b, n, count, h_side);
    }
    if (__builtin_expect(narrow_step(a, count, delta), 1)) {
        UNROLL
        for (int i = 0; i < count; i++)
            update(h + i, y + (i & 1), a[i], delta, x, lanes_splat(r->B[n + i]), lanes_splat(r->C[n + i]), 0);
    } else {
        UNROLL
        for (int i = 0; i < count; i++)
            update(h + i, y + (i & 1), a[i], delta, x, lanes_splat(r->B[n + i]), lanes_splat(r->C[n + i]), 1);
    }
    if (r->h_out.data) store(&r->h_out, b, n, count, h_side, h);
}

INLINE void chunk(const struct rows *r, int64_t b, int64_t n, const int count, const int by_lane,
                  const int wide)
{
    const float *A = r->A.data + b * r->A.block + n * LANES;
    float *state = r->h_in.data + b * r->h_in.block + n * LANES;
    lanes h[CHUNK];
    UNROLL
    for (int i = 0; i < count; i++) h[i] = lanes_load(state + i * LANES);
    sweep(r, b, n, count, by_lane, wide, A, h);
    UNROLL
    for (int i = 0; i < count; i++) lanes_store(state + i * LANES, h[i]);
}

INLINE void recur(const struct rows *r, int64_t b, const int by_lane, const int wide)
{
    int64_t n = 0;
    for (; n + CHUNK <= r->states; n += CHUNK) chunk(r, b, n, CHUNK, by_lane, wide);
    for (; n + 4 <= r->states; n += 4) chunk(r, b, n, 4, by_lane, wide);
    for (; n < r->states; n++) chunk(r, b, n, 1, by_lane, wide);
}

static void recur_shared(const struct rows *r, int64_t b)
{
    recur(r, b, 0, 0);
}
static void recur_shared_wide(const struct rows *r, int64_t b)
{
    recur(r, b, 0, 1);
}
static void recur_lanes(const struct rows *r, int64_t b)
{
    recur(r, b, 1, 0);
}
static void recur_lanes_wide(const struct rows *r, int64_t b)
{
    recur(r, b, 1, 1);
}
static void (*const recurs[2][2])(const struct rows *, int64_t) = { { recur_shared, recur_shared_wide },
                                                                    { recur_lanes, recur_lanes_wide } };

INLINE void steps(const struct rows *given, const int A_side, const int h_side)
{
    const struct rows r = *given; /* a copy that no store changes */
    for (int64_t b = 0; b < r.blocks; b++) {
        lanes delta = lanes_load(r.delta + b * r.pitch), x = lanes_load(r.x + b * r.pitch);
        lanes y[2] = { { 0 }, { 0 } };
        int64_t n = 0;
        /* The sums of a sweep: even and odd states' meet at the end of each chunk. */
        for (; n + CHUNK <= r.states; n += CHUNK, y[0] += y[1], y[1] = (lanes){ 0 }) {
            for (int i = 0; i < CHUNK; i += 4) step(&r, b, n + i, 4, A_side, h_side, delta, x, y);
        }
        for (; n + 4 <= r.states; n += 4, y[0] += y[1], y[1] = (lanes){ 0 })
            step(&r, b, n, 4, A_side, h_side, delta, x, y);
        for (; n < r.states; n++, y[0] += y[1]) step(&r, b, n, 1, A_side, h_side, delta, x, y);
        lanes_store(r.y + b * r.pitch, y[0]);
    }
}

static void steps_A_h(const struct rows *r)
{
    steps(r, 0, 0);
}
static void steps_A_side_h(const struct rows *r)
{
    steps(r, 1, 0);
}
static void steps_A_h_side(const struct rows *r)
{
    steps(r, 0, 1);
}
static void steps_A_side_h_side(const struct rows *r)
{
    steps(r, 1, 1);
}
static void (*const stepses[2][2])(const struct rows *) = { { steps_A_h, steps_A_h_side },
                                                            { steps_A_side_h, steps_A_side_h_side } };

static void run_blocks(const struct scan_job *job, const struct rows *r, int by_lane)
{
    if (r->direct) stepses[job->A_side][job->h_side](r);
    for (int64_t b = 0; !r->direct && b < r->blocks; b++)
        recurs[by_lane][!narrow(r->range + b * LANES, r->peak + b * LANES)](r, b);
}

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

/* delta + bias, softplus; x = delta u; then delta log2 e and its largest size. A finite delta stays finite:
 * infinity times an A of 0 would be NaN. */
static void prepare(const struct segue_tile *t, int64_t block, float *delta, const float *u, float *x)
{
    const struct scan_job *job = job_of(t);
    lanes bias = lanes_load(t->scratch + job->bias + block * LANES), inf = lanes_splat(__builtin_inff());
    lanes_int peak = { 0 };
    for (int64_t i = 0; i < t->tokens; i++) {
        lanes v = lanes_load(delta + i * LANES) + bias;
        if (job->op->softplus) v = lanes_softplus(v);
        lanes s = v * LANES_LOG2E;
        s = lanes_if_less(lanes_abs(s), inf, s, v);
        lanes_store(x + i * LANES, v * lanes_load(u + i * LANES));
        lanes_store(delta + i * LANES, s);
        peak = lanes_larger(peak, (lanes_int)lanes_abs(s));
    }
    lanes_store(t->scratch + job->peak + block * LANES, (lanes)peak);
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

static struct matrix in_scratch(const struct segue_tile *t, uint64_t at, int64_t block)
{
    int64_t states = job_of(t)->states;
    return (struct matrix){ t->scratch + at + block * states * LANES, 1, LANES, states * LANES };
}

static struct matrix in_tensor(const struct segue_strip *s, int64_t block)
{
    return (struct matrix){ (float *)(void *)s->data + block * LANES * s->column_stride, s->column_stride,
                            s->row_stride, LANES * s->column_stride };
}

static struct matrix state_of(const struct segue_tile *t, const segue_tensor *h, int64_t row, int64_t block)
{
    if (!h->dtype.bits || row < 0) return (struct matrix){ NULL, 1, 0, 0 };
    struct segue_strip s = state_strip(t, h, row);
    return in_tensor(&s, block);
}

/* Where A and h of blocks from block on are; a partial block's are in scratch. */
static void find_matrices(const struct segue_tile *t, int64_t block, int whole, struct rows *r)
{
    const struct scan_job *job = job_of(t);
    r->direct = whole && job->direct;
    r->A = in_scratch(t, job->A, block);
    r->h_in = r->h_out = in_scratch(t, job->h, block);
    if (!r->direct) return;
    struct segue_strip s = weight_strip(t, &job->op->A);
    r->A = in_tensor(&s, block);
    r->h_in = state_of(t, &job->op->h_in, t->sequence.read, block);
    r->h_out = state_of(t, &job->op->h_out, t->sequence.write, block);
}

/* How many blocks from channel on lie within one group of B and C, all of them whole; 0: not even one. */
static int64_t alike(int64_t channel, int64_t end, const struct group *B, const struct group *C)
{
    int64_t in_B = (channel / B->channels + 1) * B->channels, in_C = (channel / C->channels + 1) * C->channels;
    if (in_B < end) end = in_B;
    if (in_C < end) end = in_C;
    return (end - channel) / LANES;
}

/* Blocks of the panel from block on, before end, with delta, x and y in scratch; r->blocks says how many. */
static void recur_some(const struct segue_tile *t, int64_t block, int64_t end, struct group *B, struct group *C,
                       struct rows *r)
{
    const struct scan_job *job = job_of(t);
    int64_t channel = t->channel + block * LANES, panel_end = t->channel + t->channels,
            last = t->channel + end * LANES, run = alike(channel, last < panel_end ? last : panel_end, B, C);
    int64_t width = panel_end - channel < LANES ? panel_end - channel : LANES;
    int by_lane = !run && (straddles(B, channel, width) || straddles(C, channel, width));
    if (by_lane) {
        pack_by_lane(t, B, channel, width);
        pack_by_lane(t, C, channel, width);
    } else {
        pack_shared(t, B, channel);
        pack_shared(t, C, channel);
    }
    find_matrices(t, block, width == LANES, r);
    r->blocks = run ? run : 1;
    r->range = t->scratch + job->range + block * LANES;
    r->peak = t->scratch + job->peak + block * LANES;
    r->B = B->data;
    r->C = C->data;
    r->B_step = B->step;
    r->C_step = C->step;
    run_blocks(job, r, by_lane);
}

/* Blocks [first, first + count) of the panel: as many as have u, delta and y in the first-level cache. */
static void strip(const struct segue_tile *panel, int64_t first, int64_t count, struct group *B,
                  struct group *C)
{
    const struct scan_job *job = job_of(panel);
    const segue_selective_scan *op = job->op;
    float *u = panel->scratch + job->u, *delta = panel->scratch + job->delta, *x = panel->scratch + job->x,
          *y = panel->scratch + job->y;
    int64_t pitch = job->tile_pitch;
    struct segue_tile t = tile_part(panel, first * LANES, count * LANES);
    struct segue_strip us = tile_strip(&t, &op->u), ds = tile_strip(&t, &op->delta),
                       ys = tile_strip(&t, &op->y);
    PACK(u, LANES, pitch, &us);
    PACK(delta, LANES, pitch, &ds);
    for (int64_t b = 0; b < count; b++)
        prepare(panel, first + b, delta + b * pitch, u + b * pitch, x + b * pitch);
    struct rows r = { .tokens = t.tokens, .states = job->states, .pitch = pitch };
    r.next_u_block = LANES * us.column_stride * (int64_t)us.element_bytes;
    r.next_delta_block = LANES * ds.column_stride * (int64_t)ds.element_bytes;
    for (int64_t b = 0; b < count; b += r.blocks) {
        r.x = x + b * pitch;
        r.delta = delta + b * pitch;
        r.y = y + b * pitch;
        r.next_u = tile_ahead(&t, &us, b * LANES, &r.next_u_step);
        r.next_delta = tile_ahead(&t, &ds, b * LANES, &r.next_delta_step);
        recur_some(panel, first + b, first + count, B, C, &r);
    }
    if (op->z.dtype.bits) {
        struct segue_strip zs = tile_strip(&t, &op->z);
        PACK(delta, LANES, pitch, &zs); /* delta has done its work */
    }
    for (int64_t b = 0; (op->z.dtype.bits || op->D.dtype.bits) && b < count; b++)
        finish(panel, first + b, y + b * pitch, u + b * pitch, delta + b * pitch);
    UNPACK(&ys, y, LANES, pitch);
}

static void tokens(const struct segue_tile *t)
{
    const struct scan_job *job = job_of(t);
    const segue_selective_scan *op = job->op;
    struct group B = { &op->B, job->tile.channels / op->B.shape[2], t->scratch + job->B, 0, -1 };
    struct group C = { &op->C, job->tile.channels / op->C.shape[2], t->scratch + job->C, 0, -1 };
    for (int64_t b = 0; b < t->blocks; b += job->strip_blocks)
        strip(t, b, t->blocks - b < job->strip_blocks ? t->blocks - b : job->strip_blocks, &B, &C);
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

static struct segue_tile partial_block(const struct segue_tile *t)
{
    int64_t whole = t->channels / LANES * LANES;
    return tile_part(t, whole, t->channels - whole);
}

static void weights(const struct segue_tile *t)
{
    const struct scan_job *job = job_of(t);
    int64_t first = job->direct ? t->channels / LANES : 0;
    struct segue_tile rest = job->direct ? partial_block(t) : *t;
    pack_weight(&rest, &job->op->A, job->A + (uint64_t)(first * job->states * LANES), job->states * LANES);
    pack_weight(t, &job->op->D, job->D, LANES);
    pack_weight(t, &job->op->delta_bias, job->bias, LANES);
    for (int64_t b = first; b < t->blocks; b++) {
        const float *A = t->scratch + job->A + b * job->states * LANES;
        lanes_int range = { 0 };
        for (int64_t n = 0; n < job->states; n++) {
            lanes a = lanes_load(A + n * LANES);
            range = lanes_larger(range, (lanes_int)lanes_abs(a)); /* as bits, NaN is larger than all */
        }
        lanes_store(t->scratch + job->range + b * LANES, (lanes)range);
    }
}

/* Scratch holds what the kernel cannot reach: all, or a partial block at the end. */
static struct segue_tile copied(const struct segue_tile *t, float **h)
{
    const struct scan_job *job = job_of(t);
    *h = t->scratch + job->h + (job->direct ? t->channels / LANES * job->states * LANES : 0);
    return job->direct ? partial_block(t) : *t;
}

static void begin(const struct segue_tile *t)
{
    const struct scan_job *job = job_of(t);
    float *h;
    struct segue_tile rest = copied(t, &h);
    if (!rest.blocks) return;
    if (!job->op->h_in.dtype.bits || t->sequence.read < 0) {
        memset(h, 0, (size_t)(rest.blocks * job->states * LANES) * sizeof *h);
        return;
    }
    struct segue_strip s = state_strip(&rest, &job->op->h_in, t->sequence.read);
    PACK(h, LANES, job->states * LANES, &s);
}

static void end(const struct segue_tile *t)
{
    const struct scan_job *job = job_of(t);
    float *h;
    struct segue_tile rest = copied(t, &h);
    if (!rest.blocks || !job->op->h_out.dtype.bits || t->sequence.write < 0) return;
    struct segue_strip s = state_strip(&rest, &job->op->h_out, t->sequence.write);
    UNPACK(&s, h, LANES, job->states * LANES);
}

const struct segue_tile_kernel SEGUE_ISA_NAME(segue_scan) = { LANES, weights, begin, tokens, end };
