/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Where the elements of an operand lie. */
#ifndef SEGUE_CONFORMANCE_LAYOUT_H
#define SEGUE_CONFORMANCE_LAYOUT_H

#include "descriptor.h"

extern const char *const layout_names[]; /* by LAYOUT_..., NULL-ended */

/* Field number i as the descriptor's layout has it; shape: [rank]. No data. */
segue_tensor laid_out(const struct descriptor *d, uint32_t i, int rank, const int64_t *shape);

#endif
