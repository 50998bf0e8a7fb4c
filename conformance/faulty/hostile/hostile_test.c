/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* hostile_test FOLDER BENIGN: each hostile plugin below FOLDER is tried in a child with a time limit. Those
 * that are merely rejected are then loaded again in this very process, before and together with the plugin
 * BENIGN, which must still be found and compute a scan with right numbers. One line a plugin: status, phase,
 * words. */
#include <segue/segue.h>

#include <fnmatch.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum outcome { REJECTED, DIED, EXITED, HUNG, ACCEPTED };
enum { LIMIT_MS = 10000 }; /* for those that answer; a sanitizer's start-up is slow */

static const char *const phase_names[] = { "call", "path", "note", "load", "entry", "vet", "enumerate" };
static const char *const outcome_names[] = { "rejected", "died", "exited", "hung", "accepted" };

static const struct fate { /* what must become of each */
    const char *id;
    enum outcome outcome;
    uint32_t phase;
    int limit_ms;
    const char *words; /* shell pattern */
} fates[] = {
    { "short_table", REJECTED, SEGUE_PHASE_VET, LIMIT_MS, "table size is *, wanted *" },
    { "null_entry", REJECTED, SEGUE_PHASE_VET, LIMIT_MS, "table entry plan_run is NULL" },
    { "wrong_epoch", REJECTED, SEGUE_PHASE_NOTE, LIMIT_MS, "built for plugin epoch 7, this host speaks 0*" },
    { "lying_epoch", REJECTED, SEGUE_PHASE_VET, LIMIT_MS, "table is of epoch 7, *, this host speaks epoch 0*" },
    { "absurd_devices", REJECTED, SEGUE_PHASE_ENUMERATE, LIMIT_MS,
      "device_count counted 4000000000, wanted at most 256" },
    { "absurd_primitives", REJECTED, SEGUE_PHASE_VET, LIMIT_MS,
      "primitive_count is 4000000000, wanted at most 256" },
    { "unterminated_note", REJECTED, SEGUE_PHASE_NOTE, LIMIT_MS,
      "the note's version does not end within its 32 bytes*" },
    { "unterminated_facts", REJECTED, SEGUE_PHASE_ENUMERATE, LIMIT_MS,
      "device 0: its description does not end within its 128 bytes" },
    { "unterminated_words", REJECTED, SEGUE_PHASE_ENTRY, LIMIT_MS, "its entry answered unknown status: xxx*" },
    { "crash_in_entry", DIED, SEGUE_PHASE_ENTRY, LIMIT_MS, "the child ended by signal *" },
    { "hang_in_enumerate", HUNG, SEGUE_PHASE_ENUMERATE, 2000, "no answer within 2000 ms" },
    { "exit_in_enumerate", EXITED, SEGUE_PHASE_ENUMERATE, LIMIT_MS, "the child exited with 0" },
};
enum { FATES = sizeof fates / sizeof *fates };

static int failures;
static uint32_t *reached; /* shared with the child: the phase that it was in */

/* "plugin crash_in_entry: phase entry": what the loader logs before it runs a plugin's code. */
static void note_phase(void *user, int32_t level, const char *text)
{
    const char *phase = strstr(text, ": phase ");
    (void)user, (void)level;
    for (uint32_t i = 0; phase && reached && i < sizeof phase_names / sizeof *phase_names; i++)
        if (!strcmp(phase + strlen(": phase "), phase_names[i])) *reached = i;
}

static void check(int truth, const char *what, const char *detail)
{
    if (truth) return;
    failures++;
    fprintf(stderr, "FAILED: %s: %s\n", what, detail);
}

static segue_context *context_of(const char *const *paths)
{
    const segue_context_options options = {
        .size = sizeof options, .flags = SEGUE_CONTEXT_NO_DISCOVERY, .plugins = paths, .log = note_phase
    };
    segue_context *ctx = NULL;
    segue_diag why = { 0 };
    check(!segue_context_create(&options, &ctx, &why), "context", why.text);
    return ctx;
}

