/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The row of the matrix-state recurrence against a plain loop in doubles, over random shapes, layouts,
 * dtypes, head maps, slots and packed sequences. */
#include "row_testing.h"

extern const segue_row gated_recurrence_cpu;

enum { Q, K, V, G, GK, GAIN, D_, Z, CU, SLOT, S_IN, N_IN, S_OUT, N_OUT, Y, OPERANDS };

struct scene {
    segue_gated_recurrence op;
    struct watched w[OPERANDS];
    int64_t b, t, h, k, v, o, i, j, s, p;
    int in_place;
};

static int has(const struct scene *c, int operand)
{
    return c->w[operand].memory != NULL;
}

static void place(struct scene *c)
{
    put_tensors(&c->op.header, c->w, OPERANDS);
    if (c->in_place && has(c, S_IN)) c->op.S_out = c->op.S_in;
    if (c->in_place && has(c, N_IN)) c->op.n_out = c->op.n_in;
}

static void release(struct scene *c)
{
    for (int i = 0; i < OPERANDS; i++) drop(&c->w[i]);
}

static int64_t divisor(int64_t d)
{
    int64_t g = 1 + draw((uint32_t)d);
    while (d % g) g--;
    return draw(2) ? g : draw(2) ? d : 1;
}

static void make_sequences(struct scene *c, int packed, int slots)
{
    int64_t s = c->s;
    if (packed) {
        MAKE(&c->w[CU], SEGUE_I32, 0, 0, 1, s + 1);
        for (int64_t i = 0, at = 0; i <= s; i++) {
            int64_t wild = i == s ? (int64_t)draw(3) * 100 : 0; /* beyond the end: clamped */
            set_at(&c->w[CU].t, &i, i == 0 ? -(double)draw(2) : (double)(at + wild));
            at += draw(3) ? draw(3) ? draw((uint32_t)(c->t / (s ? s : 1)) + 2) : 1 : 0;
            if (at > c->t) at = c->t;
        }
    }
    c->p = slots ? s + draw(4) : s;
    if (!slots) return;
    MAKE(&c->w[SLOT], SEGUE_I32, 0, 0, 1, s, 2);
    for (int64_t i = 0; i < s; i++) {
        int64_t read = draw(4)   ? i
                       : draw(2) ? -1
                                 : c->p + 5,
                write = draw(4) ? i : -3; /* rows of their own: no races */
        set_at(&c->w[SLOT].t, (int64_t[]){ i, 0 }, (double)read);
        set_at(&c->w[SLOT].t, (int64_t[]){ i, 1 }, (double)write);
    }
}

static int64_t draw_width(void)
{
    static const int64_t many[] = { 16, 32, 48, 64, 65, 80, 128, 200 };
    return draw(3) ? 1 + draw(36) : many[draw(8)];
}

static void make_states(struct scene *c, int needs_in, int slots)
{
    const uint32_t dtype = draw(2) ? SEGUE_F32 : draw_dtype();
    const int in = needs_in || slots || draw(3);
    if (in) MAKE(&c->w[S_IN], dtype, 0, -1, 1, c->p, c->h, c->k, c->v);
    c->in_place = in && !draw(3);
    if (!c->in_place && draw(4)) MAKE(&c->w[S_OUT], dtype, 0, -1, 1, c->p, c->h, c->k, c->v);
    if (!c->op.norm) return;
    if (in && draw(4)) MAKE(&c->w[N_IN], dtype, 0, 0, 1, c->p, c->h, c->k);
    if (!(c->in_place && has(c, N_IN)) && draw(4)) MAKE(&c->w[N_OUT], dtype, 0, 0, 1, c->p, c->h, c->k);
}

