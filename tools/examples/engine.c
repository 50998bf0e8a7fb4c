/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "engine.h"

#include <cblas.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *program = "engine", *model_class = ""; /* what messages begin with; what the usage wants */

/* ---- failing, memory, files ------------------------------------------------------------------------------ */

void die(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fflush(stdout);
    fprintf(stderr, "%s: ", program);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    exit(code);
}

void check(segue_status status, const segue_diag *why)
{
    if (status == SEGUE_OK) return;
    die(status == SEGUE_ERROR_NO_DEVICE || status == SEGUE_ERROR_PLUGIN ? NO_DEVICE : FAILED, "%s", why->text);
}

static struct block {
    struct block *next;
    max_align_t memory[];
} * blocks;

void *keep(size_t count, size_t bytes)
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

int64_t positive(const struct engine *e, const char *name)
{
    const json_t *value = json_object_get(e->config, name);
    const json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 1 || number > 1 << 20)
        die(ENVIRONMENT, "%s: %s: wanted an integer from 1 to %d", e->config_path, name, 1 << 20);
    return number;
}

void wants(const struct engine *e, const char *name, const char *value)
{
    char *found = json_dumps(json_object_get(e->config, name), JSON_ENCODE_ANY);
    if (strcmp(found ? found : "nothing", value ? value : "nothing"))
        die(ENVIRONMENT, "%s: %s: wanted %s, found %s", e->config_path, name, value ? value : "nothing",
            found ? found : "nothing");
    free(found);
}

/* What all of these models have. */
static void read_config(struct engine *e, const char *model_type)
{
    json_error_t why;
    e->config = json_load_file(e->config_path, 0, &why);
    if (!e->config) die(ENVIRONMENT, "%s: %s (line %d)", e->config_path, why.text, why.line);
    wants(e, "model_type", model_type);
    wants(e, "hidden_act", "\"silu\"");
    wants(e, "use_bias", "false");
    wants(e, "use_conv_bias", "true");
    wants(e, "tie_word_embeddings", "true");
    e->vocab = positive(e, "vocab_size");
    e->hidden_size = positive(e, "hidden_size");
    e->layers = positive(e, "num_hidden_layers");
    e->epsilon = json_number_value(json_object_get(e->config, "layer_norm_epsilon"));
    if (e->vocab > 256)
        die(ENVIRONMENT, "%s: vocab_size: wanted 256 or less: tokens are bytes", e->config_path);
    if (!(e->epsilon > 0)) die(ENVIRONMENT, "%s: layer_norm_epsilon: wanted a positive number", e->config_path);
}

/* 8 bytes little-endian header length, the header (JSON), then the data. */
static void read_header(struct engine *e)
{
    json_error_t why;
    uint64_t header = 0;
    size_t size;
    const unsigned char *bytes = read_file(e->weights_path, &size);
    for (int i = 7; size >= 8 && i >= 0; i--) header = header << 8 | bytes[i];
    if (size < 8 || header > size - 8)
        die(ENVIRONMENT, "%s: its %zu bytes end in the header", e->weights_path, size);
    e->header = json_loadb((const char *)bytes + 8, header, JSON_REJECT_DUPLICATES, &why);
    if (!json_is_object(e->header))
        die(ENVIRONMENT, "%s: its header is no JSON object: %s", e->weights_path, why.text);
    e->data = bytes + 8 + header;
    e->data_size = size - 8 - header;
}

void open_files(struct engine *e, const char *folder, const char *model_type)
{
    snprintf(e->config_path, sizeof e->config_path, "%s/config.json", folder);
    snprintf(e->weights_path, sizeof e->weights_path, "%s/model.safetensors", folder);
    read_config(e, model_type);
    read_header(e);
    e->embedding = take(e, -1, "embeddings.weight", SHAPE(e->vocab, e->hidden_size));
    e->final_norm = take(e, -1, "norm_f.weight", SHAPE(e->hidden_size));
    e->norm = keep((size_t)e->layers, sizeof *e->norm);
    for (int64_t i = 0; i < e->layers; i++) e->norm[i] = take(e, i, "norm.weight", SHAPE(e->hidden_size));
    float **host[] = { &e->hidden, &e->normed, &e->logits };
    const int64_t width[] = { e->hidden_size, e->hidden_size, e->vocab };
    for (int i = 0; i < 3; i++) *host[i] = keep((size_t)(CHUNK * width[i]), sizeof **host[i]);
}

