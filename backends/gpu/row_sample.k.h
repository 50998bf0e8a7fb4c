/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A token and its confidence for each open position, as api/ops/row_sample.def says.
 *
 * A group takes a row of logits, or a part of one of fixed length, once: running maxima with the sums of exponentials
 * behind them (arXiv:1805.02867), the largest score with the smallest id that has it. What items have found is merged
 * by a tree, and so, by another launch, what the parts of a row have: nothing depends on batch or grid. Random numbers
 * are counted by id, one draw for two ids.
 *
 * FILTER: between a first look at the row and that, top_p and top_k become one bound in the order (l falling, id
 * rising), by a radix search over integers that are ordered so. Probabilities are summed up as integers, too: the sum
 * does not depend on the order.
 *
 * Barriers stand in loops that may run no time, not behind conditions: PoCL copies what follows a barrier that is
 * met on a condition, and took six times as long to compile.
 *
 * Launch: groups (parts, positions), by stages. Key: ACT, NOISE (1: there may be some),
 * FILTER (1: top_p or top_k, whole rows only). */
#define PAIRS (NOISE ? 4 : 8) /* an item's loads on their way, of two neighbouring ids each */
#define MANY (2 * PAIRS)
#define TILE (MANY * GROUP)
#define APART (GROUP * 2) /* ids between two pairs of an item */
#define LARGEST 3.40282347e38f

enum { TO_FIND_MOST, TO_CHOOSE, TO_SUM_ENTROPY }; /* what a round looks at a row for */

typedef struct MASS { /* sum of exp(l - most); most = -INF: of nothing */
    float most, sum;
} MASS;

typedef struct PARTIAL { /* what is known of some of a row's ids */
    MASS p, raw;         /* raw: before temperature and filters */
    float score;         /* the largest; with ABSORB less p.most */
    i32 id;              /* the first one that has it; -1 = none above -INF */
    float second;        /* the second largest l */
    float entropy;       /* sum p ln (p + 1e-10) */
} PARTIAL;

typedef struct ROW { /* a position, its row of logits and its controls */
    i64 b, t;
    GLOBAL const ACT *logits, *logits_u;
    i64 at, at_u, each, each_u; /* id 0 of either, and from one id to the next */
    float guidance;             /* with 1 added */
    float temperature;          /* 0 = no division, no noise */
    i32 open, guided, divides, noise, raw;
    COUNTER counter;
} ROW;

/* ---- a row's numbers ------------------------------------------------------------------------------------ */

FUNC float less(float x, float y)
{
    return x < y ? x : y;
}

FUNC float in_range(float x) /* NaN counts as -INF, +INF as the largest number */
{
    return less(MAX(x, -INF), LARGEST);
}

FUNC float divided(ROW r, float l) /* -INF stays so, also divided by INF */
{
    return r.divides ? in_range(l / r.temperature) : l;
}

FUNC float shrink(float x) /* e^x, x <= 0: errors that grow with -x are of what hardly counts any more */
{
    return EXP2(x * 1.44269502f);
}

/* Number `which` of an item's: neighbours come in pairs, so that one draw serves both. */
FUNC i32 id_of(i32 tile, int which)
{
    return tile + which / 2 * APART + 2 * LOCAL_ID + which % 2;
}

/* Loads come first, in one go: what is done with them waits for all. */
FUNC void load_tile(GLOBAL const ACT *p, i64 at, i64 each, i32 words, i32 tile, i32 end, float l[MANY])
{
#ifndef ACT_F32 /* two in a word */
    if (words && tile + TILE <= end) {
        GLOBAL const u32 *from = (GLOBAL const u32 *)(p + at + tile);
        u32 word[PAIRS];
        UNROLL for (int i = 0; i < PAIRS; i++) word[i] = from[i * (APART / 2) + LOCAL_ID];
        UNROLL for (int i = 0; i < MANY; i++) {
            u16 one = (u16)(word[i / 2] >> i % 2 * 16);
            l[i] = LOAD(&one, 0);
        }
        return;
    }
#endif
    (void)words;
    if (each == 1) {
        GLOBAL const ACT *from = p + at + id_of(tile, 0);
        i32 left = end - id_of(tile, 0);
        UNROLL for (int i = 0; i < MANY; i++) l[i] = i / 2 * APART + i % 2 < left ? LOAD(from, i / 2 * APART + i % 2) : -INF;
        return;
    }
    ROLLED for (int i = 0; i < MANY; i++) { /* as many places in 64 bits would take more registers than there are */
        UNROLL for (int j = 1; j < MANY; j++) l[j - 1] = l[j];
        l[MANY - 1] = id_of(tile, i) < end ? LOAD(p, at + id_of(tile, i) * each) : -INF;
    }
}

