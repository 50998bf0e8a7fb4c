/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* An engine in one file: a Mamba language model over bytes (arXiv:2312.00752), read from a folder with weights
 * as transformers' MambaForCausalLM stores them. Embedding, norms, dense products and sampling are ours; the
 * convolution and the selective scan, with the states that they carry, are Segue's on the device named.
 *
 *     cc mamba.c $(pkg-config --cflags --libs segue openblas jansson) -lm -o mamba
 *     ./mamba models/mamba-shakespeare --device cpu --prompt-file prompt.txt -n 200
 *
 * One layer, hidden [t h], inner width d, state n, step rank r:
 *     x, z = split(in_proj norm(hidden))    u = silu(conv(x))          raw, B, C = split(x_proj u)
 *     y = scan(u, dt_proj raw, -exp(A_log), B, C, D, z, bias)          hidden += out_proj y */
#include <segue/segue.h>

#include <cblas.h>
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { FAILED = 1, USAGE = 2, NO_DEVICE = 3, ENVIRONMENT = 4 }; /* exit codes */
enum { CHUNK = 256 };                                           /* tokens of one prefill call */
/* clang-format off */
#define SHAPE(...) (int)(sizeof(int64_t[]){ __VA_ARGS__ } / sizeof(int64_t)), (int64_t[]){ __VA_ARGS__ }
/* clang-format on */

struct config {
    int64_t vocab, hidden, inner, state, layers, taps, rank;
    double epsilon;
};

struct weights { /* model.safetensors */
    char path[4096];
    const unsigned char *data; /* what the header's offsets count from */
    size_t size;
    json_t *header;
};

struct layer {
    float *norm, *in_proj, *x_proj, *dt_proj, *out_proj;
    segue_causal_conv1d conv; /* every operand in place, for CHUNK tokens; a run narrows the time axis */
    segue_selective_scan scan;
};

struct engine {
    struct config size;
    struct layer *layers;
    float *embedding, *final_norm;
    float *hidden, *normed, *xz, *u, *delta, *raw_bc, *y, *logits; /* activations of CHUNK tokens on the host */
    segue_tensor dev_xz, dev_u, dev_delta, dev_raw_bc, dev_y;      /* and what of them the device sees */
    segue_context *ctx;
    segue_device *dev;
    segue_stream stream;
    segue_buffer memory, workspace;
    segue_tensor last;             /* end of what is laid out in memory */
    segue_plan *conv[2], *scan[2]; /* for up to CHUNK tokens, and for one */
};

/* ---- failing, memory, files ------------------------------------------------------------------------------ */

__attribute__((noreturn, format(printf, 2, 3))) static void die(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fputs("mamba: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(code);
}

static void check(segue_status status, const segue_diag *why)
{
    if (status == SEGUE_OK) return;
    die(status == SEGUE_ERROR_NO_DEVICE || status == SEGUE_ERROR_PLUGIN ? NO_DEVICE : FAILED, "%s", why->text);
}

/* Zeroed memory that lives as long as the engine; unload() frees it. */
static struct block {
    struct block *next;
    max_align_t memory[];
} * blocks;

static void *keep(size_t count, size_t bytes)
{
    struct block *b = calloc(1, sizeof *b + count * bytes);
    if (!b) die(ENVIRONMENT, "out of memory: wanted %zu times %zu bytes", count, bytes);
    b->next = blocks;
    blocks = b;
    return b->memory;
}

static unsigned char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    long end = -1;
    if (!file || fseek(file, 0, SEEK_END) || (end = ftell(file)) < 0 || fseek(file, 0, SEEK_SET))
        die(ENVIRONMENT, "%s: %s", path, strerror(errno));
    unsigned char *bytes = keep((size_t)end + 1, 1);
    if (fread(bytes, 1, (size_t)end, file) != (size_t)end) die(ENVIRONMENT, "%s: %s", path, strerror(errno));
    fclose(file);
    *size = (size_t)end;
    return bytes;
}

/* ---- the model's files ----------------------------------------------------------------------------------- */

