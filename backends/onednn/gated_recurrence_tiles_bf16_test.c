/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix-state recurrence in chunks of bf16 against a plain loop in doubles: sequences that end anywhere in a chunk, head maps,
 * slots, layouts, gains, decays of 0; values that are no numbers; what is refused. Skipped without oneDNN or AVX512_BF16. */
#include "bf16_products.h"
#include "dnnl_products.h"
#include "row.h"
#include "row_testing.h"

extern const segue_row gated_recurrence_tiles_bf16_cpu;

enum { Q, K, V, G, GK, GAIN, D_, Z, CU, SLOT, S_IN, N_IN, S_OUT, N_OUT, Y, OPERANDS };
enum { FEWEST = 256, MOST_KEYS = 64 };

struct scene {
    segue_gated_recurrence op;
    struct watched w[OPERANDS];
    int64_t b, t, h, k, v, i, j, s, p;
    int in_place;
};

static int has(const struct scene *c, int operand)
{
    return c->w[operand].memory != NULL;
}

static void release(struct scene *c)
{
    for (int i = 0; i < OPERANDS; i++) drop(&c->w[i]);
}

static int64_t divisor(int64_t d)
{
    int64_t g = 1 + draw((uint32_t)d);
    while (d % g) g--;
    return draw(3) ? 1 : g;
}

/* ---- scenes --------------------------------------------------------------------------------------------- */

static void make_packed(struct scene *c)
{
    static const int64_t lengths[] = { 0, 1, 15, 16, 63, 64, 65, 127, 128, 129, 256, 257, 320 };
    MAKE(&c->w[CU], SEGUE_I32, 0, 0, 1, c->s + 1);
    for (int64_t i = 0, at = (int64_t)draw(2); i <= c->s; i++) {
        const int64_t wild = i == c->s ? (int64_t)draw(3) * 100 : 0; /* beyond the end: clamped */
        set_at(&c->w[CU].t, &i, (double)(at + wild));
        at += lengths[draw(13)];
        if (at > c->t) at = c->t;
    }
}

static void make_slots(struct scene *c)
{
    MAKE(&c->w[SLOT], SEGUE_I32, 0, 0, 1, c->s, 2);
    for (int64_t i = 0; i < c->s; i++) {
        const int64_t read = draw(3) ? i : draw(2) ? -1 : c->p + 5, write = draw(3) ? i : -3;
        set_at(&c->w[SLOT].t, (int64_t[]){ i, 0 }, (double)read);
        set_at(&c->w[SLOT].t, (int64_t[]){ i, 1 }, (double)write);
    }
}

static void make_gates(struct scene *c)
{
    const uint32_t dtype = draw(2) ? SEGUE_F32 : draw_dtype();
    if (draw(4)) MAKE(&c->w[G], dtype, MAY_REPEAT, draw(3) ? -0.1 : -40, 0, c->b, c->t, c->h);
    for (int n = 0; has(c, G) && !draw(2) && n < 4; n++) { /* a decay of 0 */
        const int64_t at[] = { draw((uint32_t)c->b), draw((uint32_t)c->t), draw((uint32_t)c->h) };
        set_at(&c->w[G].t, at, -INFINITY);
    }
    if (draw(2)) MAKE(&c->w[GAIN], draw_dtype(), MAY_REPEAT, 0.1, 1, c->b, c->t, c->h);
    for (int n = 0; has(c, GAIN) && !c->op.gain_domain && n < 4; n++) { /* nothing is written */
        const int64_t at[] = { draw((uint32_t)c->b), draw((uint32_t)c->t), draw((uint32_t)c->h) };
        set_at(&c->w[GAIN].t, at, -INFINITY);
    }
}

static void make_states(struct scene *c, int slots)
{
    const uint32_t dtype = draw(2) ? SEGUE_F32 : draw_dtype();
    const int in = slots || draw(3);
    if (in) MAKE(&c->w[S_IN], dtype, 0, -1, 1, c->p, c->h, c->k, c->v);
    c->in_place = in && !draw(3);
    if (!c->in_place && draw(4)) MAKE(&c->w[S_OUT], dtype, 0, -1, 1, c->p, c->h, c->k, c->v);
}

