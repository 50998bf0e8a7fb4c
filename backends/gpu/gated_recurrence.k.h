/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* S[k v] = e^gk[k] e^g S[k v] + gain k[k] v[v],  n[k] = e^gk[k] e^g n[k] + gain k[k],
 * y[v] = sum over k of scale q[k] S[k v] / den,  den from the sum over k of scale q[k] n[k];  y += D v,
 * y *= silu(z) (arXiv:2312.06635 eq. 3). S starts from S_in and ends in S_out [p h k v], n likewise.
 *
 * A group owns COLUMNS columns of a sequence's head, an item ROWS rows of WIDTH of them, in registers. Time
 * goes in tiles: stage q, k, v and the decays in LOCAL; leave a slice's part of each y there; add the parts up.
 * Parts come from the chunk form (arXiv:2405.21060 sec. 6) where one number decays a head: y_i = (decay to i)
 * q_i S + sum over j <= i of score_ij v_j, score_ij = (decay from j to i) gain_j q_i k_j, and S changes once a
 * tile. With a decay for each key, or several heads of y on one state, S walks from token to token, of which a
 * step is one head's reading; so does a tile of one token, which would gain nothing from scores. Decays are
 * multiplied, never their logarithms added: no rounding grows with their sum, and -inf is a decay of 0.
 * Launch: groups (heads * passes, sequences). Key: ACT, STATE, KEYS, a multiple of 16. */
#define SLICES RECURRENCE_SLICES(KEYS, GROUP)
#define ROWS (KEYS / SLICES)
#define LANES RECURRENCE_LANES(KEYS, GROUP)
#define WIDTH RECURRENCE_WIDTH(KEYS, GROUP)
#define COLUMNS RECURRENCE_COLUMNS(KEYS, GROUP)
#define PITCH (KEYS + 4) /* rows of q, k, decays in LOCAL: not all in one bank, still a multiple of 16 bytes */

/* 16 steps where LOCAL stays below 32 KiB, else as many as do. */
#define STEP_FLOATS (SLICES * COLUMNS + SLICES + 3 * PITCH + COLUMNS + 16 + 2)
#define TILE (STEP_FLOATS <= 480 ? 16 : STEP_FLOATS <= 984 ? 8 : STEP_FLOATS <= 1960 ? 4 : 2)
#define SPLIT (16 / TILE) /* parts of a score, each over its part of the keys */

enum { ADD_EPS = 1, CLAMP_EPS = 2, ADD_EPS_PER_FEATURE = 3, GUARD = 4, PLAIN = 5 }; /* norm */

typedef struct STEPS { /* of a tile */
    i64 batch, token;  /* of the first one */
    int reader, count; /* its head among those that read the state; steps */
} STEPS;

typedef struct TILES {
    LOCAL_ARG float *q, *k, *decay; /* [TILE][PITCH]; decay: without the head's, which g has */
    LOCAL_ARG float *v, *g, *gain;  /* [TILE][COLUMNS], [TILE], [TILE] */
    LOCAL_ARG float *score;         /* [SPLIT][TILE][TILE]: of step i and an earlier one */
    LOCAL_ARG float *part;          /* [TILE][SLICES][COLUMNS]: of y before the normaliser */
    LOCAL_ARG float *part_n;        /* [TILE][SLICES]: of q n */
    LOCAL_ARG float *n;             /* [KEYS]: each row the first lane's of its slice, as if private */
} TILES;

typedef struct PLACE { /* of an item in its group's part of the state */
    int slice, lane, row, head, left;
    int readers; /* steps of a token */
} PLACE;

FUNC int token_of(STEPS s, PLACE p, int step)
{
    return p.readers == 1 ? step : (s.reader + step) / p.readers;
}

FUNC int reader_of(STEPS s, PLACE p, int step)
{
    return p.readers == 1 ? 0 : (s.reader + step) % p.readers;
}

/* The head of y that reader `reader` of state `head` is. */
FUNC int head_of_y(struct gated_recurrence_args a, int head, int reader)
{
    return a.modulo ? reader * a.heads + head : head * a.readers + reader;
}