void close_files(struct engine *e)
{
    json_decref(e->config);
    json_decref(e->header);
    e->config = e->header = NULL;
}

float *take(const struct engine *e, int64_t layer, const char *part, int rank, const int64_t *shape)
{
    char name[96];
    if (layer < 0) snprintf(name, sizeof name, "backbone.%s", part);
    else snprintf(name, sizeof name, "backbone.layers.%lld.%s", (long long)layer, part);
    const json_t *entry = json_object_get(e->header, name), *span = json_object_get(entry, "data_offsets");
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    const int64_t begin = json_integer_value(json_array_get(span, 0));
    const int64_t end = json_integer_value(json_array_get(span, 1));
    if (!entry) die(ENVIRONMENT, "%s: tensor %s is missing", e->weights_path, name);
    if (!dtype || (strcmp(dtype, "BF16") && strcmp(dtype, "F32")))
        die(ENVIRONMENT, "%s: %s: wanted dtype BF16 or F32, found %s", e->weights_path, name,
            dtype ? dtype : "none");

    json_t *wanted = json_array(), *found = json_object_get(entry, "shape");
    int64_t count = 1;
    for (int i = 0; i < rank; count *= shape[i++]) json_array_append_new(wanted, json_integer(shape[i]));
    if (!json_equal(wanted, found))
        die(ENVIRONMENT, "%s: %s: wanted shape %s, found %s", e->weights_path, name,
            json_dumps(wanted, JSON_COMPACT),
            found ? json_dumps(found, JSON_COMPACT | JSON_ENCODE_ANY) : "none");
    json_decref(wanted);
    const int bytes = strcmp(dtype, "BF16") ? 4 : 2;
    if (begin < 0 || end < begin || (uint64_t)end > e->data_size || end - begin != count * bytes)
        die(ENVIRONMENT, "%s: %s: wanted %lld bytes, found offsets %lld to %lld in %zu bytes of data",
            e->weights_path, name, (long long)(count * bytes), (long long)begin, (long long)end, e->data_size);

    const unsigned char *from = e->data + begin;
    float *to = keep((size_t)count, sizeof *to);
    for (int64_t i = 0; i < count; i++, from += bytes) {
        uint32_t bits = 0; /* bf16 is the upper half of f32 */
        for (int b = 0; b < bytes; b++) bits |= (uint32_t)from[b] << (8 * (4 - bytes + b));
        memcpy(&to[i], &bits, sizeof bits);
    }
    return to;
}

/* ---- the device ------------------------------------------------------------------------------------------ */

void open_device(struct engine *e, const char *name, int64_t floats, int64_t tensors)
{
    const uint64_t bytes = sizeof(float) * (uint64_t)floats + 256 * (uint64_t)tensors; /* each one is aligned */
    segue_diag why;
    check(segue_context_create(NULL, &e->ctx, &why), &why);
    check(segue_device_open(e->ctx, name, NULL, &e->dev, &why), &why);
    check(segue_stream_create(e->dev, &e->stream, &why), &why);
    check(segue_memory_alloc(e->dev, bytes, &e->memory, &why), &why);
    check(segue_memory_fill(e->dev, e->stream, e->memory, 0, bytes, &why), &why); /* states begin at 0 */
    e->last = (segue_tensor){ .data = e->memory.data, .bytes = e->memory.offset };
}

segue_tensor place(struct engine *e, int rank, const int64_t *shape)
{
    return e->last = segue_tensor_after(e->last, SEGUE_F32, rank, shape);
}

void copy(struct engine *e, uint32_t direction, const segue_tensor *device, float *host, int64_t count)
{
    const uint64_t bytes = (uint64_t)count * sizeof *host;
    const segue_buffer there = { device->data, device->offset, device->bytes }, here = { host, 0, bytes };
    const int up = direction == SEGUE_COPY_TO_DEVICE;
    const segue_buffer to = up ? there : here, from = up ? here : there;
    segue_diag why;
    check(segue_memory_copy(e->dev, e->stream, direction, to, from, bytes, &why), &why);
    check(segue_stream_sync(e->dev, e->stream, &why), &why);
}

