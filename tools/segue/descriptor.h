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
 * shape         axes as in the primitive's description, in capitals; those that its rules tell may be missing
 * layout        btd (default: rows without gaps), bdt (time fastest), pad3 (three elements between rows),
 *               packed (cu_seqlens)
 * distribution  of the inputs: benign by default; opaque here */
#ifndef SEGUE_TOOLS_DESCRIPTOR_H
#define SEGUE_TOOLS_DESCRIPTOR_H

#include <segue/segue.h>

enum { DESCRIPTOR_FIELDS = 64, DESCRIPTOR_WHY = 400 };
enum { LAYOUT_BTD = 0, LAYOUT_BDT = 1, LAYOUT_PAD3 = 2, LAYOUT_PACKED = 3 };

struct descriptor {
    const segue_primitive_facts *primitive;
    uint8_t present[DESCRIPTOR_FIELDS]; /* by field: a tensor that is there */
    uint32_t dtype[DESCRIPTOR_FIELDS];  /* by field: SEGUE_F32 ... */
    double value[DESCRIPTOR_FIELDS];    /* by field: of a parameter */
    int64_t axis[26];                   /* a to z; 0 = not given */
    int layout;
    char distribution[32], key[32];
};

/* 0, or -1 with words in why[DESCRIPTOR_WHY]. */
int descriptor_parse(const char *text, struct descriptor *out, char *why);
/* The op that it names: tensors without data. The caller frees it. NULL with words in why. */
segue_op_header *descriptor_op(const struct descriptor *d, char *why);

#endif
