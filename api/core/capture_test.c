/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What SEGUE_CAPTURE writes, and that it never gets in an engine's way. */
#include "core_testing.h"

#include <dirent.h>
#include <pthread.h>
#include <segue/sealed.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES = 64, PATH = 300, THREADS = 4, EACH = 6 };

struct desk { /* a folder of its own, and a context that captures there */
    char folder[PATH - 64];
    struct bench b;
    char log[4096];
    int lines;
};

static pthread_mutex_t log_lock = PTHREAD_MUTEX_INITIALIZER;

static void note(void *user, int32_t level, const char *text)
{
    struct desk *d = user;
    (void)level;
    if (strncmp(text, "SEGUE_CAPTURE: ", 15)) return;
    pthread_mutex_lock(&log_lock);
    const size_t at = strlen(d->log);
    snprintf(d->log + at, sizeof d->log - at, "%s\n", text);
    d->lines++;
    pthread_mutex_unlock(&log_lock);
}

static void open_desk(struct desk *d)
{
    const segue_context_options options = {
        .size = sizeof options, .flags = SEGUE_CONTEXT_NO_DISCOVERY, .log = note, .log_user = d
    };
    d->log[0] = 0, d->lines = 0;
    assert_ok(segue_context_create(&options, &d->b.ctx, why));
    assert_ok(segue_device_open(d->b.ctx, "reference", NULL, &d->b.dev, why));
    assert_ok(segue_stream_create(d->b.dev, &d->b.stream, why));
}

static int set_up(void **state)
{
    static struct desk d;
    snprintf(d.folder, sizeof d.folder, "%s/segue-capture-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(d.folder));
    setenv("SEGUE_CAPTURE", d.folder, 1);
    open_desk(&d);
    *state = &d;
    return 0;
}

static int list(const char *folder, char names[FILES][PATH])
{
    struct dirent **found;
    const int count = scandir(folder, &found, NULL, alphasort);
    int n = 0;
    for (int i = 0; i < count; i++) {
        if (found[i]->d_name[0] != '.' && n < FILES)
            snprintf(names[n++], PATH, "%s/%.200s", folder, found[i]->d_name);
        free(found[i]);
    }
    if (count >= 0) free(found);
    return n;
}

static int tear_down(void **state)
{
    struct desk *d = *state;
    char names[FILES][PATH];
    close_bench(&d->b);
    const int count = list(d->folder, names);
    for (int i = 0; i < count; i++) unlink(names[i]);
    rmdir(d->folder);
    unsetenv("SEGUE_CAPTURE");
    unsetenv("SEGUE_CAPTURE_CALLS");
    unsetenv("SEGUE_CAPTURE_BYTES");
    return 0;
}

static int files(const struct desk *d)
{
    char names[FILES][PATH];
    return list(d->folder, names);
}

static void reopen(struct desk *d)
{
    close_bench(&d->b);
    open_desk(d);
}

static void run(struct desk *d, const segue_op_header *op)
{
    assert_ok(segue_run(d->b.dev, op, d->b.stream, why));
}

/* ---- what is in a file ---------------------------------------------------------------------------------- */

struct reading {
    unsigned char bytes[1 << 14];
    segue_sealed_head head;
    segue_call_head call;
    segue_call_parameter parameters[16];
    segue_call_tensor tensors[16];
    const unsigned char *data[16]; /* [head.count] */
};

static void read_call(const char *path, struct reading *r)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    const size_t bytes = fread(r->bytes, 1, sizeof r->bytes, f);
    fclose(f);
    assert_int_equal(
        segue_sealed_examine(r->bytes, bytes, SEGUE_SEALED_CALL, SEGUE_SEALED_CALL_VERSION, &r->head),
        SEGUE_SEALED_WHOLE);
    const unsigned char *at = r->bytes + sizeof r->head;
    memcpy(&r->call, at, sizeof r->call), at += sizeof r->call;
    assert_true(r->call.parameters <= 16 && r->head.count <= 16);
    memcpy(r->parameters, at, r->call.parameters * sizeof *r->parameters);
    at += r->call.parameters * sizeof *r->parameters;
    memcpy(r->tensors, at, r->head.count * sizeof *r->tensors), at += r->head.count * sizeof *r->tensors;
    for (uint32_t i = 0; i < r->head.count; i++) {
        r->data[i] = at;
        at += segue_sealed_padded(r->tensors[i].bytes);
    }
    assert_true(at + sizeof(uint64_t) == r->bytes + r->head.bytes);
}

