/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Choices that roundings may decide: what a kernel chose is taken where it is as good as the own choice, what follows is judged there,
 * and what no kernel's answer tells is undecidable. */
#include "gauge_testing.h"

enum { V = 6, T = 2, POSITIONS = 5 };

/* ---- one token of some ---------------------------------------------------------------------------- */

struct sample { /* of T positions */
    segue_row_sample op;
    struct gauge_numbers *logits, *temperature, *draws, *tok, *conf;
};

/* temperature 0: there is none; draws NULL: none. */
static struct sample sample_of(const float *logits, double temperature, const float *draws)
{
    struct sample s = { .op = segue_row_sample_init() };
    s.logits = numbers(logits, T * V);
    s.tok = numbers(NULL, T), s.conf = numbers(NULL, T);
    s.op.logits = NUMBERS(s.logits, SEGUE_F32, 1, T, V);
    s.op.tok = NUMBERS(s.tok, SEGUE_I32, 1, T), s.op.conf = NUMBERS(s.conf, SEGUE_F32, 1, T);
    s.op.confidence = SEGUE_ROW_SAMPLE_PROB_FINAL;
    if (temperature > 0) {
        s.temperature = gauge_numbers_new(GAUGE_ROUNDINGS, 1);
        gauge_set(s.temperature, 0, temperature);
        s.op.temperature = NUMBERS(s.temperature, SEGUE_F32, 1);
    }
    if (draws) {
        s.draws = numbers(draws, T * V);
        s.op.draws = NUMBERS(s.draws, SEGUE_F32, 1, T, V), s.op.noise = SEGUE_ROW_SAMPLE_GUMBEL;
    }
    return s;
}

static void sample_free(struct sample *s)
{
    gauge_numbers_free(s->logits), gauge_numbers_free(s->temperature), gauge_numbers_free(s->draws);
    gauge_numbers_free(s->tok), gauge_numbers_free(s->conf);
}

/* Runs with the tokens that a kernel chose (NULL: not known). */
static void sample_run(struct sample *s, const int32_t *chosen)
{
    if (chosen) assert_int_equal(gauge_answer(s->tok, chosen), 0);
    assert_int_equal(gauge_run(&s->op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), 0);
    assert_true(gauge_asked(s->tok) && !gauge_asked(s->conf));
}

/* Whether a kernel that answers these is right. */
static int is_right(const struct gauge_numbers *n, uint32_t dtype, const double *got, int64_t count)
{
    struct bound b;
    struct verdict v;
    assert_int_equal(bound_make(&b, n, count, dtype, SEGUE_ACCURACY_F32, 0), 0);
    judge(&b, got, &v);
    bound_free(&b);
    return v.ok;
}

static int token_is_right(struct sample *s, int32_t first, int32_t second)
{
    const int32_t chosen[T] = { first, second };
    const double got[T] = { first, second };
    sample_run(s, chosen);
    return is_right(s->tok, SEGUE_I32, got, T);
}

/* Position 0: ids 1 and 4 are the two best. Position 1: id 2 by far. */
static void set_pair(float *logits, float one, float four)
{
    for (int i = 0; i < T * V; i++) logits[i] = (float)(i % V) / 8;
    logits[1] = one, logits[4] = four, logits[V + 2] = 5;
}

static void a_choice_within_roundings_is_right(void **context)
{
    float logits[T * V];
    (void)context;
    for (int swapped = 0; swapped < 2; swapped++) {
        set_pair(logits, swapped ? 3 : nextafterf(3, 4), swapped ? nextafterf(3, 4) : 3);
        struct sample s = sample_of(logits, 0.7f, NULL);
        assert_true(token_is_right(&s, 1, 2) && token_is_right(&s, 4, 2));
        assert_false(token_is_right(&s, 0, 2) || token_is_right(&s, 1, 3));
        sample_free(&s);
    }
    set_pair(logits, 3, 2.999f);
    struct sample s = sample_of(logits, 0.7f, NULL);
    assert_true(token_is_right(&s, 1, 2));
    assert_false(token_is_right(&s, 4, 2));
    sample_free(&s);
}