FUNC void stage_q(TILES tile, GLOBAL const void *q, struct gated_recurrence_args a, STEPS s, PLACE p)
{
    for (int i = LOCAL_ID; i < s.count * KEYS; i += GROUP) {
        int step = i / KEYS, key = i % KEYS, y_head = head_of_y(a, p.head, reader_of(s, p, step));
        i64 token = s.token + token_of(s, p, step);
        float x = 0.0f;
        if (key < a.keys && a.q.present) {
            int head = a.modulo ? y_head % a.heads_q : y_head / a.readers_q;
            x = a.scale * LOAD_ANY(q, AT4(a.q, s.batch, token, head, key), a.q.dtype);
        }
        tile.q[step * PITCH + key] = x;
    }
}

/* Of steps that write; what others would have is never read. */
FUNC void stage_k(TILES tile, GLOBAL const void *k, GLOBAL const void *gk, struct gated_recurrence_args a,
                  STEPS s, PLACE p)
{
    for (int i = LOCAL_ID; i < s.count * KEYS; i += GROUP) {
        int step = i / KEYS, key = i % KEYS, held = key < a.keys && !reader_of(s, p, step);
        i64 token = s.token + token_of(s, p, step);
        float x = 0.0f, decay = 0.0f;
        if (held && a.k.present) {
            int head = a.modulo ? p.head % a.heads_k : p.head / a.writers_k;
            x = LOAD_ANY(k, AT4(a.k, s.batch, token, head, key), a.k.dtype);
        }
        if (held && a.gk.present) decay = LOAD_ANY(gk, AT4(a.gk, s.batch, token, p.head, key), a.gk.dtype);
        tile.k[step * PITCH + key] = x;
        if (a.gk.present) tile.decay[step * PITCH + key] = natural_exp(decay);
    }
}

FUNC void stage_v(TILES tile, GLOBAL const ACT *v, struct gated_recurrence_args a, STEPS s, PLACE p)
{
    for (int i = LOCAL_ID; i < s.count * COLUMNS; i += GROUP) {
        int step = i / COLUMNS, column = p.left + i % COLUMNS;
        i64 token = s.token + token_of(s, p, step);
        int writes = a.v.present && column < a.columns && !reader_of(s, p, step);
        tile.v[i] = writes ? LOAD(v, AT4(a.v, s.batch, token, p.head, column)) : 0.0f;
    }
}

FUNC void stage_gates(TILES tile, GLOBAL const void *g, GLOBAL const void *gain, struct gated_recurrence_args a,
                      STEPS s, PLACE p, int step)
{
    i64 token = s.token + token_of(s, p, step);
    float decay = 1.0f, factor = 1.0f;
    if (a.g.present) decay = natural_exp(LOAD_ANY(g, AT3(a.g, s.batch, token, p.head), a.g.dtype));
    if (a.gain.present) factor = LOAD_ANY(gain, AT3(a.gain, s.batch, token, p.head), a.gain.dtype);
    tile.g[step] = decay;
    tile.gain[step] = a.gain.present && a.gain_is_log ? natural_exp(factor) : factor;
}

/* Four sums each: a chain of dependent additions would take longest here. Keys past the last are zeros. */
FUNC void score(TILES tile, int count, int keys)
{
    ROLLED for (int i = LOCAL_ID; i < SPLIT * TILE * TILE; i += GROUP) {
        int later = i / TILE % TILE, step = i % TILE;
        float sum[4] = { 0.0f, 0.0f, 0.0f, 0.0f }, factor;
        if (later >= count || step > later) continue;
        factor = tile.gain[step];
        ROLLED for (int key = i / (TILE * TILE) * 4; key < keys; key += SPLIT * 4)
            UNROLL for (int j = 0; j < 4; j++)
                sum[j] = FMA(tile.q[later * PITCH + key + j], tile.k[step * PITCH + key + j], sum[j]);
        ROLLED for (int t = step + 1; t <= later; t++) factor *= tile.g[t];
        tile.score[i] = factor * (sum[0] + sum[1] + (sum[2] + sum[3]));
    }
}

