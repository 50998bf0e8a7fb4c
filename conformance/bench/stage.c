/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "stage.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../grammar/dtype.h"
#include "../checks/call.h"
#include "../grammar/test_case.h"
#include "axes.h"
#include "crew.h"

/* ---- values -------------------------------------------------------------------------------------- */

static const struct range { /* uniform; whatever is not here lies between -1 and 1 */
    const char *primitive, *field;
    double low, high;
    double step; /* 0, or what they are multiples of: sums are then exact, and so is what is decided by them */
} ranges[] = {
    { "selective_scan", "delta", -6.9, -2.26, 0 }, /* softplus makes 0.001 to 0.1 of it */
    { "selective_scan", "A", -16, -1, 0 },         /* as Mamba begins */
    { "ssd", "dt", -6, -2, 0 },                    /* softplus makes 0.0025 to 0.13 of it */
    { "ssd", "A", -16, -1, 0 },
    { "gated_linear_attention", "gk", -0.105, -0.001, 0 }, /* decays of 0.9 to 0.999 a token */
    { "gated_recurrence", "gk", -0.105, -0.001, 0 },
    { "gated_recurrence", "g", -0.105, -0.001, 0 },
    { "retention", "g", -0.105, -0.001, 0 },
    { "linear_attention", "n_in", 0, 1, 0 }, /* a sum of features, which are positive */
    { "lsh_attention", "x", -2, 2, 0.125 },
    { "lsh_attention", "R", -2, 2, 0.125 },
    { "ode_cell", "gleak", 0.001, 1, 0 }, /* as mlech26l/ncps begins */
    { "ode_cell", "vleak", -0.2, 0.2, 0 },
    { "ode_cell", "cm", 0.4, 0.6, 0 },
    { "ode_cell", "sigma", 3, 8, 0 },
    { "ode_cell", "mu", 0.3, 0.8, 0 },
    { "ode_cell", "w", 0.001, 1, 0 },
    { "ode_cell", "sensory_sigma", 3, 8, 0 },
    { "ode_cell", "sensory_mu", 0.3, 0.8, 0 },
    { "ode_cell", "sensory_w", 0.001, 1, 0 },
    { "ode_cell", "backbone_w", -0.18, 0.18, 0 }, /* Xavier's, of its fans */
    { "ode_cell", "ff1_w", -0.18, 0.18, 0 },
    { "ode_cell", "ff2_w", -0.18, 0.18, 0 },
    { "ode_cell", "time_a_w", -0.18, 0.18, 0 },
    { "ode_cell", "time_b_w", -0.18, 0.18, 0 },
};

/* SplitMix64's finaliser. */
static uint64_t mixed(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Values repeat, out of so many: rounding each element of a large operand anew would take seconds. */
enum { PALETTE = 1 << 14 };

static double palette_value(const struct stage *s, uint32_t field, uint64_t entry)
{
    const segue_primitive_facts *p = s->d.primitive;
    double low = -1, high = 1, step = 0;
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (!strcmp(ranges[i].primitive, p->name) && !strcmp(ranges[i].field, p->fields[field].name))
            low = ranges[i].low, high = ranges[i].high, step = ranges[i].step;
    const double share = (double)(mixed(entry << 8 | field) >> 11) * 0x1p-53,
                 value = low + (high - low) * share;
    return dtype_round(s->d.dtype[field], step > 0 ? step * floor(value / step) : value);
}

static uint64_t entry_of(int layer, uint32_t field, int64_t index)
{
    return mixed((uint64_t)index << 16 ^ (uint64_t)layer << 8 ^ field) % PALETTE;
}

double stage_value(const struct stage *s, int layer, uint32_t field, int64_t index)
{
    return palette_value(s, field, entry_of(layer, field, index));
}

/* ---- memory -------------------------------------------------------------------------------------- */

static int failed(char *why, const char *what, const segue_diag *diag)
{
    snprintf(why, DESCRIPTOR_WHY, "%s: %.300s", what, diag->text);
    return STAGE_FAILED;
}

static int64_t elements(const segue_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++) count *= t->shape[i];
    return count;
}

