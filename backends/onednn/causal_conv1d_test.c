/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The convolution's row against a double loop, over random shapes, layouts, dtypes, gates, slots, packed
 * sequences, rings and tags. */
#include "row_testing.h"

extern const segue_row causal_conv1d_cpu;

enum { X, WEIGHT, BIAS, PRE, POST, CU, TAG, SEEN, SLOT, H_IN, H_OUT, Y, OPERANDS };

struct scene {
    segue_causal_conv1d op;
    struct watched w[OPERANDS];
    int64_t b, t, d, width, l, s, p;
    int in_place;
};

static void place(struct scene *c)
{
    put_tensors(&c->op.header, c->w, OPERANDS);
    if (c->in_place) c->op.h_out = c->op.h_in;
}

static void make_integers(struct scene *c, int packed, int slots, int ring, int tagged)
{
    int64_t s = c->s;
    if (packed) MAKE(&c->w[CU], SEGUE_I32, 0, 0, 1, s + 1);
    for (int64_t i = 0, at = 0; packed && i <= s; i++) {
        set_at(&c->w[CU].t, &i,
               i == 0 ? -(double)draw(2) : (double)(at + (i == s ? draw(3) * 100 : 0))); /* clamped */
        at += draw(3) ? draw((uint32_t)(c->t / (s ? s : 1)) + 2) : 0;
        if (at > c->t) at = c->t;
    }
    if (tagged) MAKE(&c->w[TAG], SEGUE_I32, 0, 0, 1, c->b, c->t);
    for (int64_t i = 0, tag = 0; tagged && i < c->b * c->t; i++) {
        if (!draw(6)) tag = (int64_t)draw(4) - 1;
        set_at(&c->w[TAG].t, (int64_t[]){ i / c->t, i % c->t }, (double)tag);
    }
    if (ring) MAKE(&c->w[SEEN], SEGUE_I32, 0, -2, 40, s);
    c->p = slots ? s + draw(4) : s;
    if (slots) MAKE(&c->w[SLOT], SEGUE_I32, 0, 0, 1, s, 2);
    for (int64_t i = 0; slots && i < s; i++) {
        set_at(&c->w[SLOT].t, (int64_t[]){ i, 0 }, draw(4) ? (double)i : draw(2) ? -1 : (double)(c->p + 5));
        set_at(&c->w[SLOT].t, (int64_t[]){ i, 1 }, draw(4) ? (double)i : -3);
    }
}

static void make_scene(struct scene *c)
{
    static const int64_t odd[] = { 1, 2, 7, 32, 40, 90 };
    uint32_t act = draw_dtype(), weight = draw_dtype(), state = draw(2) ? SEGUE_F32 : draw_dtype();
    int packed = !draw(3), slots = !draw(3), tagged = !packed && !draw(3), ring = !tagged && !draw(3);
    *c = (struct scene){ .op = segue_causal_conv1d_init(),
                         .b = packed ? 1 : 1 + draw(4),
                         .t = draw(4) ? draw(70) : draw(4) };
    c->width = draw(3) ? 2 + draw(3) : odd[draw(6)];
    if (c->width > 64) c->t += 60; /* windows longer than a tile, in sequences longer than both */
    else if (!draw(5)) c->t += 128 * (1 + draw(3)); /* enough tiles to be shared out */
    c->l = c->width - 1 + (draw(2) ? draw(6) : 0);
    c->d = 1 + draw(draw(2) ? 80 : 8);
    c->s = packed ? draw(5) : c->b;
    make_integers(c, packed, slots, ring, tagged);
    c->op.activation = draw(2);
    MAKE(&c->w[X], act, MAY_REPEAT, -2, 2, c->b, c->t, c->d);
    MAKE(&c->w[WEIGHT], weight, MAY_REPEAT, -1, 1, c->d, c->width);
    if (draw(2)) MAKE(&c->w[BIAS], weight, MAY_REPEAT, -1, 1, c->d);
    if (!draw(3)) MAKE(&c->w[PRE], act, MAY_REPEAT, -1, 1, c->b, c->t, c->d);
    if (!draw(3)) MAKE(&c->w[POST], act, MAY_REPEAT, -1, 1, c->b, c->t, c->d);
    if (slots || ring || draw(3)) MAKE(&c->w[H_IN], state, 0, -1, 1, c->p, c->d, c->l);
    c->in_place = c->w[H_IN].memory && !draw(3);
    if (!c->in_place && draw(4)) MAKE(&c->w[H_OUT], state, 0, -1, 1, c->p, c->d, c->l);
    MAKE(&c->w[Y], act, 0, -1, 1, c->b, c->t, c->d);
    place(c);
    for (int i = 0; i < OPERANDS; i++) snapshot(&c->w[i]);
}

