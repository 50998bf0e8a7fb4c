/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* y[b t h f] = phi(u),  u = W[h m k] (c x[b t h k]) + bias[h m]: the feature maps that project (arXiv:2009.14794 and those that
 * the .def names). With n2 = |c x|^2 / 2, and M or R the largest u or |c x|^2 of the token or of its sequence.
 *
 * A group takes tiles of TOKENS tokens of one head: it stages CHUNK inputs at a time in LOCAL, an item sums up its ROWS rows of
 * W for all these tokens, leaves them in LOCAL as u, where maxima and sums over a token's rows are taken, and maps them.
 * Maxima of a sequence take a launch of their own before. Launch: groups (heads x parts, sequences). Key: ACT, ROWS. */
#define TOKENS FEATURE_TOKENS(ROWS)
#define CHUNK 32
#define STRIDE (CHUNK + 1) /* of the tile: tokens in different banks */
#define PITCH (ROWS * GROUP) /* of u, from token to token */
#define ROW(r) ((r) * GROUP + LOCAL_ID) /* of W: an item's r-th */
#define HELPERS (GROUP >= TOKENS ? GROUP / TOKENS : 1) /* items that look through one token's rows */

/* sin x, or with turn = 1 cos x. Quarter turns are taken off with pi / 2 in three parts, of which the first two are so short
 * that their products are exact up to |x| = 12000; up to 6e6 the error is at most a rounding of x, beyond that what comes
 * out is no larger than 1. Polynomials: minimax fits of our own. */
FUNC float turned_sine(float x, int turn)
{
    float magic = FMA(x, 0.636619772f, 12582912.0f), n = magic - 12582912.0f, r = FMA(n, -1.5703125f, x), z, p;
    int turns = (int)(f32_bits(magic) & 3u) + turn;
    r = FMA(n, -7.54978995489e-8f, FMA(n, -4.83751296997e-4f, r));
    r = r > 0.8f ? 0.8f : r < -0.8f ? -0.8f : r;
    z = r * r;
    if (turns & 1) {
        p = FMA(FMA(2.44286457e-5f, z, -0.001388729084f), z, 0.04166664556f);
        p = FMA(z * z, p, FMA(z, -0.5f, 1.0f));
    } else {
        p = FMA(FMA(-0.0001950602309f, z, 0.008332097903f), z, -0.1666665375f);
        p = FMA(r * z, p, r);
    }
    return turns & 2 ? -p : p;
}

FUNC int is_softmax(int map)
{
    return map == MAP_HEDGEHOG_A || map == MAP_HEDGEHOG_B;
}

/* Of rows `first` and every HELPERS-th behind it: the largest u and the largest -u, or, behind these tops, the sums of
 * e^(c u - top) and e^(-c u - bottom), c = 2 for HEDGEHOG_B. To part[0] and part[TOKENS * HELPERS]. */
FUNC void look_through(LOCAL_ARG const float *u, int sums, int map, float top, float bottom, int first, int rows,
                       LOCAL_ARG float *part)
{
    float up = sums ? 0.0f : -INF, down = up;
    for (int j = first; j < rows; j += HELPERS) {
        float v = map == MAP_HEDGEHOG_B && sums ? u[j] + u[j] : u[j];
        up = sums ? up + natural_exp(v - top) : MAX(up, v);
        down = sums ? down + natural_exp(-v - bottom) : MAX(down, -v);
    }
    part[0] = up;
    part[TOKENS * HELPERS] = down;
}

/* The feature of u, or the second one of a pair. top: M or R with n2 (FAVOR), the largest of c u (softmaxes, EXP); sum: what
 * softmaxes divide by. */
FUNC float feature_of(int map, int second, float u, float top, float sum, float factor, float eps)
{
    float v = second ? -u : u;
    if (map == MAP_RFF) return factor * turned_sine(u, 1 - second);
    if (map == MAP_GELU) return gelu(u) + eps;
    if (map == MAP_HEDGEHOG_B) v += v;
    v = natural_exp(v - top);
    if (map == MAP_FAVOR_PLUS) return factor * (v + eps);
    if (map == MAP_FAVOR_PM) return factor * v;
    if (map != MAP_EXP) v /= sum;
    return map == MAP_HEDGEHOG_B || !(v < eps) ? v : eps;
}

KERNEL(feature_map)(GLOBAL const ACT *x, GLOBAL const void *W, GLOBAL const void *bias, GLOBAL const i32 *keep,
                    GLOBAL const i32 *cu_seqlens, GLOBAL void *y, GLOBAL float *peaks,
                    struct feature_map_args a)
{
    LOCAL float tile[TOKENS * STRIDE], u[TOKENS * PITCH], square[TOKENS];
    LOCAL float part[2 * TOKENS * HELPERS], found[4 * TOKENS]; /* tops, bottoms, sums up to both */
    int heads = a.heads ? a.heads : 1, h = GROUP_ID(0) % heads, map = a.map;
    i64 s = a.sequence + GROUP_ID(1), peak_at = a.peaks.at + (s * heads + h) * a.parts;
    VIEW none = a.peaks;
    none.present = 0;
    SEQUENCE q = sequence_at(s, a.tokens, 0, cu_seqlens, a.cu_seqlens, keep, none);
    i64 b = q.batch, first = q.first, end = q.first + q.count; /* scalars: PoCL 3.1 loses structs across barriers */
    int count = map == MAP_FAVOR_PLUS || map == MAP_GELU ? a.rows : 2 * a.rows;
    int soft = is_softmax(map) || map == MAP_EXP;
    float factor = reciprocal_root((float)(map == MAP_FAVOR_PM ? 2 * a.rows : a.rows));
    float most = a.finds_peaks || a.shift_mode == SHIFT_GLOBAL ? -INF : a.shift;

