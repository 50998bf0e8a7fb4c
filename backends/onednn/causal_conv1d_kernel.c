/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. What can be reached in place is filtered from tensor to tensor in one
 * pass. Everything else goes through scratch, where a tile's inputs stand behind the w-1 rows before them:
 * strides that lanes cannot follow, and always the first w-1 tokens of a sequence, whose windows begin in
 * the state. */
#include "causal_conv1d.h"
#include "causal_conv1d_filter.h"

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
    return t->scratch + job_of(t)->x + row * job_of(t)->pitch;
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

static void filter_as(const struct filter *f, uint32_t dtype)
{
    if (dtype == SEGUE_F32) down_as(f, SEGUE_F32);
    else if (dtype == SEGUE_F16) down_as(f, SEGUE_F16);
    else if (LANES == 16 && dtype == BF16_FAST) down_as(f, BF16_FAST);
    else down_as(f, SEGUE_BF16);
}

/* y's dtype, and the way to it. */
static uint32_t dtype_of(const struct conv_job *job)
{
    const uint32_t dtype = segue_dtype_id(job->op->y.dtype);
    return LANES == 16 && dtype == SEGUE_BF16 && job->bf16_fast ? BF16_FAST : dtype;
}

/* Rows from first on whose windows hold one tag, and not that of padding. */
static int64_t alike(const struct filter *f, int64_t first)
{
    int64_t row = first, same = 1;
    const int32_t tag = f->tags[first];
    while (same < f->width && f->tags[first + same] == tag) same++;
    if (tag < 0 || same < f->width) return 0;
    while (row < f->rows && f->tags[row + f->width - 1] == tag) row++;
    return row - first;
}

/* Where tags change, token by token; between, as without tags. */
static void filter(const struct filter *f, uint32_t dtype)
{
    if (!f->tags) filter_as(f, dtype);
    for (int64_t row = 0, n; f->tags && row < f->rows; row += n) {
        struct filter part = *f;
        forward(&part, row);
        n = alike(f, row);
        part.tags = n ? NULL : f->tags + row;
        if (!n) n = 1;
        part.rows = n;
        filter_as(&part, dtype);
    }
}

static struct filter filter_of(const struct segue_tile *t)
{
    const struct conv_job *job = job_of(t);
    const int64_t first = job->tile.by_time ? t->channel : 0;
    return (struct filter){ .weight = t->scratch + job->weight + first,
                            .bias = t->scratch + job->bias + first,
                            .weight_pitch = job->weight_pitch,
                            .width = job->width,
                            .silu = job->op->activation == SEGUE_CAUSAL_CONV1D_SILU };
}

static void pack_rows(const struct segue_tile *t, const segue_tensor *from, int64_t token, int64_t count,
                      float *to)
{
    struct segue_strip s = tile_strip(t, from);
    strip_cut_rows(&s, token, count);
    PACK(to, job_of(t)->pitch, LANES, &s);
}

/* count of the tile's inputs, gated, from token on, to rows of scratch. */
static void take(const struct segue_tile *t, int64_t token, int64_t count, float *rows)
{
    const struct conv_job *job = job_of(t);
    float *gate = t->scratch + job->gate;
    pack_rows(t, &job->op->x, token, count, rows);
    if (!present(&job->op->pre_gate)) return;
    pack_rows(t, &job->op->pre_gate, token, count, gate);
    for (int64_t i = 0; i < count; i++, rows += job->pitch, gate += job->pitch)
        for (int64_t k = 0; k < t->blocks * LANES; k += LANES)
            lanes_store(rows + k, lanes_load(rows + k) * lanes_load(gate + k));
}

/* The tile's first count tokens, whose windows begin at row row of scratch. */
static void filter_scratch(const struct segue_tile *t, int64_t row, int64_t count)
{
    const struct conv_job *job = job_of(t);
    const int64_t step = job->pitch * (int64_t)sizeof(float);
    struct filter f = filter_of(t);
    struct segue_strip ys = tile_strip(t, &job->op->y);
    f.x = f.y = (struct plane){ (char *)row_of_x(t, row), step };
    if (present(&job->op->post_gate)) {
        f.post = (struct plane){ (char *)(t->scratch + job->gate), step };
        pack_rows(t, &job->op->post_gate, 0, count, t->scratch + job->gate);
    }
    if (present(&job->op->seq_idx)) f.tags = tags_of(t);
    f.rows = count;
    f.columns = t->blocks * LANES;
    filter(&f, SEGUE_F32);
    strip_cut_rows(&ys, 0, count);
    UNPACK(&ys, row_of_x(t, row), job->pitch, LANES);
}

