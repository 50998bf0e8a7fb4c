/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the rows of ode_cell share: places, threads, refusals. */
#include "ode_cell.h"

enum {
    TILE = 8,             /* tokens that a place packs and unpacks at once */
    SEQUENCE_COST = 4,    /* loading and storing a state costs about as much as so many tokens */
    ALONE_BELOW = 1 << 14 /* operations; less is done before a worker has woken up */
};

static void place_shared(struct cell_job *job)
{
    uint64_t end = 0;
    job->place = place_scratch(&end, job->places * (int64_t)(sizeof(struct cell_place) / sizeof(float)));
    job->D = place_scratch(&end, job->places * rounded_up(job->tile, 16));
    job->x = place_scratch(&end, job->places * job->tile * job->d_pitch);
    job->h = place_scratch(&end, job->places * (1 + job->tile) * job->n_pitch);
    job->scratch_floats = end;
    end = 0;
    job->output_w = place_scratch(&end, job->n_pitch);
    job->output_b = place_scratch(&end, job->n_pitch);
    job->packed_floats = end;
}

void segue_cell_plan(struct cell_job *job, const segue_ode_cell *op, const struct segue_cpu *cpu)
{
    const int64_t lanes = job->kernel->lanes;
    job->op = op;
    job->n = op->cell == SEGUE_ODE_CELL_LTC ? op->gleak.shape[0] : op->ff1_w.shape[0];
    job->d = op->x.shape[2];
    job->blocks = blocks_of(job->n, (int)lanes);
    job->n_pitch = job->blocks * lanes, job->d_pitch = rounded_up(job->d, lanes);
    job->sequences = sequences_of(&op->cu_seqlens, &op->slot, &op->x, &op->h_in, &op->h_out);
    job->places = from_one_to((job->sequences.count + cpu->threads - 1) / cpu->threads, job->kernel->places);
    job->tile = from_one_to(job->sequences.tokens, TILE);
    place_shared(job);
}

static int fits_scratch(const segue_ode_cell *op)
{
    const double n = (double)(op->cell == SEGUE_ODE_CELL_LTC ? op->gleak.shape[0] : op->ff1_w.shape[0]);
    const double d = (double)op->x.shape[2], u = op->ff1_w.dtype.bits ? (double)op->ff1_w.shape[1] : 0;
    const double l = op->deep_w.dtype.bits ? (double)op->deep_w.shape[0] : 0;
    /* Rounded up to whole lanes, four vectors of them, that is far from overflow. */
    return (n + 64) * (n + d + u + 64) + (d + n + u * l + 64) * (u + 64) < (double)MOST_SCRATCH;
}

uint64_t segue_cell_workspace(const struct cell_job *job, const struct segue_cpu *cpu)
{
    return (job->scratch_floats * cpu->threads + job->packed_floats) * sizeof(float);
}

/* ---- threads --------------------------------------------------------------------------------------------- */

static float *scratch_of(const struct cell_job *job, int32_t part)
{
    return job->scratch + (uint64_t)part * job->scratch_floats;
}

static void pack_part(void *arg, int32_t part, int32_t parts)
{
    const struct cell_job *job = arg;
    const uint64_t mode = float_mode_enter();
    for (int64_t i = part; i < job->items; i += parts) job->kernel->pack(job, i, scratch_of(job, part));
    float_mode_leave(mode);
}

static int64_t cost_of(const struct cell_job *job, int64_t s)
{
    return cell_sequence(job, s).length + SEQUENCE_COST;
}

/* A part is an interval of the summed cost; a sequence belongs to the part in which its cost begins. */
static void sequences_part(void *arg, int32_t part, int32_t parts)
{
    const struct cell_job *job = arg;
    const int64_t count = job->sequences.count;
    int64_t total = 0, before = 0, first = -1, s = 0;
    for (int64_t i = 0; i < count; i++) total += cost_of(job, i);
    const int64_t from = total / parts * part + total % parts * part / parts;
    const int64_t to = total / parts * (part + 1) + total % parts * (part + 1) / parts;
    for (; s < count && before < to; s++) {
        if (first < 0 && before >= from) first = s;
        before += cost_of(job, s);
    }
    if (first < 0) return;
    const uint64_t mode = float_mode_enter();
    job->kernel->sequences(job, first, s, scratch_of(job, part));
    float_mode_leave(mode);
}

void segue_cell_run(struct cell_job *job, const struct segue_cpu *cpu, segue_buffer workspace)
{
    const double tokens = (double)job->op->x.shape[0] * (double)job->op->x.shape[1];
    if (!job->sequences.count) return;
    job->scratch = (float *)(void *)((char *)workspace.data + workspace.offset);
    job->packed = job->scratch + job->scratch_floats * cpu->threads;
    if (job->work * tokens < ALONE_BELOW) {
        pack_part(job, 0, 1);
        sequences_part(job, 0, 1);
        return;
    }
    segue_parts_run(cpu, pack_part, job);
    segue_parts_run(cpu, sequences_part, job);
}

/* ---- refusals -------------------------------------------------------------------------------------------- */

const char *segue_cell_refuses(const segue_op_header *op)
{
    static const segue_kit_refusal operands[] = {
#define OPERAND(name) { offsetof(segue_ode_cell, name), #name ": f64 is offered by the reference only" },
        OPERAND(x) OPERAND(elapsed) OPERAND(h_in) OPERAND(h_out) OPERAND(y) OPERAND(h) OPERAND(output_w)
            OPERAND(output_b) OPERAND(gleak) OPERAND(vleak) OPERAND(cm) OPERAND(sigma) OPERAND(mu) OPERAND(w)
                OPERAND(E) OPERAND(A) OPERAND(sensory_sigma) OPERAND(sensory_mu) OPERAND(sensory_w)
                    OPERAND(sensory_E) OPERAND(sensory_A) OPERAND(input_w) OPERAND(input_b) OPERAND(backbone_w)
                        OPERAND(backbone_b) OPERAND(deep_w) OPERAND(deep_b) OPERAND(mask) OPERAND(ff1_w)
                            OPERAND(ff1_b) OPERAND(ff2_w) OPERAND(ff2_b) OPERAND(time_a_w) OPERAND(time_a_b)
                                OPERAND(time_b_w) OPERAND(time_b_b) OPERAND(w_tau) OPERAND(pure_A)
#undef OPERAND
                                    { 0, NULL }
    };
    if (!fits_scratch((const void *)op))
        return "x: scratch memory has 2^40 numbers for neurons and features at most";
    return segue_kit_refuse_dtype(op, SEGUE_F64, operands);
}
