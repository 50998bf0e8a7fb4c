/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Which keys a block has, and which of them a row sees. Keys that are masked for every row that could come are not listed, and
 * never read; what a row sees of the others is a mask and a list. */
#ifndef SEGUE_ONEDNN_ATTENTION_KEYS_H
#define SEGUE_ONEDNN_ATTENTION_KEYS_H

#include "attention_block.h"
#include "engine/lanes_functions.h"

struct key_list {
    int64_t count;
    int64_t first, last;           /* key slots that were looked at; first is a whole number of LANES */
    int64_t all_kept, repeated;    /* 1 = keep and labels mask none; some key counts more than once */
    int32_t lowest, highest;       /* positions */
    int32_t slot[ATTENTION_BLOCK]; /* behind first */
    int32_t row[ATTENTION_BLOCK];
    int32_t position[ATTENTION_BLOCK + LANES], label[ATTENTION_BLOCK + LANES];
    int32_t kept[ATTENTION_BLOCK + LANES]; /* -1, or 0: only the self rule makes it visible */
    float times[ATTENTION_BLOCK + LANES];
};

struct visible { /* of a row */
    int64_t count;
    lanes_int mask[ATTENTION_BLOCK / LANES];
    int32_t list[ATTENTION_BLOCK];
};

/* ---- the list ------------------------------------------------------------------------------------------- */

/* How often the chunks around the unit's own are chunk number `of`. */
static int64_t times_reached(const segue_attention *op, const struct attention_unit *u, int64_t of)
{
    const int64_t own = u->slot / op->chunk, count = (u->in.keys - 1) / op->chunk + 1;
    const int64_t from = own - op->chunks_before, to = own + op->chunks_after;
    if (!op->wrap) return from <= of && of <= to;
    return floor_of(to - of, count) - floor_of(from - 1 - of, count);
}

/* A key slot's row, or -1. */
static int64_t row_of_slot(const segue_attention *op, const struct attention_unit *u, int64_t head,
                           int64_t slot, int64_t *item)
{
    *item = slot;
    if (!attention_present(&op->k_index)) return slot < u->in.rows ? slot : -1;
    *item = attention_index(&op->k_index, u->in.batch, head, slot);
    if (*item < 0 || !op->k.shape[1]) return -1;
    const int64_t row = *item % op->k.shape[1];
    return row < u->in.rows ? row : -1;
}

/* Whether keep and label let a key be seen at all. */
static int is_kept(const segue_attention *op, const struct attention_unit *u, int64_t row, int64_t item)
{
    if (attention_present(&op->keep) && !attention_index(&op->keep, u->in.batch, u->in.k + row, 0)) return 0;
    return !attention_present(&op->label) || item < op->label.shape[2];
}

static void put_key(struct key_list *l, const segue_attention *op, const struct attention_unit *u, int64_t head,
                    int64_t slot, int64_t times)
{
    const int64_t n = l->count;
    int64_t item;
    const int64_t row = row_of_slot(op, u, head, slot, &item);
    if (row < 0) return;
    const int kept = is_kept(op, u, row, item);
    if (!kept && op->self_rule != SEGUE_ATTENTION_CONSTANT) return;
    l->slot[n] = (int32_t)(slot - l->first);
    l->row[n] = (int32_t)row;
    l->position[n] =
        attention_present(&op->k_pos) ? attention_index(&op->k_pos, u->in.batch, row, 0) : (int32_t)row;
    l->label[n] =
        kept && attention_present(&op->label) ? attention_index(&op->label, u->in.batch, head, item) : 0;
    l->kept[n] = -kept;
    l->times[n] = (float)times;
    l->all_kept &= kept;
    l->repeated |= times != 1;
    if (l->position[n] < l->lowest) l->lowest = l->position[n];
    if (l->position[n] > l->highest) l->highest = l->position[n];
    l->count++;
}

/* Key slots [first, last) that are not simply rows. */
static void list_keys(struct key_list *l, const struct attention_job *job, const struct attention_unit *u,
                      int64_t head, int64_t first, int64_t last)
{
    const segue_attention *op = job->op;
    int64_t times = 1, chunk = -1;
    l->count = 0, l->first = first, l->last = last, l->repeated = 0;
    l->all_kept = !attention_present(&op->label); /* labels differ from row to row */
    l->lowest = INT32_MAX, l->highest = INT32_MIN;
    for (int64_t a = first; a < last; a++) {
        if (op->chunk && a / op->chunk != chunk) chunk = a / op->chunk, times = times_reached(op, u, chunk);
        if (times) put_key(l, op, u, head, a, times);
    }
}

