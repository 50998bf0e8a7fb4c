/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Which candidates become tokens, as api/ops/unmask_select.def says.
 *
 * A group takes a batch row, an item a stretch of its window, in their order: what comes earlier in the row is known from
 * the items before. A score becomes a key, an integer that is ordered like it; a radix search from the highest digit
 * down finds the least key that is chosen, and how many positions that have just this key are. x_out may be x: an item
 * reads and writes its own stretch. Launch: groups (1, batch). Key: nothing but GROUP. */
#define BITS 4 /* of a digit: counts of all items stay below 32 KiB */
#define DIGITS (1 << BITS)
#define MINE(digit) ((digit) * GROUP + LOCAL_ID)

typedef struct ROW {
    i64 b;
    i32 begin, end; /* an item's stretch of the window */
    float temp;
    float level; /* tau, p */
    COUNTER counter; /* without the position */
} ROW;

typedef struct PICK { /* chosen: keys above `key`; of those that equal it the numbers from first to end - 1 */
    u32 key;
    i32 first, end;
} PICK;

FUNC i32 at_most(i64 value, i32 most) /* and at least 0 */
{
    return value < 0 ? 0 : value > most ? most : (i32)value;
}

/* The sum of x over the group, exactly; *before: of the items before this one. */
FUNC i32 sum_of(i32 x, LOCAL_ARG i32 *scratch, i32 *before)
{
    i32 all = 0, mine = 0;
    scratch[LOCAL_ID] = x;
    BARRIER();
    ROLLED for (int i = 0; i < GROUP; i++) {
        if (i == LOCAL_ID) mine = all;
        all += scratch[i];
    }
    BARRIER();
    *before = mine;
    return all;
}

/* ---- scores --------------------------------------------------------------------------------------------- */

FUNC PHILOX draw_at(struct unmask_select_args a, ROW r, GLOBAL const i32 *pos, i32 t, u32 what)
{
    r.counter.position = a.pos.present ? (u32)pos[AT2(a.pos, r.b, t)] : (u32)t;
    return philox(r.counter, what, 0u);
}

FUNC float uniform_at(struct unmask_select_args a, ROW r, GLOBAL const i32 *pos, GLOBAL const void *draws, i32 t)
{
    if (a.noise == 1) return uniform_of(draw_at(a, r, pos, t, FOR_CHOICE).word[0]);
    float x = LOAD_ANY(draws, AT2(a.draws, r.b, t), a.draws.dtype);
    if (a.noise == 4) x = natural_exp(-x);
    return a.noise == 2 ? x : natural_exp(-x);
}

FUNC float gumbel_at(struct unmask_select_args a, ROW r, GLOBAL const i32 *pos, GLOBAL const void *draws, i32 t)
{
    if (a.noise != 1) return gumbel_given(a.noise, LOAD_ANY(draws, AT2(a.draws, r.b, t), a.draws.dtype));
    PHILOX d = draw_at(a, r, pos, t, FOR_CHOICE_GUMBEL);
    return -natural_log(exponential_of(fraction_of(d.word[0], d.word[1])));
}

/* Ordered like a score: NaN as -INF, -0 as 0. From 0x007fffff to 0xff800000. */
FUNC u32 key_of(float score)
{
    u32 bits = f32_bits(MAX(score, -INF) + 0.0f);
    return bits >> 31 ? ~bits : bits | 0x80000000u;
}

FUNC u32 key_at(struct unmask_select_args a, ROW r, GLOBAL const void *conf, GLOBAL const i32 *pos, GLOBAL const void *draws, i32 t)
{
    if (a.rule == SELECT_BERNOULLI) return uniform_at(a, r, pos, draws, t) < r.level ? 2u : 0u;
    if (a.rule == SELECT_ALL || a.rule == SELECT_FIRST_HIT) return 1u;
    float score = LOAD_ANY(conf, AT2(a.conf, r.b, t), a.conf.dtype);
    if (a.rule == SELECT_MASKGIT) score = natural_log(score) + r.temp * gumbel_at(a, r, pos, draws, t);
    else if (a.rule == SELECT_GUMBEL_TOPK && r.temp > 0.0f) score = score / r.temp + gumbel_at(a, r, pos, draws, t);
    return key_of(score);
}

FUNC int is_eligible(struct unmask_select_args a, i64 b, i32 t, GLOBAL const i32 *x, GLOBAL const i32 *tok)
{
    return x[AT2(a.x, b, t)] == a.mask_id && tok[AT2(a.tok, b, t)] >= 0;
}

/* ---- how many, and which -------------------------------------------------------------------------------- */

