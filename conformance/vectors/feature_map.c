/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* feature_map under the names of idiap/fast-transformers, lucidrains/performer-pytorch, HazyResearch/lolcats and based,
 * fla-org/flash-linear-attention. */
#include "trial.h"

#include <math.h>

#define FEATURES "b t h f|e"

/* Where the authors scale x: always, never, or where `normalize` or `softmax_temp` say so. */
enum scaled { NEVER, ROOT, NORMALIZE, TEMPERATURE };
static const struct {
    const char *name;
    int64_t map;
    enum scaled scaled;
} maps[] = {
    { "elu1", SEGUE_FEATURE_MAP_ELU1, NEVER },
    { "relu_eps", SEGUE_FEATURE_MAP_RELU, NORMALIZE },
    { "favor_plus", SEGUE_FEATURE_MAP_FAVOR_PLUS, NORMALIZE },
    { "favor_pm", SEGUE_FEATURE_MAP_FAVOR_PM, ROOT },
    { "rff", SEGUE_FEATURE_MAP_RFF, TEMPERATURE },
    { "gen_gelu", SEGUE_FEATURE_MAP_GELU, NORMALIZE },
    { "hedgehog_a", SEGUE_FEATURE_MAP_HEDGEHOG_A, NEVER },
    { "hedgehog_b", SEGUE_FEATURE_MAP_HEDGEHOG_B, NEVER },
    { "exp_dim", SEGUE_FEATURE_MAP_EXP, NEVER },
    { "taylor2", SEGUE_FEATURE_MAP_TAYLOR2, ROOT },
};

static const char *refuse(const golden_file *file)
{
    const json_t *map = json_object_get(file->params, "map");
    const char *name = json_is_string(map) ? json_string_value(map) : "";
    if (!strcmp(name, "dpfp")) return "`map` is dpfp: products with rolled copies are no map of feature_map";
    if (!strcmp(name, "taylor2_packed"))
        return "`map` is taylor2_packed: TAYLOR2 keeps both of x_i x_j and x_j x_i";
    return NULL;
}

static double scale_of(trial *t, enum scaled scaled, int64_t width)
{
    const int normalize = scaled == ROOT || (scaled == NORMALIZE && trial_param(t, "normalize", 0));
    if (scaled == TEMPERATURE) return sqrt(trial_real(t, "softmax_temp", 1));
    return normalize ? pow((double)width, -0.25) : 1;
}

/* A projection without heads is the same for all of them. */
static segue_tensor weight(trial *t, const char *name, const char *axes, int64_t heads)
{
    segue_tensor w = trial_input(t, name, axes);
    if (given(&w) && w.stride[0] == 0) w.shape[0] = heads;
    return w;
}

/* Queries are shifted by their row's largest, keys by the sequence's. */
static int64_t shift_of(trial *t)
{
    const char *role = trial_text(t, "role", "query"), *shift = trial_text(t, "key_shift", "GLOBAL_MAX");
    if (strcmp(shift, "GLOBAL_MAX")) trial_fail(t, "params: `key_shift` is %s", shift);
    return !strcmp(role, "key") || trial_param(t, "stabilize", 0) ? SEGUE_FEATURE_MAP_GLOBAL
                                                                  : SEGUE_FEATURE_MAP_ROW;
}

static void run(trial *t)
{
    segue_feature_map op = segue_feature_map_init();
    const char *name = trial_text(t, "map", "");
    size_t at = 0;
    while (at < sizeof maps / sizeof *maps && strcmp(maps[at].name, name)) at++;
    if (at == sizeof maps / sizeof *maps) {
        trial_fail(t, "params: `map` is %s", name);
        return;
    }
    op.x = trial_input(t, "x", "b t h d");
    op.W = weight(t, "W", "h f d", op.x.shape[2]);
    op.bias = weight(t, "bias", "h f", op.x.shape[2]);
    op.y = trial_output(t, "out.y", FEATURES);
    op.map = maps[at].map;
    op.scale = scale_of(t, maps[at].scaled, op.x.shape[3]);
    op.eps = trial_real(t, "eps", 0);
    op.shift_mode = shift_of(t);
    trial_expect(t, "m", op.y.shape[3]);
    trial_expect(t, "fullspace", 1);
    trial_expect(t, "skip", 0);
    trial_call(t, &op.header);
    trial_judge(t, "out.y", FEATURES, op.y);
}

const golden_case segue_golden_feature_map = { "feature_map", refuse, run };
