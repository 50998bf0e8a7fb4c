/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are whole, cut, altered and forged; then what the reference says of the call in one. */
#include <segue/sealed.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <dirent.h>
#include <unistd.h>

#include "replay.h"

enum { T = 5, D = 3, N = 2, P = 4, ROOM = 1 << 14, FORGERIES = 600 };

static unsigned char whole[ROOM]; /* a captured call */
static uint64_t bytes;
static struct lab lab;

/* ---- a call with all that is odd: backwards, broadcast, in place, a pool -------------------------------- */

static segue_tensor f32(float *data, int rank, const int64_t *shape)
{
    return segue_tensor_of(data, SEGUE_F32, rank, shape);
}

static void run_captured(void)
{
    static float u[2 * T * D], delta[2 * T * D], A[D * N], B[N], h[P * D * N], y[2 * T * D];
    static int32_t slot[4] = { 2, 2, -1, 0 };
    segue_context *ctx;
    segue_device *dev;
    segue_stream stream;
    segue_selective_scan s = segue_selective_scan_init();
    for (int i = 0; i < 2 * T * D; i++) u[i] = sinf((float)i), delta[i] = cosf((float)i);
    for (int i = 0; i < D * N; i++) A[i] = -0.5f - (float)i;
    for (int i = 0; i < P * D * N; i++) h[i] = (float)i / 8;
    B[0] = 0.75f, B[1] = -0.25f;
    s.u = f32(u, 3, (int64_t[]){ 2, T, D });
    s.u.offset = (T - 1) * D * sizeof *u, s.u.stride[1] = -D; /* time backwards */
    s.delta = f32(delta, 3, (int64_t[]){ 2, T, D });
    s.A = f32(A, 2, (int64_t[]){ D, N });
    s.B = f32(B, 4, (int64_t[]){ 2, T, 1, N });
    s.B.stride[0] = s.B.stride[1] = 0, s.B.bytes = sizeof B;
    s.B.stride[2] = INT64_MAX; /* of one group: it means nothing */
    s.C = s.B;
    s.slot = segue_tensor_of(slot, SEGUE_I32, 2, (int64_t[]){ 2, 2 });
    s.h_in = s.h_out = f32(h, 3, (int64_t[]){ P, D, N });
    s.y = f32(y, 3, (int64_t[]){ 2, T, D });
    assert_int_equal(segue_context_create(NULL, &ctx, NULL), 0);
    assert_int_equal(segue_device_open(ctx, "reference", NULL, &dev, NULL), 0);
    assert_int_equal(segue_stream_create(dev, &stream, NULL), 0);
    if (segue_run(dev, &s.header, stream, NULL)) fail_msg("%s", segue_last_error());
    segue_stream_destroy(dev, stream);
    segue_device_close(dev);
    segue_context_destroy(ctx);
}

