/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Softmax attention as api/ops/attention.def defines it, by tiles (arXiv:2205.14135 alg. 1; arXiv:2307.08691).
 *
 * A group takes QUERIES rows of one key head, a row being a query slot of one of the heads that share the key
 * head. It walks over its keys, KEYS at a time: scores in registers, by SLICE columns of q and k staged in
 * LOCAL; their exponentials in LOCAL, with each row's maximum and sum so far; values from GLOBAL into the sums
 * that items have in registers. A masked pair's weight is -1: its value is left out, not multiplied by 0. Tiles
 * never straddle chunks. Keys that no row's window reaches are skipped where positions are slots. Columns
 * beyond VALUES go to further passes. Parts of the keys, which attention_parts adds up, may go to groups of
 * their own. Launch: groups (tiles x passes x heads, sequences, parts). Key: ACT (of k and v), QUERIES, VALUES.
 */
#define KEYS 64
#define SLICE 32
#define PITCH (SLICE + 4) /* of rows in LOCAL: not all in one bank, still a multiple of 16 bytes */
#define SCORE_PITCH (KEYS + 1)

/* An item's block of scores, its share of a row's exponentials, its block of sums. */
#define LANES (GROUP < 16 ? GROUP : GROUP / QUERIES > 16 ? GROUP / QUERIES : 16)
#define TALL (QUERIES * LANES / GROUP)
#define WIDE (KEYS / LANES)
#define HELPERS (GROUP > QUERIES ? GROUP / QUERIES : 1)
#define COLUMN_LANES (GROUP < 32 ? GROUP : 32)
#define ROWS (QUERIES * COLUMN_LANES / GROUP)
#define COLUMNS (VALUES / COLUMN_LANES)

/* Positions and labels have 64 bits: what is beyond all of 32 bits stands for none, and a query's none is not a key's. */
#define FAR ((i64)1 << 40)

/* Score of a masked pair: a NaN that no arithmetic makes and that maxima pass over. */
#define MASKED 0x7fc5e90eu

typedef struct PLACE { /* of a group */
    int b, first, first_key; /* batch row; first slots of its sequence */
    int tokens, keys, limit; /* slots of it; key rows at or beyond the limit are not there */
    int slot, row, rows;     /* first slot of the chunk, or sequence, that the tile lies in; its rows in there: first one, count */
    int head;                /* of keys */
} PLACE;

typedef struct ROW { /* what a slot asks for */
    i64 pos, from, to, label; /* keys at positions from `from` to `to` */
    i32 slot, head, q;        /* in the sequence; of queries; row of q, -1 = none */
    i32 reserved;
} ROW;

typedef struct KEY {
    i64 pos, label;
} KEY;

FUNC int at_most(i64 value, int most) /* and at least 0 */
{
    return value < 0 ? 0 : value > most ? most : (int)value;
}

FUNC PLACE place_of(struct attention_args a, GLOBAL const i32 *cu_seqlens, GLOBAL const i32 *cu_seqlens_k,
                    GLOBAL const i32 *k_len, int s, int tile, int head)
{
    PLACE p = { s, 0, 0, a.queries, a.keys, a.rows_k, 0, 0, 0, head };
    if (a.present & HAS_CU_SEQLENS) {
        p.b = 0;
        p.first = at_most(cu_seqlens[AT1(a.cu_seqlens, s)], a.queries);
        p.first_key = at_most(cu_seqlens_k[AT1(a.cu_seqlens_k, s)], a.keys);
        p.tokens = at_most(at_most(cu_seqlens[AT1(a.cu_seqlens, s + 1)], a.queries) - p.first, a.queries);
        p.keys = at_most(at_most(cu_seqlens_k[AT1(a.cu_seqlens_k, s + 1)], a.keys) - p.first_key, a.keys);
        p.limit = p.keys;
    }
    if (a.present & HAS_K_LEN) p.limit = at_most(k_len[AT1(a.k_len, s)], a.rows_k);
    int block = a.chunk ? a.chunk : p.tokens, tiles = (block * a.group + QUERIES - 1) / QUERIES, left;
    if (tiles < 1) tiles = 1;
    left = p.tokens - at_most((i64)(tile / tiles) * block, p.tokens);
    p.slot = p.tokens - left;
    p.row = tile % tiles * QUERIES;
    p.rows = at_most((left < block ? left : block) * a.group - p.row, QUERIES);
    return p;
}