/* kind: 0 = everything, 1 = states only, 2 = read only. */
static void make_scene(struct scene *c)
{
    const uint32_t act = draw_dtype();
    const int packed = !draw(3), slots = !draw(3), kind = draw(5) ? 0 : 1 + (int)draw(2), strong = !draw(4);
    *c = (struct scene){ .op = segue_gated_recurrence_init(),
                         .b = packed ? 1 : 1 + draw(3),
                         .t = draw(5) ? draw(45) : draw(2),
                         .h = 1 + draw(draw(2) ? 12 : 3) };
    c->k = draw_width();
    c->v = draw_width();
    c->o = c->h * (draw(4) ? 1 : 1 + draw(3));
    c->i = divisor(c->o);
    c->j = divisor(c->h);
    c->s = packed ? draw(5) : c->b;
    c->op.norm = draw(2) ? 0 : draw(6);
    c->op.head_map = draw(2);
    c->op.gain_domain = draw(2);
    c->op.scale = draw_real(0.2, 1.5);
    c->op.eps = draw(2) ? 1e-3 : 0.25;
    make_sequences(c, packed, slots);
    /* Denominators that do not vanish: what is divided by is positive. */
    const double low = c->op.norm ? 0.1 : -1, decay = strong ? -40 : -0.5;
    if (kind != 1) MAKE(&c->w[Q], draw_dtype(), MAY_REPEAT, low, 1, c->b, c->t, c->i, c->k);
    if (kind != 2) MAKE(&c->w[K], draw_dtype(), MAY_REPEAT, low, 1, c->b, c->t, c->j, c->k);
    if (kind != 2) MAKE(&c->w[V], act, MAY_REPEAT, -1, 1, c->b, c->t, c->h, c->v);
    if (draw(2)) MAKE(&c->w[G], draw_dtype(), MAY_REPEAT, decay, 0, c->b, c->t, c->h);
    if (!draw(3)) MAKE(&c->w[GK], draw_dtype(), MAY_REPEAT, decay, 0, c->b, c->t, c->h, c->k);
    if (kind != 2 && draw(2)) MAKE(&c->w[GAIN], draw_dtype(), MAY_REPEAT, 0.1, 1, c->b, c->t, c->h);
    if (!kind && draw(2)) MAKE(&c->w[D_], draw_dtype(), MAY_REPEAT, -1, 1, c->h, c->v);
    if (kind != 1 && draw(2)) MAKE(&c->w[Z], act, MAY_REPEAT, -4, 4, c->b, c->t, c->o, c->v);
    make_states(c, kind == 2, slots);
    if (kind == 1 && !c->in_place && !has(c, S_OUT))
        MAKE(&c->w[S_OUT], SEGUE_F32, 0, -1, 1, c->p, c->h, c->k, c->v);
    if (kind == 1 && has(c, S_IN) && has(c, S_OUT)) {
        drop(&c->w[S_OUT]); /* one dtype for all states */
        MAKE(&c->w[S_OUT], segue_dtype_id(c->w[S_IN].t.dtype), 0, -1, 1, c->p, c->h, c->k, c->v);
    }
    if (kind != 1) MAKE(&c->w[Y], draw_dtype(), 0, -1, 1, c->b, c->t, c->o, c->v);
    place(c);
    for (int i = 0; i < OPERANDS; i++) snapshot(&c->w[i]);
}

/* scale: the sum of the sizes that were added up. Each token multiplies it by a decay with its rounding,
 * which is always the same one where decays are. Denormals are flushed. */
static void near(const struct scene *c, double got, double want, double scale, uint32_t dtype, const char *what,
                 int64_t at)
{
    const double most = 0x1p-24 * (16 + 2 * (double)c->t);
    if (got == want || (isnan(got) && isnan(want))) return; /* a denominator of 0 */
    if (!(fabs(got - want) <= most * scale + rounding(dtype, want) * 1.01 + 1e-37))
        fail_msg("%s at %lld: %.9g, wanted %.9g (scale %g, %lld tokens, k %lld)", what, (long long)at, got,
                 want, scale, (long long)c->t, (long long)c->k);
}

