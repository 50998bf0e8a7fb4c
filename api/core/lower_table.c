/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One primitive's lowering as data. Built once per line of primitives.def with -DNAME=<primitive>, and with -DLOWERED where
 * there is an ops/<primitive>.lower; without one the table is empty, and the primitive is no composite. */
#include "lower.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

#define TEMP(name, axes, condition) { LOWERING_TEMP, #name, axes, condition },
#define STEP(primitive, renames, condition) { LOWERING_STEP, #primitive, renames, condition },
#define USE(operand, sources, condition) { LOWERING_USE, #operand, sources, condition },
#define REFUSE(operand, reason, condition) { LOWERING_REFUSE, #operand, reason, condition },
#define SET(parameter, value) { LOWERING_SET, #parameter, value, "" },
static const struct lowering_row rows[] = {
#ifdef LOWERED
#include TEXT(NAME.lower)
#endif
    { LOWERING_END, NULL, NULL, NULL }
};

const struct lowering JOIN(segue_lowering_, NAME) = { rows, sizeof rows / sizeof *rows - 1 };
