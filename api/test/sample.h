/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Valid ops of any primitive, built from its description alone: sizes by letter, every operand in a slot of one
 * arena of host memory, values that depend on the operand only. */
#ifndef SEGUE_TEST_SAMPLE_H
#define SEGUE_TEST_SAMPLE_H

#include <segue/segue.h>

/* What only some of ode_cell's cells have, for `without`. */
#define LTC " gleak " LTC_BUT_LEAK
#define LTC_BUT_LEAK                                                                                           \
    " vleak cm sigma mu w E A synapse_ptr synapse_src sensory_sigma sensory_mu sensory_w sensory_E sensory_A " \
    "sensory_ptr sensory_src input_w input_b "
#define CFC " backbone_w backbone_b deep_w deep_b mask ff1_w ff1_b "
#define GATE " ff2_w ff2_b time_a_w time_a_b time_b_w time_b_b "
#define PURE " w_tau pure_A "

enum { SAMPLE_FIELDS = 64, SAMPLE_SLACK = 1024, SAMPLE_CANARY = 0xA5 };

struct sample_kind {
    uint32_t primitive;
    const char *name;
    const char *without; /* operands left out, each between spaces: " slot cu_seqlens " */
    const char *sizes;   /* "b2 t5 d6"; parameters off their defaults: "b2 map=3 eps=0.5" */
};

struct sample {
    const segue_primitive_facts *facts;
    const char *name, *sizes;
    int64_t size[26];
    uint64_t present; /* bit = field */
    size_t at[SAMPLE_FIELDS], room[SAMPLE_FIELDS];
    size_t arena_bytes;
};

union sample_op {
    segue_op_header header;
    char bytes[SEGUE_MAX_OP_SIZE + 64];
};

/* The kinds that together have every operand of every primitive; ends with a NULL name. */
extern const struct sample_kind sample_kinds[];

/* Whose without no row of any device offers yet: in no sample. */
extern const struct sample_kind sample_not_offered;

/* An operand that a kind goes without. */
int sample_goes_without(const struct sample_kind *kind, const char *name);
struct sample sample_make(const struct sample_kind *kind);
/* Inputs and incoming states get values, everything else the canary. */
void sample_fill(const struct sample *s, char *arena);
/* The op over arena; NULL arena gives metadata. */
void sample_op(const struct sample *s, char *arena, union sample_op *op);

int sample_is_tensor(const segue_field_facts *f);
int sample_is_written(const segue_field_facts *f);
int sample_field(const segue_primitive_facts *facts, const char *name); /* -1 = none */
/* The letter of one axis; 0 = a fixed size. */
char sample_letter(const segue_field_facts *f, int axis);
int sample_rank(const segue_field_facts *f);
segue_tensor *sample_tensor(const segue_primitive_facts *facts, union sample_op *op, int field);

#endif
