/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* y[b t h k] = x / sqrt(eps + sum over k of x^2) (fla-org/flash-linear-attention fla/modules/l2norm.py).
 *
 * `width` items take a row, each every width-th element of it; long rows have a group, short ones share it.
 * The second time x comes from a cache. Launch: groups (1, at most ceil(rows / each), 1). Key: ACT. */

/* The scale of a row out of range, that is 2^64 or 2^-64 of it: with what is flushed less than 2^-125 in y. Each item adds up the
 * whole row, since others of the group do not come to a barrier here. */
FUNC float far_scale(GLOBAL const ACT *x, struct l2_norm_args a, i64 b, i64 t, i64 h, int count, float scale)
{
    float by = toward_one(scale), more = further_toward_one(scale), squares = 0.0f;
    for (int k = 0; k < count; k++) {
        float v = LOAD(x, AT4(a.x, b, t, h, k)) * by * more;
        squares = FMA(v, v, squares);
    }
    return reciprocal_root(squares + (by > 1.0f ? a.far_eps : a.eps * by * more * by * more)) * more;
}

KERNEL(l2_norm)(GLOBAL const ACT *x, GLOBAL ACT *y, struct l2_norm_args a)
{
    LOCAL float scratch[GROUP];
    for (i64 first = (i64)GROUP_ID(1) * a.each; first < a.rows; first += (i64)a.groups * a.each) {
        int item = LOCAL_ID & (a.width - 1);
        i64 row = first + LOCAL_ID / a.width, h = row % a.heads, t = row / a.heads % a.tokens,
            b = row / a.heads / a.tokens;
        int count = row < a.rows ? a.count : 0; /* the other items of the group come to its barriers */
        float squares = 0.0f;
        for (int k = item; k < count; k += a.width) {
            float v = LOAD(x, AT4(a.x, b, t, h, k));
            squares = FMA(v, v, squares);
        }
        squares = part_sum(squares, scratch, a.width);
        float scale = reciprocal_root(squares + a.eps), by = 1.0f;
        if (!scale_in_range(scale)) {
            by = toward_one(scale);
            scale = far_scale(x, a, b, t, h, count, scale);
        }
        for (int k = item; k < count; k += a.width)
            STORE(y, AT4(a.y, b, t, h, k), LOAD(x, AT4(a.x, b, t, h, k)) * by * scale);
    }
}
