/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* 2.x and 3.x differ in two things: descriptions of memory are structs of the caller's or objects of the library's, and one call
 * or two make a primitive's description. */
#include "dnnl_products.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

/* Numbers of both versions' headers. DESCRIPTION, MATMUL: bytes that 2.x's structs may have (2.6: 696 and 2800). */
enum {
    CPU = 1,
    IN_ORDER = 1,
    F32 = 3,
    BF16 = 2,
    USER_SCRATCH = 1,
    SCRATCHPAD_MD = 136,
    ARG_A = 1,
    ARG_B = 33,
    ARG_C = 17,
    ARG_SCRATCH = 80,
    MOST_AXES = 12,
    DESCRIPTION = 1024,
    MATMUL = 4096,
    MOST_PRODUCTS = 16,
    LINE = 64
};

typedef int64_t sizes[MOST_AXES];

struct argument {
    int which;
    void *memory;
};

struct version {
    int major, minor, patch;
};

/* What both versions have; OpenMP's are there where the library was built for it. */
#define ENTRIES(ENTRY)                                                                    \
    ENTRY(const struct version *, version, (void))                                        \
    ENTRY(int, engine_create, (void **, int kind, size_t index))                          \
    ENTRY(int, engine_destroy, (void *))                                                  \
    ENTRY(int, stream_create, (void **, void *engine, unsigned flags))                    \
    ENTRY(int, stream_destroy, (void *))                                                  \
    ENTRY(int, primitive_attr_create, (void **))                                          \
    ENTRY(int, primitive_attr_destroy, (void *))                                          \
    ENTRY(int, primitive_attr_set_scratchpad_mode, (void *, int))                         \
    ENTRY(int, primitive_desc_destroy, (void *))                                          \
    ENTRY(const void *, primitive_desc_query_md, (const void *, int what, int index))     \
    ENTRY(size_t, memory_desc_get_size, (const void *))                                   \
    ENTRY(int, primitive_create, (void **, const void *description))                      \
    ENTRY(int, primitive_destroy, (void *))                                               \
    ENTRY(int, memory_create, (void **, const void *description, void *engine, void *at)) \
    ENTRY(int, memory_destroy, (void *))                                                  \
    ENTRY(int, memory_set_data_handle, (void *, void *))                                  \
    ENTRY(int, primitive_execute, (const void *, void *stream, int count, const struct argument *))
#define ENTRIES_2(ENTRY)                                                                             \
    ENTRY(int, memory_desc_init_by_strides, (void *, int axes, const sizes, int dtype, const sizes)) \
    ENTRY(int, matmul_desc_init, (void *, const void *, const void *, const void *, const void *))   \
    ENTRY(int, primitive_desc_create, (void **, const void *, const void *attr, void *engine, const void *hint))
#define ENTRIES_3(ENTRY)                                                                                  \
    ENTRY(int, memory_desc_create_with_strides, (void **, int axes, const sizes, int dtype, const sizes)) \
    ENTRY(int, memory_desc_destroy, (void *))                                                             \
    ENTRY(int, matmul_primitive_desc_create,                                                              \
          (void **, void *engine, const void *, const void *, const void *, const void *, const void *attr))
#define ENTRIES_OMP(ENTRY)              \
    ENTRY(int, get_max_threads, (void)) \
    ENTRY(void, set_num_threads, (int))

struct api {
#define ENTRY(result, name, parameters) result(*name) parameters;
    ENTRIES(ENTRY) ENTRIES_2(ENTRY) ENTRIES_3(ENTRY) ENTRIES_OMP(ENTRY)
#undef ENTRY
};

struct entry {
    const char *name;
    size_t offset;
    int major; /* 0: of both versions; -1: may be missing */
};

static const struct entry entries[] = {
#define ENTRY(result, name, parameters) { "dnnl_" #name, offsetof(struct api, name), 0 },
    ENTRIES(ENTRY)
#undef ENTRY
#define ENTRY(result, name, parameters) { "dnnl_" #name, offsetof(struct api, name), 2 },
        ENTRIES_2(ENTRY)
#undef ENTRY
#define ENTRY(result, name, parameters) { "dnnl_" #name, offsetof(struct api, name), 3 },
            ENTRIES_3(ENTRY)
#undef ENTRY
#define ENTRY(result, name, parameters) { "omp_" #name, offsetof(struct api, name), -1 },
                ENTRIES_OMP(ENTRY)
#undef ENTRY
};

