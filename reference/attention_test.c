/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "operands.h"
#include "reference_testing.h"

extern const segue_row segue_row_attention_reference;

enum { B = 2, T = 5, M = 7, H = 4, J = 2, K = 3, V = 2, SLOTS = 11 };

static struct {
    double q[B * SLOTS * H * K], k[B * SLOTS * J * K], v[B * SLOTS * J * V], bias[B * H * SLOTS * SLOTS],
        slopes[H], sink[H], y[B * SLOTS * H * V], lse[B * SLOTS * H];
    int32_t keep[B * SLOTS], keep_q[B * SLOTS], q_pos[B * SLOTS], k_pos[B * SLOTS], k_len[B], q_offset[B];
    int32_t q_index[B * H * SLOTS], k_index[B * H * SLOTS], o_index[B * H * SLOTS], label[B * H * SLOTS];
} data;

static void run(const segue_attention *op)
{
    memset(data.y, 0xff, sizeof data.y), memset(data.lse, 0xff, sizeof data.lse);
    run_row(&segue_row_attention_reference, &op->header);
}

/* Whole numbers from low to high, as many negative as there are. */
static void draw(int32_t *to, int count, int offset, int low, int high)
{
    for (int n = 0; n < count; n++) to[n] = low + (int)((value(offset, n) + 0.5) * (high - low + 1));
}

/* Queries and keys alone: as many of each as it says. */
static segue_attention plain(int queries, int keys)
{
    segue_attention op = segue_attention_init();
    fill(data.q, COUNT(data.q), 0, 3, 0), fill(data.k, COUNT(data.k), 7, 3, 0),
        fill(data.v, COUNT(data.v), 13, 2, 0);
    fill(data.bias, COUNT(data.bias), 29, 4, 0), fill(data.slopes, H, 31, 1, 0.6), fill(data.sink, H, 37, 3, 0);
    draw(data.keep, B * SLOTS, 3, 0, 1), draw(data.keep_q, B * SLOTS, 5, 0, 2),
        draw(data.q_pos, B * SLOTS, 11, -3, 6);
    draw(data.k_pos, B * SLOTS, 17, -3, 6), draw(data.label, B * H * SLOTS, 19, 0, 2);
    draw(data.q_index, B * H * SLOTS, 23, -2, 2 * T), draw(data.k_index, B * H * SLOTS, 41, -2, 2 * M);
    op.q = F64(data.q, B, queries, H, K), op.k = F64(data.k, B, keys, J, K), op.v = F64(data.v, B, keys, J, V);
    op.y = F64(data.y, B, queries, H, V), op.lse = F64(data.lse, B, queries, H);
    return op;
}

/* ---- against sums over a list of visible keys --------------------------------------------------- */

static int64_t number(const segue_tensor *t, int64_t i, int64_t j, int64_t k, int64_t absent)
{
    return present(t) ? ((const int32_t *)t->data)[t->rank == 3   ? (i * t->shape[1] + j) * t->shape[2] + k
                                                   : t->rank == 2 ? i * t->shape[1] + j
                                                                  : i]
                      : absent;
}

typedef struct pair {             /* a query slot and a key slot */
    int64_t b, h, i, a, row, key; /* key: row of k */
    int64_t p_q, p_k;
} pair;

/* 0: one of them is not there at all. */
static int find_rows(const segue_attention *op, pair *p)
{
    const int64_t n = op->q.shape[1], m = op->k.shape[1], C = number(&op->k_len, p->b, 0, 0, m);
    const int64_t slots = present(&op->q_index) ? op->q_index.shape[2] : n;
    const int64_t item = number(&op->q_index, p->b, p->h, p->i, p->i),
                  key = number(&op->k_index, p->b, p->h / (H / J), p->a, p->a);
    if (item < 0 || key < 0) return 0;
    p->row = item % n, p->key = key % m;
    p->p_q = p->i + (op->align ? number(&op->q_offset, p->b, 0, 0, 0) : C - slots);
    if (present(&op->q_index)) p->p_q = p->row;
    p->p_q = number(&op->q_pos, p->b, p->row, 0, p->p_q), p->p_k = number(&op->k_pos, p->b, p->key, 0, p->key);
    return p->key < C && number(&op->keep_q, p->b, p->row, 0, 1);
}

