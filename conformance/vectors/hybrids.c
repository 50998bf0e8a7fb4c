/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* LoLCATs and LoLA as chains of calls, with near keys N, far keys F, g = sigmoid(window_factor) and l = 1 - g or 1:
 *
 *     y = (g sum over N of exp(s_j - m) v_j + l num) / (g sum over N of exp(s_j - m) + l den + eps)
 *     num = sum over F of (fq . fk_j) v_j,   den = sum over F of fq . fk_j
 *
 * which is attention_merge of attention over N, of gated_recurrence over F, which gives num / den, with a log_weight of
 * ln(l den / g) + m, and of a part 0 of log ln(eps / g). Denominators of features, the row's maximum m (LoLCATs; LoLA has none) and
 * which keys LoLA keeps near are no outputs of primitives: they are derived from the file here, in double. What an f32 loses
 * of a logarithm goes into log_weight. */
#include "hybrids.h"

#include <math.h>
#include <stdlib.h>

struct hybrid {
    trial *t;
    int64_t heads, tokens, width, features; /* h, t, v, f */
    segue_tensor q, k, v, fq, fk, S, n;     /* [b t h ...]; states [b h f v], [b h f] */
    const golden_tensor *query, *key, *value;
    double *map_q, *map_k; /* fq and fk [h t f] */
    double *gate;          /* g [h] */
    double scale;
    int64_t parts; /* 2; 3 with an eps */
    double *share; /* [parts t h]: log of a part's weight against the softmax's; that of part 0 is 0 */
    segue_attention_merge merge; /* o, lse and log_weight in place */
};

static void *room(trial *t, int64_t count, size_t size)
{
    void *p = calloc((size_t)count + 1, size);
    if (!p) trial_fail(t, "no memory");
    return p;
}

/* Element of [1 h t x]. */
static double at(const golden_tensor *g, int64_t h, int64_t t, int64_t x)
{
    return golden_value(g, (h * g->shape[2] + t) * g->shape[3] + x);
}

static double *feature(const struct hybrid *y, double *map, int64_t h, int64_t t)
{
    return map + (h * y->tokens + t) * y->features;
}

static double dot(const double *a, const double *b, int64_t count)
{
    double sum = 0;
    for (int64_t i = 0; i < count; i++) sum += a[i] * b[i];
    return sum;
}

static double score(const struct hybrid *y, int64_t h, int64_t i, int64_t j)
{
    double sum = 0;
    for (int64_t x = 0; x < y->query->shape[3]; x++) sum += at(y->query, h, i, x) * at(y->key, h, j, x);
    return y->scale * sum;
}

/* ---- features ----------------------------------------------------------------------------------- */

/* softmax(u), then softmax(-u), each at least eps; u = x W, W [h k f]. */
static void hedgehog(const struct hybrid *y, const golden_tensor *x, const golden_tensor *W, double *map)
{
    const int64_t k = W->shape[1], f = W->shape[2];
    for (int64_t row = 0; row < y->heads * y->tokens; row++) {
        double *const to = map + row * 2 * f, sum[2] = { 0 };
        for (int64_t i = 0; i < f; i++) {
            double u = 0;
            for (int64_t j = 0; j < k; j++)
                u += golden_value(x, row * k + j) * golden_value(W, (row / y->tokens * k + j) * f + i);
            sum[0] += to[i] = exp(u), sum[1] += to[f + i] = exp(-u);
        }
        for (int64_t i = 0; i < 2 * f; i++) to[i] = fmax(to[i] / sum[i / f], 1e-12);
    }
}

/* Features of x on the device and here: the file has them, or the projection that makes them. */
static segue_tensor bind_features(struct hybrid *y, const char *name, segue_tensor x, const golden_tensor *raw,
                                  double **map)
{
    trial *const t = y->t;
    golden_tensor *const given_ones = golden_find(t->file, name), *const W = golden_find(t->file, "W");
    segue_feature_map op = segue_feature_map_init();
    if (!given_ones && (!W || strcmp(trial_text(t, "feature_map", ""), "hedgehog_a")))
        trial_fail(t, "`%s`: wanted it, or W and feature_map hedgehog_a", name);
    if (t->status != TRIAL_PASSED) return op.x;
    y->features = given_ones ? given_ones->shape[3] : 2 * W->shape[2];
    *map = room(t, y->heads * y->tokens * y->features, sizeof **map);
    if (!*map) return op.x;
    if (given_ones) {
        for (int64_t i = 0; i < golden_count(given_ones); i++) (*map)[i] = golden_value(given_ones, i);
        return trial_input(t, name, "b t h f");
    }
    hedgehog(y, raw, W, *map);
    op.x = x, op.W = trial_input(t, "W", "h f k"), op.map = SEGUE_FEATURE_MAP_HEDGEHOG_A, op.eps = 1e-12;
    op.y = hybrid_room(t, 4, (const int64_t[]){ 1, y->tokens, y->heads, y->features });
    trial_call(t, &op.header);
    return op.y;
}

