/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A Mamba-2 language model over bytes (arXiv:2405.21060), read from a folder with weights as transformers'
 * Mamba2ForCausalLM stores them. Embedding, norms, dense products and sampling are ours (engine.c); the
 * convolution, the state-space dual and the gated norm, with the states that they carry, are Segue's on the
 * device named.
 *
 *     cc mamba2.c autoregressive.c engine.c $(pkg-config --cflags --libs segue openblas jansson) -lm -o mamba2
 *     ./mamba2 models/mamba2-shakespeare --device cpu --prompt-file prompt.txt -n 200
 *
 * One layer, hidden [t h], inner width d in heads of v, groups g of n states:
 *     z, xBC, dt = split(in_proj norm(hidden))    x, B, C = split(silu(conv(xBC)))
 *     y = ssd(x, dt, -exp(A_log), B, C, D, dt_bias)
 *     hidden += out_proj gated_norm(y, z)         y silu(z), then an RMS norm of each group of d / g channels
 * Between the two products all stays on the device: slices and heads are views. */
#include "engine.h"

#include <math.h>

struct layer {
    float *in_proj, *out_proj;
    segue_causal_conv1d conv; /* every operand in place, for CHUNK tokens; a run narrows the time axis */
    segue_ssd ssd;
    segue_gated_norm norm;
};

struct mamba2 {
    struct engine base;
    int64_t heads, head, inner, groups, state, taps;
    int64_t mixed, width; /* channels of x, B, C; of all that in_proj gives */
    struct layer *layers;
    float *projected, *y;                                     /* activations of CHUNK tokens on the host */
    segue_tensor dev_projected, dev_mixed, dev_y, dev_normed; /* and on the device */
    segue_plan *conv[2], *ssd[2], *norm[2];                   /* for up to CHUNK tokens, and for one */
};

static void read_conv(struct mamba2 *m, struct layer *l, int64_t i)
{
    struct engine *e = &m->base;
    l->conv = segue_causal_conv1d_init();
    l->conv.activation = SEGUE_CAUSAL_CONV1D_SILU;
    l->conv.x = segue_tensor_slice(m->dev_projected, 2, m->inner, m->mixed);
    float *taps = take(e, i, "mixer.conv1d.weight", SHAPE(m->mixed, 1, m->taps));
    l->conv.weight = move(e, taps, SHAPE(m->mixed, m->taps));
    l->conv.bias = move(e, take(e, i, "mixer.conv1d.bias", SHAPE(m->mixed)), SHAPE(m->mixed));
    l->conv.h_in = l->conv.h_out = place(e, SHAPE(1, m->mixed, m->taps > 1 ? m->taps - 1 : 1)); /* in place */
    l->conv.y = m->dev_mixed;
}

static void read_ssd(struct mamba2 *m, struct layer *l, int64_t i)
{
    struct engine *e = &m->base;
    const int64_t d = m->inner, h = m->heads, states = m->groups * m->state;
    float *A = take(e, i, "mixer.A_log", SHAPE(h));
    for (int64_t k = 0; k < h; k++) A[k] = -expf(A[k]);
    l->ssd = segue_ssd_init(); /* softplus is on, without limits */
    l->ssd.x = in_heads(segue_tensor_slice(m->dev_mixed, 2, 0, d), h);
    l->ssd.dt = segue_tensor_slice(m->dev_projected, 2, d + m->mixed, h);
    l->ssd.A = move(e, A, SHAPE(h));
    l->ssd.B = in_heads(segue_tensor_slice(m->dev_mixed, 2, d, states), m->groups);
    l->ssd.C = in_heads(segue_tensor_slice(m->dev_mixed, 2, d + states, states), m->groups);
    l->ssd.D = move(e, take(e, i, "mixer.D", SHAPE(h)), SHAPE(h, 1)); /* one a head: */
    l->ssd.D.shape[1] = m->head;
    l->ssd.D.stride[1] = 0; /* the same for all its channels */
    l->ssd.dt_bias = move(e, take(e, i, "mixer.dt_bias", SHAPE(h)), SHAPE(h));
    l->ssd.h_in = l->ssd.h_out = place(e, SHAPE(1, h, m->head, m->state));
    l->ssd.y = in_heads(m->dev_y, h);
}

static void read_layer(struct mamba2 *m, int64_t i)
{
    struct engine *e = &m->base;
    struct layer *l = &m->layers[i];
    const int64_t d = m->inner, g = m->groups;
    l->in_proj = take(e, i, "mixer.in_proj.weight", SHAPE(m->width, e->hidden_size));
    l->out_proj = take(e, i, "mixer.out_proj.weight", SHAPE(e->hidden_size, d));
    read_conv(m, l, i);
    read_ssd(m, l, i);
    l->norm = segue_gated_norm_init(); /* RMS, and the gate is silu and comes first */
    l->norm.eps = e->epsilon;
    l->norm.x = in_heads(m->dev_y, g);
    l->norm.z = in_heads(segue_tensor_slice(m->dev_projected, 2, 0, d), g);
    l->norm.weight = move(e, take(e, i, "mixer.norm.weight", SHAPE(d)), SHAPE(g, d / g));
    l->norm.y = in_heads(m->dev_normed, g);
}

