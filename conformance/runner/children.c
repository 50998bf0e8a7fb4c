/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "../checks/exam.h"
#include "../grammar/interruption.h"
#include "child.h"
#include "verb.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGE_BYTES = 1 << 18, TICK_MS = 100, MAX_JOBS = 64, UNKILLABLE_SECONDS = 10 };

/* Seconds before a device that cannot be opened any more is tried again; a driver that resets one takes a while. */
static const int rests[] = { 1, 5, 30 };
enum { RESTS = sizeof rests / sizeof *rests };

enum state { FREE, OPENING, WORKING, CLOSING, ABANDONED };

struct child {
    enum state state;
    pid_t pid;
    int socket; /* -1: it closed its end */
    int number;
    int killed;  /* its time was up */
    int refused; /* exit code of a device that it could not open */
    struct step step;
    double deadline; /* milliseconds */
    struct phase_page *page;
};

struct crew {
    const struct work *work;
    const struct duty *duty;
    const struct limits *limits;
    struct trouble *trouble;
    struct child children[MAX_JOBS];
    struct phase_page *pages;
    int jobs, started, ready; /* ready: some child has opened the device */
    int most;                 /* at a time: jobs, or as many as the device takes */
    int failed_openings;      /* in a row, with no other child there */
    double not_before;        /* milliseconds: a device that was lost may need a moment */
    int code;
    char *message; /* [MESSAGE_BYTES] */
};

static void give_time(struct child *c, int seconds)
{
    c->deadline = milliseconds() + 1000.0 * seconds;
}

/* ---- start and end -------------------------------------------------------------------------------------- */

static int fail(struct crew *crew, const char *what)
{
    snprintf(crew->trouble->opening, sizeof crew->trouble->opening, "no child process: %s: %s", what,
             strerror(errno));
    return crew->code = EXIT_ENVIRONMENT;
}

static int start(struct crew *crew, struct child *c)
{
    int ends[2];
    const pid_t self = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends)) return fail(crew, "socketpair");
    memset(c->page, 0, sizeof *c->page);
    atomic_store(&c->page->phase, (int)PHASE_OPEN);
    fflush(NULL); /* or the child would print it again */
    const pid_t pid = fork();
    if (pid == 0) {
        for (int i = 0; i < crew->jobs; i++)
            if (crew->children[i].state != FREE && crew->children[i].socket >= 0)
                close(crew->children[i].socket);
        close(ends[0]);
        child_live(crew->work, ends[1], c->page, crew->limits->gib, self);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return fail(crew, "fork");
    }
    setpgid(pid, pid); /* whoever comes first */
    *c = (struct child){
        .state = OPENING, .pid = pid, .socket = ends[0], .number = crew->started++, .page = c->page
    };
    give_time(c, OPEN_SECONDS);
    return 0;
}

static void finish(struct child *c)
{
    if (c->socket >= 0) shutdown(c->socket, SHUT_WR);
    c->state = CLOSING;
    give_time(c, CLOSE_SECONDS);
}

static void hand_out(struct crew *crew, struct child *c)
{
    memset(&c->step, 0, sizeof c->step);
    if (crew->code || !crew->duty->next(crew->duty->user, c->number, &c->step)) {
        finish(c);
        return;
    }
    c->state = WORKING;
    give_time(c, crew->limits->seconds);
    if (send(c->socket, &c->step, sizeof c->step, MSG_NOSIGNAL) < 0)
        shutdown(c->socket, SHUT_RDWR); /* it has died */
}

/* ---- what they say -------------------------------------------------------------------------------------- */

static void step_over(struct crew *crew, struct child *c, const json_t *spent)
{
    crew->duty->ended(crew->duty->user, c->number, &c->step, NULL);
    if (json_is_true(spent)) finish(c);
    else hand_out(crew, c);
}

static void understand(struct crew *crew, struct child *c, const json_t *message)
{
    const json_t *facts = json_object_get(message, "opened"), *refused = json_object_get(message, "refused");
    const json_t *result = json_object_get(message, "result"), *done = json_object_get(message, "done");
    const char *why = json_string_value(json_object_get(message, "why"));
    if (c->state == OPENING && facts) {
        crew->ready = 1, crew->failed_openings = 0;
        crew->duty->opened(crew->duty->user, c->number, facts);
        hand_out(crew, c);
    } else if (c->state == OPENING && json_is_integer(refused)) {
        c->refused = (int)json_integer_value(refused);
        snprintf(crew->trouble->opening, sizeof crew->trouble->opening, "%s",
                 why ? why : "no reason was given");
    } else if (c->state == WORKING && result) crew->duty->heard(crew->duty->user, c->number, &c->step, result);
    else if (c->state == WORKING && done) step_over(crew, c, done);
}

