/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "dtype.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <segue/segue.h>

#include <cmocka.h>

static const uint32_t halves[] = { SEGUE_F16, SEGUE_BF16 };

static double load16(uint32_t dtype, uint16_t bits)
{
    return dtype_load(dtype, &bits);
}

static uint16_t store16(uint32_t dtype, double value)
{
    uint16_t bits = 0xdead;
    dtype_store(dtype, &bits, value);
    return bits;
}

/* Every pattern of the two short formats: it reads as what the fields say and is written back as it was. */
static void all_patterns(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++)
        for (uint32_t bits = 0; bits < 0x10000; bits++) {
            const int fraction = k ? 7 : 10, bias = k ? 127 : 15, top = k ? 255 : 31;
            const int field = (int)(bits >> fraction) & top, low = (int)bits & ((1 << fraction) - 1);
            const double x = load16(halves[k], (uint16_t)bits), sign = bits >> 15 ? -1 : 1;
            assert_int_equal(signbit(x) != 0 || isnan(x), bits >> 15 || isnan(x));
            if (field == top && low) assert_true(isnan(x) && isnan(load16(halves[k], store16(halves[k], x))));
            else if (field == top) assert_true(x == sign * INFINITY);
            else if (field) assert_true(x == sign * pow(2, field - bias) * (1 + low / pow(2, fraction)));
            else assert_true(x == sign * pow(2, 1 - bias) * (low / pow(2, fraction)));
            if (!isnan(x)) assert_int_equal(store16(halves[k], x), bits);
        }
}

/* Between two neighbours: nearer one wins, in the middle the even one. */
static void midpoints(void **state)
{
    (void)state;
    for (int k = 0; k < 2; k++)
        for (uint32_t bits = 0; bits < (k ? 0x7f7fu : 0x7bffu); bits++) {
            const double a = load16(halves[k], (uint16_t)bits), b = load16(halves[k], (uint16_t)(bits + 1));
            const double middle = (a + b) / 2, even = bits & 1 ? b : a;
            assert_true(dtype_round(halves[k], middle) == even);
            assert_true(dtype_round(halves[k], -middle) == -even);
            assert_true(dtype_round(halves[k], nextafter(middle, a)) == a);
            assert_true(dtype_round(halves[k], nextafter(middle, b)) == b);
            assert_int_equal(store16(halves[k], nextafter(middle, b)), bits + 1);
        }
}

static void singles(void **state)
{
    uint32_t bits = 1;
    (void)state;
    for (int i = 0; i < 2000000; i++) {
        double x, wide;
        float narrow;
        uint64_t pattern = (uint64_t)(bits = bits * 1664525u + 1013904223u) << 32;
        pattern |= bits = bits * 1664525u + 1013904223u;
        pattern = (pattern & 0x800fffffffffffffu) | (uint64_t)(1023 - 152 + bits % 285)
                                                        << 52; /* f32's range, a little more */
        memcpy(&x, &pattern, sizeof x);
        narrow = (float)x; /* the processor's own rounding */
        assert_true(dtype_round(SEGUE_F32, x) == (double)narrow);
        dtype_store(SEGUE_F32, &narrow, x);
        assert_true(dtype_load(SEGUE_F32, &narrow) == (double)(float)x);
        dtype_store(SEGUE_F64, &wide, x);
        assert_true(dtype_load(SEGUE_F64, &wide) == x);
    }
}

static void edges(void **state)
{
    static const struct {
        uint32_t dtype;
        double largest, smallest, unit;
    } formats[] = {
        { SEGUE_F32, 0x1.fffffep127, 0x1p-149, 0x1p-24 },
        { SEGUE_F16, 65504, 0x1p-24, 0x1p-11 },
        { SEGUE_BF16, 0x1.fep127, 0x1p-133, 0x1p-8 },
        { SEGUE_F64, 0x1.fffffffffffffp1023, 0x1p-1074, 0x1p-53 },
    };
    char unaligned[9];
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const uint32_t dtype = formats[i].dtype;
        const double largest = formats[i].largest, tie = largest / 2 / (1 - formats[i].unit) + largest / 2;
        assert_true(dtype_largest(dtype) == largest);
        assert_true(dtype_smallest(dtype) == formats[i].smallest);
        assert_true(dtype_unit(dtype) == formats[i].unit);
        assert_true(dtype_round(dtype, largest) == largest);
        assert_true(dtype_round(dtype, formats[i].smallest) == formats[i].smallest);
        assert_true(dtype_round(dtype, INFINITY) == INFINITY && dtype_round(dtype, -INFINITY) == -INFINITY);
        assert_true(isnan(dtype_round(dtype, NAN)));
        assert_true(signbit(dtype_round(dtype, -0.0)) && !signbit(dtype_round(dtype, 0.0)));
        dtype_store(dtype, unaligned + 1, -0.0);
        assert_true(signbit(dtype_load(dtype, unaligned + 1)));
        if (dtype == SEGUE_F64) continue;
        assert_true(dtype_round(dtype, tie) == INFINITY); /* 2^most is even */
        assert_true(dtype_round(dtype, nextafter(tie, 0)) == largest);
        assert_true(dtype_round(dtype, formats[i].smallest / 2) == 0); /* a tie: 0 is even */
        assert_true(dtype_round(dtype, formats[i].smallest * 0.51) == formats[i].smallest);
        assert_true(dtype_round(dtype, 1e300) == INFINITY);
    }
    assert_true(isnan(dtype_load(0, unaligned)) && isnan(dtype_round(0, 1)));
}

static void integers(void **state)
{
    static const struct {
        double value, want;
    } rounded[] = {
        { 7, 7 },
        { -3, -3 },
        { 0.5, 0 },
        { 1.5, 2 },
        { NAN, 0 },
        { 3e9, 0x7fffffff },
        { -INFINITY, -0x1p31 },
        { -2.6, -3 },
    };
    char unaligned[5];
    (void)state;
    for (size_t i = 0; i < sizeof rounded / sizeof *rounded; i++) {
        dtype_store(SEGUE_I32, unaligned + 1, rounded[i].value);
        assert_true(dtype_load(SEGUE_I32, unaligned + 1) == rounded[i].want);
        assert_true(dtype_round(SEGUE_I32, rounded[i].value) == rounded[i].want);
    }
    assert_true(dtype_unit(SEGUE_I32) == 0 && dtype_smallest(SEGUE_I32) == 1);
    assert_true(dtype_largest(SEGUE_I32) == 0x7fffffff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_patterns), cmocka_unit_test(midpoints), cmocka_unit_test(singles),
        cmocka_unit_test(edges),        cmocka_unit_test(integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
