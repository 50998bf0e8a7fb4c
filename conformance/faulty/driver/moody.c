/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A plugin whose scan is right, since the reference computes it in secret, but for what the variable SEGUE_MOODY names. Most
 * moods come up where D is 13. Files below the folder SEGUE_MOODY_FOLDER are a memory beyond one process. */
#include <segue/kit.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FATEFUL = 13, OMEN = 11, TIRED_AFTER = 60, GONE_AFTER = 3 };

static int *volatile nowhere;
static int omen_seen, runs, lost; /* of this process */

static int mood_is(const char *mood)
{
    const char *now = getenv("SEGUE_MOODY");
    return now && !strcmp(now, mood);
}

/* How many processes have come to this place, this one included. */
static long visits(const char *place)
{
    static long before; /* one place a process is enough */
    const char *folder = getenv("SEGUE_MOODY_FOLDER");
    char path[4096];
    struct stat facts;
    if (before || !folder) return before;
    snprintf(path, sizeof path, "%s/%s", folder, place);
    const int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (file < 0) return 0;
    if (write(file, ".", 1) == 1 && !fstat(file, &facts)) before = (long)facts.st_size;
    close(file);
    return before;
}

/* Notes where another process is here at the same time. */
static void want_no_company(void)
{
    static int file; /* open, and locked, until the process ends */
    const char *folder = getenv("SEGUE_MOODY_FOLDER");
    char path[4096];
    if (file || !folder) return;
    snprintf(path, sizeof path, "%s/lock", folder);
    file = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (flock(file, LOCK_EX | LOCK_NB)) visits("crowd");
    usleep(300000); /* whoever comes beside it comes by then */
}

static void crash(void)
{
    *nowhere = 1;
}

/* As drivers greet: on stdout. */
static void chatter(const char *where)
{
    if (mood_is("chatter")) printf("moody 0: a word of mine (%s)\n", where), fflush(stdout);
}

/* As drivers start a server once a process; it lets go of what daemons let go of. */
static void serve(void)
{
    static int served;
    if (!mood_is("daemon") || served++ || fork()) return;
    const int nothing = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++) dup2(nothing, i);
    setsid();
    execl("/bin/sleep", "sleep", "90", NULL);
    _exit(127);
}

/* What a device that went away, or gave its name to another, has left in the folder. */
static int was_lost(void)
{
    const char *folder = getenv("SEGUE_MOODY_FOLDER");
    char path[4096];
    snprintf(path, sizeof path, "%s/gone", folder ? folder : ".");
    return !access(path, F_OK);
}

/* ---- the device ----------------------------------------------------------------------------------------- */

static segue_status info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    (void)host, (void)index, (void)diag;
    chatter("info");
    serve();
    const int later =
        ((mood_is("changed") || mood_is("vanished")) && visits("open") > 1) || (mood_is("moved") && was_lost());
    if (!later || !mood_is("vanished")) out->flags |= SEGUE_DEVICE_READY;
    snprintf(out->description, sizeof out->description, "<moody> & \"mean\"%s", later ? ", another" : "");
    return SEGUE_OK;
}

static segue_status open_device(const segue_host *host, uint32_t index, const segue_device_options *options,
                                void **device, segue_diag *diag)
{
    (void)index, (void)options;
    chatter("open");
    if (mood_is("gone") && was_lost())
        return segue_kit_fail(diag, SEGUE_ERROR_DEVICE_LOST, SEGUE_PHASE_OPEN, 0, "the device is gone");
    if (mood_is("open")) crash();
    if (mood_is("once") && visits("open") > 1) crash();
    if (mood_is("vanished") && visits("open") > 1)
        return segue_kit_fail(diag, SEGUE_ERROR_DEVICE_LOST, SEGUE_PHASE_OPEN, 0, "it is gone");
    *device = (void *)host;
    return SEGUE_OK;
}

static void close_device(void *device)
{
    (void)device;
    if (mood_is("chatter")) printf("moody 0: good-bye\n"); /* and nobody flushes it */
    if (mood_is("close")) crash();
}

