/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Hard inputs for softmax attention: scores that overflow exp, scores that all underflow without a maximum, masks that leave nothing,
 * and integers beyond everything that they may point at. */
#include "case_facts.h"

#include <math.h>
#include <stdio.h>

#include "inputs.h"

enum {
    Q,
    K,
    V,
    CU_SEQLENS,
    CU_SEQLENS_K,
    K_LEN,
    KEEP,
    KEEP_Q,
    Q_OFFSET,
    Q_POS,
    K_POS,
    Q_INDEX,
    K_INDEX,
    O_INDEX,
    LABEL,
    BIAS,
    SLOPES,
    SINK,
    Y,
    LSE,
    CAUSAL,
    ALIGN,
    WINDOW_LEFT,
    WINDOW_RIGHT,
    CHUNK,
    KEY_NORM = 28,
    SELF_RULE,
    SCALE = 32,
    SOFTCAP
};

enum { BENIGN, EXACT, PEAKED, FLAT, NEGATIVE, RISING, SPARSE, INFINITE, LSH };
/* exact: of all keys that a query sees one has score 0, the others scores that vanish beside it; y is its value. peaked: scores from 1e2 to
 * 1e4. flat: small ones, and keys of zeros. negative: all near -1000. rising: along the keys by 1/2 a key, in odd heads falling.
 * sparse: masks leave an eighth. infinite: values of the last quarter of the keys. lsh: indices and labels of a stable sort by bucket. */
static const char *const distributions[] = {
    "benign", "exact", "peaked", "flat", "negative", "rising", "sparse", "infinite", "lsh", NULL,
};
/* keep-none: no key of the first batch row is kept. */
static const char *const modifiers[] = { "keep-none", NULL };

static int64_t axis(const struct test_case *c, char letter)
{
    return descriptor_axis(&c->d, letter);
}

static int has(const struct test_case *c, int field)
{
    return c->d.present[field];
}

static double scale_of(const struct test_case *c)
{
    return c->d.value[SCALE] != 0 ? c->d.value[SCALE] : 1 / sqrt((double)axis(c, 'k'));
}

static struct dice dice_at(const struct test_case *c, int field, int64_t element)
{
    return (struct dice){ { c->key[0], c->key[1] }, (uint32_t)field + 1, (uint64_t)element };
}

static int one_in(const struct dice *d, uint32_t draw, int64_t count)
{
    return dice_integer(d, draw, 1, count) == 1;
}

/* ---- integers ----------------------------------------------------------------------------------- */

/* The first batch row has what a model would pass; the others are at the ends of what is lawful, and beyond. */
static int32_t k_len_of(const struct test_case *c, int64_t b)
{
    const int64_t m = axis(c, 'm');
    const int32_t odd[] = { 0, (int32_t)m + 5, -3, INT32_MAX, (int32_t)m };
    const struct dice d = dice_at(c, K_LEN, b);
    if (b % 2) return odd[dice_integer(&d, 0, 0, 4)];
    return m > 0 ? (int32_t)dice_integer(&d, 0, 1, m) : 0;
}

static int32_t q_offset_of(const struct test_case *c, int64_t b)
{
    const int64_t m = axis(c, 'm'), t = axis(c, 't');
    const int32_t odd[] = { -2, (int32_t)(-t - 1), (int32_t)m + 3, -1, 0 };
    const struct dice d = dice_at(c, Q_OFFSET, b);
    if (b % 2) return odd[dice_integer(&d, 0, 0, 4)];
    return m > 0 ? (int32_t)dice_integer(&d, 0, 0, m - 1) : 0;
}

static int64_t common_divisor(int64_t a, int64_t b)
{
    while (b) {
        const int64_t rest = a % b;
        a = b, b = rest;
    }
    return a;
}

/* Number i in an order of 0 .. count - 1 that the dice choose. */
static int64_t permuted(const struct dice *d, int64_t i, int64_t count)
{
    int64_t step = dice_integer(d, 7, 1, count);
    while (common_divisor(step, count) != 1) step++;
    return (i * step + dice_integer(d, 8, 0, count - 1)) % count;
}

