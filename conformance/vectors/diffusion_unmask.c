/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* diffusion_unmask in the host loops of ML-GSAI/LLaDA generate.py, NVlabs/Fast-dLLM, HKUNLP/Dream, google-research/maskgit,
 * kuleshov-group/mdlm and kuleshov-group/bd3lms. logits[s] answers call s of the model, whatever x is. */
#include "trial.h"

#include <math.h>
#include <stdlib.h>

#define RULE(name) SEGUE_DIFFUSION_UNMASK_##name

typedef struct loop {
    trial *t;
    segue_diffusion_unmask op;               /* what is the same in each update */
    segue_tensor logits, logits_u;           /* of each call */
    segue_tensor draws, draws_select, x_all; /* of each update; x_all: what it leaves */
    int64_t b, length, prompt;
    int64_t call, update; /* numbers of the next ones */
} loop;

static const char *refuse(const golden_file *file)
{
    const char *const algorithm = json_string_value(json_object_get(file->params, "algorithm"));
    if (algorithm && !strcmp(algorithm, "SEDD"))
        return "`algorithm` SEDD: samples from scores, which are no distribution before they meet the current token";
    if (json_is_true(json_object_get(file->params, "confidence_eos_eot_inf")))
        return "`confidence_eos_eot_inf`: changes one of two tensors that may be the same one, after the token was chosen";
    return NULL;
}

static int failed(const loop *l)
{
    return l->t->status != TRIAL_PASSED;
}

/* ---- operands ----------------------------------------------------------------------------------- */

/* The one with that number along the first axis. */
static segue_tensor one_of(loop *l, segue_tensor x, int64_t at)
{
    if (!given(&x)) return x;
    if (at >= x.shape[0]) {
        trial_fail(l->t, "more calls than the file has answers");
        return x;
    }
    x = segue_tensor_slice(x, 0, at, 1);
    for (int axis = 0; axis + 1 < x.rank; axis++)
        x.shape[axis] = x.shape[axis + 1], x.stride[axis] = x.stride[axis + 1];
    x.rank--;
    x.shape[x.rank] = x.stride[x.rank] = 0;
    return x;
}

/* A number for every batch row. */
static segue_tensor every(const loop *l, segue_tensor one)
{
    one.shape[0] = l->b, one.stride[0] = 0;
    return one;
}

static segue_tensor number(const loop *l, double value)
{
    const int64_t one = 1;
    return every(l, trial_reals(l->t, &value, 1, &one));
}

static segue_tensor integer(const loop *l, int64_t value)
{
    const int64_t one = 1;
    const int32_t narrow = (int32_t)value;
    return every(l, trial_integers(l->t, &narrow, 1, &one));
}

/* A call on the count positions from first on was answered in the last rows; Dream reads the row before a position's. */
static segue_tensor rows(const loop *l, int64_t first, int64_t count, int64_t shift)
{
    const int64_t shape[2] = { 1, l->length };
    int32_t *const row = malloc((size_t)(l->length + 1) * sizeof *row);
    segue_tensor out = { 0 };
    if (!row) trial_fail(l->t, "no memory");
    for (int64_t t = 0; row && t < l->length; t++) {
        const int64_t in = t - first, from = in < shift ? 0 : in - shift;
        row[t] = (int32_t)(in < 0 || in >= count ? -1 : l->length - count + from);
    }
    if (row) out = every(l, trial_integers(l->t, row, 2, shape));
    free(row);
    return out;
}

/* How many positions of [lo, hi) hold the mask in a batch row. */
static int64_t masked_in(const loop *l, int64_t b, int64_t lo, int64_t hi)
{
    int64_t count = 0;
    int32_t *const x = malloc((size_t)(l->b * l->length + 1) * sizeof *x);
    if (!x) trial_fail(l->t, "no memory");
    else trial_read(l->t, l->op.x, x);
    for (int64_t i = lo; x && i < hi; i++) count += x[b * l->length + i] == l->op.mask_id;
    free(x);
    return count;
}

static int64_t masked(const loop *l, int64_t lo, int64_t hi)
{
    int64_t count = 0;
    for (int64_t b = 0; b < l->b; b++) count += masked_in(l, b, lo, hi);
    return count;
}

/* Number i of count ones from `from` to `to`, as torch.linspace has them in f32. */
static float time_at(double from, double to, int64_t count, int64_t i)
{
    const float a = (float)from, b = (float)to, each = (b - a) / (float)(count - 1);
    return i < count / 2 ? a + each * (float)i : b - each * (float)(count - 1 - i);
}