static int labels_agree(const segue_attention *op, const pair *p)
{
    const int64_t item = number(&op->q_index, p->b, p->h, p->i, p->i),
                  key = number(&op->k_index, p->b, p->h / (H / J), p->a, p->a), e = op->y.shape[1];
    if (!present(&op->label)) return 1;
    if (item >= e || key >= e) return 0;
    return number(&op->label, p->b, p->h, item, 0) == number(&op->label, p->b, p->h, key, 0);
}

static int is_own(const segue_attention *op, const pair *p)
{
    return op->self_rule && p->p_q == p->p_k;
}

static int times_seen(const segue_attention *op, pair *p)
{
    const int64_t slots = present(&op->k_index) ? op->k_index.shape[2] : op->k.shape[1];
    int count = 0;
    if (!find_rows(op, p)) return 0;
    if (op->window_left >= 0 && p->p_k < p->p_q - op->window_left) return 0;
    if (op->window_right >= 0 && p->p_k > p->p_q + op->window_right) return 0;
    if (!is_own(op, p) && (!labels_agree(op, p) || !number(&op->keep, p->b, p->key, 0, 1))) return 0;
    if (!is_own(op, p) && op->causal && p->p_k > p->p_q) return 0;
    if (!op->chunk) return 1;
    const int64_t chunks = (slots + op->chunk - 1) / op->chunk;
    for (int64_t c = p->i / op->chunk - op->chunks_before; c <= p->i / op->chunk + op->chunks_after; c++)
        count += p->a / op->chunk == (op->wrap ? ((c % chunks) + chunks) % chunks : c);
    return count;
}

static double score_at(const segue_attention *op, const pair *p)
{
    const double *q = data.q + ((p->b * op->q.shape[1] + p->row) * H + p->h) * K;
    const double *k = data.k + ((p->b * op->k.shape[1] + p->key) * J + p->h / (H / J)) * K;
    double dot = 0, square = op->key_eps * K;
    if (is_own(op, p)) return op->self_value;
    for (int i = 0; i < K; i++) dot += q[i] * k[i], square += k[i] * k[i];
    if (op->key_norm && square > 0) dot /= sqrt(square);
    double s = dot * (op->scale != 0 ? op->scale : 1 / sqrt(K));
    if (op->softcap > 0) s = op->softcap * tanh(s / op->softcap);
    if (present(&op->bias))
        s += data.bias[((p->b * H + p->h) * op->bias.shape[2] + p->i) * op->bias.shape[3] + p->a];
    if (present(&op->slopes)) s -= data.slopes[p->h] * fabs((double)(p->p_q - p->p_k));
    return s;
}

static void check_slot(const segue_attention *op, int64_t b, int64_t h, int64_t i)
{
    const int64_t keys = present(&op->k_index) ? op->k_index.shape[2] : op->k.shape[1];
    const int64_t to = number(&op->o_index, b, h, i, i), e = op->y.shape[1];
    double Z = present(&op->sink) ? exp(data.sink[h]) : 0, sum[V] = { 0 };
    if (to < 0 || to >= e) return;
    for (int64_t a = 0; a < keys; a++) {
        pair p = { b, h, i, a, 0, 0, 0, 0 };
        const int times = times_seen(op, &p);
        const double weight = times ? times * exp(score_at(op, &p)) : 0;
        Z += weight;
        for (int v = 0; times && v < V; v++)
            sum[v] += weight * data.v[((b * op->k.shape[1] + p.key) * J + h / (H / J)) * V + v];
    }
    const double lse = data.lse[(b * e + to) * H + h];
    if (Z == 0) assert_true(lse == -INFINITY);
    else assert_close(lse, log(Z));
    for (int v = 0; v < V; v++) assert_close(data.y[((b * e + to) * H + h) * V + v], Z > 0 ? sum[v] / Z : 0);
}