static int set_up(void **state)
{
    char folder[200], path[260], why[DESCRIPTOR_WHY];
    (void)state;
    snprintf(folder, sizeof folder, "%.150s/segue-replay-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(folder)) return -1;
    setenv("SEGUE_CAPTURE", folder, 1);
    run_captured();
    unsetenv("SEGUE_CAPTURE");
    snprintf(path, sizeof path, "%s/000001-selective_scan.segue", folder);
    FILE *f = fopen(path, "rb");
    if (!f) return -1;
    bytes = fread(whole, 1, sizeof whole, f);
    fclose(f);
    unlink(path);
    rmdir(folder);
    return lab_open(&lab, "reference", 0, why, sizeof why);
}

static int tear_down(void **state)
{
    (void)state;
    lab_close(&lab);
    return 0;
}

/* ---- reading -------------------------------------------------------------------------------------------- */

/* A copy of so many bytes, in memory of its own, so that reading beyond is seen. */
static int parse(const unsigned char *from, uint64_t count, struct replay_file *f, char *why)
{
    unsigned char *copy = malloc(count ? count : 1);
    assert_non_null(copy);
    memcpy(copy, from, count);
    why[0] = 0;
    return replay_parse(copy, count, f, why);
}

static void refused(const unsigned char *from, uint64_t count, const char *words)
{
    struct replay_file f;
    char why[DESCRIPTOR_WHY];
    if (!parse(from, count, &f, why))
        fail_msg("%llu bytes are taken, wanted \"%s\"", (unsigned long long)count, words);
    if (!strstr(why, words)) fail_msg("\"%s\", wanted \"%s\"", why, words);
    replay_free(&f);
}

static void as_it_was(void **state)
{
    struct replay_file f;
    struct call c;
    char why[DESCRIPTOR_WHY];
    (void)state;
    if (parse(whole, bytes, &f, why)) fail_msg("%s", why);
    assert_string_equal(f.primitive->name, "selective_scan");
    assert_string_equal(f.device, "reference");
    assert_int_equal(replay_call(&f, &c), 0);
    const segue_selective_scan *s = (const segue_selective_scan *)c.op;
    assert_true(s->u.stride[1] == -D && s->B.stride[1] == 0 && s->B.shape[1] == T && s->softplus == 1);
    const uint32_t u = field_named(c.primitive, "u"), b = field_named(c.primitive, "B"),
                   slot = field_named(c.primitive, "slot"), out = field_named(c.primitive, "h_out");
    for (int t = 0; t < T; t++)
        for (int d = 0; d < D; d++)
            assert_true(c.operands[u].value[t * D + d] == (double)sinf((float)((T - 1 - t) * D + d)));
    for (int i = 0; i < 2 * T * N; i++) assert_true(c.operands[b].value[i] == (i % 2 ? -0.25 : 0.75));
    assert_int_equal(c.operands[slot].whole[2], -1);
    assert_int_equal(c.over[out], 1 + field_named(c.primitive, "h_in"));
    call_free(&c);
    replay_free(&f);
}

static void cut_anywhere(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < bytes; n++) refused(whole, n, "cut");
    unsigned char longer[ROOM + 8] = { 0 };
    memcpy(longer, whole, bytes);
    refused(longer, bytes + 8, "cut or too long");
}

static void every_byte_counts(void **state)
{
    unsigned char copy[ROOM];
    (void)state;
    memcpy(copy, whole, bytes);
    for (uint64_t i = 0; i < bytes; i++) {
        copy[i] ^= (unsigned char)(1 << i % 8);
        refused(copy, bytes,
                i < 8    ? "does not begin"
                : i < 16 ? "cut or too long"
                : i < 20 ? "of format"
                         : "has changed");
        copy[i] = whole[i];
    }
}

/* ---- forgeries: the digest is right ---------------------------------------------------------------------- */

static void seal(unsigned char *copy, uint64_t count)
{
    const uint64_t sum = segue_sealed_digest(copy, count - 8);
    memcpy(copy + count - 8, &sum, sizeof sum);
}

static segue_call_tensor *tensor_at(unsigned char *copy, const char *name)
{
    segue_sealed_head head;
    segue_call_head call;
    memcpy(&head, copy, sizeof head);
    memcpy(&call, copy + sizeof head, sizeof call);
    unsigned char *at = copy + sizeof head + sizeof call + call.parameters * sizeof(segue_call_parameter);
    for (uint32_t i = 0; i < head.count; i++, at += sizeof(segue_call_tensor))
        if (!strcmp((const char *)at, name)) return (segue_call_tensor *)(void *)at;
    fail_msg("no %s", name);
    return NULL;
}

#define FORGED(words, ...)           \
    do {                             \
        memcpy(copy, whole, bytes);  \
        __VA_ARGS__;                 \
        seal(copy, bytes);           \
        refused(copy, bytes, words); \
    } while (0)

