/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Results survive the way through JSON, and no report lets a plugin's words out of their quotes. */
#include "record.h"
#include "report.h"
#include "verb.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
/* cmocka.h needs setjmp.h, stdarg.h and stdint.h */
#include <cmocka.h>

static char scan_name[] = "selective_scan/fwd/f32/B1.T2.D3.N4/btd/benign";
#define NASTY "<b>\"x\" & 'y'</b>\x01\xff\xed\xa0\x80\xc3\xa4"

static struct result full(enum status status)
{
    return (struct result){ .status = status,
                            .ran = CHECK_VALUE | CHECK_STATE | CHECK_STATUS,
                            .failed = CHECK_STATE,
                            .identities = 7,
                            .identities_failed = 2,
                            .row = "row_of_it",
                            .accuracy = SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_FAST,
                            .margin = 0.25,
                            .sigmas = 1.5,
                            .ms = 12.5,
                            .check = "identity:split",
                            .operand = "h_out",
                            .rank = 3,
                            .index = { 0, 3, 11 },
                            .got = 1.0 / 3,
                            .want = -0.1,
                            .ratio = 214,
                            .pattern = "112 of 112",
                            .fault = "tail",
                            .why = "words" };
}

static void equal(const struct result *a, const struct result *b)
{
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->ran, b->ran);
    assert_int_equal(a->failed, b->failed);
    assert_int_equal(a->identities, b->identities);
    assert_int_equal(a->identities_failed, b->identities_failed);
    assert_int_equal(a->accuracy, b->accuracy);
    assert_int_equal(a->rank, b->rank);
    assert_memory_equal(a->index, b->index, sizeof a->index);
    const double *const x[] = { &a->margin, &a->sigmas, &a->ms, &a->got, &a->want, &a->ratio };
    const double *const y[] = { &b->margin, &b->sigmas, &b->ms, &b->got, &b->want, &b->ratio };
    for (size_t i = 0; i < sizeof x / sizeof *x; i++)
        assert_true(*x[i] == *y[i] || (isnan(*x[i]) && isnan(*y[i])));
    assert_string_equal(a->row, b->row);
    assert_string_equal(a->check, b->check);
    assert_string_equal(a->operand, b->operand);
    assert_string_equal(a->pattern, b->pattern);
    assert_string_equal(a->fault, b->fault);
    assert_string_equal(a->why, b->why);
}

static void there_and_back(const struct result *r)
{
    struct result back;
    json_t *line = record_json("some/descriptor", "device", r);
    assert_non_null(line);
    char *text = json_dumps(line, JSON_COMPACT);
    json_t *again = json_loads(text, 0, NULL);
    assert_int_equal(record_read(again, &back), 0);
    equal(r, &back);
    assert_string_equal(json_string_value(json_object_get(again, "descriptor")), "some/descriptor");
    free(text);
    json_decref(line);
    json_decref(again);
}

static void round_trip(void **state)
{
    (void)state;
    for (int i = 0; i < STATUS_COUNT; i++) {
        struct result r = full((enum status)i);
        there_and_back(&r);
        r.got = NAN, r.want = INFINITY, r.ratio = -INFINITY;
        there_and_back(&r);
    }
    const struct result empty = { .status = STATUS_PASS };
    there_and_back(&empty);
}

static void what_is_no_result(void **state)
{
    struct result r;
    (void)state;
    static const char *const lines[] = { "{}", "[]", "{\"status\":\"GREAT\"}", "{\"status\":3}" };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        json_t *line = json_loads(lines[i], 0, NULL);
        assert_non_null(line);
        assert_int_equal(record_read(line, &r), -1);
        json_decref(line);
    }
    json_t *long_one =
        json_pack("{s:s, s:s, s:[i,i,i,i,i,i,i,i]}", "status", "FAIL", "row",
                  "a name that is much longer than any row of any plugin may have, and longer still", "index",
                  1, 2, 3, 4, 5, 6, 7, 8);
    assert_int_equal(record_read(long_one, &r), 0);
    assert_int_equal(strlen(r.row), sizeof r.row - 1);
    assert_int_equal(r.rank, SEGUE_MAX_RANK);
    json_decref(long_one);
}