/* The tile's steps at once: what they read of the state before it, then what they leave of it. */
FUNC void advance(TILES tile, float x[ROWS][WIDTH], STEPS s, PLACE p)
{
    float decay = 1.0f;
    for (int step = 0; step < s.count; step++) {
        float sum[WIDTH];
        decay *= tile.g[step];
        UNROLL for (int w = 0; w < WIDTH; w++) sum[w] = 0.0f;
        UNROLL for (int r = 0; r < ROWS; r++) {
            float query = tile.q[step * PITCH + p.row + r];
            UNROLL for (int w = 0; w < WIDTH; w++) sum[w] = FMA(query, x[r][w], sum[w]);
        }
        UNROLL for (int w = 0; w < WIDTH; w++)
            tile.part[(step * SLICES + p.slice) * COLUMNS + p.lane + w * LANES] = decay * sum[w];
    }
    UNROLL for (int r = 0; r < ROWS; r++)
        UNROLL for (int w = 0; w < WIDTH; w++) x[r][w] *= decay;
    decay = 1.0f;
    for (int step = s.count - 1; step >= 0; step--) {
        float value[WIDTH], factor = decay * tile.gain[step];
        UNROLL for (int w = 0; w < WIDTH; w++) value[w] = factor * tile.v[step * COLUMNS + p.lane + w * LANES];
        UNROLL for (int r = 0; r < ROWS; r++) {
            float key = tile.k[step * PITCH + p.row + r];
            UNROLL for (int w = 0; w < WIDTH; w++) x[r][w] = FMA(key, value[w], x[r][w]);
        }
        decay *= tile.g[step];
    }
}

/* One step after the other. */
FUNC void walk(TILES tile, float x[ROWS][WIDTH], int has_gk, STEPS s, PLACE p)
{
    for (int step = 0, reader = s.reader; step < s.count; step++) {
        float sum[WIDTH], value[WIDTH], decay = tile.g[step], factor = tile.gain[step];
        UNROLL for (int w = 0; w < WIDTH; w++) {
            sum[w] = 0.0f;
            value[w] = factor * tile.v[step * COLUMNS + p.lane + w * LANES];
        }
        UNROLL for (int r = 0; r < ROWS; r++) {
            int at = step * PITCH + p.row + r;
            float query = tile.q[at], key = tile.k[at];
            if (reader == 0) {
                float kept = has_gk ? decay * tile.decay[at] : decay;
                UNROLL for (int w = 0; w < WIDTH; w++) x[r][w] = FMA(key, value[w], kept * x[r][w]);
            }
            UNROLL for (int w = 0; w < WIDTH; w++) sum[w] = FMA(query, x[r][w], sum[w]);
        }
        UNROLL for (int w = 0; w < WIDTH; w++)
            tile.part[(step * SLICES + p.slice) * COLUMNS + p.lane + w * LANES] = sum[w];
        reader = reader + 1 == p.readers ? 0 : reader + 1;
    }
}

/* n, likewise, and a slice's part of q n. By the first lane of each slice. */
FUNC void walk_n(TILES tile, struct gated_recurrence_args a, STEPS s, PLACE p)
{
    float n[ROWS], eps = a.norm == ADD_EPS_PER_FEATURE ? a.eps : 0.0f;
    UNROLL for (int r = 0; r < ROWS; r++) n[r] = tile.n[p.row + r];
    for (int step = 0, reader = s.reader; step < s.count; step++) {
        float sum = 0.0f, decay = tile.g[step], factor = tile.gain[step];
        UNROLL for (int r = 0; r < ROWS; r++) {
            int at = step * PITCH + p.row + r;
            float kept = a.gk.present ? decay * tile.decay[at] : decay;
            if (reader == 0) n[r] = FMA(factor, tile.k[at], kept * n[r]);
            sum = FMA(tile.q[at], n[r] + eps, sum);
        }
        tile.part_n[step * SLICES + p.slice] = sum;
        reader = reader + 1 == p.readers ? 0 : reader + 1;
    }
    UNROLL for (int r = 0; r < ROWS; r++) tile.n[p.row + r] = n[r];
}

FUNC float denominator(i32 norm, float sum, float eps)
{
    if (norm == ADD_EPS) return sum + eps;
    if (norm == CLAMP_EPS) return sum < eps ? eps : sum;
    if (norm == GUARD) return MAX(sum, -sum) <= eps ? sum + 2.0f * eps : sum;
    return sum;
}