static void lies_are_told(void **state)
{
    static _Alignas(8) unsigned char copy[ROOM];
    segue_sealed_head *head = (segue_sealed_head *)(void *)copy;
    segue_call_head *call = (segue_call_head *)(void *)(copy + sizeof *head);
    segue_call_parameter *parameter = (segue_call_parameter *)(void *)(copy + sizeof *head + sizeof *call);
    (void)state;
    FORGED("other byte order", head->magic = __builtin_bswap64(head->magic));
    FORGED("of format 2, wanted 1", head->version = 2);
    FORGED("(number 4000)", head->primitive = 4000);
    FORGED("which this version does not know", strcpy(call->primitive, "selective_sca"));
    FORGED("revision 2, wanted revision 1", head->revision = 2);
    FORGED("a name does not end", memset(call->primitive, 'x', sizeof call->primitive));
    FORGED("or is none", call->row[0] = '\x1b');
    FORGED("or is none", memcpy(call->row, "\xc2\x9b", 2)); /* a control character of eight bits */
    FORGED("no room", head->count = 64);
    FORGED("no room for 4294967295 operands", head->count = UINT32_MAX);
    FORGED("no such field", strcpy(tensor_at(copy, "u")->name, "v"));
    FORGED("told twice", tensor_at(copy, "delta")->field = 0);
    FORGED("wanted a newer one", tensor_at(copy, "y")->field = 63);
    FORGED("of another kind", parameter->role = SEGUE_ROLE_REAL);
    FORGED("dtype", tensor_at(copy, "u")->dtype = SEGUE_I32);
    FORGED("dtype", tensor_at(copy, "slot")->dtype = SEGUE_F32);
    FORGED("rank 7", tensor_at(copy, "u")->rank = 7);
    FORGED("rank 0", tensor_at(copy, "u")->rank = 0);
    FORGED("none of a tensor", tensor_at(copy, "u")->shape[0] = -1);
    FORGED("none of a tensor", tensor_at(copy, "u")->shape[0] = INT64_MAX);
    FORGED("none of a tensor", tensor_at(copy, "y")->stride[0] = INT64_MIN);
    FORGED("none of a tensor", tensor_at(copy, "y")->planned_stride[0] = INT64_MAX);
    FORGED("its elements take 120 bytes, wanted 180", tensor_at(copy, "u")->shape[0] = 3);
    FORGED("its elements take 0 bytes", tensor_at(copy, "u")->bytes = 0);
    FORGED("records and elements take", tensor_at(copy, "u")->shape[0] = 3, tensor_at(copy, "u")->bytes = 180);
    FORGED("records and elements take", tensor_at(copy, "u")->shape[0] = 1, tensor_at(copy, "u")->bytes = 60);
    FORGED("no partner", tensor_at(copy, "y")->over = 1);
    FORGED("no partner", tensor_at(copy, "h_out")->over = 1);
    FORGED("no partner", tensor_at(copy, "y")->over = 1 + segue_describe(SEGUE_SELECTIVE_SCAN)->field_count);
    FORGED("not laid out like it", tensor_at(copy, "h_out")->stride[0] = 7);
}

struct seen {
    struct result last;
    int results, depth;
};

static void note(void *user, const struct result *r)
{
    struct seen *s = user;
    s->last = *r;
    s->results++;
}

static void note_reference(void *user, int begins)
{
    ((struct seen *)user)->depth += begins ? 1 : -1;
}

static struct seen judge_file(const struct replay_file *f, double memory)
{
    struct seen s = { .results = 0 };
    const struct replay_listener to = { &s, note, note_reference };
    replay_judge(&lab, f, NULL, memory, &to);
    assert_int_equal(s.depth, 0);
    return s;
}

/* xorshift64* (Vigna 2016) */
static uint64_t dice(uint64_t *state)
{
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return *state * 0x2545f4914f6cdd1d;
}

/* Whatever else is changed in a file whose digest is right: refused with words, or judged, and no harm done. */
static void forged_at_random(void **state)
{
    static const int64_t values[] = { 0,         1,        -1,      2,         3,
                                      7,         64,       1 << 20, INT32_MAX, (int64_t)1 << 40,
                                      INT64_MAX, INT64_MIN };
    static unsigned char copy[ROOM];
    int taken = 0, refusals = 0;
    uint64_t seed = 1;
    (void)state;
    for (int i = 0; i < FORGERIES; i++) {
        struct replay_file f;
        char why[DESCRIPTOR_WHY];
        memcpy(copy, whole, bytes);
        for (uint64_t edits = 1 + dice(&seed) % 3; edits; edits--) {
            const uint64_t at = 16 + dice(&seed) % (bytes - 32);
            const int64_t value = values[dice(&seed) % (sizeof values / sizeof *values)];
            const int word = at < bytes - 400 && dice(&seed) % 2;
            if (word) memcpy(copy + at / 8 * 8, &value, sizeof value);
            else copy[at] = (unsigned char)dice(&seed);
        }
        seal(copy, bytes);
        if (parse(copy, bytes, &f, why)) {
            assert_true(strlen(why) > 10);
            refusals++;
        } else {
            const struct seen s = judge_file(&f, 0x1p28);
            /* Even a FAIL: forged strides and slots let elements share a place, and then there is no one answer. */
            assert_int_equal(s.results, 1);
            assert_true(status_counts_as(s.last.status) == COUNTS_PASSED || s.last.why[0]);
            taken++;
        }
        replay_free(&f);
    }
    print_message("%d refused, %d taken\n", refusals, taken);
    assert_true(refusals > FORGERIES / 4 && taken > FORGERIES / 20);
}

