/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* How fast oneDNN multiplies bf16 here: what rows are chosen by, since neither CPUID nor a list of machines says it. */
#ifndef SEGUE_ONEDNN_BF16_PAYS_H
#define SEGUE_ONEDNN_BF16_PAYS_H

#include "engine/tile.h"

/* Time of a product of bf16 in percent of one of f32; BF16_NEVER: there is none. Measured once for each opened device, in some 10
 * ms, most of them to load oneDNN; two threads that ask at once both measure. */
enum { BF16_NEVER = 1000 };
int bf16_percent(struct segue_cpu *cpu);

#endif
