/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* backends/gpu/selective_scan.k.h with time in parallel: a tile of 128 tokens is LANES chunks of RUN tokens, an
 * item each. For one state after the other an item takes its chunk from zero to its end, with the product of
 * its decays; an exchange among the LANES turns ends into starts; then the item walks its chunk again from the
 * right start and adds to y. The decays wait in registers for the second walk: an exponential is paid once,
 * which bounds the speed (segments in launches of their own would pay it twice). Tiles follow one another,
 * carry takes the states along.
 *
 * A group owns CHANNELS channels of a sequence; all of them read one group of B and one of C. Tiles are
 * [row][token] with 4 floats of room behind each chunk, so that 8 lanes reading 16 bytes each meet all banks
 * once. Launch: groups (ceil(d / CHANNELS), sequences). Key: ACT, STATE, N. */
#define LANES CHUNKED_LANES
#define RUN CHUNKED_RUN
#define CHANNELS CHUNKED_CHANNELS(GROUP)
#define TILE (LANES * RUN)
#define ROW (LANES * (RUN + 4) + 4)
#define IN_ROW(t) ((t) / RUN * (RUN + 4) + (t) % RUN)

/* Vectors of a tile [TILE tokens][CHANNELS] and of [TILE tokens][N states]: an item has every GROUP-th. */
#define ACROSS (CHANNELS / VECTOR)
#define VECTORS (TILE * ACROSS / GROUP)
#define ACROSS_N ((N + VECTOR - 1) / VECTOR)
#define VECTORS_N (TILE * ACROSS_N / GROUP)
#if CHANNELS > 16 || CHANNELS % VECTOR || GROUP % ACROSS || TILE % GROUP || N > 16
#error "a group is 128 items, and a channel has 16 states at most: more do not fit into registers on their way"
#endif

FUNC int at_most(int value, int most)
{
    return value < 0 ? 0 : value < most ? value : most;
}

/* B or C of `tokens` tokens from p[at] on. */
FUNC void fetch(QUAD *out, GLOBAL const ACT *p, i64 at, i64 token_step, i64 state_step, int tokens, int wide)
{
    UNROLL for (int m = 0; m < VECTORS_N; m++)
    {
        int v = LOCAL_ID + m * GROUP, t = v / ACROSS_N, n = v % ACROSS_N * VECTOR;
        out[m] = load_vector(p, at + t * token_step + n * state_step, state_step,
                             t < tokens ? at_most(N - n, VECTOR) : 0, wide);
    }
}

/* To [N][ROW]. */
FUNC void spread(LOCAL_ARG float *tile, const QUAD *in)
{
    UNROLL for (int m = 0; m < VECTORS_N; m++)
    {
        int v = LOCAL_ID + m * GROUP, t = v / ACROSS_N, n = v % ACROSS_N * VECTOR;
        float x[VECTOR];
        UNPACK(in[m], x);
        UNROLL for (int i = 0; i < VECTOR; i++) if (n + i < N) tile[(n + i) * ROW + IN_ROW(t)] = x[i];
    }
}

/* An item's chunk of a row, and back. */
FUNC void take(float *out, LOCAL_ARG const float *row)
{
    UNROLL for (int i = 0; i < RUN; i += 4) unpack_F32(LOAD_QUAD(row + i), out + i);
}
FUNC void give(LOCAL_ARG float *row, const float *in)
{
    UNROLL for (int i = 0; i < RUN; i += 4) STORE_QUAD(row + i, pack_F32(in + i));
}

/* What one decay has made 0 does not come back by another's infinity. */
FUNC float both(float a, float b)
{
    return a == 0.0f || b == 0.0f ? 0.0f : a * b;
}