static int64_t positive(const json_t *root, const char *path, const char *name)
{
    const json_t *value = json_object_get(root, name);
    const json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 1 || number > 1 << 20)
        die(ENVIRONMENT, "%s: %s: wanted an integer from 1 to %d", path, name, 1 << 20);
    return number;
}

static void wants(const json_t *root, const char *path, const char *name, const char *value)
{
    char *found = json_dumps(json_object_get(root, name), JSON_ENCODE_ANY);
    if (!found || strcmp(found, value))
        die(ENVIRONMENT, "%s: %s: wanted %s, found %s", path, name, value, found ? found : "nothing");
    free(found);
}

static struct config read_config(const char *folder)
{
    char path[4096];
    json_error_t why;
    snprintf(path, sizeof path, "%s/config.json", folder);
    json_t *root = json_load_file(path, 0, &why);
    if (!root) die(ENVIRONMENT, "%s: %s (line %d)", path, why.text, why.line);
    wants(root, path, "model_type", "\"mamba\"");
    wants(root, path, "hidden_act", "\"silu\"");
    wants(root, path, "use_bias", "false");
    wants(root, path, "use_conv_bias", "true");
    wants(root, path, "tie_word_embeddings", "true");
    const struct config size = {
        .vocab = positive(root, path, "vocab_size"),
        .hidden = positive(root, path, "hidden_size"),
        .inner = positive(root, path, "intermediate_size"),
        .state = positive(root, path, "state_size"),
        .layers = positive(root, path, "num_hidden_layers"),
        .taps = positive(root, path, "conv_kernel"),
        .rank = positive(root, path, "time_step_rank"),
        .epsilon = json_number_value(json_object_get(root, "layer_norm_epsilon")),
    };
    if (size.vocab > 256) die(ENVIRONMENT, "%s: vocab_size: wanted 256 or less: tokens are bytes", path);
    if (!(size.epsilon > 0)) die(ENVIRONMENT, "%s: layer_norm_epsilon: wanted a positive number", path);
    json_decref(root);
    return size;
}

/* 8 bytes little-endian header length, the header (JSON), then the data. */
static struct weights open_weights(const char *folder)
{
    struct weights w;
    json_error_t why;
    uint64_t header = 0;
    size_t size;
    snprintf(w.path, sizeof w.path, "%s/model.safetensors", folder);
    const unsigned char *bytes = read_file(w.path, &size);
    for (int i = 7; size >= 8 && i >= 0; i--) header = header << 8 | bytes[i];
    if (size < 8 || header > size - 8) die(ENVIRONMENT, "%s: its %zu bytes end in the header", w.path, size);
    w.header = json_loadb((const char *)bytes + 8, header, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(w.header)) die(ENVIRONMENT, "%s: its header is no JSON object: %s", w.path, why.text);
    w.data = bytes + 8 + header;
    w.size = size - 8 - header;
    return w;
}

/* One tensor as f32; layer -1: it belongs to none. */
static float *take(const struct weights *w, int64_t layer, const char *part, int rank, const int64_t *shape)
{
    char name[96];
    if (layer < 0) snprintf(name, sizeof name, "backbone.%s", part);
    else snprintf(name, sizeof name, "backbone.layers.%lld.%s", (long long)layer, part);
    const json_t *entry = json_object_get(w->header, name), *span = json_object_get(entry, "data_offsets");
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    const int64_t begin = json_integer_value(json_array_get(span, 0));
    const int64_t end = json_integer_value(json_array_get(span, 1));
    if (!entry) die(ENVIRONMENT, "%s: tensor %s is missing", w->path, name);
    if (!dtype || (strcmp(dtype, "BF16") && strcmp(dtype, "F32")))
        die(ENVIRONMENT, "%s: %s: wanted dtype BF16 or F32, found %s", w->path, name, dtype ? dtype : "none");

    json_t *wanted = json_array(), *found = json_object_get(entry, "shape");
    int64_t count = 1;
    for (int i = 0; i < rank; count *= shape[i++]) json_array_append_new(wanted, json_integer(shape[i]));
    if (!json_equal(wanted, found))
        die(ENVIRONMENT, "%s: %s: wanted shape %s, found %s", w->path, name, json_dumps(wanted, JSON_COMPACT),
            found ? json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY) : "none");
    json_decref(wanted);
    const int bytes = strcmp(dtype, "BF16") ? 4 : 2;
    if (begin < 0 || end < begin || (uint64_t)end > w->size || end - begin != count * bytes)
        die(ENVIRONMENT, "%s: %s: wanted %lld bytes, found offsets %lld to %lld in %zu bytes of data", w->path,
            name, (long long)(count * bytes), (long long)begin, (long long)end, w->size);

    const unsigned char *from = w->data + begin;
    float *to = keep((size_t)count, sizeof *to);
    for (int64_t i = 0; i < count; i++, from += bytes) {
        uint32_t bits = 0; /* bf16 is the upper half of f32 */
        for (int b = 0; b < bytes; b++) bits |= (uint32_t)from[b] << (8 * (4 - bytes + b));
        memcpy(&to[i], &bits, sizeof bits);
    }
    return to;
}