/* Runs the call, compares all slots; how many rows of y were left alone. */
static int check(const segue_attention *op)
{
    const int64_t slots = present(&op->q_index) ? op->q_index.shape[2] : op->q.shape[1], e = op->y.shape[1];
    int untouched = 0;
    run(op);
    for (int b = 0; b < B; b++)
        for (int h = 0; h < H; h++)
            for (int i = 0; i < slots; i++) check_slot(op, b, h, i);
    for (int n = 0; n < B * e * H; n++) untouched += isnan(data.lse[n]) && isnan(data.y[n * V]);
    return untouched;
}

/* What a call may have, by the bits of `with`. */
static segue_attention some(unsigned with)
{
    segue_attention op = plain(T, M);
    op.causal = with & 1, op.align = with >> 1 & 1;
    if (with & 4) op.window_left = 2;
    if (with & 8) op.window_right = 1;
    if (with & 16) op.keep = I32(data.keep, B, M);
    if (with & 32) op.keep_q = I32(data.keep_q, B, T);
    if (with & 64) op.self_rule = SEGUE_ATTENTION_CONSTANT, op.self_value = -1.5;
    if (with & 128) data.k_len[0] = 4, data.k_len[1] = 0, op.k_len = I32(data.k_len, B);
    if (with & 256) op.sink = F64(data.sink, H);
    if (with & 16) op.key_norm = SEGUE_ATTENTION_UNIT, op.key_eps = 0.3;
    if (with & 512) op.slopes = F64(data.slopes, H), op.softcap = 0.75;
    return op;
}

static void masks_and_scores(void **context)
{
    (void)context;
    for (unsigned with = 0; with < 1024; with++) {
        segue_attention op = some(with);
        assert_int_equal(check(&op), 0);
        op.q_pos = I32(data.q_pos, B, T), op.k_pos = I32(data.k_pos, B, M);
        op.bias = F64(data.bias, B, H, T, M);
        check(&op);
    }
    segue_attention op = plain(T, M);
    op.align = SEGUE_ATTENTION_TOP_LEFT, op.q_offset = I32(data.q_offset, B), op.scale = -0.4;
    data.q_offset[0] = 3, data.q_offset[1] = -2;
    check(&op);
}

static void maps(void **context)
{
    (void)context;
    for (unsigned with = 0; with < 1024; with++) {
        segue_attention op = some(with & ~130u);
        const int label = !!(with & 2), keys = label ? H : J;
        op.align = SEGUE_ATTENTION_BOTTOM_RIGHT;
        op.q_index = I32(data.q_index, B, H, SLOTS), op.k_index = I32(data.k_index, B, keys, SLOTS);
        op.y = F64(data.y, B, SLOTS, H, V), op.lse = F64(data.lse, B, SLOTS, H);
        for (int n = 0; n < B * H * SLOTS; n++) data.o_index[n] = n * 3 % SLOTS;
        if (with & 128) {
            op.o_index = I32(data.o_index, B, H, SLOTS);
            data.o_index[0] = -1, data.o_index[B * H * SLOTS - 1] = SLOTS;
        }
        if (with & 512) op.chunk = 4, op.chunks_before = with & 3, op.chunks_after = 2, op.wrap = with >> 2 & 1;
        assert_int_equal(check(&op), with & 128 ? 2 : 0);
    }
}

