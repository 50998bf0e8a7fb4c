/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers of the scenario: small operands, all f32, and what the reference makes of them. */
#include "driver_faults.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    int rank;
    int64_t shape[4];
} operands[OPERANDS] = {
    [U] = { 3, { 1, 5, 3 } },    [DELTA] = { 3, { 1, 5, 3 } }, [A] = { 2, { 3, 4 } },
    [B] = { 4, { 1, 5, 1, 4 } }, [C] = { 4, { 1, 5, 1, 4 } },  [STATE] = { 3, { 1, 3, 4 } },
    [Y] = { 3, { 1, 5, 3 } },    [X] = { 3, { 1, 5, 3 } },     [WEIGHT] = { 2, { 3, 4 } },
    [BIAS] = { 1, { 3 } },       [Z] = { 3, { 1, 5, 3 } },
};

static int is_result(int i)
{
    return i == Y || i == STATE || i == Z;
}

static segue_tensor operand(void *arena, int i)
{
    segue_tensor t = segue_tensor_of(arena, SEGUE_F32, operands[i].rank, operands[i].shape);
    t.offset = (uint64_t)i * 256;
    t.bytes += t.offset;
    return t;
}

segue_selective_scan scan_of(void *arena)
{
    segue_selective_scan op = segue_selective_scan_init();
    op.u = operand(arena, U);
    op.delta = operand(arena, DELTA);
    op.A = operand(arena, A);
    op.B = operand(arena, B);
    op.C = operand(arena, C);
    op.h_out = operand(arena, STATE);
    op.y = operand(arena, Y);
    return op;
}

segue_causal_conv1d conv_of(void *arena)
{
    segue_causal_conv1d op = segue_causal_conv1d_init();
    op.x = operand(arena, X);
    op.weight = operand(arena, WEIGHT);
    op.bias = operand(arena, BIAS);
    op.y = operand(arena, Z);
    return op;
}

static int64_t elements_of(int i)
{
    int64_t n = 1;
    for (int axis = 0; axis < operands[i].rank; axis++) n *= operands[i].shape[axis];
    return n;
}

/* Inputs of a set; results are poisoned (a NaN in f32). */
void put_inputs(unsigned char *arena, int set)
{
    memset(arena, 0xff, ARENA_BYTES);
    for (int i = 0; i < OPERANDS; i++) {
        float *at = (float *)(void *)(arena + i * 256);
        for (int64_t k = 0; k < elements_of(i) && !is_result(i); k++) {
            const float value = (float)((k * 37 + i * 11 + set * 5) % 23) / 23.0f - 0.5f;
            at[k] = i == A ? -1.0f - value : value;
        }
    }
}

static _Alignas(256) unsigned char wanted[SETS][ARENA_BYTES];

int differs(const unsigned char *arena, int set, int first, int last)
{
    int wrong = 0;
    for (int i = first; i <= last; i++) {
        const float *got = (const float *)(const void *)(arena + i * 256),
                    *want = (const float *)(const void *)(wanted[set] + i * 256);
        for (int64_t k = 0; k < elements_of(i); k++)
            wrong +=
                !(fabsf(got[k] - want[k]) <= 1e-5f * (1 + fabsf(want[k]))); /* far from the judge's business */
    }
    return wrong;
}

int expect_numbers(const char *plugin)
{
    const char *const plugins[] = { plugin, NULL };
    const segue_context_options options = { .size = sizeof options,
                                            .flags = SEGUE_CONTEXT_NO_DISCOVERY,
                                            .plugins = plugins };
    segue_context *context = NULL;
    segue_device *device = NULL;
    segue_diag why = { 0 };
    const segue_stream stream = { SEGUE_API_CPU, 0, NULL };
    segue_status s = segue_context_create(&options, &context, &why);
    if (!s) s = segue_device_open(context, "reference", NULL, &device, &why);
    for (int set = 0; set < SETS && !s; set++) {
        const segue_selective_scan scan = scan_of(wanted[set]);
        const segue_causal_conv1d conv = conv_of(wanted[set]);
        put_inputs(wanted[set], set);
        s = segue_run(device, &scan.header, stream, &why);
        if (!s) s = segue_run(device, &conv.header, stream, &why);
    }
    if (s) fprintf(stderr, "reference: %s\n", why.text);
    segue_device_close(device);
    segue_context_destroy(context);
    return s;
}
