/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Tensors as kernels see them, ops as arguments, and plans that consist of one kernel. */
#include "launcher.h"

enum { MOST_ARGS_BYTES = 1024 }; /* of all arguments, pointers included: what OpenCL guarantees */

static int32_t kernel_dtype(segue_dtype dtype)
{
    static const uint32_t known[] = {
        [GPU_F32] = SEGUE_F32, [GPU_F16] = SEGUE_F16, [GPU_BF16] = SEGUE_BF16,
        [GPU_I32] = SEGUE_I32, [GPU_F64] = SEGUE_F64,
    };
    int32_t i = GPU_F64;
    while (i > 0 && known[i] != segue_dtype_id(dtype)) i--;
    return i;
}

struct gpu_view gpu_view_of(const segue_tensor *t)
{
    struct gpu_view view = { 0 };
    if (!t->dtype.bits) return view;
    view.at =
        (int64_t)(t->offset / (t->dtype.bits / 8u)); /* the rest: gpu_base; behind handles core refuses one */
    for (int axis = 0; axis < t->rank && axis < 4; axis++) view.stride[axis] = t->stride[axis];
    view.dtype = kernel_dtype(t->dtype);
    view.present = 1;
    return view;
}

/* NULL = a parameter */
static const segue_tensor *tensor_of(const segue_op_header *op, const segue_field_facts *field)
{
    return field->kind == SEGUE_KIND_NONE ? NULL : (const void *)((const char *)op + field->offset);
}

/* That of the op's first operand of a kind; f32 where all of them are absent, 0 where the primitive has none. */
static uint32_t dtype_of(const segue_op_header *op, const segue_primitive_facts *facts, uint32_t kind)
{
    uint32_t absent = 0;
    for (uint32_t i = 0; i < facts->field_count; i++) {
        if (facts->fields[i].kind != kind) continue;
        const segue_tensor *t = tensor_of(op, &facts->fields[i]);
        if (t->dtype.bits) return segue_dtype_id(t->dtype);
        absent = SEGUE_F32;
    }
    return absent;
}

struct gpu_key gpu_key_of(const struct gpu_source *source, const segue_op_header *op,
                          const segue_kit_device *dev)
{
    const segue_primitive_facts *facts = dev->host->describe(op->primitive);
    return (struct gpu_key){ .source = source,
                             .kernel = source->name,
                             .act = dtype_of(op, facts, SEGUE_KIND_ACT),
                             .state = dtype_of(op, facts, SEGUE_KIND_STATE),
                             .group = gpu_of(dev)->group };
}

static int is_written(uint32_t role)
{
    return role == SEGUE_ROLE_STATE_OUT || role == SEGUE_ROLE_OUT || role == SEGUE_ROLE_OPT_OUT;
}

/* Axes of a field: letters, with a space between two of them. */
static int axes_of(const segue_field_facts *field)
{
    int axes = 1;
    for (const char *at = field->dims; *at; at++) axes += *at == ' ';
    return axes;
}

/* A VIEW with room for so many axes; returns where it ends. */
static char *put_view(char *to, struct gpu_view view, int axes)
{
    const size_t head = sizeof view.at + (size_t)axes * sizeof *view.stride,
                 tail = offsetof(struct gpu_view, dtype);
    memcpy(to, &view, head);
    memcpy(to + head, (const char *)&view + tail, sizeof view - tail);
    return to + head + (sizeof view - tail);
}

static void bind(const struct gpu_form *form, const segue_op_header *op, const segue_kit_device *dev,
                 void *args, struct gpu_arg *list, int narrow)
{
    const segue_primitive_facts *facts = dev->host->describe(op->primitive);
    char *to = args;
    uint32_t count = 0;
    for (uint32_t i = 0; i < facts->field_count && count < form->operands; i++) {
        const segue_tensor *t = tensor_of(op, &facts->fields[i]);
        if (!t) continue;
        to = put_view(to, gpu_view_of(t), narrow ? axes_of(&facts->fields[i]) : 4);
        list[count++] = (struct gpu_arg){ .tensor = t, .writes = is_written(facts->fields[i].role) };
    }
    for (; count < form->operands; count++) { /* later than this host: absent */
        if (!narrow) to = put_view(to, (struct gpu_view){ 0 }, 4);
        list[count] = (struct gpu_arg){ 0 };
    }
    list[count] = (struct gpu_arg){ .value = args, .bytes = form->args_bytes };
}

