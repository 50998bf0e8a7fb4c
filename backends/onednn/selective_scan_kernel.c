/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. Channels lie in lanes, states in registers, CHUNK of them at a time; B and C
 * come in as broadcasts. One token alone: selective_scan_step.h. Decays are 2^(A (delta log2 e)). */
#include "engine/lanes.h"
#include "selective_scan.h"
#include "selective_scan_step.h"

/* CHUNK: states that fit in the registers beside the rest. SOON_ROWS: of A and h, fetched while a block's deltas are
 * computed. */
enum { CHUNK = LANES == 16 ? 16 : 8, SOON_ROWS = LANES / 4 };

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

static const struct scan_job *job_of(const struct segue_tile *t)
{
    return (const struct scan_job *)(const void *)t->job;
}

/* ---- the register kernel -------------------------------------------------------------------------------- */

struct rows { /* blocks of one tile that have the same groups */
    int64_t blocks, tokens, states;
    const float *A; /* [block][n][lane] */
    float *h;
    const float *range, *peak; /* [block][lane]: max |A|, max |delta| */
    const float *delta, *x, *B, *C;
    float *y;
    int64_t pitch;                   /* of delta, x and y, from block to block */
    int64_t B_step, C_step;          /* floats from token to token; 0 = constant */
    const char *next_u, *next_delta; /* the next tile's, fetched ahead; steps in bytes */
    int64_t next_u_step, next_delta_step, next_u_block, next_delta_block;
};

/* by_lane: lanes have different groups. */
INLINE lanes coefficient(const float *p, int64_t n, const int by_lane)
{
    return by_lane ? lanes_load(p + n * LANES) : lanes_splat(p[n]);
}

struct token { /* of one block, from some state on */
    const float *A, *B, *C;
    lanes delta, x;
};

INLINE void move(const struct token *t, lanes *h, const int i, const int by_lane, const int wide)
{
    update(h + i, lanes_load(t->A + i * LANES), t->delta, t->x, coefficient(t->B, i, by_lane), wide);
}

/* y is a sum of sums: LANES states each, in the order of lanes_dot_across, then four states each, then one. Here
 * count such states, from i on in A, h, B and C; a term is every fourth of them. */
INLINE lanes term(const struct token *t, lanes *h, const int i, const int end, const int by_lane,
                  const int wide)
{
    move(t, h, i, by_lane, wide);
    lanes r = h[i] * coefficient(t->C, i, by_lane);
    UNROLL
    for (int k = i + 4; k < end; k += 4) {
        move(t, h, k, by_lane, wide);
        r = lanes_fma(h[k], coefficient(t->C, k, by_lane), r);
    }
    return r;
}

INLINE lanes sum(const struct token *t, lanes *h, const int i, const int count, const int by_lane,
                 const int wide)
{
    lanes even = term(t, h, i, i + count, by_lane, wide), odd;
    if (count == 1) return even;
    even += term(t, h, i + 2, i + count, by_lane, wide);
    odd = term(t, h, i + 1, i + count, by_lane, wide);
    return even + (odd + term(t, h, i + 3, i + count, by_lane, wide));
}

/* All tokens of states n .. n+count-1 of block b, in h. y is added to from the second chunk on. */
INLINE void sweep(const struct rows *r, int64_t b, int64_t n, const int count, const int by_lane,
                  const int wide, const float *A, lanes *h)
{
    const int at_once = count < LANES ? count : LANES;
    const float *B = r->B + n * (by_lane ? LANES : 1), *C = r->C + n * (by_lane ? LANES : 1),
                *deltas = r->delta + b * r->pitch, *xs = r->x + b * r->pitch;
    const char *next_u = r->next_u + b * r->next_u_block, *next_delta = r->next_delta + b * r->next_delta_block;
    float *ys = r->y + b * r->pitch;
    for (int64_t t = 0; t < r->tokens; t++, B += r->B_step, C += r->C_step) {
        struct token token = { A, B, C, lanes_load(deltas + t * LANES), lanes_load(xs + t * LANES) };
        if (n == 0) {
            __builtin_prefetch(next_u + t * r->next_u_step, 0, 2);
            __builtin_prefetch(next_delta + t * r->next_delta_step, 0, 2);
        }
        lanes y = sum(&token, h, 0, at_once, by_lane, wide);
        if (n) y = lanes_load(ys + t * LANES) + y;
        UNROLL
        for (int i = at_once; i < count; i += at_once) y += sum(&token, h, i, at_once, by_lane, wide);
        lanes_store(ys + t * LANES, y);
    }
}