/* One state of the item's chunk: adds to y, leaves the state behind the tile in *carry. */
FUNC void walk(float *y, const float *step, const float *in, float rate, LOCAL_ARG const float *row_B,
               LOCAL_ARG const float *row_C, LOCAL_ARG float *carry)
{
    int lane = LOCAL_ID % LANES;
    float decay[RUN], write[RUN], read[RUN], x = 0.0f, exponent = 0.0f, before = *carry;
    take(write, row_B);
    UNROLL for (int i = 0; i < RUN; i++)
    {
        decay[i] = EXP2_FAST(step[i] * rate);
        write[i] *= in[i];
        x = FMA(grown(decay[i], step[i] * rate, x), x, write[i]);
        exponent += step[i] * rate; /* a product could meet 0 and infinity */
    }
    float all = EXP2_FAST(exponent);
    if (lane == 0)
        x = before == 0.0f ? x : FMA(all, before, x); /* infinity times 0 would be NaN, here and below */
    UNROLL for (int by = 1; by < LANES; by *= 2)
    {
        float left = SHUFFLE_UP(x, by), more = by * 2 < LANES ? SHUFFLE_UP(all, by) : 1.0f;
        if (lane < by) continue;
        x = left == 0.0f ? x : FMA(all, left, x);
        all = both(all, more);
    }
    float start = SHUFFLE_UP(x, 1);
    WARP_BARRIER(); /* all lanes have read what the last one overwrites */
    if (lane == LANES - 1) *carry = x;
    x = lane ? start : before;
    take(read, row_C);
    UNROLL for (int i = 0; i < RUN; i++)
    {
        x = FMA(x == 0.0f && decay[i] == INF ? 0.0f : decay[i], x, write[i]); /* steps would be spilled */
        y[i] = FMA(read[i], x, y[i]);
    }
}

KERNEL(selective_scan_chunked)
(GLOBAL const ACT *u, GLOBAL const void *delta, GLOBAL const void *A, GLOBAL const ACT *B, GLOBAL const ACT *C,
 GLOBAL const void *D, GLOBAL const ACT *z, GLOBAL const void *delta_bias, GLOBAL const i32 *cu_seqlens,
 GLOBAL const i32 *slot, GLOBAL const STATE *h_in, GLOBAL STATE *h_out, GLOBAL ACT *y,
 struct selective_scan_chunked_args a)
{
    LOCAL QUAD tile[2 * 16 * ROW / 4]; /* steps and inputs [CHANNELS][ROW], then B and C [N][ROW], then y */
    LOCAL float rate[N * CHANNELS], carry[N * CHANNELS], bias[CHANNELS], skip[CHANNELS];
    LOCAL_ARG float *first = (LOCAL_ARG float *)tile, *second = first + 16 * ROW;
    int channel = LOCAL_ID / LANES, chunk = LOCAL_ID % LANES * (RUN + 4), left = GROUP_ID(0) * CHANNELS;
    int width = at_most(a.channels - left, CHANNELS), mine = LOCAL_ID % ACROSS * VECTOR;
    int has = at_most(width - mine, VECTOR); /* channels of the item's vectors */
    int group_B = left / (a.channels ? a.channels_B : 1), group_C = left / (a.channels ? a.channels_C : 1);
    SEQUENCE q =
        sequence_at(a.sequence + GROUP_ID(1), a.tokens, a.pool, cu_seqlens, a.cu_seqlens, slot, a.slot);
    i64 end = q.first + q.count;

