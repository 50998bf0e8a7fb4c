/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix-state recurrence on checked fibres against a plain double loop, for what its kernel does at run
 * time: heads, presence, domains, normalisers, strides, packed sequences, pools, states in place, cut time. */
#include "fibre.h"
#include "../gpu_testing.h"

#include <math.h>
#include <string.h>

extern const segue_row gated_recurrence_shared;

/* ---- operands ------------------------------------------------------------------------------------------ */

enum { MOST = 1 << 16, OPERANDS = 15 };
enum { Q, K, V, G, GK, GAIN, D, Z, CU, SLOT, S_IN, N_IN, S_OUT, N_OUT, Y };
#define BIT(name) (1u << name)

struct trial {
    const char *name;
    unsigned with; /* operands */
    int sequences, tokens, heads, q_heads, k_heads, y_heads, keys, columns;
    int64_t norm, gain_domain, head_map;
    double eps;
    int in_place, turned, mixed, first; /* first: tokens of a first call of two, 0 = one call */
};

struct field { /* values as drawn, and as the kernel sees them */
    double value[MOST];
    float memory[MOST];
    segue_tensor t;
};
static struct field field[OPERANDS];

static int64_t count_of(const segue_tensor *t)
{
    int64_t n = 1;
    for (int axis = 0; axis < t->rank; axis++) n *= t->shape[axis];
    return n;
}

/* Where element i, counted in the packed order, lies. */
static int64_t place_of(const segue_tensor *t, int64_t i)
{
    int64_t at = 0;
    for (int axis = t->rank - 1; axis >= 0; i /= t->shape[axis], axis--)
        at += i % t->shape[axis] * t->stride[axis];
    return at;
}

/* Sixteenths from low to high: exact in bf16. */
static void draw(int id, int rank, const int64_t *shape, double low, double high, int bf16)
{
    struct field *f = &field[id];
    uint32_t seed = 77u * (uint32_t)id + 5;
    f->t = segue_tensor_of(f->memory, bf16 ? SEGUE_BF16 : SEGUE_F32, rank, shape);
    assert_true(count_of(&f->t) <= MOST);
    for (int64_t i = 0; i < count_of(&f->t); i++) {
        seed = seed * 1664525u + 1013904223u;
        f->value[i] = low + (double)(seed >> 8) * 0x1p-24 * (high - low);
        f->value[i] = floor(f->value[i] * 16) / 16;
    }
}
#define DRAW(id, low, high, bf16, ...) \
    draw(id, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (int64_t[]){ __VA_ARGS__ }, low, high, bf16)

static void hand_over(struct field *f)
{
    for (int64_t i = 0; i < count_of(&f->t); i++) {
        const float x = (float)f->value[i];
        uint32_t bits;
        memcpy(&bits, &x, sizeof bits);
        if (f->t.dtype.bits == 16) ((uint16_t *)f->memory)[place_of(&f->t, i)] = (uint16_t)(bits >> 16);
        else f->memory[place_of(&f->t, i)] = x;
    }
}

