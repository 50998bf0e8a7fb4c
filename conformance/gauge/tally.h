/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* How much arithmetic a definition asks for: reference/<primitive>.c compiled with a `real` that counts.
 *
 * Counted is what a good kernel would issue, not what the text says: a product that the very next operation adds is one
 * fused operation with it, and one whose exp is taken is that exp's own multiplication (by log2 e: the other factor is
 * scaled beforehand). No value is ever looked at: numbers need no memory, and the counts depend on the op's shapes only. */
#ifndef SEGUE_CONFORMANCE_TALLY_H
#define SEGUE_CONFORMANCE_TALLY_H

#include <segue/segue.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tally {
    int64_t products, sums, fused; /* one slot of an FMA port each */
    int64_t quotients, roots;      /* an estimate, then one step of Newton's: three slots each */
    int64_t exps, logs;            /* a range reduction and a polynomial each */
};

static inline int64_t tally_slots(const struct tally *t)
{
    return t->products + t->sums + t->fused + 3 * (t->quotients + t->roots);
}

static inline int64_t tally_functions(const struct tally *t)
{
    return t->exps + t->logs;
}

/* Counts the reference of op->primitive. data of every output is a struct tally *, which holds in the end what
 * came before the last store to it; data of floating inputs is not read; integers that are read are ordinary host memory.
 * 0; -1 = the primitive has no reference; -2 = no memory. */
int tally_run(const segue_op_header *op);

#ifdef __cplusplus
}
#endif
#endif
