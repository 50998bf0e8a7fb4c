/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue conform: asks a device what the original authors' code answered. */
#include "trial.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_DEVICE = 3, EXIT_ENVIRONMENT = 4 };
enum { SECONDS = 60 }; /* for one file, and for opening the device */

/* cases.h is made by the build: one CASE(<primitive>) for each cases/<primitive>.c. */
#define CASE(primitive) extern const golden_case segue_golden_##primitive;
#include "cases.h"
#undef CASE
static const golden_case *const cases[] = {
#define CASE(primitive) &segue_golden_##primitive,
#include "cases.h"
#undef CASE
    NULL
};

typedef struct paths {
    char **list;
    size_t count;
} paths;

typedef struct report { /* in memory that the child and the parent share */
    const char *folder;
    FILE *json;
    int count[3]; /* by enum trial_status */
    size_t next;  /* the file in work */
    int opened;   /* the device was opened, now or by an earlier child */
    int finished; /* the child came to its end */
    char device[32];
} report;

static const char *const status_names[] = { "passed", "failed", "skipped" };

/* ---- the files ---------------------------------------------------------------------------------- */

static int add_path(paths *all, const char *path)
{
    char **list = realloc(all->list, (all->count + 1) * sizeof *list);
    if (list) all->list = list;
    if (list && (list[all->count] = strdup(path))) all->count++;
    else return EXIT_ENVIRONMENT;
    return EXIT_OK;
}

static int ends_with(const char *text, const char *end)
{
    const size_t a = strlen(text), b = strlen(end);
    return a >= b && !strcmp(text + a - b, end);
}

