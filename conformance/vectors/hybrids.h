/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Golden files of attention_merge that are chains of calls: softmax over near keys and linear attention over far ones. */
#ifndef SEGUE_CONFORMANCE_HYBRIDS_H
#define SEGUE_CONFORMANCE_HYBRIDS_H

#include "trial.h"

/* A tensor that kernels write and no file holds: NaN before. */
segue_tensor hybrid_room(trial *t, int rank, const int64_t *shape);
/* Part p of a tensor [e b t h ...]. */
segue_tensor hybrid_part(segue_tensor all, int64_t p);
void hybrid_run(trial *t);

#endif
