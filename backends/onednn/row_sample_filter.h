/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* top_p and top_k without sorting a row: where the order (l falling, id rising) is cut is found by the bits
 * of numbers, 11, 11 and 10 at a time. Each pass puts what has the bits found so far into buckets by the
 * next ones, with number and mass of each, and walks down the buckets to the one where the cut lies. */
#ifndef SEGUE_ONEDNN_ROW_SAMPLE_FILTER_H
#define SEGUE_ONEDNN_ROW_SAMPLE_FILTER_H

#include "engine/lanes_functions.h"
#include "row_sample.h"
#include "row_sample_mass.h"

struct filter { /* a row of whole lanes, -infinity behind its end, and what is counted of it */
    float *l;
    int64_t count;
    float most;         /* of l */
    float least, below; /* the cut lies among l from least on that are below this */
    double in_front;    /* of these: mass or number of what is not below */
    double *mass;
    int32_t *number;
};

struct limit { /* what may be in front of the cut: so much of exp(l - most), or so many */
    int by_mass;
    double most;
};

struct cut { /* what stays: keys above, and of those that are equal the ids up to last */
    uint32_t key;
    int64_t last;
};

/* Rises with x; -0 is 0. */
static uint32_t key_of(float x)
{
    uint32_t bits;
    x += 0.0f;
    memcpy(&bits, &x, sizeof bits);
    return bits ^ ((uint32_t)((int32_t)bits >> 31) | 0x80000000u);
}

