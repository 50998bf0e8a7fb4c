/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built once per instruction set. A row whose logits lie side by side, and of which nothing but argmax and
 * sums is wanted, is read once, where it is. Any other one is copied into a row of f32, and each step is a
 * pass over that in the second-level cache. Sums have an order that depends on v alone: lanes within a block
 * of ids, double from block to block. */
#include "row_sample.h"
#include "row_sample_filter.h"
#include "row_sample_mass.h"
#include "row_sample_noise.h"

#include "engine/element.h"

#include <math.h>

#define PACK SEGUE_ISA_NAME(segue_pack)
#define UNPACK SEGUE_ISA_NAME(segue_unpack)

enum {
    CHAINS = 4,
    AHEAD = 8192
}; /* sums side by side: one would wait for itself; bytes that are fetched ahead */

#define LARGEST 0x1.fffffep127f

static int present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

/* ---- largest, argmax, sum -------------------------------------------------------------------------------- */

struct survey {
    float most; /* -infinity: there is nothing; infinity: what follows is not known */
    int64_t at; /* the first id that has it */
    float base;
    double sum; /* of masses from base */
    double top; /* the mass of most */
};

static double mass_of_most(const struct survey *s) /* sum exp(l - most) */
{
    return s->sum / s->top;
}

INLINE lanes whole(const char *p, int64_t i, uint32_t dtype)
{
    return element_load(p + i * element_size(dtype), dtype);
}

/* Two vectors from i on; bf16 in another order, since the upper halves of 32-bit words are floats but for
 * what is below. */
INLINE void pair(const char *p, int64_t i, uint32_t dtype, lanes out[2])
{
    if (LANES == 16 && dtype == SEGUE_BF16) {
        lanes_bits both;
        memcpy(&both, p + 2 * i, sizeof both); /* may begin in the middle of a word */
        out[0] = (lanes)(both << 16), out[1] = (lanes)(both & 0xffff0000u);
        return;
    }
    out[0] = whole(p, i, dtype), out[1] = whole(p, i + LANES, dtype);
}

/* l number i of count and those behind it; -infinity behind the last. */
INLINE lanes take(const char *p, int64_t i, int64_t count, uint32_t dtype)
{
    if (i + LANES <= count) return whole(p, i, dtype);
    return lanes_only(element_load_some(p + i * element_size(dtype), dtype, count - i), count - i,
                      -__builtin_inff());
}

/* The largest; NaN is below everything. */
INLINE float block_largest(const char *p, int64_t count, uint32_t dtype)
{
    lanes most[2] = { lanes_splat(-__builtin_inff()), lanes_splat(-__builtin_inff()) }, x[2];
    int64_t i = 0;
    for (; i + 2 * LANES <= count; i += 2 * LANES) {
        pair(p, i, dtype, x);
        most[0] = lanes_most(x[0], most[0]), most[1] = lanes_most(x[1], most[1]);
    }
    for (; i < count; i += LANES) most[0] = lanes_most(take(p, i, count, dtype), most[0]);
    return lanes_largest(lanes_most(most[0], most[1]));
}

/* What will be read when this has been: the hardware's own fetching stops at each page. */
INLINE void fetch(const char *p, int64_t bytes)
{
    for (int64_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const void *)((uintptr_t)p + AHEAD + (uintptr_t)i), 0, 3);
}