segue_tensor move(struct engine *e, float *host, int rank, const int64_t *shape)
{
    int64_t count = 1;
    for (int i = 0; i < rank; i++) count *= shape[i];
    place(e, rank, shape);
    copy(e, SEGUE_COPY_TO_DEVICE, &e->last, host, count);
    return e->last;
}

/* One workspace serves all plans: they run one after the other. */
segue_plan *make_plan(struct engine *e, const segue_op_header *op)
{
    segue_plan_facts facts = { .size = sizeof facts };
    segue_diag why;
    if (e->plan_count == MOST_PLANS) die(FAILED, "no room for more than %d plans", MOST_PLANS);
    segue_plan **plan = &e->plans[e->plan_count++];
    check(segue_plan_create(e->dev, op, plan, &why), &why);
    check(segue_plan_info(*plan, &facts, &why), &why);
    if (facts.workspace_bytes > e->workspace.bytes) {
        segue_memory_free(e->dev, e->workspace);
        check(segue_memory_alloc(e->dev, facts.workspace_bytes, &e->workspace, &why), &why);
    }
    return *plan;
}

void run_plan(struct engine *e, const segue_plan *plan, const segue_op_header *op)
{
    segue_diag why;
    check(segue_plan_run(plan, op, e->stream, e->workspace, &why), &why);
}

void narrow(segue_tensor *const *tensors, int count, int64_t tokens)
{
    for (int i = 0; i < count; i++)
        if (tensors[i]->dtype.bits) *tensors[i] = segue_tensor_slice(*tensors[i], 1, 0, tokens);
}

segue_tensor in_heads(segue_tensor t, int64_t heads)
{
    t.rank = 4;
    t.shape[3] = t.shape[2] / heads;
    t.stride[3] = t.stride[2];
    t.shape[2] = heads;
    t.stride[2] = t.shape[3] * t.stride[3];
    return t;
}

static void give_back(struct engine *e)
{
    while (e->plan_count) segue_plan_destroy(e->plans[--e->plan_count]);
    segue_memory_free(e->dev, e->workspace);
    segue_memory_free(e->dev, e->memory);
    segue_stream_destroy(e->dev, e->stream);
    segue_device_close(e->dev);
    segue_context_destroy(e->ctx);
    for (struct block *next; blocks; blocks = next) {
        next = blocks->next;
        free(blocks);
    }
}

/* ---- the forward pass ------------------------------------------------------------------------------------ */

void dense(float *out, const float *in, int64_t in_stride, const float *weight, int64_t t, int64_t to,
           int64_t from, int add)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)t, (int)to, (int)from, 1, in, (int)in_stride,
                weight, (int)from, (float)add, out, (int)to);
}

static void rms_norm(struct engine *e, const float *in, const float *weight, int64_t t)
{
    const int64_t h = e->hidden_size;
    float *out = e->normed;
    for (int64_t i = 0; i < t; i++, in += h, out += h) {
        double squares = 0;
        for (int64_t k = 0; k < h; k++) squares += (double)in[k] * in[k];
        const double scale = 1 / sqrt(squares / (double)h + e->epsilon);
        for (int64_t k = 0; k < h; k++) out[k] = (float)(in[k] * scale * weight[k]);
    }
}