/* ---- the definition ------------------------------------------------------------------------------------- */

static int64_t mapped(const struct scene *c, int64_t head, int64_t heads, int64_t fewer)
{
    return c->op.head_map == SEGUE_GATED_RECURRENCE_MOD ? head % fewer : head / (heads / fewer);
}

static double gain_of(const struct scene *c, int64_t b, int64_t t, int64_t h)
{
    if (!has(c, GAIN)) return 1;
    const double gain = GET(c->op.gain, b, t, h);
    return c->op.gain_domain == SEGUE_GATED_RECURRENCE_LOG ? exp(gain) : gain;
}

static double decay_at(const struct scene *c, int64_t b, int64_t t, int64_t h, int64_t k)
{
    return exp((has(c, G) ? GET(c->op.g, b, t, h) : 0) + (has(c, GK) ? GET(c->op.gk, b, t, h, k) : 0));
}

struct column { /* of one head's state, with sizes: sums of what was added up */
    double S[256], size[256], n[256];
};

static void update(const struct scene *c, struct column *x, int64_t b, int64_t t, int64_t h, int64_t v)
{
    const double gain = gain_of(c, b, t, h), value = has(c, V) ? GET(c->op.v, b, t, h, v) : 0;
    for (int64_t k = 0; k < c->k; k++) {
        const double decay = decay_at(c, b, t, h, k),
                     key = has(c, K) ? GET(c->op.k, b, t, mapped(c, h, c->h, c->j), k) * gain : 0;
        x->S[k] = decay * x->S[k] + key * value;
        x->size[k] = decay * x->size[k] + fabs(key * value);
        x->n[k] = decay * x->n[k] + key;
    }
}

static double den_of(const segue_gated_recurrence *op, double dot, double q_sum)
{
    switch (op->norm) {
    case SEGUE_GATED_RECURRENCE_UNNORMALISED: return 1;
    case SEGUE_GATED_RECURRENCE_ADD_EPS: return dot + op->eps;
    case SEGUE_GATED_RECURRENCE_CLAMP_EPS: return fmax(dot, op->eps);
    case SEGUE_GATED_RECURRENCE_ADD_EPS_PER_FEATURE: return dot + q_sum * op->eps;
    case SEGUE_GATED_RECURRENCE_GUARD: return fabs(dot) <= op->eps ? dot + 2 * op->eps : dot;
    default: return dot;
    }
}

static void check_y(const struct scene *c, const segue_gated_recurrence *op, const struct column *x, int64_t b,
                    int64_t t, int64_t a, int64_t h, int64_t v)
{
    double num = 0, size = 0, dot = 0, q_sum = 0;
    for (int64_t k = 0; k < c->k; k++) {
        const double q = GET(op->q, b, t, mapped(c, a, c->o, c->i), k) * op->scale;
        num += q * x->S[k];
        size += fabs(q) * x->size[k];
        dot += q * x->n[k];
        q_sum += q;
    }
    const double den = den_of(op, dot, q_sum),
                 skip = has(c, D_) ? GET(op->D, h, v) * GET(op->v, b, t, h, v) : 0;
    double y = num / den + skip;
    size = size / fabs(den) + fabs(skip);
    if (has(c, Z)) {
        const double z = GET(op->z, b, t, a, v), silu = z / (1 + exp(-z));
        y *= silu;
        size *= fabs(silu);
    }
    near(c, GET(op->y, b, t, a, v), y, size, segue_dtype_id(op->y.dtype), "y", t);
}

/* The states before the call are in copies. */
static double before(const struct scene *c, int operand, const int64_t *i)
{
    segue_tensor was = c->w[operand].t;
    was.data = c->w[operand].copy;
    return get_at(&was, i);
}