/* The largest, and *sum of masses, which is of use where is_base(). */
INLINE float block_sum(const char *p, int64_t count, uint32_t dtype, float base, int octaves, float *sum)
{
    lanes most[CHAINS], s[CHAINS];
    const lanes from = lanes_splat(base);
    for (int k = 0; k < CHAINS; k++) most[k] = lanes_splat(-__builtin_inff()), s[k] = lanes_splat(0);
    int64_t i = 0;
    for (; i + CHAINS * LANES <= count; i += CHAINS * LANES) {
        lanes x[CHAINS];
        fetch(p + i * element_size(dtype), CHAINS * LANES * element_size(dtype));
        UNROLL
        for (int k = 0; k < CHAINS; k += 2) pair(p, i + k * LANES, dtype, x + k);
        UNROLL
        for (int k = 0; k < CHAINS; k++) {
            most[k] = lanes_most(x[k], most[k]);
            s[k] = add_mass(s[k], x[k], from, octaves);
        }
    }
    for (; i < count; i += LANES) {
        const lanes x = take(p, i, count, dtype);
        most[0] = lanes_most(x, most[0]);
        s[0] = add_mass(s[0], x, from, octaves);
    }
    *sum = lanes_total((s[0] + s[1]) + (s[2] + s[3]));
    return lanes_largest(lanes_most(lanes_most(most[0], most[1]), lanes_most(most[2], most[3])));
}

INLINE int64_t block_find(const char *p, int64_t count, uint32_t dtype, float x)
{
    for (int64_t i = 0; i < count; i += LANES) {
        const lanes l = take(p, i, count, dtype);
        if (lanes_all_less(l, lanes_splat(x))) continue;
        float each[LANES];
        lanes_store(each, l);
        for (int k = 0; k < LANES; k++)
            if (each[k] == x) return i + k;
    }
    return -1;
}

/* A block's sum is taken from the base so far, before its own largest is known: where that will not do, once
 * more. */
INLINE struct survey survey_as(const char *p, int64_t count, uint32_t dtype, int sums, int octaves)
{
    struct survey s = { .most = -__builtin_inff(), .at = -1 };
    const float limit = octaves ? OCTAVES_MOST / 2 : LARGEST;
    for (int64_t first = 0; first < count; first += SAMPLE_BLOCK) {
        const char *const block = p + first * element_size(dtype);
        const int64_t ids = count - first < SAMPLE_BLOCK ? count - first : SAMPLE_BLOCK;
        const int begun = s.at >= 0;
        float sum = 0, most;
        if (begun && sums) most = block_sum(block, ids, dtype, s.base, octaves, &sum);
        else most = block_largest(block, ids, dtype);
        if (most > limit || (most < -limit && most >= -LARGEST))
            return (struct survey){ .most = __builtin_inff() };
        if (sums && most > -__builtin_inff() && !(begun && is_base(s.base, most, octaves))) {
            const float base = base_of(most, octaves);
            s.sum *= begun ? rebased(s.base, base, octaves) : 0;
            s.base = base;
            block_sum(block, ids, dtype, base, octaves, &sum);
        }
        s.sum += (double)sum;
        if (most > s.most) s.most = most, s.at = first + block_find(block, ids, dtype, most);
    }
    s.top = (double)add_mass(lanes_splat(0), lanes_splat(s.most), lanes_splat(s.base), octaves)[0];
    return s;
}

/* Of a tensor's row, in place. */
static struct survey survey_elements(const char *p, int64_t count, uint32_t dtype, int sums)
{
    if (!sums) {
        if (dtype == SEGUE_F32) return survey_as(p, count, SEGUE_F32, 0, 0);
        if (dtype == SEGUE_F16) return survey_as(p, count, SEGUE_F16, 0, 0);
        return survey_as(p, count, SEGUE_BF16, 0, 0);
    }
    if (dtype == SEGUE_F32) return survey_as(p, count, SEGUE_F32, 1, OCTAVES);
    if (dtype == SEGUE_F16) return survey_as(p, count, SEGUE_F16, 1, OCTAVES);
    return survey_as(p, count, SEGUE_BF16, 1, OCTAVES);
}

/* Of whole lanes of finite numbers and -infinity. */
static struct survey survey_row(const float *l, int64_t count, int sums)
{
    return survey_as((const char *)l, count, SEGUE_F32, sums, 0);
}

/* ---- controls -------------------------------------------------------------------------------------------- */

struct place { /* a position and how its row is to be treated */
    const struct sample_job *job;
    const segue_row_sample *op;
    int64_t b, t, row;
    float temperature, top_p, weight; /* weight: of guidance, 1 more than that */
    int64_t top_k;
    int tempered, noisy, nucleus, absorbs;
    int raw, final; /* whether sums before and after temperature and filters are wanted */
    struct random_counter noise;
};