/* ---- the device ------------------------------------------------------------------------------------------ */

/* The next f32 tensor in the engine's device memory. */
static segue_tensor place(struct engine *m, int rank, const int64_t *shape)
{
    return m->last = segue_tensor_after(m->last, SEGUE_F32, rank, shape);
}

/* Waits: the host's memory may be used again at once. */
static void copy(struct engine *m, uint32_t direction, const segue_tensor *device, float *host, int64_t count)
{
    const uint64_t bytes = (uint64_t)count * sizeof *host;
    const segue_buffer there = { device->data, device->offset, device->bytes }, here = { host, 0, bytes };
    const int up = direction == SEGUE_COPY_TO_DEVICE;
    const segue_buffer to = up ? there : here, from = up ? here : there;
    segue_diag why;
    check(segue_memory_copy(m->dev, m->stream, direction, to, from, bytes, &why), &why);
    check(segue_stream_sync(m->dev, m->stream, &why), &why);
}

/* A weight that the device needs, moved there. */
static segue_tensor move(struct engine *m, float *host, int rank, const int64_t *shape)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    place(m, rank, shape);
    copy(m, SEGUE_COPY_TO_DEVICE, &m->last, host, count);
    return m->last;
}

static void read_layer(struct engine *m, const struct weights *w, int64_t i)
{
    const struct config *c = &m->size;
    const int64_t d = c->inner, n = c->state;
    struct layer *l = &m->layers[i];
    l->norm = take(w, i, "norm.weight", SHAPE(c->hidden));
    l->in_proj = take(w, i, "mixer.in_proj.weight", SHAPE(2 * d, c->hidden));
    l->x_proj = take(w, i, "mixer.x_proj.weight", SHAPE(c->rank + 2 * n, d));
    l->dt_proj = take(w, i, "mixer.dt_proj.weight", SHAPE(d, c->rank));
    l->out_proj = take(w, i, "mixer.out_proj.weight", SHAPE(c->hidden, d));

    l->conv = segue_causal_conv1d_init();
    l->conv.activation = SEGUE_CAUSAL_CONV1D_SILU;
    l->conv.x = segue_tensor_slice(m->dev_xz, 2, 0, d);
    float *taps = take(w, i, "mixer.conv1d.weight", SHAPE(d, 1, c->taps));
    l->conv.weight = move(m, taps, SHAPE(d, c->taps));
    l->conv.bias = move(m, take(w, i, "mixer.conv1d.bias", SHAPE(d)), SHAPE(d));
    l->conv.h_in = l->conv.h_out = place(m, SHAPE(1, d, c->taps > 1 ? c->taps - 1 : 1)); /* in place */
    l->conv.y = m->dev_u;

    float *A = take(w, i, "mixer.A_log", SHAPE(d, n));
    for (int64_t k = 0; k < d * n; k++) A[k] = -expf(A[k]);
    l->scan = segue_selective_scan_init(); /* softplus is on; the bias of dt_proj is added there, not by us */
    l->scan.u = m->dev_u;
    l->scan.delta = m->dev_delta;
    l->scan.A = move(m, A, SHAPE(d, n));
    l->scan.B = segue_tensor_slice(m->dev_raw_bc, 3, c->rank, n);
    l->scan.C = segue_tensor_slice(m->dev_raw_bc, 3, c->rank + n, n);
    l->scan.D = move(m, take(w, i, "mixer.D", SHAPE(d)), SHAPE(d));
    l->scan.z = segue_tensor_slice(m->dev_xz, 2, d, d);
    l->scan.delta_bias = move(m, take(w, i, "mixer.dt_proj.bias", SHAPE(d)), SHAPE(d));
    l->scan.h_in = l->scan.h_out = place(m, SHAPE(1, d, n));
    l->scan.y = m->dev_y;
}