static void labels(void **context)
{
    (void)context;
    for (int self = 0; self < 2; self++) {
        segue_attention op = plain(T, M);
        op.causal = 0, op.self_rule = self, op.self_value = 0.25;
        op.k.shape[2] = op.v.shape[2] = H; /* as many key heads */
        op.k.stride[2] = op.v.stride[2] = 0;
        op.label = I32(data.label, B, H, T);
        run(&op);
        for (int b = 0; b < B; b++)
            for (int h = 0; h < H; h++)
                for (int i = 0; i < T; i++) {
                    double Z = 0;
                    for (int a = 0; a < M; a++) {
                        const int own = op.self_rule && a == i + M - T;
                        double dot = 0;
                        for (int n = 0; n < K; n++)
                            dot += data.q[((b * T + i) * H + h) * K + n] * data.k[(b * M + a) * J * K + n];
                        const int32_t *of = data.label + (b * H + h) * T;
                        if (own || (a < T && of[a] == of[i])) Z += exp(own ? op.self_value : dot / sqrt(K));
                    }
                    const double lse = data.lse[(b * T + i) * H + h];
                    if (Z > 0) assert_close(lse, log(Z));
                    else assert_true(lse == -INFINITY);
                }
    }
}

/* ---- values by hand ----------------------------------------------------------------------------- */

/* One head, width 1, no scale: scores are q k. Values are 1, 10, 100 ... so that a sum tells its terms. */
static segue_attention hand(int queries, int keys)
{
    segue_attention op = segue_attention_init();
    for (int i = 0; i < queries; i++) data.q[i] = 0;
    for (int a = 0; a < keys; a++) data.k[a] = 1, data.v[a] = pow(10, a);
    op.q = F64(data.q, 1, queries, 1, 1), op.k = F64(data.k, 1, keys, 1, 1), op.v = F64(data.v, 1, keys, 1, 1);
    op.y = F64(data.y, 1, queries, 1, 1), op.lse = F64(data.lse, 1, queries, 1);
    op.scale = 1;
    return op;
}

/* A sum of values, how many of them, and in their terms y and lse. */
static void assert_seen(int slot, double values, double count)
{
    assert_close(data.y[slot], count > 0 ? values / count : 0);
    if (count > 0) assert_close(data.lse[slot], log(count));
    else assert_true(data.lse[slot] == -INFINITY);
}

static void alignments(void **context)
{
    (void)context;
    segue_attention op = hand(2, 4);
    run(&op);
    assert_seen(0, 111, 3), assert_seen(1, 1111, 4);
    op.align = SEGUE_ATTENTION_TOP_LEFT;
    run(&op);
    assert_seen(0, 1, 1), assert_seen(1, 11, 2);
    op = hand(4, 2); /* the first queries stand before all keys */
    run(&op);
    assert_seen(0, 0, 0), assert_seen(1, 0, 0), assert_seen(2, 1, 1), assert_seen(3, 11, 2);
    op.align = SEGUE_ATTENTION_TOP_LEFT;
    run(&op);
    assert_seen(0, 1, 1), assert_seen(1, 11, 2), assert_seen(3, 11, 2);
    op.align = SEGUE_ATTENTION_BOTTOM_RIGHT, op.k_len = I32(data.k_len, 1), data.k_len[0] = 1;
    run(&op);
    assert_seen(2, 0, 0), assert_seen(3, 1, 1);
    data.k_len[0] = 99; /* as if 2 */
    run(&op);
    assert_seen(2, 1, 1), assert_seen(3, 11, 2);
    op.causal = 0, data.k_len[0] = -3;
    run(&op);
    assert_seen(0, 0, 0), assert_seen(3, 0, 0);
}