static float control(const segue_tensor *t, int64_t b, float otherwise)
{
    if (!present(t)) return otherwise;
    _Alignas(64) float all[LANES];
    struct segue_strip s = strip_of(t, -1, 0);
    strip_cut_columns(&s, b, 1);
    PACK(all, 0, LANES, &s);
    return all[0];
}

static struct random_counter counter_of(const segue_row_sample *op, int64_t b, int64_t t, uint32_t stream)
{
    return random_counter_at(&op->seed, &op->pos, &op->seq_id, &op->step, b, t, stream);
}

static struct place place_at(const struct sample_job *job, int64_t b, int64_t t)
{
    const segue_row_sample *op = job->op;
    struct place p = { .job = job, .op = op, .b = b, .t = t, .row = sample_row(op, b, t) };
    p.temperature = control(&op->temperature, b, 1);
    p.top_p = control(&op->top_p, b, 1);
    p.weight = control(&op->guidance, b, 0) + 1;
    p.top_k = int_at(&op->top_k, b, 0, 0);
    p.tempered = p.temperature > 0 && p.temperature != 1;
    p.noisy = op->noise != SEGUE_ROW_SAMPLE_NONE && p.temperature > 0;
    p.nucleus = p.top_p < 1;
    p.absorbs = op->transition == SEGUE_ROW_SAMPLE_ABSORB;
    p.raw = present(&op->conf) && op->confidence == SEGUE_ROW_SAMPLE_PROB_RAW;
    p.final = present(&op->lse) || present(&op->logp) || p.absorbs ||
              (present(&op->conf) && op->confidence != SEGUE_ROW_SAMPLE_PROB_RAW &&
               op->confidence != SEGUE_ROW_SAMPLE_RANDOM);
    p.noise = counter_of(op, b, t, RANDOM_TOKEN_NOISE);
    return p;
}

/* ---- a row of f32 ---------------------------------------------------------------------------------------- */

static struct segue_strip row_strip(const segue_tensor *t, int64_t b, int64_t row, int64_t first, int64_t count)
{
    struct segue_strip s = strip_of(t, -1, 2);
    strip_move(&s, b * t->stride[0] + row * t->stride[1]);
    strip_cut_columns(&s, first, count);
    return s;
}

/* logits, mixed and within f32, and -infinity for NaN, from id `first` on; count of one block at most. */
static void take_logits(const struct place *p, int64_t first, int64_t count, float *l, float *other)
{
    const segue_row_sample *op = p->op;
    struct segue_strip s = row_strip(&op->logits, p->b, p->row, first, count);
    const lanes none = lanes_splat(-__builtin_inff()), top = lanes_splat(LARGEST),
                weight = lanes_splat(p->weight);
    PACK(l, 0, LANES, &s);
    if (present(&op->logits_u)) {
        s = row_strip(&op->logits_u, p->b, p->row, first, count);
        PACK(other, 0, LANES, &s);
        for (int64_t i = 0; i < count; i += LANES) {
            const lanes u = lanes_load(other + i);
            lanes_store(l + i, lanes_fma(weight, lanes_load(l + i) - u, u));
        }
    }
    for (int64_t i = 0; i < count; i += LANES) {
        const lanes x = lanes_most(lanes_only(lanes_load(l + i), count - i, -__builtin_inff()), none);
        lanes_store(l + i, lanes_if_less(x, top, x, top));
    }
}

static void ban(const struct place *p, float *l)
{
    const segue_tensor *banned = &p->op->banned;
    for (int64_t i = 0; present(banned) && i < banned->shape[0]; i++) {
        const int64_t id = int_at(banned, i, 0, -1);
        if (id >= 0 && id < p->job->ids) l[id] = -__builtin_inff();
    }
    if (p->absorbs && p->op->mask_id >= 0 && p->op->mask_id < p->job->ids)
        l[p->op->mask_id] = -__builtin_inff();
}