static void bind(struct hybrid *y)
{
    trial *const t = y->t;
    y->query = golden_find(t->file, "q"), y->key = golden_find(t->file, "k"),
    y->value = golden_find(t->file, "v");
    golden_tensor *const factor = golden_find(t->file, "window_factor");
    if (!y->query || !y->key || !y->value || !factor || y->query->rank != 4 || y->query->shape[0] != 1) {
        trial_fail(t, "wanted q, k and v [b h t ...] of one batch row, and `window_factor`");
        return;
    }
    y->heads = y->query->shape[1], y->tokens = y->query->shape[2], y->width = y->value->shape[3];
    y->q = trial_input(t, "q", "b t h k"), y->k = trial_input(t, "k", "b t h k");
    y->v = trial_input(t, "v", "b t h v");
    y->scale = trial_real(t, "scale", 0);
    y->fq = bind_features(y, "fq", y->q, y->query, &y->map_q);
    y->fk = bind_features(y, "fk", y->k, y->key, &y->map_k);
    y->share = room(t, y->parts * y->tokens * y->heads, sizeof *y->share);
    y->gate = room(t, y->heads, sizeof *y->gate);
    for (int64_t h = 0; y->gate && h < y->heads; h++) y->gate[h] = 1 / (1 + exp(-golden_value(factor, h)));
    factor->bound = 1;
}

/* ---- calls -------------------------------------------------------------------------------------- */

/* Puts the shares where the merge wants them; attention writes part 0. */
static void place_parts(struct hybrid *y)
{
    trial *const t = y->t;
    const int64_t shape[] = { y->parts, 1, y->tokens, y->heads, y->width };
    const int64_t each = y->tokens * y->heads, count = y->parts * each;
    double *const high = room(t, count, sizeof *high), *const low = room(t, count, sizeof *low),
                  *const o = room(t, count * y->width, sizeof *o);
    for (int64_t i = 0; high && low && o && i < count; i++) {
        high[i] = (float)y->share[i];
        low[i] = isfinite(high[i]) ? y->share[i] - high[i] : 0;
        for (int64_t v = 0; v < y->width; v++) o[i * y->width + v] = i < 2 * each ? NAN : 0;
    }
    if (high && low && o) {
        y->merge.lse = trial_reals(t, high, 4, shape), y->merge.log_weight = trial_reals(t, low, 4, shape);
        y->merge.o = trial_reals(t, o, 5, shape);
    }
    free(high), free(low), free(o);
}

/* Tokens first .. first + count - 1 of part p of the merge's o or lse. */
static segue_tensor part_at(segue_tensor all, int64_t p, int64_t first, int64_t count)
{
    return segue_tensor_slice(hybrid_part(all, p), 1, first, count);
}

/* num / den of those tokens; states and keys are the caller's. */
static segue_gated_recurrence far_keys(const struct hybrid *y, int64_t first, int64_t count)
{
    segue_gated_recurrence op = segue_gated_recurrence_init();
    op.q = segue_tensor_slice(y->fq, 1, first, count);
    op.y = part_at(y->merge.o, 1, first, count);
    op.norm = SEGUE_GATED_RECURRENCE_PLAIN;
    return op;
}

static void finish(struct hybrid *y)
{
    trial *const t = y->t;
    y->merge.y = trial_output(t, "out.y", "b t h v");
    trial_call(t, &y->merge.header);
    trial_judge(t, "out.y", "b t h v", y->merge.y);
    trial_judge(t, "out.final_state", "b h f|e v", y->S);
    trial_judge(t, "out.final_z", "b h f|e", y->n);
}

/* ---- LoLCATs: the last `window` keys are near ----------------------------------------------------- */

