/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue relay: a state that is handed from device to device. Of a call with two sequences (rows) that are the same up to the end
 * of the prompt, the whole is computed once, uninterrupted, by the reference and its gauge; then in pieces:
 *
 *     prefill    A reads the prompt; its state is saved to a file
 *     continue   B loads it and goes on with row 0
 *     fork       a copy of the state, on B, goes on with row 1, in the same runs
 *     rewind     B loads the file again and goes on with row 0 again
 *     resume     C loads what B has saved and goes on with both rows, token by token
 *
 * Every piece's outputs and the states behind it are judged against the whole. */
#ifndef SEGUE_CONFORMANCE_RELAY_H
#define SEGUE_CONFORMANCE_RELAY_H

#include "../bench/stage.h"
#include "../checks/call.h"
#include "../gauge/judge.h"

enum { RELAY_OK = 0, RELAY_WRONG = 1, RELAY_USAGE = 2, RELAY_NO_DEVICE = 3, RELAY_ENVIRONMENT = 4 };
enum { RELAY_TOKENS = 100, RELAY_PROMPT = 61, RELAY_TURN = 92, RELAY_CUTS = 3, RELAY_ROWS = 2 };

/* ---- calls: relay_calls.c ---- */

/* The calls that stand for a primitive, one after another: its own of the table, or one made of its description. 1 = *out
 * is number nth (from 0); 0 = there are no more; -1 = none can be made, with words in why[DESCRIPTOR_WHY]. */
int relay_call(const segue_primitive_facts *p, int nth, char out[DESCRIPTOR_TEXT], char *why);
int relay_is_recurrence(const segue_primitive_facts *p);
/* A call from the description: all states, no other optional operand, 8 along every axis that no rule tells. */
void relay_derive(const segue_primitive_facts *p, char out[DESCRIPTOR_TEXT]);

/* ---- the uninterrupted run: relay_whole.c ---- */

struct relay_whole {
    struct test_case c;
    struct call call;
    uint32_t tokens, rows;                    /* letters of axes that are cut with t, and with b; as bits */
    uint32_t accuracy;                        /* of the bounds; 0: none are made */
    struct bound of[DESCRIPTOR_FIELDS];       /* of outputs, and of states behind the last token */
    struct bound state[2][DESCRIPTOR_FIELDS]; /* of states behind the prompt, and behind the turn */
};

/* 0, or -1 with words. relay_whole_free() is legal after either. */
int relay_whole_make(struct relay_whole *out, const char *descriptor, char *why);
/* Bounds for that class; those of another one are given up. 0, or -1 with words. */
int relay_whole_bounds(struct relay_whole *w, uint32_t accuracy, char *why);
void relay_whole_free(struct relay_whole *w);
/* Of the whole call, so many rows and the tokens from low to high. 0, or -1 = no memory; call_free() after either. */
int relay_piece(const struct relay_whole *w, int rows, int64_t low, int64_t high, struct call *out);

/* ---- a device's part: relay_leg.c ---- */

struct relay_pool { /* states on a device: two rows of each */
    const struct bench_device *device;
    segue_tensor state[DESCRIPTOR_FIELDS]; /* of outgoing states */
    segue_buffer memory[DESCRIPTOR_FIELDS];
};

struct relay_answer { /* laid out as in the whole call; NaN where nothing is known */
    double *of[DESCRIPTOR_FIELDS];
    uint32_t accuracy; /* of all that had a part */
};
int relay_answer_make(const struct relay_whole *w, struct relay_answer *out); /* 0, or -1 = no memory */
void relay_answer_free(struct relay_answer *a);

enum { RELAY_DECLINED = 1 };
/* A plan of the device for the piece between the first two cuts. 0 and its facts; RELAY_DECLINED: no kernel of its own; -1. Words. */
int relay_plan_facts(const struct relay_whole *w, const struct bench_device *d, segue_plan_facts *out,
                     char *why);
/* Rows laid out as the device likes them. 0, or -1 with words; relay_pool_free() after either. */
int relay_pool_make(const struct relay_whole *w, const struct bench_device *d, struct relay_pool *out,
                    char *why);
void relay_pool_free(struct relay_pool *p);
/* Row 0 gets the case's initial state. 0, or -1 with words, as all below. */
int relay_pool_begin(const struct relay_whole *w, struct relay_pool *p, char *why);
int relay_pool_fork(const struct relay_whole *w, struct relay_pool *p, char *why);
/* The first rows to and from a file. bytes: of it. */
int relay_pool_save(const struct relay_whole *w, struct relay_pool *p, int rows, const char *path,
                    uint64_t *bytes, char *why);
int relay_pool_load(const struct relay_whole *w, struct relay_pool *p, int rows, const char *path, char *why);
/* Runs the tokens from low to high, so many at a time (0: all at once); the states are those behind them. */
int relay_leg(const struct relay_whole *w, struct relay_pool *p, int rows, int64_t low, int64_t high,
              int64_t step, struct relay_answer *out, char *why);

/* ---- the story: relay_run.c ---- */

struct relay_line { /* one hand-over, judged */
    const char *step;
    const struct bench_device *from, *to; /* the same: without a hand-over between devices */
    uint64_t bytes;                       /* of the file; 0 = none */
    int64_t low, high;                    /* tokens */
    double y, state; /* the worst error before its last rounding, as a share of its bound; up to 1 is right */
    int ok;
    char why[DESCRIPTOR_WHY]; /* "" where it is right */
};
enum { RELAY_LINES = 5 };

struct relay_hooks { /* of tests: what goes wrong on the way */
    void *user;
    void (*saved)(void *user, const char *path, int nth);               /* behind the nth file */
    void (*loaded)(void *user, struct relay_pool *p, const char *step); /* ready to run */
};

/* Prefill on ring[0], on with ring[1], resume on ring[2]. How many lines are filled: up to the first that failed, or all. */
int relay_run(struct relay_whole *w, const struct bench_device *const ring[3], const struct relay_hooks *hooks,
              struct relay_line out[RELAY_LINES]);

/* ---- `segue relay ...`: an exit code: verb_relay.c ---- */
int verb_relay(int argc, char **argv);

#endif
