/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Where the elements of an operand lie.
 *
 * far   The batch rows of the first output and of one input are 2^31 bytes apart. Which input: the key says, #1 or #2 ...
 *       Of the floating inputs of the call that have batch rows of tokens (selective_scan: u delta B C z, as far as they are
 *       there) it is number `key`, from 0. No key, one that is no number or one behind the last: the first.
 * odd   Two elements lie at least two apart along every axis, in every operand, integers and states included; the
 *       channels of what is only read (axis d; the last one where a primitive has no d) run backwards. */
#ifndef SEGUE_CONFORMANCE_LAYOUT_H
#define SEGUE_CONFORMANCE_LAYOUT_H

#include "descriptor.h"

extern const char *const layout_names[]; /* by LAYOUT_..., NULL-ended */

/* Field number i as the descriptor's layout has it; shape: [rank]. No data. */
segue_tensor laid_out(const struct descriptor *d, uint32_t i, int rank, const int64_t *shape);

#endif