/* The slices' parts added up, after advance() the tile's own values by their scores, then the rest of y. */
FUNC void finish(TILES tile, int scored, GLOBAL const ACT *v, GLOBAL const void *D, GLOBAL const ACT *z,
                 GLOBAL void *y, struct gated_recurrence_args a, STEPS s, PLACE p)
{
    for (int i = LOCAL_ID; i < s.count * COLUMNS; i += GROUP) {
        int step = i / COLUMNS, lane = i % COLUMNS, column = p.left + lane;
        int y_head = head_of_y(a, p.head, reader_of(s, p, step));
        i64 token = s.token + token_of(s, p, step);
        float sum = 0.0f, sum_n = 0.0f;
        if (column >= a.columns) continue;
        for (int slice = 0; slice < SLICES; slice++) {
            sum += tile.part[(step * SLICES + slice) * COLUMNS + lane];
            if (a.norm) sum_n += tile.part_n[step * SLICES + slice];
        }
        for (int j = 0; scored && j <= step; j++) {
            float whole = tile.score[step * TILE + j];
            for (int part = 1; part < SPLIT; part++) whole += tile.score[(part * TILE + step) * TILE + j];
            sum = FMA(whole, tile.v[j * COLUMNS + lane], sum);
        }
        if (a.norm) sum /= denominator(a.norm, sum_n, a.eps);
        if (a.D.present)
            sum = FMA(LOAD_ANY(D, AT2(a.D, p.head, column), a.D.dtype),
                      LOAD(v, AT4(a.v, s.batch, token, p.head, column)), sum);
        if (a.z.present) sum *= silu(LOAD(z, AT4(a.z, s.batch, token, y_head, column)));
        STORE_ANY(y, AT4(a.y, s.batch, token, y_head, column), a.y.dtype, sum);
    }
}

/* An item's block of a state comes and goes through floats of its own in LOCAL, AT_ONCE rows at a time: with their
 * conversion, loads and stores are then in the text once, which halves what PoCL takes to compile. rows, columns: from
 * the block's first ones to the last of the state. */
#define AT_ONCE (ROWS < TILE ? ROWS : TILE)
FUNC void load_state(LOCAL_ARG float *room, GLOBAL const STATE *S, i64 at, VIEW v, int rows, int columns, float x[ROWS][WIDTH])
{
    UNROLL for (int first = 0; first < ROWS; first += AT_ONCE) {
        for (int i = 0; i < AT_ONCE * WIDTH; i++) {
            int row = first + i / WIDTH, column = i % WIDTH * LANES, there = row < ROWS && row < rows && column < columns;
            room[i * GROUP + LOCAL_ID] = there ? LOAD_STATE(S, at + row * v.stride[2] + column * v.stride[3]) : 0.0f;
        }
        UNROLL for (int i = 0; i < AT_ONCE * WIDTH; i++)
            if (first + i / WIDTH < ROWS) x[first + i / WIDTH][i % WIDTH] = room[i * GROUP + LOCAL_ID];
    }
}

FUNC void store_state(LOCAL_ARG float *room, GLOBAL STATE *S, i64 at, VIEW v, int rows, int columns, float x[ROWS][WIDTH])
{
    UNROLL for (int first = 0; first < ROWS; first += AT_ONCE) {
        UNROLL for (int i = 0; i < AT_ONCE * WIDTH; i++)
            if (first + i / WIDTH < ROWS) room[i * GROUP + LOCAL_ID] = x[first + i / WIDTH][i % WIDTH];
        for (int i = 0; i < AT_ONCE * WIDTH; i++) {
            int row = first + i / WIDTH, column = i % WIDTH * LANES;
            if (row < ROWS && row < rows && column < columns)
                STORE_STATE(S, at + row * v.stride[2] + column * v.stride[3], room[i * GROUP + LOCAL_ID]);
        }
    }
}

/* y = 0 of a padding sequence, in this group's columns. */
FUNC void blank(GLOBAL void *y, struct gated_recurrence_args a, SEQUENCE s, PLACE p)
{
    for (i64 i = LOCAL_ID; i < s.count * COLUMNS && a.y.present; i += GROUP) {
        int column = p.left + (int)(i % COLUMNS);
        i64 token = s.first + i / COLUMNS;
        for (int reader = 0; reader < a.readers && column < a.columns; reader++)
            STORE_ANY(y, AT4(a.y, s.batch, token, head_of_y(a, p.head, reader), column), a.y.dtype, 0.0f);
    }
}