/* Positions: queries and keys in another order, over the same range; some far outside. */
static int32_t position(const struct test_case *c, uint32_t field, int64_t i)
{
    const int64_t m = axis(c, 'm'), own = axis(c, field == Q_POS ? 'n' : 'm'), b = i / own;
    const struct dice order = dice_at(c, (int)field, b), d = dice_at(c, (int)field, i);
    const int64_t at = permuted(&order, i % own, own);
    if (!has(c, SLOPES) && one_in(&d, 1, 24)) return one_in(&d, 2, 2) ? INT32_MAX : INT32_MIN;
    if (field == Q_POS) return (int32_t)(at * m / own);
    return (int32_t)(one_in(&d, 1, 8) && at ? at - 1 : at);
}

/* The bucket of an item; there are about as many as chunks. */
static int64_t bucket_of(const struct test_case *c, int64_t head, int64_t item)
{
    const int64_t chunk = c->d.value[CHUNK] > 0 ? (int64_t)c->d.value[CHUNK] : 8, n = axis(c, 'n');
    const struct dice d = dice_at(c, LABEL, head * axis(c, 't') + item);
    return item / n * (n / chunk + 2) + dice_integer(&d, 0, 0, n / chunk + 1);
}

/* Items of one head by bucket, then by number. */
static void sort_items(const struct test_case *c, int64_t head, int32_t *to)
{
    const int64_t t = axis(c, 't');
    int64_t at = 0;
    for (int64_t bucket = 0; at < t; bucket++)
        for (int64_t item = 0; item < t; item++)
            if (bucket_of(c, head, item) == bucket) to[at++] = (int32_t)item;
}

/* Rows, in no order, some twice; items of later rounds; none. */
static int32_t item(const struct test_case *c, uint32_t field, int64_t i)
{
    const int64_t rows = axis(c, field == Q_INDEX ? 'n' : 'm');
    const struct dice d = dice_at(c, (int)field, i);
    if (one_in(&d, 0, c->distribution == SPARSE ? 2 : 8)) return one_in(&d, 1, 8) ? INT32_MIN : -1;
    const int64_t row = rows > 0 ? dice_integer(&d, 2, 0, rows - 1) : 0;
    return (int32_t)(row + rows * (one_in(&d, 3, 3) ? dice_integer(&d, 4, 1, 2) : 0));
}

/* Every slot another row; some slots none. */
static int32_t row_written(const struct test_case *c, int64_t i)
{
    const int64_t t = axis(c, 't'), e = axis(c, 'e'), all = (e > t ? e : t) + 3;
    const struct dice d = dice_at(c, O_INDEX, i / t);
    const int64_t at = permuted(&d, i % t, all);
    return (int32_t)(at >= e && at % 2 ? -at : at);
}

static int32_t label(const struct test_case *c, int64_t i)
{
    const int64_t e = axis(c, 'e');
    const struct dice d = dice_at(c, LABEL, i);
    if (c->distribution == LSH) return (int32_t)bucket_of(c, i / e, i % e);
    return (int32_t)dice_integer(&d, 0, -1, 1);
}

static int32_t kept(const struct test_case *c, uint32_t field, int64_t i)
{
    const struct dice d = dice_at(c, (int)field, i);
    const int64_t m = axis(c, 'm');
    if (field == KEEP && has_modifier(c, "keep-none") && i < m) return 0;
    if (c->distribution == SPARSE) return one_in(&d, 0, field == KEEP ? 8 : 2) ? -7 : 0; /* any but 0 keeps */
    return one_in(&d, 0, field == KEEP ? 4 : 8) ? 0 : (int32_t)dice_integer(&d, 1, 1, 2);
}

static void integers(const struct test_case *c, uint32_t field, int32_t *to, const struct dice *dice)
{
    const struct operand *o = &c->operands[field];
    const int64_t t = axis(c, 't');
    if (field == CU_SEQLENS_K) { /* as many keys as queries: their own */
        const struct dice d = dice_at(c, axis(c, 'c') == t ? CU_SEQLENS : CU_SEQLENS_K, 0);
        if (inputs_cut(c, axis(c, 'c'), o->view.shape[0] - 1, &d, to))
            for (int64_t i = 0; i < o->count; i++) to[i] = 0;
        return;
    }
    (void)dice;
    if (c->distribution == LSH && (field == Q_INDEX || field == K_INDEX || field == O_INDEX)) {
        for (int64_t head = 0; head < o->count / (t ? t : 1); head++) sort_items(c, head, to + head * t);
        return;
    }
    for (int64_t i = 0; i < o->count; i++) {
        if (field == K_LEN) to[i] = k_len_of(c, i);
        if (field == KEEP || field == KEEP_Q) to[i] = kept(c, field, i);
        if (field == Q_OFFSET) to[i] = q_offset_of(c, i);
        if (field == Q_POS || field == K_POS) to[i] = position(c, field, i);
        if (field == Q_INDEX || field == K_INDEX) to[i] = item(c, field, i);
        if (field == O_INDEX) to[i] = row_written(c, i);
        if (field == LABEL) to[i] = label(c, i);
    }
}

