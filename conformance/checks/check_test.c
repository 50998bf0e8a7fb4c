/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Whole cases: right devices pass every kind of check and every identity, and wrong kernels fail the ones that are there for
 * them. The wrong ones are the plugin of conformance/faulty/wrong; without it those tests are skipped. */
#include "check_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ALL_KINDS = 63 };

static const char *const descriptors[] = {
    "selective_scan/fwd.D.z.delta_bias.h_in.h_out/f32/B2.T65.D7.N16/btd/benign",
    "selective_scan/fwd.h_out/bf16-A.f32/B2.T33.D8.N16.G4.J2/bdt/benign",
    "selective_scan/fwd.z.slot.h_in.h_out/f32/B3.T17.D7.N3.P7/pad3/decay-log.slot-fresh",
    "selective_scan/fwd.slot.h_in.h_out/f32/B3.T17.D7.N3.P7/btd/benign.slot-drop",
    "selective_scan/fwd.slot.h_in.h_out/f32/B3.T17.D7.N3.P7/flip/benign.slot-padding",
    "selective_scan/fwd.cu_seqlens.h_in.h_out/f32/T130.D7.N16.S3/packed/decay-zero.empty-middle",
    "selective_scan/fwd.softplus=0/f32/B2.T16.D4.N4/btd/exact",
    "selective_scan/fwd.h_in.h_out/f32/B1.T1.D1.N1/btd/benign",
    "selective_scan/fwd.h_in.h_out/f32/B2.T0.D7.N16/btd/benign",
    "selective_scan/fwd/f32/B1.T40.D7.N3/btd/benign.nan-future",
    "selective_scan/fwd.h_in.h_out/f32/B3.T5.D3.N4/far/benign",
    "causal_conv1d/fwd.bias.h_in.h_out.activation=silu/f32/B2.T33.D7.W4/btd/benign",
    "causal_conv1d/fwd.pre_gate.post_gate/f16/B2.T17.D16.W3/pad3/benign",
    "causal_conv1d/fwd.cache_seqlens.h_in.h_out/f32/B3.T9.D7.W4.L9/btd/benign",
    "causal_conv1d/fwd.seq_idx.h_in.h_out/f32/B2.T64.D7.W4/bdt/benign",
    "causal_conv1d/fwd.cu_seqlens/bf16/T64.D7.W5.S3/packed/benign.gap",
    "attention/fwd.lse/f32/B2.T17.C33.H4.J2.K16.V16/btd/benign",
    "attention/fwd.cu_seqlens_k.sink.lse/f32/T33.C50.H4.J2.K16.V16.S3/packed/benign",
    "row_sample/fwd.temperature.conf.logp/f32/B3.T5.V33/btd/near",
    "row_sample/fwd.lo.hi.temperature.seed.conf.noise=philox/f32/B3.T5.V33/pad3/benign", /* numbers of rows, positions */
    "unmask_select/fwd.conf.k.temp.seed.n_changed.mask_id=5.rule=gumbel_topk/f32/B3.T33/btd/benign",
};
enum { DESCRIPTORS = sizeof descriptors / sizeof *descriptors };

struct seen {
    int results;
    struct result last;
    unsigned ran, failed, identities, identities_failed;
};

static void look(void *user, const struct test_case *c, const struct result *r)
{
    struct seen *s = user;
    (void)c;
    s->results++;
    s->last = *r;
    s->ran |= r->ran, s->failed |= r->failed;
    s->identities |= r->identities, s->identities_failed |= r->identities_failed;
}

static struct seen check(struct lab *l, const char *descriptor, const char *row)
{
    struct seen s = { 0 };
    struct test_case c;
    char why[DESCRIPTOR_WHY] = "";
    if (test_case_make(descriptor, &c, why)) fail_msg("%s: %s", descriptor, why);
    check_case(l, &c, row, look, &s);
    test_case_free(&c);
    assert_true(s.results > 0);
    return s;
}

static unsigned bit_of(const char *identity)
{
    int i = 0;
    while (identity_name(i) && strcmp(identity_name(i), identity)) i++;
    if (!identity_name(i)) fail_msg("%s is no identity", identity);
    return 1u << i;
}