/* From `share`, what k or the schedule says, and `passing`, positions with conf >= tau, the first of the order. */
FUNC i32 number_of(struct unmask_select_args a, i32 count, i32 share, i32 passing)
{
    i32 most = share < count ? share : count, least = a.k_min < count ? a.k_min : count;
    if (a.rule == SELECT_THRESHOLD) return passing > least ? passing : least;
    if (a.rule == SELECT_BUDGET) return passing < most ? (passing > 1 || most == 0 ? passing : 1) : most;
    return a.rule == SELECT_ALL ? count : a.rule == SELECT_MASKGIT ? count - most : most;
}

/* The first `wanted` of the order, fewer than there are; 0: nobody asks, and the barriers are none. (Not behind a condition
 * of the caller's: PoCL would copy what follows.) */
FUNC PICK search(struct unmask_select_args a, ROW r, PICK pick, i32 wanted, LOCAL_ARG i32 *number, GLOBAL const i32 *x,
                 GLOBAL const i32 *tok, GLOBAL const void *conf, GLOBAL const i32 *pos, GLOBAL const void *draws)
{
    int shift = wanted ? 32 : 0, whole = 0;
    while (shift > 0 && !whole) {
        int digit = DIGITS - 1;
        shift -= BITS;
        ROLLED for (int d = 0; d < DIGITS; d++) number[MINE(d)] = 0;
        for (i32 t = r.begin; t < r.end; t++) {
            if (!is_eligible(a, r.b, t, x, tok)) continue;
            u32 key = key_at(a, r, conf, pos, draws, t);
            if ((u64)key >> (shift + BITS) == pick.key) number[MINE(key >> shift & (DIGITS - 1))]++;
        }
        BARRIER();
        for (int n = GROUP / 2; n > 0; n /= 2) {
            for (int i = LOCAL_ID; i < DIGITS * n; i += GROUP) number[i / n * GROUP + i % n] += number[i / n * GROUP + i % n + n];
            BARRIER();
        }
        while (digit > 0 && number[digit * GROUP] < wanted) wanted -= number[digit-- * GROUP];
        whole = number[digit * GROUP] == wanted;
        pick.key = pick.key << BITS | (u32)digit;
        BARRIER();
    }
    if (wanted) pick.end = wanted;
    if (whole) { /* all that begin with these digits */
        pick.key = (pick.key << shift) - 1u;
        pick.end = 0;
    }
    return pick;
}

/* Number floor(u count), without what the product's rounding adds. */
FUNC i32 hit_of(float u, i32 count)
{
    float product = MAX(u, 0.0f) * (float)count;
    i32 number = product < (float)count ? (i32)product : count - 1;
    return FMA(u, (float)count, -(float)number) < 0.0f && number > 0 ? number - 1 : number;
}

FUNC int is_chosen(PICK pick, u32 key, i32 *equals)
{
    if (key != pick.key) return key > pick.key;
    *equals += 1;
    return *equals > pick.first && *equals <= pick.end;
}

KERNEL(unmask_select)(GLOBAL const i32 *x, GLOBAL const i32 *tok, GLOBAL const void *conf, GLOBAL const i32 *lo,
                      GLOBAL const i32 *hi, GLOBAL const i32 *k, GLOBAL const i32 *steps_left, GLOBAL const void *tau,
                      GLOBAL const void *p, GLOBAL const void *temp, GLOBAL const i32 *carry, GLOBAL const i32 *seed,
                      GLOBAL const i32 *seq_id, GLOBAL const i32 *pos, GLOBAL const i32 *step, GLOBAL const void *draws,
                      GLOBAL i32 *x_out, GLOBAL i32 *n_changed, GLOBAL i32 *n_left, GLOBAL i32 *changed, GLOBAL i32 *carry_out,
                      struct unmask_select_args a)
{
    LOCAL i32 number[DIGITS * GROUP];
    ROW r;
    i64 b = a.row + GROUP_ID(1), share = 0;
    r.b = b;
    i32 from = a.lo.present ? at_most(lo[AT1(a.lo, b)], a.tokens) : 0, to = a.hi.present ? at_most(hi[AT1(a.hi, b)], a.tokens) : a.tokens;
    i32 width = to > from ? to - from : 0, each = (width + GROUP - 1) / GROUP;
    r.begin = from + at_most((i64)LOCAL_ID * each, width);
    r.end = from + at_most((i64)(LOCAL_ID + 1) * each, width);
    r.temp = a.temp.present ? LOAD_ANY(temp, AT1(a.temp, b), a.temp.dtype) : 0.0f;
    r.level = a.tau.present ? LOAD_ANY(tau, AT1(a.tau, b), a.tau.dtype) : a.p.present ? LOAD_ANY(p, AT1(a.p, b), a.p.dtype) : 0.0f;
    r.counter.sequence = a.seq_id.present ? (u32)seq_id[AT1(a.seq_id, b)] : (u32)b;
    r.counter.step = a.step.present ? (u32)step[AT1(a.step, b)] : 0u;
    r.counter.key[0] = a.seed.present ? (u32)seed[AT2(a.seed, b, 0)] : 0u;
    r.counter.key[1] = a.seed.present ? (u32)seed[AT2(a.seed, b, 1)] : 0u;