struct view { /* one channel of one sequence; in is h_in as it was */
    const struct scene *c;
    const segue_causal_conv1d *op;
    segue_tensor in;
    struct segue_sequence q;
    int64_t d, seen;
    int ring, tagged, has_in;
};

static int tag(const struct view *v, int64_t i)
{
    if (!v->tagged) return 0;
    return (int)GET(v->op->seq_idx, v->q.batch,
                    i < 0 ? 0 : i); /* what came before belongs to the first token */
}

static int64_t wrap(const struct view *v, int64_t i)
{
    return ((v->seen + i) % v->c->l + v->c->l) % v->c->l;
}

/* v_i; i < 0: from the state. */
static double input(const struct view *v, int64_t i)
{
    if (i >= 0) {
        double x = GET(v->op->x, v->q.batch, v->q.first + i, v->d);
        return v->op->pre_gate.dtype.bits ? x * GET(v->op->pre_gate, v->q.batch, v->q.first + i, v->d) : x;
    }
    if (!v->has_in) return 0;
    return GET(v->in, v->q.read, v->d, v->ring ? wrap(v, i) : v->c->l + i);
}

static void near(double got, double want, double scale, uint32_t dtype, const char *what, int64_t at)
{
    if (!(fabs(got - want) <= 2e-6 * scale + rounding(dtype, want) * 1.01))
        fail_msg("%s at %lld: %.9g, wanted %.9g (scale %g)", what, (long long)at, got, want, scale);
}

static void check_outputs(const struct view *v)
{
    const segue_causal_conv1d *op = v->op;
    for (int64_t i = 0; i < v->q.length; i++) {
        double y = op->bias.dtype.bits ? GET(op->bias, v->d) : 0, scale = fabs(y);
        for (int64_t k = 0; k < v->c->width; k++) {
            int64_t from = i - (v->c->width - 1 - k);
            if (tag(v, from) != tag(v, i)) continue;
            double product = GET(op->weight, v->d, k) * input(v, from);
            y += product;
            scale += fabs(product);
        }
        if (op->activation) y /= 1 + exp(-y);
        double post = op->post_gate.dtype.bits ? GET(op->post_gate, v->q.batch, v->q.first + i, v->d) : 1;
        if (v->q.padding || tag(v, i) < 0) post = 0;
        near(GET(op->y, v->q.batch, v->q.first + i, v->d), y * post, scale * fabs(post),
             segue_dtype_id(op->y.dtype), "y", i);
    }
}

static void check_state(const struct view *v)
{
    int64_t length = v->q.length, l = v->c->l;
    if (!v->op->h_out.dtype.bits || v->q.write < 0) return;
    for (int64_t column = 0; column < l; column++) {
        int64_t i = length - l + column; /* the token whose input is here; < 0: before the call */
        double want = 0;
        if (v->ring) {
            for (i = length - 1; i >= 0 && wrap(v, i) != column; i--) {
            }
            want = i >= 0 ? input(v, i) : v->has_in ? GET(v->in, v->q.read, v->d, column) : 0;
        } else if (length == 0 || (tag(v, i) == tag(v, length - 1) && tag(v, length - 1) >= 0)) {
            want = input(v, i);
        }
        near(GET(v->op->h_out, v->q.write, v->d, column), want, fabs(want), segue_dtype_id(v->op->h_out.dtype),
             "h_out", column);
    }
}

static void check_scene(const struct scene *c)
{
    struct segue_sequences all = { &c->op.cu_seqlens, &c->op.slot, c->s, c->t, c->p };
    struct view v = { .c = c, .op = &c->op, .in = c->op.h_in };
    char *covered = calloc(1, (size_t)(c->b * c->t) + 1);
    v.in.data = c->w[H_IN].copy;
    v.tagged = c->op.seq_idx.dtype.bits != 0;
    v.ring = c->op.cache_seqlens.dtype.bits != 0;
    for (int64_t s = 0; s < c->s; s++) {
        v.q = segue_sequence_at(&all, s);
        v.has_in = c->op.h_in.dtype.bits && v.q.read >= 0;
        v.seen = v.ring ? (int64_t)GET(c->op.cache_seqlens, s) : 0;
        if (v.seen < 0) v.seen = 0;
        for (int64_t i = 0; i < v.q.length; i++) covered[v.q.batch * c->t + v.q.first + i] = 1;
        for (v.d = 0; v.d < c->d; v.d++) {
            check_outputs(&v);
            check_state(&v);
        }
    }
    segue_tensor before = c->op.y;
    before.data = c->w[Y].copy;
    for (int64_t i = 0; i < c->b * c->t * c->d; i++) {
        int64_t at[] = { i / c->d / c->t, i / c->d % c->t, i % c->d };
        if (!covered[at[0] * c->t + at[1]])
            assert_memory_equal(element(&c->op.y, at), element(&before, at), c->op.y.dtype.bits / 8);
    }
    free(covered);
    for (int i = 0; i < OPERANDS; i++)
        check_outside(&c->w[i], i == Y || i == H_OUT || (c->in_place && i == H_IN));
}

