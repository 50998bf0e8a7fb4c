/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* x[n] = exp(delta A[d n]) x[n] + delta u B[b t g n],  y[b t d] = sum over n of C[b t j n] x[n]
 * (arXiv:2312.00752 eq. 2);  delta = softplus(delta[b t d] + delta_bias[d]);  y += D[d] u, y *= silu(z).
 * x starts from h_in and ends in h_out [p d n].
 *
 * A group owns CHANNELS channels of a sequence, an item a slice of STATES states of one channel, in registers.
 * Time goes in tiles of three steps: stage delta, delta u, B and C in LOCAL; walk the tokens, leaving a slice's
 * part of y; add the parts up. Channels lie side by side in all three. Launch: groups (ceil(d / CHANNELS),
 * sequences). Key: ACT, STATE, N. */
#define STATES SCAN_STATES(N, GROUP)
#define SLICES SCAN_SLICES(N, GROUP)
#define CHANNELS SCAN_CHANNELS(N, GROUP)
#define WALKERS (GROUP / CHANNELS) /* items of a channel, idle ones too: each takes every so many-th token */

/* 16 tokens where LOCAL stays below 16 KiB, else as many as 32 KiB hold. */
#define TOKEN_FLOATS (SLICES * CHANNELS + 2 * CHANNELS + 2 * N)
#define TILE (TOKEN_FLOATS <= 256 ? 16 : TOKEN_FLOATS <= 1000 ? 8 : TOKEN_FLOATS <= 2000 ? 4 : 2)

/* Whether the item has its i-th state: only the last slice may lack some. */
#define HAS(i) (SLICES * STATES == N || first_state + (i) < N)

/* One group's B or C [token][N]. */
FUNC void stage(LOCAL_ARG float *tile, GLOBAL const ACT *p, i64 at, i64 token_step, i64 state_step, int tokens)
{
    for (int i = LOCAL_ID; i < tokens * N; i += GROUP)
        tile[i] = LOAD(p, at + i / N * token_step + i % N * state_step);
}

KERNEL(selective_scan)(GLOBAL const ACT *u, GLOBAL const void *delta, GLOBAL const void *A, GLOBAL const ACT *B,
                       GLOBAL const ACT *C, GLOBAL const void *D, GLOBAL const ACT *z,
                       GLOBAL const void *delta_bias, GLOBAL const i32 *cu_seqlens, GLOBAL const i32 *slot,
                       GLOBAL const STATE *h_in, GLOBAL STATE *h_out, GLOBAL ACT *y,
                       struct selective_scan_args a)
{
    LOCAL float tile_delta[TILE * CHANNELS], tile_write[TILE * CHANNELS], tile_B[TILE * N], tile_C[TILE * N];
    LOCAL float part[TILE * SLICES * CHANNELS];
    int slice = LOCAL_ID / CHANNELS, lane = LOCAL_ID % CHANNELS, first_state = slice * STATES;
    int left = GROUP_ID(0) * CHANNELS, width = a.channels - left < CHANNELS ? a.channels - left : CHANNELS;
    int d = left + lane, helps = slice < WALKERS && lane < width, mine = slice < SLICES && lane < width;
    float bias = 0.0f, skip = helps && a.D.present ? LOAD_ANY(D, AT1(a.D, d), a.D.dtype) : 0.0f;
    float x[STATES], rate[STATES];

    if (helps && a.delta_bias.present) bias = LOAD_ANY(delta_bias, AT1(a.delta_bias, d), a.delta_bias.dtype);
    UNROLL for (int i = 0; i < STATES; i++) {
        float given = mine && HAS(i) ? LOAD_ANY(A, AT2(a.A, d, first_state + i), a.A.dtype) : 0.0f;
        rate[i] = given * 1.44269502f;
        if (MAX(rate[i], -rate[i]) == INF) rate[i] = given; /* infinity times a delta of 0 would be NaN */
    }

    i64 s = a.sequence + GROUP_ID(1);
    SEQUENCE q = sequence_at(s, a.tokens, a.pool, cu_seqlens, a.cu_seqlens, slot, a.slot);
    int per_B = a.channels ? a.channels_B : 1, per_C = a.channels ? a.channels_C : 1;
    /* Where all channels of the group have one group of B and one of C, these go through LOCAL. */
    int group_B = left / per_B, group_C = left / per_C;
    int staged = group_B == (left + width - 1) / per_B && group_C == (left + width - 1) / per_C;

    UNROLL for (int i = 0; i < STATES; i++)
        x[i] = mine && HAS(i) && a.h_in.present && q.read >= 0
                   ? LOAD_STATE(h_in, AT3(a.h_in, q.read, d, first_state + i)) : 0.0f;
    for (i64 from = q.first; q.padding && helps && from + slice < q.first + q.count; from += WALKERS)
        STORE(y, AT3(a.y, q.batch, from + slice, d), 0.0f);
    for (i64 from = q.first, end = q.padding ? from : from + q.count; from < end; from += TILE) {
        int tokens = end - from < TILE ? (int)(end - from) : TILE;
        for (int t = slice; t < tokens && helps; t += WALKERS) {
            float step = LOAD_ANY(delta, AT3(a.delta, q.batch, from + t, d), a.delta.dtype) + bias;
            if (a.softplus) step = softplus(step);
            tile_delta[t * CHANNELS + lane] = step;
            tile_write[t * CHANNELS + lane] = step * LOAD(u, AT3(a.u, q.batch, from + t, d));
        }
        if (staged) {
            stage(tile_B, B, AT3(a.B, q.batch, from, group_B), a.B.stride[1], a.B.stride[3], tokens);
            stage(tile_C, C, AT3(a.C, q.batch, from, group_C), a.C.stride[1], a.C.stride[3], tokens);
        }
        BARRIER();
        for (int t = 0; t < tokens && mine; t++) {
            float step = tile_delta[t * CHANNELS + lane], write = tile_write[t * CHANNELS + lane], sum = 0.0f;
            i64 at_B = AT4(a.B, q.batch, from + t, d / per_B, first_state);
            i64 at_C = AT4(a.C, q.batch, from + t, d / per_C, first_state);
            UNROLL for (int i = 0; i < STATES; i++) {
                if (!HAS(i)) continue;
                float b = staged ? tile_B[t * N + first_state + i] : LOAD(B, at_B + i * a.B.stride[3]);
                float c = staged ? tile_C[t * N + first_state + i] : LOAD(C, at_C + i * a.C.stride[3]);
                float e = step * rate[i];
                x[i] = FMA(grown(EXP2(e), e, x[i]), x[i], write * b);
                sum = FMA(c, x[i], sum);
            }
            part[(t * SLICES + slice) * CHANNELS + lane] = sum;
        }
        BARRIER();
        for (int t = slice; t < tokens && helps; t += WALKERS) {
            float sum = part[t * SLICES * CHANNELS + lane];
            for (int k = 1; k < SLICES; k++) sum += part[(t * SLICES + k) * CHANNELS + lane];
            if (a.D.present) sum = FMA(skip, LOAD(u, AT3(a.u, q.batch, from + t, d)), sum);
            if (a.z.present) sum *= silu(LOAD(z, AT3(a.z, q.batch, from + t, d)));
            STORE(y, AT3(a.y, q.batch, from + t, d), sum);
        }
    }
    if (mine && !q.padding && a.h_out.present && q.write >= 0)
        UNROLL for (int i = 0; i < STATES; i++)
            if (HAS(i)) STORE_STATE(h_out, AT3(a.h_out, q.write, d, first_state + i), x[i]);
}
