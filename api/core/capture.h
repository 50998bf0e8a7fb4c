/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* SEGUE_CAPTURE=folder: an engine's calls become files (segue/sealed.h), which `segue replay` judges any device on. */
#ifndef SEGUE_CORE_CAPTURE_H
#define SEGUE_CORE_CAPTURE_H

#include "object.h"

/* NULL where SEGUE_CAPTURE is not set, or the folder cannot be had: the log says why. For os_free(). */
struct capture *segue_capture_open(const segue_context *ctx);

/* The last thing in making a plan: where the context captures, a run of the plan first writes down what it is given. Decided
 * here, so that a run that is not captured has nothing to ask. */
void segue_capture_plan(segue_plan *plan);

#endif