/* The row of an item of a slot, within its sequence; -1 = none. */
FUNC int row_of(int item, int indexed, int rows)
{
    return item < 0 || rows < 1 ? -1 : indexed ? item % rows : item;
}

/* The label of an item of query head h, or `none`. */
FUNC i64 label_of(struct attention_args a, GLOBAL const i32 *label, int b, int h, int item, i64 none)
{
    return !(a.present & HAS_LABEL) ? 0 : item < a.rows_y ? label[AT3(a.label, b, h, item)] : none;
}

FUNC ROW row_at(struct attention_args a, PLACE p, int r, GLOBAL const i32 *keep_q, GLOBAL const i32 *q_offset,
                GLOBAL const i32 *q_pos, GLOBAL const i32 *q_index, GLOBAL const i32 *label)
{
    ROW x = { 0, FAR, -FAR, -FAR, 0, 0, -1, 0 };
    if (r >= p.rows) return x;
    x.slot = p.slot + (p.row + r) / a.group;
    x.head = p.head * a.group + (p.row + r) % a.group;
    int item = a.present & HAS_Q_INDEX ? q_index[AT3(a.q_index, p.b, x.head, x.slot)] : x.slot;
    int row = row_of(item, a.present & HAS_Q_INDEX, a.rows_q);
    if (row < 0 || (a.present & HAS_KEEP_Q && !keep_q[AT2(a.keep_q, p.b, p.first + row)])) return x;
    x.q = p.first + row;
    if (a.present & HAS_Q_POS) x.pos = q_pos[AT2(a.q_pos, p.b, row)];
    else if (a.present & HAS_Q_INDEX) x.pos = row;
    else if (!a.top_left) x.pos = x.slot + p.limit - p.tokens;
    else x.pos = (i64)x.slot + (a.present & HAS_Q_OFFSET ? q_offset[AT1(a.q_offset, p.b)] : 0);
    x.from = a.window_left < 0 ? -FAR : x.pos - a.window_left;
    x.to = a.window_right < 0 ? FAR : x.pos + a.window_right;
    if (a.causal && x.to > x.pos) x.to = x.pos;
    x.label = label_of(a, label, p.b, x.head, item, -FAR);
    return x;
}

/* Of the keys that the tile may see, the number of the first one and that behind the last. */
FUNC void reach(struct attention_args a, PLACE p, LOCAL_ARG const ROW *row, int *first, int *end)
{
    *first = 0;
    *end = p.rows ? p.keys : 0;
    if (a.chunk && p.rows) {
        int own = p.slot / a.chunk, behind = (p.keys - 1) / a.chunk - own;
        if (a.wrap || behind > a.chunks_after) behind = a.chunks_after;
        if (!a.wrap && own < a.chunks_before) *first = (a.chunks_before - own) * a.chunk;
        *end = (a.chunks_before + 1 + behind) * a.chunk;
    } else if (!(a.present & (HAS_K_POS | HAS_K_INDEX))) {
        i64 from = FAR, to = -1;
        for (int r = 0; r < p.rows; r++) {
            if (row[r].from < from) from = row[r].from;
            if (row[r].to > to) to = row[r].to;
        }
        *first = at_most(from, p.limit) / KEYS * KEYS; /* so that sums do not depend on the tile's other rows */
        *end = at_most(to + 1, p.limit);
    }
}

/* The key slot of that number; -1 = none. */
FUNC int slot_of(struct attention_args a, PLACE p, int number)
{
    if (!a.chunk) return number;
    int chunks = (p.keys + a.chunk - 1) / a.chunk, at = p.slot / a.chunk - a.chunks_before + number / a.chunk;
    if (a.wrap) at = (at % chunks + chunks) % chunks;
    at = at * a.chunk + number % a.chunk;
    return at < p.keys ? at : -1;
}

/* q . k of an item's block, further by SLICE columns; the keys' squares. */
FUNC void multiply(LOCAL_ARG const float *q, LOCAL_ARG const float *k, int unit, float dot[TALL * WIDE], float square[WIDE])
{
    ROLLED for (int d = 0; d < SLICE; d += 4) {
        UNROLL for (int i = d; i < d + 4; i++) {
            float key[WIDE];
            UNROLL for (int w = 0; w < WIDE; w++) key[w] = k[w * LANES * PITCH + i];
            UNROLL for (int t = 0; t < TALL; t++) {
                float query = q[t * PITCH + i];
                UNROLL for (int w = 0; w < WIDE; w++) dot[t * WIDE + w] = FMA(query, key[w], dot[t * WIDE + w]);
            }
            if (unit)
                UNROLL for (int w = 0; w < WIDE; w++) square[w] = FMA(key[w], key[w], square[w]);
        }
    }
}

