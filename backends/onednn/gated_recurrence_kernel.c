/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. A panel is some parts of state heads, each with its state in scratch; a tile
 * goes through them one after the other. What heads share (q and k of a group) is prepared once for all that
 * follow each other. A sequence of one token is computed where its state is, if lanes can follow it. */
#include "engine/lanes_functions.h"
#include "gated_recurrence_prepare.h"
#include "gated_recurrence_step.h"

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

struct place {                                     /* one part of a state head in the panel */
    int64_t index, head, column, columns, vectors; /* index in the panel; columns of the head */
};

static const struct recurrence_job *job_of(const struct segue_tile *t)
{
    return (const struct recurrence_job *)(const void *)t->job;
}

static int present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

static struct place place_at(const struct segue_tile *t, int64_t index)
{
    const struct recurrence_job *job = job_of(t);
    const int64_t channel = t->channel + index, part = channel % job->parts,
                  first = job->vectors * part / job->parts, end = job->vectors * (part + 1) / job->parts;
    struct place p = { index, channel / job->parts, first * LANES, (end - first) * LANES, end - first };
    if (p.column + p.columns > job->values) p.columns = job->values - p.column;
    return p;
}

static float *state_of(const struct segue_tile *t, const struct place *p)
{
    const struct recurrence_job *job = job_of(t);
    return t->scratch + job->S + p->index * job->part_floats;
}

/* A frame for each key, of which a head's decay uses the first only. */
static float *frame_of(const struct segue_tile *t, int64_t index)
{
    return t->scratch + job_of(t)->frame + index * job_of(t)->pitch;
}

/* Units of a part: two vectors of columns, or three where the number is odd. */
static int64_t units_of(const struct place *p)
{
    return p->vectors > 1 ? p->vectors / 2 : p->vectors;
}

static int64_t unit_vector(const struct place *p, int64_t unit)
{
    return p->vectors * unit / units_of(p);
}

/* ---- tensors -------------------------------------------------------------------------------------------- */

/* The tile's tokens x some columns of a head of a [b t heads columns] tensor. */
static struct segue_strip head_strip(const struct segue_tile *t, const segue_tensor *x, int64_t head,
                                     int64_t column, int64_t columns)
{
    struct segue_strip s = strip_of(x, 1, 3);
    strip_move(&s, t->sequence.batch * x->stride[0] + head * x->stride[2]);
    strip_cut_rows(&s, t->sequence.first + t->first, t->tokens);
    strip_cut_columns(&s, column, columns);
    return s;
}

/* The same where its elements lie side by side, else packed into scratch. */
static struct face face_of(const struct segue_strip *s, float *scratch, int64_t pitch, int read)
{
    if (s->column_stride == 1)
        return (struct face){ s->data, s->row_stride * (int64_t)s->element_bytes, s->dtype };
    if (read) PACK(scratch, pitch, LANES, s);
    return (struct face){ (char *)scratch, pitch * (int64_t)sizeof(float), SEGUE_F32 };
}

/* read: what is packed is not there yet. */
static struct face head_face(const struct segue_tile *t, const segue_tensor *x, int64_t head, uint64_t scratch,
                             int read)
{
    if (!present(x)) return (struct face){ NULL, 0, SEGUE_F32 };
    struct segue_strip s = head_strip(t, x, head, 0, job_of(t)->keys);
    return face_of(&s, t->scratch + scratch, job_of(t)->pitch, read);
}

/* A head's gates [b t h], one after the other; behind the last token: rest. */
static const float *head_gates(const struct segue_tile *t, const segue_tensor *x, int64_t head,
                               uint64_t scratch, float rest)
{
    float *to = t->scratch + scratch;
    if (!present(x)) return NULL;
    struct segue_strip s = strip_of(x, -1, 1);
    strip_move(&s, t->sequence.batch * x->stride[0] + head * x->stride[2]);
    strip_cut_columns(&s, t->sequence.first + t->first, t->tokens);
    PACK(to, 0, LANES, &s);
    for (int64_t i = t->tokens; i < t->tokens + BLOCK; i++) to[i] = rest;
    return to;
}

