/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Each rule of the attention primitives against an op that keeps it and one that breaks it: internal, so it is compiled in. */
#include "diag.c"
#include "overlap.c"
#include "shapes.c"
#include "validate.c"

#include "core_testing.h"

/* What differs from required operands, defaults and these axes: B1 T4 C4 N4 M4 E4 S1 H2 J2 K4 V4 R2 F2 G2 P2 D4. */
struct rule_case {
    uint32_t primitive;
    const char *settings; /* operands, parameter=value, axis:size */
    const char *words;    /* of the refusal; NULL = right */
};

static const struct rule_case attention_cases[] = {
    { SEGUE_ATTENTION, "", NULL },
    { SEGUE_ATTENTION, "h:6 j:2", NULL },
    { SEGUE_ATTENTION, "h:5 j:2", "k: j is 2, which should divide 5 (h % j == 0, from q)" },
    { SEGUE_ATTENTION, "n:3", "y: e is 4, wanted 3 (e == t unless o_index, from q)" }, /* no operand has t */
    { SEGUE_ATTENTION, "n:3 e:3", NULL },
    { SEGUE_ATTENTION, "n:3 e:3 bias", "q: n is 3, wanted 4 (n == t unless q_index, from bias)" },
    { SEGUE_ATTENTION, "n:3 q_index", NULL },
    { SEGUE_ATTENTION, "m:3 c:4 bias", "k: m is 3, wanted 4 (m == c unless k_index" },
    { SEGUE_ATTENTION, "m:3 k_index", NULL },
    { SEGUE_ATTENTION, "e:3 q_index", "y: e is 3, wanted 4 (e == t unless o_index" },
    { SEGUE_ATTENTION, "e:3 q_index o_index", NULL },
    { SEGUE_ATTENTION, "cu_seqlens cu_seqlens_k", NULL },
    { SEGUE_ATTENTION, "cu_seqlens cu_seqlens_k b:2", "q: b is 2, wanted 1 (b == 1 if cu_seqlens)" },
    { SEGUE_ATTENTION, "cu_seqlens", "cu_seqlens: given without cu_seqlens_k" },
    { SEGUE_ATTENTION, "cu_seqlens_k", "cu_seqlens_k: given without cu_seqlens" },
    { SEGUE_ATTENTION, "chunk=2", NULL },
    { SEGUE_ATTENTION, "chunk=2 m:6", "(c == t if chunk" },
    { SEGUE_ATTENTION, "cu_seqlens cu_seqlens_k k_len", "given together with k_len" },
    { SEGUE_ATTENTION, "cu_seqlens cu_seqlens_k q_offset align=1", "given together with q_offset" },
    { SEGUE_ATTENTION, "cu_seqlens cu_seqlens_k q_pos", "given together with q_pos" },
    { SEGUE_ATTENTION, "cu_seqlens cu_seqlens_k k_pos", "given together with k_pos" },
    { SEGUE_ATTENTION, "cu_seqlens cu_seqlens_k q_index", "given together with q_index" },
    { SEGUE_ATTENTION, "cu_seqlens cu_seqlens_k k_index", "given together with k_index" },
    { SEGUE_ATTENTION, "cu_seqlens cu_seqlens_k o_index", "given together with o_index" },
    { SEGUE_ATTENTION, "cu_seqlens cu_seqlens_k label", "given together with label" },
    { SEGUE_ATTENTION, "cu_seqlens cu_seqlens_k keep keep_q bias slopes sink", NULL },
    { SEGUE_ATTENTION, "q_offset align=1", NULL },
    { SEGUE_ATTENTION, "q_offset align=1 q_pos", "q_pos: given together with q_offset" },
    { SEGUE_ATTENTION, "q_offset align=1 q_index", "q_index: given together with q_offset" },
    { SEGUE_ATTENTION, "q_offset", "q_offset: given while align is BOTTOM_RIGHT, wanted none" },
    { SEGUE_ATTENTION, "label", NULL },
    { SEGUE_ATTENTION, "label h:4 j:2", "(h == j if label" },
    { SEGUE_ATTENTION, "chunk=2 cu_seqlens cu_seqlens_k", "cu_seqlens: given together with chunk" },
    { SEGUE_ATTENTION, "chunk=2 bias", "(no bias if chunk)" },
    { SEGUE_ATTENTION, "bias", NULL },
    { SEGUE_ATTENTION, "bias q_index", "q_index: given together with bias" },
    { SEGUE_ATTENTION, "bias k_index", "k_index: given together with bias" },
    { SEGUE_ATTENTION_MERGE, "log_weight lse_out", NULL },
    { SEGUE_ATTENTION_MERGE, "p:0", NULL },
    { SEGUE_ROTARY, "", NULL },
    { SEGUE_ROTARY, "cos sin rotary_dim=4", NULL },
    { SEGUE_ROTARY, "cos rotary_dim=4", "cos: given without sin" },
    { SEGUE_ROTARY, "sin rotary_dim=4", "sin: given without cos" },
    { SEGUE_ROTARY, "cos sin", "rotary_dim: value is 0, wanted 4 (rotary_dim == 2*r if cos" },
    { SEGUE_ROTARY, "rotary_dim=6", "x: d is 4, wanted at least 6 (d >= rotary_dim, from rotary_dim)" },
    { SEGUE_ROTARY, "rotary_dim=3", "rotary_dim: value is 3, wanted a multiple of 2 (rotary_dim % 2 == 0)" },
    { SEGUE_ROTARY, "d:5", "x: d is 5, wanted a multiple of 2 (d % 2 == 0 unless rotary_dim)" },
    { SEGUE_ROTARY, "d:5 rotary_dim=4", NULL },
};

