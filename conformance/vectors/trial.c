/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "trial.h"

#include "../gauge/judge.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void trial_fail(trial *t, const char *format, ...)
{
    va_list list;
    if (t->status != TRIAL_PASSED) return;
    t->status = TRIAL_FAILED;
    va_start(list, format);
    vsnprintf(t->why, sizeof t->why, format, list);
    va_end(list);
}

static int stopped(const trial *t)
{
    return t->status != TRIAL_PASSED;
}

/* ---- views -------------------------------------------------------------------------------------- */

/* One word of axes against the tensor's letters: marks and measures what it covers. */
static void match(const golden_tensor *g, const char *word, size_t length, const int64_t *stride, int *used,
                  int64_t *size, int64_t *step)
{
    *size = 1, *step = 0;
    for (const char *end = word + length; word < end;) {
        const size_t letters = strcspn(word, "| ");
        for (int at = 0; at + (int)letters <= g->rank; at++) {
            if (strncmp(g->axes + at, word, letters)) continue;
            for (size_t i = 0; i < letters; i++) *size *= g->shape[at + (int)i], used[at + (int)i] = 1;
            *step = stride[at + (int)letters - 1];
            return;
        }
        word += letters + 1;
    }
}

/* The authors' tensor as the operand wants it, with no data yet. */
static segue_tensor view(trial *t, const golden_tensor *g, uint32_t dtype, const char *axes)
{
    const segue_tensor packed = segue_tensor_of(NULL, dtype, g->rank, g->shape);
    segue_tensor out = packed;
    int used[SEGUE_MAX_RANK] = { 0 };
    memset(out.shape, 0, sizeof out.shape), memset(out.stride, 0, sizeof out.stride);
    out.rank = 0;
    for (const char *word = axes; *word && out.rank < SEGUE_MAX_RANK; out.rank++) {
        const size_t length = strcspn(word, " ");
        match(g, word, length, packed.stride, used, &out.shape[out.rank], &out.stride[out.rank]);
        word += length + (word[length] == ' ');
    }
    if (!g->axes[0] && g->rank) trial_fail(t, "`%s`: dims does not name its axes", g->name);
    for (int i = 0; i < g->rank; i++)
        if (!used[i]) trial_fail(t, "`%s`: axis %c finds no place in [%s]", g->name, g->axes[i], axes);
    return out;
}

/* ---- device memory ------------------------------------------------------------------------------ */

/* dtype 0: of nothing that an operand holds. values: what will be copied there; NULL: what a kernel will write. */
static segue_buffer allocate(trial *t, uint64_t bytes, uint32_t dtype, const void *values)
{
    segue_diag diag;
    struct shadow *all = realloc(t->memory, ((size_t)t->memory_count + 1) * sizeof *all);
    segue_buffer buffer = { 0 };
    if (!all) {
        trial_fail(t, "no memory");
        return buffer;
    }
    t->memory = all;
    if (segue_memory_alloc(t->device->handle, bytes, &buffer, &diag)) {
        trial_fail(t, "%s", diag.text);
        return buffer;
    }
    struct shadow *s = &all[t->memory_count++];
    *s = (struct shadow){ .buffer = buffer };
    if (t->gauged && dtype && shadow_make(s, buffer, dtype, values, bytes))
        trial_fail(t, "no memory for the gauge");
    return buffer;
}

static void place(segue_tensor *tensor, segue_buffer buffer)
{
    tensor->data = buffer.data;
    tensor->offset = buffer.offset;
    tensor->bytes = buffer.bytes;
}

static segue_buffer upload(trial *t, const void *values, uint32_t dtype, uint64_t bytes)
{
    const segue_buffer to = allocate(t, bytes, dtype, values), from = { (void *)values, 0, bytes };
    segue_diag diag;
    if (!stopped(t) && bytes &&
        (segue_memory_copy(t->device->handle, t->device->stream, SEGUE_COPY_TO_DEVICE, to, from, bytes,
                           &diag) ||
         segue_stream_sync(t->device->handle, t->device->stream, &diag)))
        trial_fail(t, "copy to the device: %s", diag.text);
    return to;
}

