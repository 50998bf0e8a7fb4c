/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Packed sequences without max_seqlen on checked fibres: every sequence as in a call of its own, bit by bit, however
 * the offsets lie, and no more groups than tiles of all tokens and sequences. */
#include "fibre.h"
#include "../gpu_testing.h"

extern const segue_row causal_conv1d_shared, feature_map_plain_shared;

enum { TOKENS = 200, MOST_SEQUENCES = 40, CHANNELS = 15, TAPS = 4, MOST = 4096, SPAN = 64, GROUP = 32 };

/* ---- the device ------------------------------------------------------------------------------------------ */

static struct gpu *gpu;
static struct gpu_driver counting;
static const struct gpu_driver *driver;
static segue_host host;
static segue_kit_device device;
static int64_t launched; /* groups */
static int counts_only;

static segue_status count(struct gpu *on, segue_stream stream, void *loaded, void *instance,
                          const int32_t groups[3], int32_t group, const struct gpu_arg *args,
                          uint32_t arg_count, segue_diag *why)
{
    launched += (int64_t)groups[0] * groups[1] * groups[2];
    if (counts_only) return SEGUE_OK;
    return driver->launch(on, stream, loaded, instance, groups, group, args, arg_count, why);
}

static int open_fibre(void **state)
{
    segue_diag why = { 0 };
    if (fresh_folder(state)) return -1;
    setenv("SEGUE_FIBRE_CHECK", "2", 1);
    setenv("SEGUE_FIBRE_SEED", "5", 1);
    setenv("SEGUE_FIBRE_GROUP", "32", 1);
    host = test_host;
    host.describe = segue_describe;
    gpu = fibre_open(&host, &why);
    if (!gpu) return print_error("%s\n", why.text), -1;
    counting = *gpu->driver;
    counting.launch = count;
    driver = gpu->driver;
    gpu->driver = &counting;
    device = (segue_kit_device){ .handle = gpu, .host = &host };
    counts_only = 0;
    return 0;
}

static int close_fibre(void **state)
{
    fibre_close(gpu);
    return remove_folder(state);
}

static void plan(const segue_row *row, const segue_op_header *op, segue_kit_plan *out)
{
    segue_diag why = { 0 };
    const char *refused = row->accepts(op, &device);
    *out = (segue_kit_plan){ 0 };
    if (refused) fail_msg("%s: %s", row->name, refused);
    if (row->prepare(op, &device, out, &why)) fail_msg("%s", why.text);
}

/* Returns how many groups that took. */
static int64_t run(const segue_row *row, const segue_kit_plan *with, const segue_op_header *op)
{
    segue_diag why = { 0 };
    const segue_kit_call call = { .device = &device, .data = with->data, .why = &why };
    launched = 0;
    if (row->run(op, &call)) fail_msg("%s", why.text);
    return launched;
}

/* ---- operands -------------------------------------------------------------------------------------------- */

static float x[MOST], weight[MOST], before[MOST], after[2][MOST], y[2][MOST];
static int32_t offsets[MOST_SEQUENCES + 1];

static void fill(float *numbers, uint32_t seed)
{
    for (int i = 0; i < MOST; i++) {
        seed = seed * 1664525u + 1013904223u;
        numbers[i] = (float)(seed >> 8) * 0x1p-23f - 1;
    }
}

static segue_tensor of(void *data, int rank, const int64_t *shape)
{
    return segue_tensor_of(data, SEGUE_F32, rank, shape);
}
#define OF(data, ...) of(data, sizeof((int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (int64_t[]){ __VA_ARGS__ })

static segue_tensor offsets_of(int64_t sequences)
{
    return segue_tensor_of(offsets, SEGUE_I32, 1, (int64_t[]){ sequences + 1 });
}

static segue_causal_conv1d conv_of(int64_t b, int64_t t, int64_t sequences)
{
    segue_causal_conv1d op = segue_causal_conv1d_init();
    op.x = OF(x, b, t, CHANNELS);
    op.weight = OF(weight, CHANNELS, TAPS);
    op.h_in = OF(before, sequences, CHANNELS, TAPS - 1);
    op.h_out = OF(after[0], sequences, CHANNELS, TAPS - 1);
    op.y = OF(y[0], b, t, CHANNELS);
    op.cu_seqlens = offsets_of(sequences);
    return op;
}

static segue_feature_map map_of(int64_t b, int64_t t, int64_t sequences)
{
    segue_feature_map op = segue_feature_map_init();
    op.map = SEGUE_FEATURE_MAP_COSREW; /* the one whose features depend on the place in the sequence */
    op.length = TOKENS;
    op.x = OF(x, b, t, 1, 7);
    op.y = OF(y[0], b, t, 1, 14);
    op.cu_seqlens = offsets_of(sequences);
    return op;
}

/* ---- the definition: a call for each sequence ------------------------------------------------------------- */

/* Of a tensor [b t ...] the tokens of one sequence. */
static void narrow(segue_tensor *t, int64_t first, int64_t tokens)
{
    t->offset += (uint64_t)(first * t->stride[1]) * sizeof(float);
    t->shape[1] = tokens;
}

static void other_outputs(segue_tensor *t)
{
    t->data = t->data == y[0] ? y[1] : after[1];
}

static int64_t clamp(int64_t token)
{
    return token < 0 ? 0 : token > TOKENS ? TOKENS : token;
}

