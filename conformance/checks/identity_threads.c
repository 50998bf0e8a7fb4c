/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One plan run by two host threads at once, each with its own stream, workspace and memory, as the ABI promises: the case,
 * and the same form of call with other values, so that what they share by mistake differs. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "identity.h"

enum {
    THREADS = 2,
    RUNS = 8, /* of a thread */
    FEW = 2,  /* where the call is larger than SMALL */
    SMALL = 1 << 20,
    LARGE = 64 << 20, /* bytes of a call that is left out: only its copies would take time */
    SPINS = 1000
};

struct runner {               /* one thread; the main thread makes it, and reads it when the thread has ended */
    struct lab_device device; /* the lab's, with a stream of its own */
    struct image image;
    const struct call *call;
    segue_plan *plan;
    atomic_int *arrived; /* at a run, of all threads */
    pthread_t thread;
    int runs, done, no_memory, has_stream, has_image, has_thread;
    segue_status status;
    segue_diag diag;
    struct answer answers[RUNS];
};

/* Every run begins at once in all threads: short ones would otherwise miss each other. */
static void meet(atomic_int *arrived, int run)
{
    atomic_fetch_add(arrived, 1);
    for (int spin = 0; atomic_load(arrived) < THREADS * (run + 1); spin++)
        if (spin > SPINS) sched_yield();
}

static void *run_all(void *user)
{
    struct runner *r = user;
    for (int i = 0; i < r->runs && !r->status && !r->no_memory; i++) {
        meet(r->arrived, i);
        r->status =
            segue_plan_run(r->plan, r->image.op, r->device.stream, image_workspace(&r->image), &r->diag);
        if (!r->status) r->status = segue_stream_sync(r->device.handle, r->device.stream, &r->diag);
        if (!r->status && (r->status = image_download(&r->image))) r->diag = r->image.diag;
        if (r->status) continue;
        r->no_memory = answer_read(&r->image, &r->answers[i]) != 0;
        r->done = i + 1;
    }
    atomic_fetch_add(r->arrived, THREADS * RUNS); /* nobody waits for it any more */
    return NULL;
}

/* 0, or -1 and it is noted. */
static int make_runner(struct exam *e, struct runner *r, const char *check)
{
    const struct style style = study_style(e->study);
    const struct call *c = r->call;
    r->device = e->lab->device;
    r->plan = e->plan;
    r->runs = image_bytes(c, e->facts.workspace_bytes) > SMALL ? FEW : RUNS;
    segue_status status = segue_stream_create(r->device.handle, &r->device.stream, &r->diag);
    if (status) {
        exam_refused(e, status, check, "segue_stream_create", &r->diag);
        return -1;
    }
    r->has_stream = 1;
    const int made = image_make(&r->image, NULL, &r->device, c, e->facts.workspace_bytes,
                                e->facts.workspace_alignment, &style);
    r->has_image = 1;
    if (made == -1) exam_break(e, "%s: no memory for a copy of the device's", check);
    else if (made) exam_refused(e, r->image.diag.code, check, "segue_memory_alloc", &r->image.diag);
    else if ((status = image_upload(&r->image)))
        exam_refused(e, status, check, "segue_memory_copy", &r->image.diag);
    return made || status ? -1 : 0;
}

static void free_runner(struct runner *r)
{
    for (int i = 0; i < RUNS; i++) answer_free(&r->answers[i]);
    if (r->has_image) image_free(&r->image);
    if (r->has_stream) segue_stream_destroy(r->device.handle, r->device.stream);
}

static void look_at(struct exam *e, struct runner *r, const char *check)
{
    const struct map all = map_all();
    const struct comparison how = { .kind = CHECK_IDENTITY,
                                    .check = check,
                                    .words = "one plan run by two threads at once",
                                    .bounds = unless_declared(e, SEGUE_RUN_TO_RUN, e->bounds) };
    exam_ran(e, CHECK_IDENTITY);
    if (r->no_memory) exam_break(e, "%s: no memory for an answer", check);
    if (r->status) exam_refused(e, r->status, check, "running", &r->diag);
    else exam_guards(e, &r->image, check);
    for (int i = 0; i < r->done && !r->no_memory; i++) {
        if (r->call != &e->study->call) {
            settle_other(e, &r->answers[i], &how);
            continue;
        }
        if (answers_equal(r->call, &r->answers[i], &e->base)) continue;
        exam_compare(e, &e->study->call, &r->answers[i], &all, &how);
        exam_judge(e, &r->answers[i], "run by two threads at once: ", 0);
    }
}

int can_be_concurrent(const struct exam *e)
{
    return e->has_other && image_bytes(&e->study->call, e->facts.workspace_bytes) <= LARGE;
}

void identity_concurrent(struct exam *e, const char *check)
{
    struct runner *runners = calloc(THREADS, sizeof *runners);
    atomic_int arrived = 0;
    int made = runners ? 0 : -1;
    if (!runners) exam_break(e, "%s: no memory", check);
    for (int i = 0; i < THREADS && !made; i++) {
        runners[i].arrived = &arrived;
        runners[i].call = i ? &e->study->other->call : &e->study->call;
        made = make_runner(e, &runners[i], check);
    }
    for (int i = 0; i < THREADS && !made; i++) {
        struct runner *r = &runners[i];
        r->has_thread = !pthread_create(&r->thread, NULL, run_all, r);
        if (r->has_thread) continue;
        exam_break(e, "%s: the system makes no thread", check);
        atomic_fetch_add(&arrived, THREADS * RUNS);
    }
    for (int i = 0; i < THREADS && !made; i++)
        if (runners[i].has_thread) pthread_join(runners[i].thread, NULL);
    if (!made) e->r.identities |= identity_bit(check);
    for (int i = 0; i < THREADS && !made && exam_goes_on(e); i++) look_at(e, &runners[i], check);
    for (int i = 0; i < THREADS && runners; i++) free_runner(&runners[i]);
    free(runners);
}
