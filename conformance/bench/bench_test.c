/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a limit is made of, recomputed by hand; which cases and points there are; that the probes' loops
 * compute what they say. No figure of any machine is asserted. */
#include "bench.h"
#include "crew.h"
#include "odd.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka.h needs the three above */
#include <cmocka.h>

static struct work work_by_name(const char *name)
{
    const struct bench_case *c = bench_cases;
    struct descriptor d;
    struct work w;
    char why[DESCRIPTOR_WHY];
    while (c->name && strcmp(c->name, name)) c++;
    assert_non_null(c->name);
    assert_int_equal(descriptor_parse(c->descriptor, &d, why), 0);
    assert_int_equal(work_of(&d, c->layers, &w, why), 0);
    return w;
}

/* Ten slots for 16 states and token where an exp costs seven; softplus's and delta u on top. */
static void work_of_a_scan(void **state)
{
    const double tokens = 2048, channels = 1536, states = 16, all = tokens * channels;
    const struct work w = work_by_name("selective_scan/mamba-130m/prefill");
    (void)state;
    assert_true(w.slots == all * (3 * states + 2));
    assert_true(w.functions == all * (states + 2));
    assert_true(w.read == 4 * (2 * all + channels * states + 2 * tokens * states));
    assert_true(w.written == 4 * all);
    assert_true(w.state == 4 * channels * states);
    const struct work b = work_by_name("selective_scan/mamba-130m/prefill/bf16");
    assert_true(b.slots == w.slots && b.functions == w.functions && b.state == w.state);
    assert_true(b.read == 2 * (2 * all + 2 * tokens * states) + 4 * channels * states && b.written == 2 * all);
}

static void work_of_others(void **state)
{
    const double all = 2048.0 * 5376;
    const struct work c = work_by_name("causal_conv1d/5376-silu"),
                      d = work_by_name("selective_scan/mamba-130m/decode");
    (void)state;
    assert_true(c.slots == all * (4 + 1 + 1 + 3) && c.functions == all);
    assert_true(c.read == 4 * (all + 5376 * 5) && c.written == 4 * all && c.state == 4.0 * 5376 * 3);
    assert_true(d.slots == 24.0 * 1536 * 50 && d.functions == 24.0 * 1536 * 18);
    assert_true(d.state == 24.0 * 1536 * 16 * 4);
    assert_true(work_by_name("causal_conv1d/1536/bf16").read == 2.0 * (2048.0 * 1536 + 1536 * 5));
}

/* A decay and softplus a head; of 64 x 128 states each three slots, as the definition has them. */
static void work_of_matrix_states(void **state)
{
    const double heads = 2048.0 * 80, elements = 64.0 * 128;
    const struct work s = work_by_name("ssd/mamba2-2.7b/prefill"), d = work_by_name("ssd/mamba2-2.7b/decode");
    const struct work g = work_by_name("gated_linear_attention/32x64/prefill"),
                      b = work_by_name("gated_linear_attention/32x64/prefill/bf16");
    const struct work l = work_by_name("linear_attention/32x64/prefill");
    (void)state;
    assert_true(s.slots == heads * (3 * elements + 64 + 1) && s.functions == 3 * heads);
    assert_true(s.read == 4 * (heads * (64 + 1) + 80 + 2 * 2048 * 128) && s.written == 4 * heads * 64);
    assert_true(s.state == 4 * 80 * elements && d.state == 64 * s.state);
    assert_true(d.slots == 64 * s.slots / 2048 && d.functions == 64 * s.functions / 2048);
    assert_true(g.slots == 2048 * 32.0 * (3 * 4096 + 64) && g.functions == 2048 * 32.0 * 64);
    assert_true(g.read == 4.0 * 4 * 2048 * 32 * 64 && b.read == g.read / 2 && b.state == g.state);
    assert_true(l.state == 4.0 * 32 * (4096 + 64)); /* the normaliser is one, too */
}