/* Keys x some columns of a head of a [p h k v] state. */
static struct segue_strip matrix_strip(const segue_tensor *S, int64_t row, int64_t head, int64_t column,
                                       int64_t columns)
{
    struct segue_strip s = strip_of(S, 2, 3);
    strip_move(&s, row * S->stride[0] + head * S->stride[1]);
    strip_cut_columns(&s, column, columns);
    return s;
}

static struct segue_strip vector_strip(const segue_tensor *n, int64_t row, int64_t head)
{
    struct segue_strip s = strip_of(n, -1, 2);
    strip_move(&s, row * n->stride[0] + head * n->stride[1]);
    return s;
}

/* ---- heads ---------------------------------------------------------------------------------------------- */

static int64_t map(int64_t head, int64_t heads, int64_t fewer, int64_t how)
{
    return how == SEGUE_GATED_RECURRENCE_MOD ? head % fewer : head / (heads / fewer);
}

struct heads { /* of one state head, and the reader'th of the heads of y that read it */
    int64_t state, y, q, k;
};

static struct heads heads_of(const struct segue_tile *t, int64_t state, int64_t reader)
{
    const struct recurrence_job *job = job_of(t);
    const segue_gated_recurrence *op = job->op;
    struct heads h = { .state = state };
    h.y = op->head_map == SEGUE_GATED_RECURRENCE_MOD ? state + reader * job->heads
                                                     : state * job->readers + reader;
    if (present(&op->q)) h.q = map(h.y, op->y.shape[2], op->q.shape[2], op->head_map);
    if (present(&op->k)) h.k = map(state, job->heads, op->k.shape[2], op->head_map);
    return h;
}

/* Features of the tile's q or k. dtype: of whole lanes; or 0: as the face says. */
INLINE void map_keys(const struct segue_tile *t, const struct face *from, float *to, const int64_t is,
                     const uint32_t dtype)
{
    const struct recurrence_job *job = job_of(t);
    const int64_t keys = job->keys, pitch = job->pitch, tokens = t->tokens;
    const float scale = job->map.scale, eps = job->map.eps;
    const struct face f = *from; /* a copy that no store changes */
    for (int64_t i = 0; i < tokens; i++)
        for (int64_t z = 0; z < keys; z += LANES) {
            const int64_t left = dtype ? LANES : keys - z;
            lanes x = key_load(&f, i, z, left, dtype ? dtype : f.dtype) * scale;
            if (is == SEGUE_FEATURE_MAP_ELU1) x = lanes_if_less(lanes_splat(0.0f), x, x + 1.0f, decay_of(x));
            if (is == SEGUE_FEATURE_MAP_RELU) x = lanes_relu(x) + eps;
            lanes_store(to + i * pitch + z, x);
        }
}

/* Loops of their own for what is usual. */
static void map_face(const struct segue_tile *t, const struct face *from, float *to)
{
    const int64_t is = job_of(t)->map.is;
    const int usual = is == SEGUE_FEATURE_MAP_ELU1 && job_of(t)->keys % LANES == 0;
    if (usual && from->dtype == SEGUE_F32) map_keys(t, from, to, SEGUE_FEATURE_MAP_ELU1, SEGUE_F32);
    else if (usual && from->dtype == SEGUE_BF16) map_keys(t, from, to, SEGUE_FEATURE_MAP_ELU1, SEGUE_BF16);
    else map_keys(t, from, to, is, 0);
}

/* The features of q or k, in scratch. read: they are not there yet. */
static struct face features_of(const struct segue_tile *t, const struct face *from, uint64_t scratch, int read)
{
    float *to = t->scratch + scratch;
    if (!from->p) return *from;
    if (read) map_face(t, from, to);
    return (struct face){ (char *)to, job_of(t)->pitch * (int64_t)sizeof *to, SEGUE_F32 };
}

static struct face scratch_rows(const struct segue_tile *t, float *rows)
{
    return (struct face){ (char *)rows, job_of(t)->pitch * (int64_t)sizeof *rows, SEGUE_F32 };
}