static int open_lab(struct lab *l, const char *name)
{
    char why[600] = "";
    const int result = lab_open(l, name, 1, why, sizeof why);
    if (result) print_message("%s\n", why);
    return result;
}

static void all_pass(struct lab *l, unsigned identities)
{
    unsigned ran = 0, done = 0;
    double ms = 0;
    for (int i = 0; i < DESCRIPTORS; i++) {
        const struct seen s = check(l, descriptors[i], NULL);
        const struct result *r = &s.last;
        if (status_counts_as(r->status) != COUNTS_PASSED)
            fail_msg("%s: %s %s %s: %s", descriptors[i], status_name(r->status), r->check, r->operand, r->why);
        assert_int_equal(s.failed, 0);
        assert_true(r->row[0] && r->accuracy && r->ms > 0);
        ran |= s.ran, done |= s.identities, ms += r->ms;
    }
    print_message("%s: %d cases, %.1f ms each\n", l->device.facts.name, DESCRIPTORS, ms / DESCRIPTORS);
    assert_int_equal(ran, ALL_KINDS);
    for (int i = 0; identity_name(i); i++)
        if ((identities ^ done) >> i & 1)
            fail_msg("%s %s", identity_name(i), done >> i & 1 ? "has run" : "has not run");
    lab_close(l);
}

static void reference_passes(void **context)
{
    struct lab l;
    (void)context;
    assert_int_equal(open_lab(&l, "reference"), 0);
    assert_int_equal(l.variant_count, 0); /* no thread more, no other instructions */
    all_pass(&l, ~(bit_of("identity:threads") | bit_of("identity:isa") | bit_of("identity:order")));
}

static void cpu_passes(void **context)
{
    struct lab l;
    (void)context;
    if (open_lab(&l, "cpu")) skip();
    assert_true(l.variant_count >= 2);
    assert_true(l.variants[0].same_bits && !l.variants[l.variant_count - 1].same_bits);
    all_pass(&l, ~bit_of("identity:order")); /* SEGUE_DEVICE_SYNCHRONOUS */
}

/* What is no failure of a kernel. */
static void other_statuses(void **context)
{
    struct lab l;
    struct seen s;
    (void)context;
    assert_int_equal(open_lab(&l, "reference"), 0);
    s = check(&l, "selective_scan/fwd/f32/B1.T3.D2.N2/btd/benign", "no_such_row");
    assert_int_equal(s.last.status, STATUS_UNSUPPORTED);
    s = check(&l, "selective_scan/fwd/f32/B65536.T1.D1.N1/far/benign", NULL);
    assert_int_equal(s.last.status, STATUS_SKIP_RESOURCE);
    assert_true(strstr(s.last.why, "bytes") != NULL);
    s = check(&l, "causal_conv1d/fwd.h_in/f32/B1.T3.D2.W4.L2/btd/benign", NULL); /* l >= w - 1 */
    assert_int_equal(s.last.status, STATUS_HARNESS_ERROR);
    lab_close(&l);
    if (open_lab(&l, "cpu")) skip();
    s = check(&l, "selective_scan/fwd/f64/B1.T3.D2.N2/btd/benign", NULL);
    assert_int_equal(s.last.status, STATUS_UNSUPPORTED);
    assert_true(s.last.why[0] && s.results == 1);
    lab_close(&l);
}

/* ---- wrong kernels --------------------------------------------------------------------------------- */

