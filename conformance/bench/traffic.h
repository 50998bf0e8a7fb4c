/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of a case, moved without computing anything: the case's own operands, at the time of its runs.
 * Where they lie and what else goes on decide as much as the processor does, and neither is the same for
 * other buffers or a second later. */
#ifndef SEGUE_CONFORMANCE_TRAFFIC_H
#define SEGUE_CONFORMANCE_TRAFFIC_H

#include "rates.h"

enum traffic_role {
    TRAFFIC_READ,    /* each byte once */
    TRAFFIC_WRITTEN, /* overwritten: with what the largest operands that are read hold */
    TRAFFIC_KEPT     /* read, and written back as it is */
};
enum { TRAFFIC_OPERANDS = 64, TRAFFIC_SAMPLES = 64 };

struct traffic {
    const struct rates *rates;
    struct traffic_layer *layers; /* sets of operands, one after the other */
    int count, samples;
    double moved;                                  /* bytes of a pass: whole blocks of the operands */
    double seconds[BENCH_STORES][TRAFFIC_SAMPLES]; /* of a pass */
};

/* 0, or -1 = no memory. */
int traffic_open(struct traffic *t, const struct rates *rates, int layers);
/* In a layer, what is read first. At most TRAFFIC_OPERANDS of them. */
void traffic_add(struct traffic *t, int layer, enum traffic_role role, void *at, int64_t bytes);
/* One sample of each kind of store, each so long. 0, or -1 = no threads. */
int traffic_measure(struct traffic *t, double seconds);
/* Bytes a second: the median sample of the kind of store that is best by that. */
double traffic_rate(const struct traffic *t);
void traffic_close(struct traffic *t);

#endif
