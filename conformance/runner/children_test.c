/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Children that crash, exit, hang and mumble: what the parent says of each, and that the others' work is done. */
#include "children.h"
#include "phase.h"
#include "verb.h"

#include <segue/segue.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka.h needs setjmp.h, stdarg.h and stdint.h */
#include <cmocka.h>

enum { STEPS = 24, CRASHES = 5, EXITS = 7, HANGS = 9, DEAF = 11, MUMBLES = 12, SPENT = 15, ROW = 18 };

struct scene {                     /* what the children do, and what the parent has heard */
    int refuses, crashes_at_close; /* refuses: with that exit code */
    int single, lasts_ms;          /* single: it takes one process at a time; lasts: a step */
    int joins;                     /* the last step waits for a thread that has no end */
    size_t next, first;
    int child_of[STEPS], heard[STEPS], ended[STEPS], highest;
    struct death deaths[STEPS];
};

static char lock_path[] = "children_test.XXXXXX";

/* ---- in the child --------------------------------------------------------------------------------------- */

static int scene_open(void *user, json_t **facts, char *why, size_t room)
{
    const struct scene *s = user;
    if (s->refuses) {
        snprintf(why, room, "it is %s", "asleep");
        return s->refuses;
    }
    if (s->single && flock(open(lock_path, O_RDWR | O_CLOEXEC), LOCK_EX | LOCK_NB)) {
        snprintf(why, room, "it has a process");
        return EXIT_NO_DEVICE;
    }
    *facts = json_pack("{s:s}", "name", "scene");
    return 0;
}

static void close_everything(void)
{
    for (int i = 3; i < 1024; i++) close(i);
    for (;;) pause();
}

static void *rest_for_ever(void *user)
{
    for (;;) pause();
    return user;
}

static int scene_judge(void *user, const struct step *s)
{
    const struct scene *scene = user;
    pthread_t thread;
    sigset_t all;
    usleep((unsigned)scene->lasts_ms * 1000);
    if (scene->joins && s->item == STEPS - 1 && !pthread_create(&thread, NULL, rest_for_ever, NULL))
        pthread_join(thread, NULL);
    if (s->item == CRASHES) raise(SIGKILL);
    if (s->item == EXITS) exit(0);
    if (s->item == HANGS) {
        sigfillset(&all);
        sigprocmask(SIG_BLOCK, &all, NULL);
        for (;;) pause();
    }
    if (s->item == DEAF) close_everything();
    if (s->item == ROW) raise(SIGKILL);
    for (int i = 0; i < (s->item == MUMBLES ? 0 : 2); i++)
        child_tells(json_pack("{s:I}", "item", (json_int_t)s->item));
    return s->item == SPENT;
}

static void scene_close(void *user)
{
    if (((struct scene *)user)->crashes_at_close) raise(SIGKILL);
}

/* ---- in the parent -------------------------------------------------------------------------------------- */

static int more(void *user)
{
    return ((struct scene *)user)->next < STEPS;
}

static int next(void *user, int child, struct step *out)
{
    struct scene *s = user;
    if (!more(s)) return 0;
    if (child > s->highest) s->highest = child;
    s->child_of[s->next] = child;
    *out = (struct step){ .item = s->next++ };
    if (out->item == ROW) snprintf(out->row, sizeof out->row, "the second");
    return 1;
}

static void opened(void *user, int child, const json_t *facts)
{
    (void)user, (void)child;
    assert_string_equal(json_string_value(json_object_get(facts, "name")), "scene");
}

static void heard(void *user, int child, const struct step *step, const json_t *result)
{
    struct scene *s = user;
    assert_int_equal(s->child_of[step->item], child);
    assert_int_equal(json_integer_value(json_object_get(result, "item")), step->item);
    s->heard[step->item]++;
}

static void ended(void *user, int child, const struct step *step, const struct death *why)
{
    struct scene *s = user;
    assert_int_equal(s->child_of[step->item], child);
    s->ended[step->item]++;
    s->deaths[step->item] = why ? *why : (struct death){ .status = STATUS_COUNT };
}

static int play(struct scene *s, int jobs, struct trouble *trouble)
{
    const struct work work = { .user = s, .open = scene_open, .judge = scene_judge, .close = scene_close };
    const struct duty duty = {
        .user = s, .more = more, .next = next, .opened = opened, .heard = heard, .ended = ended
    };
    const struct limits limits = { .jobs = jobs, .seconds = 1, .gib = 1 };
    s->next = s->first;
    const int code = children_run(&work, &duty, &limits, trouble);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left, dead or alive */
    assert_int_equal(errno, ECHILD);
    return code;
}

static void dies(const struct scene *s, size_t item, enum status status, const char *words)
{
    assert_int_equal(s->ended[item], 1);
    assert_int_equal(s->deaths[item].status, status);
    if (!strstr(s->deaths[item].why, words))
        fail_msg("step %zu: %s, wanted %s", item, s->deaths[item].why, words);
}