static void check_column(const struct scene *c, struct segue_sequence q, int64_t h, int64_t v)
{
    const segue_gated_recurrence *op = &c->op;
    struct column x;
    for (int64_t k = 0; k < c->k; k++) {
        const int64_t at[] = { q.read, h, k, v };
        x.S[k] = has(c, S_IN) && q.read >= 0 ? before(c, S_IN, at) : 0;
        x.n[k] = has(c, N_IN) && q.read >= 0 ? before(c, N_IN, at) : 0;
        x.size[k] = fabs(x.S[k]);
    }
    for (int64_t t = q.first; t < q.first + q.length; t++) {
        update(c, &x, q.batch, t, h, v);
        for (int64_t m = 0; has(c, Y) && m < c->o / c->h; m++) {
            const int64_t a = op->head_map == SEGUE_GATED_RECURRENCE_MOD ? h + m * c->h : h * (c->o / c->h) + m;
            check_y(c, op, &x, q.batch, t, a, h, v);
        }
    }
    for (int64_t k = 0; q.write >= 0 && k < c->k; k++) {
        if (op->S_out.dtype.bits)
            near(c, GET(op->S_out, q.write, h, k, v), x.S[k], x.size[k], segue_dtype_id(op->S_out.dtype),
                 "S_out", k);
        if (op->n_out.dtype.bits)
            near(c, GET(op->n_out, q.write, h, k), x.n[k], fabs(x.n[k]), segue_dtype_id(op->n_out.dtype),
                 "n_out", k);
    }
}

static void check_scene(const struct scene *c)
{
    const struct segue_sequences all = {
        .cu_seqlens = &c->op.cu_seqlens, .slot = &c->op.slot, .count = c->s, .tokens = c->t, .pool = c->p
    };
    char *covered = calloc(1, (size_t)(c->b * c->t) + 1);
    for (int64_t s = 0; s < c->s; s++) {
        const struct segue_sequence q = segue_sequence_at(&all, s);
        memset(covered + q.batch * c->t + q.first, q.padding ? 'p' : 'y', (size_t)q.length);
        for (int64_t n = 0; !q.padding && n < c->h * c->v; n++) check_column(c, q, n / c->v, n % c->v);
    }
    check_rest(&c->w[Y], covered);
    free(covered);
    for (int i = 0; i < OPERANDS; i++)
        check_outside(&c->w[i],
                      i == Y || i == S_OUT || i == N_OUT || (c->in_place && (i == S_IN || i == N_IN)));
}

/* ---- tests ---------------------------------------------------------------------------------------------- */

static void keep_bits(const struct scene *c, char **bits)
{
    for (int i = 0; i < OPERANDS; i++) {
        if (!has(c, i)) continue;
        if (!bits[i]) bits[i] = memcpy(malloc(c->w[i].size), c->w[i].memory, c->w[i].size);
        assert_memory_equal(bits[i], c->w[i].memory, c->w[i].size);
    }
}

static void against_the_definition(void **state)
{
    static const uint32_t threads[] = { 1, 2, 5, 0 };
    (void)state;
    for (int round = 0; round < 400; round++) {
        struct scene c;
        seed = 5000 + (uint64_t)round;
        make_scene(&c);
        segue_gated_recurrence bound = c.op;
        const int64_t more = draw(40);
        segue_tensor *const timed[] = { &bound.q,  &bound.k,    &bound.v, &bound.g,
                                        &bound.gk, &bound.gain, &bound.z, &bound.y };
        for (int i = 0; i < 8; i++) timed[i]->shape[1] += timed[i]->dtype.bits ? more : 0;
        for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
            char *bits[OPERANDS] = { NULL };
            for (int k = 0; k < 4; k++) {
                struct test_device d;
                if (!test_open(&d, isa, threads[k])) continue;
                for (int i = 0; i < OPERANDS; i++) restore(&c.w[i]);
                run_row(&gated_recurrence_cpu, &d, &bound.header, &c.op.header);
                if (!k) check_scene(&c);
                keep_bits(&c, bits); /* whatever the threads */
                test_close(&d);
            }
            for (int i = 0; i < OPERANDS; i++) free(bits[i]);
        }
        release(&c);
    }
}

