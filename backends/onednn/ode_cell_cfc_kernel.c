/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. Outputs of a layer lie in lanes, CELL_WIDE vectors of them times ROWS places are summed up in
 * registers, inputs upwards; a panel of weights serves all places before the next. The heads of a block of neurons are one panel,
 * so that a state is made as soon as its sums are there. */
#include "engine/unroll.h"
#include "ode_cell_places.h"

/* ROWS: 32 registers hold six rows of sums, four vectors of weights and a factor. Places are cut into groups of nearly that size. */
enum { PLACES = 32, ROWS = LANES == 16 ? 6 : 2 };

/* ---- products -------------------------------------------------------------------------------------------- */

struct product { /* out[row][vector] = bias + sum over k of a[row][k] panel[1 + k][vector] */
    const float *a, *panel;
    float *out; /* [ROWS][CELL_WIDE] vectors, or fewer, without gaps */
    int64_t pitch, steps;
};

INLINE void multiply(const struct product *p, const int rows, const int nv)
{
    const float *panel = p->panel, *const a = p->a;
    float *const out = p->out;
    const int64_t pitch = p->pitch, steps = p->steps;
    lanes sum[ROWS][CELL_WIDE];
    UNROLL
    for (int u = 0; u < rows; u++) {
        UNROLL
        for (int c = 0; c < nv; c++) sum[u][c] = lanes_load(panel + c * LANES);
    }
    for (int64_t k = 0; k < steps; k++) {
        lanes b[CELL_WIDE];
        panel += nv * LANES;
        UNROLL
        for (int c = 0; c < nv; c++) b[c] = lanes_load(panel + c * LANES);
        UNROLL
        for (int u = 0; u < rows; u++) {
            const lanes each = lanes_splat(a[u * pitch + k]);
            UNROLL
            for (int c = 0; c < nv; c++) sum[u][c] = lanes_fma(each, b[c], sum[u][c]);
        }
    }
    UNROLL
    for (int u = 0; u < rows; u++) {
        UNROLL
        for (int c = 0; c < nv; c++) lanes_store(out + (u * nv + c) * LANES, sum[u][c]);
    }
}

#define PRODUCT(rows, nv)                                   \
    static void rows_##rows##_##nv(const struct product *p) \
    {                                                       \
        multiply(p, rows, nv);                              \
    }
#define PRODUCTS(rows) PRODUCT(rows, 1) PRODUCT(rows, 2) PRODUCT(rows, 3) PRODUCT(rows, 4)
#define NAMES(rows)                                                        \
    {                                                                      \
        rows_##rows##_1, rows_##rows##_2, rows_##rows##_3, rows_##rows##_4 \
    }
PRODUCTS(1)
PRODUCTS(2)
#if SEGUE_LANES == 16
PRODUCTS(3)
PRODUCTS(4)
PRODUCTS(5)
PRODUCTS(6)
#endif

static void (*const products[ROWS][CELL_WIDE])(const struct product *p) = {
    NAMES(1), NAMES(2),
#if SEGUE_LANES == 16
    NAMES(3), NAMES(4), NAMES(5), NAMES(6),
#endif
};

/* ---- functions of sums, `count` vectors ------------------------------------------------------------------ */

INLINE lanes lecun_tanh(lanes x)
{
    return 1.7159f * lanes_tanh(0.666f * x);
}

static void act_lecun_tanh(float *v, int64_t count)
{
    for (int64_t i = 0; i < count; i++) lanes_store(v + i * LANES, lecun_tanh(lanes_load(v + i * LANES)));
}
static void act_tanh(float *v, int64_t count)
{
    for (int64_t i = 0; i < count; i++) lanes_store(v + i * LANES, lanes_tanh(lanes_load(v + i * LANES)));
}
static void act_relu(float *v, int64_t count)
{
    const lanes zero = { 0 };
    for (int64_t i = 0; i < count; i++) {
        const lanes x = lanes_load(v + i * LANES);
        lanes_store(v + i * LANES, lanes_if_less(x, zero, zero, x)); /* NaN: as it is */
    }
}
static void act_gelu(float *v, int64_t count)
{
    for (int64_t i = 0; i < count; i++) lanes_store(v + i * LANES, lanes_gelu(lanes_load(v + i * LANES)));
}
static void act_silu(float *v, int64_t count)
{
    for (int64_t i = 0; i < count; i++) lanes_store(v + i * LANES, lanes_silu(lanes_load(v + i * LANES)));
}