/* Two products of 128 for each key that a query sees, of which those from the middles of parts stand for all. */
static void work_of_attention(void **state)
{
    const double pairs = 32 * 2048 * 2049.0 / 2, seen = 32 * (2048 * 512.0 - 511 * 256.0);
    const struct work c = work_by_name("attention/32x8x128/causal-2048"),
                      b = work_by_name("attention/32x8x128/causal-2048/bf16"),
                      w = work_by_name("attention/32x8x128/window-512"),
                      d = work_by_name("attention/32x8x128/decode-4096");
    (void)state;
    assert_true(fabs(c.functions / (pairs + 32 * 2048) - 1) < 0.002 &&
                fabs(w.functions / (seen + 32 * 2048) - 1) < 0.01);
    assert_true(c.slots > 256 * pairs && c.slots < 264 * pairs &&
                fabs(c.slots / w.slots * seen / pairs - 1) < 0.01);
    assert_true(c.read == 4.0 * 2048 * 128 * (32 + 8 + 8) && c.written == 4.0 * 2048 * 32 * 128 &&
                b.read == c.read / 2);
    assert_true(d.read == 16.0 * (4 * 32 * 128 + 2 * 4096 * 8 * 256) && d.written == 16.0 * 4 * 32 * 128);
    assert_true(d.slots > 16 * 256 * 32 * 4096.0 && d.slots < 16 * 264 * 32 * 4096.0);
    /* Nothing is known of the buckets: all tokens are counted as in one, and see half of their own chunk and the one before. */
    const double items = 8 * 4 * 16384.0, hashed = items * 256 * 64, scores = items * 2 * 64;
    const struct work l = work_by_name("lsh_attention/8x64/16k-r4");
    assert_true(l.fused > hashed + scores * 84 && l.fused < 1.02 * (hashed + scores * 97));
}

/* Counted on few tokens and channels or heads, and on all of them. */
static void counts_scale(void **state)
{
    static const char *const calls[] = {
        "selective_scan/fwd.h_in.h_out/f32/B1.T37.D48.N5",
        "causal_conv1d/fwd.h_in.h_out.activation=silu/f32/B1.T37.D48.W4",
        "ssd/fwd.h_in.h_out/f32/B1.T37.H16.V3.G1.N5",
        "ssd/fwd.h_in.h_out/f32/B1.T37.H16.V3.G16.N5",
        "gated_linear_attention/fwd.gk.S_in.S_out/f32/B1.T37.I12.J12.H12.O24.K3.V5",
        "retention/fwd.S_in.S_out/f32/B1.T37.H12.K3.V5",
        "linear_attention/fwd.S_in.n_in.S_out.n_out/f32/B1.T37.H12.K3.V5",
        "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/B1.T37.I6.J1.H12.O12.K3.V5",
        "attention/fwd/f32/B2.N5.H12.K3.M9.J6.V5",
        "gated_recurrence/fwd.q.k.v.g.S_in.S_out.y/f32/B1.T37.I2.J1.H12.O12.K3.V5", /* heads cannot be cut */
        ("ode_cell/fwd.h_in.h_out.gleak.vleak.cm.sigma.mu.w.E.sensory_sigma.sensory_mu.sensory_w.sensory_E/f32/"
         "B24.T37.D5.F3.N7"), /* batch rows, of 5 features and 7 neurons */
    };
    (void)state;
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        struct descriptor d;
        struct work w;
        struct tally t;
        char why[DESCRIPTOR_WHY];
        assert_int_equal(descriptor_parse(calls[i], &d, why), 0);
        assert_int_equal(work_of(&d, 3, &w, why), 0);
        assert_int_equal(work_tally(&d, &t, why), 0);
        assert_true(t.fused > 0 && w.slots == 3.0 * (double)tally_slots(&t));
        assert_true(w.functions == 3.0 * (double)tally_functions(&t));
    }
}

static void limits(void **state)
{
    const struct rates r = { .exps = 1e9, .slots = 4e9 };
    const struct work w = { .slots = 8e6, .functions = 3e6, .read = 1e6, .written = 5e5, .state = 2.5e5 };
    (void)state;
    struct limit l = limit_of(&w, &r, 1e9);
    assert_true(fabs(l.arithmetic_ms - 5) < 1e-12 && fabs(l.bytes_ms - 2) < 1e-12);
    assert_true(l.ms == l.arithmetic_ms);
    assert_string_equal(l.by, "exp+fma");
    l = limit_of(&w, &r, 1e8);
    assert_true(fabs(l.ms - 20) < 1e-12);
    assert_string_equal(l.by, "bytes");
    assert_string_equal(limit_of(&w, NULL, 1e9).by, "bytes");
    const struct rates t = { .exps = 1e9, .slots = 4e9, .tiles = { 2e9, 6e9 } };
    struct work m = { .slots = 8e6, .functions = 3e6, .fused = 6e6, .by_tiles = TILES_F32, .read = 1e6 };
    l = limit_of(&m, &t, 1e9);
    assert_true(fabs(l.ms - 3) < 1e-12);
    assert_string_equal(l.by, "tiles");
    m.by_tiles = TILES_BF16;
    assert_true(fabs(limit_of(&m, &t, 1e9).ms - 1) < 1e-12);
}

