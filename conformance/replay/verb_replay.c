/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The command. The parent reads the files and loads no plugin; for each device children judge them. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../bench/stage.h"
#include "../grammar/interruption.h"
#include "../runner/children.h"
#include "../runner/record.h"
#include "../runner/verb.h"
#include "replay.h"

enum { SECONDS = 300, DEVICES = BENCH_DEVICES };

struct file {                /* in the parent */
    const char *path, *name; /* name: behind its last slash */
    double need;
    json_t *lines; /* what children said of it on this device: a record for each row */
    int in_reference, done;
};

struct replay { /* the parent's, and as it was at the fork the child's */
    const char *row, *device;
    int quiet, refused;
    FILE *json;
    struct limits limits;
    struct file *files;
    size_t count, next, told;
    int counts[3];
    json_t *facts;  /* of the device, once it was opened */
    struct lab lab; /* the child's */
};

/* ---- the child: one file -------------------------------------------------------------------------------- */

static int child_open(void *user, json_t **facts, char *why, size_t room)
{
    struct replay *r = user;
    const int code = lab_open(&r->lab, r->device, 0, why, room);
    const segue_device_facts *f = &r->lab.device.facts;
    if (code) return code;
    *facts = json_pack("{s:o, s:o, s:I, s:b}", "name", json_text(f->alias[0] ? f->alias : f->name),
                       "description", json_text(f->description), "memory_bytes", (json_int_t)f->memory_bytes,
                       "stand_in", (f->flags & SEGUE_DEVICE_STAND_IN) != 0);
    if (!child_found_another(r->facts, *facts, why, room)) return EXIT_OK;
    lab_close(&r->lab);
    return EXIT_NO_DEVICE;
}

struct teller {
    const struct replay *replay;
    const struct file *file;
    const char *primitive;
    int spent;
};

static void tell_result(void *user, const struct result *result)
{
    struct teller *t = user;
    json_t *line = record_json(t->file->path, t->replay->lab.device.facts.name, result);
    json_object_set_new(line, "file", json_text(t->file->path));
    json_object_set_new(line, "primitive", json_text(t->primitive));
    t->spent |= result->status == STATUS_DEVICE_LOST || result->failed & CHECK_GUARD;
    child_tells(line);
}

static void tell_reference(void *user, int begins)
{
    (void)user;
    child_tells(json_pack("{s:b}", "in_reference", begins));
}

static int child_judge(void *user, const struct step *s)
{
    struct replay *r = user;
    struct teller t = { .replay = r, .file = &r->files[s->item], .primitive = "" };
    const struct replay_listener to = { &t, tell_result, tell_reference };
    struct replay_file f;
    struct result broken = { .status = STATUS_HARNESS_ERROR };
    char why[DESCRIPTOR_WHY];
    if (replay_read(t.file->path, &f, why)) {
        snprintf(broken.why, sizeof broken.why, "%.390s", why);
        tell_result(&t, &broken);
    } else {
        t.primitive = f.primitive->name;
        replay_judge(&r->lab, &f, r->row, r->limits.gib * 0x1p30, &to);
    }
    replay_free(&f);
    return t.spent || segue_device_status(r->lab.device.handle, NULL) != SEGUE_OK;
}

static void child_close(void *user)
{
    lab_close(&((struct replay *)user)->lab);
}

/* ---- what people and programs read ---------------------------------------------------------------------- */

/* A real call that proves nothing is nobody's fault. */
static int counts_as(const struct result *r)
{
    return r->status == STATUS_VACUOUS ? COUNTS_SKIPPED : status_counts_as(r->status);
}

static void print_failure(const char *device, const struct file *f, const struct result *r)
{
    char place[160];
    printf("%-13s  %-10s  %s  %s%s", status_name(r->status), device, f->name, r->row, r->row[0] ? ": " : "");
    if (r->operand[0] && r->rank)
        printf("%s is %.9g, wanted %.9g, %.3g times its bound; ", record_place(r, place, sizeof place), r->got,
               r->want, r->ratio);
    else if (r->operand[0]) printf("%s: ", r->operand);
    printf("%s%s%s\n", r->why, r->pattern[0] ? "; " : "", r->pattern);
}

