/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue conform golden: asks a device what the original authors' code answered. Each file is judged in a child process. */
#include "verb_golden.h"

#include "../checks/check_case.h"
#include "../grammar/interruption.h"
#include "../runner/children.h"
#include "../runner/record.h"
#include "../runner/verb.h"
#include "trial.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

/* vector_names.h is made by the build: one CASE(<primitive>) for each vectors/<primitive>.c. */
#define CASE(primitive) extern const golden_case segue_golden_##primitive;
#include "vector_names.h"
#undef CASE
static const golden_case *const cases[] = {
#define CASE(primitive) &segue_golden_##primitive,
#include "vector_names.h"
#undef CASE
    NULL
};

struct paths {
    char **list;
    size_t count;
};

struct golden { /* the parent's, and as it was at the fork the child's */
    const char *folder, *device;
    FILE *json;
    struct limits limits;
    struct paths all;
    json_t **lines; /* [all.count] what a child said of each file; NULL = nothing yet */
    size_t next, told;
    int count[3];   /* by enum trial_status */
    json_t *facts;  /* of the device, once it was opened */
    struct lab lab; /* the child's */
};

static const char *const status_names[] = { "passed", "failed", "skipped" };

/* ---- the files ------------------------------------------------------------------------------------------ */

static int add_path(struct paths *all, const char *path)
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
static int find_files(const char *folder, struct paths *all)
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

/* ---- the child: one file -------------------------------------------------------------------------------- */

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
    else if (!with)
        conclude(t, TRIAL_FAILED, "nothing maps the authors' names: vectors lacks ", file->primitive);
    else if (refused) conclude(t, TRIAL_SKIPPED, "refused: ", refused);
    else trial_run_case(t, device, file, with);
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

/* The line of --json, and "said": the one for people. */
static json_t *line_of(const struct golden *g, const char *path, const char *device, const golden_file *file,
                       const trial *t)
{
    char where[160], class[96], said[GOLDEN_WHY + 400];
    size_t at = (size_t)snprintf(said, sizeof said, "%s", path + strlen(g->folder) + 1);
    if (t->worst && t->gauged && at < sizeof said)
        at += (size_t)snprintf(said + at, sizeof said - at, "  worst error %.3g of bound %.3g (%s)", t->ratio,
                               t->bound, accuracy_words(t->accuracy, class, sizeof class));
    else if (t->worst && at < sizeof said)
        at += (size_t)snprintf(said + at, sizeof said - at, "  worst error %.3g of rtol %.3g", t->ratio,
                               file->rtol);
    if (at < sizeof said)
        snprintf(said + at, sizeof said - at, t->why[0] ? ": %s" : " at %s",
                 t->why[0] ? t->why : trial_where(t, where, sizeof where));
    json_t *line =
        json_pack("{s:o, s:s?, s:s?, s:s, s:o, s:s, s:o, s:o}", "file", json_text(path), "primitive",
                  file->primitive, "case", file->name, "device", device, "row", json_text(t->row), "status",
                  status_names[t->status], "reason", json_text(t->why), "said", json_text(said));
    if (t->worst) {
        json_t *index = json_array();
        for (int axis = 0; axis < t->worst->rank; axis++)
            json_array_append_new(index, json_integer(t->index[axis]));
        json_object_update_new(line, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "operand", t->worst->name,
                                               "index", index, "got", number(t->got), "want", number(t->want),
                                               "ratio", number(t->ratio), "bound", number(t->bound)));
    }
    return line;
}

static int child_open(void *user, json_t **facts, char *why, size_t room)
{
    struct golden *g = user;
    const char *wanted = g->device ? g->device : json_string_value(json_object_get(g->facts, "name"));
    const int code = lab_open(&g->lab, wanted, 0, why, room);
    const segue_device_facts *f = &g->lab.device.facts;
    if (code) return code;
    *facts = json_pack("{s:o, s:o, s:I, s:b, s:b}", "name", json_text(f->name), "description",
                       json_text(f->description), "memory_bytes", (json_int_t)f->memory_bytes, "reference",
                       (f->flags & SEGUE_DEVICE_REFERENCE) != 0, "stand_in",
                       (f->flags & SEGUE_DEVICE_STAND_IN) != 0);
    if (!child_found_another(g->facts, *facts, why, room)) return EXIT_OK;
    lab_close(&g->lab);
    return EXIT_NO_DEVICE;
}