static const segue_call_tensor *tensor_named(const struct reading *r, const char *name, const void **data)
{
    for (uint32_t i = 0; i < r->head.count; i++)
        if (!strcmp(r->tensors[i].name, name)) {
            if (data) *data = r->data[i];
            return &r->tensors[i];
        }
    fail_msg("no operand %s", name);
    return NULL;
}

/* A smaller call than its plan, with a state in place: what came in is there, not what went out. */
static void everything_that_came_in(void **state)
{
    struct desk *d = *state;
    struct small_scan s, planned;
    struct reading r;
    char names[FILES][PATH];
    const void *data = NULL;
    static _Alignas(64) char room[4096];
    segue_plan *plan;
    make_scan(&planned, SCAN_T);
    assert_ok(segue_plan_create(d->b.dev, &planned.op.header, &plan, why));
    make_scan(&s, 3);
    for (int i = 0; i < SCAN_D * SCAN_N; i++) s.h[i] = (float)i;
    s.op.max_seqlen = 0;
    assert_ok(segue_plan_run(plan, &s.op.header, d->b.stream, (segue_buffer){ room, 0, sizeof room }, why));
    segue_plan_destroy(plan);
    assert_true(s.h[1] != 1);
    assert_int_equal(list(d->folder, names), 1);
    assert_non_null(strstr(names[0], "/000001-selective_scan.segue"));
    read_call(names[0], &r);
    assert_int_equal(r.head.primitive, SEGUE_SELECTIVE_SCAN);
    assert_int_equal(r.head.revision, 1);
    assert_int_equal(r.head.count, 8); /* u delta A B C h_in h_out y */
    assert_string_equal(r.call.primitive, "selective_scan");
    assert_string_equal(r.call.device, "reference");
    assert_non_null(strstr(r.call.row, "selective_scan"));
    assert_int_equal(r.call.parameters, 2);
    assert_string_equal(r.parameters[0].name, "softplus");
    assert_true(r.parameters[0].value == 0 && r.parameters[0].role == SEGUE_ROLE_INT);
    const segue_call_tensor *h = tensor_named(&r, "h_in", &data);
    for (int i = 0; i < SCAN_D * SCAN_N; i++) assert_true(((const float *)data)[i] == (float)i);
    const segue_call_tensor *out = tensor_named(&r, "h_out", NULL);
    assert_true(out->over == h->field + 1 && !out->bytes && !h->over);
    const segue_call_tensor *u = tensor_named(&r, "u", NULL);
    assert_true(u->bytes == 3 * SCAN_D * 4 && u->shape[1] == 3 && u->planned_shape[1] == SCAN_T &&
                u->rank == 3);
    assert_true(u->dtype == SEGUE_F32 && u->planned_stride[1] == SCAN_D && !tensor_named(&r, "y", NULL)->bytes);
    assert_non_null(strstr(d->log, names[0]));
}