/* ln(l den / g) + m: the softmax counts from its row's maximum m, the features do not. */
static void share_of_far(const struct hybrid *y, int64_t window, int affine)
{
    const golden_tensor *const z = golden_find(y->t->file, "initial_z");
    const int64_t f = y->features;
    for (int64_t h = 0; h < y->heads; h++)
        for (int64_t i = 0; i < y->tokens; i++) {
            const double *const q = feature(y, y->map_q, h, i);
            double den = 0, most = -INFINITY;
            for (int64_t x = 0; z && x < f; x++) den += q[x] * golden_value(z, h * f + x);
            for (int64_t j = 0; j <= i; j++)
                if (j > i - window) most = fmax(most, score(y, h, i, j));
                else den += dot(q, feature(y, y->map_k, h, j), f);
            y->share[(y->tokens + i) * y->heads + h] =
                log(den * (affine ? 1 - y->gate[h] : 1) / y->gate[h]) + most;
        }
}

static void lolcats(struct hybrid *y)
{
    trial *const t = y->t;
    const int64_t window = trial_param(t, "window", 0), affine = trial_param(t, "affine", 0),
                  early = window < y->tokens ? window : y->tokens, late = y->tokens - early;
    const segue_tensor S = trial_input(t, "initial_state", "b h f v"), n = trial_input(t, "initial_z", "b h f");
    segue_attention near = segue_attention_init();
    if (strcmp(trial_text(t, "mix_ref", ""), "ROW_MAX")) trial_fail(t, "params: `mix_ref`: wanted ROW_MAX");
    trial_expect(t, "decode", y->tokens - trial_param(t, "prefill", y->tokens));
    if (t->status != TRIAL_PASSED) return;
    share_of_far(y, window, affine != 0);
    place_parts(y);
    near.q = y->q, near.k = y->k, near.v = y->v, near.scale = y->scale;
    near.window_left = window - 1;
    near.y = part_at(y->merge.o, 0, 0, y->tokens), near.lse = part_at(y->merge.lse, 0, 0, y->tokens);
    trial_call(t, &near.header);
    segue_gated_recurrence far = far_keys(y, 0, early);
    far.S_in = S, far.n_in = n;
    if (given(&S)) trial_call(t, &far.header);
    far = far_keys(y, early, late);
    far.S_in = S, far.n_in = n;
    far.k = segue_tensor_slice(y->fk, 1, 0, late), far.v = segue_tensor_slice(y->v, 1, 0, late);
    far.S_out = y->S = trial_output(t, "out.final_state", "b h e v");
    far.n_out = y->n = trial_output(t, "out.final_z", "b h e");
    if (late) trial_call(t, &far.header);
    finish(y);
}

/* ---- LoLA: the last chunk, the current one and a cache of the worst-remembered keys are near ---------- */

struct lola {
    struct hybrid *y;
    int64_t chunk, cache, chunks, slots; /* slots: of keys that a chunk sees at most */
    double eps;
    int32_t *keys;    /* [chunks h slots], -1 = none */
    double *fold;     /* [chunks t h], 1: that key goes into the state behind the chunk */
    int32_t *kept;    /* [h cache] behind the last chunk, -1 = none */
    double *H, *s;    /* a head's state [f v], [f] */
    double *far_from; /* [slots] */
};

/* |v - H^T fk / (fk . s + 1e-6)|: how badly the state would answer for the pair. */
static double forgetting(const struct lola *a, int64_t h, int64_t j)
{
    const struct hybrid *y = a->y;
    const double *const f = feature(y, y->map_k, h, j), den = dot(f, a->s, y->features) + 1e-6;
    double sum = 0;
    for (int64_t v = 0; v < y->width; v++) {
        double num = 0;
        for (int64_t i = 0; i < y->features; i++) num += f[i] * a->H[i * y->width + v];
        sum += pow(at(y->value, h, j, v) - num / den, 2);
    }
    return sqrt(sum);
}

static void remember(const struct lola *a, int64_t n, int64_t h, int64_t j)
{
    const struct hybrid *y = a->y;
    const double *const f = feature(y, y->map_k, h, j);
    for (int64_t i = 0; i < y->features; i++) {
        a->s[i] += f[i];
        for (int64_t v = 0; v < y->width; v++) a->H[i * y->width + v] += f[i] * at(y->value, h, j, v);
    }
    a->fold[(n * y->tokens + j) * y->heads + h] = 1;
}

/* Behind chunk n the one before it leaves. In falling order of forgetting, the earlier first: what the cache has no room for
 * goes into the state. A cache with room takes all as they come. */