/* ---- floating inputs ---------------------------------------------------------------------------- */

enum { CODE = 8 }; /* bits that tell keys apart */

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* A key that query i sees, where masks are by position only. */
static int64_t seen_by(const struct test_case *c, const int64_t *index, const struct dice *dice)
{
    const int64_t m = axis(c, 'm'), t = axis(c, 't'), b = index[0];
    const int64_t keys = has(c, K_LEN) ? clamp(k_len_of(c, b), 0, m) : m;
    const int64_t first = c->d.value[ALIGN] == 0 ? keys - t : has(c, Q_OFFSET) ? q_offset_of(c, b) : 0;
    const int64_t left = (int64_t)c->d.value[WINDOW_LEFT], right = (int64_t)c->d.value[WINDOW_RIGHT],
                  at = first + index[1];
    int64_t low = left >= 0 && at > left ? at - left : 0, high = right >= 0 ? at + right : keys - 1;
    if (c->d.value[CAUSAL] != 0 && at < high) high = at;
    if (high > keys - 1) high = keys - 1;
    const struct dice row = { { c->key[0], c->key[1] },
                              dice->field,
                              (uint64_t)((b * t + index[1]) * axis(c, 'h') + index[2]) };
    return low > high ? 0 : dice_integer(&row, 5, low, high);
}

/* Keys are +-1 by the bits of their row, and 1; the query matches one: 0, and a gap of 128 to every other. */
static double draw_exact(const struct test_case *c, uint32_t field, const int64_t *index,
                         const struct dice *dice)
{
    const double size = 64 / scale_of(c);
    const int64_t i = index[3];
    if (field == V) return (double)dice_integer(dice, 0, -64, 64);
    if (field == K)
        return i < CODE ? (index[1] >> i & 1 ? 1 : -1) : i == CODE ? 1 : (double)dice_integer(dice, 0, -3, 3);
    if (i > CODE) return 0;
    return i == CODE ? -CODE * size : seen_by(c, index, dice) >> i & 1 ? size : -size;
}

/* Of a row of q or k, the same for all its elements. */
static struct dice dice_of_row(const struct test_case *c, uint32_t field, const int64_t *index)
{
    const struct operand *o = &c->operands[field];
    return dice_at(c, (int)field + 64, (index[0] * o->view.shape[1] + index[1]) * o->view.shape[2] + index[2]);
}

static double draw_product(const struct test_case *c, uint32_t field, const int64_t *index,
                           const struct dice *dice)
{
    const struct dice row = dice_of_row(c, field, index);
    const double x = dice_normal(dice, 0), far = sqrt(1000 / scale_of(c));
    const int first = index[3] == 0, query = field == Q;
    switch (c->distribution) {
    case PEAKED: return query ? x * dice_log_uniform(&row, 0, 1e2, 1e4) : x;
    case FLAT: return !query && index[1] % 5 == 4 ? 0 : 0.01 * x;
    case NEGATIVE: return first ? (query ? far : -far) : x;
    case RISING:
        if (!first) return x;
        if (query) return 4;
        return (index[2] % 2 ? -1 : 1) * (double)(index[1] - axis(c, 'm') / 2) / 8 / scale_of(c);
    default: return x;
    }
}

static double draw(const struct test_case *c, uint32_t field, const int64_t *index, const struct dice *dice)
{
    const double x = dice_normal(dice, 0);
    if (field == SLOPES)
        return dice_exp(-0.69314718055994531 * 8 * (double)(index[0] + 1) / (double)axis(c, 'h'));
    if (field == SINK)
        return c->distribution == NEGATIVE ? x - 1000 : c->distribution == PEAKED ? 100 * x : 2 * x;
    if (field == BIAS) return one_in(dice, 3, 4) != (c->distribution == SPARSE) ? -INFINITY : x;
    if (c->distribution == EXACT) return draw_exact(c, field, index, dice);
    if (field == V)
        return c->distribution == INFINITE && index[3] == 0 && 4 * index[1] >= 3 * axis(c, 'm') ? INFINITY : x;
    return draw_product(c, field, index, dice);
}