static void (*const activations[])(float *v, int64_t count) = {
    [SEGUE_ODE_CELL_BACKBONE_LECUN_TANH] = act_lecun_tanh,
    [SEGUE_ODE_CELL_BACKBONE_TANH] = act_tanh,
    [SEGUE_ODE_CELL_BACKBONE_RELU] = act_relu,
    [SEGUE_ODE_CELL_BACKBONE_GELU] = act_gelu,
    [SEGUE_ODE_CELL_BACKBONE_SILU] = act_silu,
};

/* ---- steps ----------------------------------------------------------------------------------------------- */

struct block { /* a panel's sums for some places */
    const struct worker *w;
    const struct cell_place *p;
    float *sums;
    int64_t row, rows, panel, nv; /* the first place */
    float *to;                    /* a layer's: [place][z_pitch] */
};

static void finish_layer(const struct block *b)
{
    const int64_t pitch = b->w->job->z_pitch, width = b->nv * LANES;
    activations[b->w->job->op->activation](b->sums, b->rows * b->nv);
    for (int64_t r = 0; r < b->rows; r++)
        copy_lanes(b->to + (b->row + r) * pitch + b->panel * CELL_WIDE * LANES, b->sums + r * width, width);
}

INLINE void finish_gated_as(const struct block *b, const int64_t act)
{
    const struct worker *w = b->w;
    const int no_gate = w->job->op->cell == SEGUE_ODE_CELL_CFC_NO_GATE;
    const lanes one = lanes_splat(1.0f);
    for (int64_t r = 0; r < b->rows; r++) {
        const float *const sums = b->sums + r * CELL_WIDE * LANES;
        const struct cell_place *const p = w->place + b->row + r;
        lanes f1 = lanes_load(sums), f2 = lanes_load(sums + LANES);
        const lanes t_a = lanes_load(sums + 2 * LANES), t_b = lanes_load(sums + 3 * LANES);
        const lanes s = lanes_sigmoid(lanes_fma(t_a, lanes_splat(elapsed_of(w, p)), t_b));
        if (act == SEGUE_ODE_CELL_HEAD_TANH) f1 = lanes_tanh(f1), f2 = lanes_tanh(f2);
        if (act == SEGUE_ODE_CELL_HEAD_LECUN_TANH) f1 = lecun_tanh(f1), f2 = lecun_tanh(f2);
        const lanes kept = no_gate ? f1 : f1 * (one - s);
        lanes_store(state_of(w, p) + w->job->n_pitch + b->panel * LANES, lanes_fma(f2, s, kept));
    }
}
static void finish_tanh(const struct block *b)
{
    finish_gated_as(b, SEGUE_ODE_CELL_HEAD_TANH);
}
static void finish_identity(const struct block *b)
{
    finish_gated_as(b, SEGUE_ODE_CELL_HEAD_IDENTITY);
}
static void finish_lecun_tanh(const struct block *b)
{
    finish_gated_as(b, SEGUE_ODE_CELL_HEAD_LECUN_TANH);
}

static void finish_pure(const struct block *b)
{
    const struct worker *w = b->w;
    const struct cell_job *job = w->job;
    const int64_t first = b->panel * CELL_WIDE * LANES;
    for (int64_t r = 0; r < b->rows; r++) {
        const struct cell_place *const p = w->place + b->row + r;
        const lanes D = lanes_splat(-elapsed_of(w, p));
        for (int64_t c = 0; c < b->nv; c++) {
            const int64_t i = first + c * LANES;
            const lanes f1 = lanes_load(b->sums + (r * b->nv + c) * LANES);
            const lanes A = lanes_load(job->packed + job->pure_A + i);
            const lanes rate = lanes_abs(lanes_load(job->packed + job->w_tau + i)) + lanes_abs(f1);
            lanes_store(state_of(w, p) + job->n_pitch + i, lanes_fma(-(A * lanes_exp(D * rate)), f1, A));
        }
    }
}

