/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the engines of this folder share, beside the layers that make a model: its files, an opened device,
 * embedding, norms and dense products on the host, and (autoregressive.c) sampling and the command line of those that
 * write byte after byte. Everything that fails ends the program with words. */
#ifndef SEGUE_EXAMPLES_ENGINE_H
#define SEGUE_EXAMPLES_ENGINE_H

#include <segue/segue.h>

#include <jansson.h>
#include <stdio.h>

enum { FAILED = 1, USAGE = 2, NO_DEVICE = 3, ENVIRONMENT = 4 }; /* exit codes */
enum { CHUNK = 256 };                                           /* tokens of one prefill call */
enum { MOST_PLANS = 8 };
/* clang-format off */
#define SHAPE(...) (int)(sizeof(int64_t[]){ __VA_ARGS__ } / sizeof(int64_t)), (int64_t[]){ __VA_ARGS__ }
/* clang-format on */

struct names {                                          /* what a class of models calls its parts */
    const char *model_type, *epsilon;                   /* in config.json; model_type with its quotes */
    const char *prefix, *embedding, *norm, *final_norm; /* of weights: of all; norm: in front of a layer */
};

struct engine { /* first member of a model's own struct */
    /* What a layer adds to hidden [t hidden_size]: reads normed, which is hidden behind the layer's norm. */
    void (*mix)(struct engine *e, int64_t layer, int64_t t);
    const struct names *names;
    int64_t vocab, hidden_size, layers;
    double epsilon;
    float *embedding, *final_norm, **norm;      /* norm: of each layer, in front of it */
    float *hidden, *normed, *logits;            /* of the tokens of a forward pass, on the host */
    char config_path[4096], weights_path[4096]; /* config.json, model.safetensors */
    json_t *config, *header;                    /* of these two; gone once the model is loaded */
    const unsigned char *data;                  /* what the header's offsets count from */
    size_t data_size;
    segue_context *ctx;
    segue_device *dev;
    segue_stream stream;
    segue_buffer memory, workspace;
    segue_tensor last; /* end of what is laid out in memory */
    segue_plan *plans[MOST_PLANS];
    int plan_count;
};

struct task { /* the command line */
    const char *model, *device, *prompt, *uniforms, *nll;
    double temperature;
    int64_t count;
    int greedy, timing;
};

__attribute__((noreturn, format(printf, 2, 3))) void die(int code, const char *format, ...);
void check(segue_status status, const segue_diag *why);
/* Zeroed memory that lives until the program ends. */
void *keep(size_t count, size_t bytes);

/* ---- the model's files ----------------------------------------------------------------------------------- */

/* transformers' config.json and model.safetensors; what all of these models have is read and checked. */
void open_files(struct engine *e, const char *folder, const struct names *names);
/* hidden, normed and logits for so many tokens. */
void make_room(struct engine *e, int64_t tokens);
void close_files(struct engine *e);
/* A size that config.json must have; a value that it must have (JSON; NULL = none). */
int64_t positive(const struct engine *e, const char *name);
void wants(const struct engine *e, const char *name, const char *value);
/* One tensor as f32; layer -1: it belongs to none. */
float *take(const struct engine *e, int64_t layer, const char *part, int rank, const int64_t *shape);

/* ---- the device ------------------------------------------------------------------------------------------ */

/* Opens it, with zeroed memory for so many numbers (f32, i32) in so many tensors. */
void open_device(struct engine *e, const char *name, int64_t floats, int64_t tensors);
/* The next f32 tensor in it, or i32; a weight moved there. */
segue_tensor place(struct engine *e, int rank, const int64_t *shape);
segue_tensor place_integers(struct engine *e, int rank, const int64_t *shape);
segue_tensor move(struct engine *e, float *host, int rank, const int64_t *shape);
/* Direction SEGUE_COPY_TO_DEVICE or SEGUE_COPY_FROM_DEVICE. Waits: the host's memory may be used again at
 * once. */
void copy(struct engine *e, uint32_t direction, const segue_tensor *device, void *host, int64_t count);
/* Planned for the dimensions that the op has; a run may have fewer tokens. */
segue_plan *make_plan(struct engine *e, const segue_op_header *op);
void run_plan(struct engine *e, const segue_plan *plan, const segue_op_header *op);
/* The first `tokens` tokens (axis 1) of those that are present. */
void narrow(segue_tensor *const *tensors, int count, int64_t tokens);
/* [b t h*d] as [b t h d]: the same memory. */
segue_tensor in_heads(segue_tensor t, int64_t heads);

/* ---- on the host ----------------------------------------------------------------------------------------- */

/* out[t, to] = in[t, from] weight[to, from]^T, added to out where asked. */
void dense(float *out, const float *in, int64_t in_stride, const float *weight, int64_t t, int64_t to,
           int64_t from, int add);

/* To normed, by the root of the mean square. */
void rms_norm(struct engine *e, const float *in, const float *weight, int64_t t);
/* Reads t more bytes; the logits after the last, or after every one. The output head is the embedding. */
const float *forward(struct engine *e, const unsigned char *text, int64_t t, int every);

/* ---- the program ----------------------------------------------------------------------------------------- */

void begin(const char *name, void (*usage)(FILE *to));
__attribute__((noreturn)) void misuse(const char *problem, const char *given);
/* The number that the option at hand (optarg) was given. */
double number(const char *wanted, double least, double most);
/* A file, with a 0 behind it; one of bytes below vocab. */
unsigned char *read_file(const char *path, size_t *size);
unsigned char *read_text(const char *path, int64_t vocab, size_t least, size_t *count);
double seconds(void);
/* Everything that was opened or kept. */
void give_back(struct engine *e);

/* autoregressive.c. class_of_models: what a folder holds, for the usage. */
struct task parse(int argc, char **argv, const char *name, const char *class_of_models);
/* Prints what the task asks for, gives everything back, returns the exit code. */
int perform(struct engine *e, const struct task *task);

#endif