INLINE void copy_rows(const struct segue_tile *t, const struct face *from, float *to, const uint32_t dtype)
{
    const struct face f = *from;
    const int64_t keys = job_of(t)->keys, pitch = job_of(t)->pitch, tokens = t->tokens;
    for (int64_t i = 0; i < tokens; i++)
        for (int64_t z = 0; z < keys; z += LANES)
            lanes_store(to + i * pitch + z,
                        key_load(&f, i, z, dtype ? LANES : keys - z, dtype ? dtype : f.dtype));
}

/* q or k as f32, for whole blocks of tokens: where it is, or in scratch with 0 behind it, and where there is none.
 * read: it is not there yet. */
static struct face rows_of(const struct segue_tile *t, const struct face *from, float *to, int read)
{
    const int64_t pitch = job_of(t)->pitch, tokens = from->p ? t->tokens : 0;
    if (from->p && from->dtype == SEGUE_F32 && tokens % BLOCK == 0) return *from;
    if (read && from->p && from->dtype == SEGUE_BF16 && job_of(t)->keys % LANES == 0)
        copy_rows(t, from, to, SEGUE_BF16);
    else if (read && from->p) copy_rows(t, from, to, 0);
    if (read)
        memset(to + tokens * pitch, 0, (size_t)((blocks_in(t->tokens) * BLOCK - tokens) * pitch) * sizeof *to);
    return scratch_rows(t, to);
}

/* fresh: q and k are not those of the head before. */
static struct head head_of(const struct segue_tile *t, const struct heads *heads, int fresh)
{
    const struct recurrence_job *job = job_of(t);
    struct head h = { .job = job, .tokens = t->tokens };
    h.q = head_face(t, &job->op->q, heads->q, job->q, fresh);
    h.k = head_face(t, &job->op->k, heads->k, job->k, fresh);
    if (job->map.on) {
        h.q = features_of(t, &h.q, job->q, fresh);
        h.k = features_of(t, &h.k, job->k, fresh);
    }
    h.gk = head_face(t, &job->op->gk, heads->state, job->gk, 1);
    h.gain = head_gates(t, &job->op->gain, heads->state, job->gain, 0);
    h.decay = head_gates(t, &job->op->g, heads->state, job->decay, 0);
    h.R = t->scratch + job->R;
    h.U = t->scratch + job->U;
    h.product = t->scratch + job->product;
    h.blocks = (struct token_block *)(void *)(t->scratch + job->blocks);
    float *decay = t->scratch + job->decay, *gain = t->scratch + job->gain;
    for (int64_t i = 0; h.decay && i < t->tokens + BLOCK; i += LANES) /* rest: e^0 */
        lanes_store(decay + i, decay_of(lanes_load(decay + i)));
    for (int64_t i = 0; h.gain && job->op->gain_domain == SEGUE_GATED_RECURRENCE_LOG && i < t->tokens;
         i += LANES)
        lanes_store(gain + i, lanes_exp(lanes_load(gain + i)));
    return h;
}

/* ---- the tile ------------------------------------------------------------------------------------------- */

struct ahead { /* lines that the blocks of one part fetch for the part that is computed next */
    int64_t lines;
    intptr_t soon[SOON], further[SOON];
};

/* A block's rows of some columns of a head. */
static void fetch_rows(const struct segue_tile *t, struct ahead *a, const segue_tensor *x, int64_t head,
                       int64_t column, int64_t columns)
{
    if (!present(x)) return;
    const struct segue_strip s = head_strip(t, x, head, column, columns);
    const int64_t bytes = columns * (int64_t)s.element_bytes, step = s.row_stride * (int64_t)s.element_bytes;
    for (int64_t k = 0; s.column_stride == 1 && k < BLOCK; k++) {
        for (int64_t at = 0; at < bytes && a->lines < SOON; at += 64, a->lines++) {
            a->soon[a->lines] = (intptr_t)(s.data + k * step + at);
            a->further[a->lines] = BLOCK * step;
        }
    }
}

