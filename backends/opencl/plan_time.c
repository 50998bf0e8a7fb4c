/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* How long the first plan of each kernel takes in a new process: with empty caches; with ours full and the
 * driver's own (PoCL's POCL_CACHE_DIR) empty; with both full; and the same plan again in that process. Behind the
 * whole, what the first launches (the warm-up) take of it. The least of RUNS processes but for the first. Exit 77 without a device, 1 where a full cache is no faster than an empty one.
 * usage: opencl_plan_time [DEVICE...]      (opencl:0 by default; SEGUE_PLUGIN_PATH says where the plugin is) */
#include <segue/segue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { T = 2048, D = 1536, N = 16, WIDTH = 4, KERNELS = 2, RUNS = 3 };

struct times {
    double first, first_warm_up, again, again_warm_up;
};

static double warm_up; /* of the last plan */

static void hear(void *user, int32_t level, const char *text)
{
    const char *at = strstr(text, "warmed up in ");
    (void)user, (void)level;
    if (at) warm_up = atof(at + strlen("warmed up in "));
}

static double milliseconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec * 1e-6;
}

static segue_tensor metadata(int rank, const int64_t *shape)
{
    return segue_tensor_of(NULL, SEGUE_F32, rank, shape);
}

static const segue_op_header *scan(void)
{
    static segue_selective_scan op;
    const int64_t btd[] = { 1, T, D }, btgn[] = { 1, T, 1, N }, dn[] = { D, N }, pdn[] = { 1, D, N };
    op = segue_selective_scan_init();
    op.u = op.delta = op.y = metadata(3, btd);
    op.A = metadata(2, dn);
    op.B = op.C = metadata(4, btgn);
    op.h_in = op.h_out = metadata(3, pdn);
    return &op.header;
}

static const segue_op_header *conv(void)
{
    static segue_causal_conv1d op;
    const int64_t btd[] = { 1, T, D }, dw[] = { D, WIDTH };
    op = segue_causal_conv1d_init();
    op.x = op.y = metadata(3, btd);
    op.weight = metadata(2, dw);
    return &op.header;
}

static const struct {
    const char *name;
    const segue_op_header *(*op)(void);
} kernels[KERNELS] = { { "selective_scan", scan }, { "causal_conv1d", conv } };

static segue_status time_plan(segue_device *dev, const segue_op_header *op, double *out, double *launches,
                              segue_diag *why)
{
    segue_plan *plan;
    const double start = milliseconds();
    const segue_status s = segue_plan_create(dev, op, &plan, why);
    *out = milliseconds() - start;
    *launches = warm_up;
    if (!s) segue_plan_destroy(plan);
    return s;
}

/* In a process of its own: one line of times for each kernel to the pipe. */
static int measure(const char *device, int to)
{
    segue_context *ctx = NULL;
    segue_device *dev = NULL;
    segue_diag why = { 0 };
    struct times times[KERNELS];
    const segue_context_options options = { .size = sizeof options, .log = hear };
    segue_status s = segue_context_create(&options, &ctx, &why);
    if (!s) s = segue_device_open(ctx, device, NULL, &dev, &why);
    if (s) return fprintf(stderr, "%s\n", why.text), s == SEGUE_ERROR_NO_DEVICE ? 77 : 1;
    for (int i = 0; i < KERNELS && !s; i++) {
        s = time_plan(dev, kernels[i].op(), &times[i].first, &times[i].first_warm_up, &why);
        if (!s) s = time_plan(dev, kernels[i].op(), &times[i].again, &times[i].again_warm_up, &why);
    }
    segue_device_close(dev);
    segue_context_destroy(ctx);
    if (s) return fprintf(stderr, "%s\n", why.text), 1;
    return write(to, times, sizeof times) != sizeof times;
}

static int in_child(const char *device, struct times out[KERNELS])
{
    int pipes[2], status = 0;
    if (pipe(pipes)) return 1;
    const pid_t child = fork();
    if (!child) _exit(measure(device, pipes[1]));
    close(pipes[1]);
    const ssize_t got = read(pipes[0], out, KERNELS * sizeof *out);
    close(pipes[0]);
    waitpid(child, &status, 0);
    if (!WIFEXITED(status)) return 1;
    return WEXITSTATUS(status) ? WEXITSTATUS(status) : got != (ssize_t)(KERNELS * sizeof *out);
}

static int set_folder(const char *variable, const char *work, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", work, name);
    return setenv(variable, path, 1);
}

/* own: PoCL's cache is a new one for each process. */
static int least(const char *device, const char *work, int own, struct times out[KERNELS])
{
    struct times got[KERNELS];
    int failed = 0;
    for (int run = 0; run < RUNS && !failed; run++) {
        char name[16];
        snprintf(name, sizeof name, "pocl-%d", run);
        failed = (own && set_folder("POCL_CACHE_DIR", work, name)) || in_child(device, got);
        for (int i = 0; i < KERNELS && !failed; i++) {
            if (!run || got[i].first < out[i].first)
                out[i].first = got[i].first, out[i].first_warm_up = got[i].first_warm_up;
            if (!run || got[i].again < out[i].again)
                out[i].again = got[i].again, out[i].again_warm_up = got[i].again_warm_up;
        }
    }
    return failed;
}

static int report(const char *device, const char *work)
{
    struct times empty[KERNELS], ours[KERNELS], both[KERNELS];
    int failed = set_folder("SEGUE_CACHE_DIR", work, device) || set_folder("POCL_CACHE_DIR", work, "pocl");
    if (!failed) failed = in_child(device, empty);
    if (!failed) failed = least(device, work, 0, both);
    if (!failed) failed = least(device, work, 1, ours);
    if (failed) return failed;
    for (int i = 0; i < KERNELS; i++) {
        printf("%-10s %-15s %8.1f (%7.1f) %7.1f (%5.1f) %7.1f (%5.1f) %7.1f (%5.1f) ms\n", device,
               kernels[i].name, empty[i].first, empty[i].first_warm_up, ours[i].first, ours[i].first_warm_up,
               both[i].first, both[i].first_warm_up, both[i].again, both[i].again_warm_up);
        failed |= both[i].first >= empty[i].first;
    }
    return failed;
}

int main(int argc, char **argv)
{
    char work[] = "/tmp/segue-plan-time-XXXXXX", command[64];
    int failed = 0;
    if (!mkdtemp(work)) return 1;
    printf("%-10s %-15s %18s %15s %15s %15s\n", "device", "first plan of", "no cache (warm-up)", "ours only",
           "both", "again");
    fflush(stdout);
    if (argc < 2) failed = report("opencl:0", work);
    for (int i = 1; i < argc && !failed; i++) failed = report(argv[i], work);
    snprintf(command, sizeof command, "rm -rf %s", work);
    return system(command) ? 1 : failed;
}