static void words(void **state)
{
    char to[200];
    struct result r = full(STATUS_FAIL);
    (void)state;
    assert_string_equal(accuracy_words(0, to, sizeof to), "none");
    assert_string_equal(accuracy_words(SEGUE_ACCURACY_F32 | SEGUE_ACCURACY_CHUNK_LOG, to, sizeof to),
                        "f32+chunk-log");
    assert_string_equal(record_place(&r, to, sizeof to), "h_out[0,3,11]");
    r.got = 0, r.want = -1.9312e-2;
    assert_string_equal(element_words(&r, to, sizeof to),
                        "h_out[0,3,11]: 0, wanted -0.019312 (214 x the bound)");
    r.operand[0] = 0;
    assert_string_equal(element_words(&r, to, sizeof to), "");
    assert_string_equal(time_words(72, to, sizeof to), "1 m 12 s");
    assert_string_equal(time_words(8.44, to, sizeof to), "8.4 s");
    assert_string_equal(number_words(INFINITY, to, sizeof to), "inf");
}

static char *written(void (*write)(const struct run *, const struct summary *, FILE *), const struct run *r)
{
    struct summary s;
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    assert_non_null(to);
    summarize(r, &s);
    write(r, &s, to);
    assert_int_equal(fclose(to), 0);
    return text;
}

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    while ((text = strstr(text, what))) n++, text++;
    return n;
}

/* A run with one result of each status, in whose every text a plugin has put what it could. */
static void reports(void **state)
{
    static struct chosen items[STATUS_COUNT];
    static struct record records[STATUS_COUNT];
    struct selection cases = { .items = items, .count = STATUS_COUNT, .list = "smoke", .sha256 = "00" };
    const struct run_options options = { .limits = { .jobs = 1 } };
    struct run r = { .options = &options,
                     .cases = &cases,
                     .records = records,
                     .count = STATUS_COUNT,
                     .seconds = 2,
                     .doubtful = 130,
                     .run_again = 24,
                     .interrupted = "SIGTERM" };
    (void)state;
    r.device = json_pack("{s:s, s:s, s:s, s:i, s:[s,s,s]}", "name", "d:0", "alias", "", "description", "<i>&'",
                         "threads", 2, "variants", "threads 1", "isa base", "isa avx2");
    assert_non_null(r.device);
    for (int i = 0; i < STATUS_COUNT; i++) {
        items[i].name = scan_name;
        records[i] = (struct record){ .item = (size_t)i, .r = full((enum status)i) };
        strcpy(records[i].r.why, NASTY), strcpy(records[i].r.pattern, NASTY), strcpy(records[i].r.row, NASTY);
        strcpy(records[i].r.fault, NASTY), strcpy(records[i].r.operand, "h<out>");
    }
    static void (*const writers[])(const struct run *, const struct summary *,
                                   FILE *) = { report_json, report_junit, report_html };
    for (int i = 0; i < 3; i++) {
        char *text = written(writers[i], &r);
        if (i) {
            assert_null(strstr(text, "<b>"));
            assert_null(strstr(text, "h<out>"));
            assert_null(strchr(text, 1));
            assert_null(strstr(text, "\xff"));
            assert_null(strstr(text, "\xed\xa0"));
            assert_non_null(strstr(text, "&lt;b&gt;&quot;x&quot; &amp; &#39;y&#39;&lt;/b&gt;?????\xc3\xa4"));
        }
        if (i == 0) assert_int_equal(times(text, "\n"), STATUS_COUNT + 2);
        if (i == 0) assert_int_equal(times(text, "\"interrupted\":\"SIGTERM\""), 1);
        if (i == 1) assert_int_equal(times(text, "<testcase"), STATUS_COUNT + 1); /* the interruption */
        if (i == 2) assert_null(strstr(text, "http"));                            /* needs nothing else */
        if (i == 2) assert_non_null(strstr(text, "24 of 130 failures were run again"));
        if (i == 2) assert_non_null(strstr(text, "<td>split</td>"));
        assert_null(strstr(text, "stand-in"));
        free(text);
    }
    json_object_set_new(r.device, "stand_in", json_true()); /* must show in each, title included */
    static const char *const marks[] = { "\"stand_in\":true", "smoke on d:0 (stand-in driver, no hardware)",
                                         "<h1>d:0 (stand-in driver, no hardware)</h1>" };
    for (int i = 0; i < 3; i++) {
        char *text = written(writers[i], &r);
        assert_int_equal(times(text, marks[i]), 1);
        free(text);
    }
    json_decref(r.device);
}

