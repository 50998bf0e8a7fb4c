/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Two streams that nothing but events keeps in order: operands are copied on the first, the plan runs on a second, the
 * answer is read on the first. In front of the copy and of the run lies work that takes longer than all that is enqueued
 * behind it, so that a wait that is forgotten reads poison on a driver that is truly asynchronous, too. */
#include <math.h>

#include "identity.h"

enum {
    LARGE = 1 << 20, /* bytes of a call that is left out: its order is that of a small one */
    POISON = 0xff,   /* NaN of every dtype, and -1: kernels clamp integers out of range */
    /* Delays in front of the copy and of the run. The second stream's must be over long before the first's: a run that has
     * not waited would else come behind the copy all the same. */
    BEFORE_COPY = 4,
    BEFORE_RUN = 1
};

/* A delay: this much work of the device, in at least FEWEST pieces, since small kernels of the other stream get their turn
 * between those; each large enough for the device to take longer over it than the host over enqueueing it. */
#define DELAY_MS 0.5
enum {
    FEWEST = 4,
    MOST = 64,
    SMALLEST = 1 << 20, /* bytes of a piece */
    LARGEST = 64 << 20,
    TRIES = 3
};

struct order {
    struct lab_device second; /* the lab's, with a stream of its own */
    segue_event written, done;
    segue_buffer staged; /* what the first stream copies: from host memory a driver may copy at once */
    struct image image;
    int has_stream, has_written, has_done;
    const char *call; /* that failed */
    segue_diag diag;
};

/* ---- delays ------------------------------------------------------------------------------------------- */

/* Of one fill, waited for; infinite: it failed, which is told where it is not only a delay. */
static double fill_ms(const struct lab_device *d, segue_buffer memory, uint64_t bytes)
{
    double best = INFINITY;
    for (int i = 0; i <= TRIES; i++) { /* the first one also makes the driver provide the memory */
        const double start = milliseconds();
        if (segue_memory_fill(d->handle, d->stream, memory, 0, bytes, NULL) ||
            segue_stream_sync(d->handle, d->stream, NULL))
            return INFINITY;
        if (i) best = fmin(best, milliseconds() - start);
    }
    return best;
}

/* Once for a lab. Without memory there is no delay: that still finds what is late by chance, or under a stand-in. */
static void measure_delay(struct lab *l)
{
    struct lab_delay *w = &l->delay;
    const struct lab_device *d = &l->device;
    double ms = 0;
    if (w->measured) return;
    w->measured = 1;
    for (uint64_t bytes = SMALLEST; bytes <= LARGEST && ms * FEWEST < DELAY_MS; bytes *= 2) {
        segue_buffer memory;
        if (!lab_has_room(d, bytes) || segue_memory_alloc(d->handle, bytes, &memory, NULL)) break;
        if (w->bytes) segue_memory_free(d->handle, w->memory);
        w->memory = memory, w->bytes = bytes;
        ms = fill_ms(d, memory, bytes);
    }
    if (w->bytes) w->fills = (int)fmin(fmax(ceil(DELAY_MS / ms), FEWEST), MOST);
}

static segue_status delay(const struct exam *e, segue_stream stream, int times, segue_diag *diag)
{
    const struct lab_delay *w = &e->lab->delay;
    segue_status status = SEGUE_OK;
    for (int i = 0; i < times * w->fills && !status; i++)
        status = segue_memory_fill(e->lab->device.handle, stream, w->memory, 0, w->bytes, diag);
    return status;
}

/* ---- what is enqueued --------------------------------------------------------------------------------- */

static segue_buffer span_of(const struct image *m, const struct span *s)
{
    return (segue_buffer){ m->memory.data, m->memory.offset + s->at, m->memory.bytes };
}

/* The operands' bytes into device memory that nobody else uses, poison where they belong; done when it returns. */
static segue_status stage(struct order *o)
{
    const struct image *m = &o->image;
    const struct lab_device *d = m->device;
    const segue_buffer host = { m->before, 0, m->copied };
    o->call = "segue_memory_alloc";
    segue_status status = segue_memory_alloc(d->handle, m->copied, &o->staged, &o->diag);
    if (status) {
        memset(&o->staged, 0, sizeof o->staged);
        return status;
    }
    o->call = "segue_memory_copy";
    status =
        segue_memory_copy(d->handle, d->stream, SEGUE_COPY_TO_DEVICE, o->staged, host, m->copied, &o->diag);
    if (status) return status;
    o->call = "segue_memory_fill";
    for (size_t i = 0; i < m->span_count && !status; i++)
        status = segue_memory_fill(d->handle, d->stream, span_of(m, &m->spans[i]), POISON, m->spans[i].bytes,
                                   &o->diag);
    if (status) return status;
    o->call = "segue_stream_sync";
    return segue_stream_sync(d->handle, d->stream, &o->diag);
}