/* bias_at: of slot 0. */
FUNC float score_of(struct attention_args a, LOCAL_ARG const ROW *row, LOCAL_ARG const KEY *key, float dot, float square,
                    GLOBAL const void *bias, i64 bias_at, GLOBAL const void *slopes)
{
    i64 gap = key->pos - row->pos;
    int self = a.self_rule && gap == 0;
    float x = a.scale * dot, add;
    if (key->pos < row->from || key->pos > row->to || (!self && key->label != row->label)) return bits_f32(MASKED);
    if (self) return a.self_value;
    if (a.unit) x *= reciprocal_root(square + a.key_eps);
    if (a.softcap > 0.0f) x = a.softcap * hyperbolic_tangent(x / a.softcap);
    if (a.present & HAS_BIAS) {
        add = LOAD_ANY(bias, bias_at + row->head * a.bias.stride[1] + row->slot * a.bias.stride[2], a.bias.dtype);
        if (add == -INF) return bits_f32(MASKED);
        x += add;
    }
    if (a.present & HAS_SLOPES)
        x -= LOAD_ANY(slopes, AT1(a.slopes, row->head), a.slopes_dtype) * (float)(gap < 0 ? -gap : gap);
    return x == x ? x : bits_f32(0x7fc00000u); /* never MASKED */
}

/* Scores to weights, with m as the row's maximum so far; the helpers of a row share its keys. */
FUNC void weigh(LOCAL_ARG float *score, float m)
{
    ROLLED for (int key = LOCAL_ID % HELPERS; key < KEYS; key += HELPERS)
        score[key] = f32_bits(score[key]) == MASKED ? -1.0f : natural_exp(score[key] - m);
}

/* The sums of an item's rows, and COLUMNS columns from `column` on, further by the tile's keys. */
FUNC void add_values(LOCAL_ARG const float *weight, LOCAL_ARG const float *shrink, LOCAL_ARG const int *key_row,
                     GLOBAL const ACT *v, struct attention_args a, i64 at, int column, float sum[ROWS * COLUMNS])
{
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int c = 0; c < COLUMNS; c++) sum[r * COLUMNS + c] *= shrink[r];
    ROLLED for (int key = 0; key < KEYS; key++) {
        float value[COLUMNS];
        i64 from = at + key_row[key] * a.v.stride[1];
        if (key_row[key] < 0) continue;
        UNROLL for (int c = 0; c < COLUMNS; c++)
            value[c] = column + c * COLUMN_LANES < a.columns ? LOAD(v, from + c * COLUMN_LANES * a.v.stride[3]) : 0.0f;
        UNROLL for (int r = 0; r < ROWS; r++) {
            float w = weight[r * SCORE_PITCH + key];
            UNROLL for (int c = 0; c < COLUMNS; c++)
                sum[r * COLUMNS + c] = w < 0.0f ? sum[r * COLUMNS + c] : FMA(w, value[c], sum[r * COLUMNS + c]);
        }
    }
}

/* A column of a row: to y, or as it is to the part's place; with the first one the row's denominator. */
FUNC void finish(struct attention_args a, LOCAL_ARG const ROW *row, float top, float total, float sum, int column,
                 i64 part_at, int b, int to, GLOBAL void *y, GLOBAL void *lse, GLOBAL float *parts)
{
    if (a.parts > 1) {
        if (column < a.columns) parts[part_at + column] = sum;
        if (column == 0) parts[part_at + a.columns] = top, parts[part_at + a.columns + 1] = total;
        return;
    }
    if (column < a.columns) STORE_ANY(y, AT4(a.y, b, to, row->head, column), a.y.dtype, total == 0.0f ? 0.0f : sum / total);
    if (column == 0 && a.lse.present) STORE_ANY(lse, AT3(a.lse, b, to, row->head), a.lse.dtype, top + natural_log(total));
}