/* The file's values in the trial's dtype: exact, since inputs hold f32 or integers. */
static void *converted(trial *t, const golden_tensor *g, uint32_t dtype, uint64_t bytes)
{
    const int64_t count = golden_count(g);
    void *values = malloc(bytes ? bytes : 1);
    if (!values) trial_fail(t, "no memory");
    for (int64_t i = 0; values && i < count; i++) {
        const double value = golden_value(g, i);
        if (dtype == SEGUE_F64) ((double *)values)[i] = value;
        else if (dtype == SEGUE_F32) ((float *)values)[i] = (float)value;
        else if (value >= INT32_MIN && value <= INT32_MAX) ((int32_t *)values)[i] = (int32_t)value;
        else trial_fail(t, "`%s`: element %" PRId64 " is %.17g, wanted an i32", g->name, i, value);
    }
    return values;
}

static int is_integer(const golden_tensor *g)
{
    return g->dtype == SEGUE_I32 || g->dtype == SEGUE_I64;
}

static int is_known(trial *t, const golden_tensor *g)
{
    if (is_integer(g) || g->dtype == SEGUE_F32 || g->dtype == SEGUE_F64) return 1;
    trial_fail(t, "`%s`: wanted F32, F64, I32 or I64", g->name);
    return 0;
}

segue_tensor trial_input(trial *t, const char *names, const char *axes)
{
    golden_tensor *g = stopped(t) ? NULL : golden_find(t->file, names);
    segue_tensor out = { 0 };
    if (!g || !is_known(t, g)) return out;
    const uint32_t dtype = is_integer(g) ? SEGUE_I32 : t->device->dtype;
    out = view(t, g, dtype, axes);
    void *values = converted(t, g, dtype, out.bytes);
    if (!stopped(t)) place(&out, upload(t, values, dtype, out.bytes));
    free(values);
    g->bound = 1;
    return out;
}

segue_tensor trial_output(trial *t, const char *names, const char *axes)
{
    const golden_tensor *g = stopped(t) ? NULL : golden_find(t->file, names);
    segue_tensor out = { 0 };
    segue_diag diag;
    if (!g) return out;
    const uint32_t dtype = is_integer(g) ? SEGUE_I32 : t->device->dtype;
    out = view(t, g, dtype, axes);
    const segue_buffer buffer = allocate(t, out.bytes, dtype, NULL);
    if (!stopped(t) && out.bytes &&
        segue_memory_fill(t->device->handle, t->device->stream, buffer, 0xff, out.bytes, &diag))
        trial_fail(t, "fill: %s", diag.text);
    place(&out, buffer);
    return out;
}

segue_tensor trial_integers(trial *t, const int32_t *values, int rank, const int64_t *shape)
{
    segue_tensor out = segue_tensor_of(NULL, SEGUE_I32, rank, shape);
    if (!stopped(t)) place(&out, upload(t, values, SEGUE_I32, out.bytes));
    return out;
}

segue_tensor trial_reals(trial *t, const double *values, int rank, const int64_t *shape)
{
    segue_tensor out = segue_tensor_of(NULL, t->device->dtype, rank, shape);
    const uint64_t count = out.bytes / (out.dtype.bits / 8u);
    float *narrow = malloc((count + 1) * sizeof *narrow);
    if (!narrow) trial_fail(t, "no memory");
    for (uint64_t i = 0; narrow && i < count; i++) narrow[i] = (float)values[i];
    if (!stopped(t))
        place(&out, upload(t, t->device->dtype == SEGUE_F64 ? (const void *)values : narrow, t->device->dtype,
                           out.bytes));
    free(narrow);
    return out;
}

/* ---- parameters --------------------------------------------------------------------------------- */

static json_t *param(trial *t, const char *name)
{
    json_t *value = json_object_get(t->file->params, name);
    if (value) json_object_set_new(t->params_read, name, json_true());
    return value;
}

int64_t trial_param(trial *t, const char *name, int64_t fallback)
{
    const json_t *value = param(t, name);
    if (!value) return fallback;
    if (!json_is_integer(value) && !json_is_boolean(value)) trial_fail(t, "params: `%s` is no integer", name);
    return json_is_boolean(value) ? json_is_true(value) : (int64_t)json_integer_value(value);
}

double trial_real(trial *t, const char *name, double fallback)
{
    const json_t *value = param(t, name);
    if (json_is_string(value) && !strcmp(json_string_value(value), "inf")) return INFINITY; /* JSON has none */
    if (value && !json_is_number(value)) trial_fail(t, "params: `%s` is no number", name);
    return json_is_number(value) ? json_number_value(value) : fallback;
}