/* What was not computed is not rounded: the larger one, and of equals the first. */
static void exact_scores_forgive_nothing(void **context)
{
    float logits[T * V];
    (void)context;
    set_pair(logits, 3, nextafterf(3, 4));
    struct sample s = sample_of(logits, 0, NULL);
    assert_true(token_is_right(&s, 4, 2));
    assert_false(token_is_right(&s, 1, 2));
    sample_free(&s);
    set_pair(logits, 3, 3);
    s = sample_of(logits, 0, NULL);
    assert_true(token_is_right(&s, 1, 2));
    assert_false(token_is_right(&s, 4, 2));
    sample_run(&s, NULL);
    assert_true(gauge_sigma(s.tok, 0) == 0 && gauge_value(s.tok, 0) == 1);
    sample_free(&s);
}

static void no_index_is_a_wrong_answer(void **context)
{
    static const int32_t wrong[] = { -1, -7, V, INT32_MAX, INT32_MIN };
    float logits[T * V];
    (void)context;
    set_pair(logits, 3, nextafterf(3, 4));
    struct sample s = sample_of(logits, 0.7f, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(token_is_right(&s, wrong[i], 2));
        assert_true(gauge_sigma(s.tok, 0) == 0); /* and no doubt */
    }
    sample_free(&s);
}

/* Scores 3 and 3 with probabilities that differ by e^2. */
static void what_follows_is_judged_at_the_choice(void **context)
{
    float logits[T * V], draws[T * V] = { 0 };
    (void)context;
    set_pair(logits, 1, 3);
    draws[1] = nextafterf(2, 3);
    for (int32_t chosen = 1; chosen <= 4; chosen += 3) {
        struct sample s = sample_of(logits, 0, draws);
        double p[T], sum = 0;
        for (int i = 0; i < V; i++) sum += exp((double)logits[i]);
        assert_true(token_is_right(&s, chosen, 2));
        assert_true(fabs(gauge_value(s.conf, 0) - exp((double)logits[chosen]) / sum) < 1e-12);
        p[0] = (double)(float)gauge_value(s.conf, 0), p[1] = (double)(float)gauge_value(s.conf, 1);
        assert_true(is_right(s.conf, SEGUE_F32, p, T));
        p[0] = exp((double)logits[5 - chosen]) / sum; /* the other one's */
        assert_false(is_right(s.conf, SEGUE_F32, p, T));
        sample_free(&s);
    }
}

static void without_an_answer_a_near_tie_is_undecidable(void **context)
{
    float logits[T * V], draws[T * V] = { 0 };
    (void)context;
    set_pair(logits, 1, 3);
    draws[1] = nextafterf(2, 3);
    struct sample s = sample_of(logits, 0, draws);
    sample_run(&s, NULL);
    assert_true(isinf(gauge_sigma(s.tok, 0)) && isinf(gauge_sigma(s.conf, 0)));
    assert_true(gauge_sigma(s.tok, 1) == 0 && gauge_sigma(s.conf, 1) < 1e-6);
    sample_free(&s);
    draws[1] = 2.001f; /* 1e-3 better: no doubt */
    s = sample_of(logits, 0, draws);
    sample_run(&s, NULL);
    assert_true(gauge_sigma(s.tok, 0) == 0 && gauge_value(s.tok, 0) == 1);
    sample_free(&s);
}

/* A control between two tokens' shares: who chose the second of them had both. */
static void a_filter_is_told_by_what_passed_it(void **context)
{
    float logits[T * V], draws[T * V] = { 0 };
    struct gauge_numbers *top_p = gauge_numbers_new(GAUGE_ROUNDINGS, 1);
    double sum = 0;
    (void)context;
    set_pair(logits, 3, 2);
    draws[4] = 3; /* whoever may take 4 does */
    for (int i = 0; i < V; i++) sum += exp((double)logits[i]);
    struct sample s = sample_of(logits, 0, draws);
    s.op.top_p = NUMBERS(top_p, SEGUE_F32, 1);
    for (int exactly = 0; exactly < 2; exactly++) {
        gauge_set(top_p, 0, (double)(float)(exp(3.0) / sum) - (exactly ? 0 : 1e-3));
        assert_int_equal(token_is_right(&s, 4, 2), exactly);
        sample_run(&s, (const int32_t[]){ 1, 2 });
        assert_int_equal(isinf(gauge_sigma(s.tok, 0)),
                         exactly); /* who chose the first may have had one or both */
    }
    sample_free(&s);
    gauge_numbers_free(top_p);
}