/* Slots that are rows. */
static void list_rows(struct key_list *l, int64_t first, int64_t last)
{
    l->count = last - first, l->first = first, l->last = last;
    l->all_kept = 1, l->repeated = 0;
    l->lowest = (int32_t)first, l->highest = (int32_t)(last - 1);
    for (int32_t i = 0; i < ATTENTION_BLOCK; i++) {
        l->slot[i] = i;
        l->row[i] = l->position[i] = (int32_t)first + i;
        l->label[i] = 0, l->kept[i] = -1;
    }
}

/* ---- what a row sees ------------------------------------------------------------------------------------ */

static int sees_all(const struct attention_row *r, const struct key_list *l)
{
    if (!l->all_kept || r->low > l->lowest || r->high < l->highest) return 0;
    return !r->self_there || r->self < l->lowest || r->self > l->highest;
}

INLINE lanes_int self_mask(const struct attention_row *r, const struct key_list *l, int64_t i)
{
    return (lanes_int_load(l->position + i) == lanes_int_splat(r->self)) & -r->self_there;
}

/* bias: NULL, or one for each key. */
static void find_visible(struct visible *v, const struct attention_row *r, const struct key_list *l,
                         const float *bias)
{
    const lanes none = lanes_splat(-__builtin_inff());
    int32_t each[ATTENTION_BLOCK];
    v->count = 0;
    for (int64_t i = 0; i < l->count; i += LANES) {
        const lanes_int position = lanes_int_load(l->position + i);
        lanes_int mask = (position >= lanes_int_splat(r->low)) & (position <= lanes_int_splat(r->high)) &
                         lanes_int_load(l->kept + i);
        if (r->labelled) mask &= lanes_int_load(l->label + i) == lanes_int_splat(r->label);
        if (bias) mask &= (lanes_int)(lanes_load(bias + i) != none);
        mask |= self_mask(r, l, i);
        v->mask[i / LANES] = mask;
        memcpy(each + i, &mask, sizeof mask);
    }
    for (int64_t i = 0; i < l->count; i++) {
        v->list[v->count] = (int32_t)i;
        v->count -= each[i];
    }
}

/* ---- rows of a unit ------------------------------------------------------------------------------------- */

static int32_t clamped_int(int64_t x)
{
    return x < INT32_MIN ? INT32_MIN : x > INT32_MAX ? INT32_MAX : (int32_t)x;
}

/* Positions of keys are int32: what cannot be one is not seen. */
static void set_range(struct attention_row *r, const segue_attention *op)
{
    int64_t low = op->window_left < 0 ? INT32_MIN : r->position - op->window_left;
    int64_t high = op->window_right < 0 ? INT32_MAX : r->position + op->window_right;
    if (op->causal && r->position < high) high = r->position;
    const int none = low > INT32_MAX || high < INT32_MIN;
    r->low = none ? 1 : clamped_int(low), r->high = none ? 0 : clamped_int(high);
    r->self = clamped_int(r->position);
    r->self_there = op->self_rule == SEGUE_ATTENTION_CONSTANT && r->self == r->position;
}

static void set_label(struct attention_row *r, const segue_attention *op, int64_t batch, int64_t item)
{
    r->labelled = attention_present(&op->label);
    if (!r->labelled) return;
    if (item < op->label.shape[2]) r->label = attention_index(&op->label, batch, r->head, item);
    else r->low = 1, r->high = 0;
}

static void set_row(struct attention_row *r, const segue_attention *op, const struct attention_sequence *in)
{
    int64_t item = r->slot, row = item;
    r->out = in->q + r->slot;
    if (attention_present(&op->o_index)) r->out = attention_index(&op->o_index, in->batch, r->head, r->slot);
    if (r->out < 0 || r->out >= op->y.shape[1]) r->out = -1;
    if (attention_present(&op->q_index)) {
        item = attention_index(&op->q_index, in->batch, r->head, r->slot);
        row = item < 0 || !op->q.shape[1] ? -1 : item % op->q.shape[1];
    }
    r->query = -1, r->low = 1, r->high = 0, r->self_there = 0, r->labelled = 0;
    if (row < 0 || r->out < 0) return;
    if (attention_present(&op->keep_q) && !attention_index(&op->keep_q, in->batch, in->q + row, 0)) return;
    r->query = in->q + row;
    r->position = attention_present(&op->q_pos)     ? attention_index(&op->q_pos, in->batch, row, 0)
                  : attention_present(&op->q_index) ? row
                                                    : r->slot + in->first;
    set_range(r, op);
    set_label(r, op, in->batch, item);
}

#endif