static atomic_llong floats_read;

static void count_reads(float *to, const float *from, int64_t count)
{
    (void)to, (void)from;
    atomic_fetch_add(&floats_read, count);
}

/* Each operand once: what is written holds what was read, or a constant where that is longer; the rest is as
 * it was. */
static void traffic_moves(void **state)
{
    enum { READ = 3000, WRITTEN = 5000, KEPT = 1100, OTHER = 9000 };
    static float read[READ + 16], written[WRITTEN + 16], kept[KEPT + 16], other[OTHER + 16];
    float *const all[] = { read, written, kept, other };
    const int count[] = { READ, WRITTEN, KEPT, OTHER };
    struct bench_lanes counting = bench_lanes_base;
    struct rates r = { .threads = 3, .lanes = &counting };
    struct traffic t;
    (void)state;
    counting.read = count_reads;
    assert_int_equal(traffic_open(&t, &r, 2), 0);
    float *at[4];
    double moved = 0;
    for (int k = 0; k < 4; k++) {
        at[k] = all[k] + (-(uintptr_t)all[k] % 64) / 4;
        for (int i = 0; i < count[k]; i++) at[k][i] = (float)(k + 1) * 10000 + (float)i;
    }
    traffic_add(&t, 0, TRAFFIC_READ, at[0], 4 * READ);
    traffic_add(&t, 0, TRAFFIC_WRITTEN, at[1], 4 * WRITTEN);
    traffic_add(&t, 1, TRAFFIC_READ, (char *)at[3] + 4, 4 * OTHER - 4);
    traffic_add(&t, 1, TRAFFIC_KEPT, at[2], 4 * KEPT);
    traffic_add(&t, 1, TRAFFIC_READ, at[2], 60); /* less than a block */
    moved = 4.0 * (READ / 64 + WRITTEN / 64 + 2 * (KEPT / 64) + (OTHER - 16) / 64) * 64;
    assert_true(t.moved == moved);
    for (int i = 0; i < 3; i++) assert_int_equal(traffic_measure(&t, 0.0005), 0);
    assert_int_equal(t.samples, 3);
    assert_true(floats_read > 0 && floats_read % ((OTHER - 16) / 64 * 64) == 0); /* whole passes */
    int same = 0;
    for (int i = 0; i < WRITTEN; i++) {
        const float x = at[1][i];
        if (i >= WRITTEN / 64 * 64) assert_true(x == 20000 + (float)i);
        else if (x != 0.25f && !(x >= 10000 && x < 10000 + READ)) fail_msg("float %d was never written", i);
        same += x >= 10000 && x < 10000 + READ;
    }
    assert_int_equal(same, READ / 64 * 64);
    for (int k = 0; k < 4; k++)
        for (int i = 0; k != 1 && i < count[k]; i++) assert_true(at[k][i] == (float)(k + 1) * 10000 + (float)i);
    traffic_close(&t);
}

/* Bytes over the median of the best kind of store: neither a lucky sample nor an unlucky kind counts. */
static void traffic_is_a_median(void **state)
{
    struct traffic t = { .samples = 3, .moved = 60 };
    const double seconds[BENCH_STORES][3] = { { 9, 1, 7 }, { 2, 6, 5 }, { 8, 8, 8 } };
    (void)state;
    for (int k = 0; k < BENCH_STORES; k++) memcpy(t.seconds[k], seconds[k], sizeof seconds[k]);
    assert_true(traffic_rate(&t) == 12);
    assert_true(traffic_rate(&t) == 12 && t.seconds[1][0] == 2);
}

/* A case's own operands: all bytes but what whole blocks leave over; outputs change, inputs and states do
 * not. */