static int child_judge(void *user, const struct step *s)
{
    struct golden *g = user;
    const char *path = g->all.list[s->item];
    const struct lab_device *from = &g->lab.device;
    const trial_device device = { .handle = from->handle,
                                  .stream = from->stream,
                                  .facts = from->facts,
                                  .dtype = from->facts.flags & SEGUE_DEVICE_REFERENCE ? SEGUE_F64 : SEGUE_F32 };
    golden_file file;
    trial t = { 0 };
    char why[GOLDEN_WHY];
    if (golden_read(path, &file, why)) conclude(&t, TRIAL_FAILED, why, "");
    else judge_file(&t, &device, &file);
    child_tells(line_of(g, path, device.facts.name, &file, &t));
    golden_free(&file);
    return segue_device_status(from->handle, NULL) != SEGUE_OK; /* lost: the next child opens it again */
}

static void child_close(void *user)
{
    lab_close(&((struct golden *)user)->lab);
}

/* ---- the parent ----------------------------------------------------------------------------------------- */

static int more(void *user)
{
    const struct golden *g = user;
    return g->next < g->all.count;
}

static int next(void *user, int child, struct step *out)
{
    struct golden *g = user;
    (void)child;
    if (!more(user)) return 0;
    *out = (struct step){ .item = g->next++ };
    return 1;
}

static void opened(void *user, int child, const json_t *facts)
{
    struct golden *g = user;
    (void)child;
    if (g->facts) return;
    g->facts = json_deep_copy(facts);
    const int reference = json_is_true(json_object_get(facts, "reference"));
    printf("device %s (%s), operands in %s\n", json_string_value(json_object_get(facts, "name")),
           json_string_value(json_object_get(facts, "description")), reference ? "f64" : "f32");
    if (json_is_true(json_object_get(facts, "stand_in")))
        puts("a stand-in driver: this judges the plugin's software, and no hardware");
    if (!reference)
        printf(
            "bound: what a correct kernel of the row's class may answer, and rtol x max(1, largest wanted)\n");
}

static void print_json(FILE *to, json_t *line)
{
    if (to) {
        json_dumpf(line, to, JSON_COMPACT);
        fputc('\n', to);
        fflush(to); /* whole lines, however this ends */
    }
    json_decref(line);
}

/* Prints in the order of the files: what is known from the first one on; at the end behind gaps, too. */
static void tell(struct golden *g, int at_end)
{
    for (; g->told < g->all.count && (at_end || g->lines[g->told]); g->told++) {
        json_t *line = g->lines[g->told];
        if (!line) continue;
        const char *status = json_string_value(json_object_get(line, "status"));
        const char *said = json_string_value(json_object_get(line, "said"));
        enum trial_status s = TRIAL_FAILED;
        for (int i = 0; i < 3; i++)
            if (status && !strcmp(status, status_names[i])) s = (enum trial_status)i;
        g->count[s]++;
        printf("%-7s  %s\n", status_names[s], said ? said : "");
        json_object_del(line, "said");
        print_json(g->json, line);
        g->lines[g->told] = NULL;
    }
    fflush(stdout);
}

static void heard(void *user, int child, const struct step *s, const json_t *result)
{
    struct golden *g = user;
    (void)child;
    json_decref(g->lines[s->item]);
    g->lines[s->item] = json_deep_copy(result);
}

static void ended(void *user, int child, const struct step *s, const struct death *why)
{
    struct golden *g = user;
    (void)child;
    if (why || !g->lines[s->item]) {
        const char *name = json_string_value(json_object_get(g->facts, "name"));
        trial t = { .status = TRIAL_FAILED };
        snprintf(t.why, sizeof t.why, "%s", why ? why->why : "no verdict has come");
        json_decref(g->lines[s->item]);
        g->lines[s->item] = line_of(g, g->all.list[s->item], name ? name : "", &(golden_file){ 0 }, &t);
    }
    tell(g, 0);
}

/* COUNTS, where the folder has one, says how many files each primitive has: "selective_scan 10". One that is
 * missing has failed. */
static int check_counts(struct golden *g)
{
    char path[4096], line[256], name[128];
    int recorded;
    snprintf(path, sizeof path, "%s/COUNTS", g->folder);
    FILE *f = fopen(path, "r");
    if (!f && errno == ENOENT) return EXIT_OK;
    int bad = !f;
    while (f && !bad && fgets(line, sizeof line, f)) {
        int found = 0;
        if (line[0] == '#' || line[0] == '\n') continue;
        if ((bad = sscanf(line, "%127s %d", name, &recorded) != 2)) break;
        for (size_t i = 0; i < g->all.count; i++) {
            const char *below = g->all.list[i] + strlen(g->folder) + 1;
            found += !strncmp(below, name, strlen(name)) && below[strlen(name)] == '/';
        }
        if (found >= recorded) continue;
        printf("failed   %s: %d files, %d recorded in COUNTS\n", name, found, recorded);
        g->count[TRIAL_FAILED] += recorded - found;
    }
    if (bad)
        fprintf(stderr, "segue conform: %s: %s\n", path,
                f ? "wanted lines of a primitive and a number" : strerror(errno));
    if (f) fclose(f);
    return bad ? EXIT_ENVIRONMENT : EXIT_OK;
}

