/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Shapes and dtypes are right, the memory is not: extents, alignment, strides, overlap. */
#include "bad_input.h"

#include <inttypes.h>
#include <stdio.h>

static segue_tensor *spoil(const struct bad *bad, union sample_op *op, int i)
{
    *op = bad->good;
    return sample_tensor(bad->base.facts, op, i);
}

static struct expect expect_bytes(int field, int64_t low, int64_t high, uint64_t given)
{
    struct expect e = expect(SEGUE_ERROR_OPERAND, field, "", "");
    snprintf(e.given, sizeof e.given, "given %" PRIu64 " bytes", given);
    snprintf(e.wanted, sizeof e.wanted, "bytes %" PRId64 " to %" PRId64, low, high);
    return e;
}

static void extents(struct bad *bad, int i)
{
    union sample_op op;
    segue_tensor *t = spoil(bad, &op, i);
    const int64_t need = (int64_t)t->bytes;
    const int last = t->rank - 1;
    t->bytes -= 4;
    refused(bad, &bad->base, &op, BY_ALL, "bytes one element too few", expect_bytes(i, 0, need, t->bytes));
    t = spoil(bad, &op, i);
    t->bytes -= 1;
    refused(bad, &bad->base, &op, BY_ALL, "bytes one byte too few", expect_bytes(i, 0, need, t->bytes));
    t = spoil(bad, &op, i);
    t->bytes = 0;
    refused(bad, &bad->base, &op, BY_ALL, "no bytes at all", expect_bytes(i, 0, need, 0));
    t = spoil(bad, &op, i);
    t->offset = t->bytes;
    refused(bad, &bad->base, &op, BY_ALL, "offset beyond bytes", expect_bytes(i, need, 2 * need, t->bytes));
    t = spoil(bad, &op, i);
    t->offset = (uint64_t)1 << 63;
    refused(bad, &bad->base, &op, BY_ALL, "offset beyond 63 bits",
            expect(SEGUE_ERROR_OPERAND, i, "2^63", "wanted"));
    if (t->shape[last] < 2) return;
    t = spoil(bad, &op, i);
    t->stride[last] = -1;
    const int64_t rest = (need / 4 - (t->shape[last] - 1)) * 4; /* reach of the other axes */
    refused(bad, &bad->base, &op, BY_ALL, "stride leads before data",
            expect_bytes(i, -4 * (t->shape[last] - 1), rest, t->bytes));
    t = spoil(bad, &op, i);
    t->stride[last] = 1000; /* outputs stay unfolded */
    refused(bad, &bad->base, &op, BY_ALL, "stride leads beyond bytes",
            expect_bytes(i, 0, need + 3996 * (t->shape[last] - 1), t->bytes));
    spoil(bad, &op, i)->stride[last] = INT64_MAX / 2;
    refused(bad, &bad->base, &op, BY_ALL, "stride overflows", expect(SEGUE_ERROR_OPERAND, i, "2^63", "wanted"));
    spoil(bad, &op, i)->stride[last] = INT64_MIN;
    refused(bad, &bad->base, &op, BY_ALL, "stride overflows", expect(SEGUE_ERROR_OPERAND, i, "2^63", "wanted"));
}

static void alignment(struct bad *bad, int i)
{
    static const uint64_t beyond[] = { 1, 2, 3 };
    union sample_op op;
    char given[TEXT];
    for (size_t k = 0; k < sizeof beyond / sizeof *beyond; k++) {
        snprintf(given, sizeof given, "%" PRIu64 " bytes beyond a multiple of 4", beyond[k]);
        segue_tensor *t = spoil(bad, &op, i);
        t->offset += beyond[k], t->bytes += 4;
        refused(bad, &bad->base, &op, BY_ALL, "offset not aligned",
                expect(SEGUE_ERROR_OPERAND, i, given, "wanted 0"));
        t = spoil(bad, &op, i);
        t->data = (char *)t->data + beyond[k];
        refused(bad, &bad->base, &op, BY_ALL, "data not aligned",
                expect(SEGUE_ERROR_OPERAND, i, given, "wanted 0"));
    }
}

