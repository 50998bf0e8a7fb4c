/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "rates.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "crew.h"

/* Two buffers of 8 KiB each lie in any first cache; a pass takes 50 us, in which the meetings do not count. */
enum { FLOATS = 2048, ROUNDS = 512, FMA_ROUNDS = 40000, TILE_ROUNDS = 320 };

struct arithmetic {
    const struct bench_lanes *lanes;
    int form;
    float *memory; /* [threads][2][FLOATS] */
};

static void exps_pass(void *work, int thread, int threads)
{
    const struct arithmetic *a = work;
    float *const mine = a->memory + (int64_t)thread * 2 * FLOATS;
    (void)threads;
    for (int i = 0; i < ROUNDS; i++) a->lanes->exps[a->form](mine, mine + FLOATS, FLOATS);
}

static void fma_pass(void *work, int thread, int threads)
{
    const struct arithmetic *a = work;
    (void)threads;
    a->lanes->fma[a->form](a->memory + (int64_t)thread * 2 * FLOATS, FMA_ROUNDS);
}

static void tile_pass(void *work, int thread, int threads)
{
    const struct arithmetic *a = work;
    (void)threads;
    a->lanes->tile[a->form](a->memory + (int64_t)thread * 2 * FLOATS, TILE_ROUNDS);
}

static int has_bf16(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx512bf16") != 0;
#else
    return 0;
#endif
}

static void choose(struct rates *r)
{
    r->lanes = &bench_lanes_base, r->isa = "base";
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        r->lanes = &bench_lanes_avx2, r->isa = "avx2";
    if (__builtin_cpu_supports("avx512f")) r->lanes = &bench_lanes_avx512, r->isa = "avx512";
#endif
}

/* Infinity: no threads. */
static double best_of(struct arithmetic *a, int threads, void (*pass)(void *, int, int), double seconds)
{
    struct passes found;
    crew_time(threads, pass, a, 0, seconds, &found);
    return found.best;
}

/* Forms from..to of both, and the tile, as long for each. */
static int measure_forms(struct rates *r, int exp_form, int exp_end, int fma_form, int fma_end, double seconds)
{
    const size_t floats = (size_t)r->threads * 2 * FLOATS;
    struct arithmetic a = { .lanes = r->lanes };
    a.memory = aligned_alloc(64, floats * sizeof(float));
    if (!a.memory) return -1;
    for (size_t i = 0; i < floats; i++) a.memory[i] = -8.0f * (float)(i % FLOATS) / FLOATS;
    const double exps = (double)FLOATS * ROUNDS * r->threads;
    const double fmas = (double)FMA_ROUNDS * r->lanes->chains * r->lanes->lanes * r->threads;
    for (a.form = exp_form; a.form < exp_end && r->lanes->exps[a.form]; a.form++) {
        const double rate = exps / best_of(&a, r->threads, exps_pass, seconds);
        if (rate > r->exps) r->exps = rate, r->exp_form = a.form;
    }
    for (a.form = fma_form; a.form < fma_end; a.form++) {
        const double rate = fmas / best_of(&a, r->threads, fma_pass, seconds);
        if (rate > r->slots) r->slots = rate, r->fma_form = a.form;
    }
    const double products = (double)TILE_ROUNDS * (double)r->lanes->tile_products * r->threads;
    for (a.form = 0; a.form < 1 + has_bf16() && r->lanes->tile[a.form]; a.form++)
        r->tiles[a.form] =
            fmax(r->tiles[a.form], (1 + a.form) * products / best_of(&a, r->threads, tile_pass, seconds));
    free(a.memory);
    return r->exps > 0 && r->slots > 0 ? 0 : -1;
}

int rates_measure(int threads, struct rates *out)
{
    memset(out, 0, sizeof *out);
    out->threads = threads < 1 ? 1 : threads > CREW_MOST ? CREW_MOST : threads;
    choose(out);
    return measure_forms(out, 0, BENCH_EXPS, 0, 2, 0.06);
}

int rates_again(struct rates *r, double seconds)
{
    return measure_forms(r, r->exp_form, r->exp_form + 1, r->fma_form, r->fma_form + 1, seconds / 3);
}