static void make_scene(struct scene *c)
{
    const int packed = !draw(3), slots = !draw(3);
    *c = (struct scene){ .op = segue_gated_recurrence_init(), .h = 1 + draw(11) };
    c->s = packed ? 1 + draw(3) : 0;
    c->t = packed ? c->s * FEWEST + draw(9) : FEWEST + draw(3) * 32 + draw(3);
    c->b = packed ? 1 : 1 + draw(2);
    if (!packed) c->s = c->b;
    c->k = 16 * (1 + draw(4));
    c->v = 16 * (1 + draw(5));
    c->i = divisor(c->h);
    c->j = draw(3) ? c->i : divisor(c->h);
    c->p = slots ? c->s + draw(3) : c->s;
    c->op.head_map = draw(2);
    c->op.gain_domain = draw(2);
    c->op.scale = draw_real(0.2, 1.5);
    if (packed) make_packed(c);
    if (slots) make_slots(c);
    MAKE(&c->w[Q], SEGUE_BF16, MAY_REPEAT, -1, 1, c->b, c->t, c->i, c->k);
    MAKE(&c->w[K], SEGUE_BF16, MAY_REPEAT, -1, 1, c->b, c->t, c->j, c->k);
    MAKE(&c->w[V], SEGUE_BF16, MAY_REPEAT, -1, 1, c->b, c->t, c->h, c->v);
    make_gates(c);
    if (draw(2)) MAKE(&c->w[D_], draw_dtype(), MAY_REPEAT, -1, 1, c->h, c->v);
    if (draw(2)) MAKE(&c->w[Z], SEGUE_BF16, MAY_REPEAT, -4, 4, c->b, c->t, c->h, c->v);
    make_states(c, slots);
    MAKE(&c->w[Y], draw_dtype(), 0, -1, 1, c->b, c->t, c->h, c->v);
}

static void finish_scene(struct scene *c)
{
    put_tensors(&c->op.header, c->w, OPERANDS);
    if (c->in_place) c->op.S_out = c->op.S_in;
    for (int i = 0; i < OPERANDS; i++) snapshot(&c->w[i]);
}

/* ---- the definition ------------------------------------------------------------------------------------- */

/* scale: sum of the sizes that were added up. Two roundings to bf16 meet each of them at most: of what a state was made of, up or
 * down by chance, and of the state. */
static void near(double got, double want, double scale, uint32_t dtype, const char *what, const int64_t *at)
{
    if (got == want || (isnan(got) && isnan(want))) return;
    if (!(fabs(got - want) <= 3 * 0x1p-8 * scale * 1.02 + rounding(dtype, want) * 1.01 + 1e-37))
        fail_msg("%s at %lld %lld %lld %lld: %.9g, wanted %.9g (scale %g)", what, (long long)at[0],
                 (long long)at[1], (long long)at[2], (long long)at[3], got, want, scale);
}

static int64_t mapped(const struct scene *c, int64_t head, int64_t fewer)
{
    return c->op.head_map == SEGUE_GATED_RECURRENCE_MOD ? head % fewer : head / (c->h / fewer);
}

static double gain_of(const struct scene *c, int64_t b, int64_t t, int64_t h)
{
    if (!has(c, GAIN)) return 1;
    const double gain = GET(c->op.gain, b, t, h);
    return c->op.gain_domain == SEGUE_GATED_RECURRENCE_LOG ? exp(gain) : gain;
}

/* The states before the call are in copies. */
static double before(const struct scene *c, const int64_t *i)
{
    segue_tensor was = c->w[S_IN].t;
    was.data = c->w[S_IN].copy;
    return get_at(&was, i);
}

static void check_token(const struct scene *c, const double *S, const double *size, int64_t b, int64_t t,
                        int64_t h, int64_t v)
{
    const segue_gated_recurrence *op = &c->op;
    const int64_t at[] = { b, t, h, v };
    double y = 0, sum = 0;
    for (int64_t k = 0; k < c->k; k++) {
        const double q = GET(op->q, b, t, mapped(c, h, c->i), k) * op->scale;
        y += q * S[k];
        sum += fabs(q) * size[k];
    }
    if (has(c, D_)) {
        const double skip = GET(op->D, h, v) * GET(op->v, b, t, h, v);
        y += skip, sum += fabs(skip);
    }
    if (has(c, Z)) {
        const double z = GET(op->z, b, t, h, v), silu = z / (1 + exp(-z));
        y *= silu, sum *= fabs(silu);
    }
    near(get_at(&op->y, at), y, sum, segue_dtype_id(op->y.dtype), "y", at);
}

