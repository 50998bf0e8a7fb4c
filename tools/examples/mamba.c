/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A Mamba language model over bytes (arXiv:2312.00752), read from a folder with weights as transformers'
 * MambaForCausalLM stores them. Embedding, norms, dense products and sampling are ours (engine.c); the
 * convolution and the selective scan, with the states that they carry, are Segue's on the device named.
 *
 *     cc mamba.c autoregressive.c engine.c $(pkg-config --cflags --libs segue openblas jansson) -lm -o mamba
 *     ./mamba models/mamba-shakespeare --device cpu --prompt-file prompt.txt -n 200
 *
 * One layer, hidden [t h], inner width d, state n, step rank r:
 *     x, z = split(in_proj norm(hidden))    u = silu(conv(x))          raw, B, C = split(x_proj u)
 *     y = scan(u, dt_proj raw, -exp(A_log), B, C, D, z, bias)          hidden += out_proj y */
#include "engine.h"

#include <math.h>

struct layer {
    float *in_proj, *x_proj, *dt_proj, *out_proj;
    segue_causal_conv1d conv; /* every operand in place, for CHUNK tokens; a run narrows the time axis */
    segue_selective_scan scan;
};

struct mamba {
    struct engine base;
    int64_t inner, state, taps, rank;
    struct layer *layers;
    float *xz, *u, *delta, *raw_bc, *y;                       /* activations of CHUNK tokens on the host */
    segue_tensor dev_xz, dev_u, dev_delta, dev_raw_bc, dev_y; /* and on the device */
    segue_plan *conv[2], *scan[2];                            /* for up to CHUNK tokens, and for one */
};

static void read_layer(struct mamba *m, int64_t i)
{
    struct engine *e = &m->base;
    struct layer *l = &m->layers[i];
    const int64_t d = m->inner, n = m->state;
    l->in_proj = take(e, i, "mixer.in_proj.weight", SHAPE(2 * d, e->hidden_size));
    l->x_proj = take(e, i, "mixer.x_proj.weight", SHAPE(m->rank + 2 * n, d));
    l->dt_proj = take(e, i, "mixer.dt_proj.weight", SHAPE(d, m->rank));
    l->out_proj = take(e, i, "mixer.out_proj.weight", SHAPE(e->hidden_size, d));

    l->conv = segue_causal_conv1d_init();
    l->conv.activation = SEGUE_CAUSAL_CONV1D_SILU;
    l->conv.x = segue_tensor_slice(m->dev_xz, 2, 0, d);
    float *taps = take(e, i, "mixer.conv1d.weight", SHAPE(d, 1, m->taps));
    l->conv.weight = move(e, taps, SHAPE(d, m->taps));
    l->conv.bias = move(e, take(e, i, "mixer.conv1d.bias", SHAPE(d)), SHAPE(d));
    l->conv.h_in = l->conv.h_out = place(e, SHAPE(1, d, m->taps > 1 ? m->taps - 1 : 1)); /* in place */
    l->conv.y = m->dev_u;

    float *A = take(e, i, "mixer.A_log", SHAPE(d, n));
    for (int64_t k = 0; k < d * n; k++) A[k] = -expf(A[k]);
    l->scan = segue_selective_scan_init(); /* softplus is on; the bias of dt_proj is added there, not by us */
    l->scan.u = m->dev_u;
    l->scan.delta = m->dev_delta;
    l->scan.A = move(e, A, SHAPE(d, n));
    l->scan.B = segue_tensor_slice(m->dev_raw_bc, 3, m->rank, n);
    l->scan.C = segue_tensor_slice(m->dev_raw_bc, 3, m->rank + n, n);
    l->scan.D = move(e, take(e, i, "mixer.D", SHAPE(d)), SHAPE(d));
    l->scan.z = segue_tensor_slice(m->dev_xz, 2, d, d);
    l->scan.delta_bias = move(e, take(e, i, "mixer.dt_proj.bias", SHAPE(d)), SHAPE(d));
    l->scan.h_in = l->scan.h_out = place(e, SHAPE(1, d, n));
    l->scan.y = m->dev_y;
}

static segue_causal_conv1d conv_of(segue_causal_conv1d op, int64_t tokens)
{
    narrow((segue_tensor *[]){ &op.x, &op.y }, 2, tokens);
    return op;
}