static void against_the_definition(void **state)
{
    static const uint32_t threads[] = { 1, 2, 5, 0 };
    (void)state;
    for (int round = 0; round < 400; round++) {
        struct scene c;
        seed = 1000 + (uint64_t)round;
        make_scene(&c);
        segue_causal_conv1d bound = c.op;
        bound.x.shape[1] += draw(40);
        for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
            char *y = NULL;
            for (int k = 0; k < 4; k++) {
                struct test_device d;
                if (!test_open(&d, isa, threads[k])) continue;
                for (int i = 0; i < OPERANDS; i++) restore(&c.w[i]);
                run_row(&causal_conv1d_cpu, &d, &bound.header, &c.op.header);
                check_scene(&c);
                if (!y) y = memcpy(malloc(c.w[Y].size), c.w[Y].memory, c.w[Y].size);
                assert_memory_equal(y, c.w[Y].memory, c.w[Y].size); /* whatever the threads */
                test_close(&d);
            }
            free(y);
        }
        for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
    }
}

/* Token by token with the state in place gives the bits of one call. */
static void steps_equal_prefill(void **state)
{
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
        for (int64_t width = 1; width <= 6; width++) {
            struct test_device d;
            struct scene c = { .op = segue_causal_conv1d_init(), .in_place = 1 };
            seed = 7;
            if (!test_open(&d, isa, 2)) continue;
            c.op.activation = SEGUE_CAUSAL_CONV1D_SILU;
            MAKE(&c.w[X], SEGUE_BF16, 0, -2, 2, 2, 37, 41);
            MAKE(&c.w[WEIGHT], SEGUE_F32, 0, -1, 1, 41, width);
            MAKE(&c.w[PRE], SEGUE_BF16, 0, -1, 1, 2, 37, 41);
            MAKE(&c.w[H_IN], SEGUE_F32, 0, -1, 1, 2, 41, width);
            MAKE(&c.w[Y], SEGUE_BF16, 0, -1, 1, 2, 37, 41);
            place(&c);
            snapshot(&c.w[H_IN]);
            run_row(&causal_conv1d_cpu, &d, &c.op.header, &c.op.header);
            char *y = memcpy(malloc(c.w[Y].size), c.w[Y].memory, c.w[Y].size),
                 *h = memcpy(malloc(c.w[H_IN].size), c.w[H_IN].memory, c.w[H_IN].size);
            restore(&c.w[H_IN]);
            for (int64_t i = 0; i < 37; i++) {
                segue_causal_conv1d one = c.op;
                segue_tensor *const tokens[] = { &one.x, &one.pre_gate, &one.y };
                for (int k = 0; k < 3; k++) *tokens[k] = segue_tensor_slice(*tokens[k], 1, i, 1);
                run_row(&causal_conv1d_cpu, &d, &one.header, &one.header);
            }
            assert_memory_equal(y, c.w[Y].memory, c.w[Y].size);
            assert_memory_equal(h, c.w[H_IN].memory, c.w[H_IN].size);
            free(y);
            free(h);
            for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
            test_close(&d);
        }
    }
}

/* ---- ways through a tensor ------------------------------------------------------------------------------ */

/* Strides of a [b t d] tensor of which lanes follow channels, tokens, or nothing. */
static const struct way {
    const char *name;
    int64_t token, channel; /* 0: the other one's axis lies inside */
} ways[] = { { "channels", 0, 1 }, { "tokens", 1, 0 }, { "neither", 0, 2 } };

enum { WAYS = sizeof ways / sizeof *ways };

struct held { /* memory aligned as engines align it, so that streaming stores are used */
    segue_tensor t;
    size_t size;
};