/* Whether all exponents delta A stay where the fast form holds; never with a NaN, whose bits are larger than
 * all. */
INLINE int narrow(const float *range, const float *peak)
{
    return lanes_all_less(lanes_load(range) * lanes_load(peak), lanes_splat(126.0f));
}

INLINE void chunk(const struct rows *r, int64_t b, int64_t n, const int count, const int by_lane,
                  const int wide)
{
    int64_t at = (b * r->states + n) * LANES;
    lanes h[CHUNK];
    UNROLL
    for (int i = 0; i < count; i++) h[i] = lanes_load(r->h + at + i * LANES);
    sweep(r, b, n, count, by_lane, wide, r->A + at, h);
    UNROLL
    for (int i = 0; i < count; i++) lanes_store(r->h + at + i * LANES, h[i]);
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
    int64_t to_state = job_of(t)->direct ? 1 : LANES, to_lane = job_of(t)->direct ? job_of(t)->row_pitch : 1;
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
                for (int64_t k = lane; k < next; k++)
                    g->data[i * states * LANES + n * to_state + k * to_lane] = row[n];
        }
    }
}

static int straddles(const struct group *g, int64_t channel, int64_t width)
{
    return channel / g->channels != (channel + width - 1) / g->channels;
}

/* ---- the tile ------------------------------------------------------------------------------------------- */

struct inputs { /* tokens of one block, or one token of blocks */
    int64_t rows, pitch;
    const float *bias; /* bias_pitch apart */
    int64_t bias_pitch;
    const float *given, *u; /* delta as it was given; may be the next two */
    float *delta, *x;
    const char *soon[2]; /* what is read next, fetched meanwhile; steps in bytes */
    int64_t soon_step[2];
};

/* delta + bias, softplus; x = delta u; then delta log2 e. Returns its largest size in each lane. A finite delta
 * stays finite: infinity times an A of 0 would be NaN. */
INLINE lanes_int prepare_rows(const struct inputs *given, const int softplus, const int soon)
{
    const struct inputs in = *given; /* a copy that no store changes */
    lanes inf = lanes_splat(__builtin_inff());
    lanes_int peak = { 0 };
    for (int64_t i = 0; i < in.rows; i++) {
        UNROLL
        for (int k = 0; k < soon; k++) {
            __builtin_prefetch(in.soon[0] + (i * soon + k) * in.soon_step[0], 0, 3);
            __builtin_prefetch(in.soon[1] + (i * soon + k) * in.soon_step[1], 0, 3);
        }
        lanes v = lanes_load(in.given + i * in.pitch) + lanes_load(in.bias + i * in.bias_pitch);
        if (softplus) v = lanes_softplus(v);
        lanes s = v * LANES_LOG2E;
        s = lanes_if_less(lanes_abs(s), inf, s, v);
        lanes_store(in.x + i * in.pitch, v * lanes_load(in.u + i * in.pitch));
        lanes_store(in.delta + i * in.pitch, s);
        peak = lanes_larger(peak, (lanes_int)lanes_abs(s));
    }
    return peak;
}

/* Blocks [first, first + count) of the panel, with u and delta in scratch. */
static void prepare(const struct segue_tile *t, int64_t first, int64_t count, float *delta, const float *u,
                    float *x)
{
    const struct scan_job *job = job_of(t);
    int64_t pitch = job->tile_pitch;
    for (int64_t b = 0; b < count; b++) {
        struct inputs in = { .rows = t->tokens, .pitch = LANES };
        in.bias = t->scratch + job->bias + (first + b) * LANES;
        in.given = in.delta = delta + b * pitch;
        in.u = u + b * pitch;
        in.x = x + b * pitch;
        lanes_int peak = job->op->softplus ? prepare_rows(&in, 1, 0) : prepare_rows(&in, 0, 0);
        lanes_store(t->scratch + job->peak + (first + b) * LANES, (lanes)peak);
    }
}

/* A state row's first channel of the panel, and the floats from channel to channel; without one, instead. */
static float *state_at(const struct segue_tile *t, const segue_tensor *h, int64_t row, float *instead,
                       int64_t *step)
{
    *step = 0;
    if (!h->dtype.bits || row < 0) return instead;
    struct segue_strip s = state_strip(t, h, row);
    *step = s.column_stride;
    return (float *)(void *)s.data;
}

