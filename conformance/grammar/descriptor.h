/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One line that names a call: primitive/variant/dtypes/shape/layout/distribution[#key]
 *
 *     selective_scan/fwd.h_in.h_out.softplus=0/bf16-A.f32/B2.T4097.D7.N16/pad3/decay-log
 *
 * variant       fwd, then .operand for each optional operand and .param=value off its default; value: a number
 *               or a name of one
 * dtypes        of the activations, then -operand.dtype where it differs; weights and gates follow the
 *               activations, states are f32
 * shape         axes as in the primitive's description, in capitals; those that its rules tell may be missing; 0 for
 *               axes that a plan takes as bounds (as the description says: b t s p of a scan)
 * layout        btd (default: rows without gaps), bdt (time fastest), pad3 (three elements between rows), packed
 *               (btd with cu_seqlens), flip (floating operands run backwards in time), far (2^31 bytes between the
 *               batch rows of one input and the first output; see layout.h), odd (no stride is 1)
 * distribution  of the inputs: name{.modifier}; benign by default
 *
 * The canonical form prints all six parts, each thing once, in the description's order, and nothing that the rules tell. */
#ifndef SEGUE_CONFORMANCE_DESCRIPTOR_H
#define SEGUE_CONFORMANCE_DESCRIPTOR_H

#include <segue/segue.h>

enum { DESCRIPTOR_FIELDS = 64, DESCRIPTOR_WHY = 400, DESCRIPTOR_TEXT = 512 };
enum { LAYOUT_BTD, LAYOUT_BDT, LAYOUT_PAD3, LAYOUT_PACKED, LAYOUT_FLIP, LAYOUT_FAR, LAYOUT_ODD };
enum { AXIS_NOT_GIVEN = -1, AXIS_BACKWARD = 1, AXIS_USUAL = 2 };

struct descriptor {
    const segue_primitive_facts *primitive;
    uint8_t present[DESCRIPTOR_FIELDS]; /* by field: a tensor that is there */
    uint32_t dtype[DESCRIPTOR_FIELDS];  /* by field: SEGUE_F32 ... */
    double value[DESCRIPTOR_FIELDS];    /* by field: of a parameter */
    int64_t axis[26];                   /* a to z; AXIS_NOT_GIVEN: as the rules have it */
    int layout;
    char distribution[64], key[32];
};

/* 0, or -1 with words in why[DESCRIPTOR_WHY]. Two texts that mean the same give the same bytes. */
int descriptor_parse(const char *text, struct descriptor *out, char *why);
/* The canonical form; -1 = does not fit. */
int descriptor_print(const struct descriptor *d, char *to, size_t room);
/* Size of an axis: as given, or else by the primitive's rules; AXIS_NOT_GIVEN = unknown. */
int64_t descriptor_axis(const struct descriptor *d, char letter);
/* The same by some of the ways: BACKWARD: "n == t" tells t, too, where n is given; USUAL: one sequence, one pool row. */
int64_t descriptor_axis_by(const struct descriptor *d, char letter, int how);
/* The dtype that comes first: of the activations; without any, of the first operand that has no dtype of its own. */
uint32_t descriptor_dtype(const struct descriptor *d);
/* The op that it names: tensors without data. The caller frees it. NULL with words in why. */
segue_op_header *descriptor_op(const struct descriptor *d, char *why);

/* Sets offset and bytes from shape and strides: data at the tensor's lowest byte, bytes to behind its highest. */
void tensor_settle(segue_tensor *t);
/* Words into why[DESCRIPTOR_WHY]; -1. */
__attribute__((format(printf, 2, 3))) int descriptor_fail(char *why, const char *format, ...);
/* "bf16"; NULL = no floating dtype. */
const char *dtype_name(uint32_t dtype);

#endif
