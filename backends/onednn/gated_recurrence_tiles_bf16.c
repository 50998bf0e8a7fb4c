/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Prefill of the matrix-state recurrence in bf16 by chunks, where bf16 is multiplied so fast that more products take less time. */
#include "gated_recurrence_tiles_bf16.h"
#include "bf16_products.h"
#include "gated_recurrence.h"
#include "row.h"

/* PANEL_FLOATS: of the states of a panel, at most. WIDEST: keys and values, which scratch grows with. FEWEST: tokens of a sequence. */
enum { PANEL_FLOATS = 512 << 10, STRETCH = 4, GRAIN = 16, WIDEST = 256, FEWEST = 4 * CHUNK };

static const struct chunk_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_chunk);

static int present(const segue_tensor *t)
{
    return t->dtype.bits != 0;
}

static int is_bf16(const segue_tensor *t)
{
    return segue_dtype_id(t->dtype) == SEGUE_BF16;
}

/* So many heads of q and of k that consecutive ones of DIV share them, and those so far apart of MOD. */
static int64_t groups(const segue_gated_recurrence *op)
{
    return op->q.shape[2] > op->k.shape[2] ? op->q.shape[2] : op->k.shape[2];
}

static void place_all(struct chunk_job *job)
{
    const int64_t K = job->keys, V = job->values, widest = K > V ? K : V;
    uint64_t end = 0;
    job->S = place_scratch(&end, job->panel * K * V);
    job->half = place_scratch(&end, job->panel * K * V / 2);
    job->D = place_scratch(&end, job->panel * V);
    job->q = place_scratch(&end, job->stretch * K / 2);
    job->k = place_scratch(&end, job->stretch * K / 2);
    job->scores = place_scratch(&end, job->stretch * CHUNK);
    job->U = place_scratch(&end, CHUNK * V / 2);
    job->v = place_scratch(&end, CHUNK * V / 2);
    job->W = place_scratch(&end, CHUNK * CHUNK / 2);
    job->y = place_scratch(&end, CHUNK * V);
    job->z = place_scratch(&end, CHUNK * V);
    job->rows = place_scratch(&end, CHUNK * widest);
    if (job->products) {
        job->read = place_scratch(&end, CHUNK * V);
        job->look = place_scratch(&end, CHUNK * V);
        job->written = place_scratch(&end, K * V);
        job->hand = place_scratch(&end, (int64_t)(dnnl_scratch_bytes(job->products) / sizeof(float)));
    } else {
        job->plain = place_scratch(&end, CHUNK * K / 2);
        job->turned = place_scratch(&end, CHUNK * K / 2);
    }
    job->floats = end;
}

static void plan_job(const segue_gated_recurrence *op, const struct segue_cpu *cpu,
                     const struct dnnl_products *products, struct chunk_job *job)
{
    *job = (struct chunk_job){ .op = op, .cpu = cpu, .kernel = kernels[cpu->isa], .products = products };
    job->heads = op->v.shape[2], job->keys = op->k.shape[3], job->values = op->v.shape[3];
    job->sequences = segue_recurrence_sequences(op);
    job->turns = op->head_map == SEGUE_GATED_RECURRENCE_MOD ? groups(op) : 1;
    job->stream = streams(cpu, bytes_of(&op->q) + bytes_of(&op->k) + bytes_of(&op->v) + bytes_of(&op->z) +
                                   bytes_of(&op->y));
    /* The same number for each thread, where one sequence is all there is. */
    const int64_t threads = cpu->threads,
                  most = from_one_to(PANEL_FLOATS / (job->keys * job->values), job->heads);
    job->panels = most ? (job->heads + most - 1) / most : 0;
    if (job->sequences.count < 2 * threads) job->panels = rounded_up(job->panels, threads);
    if (job->panels > job->heads) job->panels = job->heads;
    job->panel = job->panels ? (job->heads + job->panels - 1) / job->panels : 0;
    job->units = job->panels * job->sequences.count;
    job->stretch = STRETCH * CHUNK;
    place_all(job);
}

/* ---- the row -------------------------------------------------------------------------------------------- */

/* Whether chunks take less time than tokens in order: in products of bf16 for a token and head, of which the same time has room for
 * four at each key and value. A is computed for all that share it; REST is what stands between products, measured. */
static int pays(const segue_gated_recurrence *op)
{
    enum { REST = 6000 };
    const double K = (double)op->k.shape[3], V = (double)op->v.shape[3],
                 shared = (double)op->v.shape[2] / (double)groups(op);
    return 2 * K * V + 36 * V + 48 * K / shared + REST < 0.87 * 4 * K * V;
}

