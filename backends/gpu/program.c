/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Programs: a kernel's text for one compile key, built once, kept on disk, loaded once a device. */
#include "cache.h"
#include "gpu.h"
#include "tensor_copy.h"

#include <inttypes.h>
#include <pthread.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PHASE SEGUE_PHASE_PLAN

/* Programs without a plan stay loaded: engines that make and destroy plans in turn would load them again and
 * again. More than these, and the one left longest ago goes. */
enum { MOST_IDLE = 16 };

extern const char gpu_words[]; /* words.h */

struct gpu_program {
    struct gpu_program *next; /* the one left last comes first */
    uint8_t digest[GPU_DIGEST_BYTES];
    void *loaded;
    int64_t users;
    int unsaved; /* not on disk yet: the driver gives a blob after launches */
    int broken;  /* its launches fail: new plans build it anew */
};

static const struct {
    uint32_t dtype;
    const char *name;
} dtypes[] = { { SEGUE_F32, "F32" }, { SEGUE_F16, "F16" }, { SEGUE_BF16, "BF16" } };

static const char *dtype_name(uint32_t dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof *dtypes; i++)
        if (dtypes[i].dtype == dtype) return dtypes[i].name;
    return NULL;
}

/* ---- texts ---------------------------------------------------------------------------------------------- */

struct text { /* cut = it did not fit */
    char *at;
    size_t size, used;
    int cut;
};

static void append(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int more = vsnprintf(text->at + text->used, text->size - text->used, format, args);
    va_end(args);
    if (more < 0 || (size_t)more >= text->size - text->used) text->cut = 1;
    else text->used += (size_t)more;
}

static segue_status make_options(const struct gpu *gpu, const struct gpu_key *key, struct text *out,
                                 segue_diag *why)
{
    const char *act = dtype_name(key->act), *state = dtype_name(key->state);
    if ((key->act && !act) || (key->state && !state) || key->define_count > GPU_MOST_DEFINES)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, PHASE, 0,
                              "%s: act %" PRIx32 ", state %" PRIx32 ", %d defines, wanted f32, f16 or bf16 and "
                              "at most %d",
                              key->kernel, key->act, key->state, key->define_count, GPU_MOST_DEFINES);
    append(out, " -DGROUP=%d", key->group);
    if (act) append(out, " -DACT_%s=1", act);
    if (state) append(out, " -DSTATE_%s=1", state);
    if (gpu->features & GPU_HAS_F16) append(out, " -DHAS_F16=1");
    for (int32_t i = 0; i < key->define_count; i++)
        append(out, " -D%s=%" PRId64, key->define[i].name, key->define[i].value);
    if (!out->cut) return SEGUE_OK;
    return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, PHASE, 0, "%s: the compile options are longer than %zu",
                          key->kernel, out->size);
}

/* The whole text that a compiler gets. #line makes its messages name our files. */
static segue_status make_source(const struct gpu *gpu, const struct gpu_key *key, char **out, segue_diag *why)
{
    static const char form[] = "#line 1 \"dialect.h\"\n%s\n#line 1 \"words.h\"\n%s\n#line 1 \"%s.args.h\"\n%s\n"
                               "#line 1 \"%s.k.h\"\n%s\n";
    const struct gpu_source *source = key->source;
    const size_t size = sizeof form + strlen(gpu->driver->dialect) + strlen(gpu_words) + strlen(source->args) +
                        strlen(source->text) + 2 * strlen(source->name);
    char *text = gpu->host->alloc(gpu->host->user, size, 64);
    if (!text)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, PHASE, 0, "no memory for the source of %s",
                              source->name);
    snprintf(text, size, form, gpu->driver->dialect, gpu_words, source->name, source->args, source->name,
             source->text);
    *out = text;
    return SEGUE_OK;
}