static void window_edges(void **context)
{
    (void)context;
    segue_attention op = hand(5, 5);
    op.causal = 0, op.window_left = 1, op.window_right = 0;
    run(&op);
    assert_seen(0, 1, 1), assert_seen(3, 1100, 2);
    op.window_left = 0, op.window_right = 2;
    run(&op);
    assert_seen(0, 111, 3), assert_seen(3, 11000, 2), assert_seen(4, 10000, 1);
    op.causal = 1, op.window_left = -1, op.window_right = 2147483647;
    op.q_pos = I32(data.q_pos, 1, 5), op.k_pos = I32(data.k_pos, 1, 5);
    for (int i = 0; i < 5; i++) data.q_pos[i] = 2147483647 - i, data.k_pos[i] = i;
    data.k_pos[4] = -2147483647 - 1;
    run(&op); /* further apart than an i32 can say */
    assert_seen(0, 11111, 5), assert_seen(1, 11111, 5);
    op.window_left = 2147483647;
    run(&op);
    assert_seen(0, 1111, 4), assert_seen(1, 1111, 4);
}

static void chunks(void **context)
{
    (void)context;
    segue_attention op = hand(5, 5); /* chunks {0 1} {2 3} {4} */
    op.causal = 0, op.chunk = 2;
    run(&op);
    assert_seen(0, 10011, 3), assert_seen(2, 1111, 4), assert_seen(4, 11100, 3);
    op.wrap = 0;
    run(&op);
    assert_seen(0, 11, 2), assert_seen(4, 11100, 3);
    op.wrap = 1, op.chunks_before = 1,
    op.chunks_after = 2; /* four chunks around three: the last is the first */
    run(&op);
    assert_seen(0, 11111 + 10000, 6), assert_seen(3, 11111 + 11, 7), assert_seen(4, 11111 + 1100, 7);
    op.chunks_before = 2147483647, op.chunks_after = 2147483647; /* 4294967295 = 3 * 1431655765 */
    run(&op);
    assert_seen(1, 11111. * 1431655765, 5. * 1431655765);
}

static void sinks_and_empty_rows(void **context)
{
    double y[2];
    (void)context;
    segue_attention op = hand(2, 2);
    op.sink = F64(data.sink, 1), data.sink[0] = log(3);
    op.keep = I32(data.keep, 1, 2), data.keep[0] = 0, data.keep[1] = 1;
    run(&op);
    assert_true(data.y[0] == 0 && data.lse[0] == log(3));
    assert_close(data.y[1], 10 / 4.0), assert_close(data.lse[1], log(4));
    op.keep_q = I32(data.keep_q, 1, 2), data.keep_q[0] = 1, data.keep_q[1] = 0;
    data.q[1] = NAN;
    run(&op);
    assert_true(data.y[1] == 0 && data.lse[1] == log(3));
    data.sink[0] = -INFINITY;
    run(&op);
    assert_true(data.y[1] == 0 && data.lse[1] == -INFINITY);
    op = hand(2, 2); /* visible, with a score of -infinity: weight 0 */
    data.q[0] = data.q[1] = -1, data.k[0] = INFINITY;
    run(&op);
    memcpy(y, data.y, sizeof y);
    assert_true(y[0] == 0 && data.lse[0] == -INFINITY && y[1] == 10 && data.lse[1] == -1);
}

static void self_rule(void **context)
{
    (void)context;
    segue_attention op = hand(3, 3);
    op.self_rule = SEGUE_ATTENTION_CONSTANT, op.self_value = log(2);
    op.keep = I32(data.keep, 1, 3), data.keep[0] = 1, data.keep[1] = 0, data.keep[2] = 0;
    op.slopes = F64(data.slopes, 1), data.slopes[0] = 0, op.softcap = 1e-3;
    data.k[2] = NAN; /* is not asked */
    run(&op);
    assert_seen(0, 2, 2), assert_seen(1, 21, 3), assert_seen(2, 201, 3);
    op.keep_q = I32(data.keep_q, 1, 3), data.keep_q[0] = data.keep_q[1] = 1, data.keep_q[2] = 0;
    run(&op);
    assert_seen(1, 21, 3), assert_seen(2, 0, 0);
    op.bias = F64(data.bias, 1, 1, 3, 3);
    for (int i = 0; i < 9; i++) data.bias[i] = -INFINITY;
    run(&op);
    assert_seen(1, 20, 2);
    op.self_value = -1e5; /* alone it is all there is */
    run(&op);
    assert_true(data.y[1] == 10 && data.lse[1] == -1e5);
}

