/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* row_sample under the names of ML-GSAI/LLaDA, HKUNLP/Dream, kuleshov-group/mdlm and kuleshov-group/bd3lms. All their draws become the
 * Gumbel noise of one argmax. */
#include "trial.h"

#include <math.h>
#include <stdlib.h>

#define POSITIONS "b t|r"
#define ROWS "b t|r x"

static const char *text_of(const golden_file *file, const char *param)
{
    const char *const text = json_string_value(json_object_get(file->params, param));
    return text ? text : "";
}

static const char *refuse(const golden_file *file)
{
    if (!strncmp(text_of(file, "transition"), "SEDD", 4))
        return "`transition` SEDD: samples from scores, which are no distribution before they meet the current token";
    if (json_is_true(json_object_get(file->params, "confidence_eos_eot_inf")))
        return "`confidence_eos_eot_inf`: changes one of two tensors that may be the same one, after the token was chosen";
    return NULL;
}

struct word {
    const char *text;
    int64_t value;
};

static int64_t meaning(trial *t, const char *param, const struct word *words)
{
    const char *const text = trial_text(t, param, words->text);
    while (words->text && strcmp(words->text, text)) words++;
    if (!words->text) trial_fail(t, "params: `%s` is %s", param, text);
    return words->value;
}

/* A number for every batch row. */
static segue_tensor each(trial *t, const segue_row_sample *op, double value)
{
    const int64_t count = op->logits.shape[0];
    double *const values = malloc((size_t)(count + 1) * sizeof *values);
    segue_tensor out = { 0 };
    if (!values) trial_fail(t, "no memory");
    for (int64_t b = 0; values && b < count; b++) values[b] = value;
    if (values) out = trial_reals(t, values, 1, &count);
    free(values);
    return out;
}

static void bind_filters(trial *t, segue_row_sample *op)
{
    static const struct word nucleus[] = { { "INCLUDE_CROSSING", SEGUE_ROW_SAMPLE_INCLUDE_CROSSING },
                                           { "EXCLUDE_CROSSING", SEGUE_ROW_SAMPLE_EXCLUDE_CROSSING },
                                           { NULL, 0 } };
    static const struct word ties[] = { { "KEEP_ALL", SEGUE_ROW_SAMPLE_KEEP_ALL }, { NULL, 0 } };
    const int32_t k = (int32_t)trial_param(t, "top_k", 0);
    const int64_t one = 1;
    op->temperature = each(t, op, trial_real(t, "temperature", 1));
    op->top_p = each(t, op, trial_real(t, "top_p", 1));
    op->nucleus = meaning(t, "nucleus", nucleus);
    op->topk_ties = meaning(t, "topk_ties", ties);
    op->top_k = trial_integers(t, &k, 1, &one);
    op->top_k.shape[0] = op->logits.shape[0], op->top_k.stride[0] = 0;
}

/* u: LLaDA's exp(l) / (-ln u)^T and mdlm's q / (1e-10 - ln(u + 1e-10)) have the winner of l / T - ln(-ln u); expo: p / expo has that
 * of l - ln expo. */
static void bind_noise(trial *t, segue_row_sample *op)
{
    static const struct word noise[] = { { "NONE", SEGUE_ROW_SAMPLE_NONE },
                                         { "E52", SEGUE_ROW_SAMPLE_UNIFORM },
                                         { "COMPAT_SEDD", SEGUE_ROW_SAMPLE_UNIFORM },
                                         { "EXPONENTIAL", SEGUE_ROW_SAMPLE_EXPONENTIAL },
                                         { NULL, 0 } };
    op->draws = trial_input(t, "u expo", ROWS);
    op->noise = meaning(t, "noise", noise);
}

/* ---- absorbing diffusion ------------------------------------------------------------------------ */

static double number(trial *t, const char *name, int64_t b)
{
    golden_tensor *const g = golden_find(t->file, name);
    if (g) g->bound = 1;
    return g ? golden_value(g, b) : 0;
}

struct times { /* of each batch row, as the device has them */
    double move[64], stay[64];
    double given_move[64], given_stay[64]; /* unrounded */
};

static double narrowed(const trial *t, double x)
{
    return t->device->dtype == SEGUE_F64 ? x : (double)(float)x;
}

/* The probabilities of a mask that the file has or gives a formula for: the numbers of a schedule are the caller's. */
static void make_times(trial *t, struct times *out, int64_t count)
{
    const int cached = !strcmp(trial_text(t, "transition", ""), "MDLM_DDPM_CACHE");
    const double dt = trial_real(t, "dt", 0);
    if (count > 64) trial_fail(t, "more than 64 batch rows");
    for (int64_t b = 0; b < count && b < 64; b++) {
        const double time = number(t, "time", b), move_t = number(t, "out.move_t", b);
        double m_t = -expm1(-number(t, "out.sigma_t", b)), m_s = -expm1(-number(t, "out.sigma_s", b));
        if (move_t > 0) m_t = move_t, m_s = number(t, "out.move_s", b);
        if (cached) m_t = time, m_s = time - dt;
        out->given_move[b] = (m_t - m_s) / m_t, out->given_stay[b] = m_s / m_t;
        out->move[b] = narrowed(t, out->given_move[b]), out->stay[b] = narrowed(t, out->given_stay[b]);
    }
}

