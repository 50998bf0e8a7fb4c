/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Runs Mamba's decode step, or Mamba-2's, through a plugin whose kernels do nothing, so that all that is left is what
 * Segue adds: the plugin knows no ssd, which is lowered to two steps. dispatch_cost_test.sh counts its instructions.
 * usage: dispatch_cost checked|moving|shorter|trusted|lowered|lowered-trusted CALLS */
#include <segue/kit.h>

#include <stdio.h>
#include <stdlib.h>

enum { D = 1536, N = 16, T = 64, ARENA = 8 << 20 };

static segue_status count(const segue_host *host, uint32_t *out, segue_diag *diag)
{
    (void)host, (void)diag;
    *out = 1;
    return SEGUE_OK;
}

static segue_status info(const segue_host *host, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    (void)host, (void)index, (void)diag;
    out->flags = SEGUE_DEVICE_READY | SEGUE_DEVICE_HOST_MEMORY | SEGUE_DEVICE_SYNCHRONOUS;
    out->api = SEGUE_API_CPU;
    snprintf(out->name, sizeof out->name, "idle:0");
    return SEGUE_OK;
}

static segue_status open_device(const segue_host *host, uint32_t index, const segue_device_options *options,
                                void **device, segue_diag *diag)
{
    static int the_device;
    (void)host, (void)index, (void)options, (void)diag;
    *device = &the_device;
    return SEGUE_OK;
}

static void close_device(void *device)
{
    (void)device;
}

static int runs;

static segue_status run(const segue_op_header *op, const segue_kit_call *call)
{
    (void)op, (void)call;
    runs++;
    return SEGUE_OK;
}

#define IDLE(called, id)                                              \
    static const segue_row called = { .name = #called,                \
                                      .primitive = id,                \
                                      .since = 1,                     \
                                      .priority = 100,                \
                                      .run = run,                     \
                                      .accuracy = SEGUE_ACCURACY_F32, \
                                      .determinism = SEGUE_RUN_TO_RUN };
IDLE(selective_scan_idle, SEGUE_SELECTIVE_SCAN)
IDLE(gate_prep_idle, SEGUE_GATE_PREP)
IDLE(gated_recurrence_idle, SEGUE_GATED_RECURRENCE)
static const segue_kit_adapter adapter = { SEGUE_KIT_HOST_MEMORY, .count = count, .info = info,
                                           .open = open_device, .close = close_device };

SEGUE_KIT_PLUGIN(idle, .vendor = "Segue", .version = "0", .uuid = "4c1b1f0e-6f0d-4b2c-9a53-1d1f0f6b7a01",
                 .device = &adapter,
                 .rows = (const segue_row *const[]){ &selective_scan_idle, &gate_prep_idle,
                                                     &gated_recurrence_idle, NULL })

#define F32(...)                                                        \
    SEGUE_F32, (int)(sizeof(int64_t[]){ __VA_ARGS__ } / 8), (int64_t[]) \
    {                                                                   \
        __VA_ARGS__                                                     \
    }

/* Every operand that Mamba has; time steps of u, delta, B, C, z and y. */
static segue_selective_scan make_op(void *memory)
{
    segue_selective_scan s = segue_selective_scan_init();
    s.u = segue_tensor_of(memory, F32(1, T, D));
    s.delta = segue_tensor_after(s.u, F32(1, T, D));
    s.A = segue_tensor_after(s.delta, F32(D, N));
    s.B = segue_tensor_after(s.A, F32(1, T, 1, N));
    s.C = segue_tensor_after(s.B, F32(1, T, 1, N));
    s.D = segue_tensor_after(s.C, F32(D));
    s.z = segue_tensor_after(s.D, F32(1, T, D));
    s.delta_bias = segue_tensor_after(s.z, F32(D));
    s.h_in = segue_tensor_after(s.delta_bias, F32(1, D, N));
    s.h_out = s.h_in;
    s.y = segue_tensor_after(s.h_in, F32(1, T, D));
    return s;
}