/* ---- scenes by hand ------------------------------------------------------------------------------------- */

/* f32 or dtype, with axis first contiguous and the next row pad elements behind its end. */
static void lay(struct watched *w, uint32_t dtype, int rank, const int64_t *shape, int first, int64_t pad)
{
    int64_t extent = shape[first] + pad;
    w->t = segue_tensor_of(NULL, dtype, rank, shape);
    w->t.stride[first] = 1;
    for (int k = rank - 1; k >= 0; k--) {
        if (k == first) continue;
        w->t.stride[k] = extent;
        extent *= shape[k];
    }
    w->size = (size_t)(extent * w->t.dtype.bits / 8) + 2 * GUARD;
    w->memory = malloc(w->size);
    w->copy = malloc(w->size);
    w->owned = calloc(1, w->size);
    memset(w->memory, CANARY, w->size);
    w->t.data = w->memory;
    w->t.offset = GUARD;
    w->t.bytes = w->size;
    each(&w->t, own, w);
    each(&w->t, set_range, (double[]){ -1, 1 });
}

struct shape {
    int64_t b, t, h, j, k, v;
};

static void make_plain(struct scene *c, struct shape s, uint32_t act)
{
    *c =
        (struct scene){ .op = segue_gated_recurrence_init(), .b = s.b, .t = s.t, .h = s.h, .k = s.k, .v = s.v };
    c->o = s.h;
    c->i = c->j = s.j;
    c->s = c->p = s.b;
    MAKE(&c->w[Q], act, 0, 0.1, 1, s.b, s.t, s.j, s.k);
    MAKE(&c->w[K], act, 0, 0.1, 1, s.b, s.t, s.j, s.k);
    MAKE(&c->w[V], act, 0, -1, 1, s.b, s.t, s.h, s.v);
    MAKE(&c->w[Y], SEGUE_F32, 0, -1, 1, s.b, s.t, s.h, s.v);
}

static void settle(struct scene *c)
{
    place(c);
    for (int i = 0; i < OPERANDS; i++) snapshot(&c->w[i]);
}

/* One token is computed where its state is, when values or keys lie side by side there: with any padding, in
 * place or not, without one of the states, and in all dtypes. */
static void one_token_where_its_state_is(void **state)
{
    static const uint32_t dtypes[] = { SEGUE_F32, SEGUE_F16, SEGUE_BF16 };
    static const int64_t widths[] = { 1, 7, 16, 21, 64, 80, 200 };
    (void)state;
    for (int round = 0; round < SEGUE_ISA_COUNT * 7 * 7 * 8; round++) {
        const int isa = round % 3, layout = round / 147, keys = layout & 1, pad = layout & 2 ? 3 : 0;
        const uint32_t dtype = layout & 4 ? dtypes[round / 3 % 3] : SEGUE_F32;
        struct test_device d;
        struct scene c;
        seed = 900 + (uint64_t)round;
        if (!test_open(&d, isa, 2)) continue;
        make_plain(&c, (struct shape){ 2, 1, 4, 2, widths[round / 3 % 7], widths[round / 21 % 7] },
                   draw_dtype());
        c.op.norm = draw(6);
        c.op.eps = 0.01;
        c.op.head_map = draw(2);
        if (draw(2)) MAKE(&c.w[G], SEGUE_F32, MAY_REPEAT, -2, 0, 2, 1, 4);
        if (draw(2)) MAKE(&c.w[GK], SEGUE_F32, MAY_REPEAT, -2, 0, 2, 1, 4, c.k);
        if (draw(2)) MAKE(&c.w[GAIN], SEGUE_F32, 0, -1, 0, 2, 1, 4);
        if (draw(2)) MAKE(&c.w[D_], SEGUE_F32, 0, -1, 1, 4, c.v);
        if (draw(2)) MAKE(&c.w[Z], segue_dtype_id(c.w[V].t.dtype), 0, -4, 4, 2, 1, 4, c.v);
        const int64_t S[] = { 2, 4, c.k, c.v };
        c.in_place = draw(2);
        if (c.in_place || draw(4)) lay(&c.w[S_IN], dtype, 4, S, keys ? 2 : 3, pad);
        if (!c.in_place && draw(4)) lay(&c.w[S_OUT], dtype, 4, S, keys ? 2 : 3, 0);
        if (c.op.norm) MAKE(&c.w[N_IN], dtype, 0, 0, 1, 2, 4, c.k);
        if (c.op.norm && !c.in_place) MAKE(&c.w[N_OUT], dtype, 0, 0, 1, 2, 4, c.k);
        settle(&c);
        run_row(&gated_recurrence_cpu, &d, &c.op.header, &c.op.header);
        check_scene(&c);
        release(&c);
        test_close(&d);
    }
}

