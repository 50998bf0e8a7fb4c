/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Two launches a run: weights of any dtype and stride go to the workspace as floats, then each group takes some
 * sequences through all of their steps. */
#include "launcher.h"
#include "ode_cell.args.h"
#include "ode_cell_cfc_pack.args.h"
#include "ode_cell_ltc_pack.args.h"

enum {
    BOUND = offsetof(struct ode_cell_args, weights) / sizeof(VIEW), /* x to h, as in the .def */
    WEIGHTS = BOUND, /* the workspace among the kernel's buffers */
    OPERANDS = BOUND + 1,
    LTC_PACKED = offsetof(struct ode_cell_ltc_pack_args, to) / sizeof(VIEW2),
    CFC_PACKED = offsetof(struct ode_cell_cfc_pack_args, to) / sizeof(VIEW2),
    MOST_SLICES = 8, /* of what an output is the sum of: more would take longer to add up */
    MANY_SEQUENCES =
        512, /* from here on 4 in a group: there are enough groups, and weights are read less often */
    MOST_PACK_GROUPS = 1 << 10
};

_Static_assert(CELL_LTC == SEGUE_ODE_CELL_LTC && CELL_CFC == SEGUE_ODE_CELL_CFC &&
                   CELL_CFC_NO_GATE == SEGUE_ODE_CELL_CFC_NO_GATE && CELL_CFC_PURE == SEGUE_ODE_CELL_CFC_PURE &&
                   KAPPA_OVER_DT == SEGUE_ODE_CELL_CM_OVER_DT &&
                   KAPPA_OVER_DT_PLUS1 == SEGUE_ODE_CELL_CM_OVER_DT_PLUS1 &&
                   KAPPA_DIRECT == SEGUE_ODE_CELL_CM_DIRECT && CONSTRAINT_FREE == SEGUE_ODE_CELL_FREE &&
                   CONSTRAINT_SOFTPLUS == SEGUE_ODE_CELL_SOFTPLUS && CONSTRAINT_CLIP == SEGUE_ODE_CELL_CLIP &&
                   BACKBONE_LECUN_TANH == SEGUE_ODE_CELL_BACKBONE_LECUN_TANH &&
                   BACKBONE_TANH == SEGUE_ODE_CELL_BACKBONE_TANH &&
                   BACKBONE_RELU == SEGUE_ODE_CELL_BACKBONE_RELU &&
                   BACKBONE_GELU == SEGUE_ODE_CELL_BACKBONE_GELU &&
                   BACKBONE_SILU == SEGUE_ODE_CELL_BACKBONE_SILU && HEAD_TANH == SEGUE_ODE_CELL_HEAD_TANH &&
                   HEAD_IDENTITY == SEGUE_ODE_CELL_HEAD_IDENTITY &&
                   HEAD_LECUN_TANH == SEGUE_ODE_CELL_HEAD_LECUN_TANH,
               "the kernels' numbers are the primitive's");

GPU_SOURCE(ode_cell);
GPU_SOURCE(ode_cell_ltc_pack);
GPU_SOURCE(ode_cell_cfc_pack);

static const struct gpu_form bound = { BOUND, sizeof(struct ode_cell_args) };
static const struct gpu_form form = { OPERANDS, sizeof(struct ode_cell_args) };
static const struct gpu_form ltc_form = { LTC_PACKED + 1, sizeof(struct ode_cell_ltc_pack_args) };
static const struct gpu_form cfc_form = { CFC_PACKED + 1, sizeof(struct ode_cell_cfc_pack_args) };

struct kernels { /* a plan's */
    struct gpu_kernel *pack, *cell;
    const segue_host *host;
    int32_t rows; /* sequences of a group */
};

/* ---- sizes ---------------------------------------------------------------------------------------------- */

struct sizes {
    int64_t units, features, outputs; /* n, d, f */
    int64_t backbone, layers;         /* e; all layers; 0 = no backbone */
    int64_t heads;                    /* outputs of the heads; of an LTC its neurons */
    int64_t widest;                   /* floats of a sequence that one LOCAL array must hold */
    int64_t weights;                  /* floats of the workspace */
    int liquid;
};