static void hold(struct held *h, uint32_t dtype, const struct way *way, int64_t gap, int64_t b, int64_t t,
                 int64_t d)
{
    h->t = segue_tensor_of(NULL, dtype, 3, (int64_t[]){ b, t, d });
    h->t.stride[1] = way->token ? way->token : way->channel * d + gap;
    h->t.stride[2] = way->channel ? way->channel : way->token * t + gap;
    h->t.stride[0] = way->token ? h->t.stride[2] * d : h->t.stride[1] * t;
    h->size = (size_t)(h->t.stride[0] * b + 16) * h->t.dtype.bits / 8;
    h->t.data = aligned_alloc(64, (h->size + 63) / 64 * 64);
    h->t.bytes = h->size;
    memset(h->t.data, CANARY, h->size);
}

static void drop_held(struct held *h)
{
    free(h->t.data);
    *h = (struct held){ 0 };
}

struct example { /* one call in one way; values do not depend on it */
    struct held x, pre, post, y;
    struct watched weight, bias, h;
    segue_causal_conv1d op;
};

static void put_values(const segue_tensor *to, uint64_t from)
{
    seed = from;
    each(to, set_range, (double[]){ -2, 2 });
}

static void make_example(struct example *e, const struct way *way, uint32_t dtype, int64_t gap, int64_t width,
                         int gated, int64_t t, int64_t d)
{
    *e = (struct example){ .op = segue_causal_conv1d_init() };
    hold(&e->x, dtype, way, gap, 2, t, d);
    hold(&e->y, dtype, way, gap, 2, t, d);
    put_values(&e->x.t, 1);
    e->op.x = e->x.t, e->op.y = e->y.t;
    if (gated) {
        hold(&e->pre, dtype, way, gap, 2, t, d);
        hold(&e->post, dtype, way, gap, 2, t, d);
        put_values(&e->pre.t, 2), put_values(&e->post.t, 3);
        e->op.pre_gate = e->pre.t, e->op.post_gate = e->post.t;
    }
    seed = 4;
    MAKE(&e->weight, SEGUE_F32, 0, -1, 1, d, width);
    MAKE(&e->bias, SEGUE_F32, 0, -1, 1, d);
    MAKE(&e->h, SEGUE_F32, 0, -1, 1, 2, d, width + 1);
    e->op.weight = e->weight.t, e->op.bias = e->bias.t, e->op.h_in = e->op.h_out = e->h.t;
    e->op.activation = gated || width % 2;
}

static void drop_example(struct example *e)
{
    struct held *held[] = { &e->x, &e->pre, &e->post, &e->y };
    struct watched *watched[] = { &e->weight, &e->bias, &e->h };
    for (int i = 0; i < 4; i++) drop_held(held[i]);
    for (int i = 0; i < 3; i++) drop(watched[i]);
}

static void assert_same(const segue_tensor *a, const segue_tensor *b, const char *what)
{
    size_t size = a->dtype.bits / 8;
    for (int64_t i = 0; i < a->shape[0]; i++)
        for (int64_t k = 0; k < a->shape[1]; k++)
            for (int64_t c = 0; c < a->shape[2]; c++)
                if (memcmp(element(a, (int64_t[]){ i, k, c }), element(b, (int64_t[]){ i, k, c }), size))
                    fail_msg("%s: [%lld %lld %lld] has other bits", what, (long long)i, (long long)k,
                             (long long)c);
}

/* All elements set back, every byte must be what it was: nothing between them was written. */
static void assert_gaps(const struct held *h)
{
    const size_t size = h->t.dtype.bits / 8;
    for (int64_t i = 0; i < h->t.shape[0]; i++)
        for (int64_t k = 0; k < h->t.shape[1]; k++)
            for (int64_t c = 0; c < h->t.shape[2]; c++)
                memset(element(&h->t, (int64_t[]){ i, k, c }), CANARY, size);
    for (size_t i = 0; i < h->size; i++)
        if (((const unsigned char *)h->t.data)[i] != CANARY)
            fail_msg("byte %zu behind an element was written", i);
}

static void compare_ways(struct test_device *d, uint32_t dtype, int64_t gap, int64_t width, int gated,
                         int64_t t, int64_t channels)
{
    struct example e[WAYS];
    char what[128];
    for (int w = 0; w < WAYS; w++) {
        make_example(&e[w], &ways[w], dtype, gap, width, gated, t, channels);
        run_row(&causal_conv1d_cpu, d, &e[w].op.header, &e[w].op.header);
        snprintf(what, sizeof what, "%s, dtype %x, gap %d, width %d, gated %d, %dx%d", ways[w].name, dtype,
                 (int)gap, (int)width, gated, (int)t, (int)channels);
        assert_same(&e[0].y.t, &e[w].y.t, what);
        assert_same(&e[0].h.t, &e[w].h.t, what);
    }
    for (int w = 0; w < WAYS; w++) {
        assert_gaps(&e[w].y);
        drop_example(&e[w]);
    }
}

