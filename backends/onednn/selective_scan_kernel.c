/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. Channels lie in lanes, states in registers, CHUNK of them at a time; B and C
 * come in as broadcasts. One token alone: selective_scan_step.h. Decays are 2^(A (delta log2 e)). */
#include "engine/element.h"
#include "selective_scan.h"
#include "selective_scan_step.h"

/* CHUNK: states that fit in the registers beside the rest. SOON_ROWS: of A and h, fetched while a block's
 * deltas are computed. */
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

/* y is a sum of sums: LANES states each, in the order of lanes_dot_across, then four states each, then one.
 * Here count such states, from i on in A, h, B and C; a term is every fourth of them. */
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

struct elements { /* channels side by side, in a tensor or in scratch */
    char *data;
    uint32_t dtype;
};

INLINE lanes load_at(const struct elements *e, int64_t i, uint32_t dtype)
{
    return element_load(e->data + i * element_size(dtype), dtype);
}

static struct elements floats(float *p)
{
    return (struct elements){ (char *)(void *)p, SEGUE_F32 };
}

struct inputs { /* tokens of one block, or one token of blocks: LANES channels each */
    int64_t rows;
    const float *bias; /* bias_pitch apart */
    int64_t bias_pitch;
    struct elements given, u; /* delta as it was given; may be the next two */
    float *delta, *x;
    const char *soon[2]; /* what is read next, fetched meanwhile; steps in bytes */
    int64_t soon_step[2];
};

/* delta + bias, softplus; x = delta u; then delta log2 e. Returns its largest size in each lane. A finite delta
 * stays finite: infinity times an A of 0 would be NaN. */
INLINE lanes_int prepare_rows(const struct inputs *given, const int softplus, const int soon,
                              uint32_t delta_dtype, uint32_t u_dtype)
{
    struct inputs in = *given; /* a copy that no store changes */
    lanes inf = lanes_splat(__builtin_inff());
    lanes_int peak = { 0 };
    for (int64_t i = 0; i < in.rows * LANES; i += LANES) {
        UNROLL
        for (int k = 0; k < soon; k++) {
            __builtin_prefetch(in.soon[0], 0, 3);
            __builtin_prefetch(in.soon[1], 0, 3);
            in.soon[0] += in.soon_step[0];
            in.soon[1] += in.soon_step[1];
            __asm__("" : "+r"(in.soon[0]), "+r"(in.soon[1])); /* no registers for multiples of the steps */
        }
        lanes v = load_at(&in.given, i, delta_dtype) + lanes_load(in.bias);
        if (softplus) v = lanes_softplus(v);
        lanes s = v * LANES_LOG2E;
        s = lanes_if_less(lanes_abs(s), inf, s, v);
        lanes_store(in.x + i, v * load_at(&in.u, i, u_dtype));
        lanes_store(in.delta + i, s);
        peak = lanes_larger(peak, (lanes_int)lanes_abs(s));
        in.bias += in.bias_pitch;
    }
    return peak;
}

