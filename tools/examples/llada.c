/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A masked-diffusion language model over bytes (LLaDA, arXiv:2502.09992), read from a folder with weights as transformers'
 * LlamaForCausalLM stores them. Embedding, norms and dense products are ours (engine.c); rotary, attention over the
 * whole text and the choice of what becomes text are Segue's on the device named.
 *
 *     cc llada.c engine.c $(pkg-config --cflags --libs segue openblas jansson) -lm -o llada
 *     ./llada models/llada-shakespeare --device cpu --prompt-file prompt.txt --length 64 --block 32 --steps 64
 *
 * The text begins as the prompt and `length` masks. Block by block, from left to right, each of the block's steps reads all of it,
 * and commits the masked positions of the block whose best byte is the most probable: its share of those left. The tokens
 * and all that changes from step to step lie on the device. */
#include "engine.h"

#include <getopt.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

struct layer {
    float *qkv, *out, *norm, *gate, *up, *down; /* qkv: the three projections, one below the other */
};

struct request { /* the command line */
    const char *model, *device, *prompt, *positions;
    int64_t length, block, steps;
};

struct llada {
    struct engine base;
    int64_t heads, key_heads, head, inner, mask;
    int64_t width, tokens, begin; /* of q, k and v; of the text; of its prompt */
    struct layer *layers;
    float *projected, *y, *gated, *raised; /* activations on the host */
    segue_tensor dev_projected, dev_turned, dev_y;
    segue_rotary rotary; /* no weights: the same for every layer */
    segue_attention attention;
    segue_diffusion_unmask unmask;
    segue_plan *rotary_plan, *attention_plan, *unmask_plan;
    segue_tensor lo, hi, steps_left; /* one number a block; one a step of a block */
    unsigned char *text;
    int32_t *x, *changed;
};

static const struct names names = { "\"llama\"",           "rms_norm_eps",           "model",
                                    "embed_tokens.weight", "input_layernorm.weight", "norm.weight" };

/* ---- the model ------------------------------------------------------------------------------------------- */

static void read_layer(struct llada *m, int64_t i)
{
    struct engine *e = &m->base;
    struct layer *l = &m->layers[i];
    const char *const part[] = { "self_attn.q_proj.weight", "self_attn.k_proj.weight",
                                 "self_attn.v_proj.weight" };
    const int64_t h = e->hidden_size,
                  rows[] = { m->heads * m->head, m->key_heads * m->head, m->key_heads * m->head };
    float *to = l->qkv = keep((size_t)(m->width * h), sizeof *to);
    for (int k = 0; k < 3; to += rows[k++] * h)
        memcpy(to, take(e, i, part[k], SHAPE(rows[k], h)), (size_t)(rows[k] * h) * sizeof *to);
    l->out = take(e, i, "self_attn.o_proj.weight", SHAPE(h, rows[0]));
    l->norm = take(e, i, "post_attention_layernorm.weight", SHAPE(h));
    l->gate = take(e, i, "mlp.gate_proj.weight", SHAPE(m->inner, h));
    l->up = take(e, i, "mlp.up_proj.weight", SHAPE(m->inner, h));
    l->down = take(e, i, "mlp.down_proj.weight", SHAPE(h, m->inner));
}

static void read_model(struct llada *m, const char *folder)
{
    struct engine *e = &m->base;
    open_files(e, folder, &names);
    wants(e, "attention", "\"bidirectional\"");
    m->heads = positive(e, "num_attention_heads");
    m->key_heads = positive(e, "num_key_value_heads");
    m->head = positive(e, "head_dim");
    m->inner = positive(e, "intermediate_size");
    m->mask = positive(e, "mask_token_id");
    m->width = (m->heads + 2 * m->key_heads) * m->head;
    m->rotary = segue_rotary_init();
    m->rotary.base = json_number_value(json_object_get(e->config, "rope_theta"));
    if (m->heads % m->key_heads || m->mask >= e->vocab)
        die(ENVIRONMENT,
            "%s: wanted whole groups of heads and a mask token below %lld, found %lld heads, %lld key heads, %lld",
            e->config_path, (long long)e->vocab, (long long)m->heads, (long long)m->key_heads,
            (long long)m->mask);
    m->layers = keep((size_t)e->layers, sizeof *m->layers);
    for (int64_t i = 0; i < e->layers; i++) read_layer(m, i);
    close_files(e);
}

