/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The least time that a call can take here: what it asks for, over what the machine reaches. */
#ifndef SEGUE_CONFORMANCE_LIMIT_H
#define SEGUE_CONFORMANCE_LIMIT_H

#include "../grammar/descriptor.h"
#include "../gauge/tally.h"
#include "stage.h"
#include "traffic.h"

enum work_tiles {
    NO_TILES,
    TILES_F32,
    TILES_BF16
}; /* whether the call multiplies matrices, which then bounds it */

struct work {                /* of one run, of all its layers */
    double slots, functions; /* of the FMA ports; exps and logs */
    double fused;            /* of the slots, fused products */
    int by_tiles;            /* enum work_tiles, for the caller to say */
    double read, written,
        state; /* bytes: each operand once; state: of those that are updated in place, one way */
};

/* Counted on few tokens and channels or heads, multiplied up: every reference's work grows with them. 0, or -1 with
 * words. */
int work_of(const struct descriptor *d, int layers, struct work *out, char *why);
double work_bytes(const struct work *w);
/* What a call asks for, counted over its tensors as they are. 0, or -1 with words. */
int work_tally(const struct descriptor *d, struct tally *out, char *why);

struct limit {
    double ms, arithmetic_ms, bytes_ms;
    const char *by; /* "exp+fma", "tiles", "bytes" */
};

/* rates: NULL = no probe of arithmetic. byte_rate: a second. */
struct limit limit_of(const struct work *w, const struct rates *rates, double byte_rate);
/* A probe of the bytes that a stage's runs move, of its own operands; the stage stays open longer. 0, or -1
 * = no memory. */
int work_traffic(const struct stage *s, const struct rates *rates, struct traffic *out);

#endif