static void unit_keys(void **context)
{
    (void)context;
    segue_attention op = hand(1, 2);
    op.key_norm = SEGUE_ATTENTION_UNIT, op.causal = 0;
    data.q[0] = log(3), data.k[0] = 7, data.k[1] = 0; /* scores ln 3 and 0 */
    run(&op);
    assert_seen(0, 13, 4);
    op.key_eps = 49; /* 7 / sqrt(98) */
    run(&op);
    assert_close(data.lse[0], log(1 + pow(3, 1 / sqrt(2))));
}

/* Whatever stands in a masked key, y and lse stay what they are. */
static void masked_keys_are_not_read(void **context)
{
    enum { KEEP, LENGTH, CAUSAL, WINDOW, CHUNK, INDEX, BIAS, LABEL, WAYS };
    (void)context;
    for (int way = 0; way < WAYS; way++) {
        segue_attention op = hand(1, 4);
        op.q = F64(data.q, 1, 4, 1, 1), op.q.stride[1] = 0;
        op.y = F64(data.y, 1, 4, 1, 1), op.lse = F64(data.lse, 1, 4, 1);
        op.causal = way == CAUSAL;
        data.q[0] = 1e4, data.k[3] = NAN, data.v[3] = INFINITY;
        for (int i = 0; i < 4; i++)
            data.keep[i] = i < 3, data.k_index[i] = i < 3 ? i : -1, data.label[i] = i < 3;
        for (int i = 0; i < 16; i++) data.bias[i] = i % 4 < 3 ? 0 : -INFINITY;
        if (way == KEEP) op.keep = I32(data.keep, 1, 4);
        if (way == LENGTH) op.k_len = I32(data.k_len, 1), data.k_len[0] = 3;
        if (way == WINDOW) op.window_right = 0;
        if (way == CHUNK) op.chunk = 1, op.wrap = 0;
        if (way == INDEX) op.k_index = I32(data.k_index, 1, 1, 4);
        if (way == BIAS) op.bias = F64(data.bias, 1, 1, 4, 4);
        if (way == LABEL) op.label = I32(data.label, 1, 1, 4);
        run(&op);
        for (int i = 0; i < 3; i++) assert_true(isfinite(data.y[i]) && isfinite(data.lse[i]));
        assert_int_equal(isnan(data.y[3]), way == CAUSAL || way == WINDOW || way == CHUNK || way == LABEL);
    }
}

static void no_numbers(void **context)
{
    (void)context;
    segue_attention op = hand(2, 2);
    data.k[1] = NAN;
    data.q[1] = 1;
    run(&op);
    assert_true(data.y[0] == 1 && isnan(data.y[1]) && isnan(data.lse[1]));
    data.k[1] = INFINITY;
    run(&op);
    assert_true(isnan(data.y[1]) && isnan(data.lse[1]));
    op.bias = F64(data.bias, 1, 1, 2, 2);
    for (int i = 0; i < 4; i++) data.bias[i] = NAN;
    data.k[1] = 1;
    run(&op);
    assert_true(isnan(data.y[0]) && isnan(data.y[1]));
}

static void large_scores(void **context)
{
    (void)context;
    segue_attention op = hand(2, 3);
    data.q[0] = 1e5, data.q[1] = -1e300, data.k[0] = 1, data.k[1] = 2, data.k[2] = 2, op.causal = 0;
    run(&op);
    assert_true(data.y[0] == 55 && data.y[1] == 1 && data.lse[1] == -1e300);
    assert_close(data.lse[0], 2e5 + log(2));
    op.sink = F64(data.sink, 1), data.sink[0] = 3e5;
    run(&op);
    assert_true(data.y[0] == 0 && data.lse[0] == 3e5);
}