/* hidden += out attention(rotary(q), rotary(k), v);  hidden += down (silu(gate) o up) of its norm */
static void mix(struct engine *e, int64_t layer, int64_t t)
{
    struct llada *m = (struct llada *)e;
    const struct layer *l = &m->layers[layer];
    const int64_t h = e->hidden_size, d = m->heads * m->head, n = m->inner;
    dense(m->projected, e->normed, h, l->qkv, t, m->width, h, 0);
    copy(e, SEGUE_COPY_TO_DEVICE, &m->dev_projected, m->projected, t * m->width);
    run_plan(e, m->rotary_plan, &m->rotary.header);
    run_plan(e, m->attention_plan, &m->attention.header);
    copy(e, SEGUE_COPY_FROM_DEVICE, &m->dev_y, m->y, t * d);
    dense(e->hidden, m->y, d, l->out, t, h, d, 1);
    rms_norm(e, e->hidden, l->norm, t);
    dense(m->gated, e->normed, h, l->gate, t, n, h, 0);
    dense(m->raised, e->normed, h, l->up, t, n, h, 0);
    for (int64_t i = 0; i < t * n; i++) m->gated[i] *= m->raised[i] / (1 + expf(-m->gated[i]));
    dense(e->hidden, m->gated, n, l->down, t, h, n, 1);
}

/* ---- on the device --------------------------------------------------------------------------------------- */

static void plan_layers(struct llada *m)
{
    struct engine *e = &m->base;
    const int64_t t = m->tokens,
                  turned = m->heads + m->key_heads; /* q and k lie side by side, and turn together */
    m->dev_projected = place(e, SHAPE(1, t, m->width));
    m->dev_turned = place(e, SHAPE(1, t, turned * m->head));
    m->dev_y = place(e, SHAPE(1, t, m->heads * m->head));
    m->rotary.x = in_heads(segue_tensor_slice(m->dev_projected, 2, 0, turned * m->head), turned);
    m->rotary.y = in_heads(m->dev_turned, turned);
    m->attention = segue_attention_init();
    m->attention.causal = 0;
    m->attention.q = segue_tensor_slice(m->rotary.y, 2, 0, m->heads);
    m->attention.k = segue_tensor_slice(m->rotary.y, 2, m->heads, m->key_heads);
    m->attention.v = in_heads(segue_tensor_slice(m->dev_projected, 2, turned * m->head, m->key_heads * m->head),
                              m->key_heads);
    m->attention.y = in_heads(m->dev_y, m->heads);
    m->rotary_plan = make_plan(e, &m->rotary.header);
    m->attention_plan = make_plan(e, &m->attention.header);
}

static segue_tensor move_integers(struct engine *e, int32_t *host, int64_t count)
{
    place_integers(e, SHAPE(count));
    copy(e, SEGUE_COPY_TO_DEVICE, &e->last, host, count);
    return e->last;
}