/* Bit i: whether the item's number i is banned. */
FUNC u32 banned_of(struct row_sample_args a, i32 tile, GLOBAL const i32 *banned)
{
    u32 bits = 0;
    ROLLED for (i32 i = 0; i < a.bans + a.absorb; i++) {
        u32 at = (u32)(i < a.bans ? banned[AT1(a.banned, i)] : a.mask_id) - (u32)tile;
        if (at < TILE && at % APART / 2 == (u32)LOCAL_ID) bits |= 1u << (at / APART * 2 + at % 2);
    }
    return bits;
}

/* An item's share of a tile, before the temperature. */
FUNC void read_tile(struct row_sample_args a, ROW r, i32 tile, i32 end, GLOBAL const i32 *banned, float l[MANY])
{
    float u[MANY];
    ROLLED for (int guide = r.guided; guide >= 0; guide--) {
        load_tile(guide ? r.logits_u : r.logits, guide ? r.at_u : r.at, guide ? r.each_u : r.each, a.whole_words, tile, end, l);
        if (guide) {
            UNROLL for (int i = 0; i < MANY; i++) u[i] = l[i];
        } else if (r.guided) {
            UNROLL for (int i = 0; i < MANY; i++) l[i] = u[i] + r.guidance * (l[i] - u[i]);
        }
    }
    UNROLL for (int i = 0; i < MANY; i++) l[i] = in_range(l[i]);
    if (a.bans + a.absorb) {
        u32 bits = banned_of(a, tile, banned);
        UNROLL for (int i = 0; i < MANY; i++) l[i] = bits >> i & 1u ? -INF : l[i];
    }
}

/* One number of a row, which is not banned, before the temperature. */
FUNC float logit_at(ROW r, i32 id)
{
    float l = LOAD(r.logits, r.at + id * r.each);
    if (r.guided) {
        float u = LOAD(r.logits_u, r.at_u + id * r.each_u);
        l = u + r.guidance * (l - u);
    }
    return in_range(l);
}

/* Larger for larger l, then for smaller ids; 63 bits. */
#define ID_BITS 31

FUNC u64 rank_of(float l, i32 id)
{
    u32 bits = f32_bits(l + 0.0f); /* -0 as 0 */
    bits = bits >> 31 ? ~bits : bits | 0x80000000u;
    return (u64)bits << ID_BITS | (0x7fffffffu - (u32)id);
}

/* ---- sums and choices ----------------------------------------------------------------------------------- */

FUNC MASS with_all(MASS m, const float l[MANY])
{
    MASS all = { m.most, 0.0f };
    UNROLL for (int i = 0; i < MANY; i++) all.most = MAX(all.most, l[i]);
    float base = MAX(all.most, -LARGEST);
    UNROLL for (int i = 0; i < MANY; i++) all.sum += shrink(l[i] - base); /* first: small ones would be lost in the sum so far */
    all.sum += m.sum * shrink(m.most - base);
    return all;
}

FUNC MASS sum_of(MASS m, MASS n)
{
    MASS both;
    both.most = MAX(m.most, n.most);
    float base = MAX(both.most, -LARGEST);
    both.sum = m.sum * shrink(m.most - base) + n.sum * shrink(n.most - base);
    return both;
}