/* Whole lanes, -infinity behind the last id. */
static void take_row(const struct place *p, float *l, float *block)
{
    const int64_t ids = p->job->ids;
    for (int64_t first = 0; first < ids; first += SAMPLE_BLOCK)
        take_logits(p, first, ids - first < SAMPLE_BLOCK ? ids - first : SAMPLE_BLOCK, l + first, block);
    ban(p, l);
}

static void divide(float *l, int64_t count, float temperature)
{
    const lanes by = lanes_splat(temperature), top = lanes_splat(LARGEST),
                none = lanes_splat(-__builtin_inff());
    for (int64_t i = 0; i < count; i += LANES) {
        const lanes x = lanes_most(lanes_load(l + i) / by, none);
        lanes_store(l + i, lanes_if_less(x, top, x, top));
    }
}

static float largest_but(float *l, int64_t count, int64_t at)
{
    const float kept = l[at];
    l[at] = -__builtin_inff();
    const float most = survey_row(l, count, 0).most;
    l[at] = kept;
    return most;
}

/* sum p ln(p + 1e-10): in double after few terms, since equal ones would round the same way again and again. */
static double negative_entropy(const float *l, int64_t count, const struct survey *s)
{
    enum { TERMS = 8 };
    const lanes base = lanes_splat(s->base), scale = lanes_splat((float)(1 / s->sum)),
                tiny = lanes_splat(1e-10f);
    double sum = 0;
    for (int64_t first = 0; first < count; first += TERMS * LANES) {
        const int64_t end = count - first < TERMS * LANES ? count : first + TERMS * LANES;
        lanes some = lanes_splat(0);
        for (int64_t i = first; i < end; i += LANES) {
            const lanes p = exp_above(lanes_load(l + i), base) * scale;
            some = lanes_fma(p, lanes_log(p + tiny), some);
        }
        sum += (double)lanes_total(some);
    }
    return sum;
}

/* ---- outputs --------------------------------------------------------------------------------------------- */

struct answer {
    int64_t tok;
    double conf, lse, logp;
};

static void put_number(const segue_tensor *t, int64_t b, int64_t i, double x)
{
    if (!present(t)) return;
    _Alignas(64) float all[LANES] = { (float)x };
    struct segue_strip s = strip_of(t, -1, 1);
    strip_move(&s, b * t->stride[0]);
    strip_cut_columns(&s, i, 1);
    UNPACK(&s, all, 0, LANES);
}

static void put(const segue_row_sample *op, int64_t b, int64_t t, const struct answer *a)
{
    int32_t *const tok = (int32_t *)(void *)((char *)op->tok.data + op->tok.offset);
    tok[b * op->tok.stride[0] + t * op->tok.stride[1]] = (int32_t)a->tok;
    put_number(&op->conf, b, t, a->conf);
    put_number(&op->lse, b, t, a->lse);
    put_number(&op->logp, b, t, a->logp);
}

static void put_nothing(const segue_row_sample *op, int64_t b, int64_t t, int64_t tok)
{
    put(op, b, t, &(struct answer){ tok, -INFINITY, -INFINITY, -INFINITY });
}

static void nothing(const struct sample_job *job, int64_t b, int64_t t)
{
    put_nothing(job->op, b, t, int_at(&job->op->x, b, t, -1));
}

/* ---- choice ------------------------------------------------------------------------------------- */

static void choose_by_given(const struct place *p, struct choice *c, const float *l, float from, float *block)
{
    const segue_tensor *draws = &p->op->draws;
    for (int64_t first = 0; first < p->job->ids; first += SAMPLE_BLOCK) {
        const int64_t count = p->job->ids - first < SAMPLE_BLOCK ? p->job->ids - first : SAMPLE_BLOCK;
        const struct segue_strip s = row_strip(draws, p->b, p->t, first, count);
        PACK(block, 0, LANES, &s);
        choose_by_draws(c, l, from, block, first, count, p->op->noise);
    }
}

