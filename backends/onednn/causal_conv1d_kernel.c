/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. Channels lie in lanes; a tile's inputs stand behind the w-1 rows before them.
 */
#include "engine/lanes.h"
#include "causal_conv1d.h"

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

static const struct conv_job *job_of(const struct segue_tile *t)
{
    return (const struct conv_job *)(const void *)t->job;
}

static int present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

static float *row_of_x(const struct segue_tile *t, int64_t row)
{
    return t->scratch + job_of(t)->x + row * LANES;
}

static int32_t *tags_of(const struct segue_tile *t)
{
    return (int32_t *)(void *)(t->scratch + job_of(t)->tags);
}

static int32_t tag_at(const struct segue_tile *t, int64_t token)
{
    const segue_tensor *s = &job_of(t)->op->seq_idx;
    const int32_t *p = (const int32_t *)(const void *)((const char *)s->data + s->offset);
    return p[t->sequence.batch * s->stride[0] + token * s->stride[1]];
}

/* ---- arithmetic ----------------------------------------------------------------------------------------- */

enum { FIXED = 4 }; /* widths up to this one keep their taps in registers */

struct rows { /* one block of one tile */
    float *x; /* [w-1+token][lane]; y replaces the rows that no later token needs */
    const float *weight;
    const float *gate;   /* NULL, or [token][lane] */
    const int32_t *tags; /* NULL, or of the rows of x */
    const char *next;    /* the next tile's x, fetched ahead; step in bytes */
    int64_t next_step;
    int64_t tokens, width, silu;
    lanes bias;
};

INLINE void filter(const struct rows *r, const int64_t width, const int32_t *const tags)
{
    const float *weight = r->weight, *gate = r->gate;
    int64_t tokens = r->tokens, silu = r->silu;
    lanes bias = r->bias, taps[FIXED];
    float *x = r->x;
    for (int64_t k = 0; k < FIXED && k < width; k++) taps[k] = lanes_load(weight + k * LANES);
    for (int64_t i = 0; i < tokens; i++, x += LANES) {
        lanes y = bias;
        __builtin_prefetch(r->next + i * r->next_step, 0, 2);
        for (int64_t k = 0; k < width; k++) {
            if (tags && tags[i + k] != tags[i + width - 1]) continue;
            y = lanes_fma(k < FIXED ? taps[k] : lanes_load(weight + k * LANES), lanes_load(x + k * LANES), y);
        }
        if (silu) y = lanes_silu(y);
        if (gate) y *= lanes_load(gate + i * LANES);
        if (tags && tags[i + width - 1] < 0) y = (lanes){ 0 };
        lanes_store(x, y);
    }
}

static void filter_2(const struct rows *r)
{
    filter(r, 2, NULL);
}
static void filter_3(const struct rows *r)
{
    filter(r, 3, NULL);
}
static void filter_4(const struct rows *r)
{
    filter(r, 4, NULL);
}
static void filter_any(const struct rows *r)
{
    filter(r, r->width, r->tags);
}
static void (*const filters[FIXED + 1])(const struct rows *) = { filter_any, filter_any, filter_2, filter_3,
                                                                 filter_4 };

static void filter_block(const struct segue_tile *t, const struct segue_strip *xs, int64_t block)
{
    const struct conv_job *job = job_of(t);
    struct rows r = { .x = row_of_x(t, 0) + block * job->x_pitch,
                      .weight = t->scratch + job->weight + block * job->width * LANES,
                      .tokens = t->tokens,
                      .width = job->width,
                      .silu = job->op->activation == SEGUE_CAUSAL_CONV1D_SILU };
    r.bias = lanes_load(t->scratch + job->bias + block * LANES);
    r.next = tile_ahead(t, xs, block * LANES, &r.next_step);
    if (present(&job->op->post_gate)) r.gate = t->scratch + job->gate + block * job->gate_pitch;
    if (present(&job->op->seq_idx)) r.tags = tags_of(t);
    if (r.tags || r.width > FIXED) filter_any(&r);
    else filters[r.width](&r);
}