static const struct kill {
    const char *row, *descriptor, *identity; /* NULL: none */
    unsigned kinds;                          /* that fail at least */
} kills[] = {
    { "selective_scan_scaled", "selective_scan/fwd.h_out/f32/B2.T17.D3.N4/btd/benign", NULL,
      CHECK_VALUE | CHECK_STATE },
    { "selective_scan_run_differs", "selective_scan/fwd/f32/B1.T9.D3.N4/btd/benign", "identity:repeat",
      CHECK_IDENTITY },
    { "selective_scan_state_of_padded_tail", "selective_scan/fwd.h_out/f32/B1.T17.D3.N4/btd/benign",
      "identity:split", CHECK_STATE | CHECK_IDENTITY },
    { "causal_conv1d_step_taps_reversed", "causal_conv1d/fwd.h_in.h_out/f32/B2.T9.D3.W4/btd/benign",
      "identity:decode", CHECK_IDENTITY },
    { "selective_scan_token_ahead", "selective_scan/fwd/f32/B1.T33.D3.N4/btd/benign", "identity:causality",
      CHECK_VALUE | CHECK_IDENTITY },
    { "causal_conv1d_history_leaks", "causal_conv1d/fwd.cu_seqlens/f32/T64.D7.W5.S3/packed/benign",
      "identity:separate", CHECK_VALUE | CHECK_IDENTITY },
    { "selective_scan_batch_dependent", "selective_scan/fwd/f32/B3.T17.D3.N4/btd/benign", "identity:reverse",
      CHECK_IDENTITY },
    { "selective_scan_z_packed", "selective_scan/fwd.z/f32/B2.T17.D3.N4/pad3/benign", NULL, CHECK_VALUE },
    { "selective_scan_input_modified", "selective_scan/fwd/f32/B1.T17.D3.N4/btd/benign", NULL, CHECK_GUARD },
    { "selective_scan_nan_masked",
      "selective_scan/fwd.slot.h_in.h_out/f32/B3.T17.D7.N3.P7/btd/benign.slot-fresh", NULL, CHECK_POISON },
    { "causal_conv1d_last_unwritten", "causal_conv1d/fwd/f32/B1.T9.D3.W4/btd/benign", NULL,
      CHECK_VALUE | CHECK_POISON },
    { "causal_conv1d_past_end", "causal_conv1d/fwd/f32/B1.T9.D3.W4/btd/benign", NULL, CHECK_GUARD },
    { "causal_conv1d_holes_written", "causal_conv1d/fwd/f32/B1.T9.D3.W4/pad3/benign", NULL, CHECK_GUARD },
    { "causal_conv1d_workspace_read", "causal_conv1d/fwd/f32/B1.T9.D3.W4/btd/benign", NULL, CHECK_POISON },
    { "causal_conv1d_output_read", "causal_conv1d/fwd/f32/B1.T9.D3.W4/btd/benign", NULL, CHECK_POISON },
    { "causal_conv1d_long_skipped", "causal_conv1d/fwd.h_in.h_out/f32/B1.T140.D3.W4/btd/benign",
      "identity:in-place", CHECK_VALUE | CHECK_STATE | CHECK_POISON },
    { "selective_scan_plan_caches_a", "selective_scan/fwd.h_out/f32/B2.T17.D3.N4/btd/benign", "identity:replan",
      CHECK_VALUE | CHECK_STATE | CHECK_IDENTITY },
    { "causal_conv1d_plan_caches_w", "causal_conv1d/fwd/f32/B1.T9.D3.W4/btd/benign", "identity:replan",
      CHECK_VALUE | CHECK_IDENTITY },
    { "selective_scan_static_scratch", "selective_scan/fwd.h_out/f32/B1.T800.D48.N16/btd/benign",
      "identity:concurrent",
      CHECK_IDENTITY }, /* 16 runs longer than a time slice, two at a time: they overlap on one processor, too */
    { "causal_conv1d_offset_wraps", "causal_conv1d/fwd/f32/B3.T5.D3.W4/far/benign", NULL, CHECK_VALUE },
    { "attention_lse_base_2", "attention/fwd.lse/f32/B2.T17.C33.H4.J2.K16.V16/btd/benign", "identity:parts",
      CHECK_VALUE | CHECK_IDENTITY },
    { "attention_lse_without_sink", "attention/fwd.sink/f32/B2.T17.C33.H4.J2.K16.V16/btd/benign",
      "identity:parts", CHECK_IDENTITY }, /* nobody asks for the lse, but joining does */
    { "attention_align_swapped", "attention/fwd/f32/B2.T17.C33.H4.J2.K16.V16/btd/benign", "identity:decode",
      CHECK_VALUE | CHECK_IDENTITY },
    { "attention_k_len_of_row_0", "attention/fwd.k_len/f32/B3.T5.C33.H4.J2.K16.V16/btd/benign",
      "identity:separate", CHECK_VALUE | CHECK_IDENTITY },
    { "attention_history_leaks", "attention/fwd.cu_seqlens_k/f32/T33.C50.H4.J2.K16.V16.S3/packed/benign",
      "identity:reverse", CHECK_VALUE | CHECK_IDENTITY },
    { "attention_nan_masked", "attention/fwd/f32/B1.T17.C17.H2.J2.K16.V16/btd/benign", "identity:causality",
      CHECK_IDENTITY },
    { "attention_self_before_label",
      "attention/fwd.keep.self_rule=constant.self_value=5e-1/f32/B2.T17.C33.H2.J2.K16.V16/btd/benign",
      "identity:split", CHECK_VALUE | CHECK_IDENTITY },
    { "causal_conv1d_refused_late", "causal_conv1d/fwd.post_gate/f32/B1.T65.D3.W4/btd/benign", NULL,
      CHECK_GUARD | CHECK_STATUS },
};