/* relative: scores are less p.most. */
FUNC PARTIAL merged(PARTIAL x, PARTIAL y, int relative)
{
    PARTIAL z = x;
    z.second = MAX(less(x.p.most, y.p.most), MAX(x.second, y.second));
    z.p = sum_of(x.p, y.p);
    z.raw = sum_of(x.raw, y.raw);
    z.entropy = x.entropy + y.entropy;
    if (relative && x.id >= 0) x.score += x.p.most - z.p.most;
    if (relative && y.id >= 0) y.score += y.p.most - z.p.most;
    int other = y.id >= 0 && (x.id < 0 || y.score > x.score || (y.score == x.score && y.id < x.id));
    z.score = other ? y.score : x.score;
    z.id = other ? y.id : x.id;
    return z;
}

FUNC PARTIAL of_nothing(void)
{
    PARTIAL p = { { -INF, 0.0f }, { -INF, 0.0f }, -INF, -1, -INF, 0.0f };
    return p;
}

FUNC void save(GLOBAL u32 *to, PARTIAL p)
{
    to[0] = f32_bits(p.p.most), to[1] = f32_bits(p.p.sum), to[2] = f32_bits(p.raw.most), to[3] = f32_bits(p.raw.sum);
    to[4] = f32_bits(p.score), to[5] = (u32)p.id, to[6] = f32_bits(p.second), to[7] = f32_bits(p.entropy);
}

/* Entropies are there for those who join: until then other groups write theirs. */
FUNC PARTIAL saved(GLOBAL const u32 *from, i32 stage)
{
    PARTIAL p = of_nothing();
    p.p.most = bits_f32(from[0]), p.p.sum = bits_f32(from[1]), p.raw.most = bits_f32(from[2]), p.raw.sum = bits_f32(from[3]);
    p.score = bits_f32(from[4]), p.id = (i32)from[5], p.second = bits_f32(from[6]);
    if (stage == SAMPLE_JOIN) p.entropy = bits_f32(from[7]);
    return p;
}

FUNC float gumbel_of(u32 low, u32 high)
{
    return -natural_log(exponential_of(fraction_of(low, high)));
}

FUNC float draw_at(struct row_sample_args a, ROW r, GLOBAL const void *draws, i32 id)
{
    return gumbel_given(r.noise, LOAD_ANY(draws, AT3(a.draws, r.b, r.t, id), a.draws.dtype));
}

FUNC void offer(PARTIAL *p, float score, i32 id) /* ids rise: the first one stays on ties */
{
    if (score > p->score) {
        p->score = score;
        p->id = id;
    }
}

/* Two neighbours with their noise. Logarithms are taken only where the draw could win: as E >= w, G <= -ln w, which is
 * at most what the exponent of w says (ln 2 rounded up by more than G's error); w >= 2^-64, G < 44.5. */
FUNC void offer_noisy(struct row_sample_args a, ROW r, GLOBAL const void *draws, PARTIAL *p, i32 id, float l0, float l1)
{
    PHILOX d;
    if (r.noise == 1) {
        if (!(MAX(l0, l1) + 44.5f > p->score)) return;
        d = philox(r.counter, FOR_TOKEN, (u32)id >> 1);
    }
    ROLLED for (int i = 0; i < 2; i++) {
        float l = i ? l1 : l0, g = 0.0f;
        if (l == -INF) continue;
        if (r.noise == 1) {
            u32 low = i ? d.word[2] : d.word[0], high = i ? d.word[3] : d.word[1];
            g = (float)(127 - (i32)(f32_bits(fraction_of(low, high)) >> 23)) * 0.69315f;
            if (l + g > p->score) g = gumbel_of(low, high);
        } else {
            g = draw_at(a, r, draws, id + i);
        }
        offer(p, l + g, id + i);
    }
}

/* What an item finds among the ids from `begin` to `end`; those below the bound do not stay, but for `first`, the row's largest:
 * where division is not rounded correctly, it may come out lower here than where the bound was found. m: of the whole row,
 * for entropies. */