static void (*const heads[])(const struct block *b) = {
    [0] = finish_pure, /* CFC_PURE has no head_act */
    [SEGUE_ODE_CELL_HEAD_TANH] = finish_tanh,
    [SEGUE_ODE_CELL_HEAD_IDENTITY] = finish_identity,
    [SEGUE_ODE_CELL_HEAD_LECUN_TANH] = finish_lecun_tanh,
};

/* A layer of all places, from rows z. */
static void run_layer(const struct worker *w, const struct cell_layer *layer, const float *packed,
                      const float *z, float *to, void (*finish)(const struct block *b))
{
    const struct cell_job *job = w->job;
    _Alignas(64) float sums[ROWS * CELL_WIDE * LANES];
    struct block b = { .w = w, .sums = sums, .to = to };
    for (; b.panel < layer->panels; b.panel++, packed += (1 + layer->inputs) * CELL_WIDE * LANES) {
        const int64_t left = layer->vectors - b.panel * CELL_WIDE;
        b.nv = left < CELL_WIDE ? left : CELL_WIDE;
        for (b.row = 0; b.row < w->count; b.row += b.rows) {
            const int64_t rest = w->count - b.row, groups = (rest + ROWS - 1) / ROWS;
            b.rows = (rest + groups - 1) / groups;
            const struct product p = { z + b.row * job->z_pitch, packed, sums, job->z_pitch, layer->inputs };
            products[b.rows - 1][b.nv - 1](&p);
            finish(&b);
        }
    }
}

static void step(const struct worker *w)
{
    const struct cell_job *job = w->job;
    float *z = w->scratch + job->z[0], *to = w->scratch + job->z[1];
    for (int64_t i = 0; i < w->count; i++) {
        float *const row = z + i * job->z_pitch;
        copy_lanes(row, x_of(w, w->place + i), job->d);
        copy_lanes(row + job->d, state_of(w, w->place + i), job->n);
    }
    const int64_t layers = (job->layer.vectors != 0) + job->deep_layers;
    for (int64_t l = 0; l < layers; l++) {
        const struct cell_layer *layer = l ? &job->deep : &job->layer;
        const uint64_t at = l ? job->deep.at + (uint64_t)(l - 1) * job->deep.size : job->layer.at;
        run_layer(w, layer, job->packed + at, z, to, finish_layer);
        float *const now = to;
        to = z, z = now;
    }
    const int64_t act = job->op->cell == SEGUE_ODE_CELL_CFC_PURE ? 0 : job->op->head_act;
    run_layer(w, &job->head, job->packed + job->head.at, z, NULL, heads[act]);
}

static void prepare(const struct worker *w, const struct cell_place *p)
{
    (void)w, (void)p; /* x as it is */
}

static void sequences(const struct cell_job *job, int64_t first, int64_t last, float *scratch)
{
    walk_sequences(job, first, last, scratch, prepare, step);
}

/* ---- packing --------------------------------------------------------------------------------------------- */

/* Outputs from `first` on, as many as there are up to `vectors`, into rows of `pitch`: [inputs] from w's axes (outputs, inputs), which
 * come last; before them the bias, 0 if it is absent. Both counted from row `number` of an axis before. */
static void pack_outputs_of(const segue_tensor *w, const segue_tensor *bias, int64_t number, int64_t first,
                            int64_t vectors, float *to, int64_t pitch)
{
    const int out = w->rank - 2;
    const int64_t left = w->shape[out] - first, columns = left < vectors * LANES ? left : vectors * LANES;
    struct segue_strip s = strip_of(w, out + 1, out);
    if (out) strip_move(&s, number * w->stride[0]);
    strip_cut_columns(&s, first, columns);
    PACK(to + pitch, pitch, LANES, &s);
    for (int64_t i = 0; i < vectors; i++) lanes_store(to + i * LANES, (lanes){ 0 });
    if (!present(bias)) return;
    s = strip_of(bias, -1, out);
    if (out) strip_move(&s, number * bias->stride[0]);
    strip_cut_columns(&s, first, columns);
    PACK(to, 0, LANES, &s);
}

