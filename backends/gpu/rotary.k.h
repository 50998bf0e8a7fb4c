/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Rotary position embedding (arXiv:2104.09864 eq. 34), partial, of either pairing, with xPos (arXiv:2212.10554 eq. 12): what
 * rotary.def says.
 *
 * An item has a pair of a token, or a channel that passes, and all heads of it: so its angle is made once. What a pair turns by
 * from one position to the next is a number of 2^-64 turns, and an integer product with the position drops whole turns: no
 * angle loses digits far out. `width` items take a token. Launch: groups (1, tokens, parts). Key: nothing but GROUP. */

/* sin or cos of an angle in 2^-32 turns: quarters are taken off, the rest is at most pi / 4. Polynomials: minimax fits of our own. */
FUNC float sine_of(u32 word, u32 quarters)
{
    u32 quarter = (word + 0x20000000u) >> 30;
    float r = (float)(i32)(word - (quarter << 30)) * 1.46291808e-9f, z = r * r, v; /* 2 pi / 2^32 */
    quarter += quarters;
    if (quarter & 1) {
        v = FMA(FMA(2.44286457e-5f, z, -0.001388729084f), z, 0.04166664556f);
        v = FMA(z * z, v, FMA(z, -0.5f, 1.0f));
    } else {
        v = FMA(FMA(-0.0001950602309f, z, 0.008332097903f), z, -0.1666665375f);
        v = FMA(r * z, v, r);
    }
    return quarter & 2 ? -v : v;
}

/* log zeta = 2 atanh((zeta - 1) / (zeta + 1)), zeta = (i + 0.4 m) / (1.4 m): from -1.26 to near 0. */
FUNC float log_zeta(float i, float m)
{
    float s = (i - m) / FMA(1.8f, m, i), q = s * s, y = 0.0f;
    ROLLED
    for (int k = 29; k > 0; k -= 2) y = FMA(y, q, 1.0f / (float)k);
    return 2.0f * s * y;
}

KERNEL(rotary)(GLOBAL const void *x, GLOBAL const i32 *pos, GLOBAL const void *cosine, GLOBAL const void *sine,
               GLOBAL void *y, struct rotary_args a)
{
    i32 item = LOCAL_ID & (a.width - 1), units = a.pairs + a.passing, type = a.x.dtype;
    for (i64 row = (i64)GROUP_ID(1) * a.each + LOCAL_ID / (a.width ? a.width : 1); row < a.rows; row += (i64)a.groups * a.each) {
        i64 b = row / a.tokens, t = row - b * a.tokens;
        i64 p = a.pos.present ? pos[AT2(a.pos, b, t)] : a.position + t;
        for (i32 i = item; i < units; i += a.width) {
            i32 first = a.interleaved ? 2 * i : i, other = a.interleaved ? 2 * i + 1 : i + a.pairs;
            if (i >= a.pairs) {
                for (i32 h = GROUP_ID(2); h < a.heads; h += a.parts)
                    STORE_ANY(y, AT4(a.y, b, t, h, a.pairs + i), type, LOAD_ANY(x, AT4(a.x, b, t, h, a.pairs + i), type));
                continue;
            }
            u64 turn = 0x28be60db9391054a; /* 1 / (2 pi) */
            ROLLED
            for (int k = 0; k < ROTARY_POWERS; k++)
                if (i >> k & 1) turn = upper_product(turn, (u64)a.power[k]);
            u32 word = (u32)((u64)p * turn >> 32);
            float c = a.cos.present ? LOAD_ANY(cosine, AT3(a.cos, b, t, i), a.cos.dtype) : sine_of(word, 1u);
            float s = a.sin.present ? LOAD_ANY(sine, AT3(a.sin, b, t, i), a.sin.dtype) : sine_of(word, 0u);
            float scale = 1.0f;
            if (a.rate != 0.0f) scale = natural_exp((float)(p + a.shift) * a.rate * log_zeta((float)i, (float)a.pairs));
            for (i32 h = GROUP_ID(2); h < a.heads; h += a.parts) {
                float x1 = LOAD_ANY(x, AT4(a.x, b, t, h, first), type), x2 = LOAD_ANY(x, AT4(a.x, b, t, h, other), type);
                STORE_ANY(y, AT4(a.y, b, t, h, first), type, scale * (x1 * c - x2 * s));
                STORE_ANY(y, AT4(a.y, b, t, h, other), type, scale * (x2 * c + x1 * s));
            }
        }
    }
}