static double given(const struct field *f, int64_t i)
{
    const int64_t at = place_of(&f->t, i);
    if (f->t.dtype.bits != 16) return f->memory[at];
    const uint32_t bits = (uint32_t)((const uint16_t *)f->memory)[at] << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int64_t at4(int id, int64_t a, int64_t b, int64_t c, int64_t d)
{
    const int64_t *n = field[id].t.shape;
    return ((a * n[1] + b) * n[2] + c) * n[3] + d;
}

static void draw_all(const struct trial *r)
{
    const int packed = (r->with & BIT(CU)) != 0, b = packed ? 1 : r->sequences,
              pool = r->with & BIT(SLOT) ? 5 : r->sequences;
    const double least = r->norm ? 0.0625 : -1; /* sums of positive features do not cancel */
    DRAW(Q, least, 1, r->mixed, b, r->tokens, r->q_heads, r->keys);
    DRAW(K, least, 1, r->mixed, b, r->tokens, r->k_heads, r->keys);
    DRAW(V, -1, 1, 0, b, r->tokens, r->heads, r->columns);
    DRAW(G, -1, 0.0625, r->mixed, b, r->tokens, r->heads);
    DRAW(GK, -1, 0.0625, 0, b, r->tokens, r->heads, r->keys);
    DRAW(GAIN, r->gain_domain == SEGUE_GATED_RECURRENCE_LOG ? -2 : 0, 2, 0, b, r->tokens, r->heads);
    DRAW(D, -1, 1, 0, r->heads, r->columns);
    DRAW(Z, -2, 2, 0, b, r->tokens, r->y_heads, r->columns);
    DRAW(S_IN, -1, 1, 0, pool, r->heads, r->keys, r->columns);
    DRAW(N_IN, 0.0625, 1, 0, pool, r->heads, r->keys);
    DRAW(S_OUT, 9, 9, 0, pool, r->heads, r->keys, r->columns);
    DRAW(N_OUT, 9, 9, 0, pool, r->heads, r->keys);
    DRAW(Y, 9, 9, r->mixed, b, r->tokens, r->y_heads, r->columns);
    if (r->gain_domain == SEGUE_GATED_RECURRENCE_LOG)
        for (int i = 0; i < r->sequences * r->tokens * r->heads / b; i += 3) field[GAIN].value[i] = -INFINITY;
    for (int64_t i = 0, n = count_of(&field[GK].t); i < n; i += 17) field[GK].value[i] = -INFINITY;
    if (r->turned)
        for (int id = S_IN; id <= S_OUT; id += S_OUT - S_IN) {
            field[id].t.stride[2] = 1;
            field[id].t.stride[3] = r->keys;
        }
    static int32_t offsets[] = { 0, 0, 1, 20, 200 }, slots[] = { 3, 0, -1, 3, 1, -1, -1, -1 };
    const int64_t starts[] = { r->sequences + 1 }, pairs[] = { r->sequences, 2 };
    field[CU].t = segue_tensor_of(offsets, SEGUE_I32, 1, starts);
    field[SLOT].t = segue_tensor_of(slots, SEGUE_I32, 2, pairs);
}

/* ---- the definition ------------------------------------------------------------------------------------- */

static int64_t head_of(const struct trial *r, int64_t a, int64_t of, int64_t to)
{
    return r->head_map == SEGUE_GATED_RECURRENCE_MOD ? a % to : a / (of / to);
}

static double over(const struct trial *r, double qn, double per_feature)
{
    return r->norm == 0                         ? 1
           : r->norm == 1                       ? qn + r->eps
           : r->norm == 2                       ? fmax(qn, r->eps)
           : r->norm == 3                       ? per_feature
           : r->norm == 4 && fabs(qn) <= r->eps ? qn + 2 * r->eps
                                                : qn;
}

static const double scale = 0.75;

/* y of one token and head of y, from S [k v] and n [k]. */
static void read_state(const struct trial *r, const double *S, const double *n, int64_t b, int64_t t, int64_t a,
                       double *y)
{
    const int64_t h = head_of(r, a, r->y_heads, r->heads), i = head_of(r, a, r->y_heads, r->q_heads);
    double qn = 0, per_feature = 0;
    for (int k = 0; k < r->keys; k++) {
        qn += scale * field[Q].value[at4(Q, b, t, i, k)] * n[k];
        per_feature += scale * field[Q].value[at4(Q, b, t, i, k)] * (n[k] + r->eps);
    }
    for (int v = 0; v < r->columns; v++) {
        double sum = 0;
        for (int k = 0; k < r->keys; k++)
            sum += scale * field[Q].value[at4(Q, b, t, i, k)] * S[k * r->columns + v];
        sum /= over(r, qn, per_feature);
        if (r->with & BIT(D)) sum += field[D].value[h * r->columns + v] * field[V].value[at4(V, b, t, h, v)];
        if (r->with & BIT(Z))
            sum *= field[Z].value[at4(Z, b, t, a, v)] / (1 + exp(-field[Z].value[at4(Z, b, t, a, v)]));
        y[at4(Y, b, t, a, v)] = sum;
    }
}

static void write_state(const struct trial *r, double *S, double *n, int64_t b, int64_t t, int64_t h)
{
    const int64_t at = (b * r->tokens + t) * r->heads + h, j = head_of(r, h, r->heads, r->k_heads);
    const double log_gain = field[GAIN].value[at];
    const double gain = !(r->with & BIT(GAIN))                         ? 1
                        : r->gain_domain == SEGUE_GATED_RECURRENCE_LOG ? exp(log_gain)
                                                                       : log_gain;
    for (int k = 0; k < r->keys; k++) {
        double kept = 1, key = r->with & BIT(K) ? gain * field[K].value[at4(K, b, t, j, k)] : 0;
        if (r->with & BIT(G)) kept *= exp(field[G].value[at]);
        if (r->with & BIT(GK)) kept *= exp(field[GK].value[at4(GK, b, t, h, k)]);
        n[k] = kept * n[k] + key;
        for (int v = 0; v < r->columns; v++) {
            const double value = r->with & BIT(V) ? field[V].value[at4(V, b, t, h, v)] : 0;
            S[k * r->columns + v] = kept * S[k * r->columns + v] + key * value;
        }
    }
}

/* What the outputs must hold; what is not written keeps its value. */
static void define(const struct trial *r, double *y, double *S_out, double *n_out)
{
    static double S[MOST], n[MOST];
    const int32_t *offsets = field[CU].t.data, *slots = field[SLOT].t.data;
    for (int s = 0; s < r->sequences; s++) {
        const int packed = (r->with & BIT(CU)) != 0, pooled = (r->with & BIT(SLOT)) != 0;
        const int64_t b = packed ? 0 : s, first = packed ? offsets[s] : 0;
        const int64_t end = packed && offsets[s + 1] < r->tokens ? offsets[s + 1] : r->tokens;
        const int64_t read = pooled ? slots[2 * s] : s, write = pooled ? slots[2 * s + 1] : s;
        for (int64_t h = 0; h < r->heads; h++) {
            const int64_t from = (read * r->heads + h) * r->keys, to = (write * r->heads + h) * r->keys;
            for (int64_t i = 0; i < r->keys * r->columns; i++)
                S[i] = r->with & BIT(S_IN) && read >= 0 ? field[S_IN].value[from * r->columns + i] : 0;
            for (int64_t k = 0; k < r->keys; k++)
                n[k] = r->with & BIT(N_IN) && read >= 0 ? field[N_IN].value[from + k] : 0;
            for (int64_t t = first; t < end; t++) {
                write_state(r, S, n, b, t, h);
                for (int64_t a = 0; a < r->y_heads; a++) {
                    if (head_of(r, a, r->y_heads, r->heads) != h) continue;
                    read_state(r, S, n, b, t, a, y);
                    for (int64_t v = 0; read < 0 && write < 0 && v < r->columns; v++) y[at4(Y, b, t, a, v)] = 0;
                }
            }
            for (int64_t i = 0; write >= 0 && i < r->keys * r->columns; i++) S_out[to * r->columns + i] = S[i];
            for (int64_t k = 0; write >= 0 && k < r->keys; k++) n_out[to + k] = n[k];
        }
    }
}

/* ---- the row -------------------------------------------------------------------------------------------- */

static void configure(int seed, int group)
{
    char text[16];
    snprintf(text, sizeof text, "%d", seed);
    setenv("SEGUE_FIBRE_SEED", text, 1);
    snprintf(text, sizeof text, "%d", group);
    setenv("SEGUE_FIBRE_GROUP", text, 1);
    setenv("SEGUE_FIBRE_CHECK", "2", 1); /* what sizes behind pointers tell, smoke_fibre_256 looks for */
}

static segue_gated_recurrence op_of(const struct trial *r)
{
    static const size_t offsets[] = {
#define AT(name) offsetof(segue_gated_recurrence, name)
        AT(q),          AT(k),    AT(v),    AT(g),    AT(gk),    AT(gain),  AT(D), AT(z),
        AT(cu_seqlens), AT(slot), AT(S_in), AT(n_in), AT(S_out), AT(n_out), AT(y)
#undef AT
    };
    segue_gated_recurrence op = segue_gated_recurrence_init();
    for (int id = 0; id < OPERANDS; id++)
        if (r->with & BIT(id)) memcpy((char *)&op + offsets[id], &field[id].t, sizeof field[id].t);
    if (r->in_place && r->with & BIT(S_OUT)) op.S_out = op.S_in;
    if (r->in_place && r->with & BIT(N_OUT)) op.n_out = op.n_in;
    op.norm = r->norm, op.eps = r->eps, op.scale = scale;
    op.gain_domain = r->gain_domain, op.head_map = r->head_map;
    return op;
}

static void run_op(struct gpu *gpu, const segue_gated_recurrence *op)
{
    const segue_row *row = &gated_recurrence_shared;
    segue_diag why = { 0 };
    segue_host host = test_host;
    host.describe = segue_describe;
    const segue_kit_device device = { .handle = gpu, .host = &host };
    segue_kit_plan plan = { 0 };
    const char *refused = row->accepts(&op->header, &device);
    if (refused) fail_msg("%s", refused);
    if (row->prepare(&op->header, &device, &plan, &why)) fail_msg("%s", why.text);
    const segue_kit_call call = { .device = &device, .data = plan.data, .why = &why };
    if (row->run(&op->header, &call)) fail_msg("%s", why.text);
    plan.release(plan.data, &device);
}

/* Tokens from `from` on, `count` of them, of what has tokens. */
static segue_gated_recurrence cut(const segue_gated_recurrence *op, int64_t from, int64_t count)
{
    segue_gated_recurrence part = *op;
    segue_tensor *const in_time[] = {
        &part.q, &part.k, &part.v, &part.g, &part.gk, &part.gain, &part.z, &part.y
    };
    for (size_t i = 0; i < sizeof in_time / sizeof *in_time; i++) {
        segue_tensor *t = in_time[i];
        if (!t->dtype.bits) continue;
        t->offset += (uint64_t)(from * t->stride[1]) * t->dtype.bits / 8;
        t->shape[1] = count;
    }
    return part;
}

static void run_trial(struct gpu *gpu, const struct trial *r)
{
    const segue_gated_recurrence op = op_of(r);
    if (!r->first) {
        run_op(gpu, &op);
        return;
    }
    segue_gated_recurrence first = cut(&op, 0, r->first), rest = cut(&op, r->first, r->tokens - r->first);
    run_op(gpu, &first);
    rest.S_in = op.S_out, rest.n_in = op.n_out;
    run_op(gpu, &rest);
}

static void compare(const struct trial *r, int group, const char *what, const struct field *got,
                    const double *want)
{
    const double rough = got->t.dtype.bits == 16 ? 0x1p-8 : 0;
    double largest = 0;
    for (int64_t i = 0; i < count_of(&got->t); i++) largest = fmax(largest, fabs(want[i]));
    for (int64_t i = 0; i < count_of(&got->t); i++) {
        const double err = fabs(given(got, i) - want[i]);
        if (!(err <= 4e-6 * largest + rough * fabs(want[i])))
            fail_msg("%s, GROUP %d: %s[%d] = %g, wanted %g", r->name, group, what, (int)i, given(got, i),
                     want[i]);
    }
}

/* ---- what is tried --------------------------------------------------------------------------------------- */

#define PLAIN_IO (BIT(Q) | BIT(K) | BIT(V) | BIT(Y))
#define STATES (BIT(S_IN) | BIT(S_OUT))
#define SUMS (STATES | BIT(N_IN) | BIT(N_OUT))
enum {
    LOG = SEGUE_GATED_RECURRENCE_LOG,
    LINEAR = SEGUE_GATED_RECURRENCE_LINEAR,
    MOD = SEGUE_GATED_RECURRENCE_MOD
};

static const struct trial trials[] = {
    { "linear attention", PLAIN_IO, 2, 37, 2, 2, 2, 2, 64, 48, .norm = 0 },
    { "ssd", PLAIN_IO | BIT(G) | BIT(GAIN) | BIT(D) | BIT(Z) | STATES, 2, 21, 4, 1, 1, 4, 128, 40,
      .gain_domain = LINEAR, .turned = 1, .in_place = 1 },
    { "gla", PLAIN_IO | BIT(G) | BIT(GK) | STATES, 1, 19, 2, 2, 2, 2, 80, 33, .norm = 0 },
    { "256 keys", PLAIN_IO | BIT(GK) | STATES, 1, 9, 1, 1, 1, 1, 256, 20, .in_place = 1 },
    { "one token", PLAIN_IO | BIT(G) | BIT(D) | STATES, 3, 1, 2, 2, 2, 2, 64, 64, .in_place = 1 },
    { "heads in turn", PLAIN_IO | BIT(G) | BIT(GK) | BIT(GAIN) | BIT(Z) | STATES, 1, 18, 4, 2, 2, 12, 5, 7,
      .head_map = MOD },
    { "consecutive heads", PLAIN_IO | BIT(GAIN) | BIT(D) | BIT(Z) | SUMS, 1, 18, 4, 2, 2, 12, 5, 7, .norm = 1,
      .eps = 0.5 },
    { "max with eps", PLAIN_IO | SUMS, 1, 20, 2, 2, 2, 2, 17, 130, .norm = 2, .eps = 9, .in_place = 1 },
    { "eps per feature", PLAIN_IO | SUMS | BIT(G), 1, 20, 2, 2, 2, 2, 33, 130, .norm = 3, .eps = 0.25 },
    { "guard", PLAIN_IO | SUMS | BIT(GK), 1, 20, 1, 1, 1, 1, 24, 9, .norm = 4, .eps = 12, .in_place = 1 },
    { "plain sum", PLAIN_IO | SUMS | BIT(GAIN), 2, 20, 1, 1, 1, 1, 1, 300, .norm = 5, .in_place = 1 },
    { "states only", BIT(K) | BIT(V) | BIT(G) | SUMS, 2, 20, 2, 2, 2, 2, 16, 9, .norm = 5 },
    { "read only", BIT(Q) | BIT(Y) | BIT(S_IN) | BIT(N_IN) | BIT(GK), 2, 20, 2, 2, 2, 4, 16, 9, .norm = 1,
      .eps = 1 },
    { "decay only", BIT(G) | STATES, 2, 20, 2, 2, 2, 2, 16, 9, .norm = 0 },
    { "packed, pool", PLAIN_IO | SUMS | BIT(G) | BIT(CU) | BIT(SLOT), 4, 40, 2, 2, 1, 4, 20, 70, .norm = 1,
      .eps = 1 },
    { "mixed dtypes", PLAIN_IO | BIT(G) | STATES, 2, 20, 2, 2, 2, 2, 32, 70, .mixed = 1 },
    { "time cut", PLAIN_IO | BIT(GK) | BIT(GAIN) | SUMS, 2, 23, 2, 2, 2, 2, 32, 70, .norm = 5, .first = 22 },
};

static void every_trial_is_right(void **state)
{
    static const int groups[] = { 1, 32, 64, 256 };
    static double y[MOST], S[MOST], n[MOST];
    (void)state;
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++) {
        configure((int)g, groups[g]);
        segue_diag why = { 0 };
        struct gpu *gpu = fibre_open(&test_host, &why);
        if (!gpu) fail_msg("%s", why.text);
        for (size_t i = 0; i < sizeof trials / sizeof *trials; i++) {
            const struct trial *r = &trials[i];
            draw_all(r);
            for (int id = 0; id < OPERANDS; id++)
                if (id != CU && id != SLOT) hand_over(&field[id]);
            struct field *S_out = &field[r->in_place ? S_IN : S_OUT],
                         *n_out = &field[r->in_place ? N_IN : N_OUT];
            memcpy(y, field[Y].value, sizeof y);
            memcpy(S, S_out->value, sizeof S);
            memcpy(n, n_out->value, sizeof n);
            run_trial(gpu, r);
            define(r, y, S, n);
            if (r->with & BIT(Y)) compare(r, groups[g], "y", &field[Y], y);
            if (r->with & BIT(S_OUT)) compare(r, groups[g], "S_out", S_out, S);
            if (r->with & BIT(N_OUT)) compare(r, groups[g], "n_out", n_out, n);
        }
        fibre_close(gpu);
    }
}