/* ---- updates ------------------------------------------------------------------------------------ */

/* What of op changes with the update. */
static segue_diffusion_unmask bound(loop *l, int64_t call, int64_t lo, int64_t hi)
{
    segue_diffusion_unmask op = l->op;
    op.logits = one_of(l, l->logits, call), op.logits_u = one_of(l, l->logits_u, call);
    op.draws = one_of(l, l->draws, l->update), op.draws_select = one_of(l, l->draws_select, l->update);
    op.lo = integer(l, lo), op.hi = integer(l, hi);
    if (given(&l->x_all)) op.x_out = one_of(l, l->x_all, l->update);
    else if (!given(&op.x_out)) op.x_out = op.x;
    return op;
}

static void update(loop *l, int64_t call, int64_t lo, int64_t hi)
{
    const segue_diffusion_unmask op = bound(l, call, lo, hi);
    trial_call(l->t, &op.header);
    l->op.x = op.x_out;
    l->update++;
}

/* By its two steps: the confidence is the file's. */
static void update_apart(loop *l, segue_tensor conf, int64_t lo, int64_t hi)
{
    const segue_diffusion_unmask op = bound(l, l->call, lo, hi);
    const int64_t shape[2] = { l->b, l->length };
    int32_t *const room = calloc((size_t)(l->b * l->length) + 1, sizeof *room);
    segue_row_sample sample = segue_row_sample_init();
    segue_unmask_select select = segue_unmask_select_init();
    if (!room) {
        trial_fail(l->t, "no memory");
        return;
    }
    sample.logits = op.logits, sample.x = op.x, sample.temperature = op.temperature,
    sample.mask_id = op.mask_id;
    sample.tok = select.tok = trial_integers(l->t, room, 2, shape);
    trial_call(l->t, &sample.header);
    select.x = op.x, select.x_out = op.x_out, select.conf = one_of(l, conf, l->update), select.lo = op.lo;
    select.hi = op.hi, select.k = op.k, select.steps_left = op.steps_left;
    select.mask_id = op.mask_id, select.rule = SEGUE_UNMASK_SELECT_TOPK;
    trial_call(l->t, &select.header);
    l->op.x = op.x_out;
    l->update++;
    free(room);
}

/* x: the prompt, then masks; or as x0 has it. */
static void start(loop *l)
{
    const golden_tensor *const prompt = golden_find(l->t->file, "prompt");
    const int64_t shape[2] = { l->b, l->length };
    l->op.mask_id = trial_param(l->t, "mask_id", -1);
    l->op.x = trial_input(l->t, "x0", "b t");
    if (given(&l->op.x)) return;
    int32_t *const x = malloc((size_t)(l->b * l->length + 1) * sizeof *x);
    if (!x) trial_fail(l->t, "no memory");
    l->prompt = prompt ? prompt->shape[1] : 0;
    for (int64_t i = 0; x && i < l->b * l->length; i++) {
        const int64_t t = i % l->length;
        x[i] = (int32_t)(t < l->prompt ? (int64_t)golden_value(prompt, i / l->length * l->prompt + t)
                                       : l->op.mask_id);
    }
    if (x) l->op.x = trial_integers(l->t, x, 2, shape);
    if (prompt) golden_find(l->t->file, "prompt")->bound = 1;
    free(x);
}

static void bind_draws(loop *l)
{
    l->op.noise = golden_find(l->t->file, "u")        ? RULE(UNIFORM)
                  : golden_find(l->t->file, "expo")   ? RULE(EXPONENTIAL)
                  : golden_find(l->t->file, "gumbel") ? RULE(GUMBEL)
                                                      : RULE(NONE);
    l->draws = trial_input(l->t, "u expo gumbel", "s|r b t x");
    l->op.select_noise = golden_find(l->t->file, "u_select")        ? RULE(SELECT_UNIFORM)
                         : golden_find(l->t->file, "expo_select")   ? RULE(SELECT_EXPONENTIAL)
                         : golden_find(l->t->file, "gumbel_select") ? RULE(SELECT_GUMBEL)
                                                                    : RULE(SELECT_PHILOX);
    l->draws_select = trial_input(l->t, "u_select expo_select gumbel_select", "s|r b t");
    if (given(&l->draws_select)) l->draws_select.shape[1] = l->b, l->draws_select.shape[2] = l->length;
}