/* Lengths go in as well, so that no two triples of texts are the same bytes. */
static void digest_of(const struct gpu *gpu, const struct gpu_key *key, const char *options, const char *source,
                      uint8_t out[GPU_DIGEST_BYTES])
{
    const char *const texts[] = { gpu->identity, options, key->kernel, source };
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, GPU_DIGEST_BYTES);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const uint64_t length = strlen(texts[i]);
        crypto_generichash_update(&state, (const unsigned char *)&length, sizeof length);
        crypto_generichash_update(&state, (const unsigned char *)texts[i], length);
    }
    crypto_generichash_final(&state, out, GPU_DIGEST_BYTES);
}

/* ---- building and loading ------------------------------------------------------------------------------- */

struct request { /* one program that is wanted */
    const struct gpu_key *key;
    const char *options, *source;
    uint8_t digest[GPU_DIGEST_BYTES];
};

static void announce(const struct gpu *gpu, const struct request *r)
{
    char line[400];
    snprintf(line, sizeof line, "compiling %s for %s:%s", r->key->kernel, gpu->identity, r->options);
    gpu->host->log(gpu->host->user, SEGUE_LOG_INFO, line);
}

/* Code that a driver does not take is no failure, since the next place, or the compiler, has other code; what would
 * meet other code as well is one. */
static segue_status take(struct gpu *gpu, const struct request *r, const void *blob, uint64_t bytes,
                         struct gpu_program *p, segue_diag *why)
{
    segue_diag said = { 0 };
    const segue_status s = gpu->driver->load(gpu, blob, bytes, r->key, &p->loaded, &said);
    if (s == SEGUE_ERROR_MEMORY || s == SEGUE_ERROR_DEVICE_LOST || s == SEGUE_ERROR_CAPTURE) {
        if (why) *why = said;
        return s;
    }
    if (s) gpu->host->log(gpu->host->user, SEGUE_LOG_INFO, said.text);
    return SEGUE_OK;
}

/* p->loaded stays NULL where there is none. */
static segue_status load_cached(struct gpu *gpu, const struct request *r, struct gpu_program *p,
                                segue_diag *why)
{
    void *blob;
    uint64_t bytes;
    if (!gpu_cache_read(gpu->cache, r->digest, &blob, &bytes)) return SEGUE_OK;
    const segue_status s = take(gpu, r, blob, bytes, p, why);
    gpu->host->free(gpu->host->user, blob);
    /* whole, but not to this driver's liking: its version said too little */
    if (!s && !p->loaded) gpu_cache_remove(gpu->cache, r->digest);
    return s;
}

static segue_status load_embedded(struct gpu *gpu, const struct request *r, struct gpu_program *p,
                                  segue_diag *why)
{
    uint64_t bytes = 0;
    const void *blob =
        gpu->driver->embedded ? gpu->driver->embedded(gpu, r->key->kernel, r->options, &bytes) : NULL;
    return blob ? take(gpu, r, blob, bytes, p, why) : SEGUE_OK;
}

static segue_status build(struct gpu *gpu, const struct request *r, struct gpu_program *p, segue_diag *why)
{
    void *blob = NULL;
    uint64_t bytes = 0;
    announce(gpu, r);
    const segue_status s =
        gpu->driver->build(gpu, r->key, r->source, r->options, &p->loaded, &blob, &bytes, why);
    if (!s && blob) gpu_cache_write(gpu->cache, r->digest, blob, bytes);
    p->unsaved = !blob && gpu->driver->save;
    gpu->host->free(gpu->host->user, blob);
    return s;
}

/* ---- the device's programs; all under its lock ---------------------------------------------------------- */

/* NULL = not loaded. */
static struct gpu_program *find(struct gpu *gpu, const uint8_t digest[GPU_DIGEST_BYTES])
{
    struct gpu_program *p = gpu->programs;
    while (p && (p->broken || memcmp(p->digest, digest, GPU_DIGEST_BYTES))) p = p->next;
    return p;
}