/* Outputs whose own elements share places. */
static void folded(struct bad *bad, int i)
{
    union sample_op op;
    segue_tensor *t = spoil(bad, &op, i);
    if (!sample_is_written(bad_field(bad, i))) return;
    for (int d = 0; d < t->rank; d++) {
        if (t->shape[d] < 2) continue;
        t = spoil(bad, &op, i);
        t->stride[d] = 0;
        refused(bad, &bad->base, &op, BY_ALL, "output stride 0",
                expect(SEGUE_ERROR_OPERAND, i, "strides", "wanted"));
        if (d + 1 == t->rank || t->shape[d + 1] < 2) continue;
        t = spoil(bad, &op, i);
        t->stride[d] = t->stride[d + 1];
        refused(bad, &bad->base, &op, BY_ALL, "output rows overlap",
                expect(SEGUE_ERROR_OPERAND, i, "strides", "wanted"));
    }
}

/* Written operand i in the place of operand k, or shift bytes further. */
static void put_over(struct bad *bad, int i, int k, int64_t shift, const char *defect)
{
    const int both = sample_is_written(bad_field(bad, k)), blame = both && k < i ? k : i,
              other = blame == i ? k : i;
    union sample_op op;
    char given[TEXT];
    segue_tensor *t = spoil(bad, &op, i);
    const segue_tensor *there = sample_tensor(bad->base.facts, &op, k);
    t->data = (char *)there->data + shift;
    snprintf(given, sizeof given, "overlaps %s", bad_field(bad, other)->name);
    refused(bad, &bad->base, &op, BY_ALL, defect, expect(SEGUE_ERROR_OPERAND, blame, given, "wanted"));
}

static void overlap(struct bad *bad, int i)
{
    if (!sample_is_written(bad_field(bad, i))) return;
    for (int k = 0; k < (int)bad->base.facts->field_count; k++) {
        if (k == i || !(bad->base.present >> k & 1)) continue;
        const int64_t bytes = (int64_t)sample_tensor(bad->base.facts, &bad->good, k)->bytes;
        const int both = sample_is_written(bad_field(bad, k));
        if (both && k > i) continue; /* once a pair */
        if (k != bad_partner(bad, i))
            put_over(bad, i, k, 0, both ? "two outputs in one place" : "output in the place of an input");
        put_over(bad, i, k, bytes - 4,
                 both ? "two outputs overlap by an element" : "output overlaps an input by an element");
        if (bytes >= 16)
            put_over(bad, i, k, bytes / 8 * 4,
                     both ? "two outputs overlap in part" : "output overlaps an input in part");
    }
}

/* Outgoing state i in the place of its own, which another incoming one shares. */
static void shared(struct bad *bad, int i)
{
    const int partner = bad_partner(bad, i);
    if (!sample_is_written(bad_field(bad, i)) || partner < 0 || !(bad->base.present >> partner & 1)) return;
    for (int k = 0; k < (int)bad->base.facts->field_count; k++) {
        union sample_op op;
        char given[TEXT];
        if (k == partner || !(bad->base.present >> k & 1) || bad_field(bad, k)->role != SEGUE_ROLE_STATE_IN)
            continue;
        segue_tensor *t = spoil(bad, &op, i);
        t->data = sample_tensor(bad->base.facts, &op, partner)->data;
        sample_tensor(bad->base.facts, &op, k)->data = t->data;
        snprintf(given, sizeof given, "overlaps %s", bad_field(bad, k)->name);
        refused(bad, &bad->base, &op, BY_ALL, "an incoming state in the place of another that is written",
                expect(SEGUE_ERROR_OPERAND, i, given, "wanted"));
    }
}

void bad_memory(struct bad *bad)
{
    static void (*const memory_defects[])(struct bad *, int) = { extents, alignment, folded, overlap, shared };
    for (int i = 0; i < (int)bad->base.facts->field_count; i++)
        for (size_t k = 0; k < sizeof memory_defects / sizeof *memory_defects; k++)
            if (bad->fields >> i & 1) memory_defects[k](bad, i);
}
