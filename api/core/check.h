/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The run-time check: a plan's op compiled to a few compares a tensor. It says "surely fine" or "look closer";
 * the closer look is segue_check_slowly, which decides and finds the words. */
#ifndef SEGUE_CORE_CHECK_H
#define SEGUE_CORE_CHECK_H

#include "validate.h"

typedef int64_t pair __attribute__((vector_size(16)));

/* dtype, rank, shape and strides of a tensor as they lie in memory. */
struct geometry {
    pair shape[2], stride[2]; /* up to rank 4 */
    int64_t word;             /* dtype, rank, flags */
};

struct check_tensor {
    uint32_t offset;              /* in the op */
    uint32_t dtype;               /* as a 32-bit word in memory */
    uint8_t rank, written, bytes; /* bytes: of an element */
    uint8_t partner; /* of an outgoing state: 1 + index of the incoming one, whose place it may take */
    uint8_t alias;   /* enum alias, as planned */
    uint8_t twin;    /* planned with the same geometry as its partner */
    uint8_t reserved[2];
    struct axis axes[SEGUE_MAX_RANK];
    struct extent reach;      /* of the planned tensor, counted from its first element */
    uint64_t misaligned;      /* bits of the first element's address that must be 0 */
    struct geometry geometry; /* as planned */
};

struct
    check_relation { /* dims[left] (== or >=) dims[right] + plus; dims[left] + left_plus % dims[right] + plus */
    uint8_t kind, left, right, reserved[5];
    int64_t plus, left_plus;
};

struct check_parameter {
    uint32_t offset, reserved;
    int64_t value;
};

struct check {
    uint32_t tensor_count, absent_count, relation_count, parameter_count;
    int handles, reserved;
    uint64_t no_repeat;         /* handles, an operand without elements or of rank above 4: the general path */
    int64_t dims[LETTERS + 1];  /* frozen values; UNBOUND for dynamic axes; [CONSTANT] = 0 */
    int64_t bound[LETTERS + 1]; /* of dynamic axes */
    uint32_t absent[MAX_FIELDS];
    uint32_t written_count, written[MAX_FIELDS]; /* indices into tensors */
    struct check_tensor tensors[MAX_FIELDS];
    struct check_relation relations[MAX_RULES];
    struct check_parameter parameters[MAX_FIELDS];
    struct shapes shapes;
    struct form form;           /* of the op that was planned */
    struct op_storage *planned; /* its copy */
};

/* Freezes what the plan freezes. op is full and valid; form is what segue_validate made of it. */
void segue_check_compile(const struct shapes *shapes, const struct form *form, const segue_op_header *op,
                         int handles, struct check *out);
/* 1: op may run; 0: look closer. */
int segue_check_quickly(const struct check *check, const segue_op_header *op);
segue_status segue_check_slowly(const struct check *check, const segue_op_header *op, segue_diag *diag);

#endif