static int exact(const struct test_case *c)
{
    return c->distribution == EXACT;
}

/* ---- what fits ---------------------------------------------------------------------------------- */

static int want(int holds, char *why, const char *words)
{
    if (!holds) snprintf(why, DESCRIPTOR_WHY, "distribution: %s", words);
    return holds ? 0 : -1;
}

static int has_positions(const struct test_case *c)
{
    return has(c, Q_POS) || has(c, K_POS) || has(c, Q_INDEX) || has(c, K_INDEX) || has(c, O_INDEX);
}

static int fits_exact(const struct test_case *c, char *why)
{
    int exponent;
    const int64_t k = axis(c, 'k');
    const int even = frexp(scale_of(c), &exponent) == 0.5;
    if (want(even && k > CODE && axis(c, 'm') <= 1 << CODE, why,
             "exact: wanted a scale that is a power of two, more than 8 elements a key and at most 256 keys"))
        return -1;
    const int lengths =
        has(c, K_LEN) || has(c, Q_OFFSET); /* the suite's other call has them in reverse order */
    if (want(!lengths || axis(c, 'b') <= 1, why,
             "exact: wanted one batch row where k_len or q_offset say what is seen"))
        return -1;
    return want(!has_positions(c) && !has(c, CU_SEQLENS) && !has(c, KEEP) && !has(c, LABEL) && !has(c, BIAS) &&
                    !has(c, SLOPES) && !has(c, SINK) && c->d.value[CHUNK] == 0 && c->d.value[SOFTCAP] == 0 &&
                    c->d.value[KEY_NORM] == 0 && c->d.value[SELF_RULE] == 0,
                why, "exact: wanted masks by position, k_len and keep_q only, and plain scores");
}

static int fits_lsh(const struct test_case *c, char *why)
{
    const int64_t t = axis(c, 't'), n = axis(c, 'n');
    if (want(has(c, Q_INDEX) && has(c, K_INDEX) && axis(c, 'h') == axis(c, 'j') && axis(c, 'c') == t, why,
             "lsh: wanted q_index and k_index of as many heads and slots"))
        return -1;
    return want(
        n > 0 && axis(c, 'm') == n && t % n == 0 && axis(c, 'e') >= t, why,
        "lsh: wanted as many rows of q as of k, slots of whole rounds (T), and a row of y for each (E)");
}

static int fits(const struct test_case *c, char *why)
{
    const int masked = has(c, KEEP) || has(c, KEEP_Q) || has(c, BIAS) || has(c, Q_INDEX) || has(c, K_INDEX);
    if (has_modifier(c, "keep-none") && want(has(c, KEEP), why, "keep-none: wanted keep")) return -1;
    if (has_modifier(c, "nan-future") &&
        want(c->d.value[CAUSAL] != 0 && axis(c, 'm') == axis(c, 't') && !has_positions(c), why,
             "nan-future: wanted a causal call with as many keys as queries, no positions and no indices"))
        return -1;
    if (c->distribution == PEAKED &&
        c->d.value[KEY_NORM] != 0) /* whose elements are rounded to bf16, unlike those of raw keys */
        return want(c->d.dtype[Q] != SEGUE_BF16, why,
                    "peaked: wanted raw keys in bf16: product tiles round unit ones");
    if (c->distribution == INFINITE) /* a self of weight 0 */
        return want(c->d.value[SELF_RULE] == 0, why,
                    "infinite: wanted self_rule NORMAL: 0 x infinity is no number");
    if (c->distribution == SPARSE) return want(masked, why, "sparse: wanted keep, keep_q, bias or an index");
    if (c->distribution == LSH) return fits_lsh(c, why);
    return c->distribution == EXACT ? fits_exact(c, why) : 0;
}

/* ---- calls in pieces, and over some of the keys --------------------------------------------------- */