/* The next part is block then of the panel; -1: the first one, in the next tile. */
static void fetch_ahead(const struct segue_tile *t, struct ahead *a, const struct heads *now, int64_t then)
{
    const segue_gated_recurrence *op = job_of(t)->op;
    struct segue_tile tile = *t;
    a->lines = 0;
    if (then < 0) tile.first += t->tokens;
    if (tile.first + t->tokens > t->sequence.length) return;
    const struct place p = place_at(&tile, then < 0 ? 0 : then);
    const struct heads heads = heads_of(&tile, p.head, 0);
    fetch_rows(&tile, a, &op->v, heads.state, p.column, p.columns);
    fetch_rows(&tile, a, &op->z, heads.y, p.column, p.columns);
    fetch_rows(&tile, a, &op->gk, heads.state, 0, job_of(t)->keys);
    if (then >= 0 && now->q == heads.q && now->k == heads.k && !present(&op->gk)) return; /* they are there */
    fetch_rows(&tile, a, &op->q, heads.q, 0, job_of(t)->keys);
    fetch_rows(&tile, a, &op->k, heads.k, 0, job_of(t)->keys);
}

/* Whether whole blocks of tokens and lanes of columns can be reached where they are; bf16 if its conversion
 * is fast. */
static int in_place(const struct segue_strip *s, int64_t bf16_fast)
{
    return (s->dtype == SEGUE_F32 || (s->dtype == SEGUE_BF16 && (LANES < 16 || bf16_fast))) &&
           s->column_stride == 1 && s->columns % LANES == 0 && s->rows % BLOCK == 0;
}

static void take_values(const struct segue_tile *t, const struct segue_strip *s, struct unit *u)
{
    const int64_t pitch = WIDEST * LANES;
    float *to = t->scratch + job_of(t)->v;
    if (in_place(s, 1)) {
        u->x = s->data, u->x_dtype = s->dtype;
        u->x_step = s->row_stride * (int64_t)s->element_bytes;
        return;
    }
    PACK(to, pitch, LANES, s);
    for (int64_t i = t->tokens; i % BLOCK; i++) memset(to + i * pitch, 0, (size_t)pitch * sizeof *to);
    u->x = (const char *)to, u->x_dtype = SEGUE_F32;
    u->x_step = pitch * (int64_t)sizeof *to;
}

INLINE void give_rows(const struct segue_strip *ys, const float *y, const uint32_t dtype, int32_t stream)
{
    const int64_t size = element_size(dtype);
    for (int64_t i = 0; i < ys->rows; i++) {
        char *to = ys->data + i * ys->row_stride * size;
        for (int64_t k = 0; k < ys->columns; k += LANES) {
            const lanes v = lanes_load(y + i * WIDEST * LANES + k);
            if (ys->columns - k >= LANES) element_store(to + k * size, v, dtype, stream);
            else element_store_some(to + k * size, v, dtype, ys->columns - k);
        }
    }
}

/* y in scratch *= silu(z), then to where it belongs. */
static void give_values(const struct segue_tile *t, const struct segue_strip *ys, const struct segue_strip *zs)
{
    float *y = t->scratch + job_of(t)->y, *z = t->scratch + job_of(t)->z;
    if (zs->data) {
        PACK(z, WIDEST * LANES, LANES, zs);
        for (int64_t i = 0; i < t->tokens; i++)
            for (int64_t k = i * WIDEST * LANES; k < i * WIDEST * LANES + zs->columns; k += LANES)
                lanes_store(y + k, lanes_load(y + k) * lanes_silu(lanes_load(z + k)));
    }
    if (LANES == 16 && ys->dtype == SEGUE_BF16 && ys->column_stride == 1 && job_of(t)->bf16_fast)
        give_rows(ys, y, BF16_FAST,
                  ys->stream && !(((uintptr_t)ys->data | (uintptr_t)(ys->row_stride * 2)) % 32));
    else UNPACK(ys, y, WIDEST * LANES, LANES);
}