const char *trial_text(trial *t, const char *name, const char *fallback)
{
    const json_t *value = param(t, name);
    if (value && !json_is_string(value)) trial_fail(t, "params: `%s` is no text", name);
    return value && json_is_string(value) ? json_string_value(value) : fallback;
}

void trial_expect(trial *t, const char *name, int64_t value)
{
    const int64_t said = trial_param(t, name, value);
    if (said != value)
        trial_fail(t, "params: `%s` is %" PRId64 ", the tensors say %" PRId64, name, said, value);
}

int trial_calls(trial *t, int64_t total, int64_t *lengths)
{
    const int64_t steps = trial_param(t, "decode_steps", 0),
                  prefill = trial_param(t, "prefill_len", steps ? 0 : total);
    const int64_t each = trial_param(t, "tokens_per_call", 0), calls = trial_param(t, "calls", 0);
    const int64_t count = calls ? calls : (prefill > 0) + steps;
    int64_t sum = 0;
    if (stopped(t)) return 0;
    if (count < 0 || count > TRIAL_MAX_CALLS || steps < 0 || prefill < 0 || calls < 0 || each < 0) {
        trial_fail(t, "params: %" PRId64 " calls, wanted 0 to %d of no negative length", count,
                   TRIAL_MAX_CALLS);
        return 0;
    }
    for (int64_t i = 0; i < count; i++) sum += lengths[i] = calls ? each : i == 0 && prefill ? prefill : 1;
    if (sum != total)
        trial_fail(t, "params: the calls have %" PRId64 " tokens, the tensors %" PRId64, sum, total);
    return (int)count;
}

/* ---- running ------------------------------------------------------------------------------------ */

/* Not a failure: the plugin declared that it has no kernel for the primitive at all. */
static int undeclared(const trial *t, const segue_op_header *op)
{
    segue_support_facts facts = { .size = sizeof facts };
    segue_diag diag;
    return !segue_support(t->device->handle, op, &facts, &diag) && facts.verdict == SEGUE_SUPPORT_NO &&
           facts.reasons == SEGUE_REASON_PRIMITIVE;
}

static void skip(trial *t, const char *why)
{
    if (stopped(t)) return;
    t->status = TRIAL_SKIPPED;
    snprintf(t->why, sizeof t->why, "%s", why);
}

/* What the device wrote into integers, for choices that roundings may decide. */
static void tell_choices(trial *t, struct shadow *s)
{
    segue_diag diag;
    int32_t *got = malloc(s->buffer.bytes ? s->buffer.bytes : 1);
    const segue_buffer to = { got, 0, s->buffer.bytes };
    if (!got) trial_fail(t, "no memory");
    else if (s->buffer.bytes && (segue_memory_copy(t->device->handle, t->device->stream, SEGUE_COPY_FROM_DEVICE,
                                                   to, s->buffer, s->buffer.bytes, &diag) ||
                                 segue_stream_sync(t->device->handle, t->device->stream, &diag)))
        trial_fail(t, "copy from the device: %s", diag.text);
    else if (gauge_answer(s->numbers, got)) trial_fail(t, "no memory for the gauge");
    free(got);
}

/* The same call on the numbers that lie parallel. */
static void call_gauge(trial *t, const segue_op_header *op, uint32_t accuracy)
{
    t->accuracy |= accuracy;
    if (stopped(t) || !t->gauged) return;
    for (int i = 0; i < t->memory_count; i++)
        if (t->memory[i].numbers && t->memory[i].choices) tell_choices(t, &t->memory[i]);
    const int result = shadow_run(t->memory, t->memory_count, op, accuracy);
    if (result == -1) trial_fail(t, "the primitive has no reference to derive a bound from");
    else if (result)
        trial_fail(t, "the gauge cannot run: %s", result == -2 ? "no memory" : "an operand leaves its memory");
}