static void traffic_of_a_stage(void **state)
{
    static const char call[] = "selective_scan/fwd.h_in.h_out/f32/B1.T64.D128.N16";
    struct bench_device d;
    struct stage s;
    struct work w;
    struct traffic t;
    struct rates r = { .threads = 2, .lanes = &bench_lanes_base };
    char why[DESCRIPTOR_WHY];
    (void)state;
    assert_int_equal(bench_device_open(&d, "reference", 0, why), 0);
    assert_int_equal(stage_open(&s, &d, call, 2, NULL, why), STAGE_READY);
    assert_int_equal(work_of(&s.d, 2, &w, why), 0);
    assert_int_equal(stage_check(&s, why), 0);
    const segue_selective_scan *const op = (const segue_selective_scan *)(const void *)s.op[1];
    const segue_tensor *const same[] = { &op->u, &op->delta, &op->A, &op->B, &op->C, &op->h_out };
    const float *const y = (const float *)(const void *)((const char *)op->y.data + op->y.offset);
    char *before[6];
    for (int i = 0; i < 6; i++) before[i] = memcpy(malloc(same[i]->bytes), same[i]->data, same[i]->bytes);
    const float was = y[0];
    assert_int_equal(work_traffic(&s, &r, &t), 0);
    assert_true(t.moved == work_bytes(&w)); /* all sizes are whole blocks */
    assert_int_equal(traffic_measure(&t, 0.0005), 0);
    for (int i = 0; i < 6; i++) {
        assert_memory_equal(before[i], same[i]->data, same[i]->bytes);
        free(before[i]);
    }
    assert_true(y[0] != was);
    traffic_close(&t);
    if (stage_check(&s, why)) fail_msg("%s", why);
    stage_close(&s);
    bench_device_close(&d);
}

static void loops(const struct bench_lanes *l)
{
    static float to[1024] __attribute__((aligned(64))), from[1024] __attribute__((aligned(64)));
    for (int i = 0; i < 1024; i++) from[i] = -50.0f * (float)i / 1024;
    for (int form = 0; form < BENCH_EXPS && l->exps[form]; form++) {
        memset(to, 0, sizeof to);
        l->exps[form](to, from, 1024);
        for (int i = 0; i < 1024; i++) assert_true(fabs(to[i] / exp2(1.25 * (double)from[i]) - 1) < 3e-7);
    }
    for (int form = 0; form < BENCH_STORES; form++) {
        memset(to, 0, sizeof to);
        l->copy[form](to, from, 960);
        l->settle();
        assert_memory_equal(to, from, 960 * sizeof *to);
        assert_true(to[960] == 0);
    }
    for (int form = 0; form < 2; form++) {
        for (int i = 0; i < 1024; i++) to[i] = 2;
        l->fma[form](to, 10);
        const float *const last = form ? to + l->chains * l->lanes : to;
        for (int i = 0; i < l->chains * l->lanes; i++) {
            double want = form ? 0 : 0.1 * (i / l->lanes);
            for (int n = 0; n < 10; n++) want = form ? 2 * 0.9999 + want : want * 0.9999 + 1e-5;
            assert_true(fabs((double)last[i] - want) < 1e-4);
        }
    }
    for (int i = 0; i < 1024; i++) to[i] = i % 7 ? (float)i : NAN;
    memcpy(from, to, sizeof to);
    l->update(to, 960);
    assert_memory_equal(to, from, sizeof to);
    float sum = 0;
    for (int i = 0; i < 1024; i++) from[i] = 1;
    l->read(to, from, 512);
    for (int i = 0; i < l->lanes; i++) sum += to[i];
    assert_true(sum == 512);
}

static void loops_of_every_instruction_set(void **state)
{
    (void)state;
    loops(&bench_lanes_base);
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) loops(&bench_lanes_avx2);
    if (__builtin_cpu_supports("avx512f")) loops(&bench_lanes_avx512);
#endif
}

/* A thread that sleeps where another one works must not make a pass look short: with many more threads than
 * processors it would be ten times as fast as with as many. */