/* Backwards, with holes, in a thin slice of much more, the same for all tokens: elements come without all that. */
static void strides_are_kept_and_gaps_are_not(void **state)
{
    enum { FAR = 5000 };
    struct desk *d = *state;
    struct small_scan s;
    struct reading r;
    char names[FILES][PATH];
    const void *data = NULL;
    static float wide[SCAN_T * FAR];
    float one[SCAN_N] = { 3, 5 };
    make_scan(&s, SCAN_T);
    for (int t = 0; t < SCAN_T; t++)
        for (int i = 0; i < SCAN_D; i++) wide[t * FAR + 2 * i + 1] = (float)(10 * t + i);
    s.op.u.data = wide, s.op.u.bytes = sizeof wide;
    s.op.u.offset = (uint64_t)((SCAN_T - 1) * FAR + 2 * (SCAN_D - 1) + 1) * sizeof(float);
    s.op.u.stride[0] = 0, s.op.u.stride[1] = -FAR, s.op.u.stride[2] = -2;
    s.op.B.data = one, s.op.B.bytes = sizeof one, s.op.B.stride[0] = s.op.B.stride[1] = 0;
    s.op.h_out = (segue_tensor){ 0 }; /* h_in alone */
    run(d, &s.op.header);
    assert_int_equal(list(d->folder, names), 1);
    read_call(names[0], &r);
    const segue_call_tensor *u = tensor_named(&r, "u", &data);
    assert_true(u->stride[1] == -FAR && u->stride[2] == -2 && u->bytes == SCAN_T * SCAN_D * 4);
    for (int t = 0; t < SCAN_T; t++)
        for (int i = 0; i < SCAN_D; i++)
            assert_true(((const float *)data)[t * SCAN_D + i] ==
                        (float)(10 * (SCAN_T - 1 - t) + SCAN_D - 1 - i));
    const segue_call_tensor *b = tensor_named(&r, "B", &data);
    assert_true(b->bytes == sizeof one && !memcmp(data, one, sizeof one) && b->shape[1] == SCAN_T);
}

/* Integers, and an operand without elements. */
static void integers_and_nothing(void **state)
{
    struct desk *d = *state;
    struct small_scan s;
    struct reading r;
    char names[FILES][PATH];
    const void *data = NULL;
    int32_t ends[3] = { 0, 5, SCAN_T };
    float h[2 * SCAN_D * SCAN_N] = { 0 };
    make_scan(&s, SCAN_T);
    s.op.cu_seqlens = segue_tensor_of(ends, SEGUE_I32, 1, (int64_t[]){ 3 });
    s.op.h_in = (segue_tensor){ 0 };
    s.op.h_out = segue_tensor_of(h, F32(2, SCAN_D, SCAN_N));
    run(d, &s.op.header);
    make_scan(&s, 0);
    run(d, &s.op.header);
    assert_int_equal(list(d->folder, names), 2);
    read_call(names[0], &r);
    assert_int_equal(tensor_named(&r, "cu_seqlens", &data)->bytes, 12);
    assert_memory_equal(data, ends, sizeof ends);
    assert_int_equal(tensor_named(&r, "h_out", NULL)->over, 0);
    read_call(names[1], &r);
    assert_true(!tensor_named(&r, "u", NULL)->bytes && tensor_named(&r, "u", NULL)->shape[1] == 0);
}

/* ---- how many, and where -------------------------------------------------------------------------------- */

static void runs(struct desk *d, int count)
{
    struct small_scan s;
    for (int i = 0; i < count; i++) {
        make_scan(&s, SCAN_T);
        run(d, &s.op.header);
        check_scan(&s, 0, SCAN_T);
    }
}

static void so_many_and_no_more(void **state)
{
    struct desk *d = *state;
    setenv("SEGUE_CAPTURE_CALLS", "3", 1);
    reopen(d);
    runs(d, 5);
    assert_int_equal(files(d), 3);
    assert_non_null(strstr(d->log, "3 calls are captured, no more"));
    assert_int_equal(d->lines, 4);
    setenv("SEGUE_CAPTURE_CALLS", "2+1", 1);
    reopen(d);
    runs(d, 2);
    assert_int_equal(files(d), 3);
    runs(d, 3);
    assert_int_equal(files(d), 4);
    assert_non_null(strstr(d->log, "/000004-selective_scan.segue"));
    setenv("SEGUE_CAPTURE_CALLS", "a few", 1);
    reopen(d);
    assert_non_null(strstr(d->log, "\"a few\", wanted a number"));
    runs(d, 2);
    assert_int_equal(files(d), 6);
}

static void so_many_bytes(void **state)
{
    struct desk *d = *state;
    char names[FILES][PATH];
    struct reading r;
    runs(d, 1);
    list(d->folder, names);
    read_call(names[0], &r);
    char room[32];
    snprintf(room, sizeof room, "%llu", (unsigned long long)(2 * r.head.bytes + 8));
    setenv("SEGUE_CAPTURE_BYTES", room, 1);
    reopen(d);
    runs(d, 4);
    assert_int_equal(files(d), 3);
    assert_non_null(strstr(d->log, "SEGUE_CAPTURE_BYTES"));
    assert_int_equal(d->lines, 3);
}

