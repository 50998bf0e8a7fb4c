/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the row of row_sample promises besides its answers: a row alone is a row in a batch, rows that nobody
 * wants are not read, words are Philox's, what is refused. */
#include "row_testing.h"

#include "engine/random_words.h"

#include <sys/mman.h>
#include <unistd.h>

extern const segue_row row_sample_cpu;

/* A call on plain arrays: logits [1 n v] in f32, outputs [1 t]. */
struct plain {
    segue_row_sample op;
    int32_t tok[64];
    float conf[64], lse[64], logp[64];
};

static void make_plain(struct plain *p, const float *logits, int64_t t, int64_t n, int64_t v)
{
    *p = (struct plain){ .op = segue_row_sample_init() };
    p->op.logits = segue_tensor_of((void *)(uintptr_t)logits, SEGUE_F32, 3, (const int64_t[]){ 1, n, v });
    p->op.tok = segue_tensor_of(p->tok, SEGUE_I32, 2, (const int64_t[]){ 1, t });
    p->op.conf = segue_tensor_of(p->conf, SEGUE_F32, 2, (const int64_t[]){ 1, t });
    p->op.lse = segue_tensor_of(p->lse, SEGUE_F32, 2, (const int64_t[]){ 1, t });
    p->op.logp = segue_tensor_of(p->logp, SEGUE_F32, 2, (const int64_t[]){ 1, t });
}

/* A row alone, elsewhere in its window and under another batch row's number: the same bits. */
static void alone_as_in_a_batch(void **state)
{
    enum { T = 6, V = 3000 };
    static float logits[T * V];
    (void)state;
    for (int i = 0; i < T * V; i++) logits[i] = (float)draw_real(-4, 4);
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++)
        for (int variant = 0; variant < 4; variant++) {
            struct test_device d;
            struct plain whole, one;
            int32_t seed_words[2] = { 5, -7 }, position = 0, sequence = 0;
            float top_p = 0.9f, temperature = 0.5f;
            if (!test_open(&d, isa, 2)) continue;
            make_plain(&whole, logits, T, T, V);
            whole.op.seed = segue_tensor_of(seed_words, SEGUE_I32, 2, (const int64_t[]){ 1, 2 });
            whole.op.noise = variant ? SEGUE_ROW_SAMPLE_PHILOX : SEGUE_ROW_SAMPLE_NONE;
            whole.op.confidence = variant;
            if (variant > 1) whole.op.top_p = segue_tensor_of(&top_p, SEGUE_F32, 1, (const int64_t[]){ 1 });
            if (variant > 2)
                whole.op.temperature = segue_tensor_of(&temperature, SEGUE_F32, 1, (const int64_t[]){ 1 });
            run_row(&row_sample_cpu, &d, &whole.op.header, &whole.op.header);
            for (int t = 0; t < T; t++) {
                make_plain(&one, logits + t * V, 1, 1, V);
                segue_row_sample op = whole.op;
                op.logits = one.op.logits, op.tok = one.op.tok, op.conf = one.op.conf, op.lse = one.op.lse,
                op.logp = one.op.logp;
                op.pos = segue_tensor_of(&position, SEGUE_I32, 2, (const int64_t[]){ 1, 1 });
                op.seq_id = segue_tensor_of(&sequence, SEGUE_I32, 1, (const int64_t[]){ 1 });
                position = t;
                run_row(&row_sample_cpu, &d, &op.header, &op.header);
                assert_int_equal(one.tok[0], whole.tok[t]);
                assert_memory_equal(&one.conf[0], &whole.conf[t], 4);
                assert_memory_equal(&one.lse[0], &whole.lse[t], 4);
                assert_memory_equal(&one.logp[0], &whole.logp[t], 4);
            }
            test_close(&d);
        }
}

/* Pages of rows that no open position has are not there. */
static void closed_rows_are_not_read(void **state)
{
    const int64_t page = sysconf(_SC_PAGESIZE), v = page / 4;
    enum { N = 8 };
    float *const logits =
        mmap(NULL, (size_t)(N * page), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)state;
    assert_true(logits != MAP_FAILED);
    for (int64_t i = 0; i < N * v; i++) logits[i] = (float)(i % 7);
    for (int64_t i = 0; i < N; i++)
        if (i != 1 && i != 6) assert_int_equal(mprotect((char *)logits + i * page, (size_t)page, PROT_NONE), 0);
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++)
        for (int filtered = 0; filtered < 2; filtered++) {
            struct test_device d;
            struct plain p;
            int32_t x[N] = { 9, 9, 9, 3, 4, 9, 9, 9 }, row[N] = { -1, 1, 8, 3, 4, 6, 6, 2 }, hi = 7, k = 3;
            if (!test_open(&d, isa, 2)) continue;
            make_plain(&p, logits, N, N, v);
            p.op.mask_id = 9;
            p.op.x = segue_tensor_of(x, SEGUE_I32, 2, (const int64_t[]){ 1, N });
            p.op.row = segue_tensor_of(row, SEGUE_I32, 2, (const int64_t[]){ 1, N });
            p.op.hi = segue_tensor_of(&hi, SEGUE_I32, 1, (const int64_t[]){ 1 });
            if (filtered) p.op.top_k = segue_tensor_of(&k, SEGUE_I32, 1, (const int64_t[]){ 1 });
            run_row(&row_sample_cpu, &d, &p.op.header, &p.op.header);
            const int32_t first = (int32_t)((6 - v % 7 + 7) % 7), sixth = (int32_t)((6 - 6 * v % 7 + 7) % 7);
            const int32_t want[N] = { 9, first, 9, 3, 4, sixth, sixth, 9 };
            for (int t = 0; t < N; t++) assert_int_equal(p.tok[t], want[t]);
            test_close(&d);
        }
    munmap(logits, (size_t)(N * page));
}