static void judge(loop *l)
{
    static const char *const counts[] = { "out.nfe", "out.model_calls" };
    for (int i = 0; i < 2; i++) {
        golden_tensor *const said = golden_find(l->t->file, counts[i]);
        if (!said) continue;
        said->bound = 1;
        if ((int64_t)golden_value(said, 0) != l->call)
            trial_fail(l->t, "`%s` is %d, the loop made %d", counts[i], (int)golden_value(said, 0),
                       (int)l->call);
    }
    if (given(&l->x_all) && l->update < l->x_all.shape[0]) trial_fail(l->t, "fewer updates than the file has");
    trial_judge(l->t, "out.x_steps", "s|r b t", l->x_all);
}

/* ---- LLaDA, Fast-dLLM --------------------------------------------------------------------------- */

/* Share of update i when n masks are split over so many. */
static int64_t share(int64_t n, int64_t updates, int64_t i)
{
    return n / updates + (i < n % updates);
}

static void bind_llada(loop *l)
{
    trial *const t = l->t;
    l->op.temperature = number(l, trial_real(t, "temperature", 0));
    const double guidance = trial_real(t, "cfg_scale", 0);
    if (given(&l->logits_u)) l->op.guidance = number(l, guidance);
    l->op.confidence = RULE(PROB_RAW), l->op.rule = RULE(TOPK);
    trial_expect(t, "logits_eos_inf", 0), trial_expect(t, "confidence_eos_eot_inf", 0);
    trial_param(t, "eos_id", 0), trial_param(t, "eot_id", 0);
    trial_expect(t, "gen_length", l->length - l->prompt);
}

/* Their table of shares counts the block's masks once, ours what is left: masks of the prompt are in the one and not in the other. */
static void run_llada(loop *l)
{
    trial *const t = l->t;
    bind_llada(l);
    const int64_t block = trial_param(t, "block_length", 1), blocks = (l->length - l->prompt) / block;
    const int64_t updates = trial_param(t, "steps", 1) / blocks;
    const int prompt_masked = masked(l, 0, l->prompt) > 0;
    const segue_tensor conf = trial_input(t, "u_conf", "s b t");
    const int random = !strcmp(trial_text(t, "remasking", ""), "random");
    for (int64_t i = 0; i < blocks * updates && !failed(l); i++, l->call++) {
        const int64_t end = l->prompt + (i / updates + 1) * block;
        if (prompt_masked) l->op.k = integer(l, share(block, updates, i % updates));
        else l->op.steps_left = integer(l, updates - i % updates);
        if (random) update_apart(l, conf, 0, end);
        else update(l, l->call, 0, end);
    }
}

static void run_fast(loop *l)
{
    trial *const t = l->t;
    const char *const name = trial_text(t, "loop", "");
    const int prefix = !strcmp(name, "generate_with_prefix_cache"),
              dual = !strcmp(name, "generate_with_dual_cache");
    bind_llada(l);
    trial_text(t, "remasking", "");
    const double tau = trial_real(t, "threshold", -1);
    const int64_t block = trial_param(t, "block_length", 1), blocks = (l->length - l->prompt) / block;
    const int64_t updates = trial_param(t, "steps", 1) / blocks;
    if (tau >= 0) l->op.rule = RULE(THRESHOLD), l->op.tau = number(l, tau);
    for (int64_t n = 0; n < blocks; n++) {
        const int64_t first = l->prompt + n * block, end = first + block;
        for (int64_t i = 0; !failed(l); i++) {
            const int64_t asked = !i || (!prefix && !dual) ? l->length : prefix ? l->length - first : block;
            l->op.row = rows(l, asked == l->length ? 0 : first, asked, 0);
            if (tau < 0) l->op.k = integer(l, share(block, updates, i));
            if (asked < l->length && given(&l->draws))
                trial_fail(t, "draws of a call on part of the positions");
            update(l, l->call++, asked == l->length ? 0 : first, end);
            if ((i || asked < l->length || !(prefix || dual)) && !masked(l, first, end)) break;
        }
    }
}

/* ---- Dream -------------------------------------------------------------------------------------- */

/* floor(mean (1 - s / t)), in f32 as they do; the last time all. */
static int64_t dream_share(const loop *l, int64_t left, float t, float s, int last)
{
    const float mean = (float)left / (float)l->b, part = 1 - s / t, product = mean * part;
    return (int64_t)(last ? mean : product);
}