    for (int i = LOCAL_ID; i < N * CHANNELS;
         i += GROUP) { /* [N][CHANNELS]; memory has the states side by side */
        int c = i / N, n = i % N, d = left + c, there = c < width && !q.padding;
        rate[n * CHANNELS + c] = there ? fast_rate(LOAD_ANY(A, AT2(a.A, d, n), a.A.dtype)) : 0.0f;
        carry[n * CHANNELS + c] =
            there && a.h_in.present && q.read >= 0 ? LOAD_STATE(h_in, AT3(a.h_in, q.read, d, n)) : 0.0f;
    }
    if (LOCAL_ID < CHANNELS) {
        int there = LOCAL_ID < width, d = left + LOCAL_ID;
        bias[LOCAL_ID] = there && a.delta_bias.present
                             ? LOAD_ANY(delta_bias, AT1(a.delta_bias, d), a.delta_bias.dtype)
                             : 0.0f;
        skip[LOCAL_ID] = there && a.D.present ? LOAD_ANY(D, AT1(a.D, d), a.D.dtype) : 0.0f;
    }
    BARRIER();
    for (i64 from = q.first; from < end; from += TILE) {
        int tokens = end - from < TILE ? (int)(end - from) : TILE;
        float sum[RUN], step[RUN], in[RUN];
        UNROLL for (int i = 0; i < RUN; i++) sum[i] = 0.0f;
        if (!q.padding) {
            QUAD here_B[VECTORS_N], here_C[VECTORS_N], there[VECTORS];
            fetch(here_B, B, AT4(a.B, q.batch, from, group_B, 0), a.B.stride[1], a.B.stride[3], tokens,
                  a.wide_B);
            fetch(here_C, C, AT4(a.C, q.batch, from, group_C, 0), a.C.stride[1], a.C.stride[3], tokens,
                  a.wide_C);
            UNROLL for (int m = 0; m < VECTORS; m++)
            {
                int t = LOCAL_ID / ACROSS + m * (GROUP / ACROSS);
                there[m] = load_vector(u, AT3(a.u, q.batch, from + t, left + mine), a.u.stride[2],
                                       t < tokens ? has : 0, a.wide_u);
            }
            UNROLL for (int m = 0; m < VECTORS; m++)
            {
                int t = LOCAL_ID / ACROSS + m * (GROUP / ACROSS);
                float d[VECTOR], x[VECTOR];
                load_many(d, VECTOR, delta, AT3(a.delta, q.batch, from + t, left + mine), a.delta.stride[2],
                          a.delta.dtype, t < tokens ? has : 0, a.wide_delta);
                UNPACK(there[m], x);
                UNROLL for (int i = 0; i < VECTOR; i++)
                {
                    float s = d[i] + bias[mine + i];
                    if (a.softplus) s = fast_softplus(s);
                    if (t >= tokens || i >= has) s = 0.0f; /* a step of 0 changes no state */
                    first[(mine + i) * ROW + IN_ROW(t)] = s;
                    second[(mine + i) * ROW + IN_ROW(t)] = s * x[i];
                }
            }
            BARRIER();
            take(step, first + channel * ROW + chunk);
            take(in, second + channel * ROW + chunk);
            BARRIER();
            spread(first, here_B);
            spread(second, here_C);
            BARRIER();
            for (int n = 0; n < N; n++)
                walk(sum, step, in, rate[n * CHANNELS + channel], first + n * ROW + chunk,
                     second + n * ROW + chunk, carry + n * CHANNELS + channel);
        }
        BARRIER(); /* fibres do not miss it, since their WARP_BARRIER is one; lanes of other warps would */
        give(first + channel * ROW + chunk, sum);
        BARRIER();
        UNROLL for (int m = 0; m < VECTORS; m++)
        {
            int t = LOCAL_ID / ACROSS + m * (GROUP / ACROSS);
            float out[VECTOR], x[VECTOR];
            if (t >= tokens) break;
            UNROLL for (int i = 0; i < VECTOR; i++) out[i] = first[(mine + i) * ROW + IN_ROW(t)];
            if (a.D.present && !q.padding) {
                UNPACK(load_vector(u, AT3(a.u, q.batch, from + t, left + mine), a.u.stride[2], has, a.wide_u),
                       x);
                UNROLL for (int i = 0; i < VECTOR; i++) out[i] = FMA(skip[mine + i], x[i], out[i]);
            }
            if (a.z.present && !q.padding) {
                UNPACK(load_vector(z, AT3(a.z, q.batch, from + t, left + mine), a.z.stride[2], has, a.wide_z),
                       x);
                UNROLL for (int i = 0; i < VECTOR; i++) out[i] *= fast_silu(x[i]);
            }
            store_vector(y, AT3(a.y, q.batch, from + t, left + mine), a.y.stride[2], has, a.wide_y, out);
        } /* no barrier: an item's next steps go where it has read its y */
    }
    for (int i = LOCAL_ID; i < N * CHANNELS; i += GROUP) {
        int c = i / N, n = i % N;
        if (c < width && !q.padding && a.h_out.present && q.write >= 0)
            STORE_STATE(h_out, AT3(a.h_out, q.write, left + c, n), carry[n * CHANNELS + c]);
    }
}