/* More primitives and kernels than a table has rows for: each of the known has its own counts, and the rest are counted. */
static void many_names(void **state)
{
    enum { COUNT = 300, ROWS = 256 };
    static struct chosen items[COUNT];
    static struct record records[COUNT];
    static char name[COUNT][64];
    struct selection cases = { .items = items, .count = COUNT, .list = "core", .sha256 = "00" };
    const struct run_options options = { 0 };
    struct run r = { .options = &options, .cases = &cases, .records = records, .count = COUNT };
    (void)state;
    r.device = json_pack("{s:s}", "name", "d:0");
    for (int i = 0; i < COUNT; i++) { /* backwards: no order of theirs is the order that they came in */
        snprintf(name[i], sizeof name[i], "p%03d/fwd/f32/B1/btd/benign", COUNT - 1 - i);
        items[i].name = name[i];
        records[i] = (struct record){ .item = (size_t)i, .r = full(i % 2 ? STATUS_FAIL : STATUS_PASS) };
        if (i % 2 == 0) records[i].r.failed = 0;
        snprintf(records[i].r.row, sizeof records[i].r.row, "row_%03d", COUNT - 1 - i);
    }
    char *text = written(report_html, &r);
    assert_int_equal(times(text, "<tr><th>p"), ROWS);
    assert_int_equal(times(text, "<tr><th>row_"), ROWS);
    assert_int_equal(times(text, "<tr><th>p044 f32</th><td class=\"bad\" title=\"1 of 1 failed\">"), 1);
    assert_int_equal(times(text, "<tr><th>p045 f32</th><td class=\"ok\" title=\"1 passed, 0 skipped\">"), 1);
    assert_int_equal(times(text, "<tr><th>others</th><td class=\"bad\" title=\"22 of 44 failed\">"), 1);
    assert_int_equal(times(text, "<tr><th>others</th><td class=\"ok\" title=\"44 passed, 0 skipped\">"), 1);
    free(text);
    json_decref(r.device);
}

static void counted(void **state)
{
    static struct chosen items[3];
    static struct record records[3];
    struct selection cases = { .items = items, .count = 3 };
    const struct run_options options = { 0 };
    struct run r = { .options = &options, .cases = &cases, .records = records, .count = 3 };
    struct summary s;
    (void)state;
    r.device = json_pack("{s:s, s:i, s:[s,s,s,s], s:[s]}", "name", "d:0", "threads", 2, "variants", "threads 1",
                         "threads 3", "isa base", "isa avx2", "own", "isa avx512");
    for (int i = 0; i < 3; i++) {
        items[i].name = scan_name;
        records[i] = (struct record){ .item = (size_t)i, .r = { .status = STATUS_UNSUPPORTED } };
    }
    summarize(&r, &s);
    assert_int_equal(s.exit_code, EXIT_FAILED); /* nothing passed */
    assert_int_equal(s.primitives, 0);
    records[0].r = full(STATUS_PASS_MARGIN), records[1].r = full(STATUS_DELEGATED);
    summarize(&r, &s);
    assert_int_equal(s.exit_code, EXIT_OK);
    assert_int_equal(s.counts[COUNTS_PASSED] * 100 + s.counts[COUNTS_FAILED] * 10 + s.counts[COUNTS_SKIPPED],
                     102);
    assert_int_equal(s.primitives, 1);
    assert_int_equal(s.rows, 1);
    assert_int_equal(s.class_count, 1);
    assert_true(s.classes[0].sigmas == 1.5);
    assert_int_equal(s.identities[0] + 10 * s.identities[2], 22);
    assert_int_equal(s.identities_failed[1], 2);
    assert_int_equal(s.identities[3], 0);
    assert_int_equal(s.judged, 3);
    assert_string_equal(s.variants, "threads 1 2 3; isa base avx2 avx512");
    records[2].r.status = STATUS_HARNESS_ERROR;
    summarize(&r, &s);
    assert_int_equal(s.exit_code, EXIT_FAILED);
    json_decref(r.device);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(what_is_no_result), cmocka_unit_test(words),
        cmocka_unit_test(reports),    cmocka_unit_test(counted),           cmocka_unit_test(many_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
