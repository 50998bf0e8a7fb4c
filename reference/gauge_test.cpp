// SPDX-FileCopyrightText: 2026 The Segue authors
// SPDX-License-Identifier: Apache-2.0
// The references compile as C++ with another `real`, not touching its value, and then tell what y reads.
#define SEGUE_GAUGE "gauge_test.h"
#include "operands.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <vector>
extern "C" {
#include <cmocka.h>
}

#include "feature_maps.h"

namespace
{
#include "causal_conv1d.c"
#include "selective_scan.c"
namespace recurrence
{
#include "gated_recurrence.c"
}
namespace linear
{
#include "linear_attention.c"
}
namespace retaining
{
#include "retention.c"
}
namespace dual
{
#include "ssd.c"
}
namespace gated
{
#include "gated_linear_attention.c"
}
namespace softmax
{
#include "attention.c"
}

const int T = 6, D = 2, N = 3, W = 3;
const int from_state = 63; // the bit of what came in with the state
int steps;

struct Memory { // of one operand: values and origins
    std::vector<real> at;
    Memory(int64_t count, int64_t a_token, uint64_t from) : at((size_t)count)
    {
        for (int64_t i = 0; i < count; i++)
            at[(size_t)i] = real(0.25 + 0.5 / (double)(i + 1), a_token ? 1ull << i / a_token : from);
    }
    segue_tensor tensor(int rank, const int64_t *shape)
    {
        return segue_tensor_of(at.data(), SEGUE_F64, rank, shape);
    }
};

// Elements are as large as the tensor says; ours are real.
real *place(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    return (real *)t->data + ((char *)element(t, i, j, k, l) - (char *)t->data) / 8;
}

void scan_is_causal(void **)
{
    const int64_t btd[] = { 1, T, D }, btgn[] = { 1, T, 1, N }, dn[] = { D, N }, pdn[] = { 1, D, N };
    Memory u(T * D, D, 0), delta(T * D, D, 0), B(T * N, N, 0), C(T * N, N, 0), A(D * N, 0, 0), y(T * D, 0, 0);
    Memory h_in(D * N, 0, 1ull << from_state), h_out(D * N, 0, 0), work(2 * N, 0, 0);
    segue_selective_scan op = segue_selective_scan_init();
    op.u = u.tensor(3, btd), op.delta = delta.tensor(3, btd), op.A = A.tensor(2, dn), op.y = y.tensor(3, btd);
    op.B = B.tensor(4, btgn), op.C = C.tensor(4, btgn), op.h_in = h_in.tensor(3, pdn),
    op.h_out = h_out.tensor(3, pdn);
    assert_int_equal(segue_reference_selective_scan_work(&op.header), 2 * N);
    steps = 0;
    segue_reference_selective_scan(&op.header, work.at.data());
    assert_int_equal(steps, T * D);
    for (int i = 0; i < T * D; i++)
        assert_true(y.at[(size_t)i].from == (((2ull << i / D) - 1) | 1ull << from_state));
    for (const real &h : h_out.at) assert_true(h.from == (((1ull << T) - 1) | 1ull << from_state));
    assert_true(work.at[N].from == (1ull << T) - 1); // the running sum of log decays was kept
}

void convolution_reads_its_taps(void **)
{
    const int64_t btd[] = { 1, T, D }, dw[] = { D, W }, pdl[] = { 1, D, W };
    Memory x(T * D, D, 0), weight(D * W, 0, 0), y(T * D, 0, 0), h_in(D * W, 0, 1ull << from_state),
        h_out(D * W, 0, 0), work(W, 0, 0);
    segue_causal_conv1d op = segue_causal_conv1d_init();
    op.x = x.tensor(3, btd), op.weight = weight.tensor(2, dw), op.y = y.tensor(3, btd);
    op.h_in = h_in.tensor(3, pdl), op.h_out = h_out.tensor(3, pdl), op.activation = SEGUE_CAUSAL_CONV1D_SILU;
    assert_int_equal(segue_reference_causal_conv1d_work(&op.header), W);
    segue_reference_causal_conv1d(&op.header, work.at.data());
    for (int i = 0; i < T * D; i++) {
        const int t = i / D;
        uint64_t want = t < W - 1 ? 1ull << from_state : 0;
        for (int s = t < W ? 0 : t - W + 1; s <= t; s++) want |= 1ull << s;
        assert_true(y.at[(size_t)i].from == want);
    }
    for (int i = 0; i < D * W; i++) assert_true(h_out.at[(size_t)i].from == 1ull << (T - W + i % W));
}
// Token t of a matrix-state recurrence sees tokens 0 to t and what came in; the state sees all.
void is_causal(const Memory &y, const Memory &state)
{
    for (size_t i = 0; i < y.at.size(); i++)
        assert_true(y.at[i].from == (((2ull << i / (y.at.size() / T)) - 1) | 1ull << from_state));
    for (const real &s : state.at) assert_true(s.from == (((1ull << T) - 1) | 1ull << from_state));
}

struct Matrices { // D heads, N wide keys, W wide values, as the four below have them
    const int64_t keys[4] = { 1, T, D, N }, values[4] = { 1, T, D, W }, decays[4] = { 1, T, D, N },
                  of_head[1] = { D };
    const int64_t state[4] = { 1, D, N, W }, sums[3] = { 1, D, N };
    Memory q, k, v, g, gk, rate, S_in, S_out, n_in, n_out, y, work;
    Matrices()
        : q(T * D * N, D * N, 0), k(T * D * N, D * N, 0), v(T * D * W, D * W, 0), g(T * D, D, 0),
          gk(T * D * N, D * N, 0), rate(D, 0, 0), S_in(D * N * W, 0, 1ull << from_state),
          S_out(D * N * W, 0, 0), n_in(D * N, 0, 1ull << from_state), n_out(D * N, 0, 0), y(T * D * W, 0, 0),
          work(0, 0, 0)
    {
    }
    template <class Op> void bind(Op &op)
    {
        op.q = q.tensor(4, keys), op.k = k.tensor(4, keys), op.v = v.tensor(4, values),
        op.y = y.tensor(4, values);
        op.S_in = S_in.tensor(4, state), op.S_out = S_out.tensor(4, state);
    }
    template <class Op>
    void run(const Op &op, int64_t (*room)(const segue_op_header *),
             void (*of)(const segue_op_header *, real *))
    {
        work.at.resize((size_t)room(&op.header));
        steps = 0;
        of(&op.header, work.at.data());
        assert_int_equal(steps, T * D);
    }
};

void recurrence_is_causal(void **)
{
    Matrices m;
    segue_gated_recurrence op = segue_gated_recurrence_init();
    m.bind(op);
    op.g = m.g.tensor(3, m.decays), op.gk = m.gk.tensor(4, m.decays);
    op.n_in = m.n_in.tensor(3, m.sums), op.n_out = m.n_out.tensor(3, m.sums),
    op.norm = SEGUE_GATED_RECURRENCE_GUARD;
    m.run(op, recurrence::segue_reference_gated_recurrence_work, recurrence::segue_reference_gated_recurrence);
    is_causal(m.y, m.S_out);
    is_causal(m.y, m.n_out);
}

void retention_is_causal(void **)
{
    Matrices m;
    segue_retention op = segue_retention_init();
    m.bind(op);
    op.g = m.rate.tensor(1, m.of_head), op.norm = SEGUE_RETENTION_RMS;
    m.run(op, retaining::segue_reference_retention_work, retaining::segue_reference_retention);
    is_causal(m.y, m.S_out);
}

void gated_attention_is_causal(void **)
{
    Matrices m;
    segue_gated_linear_attention op = segue_gated_linear_attention_init();
    m.bind(op);
    op.gk = m.gk.tensor(4, m.decays);
    m.run(op, gated::segue_reference_gated_linear_attention_work,
          gated::segue_reference_gated_linear_attention);
    is_causal(m.y, m.S_out);
}

void dual_is_causal(void **)
{
    Matrices m;
    segue_ssd op = segue_ssd_init();
    const int64_t state[] = { 1, D, W, N };
    op.x = m.v.tensor(4, m.values), op.dt = m.g.tensor(3, m.decays), op.A = m.rate.tensor(1, m.of_head);
    op.B = m.k.tensor(4, m.keys), op.C = m.q.tensor(4, m.keys), op.y = m.y.tensor(4, m.values);
    op.h_in = m.S_in.tensor(4, state), op.h_out = m.S_out.tensor(4, state);
    m.run(op, dual::segue_reference_ssd_work, dual::segue_reference_ssd);
    is_causal(m.y, m.S_out);
}

// The largest exponent of all keys sees the future; the denominator and the keys' own one do not.
void linear_attention_sees_what_it_says(void **)
{
    for (int all = 0; all < 2; all++) {
        Matrices m;
        const int64_t rows[] = { D, N, N };
        Memory W(D * N * N, 0, 0);
        segue_linear_attention op = segue_linear_attention_init();
        m.bind(op);
        op.W = W.tensor(3, rows), op.map = SEGUE_LINEAR_ATTENTION_FAVOR_PLUS, op.map_eps = 1;
        op.key_shift = all ? SEGUE_LINEAR_ATTENTION_GLOBAL : SEGUE_LINEAR_ATTENTION_ROW;
        op.n_in = m.n_in.tensor(3, m.sums);
        m.run(op, linear::segue_reference_linear_attention_work, linear::segue_reference_linear_attention);
        if (!all) is_causal(m.y, m.S_out);
        for (const real &y : m.y.at) assert_true(!all || y.from == (((1ull << T) - 1) | 1ull << from_state));
    }
}

// The key of token t carries mark t, the query of token t too. Of a key that a bias of -infinity masks the bias alone is seen.
void attention_sees_what_is_visible(void **)
{
    const int64_t keys[] = { 1, T, D, N }, values[] = { 1, T, D, W }, kept[] = { 1, T },
                  pairs[] = { 1, D, T, T }, rows[] = { 1, T, D };
    const uint64_t all = (1ull << T) - 1, biased = 1ull << 40;
    int32_t keep[T] = { 1, 1, 0, 1, 1, 1 };
    for (int way = 0; way < 3; way++) {
        Memory q(T * D * N, D * N, 0), k(T * D * N, D * N, 0), v(T * D * W, D * W, 0), bias(D * T * T, 0, 0),
            y(T * D * W, 0, 0), lse(T * D, 0, 0), work(N + W + T, 0, 0);
        segue_attention op = segue_attention_init();
        op.q = q.tensor(4, keys), op.k = k.tensor(4, keys), op.v = v.tensor(4, values),
        op.y = y.tensor(4, values);
        op.lse = lse.tensor(3, rows), op.causal = way == 0;
        if (way == 1) op.keep = segue_tensor_of(keep, SEGUE_I32, 2, kept);
        if (way == 2) op.bias = bias.tensor(4, pairs);
        for (int i = 0; i < D * T * T; i++) bias.at[(size_t)i] = i % T == 2 ? real(-INFINITY, biased) : real(0);
        assert_int_equal(softmax::segue_reference_attention_work(&op.header), N + W + T);
        softmax::segue_reference_attention(&op.header, work.at.data());
        for (int i = 0; i < T * D; i++) {
            const int t = i / D;
            const uint64_t others = (all & ~(1ull << 2)) | 1ull << t;
            const uint64_t want = way == 0 ? (2ull << t) - 1 : way == 1 ? others : others | biased;
            assert_true(lse.at[(size_t)i].from == want);
            for (int w = 0; w < W; w++) assert_true(y.at[(size_t)(i * W + w)].from == want);
        }
    }
}
} // namespace

void step()
{
    steps++;
}

real load(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t l)
{
    return *place(t, i, j, k, l);
}

void store(const segue_tensor *t, real value, int64_t i, int64_t j, int64_t k, int64_t l)
{
    *place(t, i, j, k, l) = value;
}

int main()
{
    const CMUnitTest tests[] = { cmocka_unit_test(scan_is_causal),
                                 cmocka_unit_test(convolution_reads_its_taps),
                                 cmocka_unit_test(recurrence_is_causal),
                                 cmocka_unit_test(retention_is_causal),
                                 cmocka_unit_test(gated_attention_is_causal),
                                 cmocka_unit_test(dual_is_causal),
                                 cmocka_unit_test(linear_attention_sees_what_it_says),
                                 cmocka_unit_test(attention_sees_what_is_visible) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