static void run_alone(const segue_row *row, const segue_kit_plan *with, const segue_op_header *op, int64_t s)
{
    const int64_t first = clamp(offsets[s]), end = clamp(offsets[s + 1]),
                  tokens = end > first ? end - first : 0;
    if (row == &causal_conv1d_shared) {
        segue_causal_conv1d one = *(const segue_causal_conv1d *)op;
        one.cu_seqlens.dtype.bits = 0;
        other_outputs(&one.y), other_outputs(&one.h_out);
        narrow(&one.x, first, tokens), narrow(&one.y, first, tokens);
        one.h_in.shape[0] = one.h_out.shape[0] = 1;
        one.h_in.offset += (uint64_t)(s * one.h_in.stride[0]) * sizeof(float),
            one.h_out.offset = one.h_in.offset;
        run(row, with, &one.header);
    } else {
        segue_feature_map one = *(const segue_feature_map *)op;
        one.cu_seqlens.dtype.bits = 0;
        other_outputs(&one.y);
        narrow(&one.x, first, tokens), narrow(&one.y, first, tokens);
        run(row, with, &one.header);
    }
}

/* tiles: that the tokens of all sequences would be in one row. */
static void compare(const segue_row *row, const segue_op_header *op, int64_t sequences, int64_t tiles)
{
    segue_kit_plan with;
    for (int i = 0; i < 2; i++) fill(y[i], 3), fill(after[i], 4);
    plan(row, op, &with);
    const int64_t groups = run(row, &with, op);
    for (int64_t s = 0; s < sequences; s++) run_alone(row, &with, op, s);
    with.release(with.data, &device);
    if (groups > sequences + tiles)
        fail_msg("%s: %d groups, wanted at most %d", row->name, (int)groups, (int)(sequences + tiles));
    for (int i = 0; i < MOST; i++)
        if (memcmp(&y[0][i], &y[1][i], sizeof(float)) || memcmp(&after[0][i], &after[1][i], sizeof(float)))
            fail_msg("%s, %d sequences from %d to %d: element %d differs from its sequence's own call",
                     row->name, (int)sequences, (int)offsets[0], (int)offsets[sequences], i);
}

static void compare_all(int64_t sequences)
{
    const segue_causal_conv1d conv = conv_of(1, TOKENS, sequences);
    const segue_feature_map map = map_of(1, TOKENS, sequences);
    compare(&causal_conv1d_shared, &conv.header, sequences, TOKENS / SPAN);
    compare(&feature_map_plain_shared, &map.header, sequences, TOKENS * 14 / (8 * GROUP));
}

static void however_offsets_lie(void **state)
{
    static const struct {
        int sequences;
        int32_t at[6];
    } lists[] = {
        { 1, { 0, TOKENS } },
        { 4, { 0, 0, TOKENS, TOKENS, TOKENS } }, /* all in one */
        { 5, { 0, 64, 64, 128, 129, TOKENS } },  /* ends where tiles end */
        { 3, { 37, 101, 102, 150 } },            /* tokens of none at both ends */
        { 3, { 3, INT32_MIN, TOKENS + 9, 1 } },  /* the one with tokens between falling offsets */
        { 5, { 190, TOKENS, 90, 190, 0, 90 } },  /* each in front of the one before */
        { 5, { 60, 140, -5, 60, 55, 50 } },      /* falling at the end, too */
    };
    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        memcpy(offsets, lists[i].at, sizeof lists[i].at);
        compare_all(lists[i].sequences);
    }
    uint32_t seed = 7;
    for (int round = 0; round < 6; round++) { /* ascending, many of them empty */
        int32_t at = 0;
        for (int s = 0; s <= MOST_SEQUENCES; s++) {
            seed = seed * 1664525u + 1013904223u;
            offsets[s] = at < TOKENS ? at : TOKENS;
            at += seed >> 30 ? 0 : (int32_t)(seed >> 20 & 127);
        }
        compare_all(MOST_SEQUENCES);
    }
}

/* A million tokens in a thousand sequences: a tile of each for every other one would be 10^7 to 10^9 groups. */
static void long_calls_take_few_groups(void **state)
{
    enum { MANY = 1000 };
    const int64_t tokens = 1 << 20;
    segue_causal_conv1d conv = conv_of(1, tokens, MANY);
    segue_feature_map map = map_of(1, tokens, MANY);
    segue_kit_plan with;
    (void)state;
    counts_only = 1;
    plan(&causal_conv1d_shared, &conv.header, &with);
    assert_int_equal(run(&causal_conv1d_shared, &with, &conv.header), MANY + tokens / SPAN - 1);
    conv.max_seqlen = SPAN; /* given, and short: a group each, as before */
    assert_int_equal(run(&causal_conv1d_shared, &with, &conv.header), MANY);
    with.release(with.data, &device);
    plan(&feature_map_plain_shared, &map.header, &with);
    assert_int_equal(run(&feature_map_plain_shared, &with, &map.header), MANY + tokens * 14 / (8 * GROUP) - 1);
    with.release(with.data, &device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(however_offsets_lie, open_fibre, close_fibre),
        cmocka_unit_test_setup_teardown(long_calls_take_few_groups, open_fibre, close_fibre),
    };
    fill(x, 1), fill(weight, 6), fill(before, 8);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
