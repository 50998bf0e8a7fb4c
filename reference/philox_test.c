/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Philox against Random123's own code where it is installed, and against its published answers; the numbers made of its words. */
#include "reference_testing.h"
#include "sampling.h"

#ifdef SEGUE_HAVE_RANDOM123
#include <Random123/philox.h>

static void oracle(void **context)
{
    uint32_t w[6] = { 1, 2, 3, 4, 5, 6 };
    (void)context;
    for (int i = 0; i < 100000; i++) {
        for (int k = 0; k < 6; k++)
            w[k] = i % 7 == k ? (i % 2 ? 0xffffffff : 0) : w[k] * 1664525u + 1013904223u + (uint32_t)k;
        const philox4x32_ctr_t c = { { w[0], w[1], w[2], w[3] } };
        const philox4x32_key_t key = { { w[4], w[5] } };
        const philox4x32_ctr_t want = philox4x32_R(10, c, key);
        const philox got = philox_4x32_10((philox){ { w[0], w[1], w[2], w[3] } }, w[4], w[5]);
        assert_memory_equal(got.word, want.v, sizeof got.word);
    }
}
#else
static void oracle(void **context)
{
    (void)context;
    skip(); /* librandom123-dev was not there when this was configured */
}
#endif

static void known_answers(void **context)
{
    static const struct {
        philox counter;
        uint32_t key[2], want[4];
    } known[] = { /* DEShawResearch/random123 tests/kat_vectors */
                  { { { 0, 0, 0, 0 } }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
                  { { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff } },
                    { 0xffffffff, 0xffffffff },
                    { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
                  { { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 } },
                    { 0xa4093822, 0x299f31d0 },
                    { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } }
    };
    (void)context;
    for (size_t i = 0; i < COUNT(known); i++) {
        const philox got = philox_4x32_10(known[i].counter, known[i].key[0], known[i].key[1]);
        assert_memory_equal(got.word, known[i].want, sizeof got.word);
    }
}

/* Key, position, sequence, stream and step where they belong; computed from the layout with Random123. */
static void layout(void **context)
{
    static const uint32_t words[4] = { 0x3e92cd2d, 0x4a9a526a, 0x853f16e5, 0x0e50a365 };
    const counter_base c = { 42, 0, 7, 3, 5 };
    const philox got = words_of(c, PHILOX_TOKEN, 0);
    (void)context;
    assert_memory_equal(got.word, words, sizeof words);
    const philox other = words_of(c, PHILOX_CHOICE_GUMBEL, 9);
    const philox same = philox_4x32_10((philox){ { 9, 7, 3, 2u << 24 | 5 } }, 42, 0);
    assert_memory_equal(other.word, same.word, sizeof same.word);
    assert_true(u_of(c) == philox_u23(words_of(c, PHILOX_CHOICE, 0).word[0]));
    for (int64_t i = 0; i < 20000; i++) { /* where the high word is small the low one shows */
        const philox r = words_of(c, PHILOX_TOKEN, (uint32_t)i / 2);
        assert_true(w_of(c, PHILOX_TOKEN, i) == philox_w(r.word[i % 2 * 2], r.word[i % 2 * 2 + 1]));
    }
}

static void numbers(void **context)
{
    static const struct {
        double w, e, g;
    } draw[] = { { .88052022, 2.12460817, -.75358739 },
                 { .60548186, 0, .07247375 },
                 { .36209112, 0, .79948632 },
                 { .03709408, 0, 3.27545767 } };
    static const double u[] = { .39904648, .88052016, .73571283, .60548180 };
    const counter_base zero = { 0, 0, 0, 0, 0 }, c = { 42, 0, 7, 3, 5 };
    (void)context;
    for (int i = 0; i < 4; i++) {
        const double w = w_of(zero, PHILOX_TOKEN, i);
        assert_true(fabs(philox_u23(words_of(zero, PHILOX_TOKEN, 0).word[i]) - u[i]) < 6e-9);
        assert_true(fabs(w - draw[i].w) < 6e-9 && fabs(gumbel(NOISE_PHILOX, w) - draw[i].g) < 6e-8);
        if (draw[i].e > 0) assert_true(fabs(-log1p(-w) - draw[i].e) < 6e-8);
    }
    assert_true(fabs(w_of(c, PHILOX_TOKEN, 0) - .29141727) < 6e-9);
    assert_true(fabs(gumbel(NOISE_PHILOX, w_of(c, PHILOX_TOKEN, 1)) - 2.85523687) < 6e-8);
}

/* Never 0, never 1, exact in f32, down to 2^-64. */
static void ends(void **context)
{
    (void)context;
    assert_true(philox_u23(0) == 0x1p-24 && philox_u23(0xffffffff) == 1 - 0x1p-24);
    assert_true(philox_u23(0x1ff) == philox_u23(0) && philox_u23(0x200) == 3 * 0x1p-24);
    assert_true(philox_w(0, 0) == 0x1p-64 && philox_w(1, 0) == 0x1p-64);
    assert_true(philox_w(0xffffffff, 0xffffffff) == 1 - 0x1p-24);
    assert_true(philox_w(0, 0x80000000) == 0.5 && philox_w(0x80000000, 0) == 0x1p-33);
    for (uint32_t i = 0; i < 4096; i++) {
        const double w = philox_w(i * 2654435761u, 0xffffffff - i), u = philox_u23(i * 2654435761u);
        assert_true(w == (double)(float)w && w < 1 && u == (double)(float)u);
    }
    assert_true(gumbel(NOISE_PHILOX, 0x1p-64) > 44.36 && gumbel(NOISE_PHILOX, 1 - 0x1p-24) > -2.8116);
}

/* One exponential draw under its three names. */
static void names(void **context)
{
    const double e = 0.4375, g = -log(e), u = exp(-e);
    (void)context;
    assert_close(gumbel(NOISE_EXPONENTIAL, e), g);
    assert_close(gumbel(NOISE_UNIFORM, u), g);
    assert_close(gumbel(NOISE_GUMBEL, g), g);
    assert_close(gumbel(NOISE_PHILOX, 1 - u), g);
    assert_close(uniform(NOISE_EXPONENTIAL, e), u);
    assert_close(uniform(NOISE_GUMBEL, g), u);
    assert_true(uniform(NOISE_UNIFORM, u) == u && gumbel(NOISE_NONE, 3) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oracle),  cmocka_unit_test(known_answers), cmocka_unit_test(layout),
        cmocka_unit_test(numbers), cmocka_unit_test(ends),          cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
