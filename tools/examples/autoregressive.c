/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The program of engines that write byte after byte: text by argmax or by given uniform numbers, likelihood. */
#include "engine.h"

#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const char *program = "engine", *model_class = ""; /* what the usage names */

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
    begin(name, usage);
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
    if (task->nll) score(e, task);
    else generate(e, task);
    give_back(e);
    return 0;
}