static void evict(const struct lola *a, int64_t n, int64_t h)
{
    int32_t *const kept = a->kept + h * a->cache, all[TRIAL_MAX_CALLS];
    double *const r = a->far_from;
    int64_t count = 0;
    while (count < a->cache && kept[count] >= 0) all[count] = kept[count], count++;
    for (int64_t i = 0; i < a->chunk; i++) all[count++] = (int32_t)((n - 1) * a->chunk + i);
    for (int64_t i = 0; i < count; i++) r[i] = forgetting(a, h, all[i]);
    for (int64_t i = 1; count > a->cache && i < count; i++)
        for (int64_t k = i; k > 0 && r[k] > r[k - 1]; k--) {
            const double x = r[k];
            const int32_t j = all[k];
            r[k] = r[k - 1], all[k] = all[k - 1], r[k - 1] = x, all[k - 1] = j;
        }
    for (int64_t i = 0; i < count; i++)
        if (i < a->cache) kept[i] = all[i];
        else remember(a, n, h, all[i]);
}

/* What the tokens of chunk n see near, and what the state before it says of the far ones. */
static void plan_chunk(const struct lola *a, int64_t n, int64_t h)
{
    const struct hybrid *y = a->y;
    const int64_t first = n * a->chunk, end = first + a->chunk < y->tokens ? first + a->chunk : y->tokens;
    int32_t *key = a->keys + (n * y->heads + h) * a->slots;
    for (int64_t i = 0; i < a->cache && a->kept[h * a->cache + i] >= 0; i++) *key++ = a->kept[h * a->cache + i];
    for (int64_t j = n ? first - a->chunk : first; j < end; j++) *key++ = (int32_t)j;
    for (int64_t i = first; i < end; i++) {
        const double g = y->gate[h], den = dot(feature(y, y->map_q, h, i), a->s, y->features);
        y->share[(y->tokens + i) * y->heads + h] = log(den * (1 - g) / g);
        y->share[(2 * y->tokens + i) * y->heads + h] = n ? log(a->eps / g) : -INFINITY;
    }
}

static void plan(const struct lola *a)
{
    const struct hybrid *y = a->y;
    for (int64_t i = 0; i < a->chunks * y->heads * a->slots; i++) a->keys[i] = -1;
    for (int64_t i = 0; i < y->heads * a->cache; i++) a->kept[i] = -1;
    for (int64_t h = 0; h < y->heads; h++) {
        memset(a->H, 0, (size_t)(y->features * y->width) * sizeof *a->H);
        memset(a->s, 0, (size_t)y->features * sizeof *a->s);
        for (int64_t n = 0; n < a->chunks; n++) {
            plan_chunk(a, n, h);
            if (n && (n + 1) * a->chunk <= y->tokens) evict(a, n, h);
        }
    }
}

/* Behind chunk n; has: the state holds something. Returns whether it does then. */
static int fold_chunk(const struct lola *a, int64_t n, int has)
{
    struct hybrid *const y = a->y;
    const double *const mask = a->fold + n * y->tokens * y->heads;
    int some = 0;
    for (int64_t i = 0; i < y->tokens * y->heads; i++) some |= mask[i] != 0;
    if (!some) return has;
    segue_gated_recurrence op = segue_gated_recurrence_init();
    op.k = y->fk, op.v = y->v;
    op.gain = trial_reals(y->t, mask, 3, (const int64_t[]){ 1, y->tokens, y->heads });
    op.gain_domain = SEGUE_GATED_RECURRENCE_LINEAR;
    op.norm = SEGUE_GATED_RECURRENCE_PLAIN;
    op.S_out = y->S, op.n_out = y->n;
    if (has) op.S_in = y->S, op.n_in = y->n;
    trial_call(y->t, &op.header);
    return 1;
}

