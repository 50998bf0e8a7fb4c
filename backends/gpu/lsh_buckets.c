/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Two kernels: buckets go to the workspace, then a launch for each digit sorts a round's tokens by them. */
#include "launcher.h"
#include "lsh_buckets.args.h"
#include "lsh_buckets_sort.args.h"

enum {
    HASHED = 5,
    SORTED = 5,
    MOST_PARTS = 1 << 16
}; /* buffers of either kernel; groups that share a row's tiles */

GPU_SOURCE(lsh_buckets);
GPU_SOURCE(lsh_buckets_sort);

static const struct gpu_form hash_form = { HASHED, sizeof(struct lsh_buckets_args) };
static const struct gpu_form sort_form = { SORTED, sizeof(struct lsh_buckets_sort_args) };

struct kernels { /* a plan's */
    struct gpu_kernel *hash, *sort;
    const segue_host *host;
};

static int64_t columns_of(const segue_tensor *R)
{
    return R->dtype.bits ? R->shape[3] : 0;
}

static int64_t hashed_count(const segue_lsh_buckets *op)
{
    return 2 * columns_of(&op->R) * (op->R_2.dtype.bits ? 2 * columns_of(&op->R_2) : 1);
}

static int64_t stride_of(const segue_lsh_buckets *op)
{
    return op->bucket_stride ? op->bucket_stride : hashed_count(op) + op->pad_bucket;
}

/* How many digits the buckets of a round have. */
static int32_t passes_of(const segue_lsh_buckets *op, int32_t group)
{
    const int64_t count = op->x.dtype.bits ? hashed_count(op) + op->pad_bucket : stride_of(op);
    int32_t bits = 0;
    while ((count - 1) >> bits) bits++;
    return bits ? (bits + LSH_BITS(group) - 1) / LSH_BITS(group) : 1;
}

static int64_t items_of(const segue_lsh_buckets *op)
{
    const int64_t *n = op->perm.shape;
    return n[0] * n[1] * n[2] * n[3];
}

/* Buckets, and up to two lists that passes hand to each other: the first takes tokens as they come, the last one writes perm. */
static int64_t lists_of(const segue_lsh_buckets *op, int32_t group)
{
    const int32_t between = passes_of(op, group) - 1;
    return (op->x.dtype.bits != 0) + (between < 2 ? between : 2);
}

static void hash_grid(const segue_lsh_buckets *op, const struct gpu *gpu, int32_t groups[3])
{
    const int64_t *n = op->perm.shape, tokens = LSH_TOKENS(gpu->group);
    const int64_t units = (n[3] + tokens - 1) / tokens * n[2];
    groups[0] = gpu_groups(gpu, 0, units < MOST_PARTS ? units : MOST_PARTS, 1);
    groups[1] = gpu_groups(gpu, 1, n[0] * n[1], 1);
    groups[2] = 1;
}

static void release(void *data, const segue_kit_device *dev)
{
    struct kernels *kernels = data;
    (void)dev;
    if (kernels->hash) gpu_kernel_discard(kernels->hash);
    if (kernels->sort) gpu_kernel_discard(kernels->sort);
    kernels->host->free(kernels->host->user, kernels);
}

static segue_status make(struct kernels *kernels, const segue_lsh_buckets *op, const segue_kit_device *dev,
                         segue_diag *why)
{
    struct gpu *gpu = gpu_of(dev);
    struct gpu_key key = gpu_key_of(&gpu_source_lsh_buckets, &op->header, dev);
    int32_t groups[3];
    segue_status s = SEGUE_OK;
    hash_grid(op, gpu, groups);
    if (op->x.dtype.bits) s = gpu_kernel_make(gpu, &key, &hash_form, groups, &kernels->hash, why);
    if (s) return s;
    key = (struct gpu_key){ .source = &gpu_source_lsh_buckets_sort,
                            .kernel = "lsh_buckets_sort",
                            .group = gpu->group };
    groups[0] = 1;
    groups[1] = gpu_groups(gpu, 1, op->perm.shape[0] * op->perm.shape[1] * op->perm.shape[2], 1);
    return gpu_kernel_make(gpu, &key, &sort_form, groups, &kernels->sort, why);
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_lsh_buckets *op = (const void *)header;
    const struct gpu *gpu = gpu_of(dev);
    struct kernels *kernels = gpu->host->alloc(gpu->host->user, sizeof *kernels, 64);
    if (!kernels)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0,
                              "no memory for a plan of lsh_buckets");
    *kernels = (struct kernels){ .host = gpu->host };
    const segue_status s = make(kernels, op, dev, why);
    if (s) {
        release(kernels, dev);
        return s;
    }
    plan->workspace_bytes = (uint64_t)(lists_of(op, gpu->group) * items_of(op)) * sizeof(int32_t);
    plan->data = kernels;
    plan->release = release;
    return SEGUE_OK;
}