static void plan_unmask(struct llada *m, const struct request *r)
{
    struct engine *e = &m->base;
    const int64_t t = m->tokens, blocks = r->length / r->block, steps = r->steps / blocks;
    int32_t *lo = keep((size_t)blocks, sizeof *lo), *hi = keep((size_t)blocks, sizeof *hi);
    int32_t *left = keep((size_t)steps, sizeof *left);
    for (int64_t i = 0; i < blocks; i++) {
        lo[i] = (int32_t)(m->begin + i * r->block);
        hi[i] = lo[i] + (int32_t)r->block;
    }
    for (int64_t i = 0; i < steps; i++) left[i] = (int32_t)(steps - i);
    m->lo = move_integers(e, lo, blocks), m->hi = move_integers(e, hi, blocks),
    m->steps_left = move_integers(e, left, steps);
    m->unmask = segue_diffusion_unmask_init(); /* the best byte, and its probability */
    m->unmask.mask_id = m->mask;
    m->unmask.rule = SEGUE_DIFFUSION_UNMASK_TOPK;
    m->unmask.logits = place(e, SHAPE(1, t, e->vocab));
    m->unmask.x = m->unmask.x_out = place_integers(e, SHAPE(1, t)); /* in place */
    m->unmask.changed = place_integers(e, SHAPE(1, r->block));
    m->unmask.lo = segue_tensor_slice(m->lo, 0, 0, 1);
    m->unmask.hi = segue_tensor_slice(m->hi, 0, 0, 1);
    m->unmask.steps_left = segue_tensor_slice(m->steps_left, 0, 0, 1);
    m->unmask_plan = make_plan(e, &m->unmask.header);
}

static void load(struct llada *m, const struct request *r)
{
    struct engine *e = &m->base;
    size_t length;
    read_model(m, r->model);
    const unsigned char *prompt = read_text(r->prompt, e->vocab, 0, &length);
    const int64_t t = m->tokens = (int64_t)length + r->length, blocks = r->length / r->block;
    m->begin = (int64_t)length;
    m->text = keep((size_t)t, sizeof *m->text);
    m->x = keep((size_t)t, sizeof *m->x);
    m->changed = keep((size_t)r->block, sizeof *m->changed);
    for (int64_t i = 0; i < t; i++) m->x[i] = m->text[i] = i < m->begin ? prompt[i] : (unsigned char)m->mask;
    make_room(e, t);
    float **host[] = { &m->projected, &m->y, &m->gated, &m->raised };
    const int64_t width[] = { m->width, m->heads * m->head, m->inner, m->inner };
    for (int i = 0; i < 4; i++) *host[i] = keep((size_t)(t * width[i]), sizeof **host[i]);
    const int64_t numbers =
        t * (2 * m->width + m->heads * m->head + e->vocab + 1) + 3 * blocks + r->steps + r->block;
    open_device(e, r->device, numbers, 9);
    plan_layers(m);
    plan_unmask(m, r);
    copy(e, SEGUE_COPY_TO_DEVICE, &m->unmask.x, m->x, t);
}

/* ---- writing --------------------------------------------------------------------------------------------- */

/* On a terminal: what is written so far over what was there, masks as dots. */
static void show(const struct llada *m, int last)
{
    if (!isatty(STDOUT_FILENO)) {
        if (last) fwrite(m->text + m->begin, 1, (size_t)(m->tokens - m->begin), stdout);
        return;
    }
    fputs("\0338\033[J", stdout); /* the cursor where it was saved, and nothing behind it */
    for (int64_t i = m->begin; i < m->tokens; i++)
        fputs(m->text[i] == m->mask ? "." : (char[]){ (char)m->text[i], 0 }, stdout);
    fflush(stdout);
}

static void note(FILE *positions, const int32_t *changed, int64_t count)
{
    for (int64_t i = 0; i < count && changed[i] >= 0; i++)
        fprintf(positions, "%s%d", i ? " " : "", (int)changed[i]);
    fputc('\n', positions);
}