FUNC PARTIAL gather(struct row_sample_args a, ROW r, int round, MASS m, i32 begin, i32 end, u64 bound, i32 first,
                    GLOBAL const i32 *banned, GLOBAL const void *draws)
{
    PARTIAL p = of_nothing();
    for (i32 tile = begin; tile < end; tile += TILE) {
        float l[MANY], before = p.p.most, base = 0.0f;
        read_tile(a, r, tile, end, banned, l);
        if (r.raw && round == TO_CHOOSE) p.raw = with_all(p.raw, l);
        UNROLL for (int i = 0; i < MANY; i++) l[i] = divided(r, l[i]);
        if (FILTER) {
            UNROLL for (int i = 0; i < MANY; i++) {
                i32 id = id_of(tile, i);
                l[i] = id == first || rank_of(l[i], id) >= bound ? l[i] : -INF;
            }
        }
        if (round == TO_SUM_ENTROPY) {
            ROLLED for (int i = 0; i < MANY; i++) { /* registers have no numbers: what comes next moves to the front */
                float part = shrink(l[0] - m.most) / m.sum;
                p.entropy += part * natural_log(part + 1e-10f);
                UNROLL for (int j = 1; j < MANY; j++) l[j - 1] = l[j];
            }
            continue;
        }
        if (a.confidence == 2) {
            UNROLL for (int i = 0; i < MANY; i++) {
                p.second = MAX(p.second, less(before, l[i]));
                before = MAX(before, l[i]);
            }
            before = p.p.most;
        }
        p.p = with_all(p.p, l);
        if (a.absorb && round == TO_CHOOSE) { /* as q is made of p: noise would be lost in a large l */
            base = MAX(p.p.most, -LARGEST);
            if (p.id >= 0) p.score += before - base;
        }
        if (NOISE && r.noise && round == TO_CHOOSE) {
            ROLLED for (int i = 0; i < PAIRS; i++) {
                offer_noisy(a, r, draws, &p, id_of(tile, 2 * i), l[0] - base, l[1] - base);
                UNROLL for (int j = 2; j < MANY; j++) l[j - 2] = l[j];
            }
        } else {
            UNROLL for (int i = 0; i < MANY; i++) offer(&p, l[i] - base, id_of(tile, i));
        }
    }
    return p;
}

/* ---- top_p and top_k ------------------------------------------------------------------------------------ */

#define BITS (GROUP > 128 ? 2 : 4) /* of a digit: LOCAL stays below 32 KiB */
#define DIGITS (1 << BITS)
#define TOP_DIGIT (64 - BITS) /* where the first one begins */
#define SLOTS (FILTER ? DIGITS * GROUP : 1)
#define MINE(digit) ((digit) * GROUP + LOCAL_ID)

typedef struct SEARCH {
    LOCAL_ARG u64 *mass;  /* [DIGITS GROUP]: an item's sums for each digit: ids, or their probabilities */
    LOCAL_ARG i32 *count; /* likewise, how many ids */
    u64 prefix;           /* the digits so far */
    i32 shift, by_count;
    float most;
} SEARCH;

/* Adds up, for each digit behind the prefix, the ids that have it. */
FUNC void count_digits(struct row_sample_args a, ROW r, SEARCH s, GLOBAL const i32 *banned)
{
    ROLLED for (int d = 0; d < DIGITS; d++) s.mass[MINE(d)] = 0, s.count[MINE(d)] = 0;
    for (i32 tile = 0; tile < a.ids; tile += TILE) {
        float l[MANY];
        read_tile(a, r, tile, a.ids, banned, l);
        ROLLED for (int i = 0; i < MANY; i++) {
            float x = divided(r, l[0]);
            u64 rank = rank_of(x, id_of(tile, i));
            if (id_of(tile, i) < a.ids && (s.shift == TOP_DIGIT || rank >> (s.shift + BITS) == s.prefix)) {
                int d = (int)(rank >> s.shift) & (DIGITS - 1);
                s.count[MINE(d)]++;
                s.mass[MINE(d)] += s.by_count ? 1u : (u64)(shrink(x - s.most) * a.scale);
            }
            UNROLL for (int j = 1; j < MANY; j++) l[j - 1] = l[j];
        }
    }
    BARRIER();
    for (int n = GROUP / 2; n > 0; n /= 2) {
        for (int i = LOCAL_ID; i < DIGITS * n; i += GROUP) {
            int at = i / n * GROUP + i % n;
            s.mass[at] += s.mass[at + n];
            s.count[at] += s.count[at + n];
        }
        BARRIER();
    }
}

