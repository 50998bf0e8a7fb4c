/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The loop that every recurrence of this backend runs in. Work is a list of (sequence, block of LANES
 * channels), split over the threads by cost: each has one share, where its own cache may still hold what it
 * had at the last call, or whoever is free takes the next one (shares). A worker walks its share panel by panel
 * (as many blocks as the cache holds), and each panel token tile by token tile. The kernel sees whole tiles only: it
 * packs what it needs, computes, unpacks. A channel's arithmetic never depends on where panels and tiles
 * begin.
 *
 * Time is split only for kernels whose tiles need nothing of each other (by_time): a worker walks its share
 * tile by tile, and in each all panels, since whole rows one after the other are read and written fastest.
 * weights is then called once, for all channels; begin before each panel of a sequence's first tile, by the
 * worker that has it: it leaves the state behind, too, and end is not called. */
#ifndef SEGUE_ENGINE_TILE_H
#define SEGUE_ENGINE_TILE_H

#include "machine.h"
#include "pack.h"
#include "pool.h"

#include <segue/kit.h>

#include <stdatomic.h>

struct segue_cpu { /* an opened device */
    const segue_host *host;
    enum segue_isa isa;
    uint32_t threads;
    uint64_t cache_bytes;    /* of the last level */
    struct segue_pool *pool; /* NULL: the engine's parallel_for is used */
    void (*parallel_for)(void *user, int32_t count, void (*body)(void *arg, int32_t index), void *arg);
    void *parallel_user;
    atomic_int
        bf16_products; /* which are faster than those of f32: bf16_products.h; 0: nobody has measured yet */
};

struct segue_sequence {
    int64_t number;
    int64_t batch, first, length; /* tokens [first, first + length) of row batch */
    int64_t read, write;          /* pool rows; -1 = none */
    int padding;                  /* y = 0, nothing else happens */
};

/* Of 32-bit integers [i] or [i j]; absent: otherwise. */
static inline int64_t int_at(const segue_tensor *t, int64_t i, int64_t j, int64_t otherwise)
{
    if (!t->dtype.bits) return otherwise;
    const int32_t *const data = (const int32_t *)(const void *)((const char *)t->data + t->offset);
    return data[i * t->stride[0] + (t->rank > 1 ? j * t->stride[1] : 0)];
}

struct segue_sequences { /* operands that say which sequences there are; absent ones have no dtype */
    const segue_tensor *cu_seqlens, *slot;
    int64_t count, tokens, pool;
};

struct segue_tile { /* where a worker stands */
    const struct segue_tile_job *job;
    struct segue_sequence sequence;
    int64_t channel, channels, blocks; /* the panel; its last block may be partial */
    int64_t first, tokens;             /* the tile, counted from the sequence's first token */
    float *scratch;                    /* this worker's */
};

struct segue_tile_kernel { /* one instruction set's; lanes that the tiles are cut into */
    int lanes;
    void (*weights)(const struct segue_tile *tile); /* what stays the same from sequence to sequence */
    void (*begin)(const struct segue_tile *tile);   /* state in */
    void (*tokens)(const struct segue_tile *tile);  /* one tile */
    void (*end)(const struct segue_tile *tile);     /* state out */
};

struct segue_tile_job { /* first member of a row's own job */
    const struct segue_tile_kernel *kernel;
    struct segue_sequences sequences;
    const segue_tensor *y; /* [b t d]; zeroed here for padding */
    void (*padding)(
        const struct segue_tile *tile); /* NULL, or who zeroes the panel's y; y is then any [b ...] */
    int64_t channels;     /* or whatever blocks of lanes are shared out: a matrix state's heads, of one lane */
    int64_t panel_blocks; /* at most, in one panel */
    int64_t tile_tokens;  /* at most, in one tile */
    int32_t shares;       /* of the work, taken by whoever is free; 0: one for each thread */
    atomic_int taken;     /* so many of them */
    int64_t by_time;      /* 1 = threads share out tiles, not channels, see below */
    int64_t stream;       /* 1 = y is too large to stay in a cache: it is written past them */
    int64_t channel_work; /* operations a channel and token, roughly: small calls stay on one thread */
    int64_t bytes;        /* of the row's own job, this included; it and the operands are what all workers read
                              * first: fetched at once instead of line after line. 0 = they are small */
    const void *operands;
    int64_t operand_bytes;
    uint64_t scratch_floats; /* a worker's; a multiple of 16 */
    float *scratch;          /* all workers' */
};