/* Blocks [first, first + count) of the panel, with u and delta in scratch. */
static void prepare(const struct segue_tile *t, int64_t first, int64_t count, float *delta, float *u, float *x)
{
    const struct scan_job *job = job_of(t);
    int64_t pitch = job->tile_pitch;
    for (int64_t b = 0; b < count; b++) {
        struct inputs in = { .rows = t->tokens };
        in.bias = t->scratch + job->bias + (first + b) * LANES;
        in.delta = delta + b * pitch;
        in.x = x + b * pitch;
        in.given = floats(in.delta);
        in.u = floats(u + b * pitch);
        lanes_int peak = job->op->softplus ? prepare_rows(&in, 1, 0, SEGUE_F32, SEGUE_F32)
                                           : prepare_rows(&in, 0, 0, SEGUE_F32, SEGUE_F32);
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

INLINE void prepare_as(const struct inputs *in, int64_t softplus, uint32_t delta_dtype, uint32_t u_dtype)
{
    if (softplus) prepare_rows(in, 1, SOON_ROWS, delta_dtype, u_dtype);
    else prepare_rows(in, 0, SOON_ROWS, delta_dtype, u_dtype);
}

/* The same for one token, with u and delta anywhere. Loops of their own for dtypes that are usual: 0.95 of
 * the call. */
static void prepare_one(const struct segue_tile *t, int64_t first, int64_t count, struct elements given,
                        struct elements u)
{
    const struct scan_job *job = job_of(t);
    struct inputs in = { .rows = count, .given = given, .u = u };
    in.delta = t->scratch + job->delta;
    in.x = t->scratch + job->x;
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
    if (given.dtype == SEGUE_F32 && u.dtype == SEGUE_F32)
        prepare_as(&in, job->op->softplus, SEGUE_F32, SEGUE_F32);
    else if (given.dtype == SEGUE_BF16 && u.dtype == SEGUE_BF16)
        prepare_as(&in, job->op->softplus, SEGUE_BF16, SEGUE_BF16);
    else prepare_as(&in, job->op->softplus, given.dtype, u.dtype);
}

struct outputs { /* of tokens of one block, or of one token's blocks */
    int64_t rows;
    const float *y;
    const float *D; /* NULL: none; D_pitch apart */
    int64_t D_pitch;
    struct elements u, z, to; /* z without data: none. to may be one of the others */
};

/* y += D u; y *= silu(z). */
INLINE void finish_rows(const struct outputs *o, uint32_t u_dtype, uint32_t z_dtype, uint32_t to_dtype)
{
    const struct outputs out = *o; /* a copy that no store changes */
    for (int64_t i = 0; i < out.rows; i++) {
        lanes v = lanes_load(out.y + i * LANES);
        if (out.D) v = lanes_fma(lanes_load(out.D + i * out.D_pitch), load_at(&out.u, i * LANES, u_dtype), v);
        if (out.z.data) v *= lanes_silu(load_at(&out.z, i * LANES, z_dtype));
        element_store(out.to.data + i * LANES * element_size(to_dtype), v, to_dtype, 0);
    }
}

static void finish_one(const struct outputs *o)
{
    const uint32_t z = o->z.data ? o->z.dtype : o->u.dtype;
    if (o->u.dtype == SEGUE_F32 && z == SEGUE_F32 && o->to.dtype == SEGUE_F32)
        finish_rows(o, SEGUE_F32, SEGUE_F32, SEGUE_F32);
    else if (o->u.dtype == SEGUE_BF16 && z == SEGUE_BF16 && o->to.dtype == BF16_FAST)
        finish_rows(o, SEGUE_BF16, SEGUE_BF16, BF16_FAST);
    else finish_rows(o, o->u.dtype, z, o->to.dtype);
}

/* A block's tokens, in scratch; z in the place of delta. */
static void finish(const struct segue_tile *t, int64_t block, float *y, float *u, float *z)
{
    const struct scan_job *job = job_of(t);
    struct outputs o = { .rows = t->tokens, .y = y, .u = floats(u), .to = floats(y) };
    if (job->op->D.dtype.bits) o.D = t->scratch + job->D + block * LANES;
    if (job->op->z.dtype.bits) o.z = floats(z);
    finish_rows(&o, SEGUE_F32, SEGUE_F32, SEGUE_F32);
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
    prepare(panel, first, count, delta, u, x);
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

/* One token's whole blocks need no copy where channels lie side by side. */
static int in_place(const struct segue_strip *s)
{
    return s->column_stride == 1 && s->columns % LANES == 0;
}

static struct elements one_row(const struct segue_tile *t, const segue_tensor *x, float *scratch)
{
    struct segue_strip s = tile_strip(t, x);
    if (in_place(&s)) return (struct elements){ s.data, s.dtype };
    PACK(scratch, LANES, LANES, &s);
    return floats(scratch);
}

/* The same for one token: of u, delta, z and y only what has other strides is copied. y is written last: it
 * may be u or z. */
static void strip_of_one(const struct segue_tile *panel, int64_t first, int64_t count, struct group *B,
                         struct group *C)
{
    const struct scan_job *job = job_of(panel);
    const segue_selective_scan *op = job->op;
    const int has_D = op->D.dtype.bits != 0, has_z = op->z.dtype.bits != 0;
    float *x = panel->scratch + job->x, *delta = panel->scratch + job->delta, *y = panel->scratch + job->y;
    struct segue_tile t = tile_part(panel, first * LANES, count * LANES);
    struct segue_strip ys = tile_strip(&t, &op->y);
    struct outputs o = { .rows = count, .D_pitch = LANES, .to = floats(y) };
    if (in_place(&ys)) {
        o.to.data = ys.data;
        o.to.dtype = LANES == 16 && ys.dtype == SEGUE_BF16 && job->bf16_fast ? BF16_FAST : ys.dtype;
        if (!has_D && !has_z && ys.dtype == SEGUE_F32) y = (float *)(void *)ys.data;
    }
    o.u = one_row(&t, &op->u, panel->scratch + job->u);
    prepare_one(panel, first, count, one_row(&t, &op->delta, delta), o.u);
    struct rows r = { .tokens = 1, .pitch = LANES };
    for (int64_t b = 0; b < count; b += r.blocks) {
        r.x = x + b * LANES;
        r.delta = delta + b * LANES;
        r.y = y + b * LANES;
        recur_some(panel, first + b, first + count, B, C, &r);
    }
    o.y = y;
    if (has_D) o.D = panel->scratch + job->D + first * LANES;
    if (has_z) o.z = one_row(&t, &op->z, delta); /* which has done its work */
    if ((char *)y != o.to.data || has_D || has_z) finish_one(&o);
    if (!in_place(&ys)) UNPACK(&ys, y, LANES, LANES);
}

static void tokens(const struct segue_tile *t)
{
    const struct scan_job *job = job_of(t);
    const segue_selective_scan *op = job->op;
    struct group B = { &op->B, job->tile.channels / op->B.shape[2], t->scratch + job->B, 0, -1 };
    struct group C = { &op->C, job->tile.channels / op->C.shape[2], t->scratch + job->C, 0, -1 };
    for (int64_t b = 0; b < t->blocks; b += job->strip_blocks)
        (job->direct ? strip_of_one : strip)(
            t, b, t->blocks - b < job->strip_blocks ? t->blocks - b : job->strip_blocks, &B, &C);
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