/* Every .safetensors below a folder; symbolic links to folders are not followed. */
static int find_files(const char *folder, paths *all)
{
    int result = EXIT_OK;
    struct stat facts;
    DIR *dir = opendir(folder);
    if (!dir)
        fprintf(stderr, "segue conform: %s: %s%s\n", folder, strerror(errno),
                errno == ENOTDIR ? "; wanted the folder that holds it" : "");
    for (struct dirent *e; dir && !result && (e = readdir(dir));) {
        char path[4096];
        if (e->d_name[0] == '.') continue;
        if (snprintf(path, sizeof path, "%s/%s", folder, e->d_name) >= (int)sizeof path || lstat(path, &facts))
            result = EXIT_ENVIRONMENT;
        else if (S_ISDIR(facts.st_mode)) result = find_files(path, all);
        else if (ends_with(path, ".safetensors")) result = add_path(all, path);
        if (result) fprintf(stderr, "segue conform: %s/%s cannot be read\n", folder, e->d_name);
    }
    if (dir) closedir(dir);
    return dir ? result : EXIT_ENVIRONMENT;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void free_paths(paths *all)
{
    for (size_t i = 0; i < all->count; i++) free(all->list[i]);
    free(all->list);
}

/* ---- one file ----------------------------------------------------------------------------------- */

static const golden_case *case_of(const char *primitive)
{
    const golden_case *const *c = cases;
    while (*c && strcmp((*c)->primitive, primitive)) c++;
    return *c;
}

static int is_primitive(const char *name)
{
    uint32_t id = 1;
    while (segue_describe(id) && strcmp(segue_describe(id)->name, name)) id++;
    return segue_describe(id) != NULL;
}

static void conclude(trial *t, enum trial_status status, const char *why, const char *detail)
{
    t->status = status;
    snprintf(t->why, sizeof t->why, "%s%s", why, detail);
}

static void judge_file(trial *t, const trial_device *device, golden_file *file)
{
    const golden_case *with = case_of(file->primitive);
    const char *refused = with && with->refuse ? with->refuse(file) : NULL;
    memset(t, 0, sizeof *t);
    if (!is_primitive(file->primitive)) conclude(t, TRIAL_SKIPPED, "unknown primitive: ", file->primitive);
    else if (!with) conclude(t, TRIAL_FAILED, "nothing maps the authors' names: cases lacks ", file->primitive);
    else if (refused) conclude(t, TRIAL_SKIPPED, "refused: ", refused);
    else trial_run_case(t, device, file, with);
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void print_json(FILE *to, json_t *line)
{
    if (to) {
        json_dumpf(line, to, JSON_COMPACT);
        fputc('\n', to);
        fflush(to); /* parent and child write in turn */
    }
    json_decref(line);
}

static void tell(report *r, const trial_device *device, const char *path, const golden_file *file,
                 const trial *t)
{
    char where[160];
    r->count[t->status]++;
    printf("%-7s  %s", status_names[t->status], path + strlen(r->folder) + 1);
    if (t->worst)
        printf("  worst error %.3g of %s %.3g", t->ratio, t->bound == file->rtol ? "rtol" : "bound", t->bound);
    if (t->why[0]) printf(": %s\n", t->why);
    else printf(" at %s\n", trial_where(t, where, sizeof where));
    json_t *line = json_pack("{s:s, s:s?, s:s?, s:s, s:s, s:s, s:s}", "file", path, "primitive",
                             file->primitive, "case", file->name, "device", device->facts.name, "row", t->row,
                             "status", status_names[t->status], "reason", t->why);
    if (t->worst) {
        json_t *index = json_array();
        for (int axis = 0; axis < t->worst->rank; axis++)
            json_array_append_new(index, json_integer(t->index[axis]));
        json_object_update_new(line, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "operand", t->worst->name,
                                               "index", index, "got", number(t->got), "want", number(t->want),
                                               "ratio", number(t->ratio), "bound", number(t->bound)));
    }
    print_json(r->json, line);
}

static void judge_path(report *r, const trial_device *device, const char *path)
{
    golden_file file;
    trial t = { 0 };
    char why[GOLDEN_WHY];
    if (golden_read(path, &file, why)) conclude(&t, TRIAL_FAILED, why, "");
    else judge_file(&t, device, &file);
    tell(r, device, path, &file, &t);
    golden_free(&file);
}

/* COUNTS, where the folder has one, says how many files each primitive has: "selective_scan 10". One that is
 * missing has failed. */
static int check_counts(report *r, const paths *all)
{
    char path[4096], line[256], name[128];
    int recorded;
    snprintf(path, sizeof path, "%s/COUNTS", r->folder);
    FILE *f = fopen(path, "r");
    if (!f && errno == ENOENT) return EXIT_OK;
    int bad = !f;
    while (f && !bad && fgets(line, sizeof line, f)) {
        int found = 0;
        if (line[0] == '#' || line[0] == '\n') continue;
        if ((bad = sscanf(line, "%127s %d", name, &recorded) != 2)) break;
        for (size_t i = 0; i < all->count; i++) {
            const char *below = all->list[i] + strlen(r->folder) + 1;
            found += !strncmp(below, name, strlen(name)) && below[strlen(name)] == '/';
        }
        if (found >= recorded) continue;
        printf("failed   %s: %d files, %d recorded in COUNTS\n", name, found, recorded);
        r->count[TRIAL_FAILED] += recorded - found;
    }
    if (bad)
        fprintf(stderr, "segue conform: %s: %s\n", path,
                f ? "wanted lines of a primitive and a number" : strerror(errno));
    if (f) fclose(f);
    return bad ? EXIT_ENVIRONMENT : EXIT_OK;
}

/* ---- the device --------------------------------------------------------------------------------- */

/* The first device that is ready; the reference is chosen by name only. */
static const char *first_ready(segue_context *ctx, segue_device_facts *facts)
{
    segue_diag diag;
    uint32_t count = 0;
    if (segue_device_count(ctx, &count, &diag)) return NULL;
    for (uint32_t i = 0; i < count; i++) {
        facts->size = sizeof *facts;
        if (!segue_device_info(ctx, i, facts, &diag) && facts->flags & SEGUE_DEVICE_READY &&
            !(facts->flags & SEGUE_DEVICE_REFERENCE))
            return facts->name;
    }
    return NULL;
}

static int open_device(segue_context *ctx, const char *name, trial_device *out)
{
    segue_device_facts facts;
    segue_diag diag;
    if (!name) name = first_ready(ctx, &facts);
    if (!name) {
        fprintf(stderr, "segue conform: no device is ready (segue devices says why); "
                        "the reference is taken only by --device reference\n");
        return EXIT_NO_DEVICE;
    }
    out->facts.size = sizeof out->facts;
    if (segue_device_open(ctx, name, NULL, &out->handle, &diag) ||
        segue_device_facts_of(out->handle, &out->facts, &diag) ||
        segue_stream_create(out->handle, &out->stream, &diag)) {
        fprintf(stderr, "segue conform: --device %s: %s\n", name, diag.text);
        segue_device_close(out->handle);
        return EXIT_NO_DEVICE;
    }
    out->dtype = out->facts.flags & SEGUE_DEVICE_REFERENCE ? SEGUE_F64 : SEGUE_F32;
    return EXIT_OK;
}

/* ---- children ------------------------------------------------------------------------------------ */

static void announce(const trial_device *device)
{
    printf("device %s (%s), operands in %s\n", device->facts.name, device->facts.description,
           device->dtype == SEGUE_F64 ? "f64" : "f32");
    if (device->dtype == SEGUE_F32)
        printf("bound: 100 roundings of f32 (100 x 2^-24) of max(1, largest wanted), until the gauge derives "
               "it; rtol 0 stays 0\n");
}

/* Opens the device and judges the files from r->next on. The alarm ends a child that a plugin holds up. */
static int judge_from(report *r, const paths *all, const char *device_name)
{
    trial_device device = { 0 };
    segue_context *ctx = NULL;
    segue_diag diag;
    int result = EXIT_OK;
    alarm(SECONDS);
    if (segue_context_create(NULL, &ctx, &diag)) {
        fprintf(stderr, "segue conform: %s\n", diag.text);
        result = EXIT_ENVIRONMENT;
    }
    if (!result) result = open_device(ctx, device_name, &device);
    if (!result && !r->opened) announce(&device);
    if (!result) r->opened = 1, memcpy(r->device, device.facts.name, sizeof r->device);
    while (!result && r->next < all->count) {
        alarm(SECONDS);
        judge_path(r, &device, all->list[r->next]);
        fflush(stdout);
        r->next++;
        if (segue_device_status(device.handle, NULL)) break; /* lost: the next child opens it again */
    }
    if (device.handle) segue_stream_destroy(device.handle, device.stream);
    segue_device_close(device.handle);
    segue_context_destroy(ctx);
    return result;
}

/* What became of a child that did not finish. */
static void died(char *words, size_t size, int status)
{
    if (!WIFSIGNALED(status)) snprintf(words, size, "ended the process with exit code %d", WEXITSTATUS(status));
    else if (WTERMSIG(status) == SIGALRM) snprintf(words, size, "hung: no answer within %d s", SECONDS);
    else snprintf(words, size, "crashed: %s", strsignal(WTERMSIG(status)));
}

/* Judges in a child, so that a plugin that crashes, hangs or exits costs one file; the rest goes to another. */
static int judge_all(report *r, const paths *all, const char *device_name)
{
    do {
        trial_device device = { 0 };
        trial t = { 0 };
        int status = 0;
        fflush(NULL);
        r->finished = 0;
        const pid_t child = fork();
        if (child == 0) {
            const int result = judge_from(r, all, device_name);
            r->finished = 1;
            exit(result);
        }
        if (child < 0 || waitpid(child, &status, 0) != child) {
            fprintf(stderr, "segue conform: no child process: %s\n", strerror(errno));
            return EXIT_ENVIRONMENT;
        }
        if (r->finished && WIFEXITED(status)) {
            if (WEXITSTATUS(status)) return WEXITSTATUS(status);
            continue; /* all done, or the device is lost */
        }
        died(t.why, sizeof t.why, status);
        t.status = TRIAL_FAILED;
        memcpy(device.facts.name, r->device, sizeof r->device);
        if (!r->opened || r->next == all->count) {
            fprintf(stderr, "segue conform: a plugin %s when the device was %s\n", t.why,
                    r->opened ? "closed" : "opened; segue devices tries each one by itself");
            return r->opened ? EXIT_FAILED : EXIT_NO_DEVICE;
        }
        tell(r, &device, all->list[r->next++], &(golden_file){ 0 }, &t);
    } while (r->next < all->count);
    return EXIT_OK;
}

/* ---- golden -------------------------------------------------------------------------------------- */

static int summarize(report *r, const paths *all)
{
    const int result = check_counts(r, all);
    if (!all->count) fprintf(stderr, "segue conform: no .safetensors below %s\n", r->folder);
    print_json(r->json, json_pack("{s:{s:i, s:i, s:i}}", "summary", "passed", r->count[TRIAL_PASSED], "failed",
                                  r->count[TRIAL_FAILED], "skipped", r->count[TRIAL_SKIPPED]));
    printf("%d passed, %d failed, %d skipped\n", r->count[TRIAL_PASSED], r->count[TRIAL_FAILED],
           r->count[TRIAL_SKIPPED]);
    return result ? result : r->count[TRIAL_FAILED] || !all->count ? EXIT_FAILED : EXIT_OK;
}

static int golden(char *folder, const char *device_name, const char *json_path)
{
    paths all = { 0 };
    report *r = mmap(NULL, sizeof *r, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (r == MAP_FAILED) return EXIT_ENVIRONMENT;
    for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--) folder[n - 1] = 0;
    r->folder = folder;
    int result = find_files(folder, &all);
    if (!result && all.count) qsort(all.list, all.count, sizeof *all.list, by_name);
    if (!result && json_path && !(r->json = fopen(json_path, "w"))) {
        fprintf(stderr, "segue conform: --json %s: %s\n", json_path, strerror(errno));
        result = EXIT_ENVIRONMENT;
    }
    if (!result) result = judge_all(r, &all, device_name);
    if (result == EXIT_OK || result == EXIT_FAILED) {
        const int summary = summarize(r, &all);
        if (!result) result = summary;
    }
    if (r->json && (ferror(r->json) | fclose(r->json)) && !result) {
        fprintf(stderr, "segue conform: --json %s: not written: %s\n", json_path, strerror(errno));
        result = EXIT_ENVIRONMENT;
    }
    free_paths(&all);
    munmap(r, sizeof *r);
    return result;
}

static int usage(FILE *to)
{
    fprintf(to,
            "usage: segue conform golden DIR [--device D] [--json FILE]\n"
            "Judges every .safetensors below DIR: what the original authors' code answered against what the "
            "device answers\n"
            "(default: the first that is ready; --device reference judges the reference). --json: one object a "
            "line, then\n"
            "a summary. Exit: 0 all passed or skipped, 1 failed, 2 usage, 3 no device, 4 files or system.\n");
    return to == stdout ? EXIT_OK : EXIT_USAGE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = { { "device", required_argument, NULL, 'd' },
                                             { "json", required_argument, NULL, 'j' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    const char *device = NULL, *json = NULL;
    argv[0] = (char[]){ "segue conform" }; /* what getopt_long calls us */
    for (int c; (c = getopt_long(argc, argv, "hd:", options, NULL)) != -1;) {
        if (c == 'h') return usage(stdout);
        if (c == 'd') device = optarg;
        else if (c == 'j') json = optarg;
        else return usage(stderr);
    }
    if (argc - optind != 2 || strcmp(argv[optind], "golden")) return usage(stderr);
    const int result = golden(argv[optind + 1], device, json);
    if (fflush(stdout) || ferror(stdout)) return EXIT_ENVIRONMENT;
    return result;
}