static void no_pass_is_too_short(void **state)
{
    const int processors = (int)sysconf(_SC_NPROCESSORS_ONLN);
    struct rates few, many;
    struct traffic t, u;
    (void)state;
    assert_int_equal(rates_measure(processors, &few), 0);
    assert_int_equal(rates_measure(16 * processors, &many), 0);
    assert_true(many.exps < 4 * few.exps && many.slots < 4 * few.slots);
    char *const memory = calloc(2, 4 << 20);
    assert_non_null(memory);
    assert_int_equal(traffic_open(&t, &few, 1), 0);
    assert_int_equal(traffic_open(&u, &many, 1), 0);
    traffic_add(&t, 0, TRAFFIC_READ, memory, 4 << 20),
        traffic_add(&t, 0, TRAFFIC_WRITTEN, memory + (4 << 20), 4 << 20);
    traffic_add(&u, 0, TRAFFIC_READ, memory, 4 << 20),
        traffic_add(&u, 0, TRAFFIC_WRITTEN, memory + (4 << 20), 4 << 20);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(traffic_measure(&t, 0.01), 0);
        assert_int_equal(traffic_measure(&u, 0.02), 0);
    }
    assert_true(traffic_rate(&u) < 4 * traffic_rate(&t));
    const double exps = few.exps, slots = few.slots;
    assert_int_equal(rates_again(&few, 0.002), 0);
    assert_true(few.exps >= exps && few.slots >= slots);
    traffic_close(&t), traffic_close(&u);
    free(memory);
}

/* Right again and again; not with another input, nor with what a run left unwritten. */
static void a_stage_is_checked(void **state)
{
    static const char call[] = "selective_scan/fwd.h_in.h_out/f32/B1.T9.D100.N3/pad3";
    struct bench_device d;
    struct stage s, other;
    char why[DESCRIPTOR_WHY];
    (void)state;
    assert_int_equal(bench_device_open(&d, "reference", 0, why), 0);
    assert_int_equal(stage_open(&s, &d, call, 2, NULL, why), STAGE_READY);
    assert_int_equal(stage_open(&other, &d, call, 2, NULL, why), STAGE_READY);
    const struct pick *p = &s.pick['d' - 'a'];
    assert_true(p->count == STAGE_PICKS && p->index[0] == 0 && p->index[STAGE_PICKS - 1] == 99);
    for (int i = 1; i < STAGE_PICKS; i++) assert_true(p->index[i - 1] < p->index[i]);
    assert_memory_not_equal(s.pick, other.pick, sizeof s.pick);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(stage_run(&s, i, why), 0);
        assert_int_equal(stage_finite(&s, why), i ? 0 : -1); /* nothing has run: outputs are NaN */
        if (stage_check(&s, why)) fail_msg("%s", why);
    }
    segue_selective_scan *const op = (segue_selective_scan *)(void *)s.op[1];
    float *const u = (float *)op->u.data, kept = u[op->u.offset / 4];
    u[op->u.offset / 4] = kept / 2; /* channel 0 of layer 1; ordinary memory on this device */
    assert_int_equal(stage_check(&s, why), -1);
    assert_non_null(strstr(why, "is wrong"));
    u[op->u.offset / 4] = kept;
    assert_int_equal(stage_check(&s, why), 0);
    assert_int_equal(stage_rewind(&s, STAGE_HUGE, why), 0);
    assert_int_equal(stage_finite(&s, why), 0);
    assert_int_equal(stage_rewind(&s, STAGE_NANS, why), 0);
    assert_int_equal(stage_finite(&s, why), -1);
    stage_close(&s), stage_close(&other);
    bench_device_close(&d);
}