static int run_chunk(const struct lola *a, int64_t n, int has)
{
    struct hybrid *const y = a->y;
    trial *const t = y->t;
    const int64_t first = n * a->chunk, count = first + a->chunk < y->tokens ? a->chunk : y->tokens - first;
    int32_t position[TRIAL_MAX_CALLS];
    segue_attention near = segue_attention_init();
    for (int64_t i = 0; i < count; i++) position[i] = (int32_t)(first + i);
    near.q = segue_tensor_slice(y->q, 1, first, count), near.k = y->k, near.v = y->v, near.scale = y->scale;
    near.q_pos = trial_integers(t, position, 2, (const int64_t[]){ 1, count });
    near.k_index =
        trial_integers(t, a->keys + n * y->heads * a->slots, 3, (const int64_t[]){ 1, y->heads, a->slots });
    near.y = part_at(y->merge.o, 0, first, count), near.lse = part_at(y->merge.lse, 0, first, count);
    trial_call(t, &near.header);
    segue_gated_recurrence far = far_keys(y, first, count);
    far.S_in = y->S, far.n_in = y->n;
    if (has) trial_call(t, &far.header);
    return fold_chunk(a, n, has);
}

/* The keys and values that are left in the cache: which ones is what the file can say. */
static void judge_cache(const struct lola *a, const char *name, const golden_tensor *from, const char *axes)
{
    const struct hybrid *y = a->y;
    const int64_t width = from->shape[3];
    double *const rows = room(y->t, a->cache * y->heads * width, sizeof *rows);
    for (int64_t i = 0; rows && i < a->cache * y->heads * width; i++) {
        const int32_t j = a->kept[i / width % y->heads * a->cache + i / width / y->heads];
        rows[i] = j < 0 ? 0 : at(from, i / width % y->heads, j, i % width);
    }
    if (rows)
        trial_judge(y->t, name, axes,
                    trial_reals(y->t, rows, 4, (const int64_t[]){ 1, a->cache, y->heads, width }));
    free(rows);
}

static void run_chunks(struct lola *a)
{
    struct hybrid *const y = a->y;
    int has = 0;
    plan(a);
    place_parts(y);
    y->S = trial_output(y->t, "out.final_state", "b h f v"), y->n = trial_output(y->t, "out.final_z", "b h f");
    for (int64_t n = 0; n < a->chunks && y->t->status == TRIAL_PASSED; n++) has = run_chunk(a, n, has);
    finish(y);
    if (a->cache) judge_cache(a, "out.cache_k", y->key, "b g h k");
    if (a->cache) judge_cache(a, "out.cache_v", y->value, "b g h v");
}

static void lola(struct hybrid *y)
{
    trial *const t = y->t;
    struct lola a = { .y = y, .chunk = trial_param(t, "chunk", 0), .cache = trial_param(t, "cache", 0) };
    a.eps = trial_real(t, "eps", 0);
    if (strcmp(trial_text(t, "mix_ref", ""), "ABSOLUTE")) trial_fail(t, "params: `mix_ref`: wanted ABSOLUTE");
    trial_expect(t, "decode", y->tokens - trial_param(t, "prefill", y->tokens));
    if (a.chunk < 1 || a.cache < 0 || a.cache + a.chunk > TRIAL_MAX_CALLS)
        trial_fail(t, "params: chunks of %d, a cache of %d, wanted at most %d", (int)a.chunk, (int)a.cache,
                   TRIAL_MAX_CALLS);
    if (t->status != TRIAL_PASSED) return;
    a.chunks = (y->tokens + a.chunk - 1) / a.chunk, a.slots = a.cache + 2 * a.chunk;
    a.keys = room(t, a.chunks * y->heads * a.slots, sizeof *a.keys);
    a.fold = room(t, a.chunks * y->tokens * y->heads, sizeof *a.fold);
    a.kept = room(t, y->heads * a.cache, sizeof *a.kept);
    a.H = room(t, y->features * y->width, sizeof *a.H), a.s = room(t, y->features, sizeof *a.s);
    a.far_from = room(t, a.slots, sizeof *a.far_from);
    if (a.keys && a.fold && a.kept && a.H && a.s && a.far_from) run_chunks(&a);
    free(a.keys), free(a.fold), free(a.kept), free(a.H), free(a.s), free(a.far_from);
}

void hybrid_run(trial *t)
{
    const char *name = trial_text(t, "composite", "");
    const int is_lola = !strcmp(name, "lola");
    struct hybrid y = { .t = t, .parts = is_lola ? 3 : 2, .merge = segue_attention_merge_init() };
    if (!is_lola && strcmp(name, "lolcats")) trial_fail(t, "params: `composite` is %s", name);
    if (t->status == TRIAL_PASSED) bind(&y);
    if (t->status == TRIAL_PASSED) is_lola ? lola(&y) : lolcats(&y);
    free(y.map_q), free(y.map_k), free(y.gate), free(y.share);
}
