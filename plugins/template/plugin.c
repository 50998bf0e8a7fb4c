/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* @NAME@: a Segue plugin with one device, @NAME@:0, in ordinary host memory. It has one kernel of its own; the
 * reference runs the rest, marked DELEGATED. Replace the adapter by your device and the kernel by your launcher. */
#include <segue/kit.h>

#include <math.h>

/* ---- the device: host memory, so the kit does all but these four ---- */

static segue_status count(const segue_host *host, uint32_t *out, segue_diag *diag)
{
    (void)host;
    (void)diag; /* without a device: *out = 0, and diag->text says why and what to do */
    *out = 1;
    return SEGUE_OK;
}

static segue_status info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    static const char description[] = "@NAME@ on host memory, one thread";
    (void)host;
    (void)index;
    (void)diag;
    out->flags = SEGUE_DEVICE_READY;
    out->threads = 1;
    memcpy(out->description, description, sizeof description);
    return SEGUE_OK;
}

static segue_status open(const segue_host *host, uint32_t index, const segue_device_options *options,
                         void **device, segue_diag *diag)
{
    (void)host;
    (void)index;
    (void)options;
    (void)diag;
    *device = NULL; /* your device object; this one needs none */
    return SEGUE_OK;
}

static void close(void *device)
{
    (void)device;
}

static const segue_kit_adapter device = {
    SEGUE_KIT_HOST_MEMORY, .count = count, .info = info, .open = open, .close = close,
};

/* ---- the kernel: selective_scan in f32, one sequence a batch row ---- */

enum { MAX_N = 256 };

/* The one dtype that each operand may have when it is present; 0 = it must be absent. */
static const struct {
    uint32_t dtype;
    size_t offset;
    const char *reason;
} offered[] = {
#define OPERAND(name, dtype, words) dtype, offsetof(segue_selective_scan, name), #name ": " words
#define F32(name) OPERAND(name, SEGUE_F32, "only f32 is offered")
    { F32(u) }, { F32(delta) },      { F32(A) },    { F32(B) },     { F32(C) }, { F32(D) },
    { F32(z) }, { F32(delta_bias) }, { F32(h_in) }, { F32(h_out) }, { F32(y) },
    { OPERAND(cu_seqlens, 0, "packed sequences are not offered") },
    { OPERAND(slot, 0, "state pools are not offered") },
};

static const char *accepts(const segue_op_header *op, const segue_kit_device *dev)
{
    (void)dev;
    for (size_t i = 0; i < sizeof offered / sizeof *offered; i++) {
        const segue_tensor *t = (const void *)((const char *)op + offered[i].offset);
        if (t->dtype.bits && segue_dtype_id(t->dtype) != offered[i].dtype) return offered[i].reason;
    }
    return ((const segue_selective_scan *)(const void *)op)->A.shape[1] > MAX_N ? "A: n is at most 256" : NULL;
}

/* The element at an index, which is 0 beyond the operand's rank. */
static float *at(const segue_tensor *t, int64_t i, int64_t j, int64_t k)
{
    float *first = (float *)(void *)((char *)t->data + t->offset);
    return first + i * t->stride[0] + j * t->stride[1] + k * t->stride[2];
}

static float value(const segue_tensor *t, int64_t i, int64_t j, int64_t k)
{
    return t->dtype.bits ? *at(t, i, j, k) : 0; /* absent means 0 */
}

static float softplus(float x)
{
    return fmaxf(x, 0) + log1pf(expf(-fabsf(x)));
}

/* One channel of one sequence. */
static void scan_channel(const segue_selective_scan *s, int64_t b, int64_t d)
{
    const int64_t tokens = s->u.shape[1], states = s->A.shape[1];
    const int64_t g = d / (s->u.shape[2] / s->B.shape[2]), j = d / (s->u.shape[2] / s->C.shape[2]);
    const float bias = value(&s->delta_bias, d, 0, 0), skip = value(&s->D, d, 0, 0);
    float h[MAX_N];
    for (int64_t n = 0; n < states; n++) h[n] = value(&s->h_in, b, d, n);
    for (int64_t t = 0; t < tokens; t++) {
        const float *B = at(&s->B, b, t, g), *C = at(&s->C, b, t, j);
        const float u = value(&s->u, b, t, d), z = value(&s->z, b, t, d);
        const float raw = value(&s->delta, b, t, d) + bias, delta = s->softplus ? softplus(raw) : raw;
        float y = 0;
        for (int64_t n = 0; n < states; n++) {
            h[n] = expf(delta * value(&s->A, d, n, 0)) * h[n] + delta * u * B[n * s->B.stride[3]];
            y += C[n * s->C.stride[3]] * h[n];
        }
        y += skip * u;
        *at(&s->y, b, t, d) = s->z.dtype.bits ? y * z / (1 + expf(-z)) : y;
    }
    for (int64_t n = 0; n < states && s->h_out.dtype.bits; n++) *at(&s->h_out, b, d, n) = h[n];
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    const segue_selective_scan *s = (const void *)op;
    (void)call;
    for (int64_t b = 0; b < s->u.shape[0]; b++)
        for (int64_t d = 0; d < s->u.shape[2]; d++) scan_channel(s, b, d);
    return SEGUE_OK;
}

static const segue_row selective_scan_@NAME@ = {
    .name = "selective_scan_@NAME@",
    .primitive = SEGUE_SELECTIVE_SCAN,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts,
    .run = run,
};

SEGUE_KIT_PLUGIN(@NAME@, .vendor = "@NAME@", .version = "0.1", .uuid = "@UUID@", .device = &device,
                 .rows = (const segue_row *const[]){ &selective_scan_@NAME@, &segue_row_delegate, NULL })