static void bind_dream(loop *l, const char *alg)
{
    static const struct {
        const char *alg;
        int64_t confidence, rule;
    } algs[] = {
        { "origin", RULE(PROB_FINAL), RULE(BERNOULLI) },
        { "maskgit_plus", RULE(PROB_FINAL), RULE(TOPK) },
        { "topk_margin", RULE(MARGIN), RULE(TOPK) },
        { "entropy", RULE(NEGENT), RULE(TOPK) },
        { "confidence_threshold", RULE(PROB_FINAL), RULE(BUDGET) },
        { NULL, 0, 0 },
    };
    int i = 0;
    while (algs[i].alg && strcmp(algs[i].alg, alg)) i++;
    if (!algs[i].alg) trial_fail(l->t, "params: `alg` is %s", alg);
    l->op.confidence = algs[i].confidence, l->op.rule = algs[i].rule;
    l->op.temperature = number(l, trial_real(l->t, "temperature", 0));
    l->op.top_p = number(l, trial_real(l->t, "top_p", 1));
    l->op.top_k = integer(l, trial_param(l->t, "top_k", 0));
    trial_expect(l->t, "max_length", l->length);
}

/* Where tokens below the threshold were left, an update of no share of its own follows. */
static void run_dream(loop *l)
{
    trial *const t = l->t;
    bind_dream(l, trial_text(t, "alg", ""));
    golden_tensor *const k = golden_find(t->file, "out.k");
    const double eps = trial_real(t, "eps", 0), temp = trial_real(t, "alg_temp", 0),
                 tau = trial_real(t, "threshold", -1);
    const int64_t steps = trial_param(t, "steps", 1);
    l->op.row = rows(l, 0, l->length, 1);
    if (temp > 0) l->op.rule = RULE(GUMBEL_TOPK), l->op.temp = number(l, temp);
    if (tau >= 0) l->op.tau = number(l, tau), l->op.carry = l->op.carry_out = integer(l, 0);
    for (int64_t i = 0; i < l->x_all.shape[0] && !failed(l); i++) {
        const int last = i == steps - 1;
        const float a = time_at(1, eps, steps + 1, i < steps ? i : 0),
                    b = time_at(1, eps, steps + 1, i < steps ? i + 1 : 0);
        const int64_t count = i < steps ? dream_share(l, masked(l, 0, l->length), a, b, last) : 0;
        if (l->op.rule == RULE(BERNOULLI)) l->op.p = number(l, last ? 1 : 1 - b / a);
        else l->op.k = integer(l, count);
        if (k && (int64_t)golden_value(k, i) != count)
            trial_fail(t, "`out.k` of step %d is not %d", (int)i, (int)count);
        update(l, l->call++, 0, l->length);
    }
    if (k) k->bound = 1;
}

/* A block's first position is set by a call on everything; later calls see the block, or from there to the end. */
static void run_dream_block(loop *l)
{
    trial *const t = l->t;
    const char *const alg = trial_text(t, "alg", "");
    bind_dream(l, alg);
    const int64_t rule = l->op.rule == RULE(BUDGET) ? RULE(THRESHOLD) : l->op.rule,
                  dual = trial_param(t, "dual_cache", 0);
    const int64_t block = trial_param(t, "block_length", 1), blocks = (l->length - l->prompt) / block;
    const int64_t updates = trial_param(t, "steps", 1) / blocks;
    const double eps = trial_real(t, "eps", 0);
    const segue_tensor tau = number(l, trial_real(t, "threshold", 0)), none = { 0 };
    for (int64_t n = 0; n < blocks; n++) {
        const int64_t first = l->prompt + n * block, end = first + block;
        l->op.rule = RULE(ALL), l->op.tau = l->op.k = none, l->op.row = rows(l, 0, l->length, 1);
        update(l, l->call++, first, first + 1);
        l->op.rule = rule;
        l->op.row = rows(l, first, dual ? block : l->length - first, 1);
        for (int64_t i = 1; !failed(l); i++) {
            const float a = time_at(1, eps, updates + 1, i), b = time_at(1, eps, updates + 1, i + 1);
            if (rule == RULE(THRESHOLD)) l->op.tau = tau;
            else if (i == updates) {
                l->call++; /* asked, and not used */
                break;
            } else l->op.k = integer(l, dream_share(l, masked(l, first, end), a, b, i == updates - 1));
            update(l, l->call++, first, end);
            if (!masked(l, first, end)) break;
        }
    }
}