/* The smallest rank that stays. For top_p, then for top_k: where the sum from the largest rank down first passes a limit, which
 * is that share of all, or k - 1. */
FUNC u64 search(struct row_sample_args a, ROW r, SEARCH s, PARTIAL p, float top_p, i32 top_k, GLOBAL const i32 *banned)
{
    u64 bound = 0;
    s.most = MAX(p.p.most, -LARGEST);
    for (s.by_count = 0; s.by_count < 2; s.by_count++) {
        int wanted = s.by_count ? top_k > 0 : top_p < 1.0f, last = s.by_count && !a.exact_k ? ID_BITS : 0, found = 1, alone = 0;
        u64 above = 0, limit = s.by_count && wanted ? (u64)(top_k - 1) : 0, here = 0;
        s.prefix = 0;
        for (s.shift = TOP_DIGIT; wanted && found && !alone && s.shift + BITS > last; s.shift -= BITS) {
            int digit = DIGITS - 1;
            count_digits(a, r, s, banned);
            ROLLED for (int d = 0; d < DIGITS; d++) here += s.mass[d * GROUP];
            if (s.shift == TOP_DIGIT && !s.by_count) limit = top_p > 0.0f ? upper_product(here, (u64)(top_p * 1.84467441e19f)) : 0u;
            while (digit >= 0 && above + s.mass[digit * GROUP] <= limit) above += s.mass[digit-- * GROUP];
            found = digit >= 0;
            alone = found && s.count[(found ? digit : 0) * GROUP] == 1;
            s.prefix = s.prefix << BITS | (u64)(found ? digit : 0);
            BARRIER();
        }
        if (!wanted || !found) continue;
        s.shift += BITS;
        u64 least = s.prefix << s.shift >> last << last;
        if (!s.by_count && a.exclude) {
            u64 first = rank_of(p.p.most, p.id); /* it stays in any case */
            least = (s.prefix + 1) << s.shift;
            if (least > first) least = first;
        }
        if (least > bound) bound = least;
    }
    return bound;
}

/* ---- positions ------------------------------------------------------------------------------------------ */

FUNC ROW row_of(struct row_sample_args a, i64 position, GLOBAL const ACT *logits, GLOBAL const ACT *logits_u, GLOBAL const i32 *x,
                GLOBAL const i32 *row, GLOBAL const i32 *lo, GLOBAL const i32 *hi, GLOBAL const void *temperature,
                GLOBAL const void *guidance, GLOBAL const i32 *seed, GLOBAL const i32 *seq_id, GLOBAL const i32 *pos,
                GLOBAL const i32 *step)
{
    ROW r = { 0, 0, logits, logits_u, 0, 0, 0, 0, 0.0f, 1.0f, 0, 0, 0, 0, 0, { 0, 0, 0, { 0, 0 } } };
    if (position >= a.positions) return r;
    r.b = position / a.tokens;
    r.t = position - r.b * a.tokens;
    i64 b = r.b, t = r.t, n = a.row.present ? row[AT2(a.row, b, t)] : t;
    r.open = n >= 0 && n < a.rows && (!a.x.present || x[AT2(a.x, b, t)] == a.mask_id) && (!a.lo.present || t >= lo[AT1(a.lo, b)]) &&
             (!a.hi.present || t < hi[AT1(a.hi, b)]);
    r.at = AT2(a.logits, b, n);
    r.each = a.logits.stride[2];
    r.guided = a.logits_u.present != 0;
    if (r.guided) {
        r.at_u = AT2(a.logits_u, b, n);
        r.each_u = a.logits_u.stride[2];
        r.guidance = LOAD_ANY(guidance, AT1(a.guidance, b), a.guidance.dtype) + 1.0f;
    }
    if (a.temperature.present) r.temperature = LOAD_ANY(temperature, AT1(a.temperature, b), a.temperature.dtype);
    if (!(r.temperature > 0.0f)) r.temperature = 0.0f;
    r.divides = r.temperature > 0.0f && r.temperature != 1.0f;
    r.noise = NOISE && r.temperature > 0.0f ? a.noise : 0;
    r.raw = a.conf.present && a.confidence == 0 && (FILTER || r.divides);
    r.counter.position = a.pos.present ? (u32)pos[AT2(a.pos, b, t)] : (u32)t;
    r.counter.sequence = a.seq_id.present ? (u32)seq_id[AT1(a.seq_id, b)] : (u32)b;
    r.counter.step = a.step.present ? (u32)step[AT1(a.step, b)] : 0u;
    r.counter.key[0] = a.seed.present ? (u32)seed[AT2(a.seed, b, 0)] : 0u;
    r.counter.key[1] = a.seed.present ? (u32)seed[AT2(a.seed, b, 1)] : 0u;
    return r;
}