void trial_call(trial *t, const segue_op_header *op)
{
    segue_plan *plan = NULL;
    segue_plan_facts facts = { .size = sizeof facts };
    segue_buffer workspace = { 0 };
    segue_diag diag;
    if (stopped(t)) return;
    segue_status status = segue_plan_create(t->device->handle, op, &plan, &diag);
    if (status == SEGUE_ERROR_UNSUPPORTED && undeclared(t, op)) skip(t, diag.text);
    if (!status) status = segue_plan_info(plan, &facts, &diag);
    if (!status) memcpy(t->row, facts.row, sizeof t->row);
    if (!status && facts.flags & SEGUE_PLAN_DELEGATED)
        skip(t, "delegated to the reference: not this device's own answer");
    if (!status && !stopped(t)) workspace = allocate(t, facts.workspace_bytes, 0, NULL);
    if (!status && !stopped(t)) status = segue_plan_run(plan, op, t->device->stream, workspace, &diag);
    if (!status && !stopped(t)) status = segue_stream_sync(t->device->handle, t->device->stream, &diag);
    if (status) trial_fail(t, "%s: %s", segue_status_name(status), diag.text);
    call_gauge(t, op, facts.accuracy);
    segue_plan_destroy(plan);
}

/* ---- judging ------------------------------------------------------------------------------------ */

/* The next element in row-major order. */
static void advance(const segue_tensor *v, int64_t *index)
{
    for (int axis = v->rank - 1; axis >= 0 && ++index[axis] == v->shape[axis]; axis--) index[axis] = 0;
}

static int64_t place_of(const segue_tensor *v, const int64_t *index)
{
    int64_t at = 0;
    for (int axis = 0; axis < v->rank; axis++) at += index[axis] * v->stride[axis];
    return at;
}

const char *trial_where(const trial *t, char *to, size_t size)
{
    size_t at = (size_t)snprintf(to, size, "%s[", t->worst ? t->worst->name : "nothing");
    for (int axis = 0; t->worst && axis < t->worst->rank && at < size; axis++)
        at += (size_t)snprintf(to + at, size - at, axis ? ",%" PRId64 : "%" PRId64, t->index[axis]);
    if (at < size) snprintf(to + at, size - at, "]");
    return to;
}

/* The element that lies at that place of the file, if it is the worst so far. */
static void note(trial *t, const golden_tensor *g, int64_t at, double bound, double got, double want)
{
    const double error = fabs(got - want);
    double ratio = got == want ? 0 : error / bound;
    if (isnan(ratio)) ratio = INFINITY;
    if (ratio <= t->ratio) return;
    t->ratio = ratio, t->bound = bound, t->got = isnan(got) ? NAN : got, t->want = want, t->worst = g;
    for (int axis = g->rank - 1; axis >= 0; at /= g->shape[axis--]) t->index[axis] = at % g->shape[axis];
}

static double stored(const void *values, uint32_t dtype, int64_t i)
{
    return dtype == SEGUE_F64   ? ((const double *)values)[i]
           : dtype == SEGUE_F32 ? ((const float *)values)[i]
                                : ((const int32_t *)values)[i];
}

/* What correct kernels may answer. 0 with nothing in it where the file's rtol alone judges. */
static int make_bound(trial *t, const golden_tensor *g, const segue_tensor *got, struct bound *out,
                      int64_t *first)
{
    const struct shadow *s = t->gauged ? shadow_of(t->memory, t->memory_count, got) : NULL;
    memset(out, 0, sizeof *out);
    if (!s || !s->numbers) return 0;
    const int64_t count = (int64_t)((got->bytes - s->buffer.offset) / s->element);
    *first = shadow_first(s, got);
    if (bound_make(out, s->numbers, count, segue_dtype_id(got->dtype), t->accuracy, 0)) {
        trial_fail(t, "no memory for the gauge");
        return -1;
    }
    if (out->undecidable)
        trial_fail(t, "`%s`: %" PRId64 " of %" PRId64 " elements cannot be judged: kernels may overflow there",
                   g->name, out->undecidable, out->used + out->undecidable);
    return 0;
}

/* values: what the device has from the tensor's offset on. */
static void compare(trial *t, const golden_tensor *g, const segue_tensor *want, const segue_tensor *got,
                    const void *values)
{
    const int64_t count = golden_count(g);
    int64_t index[SEGUE_MAX_RANK] = { 0 }, first = 0;
    struct bound correct;
    double scale = 1;
    if (make_bound(t, g, got, &correct, &first)) return;
    for (int64_t i = 0; i < count;
         i++) { /* infinities are wanted exactly, and forgive nothing to their neighbours */
        const double size = fabs(golden_value(g, i));
        if (size > scale && isfinite(size)) scale = size;
    }
    for (int64_t i = 0; i < count; i++, advance(want, index)) {
        const int64_t from = place_of(want, index), at = place_of(got, index);
        const double own = correct.count ? bound_of(&correct, first + at) : 0;
        /* What the kernel left alone keeps its place: no error is forgiven but the file's. */
        const double bound = t->file->rtol * scale + (isfinite(own) ? own : 0);
        note(t, g, from, bound, stored(values, segue_dtype_id(got->dtype), at), golden_value(g, from));
    }
    bound_free(&correct);
}

