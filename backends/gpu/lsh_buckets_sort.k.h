/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of a round by their buckets, equal ones in their order: one pass of a radix sort from the lowest digit up. An item has a
 * stretch of the list and counts its digits; sums over all smaller digits, and over the same digit of items before, say where its
 * tokens go. Launch: groups (1, batch x heads x rounds), once for each digit. Key: nothing but GROUP. */
#define DIGITS (1 << LSH_BITS(GROUP))
#define MINE(digit) ((digit) * GROUP + LOCAL_ID)

/* The bucket without the round's offset. */
FUNC i32 bucket_at(GLOBAL const i32 *given, i64 at, GLOBAL const i32 *found, i64 first, i64 last, int is_given)
{
    return is_given ? (i32)clamped((i64)given[at] - first, last) : found[at];
}

KERNEL(lsh_buckets_sort)(GLOBAL const i32 *bucket_in, GLOBAL i32 *work, GLOBAL i32 *bucket, GLOBAL i32 *perm,
                         GLOBAL i32 *inverse, struct lsh_buckets_sort_args a)
{
    LOCAL i32 count[DIGITS * GROUP], total[GROUP];
    int heads = a.heads ? a.heads : 1, rounds = a.rounds ? a.rounds : 1, given = a.bucket_in.present;
    i64 row = a.row + GROUP_ID(1), b = row / rounds / heads, list = row * a.tokens;
    int h = (int)(row / rounds - b * heads), r = (int)(row % rounds);
    i64 each = (a.tokens + GROUP - 1) / GROUP, begin = LOCAL_ID * each, end = begin + each < a.tokens ? begin + each : a.tokens;
    i64 at = given ? AT3(a.bucket_in, b, h, r) : a.buckets + list, step = given ? a.bucket_in.stride[3] : 1;
    i64 offset = r * a.stride;
    i32 before = 0;
    for (int d = 0; d < DIGITS; d++) count[MINE(d)] = 0;
    for (i64 i = begin; i < end; i++) {
        i64 t = a.shift ? work[a.from + list + i] : i;
        i32 key = bucket_at(bucket_in, at + t * step, work, offset, a.stride - 1, given);
        count[MINE(key >> a.shift & (DIGITS - 1))]++;
        if (a.shift == 0 && a.bucket.present) bucket[AT4(a.bucket, b, h, r, t)] = (i32)(key + offset);
    }
    BARRIER();
    for (int d = 0; d < DIGITS; d++) before += count[LOCAL_ID * DIGITS + d];
    total[LOCAL_ID] = before;
    BARRIER();
    before = 0;
    for (int i = 0; i < LOCAL_ID; i++) before += total[i];
    for (int d = 0; d < DIGITS; d++) {
        i32 here = count[LOCAL_ID * DIGITS + d];
        count[LOCAL_ID * DIGITS + d] = before;
        before += here;
    }
    BARRIER();
    for (i64 i = begin; i < end; i++) {
        i64 t = a.shift ? work[a.from + list + i] : i;
        i32 key = bucket_at(bucket_in, at + t * step, work, offset, a.stride - 1, given);
        i64 slot = count[MINE(key >> a.shift & (DIGITS - 1))]++;
        if (!a.last) work[a.to + list + slot] = (i32)t;
        else {
            perm[AT4(a.perm, b, h, r, slot)] = (i32)(r * a.tokens + t);
            if (a.inverse.present) inverse[AT4(a.inverse, b, h, r, t)] = (i32)(r * a.tokens + slot);
        }
    }
}
