/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Sampling in f32 that takes the last of the scores which differ by roundings alone, where ids lie side by side, and the first of them
 * elsewhere: right by every measure, and another token than the reference's. Scores that are equal numbers, or that nothing was
 * computed of, have no roundings: there the smallest id wins. Without top_p, top_k, counters and absorption. Floats of 16 bits by
 * their fields. */
#include <segue/kit.h>

#include <float.h>
#include <math.h>

struct place { /* a position and its row of logits */
    const segue_row_sample *op;
    int64_t b, t, n, ids;
    float *raw, *score; /* [ids] logits; those over the temperature, with noise */
    float heat;         /* 0: there is no division */
};

static const void *cell(const segue_tensor *t, int64_t i, int64_t j, int64_t k)
{
    const int64_t size = t->dtype.bits / 8, last = t->rank > 2 ? k * t->stride[2] : 0;
    const int64_t away = i * t->stride[0] + (t->rank > 1 ? j * t->stride[1] : 0) + last;
    return (const char *)t->data + t->offset + away * size;
}

static float fetch(const segue_tensor *t, int64_t i, int64_t j, int64_t k)
{
    uint16_t code;
    float whole;
    if (t->dtype.bits == 32) {
        memcpy(&whole, cell(t, i, j, k), sizeof whole);
        return whole;
    }
    memcpy(&code, cell(t, i, j, k), sizeof code);
    const int digits = t->dtype.code == SEGUE_CODE_BFLOAT ? 7 : 10, top = (1 << (15 - digits)) - 1;
    const int power = code >> digits & top, rest = code & ((1 << digits) - 1), bias = top / 2 + digits;
    const double leading = power ? 1 << digits : 0;
    double x = ldexp(leading + rest, (power ? power : 1) - bias);
    if (power == top) x = rest ? (double)NAN : (double)INFINITY;
    return (float)(code >> 15 ? -x : x);
}

static int32_t number(const segue_tensor *t, int64_t i, int64_t j)
{
    int32_t x;
    memcpy(&x, cell(t, i, j, 0), sizeof x);
    return x;
}

static int given(const segue_tensor *t)
{
    return t->dtype.lanes != 0;
}

static float tame(float l)
{
    return !(l > -INFINITY) ? -INFINITY : l > FLT_MAX ? FLT_MAX : l;
}

static void read_row(struct place *p)
{
    const segue_row_sample *op = p->op;
    for (int64_t id = 0; id < p->ids; id++) {
        float l = fetch(&op->logits, p->b, p->n, id);
        if (given(&op->logits_u)) {
            const float base = fetch(&op->logits_u, p->b, p->n, id);
            l = base + (1 + fetch(&op->guidance, p->b, 0, 0)) * (l - base);
        }
        p->raw[id] = l;
    }
    for (int64_t i = 0; given(&op->banned) && i < op->banned.shape[0]; i++)
        if (number(&op->banned, i, 0) >= 0 && number(&op->banned, i, 0) < p->ids)
            p->raw[number(&op->banned, i, 0)] = -INFINITY;
    for (int64_t id = 0; id < p->ids; id++) {
        p->raw[id] = tame(p->raw[id]);
        p->score[id] = tame(p->heat > 0 ? p->raw[id] / p->heat : p->raw[id]);
    }
}

/* ---- shares ----------------------------------------------------------------------------------------- */

struct share {
    float most, sum, second; /* second: the largest but one */
};

static struct share share_of(const float *l, int64_t count)
{
    struct share s = { -INFINITY, 0, -INFINITY };
    for (int64_t i = 0; i < count; i++) {
        if (l[i] > s.most) s.second = s.most, s.most = l[i];
        else if (l[i] > s.second) s.second = l[i];
    }
    for (int64_t i = 0; i < count && s.most > -INFINITY; i++) s.sum += expf(l[i] - s.most);
    return s;
}

static float scattering(const float *l, int64_t count, const struct share *s)
{
    float sum = 0;
    for (int64_t i = 0; i < count; i++) {
        const float p = expf(l[i] - s->most) / s->sum;
        sum += p * logf(p + 1e-10f);
    }
    return sum;
}

static float trust(const struct place *p, int64_t id, const struct share *s)
{
    const struct share raw = share_of(p->raw, p->ids);
    switch (p->op->confidence) {
    case SEGUE_ROW_SAMPLE_PROB_RAW: return expf(p->raw[id] - raw.most) / raw.sum;
    case SEGUE_ROW_SAMPLE_MARGIN: return (1 - expf(s->second - s->most)) / s->sum;
    case SEGUE_ROW_SAMPLE_NEGENT: return scattering(p->score, p->ids, s);
    default: return expf(p->score[id] - s->most) / s->sum;
    }
}

/* ---- choice ----------------------------------------------------------------------------------------- */

static float noise(const struct place *p, int64_t id)
{
    const int64_t kind = p->op->noise;
    if (!given(&p->op->draws) || (given(&p->op->temperature) && !(p->heat > 0))) return 0;
    const float x = fetch(&p->op->draws, p->b, p->t, id);
    if (kind == SEGUE_ROW_SAMPLE_GUMBEL) return x;
    return kind == SEGUE_ROW_SAMPLE_EXPONENTIAL ? -logf(x) : -logf(-logf(x));
}