static void check_column(const struct scene *c, struct segue_sequence q, int64_t h, int64_t v)
{
    const segue_gated_recurrence *op = &c->op;
    double S[MOST_KEYS], size[MOST_KEYS];
    for (int64_t k = 0; k < c->k; k++) {
        const int64_t at[] = { q.read, h, k, v };
        S[k] = has(c, S_IN) && q.read >= 0 ? before(c, at) : 0;
        size[k] = fabs(S[k]);
    }
    for (int64_t t = q.first; t < q.first + q.length; t++) {
        const double decay = has(c, G) ? exp(GET(op->g, q.batch, t, h)) : 1,
                     value = GET(op->v, q.batch, t, h, v) * gain_of(c, q.batch, t, h);
        for (int64_t k = 0; k < c->k; k++) {
            const double write = GET(op->k, q.batch, t, mapped(c, h, c->j), k) * value;
            S[k] = decay * S[k] + write;
            size[k] = decay * size[k] + fabs(write);
        }
        check_token(c, S, size, q.batch, t, h, v);
    }
    for (int64_t k = 0; op->S_out.dtype.bits && q.write >= 0 && k < c->k; k++) {
        const int64_t at[] = { q.write, h, k, v };
        near(get_at(&op->S_out, at), S[k], size[k], segue_dtype_id(op->S_out.dtype), "S_out", at);
    }
}

static void check_scene(const struct scene *c)
{
    const struct segue_sequences all = {
        .cu_seqlens = &c->op.cu_seqlens, .slot = &c->op.slot, .count = c->s, .tokens = c->t, .pool = c->p
    };
    char *const covered = calloc(1, (size_t)(c->b * c->t) + 1);
    for (int64_t s = 0; s < c->s; s++) {
        const struct segue_sequence q = segue_sequence_at(&all, s);
        memset(covered + q.batch * c->t + q.first, q.padding ? 'p' : 'y', (size_t)q.length);
        for (int64_t n = 0; !q.padding && n < c->h * c->v; n++) check_column(c, q, n / c->v, n % c->v);
    }
    check_rest(&c->w[Y], covered);
    free(covered);
    for (int i = 0; i < OPERANDS; i++)
        check_outside(&c->w[i], i == Y || i == S_OUT || (c->in_place && i == S_IN));
}

/* ---- tests ---------------------------------------------------------------------------------------------- */

/* 0: there is no such device. Products in pairs, and every third time oneDNN's where it is installed, however fast they are. */
static int open_bf16(struct test_device *d, uint32_t threads, int round)
{
    const struct dnnl_shape shape = { FEWEST, FEWEST, FEWEST, FEWEST, .dtype = SEGUE_BF16 };
    if (!has_bf16() || !test_open(d, SEGUE_ISA_AVX512, threads)) return 0;
    struct dnnl_products *const p = round % 3 ? NULL : dnnl_products_create(&test_host, &shape, 1, NULL);
    if (p) dnnl_products_destroy(p);
    d->cpu.bf16_products = p ? BY_ONEDNN : IN_PAIRS;
    return 1;
}

static const char *whether_or_not_it_pays(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)op, (void)dev;
    return NULL;
}

static void run_scene(struct test_device *d, const segue_op_header *bound, struct scene *c)
{
    segue_row row = gated_recurrence_tiles_bf16_cpu;
    row.accepts = whether_or_not_it_pays;
    run_row(&row, d, bound, &c->op.header);
    check_scene(c);
    release(c);
}

static void against_the_definition(void **state)
{
    (void)state;
    for (int round = 0; round < 300; round++) {
        struct test_device d;
        struct scene c;
        seed = 7000 + (uint64_t)round;
        if (!open_bf16(&d, draw(4), round)) skip();
        make_scene(&c);
        finish_scene(&c);
        segue_gated_recurrence bound = c.op;
        const int64_t more = draw(40);
        segue_tensor *const timed[] = {
            &bound.q, &bound.k, &bound.v, &bound.g, &bound.gain, &bound.z, &bound.y
        };
        for (int i = 0; i < 7; i++) timed[i]->shape[1] += timed[i]->dtype.bits ? more : 0;
        run_scene(&d, &bound.header, &c);
        test_close(&d);
    }
}