static void each_fate(void **state)
{
    static const size_t fateful[] = { CRASHES, EXITS, HANGS, DEAF, ROW };
    (void)state;
    for (int jobs = 1; jobs <= 3; jobs++) {
        struct scene s = { 0 };
        struct trouble trouble;
        assert_int_equal(play(&s, jobs, &trouble), 0);
        assert_string_equal(trouble.closing, "");
        dies(&s, CRASHES, STATUS_CRASH, "died outside of the device's functions (SIGKILL)");
        dies(&s, EXITS, STATUS_CRASH, "ended the process outside of the device's functions, with exit code 0");
        dies(&s, HANGS, STATUS_TIMEOUT, "hung outside of the device's functions: no answer within 1 s");
        dies(&s, DEAF, STATUS_TIMEOUT, "hung");
        dies(&s, ROW, STATUS_CRASH, "died");
        assert_string_equal(s.deaths[ROW].row, "the second");
        for (size_t i = 0; i < STEPS; i++) {
            int dead = 0;
            for (size_t k = 0; k < sizeof fateful / sizeof *fateful; k++) dead |= fateful[k] == i;
            if (s.ended[i] != 1 || s.heard[i] != (dead || i == MUMBLES ? 0 : 2) ||
                (!dead && s.deaths[i].status != STATUS_COUNT))
                fail_msg("%d jobs, step %zu: ended %d times, heard %d times, %s", jobs, i, s.ended[i],
                         s.heard[i], s.deaths[i].why);
        }
        /* Five died and one was spent; each of them was followed by another child. */
        assert_in_range(s.highest, 6, 6 + jobs - 1);
        for (int i = SPENT + 1; i < STEPS; i++) assert_int_not_equal(s.child_of[i], s.child_of[SPENT]);
    }
}

static void refused(void **state)
{
    struct scene s = { .refuses = EXIT_NO_DEVICE };
    struct trouble trouble;
    (void)state;
    assert_int_equal(play(&s, 2, &trouble), EXIT_NO_DEVICE);
    assert_string_equal(trouble.opening, "it is asleep");
    for (size_t i = 0; i < STEPS; i++) assert_int_equal(s.ended[i], 0);
}

static int crash_at_open(void *user, json_t **facts, char *why, size_t room)
{
    (void)user, (void)facts, (void)why, (void)room;
    raise(SIGKILL);
    return 0;
}

static void dies_when_opened(void **state)
{
    struct scene s = { 0 };
    const struct work work = { .user = &s, .open = crash_at_open, .judge = scene_judge, .close = scene_close };
    const struct duty duty = {
        .user = &s, .more = more, .next = next, .opened = opened, .heard = heard, .ended = ended
    };
    const struct limits limits = { .jobs = 2, .seconds = 1 };
    struct trouble trouble;
    (void)state;
    assert_int_equal(children_run(&work, &duty, &limits, &trouble), EXIT_NO_DEVICE);
    assert_non_null(strstr(trouble.opening, "died when the device was opened (SIGKILL)"));
    assert_int_equal(s.next, 0);
}

static void dies_when_closed(void **state)
{
    struct scene s = { .crashes_at_close = 1, .first = ROW + 1 };
    struct trouble trouble;
    (void)state;
    assert_int_equal(play(&s, 1, &trouble), 0);
    assert_non_null(strstr(trouble.closing, "died when the device was closed (SIGKILL)"));
    assert_int_equal(trouble.closing_status, STATUS_CRASH);
    assert_int_equal(trouble.closing_child, s.child_of[STEPS - 1]);
    for (size_t i = s.first; i < STEPS; i++) assert_int_equal(s.heard[i], 2);
}

/* A device that one process at a time may have is judged by one, however many there might be. */
static void takes_one_process(void **state)
{
    struct scene s = { .single = 1, .lasts_ms = 700, .first = ROW + 1 };
    struct trouble trouble;
    (void)state;
    const int file = mkstemp(lock_path);
    assert_true(file >= 0);
    close(file);
    assert_int_equal(play(&s, 3, &trouble), 0);
    assert_int_equal(trouble.at_a_time, 1);
    unlink(lock_path);
    for (size_t i = s.first; i < STEPS; i++) assert_int_equal(s.heard[i], 2);
}

/* The page tells where the main thread is: calls of other threads leave it alone (here they would not survive it). */
static void *call_aside(void *user)
{
    return segue_device_status(NULL, NULL) == SEGUE_OK ? user : NULL;
}

static void other_threads(void **state)
{
    const size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    struct scene s = { .joins = 1, .first = STEPS - 1 };
    struct trouble trouble;
    pthread_t thread;
    void *page = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_int_equal(play(&s, 1, &trouble), 0);
    dies(&s, STEPS - 1, STATUS_TIMEOUT, "hung in calls of other threads: no answer within 1 s");
    assert_true(page != MAP_FAILED);
    phase_page = page;
    assert_int_equal(pthread_create(&thread, NULL, call_aside, NULL), 0);
    while (pthread_tryjoin_np(thread, NULL)) usleep(1000); /* pthread_join() would write to the page */
    phase_page = NULL;
    munmap(page, bytes);
}

static void nothing_to_do(void **state)
{
    struct scene s = { .first = STEPS, .refuses = EXIT_NO_DEVICE };
    struct trouble trouble;
    (void)state;
    assert_int_equal(play(&s, 4, &trouble), 0); /* no child is started to learn it */
}

static void defaults(void **state)
{
    (void)state;
    assert_in_range(default_jobs(), 1, 8);
    assert_true(default_gib() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_fate),         cmocka_unit_test(refused),
        cmocka_unit_test(dies_when_opened),  cmocka_unit_test(dies_when_closed),
        cmocka_unit_test(nothing_to_do),     cmocka_unit_test(defaults),
        cmocka_unit_test(takes_one_process), cmocka_unit_test(other_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
