/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Packing against element-by-element conversion, for every instruction set that this machine has. */
#include "../row_testing.h"

typedef void (*pack_fn)(float *tile, int64_t row_pitch, int64_t block_pitch, const struct segue_strip *from);
typedef void (*unpack_fn)(const struct segue_strip *to, const float *tile, int64_t row_pitch,
                          int64_t block_pitch);

static const int lanes_of[SEGUE_ISA_COUNT] = { 4, 8, 16 };
static const pack_fn packs[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_pack);
static const unpack_fn unpacks[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_unpack);

static int available(int isa)
{
    enum segue_isa chosen;
    return segue_isa_choose(segue_isa_name((enum segue_isa)isa), &chosen, NULL) == SEGUE_OK;
}

/* Tensors come back as they were through a tile, and the tile holds their values, with zeros behind the
 * columns. */
static void round_trips(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct watched w = { 0 };
        int isa = (int)draw(SEGUE_ISA_COUNT);
        int64_t L = lanes_of[isa], rows = 1 + draw(40), columns = 1 + draw(50), blocks = (columns + L - 1) / L,
                plain = draw(2);
        int64_t row_pitch = plain ? blocks * L : L, block_pitch = plain ? L : (rows + draw(3)) * L;
        if (!available(isa)) continue;
        MAKE(&w, draw_dtype(), 0, -3, 3, columns, rows);
        snapshot(&w);
        size_t floats = (size_t)((plain ? rows : 1) * row_pitch + blocks * block_pitch);
        float *tile = malloc(floats * sizeof *tile);
        for (size_t i = 0; i < floats; i++) tile[i] = -99;
        struct segue_strip s = strip_of(&w.t, 1, 0);
        s.stream = draw(2);
        packs[isa](tile, row_pitch, block_pitch, &s);
        for (int64_t i = 0; i < rows; i++)
            for (int64_t k = 0; k < blocks * L; k++)
                assert_true((double)tile[i * row_pitch + k / L * block_pitch + k % L] ==
                            (k < columns ? GET(w.t, k, i) : 0));
        for (size_t i = 0; i < w.size; i++)
            if (w.owned[i]) w.memory[i] = 0;
        unpacks[isa](&s, tile, row_pitch, block_pitch);
        assert_memory_equal(w.memory, w.copy, w.size);
        free(tile);
        drop(&w);
    }
}

/* Every half comes back as it was (NaNs stay NaNs), and has the right value on the way, denormals flushed or
 * not. */
static void every_half(void **state)
{
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
        for (int bf16 = 0; bf16 < 2 && available(isa); bf16++) {
            uint16_t in[64], out[64];
            float tile[64];
            struct segue_strip s = { (char *)in, bf16 ? SEGUE_BF16 : SEGUE_F16, 2, 1, 0, 64, 1, 0 }, back = s;
            back.data = (char *)out;
            for (int first = 0; first < 65536; first += 64) {
                for (int i = 0; i < 64; i++) in[i] = (uint16_t)(first + i);
                uint64_t mode = float_mode_enter();
                packs[isa](tile, 0, lanes_of[isa], &s);
                unpacks[isa](&back, tile, 0, lanes_of[isa]);
                float_mode_leave(mode);
                for (int i = 0; i < 64; i++) {
                    double want = bf16 ? bf16_value(in[i]) : f16_value(in[i]),
                           got = bf16 ? bf16_value(out[i]) : f16_value(out[i]);
                    assert_true(isnan(want) ? isnan(tile[i]) && isnan(got)
                                            : (double)tile[i] == want && out[i] == in[i]);
                }
            }
        }
    }
}

static double rounded(double x, int bf16)
{
    int e;
    if (x == 0 || !isfinite(x)) return x;
    frexp(x, &e);
    double step = bf16 ? ldexp(1, (e < -125 ? -125 : e) - 8) : ldexp(1, (e < -13 ? -13 : e) - 11),
           r = nearbyint(x / step) * step;
    return fabs(r) > (bf16 ? 0x1.fep127 : 65504) ? copysign(INFINITY, r) : r;
}

static void rounds_to_nearest_even(void **state)
{
    static const float hard[] = { 65519.996f, 65520,           65504,        0x1p-25f,
                                  0x1.8p-25f, 0x1.000002p-25f, 0x1.004p0f,   0x1.00cp0f,
                                  0x1.01p0f,  0x1.03p0f,       INFINITY,     -INFINITY,
                                  0,          3.4e38f,         0x1.ffcp-15f, 0x1.ffep-15f };
    (void)state;
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++) {
        for (int bf16 = 0; bf16 < 2 && available(isa); bf16++) {
            for (int i = 0; i < 20000; i++) {
                uint16_t out[16];
                float in[16];
                struct segue_strip s = { (char *)out, bf16 ? SEGUE_BF16 : SEGUE_F16, 2, 1, 0, 16, 1, 0 };
                for (int k = 0; k < 16; k++)
                    in[k] = i ? (float)ldexp(draw_real(-1, 1), (int)draw(45) - 28) : hard[k];
                unpacks[isa](&s, in, 0, lanes_of[isa]);
                for (int k = 0; k < 16; k++)
                    if ((bf16 ? bf16_value(out[k]) : f16_value(out[k])) != rounded((double)in[k], bf16))
                        fail_msg("%a became %04x (%s, %s)", (double)in[k], out[k], bf16 ? "bf16" : "f16",
                                 segue_isa_name((enum segue_isa)isa));
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(round_trips), cmocka_unit_test(every_half),
                                        cmocka_unit_test(rounds_to_nearest_even) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