static int64_t place(const segue_tensor *t, int64_t index)
{
    int64_t at = 0;
    for (int i = t->rank - 1; i >= 0; i--) {
        at += index % t->shape[i] * t->stride[i];
        index /= t->shape[i];
    }
    return at;
}

static void draw(const struct stage *s, int layer, uint32_t field, const segue_tensor *t, char *to)
{
    static __thread char palette[PALETTE][8];
    const size_t size = t->dtype.bits / 8;
    const int64_t count = elements(t);
    for (uint64_t i = 0; i < PALETTE; i++)
        dtype_store(s->d.dtype[field], palette[i], palette_value(s, field, i));
    for (int64_t i = 0; i < count; i++)
        memcpy(to + t->offset + (size_t)place(t, i) * size, palette[entry_of(layer, field, i)], size);
}

/* The state that a written state replaces; -1 = none. */
static int replaces(const struct stage *s, uint32_t field)
{
    const uint32_t before = state_partner(s->d.primitive, field);
    return before < s->d.primitive->field_count && s->d.present[before] ? (int)before : -1;
}

static segue_buffer *memory_of(const struct stage *s, int layer, uint32_t field)
{
    return &s->memory[(uint32_t)layer * s->d.primitive->field_count + field];
}

/* An operand's memory as it is before the first run: values, or such bytes in what is only written. */
static int reset(struct stage *s, int layer, uint32_t field, uint8_t bytes, char *why)
{
    const segue_field_facts *f = &s->d.primitive->fields[field];
    const segue_buffer b = *memory_of(s, layer, field);
    segue_tensor t = *tensor_of(s->op[layer], f);
    segue_diag diag = { 0 };
    t.offset -= b.offset;
    t.bytes -= b.offset;
    if (is_written_field(f))
        return segue_memory_fill(s->device->handle, s->device->stream, b, bytes, t.bytes, &diag)
                   ? failed(why, f->name, &diag)
                   : STAGE_READY;
    char *values = calloc(1, t.bytes + 1);
    if (!values) {
        snprintf(why, DESCRIPTOR_WHY, "no memory for %llu bytes of %s", (unsigned long long)t.bytes, f->name);
        return STAGE_FAILED;
    }
    draw(s, layer, field, &t, values);
    const segue_buffer from = { values, 0, t.bytes };
    const int bad = segue_memory_copy(s->device->handle, s->device->stream, SEGUE_COPY_TO_DEVICE, b, from,
                                      t.bytes, &diag) ||
                    segue_stream_sync(s->device->handle, s->device->stream, &diag);
    free(values);
    return bad ? failed(why, f->name, &diag) : STAGE_READY;
}

static int place_operand(struct stage *s, int layer, uint32_t field, char *why)
{
    const segue_field_facts *f = &s->d.primitive->fields[field];
    segue_tensor *t = tensor_of(s->op[layer], f);
    segue_buffer *b = memory_of(s, layer, field);
    segue_diag diag = { 0 };
    if (replaces(s, field) >= 0) {
        *t = *tensor_of(s->op[layer], &s->d.primitive->fields[replaces(s, field)]);
        return STAGE_READY;
    }
    if (segue_memory_alloc(s->device->handle, t->bytes, b, &diag)) return failed(why, f->name, &diag);
    t->data = b->data;
    t->offset += b->offset;
    t->bytes += b->offset;
    return reset(s, layer, field, STAGE_NANS, why);
}

int stage_rewind(struct stage *s, uint8_t bytes, char *why)
{
    segue_diag diag = { 0 };
    for (int layer = 0; layer < s->layers; layer++)
        for (uint32_t i = 0; i < s->d.primitive->field_count; i++) {
            if (!s->d.present[i] || !is_written_field(&s->d.primitive->fields[i])) continue;
            const int before = replaces(s, i);
            if (reset(s, layer, before >= 0 ? (uint32_t)before : i, bytes, why)) return -1;
        }
    if (!s->facts.workspace_bytes) return 0;
    return segue_memory_fill(s->device->handle, s->device->stream, s->workspace, bytes,
                             s->facts.workspace_bytes, &diag)
               ? failed(why, "workspace", &diag)
               : 0;
}