static struct plane plane_of(const struct segue_tile *t, const segue_tensor *x, int64_t token)
{
    if (!present(x)) return (struct plane){ NULL, 0 };
    struct segue_strip s = tile_strip(t, x);
    const int64_t step = s.row_stride * (int64_t)s.element_bytes;
    return (struct plane){ s.data + token * step, step };
}

/* Channels in lanes, from the tile's token first on. */
static void filter_channels(const struct segue_tile *t, int64_t first)
{
    const struct conv_job *job = job_of(t);
    const uint32_t dtype = dtype_of(job);
    struct filter f = filter_of(t);
    f.x = plane_of(t, &job->op->x, first - (job->width - 1));
    f.pre = plane_of(t, &job->op->pre_gate, first - (job->width - 1));
    f.post = plane_of(t, &job->op->post_gate, first);
    f.y = plane_of(t, &job->op->y, first);
    if (present(&job->op->seq_idx)) f.tags = tags_of(t) + first;
    f.rows = t->tokens - first;
    f.columns = t->channels;
    f.stream = job->tile.stream && f.columns % LANES == 0 &&
               ((uintptr_t)f.y.data | (uintptr_t)f.y.step) % (uintptr_t)(LANES * element_size(dtype)) == 0;
    filter(&f, dtype);
}

/* Tokens in lanes, from the tile's token first on. */
static void filter_time(const struct segue_tile *t, int64_t first)
{
    const struct conv_job *job = job_of(t);
    const struct segue_strip xs = tile_strip(t, &job->op->x), ys = tile_strip(t, &job->op->y);
    const struct filter f = filter_of(t);
    const uint32_t dtype = dtype_of(job);
    struct line l = { .weight_pitch = f.weight_pitch,
                      .tokens = t->tokens - first,
                      .width = f.width,
                      .silu = f.silu,
                      .stream = job->tile.stream != 0 };
    for (int64_t c = 0; c < t->channels; c++) {
        l.x = xs.data + (first + c * xs.column_stride) * (int64_t)xs.element_bytes;
        l.y = ys.data + (first + c * ys.column_stride) * (int64_t)ys.element_bytes;
        l.weight = f.weight + c;
        l.bias = f.bias[c];
        if (dtype == SEGUE_F32) along_as(&l, SEGUE_F32);
        else if (dtype == SEGUE_F16) along_as(&l, SEGUE_F16);
        else if (LANES == 16 && dtype == BF16_FAST) along_as(&l, BF16_FAST);
        else along_as(&l, SEGUE_BF16);
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
    if (!h) memset(row_of_x(t, 0), 0, (size_t)(before * job->pitch) * sizeof(float));
    for (int64_t i = 0; h && ring && i < before; i++) {
        struct segue_strip s = *h;
        strip_cut_rows(&s, column_of(t, i - before), 1);
        PACK(row_of_x(t, i), 0, LANES, &s);
    }
    if (h && !ring && before) {
        struct segue_strip s = *h;
        strip_cut_rows(&s, job->columns - before, before);
        PACK(row_of_x(t, 0), job->pitch, LANES, &s);
    }
}

static void put_column(const struct segue_strip *out, int64_t column, const float *row)
{
    struct segue_strip s = *out;
    strip_cut_rows(&s, column, 1);
    UNPACK(&s, row, 0, LANES);
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
        put_column(out, i, row);
    }
}

/* The tile's tokens among the last l go to their columns; those of another tag than the last token's leave
 * zeros. Scratch holds taken of the tile's inputs from row on. */