static segue_causal_conv1d conv_of(segue_causal_conv1d op, int64_t tokens)
{
    segue_tensor *timed[] = { &op.x, &op.y };
    for (int i = 0; i < 2; i++) *timed[i] = segue_tensor_slice(*timed[i], 1, 0, tokens);
    return op;
}

static segue_selective_scan scan_of(segue_selective_scan op, int64_t tokens)
{
    segue_tensor *timed[] = { &op.u, &op.delta, &op.B, &op.C, &op.z, &op.y };
    for (int i = 0; i < 6; i++) *timed[i] = segue_tensor_slice(*timed[i], 1, 0, tokens);
    return op;
}

/* All layers have the same shapes, so the plans of the first serve them all. */
static void make_plans(struct engine *m)
{
    uint64_t workspace = 0;
    segue_diag why;
    for (int one = 0; one < 2; one++) {
        const segue_causal_conv1d conv = conv_of(m->layers[0].conv, one ? 1 : CHUNK);
        const segue_selective_scan scan = scan_of(m->layers[0].scan, one ? 1 : CHUNK);
        check(segue_plan_create(m->dev, &conv.header, &m->conv[one], &why), &why);
        check(segue_plan_create(m->dev, &scan.header, &m->scan[one], &why), &why);
        const segue_plan *both[] = { m->conv[one], m->scan[one] };
        for (int i = 0; i < 2; i++) {
            segue_plan_facts facts = { .size = sizeof facts };
            check(segue_plan_info(both[i], &facts, &why), &why);
            if (facts.workspace_bytes > workspace) workspace = facts.workspace_bytes;
        }
    }
    check(segue_memory_alloc(m->dev, workspace, &m->workspace, &why), &why);
}

static void load(struct engine *m, const char *folder, const char *device)
{
    m->size = read_config(folder);
    const struct config *c = &m->size;
    const int64_t d = c->inner, mixed = c->rank + 2 * c->state;
    struct weights w = open_weights(folder);
    m->embedding = take(&w, -1, "embeddings.weight", SHAPE(c->vocab, c->hidden));
    m->final_norm = take(&w, -1, "norm_f.weight", SHAPE(c->hidden));
    float **host[] = { &m->hidden, &m->normed, &m->xz, &m->u, &m->delta, &m->raw_bc, &m->y, &m->logits };
    const int64_t width[] = { c->hidden, c->hidden, 2 * d, d, d, mixed, d, c->vocab };
    for (int i = 0; i < 8; i++) *host[i] = keep((size_t)(CHUNK * width[i]), sizeof **host[i]);

    const int64_t floats = CHUNK * (5 * d + mixed) + c->layers * d * (2 * c->taps + 2 * c->state + 3);
    segue_diag why;
    check(segue_context_create(NULL, &m->ctx, &why), &why);
    check(segue_device_open(m->ctx, device, NULL, &m->dev, &why), &why);
    check(segue_stream_create(m->dev, &m->stream, &why), &why);
    const uint64_t bytes = 4 * (uint64_t)floats + 256 * (uint64_t)(6 + 8 * c->layers); /* each one is aligned */
    check(segue_memory_alloc(m->dev, bytes, &m->memory, &why), &why);
    check(segue_memory_fill(m->dev, m->stream, m->memory, 0, bytes, &why), &why); /* states begin at 0 */
    m->last = (segue_tensor){ .data = m->memory.data, .bytes = m->memory.offset };
    m->dev_xz = place(m, SHAPE(1, CHUNK, 2 * d));
    m->dev_u = place(m, SHAPE(1, CHUNK, d));
    m->dev_delta = place(m, SHAPE(1, CHUNK, d));
    m->dev_raw_bc = place(m, SHAPE(1, CHUNK, 1, mixed));
    m->dev_y = place(m, SHAPE(1, CHUNK, d));
    m->layers = keep((size_t)c->layers, sizeof *m->layers);
    for (int64_t i = 0; i < c->layers; i++) read_layer(m, &w, i);
    json_decref(w.header);

    make_plans(m);
}