void gpu_bind(const struct gpu_form *form, const segue_op_header *op, const segue_kit_device *dev, void *args,
              struct gpu_arg *list)
{
    bind(form, op, dev, args, list, 0);
}

void gpu_bind_narrow(const struct gpu_form *form, const segue_op_header *op, const segue_kit_device *dev,
                     void *args, struct gpu_arg *list)
{
    bind(form, op, dev, args, list, 1);
}

segue_status gpu_launch_sequences(const struct gpu_kernel *kernel, const segue_kit_call *call,
                                  int32_t groups[3], const struct gpu_arg *list, uint32_t count,
                                  int64_t sequences, int64_t *first)
{
    segue_status s = SEGUE_OK;
    for (*first = 0; !s && *first < sequences; *first += groups[1]) {
        groups[1] = gpu_groups(kernel->gpu, 1, sequences - *first, 1);
        s = gpu_launch(kernel, call->stream, groups, list, count, call->why);
    }
    return s;
}

/* One launch for which every operand is absent and every number 0. */
static segue_status warm_up(const struct gpu_kernel *kernel, const struct gpu_form *form,
                            const int32_t groups[3], segue_diag *why)
{
    const uint64_t zeros[MOST_ARGS_BYTES / sizeof(uint64_t)] = { 0 };
    struct gpu_arg args[GPU_MOST_ARGS] = { 0 };
    args[form->operands] = (struct gpu_arg){ .value = zeros, .bytes = form->args_bytes };
    return gpu_warm_up(kernel, groups, args, form->operands + 1, why);
}

segue_status gpu_kernel_make(struct gpu *gpu, const struct gpu_key *key, const struct gpu_form *form,
                             const int32_t groups[3], struct gpu_kernel **out, segue_diag *why)
{
    const uint64_t bytes = form->operands * (uint64_t)sizeof(void *) + form->args_bytes;
    if (form->operands >= GPU_MOST_ARGS || bytes > MOST_ARGS_BYTES)
        return segue_kit_fail(
            why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN, 0,
            "%s: %u operands and %u bytes of arguments in all, wanted fewer than %d and at most %d",
            key->kernel, form->operands, (unsigned)bytes, GPU_MOST_ARGS, MOST_ARGS_BYTES);
    struct gpu_kernel *kernel = gpu->host->alloc(gpu->host->user, sizeof *kernel, 64);
    if (!kernel)
        return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for the kernel %s",
                              key->kernel);
    kernel->gpu = gpu;
    segue_status s = gpu_kernel_prepare(gpu, key, kernel, why);
    if (!s) s = warm_up(kernel, form, groups, why);
    if (s) gpu_kernel_discard(kernel);
    else *out = kernel;
    return s;
}

void gpu_kernel_discard(struct gpu_kernel *kernel)
{
    const segue_host *host = kernel->gpu->host;
    gpu_kernel_release(kernel);
    host->free(host->user, kernel);
}

static void release(void *data, const segue_kit_device *dev)
{
    (void)dev;
    gpu_kernel_discard(data);
}

segue_status gpu_plan_one(const segue_kit_device *dev, const struct gpu_key *key, const struct gpu_form *form,
                          const int32_t groups[3], segue_kit_plan *plan, segue_diag *why)
{
    struct gpu_kernel *kernel = NULL;
    const segue_status s = gpu_kernel_make(gpu_of(dev), key, form, groups, &kernel, why);
    if (s) return s;
    plan->data = kernel;
    plan->release = release;
    return SEGUE_OK;
}