void trial_judge(trial *t, const char *names, const char *axes, segue_tensor got)
{
    golden_tensor *g = stopped(t) ? NULL : golden_find(t->file, names);
    segue_diag diag;
    if (!g || !is_known(t, g)) return;
    const segue_tensor want = view(t, g, g->dtype, axes);
    const segue_buffer from = { got.data, got.offset, got.bytes };
    const uint64_t bytes = got.bytes - got.offset;
    g->bound = 1;
    if (want.rank != got.rank || memcmp(want.shape, got.shape, sizeof want.shape))
        trial_fail(t, "`%s`: its shape is not the operand's", g->name);
    if (stopped(t)) return;
    void *values = malloc(bytes ? bytes : 1);
    const segue_buffer to = { values, 0, bytes };
    if (!values) trial_fail(t, "no memory");
    else if (bytes && (segue_memory_copy(t->device->handle, t->device->stream, SEGUE_COPY_FROM_DEVICE, to, from,
                                         bytes, &diag) ||
                       segue_stream_sync(t->device->handle, t->device->stream, &diag)))
        trial_fail(t, "copy from the device: %s", diag.text);
    else compare(t, g, &want, &got, values);
    free(values);
}

void trial_read(trial *t, segue_tensor from, int32_t *to)
{
    const segue_buffer there = { from.data, from.offset, from.bytes };
    const uint64_t bytes = from.bytes - from.offset;
    int64_t index[SEGUE_MAX_RANK] = { 0 }, count = 1;
    segue_diag diag;
    for (int axis = 0; axis < from.rank; axis++) count *= from.shape[axis];
    memset(to, 0, (size_t)count * sizeof *to);
    if (stopped(t)) return;
    int32_t *const values = malloc(bytes ? bytes : 1);
    const segue_buffer here = { values, 0, bytes };
    if (!values) trial_fail(t, "no memory");
    else if (bytes && (segue_memory_copy(t->device->handle, t->device->stream, SEGUE_COPY_FROM_DEVICE, here,
                                         there, bytes, &diag) ||
                       segue_stream_sync(t->device->handle, t->device->stream, &diag)))
        trial_fail(t, "copy from the device: %s", diag.text);
    for (int64_t i = 0; !stopped(t) && i < count; i++, advance(&from, index))
        to[i] = values[place_of(&from, index)];
    free(values);
}

/* Whatever the file holds must have been used: an operand that nobody bound makes a verdict worthless. */
static void check_bound(trial *t)
{
    const char *name;
    json_t *value;
    for (int i = 0; i < t->file->tensor_count; i++)
        if (!t->file->tensors[i].bound) trial_fail(t, "`%s` is bound to no operand", t->file->tensors[i].name);
    json_object_foreach(t->file->params, name, value)
        if (!json_object_get(t->params_read, name)) trial_fail(t, "params: `%s` is not known", name);
    if (t->ratio < 0) trial_fail(t, "nothing to judge: the file has no output");
}

void trial_run_case(trial *t, const trial_device *device, golden_file *file, const golden_case *with)
{
    char where[160];
    const int exact = device->facts.flags & SEGUE_DEVICE_REFERENCE || file->rtol == 0;
    memset(t, 0, sizeof *t);
    t->device = device;
    t->file = file;
    t->ratio = -1;
    t->gauged = !exact;
    t->params_read = json_object();
    with->run(t);
    if (!stopped(t)) check_bound(t);
    if (t->ratio > 1)
        trial_fail(t, "%s is %.9g, wanted %.9g", trial_where(t, where, sizeof where), t->got, t->want);
    for (int i = 0; i < t->memory_count; i++) {
        segue_memory_free(device->handle, t->memory[i].buffer);
        shadow_free(&t->memory[i]);
    }
    free(t->memory);
    json_decref(t->params_read);
    t->memory = NULL, t->params_read = NULL;
}