/* On the first stream, late: the operands; then the event. */
static segue_status write_operands(struct exam *e, struct order *o)
{
    const struct image *m = &o->image;
    const struct lab_device *d = m->device;
    o->call = "segue_memory_fill";
    segue_status status = delay(e, d->stream, BEFORE_COPY, &o->diag);
    for (size_t i = 0; i < m->span_count && !status; i++) {
        segue_buffer from = o->staged;
        from.offset += m->spans[i].copy;
        o->call = "segue_memory_copy";
        status = segue_memory_copy(d->handle, d->stream, SEGUE_COPY_ON_DEVICE, span_of(m, &m->spans[i]), from,
                                   m->spans[i].bytes, &o->diag);
    }
    if (status) return status;
    o->call = "segue_event_record";
    return segue_event_record(d->handle, o->written, d->stream, &o->diag);
}

/* On the second stream: when the operands are there, and late again. */
static segue_status run_behind(struct exam *e, struct order *o)
{
    const struct lab_device *d = &o->second;
    o->call = "segue_event_wait";
    segue_status status = segue_event_wait(d->handle, o->written, d->stream, &o->diag);
    if (status) return status;
    o->call = "segue_memory_fill";
    if ((status = delay(e, d->stream, BEFORE_RUN, &o->diag))) return status;
    o->call = "segue_plan_run";
    status = segue_plan_run(e->plan, o->image.op, d->stream, image_workspace(&o->image), &o->diag);
    if (status) return status;
    o->call = "segue_event_record";
    return segue_event_record(d->handle, o->done, d->stream, &o->diag);
}

/* On the first stream again, which alone is waited for. */
static segue_status read_answer(struct order *o)
{
    const struct lab_device *d = o->image.device;
    o->call = "segue_event_wait";
    segue_status status = segue_event_wait(d->handle, o->done, d->stream, &o->diag);
    if (status) return status;
    o->call = "segue_memory_copy";
    if ((status = image_download(&o->image))) o->diag = o->image.diag;
    return status;
}

/* ---- the check ---------------------------------------------------------------------------------------- */

static segue_status make_streams(struct exam *e, struct order *o)
{
    segue_device *dev = e->lab->device.handle;
    o->second = e->lab->device;
    o->call = "segue_stream_create";
    segue_status status = segue_stream_create(dev, &o->second.stream, &o->diag);
    o->has_stream = !status;
    if (status) return status;
    o->call = "segue_event_create";
    status = segue_event_create(dev, &o->written, &o->diag);
    o->has_written = !status;
    if (!status) status = segue_event_create(dev, &o->done, &o->diag);
    o->has_done = o->has_written && !status;
    return status;
}

/* A run that was not waited for may still be under way. */
static void free_order(struct order *o)
{
    segue_device *dev = o->second.handle;
    if (o->image.device) segue_stream_sync(dev, o->image.device->stream, NULL);
    if (o->has_stream) segue_stream_sync(dev, o->second.stream, NULL);
    if (o->staged.bytes) segue_memory_free(dev, o->staged);
    image_free(&o->image);
    if (o->has_done) segue_event_destroy(dev, o->done);
    if (o->has_written) segue_event_destroy(dev, o->written);
    if (o->has_stream) segue_stream_destroy(dev, o->second.stream);
}

static void look_at(struct exam *e, struct order *o, const char *check)
{
    const struct map all = map_all();
    const struct comparison how = {
        .kind = CHECK_IDENTITY,
        .check = check,
        .words =
            "operands copied on one stream, the plan run on a second, the answer read on the first, an event "
            "between each two: that order was not kept (segue_event_record, segue_event_wait, or work that is "
            "not on its stream)",
        .bounds = unless_declared(e, SEGUE_RUN_TO_RUN, e->bounds)
    };
    struct answer a = { 0 };
    e->r.identities |= identity_bit(check);
    exam_guards(e, &o->image, check);
    if (answer_read(&o->image, &a)) exam_break(e, "%s: no memory for an answer", check);
    else exam_compare(e, &e->study->call, &a, &all, &how);
    answer_free(&a);
}

/* Wrong values are no base to compare with, and may be those of a stream that does not wait: no delay could be measured. */
int has_order(const struct exam *e)
{
    return !(e->lab->device.facts.flags & SEGUE_DEVICE_SYNCHRONOUS) &&
           !(e->r.failed & (CHECK_VALUE | CHECK_STATE)) &&
           image_bytes(&e->study->call, e->facts.workspace_bytes) <= LARGE;
}

void identity_order(struct exam *e, const char *check)
{
    const struct style style = study_style(e->study);
    struct order o = { 0 };
    measure_delay(e->lab);
    segue_status status = make_streams(e, &o);
    const int made = status ? -2
                            : image_make(&o.image, NULL, &e->lab->device, &e->study->call,
                                         e->facts.workspace_bytes, e->facts.workspace_alignment, &style);
    if (made == -1) exam_break(e, "%s: no memory for a copy of the device's", check);
    else if (made && !status) status = o.image.diag.code, o.call = "segue_memory_alloc", o.diag = o.image.diag;
    if (!made) status = stage(&o);
    if (!made && !status) status = write_operands(e, &o);
    if (!made && !status) status = run_behind(e, &o);
    if (!made && !status) status = read_answer(&o);
    if (status) exam_refused(e, status, check, o.call, &o.diag);
    else if (!made) look_at(e, &o, check);
    free_order(&o);
}