static void unload(struct engine *m)
{
    for (int i = 0; i < 2; i++) segue_plan_destroy(m->conv[i]), segue_plan_destroy(m->scan[i]);
    segue_memory_free(m->dev, m->workspace);
    segue_memory_free(m->dev, m->memory);
    segue_stream_destroy(m->dev, m->stream);
    segue_device_close(m->dev);
    segue_context_destroy(m->ctx);
    for (struct block *next; blocks; blocks = next) {
        next = blocks->next;
        free(blocks);
    }
}

/* ---- the forward pass ------------------------------------------------------------------------------------ */

/* out[t, to] = in[t, from] weight[to, from]^T, added to out where asked. */
static void dense(float *out, const float *in, int64_t in_stride, const float *weight, int64_t t, int64_t to,
                  int64_t from, int add)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)t, (int)to, (int)from, 1, in, (int)in_stride,
                weight, (int)from, (float)add, out, (int)to);
}

static void rms_norm(float *out, const float *in, const float *weight, int64_t t, int64_t h, double epsilon)
{
    for (int64_t i = 0; i < t; i++, in += h, out += h) {
        double squares = 0;
        for (int64_t k = 0; k < h; k++) squares += (double)in[k] * in[k];
        const double scale = 1 / sqrt(squares / (double)h + epsilon);
        for (int64_t k = 0; k < h; k++) out[k] = (float)(in[k] * scale * weight[k]);
    }
}

static void mix(struct engine *m, const struct layer *l, int64_t t)
{
    const struct config *c = &m->size;
    const int64_t d = c->inner, mixed = c->rank + 2 * c->state;
    const segue_causal_conv1d conv = conv_of(l->conv, t);
    const segue_selective_scan scan = scan_of(l->scan, t);
    segue_diag why;
    rms_norm(m->normed, m->hidden, l->norm, t, c->hidden, c->epsilon);
    dense(m->xz, m->normed, c->hidden, l->in_proj, t, 2 * d, c->hidden, 0);
    copy(m, SEGUE_COPY_TO_DEVICE, &m->dev_xz, m->xz, t * 2 * d);
    check(segue_plan_run(m->conv[t == 1], &conv.header, m->stream, m->workspace, &why), &why);
    copy(m, SEGUE_COPY_FROM_DEVICE, &m->dev_u, m->u, t * d);
    dense(m->raw_bc, m->u, d, l->x_proj, t, mixed, d, 0);
    dense(m->delta, m->raw_bc, mixed, l->dt_proj, t, d, c->rank, 0);
    copy(m, SEGUE_COPY_TO_DEVICE, &m->dev_raw_bc, m->raw_bc, t * mixed);
    copy(m, SEGUE_COPY_TO_DEVICE, &m->dev_delta, m->delta, t * d);
    check(segue_plan_run(m->scan[t == 1], &scan.header, m->stream, m->workspace, &why), &why);
    copy(m, SEGUE_COPY_FROM_DEVICE, &m->dev_y, m->y, t * d);
    dense(m->hidden, m->y, d, l->out_proj, t, c->hidden, d, 1);
}

/* Reads t more bytes; the logits after the last, or after every one. The output head is the embedding. */
static const float *forward(struct engine *m, const unsigned char *text, int64_t t, int every)
{
    const struct config *c = &m->size;
    for (int64_t i = 0, h = c->hidden; i < t; i++)
        memcpy(m->hidden + i * h, m->embedding + text[i] * h, (size_t)h * sizeof *m->hidden);
    for (int64_t i = 0; i < c->layers; i++) mix(m, &m->layers[i], t);
    const int64_t first = every ? 0 : t - 1;
    rms_norm(m->normed, m->hidden + first * c->hidden, m->final_norm, t - first, c->hidden, c->epsilon);
    dense(m->logits, m->normed, c->hidden, m->embedding, t - first, c->vocab, c->hidden, 0);
    return m->logits;
}