/* ---- MaskGIT ------------------------------------------------------------------------------------ */

/* How many masks stay after update i of a row that began with n and has `left`: with them a cosine. */
static int64_t kept(int64_t n, int64_t left, int64_t i, int64_t steps)
{
    const double ratio = (double)(i + 1) / (double)steps;
    const int64_t wanted = (int64_t)floor((double)n * cos(acos(-1) / 2 * ratio));
    const int64_t at_most = wanted > left - 1 ? left - 1 : wanted;
    return at_most < 1 ? 1 : at_most;
}

/* Their x is that before some are masked again: our candidates. */
static void run_maskgit(loop *l)
{
    enum { MOST = 16 };
    trial *const t = l->t;
    const int64_t steps = trial_param(t, "steps", 1);
    const double temp = trial_real(t, "choice_temperature", 0);
    const segue_tensor candidates = l->x_all, left = trial_output(t, "out.m", "s b"), none = { 0 };
    int32_t k[MOST];
    int64_t n[MOST], now[MOST];
    if (l->b > MOST || strcmp(trial_text(t, "mask_schedule", ""), "cosine"))
        trial_fail(t, "wanted 16 rows, a cosine");
    for (int64_t b = 0; b < l->b && !failed(l); b++) n[b] = now[b] = masked_in(l, b, 0, l->length);
    l->op.confidence = RULE(PROB_RAW), l->op.rule = RULE(MASKGIT);
    l->x_all = none;
    for (int64_t i = 0; i < steps && !failed(l); i++, l->call++) {
        for (int64_t b = 0; b < l->b; b++) k[b] = (int32_t)(now[b] = kept(n[b], now[b], i, steps));
        l->op.k = trial_integers(t, k, 1, &l->b);
        l->op.temp = number(l, temp * (1 - (double)(i + 1) / (double)steps));
        l->op.tok = one_of(l, candidates, i), l->op.n_left = one_of(l, left, i);
        update(l, l->call, 0, l->length);
    }
    trial_judge(t, "out.m", "s b", left);
    l->x_all = candidates, l->op.x = l->op.tok;
}

/* ---- MDLM, BD3-LM ------------------------------------------------------------------------------- */

/* One from t to s, the probabilities of a mask then; says whether a token changed. */
static int absorb(loop *l, int64_t call, double m_t, double m_s)
{
    int64_t sum = 0;
    int32_t *const changes = calloc((size_t)l->b + 1, sizeof *changes);
    l->op.move = number(l, (m_t - m_s) / m_t), l->op.stay = number(l, m_s / m_t);
    l->op.n_changed = changes ? trial_integers(l->t, changes, 1, &l->b) : l->op.n_changed;
    update(l, call, 0, l->length);
    if (!changes) trial_fail(l->t, "no memory");
    else trial_read(l->t, l->op.n_changed, changes);
    for (int64_t b = 0; changes && b < l->b; b++) sum += changes[b];
    free(changes);
    return sum > 0;
}

static void bind_mdlm(loop *l)
{
    l->op.transition = RULE(ABSORB), l->op.rule = RULE(ALL);
    trial_text(l->t, "noise", ""); /* q / (1e-10 - ln(u + 1e-10)): the winner of ln q - ln(-ln u) */
    if (strcmp(trial_text(l->t, "schedule", ""), "loglinear"))
        trial_fail(l->t, "params: `schedule` is not loglinear");
}

/* Where the next update needs no new answer, as when no token changed, ddpm_cache does not ask for one. */
static void run_mdlm(loop *l)
{
    trial *const t = l->t;
    const int cache = !strcmp(trial_text(t, "sampler", ""), "ddpm_cache");
    const int64_t steps = trial_param(t, "steps", 1);
    const double eps = trial_real(t, "eps", 0), dt = (1 - eps) / (double)steps;
    const double most = cache ? 1 : 1 - trial_real(t, "eps_schedule", 0);
    int changed = 1;
    trial_real(t, "eps_schedule", 0), trial_expect(t, "time_conditioning", 0),
        trial_expect(t, "noise_removal", 1);
    bind_mdlm(l);
    for (int64_t i = 0; i < steps && !failed(l); i++) {
        const double time = 1 - (double)i * dt;
        l->call += changed || !cache;
        changed = absorb(l, l->call - 1, most * time, most * (time - dt));
    }
    const segue_tensor all = l->x_all, none = { 0 };
    l->op.transition = RULE(PLAIN), l->op.noise = RULE(NONE);
    l->op.move = l->op.stay = l->draws = l->x_all = none;
    l->op.banned = integer(l, l->op.mask_id), l->op.banned.shape[0] = 1;
    l->op.x_out = trial_output(t, "out.x", "b t");
    update(l, l->call++, 0, l->length);
    l->x_all = all;
}