/* Philox's known answers; fractions at both ends. */
static void words(void **state)
{
    static const struct {
        struct random_counter c;
        uint32_t out[4];
    } known[] = {
        { { { 0, 0, 0, 0 }, { 0, 0 } }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { { ~0u, ~0u, ~0u, ~0u }, { ~0u, ~0u } }, { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 } },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    (void)state;
    for (int i = 0; i < 3; i++) {
        uint32_t out[4];
        random_words(&known[i].c, out);
        assert_memory_equal(out, known[i].out, sizeof out);
    }
    assert_true(random_fraction(0, 0) == 0x1p-64f && random_fraction(~0u, ~0u) == 1 - 0x1p-24f);
    assert_true(random_unit(0) == 0x1p-24f && random_unit(~0u) == 1 - 0x1p-24f);
}

/* The tail: an id whose w is below 2^-23 has noise of 16 and more, and wins where others are likelier by no
 * more than that; by how much it may be is told by its own w. */
static void rare_words(void **state)
{
    enum { V = 64 };
    struct random_counter c = { .word = { 0 } };
    uint32_t w[4];
    int id = -1;
    float fraction = 0;
    (void)state;
    for (int32_t n = 0; id < 0; n++)
        for (int i = 0; i < V; i++) {
            c.key[0] = (uint32_t)n, c.word[0] = (uint32_t)i / 2;
            random_words(&c, w);
            if (w[2 * (i & 1) + 1] < 512)
                id = i, fraction = random_fraction(w[2 * (i & 1)], w[2 * (i & 1) + 1]);
        }
    const double gumbel = -log((double)fraction);
    for (int isa = 0; isa < SEGUE_ISA_COUNT; isa++)
        for (int wins = 0; wins < 2; wins++) {
            struct test_device d;
            struct plain p;
            float logits[V];
            int32_t seed_words[2] = { (int32_t)c.key[0], 0 };
            if (!test_open(&d, isa, 1)) continue;
            const int other = id == 5 ? 6 : 5;
            make_plain(&p, logits, 1, 1, V);
            p.op.noise = SEGUE_ROW_SAMPLE_PHILOX;
            p.op.seed = segue_tensor_of(seed_words, SEGUE_I32, 2, (const int64_t[]){ 1, 2 });
            c.word[0] = (uint32_t)other / 2;
            random_words(&c, w);
            const double noise =
                -log(-log1p(-(double)random_fraction(w[2 * (other & 1)], w[2 * (other & 1) + 1])));
            for (int i = 0; i < V; i++)
                logits[i] = i == id ? 0 : i == other ? (float)(gumbel - noise + (wins ? -1e-4 : 1e-4)) : -90;
            run_row(&row_sample_cpu, &d, &p.op.header, &p.op.header);
            assert_int_equal(p.tok[0], wins ? id : other);
            test_close(&d);
        }
}

static void refused(void **state)
{
    struct test_device d;
    struct plain p;
    float one = 1;
    (void)state;
    assert_true(test_open(&d, SEGUE_ISA_BASE, 1));
    make_plain(&p, &one, 1, 1, 1);
    assert_null(row_sample_cpu.accepts(&p.op.header, &d.kit));
    p.op.lse.dtype = segue_dtype_of(SEGUE_F64);
    assert_string_equal(row_sample_cpu.accepts(&p.op.header, &d.kit),
                        "lse: f64 is offered by the reference only");
    p.op.lse.dtype = segue_dtype_of(SEGUE_F32), p.op.logits.shape[2] = (int64_t)INT32_MAX + 1;
    assert_string_equal(row_sample_cpu.accepts(&p.op.header, &d.kit),
                        "logits: v is at most 2^31 - 1, ids are i32");
    test_close(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(alone_as_in_a_batch),
        cmocka_unit_test(closed_rows_are_not_read),
        cmocka_unit_test(rare_words),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