/* States too large for a core's own cache are shared out to whoever is free: each of them once. One worker's heads make
 * two panels, a few workers' one each. */
static void workers_change_no_bits(void **state)
{
    static const uint32_t threads[] = { 1, 2, 5, 0 };
    static const struct shape shapes[] = { { 3, 1, 30, 15, 128, 128 }, { 1, 37, 40, 20, 128, 128 } };
    (void)state;
    for (int i = 0; i < 8; i++) {
        static char *bits[OPERANDS];
        const struct shape *s = &shapes[i / 4];
        struct test_device d;
        struct scene c;
        if (!test_open(&d, SEGUE_ISA_COUNT - 1, threads[i % 4]) && !test_open(&d, 0, threads[i % 4])) continue;
        seed = 77;
        make_plain(&c, *s, SEGUE_F32);
        MAKE(&c.w[G], SEGUE_F32, 0, -2, 0, s->b, s->t, s->h);
        MAKE(&c.w[S_IN], SEGUE_F32, 0, -1, 1, s->b, s->h, s->k, s->v);
        c.in_place = 1;
        settle(&c);
        run_row(&gated_recurrence_cpu, &d, &c.op.header, &c.op.header);
        if (i % 4 == 0) check_scene(&c);
        keep_bits(&c, bits);
        for (int k = 0; i % 4 == 3 && k < OPERANDS; k++) free(bits[k]), bits[k] = NULL;
        release(&c);
        test_close(&d);
    }
}

/* Through many frames: decays that are weak for long, strong, 0, and of heads, keys or both; gains of 0. */
static void frames_come_and_go(void **state)
{
    static const double decays[] = { -0.02, -0.4, -3, -11, -60 };
    (void)state;
    for (int round = 0; round < SEGUE_ISA_COUNT * 5 * 3; round++) {
        const double low = decays[round / 3 % 5];
        struct test_device d;
        struct scene c;
        seed = 300 + (uint64_t)round;
        if (!test_open(&d, round % 3, 2)) continue;
        make_plain(&c, (struct shape){ 1, 333, 2, 2, 20, 33 }, SEGUE_F32);
        if (round / 15 != 1) MAKE(&c.w[G], SEGUE_F32, 0, low, 0, 1, 333, 2);
        if (round / 15 != 0) MAKE(&c.w[GK], SEGUE_F32, 0, low, 0, 1, 333, 2, 20);
        MAKE(&c.w[GAIN], SEGUE_F32, 0, -2, 1, 1, 333, 2);
        MAKE(&c.w[S_IN], SEGUE_F32, 0, -1, 1, 1, 2, 20, 33);
        c.in_place = 1;
        for (int i = 0; i < 20; i++) {
            const int64_t at[] = { 0, draw(333), draw(2), draw(20) };
            set_at(&c.w[GAIN].t, at, -INFINITY);
            set_at(&c.w[round / 15 ? GK : G].t, at, -INFINITY);
        }
        settle(&c);
        run_row(&gated_recurrence_cpu, &d, &c.op.header, &c.op.header);
        check_scene(&c);
        release(&c);
        test_close(&d);
    }
}

