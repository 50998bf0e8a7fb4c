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

namespace
{
#include "causal_conv1d.c"
#include "selective_scan.c"

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
                                 cmocka_unit_test(convolution_reads_its_taps) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
