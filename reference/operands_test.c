/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

static double back(uint32_t dtype, double x)
{
    uint16_t bits = 0;
    const segue_tensor t = TENSOR(&bits, dtype, 1);
    store(&t, x, 0, 0, 0, 0);
    return load(&t, 0, 0, 0, 0);
}

/* Every 16-bit number is kept; what lies between two neighbours goes to the nearer, a tie to the even one. */
static void sixteen_bits(void **context)
{
    static const struct {
        uint32_t dtype;
        int largest;     /* finite number, as bits */
        double round_up; /* half a unit above it */
    } kinds[] = { { SEGUE_F16, 0x7bff, 65520 }, { SEGUE_BF16, 0x7f7f, 0x1.ffp127 } };
    (void)context;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        for (int i = 0; i < kinds[k].largest; i++) {
            uint16_t bits[2] = { (uint16_t)i, (uint16_t)(i + 1) };
            const segue_tensor t = TENSOR(bits, kinds[k].dtype, 2);
            const double low = load(&t, 0, 0, 0, 0), high = load(&t, 1, 0, 0, 0), middle = (low + high) / 2;
            assert_true(low < high && back(kinds[k].dtype, low) == low && back(kinds[k].dtype, -high) == -high);
            assert_true(back(kinds[k].dtype, middle) == (i % 2 ? high : low));
            assert_true(back(kinds[k].dtype, nextafter(middle, low)) == low &&
                        back(kinds[k].dtype, -nextafter(middle, high)) == -high);
        }
        assert_true(isinf(back(kinds[k].dtype, kinds[k].round_up)) &&
                    isfinite(back(kinds[k].dtype, nextafter(kinds[k].round_up, 0))));
        assert_true(back(kinds[k].dtype, -INFINITY) == -INFINITY && isnan(back(kinds[k].dtype, NAN)));
        assert_true(signbit(back(kinds[k].dtype, -0.0)) && signbit(back(kinds[k].dtype, -1e-60)));
    }
}

static void known_bits(void **context)
{
    (void)context;
    assert_int_equal(to_f16(1), 0x3c00);
    assert_int_equal(to_f16(-2.5), 0xc100);
    assert_int_equal(to_f16(0x1p-24), 1);
    assert_int_equal(to_f16(0x1p-14), 0x0400);
    assert_int_equal(to_f16(2047.5), 0x6800); /* rounds up into the next power */
    assert_int_equal(to_bf16(1), 0x3f80);
    assert_int_equal(to_bf16(-3.140625), 0xc049);
    assert_int_equal(to_bf16(0x1p-133), 1);
}

static void strides(void **context)
{
    float x[24];
    (void)context;
    for (int i = 0; i < 24; i++) x[i] = (float)i;
    segue_tensor t = TENSOR(x, SEGUE_F32, 2, 3, 4);
    assert_true(load(&t, 1, 2, 3, 9) == 23); /* an index beyond the rank counts for nothing */
    t.stride[0] = 0, t.stride[2] = -1, t.offset = 3 * sizeof(float);
    assert_true(load(&t, 1, 2, 3, 0) == 8);
    store(&t, 100, 0, 0, 1, 0);
    assert_true(x[2] == 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(sixteen_bits), cmocka_unit_test(known_bits),
                                        cmocka_unit_test(strides) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