    /* How many there are, and pass; how many become tokens. */
    i32 mine = 0, passing = 0, ignored = 0;
    for (i32 t = r.begin; t < r.end; t++) {
        if (!is_eligible(a, b, t, x, tok)) continue;
        mine++;
        if (a.tau.present) passing += MAX(LOAD_ANY(conf, AT2(a.conf, b, t), a.conf.dtype), -INF) >= r.level;
    }
    i32 count = sum_of(mine, number, &ignored);
    passing = sum_of(passing, number, &ignored);
    if (a.k.present) share = at_most(k[AT1(a.k, b)], 0x7fffffff);
    else if (a.steps_left.present) {
        i64 steps = steps_left[AT1(a.steps_left, b)];
        share = steps < 1 ? count : (count + steps - 1) / steps;
    }
    /* One item reads what it will write, as carry_out may be carry. */
    i32 old = sum_of(a.carry.present && LOCAL_ID == 0 ? at_most(carry[AT1(a.carry, b)], 0x7fffffff) : 0, number, &ignored);
    i32 most = at_most(share + old, 0x7fffffff), taken = number_of(a, count, most, passing);
    PICK pick = { 0, 0, 0 };
    if (a.rule == SELECT_BERNOULLI) pick.key = 1u;
    else if (a.rule == SELECT_FIRST_HIT) {
        pick.key = 1u;
        pick.first = count ? hit_of(uniform_at(a, r, pos, draws, 0), count) : 0;
        pick.end = pick.first + 1;
    } else if (taken < 1) pick.key = 0xffffffffu;
    int ordered = a.rule != SELECT_BERNOULLI && a.rule != SELECT_FIRST_HIT && taken > 0 && taken < count;
    pick = search(a, r, pick, ordered ? taken : 0, number, x, tok, conf, pos, draws);

    /* Numbers of what equals the last one chosen, and of what changes, in front of this item's. */
    i32 equals = 0, first_equal = 0, changes = 0, first_change = 0, left = 0;
    for (i32 t = r.begin; t < r.end; t++)
        equals += is_eligible(a, b, t, x, tok) && key_at(a, r, conf, pos, draws, t) == pick.key;
    sum_of(equals, number, &first_equal);
    equals = first_equal;
    for (i32 t = r.begin; t < r.end; t++) {
        int chosen = is_eligible(a, b, t, x, tok) && is_chosen(pick, key_at(a, r, conf, pos, draws, t), &equals);
        changes += chosen && tok[AT2(a.tok, b, t)] != a.mask_id;
        left += x[AT2(a.x, b, t)] == a.mask_id;
    }
    left = sum_of(left - changes, number, &ignored);
    i32 all = sum_of(changes, number, &first_change);
    for (i32 t = r.begin; t < r.end; t++) {
        i32 now = x[AT2(a.x, b, t)], token = now;
        if (is_eligible(a, b, t, x, tok) && is_chosen(pick, key_at(a, r, conf, pos, draws, t), &first_equal)) token = tok[AT2(a.tok, b, t)];
        x_out[AT2(a.x_out, b, t)] = token;
        if (token == now) continue;
        if (a.changed.present && first_change < a.places) changed[AT2(a.changed, b, first_change)] = t;
        first_change++;
    }
    for (i32 t = LOCAL_ID; t < a.tokens; t += GROUP)
        if (t < from || t >= to) x_out[AT2(a.x_out, b, t)] = x[AT2(a.x, b, t)];
    if (a.changed.present)
        for (i64 i = (i64)all + LOCAL_ID; i < a.places; i += GROUP) changed[AT2(a.changed, b, i)] = -1;
    if (LOCAL_ID) return;
    if (a.n_changed.present) n_changed[AT1(a.n_changed, b)] = all;
    if (a.n_left.present) n_left[AT1(a.n_left, b)] = left;
    if (a.carry_out.present) carry_out[AT1(a.carry_out, b)] = most - taken;
}