static void keep_tokens(const struct segue_tile *t, const float *row, int64_t taken)
{
    const struct conv_job *job = job_of(t);
    int64_t length = t->sequence.length, first = length - job->columns, before = job->width - 1;
    if (!present(&job->op->h_out) || t->sequence.write < 0 || t->first + t->tokens <= first) return;
    struct segue_strip out = state_strip(t, &job->op->h_out, t->sequence.write);
    int tagged = present(&job->op->seq_idx);
    int32_t last = tagged ? tag_at(t, length - 1) : 0;
    float *one = t->scratch + job->row;
    for (int64_t i = first > t->first ? first - t->first : 0; i < t->tokens; i++) {
        const float *from = i < taken ? row + i * job->pitch : one;
        if (tagged && (last < 0 || tags_of(t)[before + i] != last)) {
            memset(one, 0, (size_t)(t->blocks * LANES) * sizeof *one);
            from = one;
        } else if (i >= taken) {
            take(t, i, 1, one);
        }
        put_column(&out, column_of(t, t->first + i), from);
    }
}

/* ---- the tile ------------------------------------------------------------------------------------------- */

/* Taps as models store them, a channel's side by side, are turned here: packing would take them one by one,
 * longer than some calls. Returns 0 where they lie or are otherwise. */
static int turn_taps(const struct segue_strip *s, float *to, int64_t pitch)
{
    if (s->row_stride != 1 || s->column_stride != s->rows) return 0;
    if (s->dtype != SEGUE_F32 && s->dtype != SEGUE_BF16) return 0;
    if ((uintptr_t)s->data % s->element_bytes) return 0;
    for (int64_t k = 0; k < s->rows; k++, to += pitch) {
        const float *wide = (const float *)(const void *)s->data + k;
        const uint16_t *half = (const uint16_t *)(const void *)s->data + k;
        for (int64_t c = 0; s->dtype == SEGUE_F32 && c < s->columns; c++) to[c] = wide[c * s->rows];
        for (int64_t c = 0; s->dtype != SEGUE_F32 && c < s->columns; c++) {
            const uint32_t bits = (uint32_t)half[c * s->rows] << 16;
            memcpy(to + c, &bits, sizeof bits);
        }
        memset(to + s->columns, 0, (size_t)(-s->columns & (LANES - 1)) * sizeof *to);
    }
    return 1;
}

static void weights(const struct segue_tile *t)
{
    const struct conv_job *job = job_of(t);
    struct segue_strip s = weight_strip(t, &job->op->weight);
    if (!turn_taps(&s, t->scratch + job->weight, job->weight_pitch))
        PACK(t->scratch + job->weight, job->weight_pitch, LANES, &s);
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
    if (!job->tile.by_time) return;
    struct segue_tile last_tokens = *t; /* another thread may have them */
    last_tokens.first = t->sequence.length > job->columns ? t->sequence.length - job->columns : 0;
    last_tokens.tokens = t->sequence.length - last_tokens.first;
    keep_tokens(&last_tokens, NULL, 0);
}

static void tokens(const struct segue_tile *t)
{
    const struct conv_job *job = job_of(t);
    const int64_t before = job->width - 1, tagged = present(&job->op->seq_idx);
    int64_t row = 0, taken = t->tokens;
    if (job->way != CONV_PACKED) { /* only the sequence's first w-1 */
        taken = t->first < before ? before - t->first : 0;
        row = taken ? t->first : 0;
        if (taken > t->tokens) taken = t->tokens;
    }
    for (int64_t i = 0; tagged && i < t->tokens; i++) tags_of(t)[before + i] = tag_at(t, t->first + i);
    if (taken) take(t, 0, taken, row_of_x(t, before + row));
    if (!job->tile.by_time) keep_tokens(t, row_of_x(t, before + row), taken);
    if (taken) filter_scratch(t, row, taken);
    if (taken < t->tokens) (job->way == CONV_TIME ? filter_time : filter_channels)(t, taken);
    if (job->way == CONV_PACKED)
        memmove(row_of_x(t, 0), row_of_x(t, taken), (size_t)(before * job->pitch) * sizeof(float));
    if (tagged) memmove(tags_of(t), tags_of(t) + t->tokens, (size_t)before * sizeof(int32_t));
}

static void end(const struct segue_tile *t)
{
    (void)t; /* the state was written as its tokens came */
}

const struct segue_tile_kernel SEGUE_ISA_NAME(segue_conv) = { LANES, weights, begin, tokens, end };