/* Everything that lies in the socket. */
static void listen_to(struct crew *crew, struct child *c)
{
    while (c->socket >= 0) {
        const ssize_t n = recv(c->socket, crew->message, MESSAGE_BYTES, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
        if (n <= 0) {
            close(c->socket);
            c->socket = -1;
            return;
        }
        json_t *message = json_loadb(crew->message, (size_t)n, 0, NULL);
        understand(crew, c, message); /* what is no JSON says nothing: its step runs out of time */
        json_decref(message);
    }
}

/* ---- how they end --------------------------------------------------------------------------------------- */

static void describe_death(const struct crew *crew, const struct child *c, int status, struct death *out)
{
    const char *where = phase_words(atomic_load(&c->page->phase)), *object = c->page->object;
    const int seconds = c->state == OPENING   ? OPEN_SECONDS
                        : c->state == CLOSING ? CLOSE_SECONDS
                                              : crew->limits->seconds;
    memset(out, 0, sizeof *out);
    c->page->object[sizeof c->page->object - 1] = 0; /* the child could write there */
    out->status = c->killed ? STATUS_TIMEOUT : STATUS_CRASH;
    snprintf(out->row, sizeof out->row, "%s", c->step.row);
    if (c->killed) snprintf(out->why, sizeof out->why, "hung %s: no answer within %d s", where, seconds);
    else if (WIFSIGNALED(status))
        snprintf(out->why, sizeof out->why, "died %s (SIG%s%s%s)", where, sigabbrev_np(WTERMSIG(status)),
                 object[0] ? " in " : "", object);
    else
        snprintf(out->why, sizeof out->why, "ended the process %s, with exit code %d", where,
                 WEXITSTATUS(status));
}

static int alive(const struct crew *crew)
{
    int count = 0;
    for (int i = 0; i < crew->jobs; i++) count += crew->children[i].state != FREE;
    return count;
}

static int working(const struct crew *crew)
{
    int count = 0;
    for (int i = 0; i < crew->jobs; i++) count += crew->children[i].state == WORKING;
    return count;
}

/* Beside others that work it says only that the device takes no more of them (one context, no memory left): they go on.
 * Beside one that is about to be gone it says nothing yet. */
static void opening_failed(struct crew *crew, const struct child *c, const struct death *why)
{
    struct trouble *t = crew->trouble;
    const int others = alive(crew);
    if (!c->refused)
        snprintf(t->opening, sizeof t->opening, "a plugin %s; segue devices tries each one by itself",
                 why->why);
    if (working(crew)) {
        t->at_a_time = crew->most = others;
        return;
    }
    if (!others && (!crew->ready || crew->failed_openings == RESTS)) {
        crew->code = c->refused ? c->refused : EXIT_NO_DEVICE;
        return;
    }
    const int rest = rests[others ? 0 : crew->failed_openings++], longest = crew->limits->seconds;
    crew->not_before = milliseconds() + 1000.0 * (rest < longest ? rest : longest);
}

/* It is gone; nothing of it is left. */
static void buried(struct crew *crew, struct child *c, int status)
{
    const enum state was = c->state;
    const int well = !c->killed && WIFEXITED(status) && WEXITSTATUS(status) == 0;
    struct death why;
    describe_death(crew, c, status, &why);
    if (c->socket >= 0) close(c->socket);
    c->state = FREE;
    if (was == OPENING) opening_failed(crew, c, &why);
    else if (was == WORKING) crew->duty->ended(crew->duty->user, c->number, &c->step, &why);
    else if (was == CLOSING && !well && !crew->trouble->closing[0]) {
        snprintf(crew->trouble->closing, sizeof crew->trouble->closing, "a plugin %s", why.why);
        crew->trouble->closing_child = c->number;
        crew->trouble->closing_status = why.status;
    }
}

static void kill_child(struct child *c)
{
    c->killed = 1;
    kill(-c->pid, SIGKILL);
    kill(c->pid, SIGKILL); /* where it has no group yet */
    give_time(c, UNKILLABLE_SECONDS);
}

static void look_after(struct crew *crew, struct child *c)
{
    siginfo_t info = { 0 };
    int status = 0;
    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == c->pid) {
        kill(-c->pid, SIGKILL); /* what it may have left behind; its number is still taken */
        listen_to(crew, c);
        waitpid(c->pid, &status, 0);
        buried(crew, c, status);
        return;
    }
    if (milliseconds() < c->deadline) return;
    if (c->killed) { /* a driver holds it in the kernel: it cannot be waited for */
        buried(crew, c, SIGKILL);
        return;
    }
    kill_child(c);
}