/* ---- what to do with the logits -------------------------------------------------------------------------- */

static int argmax(const float *logits, int64_t vocab)
{
    int best = 0;
    for (int i = 1; i < vocab; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* log of the sum of exp(logits / temperature) */
static double log_sum(const float *logits, int64_t vocab, double temperature)
{
    const double top = logits[argmax(logits, vocab)];
    double sum = 0;
    for (int64_t i = 0; i < vocab; i++) sum += exp((logits[i] - top) / temperature);
    return top / temperature + log(sum);
}

/* The number of cumulative probabilities that are at most u. */
static int draw(const float *logits, int64_t vocab, double temperature, double u)
{
    const double norm = log_sum(logits, vocab, temperature);
    int byte = 0;
    for (double sum = 0; byte + 1 < vocab; byte++) {
        sum += exp(logits[byte] / temperature - norm);
        if (sum > u) break;
    }
    return byte;
}

static double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static unsigned char *read_text(const char *path, int64_t vocab, size_t least, size_t *count)
{
    unsigned char *text = read_file(path, count);
    if (*count < least) die(ENVIRONMENT, "%s: wanted %zu bytes or more, found %zu", path, least, *count);
    for (size_t i = 0; i < *count; i++)
        if (text[i] >= vocab)
            die(ENVIRONMENT, "%s: byte %zu: wanted 0 to %d, found %d", path, i, (int)vocab - 1, text[i]);
    return text;
}

static double *read_uniforms(const char *path, int64_t wanted)
{
    size_t size;
    char *text = (char *)read_file(path, &size), *at = text;
    double *u = keep((size_t)wanted, sizeof *u);
    for (int64_t i = 0; i < wanted; i++) {
        char *end;
        u[i] = strtod(at, &end);
        if (end == at || !(u[i] >= 0 && u[i] < 1))
            die(ENVIRONMENT, "%s: wanted %d numbers in [0, 1); no. %d is none", path, (int)wanted, (int)i + 1);
        at = end;
    }
    return u;
}

struct task {
    const char *model, *device, *prompt, *uniforms, *nll;
    double temperature;
    int64_t count;
    int greedy, timing;
};

static int64_t chunk(size_t left)
{
    return left < CHUNK ? (int64_t)left : CHUNK;
}

static void generate(struct engine *m, const struct task *task)
{
    size_t length;
    const int64_t vocab = m->size.vocab;
    unsigned char *prompt = read_text(task->prompt, vocab, 1, &length);
    double *u = task->uniforms ? read_uniforms(task->uniforms, task->count) : NULL;
    const float *logits = NULL;
    const double begun = seconds();
    for (size_t i = 0; i < length; i += CHUNK) logits = forward(m, prompt + i, chunk(length - i), 0);
    const double filled = seconds();
    for (int64_t i = 0; i < task->count; i++) {
        const int next = u ? draw(logits, vocab, task->temperature, u[i]) : argmax(logits, vocab);
        const unsigned char byte = (unsigned char)next;
        putchar(byte);
        fflush(stdout);
        if (i + 1 < task->count) logits = forward(m, &byte, 1, 0);
    }
    if (task->timing)
        fprintf(stderr, "prefill %zu tokens, %.0f a second; decode %lld tokens, %.0f a second\n", length,
                (double)length / (filled - begun), (long long)task->count - 1,
                (double)(task->count - 1) / (seconds() - filled));
}

static void score(struct engine *m, const struct task *task)
{
    size_t length;
    const int64_t vocab = m->size.vocab;
    unsigned char *text = read_text(task->nll, vocab, 2, &length);
    double nats = 0;
    for (size_t i = 0; i + 1 < length; i += CHUNK) {
        const int64_t t = chunk(length - 1 - i);
        const float *logits = forward(m, text + i, t, 1);
        for (size_t k = i + 1; k <= i + (size_t)t; k++, logits += vocab)
            nats += log_sum(logits, vocab, 1) - logits[text[k]];
    }
    printf("%.9f\n", nats / (double)(length - 1));
}

/* ---- the command line ------------------------------------------------------------------------------------ */

static void usage(FILE *to)
{
    fputs("usage: mamba MODEL [--device D] --prompt-file F [-n N] [--greedy | --uniforms U [--temperature X]]\n"
          "       mamba MODEL [--device D] --nll FILE\n"
          "Prints the N (200) bytes that follow the text in F, or FILE's nats per byte from the second on.\n"
          "  MODEL            a folder with config.json and model.safetensors (MambaForCausalLM over bytes)\n"
          "  --device D       cpu (default), reference, opencl:0 ...; segue devices lists them\n"
          "  --greedy         always the most likely byte (default)\n"
          "  --uniforms U     N numbers in [0, 1): byte i = how many cumulative probabilities are <= number i\n"
          "  --temperature X  divides the logits before sampling (1)\n"
          "  --timing         tokens per second, on stderr\n",
          to);
}

__attribute__((noreturn)) static void misuse(const char *problem, const char *given)
{
    fprintf(stderr, "mamba: %s%s%s\n", problem, given ? ": " : "", given ? given : "");
    usage(stderr);
    exit(USAGE);
}

/* The number that the option at hand was given. */
static double number(const char *wanted, double least, double most)
{
    char *end;
    const double value = strtod(optarg, &end);
    if (end == optarg || *end || !(value >= least && value <= most)) misuse(wanted, optarg);
    return value;
}

static struct task parse(int argc, char **argv)
{
    static const struct option options[] = {
        { "device", 1, NULL, 'd' },      { "prompt-file", 1, NULL, 'p' }, { "greedy", 0, NULL, 'g' },
        { "uniforms", 1, NULL, 'u' },    { "nll", 1, NULL, 'l' },         { "timing", 0, NULL, 'c' },
        { "temperature", 1, NULL, 't' }, { "help", 0, NULL, 'h' },        { NULL, 0, NULL, 0 },
    };
    struct task task = { .device = "cpu", .count = 200 };
    for (int c; (c = getopt_long(argc, argv, "n:h", options, NULL)) != -1;) {
        if (c == 'h') usage(stdout), exit(0);
        else if (c == 'd') task.device = optarg;
        else if (c == 'p') task.prompt = optarg;
        else if (c == 'g') task.greedy = 1;
        else if (c == 'u') task.uniforms = optarg;
        else if (c == 't') task.temperature = number("--temperature: wanted 0.001 to 1000", 1e-3, 1e3);
        else if (c == 'l') task.nll = optarg;
        else if (c == 'c') task.timing = 1;
        else if (c == 'n') task.count = (int64_t)number("-n: wanted 1 to 1000000", 1, 1e6);
        else usage(stderr), exit(USAGE); /* getopt has said why */
    }
    if (optind + 1 != argc) misuse("wanted one model folder", optind < argc ? argv[optind + 1] : NULL);
    if (!task.prompt == !task.nll) misuse("wanted either --prompt-file or --nll", NULL);
    if (task.greedy + !!task.uniforms + !!task.nll > 1) misuse("wanted --greedy, --uniforms or --nll", NULL);
    if (task.temperature != 0 && !task.uniforms) misuse("--temperature goes with --uniforms", NULL);
    if (task.temperature == 0) task.temperature = 1;
    task.model = argv[optind];
    return task;
}

int main(int argc, char **argv)
{
    const struct task task = parse(argc, argv);
    struct engine m = { 0 };
    openblas_set_num_threads(1); /* its threads would spin on the cores that the device's own threads need */
    load(&m, task.model, task.device);
    if (task.nll) score(&m, &task);
    else generate(&m, &task);
    unload(&m);
    if (fflush(stdout) || ferror(stdout)) die(ENVIRONMENT, "cannot write the output: %s", strerror(errno));
    return 0;
}
