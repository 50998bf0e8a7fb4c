/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Attention for the tests of its rows: random calls, over shapes, layouts, dtypes, operands and options, and a plain loop in
 * double that judges them. */
#ifndef SEGUE_ONEDNN_ATTENTION_TESTING_H
#define SEGUE_ONEDNN_ATTENTION_TESTING_H

#include "row_testing.h"

enum {
    Q,
    K,
    V,
    CU,
    CU_K,
    K_LEN,
    KEEP,
    KEEP_Q,
    Q_OFFSET,
    Q_POS,
    K_POS,
    Q_INDEX,
    K_INDEX,
    O_INDEX,
    LABEL,
    BIAS,
    SLOPES,
    SINK,
    Y,
    LSE,
    OPERANDS
};

/* Calls that are made: any, of rows on tiles, of rows that multiply in bf16. */
enum { OF_ANY, OF_TILES, OF_BF16 };

static double key_size = 1; /* of unit keys; 1 = of any keys */
static double weight_error; /* by which a row may round weights */

struct scene {
    segue_attention op;
    struct watched w[OPERANDS];
    int64_t b, t, c, n, m, e, h, j, k, v;
};

static int there(const struct scene *c, int operand)
{
    return c->w[operand].memory != NULL;
}

/* ---- making --------------------------------------------------------------------------------------------- */

static void set_each(struct watched *w, int64_t low, int64_t high)
{
    const double range[] = { (double)low, (double)high };
    each(&w->t, set_range, (void *)(uintptr_t)range);
}

/* Whole numbers from low to high - 1, some of which repeat. */
static void make_numbers(struct watched *w, int rank, const int64_t *shape, int64_t low, int64_t high)
{
    make(w, SEGUE_I32, rank, shape, MAY_REPEAT, 0, 1);
    set_each(w, low, high);
}
#define NUMBERS(w, low, high, ...)                                              \
    make_numbers(w, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), \
                 (const int64_t[]){ __VA_ARGS__ }, low, high)

static void make_packed(struct scene *c)
{
    const int64_t sequences = 1 + draw(3);
    for (int i = CU; i <= CU_K; i++) {
        const int64_t length = i == CU ? c->t : c->c;
        make(&c->w[i], SEGUE_I32, 1, (const int64_t[]){ sequences + 1 }, 0, 0, 1);
        for (int64_t s = 0, at = draw(4); s <= sequences; at += draw((uint32_t)length + 1), s++)
            set_at(&c->w[i].t, &s, (double)at - 1);
    }
}

/* A slot of y for each query slot, or none. */
static void make_targets(struct scene *c)
{
    make(&c->w[O_INDEX], SEGUE_I32, 3, (const int64_t[]){ c->b, c->h, c->t }, 0, 0, 1);
    for (int64_t row = 0; row < c->b * c->h; row++) {
        const int64_t turn = draw((uint32_t)c->e);
        for (int64_t i = 0; i < c->t; i++)
            set_at(&c->w[O_INDEX].t, (const int64_t[]){ row / c->h, row % c->h, i },
                   draw(9)   ? (double)((i + turn) % c->e)
                   : draw(2) ? -1
                             : (double)c->e);
    }
}

/* Some positions that are the first or the last of int32: what caches put where they have no key. */
static void far_out(const segue_tensor *t, const int64_t *at, void *unused)
{
    (void)unused;
    if (!draw(3)) set_at(t, at, draw(2) ? INT32_MIN : INT32_MAX);
}

static void make_maps(struct scene *c)
{
    if (draw(2)) NUMBERS(&c->w[Q_POS], -3, c->m + 3, c->b, c->n);
    if (draw(2)) NUMBERS(&c->w[K_POS], -3, c->m + 3, c->b, c->m);
    if (there(c, K_POS) && !draw(3)) each(&c->w[K_POS].t, far_out, NULL);
    if (there(c, Q_INDEX)) set_each(&c->w[Q_INDEX], -2, 3 * c->n);
    if (there(c, K_INDEX)) set_each(&c->w[K_INDEX], -2, 3 * c->m);
}