/* Heads, and what hangs on them, and columns of values; none where several heads read one. */
static void heads_are_picked(void **state)
{
    struct bench_device d;
    struct stage s;
    char why[DESCRIPTOR_WHY];
    (void)state;
    assert_int_equal(bench_device_open(&d, "reference", 0, why), 0);
    assert_int_equal(stage_open(&s, &d, "retention/fwd.S_in.S_out/f32/B1.T9.H12.K5.V7", 2, NULL, why),
                     STAGE_READY);
    assert_true(s.pick['h' - 'a'].count == 4 && s.pick['h' - 'a'].index[3] == 11);
    assert_true(s.pick['v' - 'a'].count == 4 && s.pick['v' - 'a'].index[3] == 6 && !s.pick['k' - 'a'].count);
    if (stage_check(&s, why)) fail_msg("%s", why);
    segue_retention *const op = (segue_retention *)(void *)s.op[1];
    float *const v = (float *)op->v.data + op->v.offset / 4, kept = v[11 * 7 + 6];
    v[11 * 7 + 6] = kept + 1; /* the last column of the last head */
    assert_int_equal(stage_check(&s, why), -1);
    assert_non_null(strstr(why, " is wrong"));
    stage_close(&s);
    const char *const shared = "gated_linear_attention/fwd.gk.S_in.S_out/f32/B1.T9.I4.J1.H4.O8.K5.V7";
    assert_int_equal(stage_open(&s, &d, shared, 1, NULL, why), STAGE_READY);
    assert_true(!s.pick['h' - 'a'].count && !s.pick['o' - 'a'].count && s.pick['v' - 'a'].count == 4);
    if (stage_check(&s, why)) fail_msg("%s", why);
    stage_close(&s);
    const char *const groups = "gated_linear_attention/fwd.gk.S_in.S_out/f32/B1.T9.I6.J1.H6.O6.K5.V3";
    assert_int_equal(stage_open(&s, &d, groups, 1, NULL, why), STAGE_READY);
    assert_true(s.pick['h' - 'a'].count == 4 && s.pick['o' - 'a'].count == 4 && s.pick['i' - 'a'].count == 4);
    assert_true(!s.pick['j' - 'a'].count && !s.pick['v' - 'a'].count);
    if (stage_check(&s, why)) fail_msg("%s", why);
    stage_close(&s);
    bench_device_close(&d);
}

/* Queries that are picked stay where they were; heads of keys that queries share are picked with them. */
static void rows_are_picked(void **state)
{
    struct bench_device d;
    struct stage s;
    char why[DESCRIPTOR_WHY];
    (void)state;
    assert_int_equal(bench_device_open(&d, "reference", 0, why), 0);
    const char *const call = "attention/fwd.lse.window_left=11/f32/B2.N20.H12.K5.M31.J6.V7";
    assert_int_equal(stage_open(&s, &d, call, 1, NULL, why), STAGE_READY);
    const struct pick *n = &s.pick['n' - 'a'], *h = &s.pick['h' - 'a'], *j = &s.pick['j' - 'a'];
    assert_true(n->count == STAGE_PICKS && n->index[0] == 0 && n->index[STAGE_PICKS - 1] == 19 &&
                h->count == 4 && j->count == 4);
    for (int i = 0; i < 4; i++) assert_int_equal(j->index[i], h->index[i] / 2);
    if (stage_check(&s, why)) fail_msg("%s", why);
    segue_attention *const op = (segue_attention *)(void *)s.op[0];
    op->window_left = 10;
    segue_plan_destroy(s.plan);
    assert_int_equal(segue_plan_create(d.handle, &op->header, &s.plan, NULL), SEGUE_OK);
    assert_int_equal(stage_check(&s, why), -1);
    assert_non_null(strstr(why, " is wrong"));
    stage_close(&s);
    bench_device_close(&d);
}

/* Of a long call the first tokens are judged, as a shorter run of the same plan: hashing all would take the reference minutes. */
static void long_calls_are_checked(void **state)
{
    static const char call[] = "lsh_attention/fwd.R.chunk=4.scale=1/f32/B1.T4100.H3.K4.V5.R2.F2";
    struct bench_device d;
    struct stage s;
    char why[DESCRIPTOR_WHY];
    (void)state;
    assert_int_equal(bench_device_open(&d, "reference", 0, why), 0);
    assert_int_equal(stage_open(&s, &d, call, 1, NULL, why), STAGE_READY);
    assert_true(s.few == 16 && s.pick['h' - 'a'].count == 1 && s.pick['h' - 'a'].index[0] < 3);
    for (int i = 0; i < 2; i++)
        if (stage_check(&s, why)) fail_msg("%s", why);
    segue_lsh_attention *const op = (segue_lsh_attention *)(void *)s.op[0];
    float *const v = (float *)op->v.data + op->v.offset / 4;
    for (int i = 0; i < 15; i++) v[i] += 1; /* the first token's; it sees no other */
    stage_forget(&s);                       /* bits do not count */
    assert_int_equal(stage_check(&s, why), -1);
    assert_non_null(strstr(why, " of its bound"));
    stage_close(&s);
    bench_device_close(&d);
}