static segue_status status(void *device, segue_diag *diag)
{
    (void)device;
    if (!lost) return SEGUE_OK;
    return segue_kit_fail(diag, SEGUE_ERROR_DEVICE_LOST, SEGUE_PHASE_RUN, 0, "the driver fell off the bus");
}

static const segue_kit_adapter adapter = {
    SEGUE_KIT_HOST_MEMORY, .count = segue_kit_count_one, .info = info,
    .open = open_device,   .close = close_device,        .status = status,
};

/* ---- moods of a call ------------------------------------------------------------------------------------ */

/* Deaf to everything but SIGKILL, and with a process of its own. */
static void hang(void)
{
    sigset_t all;
    visits("hang");
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    if (fork() >= 0)
        for (;;) pause();
}

/* Leaves a process of its own behind. */
static void litter(void)
{
    if (fork() == 0)
        for (;;) pause();
    crash();
}

/* All memory that there is, and writes to it. */
static void devour(void)
{
    enum { BITE = 1 << 26 };
    for (char *bite; (bite = malloc(BITE));)
        for (size_t i = 0; i < BITE; i += 4096) ((volatile char *)bite)[i] = 1;
}

static segue_status fail_before(const segue_kit_call *call)
{
    if (mood_is("crash") || mood_is("once") || mood_is("changed") || mood_is("vanished")) crash();
    if (mood_is("litter")) litter();
    if (mood_is("exit")) exit(3);
    if (mood_is("hang")) hang();
    if (mood_is("devour")) devour();
    if (mood_is("devour") || mood_is("memory"))
        return segue_kit_fail(call->why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_RUN, 0, "no device memory");
    if (mood_is("lost")) lost = 1;
    if (mood_is("shy")) want_no_company();
    return SEGUE_OK;
}

static int spoils(void)
{
    return mood_is("wrong") || mood_is("shy") || (mood_is("order") && omen_seen) ||
           (mood_is("flaky") && visits("run") % 2);
}

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    const segue_selective_scan *scan = (const void *)op;
    const int fateful = scan->u.shape[2] == FATEFUL;
    segue_status s = fateful ? fail_before(call) : SEGUE_OK;
    omen_seen |= scan->u.shape[2] == OMEN;
    chatter("run");
    if (mood_is("tired") && ++runs > TIRED_AFTER) lost = 1;
    if ((mood_is("gone") || mood_is("moved")) && ++runs > GONE_AFTER && visits("gone")) lost = 1;
    if (!s && lost) s = status(NULL, call->why);
    if (!s) s = segue_row_delegate.run(op, call);
    if (!s && fateful && spoils() && scan->y.dtype.bits == 32 && scan->y.shape[0] && scan->y.shape[1])
        *(float *)(void *)((char *)scan->y.data + scan->y.offset) += 1;
    return s;
}

static void crash_at_release(void *data, const segue_kit_device *dev)
{
    (void)data, (void)dev;
    crash();
}

static segue_status prepare(const segue_op_header *op, const segue_kit_device *dev, segue_kit_plan *plan,
                            segue_diag *why)
{
    const int fateful = ((const segue_selective_scan *)(const void *)op)->u.shape[2] == FATEFUL;
    chatter("plan");
    if (mood_is("plan") && fateful) crash();
    const segue_status s = segue_row_delegate.prepare(op, dev, plan, why);
    if (mood_is("release") && fateful) plan->release = crash_at_release;
    return s;
}

static const segue_row row = {
    .name = "selective_scan_moody",
    .primitive = SEGUE_SELECTIVE_SCAN,
    .since = 1,
    .priority = 100,
    .accuracy = SEGUE_ACCURACY_F32,
    .prepare = prepare,
    .run = run,
};

SEGUE_KIT_PLUGIN(moody, .vendor = "The Segue authors", .version = "0",
                 .uuid = "0d5b2c3e-6d0f-4f2c-9f43-6b8a7c9b1e52", .device = &adapter,
                 .rows = (const segue_row *const[]){ &row, &segue_row_delegate, NULL })