/* "" before it was opened */
static const char *device_name(const struct replay *r)
{
    const char *name = json_string_value(json_object_get(r->facts, "name"));
    return name ? name : "";
}

/* A file on this device. */
static void print_file(struct replay *r, const struct file *f)
{
    struct result worst = { .status = STATUS_UNSUPPORTED }, one;
    int rows = 0, failed = 0, any = 0;
    for (size_t i = 0; i < json_array_size(f->lines); i++) {
        if (record_read(json_array_get(f->lines, i), &one)) continue;
        if (counts_as(&one) == COUNTS_FAILED) {
            print_failure(device_name(r), f, &one);
            failed = 1;
        } else if (counts_as(&one) == COUNTS_PASSED) {
            if (!rows || one.margin > worst.margin) worst = one;
            rows++;
        } else if (!any) worst = one;
        any = 1;
    }
    r->counts[failed ? COUNTS_FAILED : rows ? COUNTS_PASSED : COUNTS_SKIPPED]++;
    if (failed || r->quiet) return;
    printf("%-13s  %-10s  %s  ", rows ? "PASS" : status_name(worst.status), device_name(r), f->name);
    if (rows) printf("%.3g of its bound (%s%s)\n", worst.margin, worst.row, rows > 1 ? ", the worst row" : "");
    else printf("%s%s%s\n", worst.row, worst.row[0] ? ": " : "", worst.why);
}

static void print_json(FILE *to, const json_t *line)
{
    if (!to) return;
    json_dumpf(line, to, JSON_COMPACT);
    fputc('\n', to);
    fflush(to); /* whole lines, however this ends */
}

/* ---- the parent ----------------------------------------------------------------------------------------- */

static int more(void *user)
{
    const struct replay *r = user;
    return r->next < r->count;
}

static int next(void *user, int child, struct step *out)
{
    struct replay *r = user;
    (void)child;
    if (!more(user)) return 0;
    *out = (struct step){ .item = r->next++ };
    return 1;
}

static void opened(void *user, int child, const json_t *facts)
{
    struct replay *r = user;
    (void)child;
    if (r->facts) return;
    r->facts = json_deep_copy(facts);
    if (json_is_true(json_object_get(facts, "stand_in")))
        fprintf(stderr, "%s: a stand-in driver: this judges the plugin's software, and no hardware\n",
                device_name(r));
}

static void heard(void *user, int child, const struct step *s, const json_t *result)
{
    struct file *f = &((struct replay *)user)->files[s->item];
    const json_t *in_reference = json_object_get(result, "in_reference");
    (void)child;
    if (in_reference) f->in_reference = json_is_true(in_reference);
    else json_array_append_new(f->lines, json_deep_copy(result));
}

/* Prints in the order of the files: what is known from the first one on; at the end behind gaps, too. */
static void tell(struct replay *r, int at_end)
{
    for (; r->told < r->count && (at_end || r->files[r->told].done); r->told++) {
        const struct file *f = &r->files[r->told];
        if (!f->done) continue;
        print_file(r, f);
        for (size_t i = 0; i < json_array_size(f->lines); i++) {
            json_object_del(json_array_get(f->lines, i), "descriptor");
            print_json(r->json, json_array_get(f->lines, i));
        }
    }
    fflush(stdout);
}

/* The reference may take its time, which says nothing of the device. */
static void ended(void *user, int child, const struct step *s, const struct death *why)
{
    struct replay *r = user;
    struct file *f = &r->files[s->item];
    struct result last = { .status = why ? why->status : STATUS_HARNESS_ERROR };
    (void)child;
    if (why && why->status == STATUS_TIMEOUT && f->in_reference) {
        last.status = STATUS_SKIP_RESOURCE;
        snprintf(last.why, sizeof last.why,
                 "the reference and its gauge take more than %d s: --seconds allows more", r->limits.seconds);
    } else snprintf(last.why, sizeof last.why, "%.390s", why ? why->why : "no verdict has come");
    if (why || !json_array_size(f->lines)) {
        json_t *line = record_json(f->path, device_name(r), &last);
        json_object_set_new(line, "file", json_text(f->path));
        json_array_append_new(f->lines, line);
    }
    f->done = 1;
    tell(r, 0);
}