/* The plugin lies in folder wrong beside this program. */
static int find_wrong(struct lab *l)
{
    char program[1024] = "", path[2300];
    const char *others = getenv("SEGUE_PLUGIN_PATH");
    const ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0 || !strrchr(program, '/')) return -1;
    *strrchr(program, '/') = 0;
    snprintf(path, sizeof path, "%s/wrong%s%.1200s", program, others ? ":" : "", others ? others : "");
    setenv("SEGUE_PLUGIN_PATH", path, 1);
    return open_lab(l, "wrong");
}

static void wrong_kernels_fail(void **context)
{
    struct lab l;
    (void)context;
    if (find_wrong(&l)) skip();
    for (size_t i = 0; i < sizeof kills / sizeof *kills; i++) {
        const struct kill *k = &kills[i];
        const struct seen s = check(&l, k->descriptor, k->row);
        const struct result *r = &s.last;
        if (r->status != STATUS_FAIL || (r->failed & k->kinds) != k->kinds)
            fail_msg("%s: %s, failed %#x, wanted %#x", k->row, status_name(r->status), r->failed, k->kinds);
        if (k->identity && !(r->identities_failed & bit_of(k->identity)))
            fail_msg("%s: %s has not failed, but %#x", k->row, k->identity, r->identities_failed);
        assert_string_equal(r->row, k->row);
        assert_true(r->check[0] && r->why[0]);
    }
    lab_close(&l);
}

/* The words of a failure. */
static void failures_have_words(void **context)
{
    struct lab l;
    (void)context;
    if (find_wrong(&l)) skip();
    struct seen s = check(&l, "causal_conv1d/fwd/f32/B1.T9.D3.W4/btd/benign", "causal_conv1d_last_unwritten");
    assert_string_equal(s.last.check, "value");
    assert_string_equal(s.last.operand, "y");
    assert_string_equal(s.last.pattern, "1 of 27 bad, all at t 8, d 2");
    assert_true(s.last.rank == 3 && s.last.index[1] == 8 && s.last.index[2] == 2 && s.last.got != s.last.got);
    s = check(&l, "selective_scan/fwd.h_out/f32/B2.T17.D3.N4/btd/benign", "selective_scan_scaled");
    assert_string_equal(s.last.fault, "times-0.999");
    assert_true(s.last.ratio > 1 && s.last.margin > 1 && s.last.sigmas > 4);
    s = check(&l, "causal_conv1d/fwd.post_gate/f32/B1.T65.D3.W4/btd/benign", "causal_conv1d_refused_late");
    assert_string_equal(s.last.check, "guard");
    assert_true(strstr(s.last.why, "SEGUE_ERROR_UNSUPPORTED") != NULL);
    lab_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(reference_passes), cmocka_unit_test(cpu_passes),
                                        cmocka_unit_test(other_statuses), cmocka_unit_test(wrong_kernels_fail),
                                        cmocka_unit_test(failures_have_words) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
