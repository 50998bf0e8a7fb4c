/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Between the rows of ode_cell, what they share and their kernels. Threads share out sequences. A worker keeps several in flight,
 * each in a place of its own, and moves all by a token at a time: where one ends, the next takes its place. */
#ifndef SEGUE_ONEDNN_ODE_CELL_H
#define SEGUE_ONEDNN_ODE_CELL_H

#include "row.h"

#include <string.h>

enum { CELL_WIDE = 4 };

struct cell_place { /* a sequence in flight */
    struct segue_sequence q;
    int64_t next;          /* the token that comes now, counted from the sequence's first */
    int64_t first, tokens; /* its tile */
    int64_t memory;        /* which rows of scratch are its own */
};

/* CfC: biases and weights, packed in panels of CELL_WIDE vectors of outputs: [1 + inputs][vectors]. */
struct cell_layer {
    int64_t inputs, vectors, panels;
    uint64_t at, size; /* in what is packed; of a layer */
};

struct cell_job {
    const segue_ode_cell *op;
    const struct cell_kernel *kernel;
    struct segue_sequences sequences;
    int64_t n, d, blocks;     /* neurons, features, blocks of lanes of neurons */
    int64_t n_pitch, d_pitch; /* in whole lanes */
    int64_t places, tile;     /* sequences in flight, tokens of a tile */
    int64_t items;            /* that packing is shared out in */
    double work;              /* operations of a token, roughly */
    /* In the workspace behind all scratch, packed once a run. */
    float *packed;
    uint64_t packed_floats;
    uint64_t output_w, output_b;          /* [n], 1 and 0 where absent */
    uint64_t neuron_w, feature_w;         /* LTC: [block][source][4 LANES], see the kernel */
    uint64_t neuron_reach, feature_reach; /* LTC: [block][source] */
    uint64_t gleak, leak, cm;             /* LTC: [n]; leak is gleak vleak */
    uint64_t input_w, input_b;            /* LTC: [d] */
    uint64_t w_tau, pure_A;               /* CfC: [n] */
    struct cell_layer layer, deep, head;  /* CfC */
    int64_t deep_layers;                  /* CfC */
    /* A worker's scratch. */
    float *scratch;
    uint64_t scratch_floats;
    uint64_t place, D, x,
        h; /* [place]; [place][tile]; [place][tile][d]; [place][1 + tile][n], in front the state before */
    uint64_t factor, count; /* while packing: [sources][LANES]; CfC: [inputs][CELL_WIDE * LANES] */
    uint64_t inputs, state[2], kappa, feature_E, feature, reach; /* LTC: [row][d]; [row][n]; [n + d] */
    uint64_t z[2];                                               /* CfC: [place][z_pitch] */
    int64_t z_pitch;
};

struct cell_kernel { /* a row's, an instruction set's */
    int lanes, places;
    void (*pack)(const struct cell_job *job, int64_t item, float *scratch);
    void (*sequences)(const struct cell_job *job, int64_t first, int64_t last, float *scratch);
};

static inline struct segue_sequence cell_sequence(const struct cell_job *job, int64_t s)
{
    struct segue_sequence q = segue_sequence_at(&job->sequences, s);
    q.length = clamp(int_at(&job->op->lengths, s, 0, q.length), 0, job->sequences.tokens);
    return q;
}

/* What both rows begin with; the kernel is set. */
void segue_cell_plan(struct cell_job *job, const segue_ode_cell *op, const struct segue_cpu *cpu);
uint64_t segue_cell_workspace(const struct cell_job *job, const struct segue_cpu *cpu);
void segue_cell_run(struct cell_job *job, const struct segue_cpu *cpu, segue_buffer workspace);
/* For accepts(): f64, or more than scratch memory is for; NULL = neither. */
const char *segue_cell_refuses(const segue_op_header *op);

extern const struct cell_kernel segue_ltc_base, segue_ltc_avx2, segue_ltc_avx512;
extern const struct cell_kernel segue_cfc_base, segue_cfc_avx2, segue_cfc_avx512;

#endif