/* All files on one device; an exit code. */
static int run_device(struct replay *r, const char *device)
{
    const struct work work = { .user = r, .open = child_open, .judge = child_judge, .close = child_close };
    const struct duty duty = {
        .user = r, .more = more, .next = next, .opened = opened, .heard = heard, .ended = ended
    };
    struct trouble trouble;
    r->device = device, r->next = r->told = 0;
    for (size_t i = 0; i < r->count; i++) {
        json_array_clear(r->files[i].lines);
        r->files[i].in_reference = r->files[i].done = 0;
    }
    const int code = children_run(&work, &duty, &r->limits, &trouble);
    tell(r, 1);
    json_decref(r->facts);
    r->facts = NULL;
    if (code) fprintf(stderr, "segue replay: %s\n", trouble.opening);
    else if (trouble.closing[0])
        fprintf(stderr, "segue replay: %s\n", trouble.closing), r->counts[COUNTS_FAILED]++;
    return code;
}

/* code: of the devices. What failed on one counts for more than that another one cannot be opened; so does an interruption. */
static int summarise(struct replay *r, int code)
{
    const char *interrupted = interruption_came();
    json_t *summary =
        json_pack("{s:{s:i, s:i, s:i, s:i}}", "summary", "passed", r->counts[COUNTS_PASSED], "failed",
                  r->counts[COUNTS_FAILED], "skipped", r->counts[COUNTS_SKIPPED], "refused", r->refused);
    if (interrupted)
        json_object_set_new(json_object_get(summary, "summary"), "interrupted", json_string(interrupted));
    print_json(r->json, summary);
    json_decref(summary);
    printf("%d passed, %d failed, %d skipped\n", r->counts[COUNTS_PASSED], r->counts[COUNTS_FAILED],
           r->counts[COUNTS_SKIPPED]);
    if (r->counts[COUNTS_FAILED] || interrupted) return EXIT_FAILED;
    if (code) return code;
    if (r->refused) return EXIT_ENVIRONMENT;
    return r->counts[COUNTS_PASSED] ? EXIT_OK : EXIT_FAILED;
}

/* ---- files and devices ---------------------------------------------------------------------------------- */

static void add_file(struct replay *r, const char *path)
{
    const char *slash = strrchr(path, '/');
    struct replay_file f;
    char why[DESCRIPTOR_WHY] = "";
    if (replay_read(path, &f, why)) {
        fprintf(stderr, "segue replay: %s: refused: %s\n", path, why);
        r->refused++;
    } else {
        struct file *to = &r->files[r->count++];
        *to = (struct file){
            .path = path, .name = slash ? slash + 1 : path, .need = f.need, .lines = json_array()
        };
        if (!r->quiet)
            printf("%s  %s, captured on %s (%s), row %s\n", to->name, f.primitive->name, f.device,
                   f.description, f.row);
    }
    replay_free(&f);
}

/* As many children as have room for the largest call. */
static void share_memory(struct replay *r)
{
    double most = 1;
    for (size_t i = 0; i < r->count; i++) most = fmax(most, r->files[i].need);
    if (r->limits.gib > 0)
        r->limits.jobs = (int)fmax(1, fmin(r->limits.jobs, floor(r->limits.gib * 0x1p30 / most)));
}