enum { A, B, C, OPERANDS };

struct product {
    struct dnnl_shape shape;
    void *description, *primitive;
    union { /* 2.x's struct, or 3.x's object */
        _Alignas(16) char bytes[DESCRIPTION];
        void *object;
    } memory[OPERANDS];
    const void *scratchpad;
};

struct dnnl_products {
    struct api api;
    const segue_host *host;
    void *engine;
    uint64_t scratch;
    int major, count;
    struct product product[MOST_PRODUCTS];
};

struct dnnl_hand {
    const struct dnnl_products *of;
    void *stream;
    int threads; /* that OpenMP had for this thread */
    struct {
        void *memory[OPERANDS], *scratchpad;
    } each[MOST_PRODUCTS];
};

/* ---- the library ---------------------------------------------------------------------------------------- */

static segue_status load(struct api *out, int *major, segue_diag *why)
{
    static const char *const names[] = { "libdnnl.so.3", "libdnnl.so.2", "libdnnl.so" };
    void *library = NULL;
    /* NODELETE: OpenMP leaves threads behind */
    for (int i = 0; !library && i < 3; i++) library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library)
        return segue_kit_fail(why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, 0,
                              "oneDNN is not installed (%s); Debian: libdnnl2", dlerror());
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        void *at = dlsym(library, entries[i].name);
        memcpy((char *)out + entries[i].offset, &at, sizeof at);
        if (entries[i].offset == offsetof(struct api, version) && at) *major = out->version()->major;
        if (at || entries[i].major == -1 || (entries[i].major && entries[i].major != *major)) continue;
        return segue_kit_fail(why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, 0,
                              "libdnnl has no %s, wanted oneDNN 2.x or 3.x", entries[i].name);
    }
    return SEGUE_OK;
}

/* ---- products ------------------------------------------------------------------------------------------- */

static const void *memory_of(const struct dnnl_products *p, const struct product *q, int operand)
{
    return p->major == 2 ? (const void *)q->memory[operand].bytes : q->memory[operand].object;
}

static int describe(struct dnnl_products *p, struct product *q, int operand, const int64_t *shape,
                    const int64_t *stride, int dtype)
{
    sizes dims = { shape[0], shape[1] }, strides = { stride[0], stride[1] };
    if (p->major == 2)
        return p->api.memory_desc_init_by_strides(q->memory[operand].bytes, 2, dims, dtype, strides);
    return p->api.memory_desc_create_with_strides(&q->memory[operand].object, 2, dims, dtype, strides);
}

static int build(struct dnnl_products *p, struct product *q, const void *attr)
{
    const struct dnnl_shape *s = &q->shape;
    const int dtype = s->dtype == SEGUE_BF16 ? BF16 : F32;
    const int64_t a[] = { s->m, s->k }, b[] = { s->k, s->n }, c[] = { s->m, s->n };
    const int64_t a_step[] = { s->turned ? 1 : s->pitch, s->turned ? s->pitch : 1 }, step[] = { s->n, 1 };
    const int64_t b_step[] = { s->turned_B ? 1 : s->n, s->turned_B ? s->k : 1 };
    int bad = describe(p, q, A, a, a_step, dtype);
    if (!bad) bad = describe(p, q, B, b, b_step, dtype);
    if (!bad) bad = describe(p, q, C, c, step, F32);
    if (bad) return bad;
    const void *md[] = { memory_of(p, q, A), memory_of(p, q, B), memory_of(p, q, C) };
    if (p->major == 2) {
        _Alignas(16) char matmul[MATMUL];
        bad = p->api.matmul_desc_init(matmul, md[A], md[B], NULL, md[C]);
        if (!bad) bad = p->api.primitive_desc_create(&q->description, matmul, attr, p->engine, NULL);
    } else {
        bad = p->api.matmul_primitive_desc_create(&q->description, p->engine, md[A], md[B], NULL, md[C], attr);
    }
    if (bad) return bad;
    q->scratchpad = p->api.primitive_desc_query_md(q->description, SCRATCHPAD_MD, 0);
    const uint64_t bytes = q->scratchpad ? p->api.memory_desc_get_size(q->scratchpad) : 0;
    p->scratch = bytes > p->scratch ? bytes : p->scratch;
    return p->api.primitive_create(&q->primitive, q->description);
}