    for (int i = 0; a.shift_mode == SHIFT_GLOBAL && !a.finds_peaks && i < a.parts; i++)
        most = MAX(most, peaks[peak_at + i]);
    for (i64 from = first + (i64)(GROUP_ID(0) / heads) * TOKENS; from < end; from += (i64)a.parts * TOKENS) {
        int tokens = end - from < TOKENS ? (int)(end - from) : TOKENS;
        float sum[ROWS * TOKENS];
        UNROLL for (int i = 0; i < ROWS * TOKENS; i++) sum[i] = 0.0f;
        for (int t = LOCAL_ID; t < TOKENS; t += GROUP) square[t] = 0.0f;
        for (int k0 = 0; k0 < a.width; k0 += CHUNK) {
            int depth = a.width - k0 < CHUNK ? a.width - k0 : CHUNK;
            for (int i = LOCAL_ID; i < TOKENS * CHUNK; i += GROUP) {
                int t = i / CHUNK, k = i % CHUNK; /* padding, too: nobody looks at what comes of it */
                tile[t * STRIDE + k] = t < tokens && k < depth ? a.scale * LOAD(x, AT4(a.x, b, from + t, h, k0 + k)) : 0.0f;
            }
            BARRIER();
            for (int t = LOCAL_ID; t < TOKENS; t += GROUP)
                for (int k = 0; k < depth; k++) square[t] = FMA(tile[t * STRIDE + k], tile[t * STRIDE + k], square[t]);
            UNROLL for (int r = 0; r < ROWS; r++) {
                int j = ROW(r);
                i64 at = AT3(a.W, h, j, k0);
                for (int k = 0; j < a.rows && k < depth; k++) {
                    float w = LOAD_ANY(W, at + k * a.W.stride[2], a.W.dtype);
                    UNROLL for (int t = 0; t < TOKENS; t++)
                        sum[r * TOKENS + t] = FMA(w, tile[t * STRIDE + k], sum[r * TOKENS + t]);
                }
            }
            BARRIER();
        }
        UNROLL for (int r = 0; r < ROWS; r++) {
            int j = ROW(r);
            float add = a.bias.present && j < a.rows ? LOAD_ANY(bias, AT2(a.bias, h, j), a.bias.dtype) : 0.0f;
            UNROLL for (int t = 0; t < TOKENS; t++) u[t * PITCH + j] = sum[r * TOKENS + t] + add;
        }
        BARRIER();
        for (int sums = 0; sums < 2; sums++) { /* a loop: PoCL does not get over barriers behind an if */
            int wanted = sums ? is_softmax(map) : soft || map == MAP_FAVOR_PLUS;
            for (int t = LOCAL_ID / HELPERS; wanted && t < TOKENS; t += GROUP / HELPERS)
                look_through(u + t * PITCH, sums, map, sums ? found[t] : 0.0f, sums ? found[TOKENS + t] : 0.0f,
                             LOCAL_ID % HELPERS, a.rows, part + t * HELPERS + LOCAL_ID % HELPERS);
            BARRIER();
            for (int t = LOCAL_ID; t < TOKENS; t += GROUP) {
                float up = 0.0f, down = 0.0f;
                for (int i = 0; wanted && i < HELPERS; i++) {
                    float one = part[t * HELPERS + i], other = part[(TOKENS + t) * HELPERS + i];
                    up = !i ? one : sums ? up + one : MAX(up, one);
                    down = !i ? other : sums ? down + other : MAX(down, other);
                }
                float shift = a.shift_mode != SHIFT_ROW ? most : map == MAP_FAVOR_PM ? square[t] : up;
                if (a.finds_peaks) up = map == MAP_FAVOR_PM ? square[t] : up;
                else if (map == MAP_HEDGEHOG_B) up = down = sums ? up + down : 2.0f * MAX(up, down);
                else if (!soft) up = down = FMA(0.5f, square[t], shift);
                found[2 * sums * TOKENS + t] = up, found[(2 * sums + 1) * TOKENS + t] = down;
            }
            BARRIER();
        }
        for (int t = 0; t < tokens; t++) {
            int kept = !a.keep.present || keep[AT2(a.keep, b, from + t)] != 0;
            float top = found[t], bottom = found[TOKENS + t], up = found[2 * TOKENS + t], down = found[3 * TOKENS + t];
            if (a.finds_peaks) {
                if (kept) most = MAX(most, top);
                continue;
            }
            for (int i = LOCAL_ID; i < count; i += GROUP) {
                int second = i >= a.rows;
                float v = u[t * PITCH + (second ? i - a.rows : i)];
                v = feature_of(map, second, v, second ? bottom : top, second ? down : up, factor, a.eps);
                STORE_ANY(y, AT4(a.y, b, from + t, h, i), a.y.dtype, kept ? v : 0.0f);
            }
        }
    } /* what the next tile writes before its first barrier nobody reads any more */
    if (a.finds_peaks && LOCAL_ID == 0) peaks[peak_at + GROUP_ID(0) / heads] = most;
}