/* For a row that multiplies tiles: many queries, and heads that share keys. */
static void make_tile_sizes(struct scene *c, int wide)
{
    static const int64_t widths[] = { 16, 20, 32, 48, 64, 100, 1, 3 };
    c->b = 1 + draw(2), c->j = 1 + draw(2), c->h = c->j * (1 + draw(draw(9) ? 4 : 100));
    c->t = 16 + draw(draw(3) ? 60 : 500);
    c->c = draw(3) ? c->t : draw(draw(2) ? 100 : 700);
    c->k = widths[draw(wide ? 6 : 8)], c->v = widths[draw(wide ? 6 : 8)];
    if (c->h > 16) c->t = 16 + draw(8), c->k = c->v = 16;
}

static void make_sizes(struct scene *c)
{
    static const int64_t widths[] = { 1, 3, 16, 32, 48, 64, 100 };
    const int long_keys = !draw(6);
    c->b = 1 + draw(3), c->j = 1 + draw(3), c->h = c->j * (1 + draw(draw(4) ? 4 : 40));
    c->t = draw(3) ? draw(6) : draw(3) ? draw(40) : 1;
    c->c = long_keys ? 200 + draw(1200) : draw(4) ? draw(20) : draw(150);
    c->k = widths[draw(7)], c->v = widths[draw(7)];
    if (long_keys) c->h = c->j, c->k = c->k > 32 ? 32 : c->k;
}

/* What is left out follows from the rules of the description. */
static void make_operands(struct scene *c, int tiles)
{
    segue_attention *op = &c->op;
    const int packed = !draw(4), items = !packed && !draw(3);
    op->chunk = !packed && tiles != OF_BF16 && !draw(3) ? 1 + draw(!tiles || draw(2) ? 12 : 200) : 0;
    if (op->chunk) c->c = c->t;
    c->n = c->m = -1;
    if (items && draw(2))
        c->n = 1 + draw(12),
        make(&c->w[Q_INDEX], SEGUE_I32, 3, (int64_t[]){ c->b, c->h, c->t }, MAY_REPEAT, 0, 1);
    if (items && draw(2))
        c->m = 1 + draw(30),
        make(&c->w[K_INDEX], SEGUE_I32, 3, (int64_t[]){ c->b, c->j, c->c }, MAY_REPEAT, 0, 1);
    if (packed) c->b = 1, make_packed(c);
    if (c->n < 0) c->n = c->t;
    if (c->m < 0) c->m = c->c;
    c->e = c->t;
    if (items && draw(2)) c->e = c->t + 1 + draw(4), make_targets(c);
    if (items) make_maps(c);
    if (!packed && !draw(3)) NUMBERS(&c->w[K_LEN], -2, c->m + 3, c->b);
    if (!draw(4)) NUMBERS(&c->w[KEEP], 0, 3, c->b, c->m);
    if (!draw(4)) NUMBERS(&c->w[KEEP_Q], 0, 4, c->b, c->n);
    if (items && c->h == c->j && draw(2)) NUMBERS(&c->w[LABEL], 0, 3, c->b, c->h, c->e);
    op->align = draw(2);
    if (!packed && op->align && !there(c, Q_POS) && !there(c, Q_INDEX) && draw(2)) {
        NUMBERS(&c->w[Q_OFFSET], -4, c->m + 4, c->b);
        if (!draw(3)) set_each(&c->w[Q_OFFSET], INT32_MAX - c->t, INT32_MAX);
    }
}

static void make_options(struct scene *c)
{
    static const double scales[] = { 0, 0.25, -0.5, 3 };
    segue_attention *op = &c->op;
    op->causal = draw(2);
    op->window_left = draw(2) ? -1 : (int64_t)draw(draw(2) ? 5 : 100);
    op->window_right = draw(2) ? -1 : (int64_t)draw(5);
    op->chunks_before = draw(3), op->chunks_after = draw(3), op->wrap = draw(2);
    op->key_norm = !draw(4), op->self_rule = !draw(3);
    op->scale = scales[draw(4)], op->softcap = draw(4) ? 0 : 2, op->key_eps = draw(2) ? 1e-3 : 0;
    op->self_value = draw(2) ? -1e5 : 0.5;
}