/* The same for one token, with u and delta anywhere. */
static void prepare_one(const struct segue_tile *t, int64_t first, int64_t count, const float *given,
                        float *delta, const float *u, float *x)
{
    const struct scan_job *job = job_of(t);
    struct inputs in = { .rows = count, .pitch = LANES, .given = given, .u = u, .delta = delta, .x = x };
    in.bias = t->scratch + job->bias;
    if (job->op->delta_bias.dtype.bits) {
        in.bias += first * LANES;
        in.bias_pitch = LANES;
    }
    struct segue_tile part = tile_part(t, first * LANES, count * LANES);
    struct segue_strip A = weight_strip(&part, &job->op->A);
    float *zeros = t->scratch + job->row + job->row_pitch;
    in.soon[0] = (const char *)state_at(&part, &job->op->h_in, t->sequence.read, zeros, in.soon_step);
    in.soon[1] = A.data;
    in.soon_step[0] *= (int64_t)sizeof(float);
    in.soon_step[1] = A.column_stride * (int64_t)sizeof(float);
    if (job->op->softplus) prepare_rows(&in, 1, SOON_ROWS);
    else prepare_rows(&in, 0, SOON_ROWS);
}

/* y += D u; y *= silu(z), with z in z. */
static void finish(const struct segue_tile *t, int64_t block, float *y, const float *u, const float *z)
{
    int has_D = job_of(t)->op->D.dtype.bits != 0, has_z = job_of(t)->op->z.dtype.bits != 0;
    lanes skip = has_D ? lanes_load(t->scratch + job_of(t)->D + block * LANES) : (lanes){ 0 };
    for (int64_t i = 0; i < t->tokens; i++) {
        lanes v = lanes_load(y + i * LANES);
        if (has_D) v = lanes_fma(skip, lanes_load(u + i * LANES), v);
        if (has_z) v *= lanes_silu(lanes_load(z + i * LANES));
        lanes_store(y + i * LANES, v);
    }
}

/* A block of fewer channels goes through scratch. */
static void step_part(const struct segue_tile *t, const struct step *given, int64_t width, float *y)
{
    const struct scan_job *job = job_of(t);
    size_t bytes = (size_t)job->states * sizeof(float);
    float *A = t->scratch + job->A, *h = t->scratch + job->h;
    struct step s = *given;
    memset(A, 0, LANES * bytes);
    memset(h, 0, LANES * bytes);
    for (int64_t k = 0; k < width; k++) {
        memcpy(A + k * job->states, s.A + k * s.A_row, bytes);
        memcpy(h + k * job->states, s.h_in + k * s.in_row, bytes);
    }
    s.A = A;
    s.h_in = s.h_out = h;
    s.A_row = s.in_row = s.out_row = job->states;
    step_blocks(&s, 1, 0, y);
    for (int64_t k = 0; k < width; k++) memcpy(given->h_out + k * given->out_row, h + k * job->states, bytes);
}

/* Blocks from block on, of which the last may have fewer channels. */
static void step_some(const struct segue_tile *t, int64_t block, int64_t width, int by_lane,
                      const struct rows *r)
{
    const struct scan_job *job = job_of(t);
    struct segue_strip A = weight_strip(t, &job->op->A);
    float *zeros = t->scratch + job->row + job->row_pitch, *nowhere = zeros + job->row_pitch;
    struct step s = { .B = r->B, .C = r->C, .delta = r->delta, .x = r->x, .states = job->states };
    s.h_in = state_at(t, &job->op->h_in, t->sequence.read, zeros, &s.in_row);
    s.h_out = state_at(t, &job->op->h_out, t->sequence.write, nowhere, &s.out_row);
    s.A_row = A.column_stride;
    s.B_row = s.C_row = by_lane ? job->row_pitch : 0;
    s.A = (const float *)(void *)A.data + block * LANES * s.A_row;
    s.h_in += block * LANES * s.in_row;
    s.h_out += block * LANES * s.out_row;
    if (width < LANES) step_part(t, &s, width, r->y);
    else step_blocks(&s, r->blocks, r->pitch, r->y);
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
    r->blocks = run ? run : 1;
    r->A = t->scratch + job->A + block * job->states * LANES;
    r->h = t->scratch + job->h + block * job->states * LANES;
    r->range = t->scratch + job->range + block * LANES;
    r->peak = t->scratch + job->peak + block * LANES;
    r->B = B->data;
    r->C = C->data;
    r->B_step = B->step;
    r->C_step = C->step;
    if (job->direct) {
        step_some(t, block, width, by_lane, r);
        return;
    }
    for (int64_t b = 0; b < r->blocks; b++)
        recurs[by_lane][!narrow(r->range + b * LANES, r->peak + b * LANES)](r, b);
}