/* Every operand that Mamba-2 has, of 2.7b's shape. */
static segue_ssd make_ssd(void *memory)
{
    enum { HEADS = 80, HEAD = 64, STATE = 128 };
    segue_ssd s = segue_ssd_init();
    s.x = segue_tensor_of(memory, F32(1, 1, HEADS, HEAD));
    s.dt = segue_tensor_after(s.x, F32(1, 1, HEADS));
    s.A = segue_tensor_after(s.dt, F32(HEADS));
    s.B = segue_tensor_after(s.A, F32(1, 1, 1, STATE));
    s.C = segue_tensor_after(s.B, F32(1, 1, 1, STATE));
    s.D = segue_tensor_after(s.C, F32(HEADS, HEAD));
    s.dt_bias = segue_tensor_after(s.D, F32(HEADS));
    s.h_in = s.h_out = segue_tensor_after(s.dt_bias, F32(1, HEADS, HEAD, STATE));
    s.y = segue_tensor_after(s.h_in, F32(1, 1, HEADS, HEAD));
    return s;
}

static const struct mode {
    const char *name;
    int64_t planned, moved, length; /* steps in the plan; steps to move on at each call; steps in a call */
    uint32_t flags;
    int launches; /* of kernels in a call: 2 = ssd */
} modes[] = {
    { "checked", 1, 0, 1, 0, 1 },
    { "moving", 1, 1, 1, 0, 1 },      /* as an engine does: other addresses at each step */
    { "shorter", T, 0, T - 1, 0, 1 }, /* another length than the plan's */
    { "trusted", 1, 0, 1, SEGUE_RUN_TRUSTED, 1 },
    { "lowered", 1, 0, 1, 0, 2 },
    { "lowered-trusted", 1, 0, 1, SEGUE_RUN_TRUSTED, 2 },
};
enum { MODES = sizeof modes / sizeof *modes };

static segue_selective_scan window(segue_selective_scan s, int64_t first, int64_t length)
{
    segue_tensor *timed[] = { &s.u, &s.delta, &s.B, &s.C, &s.z, &s.y };
    for (int i = 0; i < 6; i++) *timed[i] = segue_tensor_slice(*timed[i], 1, first, length);
    return s;
}

int main(int argc, char **argv)
{
    const segue_plugin_entry entries[] = { SEGUE_PLUGIN_ENTRY(idle), NULL };
    const segue_context_options options = { .size = sizeof options,
                                            .flags = SEGUE_CONTEXT_NO_DISCOVERY,
                                            .entries = entries };
    static _Alignas(256) char room[4096];
    const segue_buffer workspace = { room, 0, sizeof room };
    const struct mode *mode = modes;
    const long calls = argc > 2 ? atol(argv[2]) : 0;
    segue_context *ctx;
    segue_device *dev;
    segue_stream stream;
    segue_plan *plan;
    segue_diag why = { 0 };
    while (mode < modes + MODES && (argc < 2 || strcmp(mode->name, argv[1]))) mode++;
    if (mode == modes + MODES || calls < 1)
        return fprintf(stderr, "usage: dispatch_cost %s|moving|shorter|trusted|lowered|lowered-trusted CALLS\n",
                       modes->name),
               2;
    void *memory = aligned_alloc(256, ARENA);
    const segue_selective_scan all = make_op(memory), planned = window(all, 0, mode->planned);
    segue_ssd ssd = make_ssd(memory);
    const segue_op_header *first = mode->launches == 2 ? &ssd.header : &planned.header;
    if (segue_context_create(&options, &ctx, &why) || segue_device_open(ctx, "idle:0", NULL, &dev, &why) ||
        segue_stream_create(dev, &stream, &why) || segue_plan_create(dev, first, &plan, &why))
        return fprintf(stderr, "%s\n", why.text), 1;
    for (long i = 0; i < calls; i++) {
        segue_selective_scan op = window(all, i * mode->moved % T, mode->length);
        op.header.flags = ssd.header.flags = mode->flags;
        if (segue_plan_run(plan, mode->launches == 2 ? &ssd.header : &op.header, stream, workspace, &why))
            return fprintf(stderr, "%s\n", why.text), 1;
    }
    if (runs != calls * mode->launches)
        return fprintf(stderr, "the kernels ran %d times, wanted %ld\n", runs, calls * mode->launches), 1;
    segue_plan_destroy(plan);
    segue_stream_destroy(dev, stream);
    segue_device_close(dev);
    segue_context_destroy(ctx);
    free(memory);
    return 0;
}