static void make_floats(struct scene *c, int tiles)
{
    const uint32_t act = tiles == OF_BF16 ? SEGUE_BF16 : draw_dtype(), weight = draw_dtype();
    uint32_t keys = tiles == OF_BF16 ? SEGUE_BF16 : draw_dtype();
    segue_attention *op = &c->op;
    if (key_size != 1) { /* f16 has no such numbers */
        keys = draw(2) ? SEGUE_BF16 : SEGUE_F32;
        op->key_norm = SEGUE_ATTENTION_UNIT, op->key_eps = draw(2) ? 1e-3 * key_size * key_size : 0;
    }
    MAKE(&c->w[Q], act, MAY_REPEAT, -2, 2, c->b, c->n, c->h, c->k);
    MAKE(&c->w[K], keys, MAY_REPEAT, -key_size, key_size, c->b, c->m, c->j, c->k);
    MAKE(&c->w[V], tiles ? keys : draw_dtype(), MAY_REPEAT, -1, 1, c->b, c->m, c->j, c->v);
    if (!tiles && !op->chunk && !there(c, Q_INDEX) && !there(c, K_INDEX) && !draw(4)) {
        MAKE(&c->w[BIAS], weight, MAY_REPEAT, -1, 1, c->b, c->h, c->t, c->c);
        for (int64_t i = draw(9); i < c->t && c->c; i += 1 + draw(4))
            set_at(&c->w[BIAS].t,
                   (int64_t[]){ draw((uint32_t)c->b), draw((uint32_t)c->h), i, draw((uint32_t)c->c) },
                   -INFINITY);
    }
    if (!draw(4)) MAKE(&c->w[SLOPES], weight, MAY_REPEAT, 0, 0.5, c->h);
    if (!draw(4)) MAKE(&c->w[SINK], weight, MAY_REPEAT, -1, 2, c->h);
    MAKE(&c->w[Y], draw_dtype(), 0, -1, 1, c->b, c->e, c->h, c->v);
    if (draw(2)) MAKE(&c->w[LSE], draw_dtype(), 0, -1, 1, c->b, c->e, c->h);
}

/* Some keys and values that are no numbers, which those who do not see them must not notice. */
static void spoil(struct scene *c)
{
    for (int i = 0; c->m && i < 3; i++) {
        const int operand = draw(2) ? K : V;
        const int64_t width = operand == K ? c->k : c->v;
        const int64_t at[] = { draw((uint32_t)c->b), draw((uint32_t)c->m), draw((uint32_t)c->j),
                               draw((uint32_t)width) };
        set_at(&c->w[operand].t, at, NAN);
    }
}

static void make_scene(struct scene *c, int tiles)
{
    *c = (struct scene){ .op = segue_attention_init() };
    if (tiles) make_tile_sizes(c, tiles == OF_BF16);
    else make_sizes(c);
    make_operands(c, tiles);
    make_options(c);
    if (tiles == OF_BF16) c->op.key_norm = SEGUE_ATTENTION_RAW;
    make_floats(c, tiles);
    if (!draw(3)) spoil(c);
    for (int i = 0; i < OPERANDS; i++) snapshot(&c->w[i]);
    put_tensors(&c->op.header, c->w, OPERANDS);
}

static void drop_scene(struct scene *c)
{
    for (int i = 0; i < OPERANDS; i++) drop(&c->w[i]);
}

/* ---- the definition ------------------------------------------------------------------------------------- */

struct place { /* of a query slot */
    int64_t b, h, slot, first_q, queries, first_k, keys, rows, first;
    int64_t row, item, position;
    double most, scale_of_error;
};

static int64_t number(const struct scene *c, int operand, int64_t i, int64_t j, int64_t k)
{
    return (int64_t)get_at(&c->w[operand].t, (const int64_t[]){ i, j, k });
}