/* One token's whole blocks of f32 need no copy: where they are, or NULL. */
static float *in_place(const struct scan_job *job, const struct segue_strip *s)
{
    int whole = job->direct && s->dtype == SEGUE_F32 && s->column_stride == 1 && s->columns % LANES == 0;
    return whole ? (float *)(void *)s->data : NULL;
}

/* Blocks [first, first + count) of the panel: as many as have u, delta and y in the first-level cache. */
static void strip(const struct segue_tile *panel, int64_t first, int64_t count, struct group *B,
                  struct group *C)
{
    const struct scan_job *job = job_of(panel);
    const segue_selective_scan *op = job->op;
    float *delta = panel->scratch + job->delta, *x = panel->scratch + job->x;
    int64_t pitch = job->tile_pitch;
    struct segue_tile t = tile_part(panel, first * LANES, count * LANES);
    struct segue_strip us = tile_strip(&t, &op->u), ds = tile_strip(&t, &op->delta),
                       ys = tile_strip(&t, &op->y);
    const int more = op->z.dtype.bits || op->D.dtype.bits; /* y may be one of these */
    float *u = in_place(job, &us), *given = in_place(job, &ds), *to = more ? NULL : in_place(job, &ys),
          *y = to ? to : panel->scratch + job->y;
    if (!u) {
        u = panel->scratch + job->u;
        PACK(u, LANES, pitch, &us);
    }
    if (!given) {
        given = delta;
        PACK(delta, LANES, pitch, &ds);
    }
    if (job->direct) prepare_one(panel, first, count, given, delta, u, x);
    else prepare(panel, first, count, delta, u, x);
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
    for (int64_t b = 0; more && b < count; b++)
        finish(panel, first + b, y + b * pitch, u + b * pitch, delta + b * pitch);
    if (!to) UNPACK(&ys, y, LANES, pitch);
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
    struct segue_strip s = weight_strip(t, w);
    PACK(t->scratch + at, LANES, block_pitch, &s);
}

static void weights(const struct segue_tile *t)
{
    const struct scan_job *job = job_of(t);
    if (job->op->D.dtype.bits) pack_weight(t, &job->op->D, job->D, LANES);
    if (job->op->delta_bias.dtype.bits) pack_weight(t, &job->op->delta_bias, job->bias, LANES);
    else memset(t->scratch + job->bias, 0, (size_t)((job->direct ? 1 : t->blocks) * LANES) * sizeof(float));
    if (job->direct) return;
    pack_weight(t, &job->op->A, job->A, job->states * LANES);
    for (int64_t b = 0; b < t->blocks; b++) {
        const float *A = t->scratch + job->A + b * job->states * LANES;
        lanes_int range = { 0 };
        for (int64_t n = 0; n < job->states; n++) {
            lanes a = lanes_load(A + n * LANES);
            range = lanes_larger(range, (lanes_int)lanes_abs(a)); /* as bits, NaN is larger than all */
        }
        lanes_store(t->scratch + job->range + b * LANES, (lanes)range);
    }
}

static void begin(const struct segue_tile *t)
{
    const struct scan_job *job = job_of(t);
    float *h = t->scratch + job->h;
    if (job->direct) {
        memset(t->scratch + job->row + job->row_pitch, 0, (size_t)job->row_pitch * sizeof *h);
        return;
    }
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
    if (job->direct || !job->op->h_out.dtype.bits || t->sequence.write < 0) return;
    struct segue_strip s = state_strip(t, &job->op->h_out, t->sequence.write);
    UNPACK(&s, t->scratch + job->h, LANES, job->states * LANES);
}

const struct segue_tile_kernel SEGUE_ISA_NAME(segue_scan) = { LANES, weights, begin, tokens, end };
