/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Right kernels pass at every key and wrong ones fail at every key: the constants of the gauge, shown on its own. */
#include "gauge_testing.h"

enum { KEYS = 64 };

static const int lengths[] = { 1, 2, 33, 100, 400 };

struct worst { /* of a run over keys */
    double sigmas, rms, scale, sign;
    int verdicts, failed;
};

static void note(struct worst *w, const struct verdict *v)
{
    w->sigmas = fmax(w->sigmas, v->sigmas), w->rms = fmax(w->rms, v->rms);
    w->scale = fmax(w->scale, v->scale), w->sign = fmax(w->sign, v->sign);
    w->verdicts++, w->failed += !v->ok;
}

/* y and h_out of one scan under the class; both are judged. */
static int scan_fails(const struct scan *s, enum how how, uint32_t dtype, uint32_t accuracy, struct worst *w)
{
    const int64_t outputs = (int64_t)s->T * s->D, states = (int64_t)s->D * s->N;
    float *y = calloc((size_t)outputs, sizeof *y), *h_out = calloc((size_t)states, sizeof *h_out);
    struct scan_numbers g = scan_numbers_of(s, dtype);
    assert_int_equal(gauge_run(&g.op.header, GAUGE_ROUNDINGS, accuracy), 0);
    scan_run(s, how, y, h_out);
    const struct verdict of_y = judge_floats(g.y, y, outputs, dtype, accuracy),
                         of_h = judge_floats(g.h_out, h_out, states, SEGUE_F32, accuracy);
    note(w, &of_y), note(w, &of_h);
    scan_numbers_free(&g);
    free(y), free(h_out);
    return !of_y.ok || !of_h.ok;
}

static int conv_fails(const struct conv *c, enum how how, uint32_t dtype, struct worst *w)
{
    const int64_t outputs = (int64_t)c->T * c->D;
    float *y = calloc((size_t)outputs, sizeof *y);
    struct conv_numbers g = conv_numbers_of(c, dtype);
    assert_int_equal(gauge_run(&g.op.header, GAUGE_ROUNDINGS, SEGUE_ACCURACY_F32), 0);
    conv_run(c, how, y);
    const struct verdict v = judge_floats(g.y, y, outputs, dtype, SEGUE_ACCURACY_F32);
    note(w, &v);
    conv_numbers_free(&g);
    free(y);
    return !v.ok;
}

static void tell(const char *name, const struct worst *w)
{
    printf("%-28s %4d verdicts, %d failed; largest |error| / sigma %.2f, rms %.2f, scale %.2f, sign %.2f\n",
           name, w->verdicts, w->failed, w->sigmas, w->rms, w->scale, w->sign);
}

static const struct kernel {
    const char *name;
    enum how how;
    uint32_t dtype, accuracy;
} right[] = {
    { "sequential", PLAIN, SEGUE_F32, SEGUE_ACCURACY_F32 },
    { "reversed", REVERSED, SEGUE_F32, SEGUE_ACCURACY_F32 },
    { "fused", FUSED, SEGUE_F32, SEGUE_ACCURACY_F32 },
    { "fused, bf16 outputs", FUSED, SEGUE_BF16, SEGUE_ACCURACY_F32 },
    { "reversed, f16 outputs", REVERSED, SEGUE_F16, SEGUE_ACCURACY_F32 },
    { "chunked", CHUNKED, SEGUE_F32, SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG },
    { "quick exp", QUICK, SEGUE_F32, SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_FAST },
    { "chunked, quick exp", CHUNKED | QUICK, SEGUE_F32,
      SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG | SEGUE_ACCURACY_FAST },
};

static void right_scans_pass(void **context)
{
    (void)context;
    for (size_t k = 0; k < sizeof right / sizeof *right; k++) {
        struct worst w = { 0 };
        for (int key = 0; key < KEYS; key++) {
            struct scan s = scan_make((uint64_t)key * 1000 + k, key % SCAN_KINDS, lengths[key / SCAN_KINDS % 5],
                                      1 + key % 3, 1 + key % 16);
            scan_fails(&s, right[k].how, right[k].dtype, right[k].accuracy, &w);
            scan_free(&s);
        }
        tell(right[k].name, &w);
        assert_int_equal(w.failed, 0);
    }
}

static void right_convolutions_pass(void **context)
{
    (void)context;
    for (size_t k = 0; k < 5; k++) {
        struct worst w = { 0 };
        for (int key = 0; key < KEYS; key++) {
            struct conv c = conv_make((uint64_t)key * 1000 + k, lengths[key % 5], 1 + key % 7, 2 + key % 4);
            conv_fails(&c, right[k].how, right[k].dtype, &w);
            conv_free(&c);
        }
        tell(right[k].name, &w);
        assert_int_equal(w.failed, 0);
    }
}

/* Each at every key, under the loosest class that a row may declare without bf16 products, too. */
static void wrong_kernels_fail(void **context)
{
    static const struct {
        const char *name;
        enum how how;
    } wrong[] = { { "bf16 state", BF16_STATE },
                  { "exp biased by 2^-12", BIASED },
                  { "one carry lost", LOST },
                  { "h_in ignored", STATELESS } };
    (void)context;
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        struct worst w = { 0 };
        int killed = 0;
        for (int key = 0; key < KEYS; key++) {
            struct scan s = scan_make((uint64_t)key * 1000 + k, key % SCAN_KINDS, 100, 2, 8);
            killed += scan_fails(&s, wrong[k].how, SEGUE_F32, SEGUE_ACCURACY_F32, &w);
            scan_free(&s);
        }
        tell(wrong[k].name, &w);
        assert_int_equal(killed, KEYS);
    }
    struct worst w = { 0 };
    int killed = 0;
    for (int key = 0; key < KEYS; key++) {
        struct conv c = conv_make((uint64_t)key, 33, 3, 4);
        killed += conv_fails(&c, UNTAPPED, SEGUE_F32, &w);
        killed += conv_fails(&c, STATELESS, SEGUE_F32, &w);
        killed += conv_fails(&c, BIASED, SEGUE_F32, &w);
        conv_free(&c);
    }
    assert_int_equal(killed, 3 * KEYS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_scans_pass),
        cmocka_unit_test(right_convolutions_pass),
        cmocka_unit_test(wrong_kernels_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
