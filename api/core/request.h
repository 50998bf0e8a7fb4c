/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* From an op to what a plugin may see: checked against its description, then against what the plugin declared. */
#ifndef SEGUE_CORE_REQUEST_H
#define SEGUE_CORE_REQUEST_H

#include "object.h"

struct request {
    const segue_primitive_facts *facts;
    const segue_op_header *op; /* full */
    uint32_t op_size;          /* that the plugin expects; 0 until segue_request_declared */
    struct shapes shapes;
    struct form form;
};

/* Storage must outlive the request. */
segue_status segue_request_make(const segue_device *dev, const segue_op_header *op, struct op_storage *storage,
                                struct request *out, segue_diag *diag);
/* Whether the plugin knows the primitive, the revision and all fields that are set; *reasons: what kind of failure. */
segue_status segue_request_declared(const segue_device *dev, struct request *r, struct op_storage *storage,
                                    uint32_t *reasons, segue_diag *diag);

#endif