/* ---- interruption --------------------------------------------------------------------------------------- */

void children_watch_signals(void)
{
    interruption_watch(NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* What they were in has no end: nobody is to be blamed. */
static void abandon_all(struct crew *crew)
{
    crew->code = EXIT_FAILED;
    snprintf(crew->trouble->opening, sizeof crew->trouble->opening, "interrupted by %s", interruption_came());
    for (int i = 0; i < crew->jobs; i++) {
        struct child *c = &crew->children[i];
        if (c->state == FREE || c->state == ABANDONED) continue;
        c->state = ABANDONED;
        kill_child(c);
    }
}

/* ---- all of them ---------------------------------------------------------------------------------------- */

/* One alone until the device is known to open; then as many as there is work for. A child that has not taken its first
 * step yet is not seen by more(): no further one is started meanwhile. */
static void start_some(struct crew *crew)
{
    int opening = 0;
    for (int i = 0; i < crew->jobs; i++) opening += crew->children[i].state == OPENING;
    if (milliseconds() < crew->not_before || alive(crew) >= crew->most) return;
    for (int i = 0; i < crew->jobs && !crew->code && !opening; i++)
        if (crew->children[i].state == FREE && crew->duty->more(crew->duty->user)) {
            start(crew, &crew->children[i]);
            opening = 1;
        }
}

static void wait_for_news(struct crew *crew)
{
    struct pollfd ready[MAX_JOBS];
    for (int i = 0; i < crew->jobs; i++) {
        const struct child *c = &crew->children[i];
        ready[i] = (struct pollfd){ .fd = c->state == FREE ? -1 : c->socket, .events = POLLIN };
    }
    int wait = TICK_MS;
    for (int i = 0; i < crew->jobs; i++) /* one that has closed its end is about to be gone */
        if (crew->children[i].state != FREE && crew->children[i].socket < 0) wait = 2;
    if (poll(ready, (nfds_t)crew->jobs, wait) < 0) return;
    for (int i = 0; i < crew->jobs; i++)
        if (ready[i].fd >= 0 && ready[i].revents) listen_to(crew, &crew->children[i]);
}

int children_run(const struct work *w, const struct duty *d, const struct limits *l, struct trouble *out)
{
    struct crew crew = { .work = w, .duty = d, .limits = l, .trouble = out };
    memset(out, 0, sizeof *out);
    crew.jobs = crew.most = l->jobs < 1 ? 1 : l->jobs > MAX_JOBS ? MAX_JOBS : l->jobs;
    crew.pages =
        mmap(NULL, sizeof *crew.pages * MAX_JOBS, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    crew.message = malloc(MESSAGE_BYTES);
    if (crew.pages == MAP_FAILED || !crew.message) fail(&crew, "memory");
    for (int i = 0; i < MAX_JOBS && !crew.code; i++) crew.children[i].page = &crew.pages[i];
    while (!crew.code || alive(&crew)) {
        if (interruption_came()) abandon_all(&crew);
        start_some(&crew);
        if (!alive(&crew) && (crew.code || !d->more(d->user))) break;
        wait_for_news(&crew);
        for (int i = 0; i < crew.jobs; i++)
            if (crew.children[i].state != FREE) look_after(&crew, &crew.children[i]);
        if (d->ticked) d->ticked(d->user);
    }
    if (crew.pages != MAP_FAILED) munmap(crew.pages, sizeof *crew.pages * MAX_JOBS);
    free(crew.message);
    return crew.code;
}

/* ---- defaults ------------------------------------------------------------------------------------------- */

int default_jobs(void)
{
    enum { MOST = 8 };
    cpu_set_t allowed;
    const int n = sched_getaffinity(0, sizeof allowed, &allowed) ? 1 : CPU_COUNT(&allowed);
    return n < MOST ? n : MOST;
}

double default_gib(void)
{
    const double physical = (double)sysconf(_SC_PHYS_PAGES) * (double)sysconf(_SC_PAGESIZE);
    double bytes = physical, group = 0;
    FILE *f = fopen("/sys/fs/cgroup/memory.max", "r"); /* of a container; "max" where there is no limit */
    if (f && fscanf(f, "%lf", &group) == 1 && group < bytes) bytes = group;
    if (f) fclose(f);
    return 0.75 * bytes / (double)(1u << 30);
}