/* Scores are l + G; ABSORB's l - most + G, as those of probabilities, where no large l rounds G away. */
static struct choice choose(const struct place *p, const struct survey *s, const float *l, float *block)
{
    struct choice c = { .score = -__builtin_inff(), .id = -1 };
    const float from = p->absorbs ? s->most : 0;
    if (!p->noisy) return (struct choice){ s->most - from, s->at };
    if (p->op->noise == SEGUE_ROW_SAMPLE_PHILOX) choose_by_words(&c, l, p->job->ids, from, &p->noise);
    else choose_by_given(p, &c, l, from, block);
    return c;
}

/* G of one id. */
static double noise_of(const struct place *p, int64_t id)
{
    _Alignas(64) float all[LANES];
    if (!p->noisy) return 0;
    if (p->op->noise == SEGUE_ROW_SAMPLE_PHILOX) {
        struct random_counter c = p->noise;
        uint32_t w[4];
        c.word[0] = (uint32_t)(id / 2);
        random_words(&c, w);
        return (double)gumbel_of_fraction(lanes_splat(random_fraction(w[id % 2 * 2], w[id % 2 * 2 + 1])))[0];
    }
    const int64_t last = p->job->ids - 1;
    const struct segue_strip s = row_strip(&p->op->draws, p->b, p->t, id < last ? id : last, 1);
    PACK(all, 0, LANES, &s);
    return (double)gumbel_of_draw(lanes_load(all), p->op->noise)[0];
}

/* ABSORB: 1 where the mask is chosen and not c, -1 where nothing can be; equal scores: the smaller id, the
 * mask last where it is no id of the row. */
static int mask_wins(const struct place *p, const struct choice *c, const struct survey *s, double move,
                     double stay)
{
    const int64_t mask = p->op->mask_id;
    const double own = log(stay) + noise_of(p, mask < 0 ? 0 : mask);
    const double other = c->id < 0 ? -INFINITY : (double)c->score - log(mass_of_most(s)) + log(move);
    if (!(own > -INFINITY)) return other > -INFINITY ? 0 : -1;
    return !(other >= own) || (own == other && mask >= 0 && mask < c->id);
}

/* ---- positions ---------------------------------------------------------------------------------- */

static double random_confidence(const struct place *p)
{
    const struct random_counter c = counter_of(p->op, p->b, p->t, RANDOM_UNIFORM);
    uint32_t w[4];
    random_words(&c, w);
    return (double)random_unit(w[0]);
}

/* Rows that are read once, where they are. 0: it is none of them. */
static int quick(const struct place *p)
{
    const segue_row_sample *op = p->op;
    const int mode = present(&op->conf) ? (int)op->confidence : SEGUE_ROW_SAMPLE_RANDOM;
    if (op->logits.stride[2] != 1 || present(&op->logits_u) || present(&op->banned) || p->absorbs || p->noisy ||
        p->nucleus || p->top_k > 0 || (p->tempered && p->final) || mode == SEGUE_ROW_SAMPLE_MARGIN ||
        mode == SEGUE_ROW_SAMPLE_NEGENT)
        return 0;
    const struct segue_strip row = row_strip(&op->logits, p->b, p->row, 0, p->job->ids);
    const struct survey s = survey_elements(row.data, p->job->ids, row.dtype, p->raw || p->final);
    /* Divided, numbers may leave the range and be nothing, or all the same. */
    if (s.most > LARGEST ||
        (p->tempered && s.at >= 0 && !(fabsf(s.most / p->temperature) <= LARGEST && p->temperature <= LARGEST)))
        return 0;
    if (s.at < 0) {
        put_nothing(op, p->b, p->t, -1);
        return 1;
    }
    struct answer a = { .tok = s.at };
    if (p->raw || p->final) {
        a.logp = -log(mass_of_most(&s)), a.lse = (double)s.most - a.logp;
        a.conf = 1 / mass_of_most(&s);
    }
    if (mode == SEGUE_ROW_SAMPLE_RANDOM && present(&op->conf)) a.conf = random_confidence(p);
    put(op, p->b, p->t, &a);
    return 1;
}