/* What became of the plugin listed first, once everything was loaded. */
static segue_plugin_facts load_all(segue_context *ctx)
{
    segue_plugin_facts facts[FATES + 2];
    uint32_t count = 0, room = FATES + 2;
    segue_diag why = { 0 };
    memset(facts, 0, sizeof facts);
    for (uint32_t i = 0; i < room; i++) facts[i].size = sizeof facts[i];
    check(!segue_device_count(ctx, &count, &why), "device_count", why.text);
    check(!segue_plugin_report(ctx, facts, &room, &why), "plugin_report", why.text);
    return facts[0];
}

static void run_child(const char *path, int out)
{
    segue_plugin_facts facts;
    signal(SIGSEGV, SIG_DFL); /* a sanitizer's handler would make an exit of it */
    segue_context *ctx = context_of((const char *const[]){ path, NULL });
    facts = load_all(ctx);
    segue_context_destroy(ctx);
    if (write(out, &facts, sizeof facts) != sizeof facts) _exit(1);
    _exit(0);
}

/* Reads the child's report; 0 if the time is up before it ends. */
static int read_report(int in, int limit_ms, segue_plugin_facts *facts, size_t *got)
{
    struct pollfd wait = { .fd = in, .events = POLLIN };
    *got = 0;
    while (poll(&wait, 1, limit_ms) > 0) {
        const ssize_t n = read(in, (char *)facts + *got, sizeof *facts - *got);
        if (n <= 0) return 1;
        *got += (size_t)n;
    }
    return 0;
}

static enum outcome probe(const char *path, int limit_ms, segue_plugin_facts *facts)
{
    int ends[2], status = 0, ended;
    size_t got = 0;
    pid_t child;
    if (pipe(ends)) exit(2);
    *reached = 0;
    fflush(NULL);
    child = fork();
    if (child < 0) exit(2);
    if (!child) {
        close(ends[0]);
        run_child(path, ends[1]);
    }
    close(ends[1]);
    ended = read_report(ends[0], limit_ms, facts, &got);
    close(ends[0]);
    if (!ended) kill(child, SIGKILL);
    waitpid(child, &status, 0);
    facts->code = SEGUE_ERROR_PLUGIN;
    if (ended && got == sizeof *facts && WIFEXITED(status) && !WEXITSTATUS(status))
        return facts->state == SEGUE_PLUGIN_REJECTED ? REJECTED : ACCEPTED;
    facts->phase = *reached;
    if (!ended) snprintf(facts->text, sizeof facts->text, "no answer within %d ms", limit_ms);
    else if (WIFSIGNALED(status))
        snprintf(facts->text, sizeof facts->text, "the child ended by signal %d", WTERMSIG(status));
    else snprintf(facts->text, sizeof facts->text, "the child exited with %d", WEXITSTATUS(status));
    return !ended ? HUNG : WIFSIGNALED(status) ? DIED : EXITED;
}

static void judge(const struct fate *fate, enum outcome outcome, const segue_plugin_facts *facts)
{
    printf("%s: %s, %s, %s, %s\n", fate->id, outcome_names[outcome], segue_status_name(facts->code),
           facts->phase < sizeof phase_names / sizeof *phase_names ? phase_names[facts->phase] : "?",
           facts->text);
    check(outcome == fate->outcome, fate->id, outcome_names[outcome]);
    if (outcome != fate->outcome) return;
    check(facts->code == SEGUE_ERROR_PLUGIN && facts->phase == fate->phase, fate->id, "status or phase");
    check(!fnmatch(fate->words, facts->text, 0), fate->id, facts->text);
}

/* A scan small enough to be written out: batch 1, T tokens, D channels, N states, f32, softplus on. */
enum { T = 5, D = 3, N = 4 };

static void expect(const float *u, const float *delta, const float *A, const float *B, const float *C,
                   double *y)
{
    for (int d = 0; d < D; d++) {
        double h[N] = { 0 };
        for (int t = 0; t < T; t++) {
            const double step = log1p(exp((double)delta[t * D + d]));
            y[t * D + d] = 0;
            for (int n = 0; n < N; n++) {
                h[n] = exp(step * (double)A[d * N + n]) * h[n] +
                       step * (double)u[t * D + d] * (double)B[t * N + n];
                y[t * D + d] += (double)C[t * N + n] * h[n];
            }
        }
    }
}