static int computes(const struct place *p)
{
    return p->heat > 0 || given(&p->op->logits_u) || given(&p->op->draws);
}

/* Two roundings of the best one away, and another number before them. */
static int as_good(const struct place *p, int64_t id, int64_t best, float score, float largest)
{
    return p->raw[id] != p->raw[best] && fabsf(score) < 100 &&
           largest - score <= 2 * FLT_EPSILON * fabsf(largest);
}

static int64_t pick(const struct place *p)
{
    const int late = p->op->logits.stride[2] == 1;
    int64_t best = -1, chosen;
    float largest = -INFINITY;
    for (int64_t id = 0; id < p->ids; id++) {
        const float score = p->score[id] + noise(p, id);
        if (score > largest) best = id, largest = score;
    }
    chosen = best;
    for (int64_t id = best + 1; best >= 0 && late && computes(p) && id < p->ids; id++)
        if (as_good(p, id, best, p->score[id] + noise(p, id), largest)) chosen = id;
    return chosen;
}

/* ---- positions -------------------------------------------------------------------------------------- */

static void keep(const segue_tensor *t, int64_t b, int64_t at, float x)
{
    const uint32_t type = segue_dtype_id(t->dtype);
    if (type == SEGUE_F32) memcpy((void *)cell(t, b, at, 0), &x, sizeof x);
}

static int is_open(const segue_row_sample *op, int64_t b, int64_t t, int64_t *n)
{
    *n = given(&op->row) ? number(&op->row, b, t) : t;
    if (*n < 0 || *n >= op->logits.shape[1]) return 0;
    if (given(&op->lo) && t < number(&op->lo, b, 0)) return 0;
    if (given(&op->hi) && t >= number(&op->hi, b, 0)) return 0;
    return !given(&op->x) || number(&op->x, b, t) == op->mask_id;
}

static void answer(struct place *p)
{
    const segue_row_sample *op = p->op;
    int32_t tok = given(&op->x) ? number(&op->x, p->b, p->t) : -1;
    float conf = -INFINITY, lse = -INFINITY, logp = -INFINITY;
    if (is_open(op, p->b, p->t, &p->n)) {
        read_row(p);
        const struct share s = share_of(p->score, p->ids);
        const int64_t id = pick(p);
        tok = (int32_t)id;
        if (id >= 0) {
            conf = trust(p, id, &s);
            lse = s.most + logf(s.sum);
            logp = p->score[id] - s.most - logf(s.sum);
        }
    }
    memcpy((void *)cell(&op->tok, p->b, p->t, 0), &tok, sizeof tok);
    if (given(&op->conf)) keep(&op->conf, p->b, p->t, conf);
    if (given(&op->lse)) keep(&op->lse, p->b, p->t, lse);
    if (given(&op->logp)) keep(&op->logp, p->b, p->t, logp);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_row_sample *op = (const void *)header;
    struct place p = { .op = op, .ids = op->logits.shape[2] };
    p.raw = (float *)(void *)((char *)call->workspace.data + call->workspace.offset), p.score = p.raw + p.ids;
    for (p.b = 0; p.b < op->tok.shape[0]; p.b++) {
        const float heat = given(&op->temperature) ? fetch(&op->temperature, p.b, 0, 0) : 0;
        p.heat = heat > 0 ? heat : 0;
        for (p.t = 0; p.t < op->tok.shape[1]; p.t++) answer(&p);
    }
    return SEGUE_OK;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_row_sample *op = (const void *)header;
    const segue_tensor *const read[] = { &op->logits, &op->logits_u, &op->temperature, &op->guidance,
                                         &op->draws };
    const segue_tensor *const kept[] = { &op->conf, &op->lse, &op->logp };
    (void)dev;
    for (size_t i = 0; i < sizeof read / sizeof *read; i++)
        if (segue_dtype_id(read[i]->dtype) == SEGUE_F64) return "logits: dtype f64";
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (given(kept[i]) && segue_dtype_id(kept[i]->dtype) != SEGUE_F32) return "conf: wanted f32";
    if (given(&op->top_p) || given(&op->top_k)) return "top_p: no filters";
    if (op->noise == SEGUE_ROW_SAMPLE_PHILOX || op->confidence == SEGUE_ROW_SAMPLE_RANDOM)
        return "noise: no counters";
    return op->transition == SEGUE_ROW_SAMPLE_PLAIN ? NULL : "transition: wanted PLAIN";
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    (void)dev, (void)why;
    plan->workspace_bytes = 2 * sizeof(float) * (uint64_t)((const segue_row_sample *)header)->logits.shape[2];
    return SEGUE_OK;
}

extern const segue_row segue_row_row_sample_late;
const segue_row segue_row_row_sample_late = {
    .name = "row_sample_late",
    .primitive = SEGUE_ROW_SAMPLE,
    .since = 1,
    .priority = 10,
    .accuracy = SEGUE_ACCURACY_F32,
    .determinism = SEGUE_RUN_TO_RUN,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