static segue_causal_conv1d conv_of(segue_causal_conv1d op, int64_t tokens)
{
    narrow((segue_tensor *[]){ &op.x, &op.y }, 2, tokens);
    return op;
}

static segue_ssd ssd_of(segue_ssd op, int64_t tokens)
{
    narrow((segue_tensor *[]){ &op.x, &op.dt, &op.B, &op.C, &op.y }, 5, tokens);
    return op;
}

static segue_gated_norm norm_of(segue_gated_norm op, int64_t tokens)
{
    narrow((segue_tensor *[]){ &op.x, &op.z, &op.y }, 3, tokens);
    return op;
}

static void read_sizes(struct mamba2 *m)
{
    struct engine *e = &m->base;
    wants(e, "time_step_limit", NULL);
    m->heads = positive(e, "num_heads");
    m->head = positive(e, "head_dim");
    m->groups = positive(e, "n_groups");
    m->state = positive(e, "state_size");
    m->taps = positive(e, "conv_kernel");
    m->inner = positive(e, "expand") * e->hidden_size;
    m->mixed = m->inner + 2 * m->groups * m->state;
    m->width = m->inner + m->mixed + m->heads;
    if (m->heads * m->head != m->inner || m->heads % m->groups)
        die(ENVIRONMENT,
            "%s: wanted num_heads x head_dim = expand x hidden_size and whole heads in each group, found "
            "%lld x %lld, %lld and %lld groups",
            e->config_path, (long long)m->heads, (long long)m->head, (long long)m->inner, (long long)m->groups);
}

static const struct names names = { "\"mamba2\"",        "layer_norm_epsilon", "backbone",
                                    "embeddings.weight", "norm.weight",        "norm_f.weight" };

static void load(struct mamba2 *m, const struct task *task)
{
    struct engine *e = &m->base;
    open_files(e, task->model, &names);
    wants(e, "use_bias", "false");
    wants(e, "use_conv_bias", "true");
    make_room(e, CHUNK);
    read_sizes(m);
    const int64_t d = m->inner, each = m->mixed * (2 * m->taps + 1) + 3 * m->heads + d * (m->state + 1);
    m->projected = keep((size_t)(CHUNK * m->width), sizeof *m->projected);
    m->y = keep((size_t)(CHUNK * d), sizeof *m->y);
    open_device(e, task->device, CHUNK * (m->width + m->mixed + 2 * d) + e->layers * each, 5 + 9 * e->layers);
    m->dev_projected = place(e, SHAPE(1, CHUNK, m->width));
    m->dev_mixed = place(e, SHAPE(1, CHUNK, m->mixed));
    m->dev_y = place(e, SHAPE(1, CHUNK, d));
    m->dev_normed = place(e, SHAPE(1, CHUNK, d));
    m->layers = keep((size_t)e->layers, sizeof *m->layers);
    for (int64_t i = 0; i < e->layers; i++) read_layer(m, i);
    close_files(e);

    for (int one = 0; one < 2;
         one++) { /* all layers have the same shapes: the plans of the first serve them all */
        const segue_causal_conv1d conv = conv_of(m->layers[0].conv, one ? 1 : CHUNK);
        const segue_ssd ssd = ssd_of(m->layers[0].ssd, one ? 1 : CHUNK);
        const segue_gated_norm norm = norm_of(m->layers[0].norm, one ? 1 : CHUNK);
        m->conv[one] = make_plan(e, &conv.header);
        m->ssd[one] = make_plan(e, &ssd.header);
        m->norm[one] = make_plan(e, &norm.header);
    }
}

static void mix(struct engine *e, int64_t layer, int64_t t)
{
    struct mamba2 *m = (struct mamba2 *)e;
    const struct layer *l = &m->layers[layer];
    const int64_t d = m->inner;
    const segue_causal_conv1d conv = conv_of(l->conv, t);
    const segue_ssd ssd = ssd_of(l->ssd, t);
    const segue_gated_norm norm = norm_of(l->norm, t);
    dense(m->projected, e->normed, e->hidden_size, l->in_proj, t, m->width, e->hidden_size, 0);
    copy(e, SEGUE_COPY_TO_DEVICE, &m->dev_projected, m->projected, t * m->width);
    run_plan(e, m->conv[t == 1], &conv.header);
    run_plan(e, m->ssd[t == 1], &ssd.header);
    run_plan(e, m->norm[t == 1], &norm.header);
    copy(e, SEGUE_COPY_FROM_DEVICE, &m->dev_normed, m->y, t * d);
    dense(e->hidden, m->y, d, l->out_proj, t, e->hidden_size, d, 1);
}

int main(int argc, char **argv)
{
    const struct task task = parse(argc, argv, "mamba2", "Mamba2ForCausalLM");
    struct mamba2 m = { .base.mix = mix };
    load(&m, &task);
    return perform(&m.base, &task);
}