static void take_out(struct gpu *gpu, struct gpu_program *p)
{
    struct gpu_program **at = &gpu->programs;
    while (*at != p) at = &(*at)->next;
    *at = p->next;
}

static void put_first(struct gpu *gpu, struct gpu_program *p)
{
    p->next = gpu->programs;
    gpu->programs = p;
}

static void unload(struct gpu *gpu, struct gpu_program *p)
{
    gpu->driver->unload(gpu, p->loaded);
    gpu->host->free(gpu->host->user, p);
}

static void drop_idle(struct gpu *gpu)
{
    int idle = 0;
    for (struct gpu_program **at = &gpu->programs; *at;) {
        struct gpu_program *p = *at;
        if (p->users || (!p->broken && ++idle <= MOST_IDLE)) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        unload(gpu, p);
    }
}

static segue_status find_or_make(struct gpu *gpu, const struct request *r, struct gpu_program **out,
                                 segue_diag *why)
{
    struct gpu_program *p = find(gpu, r->digest);
    if (p) {
        take_out(gpu, p);
    } else {
        p = gpu->host->alloc(gpu->host->user, sizeof *p, 64);
        if (!p)
            return segue_kit_fail(why, SEGUE_ERROR_MEMORY, PHASE, 0, "no memory for the program of %s",
                                  r->key->kernel);
        memcpy(p->digest, r->digest, GPU_DIGEST_BYTES);
        segue_status s = load_embedded(gpu, r, p, why);
        if (!s && !p->loaded) s = load_cached(gpu, r, p, why);
        if (!s && !p->loaded) s = build(gpu, r, p, why);
        if (s) {
            gpu->host->free(gpu->host->user, p);
            return s;
        }
    }
    p->users++;
    put_first(gpu, p);
    *out = p;
    return SEGUE_OK;
}

/* Compiles under the lock: of two plans with one key the second waits for the first one's program. */
static segue_status acquire(struct gpu *gpu, const struct request *r, struct gpu_program **out, segue_diag *why)
{
    pthread_mutex_lock(gpu->lock);
    const segue_status s = find_or_make(gpu, r, out, why);
    pthread_mutex_unlock(gpu->lock);
    return s;
}

static void leave(struct gpu *gpu, struct gpu_program *p)
{
    pthread_mutex_lock(gpu->lock);
    p->users--;
    take_out(gpu, p);
    put_first(gpu, p);
    drop_idle(gpu);
    pthread_mutex_unlock(gpu->lock);
}

/* What cannot run must not stay: the next plan, or process, would find it again. */
static void condemn(struct gpu *gpu, struct gpu_program *p)
{
    pthread_mutex_lock(gpu->lock);
    p->broken = 1;
    gpu_cache_remove(gpu->cache, p->digest);
    pthread_mutex_unlock(gpu->lock);
}

/* Once for a program, after its first launches. */
static void save(struct gpu *gpu, struct gpu_program *p)
{
    void *blob = NULL;
    uint64_t bytes = 0;
    pthread_mutex_lock(gpu->lock);
    if (p->unsaved && gpu->cache && !gpu->driver->save(gpu, p->loaded, &blob, &bytes)) {
        gpu_cache_write(gpu->cache, p->digest, blob, bytes);
        gpu->host->free(gpu->host->user, blob);
    }
    p->unsaved = 0;
    pthread_mutex_unlock(gpu->lock);
}

/* ---- what adapters and launchers call ------------------------------------------------------------------- */

segue_status gpu_open(struct gpu *gpu, segue_diag *why)
{
    gpu->programs = NULL;
    gpu->copy = NULL;
    gpu->lock = gpu->host->alloc(gpu->host->user, sizeof(pthread_mutex_t), 64);
    if (gpu->lock) pthread_mutex_init(gpu->lock, NULL);
    if (!gpu->lock || sodium_init() < 0)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_OPEN, 0, "no memory for the device's lock");
    gpu->cache = gpu_cache_open(gpu->host);
    return SEGUE_OK;
}