static int64_t between(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

static int64_t times_seen(const struct scene *c, const struct place *p, int64_t a)
{
    const segue_attention *op = &c->op;
    int64_t times = 0, chunks = op->chunk ? (p->keys - 1) / op->chunk + 1 : 0;
    if (!op->chunk) return 1;
    for (int64_t x = p->slot / op->chunk - op->chunks_before; x <= p->slot / op->chunk + op->chunks_after; x++)
        times += (op->wrap ? (x % chunks + chunks) % chunks : x) == a / op->chunk;
    return times;
}

/* How often key slot a is seen, its row, and whether its score is the rule's. */
static int64_t sees(const struct scene *c, const struct place *p, int64_t a, int64_t *row, int *self,
                    double *gap)
{
    const segue_attention *op = &c->op;
    const int64_t item = there(c, K_INDEX) ? number(c, K_INDEX, p->b, p->h / (c->h / c->j), a) : a;
    *self = 0, *row = there(c, K_INDEX) && item >= 0 ? item % c->m : item;
    if (item < 0 || *row >= p->rows || p->row < 0) return 0;
    const int64_t at = there(c, K_POS) ? number(c, K_POS, p->b, *row, 0) : *row;
    *gap = fabs((double)(at - p->position));
    *self = op->self_rule && at == p->position;
    const int64_t e = c->e;
    int masked =
        (op->causal && at > p->position) || (there(c, KEEP) && !number(c, KEEP, p->b, p->first_k + *row, 0));
    if (there(c, LABEL))
        masked |= item >= e || p->item >= e ||
                  number(c, LABEL, p->b, p->h, item) != number(c, LABEL, p->b, p->h, p->item);
    if (there(c, BIAS))
        masked |= GET(c->op.bias, p->b, p->h, p->first_q + p->slot, p->first_k + a) == -INFINITY;
    if (masked && !*self) return 0;
    if (op->window_left >= 0 && at < p->position - op->window_left) return 0;
    if (op->window_right >= 0 && at > p->position + op->window_right) return 0;
    return times_seen(c, p, a);
}

/* *size: of what was added up */
static double score(const struct scene *c, const struct place *p, int64_t a, int64_t row, double gap,
                    double *size)
{
    const segue_attention *op = &c->op;
    const int64_t j = p->h / (c->h / c->j);
    double dot = 0, terms = 0, squares = op->key_eps * (double)c->k;
    for (int64_t i = 0; i < c->k; i++) {
        const double q = GET(op->q, p->b, p->first_q + p->row, p->h, i),
                     k = GET(op->k, p->b, p->first_k + row, j, i);
        dot += q * k, terms += fabs(q * k), squares += k * k;
    }
    double scale = op->scale != 0 ? op->scale : 1 / sqrt((double)c->k);
    if (op->key_norm && squares != 0) scale /= sqrt(squares);
    dot *= scale, terms *= fabs(scale);
    if (op->softcap > 0) dot = op->softcap * tanh(dot / op->softcap), terms += fabs(dot);
    const double bias = there(c, BIAS) ? GET(op->bias, p->b, p->h, p->first_q + p->slot, p->first_k + a) : 0;
    const double slope = there(c, SLOPES) ? GET(op->slopes, p->h) * gap : 0;
    *size = terms + fabs(bias) + fabs(slope);
    return dot + bias - slope;
}

static int is_near(double got, double want, double bound)
{
    return isnan(want) ? isnan(got) : isinf(want) ? got == want : fabs(got - want) <= bound;
}

/* Row `to` of y and lse. */
static void check_row(const struct scene *c, struct place *p, int64_t to)
{
    static double s[2048], value[128], sizes[128];
    const segue_attention *op = &c->op;
    const int64_t j = p->h / (c->h / c->j);
    double most = there(c, SINK) ? GET(op->sink, p->h) : -INFINITY, total = 0, error = 1e-6, gap = 0;
    int64_t row;
    int self;
    for (int64_t a = 0; a < p->keys; a++) {
        double size = 0;
        if (!sees(c, p, a, &row, &self, &gap)) continue;
        s[a] = self ? op->self_value : score(c, p, a, row, gap, &size);
        if (s[a] > most) most = s[a];
        if (1e-6 * size > error) error = 1e-6 * size;
    }
    for (int64_t i = 0; i < c->v; i++) value[i] = sizes[i] = 0;
    if (there(c, SINK)) total = exp(GET(op->sink, p->h) - most);
    for (int64_t a = 0; a < p->keys; a++) {
        const int64_t times = sees(c, p, a, &row, &self, &gap);
        const double weight = times ? (double)times * exp(s[a] - (most == -INFINITY ? 0 : most)) : 0;
        for (int64_t i = 0; times && i < c->v; i++) {
            const double v = weight * GET(op->v, p->b, p->first_k + row, j, i);
            value[i] += v, sizes[i] += fabs(v);
        }
        total += weight;
    }
    for (int64_t i = 0; i < c->v; i++) {
        const double want = total == 0 ? 0 : value[i] / total, got = GET(op->y, p->b, to, p->h, i);
        const double bound = (4 * error + weight_error) * sizes[i] / total +
                             1.01 * rounding(segue_dtype_id(op->y.dtype), want) + 1e-30;
        if (!is_near(got, want, total == 0 ? 0 : bound))
            fail_msg("y[%d %d %d %d] = %.9g, wanted %.9g", (int)p->b, (int)to, (int)p->h, (int)i, got, want);
    }
    if (!there(c, LSE)) return;
    const double want = total == 0 ? -INFINITY : most + log(total), got = GET(op->lse, p->b, to, p->h);
    double bound = 2 * error + 2e-7 * fabs(want) + 1.01 * rounding(segue_dtype_id(op->lse.dtype), want);
    if (isnan(total)                                                       ? !isnan(got)
        : fabs(want) > 65000 && segue_dtype_id(op->lse.dtype) == SEGUE_F16 ? 0
                                                                           : !is_near(got, want, bound))
        fail_msg("lse[%d %d %d] = %.9g, wanted %.9g", (int)p->b, (int)to, (int)p->h, got, want);
}

/* Where sequence s has its slots; 0: there is none. */
static int sequence(const struct scene *c, int64_t s, struct place *p)
{
    *p = (struct place){ .b = s, .queries = c->t, .keys = c->c, .rows = c->m };
    if (there(c, CU)) {
        if (s >= c->op.cu_seqlens.shape[0] - 1) return 0;
        p->b = 0;
        p->first_q = between(number(c, CU, s, 0, 0), 0, c->t);
        p->queries = between(number(c, CU, s + 1, 0, 0), p->first_q, c->t) - p->first_q;
        p->first_k = between(number(c, CU_K, s, 0, 0), 0, c->c);
        p->rows = p->keys = between(number(c, CU_K, s + 1, 0, 0), p->first_k, c->c) - p->first_k;
    } else if (s >= c->b) return 0;
    if (there(c, K_LEN)) p->rows = between(number(c, K_LEN, s, 0, 0), 0, c->m);
    p->first = !c->op.align ? p->rows - p->queries : there(c, Q_OFFSET) ? number(c, Q_OFFSET, s, 0, 0) : 0;
    return 1;
}

static void place_query(const struct scene *c, struct place *p)
{
    p->item = p->row = p->slot;
    if (there(c, Q_INDEX))
        p->item = number(c, Q_INDEX, p->b, p->h, p->slot), p->row = p->item < 0 ? -1 : p->item % c->n;
    if (p->row >= 0 && there(c, KEEP_Q) && !number(c, KEEP_Q, p->b, p->first_q + p->row, 0)) p->row = -1;
    p->position = p->slot + p->first;
    if (there(c, Q_INDEX)) p->position = p->row;
    if (there(c, Q_POS) && p->row >= 0) p->position = number(c, Q_POS, p->b, p->row, 0);
}

static void check_all(const struct scene *c)
{
    struct place p;
    char *written = calloc(1, (size_t)(c->b * c->e * c->h + 1));
    for (int64_t s = 0; sequence(c, s, &p); s++)
        for (p.h = 0; p.h < c->h; p.h++)
            for (p.slot = 0; p.slot < p.queries; p.slot++) {
                const int64_t to =
                    there(c, O_INDEX) ? number(c, O_INDEX, p.b, p.h, p.slot) : p.first_q + p.slot;
                if (to < 0 || to >= c->e) continue;
                place_query(c, &p);
                check_row(c, &p, to);
                written[(p.b * c->e + to) * c->h + p.h] = 1;
            }
    for (int64_t i = 0; i < c->b * c->e * c->h; i++)
        for (int64_t v = 0; !written[i] && v < c->v; v++) {
            const struct watched *y = &c->w[Y];
            const char *at = element(&y->t, (int64_t[]){ i / c->h / c->e, i / c->h % c->e, i % c->h, v });
            assert_memory_equal(at, y->copy + (at - y->memory), y->t.dtype.bits / 8);
        }
    free(written);
    for (int i = 0; i < OPERANDS; i++) check_outside(&c->w[i], i >= Y);
}

/* Calls of a kind by a row, judged, with keys whose squares leave f32 both ways. */
static inline void judge_keys_beyond_f32(const segue_row *row, int kind)
{
    static const double sizes[] = { 0x1p66, 0x1p100, 0x1p-50, 0x1p-70, 0x1p-90 };
    for (int n = 0; n < 150; n++) {
        struct test_device device;
        struct scene c;
        if (!test_open(&device, (int)draw(SEGUE_ISA_COUNT), draw(5))) continue;
        key_size = sizes[draw(5)];
        make_scene(&c, kind);
        key_size = 1;
        run_row(row, &device, &c.op.header, &c.op.header);
        check_all(&c);
        drop_scene(&c);
        test_close(&device);
    }
}

#endif