static void run_unit(const struct segue_tile *t, const struct head *h, const struct heads *heads,
                     const struct place *p, int64_t unit, struct ahead *ahead)
{
    const struct recurrence_job *job = job_of(t);
    const segue_gated_recurrence *op = job->op;
    const int64_t first = unit_vector(p, unit), vectors = unit_vector(p, unit + 1) - first;
    const int64_t left = p->columns - first * LANES, column = p->column + first * LANES,
                  columns = left < vectors * LANES ? left : vectors * LANES;
    const int64_t lines = ahead->lines * unit / units_of(p);
    struct unit u = { .keys = job->keys, .blocks = blocks_in(t->tokens) };
    u.S = state_of(t, p) + job->keys * first * LANES;
    u.R = (const float *)(const void *)h->q.p, u.U = (const float *)(const void *)h->k.p,
    u.product = h->product;
    u.R_step = h->q.step / (int64_t)sizeof(float), u.U_step = h->k.step / (int64_t)sizeof(float);
    u.product_step = job->pitch;
    u.factors = h->blocks;
    u.lines = ahead->lines * (unit + 1) / units_of(p) - lines;
    u.soon = ahead->soon + lines, u.further = ahead->further + lines;
    if (present(&op->v)) {
        const struct segue_strip vs = head_strip(t, &op->v, heads->state, column, columns);
        take_values(t, &vs, &u);
    }
    u.reads = present(&op->y);
    u.writes = h->writes;
    if (!u.reads) {
        if (u.writes) sweeps[vectors](&u);
        return;
    }
    if (op->norm) u.inverse = t->scratch + job->inverse;
    if (present(&op->D)) u.D = t->scratch + job->D + (p->index * job->part_vectors + first) * LANES;
    struct segue_strip ys = head_strip(t, &op->y, heads->y, column, columns), zs = { .data = NULL };
    if (present(&op->z)) zs = head_strip(t, &op->z, heads->y, column, columns);
    const int direct = in_place(&ys, job->bf16_fast) && !zs.data;
    u.y = direct ? ys.data : (char *)(t->scratch + job->y);
    u.y_dtype = direct ? ys.dtype : SEGUE_F32;
    u.y_step = direct ? ys.row_stride * (int64_t)ys.element_bytes : WIDEST * LANES * (int64_t)sizeof(float);
    ys.stream = job->tile.stream;
    u.stream = direct && ys.stream &&
               ((uintptr_t)u.y | (uintptr_t)u.y_step) % (uintptr_t)(LANES * (int64_t)ys.element_bytes) == 0;
    sweeps[vectors](&u);
    if (!direct) give_values(t, &ys, &zs);
}

/* The tile of one part; held: the heads of q and k whose rows are there already, without decays by key. */
static void run_place(const struct segue_tile *t, const struct place *p, struct heads *held, int64_t then)
{
    const struct recurrence_job *job = job_of(t);
    float *n = t->scratch + job->n + p->index * job->pitch;
    struct ahead ahead;
    for (int64_t reader = 0; reader < job->readers; reader++) {
        const struct heads heads = heads_of(t, p->head, reader);
        const int fresh = held->q != heads.q || held->k != heads.k || present(&job->op->gk);
        struct head h = head_of(t, &heads, fresh);
        h.writes = reader == job->readers - 1 && (h.k.p || h.decay || h.gk.p);
        h.frame = frame_of(t, p->index);
        if (!h.gk.p) {
            h.q = rows_of(t, &h.q, h.R, fresh);
            h.k = rows_of(t, &h.k, h.U, fresh);
            weigh_plain(&h);
        }
        fetch_ahead(t, &ahead, &heads, then);
        *held = heads;
        if (job->op->norm) normalise(&h, n, t->scratch + job->inverse);
        if (h.gk.p) {
            prepare_decayed(&h);
            h.q = scratch_rows(t, h.R);
            h.k = scratch_rows(t, h.U);
        }
        for (int64_t i = 0; i < units_of(p); i++) run_unit(t, &h, &heads, p, i, &ahead);
    }
}

/* ---- one token ------------------------------------------------------------------------------------------ */

/* q, k and decays of one token as rows of whole lanes, with what multiplies them. */
static void step_rows(const struct head *h, float *q, float *k, float *w)
{
    const int64_t keys = h->job->keys;
    for (int64_t z = 0; z < keys; z += LANES) {
        lanes decay = lanes_splat(h->decay ? h->decay[0] : 1.0f);
        lanes_store(q + z, key_load(&h->q, 0, z, keys - z, h->q.dtype) * (float)h->job->op->scale);
        lanes_store(k + z, key_load(&h->k, 0, z, keys - z, h->k.dtype) * (h->gain ? h->gain[0] : 1.0f));
        if (h->gk.p) decay *= decay_of(key_load(&h->gk, 0, z, keys - z, h->gk.dtype));
        lanes_store(w + z, decay);
    }
}