void dnnl_products_destroy(struct dnnl_products *p)
{
    for (struct product *q = p->product; q < p->product + p->count; q++) {
        if (q->primitive) p->api.primitive_destroy(q->primitive);
        if (q->description) p->api.primitive_desc_destroy(q->description);
        for (int i = 0; p->major != 2 && i < OPERANDS; i++)
            if (q->memory[i].object) p->api.memory_desc_destroy(q->memory[i].object);
    }
    if (p->engine) p->api.engine_destroy(p->engine);
    p->host->free(p->host->user, p);
}

struct dnnl_products *dnnl_products_create(const segue_host *host, const struct dnnl_shape *shapes, int count,
                                           segue_diag *why)
{
    struct dnnl_products *p = count <= MOST_PRODUCTS ? host->alloc(host->user, sizeof *p, LINE) : NULL;
    void *attr = NULL;
    int bad = 0;
    if (!p) {
        segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for %d products of matrices",
                       count);
        return NULL;
    }
    memset(p, 0, sizeof *p);
    p->host = host;
    if (load(&p->api, &p->major, why)) {
        host->free(host->user, p);
        return NULL;
    }
    bad = p->api.engine_create(&p->engine, CPU, 0);
    if (!bad) bad = p->api.primitive_attr_create(&attr);
    if (!bad) bad = p->api.primitive_attr_set_scratchpad_mode(attr, USER_SCRATCH);
    for (int i = 0; !bad && i < count; i++) {
        p->product[p->count].shape = shapes[i];
        bad = build(p, &p->product[p->count++], attr);
    }
    if (attr) p->api.primitive_attr_destroy(attr);
    if (!bad) return p;
    segue_kit_fail(why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, 0, "oneDNN %d has no such product (code %d)",
                   p->major, bad);
    dnnl_products_destroy(p);
    return NULL;
}

/* ---- a thread's hand ------------------------------------------------------------------------------------ */

enum { HAND = (sizeof(struct dnnl_hand) + LINE - 1) / LINE * LINE };

uint64_t dnnl_scratch_bytes(const struct dnnl_products *p)
{
    return HAND + (p->scratch + LINE - 1) / LINE * LINE;
}

struct dnnl_hand *dnnl_hand_create(const struct dnnl_products *p, void *scratch)
{
    struct dnnl_hand *h = scratch;
    char *const room = (char *)scratch + HAND;
    memset(h, 0, sizeof *h);
    h->of = p;
    if (p->api.set_num_threads && p->api.get_max_threads) {
        h->threads = p->api.get_max_threads();
        p->api.set_num_threads(1);
    }
    int bad = p->api.stream_create(&h->stream, p->engine, IN_ORDER);
    for (int i = 0; !bad && i < p->count; i++) {
        const struct product *q = &p->product[i];
        for (int k = 0; !bad && k < OPERANDS; k++)
            bad = p->api.memory_create(&h->each[i].memory[k], memory_of(p, q, k), p->engine, room);
        if (!bad && q->scratchpad)
            bad = p->api.memory_create(&h->each[i].scratchpad, q->scratchpad, p->engine, room);
    }
    if (!bad) return h;
    dnnl_hand_destroy(h);
    return NULL;
}

void dnnl_hand_destroy(struct dnnl_hand *h)
{
    const struct api *api = &h->of->api;
    for (int i = 0; i < h->of->count; i++) {
        for (int k = 0; k < OPERANDS; k++)
            if (h->each[i].memory[k]) api->memory_destroy(h->each[i].memory[k]);
        if (h->each[i].scratchpad) api->memory_destroy(h->each[i].scratchpad);
    }
    if (h->stream) api->stream_destroy(h->stream);
    if (h->threads) api->set_num_threads(h->threads);
}

int dnnl_product(struct dnnl_hand *h, int i, const void *a, const void *b, float *c)
{
    const struct api *api = &h->of->api;
    void *const at[] = { (void *)(uintptr_t)a, (void *)(uintptr_t)b, c };
    int bad = 0;
    for (int k = 0; !bad && k < OPERANDS; k++) bad = api->memory_set_data_handle(h->each[i].memory[k], at[k]);
    const struct argument arguments[] = { { ARG_A, h->each[i].memory[A] },
                                          { ARG_B, h->each[i].memory[B] },
                                          { ARG_C, h->each[i].memory[C] },
                                          { ARG_SCRATCH, h->each[i].scratchpad } };
    if (bad) return bad;
    return api->primitive_execute(h->of->product[i].primitive, h->stream, h->each[i].scratchpad ? 4 : 3,
                                  arguments);
}