static const struct rule_case lsh_cases[] = {
    { SEGUE_LSH_BUCKETS, "x R", NULL },
    { SEGUE_LSH_BUCKETS, "", "x: missing, wanted one of them (x | bucket_in)" },
    { SEGUE_LSH_BUCKETS, "x", "x: given without R" },
    { SEGUE_LSH_BUCKETS, "bucket_in R bucket_stride=4", "R: given without x" },
    { SEGUE_LSH_BUCKETS, "bucket_in bucket_stride=4", NULL },
    { SEGUE_LSH_BUCKETS, "x R bucket_in", "bucket_in: given together with x" },
    { SEGUE_LSH_BUCKETS, "bucket_in R_2 bucket_stride=4", "R_2: given without R" },
    { SEGUE_LSH_BUCKETS, "x R R_2", NULL },
    { SEGUE_LSH_BUCKETS, "bucket_in",
      "R: missing while bucket_stride is 0, wanted it (R unless bucket_stride)" },
    { SEGUE_LSH_BUCKETS, "bucket_in keep bucket_stride=4", "bucket_in: given together with keep" },
    { SEGUE_LSH_BUCKETS, "x R pad_bucket=1", "keep: missing while pad_bucket is 1, wanted it" },
    { SEGUE_LSH_BUCKETS, "x R keep pad_bucket=1", NULL },
    { SEGUE_LSH_BUCKETS, "bucket_in pad_bucket=1 bucket_stride=4",
      "pad_bucket: value is 1, wanted 0 (pad_bucket == 0 if bucket_in)" },
    { SEGUE_LSH_ATTENTION, "R scale=1 chunk=2", NULL },
    { SEGUE_LSH_ATTENTION, "R scale=1 chunk=3",
      "x: t is 4, wanted a multiple of 3 (t % chunk == 0, from chunk)" },
    { SEGUE_LSH_ATTENTION, "R chunk=2", "scale: required: wanted 1e-30 to 1e+30, given 0: multiplies x . key" },
    { SEGUE_LSH_ATTENTION, "R scale=-1 chunk=2", "scale: -1, wanted 1" },
    { SEGUE_LSH_ATTENTION, "scale=1 chunk=2", "R: missing, wanted one of them (R | bucket_in)" },
    { SEGUE_LSH_ATTENTION, "R bucket_in scale=1 chunk=2", "bucket_in: given together with R" },
    { SEGUE_LSH_ATTENTION, "bucket_in scale=1 chunk=2 bucket_stride=4", NULL },
    { SEGUE_LSH_ATTENTION, "bucket_in R_2 scale=1 chunk=2 bucket_stride=4", "R_2: given without R" },
    { SEGUE_LSH_ATTENTION, "bucket_in scale=1 chunk=2", "R: missing while bucket_stride is 0" },
    { SEGUE_LSH_ATTENTION, "R scale=1 chunk=2 pad_bucket=1", "keep: missing while pad_bucket is 1" },
    { SEGUE_LSH_ATTENTION, "R keep scale=1 chunk=2 pad_bucket=1", NULL },
    { SEGUE_LSH_ATTENTION, "bucket_in keep scale=1 chunk=2 bucket_stride=4", NULL },
    { SEGUE_LSH_ATTENTION, "bucket_in keep scale=1 chunk=2 bucket_stride=4 pad_bucket=1",
      "pad_bucket: value is 1, wanted 0 (pad_bucket == 0 if bucket_in)" },
};