static void packed_sequences(void **context)
{
    static int32_t of_q[] = { -2, 2, 2, 5, 99 }, of_k[] = { 0, 3, 4, 7, 9 };
    double y[B * T * H * V], lse[B * T * H];
    (void)context;
    for (int with = 0; with < 8; with++) {
        segue_attention op =
            some((with & 1 ? 1 : 0) | (with & 2 ? 2 : 0) | (with & 4 ? 256 + 512 + 16 + 32 : 0));
        segue_tensor *const batched[] = { &op.q, &op.k, &op.v, &op.y, &op.lse, &op.keep, &op.keep_q };
        for (size_t i = 0; i < COUNT(batched); i++)
            if (present(batched[i])) batched[i]->shape[0] = 1;
        op.window_left = 3, op.bias = F64(data.bias, 1, H, T, M);
        for (int i = 0; i < T; i++) data.keep_q[i] = i != 3;
        memset(y, 0xff, sizeof y), memset(lse, 0xff, sizeof lse);
        for (int s = 0; s < 3; s++) { /* the fourth has keys only */
            const int first = s ? of_q[s] : 0, count = of_q[s + 1] - first, keys = of_k[s + 1] - of_k[s];
            segue_attention one = op;
            segue_tensor *const along_q[] = { &one.q, &one.y, &one.lse, &one.keep_q };
            segue_tensor *const along_k[] = { &one.k, &one.v, &one.keep };
            for (size_t i = 0; i < COUNT(along_q); i++)
                if (present(along_q[i])) *along_q[i] = segue_tensor_slice(*along_q[i], 1, first, count);
            for (size_t i = 0; i < COUNT(along_k); i++)
                if (present(along_k[i])) *along_k[i] = segue_tensor_slice(*along_k[i], 1, of_k[s], keys);
            one.bias = segue_tensor_slice(segue_tensor_slice(op.bias, 2, first, count), 3, of_k[s], keys);
            run(&one);
            memcpy(y + first * H * V, data.y + first * H * V, (size_t)(count * H * V) * sizeof *y);
            memcpy(lse + first * H, data.lse + first * H, (size_t)(count * H) * sizeof *lse);
        }
        op.cu_seqlens = I32(of_q, 5), op.cu_seqlens_k = I32(of_k, 5);
        run(&op);
        assert_memory_equal(data.y, y, sizeof(double) * T * H * V);
        assert_memory_equal(data.lse, lse, sizeof(double) * T * H);
    }
}

/* Nothing at all: no keys, no queries. */
static void nothing_there(void **context)
{
    (void)context;
    segue_attention op = plain(T, M);
    op.k.shape[1] = op.v.shape[1] = 0;
    run(&op);
    for (int i = 0; i < B * T * H; i++) assert_true(data.lse[i] == -INFINITY && data.y[V * i] == 0);
    op.q_index = I32(data.q_index, B, H, T), op.k_index = I32(data.k_index, B, J, M);
    run(&op);
    for (int i = 0; i < B * T * H; i++) assert_true(data.lse[i] == -INFINITY && data.y[V * i] == 0);
    op = plain(0, M);
    run(&op);
    assert_true(isnan(data.lse[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_and_scores),
        cmocka_unit_test(maps),
        cmocka_unit_test(labels),
        cmocka_unit_test(alignments),
        cmocka_unit_test(window_edges),
        cmocka_unit_test(chunks),
        cmocka_unit_test(sinks_and_empty_rows),
        cmocka_unit_test(self_rule),
        cmocka_unit_test(unit_keys),
        cmocka_unit_test(masked_keys_are_not_read),
        cmocka_unit_test(no_numbers),
        cmocka_unit_test(large_scores),
        cmocka_unit_test(packed_sequences),
        cmocka_unit_test(nothing_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
