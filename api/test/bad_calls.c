/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Headers, relations between operands, and handles. */
#include "bad_input.h"

#include <stdio.h>

static void header(struct bad *bad, const char *defect, size_t word, uint32_t value, const char *given,
                   const char *wanted)
{
    union sample_op op = bad->good;
    struct expect e = expect(SEGUE_ERROR_ARGUMENT, -1, "", wanted);
    memcpy(op.bytes + 4 * word, &value, 4);
    snprintf(e.given, sizeof e.given, given, value);
    refused(bad, &bad->base, &op, BY_ALL, defect, e);
}

static void tail(struct bad *bad, uint32_t size, uint32_t set)
{
    union sample_op op = bad->good;
    struct expect e = expect(SEGUE_ERROR_FIELD, -1, "", "wanted zeros");
    op.header.size = size;
    op.bytes[set] = 1;
    snprintf(e.given, sizeof e.given, "byte %u is set", set);
    refused(bad, &bad->base, &op, BY_ALL, "unknown tail not zero", e);
}

void bad_headers(struct bad *bad)
{
    enum { SIZE, PRIMITIVE, REVISION, FLAGS };
    const uint32_t size = bad->base.facts->op_size;
    const uint32_t sizes[] = { 0, 1, 8, 16, size - 8, size - 1, size + 4, SEGUE_MAX_OP_SIZE + 8, UINT32_MAX };
    const uint32_t primitives[] = { 0, 4711, UINT32_MAX };
    const uint32_t revisions[] = { 0, bad->base.facts->revision + 1, UINT32_MAX };
    const uint32_t flags[] = { 2, 4, 0x80000000u };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        header(bad, sizes[i] < size ? "header.size too small" : "header.size odd or too large", SIZE, sizes[i],
               "header.size is %u", "wanted a multiple of 8");
    for (size_t i = 0; i < sizeof primitives / sizeof *primitives; i++)
        header(bad, "header.primitive unknown", PRIMITIVE, primitives[i], "header.primitive is %u",
               "wanted the id");
    for (size_t i = 0; i < sizeof revisions / sizeof *revisions; i++)
        header(bad, "header.revision unknown", REVISION, revisions[i], "header.revision is %u", "wanted 1 to");
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        header(bad, "header.flags unknown", FLAGS, flags[i], "header.flags is %#x",
               "wanted 0 or SEGUE_RUN_TRUSTED");
    tail(bad, size + 8, size);
    tail(bad, size + 64, size + 63);
}