/* ---- plan ---------------------------------------------------------------------------------------- */

static int make_plan(struct stage *s, const segue_op_header *op, const char *row, char *why)
{
    segue_diag diag = { 0 };
    segue_plan_destroy(s->plan);
    s->plan = NULL;
    s->facts = (segue_plan_facts){ .size = sizeof s->facts };
    const segue_status status = segue_plan_create_row(s->device->handle, op, row, &s->plan, &diag);
    if (status) {
        failed(why, "no plan", &diag);
        return status == SEGUE_ERROR_UNSUPPORTED ? STAGE_DECLINED : STAGE_FAILED;
    }
    if (segue_plan_info(s->plan, &s->facts, &diag)) return failed(why, "plan", &diag);
    if (!(s->facts.flags & SEGUE_PLAN_DELEGATED)) return STAGE_READY;
    snprintf(why, DESCRIPTOR_WHY, "the device has no kernel of its own: the reference would compute");
    return STAGE_DECLINED;
}

/* All strides 0: the row has no wish. It is one for the first state, and for those that have its axes. */
static void lay_states(struct stage *s, segue_op_header *op)
{
    const char *dims = NULL;
    int wishes = 0;
    for (int i = 0; i < SEGUE_MAX_RANK; i++) wishes |= s->facts.state_stride[i] != 0;
    for (uint32_t i = 0; wishes && i < s->d.primitive->field_count; i++) {
        const segue_field_facts *f = &s->d.primitive->fields[i];
        if (!s->d.present[i] || f->kind != SEGUE_KIND_STATE) continue;
        if (!dims) dims = f->dims;
        if (strcmp(f->dims, dims)) continue;
        memcpy(tensor_of(op, f)->stride, s->facts.state_stride, sizeof s->facts.state_stride);
        tensor_settle(tensor_of(op, f));
    }
}

static int fill(struct stage *s, const char *row, char *why)
{
    const uint32_t fields = s->d.primitive->field_count;
    segue_diag diag = { 0 };
    int code = STAGE_READY;
    for (int layer = 0; layer < s->layers; layer++) {
        if (!(s->op[layer] = descriptor_op(&s->d, why))) return STAGE_FAILED;
        if (!layer && (code = make_plan(s, s->op[0], row, why))) return code; /* for the states' layout */
        lay_states(s, s->op[layer]);
        for (uint32_t i = 0; i < fields; i++)
            if (is_tensor_field(&s->d.primitive->fields[i]) && s->d.present[i] &&
                (code = place_operand(s, layer, i, why)))
                return code;
    }
    if ((code = make_plan(s, s->op[0], row, why))) return code;
    if (segue_memory_alloc(s->device->handle, s->facts.workspace_bytes, &s->workspace, &diag))
        return failed(why, "workspace", &diag);
    return STAGE_READY;
}

/* What the reference answers in seconds: calls of up to LONG tokens; of longer ones so many chunks of one head. */
enum { LONG = 4096, FEW_CHUNKS = 4 };

/* One of each part, so that no kernel can be right where it is looked at and nowhere else. */
static struct pick pick_from(int64_t all, int64_t count, uint64_t seed)
{
    struct pick p = { .count = all > count ? count : 0 };
    for (int64_t i = 0; i < p.count; i++) {
        const int64_t from = all * i / count, room = all * (i + 1) / count - from;
        p.index[i] = !i && count > 1 ? 0
                     : i < count - 1 || count == 1
                         ? from + (int64_t)(mixed(seed + (uint64_t)i) % (uint64_t)room)
                         : all - 1;
    }
    return p;
}

/* Of channels 8; of heads 4, of long calls 1, each with 4 columns of its values: no column of a matrix state, or of attention, knows of another one.
 * Of rows of queries 8; of batch rows, each of which is a whole cell's work, 2. */