/* Neither what comes before such a value in its chunk, nor other columns, see it. */
static void what_is_no_number(void **state)
{
    (void)state;
    for (int round = 0; round < 36; round++) {
        struct test_device d;
        struct scene c;
        seed = 8000 + (uint64_t)round;
        if (!open_bf16(&d, 1, round)) skip();
        make_scene(&c);
        for (int n = 0; n < 3; n++) {
            const int64_t b = draw((uint32_t)c.b), t = draw((uint32_t)c.t), v = draw((uint32_t)c.v),
                          k = draw((uint32_t)c.k);
            if (n != 1) set_at(&c.w[V].t, (int64_t[]){ b, t, draw((uint32_t)c.h), v }, NAN);
            if (n == 1)
                set_at(&c.w[round % 2 ? K : Q].t,
                       (int64_t[]){ b, t, draw((uint32_t)(round % 2 ? c.j : c.i)), k }, NAN);
        }
        finish_scene(&c);
        run_scene(&d, &c.op.header, &c);
        test_close(&d);
    }
}

static segue_gated_recurrence plain_call(void)
{
    segue_gated_recurrence op = segue_gated_recurrence_init();
    op.q = op.k = segue_tensor_of(NULL, SEGUE_BF16, 4, (int64_t[]){ 1, FEWEST, 1, 128 });
    op.v = op.y = segue_tensor_of(NULL, SEGUE_BF16, 4, (int64_t[]){ 1, FEWEST, 80, 64 });
    return op;
}

static void refused(struct test_device *d, const segue_gated_recurrence *op, const char *why)
{
    const char *const said = gated_recurrence_tiles_bf16_cpu.accepts(&op->header, &d->kit);
    if (!why) assert_null(said);
    else assert_string_equal(said, why);
}

static void what_is_refused(void **state)
{
    struct test_device d;
    segue_gated_recurrence op = plain_call();
    (void)state;
    assert_true(test_open(&d, SEGUE_ISA_BASE, 1));
    refused(&d, &op, "q: products of bf16 are not faster than those of f32 here");
    d.cpu.bf16_products = IN_PAIRS;
    refused(&d, &op, NULL);
    op.q.shape[2] = op.k.shape[2] = 80; /* each head has its own */
    refused(&d, &op, "k: chunks of so few keys and values, in so few heads of each, take no less time");
    op.v.shape[3] = op.y.shape[3] = 128;
    refused(&d, &op, NULL);
    op = plain_call();
    op.v.shape[1] = FEWEST - 1;
    refused(&d, &op, "v: wanted sequences of 256 tokens at least");
    op = plain_call();
    op.cu_seqlens = segue_tensor_of(NULL, SEGUE_I32, 1, (int64_t[]){ 3 });
    refused(&d, &op, "v: wanted sequences of 256 tokens at least");
    op = plain_call();
    op.gk = segue_tensor_of(NULL, SEGUE_F32, 4, (int64_t[]){ 1, FEWEST, 80, 128 });
    refused(&d, &op, "gk: by key, decays would have to be rounded with q and k, this row does not");
    op = plain_call();
    op.norm = SEGUE_GATED_RECURRENCE_PLAIN;
    refused(&d, &op, "norm: this row divides by nothing");
    op = plain_call();
    op.k.dtype = segue_tensor_of(NULL, SEGUE_F32, 1, (int64_t[]){ 1 }).dtype;
    refused(&d, &op, "k: wanted bf16");
    op = plain_call();
    op.y.shape[2] = 160;
    refused(&d, &op, "y: wanted as many heads as v has");
    op = plain_call();
    op.v.shape[3] = op.y.shape[3] = 40;
    refused(&d, &op, "v: wanted a multiple of 16, from 16 to 256");
    test_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(against_the_definition),
                                        cmocka_unit_test(what_is_no_number),
                                        cmocka_unit_test(what_is_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
