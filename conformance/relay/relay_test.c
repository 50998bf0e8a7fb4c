/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Right on a device that is right; red where a file is damaged, where the wrong state is handed over, where a fork, a rewind or
 * a token is lost. On the reference, whose memory is ordinary memory. */
#include "../grammar/cover.h"
#include "relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the three above */
#include <cmocka.h>

static const char scan[] = "selective_scan/fwd.h_in.h_out/f32/B2.T100.D5.N3",
                  two_states[] = "linear_attention/fwd.S_in.n_in.S_out.n_out/f32/B2.T100.H2.K3.V5";

/* What goes wrong, and where. */
struct mishap {
    const char *step; /* before that one's run */
    void (*states)(struct relay_pool *p);
    int nth; /* file */
    void (*file)(char *bytes, long size);
};

static void damage_file(void *user, const char *path, int nth)
{
    const struct mishap *m = user;
    if (!m->file || nth != m->nth) return;
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    const long size = ftell(file);
    char *bytes = malloc((size_t)size);
    rewind(file);
    assert_int_equal(fread(bytes, 1, (size_t)size, file), size);
    m->file(bytes, size);
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, (size_t)size, file), size);
    assert_int_equal(fclose(file), 0);
    free(bytes);
}

static void damage_states(void *user, struct relay_pool *p, const char *step)
{
    const struct mishap *m = user;
    if (m->states && !strcmp(step, m->step)) m->states(p);
}

/* The first state of a pool: its two rows. */
static float *first_state(const struct relay_pool *p, size_t *row)
{
    int i = 0;
    while (!p->memory[i].data) i++;
    *row = p->state[i].bytes / 2 / sizeof(float);
    return (float *)(void *)((char *)p->state[i].data + p->state[i].offset);
}

static void swap_rows(struct relay_pool *p)
{
    size_t row;
    float *h = first_state(p, &row);
    for (size_t i = 0; i < row; i++) {
        const float kept = h[i];
        h[i] = h[row + i], h[row + i] = kept;
    }
}

static void lose_fork(struct relay_pool *p)
{
    size_t row;
    float *h = first_state(p, &row);
    memset(h + row, 0, row * sizeof *h);
}

static void one_element(struct relay_pool *p)
{
    size_t row;
    float *h = first_state(p, &row);
    h[row - 1] += 0.01f;
}

static void last_state(struct relay_pool *p)
{
    int i = DESCRIPTOR_FIELDS - 1;
    while (!p->memory[i].data) i--;
    float *const n = (float *)(void *)((char *)p->state[i].data + p->state[i].offset);
    n[0] *= 1.01f;
}

static void one_byte(char *bytes, long size)
{
    bytes[size - 30] ^= 1;
}

/* 1 on success. The lines of a relay with that mishap. */
static int run(const char *call, const struct mishap *m, struct relay_line lines[RELAY_LINES])
{
    static struct relay_whole w;
    struct bench_device d;
    struct mishap copy = *m;
    const struct relay_hooks hooks = { &copy, damage_file, damage_states };
    char why[DESCRIPTOR_WHY] = "";
    assert_int_equal(bench_device_open(&d, "reference", 0, why), 0);
    const struct bench_device *const ring[] = { &d, &d, &d };
    if (relay_whole_make(&w, call, why)) fail_msg("%s", why);
    const int count = relay_run(&w, ring, &hooks, lines);
    relay_whole_free(&w);
    bench_device_close(&d);
    return count;
}

static void right(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct relay_line lines[RELAY_LINES];
        const struct mishap none = { .step = "" };
        assert_int_equal(run(i ? two_states : scan, &none, lines), RELAY_LINES);
        for (int k = 0; k < RELAY_LINES; k++) {
            if (!lines[k].ok) fail_msg("%s: %s", lines[k].step, lines[k].why);
            assert_true(lines[k].y <= 1 && lines[k].state <= 1 && lines[k].y > 0 && lines[k].state > 0);
        }
        assert_true(lines[1].bytes > 0 && lines[3].bytes == lines[1].bytes && lines[4].bytes > lines[1].bytes);
    }
}

static void wrong(const char *call, const struct mishap *m, const char *first_wrong, const char *words)
{
    struct relay_line lines[RELAY_LINES];
    const int count = run(call, m, lines);
    int k = 0;
    while (k < count && lines[k].ok) k++;
    if (k == count) fail_msg("all is well, wanted %s to be wrong", first_wrong);
    assert_string_equal(lines[k].step, first_wrong);
    if (!strstr(lines[k].why, words)) fail_msg("%s: %s", lines[k].step, lines[k].why);
}

static void damaged_files(void **state)
{
    (void)state;
    wrong(scan, &(struct mishap){ .nth = 0, .file = one_byte }, "continue", "has changed");
    wrong(scan, &(struct mishap){ .nth = 1, .file = one_byte }, "resume", "has changed");
}

static void wrong_hand_overs(void **state)
{
    (void)state;
    wrong(scan, &(struct mishap){ .step = "resume", .states = swap_rows }, "resume", "is wrong");
    wrong(scan, &(struct mishap){ .step = "continue", .states = lose_fork }, "fork", "is wrong");
    wrong(scan, &(struct mishap){ .step = "rewind", .states = one_element }, "rewind", "is wrong");
    wrong(scan, &(struct mishap){ .step = "prefill", .states = one_element }, "prefill", "is wrong");
    wrong(two_states, &(struct mishap){ .step = "continue", .states = last_state }, "continue", "is wrong");
    wrong(two_states, &(struct mishap){ .step = "resume", .states = swap_rows }, "resume", "is wrong");
}

/* Every primitive with states has a call that the reference takes, the table's or one of its description. */
static void calls(void **state)
{
    struct oracle *o;
    char call[DESCRIPTOR_TEXT], why[DESCRIPTOR_WHY] = "";
    const segue_primitive_facts *p;
    int recurrences = 0;
    (void)state;
    if (!(o = oracle_open(why))) fail_msg("%s", why);
    for (uint32_t id = 1; (p = segue_describe(id)) != NULL; id++) {
        int nth = 0, found;
        if (!relay_is_recurrence(p)) continue;
        recurrences++;
        for (; (found = relay_call(p, nth, call, why)) > 0; nth++)
            if (!oracle_accepts(o, call, why)) fail_msg("%s: %s", call, why);
        if (found < 0) fail_msg("%s: %s", p->name, why);
        assert_true(nth > 0);
    }
    assert_true(recurrences >= 7);
    /* What the table does not have. */
    for (uint32_t id = 1; id <= 2; id++) {
        relay_derive(segue_describe(id), call);
        if (!oracle_accepts(o, call, why)) fail_msg("%s: %s", call, why);
    }
    oracle_close(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right),
        cmocka_unit_test(damaged_files),
        cmocka_unit_test(wrong_hand_overs),
        cmocka_unit_test(calls),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