/* The bits of one call are those of a call for each token. */
static void a_step_of_the_walk_has_the_same_bits_wherever_it_stands(void **state)
{
    static const struct trial r = { "steps",
                                    PLAIN_IO | BIT(G) | BIT(GK) | BIT(GAIN) | SUMS,
                                    2,
                                    21,
                                    2,
                                    2,
                                    2,
                                    4,
                                    70,
                                    40,
                                    .norm = 1,
                                    .eps = 1,
                                    .in_place = 1 };
    static float y[MOST], S[MOST];
    segue_diag why = { 0 };
    (void)state;
    configure(3, 64);
    struct gpu *gpu = fibre_open(&test_host, &why);
    if (!gpu) fail_msg("%s", why.text);
    for (int pass = 0; pass < 2; pass++) {
        draw_all(&r);
        for (int id = 0; id < OPERANDS; id++)
            if (id != CU && id != SLOT) hand_over(&field[id]);
        const segue_gated_recurrence op = op_of(&r);
        for (int t = 0; t < r.tokens && pass; t++) {
            const segue_gated_recurrence part = cut(&op, t, 1);
            run_op(gpu, &part);
        }
        if (pass) break;
        run_op(gpu, &op);
        memcpy(y, field[Y].memory, sizeof y);
        memcpy(S, field[S_IN].memory, sizeof S);
    }
    assert_memory_equal(y, field[Y].memory, (size_t)count_of(&field[Y].t) * sizeof *y);
    assert_memory_equal(S, field[S_IN].memory, (size_t)count_of(&field[S_IN].t) * sizeof *S);
    fibre_close(gpu);
}