/* Rows of `vectors` vectors by those of factor, which have no gaps. */
static void multiply_by(float *to, int64_t pitch, const float *factor, int64_t rows, int64_t vectors)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t c = 0; c < vectors; c++, factor += LANES)
            lanes_store(to + i * pitch + c * LANES,
                        lanes_load(factor) * lanes_load(to + i * pitch + c * LANES));
}

/* The mask of ff1_w and ff2_w, [inputs][vectors]. */
static const float *pack_mask(const struct cell_job *job, int64_t first, int64_t vectors, float *scratch)
{
    const segue_tensor *mask = &job->op->mask;
    struct segue_strip s = strip_of(mask, 1, 0);
    const int64_t left = job->n - first;
    strip_cut_columns(&s, first, left < vectors * LANES ? left : vectors * LANES);
    PACK(scratch + job->factor, vectors * LANES, LANES, &s);
    return scratch + job->factor;
}

static void pack_layer(const struct cell_job *job, const struct cell_layer *layer, const segue_tensor *w,
                       const segue_tensor *bias, int64_t number, int64_t panel, float *scratch)
{
    const int64_t left = layer->vectors - panel * CELL_WIDE, nv = left < CELL_WIDE ? left : CELL_WIDE,
                  first = panel * CELL_WIDE * LANES;
    float *const to = job->packed + layer->at + (uint64_t)number * layer->size +
                      panel * CELL_WIDE * LANES * (1 + layer->inputs);
    pack_outputs_of(w, bias, number, first, nv, to, nv * LANES);
    if (w == &job->op->ff1_w && present(&job->op->mask))
        multiply_by(to + nv * LANES, nv * LANES, pack_mask(job, first, nv, scratch), layer->inputs, nv);
}

/* The four heads of a block side by side; the sign of t_a goes into its weights. */
static void pack_heads(const struct cell_job *job, int64_t block, float *scratch)
{
    const segue_ode_cell *op = job->op;
    const segue_tensor *const w[] = { &op->ff1_w, &op->ff2_w, &op->time_a_w, &op->time_b_w };
    const segue_tensor *const bias[] = { &op->ff1_b, &op->ff2_b, &op->time_a_b, &op->time_b_b };
    const int64_t pitch = CELL_WIDE * LANES, inputs = job->head.inputs;
    float *const to = job->packed + job->head.at + block * pitch * (1 + inputs);
    for (int i = 0; i < CELL_WIDE; i++)
        pack_outputs_of(w[i], bias[i], 0, block * LANES, 1, to + i * LANES, pitch);
    if (present(&op->mask)) {
        const float *const mask = pack_mask(job, block * LANES, 1, scratch);
        multiply_by(to + pitch, pitch, mask, inputs, 1);
        multiply_by(to + pitch + LANES, pitch, mask, inputs, 1);
    }
    for (int64_t i = 0; op->time_sign < 0 && i <= inputs; i++) {
        float *const at = to + i * pitch + 2 * LANES;
        lanes_store(at, -lanes_load(at));
    }
}

static void pack(const struct cell_job *job, int64_t item, float *scratch)
{
    const segue_ode_cell *op = job->op;
    if (!item--) {
        pack_vector(job->packed + job->w_tau, &op->w_tau, job->n, 0);
        pack_vector(job->packed + job->pure_A, &op->pure_A, job->n, 0);
        pack_outputs(job);
        return;
    }
    if (item < job->layer.panels) {
        pack_layer(job, &job->layer, &op->backbone_w, &op->backbone_b, 0, item, scratch);
        return;
    }
    item -= job->layer.panels;
    if (item < job->deep_layers * job->deep.panels) {
        pack_layer(job, &job->deep, &op->deep_w, &op->deep_b, item / job->deep.panels, item % job->deep.panels,
                   scratch);
        return;
    }
    item -= job->deep_layers * job->deep.panels;
    if (op->cell != SEGUE_ODE_CELL_CFC_PURE) pack_heads(job, item, scratch);
    else pack_layer(job, &job->head, &op->ff1_w, &op->ff1_b, 0, item, scratch);
}

const struct cell_kernel
    SEGUE_ISA_NAME(segue_cfc) = { .lanes = LANES, .places = PLACES, .pack = pack, .sequences = sequences };
