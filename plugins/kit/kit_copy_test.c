/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include <segue/kit.h>

#include <math.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

static const segue_stream cpu = { SEGUE_API_CPU, 0, NULL };

static void convert(const void *from, uint32_t from_dtype, void *to, uint32_t to_dtype, int64_t count)
{
    const segue_tensor f = segue_tensor_of((void *)(uintptr_t)from, from_dtype, 1, &count),
                       t = segue_tensor_of(to, to_dtype, 1, &count);
    assert_int_equal(segue_kit_host_tensor_copy(NULL, cpu, &t, &f, NULL), SEGUE_OK);
}

/* What 16 bits mean, by the definition of the format. */
static double meaning(uint16_t bits, int fraction)
{
    const int exponents = 15 - fraction, bias = (1 << (exponents - 1)) - 1;
    const int exponent = bits >> fraction & ((1 << exponents) - 1), mantissa = bits & ((1 << fraction) - 1);
    double value = exponent ? ldexp(1 + ldexp(mantissa, -fraction), exponent - bias)
                            : ldexp(mantissa, 1 - bias - fraction);
    if (exponent == (1 << exponents) - 1) value = mantissa ? (double)NAN : (double)INFINITY;
    return bits >> 15 ? -value : value;
}

static const struct half {
    uint32_t dtype;
    int fraction;
    uint16_t infinity;
} halves[] = { { SEGUE_F16, 10, 0x7c00 }, { SEGUE_BF16, 7, 0x7f80 } };

static void every_value_survives(void **state)
{
    static uint16_t all[65536], again[65536];
    static double wide[65536];
    (void)state;
    for (int i = 0; i < 65536; i++) all[i] = (uint16_t)i;
    for (size_t k = 0; k < 2; k++) {
        convert(all, halves[k].dtype, wide, SEGUE_F64, 65536);
        convert(wide, SEGUE_F64, again, halves[k].dtype, 65536);
        for (int i = 0; i < 65536; i++) {
            const double want = meaning((uint16_t)i, halves[k].fraction);
            if (isnan(want)) {
                assert_true(isnan(wide[i]) && isnan(meaning(again[i], halves[k].fraction)));
                continue;
            }
            assert_true(wide[i] == want && signbit(wide[i]) == signbit(want));
            assert_int_equal(again[i], i);
        }
    }
}

/* Between each two neighbours: just below the middle, the middle itself (to even), just above. */
static void rounding_is_to_nearest_even(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2; k++)
        for (uint16_t low = 0; low < halves[k].infinity; low++) {
            const double a = meaning(low, halves[k].fraction);
            double b = meaning((uint16_t)(low + 1), halves[k].fraction);
            uint16_t got[6];
            if (isinf(b))
                b = a + (a - meaning((uint16_t)(low - 1), halves[k].fraction)); /* as if the range went on */
            const double middle = (a + b) / 2;
            const double given[6] = { nextafter(middle, 0),  middle,  nextafter(middle, 2 * middle),
                                      -nextafter(middle, 0), -middle, -nextafter(middle, 2 * middle) };
            const uint16_t even = low & 1 ? (uint16_t)(low + 1) : low, high = (uint16_t)(low + 1);
            const uint16_t want[6] = {
                low, even, high, (uint16_t)(low | 0x8000), (uint16_t)(even | 0x8000), (uint16_t)(high | 0x8000)
            };
            convert(given, SEGUE_F64, got, halves[k].dtype, 6);
            for (int i = 0; i < 6; i++)
                if (got[i] != want[i])
                    fail_msg("dtype %#x: %a gives %#x, wanted %#x", halves[k].dtype, given[i], got[i], want[i]);
        }
}

static void extremes(void **state)
{
    const double given[] = { 1e300, -1e300, (double)INFINITY, 5e-324, -5e-324, 0.0, -0.0, 1e-300 };
    const uint16_t infinite[] = { 1, 1, 1, 0, 0, 0, 0, 0 };
    uint16_t got[8];
    (void)state;
    for (size_t k = 0; k < 2; k++) {
        convert(given, SEGUE_F64, got, halves[k].dtype, 8);
        for (int i = 0; i < 8; i++)
            assert_int_equal(got[i], (signbit(given[i]) ? 0x8000 : 0) | (infinite[i] ? halves[k].infinity : 0));
    }
    float narrowed[1];
    convert((const double[]){ 1 + ldexp(1, -24) + ldexp(1, -40) }, SEGUE_F64, narrowed, SEGUE_F32, 1);
    assert_true(narrowed[0] == 1 + ldexpf(1, -23));
}