static void *run_some(void *arg)
{
    runs(arg, EACH);
    return NULL;
}

/* Files of others, a name that is being made elsewhere, many threads, two contexts: every call has a file of its own. */
static void numbers_are_nobody_elses(void **state)
{
    struct desk *d = *state, other = *d;
    pthread_t threads[THREADS];
    char names[FILES][PATH], path[PATH];
    struct reading r;
    snprintf(path, sizeof path, "%s/000007-rotary.segue", d->folder);
    fclose(fopen(path, "w"));
    snprintf(path, sizeof path, "%s/000009-selective_scan.segue.part", d->folder);
    fclose(fopen(path, "w"));
    reopen(d);
    open_desk(&other);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_some, i % 2 ? &other : d), 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    close_bench(&other.b);
    const int count = list(d->folder, names);
    assert_int_equal(count, THREADS * EACH + 2);
    for (int i = 0; i < count; i++)
        if (!strstr(names[i], "rotary") && !strstr(names[i], ".part")) read_call(names[i], &r);
    snprintf(path, sizeof path, "%s/000009-selective_scan.segue", d->folder);
    assert_int_equal(access(path, F_OK), -1);
}

static void for_the_user_alone(void **state)
{
    struct desk *d = *state;
    char deeper[PATH], names[FILES][PATH];
    struct stat s;
    snprintf(deeper, sizeof deeper, "%s/made", d->folder);
    setenv("SEGUE_CAPTURE", deeper, 1);
    reopen(d);
    runs(d, 1);
    assert_int_equal(list(deeper, names), 1);
    assert_true(!stat(deeper, &s) && (s.st_mode & 0777) == 0700);
    assert_true(!stat(names[0], &s) && (s.st_mode & 0777) == 0600);
    unlink(names[0]);
    rmdir(deeper);
}

/* ---- what goes wrong ------------------------------------------------------------------------------------ */

static void no_folder(void **state)
{
    struct desk *d = *state;
    char path[PATH], names[FILES][PATH];
    snprintf(path, sizeof path, "%s/file", d->folder);
    fclose(fopen(path, "w"));
    setenv("SEGUE_CAPTURE", path, 1);
    reopen(d);
    assert_non_null(strstr(d->log, "no folder, wanted one; no call is captured"));
    runs(d, 1);
    strcat(path, "/below");
    setenv("SEGUE_CAPTURE", path, 1);
    reopen(d);
    assert_non_null(strstr(d->log, "Not a directory; no call is captured"));
    runs(d, 1);
    assert_int_equal(d->lines, 1);
    assert_int_equal(list(d->folder, names), 1);
    setenv("SEGUE_CAPTURE", "", 1);
    reopen(d);
    runs(d, 1);
    assert_int_equal(d->lines, 0);
}

/* The folder goes away, the disk is full: told once, and every run answers as ever. */
static void no_room(void **state)
{
    struct desk *d = *state;
    struct rlimit old, few = { 512, 512 };
    runs(d, 1);
    assert_int_equal(files(d), 1);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    few.rlim_max = old.rlim_max;
    setrlimit(RLIMIT_FSIZE, &few);
    runs(d, 3);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(files(d), 1); /* no half of one */
    assert_non_null(strstr(d->log, "000002-selective_scan.segue: File too large; no more calls are captured"));
    assert_int_equal(d->lines, 2);
    runs(d, 1);
    assert_int_equal(files(d), 1);
    char names[FILES][PATH];
    list(d->folder, names);
    unlink(names[0]);
    reopen(d);
    assert_int_equal(rmdir(d->folder), 0);
    runs(d, 3);
    assert_non_null(strstr(d->log, "No such file or directory; no more calls"));
    assert_int_equal(d->lines, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(everything_that_came_in),
        TEST(strides_are_kept_and_gaps_are_not),
        TEST(integers_and_nothing),
        TEST(so_many_and_no_more),
        TEST(so_many_bytes),
        TEST(numbers_are_nobody_elses),
        TEST(for_the_user_alone),
        TEST(no_folder),
        TEST(no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