/* The share of the file's token in q, from the numbers that the device has. */
static double share_of(const golden_tensor *q, int64_t row, int64_t tok, int64_t mask,
                       const struct times *times, int64_t b)
{
    const int64_t v = q->shape[2];
    double sum = 0;
    for (int64_t id = 0; id < v; id++) sum += golden_value(q, row * v + id);
    const double share = golden_value(q, row * v + tok) / sum;
    if (!times) return share;
    return share *
           (tok == mask ? times->stay[b] / times->given_stay[b] : times->move[b] / times->given_move[b]);
}

/* q [b t x] becomes what conf is, [b t]: the share of the file's token; -infinity where there is no mask. times: NULL = q is p. */
static void narrow(trial *t, const struct times *times)
{
    golden_tensor *const q = golden_find(t->file, "out.q");
    const golden_tensor *const tok = golden_find(t->file, "out.tok"), *const x = golden_find(t->file, "x");
    const int64_t mask = trial_param(t, "mask_id", -1);
    if (!q || !tok || !x || strcmp(q->axes, "btx") || q->dtype != SEGUE_F64) {
        trial_fail(t, "wanted `out.q`, F64 [b t x], and out.tok and x");
        return;
    }
    const int64_t rows = golden_count(tok);
    for (int64_t i = 0; i < rows; i++) { /* what is written lies before what is still read */
        double share = -INFINITY;
        const int64_t id = (int64_t)golden_value(tok, i);
        if (id < 0 || id >= q->shape[2]) trial_fail(t, "`out.tok` has an id that `out.q` lacks");
        else if ((int64_t)golden_value(x, i) == mask) share = share_of(q, i, id, mask, times, i / q->shape[1]);
        memcpy((unsigned char *)(uintptr_t)q->data + (size_t)i * sizeof share, &share, sizeof share);
    }
    q->rank = 2, q->axes[2] = 0, q->bytes = (uint64_t)rows * sizeof(double);
}

static void bind_transition(trial *t, segue_row_sample *op)
{
    static const char *const schedule[] = { "schedule", "parameterization", "eps" };
    const char *const transition = trial_text(t, "transition", "");
    const int64_t one = 1;
    for (size_t i = 0; i < sizeof schedule / sizeof *schedule; i++)
        json_object_set_new(t->params_read, schedule[i], json_true()); /* how they came to the times and p */
    op->x = trial_input(t, "x", "b t");
    op->mask_id = trial_param(t, "mask_id", -1);
    if (!*transition) return;
    op->confidence = SEGUE_ROW_SAMPLE_PROB_FINAL;
    const int32_t mask = (int32_t)op->mask_id;
    const int64_t count = op->logits.shape[0];
    op->banned = trial_integers(t, &mask, 1, &one);
    if (!strcmp(transition, "BD3_P")) {
        narrow(t, NULL);
        return;
    }
    struct times times = { { 0 }, { 0 }, { 0 }, { 0 } };
    make_times(t, &times, count);
    narrow(t, &times);
    op->transition = SEGUE_ROW_SAMPLE_ABSORB;
    op->move = trial_reals(t, times.move, 1, &count), op->stay = trial_reals(t, times.stay, 1, &count);
}

static void run(trial *t)
{
    static const struct word confidence[] = { { "PROB_RAW", SEGUE_ROW_SAMPLE_PROB_RAW },
                                              { "PROB_FINAL", SEGUE_ROW_SAMPLE_PROB_FINAL },
                                              { "MARGIN", SEGUE_ROW_SAMPLE_MARGIN },
                                              { "NEGENT", SEGUE_ROW_SAMPLE_NEGENT },
                                              { NULL, 0 } };
    segue_row_sample op = segue_row_sample_init();
    op.logits = trial_input(t, "logits", ROWS);
    op.logits_u = trial_input(t, "logits_u", ROWS);
    op.confidence = meaning(t, "confidence", confidence);
    const double guidance = trial_real(t, "cfg_scale", 0);
    if (given(&op.logits_u)) op.guidance = each(t, &op, guidance);
    bind_filters(t, &op);
    bind_noise(t, &op);
    bind_transition(t, &op);
    trial_expect(t, "logits_eos_inf", 0), trial_expect(t, "confidence_eos_eot_inf", 0);
    trial_param(t, "eos_id", 0), trial_param(t, "eot_id", 0);
    op.tok = trial_output(t, "out.tok", POSITIONS);
    op.conf = trial_output(t, "out.conf out.q", POSITIONS);
    trial_call(t, &op.header);
    trial_judge(t, "out.tok", POSITIONS, op.tok);
    trial_judge(t, "out.conf out.q", POSITIONS, op.conf);
}

const golden_case segue_golden_row_sample = { "row_sample", refuse, run };