/* In place or through scratch, whole blocks or not, past the caches or not: the same bits, and nothing else is
 * written. */
static void ways_agree(void **state)
{
    static const uint32_t dtypes[] = { SEGUE_F32, SEGUE_F16, SEGUE_BF16 };
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
        struct test_device d;
        if (!test_open(&d, isa, 2)) continue;
        for (int k = 0; k < 3; k++) {
            for (int64_t width = 1; width <= 6; width++)
                for (int gated = 0; gated < 2; gated++)
                    for (int64_t channels = 5; channels < 60; channels += 27)
                        compare_ways(&d, dtypes[k], width % 3, width, gated, 5 + 9 * channels % 64, channels);
            const int64_t large = k ? 1060 : 530; /* y beyond 2 MiB */
            compare_ways(&d, dtypes[k], 0, 4, 0, large, 512);
            compare_ways(&d, dtypes[k], 0, 3, 1, large, 512);
            compare_ways(&d, dtypes[k], 3, 4, 0, large + 5, 509);
            /* Windows as long as a tile and longer, in many tiles of many panels. */
            compare_ways(&d, dtypes[k], 0, 32, 0, 300, 800);
            compare_ways(&d, dtypes[k], 0, 40, 0, 300, 800);
        }
        test_close(&d);
    }
}

/* ---- the activation ------------------------------------------------------------------------------------- */

static double silu_of(double x)
{
    return x < 0 ? x * (exp(x) / (1 + exp(x))) : x / (1 + exp(-x));
}

/* y = silu(x): one tap of weight 1. */
static void activation_is_right(void **state)
{
    enum { COUNT = 40000 };
    static const double hard[] = { NAN,   INFINITY, -INFINITY, 3e38, -3e38, -1e5, -89,
                                   -88.6, -87.5,    88,        0,    -0.0,  1e-30 };
    static const uint32_t dtypes[] = { SEGUE_F32, SEGUE_F16, SEGUE_BF16 };
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++)
        for (int k = 0; k < 3 * WAYS; k++) {
            struct test_device d;
            struct example e;
            if (!test_open(&d, isa, 1)) continue;
            make_example(&e, &ways[k / 3], dtypes[k % 3], 0, 1, 0, COUNT / 40, 40);
            e.op.bias = e.op.h_in = e.op.h_out = (segue_tensor){ 0 };
            for (int64_t c = 0; c < 40; c++) set_at(&e.op.weight, (int64_t[]){ c, 0 }, 1);
            for (int64_t i = 0; i < 2 * COUNT; i++) {
                const int64_t at[] = { i / COUNT, i % COUNT / 40, i % 40 };
                const int64_t n = (int64_t)(sizeof hard / sizeof *hard);
                set_at(&e.op.x, at, i < n ? hard[i] : 100 * (double)(i - COUNT) / COUNT);
            }
            run_row(&causal_conv1d_cpu, &d, &e.op.header, &e.op.header);
            for (int64_t i = 0; i < 2 * COUNT; i++) {
                const int64_t at[] = { i / COUNT, i % COUNT / 40, i % 40 };
                const double x = get_at(&e.op.x, at), y = get_at(&e.op.y, at);
                const double want = isinf(x) && x < 0 ? NAN : silu_of(x);
                /* exp(-x) overflows below -88.7: what is lost is less than 3e-37 */
                const double most = fabs(want) * 4e-7 + 3e-37 + rounding(dtypes[k % 3], want) * 1.01;
                if (isnan(want) ? !isnan(y) : isinf(want) ? y != want : !(fabs(y - want) <= most))
                    fail_msg("%s, %s: silu(%g) is %.9g, wanted %.9g", segue_isa_name((enum segue_isa)isa),
                             ways[k / 3].name, x, y, want);
            }
            drop_example(&e);
            test_close(&d);
        }
}

static void refuses_f64(void **state)
{
    (void)state;
    segue_causal_conv1d op = segue_causal_conv1d_init();
    op.x.dtype = segue_dtype_of(SEGUE_F64);
    assert_string_equal(causal_conv1d_cpu.accepts(&op.header, NULL), "x: f64 is offered by the reference only");
    op.x.dtype = segue_dtype_of(SEGUE_F16);
    assert_null(causal_conv1d_cpu.accepts(&op.header, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(against_the_definition),
                                        cmocka_unit_test(steps_equal_prefill), cmocka_unit_test(ways_agree),
                                        cmocka_unit_test(activation_is_right), cmocka_unit_test(refuses_f64) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