static const char *refused_form(const segue_gated_recurrence *op)
{
    if (op->write != SEGUE_GATED_RECURRENCE_ADD) return "write: wanted ADD";
    if (op->erase != SEGUE_GATED_RECURRENCE_DECAYED) return "erase: UNDECAYED is not offered yet";
    if (op->read != SEGUE_GATED_RECURRENCE_INCLUSIVE) return "read: wanted INCLUSIVE";
    if (op->norm) return "norm: this row divides by nothing";
    if (present(&op->gv)) return "gv: a decay by value column is not offered yet";
    if (present(&op->gk)) return "gk: by key, decays would have to be rounded with q and k, this row does not";
    if (!present(&op->q)) return "q: wanted, and k: what only writes or only reads is no chunk";
    if (!present(&op->k)) return "k: wanted, and q: what only writes or only reads is no chunk";
    if (op->y.shape[2] != op->v.shape[2]) return "y: wanted as many heads as v has";
    return NULL;
}

static const segue_kit_refusal operands[] = {
#define OPERAND(name) \
    { offsetof(segue_gated_recurrence, name), #name ": f64 is offered by the reference only" },
    OPERAND(g) OPERAND(gain) OPERAND(D) OPERAND(z) OPERAND(S_in) OPERAND(S_out) OPERAND(y)
#undef OPERAND
        { 0, NULL }
};

static const char *accepts(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_gated_recurrence *op = (const void *)header;
    const char *why = refused_form(op);
    if (why) return why;
    if (!is_bf16(&op->q)) return "q: wanted bf16";
    if (!is_bf16(&op->k)) return "k: wanted bf16";
    if (!is_bf16(&op->v)) return "v: wanted bf16";
    const int64_t keys = op->k.shape[3], values = op->v.shape[3], count = segue_recurrence_sequences(op).count;
    if (keys % GRAIN || keys < GRAIN || keys > WIDEST) return "k: wanted a multiple of 16, from 16 to 256";
    if (values % GRAIN || values < GRAIN || values > WIDEST)
        return "v: wanted a multiple of 16, from 16 to 256";
    if (!op->v.shape[2]) return "v: wanted a head";
    const int64_t shared = present(&op->cu_seqlens) && count ? op->v.shape[1] / count : op->v.shape[1];
    if (shared < FEWEST) return "v: wanted sequences of 256 tokens at least";
    why = segue_kit_refuse_dtype(header, SEGUE_F64, operands);
    if (why) return why;
    if (!pays(op)) return "k: chunks of so few keys and values, in so few heads of each, take no less time";
    return bf16_products(dev->handle) > 0 ? NULL : "q: products of bf16 are not faster than those of f32 here";
}

static void release(void *data, const segue_kit_device *dev)
{
    (void)dev;
    dnnl_products_destroy(data);
}

static struct dnnl_products *prepare_onednn(const segue_gated_recurrence *op, const segue_host *host,
                                            segue_diag *why)
{
    const int64_t K = op->k.shape[3], V = op->v.shape[3];
    const struct dnnl_shape shapes[CHUNK_PRODUCTS] = {
        [SCORES] = { CHUNK, CHUNK, K, K, .turned_B = 1, .dtype = SEGUE_BF16 },
        [LOOK] = { CHUNK, V, CHUNK, CHUNK, .dtype = SEGUE_BF16 },
        [READ] = { CHUNK, V, K, K, .dtype = SEGUE_BF16 },
        [WRITE] = { K, V, CHUNK, K, .turned = 1, .dtype = SEGUE_BF16 },
    };
    return dnnl_products_create(host, shapes, CHUNK_PRODUCTS, why);
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_gated_recurrence *op = (const void *)header;
    struct chunk_job job;
    if (bf16_products(dev->handle) == BY_ONEDNN) {
        plan->data = prepare_onednn(op, dev->host, why);
        if (!plan->data) return SEGUE_ERROR_UNSUPPORTED;
        plan->release = release;
    }
    plan_job(op, dev->handle, plan->data, &job);
    plan->workspace_bytes = job.floats * sizeof(float) * job.cpu->threads;
    return SEGUE_OK;
}

static void part(void *arg, int32_t index, int32_t parts)
{
    struct chunk_job *job = arg;
    const uint64_t mode = float_mode_enter();
    (void)parts;
    job->kernel->work(job, job->scratch + (uint64_t)index * job->floats);
    if (job->stream) stream_fence();
    float_mode_leave(mode);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    struct chunk_job job;
    plan_job((const void *)header, call->device->handle, call->data, &job);
    job.scratch = (float *)((char *)call->workspace.data + call->workspace.offset);
    segue_parts_run(job.cpu, part, &job);
    if (!atomic_load_explicit(&job.failed, memory_order_relaxed)) return SEGUE_OK;
    return segue_kit_fail(call->why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_RUN, 0,
                          "oneDNN found no memory, or failed");
}

const segue_row gated_recurrence_tiles_bf16_cpu = {
    .name = "gated_recurrence_tiles_bf16_cpu",
    .primitive = SEGUE_GATED_RECURRENCE,
    .since = 1,
    .priority = 310,
    .accuracy = SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG | SEGUE_ACCURACY_BF16_PRODUCT,
    .capture = SEGUE_CAPTURE_NONE,
    .determinism = SEGUE_RUN_TO_RUN,
    .accepts = accepts,
    .prepare = prepare,
    .run = run,
};