static void names_and_globs(void **state)
{
    char *const scans[] = { "selective_scan/*" }, *const two[] = { "causal_conv1d/1536", "*/decode/bf16" };
    int all = 0, some = 0, few = 0;
    (void)state;
    for (const struct bench_case *c = bench_cases; c->name; c++) {
        all += bench_matches(c->name, NULL, 0);
        some += bench_matches(c->name, scans, 1);
        few += bench_matches(c->name, two, 2);
    }
    assert_int_equal(all, 30);
    assert_int_equal(some, 6);
    assert_int_equal(few, 3);
    double values[] = { 5, 1, 4, 2, 3 };
    assert_true(median_of(values, 5) == 3 && median_of(values, 4) == 2.5 && values[0] == 1);
}

/* All changes, dtypes and layouts are there, each point once, with the bound that is the laxer of its two. */
static void points(void **state)
{
    struct odd_point p[ODD_POINTS];
    int change[19] = { 0 }, dtype[3] = { 0 }, layout[3] = { 0 };
    (void)state;
    odd_points(p);
    for (int i = 0; i < ODD_POINTS; i++) {
        struct descriptor d;
        char why[DESCRIPTOR_WHY];
        change[p[i].change]++, dtype[p[i].dtype]++, layout[p[i].layout]++;
        assert_int_equal(descriptor_parse(p[i].odd, &d, why), 0);
        const int tiny = d.axis['d' - 'a'] == 7;
        assert_true(p[i].bound == (tiny ? 0.40 : d.layout == LAYOUT_BDT ? 0.50 : 0.75));
        assert_true(p[i].odd_elements != p[i].round_elements);
        assert_int_equal(descriptor_parse(p[i].round, &d, why), 0);
        for (int k = 0; k < i; k++) assert_string_not_equal(p[k].odd, p[i].odd);
    }
    for (int i = 0; i < 19; i++) assert_true(i < 11 ? change[i] > 0 : change[i] == 3);
    for (int i = 0; i < 3; i++) assert_true(dtype[i] > 8 && layout[i] > 8);
}

/* What is under its bound is measured anew, and no more often than it has to be. */
static void odd_points_are_measured_anew(void **state)
{
    struct bench_device d;
    struct odd_point p[ODD_POINTS];
    const struct pace pace = { .samples = 1, .sample_seconds = 1e-4 };
    char why[DESCRIPTOR_WHY];
    (void)state;
    odd_points(p);
    snprintf(p->odd, sizeof p->odd, "%s", "causal_conv1d/fwd.bias.h_in.h_out/f32/B1.T63.D7.W4/btd");
    snprintf(p->round, sizeof p->round, "%s", "causal_conv1d/fwd.bias.h_in.h_out/f32/B1.T64.D8.W4/btd");
    assert_int_equal(bench_device_open(&d, "reference", 0, why), 0);
    for (int impossible = 0; impossible < 2; impossible++) {
        struct odd_outcome o = { .measured = -1 };
        p->bound = impossible ? 1e9 : 1e-9;
        if (odd_measure(&d, p, &pace, &o, why)) fail_msg("%s", why);
        assert_int_equal(o.measured, impossible ? 3 : 1);
        assert_true(o.rate > 0 && o.round_rate > 0 && fabs(o.ratio * o.round_rate / o.rate - 1) < 1e-9);
        assert_true(o.row[0] != 0);
    }
    bench_device_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_of_a_scan),
        cmocka_unit_test(work_of_others),
        cmocka_unit_test(work_of_matrix_states),
        cmocka_unit_test(work_of_attention),
        cmocka_unit_test(rows_are_picked),
        cmocka_unit_test(long_calls_are_checked),
        cmocka_unit_test(counts_scale),
        cmocka_unit_test(limits),
        cmocka_unit_test(traffic_moves),
        cmocka_unit_test(traffic_is_a_median),
        cmocka_unit_test(traffic_of_a_stage),
        cmocka_unit_test(loops_of_every_instruction_set),
        cmocka_unit_test(no_pass_is_too_short),
        cmocka_unit_test(a_stage_is_checked),
        cmocka_unit_test(heads_are_picked),
        cmocka_unit_test(names_and_globs),
        cmocka_unit_test(points),
        cmocka_unit_test(odd_points_are_measured_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