/* ---- a set ------------------------------------------------------------------------------------------ */

/* The two of five positions with the largest conf / temp + g. Chosen: bits of positions. 1 = right. */
static int choice_is_right(const float *conf, const float *draws, unsigned chosen)
{
    enum { MASK = 9 };
    int32_t x[POSITIONS], tok[POSITIONS], answer[POSITIONS], k = 2, count = 0;
    double got[POSITIONS];
    struct gauge_numbers *const n[] = { numbers(conf, POSITIONS), numbers(draws, POSITIONS),
                                        numbers((const float[]){ 0.7f }, 1), numbers(NULL, POSITIONS),
                                        numbers(NULL, 1) };
    segue_unmask_select op = segue_unmask_select_init();
    for (int i = 0; i < POSITIONS; i++) {
        x[i] = MASK, tok[i] = i;
        answer[i] = chosen >> i & 1 ? i : MASK;
        count += chosen >> i & 1;
        got[i] = answer[i];
    }
    op.x = NUMBERS(x, SEGUE_I32, 1, POSITIONS), op.tok = NUMBERS(tok, SEGUE_I32, 1, POSITIONS);
    op.conf = NUMBERS(n[0], SEGUE_F32, 1, POSITIONS), op.draws = NUMBERS(n[1], SEGUE_F32, 1, POSITIONS);
    op.temp = NUMBERS(n[2], SEGUE_F32, 1), op.k = NUMBERS(&k, SEGUE_I32, 1);
    op.x_out = NUMBERS(n[3], SEGUE_I32, 1, POSITIONS), op.n_changed = NUMBERS(n[4], SEGUE_I32, 1);
    op.mask_id = MASK, op.rule = SEGUE_UNMASK_SELECT_GUMBEL_TOPK, op.noise = SEGUE_UNMASK_SELECT_GUMBEL;
    assert_int_equal(gauge_answer(n[3], answer), 0);
    assert_int_equal(gauge_run(&op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), 0);
    const int right =
        is_right(n[3], SEGUE_I32, got, POSITIONS) && is_right(n[4], SEGUE_I32, (const double[]){ count }, 1);
    for (size_t i = 0; i < sizeof n / sizeof *n; i++) gauge_numbers_free(n[i]);
    return right;
}

static unsigned bits(int i, int j)
{
    return 1u << i | 1u << j;
}

static void a_set_may_differ_by_a_near_tie(void **context)
{
    float conf[POSITIONS] = { 0.1f, 0.5f, 0.9f, 0.5f, 0.2f }, draws[POSITIONS] = { 0 };
    (void)context;
    conf[3] = nextafterf(0.5f, 1);
    assert_true(choice_is_right(conf, draws, bits(2, 1)) && choice_is_right(conf, draws, bits(2, 3)));
    assert_false(choice_is_right(conf, draws, bits(1, 3))); /* without the best */
    assert_false(choice_is_right(conf, draws, bits(2, 4)) || choice_is_right(conf, draws, bits(2, 0)));
    assert_false(choice_is_right(conf, draws, 1u << 2));              /* too few */
    assert_false(choice_is_right(conf, draws, bits(2, 1) | 1u << 3)); /* both */
    conf[3] = 0.501f;
    assert_true(choice_is_right(conf, draws, bits(2, 3)));
    assert_false(choice_is_right(conf, draws, bits(2, 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_choice_within_roundings_is_right),
        cmocka_unit_test(exact_scores_forgive_nothing),
        cmocka_unit_test(no_index_is_a_wrong_answer),
        cmocka_unit_test(what_follows_is_judged_at_the_choice),
        cmocka_unit_test(without_an_answer_a_near_tie_is_undecidable),
        cmocka_unit_test(a_filter_is_told_by_what_passed_it),
        cmocka_unit_test(a_set_may_differ_by_a_near_tie),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