static void step_place(const struct segue_tile *t, const struct place *p)
{
    const struct recurrence_job *job = job_of(t);
    const segue_gated_recurrence *op = job->op;
    const struct heads heads = heads_of(t, p->head, 0);
    struct head h = head_of(t, &heads, 1);
    struct step s = { .keys = job->keys, .columns = p->columns };
    float *q = t->scratch + job->R, *k = t->scratch + job->U, *w = t->scratch + job->product,
          *x = state_of(t, p), *y = x + job->part_vectors * LANES, *z = y + job->part_vectors * LANES;
    h.writes = 1;
    if (op->norm) normalise(&h, t->scratch + job->n + p->index * job->pitch, t->scratch + job->inverse);
    step_rows(&h, q, k, w);
    struct segue_strip vs = head_strip(t, &op->v, heads.state, p->column, p->columns);
    PACK(x, 0, LANES, &vs);
    s.q = q, s.k = k, s.w = w, s.x = x, s.y = y;
    if (present(&op->S_in) && t->sequence.read >= 0) {
        const struct segue_strip in = matrix_strip(&op->S_in, t->sequence.read, p->head, p->column, p->columns);
        s.in = in.data, s.dtype = in.dtype;
        s.in_row = (job->step == STEP_VALUES ? in.row_stride : in.column_stride) * (int64_t)in.element_bytes;
    }
    if (present(&op->S_out) && t->sequence.write >= 0) {
        const struct segue_strip out =
            matrix_strip(&op->S_out, t->sequence.write, p->head, p->column, p->columns);
        s.out = out.data, s.dtype = out.dtype;
        s.out_row =
            (job->step == STEP_VALUES ? out.row_stride : out.column_stride) * (int64_t)out.element_bytes;
    }
    (job->step == STEP_VALUES ? step_values : step_keys)(&s);
    struct segue_strip zs, ys = head_strip(t, &op->y, heads.y, p->column, p->columns);
    if (present(&op->z)) {
        zs = head_strip(t, &op->z, heads.y, p->column, p->columns);
        PACK(z, 0, LANES, &zs);
    }
    for (int64_t c = 0; c < p->columns; c += LANES) {
        lanes v = lanes_load(y + c);
        if (op->norm) v *= t->scratch[job->inverse];
        if (present(&op->D))
            v = lanes_fma(lanes_load(t->scratch + job->D + p->index * job->part_vectors * LANES + c),
                          lanes_load(x + c), v);
        if (present(&op->z)) v *= lanes_silu(lanes_load(z + c));
        lanes_store(y + c, v);
    }
    UNPACK(&ys, y, 0, LANES);
}

static int steps(const struct segue_tile *t)
{
    return job_of(t)->step && t->sequence.length == 1;
}

/* ---- the loop's four ------------------------------------------------------------------------------------ */

static void tokens(const struct segue_tile *t)
{
    const struct recurrence_job *job = job_of(t);
    struct heads held = { -1, -1, -1, -1 };
    /* Heads that share q and k follow each other with MOD, too. */
    const segue_gated_recurrence *op = job->op;
    int64_t stride = 1;
    if (op->head_map == SEGUE_GATED_RECURRENCE_MOD && present(&op->k)) stride = op->k.shape[2] * job->parts;
    if (stride > t->blocks) stride = t->blocks;
    for (int64_t first = 0; first < stride; first++) {
        for (int64_t i = first; i < t->blocks; i += stride) {
            const struct place p = place_at(t, i);
            const int64_t then = i + stride < t->blocks ? i + stride : first + 1 < stride ? first + 1 : -1;
            if (steps(t)) step_place(t, &p);
            else run_place(t, &p, &held, then);
        }
    }
}