/* ---- judging -------------------------------------------------------------------------------------------- */

static struct seen judge_copy(unsigned char *copy, double memory)
{
    struct replay_file f;
    char why[DESCRIPTOR_WHY];
    seal(copy, bytes);
    if (parse(copy, bytes, &f, why)) fail_msg("%s", why);
    const struct seen s = judge_file(&f, memory);
    replay_free(&f);
    return s;
}

static void judged(void **state)
{
    static _Alignas(8) unsigned char copy[ROOM];
    (void)state;
    memcpy(copy, whole, bytes);
    struct seen s = judge_copy(copy, 0);
    assert_int_equal(s.results, 1);
    if (s.last.status != STATUS_PASS) fail_msg("%s: %s", status_name(s.last.status), s.last.why);
    assert_string_equal(s.last.row, "selective_scan_reference");
    assert_int_equal(s.last.ran, CHECK_VALUE | CHECK_STATE | CHECK_GUARD | CHECK_POISON);
    s = judge_copy(copy, 1000);
    assert_int_equal(s.last.status, STATUS_SKIP_RESOURCE);
    assert_non_null(strstr(s.last.why, "MiB, given"));
    tensor_at(copy, "y")->stride[1] = 0; /* all tokens in one place: no call */
    s = judge_copy(copy, 0);
    assert_int_equal(s.last.status, STATUS_HARNESS_ERROR);
    assert_non_null(strstr(s.last.why, "no valid call: y: "));
    memcpy(copy, whole, bytes);
    tensor_at(copy, "y")->planned_shape[1] = 2 * T;
    s = judge_copy(copy, 0);
    assert_non_null(strstr(s.last.why, "no valid plan"));
}

/* A plan for more tokens than the call has; NaN and infinities in what came in. */
static void larger_plans_and_no_numbers(void **state)
{
    static const char *const timed[] = { "u", "delta", "B", "C", "y" };
    static _Alignas(8) unsigned char copy[ROOM];
    struct replay_file f;
    char why[DESCRIPTOR_WHY];
    (void)state;
    memcpy(copy, whole, bytes);
    for (int i = 0; i < 5; i++) tensor_at(copy, timed[i])->planned_shape[1] = 3 * T;
    for (int i = 0; i < 5; i++) {
        segue_call_tensor *t = tensor_at(copy, timed[i]);
        if (t->planned_stride[0]) t->planned_stride[0] = 3 * T * D;
    }
    struct seen s = judge_copy(copy, 0);
    if (s.last.status != STATUS_PASS) fail_msg("%s: %s", status_name(s.last.status), s.last.why);
    if (parse(copy, bytes, &f, why)) fail_msg("%s", why);
    const float odd[] = { NAN, INFINITY };
    memcpy(copy + f.elements[0], odd, sizeof odd);
    replay_free(&f);
    s = judge_copy(copy, 0);
    if (status_counts_as(s.last.status) == COUNTS_FAILED && s.last.status != STATUS_VACUOUS)
        fail_msg("%s: %s", status_name(s.last.status), s.last.why);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_it_was),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(every_byte_counts),
        cmocka_unit_test(lies_are_told),
        cmocka_unit_test(judged),
        cmocka_unit_test(larger_plans_and_no_numbers),
        cmocka_unit_test(forged_at_random),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
