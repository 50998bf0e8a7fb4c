/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* y[b t h f] = phi(c x[b t h k]), the feature maps that do not project: every feature depends on one input or two.
 *
 * The features of a sequence's tokens and heads are one list, of which a group takes GROUP x PLAIN_EACH at a time: one
 * division of 64 bits for all of them, two of 32 bits for each. Launch: groups (parts, sequences), or (at most one a piece).
 * Key: ACT. */

/* sin or cos of (pi / 2) r / length for |r| <= length / 2. Polynomials: minimax fits of our own. */
FUNC float quarter_sine(float r, int cosine)
{
    float z = r * r, p;
    if (cosine) {
        p = FMA(FMA(2.44286457e-5f, z, -0.001388729084f), z, 0.04166664556f);
        return FMA(z * z, p, FMA(z, -0.5f, 1.0f));
    }
    p = FMA(FMA(-0.0001950602309f, z, 0.008332097903f), z, -0.1666665375f);
    return FMA(r * z, p, r);
}

/* sin or cos of (pi / 2) n / length: whole quarter turns are taken off in integers. */
FUNC float turned(i64 n, i64 length, int cosine)
{
    i64 turns = (2 * n + length) / (2 * length);
    float r = 1.57079633f * ((float)(n - turns * length) / (float)length);
    int quarter = (int)(turns & 3) + cosine;
    float v = quarter_sine(r, quarter & 1);
    return quarter & 2 ? -v : v;
}

KERNEL(feature_map_plain)(GLOBAL const ACT *x, GLOBAL const void *W, GLOBAL const void *bias, GLOBAL const i32 *keep,
                          GLOBAL const i32 *cu_seqlens, GLOBAL void *y, struct feature_map_plain_args a)
{
    (void)W, (void)bias; /* these maps have none */
    u32 heads = a.heads ? (u32)a.heads : 1u, features = a.features ? (u32)a.features : 1u, width = (u32)a.width;
    VIEW none = a.W; /* absent */
    i64 each = (i64)a.heads * a.features, tile = (i64)GROUP * PLAIN_EACH;
    for (i64 n = a.sequences ? GROUP_ID(0) : 0; n < a.pieces; n += a.parts) {
        PIECE p = { a.sequence + GROUP_ID(1), GROUP_ID(0), 0 };
        if (a.sequences)
            p = piece_at(n, a.sequences, a.tokens, tile, each, cu_seqlens, a.cu_seqlens.at, a.cu_seqlens.stride[0]);
        SEQUENCE q = sequence_at(p.s, a.tokens, 0, cu_seqlens, a.cu_seqlens, keep, none);
        i64 all = q.count * each, step = a.sequences ? tile : a.parts * tile;
        if (a.sequences && p.end * tile < all) all = p.end * tile;
        for (i64 base = p.tile * tile; base < all; base += step) {
            i64 row = base / features, token = row / heads;
            u32 offset = (u32)(base - row * features), head = (u32)(row - token * heads);
            for (u32 i = (u32)LOCAL_ID; i < (u32)tile && base + i < all; i += GROUP) {
                u32 o = offset + i, r = o / features, f = o - r * features, hh = head + r, dt = hh / heads, h = hh - dt * heads;
                i64 at_token = token + dt, t = q.first + at_token;
                float v = 0.0f;
                if (!a.keep.present || keep[AT2(a.keep, q.batch, t)] != 0) {
                    u32 from = a.map == MAP_COSREW ? f % width : a.map != MAP_TAYLOR2 ? f : f <= width ? (f ? f - 1 : 0)
                                                                                                    : (f - 1 - width) / width;
                    float in = a.scale * LOAD(x, AT4(a.x, q.batch, t, h, from));
                    v = in;
                    if (a.map == MAP_ELU1) v = in > 0.0f ? in + 1.0f : natural_exp(in);
                    if (a.map == MAP_RELU) v = (in < 0.0f ? 0.0f : in) + a.eps;
                    if (a.map == MAP_COSREW)
                        v = (in < 0.0f ? 0.0f : in) * turned(a.position + at_token + 1, a.length, f >= width);
                    if (a.map == MAP_TAYLOR2 && f == 0) v = 1.0f;
                    if (a.map == MAP_TAYLOR2 && f > width)
                        v = in * (a.scale * LOAD(x, AT4(a.x, q.batch, t, h, (f - 1 - width) % width))) * 0.707106781f;
                }
                STORE_ANY(y, AT4(a.y, q.batch, t, h, f), a.y.dtype, v);
            }
        }
    }
}