static void weights(const struct segue_tile *t)
{
    const struct recurrence_job *job = job_of(t);
    const segue_tensor *D = &job->op->D;
    for (int64_t i = 0; present(D) && i < t->blocks; i++) {
        const struct place p = place_at(t, i);
        struct segue_strip s = strip_of(D, -1, 1);
        strip_move(&s, p.head * D->stride[0]);
        strip_cut_columns(&s, p.column, p.columns);
        PACK(t->scratch + job->D + i * job->part_vectors * LANES, 0, LANES, &s);
    }
}

static void begin(const struct segue_tile *t)
{
    const struct recurrence_job *job = job_of(t);
    const segue_gated_recurrence *op = job->op;
    for (int64_t i = 0; i < t->blocks; i++) {
        const struct place p = place_at(t, i);
        float *n = t->scratch + job->n + i * job->pitch;
        float *frame = frame_of(t, i);
        for (int64_t k = 0; k < job->pitch; k++) frame[k] = 1;
        if (op->norm && present(&op->n_in) && t->sequence.read >= 0) {
            struct segue_strip s = vector_strip(&op->n_in, t->sequence.read, p.head);
            PACK(n, 0, LANES, &s);
        } else if (op->norm) {
            memset(n, 0, (size_t)job->pitch * sizeof *n);
        }
        for (int64_t unit = 0; !steps(t) && unit < units_of(&p); unit++) {
            const int64_t first = unit_vector(&p, unit), vectors = unit_vector(&p, unit + 1) - first,
                          left = p.columns - first * LANES;
            float *S = state_of(t, &p) + job->keys * first * LANES;
            if (!present(&op->S_in) || t->sequence.read < 0) {
                memset(S, 0, (size_t)(job->keys * vectors * LANES) * sizeof *S);
                continue;
            }
            struct segue_strip s = matrix_strip(&op->S_in, t->sequence.read, p.head, p.column + first * LANES,
                                                left < vectors * LANES ? left : vectors * LANES);
            PACK(S, vectors * LANES, LANES, &s);
        }
    }
}

static void end(const struct segue_tile *t)
{
    const struct recurrence_job *job = job_of(t);
    const segue_gated_recurrence *op = job->op;
    const int by_key = present(&op->gk);
    for (int64_t i = 0; t->sequence.write >= 0 && i < t->blocks; i++) {
        const struct place p = place_at(t, i);
        const float *frame = frame_of(t, i);
        if (present(&op->n_out)) {
            struct segue_strip s = vector_strip(&op->n_out, t->sequence.write, p.head);
            UNPACK(&s, t->scratch + job->n + i * job->pitch, 0, LANES);
        }
        for (int64_t unit = 0; present(&op->S_out) && !steps(t) && unit < units_of(&p); unit++) {
            const int64_t first = unit_vector(&p, unit), vectors = unit_vector(&p, unit + 1) - first,
                          left = p.columns - first * LANES;
            float *S = state_of(t, &p) + job->keys * first * LANES;
            for (int64_t k = 0; k < job->keys * vectors; k++)
                lanes_store(S + k * LANES, lanes_load(S + k * LANES) * frame[by_key ? k / vectors : 0]);
            struct segue_strip s = matrix_strip(&op->S_out, t->sequence.write, p.head, p.column + first * LANES,
                                                left < vectors * LANES ? left : vectors * LANES);
            UNPACK(&s, S, vectors * LANES, LANES);
        }
    }
}

static void padding(const struct segue_tile *t)
{
    const segue_gated_recurrence *op = job_of(t)->op;
    for (int64_t i = 0; present(&op->y) && i < t->blocks; i++) {
        const struct place p = place_at(t, i);
        for (int64_t reader = 0; reader < job_of(t)->readers; reader++) {
            struct segue_strip s = head_strip(t, &op->y, heads_of(t, p.head, reader).y, p.column, p.columns);
            segue_strip_zero(&s);
        }
    }
}

const struct recurrence_kernel SEGUE_ISA_NAME(segue_recurrence) = {
    .tile = { 1, weights, begin, tokens, end },
    .padding = padding,
    .lanes = LANES,
    .block = BLOCK,
    .widest = WIDEST,
    .block_floats = sizeof(struct token_block) / sizeof(float),
};
