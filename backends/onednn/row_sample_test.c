/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The row of row_sample against its definition in double, over random options, shapes, layouts and dtypes.
 * Where roundings may decide, a token whose score is as good is right, and what a filter leaves open is not
 * judged. */
#include "row_testing.h"

#include "engine/random_words.h"

extern const segue_row row_sample_cpu;

enum {
    LOGITS,
    LOGITS_U,
    X,
    ROW,
    LO,
    HI,
    TEMPERATURE,
    TOP_P,
    TOP_K,
    GUIDANCE,
    BANNED,
    SEED,
    SEQ_ID,
    POS,
    STEP,
    DRAWS,
    MOVE,
    STAY,
    TOK,
    CONF,
    LSE,
    LOGP,
    OPERANDS
};
enum { MOST_IDS = 6000 };
#define LARGEST 0x1.fffffep127

struct scene {
    segue_row_sample op;
    struct watched w[OPERANDS];
    int64_t b, t, n, v;
    int64_t judged, open; /* positions that were, and those that are open */
};

static int there(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

/* ---- inputs ---------------------------------------------------------------------------------------------- */

static void set_one_of(const segue_tensor *t, const int64_t *i, void *arg)
{
    const double *list = arg; /* its length first */
    set_at(t, i, list[1 + draw((uint32_t)list[0])]);
}

static void set_logit(const segue_tensor *t, const int64_t *i, void *arg)
{
    static const double hard[] = { NAN, INFINITY, -INFINITY, 3e38, -3e38, 0, -0.0 };
    const int kind = *(const int *)arg;
    double x = draw_real(-8, 8);
    if (kind == 1) x = ((int)draw(129) - 64) / 8.0;
    if (kind == 2) x = 2.5;
    if (kind == 3) x = (double)i[t->rank - 1] * 0.75 - 500;
    if (kind == 4) x *= 4e4;
    if (kind == 5 && !draw(6)) x = hard[draw(7)];
    if (kind == 6) x = draw(3) ? -INFINITY : NAN;
    if (kind == 7 && !draw(8)) x = draw(2) ? NAN : -INFINITY;
    set_at(t, i, x);
}

static void set_int(const segue_tensor *t, const int64_t *i, void *arg)
{
    const int *range = arg;
    set_at(t, i, range[0] + (int)draw((uint32_t)range[1]));
}

static void make_ints(struct watched *w, int first, int count, int rank, int64_t a, int64_t b)
{
    make(w, SEGUE_I32, rank, (const int64_t[]){ a, b }, MAY_REPEAT, 0, 1);
    each(&w->t, set_int, (int[]){ first, count });
}

static void make_control(struct scene *c, int operand, const double *list)
{
    MAKE(&c->w[operand], draw_dtype(), MAY_REPEAT, 0, 1, c->b);
    each(&c->w[operand].t, set_one_of, (void *)(uintptr_t)list);
}

static void make_filters(struct scene *c)
{
    static const double temperature[] = { 8, 1, 0, -1, 0.5, 2, 0.75, 1e-3, NAN },
                        top_p[] = { 9, 1, 0.9, 0.5, 0.125, 0, -1, NAN, 0.99, 2 },
                        guidance[] = { 4, 0, 1.5, -1, 0.25 };
    if (draw(2)) make_control(c, TEMPERATURE, temperature);
    if (!draw(3)) make_control(c, TOP_P, top_p);
    if (!draw(3)) make_ints(&c->w[TOP_K], -1, draw(2) ? 5 : (int)c->v + 4, 1, c->b, 0);
    if (!draw(4)) make_ints(&c->w[BANNED], -2, (int)c->v + 4, 1, draw(6), 0);
    if (!draw(4)) make_control(c, GUIDANCE, guidance);
    if (c->w[GUIDANCE].memory) {
        int kind = (int)draw(3);
        MAKE(&c->w[LOGITS_U], draw_dtype(), MAY_REPEAT, -1, 1, c->b, c->n, c->v);
        each(&c->w[LOGITS_U].t, set_logit, &kind);
    }
    c->op.nucleus = draw(2), c->op.topk_ties = draw(2);
}

static void make_noise(struct scene *c)
{
    c->op.noise = draw(2) ? draw(5) : 0;
    if (draw(2)) make_ints(&c->w[SEED], -1000, 2000, 2, c->b, 2);
    if (draw(2)) make_ints(&c->w[SEQ_ID], -3, 9, 1, c->b, 0);
    if (draw(2)) make_ints(&c->w[POS], -3, 4000, 2, c->b, c->t);
    if (draw(2)) make_ints(&c->w[STEP], -3, 9, 1, c->b, 0);
    if (c->op.noise < SEGUE_ROW_SAMPLE_UNIFORM) return;
    const double low = c->op.noise == SEGUE_ROW_SAMPLE_GUMBEL ? -2 : 0.01;
    MAKE(&c->w[DRAWS], draw_dtype(), MAY_REPEAT, low, 0.99, c->b, c->t, c->v);
}

static void make_places(struct scene *c)
{
    if (draw(2)) {
        c->op.mask_id = draw(4) ? (int64_t)draw((uint32_t)c->v + 2) : -1;
        make_ints(&c->w[X], (int)c->op.mask_id, 2, 2, c->b, c->t);
    }
    if (c->n != c->t || !draw(3)) make_ints(&c->w[ROW], -1, (int)c->n + 2, 2, c->b, c->t);
    if (!draw(3)) make_ints(&c->w[LO], -2, (int)c->t + 2, 1, c->b, 0);
    if (!draw(3)) make_ints(&c->w[HI], -1, (int)c->t + 4, 1, c->b, 0);
}

static void make_scene(struct scene *c)
{
    static const double move[] = { 4, 0.5, 0.125, 0, 1 }, stay[] = { 4, 0.5, 0.001, 0, 1 };
    static const int sizes[] = { 1, 2, 5, 17, 64, 333, 2048, 5001 };
    int kind = (int)draw(8);
    *c = (struct scene){ .op = segue_row_sample_init(), .b = 1 + draw(3), .t = 1 + draw(4) };
    c->n = draw(3) ? c->t : 1 + draw(5), c->v = sizes[draw(8)];
    MAKE(&c->w[LOGITS], draw_dtype(), MAY_REPEAT, -1, 1, c->b, c->n, c->v);
    each(&c->w[LOGITS].t, set_logit, &kind);
    make_places(c);
    make_filters(c);
    make_noise(c);
    if (!draw(4)) {
        c->op.transition = SEGUE_ROW_SAMPLE_ABSORB;
        make_control(c, MOVE, move), make_control(c, STAY, stay);
        if (!c->w[X].memory) c->op.mask_id = (int)draw((uint32_t)c->v + 3) - 1;
    }
    c->op.confidence = draw(5);
    MAKE(&c->w[TOK], SEGUE_I32, 0, 0, 1, c->b, c->t);
    for (int i = CONF; i <= LOGP; i++)
        if (draw(3)) MAKE(&c->w[i], draw(2) ? SEGUE_F32 : draw_dtype(), 0, 0, 1, c->b, c->t);
    put_tensors(&c->op.header, c->w, OPERANDS);
}

/* ---- the definition -------------------------------------------------------------------------------------- */

struct answer {
    int open;
    double raw[MOST_IDS], l[MOST_IDS],
        score[MOST_IDS + 1];                   /* the last score: the mask's where it is no id of the row */
    double raw_most, raw_sum, most, sum, size; /* size: of the largest number that roundings are in */
    int doubtful;
};

static double cut(double x)
{
    return x > LARGEST ? LARGEST : x >= -LARGEST ? x : -INFINITY;
}

static double control_at(const segue_tensor *t, int64_t b, double otherwise)
{
    return there(t) ? GET(*t, b) : otherwise;
}

static double logit_at(const segue_row_sample *op, int64_t b, int64_t n, int64_t id)
{
    double l = GET(op->logits, b, n, id);
    if (there(&op->logits_u)) {
        const double u = GET(op->logits_u, b, n, id);
        l = u + (GET(op->guidance, b) + 1) * (l - u);
    }
    for (int64_t i = 0; there(&op->banned) && i < op->banned.shape[0]; i++)
        if (GET(op->banned, i) == (double)id) return -INFINITY;
    return op->transition && id == op->mask_id ? -INFINITY : cut(l);
}

static void sum_up(const double *l, int64_t v, double *most, double *sum)
{
    *most = -INFINITY, *sum = 0;
    for (int64_t i = 0; i < v; i++) *most = fmax(*most, l[i]);
    for (int64_t i = 0; i<v && * most> - INFINITY; i++) *sum += exp(l[i] - *most);
}

static const double *sorted_by;
static int in_order(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return sorted_by[x] != sorted_by[y] ? (sorted_by[x] > sorted_by[y] ? -1 : 1) : x < y ? -1 : x > y;
}

static int64_t nucleus_of(const segue_row_sample *op, struct answer *a, const int *order, int64_t v,
                          double top_p)
{
    double before = 0, most, sum;
    int64_t stay = 0;
    sum_up(a->l, v, &most, &sum);
    for (; stay < v; stay++) {
        const double with = before + exp(a->l[order[stay]] - most) / sum, it = op->nucleus ? with : before;
        if (stay && fabs(it - top_p) < 1e-5 && top_p > 0) a->doubtful = 1;
        if (stay && !(it <= top_p)) break;
        before = with;
    }
    return stay;
}

static void filter(const segue_row_sample *op, struct answer *a, int64_t b, int64_t v)
{
    static int order[MOST_IDS];
    const double top_p = control_at(&op->top_p, b, 1);
    const int64_t k = (int64_t)control_at(&op->top_k, b, 0);
    int64_t stay = v;
    for (int i = 0; i < v; i++) order[i] = i;
    sorted_by = a->l;
    qsort(order, (size_t)v, sizeof *order, in_order);
    if (top_p < 1) stay = nucleus_of(op, a, order, v, top_p);
    if (k > 0 && k < stay) {
        const double last = a->l[order[k - 1]];
        int64_t kept = k;
        while (op->topk_ties == SEGUE_ROW_SAMPLE_KEEP_ALL && kept < stay && a->l[order[kept]] == last) kept++;
        stay = kept;
    }
    /* Numbers that were mixed may be equal here and not there. */
    const int mixed = there(&op->logits_u) && (top_p < 1 || (k > 0 && k < v));
    for (int64_t i = 0; mixed && i < v; i++)
        a->doubtful |= i != stay - 1 && fabs(a->l[order[i]] - a->l[order[stay - 1]]) < a->size * 1e-6;
    for (int64_t i = stay; i < v; i++) a->l[order[i]] = -INFINITY;
}

static struct random_counter counter_at(const segue_row_sample *op, int64_t b, int64_t t, uint32_t stream)
{
    struct random_counter c = { { 0, (uint32_t)t, (uint32_t)b, stream << 24 }, { 0, 0 } };
    if (there(&op->pos)) c.word[1] = (uint32_t)(int32_t)GET(op->pos, b, t);
    if (there(&op->seq_id)) c.word[2] = (uint32_t)(int32_t)GET(op->seq_id, b);
    if (there(&op->step)) c.word[3] |= (uint32_t)(int32_t)GET(op->step, b) & 0xffffff;
    for (int i = 0; there(&op->seed) && i < 2; i++) c.key[i] = (uint32_t)(int32_t)GET(op->seed, b, i);
    return c;
}

static double noise_at(const segue_row_sample *op, int64_t b, int64_t t, int64_t id)
{
    uint32_t w[4];
    if (!op->noise || !(control_at(&op->temperature, b, 1) > 0)) return 0;
    if (op->noise == SEGUE_ROW_SAMPLE_PHILOX) {
        struct random_counter c = counter_at(op, b, t, 0);
        c.word[0] = (uint32_t)(id >> 1);
        random_words(&c, w);
        return -log(-log1p(-(double)random_fraction(w[2 * (id & 1)], w[2 * (id & 1) + 1])));
    }
    const int64_t v = op->logits.shape[2];
    const double d = GET(op->draws, b, t, id < v ? id : v - 1);
    return op->noise == SEGUE_ROW_SAMPLE_GUMBEL    ? d
           : op->noise == SEGUE_ROW_SAMPLE_UNIFORM ? -log(-log(d))
                                                   : -log(d);
}

static void score_all(const segue_row_sample *op, struct answer *a, int64_t b, int64_t t)
{
    const int64_t v = op->logits.shape[2], mask = op->mask_id >= 0 && op->mask_id < v ? op->mask_id : v;
    const double shift = op->transition ? log(GET(op->move, b)) - log(a->sum) : 0,
                 from = op->transition ? a->most : 0;
    for (int64_t i = 0; i < v; i++) a->score[i] = a->l[i] - from + shift + noise_at(op, b, t, i);
    a->score[v] = -INFINITY;
    if (op->transition)
        a->score[mask] = log(GET(op->stay, b)) + noise_at(op, b, t, op->mask_id < 0 ? 0 : op->mask_id);
}

static void answer_of(const segue_row_sample *op, struct answer *a, int64_t b, int64_t t)
{
    const int64_t n = there(&op->row) ? (int64_t)GET(op->row, b, t) : t, v = op->logits.shape[2];
    const double temperature = control_at(&op->temperature, b, 1);
    a->open = (!there(&op->x) || GET(op->x, b, t) == (double)op->mask_id) && n >= 0 &&
              n < op->logits.shape[1] && (double)t >= control_at(&op->lo, b, 0) &&
              (double)t < control_at(&op->hi, b, (double)op->tok.shape[1]);
    if (!a->open) return;
    a->doubtful = 0, a->size = 1;
    for (int64_t i = 0; i < v; i++) {
        a->raw[i] = a->l[i] = logit_at(op, b, n, i);
        if (temperature > 0) a->l[i] = a->l[i] > -INFINITY ? cut(a->l[i] / temperature) : -INFINITY;
        /* Kernels have one number where two come as near; what is masked or far out decides nothing else. */
        if (fabs(a->l[i]) <= 1e30) a->size = fmax(a->size, fabs(a->l[i]));
        a->l[i] = (double)(float)a->l[i];
    }
    sum_up(a->raw, v, &a->raw_most, &a->raw_sum);
    filter(op, a, b, v);
    sum_up(a->l, v, &a->most, &a->sum);
    if (a->most > -INFINITY) score_all(op, a, b, t);
}

/* ---- comparison ------------------------------------------------------------------------------------------ */

static const char *words_about(const struct scene *c, int64_t b, int64_t t)
{
    static char text[200];
    const segue_row_sample *op = &c->op;
    snprintf(text, sizeof text,
             "token %.0f of %d, %d bits, noise %d, temperature %g, top_p %g, top_k %g, %s%s%sconfidence %d",
             GET(op->tok, b, t), (int)c->v, op->logits.dtype.bits, (int)op->noise,
             control_at(&op->temperature, b, 1), control_at(&op->top_p, b, 1), control_at(&op->top_k, b, 0),
             there(&op->banned) ? "banned, " : "", there(&op->logits_u) ? "mixed, " : "",
             op->transition ? "absorbs, " : "", (int)op->confidence);
    return text;
}

static void near(const struct scene *c, int operand, int64_t b, int64_t t, double want, double slack)
{
    static const char *const names[] = { "conf", "lse", "logp" };
    const segue_tensor *y = &c->w[operand].t;
    if (!there(y)) return;
    const double got = GET(*y, b, t), bound = slack + rounding(segue_dtype_id(y->dtype), want);
    if (got == want || fabs(got - want) <= bound ||
        (isinf(got) && fabs(want) >= 65504 && segue_dtype_id(y->dtype) == SEGUE_F16 && got * want > 0) ||
        (isinf(got) && fabs(want) > 3.3e38 && got * want > 0))
        return;
    fail_msg("%s[%d,%d] is %.9g, wanted %.9g within %g (%s)", names[operand - CONF], (int)b, (int)t, got, want,
             bound, words_about(c, b, t));
}

static double confidence_of(const struct scene *c, const struct answer *a, int64_t b, int64_t t, int64_t tok)
{
    const segue_row_sample *op = &c->op;
    double first = -INFINITY, second = -INFINITY, sum = 0;
    uint32_t w[4];
    const double share = op->transition ? GET(op->move, b) : 1;
    for (int64_t i = 0; i < c->v; i++) {
        const double p = exp(a->l[i] - a->most) / a->sum;
        if (p > first) second = first, first = p;
        else if (p > second) second = p;
        sum += p * log(p + 1e-10);
    }
    if (op->confidence == SEGUE_ROW_SAMPLE_MARGIN) return first - (second > 0 ? second : 0);
    if (op->confidence == SEGUE_ROW_SAMPLE_NEGENT) return sum;
    const struct random_counter counter = counter_at(op, b, t, 1);
    random_words(&counter, w);
    if (op->confidence == SEGUE_ROW_SAMPLE_RANDOM) return ((w[0] >> 9) + 0.5) / 8388608;
    if (op->transition && tok == op->mask_id) return GET(op->stay, b);
    if (op->confidence == SEGUE_ROW_SAMPLE_PROB_RAW) return share * exp(a->raw[tok] - a->raw_most) / a->raw_sum;
    return share * exp(a->l[tok] - a->most) / a->sum;
}

static void check_open(struct scene *c, const struct answer *a, int64_t b, int64_t t)
{
    const int64_t tok = (int64_t)GET(c->op.tok, b, t);
    const int masked = c->op.transition && tok == c->op.mask_id;
    const int64_t slot = masked && (tok < 0 || tok >= c->v) ? c->v : tok;
    int64_t best = -1;
    for (int64_t i = 0; a->most > -INFINITY && i <= c->v; i++)
        if (a->score[i] > (best < 0 ? -INFINITY : a->score[best])) best = i;
    if (best < 0) {
        if (tok != -1)
            fail_msg("tok[%d,%d] is %d, wanted -1 (%s)", (int)b, (int)t, (int)tok, words_about(c, b, t));
        for (int i = CONF; i <= LOGP; i++) near(c, i, b, t, -INFINITY, 0);
        return;
    }
    const double slack = a->size * 4e-7 + 3e-6;
    const double temperature = control_at(&c->op.temperature, b, 1);
    const int exact = !c->op.transition && !there(&c->op.logits_u) &&
                      (!(temperature > 0) || (temperature == 1 && !c->op.noise));
    if (slot < 0 || slot > c->v || (exact && slot != best && a->l[slot] != a->l[best]) ||
        !(a->score[slot] >= a->score[best] - (exact ? 0 : slack)) || (exact && slot > best))
        fail_msg("tok[%d,%d] is %d with %.9g, wanted %d with %.9g (%s)", (int)b, (int)t, (int)tok,
                 slot >= 0 && slot <= c->v ? a->score[slot] : NAN, (int)best, a->score[best],
                 words_about(c, b, t));
    if (c->op.noise && temperature > 0 && !there(&c->op.logits_u) && slot > best && slot < c->v &&
        a->l[slot] == a->l[best] && a->score[slot] == a->score[best])
        fail_msg("tok[%d,%d] is %d, wanted %d, which is as good and smaller", (int)b, (int)t, (int)slot,
                 (int)best);
    const double lse = a->most + log(a->sum);
    near(c, LSE, b, t, lse, slack + fabs(lse) * 2e-7);
    near(c, LOGP, b, t,
         masked ? log(GET(c->op.stay, b))
                : a->l[tok] - a->most - log(a->sum) + (c->op.transition ? log(GET(c->op.move, b)) : 0),
         2 * slack + (c->op.transition ? 1e-5 : 0));
    near(c, CONF, b, t, confidence_of(c, a, b, t, tok),
         slack * (c->op.confidence == SEGUE_ROW_SAMPLE_NEGENT ? 12 : 1));
    c->judged++;
}

static void check_scene(struct scene *c)
{
    static struct answer a;
    for (int64_t b = 0; b < c->b; b++)
        for (int64_t t = 0; t < c->t; t++) {
            answer_of(&c->op, &a, b, t);
            if (a.open && !a.doubtful) check_open(c, &a, b, t);
            c->open += a.open;
            if (a.open) continue;
            const double tok = there(&c->op.x) ? GET(c->op.x, b, t) : -1;
            if (GET(c->op.tok, b, t) != tok) fail_msg("tok of a position that is not open was changed");
            for (int i = CONF; i <= LOGP; i++) near(c, i, b, t, -INFINITY, 0);
        }
}

static void against_definition(struct test_device *d, int rounds, int64_t *judged, int64_t *open)
{
    for (int n = 0; n < rounds; n++) {
        struct scene c;
        make_scene(&c);
        for (int i = 0; i < OPERANDS; i++) snapshot(&c.w[i]);
        segue_row_sample bound = c.op;
        const int64_t more_b = draw(3), more_t = draw(9), more_n = there(&c.op.row) ? draw(5) : more_t;
        bound.tok.shape[0] += more_b, bound.tok.shape[1] += more_t;
        bound.logits.shape[0] += more_b, bound.logits.shape[1] += more_n;
        run_row(&row_sample_cpu, d, &bound.header, &c.op.header);
        check_scene(&c);
        *judged += c.judged, *open += c.open;
        for (int i = 0; i < OPERANDS; i++) check_outside(&c.w[i], i >= TOK);
        for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
    }
}

static void every_instruction_set(void **state)
{
    (void)state;
    int64_t judged = 0, open = 0;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++)
        for (uint32_t threads = 0; threads < 3; threads++) {
            struct test_device d;
            if (!test_open(&d, isa, threads)) continue;
            against_definition(&d, 400, &judged, &open);
            test_close(&d);
        }
    if (judged * 10 < open * 7) fail_msg("only %d of %d open positions were judged", (int)judged, (int)open);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_instruction_set) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
