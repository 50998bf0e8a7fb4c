/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Philox against Random123's own code, where it is installed, and against three of its published answers. */
#include "random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#ifdef SEGUE_HAVE_RANDOM123
#include <Random123/philox.h>
#undef philox4x32 /* theirs is a macro of two arguments */

static void same(const uint32_t counter[4], const uint32_t key[2])
{
    const philox4x32_ctr_t c = { { counter[0], counter[1], counter[2], counter[3] } };
    const philox4x32_key_t k = { { key[0], key[1] } };
    const philox4x32_ctr_t want = philox4x32_R(10, c, k);
    uint32_t got[4];
    philox4x32(counter, key, got);
    assert_memory_equal(got, want.v, sizeof got);
}

static void oracle(void **state)
{
    static const uint32_t edges[] = { 0, 1, 0x7fffffff, 0x80000000, 0xffffffff };
    uint32_t words[6] = { 1, 2, 3, 4, 5, 6 };
    (void)state;
    for (int i = 0; i < 15625; i++) { /* every edge in every word */
        for (int k = 0, rest = i; k < 6; k++, rest /= 5) words[k] = edges[rest % 5];
        same(words, words + 4);
    }
    for (int i = 0; i < 100000; i++) {
        for (int k = 0; k < 6; k++) words[k] = words[k] * 1664525u + 1013904223u + (uint32_t)k;
        same(words, words + 4);
    }
}
#else
static void oracle(void **state)
{
    (void)state;
    skip(); /* librandom123-dev was not there when this was configured */
}
#endif

static void known_answers(void **state)
{
    static const struct {
        uint32_t counter[4], key[2], want[4];
    } known[] = { /* DEShawResearch/random123 tests/kat_vectors */
                  { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
                  { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff },
                    { 0xffffffff, 0xffffffff },
                    { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
                  { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 },
                    { 0xa4093822, 0x299f31d0 },
                    { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } }
    };
    uint32_t got[4], key[2];
    (void)state;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        philox4x32(known[i].counter, known[i].key, got);
        assert_memory_equal(got, known[i].want, sizeof got);
    }
    key_of("abc", key); /* SHA-256 begins ba7816bf 8f01cfea (FIPS 180-2, B.1) */
    assert_int_equal(key[0], 0xbf1678ba);
    assert_int_equal(key[1], 0xeacf018f);
}

static struct dice die(uint64_t element)
{
    return (struct dice){ { 11, 12 }, 3, element };
}

/* Moments of 200,000 draws; each limit is five deviations. */
static void moments(void **state)
{
    enum { COUNT = 200000 };
    double sum = 0, square = 0, fourth = 0, lag = 0, before = 0, flat = 0, log_sum = 0;
    (void)state;
    for (int i = 0; i < COUNT; i++) {
        const struct dice d = die((uint64_t)i);
        const double x = dice_normal(&d, 0);
        sum += x, square += x * x, fourth += x * x * x * x, lag += x * before, before = x;
        flat += dice_uniform(&d, 1, -2, 4);
        log_sum += log10(dice_log_uniform(&d, 2, 1e-3, 1e1));
    }
    const double five = 5 / sqrt(COUNT);
    assert_true(fabs(sum / COUNT) < five);
    assert_true(fabs(square / COUNT - 1) < five * sqrt(2));
    assert_true(fabs(fourth / COUNT - 3) < five * sqrt(96));
    assert_true(fabs(lag / COUNT) < five);
    assert_true(fabs(flat / COUNT - 1) < five * 6 / sqrt(12));
    assert_true(fabs(log_sum / COUNT + 1) < five * 4 / sqrt(12));
}

static void ranges(void **state)
{
    int seen[7] = { 0 };
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        const struct dice d = die(i);
        const double u = dice_uniform(&d, 0, 1, nextafter(nextafter(1, 2), 2)),
                     l = dice_log_uniform(&d, 1, 1e-3, 1e3);
        const int64_t k = dice_integer(&d, 2, -3, 3);
        assert_true(u == nextafter(1, 2)); /* nothing else lies between */
        assert_true(l > 1e-3 && l < 1e3);
        assert_in_range(k + 3, 0, 6);
        seen[k + 3]++;
        assert_int_equal(dice_integer(&d, 3, 5, 5), 5);
        assert_true(dice_integer(&d, 4, INT64_MAX - 1, INT64_MAX) >= INT64_MAX - 1);
        dice_integer(&d, 5, INT64_MIN, INT64_MAX);
    }
    for (int k = 0; k < 7; k++) assert_true(abs(seen[k] - 20000 / 7) < 260);
}

/* From bits to numbers, the products in 128 bits. */
static void maps(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        const struct dice d = die(i << 20);
        const uint32_t counter[4] = { (uint32_t)d.element, (uint32_t)(d.element >> 32), d.field, 9 };
        uint32_t r[4];
        philox4x32(counter, d.key, r);
        const uint64_t bits = (uint64_t)r[0] << 32 | r[1], span = (bits >> 1 ^ i) | 1;
        __extension__ const unsigned __int128 product = (unsigned __int128)bits * span;
        assert_true(dice_uniform(&d, 9, 0, 1) == ((double)(bits >> 12) + 0.5) / 4503599627370496.0);
        assert_true(dice_integer(&d, 9, -5, (int64_t)(span - 6)) == (int64_t)(uint64_t)(product >> 64) - 5);
    }
}

/* A draw depends on key, field, element and its own number, and on nothing else. */
static void independent(void **state)
{
    const struct dice d = die(5);
    struct dice key = d, field = d, element = d, far = d;
    key.key[1]++, field.field++, element.element++, far.element += (uint64_t)1 << 32;
    (void)state;
    const double x = dice_normal(&d, 0);
    assert_true(x == dice_normal(&d, 0));
    assert_true(x != dice_normal(&d, 1) && x != dice_normal(&key, 0) && x != dice_normal(&field, 0));
    assert_true(x != dice_normal(&element, 0) && x != dice_normal(&far, 0));
}

static double off(double got, double want)
{
    return fabs(got - want) / fabs(want);
}

static void functions(void **state)
{
    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        const struct dice d = die(i);
        const double x = dice_uniform(&d, 0, -700, 700), turns = dice_uniform(&d, 1, -2, 2);
        assert_true(off(dice_exp(x), exp(x)) < 2e-15);
        assert_true(fabs(dice_log(exp(x)) - log(exp(x))) <= 4e-16 * (1 + fabs(x)));
        assert_true(fabs(dice_cos_turn(turns) - cos(6.283185307179586 * turns)) < 4e-15);
    }
    assert_true(dice_exp(0) == 1 && dice_log(1) == 0 && dice_exp(-1000) == 0 && dice_exp(1000) == INFINITY);
    assert_true(dice_cos_turn(0) == 1 && dice_cos_turn(0.5) == -1 && dice_cos_turn(0.25) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oracle),    cmocka_unit_test(known_answers), cmocka_unit_test(moments),
        cmocka_unit_test(ranges),    cmocka_unit_test(independent),   cmocka_unit_test(maps),
        cmocka_unit_test(functions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
