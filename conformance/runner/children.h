/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Work in child processes. The parent never loads a plugin nor opens a device; children do, one step (a case, a file) after
 * another, as the parent hands them out. A child that crashes, exits or says nothing in time costs the step that it was in;
 * another one goes on.
 *
 * The two speak JSON over a socket pair, a message an object: {"opened": facts} or {"refused": exit code, "why": words} first;
 * then for each step {"result": object} as often as it has one, {"done": spent} last. Where in the ABI a child is, it keeps in
 * memory that both share (phase.h). */
#ifndef SEGUE_CONFORMANCE_CHILDREN_H
#define SEGUE_CONFORMANCE_CHILDREN_H

#include "../checks/result.h"

#include <jansson.h>

enum { CHILDREN_WHY = 600, OPEN_SECONDS = 60, CLOSE_SECONDS = 20 };

struct step {
    size_t item;
    char row[64]; /* "" = every row */
    int ask;      /* only tell which rows there are */
};

/* What children do; called in children only. */
struct work {
    void *user;
    /* Opens the device. 0 and facts of it, or an exit code of the command with words. */
    int (*open)(void *user, json_t **facts, char *why, size_t room);
    /* Tells results with child_tells(). 1 = this process is no good for another step. */
    int (*judge)(void *user, const struct step *s);
    void (*close)(void *user);
};

/* In open(): 0 where facts (name, description, memory_bytes) are those of the device that the command began on, `first`, NULL =
 * this is it; otherwise words. Behind a loss, names and the first place among those that are ready may go to others. */
int child_found_another(const json_t *first, const json_t *now, char *why, size_t room);

/* In judge(): a result (owned by the call). */
void child_tells(json_t *result);

struct death {          /* of a child in a step */
    enum status status; /* STATUS_CRASH, STATUS_TIMEOUT */
    char row[64];       /* the step's; "" = unknown */
    char why[300];      /* "died in run (SIGSEGV in segue_acme.so)" */
};

/* Who hands out steps and hears what becomes of them; called in the parent. Children are numbered from 0 as they start. */
struct duty {
    void *user;
    int (*more)(void *user);                              /* 1 = one more child would find work */
    int (*next)(void *user, int child, struct step *out); /* 0 = nothing more for this child: it ends */
    void (*opened)(void *user, int child, const json_t *facts);
    void (*heard)(void *user, int child, const struct step *s, const json_t *result);
    void (*ended)(void *user, int child, const struct step *s,
                  const struct death *why); /* NULL: it came to its end */
    void (*ticked)(void *user);             /* now and then; may be NULL */
};

struct limits {
    int jobs, seconds; /* children at a time; for a step */
    double gib;        /* of data memory for each child; 0 = no limit */
};

struct trouble {                /* not of a step */
    char opening[CHILDREN_WHY]; /* why the last device could not be opened */
    int at_a_time;              /* children that the device takes; 0 = as many as were wanted */
    char closing[CHILDREN_WHY]; /* a child died when it closed the device; "" = none did */
    int closing_child;          /* the first that did */
    enum status closing_status; /* STATUS_CRASH, STATUS_TIMEOUT */
};

/* From now on SIGINT, SIGTERM and SIGHUP end children_run() (interruption.h), and who no longer reads our output does not end
 * us: main() says that it cannot be written. */
void children_watch_signals(void);

/* 0 when more() says no; else the exit code of a child that cannot open the device (the first one; later, four in a row with
 * rests between them, none longer than a step may take), with words, or EXIT_ENVIRONMENT. One that cannot open it while others
 * work costs nothing: from then on there are no more at a time than those. EXIT_FAILED when interrupted: the children are killed, and their steps do not end. */
int children_run(const struct work *w, const struct duty *d, const struct limits *l, struct trouble *out);

/* Defaults: processors that this process may use, at most 8; three quarters of the memory that it may have. Under sanitizers
 * no memory limit is set: they need address space beyond any. */
int default_jobs(void);
double default_gib(void);

#endif