static segue_selective_scan scan_of(segue_selective_scan op, int64_t tokens)
{
    narrow((segue_tensor *[]){ &op.u, &op.delta, &op.B, &op.C, &op.z, &op.y }, 6, tokens);
    return op;
}

static const struct names names = { "\"mamba\"",         "layer_norm_epsilon", "backbone",
                                    "embeddings.weight", "norm.weight",        "norm_f.weight" };

static void load(struct mamba *m, const struct task *task)
{
    struct engine *e = &m->base;
    open_files(e, task->model, &names);
    wants(e, "use_bias", "false");
    wants(e, "use_conv_bias", "true");
    make_room(e, CHUNK);
    m->inner = positive(e, "intermediate_size");
    m->state = positive(e, "state_size");
    m->taps = positive(e, "conv_kernel");
    m->rank = positive(e, "time_step_rank");

    const int64_t d = m->inner, mixed = m->rank + 2 * m->state, width[] = { 2 * d, d, d, mixed, d };
    float **host[] = { &m->xz, &m->u, &m->delta, &m->raw_bc, &m->y };
    for (int i = 0; i < 5; i++) *host[i] = keep((size_t)(CHUNK * width[i]), sizeof **host[i]);
    open_device(e, task->device, CHUNK * (5 * d + mixed) + e->layers * d * (2 * m->taps + 2 * m->state + 3),
                6 + 8 * e->layers);
    m->dev_xz = place(e, SHAPE(1, CHUNK, 2 * d));
    m->dev_u = place(e, SHAPE(1, CHUNK, d));
    m->dev_delta = place(e, SHAPE(1, CHUNK, d));
    m->dev_raw_bc = place(e, SHAPE(1, CHUNK, 1, mixed));
    m->dev_y = place(e, SHAPE(1, CHUNK, d));
    m->layers = keep((size_t)e->layers, sizeof *m->layers);
    for (int64_t i = 0; i < e->layers; i++) read_layer(m, i);
    close_files(e);

    for (int one = 0; one < 2;
         one++) { /* all layers have the same shapes: the plans of the first serve them all */
        const segue_causal_conv1d conv = conv_of(m->layers[0].conv, one ? 1 : CHUNK);
        const segue_selective_scan scan = scan_of(m->layers[0].scan, one ? 1 : CHUNK);
        m->conv[one] = make_plan(e, &conv.header);
        m->scan[one] = make_plan(e, &scan.header);
    }
}

static void mix(struct engine *e, int64_t layer, int64_t t)
{
    struct mamba *m = (struct mamba *)e;
    const struct layer *l = &m->layers[layer];
    const int64_t d = m->inner, mixed = m->rank + 2 * m->state;
    const segue_causal_conv1d conv = conv_of(l->conv, t);
    const segue_selective_scan scan = scan_of(l->scan, t);
    dense(m->xz, e->normed, e->hidden_size, l->in_proj, t, 2 * d, e->hidden_size, 0);
    copy(e, SEGUE_COPY_TO_DEVICE, &m->dev_xz, m->xz, t * 2 * d);
    run_plan(e, m->conv[t == 1], &conv.header);
    copy(e, SEGUE_COPY_FROM_DEVICE, &m->dev_u, m->u, t * d);
    dense(m->raw_bc, m->u, d, l->x_proj, t, mixed, d, 0);
    dense(m->delta, m->raw_bc, mixed, l->dt_proj, t, d, m->rank, 0);
    copy(e, SEGUE_COPY_TO_DEVICE, &m->dev_raw_bc, m->raw_bc, t * mixed);
    copy(e, SEGUE_COPY_TO_DEVICE, &m->dev_delta, m->delta, t * d);
    run_plan(e, m->scan[t == 1], &scan.header);
    copy(e, SEGUE_COPY_FROM_DEVICE, &m->dev_y, m->y, t * d);
    dense(e->hidden, m->y, d, l->out_proj, t, e->hidden_size, d, 1);
}

int main(int argc, char **argv)
{
    const struct task task = parse(argc, argv, "mamba", "MambaForCausalLM");
    struct mamba m = { .base.mix = mix };
    load(&m, &task);
    return perform(&m.base, &task);
}