/* Ops that contradict one rule of the description and nothing else. */
static const struct broken_rule {
    const char *rule;
    struct sample_kind kind;
    const char *field, *given, *wanted;
} broken_rules[] = {
#define SCAN SEGUE_SELECTIVE_SCAN
#define CONV SEGUE_CAUSAL_CONV1D
#define REST " gv beta p a b u m_in m_out "
    /* clang-format off */
    { "d % g == 0", { SCAN, "rule", " cu_seqlens slot ", "b2 t5 d6 g4 j3 n4 p2" }, "B", "g is 4", "6" },
    { "d % g == 0", { SCAN, "rule", " cu_seqlens slot ", "b2 t5 d6 g12 j3 n4 p2" }, "B", "g is 12", "6" },
    { "d % j == 0", { SCAN, "rule", " cu_seqlens slot ", "b2 t5 d6 g2 j5 n4 p2" }, "C", "j is 5", "6" },
    { "b == 1 if cu_seqlens", { SCAN, "rule", " slot ", "b2 t7 d6 g2 j3 n4 s2 p2" },
      "u", "b is 2", "wanted 1" },
    { "s == b unless cu_seqlens", { SCAN, "rule", " cu_seqlens ", "b2 t5 d6 g2 j3 n4 s3 p4" },
      "slot", "s is 3", "wanted 2" },
    { "p == s unless slot", { SCAN, "rule", " cu_seqlens slot ", "b2 t5 d6 g2 j3 n4 p3" },
      "h_in", "p is 3", "wanted 2" },
    { "p == s unless slot", { SCAN, "rule", " slot ", "b1 t7 d6 g2 j3 n4 s2 p4" },
      "h_in", "p is 4", "wanted 2" },
    { "h_in | h_out if slot", { SCAN, "rule", " h_in h_out ", "b1 t7 d6 g2 j3 n4 s2 p4" },
      "slot", "without h_in or h_out", "wanted one of them" },
    { "l >= w - 1", { CONV, "rule", " cu_seqlens seq_idx cache_seqlens slot ", "b2 t5 d6 w4 l2 p2" },
      "h_in", "l is 2", "wanted at least 3" },
    { "l >= w - 1", { CONV, "rule", " cu_seqlens seq_idx cache_seqlens slot h_in ", "b2 t5 d6 w4 l1 p2" },
      "h_out", "l is 1", "wanted at least 3" },
    { "b == 1 if cu_seqlens", { CONV, "rule", " seq_idx cache_seqlens slot ", "b2 t7 d6 w4 l5 s2 p2" },
      "x", "b is 2", "wanted 1" },
    { "s == b unless cu_seqlens", { CONV, "rule", " cu_seqlens seq_idx cache_seqlens ", "b2 t5 d6 w4 l5 s3 p4" },
      "slot", "s is 3", "wanted 2" },
    { "s == b unless cu_seqlens", { CONV, "rule", " cu_seqlens seq_idx slot ", "b2 t5 d6 w4 l5 s1 p1" },
      "cache_seqlens", "s is 1", "wanted 2" },
    { "p == s unless slot", { CONV, "rule", " cu_seqlens seq_idx cache_seqlens slot ", "b2 t5 d6 w4 l5 p1" },
      "h_in", "p is 1", "wanted 2" },
    { "h_in | h_out if slot", { CONV, "rule", " cu_seqlens seq_idx cache_seqlens h_in h_out ", "b2 t5 d6 w4 s2 p2" },
      "slot", "without h_in or h_out", "wanted one of them" },
    { "h_in | h_out if cache_seqlens", { CONV, "rule", " cu_seqlens seq_idx slot h_in h_out ", "b2 t5 d6 w4 s2" },
      "cache_seqlens", "without h_in or h_out", "wanted one of them" },
    { "no cu_seqlens if seq_idx", { CONV, "rule", " cache_seqlens slot h_in h_out ", "b1 t7 d6 w4 s2" },
      "seq_idx", "together with cu_seqlens", "wanted only one" },
    { "no cache_seqlens if seq_idx", { CONV, "rule", " cu_seqlens slot ", "b2 t5 d6 w4 l5 s2 p2" },
      "seq_idx", "together with cache_seqlens", "wanted only one" },
    { "h % j == 0", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out " REST, "b2 t5 h2 o4 i2 j3 k3 v4 s2 p2" },
      "k", "j is 3", "2" },
    { "o >= h", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out " REST, "b2 t5 h2 o1 i1 j1 k3 v4 s2 p2" },
      "z", "o is 1", "wanted at least 2" },
    { "o % h == 0", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out " REST, "b2 t5 h2 o3 i1 j1 k3 v4 s2 p2" },
      "v", "h is 2", "3" },
    { "o % i == 0", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out " REST, "b2 t5 h2 o4 i3 j1 k3 v4 s2 p2" },
      "q", "i is 3", "4" },
    { "b == 1 if cu_seqlens", { SEGUE_GATED_RECURRENCE, "rule", " slot n_in n_out " REST, "b2 t7 h2 o4 i2 j1 k3 v4 s2 p2" },
      "q", "b is 2", "wanted 1" },
    { "s == b unless cu_seqlens", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens n_in n_out " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s3 p4" },
      "slot", "s is 3", "wanted 2" },
    { "p == s unless slot", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p3" },
      "S_in", "p is 3", "wanted 2" },
    { "S_in | S_out if slot", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens n_in n_out S_in S_out " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "slot", "without S_in or S_out", "wanted one of them" },
    { "q if y", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out q " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "y", "without q", "wanted one of them" },
    { "y if q", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out y " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "q", "without y", "wanted one of them" },
    { "k if v", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out k " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "v", "without k", "wanted one of them" },
    { "v if k", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out v " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "k", "without v", "wanted one of them" },
    { "v | S_in", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out k v D gain S_in " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "v", "missing, wanted", "wanted one of them" },
    { "y | S_out", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out q y z S_out " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "S_out", "missing, wanted", "wanted one of them" },
    { "no D unless k", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out k v gain " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "D", "given without k", "wanted k with it" },
    { "no z unless y", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out q y " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "z", "given without y", "wanted y with it" },
    { "no n_in | n_out unless norm", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "n_in", "given while norm is UNNORMALISED", "wanted none" },
    { "no m_in | m_out unless norm == MAX1", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out gv beta p a b u ", "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "m_in", "given while norm is UNNORMALISED", "wanted none" },
    { "no gv if norm", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot beta p a b u m_in m_out ", "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2 norm=1" },
      "gv", "given while norm is ADD_EPS", "wanted none" },
    { "beta if write == DELTA", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2 write=1" },
      "beta", "missing while write is DELTA", "wanted it" },
    { "no beta | p unless write == DELTA", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out gv a b u p m_in m_out ", "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "beta", "beta: given while write is ADD", "wanted none" },
    { "a | b if write == DPLR", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2 write=2" },
      "a", "missing while write is DPLR", "wanted one of them" },
    { "no a | b unless write == DPLR", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out gv beta p b u m_in m_out ", "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "a", "a: given while write is ADD", "wanted none" },
    { "no gain unless write == ADD", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out gv p a b u m_in m_out ", "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2 write=1" },
      "gain", "given while write is DELTA", "wanted none" },
    { "no u unless read == EXCLUSIVE", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out gv beta p a b m_in m_out ", "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "u", "given while read is INCLUSIVE", "wanted none" },
    { "k if gain", { SEGUE_GATED_RECURRENCE, "rule", " cu_seqlens slot n_in n_out k v D " REST, "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "gain", "without k", "wanted one of them" },
    { "c == t if causal", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias cu_seqlens slot ", "b2 t5 c6 h2 k4 f4 v5 s2 p2" },
      "k", "c is 6", "wanted 5" },
    { "c == t if cu_seqlens", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias slot S_in S_out n_in n_out ", "b1 t7 c8 h2 k4 v5 s2 causal=0" },
      "k", "c is 8", "wanted 7" },
    { "b == 1 if cu_seqlens", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias slot ", "b2 t5 c5 h2 k4 f4 v5 s2 p2" },
      "q", "b is 2", "wanted 1" },
    { "s == b unless cu_seqlens", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias cu_seqlens ", "b2 t5 c5 h2 k4 f4 v5 s3 p4" },
      "slot", "s is 3", "wanted 2" },
    { "p == s unless slot", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias cu_seqlens slot ", "b2 t5 c5 h2 k4 f4 v5 s2 p3" },
      "S_in", "p is 3", "wanted 2" },
    { "S_in | S_out if slot", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias cu_seqlens S_in S_out n_in n_out ", "b2 t5 c5 h2 k4 v5 s2 p2" },
      "slot", "without S_in or S_out", "wanted one of them" },
    { "f == k if map == IDENTITY | ELU1 | RELU", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias cu_seqlens slot ", "b2 t5 c5 h2 k4 f5 v5 s2 p2" },
      "S_in", "f is 5", "wanted 4" },
    { "f == m if map == FAVOR_PLUS | GELU", { SEGUE_LINEAR_ATTENTION, "rule", " W_k bias cu_seqlens slot ", "b2 t5 c5 h2 k4 m6 f5 v5 s2 p2 map=3" },
      "S_in", "f is 5", "wanted 6" },
    { "f == 2*m if map == FAVOR_PM | RFF | HEDGEHOG_A | HEDGEHOG_B | EXP", { SEGUE_LINEAR_ATTENTION, "rule", " W_k bias cu_seqlens slot ", "b2 t5 c5 h2 k4 m3 f7 v5 s2 p2 map=5" },
      "S_in", "f is 7", "wanted 6" },
    { "f == 2*k if map == COSREW", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias cu_seqlens slot ", "b2 t5 c5 h2 k4 f7 v5 s2 p2 map=10" },
      "S_in", "f is 7", "wanted 8" },
    { "f == k*k + k + 1 if map == TAYLOR2", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias cu_seqlens slot ", "b2 t5 c5 h2 k3 f12 v5 s2 p2 map=9" },
      "S_in", "f is 12", "wanted 13" },
    { "W if map == FAVOR_PLUS | GELU | FAVOR_PM | RFF | HEDGEHOG_A | HEDGEHOG_B | EXP", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias cu_seqlens slot S_in S_out n_in n_out ", "b2 t5 c5 h2 k4 v5 map=3" },
      "W", "missing while map is FAVOR_PLUS", "wanted it" },
    { "W if W_k", { SEGUE_LINEAR_ATTENTION, "rule", " W bias cu_seqlens slot ", "b2 t5 c5 h2 k4 m3 f4 v5 s2 p2" },
      "W_k", "without W", "wanted one of them" },
    { "W if bias", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k cu_seqlens slot ", "b2 t5 c5 h2 k4 m3 f4 v5 s2 p2" },
      "bias", "without W", "wanted one of them" },
    { "no W | W_k if map == IDENTITY | ELU1 | RELU | COSREW | TAYLOR2", { SEGUE_LINEAR_ATTENTION, "rule", " W_k bias cu_seqlens slot ", "b2 t5 c5 h2 k4 m3 f4 v5 s2 p2" },
      "W", "W: given while map is ELU1", "wanted none" },
    { "no bias unless map == HEDGEHOG_B", { SEGUE_LINEAR_ATTENTION, "rule", " cu_seqlens slot ", "b2 t5 c5 h2 k4 m6 f6 v5 s2 p2 map=3" },
      "bias", "given while map is FAVOR_PLUS", "wanted none" },
    { "no S_in | S_out | n_in | n_out | slot unless causal", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias cu_seqlens slot ", "b2 t5 c5 h2 k4 f4 v5 s2 p2 causal=0" },
      "S_in", "given while causal is 0", "wanted none" },
    { "no n_in | n_out unless norm", { SEGUE_LINEAR_ATTENTION, "rule", " W W_k bias cu_seqlens slot ", "b2 t5 c5 h2 k4 f4 v5 s2 p2 norm=0" },
      "n_in", "given while norm is UNNORMALISED", "wanted none" },
    { "b == 1 if cu_seqlens", { SEGUE_RETENTION, "rule", " slot ", "b2 t7 h3 k4 v5 s2 p2" },
      "q", "b is 2", "wanted 1" },
    { "s == b unless cu_seqlens", { SEGUE_RETENTION, "rule", " cu_seqlens ", "b2 t5 h3 k4 v5 s3 p4" },
      "slot", "s is 3", "wanted 2" },
    { "p == s unless slot", { SEGUE_RETENTION, "rule", " cu_seqlens slot ", "b2 t5 h3 k4 v5 s2 p3" },
      "S_in", "p is 3", "wanted 2" },
    { "S_in | S_out if slot", { SEGUE_RETENTION, "rule", " cu_seqlens S_in S_out ", "b2 t5 h3 k4 v5 s2 p2" },
      "slot", "without S_in or S_out", "wanted one of them" },
    { "h % g == 0", { SEGUE_SSD, "rule", " cu_seqlens slot ", "b2 t5 h4 v3 g3 n5 s2 p2" },
      "B", "g is 3", "4" },
    { "b == 1 if cu_seqlens", { SEGUE_SSD, "rule", " slot ", "b2 t7 h4 v3 g2 n5 s2 p2" },
      "x", "b is 2", "wanted 1" },
    { "s == b unless cu_seqlens", { SEGUE_SSD, "rule", " cu_seqlens ", "b2 t5 h4 v3 g2 n5 s3 p4" },
      "slot", "s is 3", "wanted 2" },
    { "p == s unless slot", { SEGUE_SSD, "rule", " cu_seqlens slot ", "b2 t5 h4 v3 g2 n5 s2 p3" },
      "h_in", "p is 3", "wanted 2" },
    { "h_in | h_out if slot", { SEGUE_SSD, "rule", " cu_seqlens h_in h_out ", "b2 t5 h4 v3 g2 n5 s2 p2" },
      "slot", "without h_in or h_out", "wanted one of them" },
    { "h % j == 0", { SEGUE_GATED_LINEAR_ATTENTION, "rule", " cu_seqlens slot ", "b2 t5 h2 o4 i2 j3 k3 v4 s2 p2" },
      "k", "j is 3", "2" },
    { "o >= h", { SEGUE_GATED_LINEAR_ATTENTION, "rule", " cu_seqlens slot ", "b2 t5 h2 o1 i1 j1 k3 v4 s2 p2" },
      "y", "o is 1", "wanted at least 2" },
    { "o % h == 0", { SEGUE_GATED_LINEAR_ATTENTION, "rule", " cu_seqlens slot ", "b2 t5 h2 o3 i1 j1 k3 v4 s2 p2" },
      "v", "h is 2", "3" },
    { "o % i == 0", { SEGUE_GATED_LINEAR_ATTENTION, "rule", " cu_seqlens slot ", "b2 t5 h2 o4 i3 j1 k3 v4 s2 p2" },
      "q", "i is 3", "4" },
    { "b == 1 if cu_seqlens", { SEGUE_GATED_LINEAR_ATTENTION, "rule", " slot ", "b2 t7 h2 o4 i2 j1 k3 v4 s2 p2" },
      "q", "b is 2", "wanted 1" },
    { "s == b unless cu_seqlens", { SEGUE_GATED_LINEAR_ATTENTION, "rule", " cu_seqlens ", "b2 t5 h2 o4 i2 j1 k3 v4 s3 p4" },
      "slot", "s is 3", "wanted 2" },
    { "p == s unless slot", { SEGUE_GATED_LINEAR_ATTENTION, "rule", " cu_seqlens slot ", "b2 t5 h2 o4 i2 j1 k3 v4 s2 p3" },
      "S_in", "p is 3", "wanted 2" },
    { "S_in | S_out if slot", { SEGUE_GATED_LINEAR_ATTENTION, "rule", " cu_seqlens S_in S_out ", "b2 t5 h2 o4 i2 j1 k3 v4 s2 p2" },
      "slot", "without S_in or S_out", "wanted one of them" },
    { "b == 1 if cu_seqlens", { SEGUE_FEATURE_MAP, "rule", " W bias ", "b2 t7 h2 k4 f4 s2" },
      "x", "b is 2", "wanted 1" },
    { "f == k if map == IDENTITY | ELU1 | RELU", { SEGUE_FEATURE_MAP, "rule", " W bias cu_seqlens ", "b2 t5 h2 k4 f5" },
      "y", "f is 5", "wanted 4" },
    { "f == m if map == FAVOR_PLUS | GELU", { SEGUE_FEATURE_MAP, "rule", " bias cu_seqlens ", "b2 t5 h2 k4 m6 f5 map=6" },
      "y", "f is 5", "wanted 6" },
    { "f == 2*m if map == FAVOR_PM | RFF | HEDGEHOG_A | HEDGEHOG_B | EXP", { SEGUE_FEATURE_MAP, "rule", " bias cu_seqlens ", "b2 t5 h2 k4 m3 f7 map=11" },
      "y", "f is 7", "wanted 6" },
    { "f == 2*k if map == COSREW", { SEGUE_FEATURE_MAP, "rule", " W bias cu_seqlens ", "b2 t5 h2 k4 f4 map=10" },
      "y", "f is 4", "wanted 8" },
    { "f == k*k + k + 1 if map == TAYLOR2", { SEGUE_FEATURE_MAP, "rule", " W bias cu_seqlens ", "b2 t5 h2 k4 f20 map=9" },
      "y", "f is 20", "wanted 21" },
    { "W if map == FAVOR_PLUS | GELU | FAVOR_PM | RFF | HEDGEHOG_A | HEDGEHOG_B | EXP", { SEGUE_FEATURE_MAP, "rule", " W bias cu_seqlens ", "b2 t5 h2 k4 f4 map=5" },
      "W", "missing while map is RFF", "wanted it" },
    { "W if bias", { SEGUE_FEATURE_MAP, "rule", " W cu_seqlens ", "b2 t5 h2 k4 m3 f4" },
      "bias", "without W", "wanted one of them" },
    { "no W if map == IDENTITY | ELU1 | RELU | COSREW | TAYLOR2", { SEGUE_FEATURE_MAP, "rule", " bias cu_seqlens ", "b2 t5 h2 k4 m3 f4" },
      "W", "given while map is ELU1", "wanted none" },
    { "no bias unless map == HEDGEHOG_B", { SEGUE_FEATURE_MAP, "rule", " cu_seqlens ", "b2 t5 h2 k4 m4 f4 map=3" },
      "bias", "given while map is FAVOR_PLUS", "wanted none" },
    { "delta | g | key", { SEGUE_GATE_PREP, "rule", " A_log lower_bound delta g key ", "b2 t5 h2 k3" },
      "delta", "missing, wanted", "wanted one of them" },
    { "no A_log if A", { SEGUE_GATE_PREP, "rule", " lower_bound key ", "b2 t5 h2 k3" },
      "A", "together with A_log", "wanted only one of them" },
    { "no A unless gate == DELTA", { SEGUE_GATE_PREP, "rule", " A_log lower_bound delta key ", "b2 t5 h2 k3 gate=1" },
      "A", "given while gate is LOG_SIGMOID", "wanted none" },
    { "no A_log unless gate == DELTA | BOUNDED", { SEGUE_GATE_PREP, "rule", " A lower_bound delta key ", "b2 t5 h2 k3 gate=1" },
      "A_log", "given while gate is LOG_SIGMOID", "wanted none" },
    { "A_log if gate == BOUNDED", { SEGUE_GATE_PREP, "rule", " A A_log lower_bound delta key ", "b2 t5 h2 k3 gate=3" },
      "A_log", "missing while gate is BOUNDED", "wanted it" },
    { "lower_bound if gate == HGRN2", { SEGUE_GATE_PREP, "rule", " A A_log lower_bound delta key ", "b2 t5 h2 k3 gate=2" },
      "lower_bound", "missing while gate is HGRN2", "wanted it" },
    { "no lower_bound unless gate == HGRN2", { SEGUE_GATE_PREP, "rule", " A_log key ", "b2 t5 h2 k3" },
      "lower_bound", "given while gate is DELTA", "wanted none" },
    { "no delta unless gate == DELTA", { SEGUE_GATE_PREP, "rule", " A A_log lower_bound key ", "b2 t5 h2 k3 gate=1" },
      "delta", "given while gate is LOG_SIGMOID", "wanted none" },
    { "no key unless gate == HGRN2", { SEGUE_GATE_PREP, "rule", " A_log lower_bound ", "b2 t5 h2 k3" },
      "key", "given while gate is DELTA", "wanted none" },
    { "b == 1 if cu_seqlens", { SEGUE_GATED_NORM, "rule", "", "b2 t7 h2 d3 s2" },
      "x", "b is 2", "wanted 1" },
    /* clang-format on */
};

/* Every rule of the description has a row above. */
static void check_all_rules(struct bad *bad)
{
    for (const char *p = bad->base.facts->rules; *p; p += strcspn(p, ";"), p += strspn(p, "; ")) {
        const size_t length = strcspn(p, ";");
        int found = 0;
        for (size_t i = 0; i < sizeof broken_rules / sizeof *broken_rules; i++)
            found |= broken_rules[i].kind.primitive == bad->base.facts->id &&
                     strlen(broken_rules[i].rule) == length && !memcmp(broken_rules[i].rule, p, length);
        if (!found) {
            const segue_diag none = { 0 };
            refused_call(bad, p, "a rule that no row breaks", SEGUE_OK, &none,
                         expect(SEGUE_ERROR_OPERAND, -1, "", ""));
        }
    }
}

void bad_rules(struct bad *bad)
{
    check_all_rules(bad);
    for (size_t i = 0; i < sizeof broken_rules / sizeof *broken_rules; i++) {
        const struct broken_rule *r = &broken_rules[i];
        union sample_op op;
        if (r->kind.primitive != bad->base.facts->id) continue;
        const struct sample s = sample_make(&r->kind);
        sample_op(&s, bad->arena, &op);
        refused(bad, &s, &op, BY_ALL, r->rule,
                expect(SEGUE_ERROR_OPERAND, sample_field(s.facts, r->field), r->given, r->wanted));
    }
}

/* ---- handles: null, or of another kind ---- */

static char nothing[256]; /* memory that was never a handle */

struct handles {
    segue_context *ctx;
    segue_device *dev;
    segue_plan *plan;
};

static segue_status count_devices(struct bad *bad, struct handles h, segue_diag *why)
{
    uint32_t n = 0;
    (void)bad;
    return segue_device_count(h.ctx, &n, why);
}

static segue_status open_device(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_device *dev = NULL;
    (void)bad;
    return segue_device_open(h.ctx, "reference", NULL, &dev, why);
}

static segue_status report(struct bad *bad, struct handles h, segue_diag *why)
{
    uint32_t n = 0;
    (void)bad;
    return segue_plugin_report(h.ctx, NULL, &n, why);
}

static segue_status create_plan(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_plan *plan = NULL;
    return segue_plan_create(h.dev, &bad->good.header, &plan, why);
}

static segue_status run_once(struct bad *bad, struct handles h, segue_diag *why)
{
    return segue_run(h.dev, &bad->good.header, bad->stream, why);
}

static segue_status create_stream(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_stream stream;
    (void)bad;
    return segue_stream_create(h.dev, &stream, why);
}

static segue_status alloc(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_buffer buffer;
    (void)bad;
    return segue_memory_alloc(h.dev, 64, &buffer, why);
}

static segue_status status_of(struct bad *bad, struct handles h, segue_diag *why)
{
    (void)bad;
    return segue_device_status(h.dev, why);
}

static segue_status support(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_support_facts facts = { .size = sizeof facts };
    return segue_support(h.dev, &bad->good.header, &facts, why);
}

static segue_status explain(struct bad *bad, struct handles h, segue_diag *why)
{
    uint32_t n = 0;
    return segue_explain(h.dev, &bad->good.header, NULL, &n, why);
}

static segue_status info(struct bad *bad, struct handles h, segue_diag *why)
{
    segue_plan_facts facts = { .size = sizeof facts };
    (void)bad;
    return segue_plan_info(h.plan, &facts, why);
}

static segue_status run(struct bad *bad, struct handles h, segue_diag *why)
{
    return segue_plan_run(h.plan, &bad->good.header, bad->stream, bad->workspace, why);
}

static const struct {
    const char *name, *kind;
    segue_status (*call)(struct bad *bad, struct handles h, segue_diag *why);
} calls[] = {
    { "segue_device_count", "a context", count_devices },
    { "segue_device_open", "a context", open_device },
    { "segue_plugin_report", "a context", report },
    { "segue_plan_create", "a device", create_plan },
    { "segue_run", "a device", run_once },
    { "segue_stream_create", "a device", create_stream },
    { "segue_memory_alloc", "a device", alloc },
    { "segue_device_status", "a device", status_of },
    { "segue_support", "a device", support },
    { "segue_explain", "a device", explain },
    { "segue_plan_info", "a plan", info },
    { "segue_plan_run", "a plan", run },
};

static void wrong_handle(struct bad *bad, void *handle, const char *is, const char *defect)
{
    const struct handles h = { handle, handle, handle };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        char wanted[TEXT];
        segue_diag why = { 0 };
        if (!strcmp(calls[i].kind, is)) continue;
        snprintf(wanted, sizeof wanted, "wanted %s", calls[i].kind);
        refused_call(bad, calls[i].name, defect, calls[i].call(bad, h, &why), &why,
                     expect(SEGUE_ERROR_ARGUMENT, -1, is, wanted));
    }
    if (strcmp(is, "a plan")) segue_plan_destroy(handle); /* never fails, and must leave it alone */
    if (strcmp(is, "a device")) segue_device_close(handle);
    if (strcmp(is, "a context")) segue_context_destroy(handle);
    still_good(bad, defect);
}

void bad_handles(struct bad *bad)
{
    const struct expect want = expect(SEGUE_ERROR_ARGUMENT, -1, "op is NULL", "wanted");
    segue_plan *out = NULL;
    segue_diag why = { 0 };
    wrong_handle(bad, NULL, "NULL", "handle NULL");
    wrong_handle(bad, bad->ctx, "a context", "handle of another kind");
    wrong_handle(bad, bad->dev, "a device", "handle of another kind");
    wrong_handle(bad, bad->plan, "a plan", "handle of another kind");
    wrong_handle(bad, nothing, "not a Segue handle", "handle of another kind");
    refused_call(bad, "segue_plan_run", "op NULL",
                 segue_plan_run(bad->plan, NULL, bad->stream, bad->workspace, &why), &why, want);
    refused_call(bad, "segue_plan_create", "op NULL", segue_plan_create(bad->dev, NULL, &out, &why), &why,
                 want);
    refused_call(bad, "segue_run", "op NULL", segue_run(bad->dev, NULL, bad->stream, &why), &why, want);
    refused_call(bad, "segue_plan_create", "out NULL",
                 segue_plan_create(bad->dev, &bad->good.header, NULL, &why), &why,
                 expect(SEGUE_ERROR_ARGUMENT, -1, "out is NULL", "wanted"));
}