static void pack_gate(const struct segue_tile *t, const segue_tensor *gate)
{
    struct segue_strip s = tile_strip(t, gate);
    PACK(t->scratch + job_of(t)->gate, LANES, job_of(t)->gate_pitch, &s);
}

static void multiply(const struct segue_tile *t, float *x)
{
    const struct conv_job *job = job_of(t);
    for (int64_t b = 0; b < t->blocks; b++) {
        const float *gate = t->scratch + job->gate + b * job->gate_pitch;
        float *row = x + b * job->x_pitch;
        for (int64_t i = 0; i < t->tokens; i++)
            lanes_store(row + i * LANES, lanes_load(row + i * LANES) * lanes_load(gate + i * LANES));
    }
}

/* ---- state ---------------------------------------------------------------------------------------------- */

/* Tokens seen before the call; a state without them is a shift register: its newest column is the last one. */
static int64_t seen_before(const struct segue_tile *t, int64_t sequence)
{
    const segue_tensor *c = &job_of(t)->op->cache_seqlens;
    int64_t seen =
        ((const int32_t *)(const void *)((const char *)c->data + c->offset))[sequence * c->stride[0]];
    return seen < 0 ? 0 : seen;
}

static int64_t modulo(int64_t x, int64_t l)
{
    return (x % l + l) % l;
}

/* The column for token i of this call (i < 0: before it). */
static int64_t column_of(const struct segue_tile *t, int64_t token)
{
    int64_t l = job_of(t)->columns;
    if (present(&job_of(t)->op->cache_seqlens)) return modulo(seen_before(t, t->sequence.number) + token, l);
    return l - t->sequence.length + token;
}

static void load_history(const struct segue_tile *t, const struct segue_strip *h)
{
    const struct conv_job *job = job_of(t);
    int64_t before = job->width - 1, ring = present(&job->op->cache_seqlens);
    for (int64_t b = 0; !h && b < t->blocks; b++)
        memset(row_of_x(t, 0) + b * job->x_pitch, 0, (size_t)(before * LANES) * sizeof(float));
    for (int64_t i = 0; h && ring && i < before; i++) {
        struct segue_strip s = *h;
        strip_cut_rows(&s, column_of(t, i - before), 1);
        PACK(row_of_x(t, i), LANES, job->x_pitch, &s);
    }
    if (h && !ring && before) {
        struct segue_strip s = *h;
        strip_cut_rows(&s, job->columns - before, before);
        PACK(row_of_x(t, 0), LANES, job->x_pitch, &s);
    }
}

static void put_column(const struct segue_strip *out, int64_t column, const float *row, int64_t pitch)
{
    struct segue_strip s = *out;
    strip_cut_rows(&s, column, 1);
    UNPACK(&s, row, 0, pitch);
}

/* Columns of h_out that keep what h_in has: shifted, or (ring) all, before this call's tokens replace some. in
 * NULL: zeros. */
static void carry_over(const struct segue_tile *t, const struct segue_strip *in, const struct segue_strip *out)
{
    const struct conv_job *job = job_of(t);
    int ring = present(&job->op->cache_seqlens);
    int64_t shift = ring ? 0 : t->sequence.length;
    float *row = t->scratch + job->row;
    int in_place = in && in->data == out->data && in->row_stride == out->row_stride &&
                   in->column_stride == out->column_stride;
    if (in_place && !shift) return;
    if (!in) memset(row, 0, (size_t)(t->blocks * LANES) * sizeof *row);
    for (int64_t i = 0; i + shift < job->columns;
         i++) { /* upwards: in place, column i + shift is still unshifted */
        if (in) {
            struct segue_strip s = *in;
            strip_cut_rows(&s, i + shift, 1);
            PACK(row, 0, LANES, &s);
        }
        put_column(out, i, row, LANES);
    }
}

/* The tile's tokens among the last l go to their columns; those of another tag than the last token's leave
 * zeros. */