static segue_status hash(const segue_lsh_buckets *op, const segue_kit_call *call, int64_t buckets)
{
    const struct kernels *kernels = call->data;
    int32_t groups[3];
    hash_grid(op, kernels->hash->gpu, groups);
    struct lsh_buckets_args args = { .x = gpu_view_of(&op->x),
                                     .R = gpu_view_of(&op->R),
                                     .R_2 = gpu_view_of(&op->R_2),
                                     .keep = gpu_view_of(&op->keep),
                                     .buckets = buckets,
                                     .tokens = op->perm.shape[3],
                                     .heads = (int32_t)op->perm.shape[1],
                                     .rounds = (int32_t)op->perm.shape[2],
                                     .width = (int32_t)op->x.shape[3],
                                     .columns = (int32_t)columns_of(&op->R),
                                     .columns_2 = (int32_t)columns_of(&op->R_2),
                                     .pad_bucket = op->pad_bucket ? (int32_t)hashed_count(op) : 0,
                                     .parts = groups[0] };
    const struct gpu_arg list[HASHED + 1] = { { .tensor = &op->x },
                                              { .tensor = &op->R },
                                              { .tensor = &op->R_2 },
                                              { .tensor = &op->keep },
                                              { .memory = &call->workspace, .writes = 1 },
                                              { .value = &args, .bytes = sizeof args } };
    return gpu_launch_sequences(kernels->hash, call, groups, list, HASHED + 1,
                                op->perm.shape[0] * op->perm.shape[1], &args.row);
}

static segue_status sort(const segue_lsh_buckets *op, const segue_kit_call *call, int64_t buckets)
{
    const struct gpu_kernel *kernel = ((const struct kernels *)call->data)->sort;
    const int64_t *n = op->perm.shape, lists = buckets + (op->x.dtype.bits ? items_of(op) : 0);
    const int32_t passes = passes_of(op, kernel->group);
    struct lsh_buckets_sort_args args = { .bucket_in = gpu_view_of(&op->bucket_in),
                                          .bucket = gpu_view_of(&op->bucket),
                                          .perm = gpu_view_of(&op->perm),
                                          .inverse = gpu_view_of(&op->inverse),
                                          .buckets = buckets,
                                          .tokens = n[3],
                                          .stride = stride_of(op),
                                          .heads = (int32_t)n[1],
                                          .rounds = (int32_t)n[2] };
    const struct gpu_arg work = { .memory = lists_of(op, kernel->group) ? &call->workspace : NULL,
                                  .writes = 1 };
    const struct gpu_arg list[SORTED + 1] = { { .tensor = &op->bucket_in },
                                              work,
                                              { .tensor = &op->bucket, .writes = 1 },
                                              { .tensor = &op->perm, .writes = 1 },
                                              { .tensor = &op->inverse, .writes = 1 },
                                              { .value = &args, .bytes = sizeof args } };
    segue_status s = SEGUE_OK;
    for (int32_t pass = 0; !s && pass < passes; pass++) {
        int32_t groups[3] = { 1, 1, 1 };
        args.shift = pass * LSH_BITS(kernel->group);
        args.last = pass == passes - 1;
        args.from = lists + (pass % 2 ? 0 : items_of(op));
        args.to = lists + (pass % 2 ? items_of(op) : 0);
        s = gpu_launch_sequences(kernel, call, groups, list, SORTED + 1, n[0] * n[1] * n[2], &args.row);
    }
    return s;
}

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    static const segue_kit_refusal operands[] = {
        { offsetof(segue_lsh_buckets, x), "x: f64 is not supported" },
        { offsetof(segue_lsh_buckets, R), "R: f64 is not supported" },
        { offsetof(segue_lsh_buckets, R_2), "R_2: f64 is not supported" },
        { 0, NULL },
    };
    const segue_lsh_buckets *op = (const void *)header;
    const double f = (double)columns_of(&op->R), g = (double)columns_of(&op->R_2),
                 rounds = (double)op->perm.shape[2];
    const double count = 2 * f * (op->R_2.dtype.bits ? 2 * g : 1) + (double)op->pad_bucket;
    const double stride = op->bucket_stride ? (double)op->bucket_stride : count;
    if (op->R.dtype.bits && f == 0) return "R: f is 0, wanted a column or more";
    if (op->R_2.dtype.bits && g == 0) return "R_2: g is 0, wanted a column or more";
    if (op->x.dtype.bits && op->x.shape[3] > GPU_MOST_INDEX) return "x: k is at most 2^30";
    if (op->perm.shape[1] > GPU_MOST_INDEX) return "perm: h is at most 2^30";
    if (stride < count) return "bucket_stride: smaller than the number of buckets";
    if (rounds * stride > INT32_MAX) return "bucket: rounds times buckets are at most 2^31 - 1";
    if (rounds * (double)op->perm.shape[3] > INT32_MAX) return "perm: rounds times tokens are at most 2^31 - 1";
    if (!gpu_fits_workspace((double)lists_of(op, gpu_of(dev)->group) * sizeof(int32_t) * rounds *
                            (double)op->perm.shape[0] * (double)op->perm.shape[1] * (double)op->perm.shape[3]))
        return "perm: b times h is too much for a workspace";
    return segue_kit_refuse_dtype(header, SEGUE_F64, operands);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_lsh_buckets *op = (const void *)header;
    const int64_t buckets = (int64_t)(call->workspace.offset / sizeof(int32_t));
    if (!items_of(op)) return SEGUE_OK;
    const segue_status s = op->x.dtype.bits ? hash(op, call, buckets) : SEGUE_OK;
    return s ? s : sort(op, call, buckets);
}

const segue_row lsh_buckets_shared = {
    .name = "lsh_buckets_shared",
    .primitive = SEGUE_LSH_BUCKETS,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