static int64_t larger(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static struct sizes sizes_of(const segue_ode_cell *op)
{
    struct sizes n = { .features = op->x.shape[2],
                       .outputs = op->y.shape[2],
                       .liquid = op->cell == SEGUE_ODE_CELL_LTC };
    n.units = n.heads = n.liquid ? op->gleak.shape[0] : op->ff1_w.shape[0];
    if (n.liquid) {
        n.widest = larger(n.units, n.features);
        n.weights = 4 * (n.units + n.features) * n.units + 5 * n.units + 2 * n.features;
        return n;
    }
    if (op->cell != SEGUE_ODE_CELL_CFC_PURE) n.heads *= 4;
    if (op->backbone_w.dtype.bits) {
        n.backbone = op->backbone_w.shape[0];
        n.layers = 1 + (op->deep_w.dtype.bits ? op->deep_w.shape[0] : 0);
    }
    n.widest = larger(larger(n.features + n.units, n.backbone), 4 * n.units);
    n.weights = (op->ff1_w.shape[1] + 1) * n.heads + 4 * n.units;
    if (n.layers) n.weights += (n.features + n.units + 1 + (n.layers - 1) * (n.backbone + 1)) * n.backbone;
    return n;
}

enum { SMALL, LARGE }; /* WIDTH: what 4 sequences, or one, have room for in 32 KiB of LOCAL */
static const int32_t widths[2][2] = { [0] = { 512, 2048 }, [1] = { 256, 1024 } };

static int is_large(const struct sizes *n)
{
    return n->widest > widths[n->liquid][SMALL];
}

static int32_t rows_of(const segue_ode_cell *op, const struct sizes *n)
{
    return !is_large(n) && gpu_sequences(&op->x, &op->cu_seqlens) >= MANY_SEQUENCES ? 4 : 1;
}

/* Items side by side: a power of two, enough for all outputs where the group has as many. */
static int32_t lanes_of(int64_t outputs, int32_t group)
{
    int32_t lanes = 1;
    while (lanes < group && (lanes < outputs || group / lanes > MOST_SLICES)) lanes *= 2;
    return lanes;
}

static void pack_grid(const struct sizes *n, const struct gpu *gpu, int32_t groups[3])
{
    groups[0] = gpu_groups(gpu, 0, n->weights, gpu->group);
    if (groups[0] > MOST_PACK_GROUPS) groups[0] = MOST_PACK_GROUPS;
    groups[1] = groups[2] = 1;
}

/* ---- plans ---------------------------------------------------------------------------------------------- */

static void release(void *data, const segue_kit_device *dev)
{
    struct kernels *kernels = data;
    (void)dev;
    if (kernels->pack) gpu_kernel_discard(kernels->pack);
    if (kernels->cell) gpu_kernel_discard(kernels->cell);
    kernels->host->free(kernels->host->user, kernels);
}

static segue_status make(struct kernels *kernels, const segue_ode_cell *op, const struct sizes *n,
                         const segue_kit_device *dev, segue_diag *why)
{
    struct gpu *gpu = gpu_of(dev);
    const struct gpu_source *source = n->liquid ? &gpu_source_ode_cell_ltc_pack : &gpu_source_ode_cell_cfc_pack;
    struct gpu_key key = { .source = source, .kernel = source->name, .group = gpu->group };
    int32_t groups[3];
    pack_grid(n, gpu, groups);
    segue_status s = gpu_kernel_make(gpu, &key, n->liquid ? &ltc_form : &cfc_form, groups, &kernels->pack, why);
    if (s) return s;
    key = (struct gpu_key){ .source = &gpu_source_ode_cell, .kernel = "ode_cell", .group = gpu->group };
    gpu_define_in(&key, "LIQUID", n->liquid);
    gpu_define_in(&key, "ROWS", kernels->rows);
    gpu_define_in(&key, "WIDTH", widths[n->liquid][is_large(n)]);
    groups[0] = 1;
    groups[1] = gpu_groups(gpu, 1, gpu_sequences(&op->x, &op->cu_seqlens), kernels->rows);
    return gpu_kernel_make(gpu, &key, &form, groups, &kernels->cell, why);
}

static segue_status prepare(const segue_op_header *header, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const segue_ode_cell *op = (const void *)header;
    const struct sizes n = sizes_of(op);
    const struct gpu *gpu = gpu_of(dev);
    struct kernels *kernels = gpu->host->alloc(gpu->host->user, sizeof *kernels, 64);
    if (!kernels)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for a plan of ode_cell");
    *kernels = (struct kernels){ .host = gpu->host, .rows = rows_of(op, &n) };
    const segue_status s = make(kernels, op, &n, dev, why);
    if (s) {
        release(kernels, dev);
        return s;
    }
    plan->workspace_bytes = (uint64_t)n.weights * sizeof(float);
    plan->data = kernels;
    plan->release = release;
    return SEGUE_OK;
}

/* ---- runs ----------------------------------------------------------------------------------------------- */

/* Writes the tensors' views to the head of args, the last two axes of each, and the launch's arguments to list. */
static void bind_weights(const segue_ode_cell *op, const size_t *offsets, uint32_t count,
                         const segue_kit_call *call, void *args, uint32_t bytes, struct gpu_arg *list)
{
    for (uint32_t i = 0; i < count; i++) {
        const segue_tensor *t = (const void *)((const char *)op + offsets[i]);
        const struct gpu_view view = gpu_view_of(t);
        const int from = t->rank > 2 ? t->rank - 2 : 0;
        const VIEW2 plane = { .at = view.at,
                              .stride = { view.stride[from], view.stride[from + 1] },
                              .dtype = view.dtype,
                              .present = view.present };
        memcpy((char *)args + i * sizeof plane, &plane, sizeof plane);
        list[i] = (struct gpu_arg){ .tensor = t };
    }
    list[count] = (struct gpu_arg){ .memory = &call->workspace, .writes = 1 };
    list[count + 1] = (struct gpu_arg){ .value = args, .bytes = bytes };
}

#define AT(name) offsetof(segue_ode_cell, name)

static segue_status pack_ltc(const segue_ode_cell *op, const segue_kit_call *call, const struct sizes *n,
                             int64_t to)
{
    static const size_t offsets[LTC_PACKED] = {
        AT(output_w),
        AT(output_b),
        AT(gleak),
        AT(vleak),
        AT(cm),
        AT(sigma),
        AT(mu),
        AT(w),
        AT(E),
        AT(A),
        AT(synapse_ptr),
        AT(synapse_src),
        AT(sensory_sigma),
        AT(sensory_mu),
        AT(sensory_w),
        AT(sensory_E),
        AT(sensory_A),
        AT(sensory_ptr),
        AT(sensory_src),
        AT(input_w),
        AT(input_b),
    };
    const struct gpu_kernel *kernel = ((const struct kernels *)call->data)->pack;
    struct gpu_arg list[LTC_PACKED + 2];
    int32_t groups[3];
    pack_grid(n, kernel->gpu, groups);
    struct ode_cell_ltc_pack_args args = {
        .to = to,
        .listed = op->synapse_src.dtype.bits ? op->synapse_src.shape[0] : 0,
        .sensory_listed = op->sensory_src.dtype.bits ? op->sensory_src.shape[0] : 0,
        .units = (int32_t)n->units,
        .features = (int32_t)n->features,
        .outputs = (int32_t)n->outputs,
        .items = groups[0] * kernel->group,
        .constraint = (int32_t)op->constraint,
    };
    bind_weights(op, offsets, LTC_PACKED, call, &args, sizeof args, list);
    return gpu_launch(kernel, call->stream, groups, list, LTC_PACKED + 2, call->why);
}

static segue_status pack_cfc(const segue_ode_cell *op, const segue_kit_call *call, const struct sizes *n,
                             int64_t to)
{
    static const size_t offsets[CFC_PACKED] = {
        AT(output_w), AT(output_b), AT(backbone_w), AT(backbone_b), AT(deep_w), AT(deep_b),
        AT(mask),     AT(ff1_w),    AT(ff1_b),      AT(ff2_w),      AT(ff2_b),  AT(time_a_w),
        AT(time_a_b), AT(time_b_w), AT(time_b_b),   AT(w_tau),      AT(pure_A),
    };
    const struct gpu_kernel *kernel = ((const struct kernels *)call->data)->pack;
    struct gpu_arg list[CFC_PACKED + 2];
    int32_t groups[3];
    pack_grid(n, kernel->gpu, groups);
    struct ode_cell_cfc_pack_args args = {
        .to = to,
        .deep_w_step = op->deep_w.stride[0],
        .deep_b_step = op->deep_b.stride[0],
        .units = (int32_t)n->units,
        .features = (int32_t)n->features,
        .outputs = (int32_t)n->outputs,
        .backbone = (int32_t)n->backbone,
        .layers = (int32_t)n->layers,
        .heads = op->cell == SEGUE_ODE_CELL_CFC_PURE ? 1 : 4,
        .items = groups[0] * kernel->group,
    };
    bind_weights(op, offsets, CFC_PACKED, call, &args, sizeof args, list);
    args.deep_b.stride[0] = op->deep_b.stride[1];
    return gpu_launch(kernel, call->stream, groups, list, CFC_PACKED + 2, call->why);
}

static segue_status step(const segue_ode_cell *op, const segue_kit_call *call, const struct sizes *n,
                         int64_t weights)
{
    const struct kernels *kernels = call->data;
    const struct gpu_kernel *kernel = kernels->cell;
    const int64_t sequences = gpu_sequences(&op->x, &op->cu_seqlens);
    struct ode_cell_args args = {
        .weights = weights,
        .sequences = sequences,
        .tokens = op->x.shape[1],
        .pool = gpu_pool(&op->h_in, &op->h_out),
        .units = (int32_t)n->units,
        .features = (int32_t)n->features,
        .outputs = (int32_t)n->outputs,
        .backbone = (int32_t)n->backbone,
        .layers = (int32_t)n->layers,
        .lanes = lanes_of(n->liquid ? n->units : n->backbone, kernel->group),
        .head_lanes = lanes_of(n->heads, kernel->group),
        .cell = (int32_t)op->cell,
        .unfolds = (int32_t)op->unfolds,
        .kappa = (int32_t)op->kappa,
        .activation = (int32_t)op->activation,
        .head_act = (int32_t)op->head_act,
        .eps = (float)op->eps,
        .time_sign = (float)op->time_sign,
    };
    struct gpu_arg list[OPERANDS + 1];
    int32_t groups[3] = { 1, 1, 1 };
    gpu_bind(&bound, &op->header, call->device, &args, list);
    list[OPERANDS] = list[WEIGHTS];
    list[WEIGHTS] = (struct gpu_arg){ .memory = &call->workspace };
    return gpu_launch_sequences(kernel, call, groups, list, OPERANDS + 1,
                                (sequences + kernels->rows - 1) / kernels->rows, &args.first);
}

static segue_status run(const segue_op_header *header, const segue_kit_call *call)
{
    const segue_ode_cell *op = (const void *)header;
    const struct sizes n = sizes_of(op);
    const int64_t weights = (int64_t)(call->workspace.offset / sizeof(float));
    if (!n.units || !gpu_sequences(&op->x, &op->cu_seqlens)) return SEGUE_OK;
    const segue_status s = n.liquid ? pack_ltc(op, call, &n, weights) : pack_cfc(op, call, &n, weights);
    return s ? s : step(op, call, &n, weights);
}

/* ---- rows ----------------------------------------------------------------------------------------------- */

static const segue_kit_refusal operands[] = {
#define OPERAND(name) { AT(name), #name ": f64 is not supported" },
    OPERAND(x) OPERAND(elapsed) OPERAND(h_in) OPERAND(h_out) OPERAND(y) OPERAND(h) OPERAND(output_w)
        OPERAND(output_b) OPERAND(gleak) OPERAND(vleak) OPERAND(cm) OPERAND(sigma) OPERAND(mu) OPERAND(w)
            OPERAND(E) OPERAND(A) OPERAND(sensory_sigma) OPERAND(sensory_mu) OPERAND(sensory_w)
                OPERAND(sensory_E) OPERAND(sensory_A) OPERAND(input_w) OPERAND(input_b) OPERAND(backbone_w)
                    OPERAND(backbone_b) OPERAND(deep_w) OPERAND(deep_b) OPERAND(mask) OPERAND(ff1_w)
                        OPERAND(ff1_b) OPERAND(ff2_w) OPERAND(ff2_b) OPERAND(time_a_w) OPERAND(time_a_b)
                            OPERAND(time_b_w) OPERAND(time_b_b) OPERAND(w_tau) OPERAND(pure_A)
#undef OPERAND
                                { 0, NULL }
};

static const char *accepts_ltc(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_ode_cell *op = (const void *)header;
    const char *why = segue_kit_refuse_dtype(header, SEGUE_F64, operands);
    (void)dev;
    if (why) return why;
    if (op->cell != SEGUE_ODE_CELL_LTC) return "cell: this kernel is for LTC";
    if (op->gleak.shape[0] > widths[1][LARGE]) return "gleak: n is at most 1024";
    if (op->x.shape[2] > widths[1][LARGE]) return "x: d is at most 1024";
    return NULL;
}

static const char *accepts_cfc(const segue_op_header *header, const segue_kit_device *dev)
{
    const segue_ode_cell *op = (const void *)header;
    const char *why = segue_kit_refuse_dtype(header, SEGUE_F64, operands);
    (void)dev;
    if (why) return why;
    if (op->cell == SEGUE_ODE_CELL_LTC) return "cell: this kernel is for CFC, CFC_NO_GATE and CFC_PURE";
    if (op->ff1_w.shape[0] > widths[0][LARGE] / 4) return "ff1_w: n is at most 512";
    if (op->x.shape[2] > widths[0][LARGE] - op->ff1_w.shape[0]) return "x: d + n is at most 2048";
    if (op->backbone_w.dtype.bits && op->backbone_w.shape[0] > widths[0][LARGE])
        return "backbone_w: e is at most 2048";
    return NULL;
}

const segue_row ode_cell_ltc_shared = {
    .name = "ode_cell_ltc_shared",
    .primitive = SEGUE_ODE_CELL,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts_ltc,
    .prepare = prepare,
    .run = run,
};

const segue_row ode_cell_cfc_shared = {
    .name = "ode_cell_cfc_shared",
    .primitive = SEGUE_ODE_CELL,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .capture = SEGUE_CAPTURE_POINTERS,
    .determinism = SEGUE_RUN_TO_RUN | SEGUE_BATCH_INVARIANT | SEGUE_THREAD_INVARIANT | SEGUE_STEP_EXACT,
    .accepts = accepts_cfc,
    .prepare = prepare,
    .run = run,
};
