/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The row of unmask_select against its definition, by sorting, over random options, shapes, layouts and
 * dtypes. Choices by operands must be exact; where roundings of a computed score may decide, the call is not
 * judged. */
#include "row_testing.h"

#include "engine/random_words.h"

extern const segue_row unmask_select_cpu;

enum {
    X,
    TOKENS,
    CONF,
    LO,
    HI,
    K,
    STEPS_LEFT,
    TAU,
    P,
    TEMP,
    CARRY,
    SEED,
    SEQ_ID,
    POS,
    STEP,
    DRAWS,
    X_OUT,
    N_CHANGED,
    N_LEFT,
    CHANGED,
    CARRY_OUT,
    OPERANDS
};
enum { MASK = 7, MOST = 700 };

struct scene {
    segue_unmask_select op;
    struct watched w[OPERANDS];
    int64_t b, t, c;
    int in_place;
};

static int there(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

/* ---- inputs ------------------------------------------------------------------------------------- */

static void set_one_of(const segue_tensor *t, const int64_t *i, void *arg)
{
    const double *list = arg; /* its length first */
    set_at(t, i, list[1 + draw((uint32_t)list[0])]);
}

static void set_conf(const segue_tensor *t, const int64_t *i, void *arg)
{
    const int kind = *(const int *)arg;
    static const double hard[] = { NAN, INFINITY, -INFINITY, 0, -0.0, 1, 0.5, 1e-3 };
    double x = draw_real(0.01, 1);
    if (kind == 1) x = draw(9) / 8.0;
    if (kind == 2) x = draw(3) ? x : hard[draw(8)];
    if (kind == 3) x = -x;
    set_at(t, i, x);
}

static void set_int(const segue_tensor *t, const int64_t *i, void *arg)
{
    const int *range = arg;
    set_at(t, i, range[0] + (int)draw((uint32_t)range[1]));
}

static void set_token(const segue_tensor *t, const int64_t *i, void *arg)
{
    (void)arg;
    set_at(t, i, draw(4) ? MASK : MASK - 1 + (int)draw(3));
}

static void set_candidate(const segue_tensor *t, const int64_t *i, void *arg)
{
    (void)arg;
    set_at(t, i, draw(8) ? (int)draw(50) : draw(2) ? MASK : -1 - (int)draw(3));
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

static void make_controls(struct scene *c)
{
    static const double tau[] = { 7, 0.5, 0.25, 0, 1, 2, NAN, -INFINITY },
                        p[] = { 6, 0.5, 0.1, 0, 1, NAN, -INFINITY }, temp[] = { 6, 1, 0.25, 0, -1, 2, NAN };
    const int64_t rule = c->op.rule;
    const int takes_k = rule == SEGUE_UNMASK_SELECT_TOPK || rule == SEGUE_UNMASK_SELECT_BUDGET ||
                        rule == SEGUE_UNMASK_SELECT_GUMBEL_TOPK;
    if (rule == SEGUE_UNMASK_SELECT_MASKGIT || (takes_k && draw(2)))
        make_ints(&c->w[K], -1, (int)c->t + 4, 1, c->b, 0);
    else if (takes_k) make_ints(&c->w[STEPS_LEFT], -1, 6, 1, c->b, 0);
    if (rule == SEGUE_UNMASK_SELECT_THRESHOLD || rule == SEGUE_UNMASK_SELECT_BUDGET) make_control(c, TAU, tau);
    if (rule == SEGUE_UNMASK_SELECT_THRESHOLD) c->op.k_min = draw(2) ? 1 : draw(9);
    if (rule == SEGUE_UNMASK_SELECT_BERNOULLI) make_control(c, P, p);
    if (rule == SEGUE_UNMASK_SELECT_GUMBEL_TOPK || rule == SEGUE_UNMASK_SELECT_MASKGIT)
        make_control(c, TEMP, temp);
    if (rule == SEGUE_UNMASK_SELECT_BUDGET && draw(2)) make_ints(&c->w[CARRY], -2, 9, 1, c->b, 0);
    if (rule == SEGUE_UNMASK_SELECT_BUDGET && draw(2)) MAKE(&c->w[CARRY_OUT], SEGUE_I32, 0, 0, 1, c->b);
}

static void make_noise(struct scene *c)
{
    const int64_t rule = c->op.rule;
    if (draw(2)) make_ints(&c->w[SEED], -1000, 2000, 2, c->b, 2);
    if (draw(2)) make_ints(&c->w[SEQ_ID], -3, 9, 1, c->b, 0);
    if (draw(2)) make_ints(&c->w[POS], -3, 4000, 2, c->b, c->t);
    if (draw(2)) make_ints(&c->w[STEP], -3, 9, 1, c->b, 0);
    if (rule < SEGUE_UNMASK_SELECT_BERNOULLI || draw(2)) return;
    c->op.noise = 2 + draw(3);
    MAKE(&c->w[DRAWS], draw_dtype(), MAY_REPEAT, c->op.noise == SEGUE_UNMASK_SELECT_GUMBEL ? -2 : 0.01, 0.99,
         c->b, c->t);
}

static void make_scene(struct scene *c)
{
    static const int sizes[] = { 1, 2, 7, 32, 65, 600 };
    int kind = (int)draw(4);
    *c = (struct scene){ .op = segue_unmask_select_init(), .b = 1 + draw(4), .t = sizes[draw(6)] };
    c->op.rule = draw(8), c->op.mask_id = MASK, c->in_place = !draw(3);
    MAKE(&c->w[X], SEGUE_I32, c->in_place ? 0 : MAY_REPEAT, 0, 1, c->b, c->t);
    MAKE(&c->w[TOKENS], SEGUE_I32, MAY_REPEAT, 0, 1, c->b, c->t);
    each(&c->w[X].t, set_token, NULL), each(&c->w[TOKENS].t, set_candidate, NULL);
    if ((c->op.rule != SEGUE_UNMASK_SELECT_ALL && c->op.rule != SEGUE_UNMASK_SELECT_BERNOULLI &&
         c->op.rule != SEGUE_UNMASK_SELECT_FIRST_HIT) ||
        draw(2)) {
        MAKE(&c->w[CONF], draw_dtype(), MAY_REPEAT, 0, 1, c->b, c->t);
        each(&c->w[CONF].t, set_conf, &kind);
    }
    if (!draw(3)) make_ints(&c->w[LO], -2, (int)c->t + 2, 1, c->b, 0);
    if (!draw(3)) make_ints(&c->w[HI], -1, (int)c->t + 4, 1, c->b, 0);
    make_controls(c);
    make_noise(c);
    if (!c->in_place) MAKE(&c->w[X_OUT], SEGUE_I32, 0, 0, 1, c->b, c->t);
    if (draw(2)) MAKE(&c->w[N_CHANGED], SEGUE_I32, 0, 0, 1, c->b);
    if (draw(2)) MAKE(&c->w[N_LEFT], SEGUE_I32, 0, 0, 1, c->b);
    c->c = draw((uint32_t)c->t + 3);
    if (draw(2)) MAKE(&c->w[CHANGED], SEGUE_I32, 0, 0, 1, c->b, c->c);
    put_tensors(&c->op.header, c->w, OPERANDS);
    if (c->in_place) c->op.x_out = c->op.x;
}

/* ---- the definition ----------------------------------------------------------------------------- */

struct choice {
    int eligible[MOST], chosen[MOST], order[MOST], n;
    double score[MOST];
    int doubtful;
};

static double control_at(const segue_tensor *t, int64_t b, double otherwise)
{
    return there(t) ? GET(*t, b) : otherwise;
}

static double draw_of(const struct scene *c, int64_t b, int64_t t, uint32_t stream, int uniform)
{
    const segue_unmask_select *op = &c->op;
    struct random_counter at = { { 0, (uint32_t)t, (uint32_t)b, stream << 24 }, { 0, 0 } };
    uint32_t w[4];
    const double d = there(&op->draws) ? GET(op->draws, b, t) : 0;
    if (op->noise == SEGUE_UNMASK_SELECT_GUMBEL) return uniform ? exp(-exp(-d)) : d;
    if (op->noise == SEGUE_UNMASK_SELECT_EXPONENTIAL) return uniform ? exp(-d) : -log(d);
    if (op->noise == SEGUE_UNMASK_SELECT_UNIFORM) return uniform ? d : -log(-log(d));
    if (there(&op->pos)) at.word[1] = (uint32_t)(int32_t)GET(op->pos, b, t);
    if (there(&op->seq_id)) at.word[2] = (uint32_t)(int32_t)GET(op->seq_id, b);
    if (there(&op->step)) at.word[3] |= (uint32_t)(int32_t)GET(op->step, b) & 0xffffff;
    for (int i = 0; there(&op->seed) && i < 2; i++) at.key[i] = (uint32_t)(int32_t)GET(op->seed, b, i);
    random_words(&at, w);
    return uniform ? ((w[0] >> 9) + 0.5) / 8388608 : -log(-log1p(-(double)random_fraction(w[0], w[1])));
}

static double score_of(const struct scene *c, int64_t b, int64_t t)
{
    const double conf = there(&c->op.conf) ? GET(c->op.conf, b, t) : 0, temp = control_at(&c->op.temp, b, 0);
    double s = conf;
    if (c->op.rule == SEGUE_UNMASK_SELECT_GUMBEL_TOPK && temp > 0) s = conf / temp + draw_of(c, b, t, 2, 0);
    if (c->op.rule == SEGUE_UNMASK_SELECT_MASKGIT) s = log(conf) + temp * draw_of(c, b, t, 2, 0);
    return isnan(s) ? -INFINITY : s;
}

static const double *sorted_by;
static int in_order(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return sorted_by[x] != sorted_by[y] ? (sorted_by[x] > sorted_by[y] ? -1 : 1) : x < y ? -1 : x > y;
}

static void take(struct choice *y, int64_t count, int computed)
{
    for (int i = 0; i < y->n && i < count; i++) y->chosen[y->order[i]] = 1;
    if (!computed || count <= 0 || count >= y->n) return;
    const double a = y->score[y->order[count - 1]], b = y->score[y->order[count]];
    y->doubtful = fabs(a - b) < 1e-5 * fmax(1, fabs(a)); /* equal ones, too: f32 may tell them apart */
}

static int64_t share_of(const struct scene *c, const struct choice *y, int64_t b)
{
    const double left = fmax(control_at(&c->op.steps_left, b, 1), 1);
    return there(&c->op.k) ? (int64_t)fmax(GET(c->op.k, b), 0) : (int64_t)ceil(y->n / left);
}

static int64_t budget_of(const struct scene *c, const struct choice *y, int64_t b)
{
    return share_of(c, y, b) + (int64_t)fmax(control_at(&c->op.carry, b, 0), 0);
}

static void choose_by_chance(const struct scene *c, struct choice *y, int64_t b)
{
    const double p = control_at(&c->op.p, b, 0);
    for (int t = 0; t < c->t && c->op.rule == SEGUE_UNMASK_SELECT_BERNOULLI; t++) {
        const double u = draw_of(c, b, t, 1, 1);
        y->chosen[t] = y->eligible[t] && u < p;
        y->doubtful |= c->op.noise > SEGUE_UNMASK_SELECT_UNIFORM && fabs(u - p) < 1e-5;
    }
    if (c->op.rule != SEGUE_UNMASK_SELECT_FIRST_HIT || !y->n) return;
    const double hit = draw_of(c, b, 0, 1, 1) * y->n;
    int left = (int)fmin(floor(hit), y->n - 1);
    y->doubtful = c->op.noise > SEGUE_UNMASK_SELECT_UNIFORM && fabs(hit - nearbyint(hit)) < 1e-3;
    for (int t = 0; t < c->t; t++) y->chosen[t] = y->eligible[t] && left-- == 0;
}

static void choose(const struct scene *c, struct choice *y, int64_t b)
{
    const double tau = control_at(&c->op.tau, b, 0);
    int64_t pass = 0;
    memset(y, 0, sizeof *y);
    for (int t = 0; t < c->t; t++) {
        y->eligible[t] = GET(c->op.x, b, t) == MASK && GET(c->op.tok, b, t) >= 0 &&
                         t >= control_at(&c->op.lo, b, 0) && t < control_at(&c->op.hi, b, (double)c->t);
        y->score[t] = score_of(c, b, t);
        if (!y->eligible[t]) continue;
        y->order[y->n++] = t;
        pass += y->score[t] >= tau;
    }
    sorted_by = y->score;
    qsort(y->order, (size_t)y->n, sizeof *y->order, in_order);
    switch (c->op.rule) {
    case SEGUE_UNMASK_SELECT_ALL: take(y, y->n, 0); break;
    case SEGUE_UNMASK_SELECT_TOPK: take(y, share_of(c, y, b), 0); break;
    case SEGUE_UNMASK_SELECT_THRESHOLD: take(y, pass > c->op.k_min ? pass : c->op.k_min, 0); break;
    case SEGUE_UNMASK_SELECT_BUDGET: {
        const int64_t most = budget_of(c, y, b), least = pass > 1 ? pass : 1;
        take(y, most < least ? most : least, 0);
        break;
    }
    case SEGUE_UNMASK_SELECT_GUMBEL_TOPK: take(y, share_of(c, y, b), control_at(&c->op.temp, b, 0) > 0); break;
    case SEGUE_UNMASK_SELECT_MASKGIT: take(y, y->n - share_of(c, y, b), 1); break;
    default: choose_by_chance(c, y, b);
    }
}

/* ---- comparison --------------------------------------------------------------------------------- */

static void expect(const struct scene *c, const segue_tensor *t, const char *name, int64_t b, int64_t i,
                   int64_t want)
{
    if (there(t) && get_at(t, (const int64_t[]){ b, i }) != (double)want)
        fail_msg("%s[%d,%d] is %.0f, wanted %d (rule %d, noise %d, t %d)", name, (int)b, (int)i,
                 get_at(t, (const int64_t[]){ b, i }), (int)want, (int)c->op.rule, (int)c->op.noise, (int)c->t);
}

static void check_row(const struct scene *c, const struct choice *y, const int32_t *before, int64_t b,
                      int64_t own)
{
    int64_t changes = 0, left = 0, taken = 0;
    for (int t = 0; t < c->t; t++) {
        const int32_t want = y->chosen[t] ? (int32_t)GET(c->op.tok, b, t) : before[t];
        expect(c, &c->op.x_out, "x_out", b, t, want);
        if (want != before[t] && changes < c->c) expect(c, &c->op.changed, "changed", b, changes, t);
        changes += want != before[t];
        taken += y->chosen[t];
        left += want == MASK && t >= control_at(&c->op.lo, b, 0) && t < control_at(&c->op.hi, b, (double)c->t);
    }
    for (int64_t i = changes; i < c->c; i++) expect(c, &c->op.changed, "changed", b, i, -1);
    expect(c, &c->op.n_changed, "n_changed", b, 0, changes);
    expect(c, &c->op.n_left, "n_left", b, 0, left);
    expect(c, &c->op.carry_out, "carry_out", b, 0, own - taken);
}

static void check_scene(struct test_device *d, struct scene *c, int *judged)
{
    static struct choice y[4];
    static int32_t before[4][MOST];
    int64_t own[4];
    segue_unmask_select bound = c->op;
    const int64_t more_b = draw(3), more_t = draw(9);
    for (int64_t b = 0; b < c->b; b++) {
        choose(c, &y[b], b);
        own[b] = budget_of(c, &y[b], b);
        for (int64_t t = 0; t < c->t; t++) before[b][t] = (int32_t)GET(c->op.x, b, t);
    }
    bound.x.shape[0] += more_b, bound.x.shape[1] += more_t;
    run_row(&unmask_select_cpu, d, &bound.header, &c->op.header);
    for (int64_t b = 0; b < c->b; b++)
        if (!y[b].doubtful) check_row(c, &y[b], before[b], b, own[b]), ++*judged;
}

static void every_instruction_set(void **state)
{
    int judged = 0, all = 0;
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++)
        for (uint32_t threads = 0; threads < 3; threads++) {
            struct test_device d;
            if (!test_open(&d, isa, threads)) continue;
            for (int n = 0; n < 500; n++) {
                struct scene c;
                make_scene(&c);
                for (int i = 0; i < OPERANDS; i++) snapshot(&c.w[i]);
                check_scene(&d, &c, &judged);
                all += (int)c.b;
                for (int i = 0; i < OPERANDS; i++) check_outside(&c.w[i], i >= X_OUT || (c.in_place && i == X));
                for (int i = 0; i < OPERANDS; i++) drop(&c.w[i]);
            }
            test_close(&d);
        }
    if (judged * 10 < all * 8) fail_msg("only %d of %d batch rows were judged", judged, all);
}

/* Carried along in place; a batch row's numbers do not depend on where it stands. */
static void carry_in_place(void **state)
{
    enum { T = 9 };
    int32_t x[T], tok[T], k = 2, carry = 1;
    float conf[T], tau = 0.5f;
    struct test_device d;
    (void)state;
    assert_true(test_open(&d, SEGUE_ISA_BASE, 1));
    for (int t = 0; t < T; t++) x[t] = MASK, tok[t] = 10 + t, conf[t] = (float)t / 16;
    segue_unmask_select op = segue_unmask_select_init();
    op.mask_id = MASK, op.rule = SEGUE_UNMASK_SELECT_BUDGET;
    op.x = op.x_out = segue_tensor_of(x, SEGUE_I32, 2, (const int64_t[]){ 1, T });
    op.tok = segue_tensor_of(tok, SEGUE_I32, 2, (const int64_t[]){ 1, T });
    op.conf = segue_tensor_of(conf, SEGUE_F32, 2, (const int64_t[]){ 1, T });
    op.k = segue_tensor_of(&k, SEGUE_I32, 1, (const int64_t[]){ 1 });
    op.tau = segue_tensor_of(&tau, SEGUE_F32, 1, (const int64_t[]){ 1 });
    op.carry = op.carry_out = segue_tensor_of(&carry, SEGUE_I32, 1, (const int64_t[]){ 1 });
    run_row(&unmask_select_cpu, &d, &op.header, &op.header);
    assert_true(x[8] == 18 && x[7] == MASK && carry == 2); /* one passes, of 3 */
    run_row(&unmask_select_cpu, &d, &op.header, &op.header);
    assert_true(x[7] == 17 && x[6] == MASK && carry == 3); /* none does: the first is taken */
    test_close(&d);
}

static void refused(void **state)
{
    struct test_device d;
    segue_unmask_select op = segue_unmask_select_init();
    (void)state;
    assert_true(test_open(&d, SEGUE_ISA_BASE, 1));
    op.x = segue_tensor_of(NULL, SEGUE_I32, 2, (const int64_t[]){ 1, 4 });
    op.conf = segue_tensor_of(NULL, SEGUE_F64, 2, (const int64_t[]){ 1, 4 });
    assert_string_equal(unmask_select_cpu.accepts(&op.header, &d.kit),
                        "conf: f64 is offered by the reference only");
    op.conf.dtype = segue_dtype_of(SEGUE_F32);
    assert_null(unmask_select_cpu.accepts(&op.header, &d.kit));
    op.x.shape[1] = (int64_t)INT32_MAX + 1;
    assert_string_equal(unmask_select_cpu.accepts(&op.header, &d.kit),
                        "x: t is at most 2^31 - 1, positions are i32");
    test_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_instruction_set),
                                        cmocka_unit_test(carry_in_place), cmocka_unit_test(refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