/* Of a token of the row; raw: the row before temperature and filters. */
static double probability(const struct place *p, int64_t tok, const float *l, float *block,
                          const struct survey *raw, const struct survey *s)
{
    if (!p->raw) return exp((double)l[tok] - (double)s->most) / mass_of_most(s);
    take_logits(p, tok, 1, block, block + LANES);
    return exp((double)block[0] - (double)raw->most) / mass_of_most(raw);
}

/* What does not depend on the token. */
static double row_confidence(const struct place *p, float *l, int64_t count, const struct survey *s)
{
    if (p->op->confidence == SEGUE_ROW_SAMPLE_RANDOM) return random_confidence(p);
    if (p->op->confidence == SEGUE_ROW_SAMPLE_NEGENT) return negative_entropy(l, count, s);
    return -expm1((double)largest_but(l, count, s->at) - (double)s->most) / mass_of_most(s);
}

static void filter(const struct place *p, float *l, int64_t count, float *scratch, struct survey *s)
{
    const struct sample_job *job = p->job;
    struct filter f = { .l = l, .count = count, .most = s->most };
    f.mass = (double *)(void *)(scratch + job->mass), f.number = (int32_t *)(void *)(scratch + job->count);
    const int by_count = p->top_k > 0 && p->top_k < job->ids;
    if (p->nucleus)
        keep_nucleus(&f, mass_of_most(s), (double)p->top_p,
                     p->op->nucleus == SEGUE_ROW_SAMPLE_EXCLUDE_CROSSING);
    if (by_count) keep_most(&f, p->top_k, p->op->topk_ties == SEGUE_ROW_SAMPLE_KEEP_ALL);
    if (p->final && (p->nucleus || by_count)) *s = survey_row(l, count, 1);
}

static void answer_row(const struct place *p, float *l, int64_t count, float *block, const struct survey *raw,
                       const struct survey *s)
{
    const segue_row_sample *op = p->op;
    const struct choice c = choose(p, s, l, block);
    const double move = p->absorbs ? (double)control(&op->move, p->b, 0) : 1,
                 stay = p->absorbs ? (double)control(&op->stay, p->b, 0) : 0;
    const int masked = p->absorbs ? mask_wins(p, &c, s, move, stay) : c.id < 0 ? -1 : 0;
    struct answer a = { .tok = masked ? op->mask_id : c.id };
    if (masked < 0) {
        put_nothing(op, p->b, p->t, -1);
        return;
    }
    if (p->final) {
        a.lse = (double)s->most + log(mass_of_most(s));
        a.logp = masked ? log(stay) : (double)l[c.id] - (double)s->most - log(mass_of_most(s)) + log(move);
    }
    if (present(&op->conf)) {
        const int own =
            op->confidence == SEGUE_ROW_SAMPLE_PROB_RAW || op->confidence == SEGUE_ROW_SAMPLE_PROB_FINAL;
        if (!own) a.conf = row_confidence(p, l, count, s);
        else a.conf = masked ? stay : move * probability(p, c.id, l, block, raw, s);
    }
    put(op, p->b, p->t, &a);
}

static void position(const struct sample_job *job, int64_t b, int64_t t, float *scratch)
{
    const struct place p = place_at(job, b, t);
    const int64_t count = blocks_of(job->ids, LANES) * LANES;
    float *const l = scratch + job->l, *const block = scratch + job->block;
    if (quick(&p)) return;
    take_row(&p, l, block);
    const struct survey raw = survey_row(l, count, p.raw || (!p.tempered && (p.final || p.nucleus)));
    struct survey s = raw;
    if (p.tempered) {
        divide(l, count, p.temperature);
        s = survey_row(l, count, p.final || p.nucleus);
    }
    if (s.at < 0) {
        put_nothing(job->op, b, t, -1);
        return;
    }
    filter(&p, l, count, scratch, &s);
    answer_row(&p, l, count, block, &raw, &s);
}

const struct sample_kernel SEGUE_ISA_NAME(segue_sample) = { position, nothing };