typedef struct CHOICE {
    i32 tok;
    float conf, lse, logp;
} CHOICE;

/* Of q for ABSORB: ln q(id) = ln move + ln p(id), ln q(mask_id) = ln stay. */
FUNC CHOICE choice_of(struct row_sample_args a, ROW r, PARTIAL p, float move, float stay, GLOBAL const void *draws)
{
    CHOICE c = { -1, -INF, -INF, -INF };
    float total = natural_log(p.p.sum), log_move = a.absorb ? natural_log(move) : 0.0f, score = log_move + (p.score - total);
    int masked = 0, found = p.id >= 0 && score > -INF;
    if (p.p.most == -INF) return c;
    if (a.absorb) {
        i32 last = a.ids - 1, id = a.mask_id < 0 ? 0 : r.noise != 1 && a.mask_id > last ? last : a.mask_id;
        float other = natural_log(stay);
        if (NOISE && r.noise == 1) {
            PHILOX d = philox(r.counter, FOR_TOKEN, (u32)id >> 1);
            other += id & 1 ? gumbel_of(d.word[2], d.word[3]) : gumbel_of(d.word[0], d.word[1]);
        } else if (NOISE && r.noise) other += draw_at(a, r, draws, id);
        int first = a.mask_id >= 0 && a.mask_id < p.id;
        masked = other > -INF && (!found || other > score || (other == score && first));
    }
    if (!found && !masked) return c;
    c.tok = masked ? a.mask_id : p.id;
    c.lse = p.p.most + total;
    c.logp = natural_log(stay);
    c.conf = stay;
    if (!masked) {
        float raw = logit_at(r, p.id), l = divided(r, raw);
        c.logp = log_move + (l - p.p.most - total);
        c.conf = a.confidence == 0 && r.raw ? natural_exp(raw - p.raw.most) / p.raw.sum : natural_exp(l - p.p.most) / p.p.sum;
        if (a.absorb) c.conf *= move;
    }
    if (a.confidence == 2) c.conf = (1.0f - natural_exp(p.second - p.p.most)) / p.p.sum;
    if (a.confidence == 3) c.conf = p.entropy;
    if (a.confidence == 4) c.conf = uniform_of(philox(r.counter, FOR_CHOICE, 0u).word[0]);
    return c;
}