KERNEL(attention)(GLOBAL const void *q, GLOBAL const ACT *k, GLOBAL const ACT *v, GLOBAL const i32 *cu_seqlens,
                  GLOBAL const i32 *cu_seqlens_k, GLOBAL const i32 *k_len, GLOBAL const i32 *keep,
                  GLOBAL const i32 *keep_q, GLOBAL const i32 *q_offset, GLOBAL const i32 *q_pos,
                  GLOBAL const i32 *k_pos, GLOBAL const i32 *q_index, GLOBAL const i32 *k_index,
                  GLOBAL const i32 *o_index, GLOBAL const i32 *label, GLOBAL const void *bias,
                  GLOBAL const void *slopes, GLOBAL const void *sink, GLOBAL void *y, GLOBAL void *lse,
                  GLOBAL float *parts, struct attention_args a)
{
    LOCAL ROW rows[QUERIES];
    LOCAL KEY keys[KEYS];
    LOCAL int key_row[2 * KEYS]; /* -1 = none; this tile's and the last one's, whose values some may still add up */
    LOCAL float tiles[(QUERIES + KEYS) * PITCH + QUERIES * SCORE_PITCH], squares[KEYS]; /* in the end QUERIES x VALUES sums */
    LOCAL_ARG float *tile_q = tiles, *tile_k = tile_q + QUERIES * PITCH, *score = tile_k + KEYS * PITCH;
    LOCAL float top[QUERIES], total[QUERIES], shrink[QUERIES], tops[QUERIES * HELPERS];
    int heads = a.heads ? a.heads : 1, passes = a.passes ? a.passes : 1, part = GROUP_ID(2), ring = 0;
    int left = GROUP_ID(0) / heads % passes * VALUES + LOCAL_ID % COLUMN_LANES; /* an item's first column */
    int helper = LOCAL_ID % HELPERS, across = LOCAL_ID % LANES, down = LOCAL_ID / LANES * TALL;
    int s = (int)a.sequence + GROUP_ID(1), tile = a.tile + GROUP_ID(0) / (heads * passes), first, end;
    PLACE p = place_of(a, cu_seqlens, cu_seqlens_k, k_len, s, tile, GROUP_ID(0) % heads);
    float sum[ROWS * COLUMNS];

    UNROLL for (int i = 0; i < ROWS * COLUMNS; i++) sum[i] = 0.0f;
    for (int r = LOCAL_ID; r < QUERIES; r += GROUP) {
        ROW x = row_at(a, p, r, keep_q, q_offset, q_pos, q_index, label);
        float m = -INF;
        if (r < p.rows && a.present & HAS_SINK && part == 0) m = LOAD_ANY(sink, AT1(a.sink, x.head), a.sink_dtype);
        rows[r].pos = x.pos, rows[r].from = x.from, rows[r].to = x.to, rows[r].label = x.label;
        rows[r].slot = x.slot, rows[r].head = x.head, rows[r].q = x.q;
        top[r] = m, total[r] = m == -INF ? 0.0f : m == m ? 1.0f : m;
    }
    BARRIER();
    reach(a, p, rows, &first, &end);
    if (a.parts > 1) {
        int each = (end - first + a.parts * KEYS - 1) / (a.parts * KEYS) * KEYS;
        first = at_most(first + (i64)part * each, end);
        if (each < end - first) end = first + each;
    }

    for (int from = first; from < end; from += KEYS) {
        float dot[TALL * WIDE], square[WIDE];
        ring = KEYS - ring;
        for (int i = LOCAL_ID; i < KEYS; i += GROUP) {
            int slot = from + i < end ? slot_of(a, p, from + i) : -1, item = slot, row;
            i64 pos = 2 * FAR, tag = FAR;
            if (slot >= 0 && a.present & HAS_K_INDEX) item = k_index[AT3(a.k_index, p.b, p.head, slot)];
            row = row_of(item, a.present & HAS_K_INDEX, a.rows_k);
            if (row >= p.limit) row = -1;
            if (row >= 0) {
                pos = a.present & HAS_K_POS ? k_pos[AT2(a.k_pos, p.b, row)] : row;
                if (!(a.present & HAS_KEEP) || keep[AT2(a.keep, p.b, p.first_key + row)])
                    tag = label_of(a, label, p.b, p.head, item, FAR);
            }
            keys[i].pos = pos, keys[i].label = tag;
            key_row[ring + i] = row < 0 ? -1 : p.first_key + row;
        }
        UNROLL for (int i = 0; i < TALL * WIDE; i++) dot[i] = 0.0f;
        UNROLL for (int i = 0; i < WIDE; i++) square[i] = 0.0f;
        for (int d = 0; d == 0 || d < a.width; d += SLICE) {
            BARRIER();
            for (int i = LOCAL_ID; i < QUERIES * SLICE; i += GROUP) {
                int r = i / SLICE, column = d + i % SLICE, there = rows[r].q >= 0 && column < a.width;
                tile_q[r * PITCH + i % SLICE] =
                    there ? LOAD_ANY(q, AT4(a.q, p.b, rows[r].q, rows[r].head, column), a.q.dtype) : 0.0f;
            }
            for (int i = LOCAL_ID; i < KEYS * SLICE; i += GROUP) {
                int row = key_row[ring + i / SLICE], column = d + i % SLICE, there = row >= 0 && column < a.width;
                tile_k[i / SLICE * PITCH + i % SLICE] = there ? LOAD(k, AT4(a.k, p.b, row, p.head, column)) : 0.0f;
            }
            BARRIER();
            multiply(tile_q + down * PITCH, tile_k + across * PITCH, a.unit, dot, square);
        }
        UNROLL for (int w = 0; w < WIDE; w++) {
            if (down == 0) squares[across + w * LANES] = square[w];
            UNROLL for (int t = 0; t < TALL; t++) score[(down + t) * SCORE_PITCH + across + w * LANES] = dot[t * WIDE + w];
        }
        BARRIER();
        for (int r = LOCAL_ID / HELPERS; r < QUERIES; r += GROUP / HELPERS) {
            float m = -INF;
            ROLLED for (int key = helper; key < KEYS; key += HELPERS) {
                LOCAL_ARG float *x = score + r * SCORE_PITCH + key;
                *x = score_of(a, rows + r, keys + key, *x, squares[key], bias,
                              AT4(a.bias, p.b, 0, p.first, p.first_key + from + key), slopes);
                m = MAX(m, *x);
            }
            tops[r * HELPERS + helper] = m;
        }
        BARRIER();
        for (int r = LOCAL_ID / HELPERS; r < QUERIES; r += GROUP / HELPERS) {
            float m = top[r];
            for (int i = 0; i < HELPERS; i++) m = MAX(m, tops[r * HELPERS + i]);
            if (m == -INF) m = 0.0f; /* nothing to be seen so far */
            weigh(score + r * SCORE_PITCH, m);
            if (helper == 0) shrink[r] = natural_exp(top[r] - m);
        }
        BARRIER();
        for (int r = LOCAL_ID; r < QUERIES; r += GROUP) {
            float m = top[r], l = shrink[r] * total[r];
            for (int i = 0; i < HELPERS; i++) m = MAX(m, tops[r * HELPERS + i]);
            ROLLED for (int key = 0; key < KEYS; key++) {
                float w = score[r * SCORE_PITCH + key];
                l += w < 0.0f ? 0.0f : w;
            }
            top[r] = m, total[r] = l;
        }
        int r = LOCAL_ID / COLUMN_LANES * ROWS;
        add_values(score + r * SCORE_PITCH, shrink + r, key_row + ring, v, a, AT4(a.v, p.b, 0, p.head, left), left, sum);
    }
    BARRIER();
    UNROLL for (int i = 0; i < ROWS * COLUMNS; i++) tiles[i * GROUP + LOCAL_ID] = sum[i]; /* so that finish() is there once */
    ROLLED for (int i = 0; i < ROWS * COLUMNS; i++) {
        int r = LOCAL_ID / COLUMN_LANES * ROWS + i / COLUMNS, column = left + i % COLUMNS * COLUMN_LANES;
        int to;
        i64 at = (((i64)s * heads + p.head) * a.parts + part) * QUERIES + r;
        if (r >= p.rows) continue;
        to = a.present & HAS_O_INDEX ? o_index[AT3(a.o_index, p.b, rows[r].head, rows[r].slot)] : p.first + rows[r].slot;
        if (to >= 0 && to < a.rows_y)
            finish(a, rows + r, top[r], total[r], tiles[i * GROUP + LOCAL_ID], column, a.parts_at + at * (a.columns + 2), p.b, to,
                   y, lse, parts);
    }
}