static void keep_tokens(const struct segue_tile *t)
{
    const struct conv_job *job = job_of(t);
    int64_t length = t->sequence.length, first = length - job->columns, before = job->width - 1;
    if (!present(&job->op->h_out) || t->sequence.write < 0) return;
    struct segue_strip out = state_strip(t, &job->op->h_out, t->sequence.write);
    int tagged = present(&job->op->seq_idx);
    int32_t last = tagged ? tag_at(t, length - 1) : 0;
    float *zeros = t->scratch + job->row;
    memset(zeros, 0, (size_t)(t->blocks * LANES) * sizeof *zeros);
    for (int64_t i = first > t->first ? first - t->first : 0; i < t->tokens; i++) {
        int keep = !tagged || (last >= 0 && tags_of(t)[before + i] == last);
        put_column(&out, column_of(t, t->first + i), keep ? row_of_x(t, before + i) : zeros,
                   keep ? job->x_pitch : LANES);
    }
}

/* ---- the tile ------------------------------------------------------------------------------------------- */

static void weights(const struct segue_tile *t)
{
    const struct conv_job *job = job_of(t);
    struct segue_strip s = weight_strip(t, &job->op->weight);
    PACK(t->scratch + job->weight, LANES, job->width * LANES, &s);
    memset(t->scratch + job->bias, 0, (size_t)(t->blocks * LANES) * sizeof(float));
    if (!present(&job->op->bias)) return;
    s = weight_strip(t, &job->op->bias);
    PACK(t->scratch + job->bias, 0, LANES, &s);
}

static void begin(const struct segue_tile *t)
{
    const struct conv_job *job = job_of(t);
    const segue_causal_conv1d *op = job->op;
    struct segue_strip in, out;
    int has_in = present(&op->h_in) && t->sequence.read >= 0 && job->columns,
        tagged = present(&op->seq_idx) && t->sequence.length;
    if (has_in) in = state_strip(t, &op->h_in, t->sequence.read);
    load_history(t, has_in ? &in : NULL);
    for (int64_t i = 0; tagged && i < job->width - 1; i++) tags_of(t)[i] = tag_at(t, 0);
    if (!present(&op->h_out) || t->sequence.write < 0) return;
    out = state_strip(t, &op->h_out, t->sequence.write);
    int32_t last = tagged ? tag_at(t, t->sequence.length - 1) : 0;
    int survives = !tagged || (last >= 0 && last == tag_at(t, 0));
    carry_over(t, has_in && survives ? &in : NULL, &out);
}

static void tokens(const struct segue_tile *t)
{
    const struct conv_job *job = job_of(t);
    int64_t before = job->width - 1;
    struct segue_strip xs = tile_strip(t, &job->op->x), ys = tile_strip(t, &job->op->y);
    PACK(row_of_x(t, before), LANES, job->x_pitch, &xs);
    if (present(&job->op->pre_gate)) {
        pack_gate(t, &job->op->pre_gate);
        multiply(t, row_of_x(t, before));
    }
    for (int64_t i = 0; present(&job->op->seq_idx) && i < t->tokens; i++)
        tags_of(t)[before + i] = tag_at(t, t->first + i);
    if (t->first + t->tokens > t->sequence.length - job->columns) keep_tokens(t);
    if (present(&job->op->post_gate)) pack_gate(t, &job->op->post_gate);
    for (int64_t b = 0; b < t->blocks; b++) filter_block(t, &xs, b);
    UNPACK(&ys, row_of_x(t, 0), LANES, job->x_pitch);
    for (int64_t b = 0; b < t->blocks; b++)
        memmove(row_of_x(t, 0) + b * job->x_pitch, row_of_x(t, t->tokens) + b * job->x_pitch,
                (size_t)(before * LANES) * sizeof(float));
    if (present(&job->op->seq_idx))
        memmove(tags_of(t), tags_of(t) + t->tokens, (size_t)before * sizeof(int32_t));
}

static void end(const struct segue_tile *t)
{
    (void)t; /* the state was written as its tokens came */
}

const struct segue_tile_kernel SEGUE_ISA_NAME(segue_conv) = { LANES, weights, begin, tokens, end };