/* Decays above 1, behind strong ones: what a frame cannot take multiplies the state. */
static void decays_may_grow(void **state)
{
    (void)state;
    for (int round = 0; round < SEGUE_ISA_COUNT * 3; round++) {
        struct test_device d;
        struct scene c;
        seed = 600 + (uint64_t)round;
        if (!test_open(&d, round % 3, 2)) continue;
        make_plain(&c, (struct shape){ 1, 90, 2, 2, 20, 33 }, SEGUE_F32);
        if (round / 3 != 1) MAKE(&c.w[G], SEGUE_F32, 0, -1, 0, 1, 90, 2);
        if (round / 3 != 0) MAKE(&c.w[GK], SEGUE_F32, 0, -1, 0, 1, 90, 2, 20);
        MAKE(&c.w[GAIN], SEGUE_F32, 0, 4, 4.2, 1, 90, 2); /* logarithms */
        MAKE(&c.w[S_OUT], SEGUE_F32, 0, -1, 1, 1, 2, 20, 33);
        for (int64_t t = 0; t < 80; t++) {
            static const double gates[] = { -3, -3,   -3,   -3,   -75,  60,   -1,   -0.2,
                                            -2, -0.1, -0.1, -0.1, -0.1, -0.1, -0.1, -0.1 };
            for (int64_t i = 0; i < 40; i++) {
                const int64_t at[] = { 0, t, i / 20, i % 20 };
                set_at(&c.w[round / 3 ? GK : G].t, at, gates[(t + i / 20 * 4) % 16]);
            }
        }
        settle(&c);
        run_row(&gated_recurrence_cpu, &d, &c.op.header, &c.op.header);
        check_scene(&c);
        release(&c);
        test_close(&d);
    }
}

/* A sequence's bits are its own: alone, in a batch, or packed behind another. */
static void batches_change_no_bits(void **state)
{
    static const int64_t lengths[] = { 13, 1, 70 };
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
        struct test_device d;
        struct scene c;
        if (!test_open(&d, isa, 3)) continue;
        seed = 70;
        make_plain(&c, (struct shape){ 1, 84, 3, 1, 70, 40 }, SEGUE_BF16);
        MAKE(&c.w[GK], SEGUE_F32, 0, -1, 0, 1, 84, 3, 70);
        MAKE(&c.w[CU], SEGUE_I32, 0, 0, 1, 4);
        lay(&c.w[S_OUT], SEGUE_F32, 4, (int64_t[]){ 3, 3, 70, 40 }, 3, 0);
        for (int64_t i = 0, at = 0; i < 4; at += i < 3 ? lengths[i] : 0, i++)
            set_at(&c.w[CU].t, &i, (double)at);
        c.s = c.p = 3;
        settle(&c);
        run_row(&gated_recurrence_cpu, &d, &c.op.header, &c.op.header);
        check_scene(&c);
        char *y = memcpy(malloc(c.w[Y].size), c.w[Y].memory, c.w[Y].size),
             *S = memcpy(malloc(c.w[S_OUT].size), c.w[S_OUT].memory, c.w[S_OUT].size);
        restore(&c.w[Y]);
        restore(&c.w[S_OUT]);
        for (int64_t i = 0, at = 0; i < 3; at += lengths[i++]) {
            segue_gated_recurrence one = c.op;
            segue_tensor *const timed[] = { &one.q, &one.k, &one.v, &one.gk, &one.y };
            for (int k = 0; k < 5; k++) *timed[k] = segue_tensor_slice(*timed[k], 1, at, lengths[i]);
            one.cu_seqlens.dtype.bits = 0;
            one.S_out = segue_tensor_slice(one.S_out, 0, i, 1);
            run_row(&gated_recurrence_cpu, &d, &one.header, &one.header);
        }
        assert_memory_equal(y, c.w[Y].memory, c.w[Y].size);
        assert_memory_equal(S, c.w[S_OUT].memory, c.w[S_OUT].size);
        free(y);
        free(S);
        release(&c);
        test_close(&d);
    }
}