static void what_is_not_offered_is_refused_with_its_reason(void **state)
{
    segue_diag why = { 0 };
    const struct trial *r = &trials[0];
    (void)state;
    configure(1, 64);
    struct gpu *gpu = fibre_open(&test_host, &why);
    if (!gpu) fail_msg("%s", why.text);
    const segue_kit_device device = { .handle = gpu, .host = &test_host };
    draw_all(r);
    const segue_gated_recurrence good = op_of(r);
#define REFUSED(words, change)                                                            \
    do {                                                                                  \
        segue_gated_recurrence op = good;                                                 \
        op.change;                                                                        \
        assert_string_equal(gated_recurrence_shared.accepts(&op.header, &device), words); \
    } while (0)
    assert_null(gated_recurrence_shared.accepts(&good.header, &device));
    REFUSED("write: DELTA is not offered yet", write = SEGUE_GATED_RECURRENCE_DELTA);
    REFUSED("write: DPLR is not offered yet", write = SEGUE_GATED_RECURRENCE_DPLR);
    REFUSED("erase: UNDECAYED is not offered yet", erase = SEGUE_GATED_RECURRENCE_UNDECAYED);
    REFUSED("read: EXCLUSIVE is not offered yet", read = SEGUE_GATED_RECURRENCE_EXCLUSIVE);
    REFUSED("norm: MAX1 is not offered yet", norm = SEGUE_GATED_RECURRENCE_MAX1);
    REFUSED("gv: decays of value columns are not offered yet", gv = good.v);
    REFUSED("k: its size is supported from 1 to 256", k.shape[3] = 257);
    REFUSED("v: h times v is at most 2^30", v.shape[2] = INT64_C(1) << 30);
    REFUSED("v: f64 is not supported", v.dtype.bits = 64);
    fibre_close(gpu);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(every_trial_is_right),
        TEST(a_step_of_the_walk_has_the_same_bits_wherever_it_stands),
        TEST(what_is_not_offered_is_refused_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