static void write_text(struct llada *m, const struct request *r)
{
    struct engine *e = &m->base;
    const int64_t t = m->tokens, blocks = r->length / r->block, steps = r->steps / blocks;
    FILE *positions = r->positions ? fopen(r->positions, "w") : NULL;
    if (r->positions && !positions) die(ENVIRONMENT, "%s: cannot be written", r->positions);
    if (isatty(STDOUT_FILENO)) fputs("\0337", stdout); /* saves the cursor */
    for (int64_t i = 0; i < r->steps; i++) {
        m->unmask.lo = segue_tensor_slice(m->lo, 0, i / steps, 1);
        m->unmask.hi = segue_tensor_slice(m->hi, 0, i / steps, 1);
        m->unmask.steps_left = segue_tensor_slice(m->steps_left, 0, i % steps, 1);
        copy(e, SEGUE_COPY_TO_DEVICE, &m->unmask.logits, (void *)forward(e, m->text, t, 1), t * e->vocab);
        run_plan(e, m->unmask_plan, &m->unmask.header);
        copy(e, SEGUE_COPY_FROM_DEVICE, &m->unmask.x, m->x, t);
        copy(e, SEGUE_COPY_FROM_DEVICE, &m->unmask.changed, m->changed, r->block);
        for (int64_t k = 0; k < t; k++) m->text[k] = (unsigned char)m->x[k];
        if (positions) note(positions, m->changed, r->block);
        show(m, i + 1 == r->steps);
    }
    if (positions && fclose(positions)) die(ENVIRONMENT, "%s: cannot be written", r->positions);
}

/* ---- the command line ------------------------------------------------------------------------------------ */

static void usage(FILE *to)
{
    fputs(
        "usage: llada MODEL [--device D] --prompt-file F [--length N] [--block N] [--steps N] [--positions P]\n"
        "Prints the bytes that follow the text in F.\n"
        "  MODEL          a folder with config.json and model.safetensors (a bidirectional Llama over bytes)\n"
        "  --device D     cpu (default), reference, opencl:0 ...; segue devices lists them\n"
        "  --length N     bytes to write (64)\n"
        "  --block N      written block by block, from left to right; divides the length (32)\n"
        "  --steps N      passes of the model, the same number for each block (the length)\n"
        "  --positions P  writes the positions committed at each step to the file P, a line a step\n",
        to);
}

static struct request read_request(int argc, char **argv)
{
    static const struct option options[] = {
        { "device", 1, NULL, 'd' }, { "prompt-file", 1, NULL, 'p' },
        { "length", 1, NULL, 'n' }, { "block", 1, NULL, 'b' },
        { "steps", 1, NULL, 's' },  { "positions", 1, NULL, 'o' },
        { "help", 0, NULL, 'h' },   { NULL, 0, NULL, 0 },
    };
    struct request r = { .device = "cpu", .length = 64, .block = 32 };
    begin("llada", usage);
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h') usage(stdout), exit(0);
        else if (c == 'd') r.device = optarg;
        else if (c == 'p') r.prompt = optarg;
        else if (c == 'o') r.positions = optarg;
        else if (c == 'n') r.length = (int64_t)number("--length: wanted 1 to 100000", 1, 1e5);
        else if (c == 'b') r.block = (int64_t)number("--block: wanted 1 to 100000", 1, 1e5);
        else if (c == 's') r.steps = (int64_t)number("--steps: wanted 1 to 100000", 1, 1e5);
        else usage(stderr), exit(USAGE); /* getopt has said why */
    }
    if (optind + 1 != argc) misuse("wanted one model folder", optind < argc ? argv[optind + 1] : NULL);
    if (!r.prompt) misuse("wanted --prompt-file", NULL);
    if (!r.steps) r.steps = r.length;
    if (r.length % r.block) misuse("--block: wanted a divisor of the length", NULL);
    if (r.steps % (r.length / r.block)) misuse("--steps: wanted the same number for each block", NULL);
    r.model = argv[optind];
    return r;
}

int main(int argc, char **argv)
{
    const struct request r = read_request(argc, argv);
    struct llada m = { .base.mix = mix };
    load(&m, &r);
    write_text(&m, &r);
    give_back(&m.base);
    return 0;
}