/* Reads t more bytes; the logits after the last, or after every one. The output head is the embedding. */
static const float *forward(struct engine *e, const unsigned char *text, int64_t t, int every)
{
    const int64_t h = e->hidden_size, first = every ? 0 : t - 1;
    for (int64_t i = 0; i < t; i++)
        memcpy(e->hidden + i * h, e->embedding + text[i] * h, (size_t)h * sizeof *e->hidden);
    for (int64_t i = 0; i < e->layers; i++) {
        rms_norm(e, e->hidden, e->norm[i], t);
        e->mix(e, i, t);
    }
    rms_norm(e, e->hidden + first * h, e->final_norm, t - first);
    dense(e->logits, e->normed, h, e->embedding, t - first, e->vocab, h, 0);
    return e->logits;
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

static int64_t chunk(size_t left)
{
    return left < CHUNK ? (int64_t)left : CHUNK;
}

static void generate(struct engine *e, const struct task *task)
{
    size_t length;
    const int64_t vocab = e->vocab;
    unsigned char *prompt = read_text(task->prompt, vocab, 1, &length);
    double *u = task->uniforms ? read_uniforms(task->uniforms, task->count) : NULL;
    const float *logits = NULL;
    const double begun = seconds();
    for (size_t i = 0; i < length; i += CHUNK) logits = forward(e, prompt + i, chunk(length - i), 0);
    const double filled = seconds();
    for (int64_t i = 0; i < task->count; i++) {
        const int next = u ? draw(logits, vocab, task->temperature, u[i]) : argmax(logits, vocab);
        const unsigned char byte = (unsigned char)next;
        putchar(byte);
        fflush(stdout);
        if (i + 1 < task->count) logits = forward(e, &byte, 1, 0);
    }
    if (task->timing)
        fprintf(stderr, "prefill %zu tokens, %.0f a second; decode %lld tokens, %.0f a second\n", length,
                (double)length / (filled - begun), (long long)task->count - 1,
                (double)(task->count - 1) / (seconds() - filled));
}

static void score(struct engine *e, const struct task *task)
{
    size_t length;
    const int64_t vocab = e->vocab;
    unsigned char *text = read_text(task->nll, vocab, 2, &length);
    double nats = 0;
    for (size_t i = 0; i + 1 < length; i += CHUNK) {
        const int64_t t = chunk(length - 1 - i);
        const float *logits = forward(e, text + i, t, 1);
        for (size_t k = i + 1; k <= i + (size_t)t; k++, logits += vocab)
            nats += log_sum(logits, vocab, 1) - logits[text[k]];
    }
    printf("%.9f\n", nats / (double)(length - 1));
}

/* ---- the command line ------------------------------------------------------------------------------------ */

static void usage(FILE *to)
{
    fprintf(to,
            "usage: %s MODEL [--device D] --prompt-file F [-n N] [--greedy | --uniforms U [--temperature X]]\n"
            "       %s MODEL [--device D] --nll FILE\n"
            "Prints the N (200) bytes that follow the text in F, or FILE's nats per byte from the second on.\n"
            "  MODEL            a folder with config.json and model.safetensors (%s over bytes)\n",
            program, program, model_class);
    fputs("  --device D       cpu (default), reference, opencl:0 ...; segue devices lists them\n"
          "  --greedy         always the most likely byte (default)\n"
          "  --uniforms U     N numbers in [0, 1): byte i = how many cumulative probabilities are <= number i\n"
          "  --temperature X  divides the logits before sampling (1)\n"
          "  --timing         tokens per second, on stderr\n",
          to);
}

__attribute__((noreturn)) static void misuse(const char *problem, const char *given)
{
    fprintf(stderr, "%s: %s%s%s\n", program, problem, given ? ": " : "", given ? given : "");
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

struct task parse(int argc, char **argv, const char *name, const char *class_of_models)
{
    static const struct option options[] = {
        { "device", 1, NULL, 'd' },      { "prompt-file", 1, NULL, 'p' }, { "greedy", 0, NULL, 'g' },
        { "uniforms", 1, NULL, 'u' },    { "nll", 1, NULL, 'l' },         { "timing", 0, NULL, 'c' },
        { "temperature", 1, NULL, 't' }, { "help", 0, NULL, 'h' },        { NULL, 0, NULL, 0 },
    };
    struct task task = { .device = "cpu", .count = 200 };
    program = name;
    model_class = class_of_models;
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

int perform(struct engine *e, const struct task *task)
{
    openblas_set_num_threads(1); /* its threads would spin on the cores that the device's own threads need */
    if (task->nll) score(e, task);
    else generate(e, task);
    give_back(e);
    if (fflush(stdout) || ferror(stdout)) die(ENVIRONMENT, "cannot write the output: %s", strerror(errno));
    return 0;
}