void gpu_close(struct gpu *gpu)
{
    gpu_tensor_copy_close(gpu);
    while (gpu->programs) {
        struct gpu_program *p = gpu->programs;
        gpu->programs = p->next;
        unload(gpu, p);
    }
    gpu_cache_close(gpu->cache);
    gpu->cache = NULL;
    if (!gpu->lock) return;
    pthread_mutex_destroy(gpu->lock);
    gpu->host->free(gpu->host->user, gpu->lock);
    gpu->lock = NULL;
}

segue_status gpu_kernel_prepare(struct gpu *gpu, const struct gpu_key *key, struct gpu_kernel *out,
                                segue_diag *why)
{
    char options[400], *source = NULL;
    struct text text = { options, sizeof options, 0, 0 };
    struct gpu_kernel kernel = { .gpu = gpu, .group = key->group };
    struct request request = { .key = key, .options = options };
    segue_status s = make_options(gpu, key, &text, why);
    if (!s) s = make_source(gpu, key, &source, why);
    if (s) return s;
    request.source = source;
    digest_of(gpu, key, options, source, request.digest);
    s = acquire(gpu, &request, &kernel.program, why);
    gpu->host->free(gpu->host->user, source);
    if (s) return s;
    kernel.loaded = kernel.program->loaded;
    if (gpu->driver->prepare) s = gpu->driver->prepare(gpu, kernel.loaded, &kernel.instance, why);
    if (s) leave(gpu, kernel.program);
    else *out = kernel;
    return s;
}

void gpu_kernel_release(struct gpu_kernel *kernel)
{
    struct gpu *gpu = kernel->gpu;
    if (!kernel->program) return;
    if (gpu->driver->release) gpu->driver->release(gpu, kernel->instance);
    leave(gpu, kernel->program);
    *kernel = (struct gpu_kernel){ 0 };
}

segue_status gpu_launch(const struct gpu_kernel *kernel, segue_stream stream, const int32_t groups[3],
                        const struct gpu_arg *args, uint32_t count, segue_diag *why)
{
    struct gpu *gpu = kernel->gpu;
    for (int axis = 0; axis < 3; axis++) {
        if (!groups[axis]) return SEGUE_OK;
        if (groups[axis] > 0 && groups[axis] <= gpu->most_groups[axis]) continue;
        return segue_kit_fail(why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_RUN, 0,
                              "%d groups along axis %d, wanted at most %" PRId64 " on this device",
                              groups[axis], axis, gpu->most_groups[axis]);
    }
    return gpu->driver->launch(gpu, stream, kernel->loaded, kernel->instance, groups, kernel->group, args,
                               count, why);
}

static void tell_time(const struct gpu *gpu, const struct timespec *start)
{
    struct timespec now;
    char line[64];
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(line, sizeof line, "warmed up in %.1f ms",
             (double)(now.tv_sec - start->tv_sec) * 1e3 + (double)(now.tv_nsec - start->tv_nsec) * 1e-6);
    gpu->host->log(gpu->host->user, SEGUE_LOG_DEBUG, line);
}

segue_status gpu_warm_up(const struct gpu_kernel *kernel, const int32_t groups[3], const struct gpu_arg *args,
                         uint32_t count, segue_diag *why)
{
    const segue_stream stream = kernel->gpu->warm;
    struct timespec start;
    clock_gettime(CLOCK_MONOTONIC, &start);
    segue_status s = gpu_launch(kernel, stream, (const int32_t[]){ 1, 1, 1 }, args, count, why);
    if (!s) s = gpu_launch(kernel, stream, groups, args, count, why);
    if (!s) s = kernel->gpu->driver->finish(kernel->gpu, why);
    tell_time(kernel->gpu, &start);
    if (!s) save(kernel->gpu, kernel->program);
    else if (s == SEGUE_ERROR_INTERNAL || s == SEGUE_ERROR_DEVICE_LOST) condemn(kernel->gpu, kernel->program);
    return s;
}