/* A NaN reaches its own head (or column) from its own token on, and nothing else. */
static void nan_stays_in_its_future(void **state)
{
    static const int operands[] = { Q, K, V, G, GK, GAIN };
    (void)state;
    for (int round = 0; round < SEGUE_ISA_COUNT * 6; round++) {
        struct test_device d;
        struct scene c;
        const int operand = operands[round / 3];
        if (!test_open(&d, round % 3, 1)) continue;
        make_plain(&c, (struct shape){ 1, 40, 2, 2, 19, 37 }, SEGUE_F32);
        if (operand != GK) MAKE(&c.w[G], SEGUE_F32, 0, -1, 0, 1, 40, 2);
        if (operand == GK) MAKE(&c.w[GK], SEGUE_F32, 0, -1, 0, 1, 40, 2, 19);
        MAKE(&c.w[GAIN], SEGUE_F32, 0, -1, 0, 1, 40, 2);
        set_at(&c.w[operand].t, (int64_t[]){ 0, 22, 1, 17 }, NAN);
        settle(&c);
        run_row(&gated_recurrence_cpu, &d, &c.op.header, &c.op.header);
        for (int64_t n = 0; n < 40 * 2 * 37; n++) {
            const int64_t t = n / 74, h = n / 37 % 2, v = n % 37;
            const int reached = h == 1 && (operand == Q ? t == 22 : t >= 22) && (operand != V || v == 17);
            assert_int_equal(isnan(GET(c.op.y, 0, t, h, v)) != 0, reached);
        }
        release(&c);
        test_close(&d);
    }
}

static void refuses_what_it_does_not_do(void **state)
{
    static const struct {
        size_t parameter;
        int64_t value;
        const char *why;
    } all[] = {
        { offsetof(segue_gated_recurrence, write), 1, "write: DELTA is not offered yet" },
        { offsetof(segue_gated_recurrence, write), 2, "write: DPLR is not offered yet" },
        { offsetof(segue_gated_recurrence, erase), 1, "erase: UNDECAYED is not offered yet" },
        { offsetof(segue_gated_recurrence, read), 1, "read: EXCLUSIVE is not offered yet" },
        { offsetof(segue_gated_recurrence, norm), 6, "norm: MAX1 is not offered yet" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        segue_gated_recurrence op = segue_gated_recurrence_init();
        memcpy((char *)&op + all[i].parameter, &all[i].value, sizeof all[i].value);
        assert_string_equal(gated_recurrence_cpu.accepts(&op.header, NULL), all[i].why);
    }
    segue_gated_recurrence op = segue_gated_recurrence_init();
    assert_null(gated_recurrence_cpu.accepts(&op.header, NULL));
    op.gv.dtype = segue_dtype_of(SEGUE_F32);
    assert_string_equal(gated_recurrence_cpu.accepts(&op.header, NULL),
                        "gv: a decay by value column is not offered yet");
    op.gv.dtype.bits = 0;
    op.n_out.dtype = segue_dtype_of(SEGUE_F64);
    assert_string_equal(gated_recurrence_cpu.accepts(&op.header, NULL),
                        "n_out: f64 is offered by the reference only");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_the_definition),  cmocka_unit_test(one_token_where_its_state_is),
        cmocka_unit_test(workers_change_no_bits),  cmocka_unit_test(frames_come_and_go),
        cmocka_unit_test(decays_may_grow),         cmocka_unit_test(batches_change_no_bits),
        cmocka_unit_test(nan_stays_in_its_future), cmocka_unit_test(refuses_what_it_does_not_do)
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