/* code: of the device. What has failed counts for more than that it could not be opened again. */
static int summarize_files(struct golden *g, int code)
{
    const int result = check_counts(g);
    if (!g->all.count) fprintf(stderr, "segue conform: no .safetensors below %s\n", g->folder);
    json_t *summary = json_pack("{s:{s:i, s:i, s:i}}", "summary", "passed", g->count[TRIAL_PASSED], "failed",
                                g->count[TRIAL_FAILED], "skipped", g->count[TRIAL_SKIPPED]);
    if (interruption_came())
        json_object_set_new(json_object_get(summary, "summary"), "interrupted",
                            json_string(interruption_came()));
    print_json(g->json, summary);
    printf("%d passed, %d failed, %d skipped\n", g->count[TRIAL_PASSED], g->count[TRIAL_FAILED],
           g->count[TRIAL_SKIPPED]);
    if (result) return result;
    if (g->count[TRIAL_FAILED] || !g->all.count) return EXIT_FAILED;
    return code;
}

/* With no file at all the device is not asked. */
static int judge_files(struct golden *g)
{
    const struct work work = { .user = g, .open = child_open, .judge = child_judge, .close = child_close };
    const struct duty duty = {
        .user = g, .more = more, .next = next, .opened = opened, .heard = heard, .ended = ended
    };
    struct trouble trouble;
    if (g->all.count && !(g->lines = calloc(g->all.count, sizeof *g->lines))) return EXIT_ENVIRONMENT;
    children_watch_signals();
    const int code = children_run(&work, &duty, &g->limits, &trouble);
    tell(g, 1);
    if (code) fprintf(stderr, "segue conform: %s\n", trouble.opening);
    const int summary = summarize_files(g, code);
    if (!trouble.closing[0]) return summary;
    fprintf(stderr, "segue conform: %s\n", trouble.closing);
    return summary ? summary : EXIT_FAILED;
}

static int golden(struct golden *g, char *folder, const char *json_path)
{
    for (size_t n = strlen(folder); n > 1 && folder[n - 1] == '/'; n--) folder[n - 1] = 0;
    g->folder = folder;
    int result = find_files(folder, &g->all);
    if (!result && g->all.count) qsort(g->all.list, g->all.count, sizeof *g->all.list, by_name);
    if (!result && json_path && !(g->json = fopen(json_path, "w"))) {
        fprintf(stderr, "segue conform: --json %s: %s\n", json_path, strerror(errno));
        result = EXIT_ENVIRONMENT;
    }
    if (!result) result = judge_files(g);
    if (g->json && (ferror(g->json) | fclose(g->json)) && !result) {
        fprintf(stderr, "segue conform: --json %s: not written: %s\n", json_path, strerror(errno));
        result = EXIT_ENVIRONMENT;
    }
    for (size_t i = 0; i < g->all.count; i++) {
        if (g->lines) json_decref(g->lines[i]);
        free(g->all.list[i]);
    }
    free(g->lines);
    free(g->all.list);
    json_decref(g->facts);
    return result;
}

static int usage(FILE *to)
{
    fprintf(
        to,
        "usage: segue conform golden DIR [--device D] [--json FILE]\n"
        "Judges every .safetensors below DIR: what the original authors' code answered against what the "
        "device answers\n"
        "(default: the first that is ready; --device reference judges the reference). --json: one object a "
        "line, then\n"
        "a summary. Exit: 0 all passed or skipped, 1 failed or interrupted, 2 usage, 3 no device, 4 files or system.\n");
    return to == stdout ? EXIT_OK : EXIT_USAGE;
}

int verb_golden(int argc, char **argv)
{
    static const struct option options[] = { { "device", required_argument, NULL, 'd' },
                                             { "json", required_argument, NULL, 'j' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    struct golden g = { .limits = { .jobs = default_jobs(), .seconds = 60, .gib = default_gib() } };
    const char *json = NULL;
    argv[0] = (char[]){ "segue conform golden" }; /* what getopt_long calls us */
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "hd:", options, NULL)) != -1;) {
        if (c == 'h') return usage(stdout);
        if (c == 'd') g.device = optarg;
        else if (c == 'j') json = optarg;
        else return usage(stderr);
    }
    return argc - optind == 1 ? golden(&g, argv[optind], json) : usage(stderr);
}