static inline int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

static inline int64_t blocks_of(int64_t channels, int lanes)
{
    return channels / lanes + (channels % lanes != 0);
}

/* Which tokens and states belong to sequence s; offsets are clamped, so that nothing outside is ever touched.
 */
struct segue_sequence segue_sequence_at(const struct segue_sequences *all, int64_t s);

/* Its elements to 0. */
void segue_strip_zero(const struct segue_strip *s);

/* Workspace of a job whose scratch_floats is set; the same for every thread count of a run. */
static inline uint64_t tile_workspace(const struct segue_cpu *cpu, const struct segue_tile_job *job)
{
    return job->scratch_floats * sizeof(float) * cpu->threads;
}

/* body(arg, part, parts) for every part, by the device's threads or the engine's; cpu->threads parts at most. */
void segue_parts_run(const struct segue_cpu *cpu, segue_part body, void *arg);

void segue_tile_run(const struct segue_cpu *cpu, struct segue_tile_job *job, segue_buffer workspace);

/* Some of the panel's channels: from first on (counted from the panel's first, a multiple of lanes), count
 * at most. */
static inline struct segue_tile tile_part(const struct segue_tile *tile, int64_t first, int64_t count)
{
    struct segue_tile part = *tile;
    part.channel += first;
    part.channels -= first;
    if (part.channels > count) part.channels = count;
    part.blocks = blocks_of(part.channels, tile->job->kernel->lanes);
    return part;
}

/* The tile's tokens x the panel's channels of a [b t d] tensor. */
static inline struct segue_strip tile_strip(const struct segue_tile *tile, const segue_tensor *t)
{
    struct segue_strip s = strip_of(t, 1, 2);
    strip_move(&s, tile->sequence.batch * t->stride[0]);
    strip_cut_rows(&s, tile->sequence.first + tile->first, tile->tokens);
    strip_cut_columns(&s, tile->channel, tile->channels);
    s.stream = tile->job->stream;
    return s;
}

/* For prefetching while this tile is computed: where the next tile has the panel's column, and the bytes from
 * token to token. Without a whole next tile: this tile's first token, again and again. */
static inline const char *tile_ahead(const struct segue_tile *tile, const struct segue_strip *s, int64_t column,
                                     int64_t *step)
{
    int64_t row = s->row_stride * (int64_t)s->element_bytes,
            more = tile->first + 2 * tile->tokens <= tile->sequence.length;
    *step = more ? row : 0;
    return s->data + column * s->column_stride * (int64_t)s->element_bytes + *step * tile->tokens;
}

/* Axis 2 x the panel's channels of row row of a [p d x] state. */
static inline struct segue_strip state_strip(const struct segue_tile *tile, const segue_tensor *t, int64_t row)
{
    struct segue_strip s = strip_of(t, 2, 1);
    strip_move(&s, row * t->stride[0]);
    strip_cut_columns(&s, tile->channel, tile->channels);
    return s;
}

/* The panel's channels of a weight: [d], or [d x] with x along the rows. */
static inline struct segue_strip weight_strip(const struct segue_tile *tile, const segue_tensor *t)
{
    struct segue_strip s = strip_of(t, t->rank > 1 ? 1 : -1, 0);
    strip_cut_columns(&s, tile->channel, tile->channels);
    return s;
}

#endif
