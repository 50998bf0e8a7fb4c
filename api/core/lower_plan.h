/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A composite on a device whose plugin has rows for its steps: core's own row, called "lowered". */
#ifndef SEGUE_CORE_LOWER_PLAN_H
#define SEGUE_CORE_LOWER_PLAN_H

#include "lower.h"
#include "request.h"

#define LOWERED_ROW "lowered"

struct lowered_plan;

/* Whether every step has a kernel; reason (SEGUE_REASON_...) and words of the first that has none. Lock-free. */
segue_status segue_lowered_support(segue_device *dev, const struct request *r, const struct lowering *lowering,
                                   uint32_t *reasons, segue_diag *diag);
/* The row as segue_explain shows it: with its steps, or with the reason. room: space for count of the plugin's rows. */
void segue_lowered_explain(segue_device *dev, const struct request *r, const struct lowering *lowering,
                           segue_row_facts *room, uint32_t count, segue_row_facts *out);

segue_status segue_lowered_create(segue_device *dev, const struct request *r, const struct lowering *lowering,
                                  struct lowered_plan **out, segue_diag *diag);
/* These three are called as a plugin's are; plan is a struct lowered_plan. */
segue_status segue_lowered_info(const void *plan, segue_plan_facts *out, segue_diag *diag);
segue_status segue_lowered_run(const void *plan, const segue_op_header *op, segue_stream stream,
                               segue_buffer workspace, segue_diag *diag);
void segue_lowered_destroy(void *plan);
/* 0: op has strides that a step cannot see as one axis, and would be refused. */
int segue_lowered_fits(const void *plan, const segue_op_header *op);

#endif