static float number_of_key(uint32_t key)
{
    const uint32_t bits = key >> 31 ? key ^ 0x80000000u : ~key;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static int exceeds(const struct limit *limit, double in_front)
{
    return limit->by_mass ? in_front > limit->most : in_front >= limit->most;
}

/* ---- where to look ------------------------------------------------------------------------------ */

/* Mass or number of l >= x. */
static double amount_from(const struct filter *f, float x, int by_mass)
{
    const lanes from = lanes_splat(x), base = lanes_splat(f->most), one = lanes_splat(1.0f), zero = { 0 };
    double sum = 0;
    for (int64_t first = 0; first < f->count; first += SAMPLE_BLOCK) {
        const int64_t end = f->count - first < SAMPLE_BLOCK ? f->count : first + SAMPLE_BLOCK;
        lanes some = zero;
        if (by_mass)
            for (int64_t i = first; i < end; i += LANES)
                some += lanes_if_less(lanes_load(f->l + i), from, zero, exp_above(lanes_load(f->l + i), base));
        else
            for (int64_t i = first; i < end; i += LANES)
                some += lanes_if_less(lanes_load(f->l + i), from, zero, one);
        sum += (double)lanes_total(some);
    }
    return sum;
}

/* Doubles the distance from the largest until the cut is within it, then halves where it is: few numbers are
 * left, and only lanes with these are looked at one by one. 0: all stays. */
static int bracket(struct filter *f, const struct limit *limit)
{
    enum { HALVINGS = 8 };
    const float lowest = -0x1.fffffep127f;
    f->below = INFINITY, f->in_front = 0;
    for (float distance = 1;; distance *= 4) {
        f->least = distance < 1e9f && f->most - distance > lowest ? f->most - distance : lowest;
        const double amount = amount_from(f, f->least, limit->by_mass);
        if (exceeds(limit, amount)) break;
        if (f->least <= lowest) return 0;
        f->below = f->least, f->in_front = amount;
    }
    for (int i = 0; i < HALVINGS; i++) {
        const float top = f->below < f->most ? f->below : f->most, middle = f->least + (top - f->least) / 2;
        if (!(middle > f->least && middle < top)) break;
        const double amount = amount_from(f, middle, limit->by_mass);
        if (exceeds(limit, amount)) f->least = middle;
        else f->below = middle, f->in_front = amount;
    }
    return 1;
}

/* ---- the cut ------------------------------------------------------------------------------------ */

enum { LEVELS = 3 };
static const struct level {
    int shift, buckets;
} levels[LEVELS] = { { 21, 1 << 11 }, { 10, 1 << 11 }, { 0, 1 << 10 } };

/* Those whose bits above the level's are prefix's. */
static void fill_buckets(const struct filter *f, int level, uint32_t prefix, int by_mass)
{
    const int shift = levels[level].shift;
    const uint32_t mask = (uint32_t)levels[level].buckets - 1;
    const uint64_t above = level ? levels[level - 1].shift : 32;
    memset(f->number, 0, (size_t)levels[level].buckets * sizeof *f->number);
    memset(f->mass, 0, (size_t)levels[level].buckets * sizeof *f->mass);
    for (int64_t i = 0; i < f->count; i += LANES) {
        float l[LANES], mass[LANES] = { 0 };
        const lanes x = lanes_load(f->l + i), below = lanes_splat(f->below);
        if (lanes_all_less(lanes_if_less(x, below, x, lanes_splat(-INFINITY)), lanes_splat(f->least))) continue;
        lanes_store(l, x);
        if (by_mass) lanes_store(mass, exp_above(x, lanes_splat(f->most)));
        for (int k = 0; k < LANES; k++) {
            const uint32_t key = key_of(l[k]), at = key >> shift & mask;
            if (!(l[k] >= f->least && l[k] < f->below) || (uint64_t)key >> above != prefix) continue;
            f->number[at]++;
            f->mass[at] += (double)mass[k];
        }
    }
}

/* The bucket where what lies in front exceeds the limit, or else the last that is not empty; what is in
 * front of it is added to *before. */
static uint32_t walk(const struct filter *f, int level, const struct limit *limit, double *before)
{
    uint32_t found = 0;
    double in_front = *before;
    for (uint32_t i = (uint32_t)levels[level].buckets; i-- > 0;) {
        if (!f->number[i]) continue;
        found = i, *before = in_front;
        in_front += limit->by_mass ? f->mass[i] : f->number[i];
        if (exceeds(limit, in_front)) break;
    }
    return found;
}

/* Of equal numbers, each of so much mass, those that stay behind `before`. */
static int64_t equal_ones(const struct limit *limit, double before, int64_t count, double mass, int exclude)
{
    int64_t stay = 0;
    if (!limit->by_mass) return (int64_t)(limit->most - before);
    for (; stay < count; stay++, before += mass)
        if ((exclude ? before + mass : before) > limit->most) break;
    return stay;
}

static int64_t id_of_equal(const struct filter *f, float x, int64_t number)
{
    int64_t id = -1;
    for (int64_t i = 0; i < f->count && number > 0; i++)
        if (f->l[i] == x) number--, id = i;
    return id;
}

/* exclude: what crosses the limit goes; all_equal: what equals the last that stays does so, too. */
static struct cut find_cut(const struct filter *f, const struct limit *limit, int exclude, int all_equal)
{
    struct cut cut = { .key = 0 };
    double before = f->in_front;
    uint32_t at = 0;
    for (int level = 0; level < LEVELS; level++) {
        fill_buckets(f, level, cut.key >> levels[level].shift >> (level == LEVELS - 1 ? 10 : 11),
                     limit->by_mass);
        at = walk(f, level, limit, &before);
        cut.key |= at << levels[level].shift;
    }
    const int64_t equal = f->number[at];
    const int64_t stay = equal_ones(limit, before, equal, equal ? f->mass[at] / (double)equal : 0, exclude);
    cut.last = all_equal || stay >= equal ? f->count : id_of_equal(f, number_of_key(cut.key), stay);
    return cut;
}

static void apply_cut(const struct filter *f, struct cut cut)
{
    const float x = number_of_key(cut.key);
    const lanes least = lanes_splat(x), none = lanes_splat(-__builtin_inff());
    for (int64_t i = 0; i < f->count; i += LANES)
        lanes_store(f->l + i, lanes_if_less(lanes_load(f->l + i), least, none, lanes_load(f->l + i)));
    for (int64_t i = cut.last + 1; i < f->count; i++)
        if (f->l[i] == x) f->l[i] = -__builtin_inff();
}

/* sum: of exp(l - most). */
static void keep_nucleus(struct filter *f, double sum, double top_p, int exclude)
{
    const struct limit limit = { .by_mass = 1, .most = top_p * sum };
    if (!bracket(f, &limit)) return;
    struct cut cut = find_cut(f, &limit, exclude, 0);
    if (cut.last < 0 && cut.key == key_of(f->most))
        cut.last = id_of_equal(f, f->most, 1); /* the first always stays */
    apply_cut(f, cut);
}

static void keep_most(struct filter *f, int64_t k, int all_equal)
{
    const struct limit limit = { .most = (double)k };
    if (bracket(f, &limit)) apply_cut(f, find_cut(f, &limit, 0, all_equal));
}

#endif