KERNEL(gated_recurrence)(GLOBAL const void *q, GLOBAL const void *k, GLOBAL const ACT *v, GLOBAL const void *g,
                         GLOBAL const void *gk, GLOBAL const void *gain, GLOBAL const void *D,
                         GLOBAL const ACT *z, GLOBAL const i32 *cu_seqlens, GLOBAL const i32 *slot,
                         GLOBAL const STATE *S_in, GLOBAL const STATE *n_in, GLOBAL STATE *S_out,
                         GLOBAL STATE *n_out, GLOBAL void *y, struct gated_recurrence_args a)
{
    LOCAL float tile_q[TILE * PITCH], tile_k[TILE * PITCH], tile_decay[TILE * PITCH], tile_v[TILE * COLUMNS];
    LOCAL float tile_g[TILE], tile_gain[TILE], scores[SPLIT * TILE * TILE];
    LOCAL float part[TILE * SLICES * COLUMNS], part_n[TILE * SLICES], n[KEYS];
    TILES tile = { tile_q, tile_k, tile_decay, tile_v, tile_g, tile_gain, scores, part, part_n, n };
    PLACE p;
    /* Neighbours in the states' memory are neighbours among the items; the sums are the same. */
    p.slice = a.rows_first ? LOCAL_ID % SLICES : LOCAL_ID / LANES;
    p.lane = a.rows_first ? LOCAL_ID / SLICES : LOCAL_ID % LANES;
    p.row = p.slice * ROWS;
    p.readers = a.y.present ? a.readers : 1;
    int passes = a.passes ? a.passes : 1, in_chunks = !a.gk.present && p.readers == 1;
    p.head = GROUP_ID(0) / passes;
    p.left = GROUP_ID(0) % passes * COLUMNS;
    i64 sequence = a.sequence + GROUP_ID(1);
    SEQUENCE s = sequence_at(sequence, a.tokens, a.pool, cu_seqlens, a.cu_seqlens, slot, a.slot);
    float x[ROWS][WIDTH];

    do {
        load_state(part, S_in, AT4(a.S_in, s.read, p.head, p.row, p.left + p.lane), a.S_in,
                   a.S_in.present && s.read >= 0 ? a.keys - p.row : 0, a.columns - p.left - p.lane, x);
        for (int row = p.row; row < p.row + ROWS && a.norm && p.lane == 0; row++)
            n[row] = a.n_in.present && s.read >= 0 && row < a.keys
                         ? LOAD_STATE(n_in, AT3(a.n_in, s.read, p.head, row)) : 0.0f;
        if (s.padding) blank(y, a, s, p);
        STEPS now = { s.batch, s.first, 0, 0 };
        for (i64 left = s.padding ? 0 : s.count * p.readers; left > 0; left -= TILE) {
            now.count = left < TILE ? (int)left : TILE;
            int scored = in_chunks && now.count > 1;
            stage_q(tile, q, a, now, p);
            stage_k(tile, k, gk, a, now, p);
            stage_v(tile, v, a, now, p);
            ROLLED for (int step = LOCAL_ID; step < now.count; step += GROUP)
                stage_gates(tile, g, gain, a, now, p, step);
            BARRIER();
            if (scored && a.y.present) score(tile, now.count, a.keys);
            if (scored) advance(tile, x, now, p);
            else walk(tile, x, a.gk.present, now, p);
            if (a.norm && p.lane == 0) walk_n(tile, a, now, p);
            BARRIER();
            if (a.y.present) finish(tile, scored, v, D, z, y, a, now, p);
            BARRIER(); /* for v and the parts, which finish() reads; behind no if: PoCL compiles what follows twice */
            now.token += token_of(now, p, TILE);
            now.reader = reader_of(now, p, TILE);
        }
        store_state(part, S_out, AT4(a.S_out, s.write, p.head, p.row, p.left + p.lane), a.S_out,
                    a.S_out.present && s.write >= 0 && !s.padding ? a.keys - p.row : 0, a.columns - p.left - p.lane, x);
        p.left += passes * COLUMNS;
    } while (p.left < a.columns);
    /* By one group of the head, that of the last columns; where n_out is n_in, there is one. */
    if (!s.padding && s.write >= 0 && a.n_out.present && p.lane == 0 &&
        p.left - passes * COLUMNS + COLUMNS >= a.columns)
        for (int row = p.row; row < p.row + ROWS && row < a.keys; row++)
            STORE_STATE(n_out, AT3(a.n_out, s.write, p.head, row), n[row]);
}
