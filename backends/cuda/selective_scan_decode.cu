/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* backends/gpu/selective_scan.k.h for a few tokens: what counts is one read and one write of the state. An item
 * has STATE_VECTOR states of a channel in registers, 16 bytes; the LANES of a channel lie side by side, so that
 * a group reads GROUP * 16 bytes in one piece, and add up y by exchanges. The order of that sum is the same for
 * every token. Launch: groups (ceil(d LANES / GROUP), sequences). Key: ACT, STATE, N. */
#define LANES (N / STATE_VECTOR)
#if N % STATE_VECTOR || LANES > 32 || (LANES & (LANES - 1))
#error "a channel's lanes are 1, 2, 4 ... 32 of 16 bytes each"
#endif

KERNEL(selective_scan_decode)
(GLOBAL const ACT *u, GLOBAL const void *delta, GLOBAL const void *A, GLOBAL const ACT *B, GLOBAL const ACT *C,
 GLOBAL const void *D, GLOBAL const ACT *z, GLOBAL const void *delta_bias, GLOBAL const i32 *cu_seqlens,
 GLOBAL const i32 *slot, GLOBAL const STATE *h_in, GLOBAL STATE *h_out, GLOBAL ACT *y,
 struct selective_scan_decode_args a)
{
    int n = LOCAL_ID % LANES * STATE_VECTOR;
    i64 number = (i64)GROUP_ID(0) * (GROUP / LANES) + LOCAL_ID / LANES;
    int mine = number < a.channels, d = mine ? (int)number : 0;
    SEQUENCE q =
        sequence_at(a.sequence + GROUP_ID(1), a.tokens, a.pool, cu_seqlens, a.cu_seqlens, slot, a.slot);
    int live = mine && !q.padding, per_B = a.channels ? a.channels_B : 1, per_C = a.channels ? a.channels_C : 1;
    float x[STATE_VECTOR], rate[STATE_VECTOR], bias = 0.0f, skip = 0.0f;

    UNROLL for (int i = 0; i < STATE_VECTOR; i++) x[i] = 0.0f;
    if (live && a.h_in.present && q.read >= 0) {
        i64 at = AT3(a.h_in, q.read, d, n);
        if (a.wide_in) UNPACK_STATE(LOAD_QUAD(h_in + at), x);
        else UNROLL for (int i = 0; i < STATE_VECTOR; i++) x[i] = LOAD_STATE(h_in, at + i * a.h_in.stride[2]);
    }
    load_many(rate, STATE_VECTOR, A, AT2(a.A, d, n), a.A.stride[1], a.A.dtype, live ? STATE_VECTOR : 0,
              a.wide_A);
    UNROLL for (int i = 0; i < STATE_VECTOR; i++) rate[i] = fast_rate(rate[i]);
    if (live && a.delta_bias.present) bias = LOAD_ANY(delta_bias, AT1(a.delta_bias, d), a.delta_bias.dtype);
    if (live && a.D.present) skip = LOAD_ANY(D, AT1(a.D, d), a.D.dtype);

    for (i64 t = q.first; t < q.first + q.count; t++) {
        float step = 0.0f, in = 0.0f, sum = 0.0f, b[STATE_VECTOR], c[STATE_VECTOR];
        if (live) {
            step = LOAD_ANY(delta, AT3(a.delta, q.batch, t, d), a.delta.dtype) + bias;
            if (a.softplus) step = fast_softplus(step);
            in = LOAD(u, AT3(a.u, q.batch, t, d));
        }
        load_many(b, STATE_VECTOR, B, AT4(a.B, q.batch, t, d / per_B, n), a.B.stride[3], a.B.dtype,
                  live ? STATE_VECTOR : 0, a.wide_B);
        load_many(c, STATE_VECTOR, C, AT4(a.C, q.batch, t, d / per_C, n), a.C.stride[3], a.C.dtype,
                  live ? STATE_VECTOR : 0, a.wide_C);
        UNROLL for (int i = 0; i < STATE_VECTOR; i++)
        {
            float e = step * rate[i];
            x[i] = FMA(grown(EXP2_FAST(e), e, x[i]), x[i], step * in * b[i]);
            sum = FMA(c[i], x[i], sum);
        }
        UNROLL for (int mask = 1; mask < LANES; mask *= 2) sum += SHUFFLE_XOR(sum, mask);
        if (!mine || n) continue;
        if (a.D.present) sum = FMA(skip, in, sum);
        if (a.z.present && live) sum *= fast_silu(LOAD(z, AT3(a.z, q.batch, t, d)));
        STORE(y, AT3(a.y, q.batch, t, d), live ? sum : 0.0f);
    }
    if (!live || !a.h_out.present || q.write < 0) return;
    i64 at = AT3(a.h_out, q.write, d, n);
    if (a.wide_out) STORE_QUAD(h_out + at, PACK_STATE(x));
    else UNROLL for (int i = 0; i < STATE_VECTOR; i++) STORE_STATE(h_out, at + i * a.h_out.stride[2], x[i]);
}
