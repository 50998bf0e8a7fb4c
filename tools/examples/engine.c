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

static const char *program = "engine"; /* what messages begin with */
static void (*usage_of)(FILE *to);

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

unsigned char *read_file(const char *path, size_t *size)
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
static void read_config(struct engine *e)
{
    json_error_t why;
    e->config = json_load_file(e->config_path, 0, &why);
    if (!e->config) die(ENVIRONMENT, "%s: %s (line %d)", e->config_path, why.text, why.line);
    wants(e, "model_type", e->names->model_type);
    wants(e, "hidden_act", "\"silu\"");
    wants(e, "tie_word_embeddings", "true");
    e->vocab = positive(e, "vocab_size");
    e->hidden_size = positive(e, "hidden_size");
    e->layers = positive(e, "num_hidden_layers");
    e->epsilon = json_number_value(json_object_get(e->config, e->names->epsilon));
    if (e->vocab > 256)
        die(ENVIRONMENT, "%s: vocab_size: wanted 256 or less: tokens are bytes", e->config_path);
    if (!(e->epsilon > 0))
        die(ENVIRONMENT, "%s: %s: wanted a positive number", e->config_path, e->names->epsilon);
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

void open_files(struct engine *e, const char *folder, const struct names *names)
{
    e->names = names;
    snprintf(e->config_path, sizeof e->config_path, "%s/config.json", folder);
    snprintf(e->weights_path, sizeof e->weights_path, "%s/model.safetensors", folder);
    read_config(e);
    read_header(e);
    e->embedding = take(e, -1, names->embedding, SHAPE(e->vocab, e->hidden_size));
    e->final_norm = take(e, -1, names->final_norm, SHAPE(e->hidden_size));
    e->norm = keep((size_t)e->layers, sizeof *e->norm);
    for (int64_t i = 0; i < e->layers; i++) e->norm[i] = take(e, i, names->norm, SHAPE(e->hidden_size));
}

void make_room(struct engine *e, int64_t tokens)
{
    float **host[] = { &e->hidden, &e->normed, &e->logits };
    const int64_t width[] = { e->hidden_size, e->hidden_size, e->vocab };
    for (int i = 0; i < 3; i++) *host[i] = keep((size_t)(tokens * width[i]), sizeof **host[i]);
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
    if (layer < 0) snprintf(name, sizeof name, "%s.%s", e->names->prefix, part);
    else snprintf(name, sizeof name, "%s.layers.%lld.%s", e->names->prefix, (long long)layer, part);
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

static segue_tensor place_as(struct engine *e, uint32_t dtype, int rank, const int64_t *shape)
{
    const segue_tensor t = segue_tensor_after(e->last, dtype, rank, shape);
    if (t.bytes > e->memory.bytes)
        die(FAILED, "no room for a tensor that ends at byte %llu of %llu: open_device was told too little",
            (unsigned long long)t.bytes, (unsigned long long)e->memory.bytes);
    return e->last = t;
}

segue_tensor place(struct engine *e, int rank, const int64_t *shape)
{
    return place_as(e, SEGUE_F32, rank, shape);
}

segue_tensor place_integers(struct engine *e, int rank, const int64_t *shape)
{
    return place_as(e, SEGUE_I32, rank, shape);
}

void copy(struct engine *e, uint32_t direction, const segue_tensor *device, void *host, int64_t count)
{
    const uint64_t bytes = (uint64_t)count * sizeof(float); /* and of int32_t */
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

void give_back(struct engine *e)
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
    if (fflush(stdout) || ferror(stdout)) die(ENVIRONMENT, "cannot write the output: %s", strerror(errno));
}

/* ---- the forward pass ------------------------------------------------------------------------------------ */

void dense(float *out, const float *in, int64_t in_stride, const float *weight, int64_t t, int64_t to,
           int64_t from, int add)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)t, (int)to, (int)from, 1, in, (int)in_stride,
                weight, (int)from, (float)add, out, (int)to);
}

void rms_norm(struct engine *e, const float *in, const float *weight, int64_t t)
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

const float *forward(struct engine *e, const unsigned char *text, int64_t t, int every)
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

/* ---- text, time, the command line ------------------------------------------------------------------------- */

unsigned char *read_text(const char *path, int64_t vocab, size_t least, size_t *count)
{
    unsigned char *text = read_file(path, count);
    if (*count < least) die(ENVIRONMENT, "%s: wanted %zu bytes or more, found %zu", path, least, *count);
    for (size_t i = 0; i < *count; i++)
        if (text[i] >= vocab)
            die(ENVIRONMENT, "%s: byte %zu: wanted 0 to %d, found %d", path, i, (int)vocab - 1, text[i]);
    return text;
}

double seconds(void)
{
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void begin(const char *name, void (*usage)(FILE *to))
{
    program = name;
    usage_of = usage;
    openblas_set_num_threads(1); /* its threads would spin on the cores that the device's own threads need */
}

void misuse(const char *problem, const char *given)
{
    fprintf(stderr, "%s: %s%s%s\n", program, problem, given ? ": " : "", given ? given : "");
    usage_of(stderr);
    exit(USAGE);
}

/* The number that the option at hand was given. */
double number(const char *wanted, double least, double most)
{
    char *end;
    const double value = strtod(optarg, &end);
    if (end == optarg || *end || !(value >= least && value <= most)) misuse(wanted, optarg);
    return value;
}
