/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "norm.h"
#include "row.h"

/* ROW_FLOATS: of x and of z among the rows taken at once, which stay in the first-level cache. BAND: tokens
 * of a tile at most. WORK: operations an element, roughly, without and with a gate. */
enum { ROW_FLOATS = 2048, BAND = 16, WORK = 4, WORK_GATED = 24, LINE_FLOATS = 16 };

static const struct segue_tile_kernel *const kernels[SEGUE_ISA_COUNT] = SEGUE_EACH_ISA(segue_norm);
static const segue_tensor absent;

/* Tokens are shared out where there are enough of them, so that each thread walks through whole rows of
 * memory. */
static void share_out(struct norm_job *job, const struct segue_cpu *cpu)
{
    const int64_t t = job->x->shape[1], h = job->x->shape[2], threads = cpu->threads;
    const double tokens = (double)t * (double)job->x->shape[0];
    job->tile.by_time = tokens >= 2 * (double)threads || h < threads;
    job->tile.tile_tokens = tokens < 4 * BAND * (double)threads ? 1 : from_one_to(t, BAND);
    if (!job->tile.by_time) job->tile.tile_tokens = from_one_to(t, t);
    job->tile.panel_blocks = from_one_to(h, h);
}

void segue_norm_plan(struct norm_job *job, const struct segue_cpu *cpu)
{
    const int64_t h = job->x->shape[2], d = job->x->shape[3];
    const int gated = job->z->dtype.bits != 0;
    uint64_t end = 0;
    job->tile.kernel = kernels[cpu->isa];
    const segue_tensor *cu_seqlens = job->cu_seqlens ? job->cu_seqlens : &absent;
    job->tile.sequences = sequences_of(cu_seqlens, &absent, job->x, &absent, &absent);
    job->tile.y = job->y;
    job->tile.channels = h;
    job->tile.channel_work = d * (gated ? WORK_GATED : WORK);
    job->tile.stream = streams(cpu, bytes_of(job->x) + bytes_of(job->z) + bytes_of(job->y));
    share_out(job, cpu);
    job->by_heads = h > 1 && job->y->stride[1] != 1; /* tokens that lie side by side are turned in registers */
    job->pitch = (d + LINE_FLOATS - 1) / LINE_FLOATS * LINE_FLOATS;
    job->rows = from_one_to(job->pitch ? ROW_FLOATS / job->pitch : 1, NORM_MOST_ROWS);
    job->v = place_scratch(&end, job->rows * job->pitch);
    job->gate = place_scratch(&end, gated ? job->rows * job->pitch : 0);
    job->weight = place_scratch(&end, job->weight_of->dtype.bits ? h * job->pitch : 0);
    job->bias = place_scratch(&end, job->bias_of->dtype.bits ? h * job->pitch : 0);
    job->tile.scratch_floats = end;
}

const char *segue_norm_refuses(const segue_tensor *x)
{
    const int64_t h = x->shape[2], d = x->shape[3];
    return d > MOST_SCRATCH || (d && h > MOST_SCRATCH / d) ? "x: h times d is at most 2^40" : NULL;
}