static void scan_on(segue_device *dev)
{
    float u[T * D], delta[T * D], A[D * N], B[T * N], C[T * N], y[T * D] = { 0 };
    double want[T * D];
    segue_selective_scan op = segue_selective_scan_init();
    segue_plan *plan = NULL;
    segue_stream stream = { 0 };
    segue_plan_facts facts = { .size = sizeof facts };
    segue_diag why = { 0 };
    for (int i = 0; i < T * D; i++) u[i] = (float)sin(i), delta[i] = (float)cos(3 * i);
    for (int i = 0; i < D * N; i++) A[i] = -1 - (float)i / 4;
    for (int i = 0; i < T * N; i++) B[i] = (float)cos(i), C[i] = (float)sin(5 * i);
    op.u = segue_tensor_of(u, SEGUE_F32, 3, (int64_t[]){ 1, T, D });
    op.delta = segue_tensor_of(delta, SEGUE_F32, 3, (int64_t[]){ 1, T, D });
    op.A = segue_tensor_of(A, SEGUE_F32, 2, (int64_t[]){ D, N });
    op.B = segue_tensor_of(B, SEGUE_F32, 4, (int64_t[]){ 1, T, 1, N });
    op.C = segue_tensor_of(C, SEGUE_F32, 4, (int64_t[]){ 1, T, 1, N });
    op.y = segue_tensor_of(y, SEGUE_F32, 3, (int64_t[]){ 1, T, D });
    expect(u, delta, A, B, C, want);
    check(!segue_stream_create(dev, &stream, &why), "stream_create", why.text);
    check(!segue_plan_create(dev, &op.header, &plan, &why), "plan_create", why.text);
    if (!plan) return;
    check(!segue_plan_info(plan, &facts, &why), "plan_info", why.text);
    check(!strcmp(facts.row, "selective_scan_benign"), "row", facts.row);
    check(!segue_plan_run(plan, &op.header, stream, (segue_buffer){ 0 }, &why), "plan_run", why.text);
    for (int i = 0; i < T * D; i++) {
        char text[64];
        snprintf(text, sizeof text, "y[%d] is %.9g, wanted %.9g", i, (double)y[i], want[i]);
        check(fabs((double)y[i] - want[i]) <= 1e-6 * (1 + fabs(want[i])), "scan", text);
    }
    segue_plan_destroy(plan);
    segue_stream_destroy(dev, stream);
}

/* The good plugin in a context whose other candidates are the rejected ones. */
static void use_benign(const char *const *paths)
{
    segue_context *ctx = context_of(paths);
    segue_device *dev = NULL;
    segue_diag why = { 0 };
    if (!ctx) return;
    load_all(ctx);
    check(!segue_device_open(ctx, "benign:0", NULL, &dev, &why), "device_open", why.text);
    if (dev) scan_on(dev);
    segue_device_close(dev);
    segue_context_destroy(ctx);
}

int main(int argc, char **argv)
{
    reached = mmap(NULL, sizeof *reached, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (reached == MAP_FAILED) return 2;
    static char paths[FATES][1200];
    const char *rejected[FATES + 2] = { NULL };
    uint32_t count = 0;
    if (argc != 3) return fprintf(stderr, "usage: hostile_test FOLDER BENIGN\n"), 2;
    for (int i = 0; i < FATES; i++) {
        segue_plugin_facts facts = { 0 };
        snprintf(paths[i], sizeof paths[i], "%s/%s/segue_%s.so", argv[1], fates[i].id, fates[i].id);
        const enum outcome outcome = probe(paths[i], fates[i].limit_ms, &facts);
        judge(&fates[i], outcome, &facts);
        if (outcome == REJECTED) rejected[count++] = paths[i];
    }
    for (uint32_t i = 0; i < count; i++) { /* one by one, in this process */
        segue_context *ctx = context_of((const char *const[]){ rejected[i], NULL });
        const segue_plugin_facts facts = load_all(ctx);
        check(facts.state == SEGUE_PLUGIN_REJECTED && facts.text[0], "in this process", rejected[i]);
        segue_context_destroy(ctx);
    }
    rejected[count++] = argv[2];
    use_benign(rejected);
    use_benign(rejected + count - 1);
    printf("benign: the scan is right after %u rejected plugins in this process\n", count - 1);
    return failures ? 1 : 0;
}