static int64_t usual_size(int letter)
{
    static const char letters[] = "btcnmeshjkvrfgpd";
    static const int8_t sizes[] = { 1, 4, 4, 4, 4, 4, 1, 2, 2, 4, 4, 2, 2, 2, 2, 4 };
    return sizes[strchr(letters, 'a' + letter) - letters];
}

/* One of "keep", "chunk=2", "t:6": into the set of operands, the op, or the axes. */
static void apply(const segue_primitive_facts *facts, const char *word, uint64_t *set, segue_op_header *op,
                  int64_t dims[LETTERS])
{
    const size_t n = strcspn(word, "=:");
    if (word[n] == ':') {
        dims[*word - 'a'] = atoll(word + n + 1);
        return;
    }
    const int i = segue_field_index(facts, word, n);
    if (i < 0) fail_msg("%s has no %s", facts->name, word);
    const int64_t whole = word[n] ? atoll(word + n + 1) : 0;
    const double real = (double)whole;
    *set |= (uint64_t)1 << i;
    if (word[n])
        memcpy((char *)op + facts->fields[i].offset,
               facts->fields[i].role == SEGUE_ROLE_INT ? (const void *)&whole : (const void *)&real, 8);
}

static segue_status judge(const struct rule_case *c, struct op_storage *storage, segue_diag *why)
{
    const segue_primitive_facts *facts = segue_describe(c->primitive);
    segue_op_header *op = (segue_op_header *)storage->bytes;
    char words[200], *rest = words, *word;
    uint64_t set = 0;
    int64_t dims[LETTERS];
    struct shapes shapes;
    struct form form;
    assert_ok(segue_parse_shapes(facts, &shapes, why));
    assert_ok(segue_op_init(c->primitive, op, facts->op_size, why));
    for (int i = 0; i < LETTERS; i++) dims[i] = -1;
    for (snprintf(words, sizeof words, "%s", c->settings); (word = strtok_r(rest, " ", &rest));)
        apply(facts, word, &set, op, dims);
    for (uint32_t i = 0; i < facts->field_count; i++) {
        const segue_field_facts *f = &facts->fields[i];
        int64_t shape[SEGUE_MAX_RANK] = { 0 };
        if (!is_tensor(f) || !(is_required(f) || set >> i & 1)) continue;
        for (int d = 0; d < shapes.rank[i]; d++) {
            const struct axis axis = shapes.axes[i][d];
            shape[d] = (dims[axis.letter] < 0 ? usual_size(axis.letter) : dims[axis.letter]) + axis.plus;
        }
        *(segue_tensor *)((char *)op + f->offset) =
            segue_tensor_of(NULL, f->kind == SEGUE_KIND_I32 ? SEGUE_I32 : SEGUE_F32, shapes.rank[i], shape);
    }
    return segue_validate(&shapes, op, FOR_PLAN, 0, &form, why);
}

static void judge_all(const struct rule_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        static struct op_storage storage;
        segue_diag why = { 0 };
        const segue_status status = judge(&cases[i], &storage, &why);
        const int good = cases[i].words ? status && strstr(why.text, cases[i].words) : !status;
        if (!good)
            fail_msg("%s %s: \"%s\", wanted \"%s\"", segue_describe(cases[i].primitive)->name,
                     cases[i].settings, why.text, cases[i].words ? cases[i].words : "");
    }
}

static void attention(void **state)
{
    (void)state;
    judge_all(attention_cases, sizeof attention_cases / sizeof *attention_cases);
}

static void lsh(void **state)
{
    (void)state;
    judge_all(lsh_cases, sizeof lsh_cases / sizeof *lsh_cases);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(attention), cmocka_unit_test(lsh) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