/* names: separated by commas; NULL: all that are ready. What the first one came to that could not be opened. */
static int run_devices(struct replay *r, char *names)
{
    char found[DEVICES][32], why[DESCRIPTOR_WHY] = "";
    int count = 0, code = names ? EXIT_OK : bench_device_names(found, &count, why);
    if (code) fprintf(stderr, "segue replay: %s\n", why);
    for (char *name; names && (name = strsep(&names, ",")) != NULL;) {
        if (count == DEVICES)
            return fprintf(stderr, "segue replay: --on: wanted at most %d\n", DEVICES), EXIT_USAGE;
        snprintf(found[count++], sizeof found[0], "%s", name);
    }
    for (int i = 0; i < count && !interruption_came(); i++) {
        const int one = run_device(r, found[i]);
        if (!code) code = one;
    }
    return code;
}

static int replay(struct replay *r, char **paths, int count, char *devices, const char *json)
{
    if (!(r->files = calloc((size_t)count, sizeof *r->files))) return EXIT_ENVIRONMENT;
    if (json && !(r->json = fopen(json, "w"))) {
        fprintf(stderr, "segue replay: --json %s: %s\n", json, strerror(errno));
        free(r->files);
        return EXIT_ENVIRONMENT;
    }
    children_watch_signals();
    for (int i = 0; i < count && !interruption_came(); i++) add_file(r, paths[i]);
    fflush(stdout);
    share_memory(r);
    int code = r->count ? run_devices(r, devices) : EXIT_OK;
    if (code != EXIT_USAGE) code = summarise(r, code);
    if (r->json && (ferror(r->json) | fclose(r->json)) && !code) {
        fprintf(stderr, "segue replay: --json %s: not written: %s\n", json, strerror(errno));
        code = EXIT_ENVIRONMENT;
    }
    for (size_t i = 0; i < r->count; i++) json_decref(r->files[i].lines);
    free(r->files);
    return code;
}

static int usage(FILE *to)
{
    fprintf(
        to,
        "usage: segue replay FILE... [--on D,D...] [--row R] [--json FILE] [--seconds N] [-q]\n"
        "Runs calls that an engine made, as SEGUE_CAPTURE=folder wrote them, and judges outputs and states against the\n"
        "reference: element by element, and every byte around them. The plan is made for what it was made for there.\n"
        "  --on A,B,C     on which devices; without: all that are ready, the reference last\n"
        "  --row R        only that kernel; without: each that takes the call\n"
        "  --json FILE    one object a line for each row, a summary last\n"
        "  --seconds N    for one file on one device, %d without; where the reference takes longer, it is skipped\n"
        "  -q, --quiet    only what fails, and the last line\n"
        "Exit: 0 all passed or skipped, 1 failed, interrupted or nothing to judge, 2 usage, 3 a device cannot be opened, 4 a\n"
        "file is refused, or system. All other devices and files are judged all the same.\n",
        SECONDS);
    return to == stdout ? EXIT_OK : EXIT_USAGE;
}

int verb_replay(int argc, char **argv)
{
    static const struct option options[] = { { "on", required_argument, NULL, 'o' },
                                             { "row", required_argument, NULL, 'r' },
                                             { "json", required_argument, NULL, 'j' },
                                             { "seconds", required_argument, NULL, 's' },
                                             { "quiet", no_argument, NULL, 'q' },
                                             { "help", no_argument, NULL, 'h' },
                                             { 0 } };
    struct replay r = { .limits = { .jobs = default_jobs(), .seconds = SECONDS, .gib = default_gib() } };
    const char *json = NULL;
    char *devices = NULL;
    for (int c; (c = getopt_long(argc, argv, "qh", options, NULL)) != -1;) switch (c) {
        case 'o': devices = optarg; break;
        case 'r': r.row = optarg; break;
        case 'j': json = optarg; break;
        case 's': r.limits.seconds = atoi(optarg); break;
        case 'q': r.quiet = 1; break;
        case 'h': return usage(stdout);
        default: return usage(stderr);
        }
    if (r.limits.seconds < 1 || r.limits.seconds > 1000000)
        return fprintf(stderr, "segue replay: --seconds: wanted 1 to 1000000\n"), EXIT_USAGE;
    return optind < argc ? replay(&r, argv + optind, argc - optind, devices, json) : usage(stderr);
}