static int given(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

static int uses_positions(const segue_attention *op)
{
    return op->causal || op->window_left >= 0 || op->window_right >= 0 || given(&op->slopes) || op->self_rule;
}

static int add_to(const segue_tensor *t, int64_t more, int64_t low, int64_t high)
{
    int32_t *x = t->data;
    for (int64_t b = 0; b < t->shape[0]; b++) {
        const int64_t sum = clamp(x[b], low, high) + more;
        if (sum < low || sum > high) return -1;
        x[b] = (int32_t)sum;
    }
    return 0;
}

static int64_t piece(segue_op_header *header, int64_t low, int64_t high)
{
    segue_attention *op = (segue_attention *)header;
    const int64_t t = given(&op->q_index) ? op->q_index.shape[2] : op->q.shape[1], m = op->k.shape[1],
                  less = t - high;
    if (op->chunk || given(&op->label)) return -1; /* slots count from the call's first */
    if (!uses_positions(op) || given(&op->q_pos) || given(&op->q_index)) return INT64_MAX;
    if (op->align == SEGUE_ATTENTION_TOP_LEFT)
        return given(&op->q_offset) && !add_to(&op->q_offset, low, INT32_MIN, INT32_MAX) ? INT64_MAX : -1;
    /* The last query stands at the last key: earlier ones were asked when later keys were not there yet. */
    if (!op->causal || given(&op->k_pos) || given(&op->k_index)) return -1;
    if (given(&op->k_len)) return add_to(&op->k_len, -less, 0, m) ? -1 : INT64_MAX;
    return m < less ? -1 : m - less;
}

static int ways(const segue_op_header *header)
{
    const segue_attention *op = (const segue_attention *)header;
    const int placed = given(&op->q_pos) || given(&op->k_pos) || given(&op->q_index);
    const int decode = op->q.shape[1] == 1 && op->align == SEGUE_ATTENTION_BOTTOM_RIGHT && op->causal &&
                       op->window_left < 0 && op->window_right < 0 && !given(&op->slopes) && !placed;
    if (op->self_rule) return 0; /* visible whatever keep says */
    if (given(&op->k_len) || given(&op->k_index) || given(&op->cu_seqlens) || given(&op->label) || op->chunk)
        return PARTS_BY_MASK;
    return decode || !uses_positions(op) ? PARTS_BY_MASK | PARTS_BY_CUT : PARTS_BY_MASK;
}

static void join(const segue_op_header *header, double *const *first, const double *const *second)
{
    const segue_attention *op = (const segue_attention *)header;
    const int64_t v = op->v.shape[3], rows = op->lse.shape[0] * op->lse.shape[1] * op->lse.shape[2];
    for (int64_t i = 0; i < rows; i++) {
        const double a = first[LSE][i], b = second[LSE][i], most = a > b || isnan(a) ? a : b;
        const double left = a == -INFINITY ? 0 : exp(a - most), right = b == -INFINITY ? 0 : exp(b - most);
        for (int64_t k = i * v; k < (i + 1) * v; k++) {
            const double x = left != 0 ? left * first[Y][k] : 0, y = right != 0 ? right * second[Y][k] : 0;
            first[Y][k] = left != 0 || right != 0 ? (x + y) / (left + right) : 0;
        }
        first[LSE][i] = most == -INFINITY ? most : most + log(left + right);
    }
}

static const struct case_parts parts = {
    .mask = "keep", .log = "lse", .once = "sink", .ways = ways, .join = join
};

/* ---- lists -------------------------------------------------------------------------------------- */

/* The first value of each is what a case has unless something else is asked for. Widths and dtypes of q and k are in compile keys: K and
 * V come in few pairs. */
static const struct factor factors[] = {
    { "dtypes", "f32 bf16 f16 f32-k.f16-v.f16 bf16-y.f32 | f64" },
    { "variant", "-/K16.V16 -/K64.V64 -/K5.V7 -/K128.V128 -/K80.V32" },
    { "T", "17 1 33 0 65" },
    { "C", "33 17 1 65" },
    { "variant", "-/H4.J2 -/H2.J2 -/H3 -/H8.J2" },
    { "variant",
      "-/B2 -/B1 k_len/B3 cu_seqlens.cu_seqlens_k/S3 q_pos.k_pos/B2 q_index.k_index/N17.M17 chunk=8 align=top_left "
      "q_offset.align=top_left/B3 cu_seqlens.cu_seqlens_k/S5 q_index.o_index/N21.E40 k_index.k_len/M19 "
      "q_index.k_index.o_index.q_pos/N11.M13.E9 chunk=5.chunks_before=2.chunks_after=1" },
    { "variant", "- causal=0 window_left=7 causal=0.window_left=5.window_right=3 window_left=0" },
    { "variant", "- keep keep_q keep.keep_q" },
    { "variant", "- scale=25e-2 softcap=2 scale=5e-1.softcap=20" },
    { "variant", "- slopes bias sink bias.slopes.sink" },
    { "variant", "- key_norm=unit self_rule=constant label label.self_rule=constant.self_value=15e-1" },
    { "variant", "- lse" },
    { "layout", "btd bdt pad3 flip odd" },
    { "distribution", "benign exact peaked flat negative rising sparse infinite" },
    { "modifier", "- nan-future keep-none empty-middle gap" },
    { NULL, NULL },
};

static const char *const mandatory[] = {
    /* plain forms of models: Jamba, Gemma, gpt-oss, BLOOM, Longformer, an encoder, a decoder over it */
    "attention/fwd/bf16/B1.T24.C24.H8.J2.K128.V128",
    "attention/fwd.window_left=31.softcap=50.scale=625e-4/bf16/B1.T48.C48.H4.J2.K64.V64",
    "attention/fwd.sink.lse.window_left=15/bf16/B1.T33.C33.H8.J2.K64.V64",
    "attention/fwd.slopes/bf16-slopes.f32/B1.T33.C33.H8.J8.K16.V16",
    "attention/fwd.keep.causal=0.window_left=8.window_right=8/f32/B2.T65.C65.H2.J2.K16.V16",
    "attention/fwd.keep.keep_q.causal=0/f32/B2.T33.C33.H2.J2.K16.V16/btd/benign.keep-none",
    "attention/fwd.keep.causal=0/bf16/B2.T17.C65.H2.J2.K64.V64",
    "attention/fwd.bias.lse.causal=0/f32/B2.T17.C33.H4.J2.K16.V16",
    "attention/fwd.k_len.lse.causal=0/f32/B3.T5.C65.H4.J2.K16.V16",
    /* weights that are about alike, rounded to bf16 before they meet the values: a factor that a whole row has in common */
    "attention/fwd.causal=0/bf16-y.f32/B1.T22.C47.H2.K32.V250/btd/flat",
    /* prefill of c k and c k +- 1 tokens for tiles c of 16 and 64 */
    "attention/fwd.lse/f32/B1.T15.C15.H2.K16.V16",
    "attention/fwd.lse/f32/B1.T16.C16.H2.K16.V16",
    "attention/fwd.lse/bf16/B1.T63.C63.H2.K64.V64",
    "attention/fwd.lse/f32/B1.T64.C64.H2.K16.V16",
    "attention/fwd.lse/f32/B1.T129.C129.H2.K16.V16/btd/rising",
    "attention/fwd.lse/bf16/B1.T130.C130.H2.K16.V16",
    "attention/fwd.lse/f32/B1.T340.C340.H1.K5.V7",
    "attention/fwd.lse/bf16/B1.T96.C96.H1.K64.V64/btd/rising",
    "attention/fwd.window_left=64.lse/f32/B1.T190.C190.H1.K16.V16/btd/rising",
    /* prefill in two calls: the second has more keys than queries; and fewer */
    "attention/fwd.lse/f32/B2.T17.C49.H4.J2.K16.V16",
    "attention/fwd.lse/bf16/B2.T33.C17.H4.J2.K16.V16",
    "attention/fwd.lse.align=top_left/f32/B2.T33.C17.H4.J2.K16.V16",
    "attention/fwd.q_offset.lse.align=top_left/f32/B1.T17.C33.H4.J2.K16.V16/btd/exact",
    "attention/fwd.k_len.lse/f32/B1.T17.C33.H4.J2.K16.V16/btd/exact",
    "attention/fwd.q_offset.lse.align=top_left/f32/B3.T17.C33.H4.J2.K16.V16",
    "attention/fwd.k_len.lse/f32/B3.T17.C33.H4.J2.K16.V16",
    "attention/fwd.window_left=5.lse/bf16/B2.T29.C35.H4.J2.K64.V64/btd/exact",
    /* decode over long caches */
    "attention/fwd/f32/B1.T1.C4097.H2.K16.V16",
    "attention/fwd.k_len.lse/bf16/B2.T1.C1030.H2.K64.V64",
    "attention/fwd.k_len/f32-k.f16-v.f16/B1.T1.C4097.H4.K16.V16",
    "attention/fwd.k_len.sink.window_left=127/bf16/B3.T1.C300.H8.J2.K64.V64",
    "attention/fwd.k_len.slopes/f32/B3.T1.C300.H4.J2.K16.V16",
    "attention/fwd.k_len.keep.lse/f32/B4.T1.C129.H6.K16.V16/btd/negative",
    "attention/fwd.lse/f32/B2.T3.C129.H8.J8.K16.V16/btd/peaked",
    /* nothing to do, and nothing to see */
    "attention/fwd.lse/f32/B2.T0.C9.H2.K16.V16",
    "attention/fwd.lse/f32/B2.T9.C0.H2.K16.V16",
    "attention/fwd.sink.lse/f32/B2.T9.C0.H2.K16.V16",
    "attention/fwd.lse/f32/B0.T9.C9.H2.K16.V16",
    "attention/fwd.sink.lse.causal=0.window_left=0.window_right=0/f32/B1.T17.C5.H2.K16.V16",
    "attention/fwd.keep.sink.lse/f32/B2.T17.C17.H2.K16.V16/btd/benign.keep-none",
    "attention/fwd.cu_seqlens.cu_seqlens_k.lse/f32/T0.C0.H2.K16.V16.S3/packed",
    /* packed: queries and keys of other lengths, empty ones, tokens of none */
    "attention/fwd.cu_seqlens_k/bf16/T65.C65.H2.K64.V64.S3/packed",
    "attention/fwd.cu_seqlens_k.lse/f32/T65.C90.H4.J2.K16.V16.S3/packed/benign.empty-middle",
    "attention/fwd.cu_seqlens_k.lse/f32/T33.C65.H2.K16.V16.S3/packed/benign.gap",
    "attention/fwd.cu_seqlens_k.lse/f32/T65.C40.H2.K16.V16.S3/packed/benign.cu-outside",
    "attention/fwd.cu_seqlens_k.lse.causal=0/f32/T65.C40.H2.K16.V16.S3/packed/benign.empty-first.empty-last",
    "attention/fwd.cu_seqlens_k.keep.bias.slopes.lse/f32/T33.C33.H2.J2.K16.V16.S3/packed",
    "attention/fwd.cu_seqlens_k/f32/T65.C65.H2.K16.V16.S33/packed",
    "attention/fwd.cu_seqlens_k.window_left=5.max_seqlen=64.max_seqlen_k=64/bf16/T64.C64.H2.K16.V16/packed",
    /* chunks: the last one shorter, one that is reached twice, none behind the ends; of slots in the order of buckets */
    "attention/fwd.lse.chunk=16/f32/B1.T70.H2.J2.K16.V16",
    "attention/fwd.lse.causal=0.chunk=16.chunks_before=2.chunks_after=1/f32/B1.T48.H2.J2.K16.V16",
    "attention/fwd.lse.causal=0.chunk=16.chunks_after=1.wrap=0/f32/B1.T70.H2.J2.K16.V16",
    "attention/fwd.lse.causal=0.chunk=70/f32/B1.T70.H2.J2.K16.V16",
    "attention/fwd.q_index.k_index.o_index.label.lse.chunk=8.key_norm=unit.key_eps=1e-6.self_rule=constant/f32/B2.T64.N32.M32.E64.H2.J2.K16.V16/btd/lsh",
    "attention/fwd.q_index.k_index.o_index.label.keep.lse.causal=0.chunk=16.chunks_after=1.key_norm=unit.key_eps=1e-6.self_rule=constant/f32/B1.T96.N32.M32.E96.H2.J2.K16.V16/btd/lsh",
    "attention/fwd.q_index.k_index.o_index.lse.chunk=16.key_norm=unit.self_rule=constant/bf16/B1.T64.N32.M32.E64.H2.J2.K64.V64/btd/lsh",
    "attention/fwd.q_index.k_index.lse.chunk=8.key_norm=unit/f32/B1.T33.N33.M33.H2.J2.K16.V16/btd/lsh",
    "attention/fwd.label.self_rule=constant/f32/B2.T33.C33.H2.J2.K16.V16",
    "attention/fwd.keep.lse.self_rule=constant.self_value=5e-1/f32/B2.T33.C33.H4.J2.K16.V16",
    "attention/fwd.bias.lse.softcap=2/bf16/B2.T17.C33.H4.J2.K16.V16",
    "attention/fwd.label.keep.lse.causal=0/f32/B2.T33.C40.H2.J2.K16.V16/btd/sparse",
    /* lists of keys: BigBird's blocks, some keys twice, none */
    "attention/fwd.k_index.lse.causal=0/f32/B2.T5.C48.M33.H2.J2.K16.V16",
    "attention/fwd.k_index.keep.k_len.lse/f32/B2.T17.C40.M33.H4.J2.K16.V16/btd/sparse",
    "attention/fwd.q_index.o_index/f32/B2.T40.C33.N21.E50.H4.J2.K16.V16",
    "attention/fwd.q_pos.k_pos.window_left=7.window_right=3.lse/f32/B2.T33.C40.H2.K16.V16",
    /* the future is NaN, or infinite */
    "attention/fwd.lse/f32/B2.T65.C65.H4.J2.K16.V16/btd/benign.nan-future",
    "attention/fwd.sink.lse.window_left=7/bf16/B1.T65.C65.H4.J2.K16.V16/btd/benign.nan-future",
    "attention/fwd.lse/f32/B1.T65.C65.H2.K16.V16/btd/infinite",
    /* what does not fit a tile or a vector; many heads; far apart */
    "attention/fwd.lse/f32/B1.T3.C5.H2.K256.V17",
    "attention/fwd.lse/f32/B1.T3.C3.H65.J65.K5.V7",
    "attention/fwd.lse/f16/B1.T17.C33.H4.K80.V32",
    "attention/fwd/f32/B3.T3.C5.H2.K16.V16/far",
    "attention/fwd/bf16/B3.T3.C5.H2.K64.V64/far/benign#1",
    "attention/fwd.k_len/f32/B3.T1.C5.H2.K16.V16/far/benign#2",
    /* each operand of a dtype of its own */
    "attention/fwd.bias.slopes.sink.lse/bf16-bias.f32-slopes.f32-sink.f32/B2.T17.C17.H4.J2.K16.V16",
    "attention/fwd.bias.slopes.sink/f32-bias.bf16-slopes.f16-sink.bf16/B2.T17.C17.H4.J2.K16.V16",
    "attention/fwd.sink/f32-y.bf16/B2.T17.C17.H4.J2.K16.V16",
    NULL,
};

static const char *const smoke[] = {
    "attention/fwd/bf16/B1.T24.C24.H8.J2.K128.V128",
    "attention/fwd.window_left=31.softcap=50.scale=625e-4/bf16/B1.T48.C48.H4.J2.K64.V64",
    "attention/fwd.sink.lse.window_left=15/bf16/B1.T33.C33.H8.J2.K64.V64",
    "attention/fwd.slopes/bf16-slopes.f32/B1.T33.C33.H8.J8.K16.V16",
    "attention/fwd.k_len/f32-k.f16-v.f16/B1.T1.C4097.H4.K16.V16",
    "attention/fwd.cu_seqlens_k/bf16/T65.C65.H2.K64.V64.S3/packed",
    "attention/fwd.q_index.k_index.o_index.label.lse.chunk=8.key_norm=unit.key_eps=1e-6.self_rule=constant/f32/B2.T64.N32.M32.E64.H2.J2.K16.V16/btd/lsh",
    "attention/fwd.lse/f32/B1.T65.C65.H2.K16.V16/btd/infinite",
    NULL,
};

extern const struct case_facts segue_case_attention;
const struct case_facts segue_case_attention = {
    .primitive = "attention",
    .distributions = distributions,
    .modifiers = modifiers,
    .fits = fits,
    .draw = draw,
    .integers = integers,
    .exact = exact,
    .count = 220,
    .smoke_count = 20,
    .work = "b h t c k",
    .factors = factors,
    .mandatory = mandatory,
    .smoke = smoke,
    .keys = "c m",
    .piece = piece,
    .parts = &parts,
};