/* Masks, and in the first block the beginning of all. */
static segue_tensor new_block(const loop *l, int64_t block)
{
    const int64_t shape[2] = { 1, l->length }, first = trial_param(l->t, "bos_id", 0);
    int32_t x[64];
    if (l->length > 64) trial_fail(l->t, "wanted blocks of at most 64");
    for (int64_t i = 0; i < 64; i++) x[i] = (int32_t)(i || block ? l->op.mask_id : first);
    return failed(l) ? l->op.x : every(l, trial_integers(l->t, x, 2, shape));
}

/* Position is that in a block. Where nothing changed the answer before serves again. */
static void run_bd3(loop *l)
{
    trial *const t = l->t;
    const int64_t blocks = trial_param(t, "blocks", 1), steps = trial_param(t, "steps", 2);
    const int64_t shape[2] = { 1, blocks * l->length };
    const int hits = trial_param(t, "first_hitting", 0) != 0;
    int32_t *const all = calloc((size_t)(blocks * l->length) + 1, sizeof *all);
    int changed = 1;
    trial_expect(t, "block_size", l->length);
    bind_mdlm(l);
    l->op.top_p = number(l, trial_real(t, "top_p", 1)), l->op.nucleus = RULE(EXCLUDE_CROSSING);
    trial_text(t, "nucleus", "");
    if (hits) l->op.transition = RULE(PLAIN), l->op.rule = RULE(FIRST_HIT);
    if (hits) l->op.banned = integer(l, l->op.mask_id), l->op.banned.shape[0] = 1;
    if (l->b != 1 || !all) trial_fail(t, "wanted one row, and memory for it");
    for (int64_t n = 0; n < blocks && !failed(l); n++) {
        l->op.x = new_block(l, n), changed = 1;
        for (int64_t i = 0; (i < steps || hits) && !failed(l) && masked(l, 0, l->length); i++) {
            const double time = 1 - (double)i / (double)(steps - 1);
            l->call += changed;
            if (hits) update(l, l->call - 1, 0, l->length);
            else changed = absorb(l, l->call - 1, time, time - 1 / (double)steps);
        }
        if (!failed(l)) trial_read(t, l->op.x, all + n * l->length);
    }
    if (!failed(l)) l->op.x = trial_integers(t, all, 2, shape);
    free(all);
}

/* ---- all ---------------------------------------------------------------------------------------- */

static const struct {
    const char *algorithm;
    void (*run)(loop *l);
} algorithms[] = {
    { "LLaDA", run_llada },     { "Fast-dLLM", run_fast },
    { "Dream", run_dream },     { "Fast-dLLM Dream block", run_dream_block },
    { "MaskGIT", run_maskgit }, { "MDLM", run_mdlm },
    { "BD3", run_bd3 },
};

static void run(trial *t)
{
    enum { COUNT = sizeof algorithms / sizeof *algorithms };
    const char *const algorithm = trial_text(t, "algorithm", "");
    loop l = { .t = t, .op = segue_diffusion_unmask_init() };
    int which = 0;
    while (which < COUNT && strcmp(algorithms[which].algorithm, algorithm)) which++;
    if (which == COUNT) trial_fail(t, "params: `algorithm` is %s", algorithm);
    l.logits = trial_input(t, "logits", "s b t x"), l.logits_u = trial_input(t, "logits_u", "s b t x");
    l.x_all = trial_output(t, "out.x_steps", "s|r b t");
    l.b = l.logits.shape[1], l.length = l.logits.shape[2];
    start(&l);
    bind_draws(&l);
    if (failed(&l)) return;
    algorithms[which].run(&l);
    judge(&l);
    trial_judge(t, "out.x", "b t|e", l.op.x);
}

const golden_case segue_golden_diffusion_unmask = { "diffusion_unmask", refuse, run };