/* Every value lands where the strides say, and nothing else is touched. */
static void strides(void **state)
{
    float source[2 * 3 * 4], target[64];
    segue_tensor from = segue_tensor_of(source, SEGUE_F32, 3, (int64_t[]){ 2, 3, 4 });
    segue_tensor to = segue_tensor_of(target, SEGUE_F32, 3, (int64_t[]){ 2, 3, 4 });
    (void)state;
    for (int i = 0; i < 24; i++) source[i] = (float)i;
    for (int i = 0; i < 64; i++) target[i] = -1;
    to.stride[0] = 1, to.stride[1] = -20, to.stride[2] = 5; /* transposed, padded, one axis backwards */
    to.offset = 40 * sizeof(float);
    assert_int_equal(segue_kit_host_tensor_copy(NULL, cpu, &to, &from, NULL), SEGUE_OK);
    for (int a = 0; a < 2; a++)
        for (int b = 0; b < 3; b++)
            for (int c = 0; c < 4; c++) {
                float *at = &target[40 + a - 20 * b + 5 * c];
                assert_true(*at == source[(a * 3 + b) * 4 + c]);
                *at = -1;
            }
    for (int i = 0; i < 64; i++) assert_true(target[i] == -1);

    from.stride[0] = from.stride[2] = 0; /* broadcast, and converted on the way */
    uint16_t half[24];
    to = segue_tensor_of(half, SEGUE_BF16, 3, (int64_t[]){ 2, 3, 4 });
    assert_int_equal(segue_kit_host_tensor_copy(NULL, cpu, &to, &from, NULL), SEGUE_OK);
    for (int i = 0; i < 24; i++) assert_true(meaning(half[i], 7) == (double)source[i / 4 % 3 * 4]);
}

static void odd_shapes(void **state)
{
    const int64_t scalar = 7;
    int64_t out = 0;
    segue_tensor from = segue_tensor_of((void *)(uintptr_t)&scalar, SEGUE_I64, 0, NULL),
                 to = segue_tensor_of(&out, SEGUE_I64, 0, NULL);
    segue_diag why;
    (void)state;
    assert_int_equal(segue_kit_host_tensor_copy(NULL, cpu, &to, &from, NULL), SEGUE_OK);
    assert_int_equal(out, 7);
    from = segue_tensor_of(NULL, SEGUE_F32, 2, (int64_t[]){ 0, 4 });
    to = segue_tensor_of(NULL, SEGUE_F32, 2, (int64_t[]){ 0, 4 });
    assert_int_equal(segue_kit_host_tensor_copy(NULL, cpu, &to, &from, NULL), SEGUE_OK);
    to = segue_tensor_of(NULL, SEGUE_F32, 2, (int64_t[]){ 1, 4 });
    assert_int_equal(segue_kit_host_tensor_copy(NULL, cpu, &to, &from, &why), SEGUE_ERROR_ARGUMENT);
    from = segue_tensor_of((void *)(uintptr_t)&scalar, SEGUE_I64, 0, NULL);
    to = segue_tensor_of(&out, SEGUE_F32, 0, NULL);
    assert_int_equal(segue_kit_host_tensor_copy(NULL, cpu, &to, &from, &why), SEGUE_ERROR_UNSUPPORTED);
    assert_non_null(strstr(why.text, "0x12002 from 0x14000"));
}

static void host_memory(void **state)
{
    segue_buffer a, b;
    segue_diag why;
    (void)state;
    assert_int_equal(segue_kit_host_alloc(NULL, 1000, &a, NULL), SEGUE_OK);
    assert_int_equal(segue_kit_host_alloc(NULL, 1, &b, NULL), SEGUE_OK);
    assert_int_equal((uintptr_t)a.data % 256, 0);
    assert_int_equal((uintptr_t)b.data % 256, 0);
    assert_int_equal(segue_kit_host_fill(NULL, cpu, a, 0x5a, 1000, NULL), SEGUE_OK);
    a.offset = 999;
    assert_int_equal(segue_kit_host_copy(NULL, cpu, SEGUE_COPY_ON_DEVICE, b, a, 1, NULL), SEGUE_OK);
    assert_int_equal(*(unsigned char *)b.data, 0x5a);
    segue_kit_host_free(NULL, a);
    segue_kit_host_free(NULL, b);
    static const uint64_t large[] = { (2 << 20) - 1, 2 << 20, (2 << 20) + 1, (5 << 20) + 300 };
    for (int i = 0; i < 4; i++) {
        assert_int_equal(segue_kit_host_alloc(NULL, large[i], &a, NULL), SEGUE_OK);
        assert_int_equal(a.bytes, large[i]);
        assert_int_equal((uintptr_t)a.data % 256, 0);
        assert_int_equal(segue_kit_host_fill(NULL, cpu, a, 0x5a, large[i], NULL), SEGUE_OK);
        segue_kit_host_free(NULL, a);
    }
    assert_int_equal(segue_kit_host_alloc(NULL, UINT64_MAX - 8, &a, &why), SEGUE_ERROR_MEMORY);
    assert_int_equal(why.code, SEGUE_ERROR_MEMORY);
    assert_int_equal(segue_kit_host_stream_wrap(NULL, (segue_stream){ SEGUE_API_CUDA, 0, NULL }, &why),
                     SEGUE_ERROR_ARGUMENT);
    assert_int_equal(segue_kit_host_stream_wrap(NULL, (segue_stream){ SEGUE_API_CPU, 0, &why }, &why),
                     SEGUE_ERROR_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_survives),
        cmocka_unit_test(rounding_is_to_nearest_even),
        cmocka_unit_test(extremes),
        cmocka_unit_test(strides),
        cmocka_unit_test(odd_shapes),
        cmocka_unit_test(host_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