KERNEL(row_sample)(GLOBAL const ACT *logits, GLOBAL const ACT *logits_u, GLOBAL const i32 *x, GLOBAL const i32 *row,
                   GLOBAL const i32 *lo, GLOBAL const i32 *hi, GLOBAL const void *temperature, GLOBAL const void *top_p,
                   GLOBAL const i32 *top_k, GLOBAL const void *guidance, GLOBAL const i32 *banned, GLOBAL const i32 *seed,
                   GLOBAL const i32 *seq_id, GLOBAL const i32 *pos, GLOBAL const i32 *step, GLOBAL const void *draws,
                   GLOBAL const void *move, GLOBAL const void *stay, GLOBAL i32 *tok, GLOBAL void *conf, GLOBAL void *lse,
                   GLOBAL void *logp, GLOBAL u32 *work, struct row_sample_args a)
{
    LOCAL PARTIAL part[GROUP];
    LOCAL u64 mass[SLOTS];
    LOCAL i32 count[SLOTS];
    i64 position = a.position + GROUP_ID(1), partials = a.partials + position * a.parts * SAMPLE_WORDS;
    i32 begin = GROUP_ID(0) * a.part, end = a.ids - begin < a.part ? a.ids : begin + a.part;
    ROW r = row_of(a, position, logits, logits_u, x, row, lo, hi, temperature, guidance, seed, seq_id, pos, step);
    PARTIAL whole = of_nothing();
    u64 bound = 0;
    i32 first = -1;
    if (r.open) {
        int last = a.confidence == 3 && (a.stage == SAMPLE_WHOLE || a.stage == SAMPLE_ENTROPY) ? TO_SUM_ENTROPY : TO_CHOOSE;
        for (int round = FILTER ? TO_FIND_MOST : TO_CHOOSE; round <= last; round++) {
            PARTIAL p = of_nothing();
            if (round == TO_CHOOSE && a.stage >= SAMPLE_ENTROPY) {
                i32 each = (a.parts + GROUP - 1) / GROUP, from = LOCAL_ID * each;
                for (i32 i = from; i < from + each && i < a.parts; i++) p = merged(p, saved(work + partials + i * SAMPLE_WORDS, a.stage), a.absorb);
            } else {
                p = gather(a, r, round, whole.p, begin, end, bound, first, banned, draws);
            }
            part[LOCAL_ID] = p;
            BARRIER();
            for (int n = GROUP / 2; n > 0; n /= 2) {
                if (LOCAL_ID < n) part[LOCAL_ID] = merged(part[LOCAL_ID], part[LOCAL_ID + n], a.absorb && round == TO_CHOOSE);
                BARRIER();
            }
            p = part[0];
            if (round == TO_SUM_ENTROPY) whole.entropy = p.entropy;
            else whole = p;
            if (FILTER) {
                SEARCH s = { mass, count, 0, 0, 0, 0.0f };
                float share = a.top_p.present ? LOAD_ANY(top_p, AT1(a.top_p, r.b), a.top_p.dtype) : 1.0f;
                i32 k = a.top_k.present ? top_k[AT1(a.top_k, r.b)] : 0;
                if (round == TO_FIND_MOST) bound = search(a, r, s, whole, share, k, banned), first = whole.id;
            }
            BARRIER();
        }
    }
    if (LOCAL_ID || position >= a.positions) return;
    i64 b = r.b, t = r.t, mine = partials + GROUP_ID(0) * SAMPLE_WORDS;
    if (a.stage == SAMPLE_PART && r.open) save(work + mine, whole);
    if (a.stage == SAMPLE_ENTROPY && r.open) work[mine + 7] = f32_bits(whole.entropy);
    if (a.stage == SAMPLE_PART || a.stage == SAMPLE_ENTROPY) return;
    CHOICE c = { a.x.present ? x[AT2(a.x, b, t)] : -1, -INF, -INF, -INF };
    if (r.open) {
        float m = a.absorb ? LOAD_ANY(move, AT1(a.move, b), a.move.dtype) : 1.0f;
        c = choice_of(a, r, whole, m, a.absorb ? LOAD_ANY(stay, AT1(a.stay, b), a.stay.dtype) : 0.0f, draws);
    }
    tok[AT2(a.tok, b, t)] = c.tok;
    if (a.conf.present) STORE_ANY(conf, AT2(a.conf, b, t), a.conf.dtype, c.conf);
    if (a.lse.present) STORE_ANY(lse, AT2(a.lse, b, t), a.lse.dtype, c.lse);
    if (a.logp.present) STORE_ANY(logp, AT2(a.logp, b, t), a.logp.dtype, c.logp);
}