static void choose_picks(struct stage *s)
{
    const uint64_t seed = mixed((uint64_t)(1e9 * seconds_now()));
    const int64_t lead = descriptor_axis(&s->d, axes_lead(&s->d));
    const int heads = axes_lead(&s->d) == 'h', cells = axes_lead(&s->d) == 'b';
    if (descriptor_axis(&s->d, 't') > LONG) s->few = FEW_CHUNKS * axes_chunk(&s->d);
    const struct pick p = pick_from(lead, cells ? 2 : !heads ? STAGE_PICKS : s->few ? 1 : 4, seed);
    for (char letter = 'a'; axes_can_pick(&s->d) && letter <= 'z'; letter++) {
        const int64_t shared_by = axes_shared_by(&s->d, letter);
        if (!shared_by) continue;
        s->pick[letter - 'a'] = p;
        for (int64_t i = 0; i < p.count; i++) s->pick[letter - 'a'].index[i] /= shared_by;
    }
    if (heads) s->pick['v' - 'a'] = pick_from(descriptor_axis(&s->d, 'v'), 4, seed + STAGE_PICKS);
    if (axes_places(&s->d) < 0) return;
    const struct pick rows = pick_from(descriptor_axis(&s->d, 'n'), STAGE_PICKS, seed + 2 * STAGE_PICKS);
    s->pick['n' - 'a'] = s->pick['e' - 'a'] = rows;
}

int stage_open(struct stage *s, const struct bench_device *device, const char *descriptor, int layers,
               const char *row, char *why)
{
    memset(s, 0, sizeof *s);
    s->device = device;
    s->layers = layers;
    if (descriptor_parse(descriptor, &s->d, why)) return STAGE_FAILED;
    choose_picks(s);
    s->op = calloc((size_t)layers, sizeof *s->op);
    s->memory = calloc((size_t)layers * s->d.primitive->field_count, sizeof *s->memory);
    snprintf(why, DESCRIPTOR_WHY, "no memory for %s", descriptor);
    const int code = s->op && s->memory ? fill(s, row, why) : STAGE_FAILED;
    if (code) stage_close(s);
    return code;
}

int stage_run(struct stage *s, int64_t times, char *why)
{
    segue_diag diag;
    const struct bench_device *d = s->device;
    for (int64_t n = 0; n < times; n++)
        for (int i = 0; i < s->layers; i++)
            if (segue_plan_run(s->plan, s->op[i], d->stream, s->workspace, &diag))
                return failed(why, "run", &diag);
    return segue_stream_sync(d->handle, d->stream, &diag) ? failed(why, "run", &diag) : 0;
}

static int run_layer_few(struct stage *s, int layer, char *why)
{
    segue_diag diag = { 0 };
    segue_op_header *op = malloc((size_t)s->op[layer]->size);
    snprintf(why, DESCRIPTOR_WHY, "no memory for a shorter call");
    if (!op) return -1;
    memcpy(op, s->op[layer], (size_t)s->op[layer]->size);
    for (uint32_t i = 0; i < s->d.primitive->field_count; i++) {
        const segue_field_facts *f = &s->d.primitive->fields[i];
        const int axis = is_tensor_field(f) && s->d.present[i] ? plain_axis(f, 't') : -1;
        if (axis >= 0) tensor_of(op, f)->shape[axis] = s->few;
    }
    const int bad = segue_plan_run(s->plan, op, s->device->stream, s->workspace, &diag);
    free(op);
    return bad ? failed(why, "run", &diag) : 0;
}

int stage_run_few(struct stage *s, char *why)
{
    segue_diag diag = { 0 };
    for (int layer = 0; layer < s->layers; layer++)
        if (run_layer_few(s, layer, why)) return -1;
    return segue_stream_sync(s->device->handle, s->device->stream, &diag) ? failed(why, "run", &diag) : 0;
}

void stage_close(struct stage *s)
{
    const uint32_t fields = s->d.primitive ? s->d.primitive->field_count : 0;
    if (s->memory)
        for (uint32_t i = 0; i < (uint32_t)s->layers * fields; i++)
            if (s->memory[i].data) segue_memory_free(s->device->handle, s->memory[i]);
    if (s->workspace.data) segue_memory_free(s->device->handle, s->workspace);
    segue_plan_destroy(s->plan);
    stage_forget(s);
    for (int i = 0; s->op && i < s->layers; i++) free(s->op[i]);
    free(s->op), free(s->memory);
    memset(s, 0, sizeof *s);
}
