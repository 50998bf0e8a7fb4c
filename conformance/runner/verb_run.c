/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "report_file.h"
#include "verb.h"

#include <getopt.h>
#include <signal.h>
#include <stdlib.h>

enum { REPORTS = 3 };

struct report_file {
    const char *option, *path;
    report_writer *write;
};

static int usage(FILE *to)
{
    fputs(
        "usage: segue conform run [--device D] [--profile P] [--row R] [--failures F] [--json F] [--junit F] [--html F]\n"
        "                         [DESCRIPTOR | GLOB]...\n"
        "Judges a device: every case on every kernel that accepts it, in child processes.\n"
        "  DESCRIPTOR     this case, in the order given; a word with * ? [ is a pattern over the profile's names, in\n"
        "                 which * crosses /\n"
        "  --device D     wanted device; default: the first that is ready\n"
        "  --profile P    smoke (default) or core\n"
        "  --row R        this kernel only\n"
        "  --failures F   the cases and kernels that failed in an earlier run's --json file\n"
        "  --json F       JSON lines: what was run, a result each, a summary\n"
        "  --junit F, --html F  the same for a CI server; as one page for people\n"
        "  --jobs N       child processes at a time (default: processors, at most 8)\n"
        "  --seconds S    for a case (default 60)\n"
        "  --retries N    how often a failed case is run again, alone (default 3; 0: never)\n"
        "  --memory GIB   data memory of a child (default: three quarters of the machine's)\n"
        "  --no-variants  not with other instruction sets and thread counts\n"
        "  -q, --quiet    failures and counts only\n"
        "Exit: 0 all passed or skipped, 1 something failed, nothing passed or interrupted (reports say what there was), 2 usage, 3 no device, 4 files or system.\n",
        to);
    return to == stdout ? EXIT_OK : EXIT_USAGE;
}

struct request {
    struct wish wish;
    struct run_options options;
    struct report_file reports[REPORTS];
    int help;
};

/* The whole of text is a number from low to high; words and EXIT_USAGE otherwise. */
static int read_number(const char *option, const char *text, double low, double high, double *out)
{
    char *end;
    *out = strtod(text, &end);
    if (end != text && !*end && *out >= low && *out <= high) return EXIT_OK;
    fprintf(stderr, "segue conform run: --%s %s: wanted a number from %g to %g\n", option, text, low, high);
    return EXIT_USAGE;
}

/* Options with a number: where it goes. */
static int take_number(struct request *q, const char *option, const char *text)
{
    struct limits *l = &q->options.limits;
    const struct {
        const char *name;
        double low, high;
        int *whole;
        double *real;
    } numbers[] = {
        { "jobs", 1, 64, &l->jobs, NULL },
        { "seconds", 1, 86400, &l->seconds, NULL },
        { "retries", 0, 100, &q->options.retries, NULL },
        { "memory", 0.01, 1 << 20, NULL, &l->gib },
    };
    double value;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        if (strcmp(numbers[i].name, option)) continue;
        if (read_number(option, text, numbers[i].low, numbers[i].high, &value)) return EXIT_USAGE;
        q->options.seconds_given |= numbers[i].whole == &l->seconds;
        q->options.memory_given |= numbers[i].real == &l->gib;
        if (numbers[i].whole) *numbers[i].whole = (int)value;
        else *numbers[i].real = value;
    }
    return EXIT_OK;
}

static int read_options(struct request *q, int argc, char **argv)
{
    static const struct option options[] = {
        { "device", required_argument, NULL, 'd' },
        { "profile", required_argument, NULL, 'p' },
        { "row", required_argument, NULL, 'r' },
        { "failures", required_argument, NULL, 'f' },
        { "json", required_argument, NULL, '0' },
        { "junit", required_argument, NULL, '1' },
        { "html", required_argument, NULL, '2' },
        { "jobs", required_argument, NULL, 'n' },
        { "seconds", required_argument, NULL, 'n' },
        { "retries", required_argument, NULL, 'n' },
        { "memory", required_argument, NULL, 'n' },
        { "no-variants", no_argument, NULL, 'v' },
        { "quiet", no_argument, NULL, 'q' },
        { "help", no_argument, NULL, 'h' },
        { 0 },
    };
    argv[0] = (char[]){ "segue conform run" }; /* what getopt_long calls us */
    optind = 1;
    for (int c, at; (c = getopt_long(argc, argv, "hqd:", options, &at)) != -1;) {
        if (c == 'd') q->options.device = optarg;
        else if (c == 'p') q->wish.profile = optarg;
        else if (c == 'r') q->wish.row = optarg;
        else if (c == 'f') q->wish.failures = optarg;
        else if (c >= '0' && c < '0' + REPORTS) q->reports[c - '0'].path = optarg;
        else if (c == 'v') q->options.variants = 0;
        else if (c == 'q') q->options.quiet = 1;
        else if (c == 'h') q->help = 1;
        else if (c != 'n') return usage(stderr);
        else if (take_number(q, options[at].name, optarg)) return EXIT_USAGE;
    }
    q->wish.words = argv + optind;
    q->wish.word_count = argc - optind;
    return EXIT_OK;
}

static int try_reports(const struct request *q)
{
    for (int i = 0; i < REPORTS; i++) {
        const struct report_file *f = &q->reports[i];
        const int why = f->path ? report_file_try(f->path) : 0;
        if (!why) continue;
        fprintf(stderr, "segue conform run: --%s %s: %s\n", f->option, f->path, strerror(why));
        return EXIT_ENVIRONMENT;
    }
    return EXIT_OK;
}

static int write_reports(const struct request *q, const struct run *run, const struct summary *s)
{
    int code = EXIT_OK;
    for (int i = 0; i < REPORTS; i++) {
        const struct report_file *f = &q->reports[i];
        const int why = f->path ? report_file_write(f->path, f->write, run, s) : 0;
        if (!why) continue;
        fprintf(stderr, "segue conform run: --%s %s: not written: %s\n", f->option, f->path, strerror(why));
        code = EXIT_ENVIRONMENT;
    }
    return code;
}

static void announce(const struct run *run)
{
    const char *name = json_string_value(json_object_get(run->device, "name"));
    const char *description = json_string_value(json_object_get(run->device, "description"));
    printf("device %s (%s); %s: %zu case%s\n", name ? name : "", description ? description : "",
           run->cases->list, run->cases->count, run->cases->count == 1 ? "" : "s");
    if (json_is_true(json_object_get(run->device, "stand_in")))
        puts("a stand-in driver: this judges the plugin's software, and no hardware");
}

/* Reports come first: whoever reads our output may be gone (`| tee` and Ctrl-C, `| head`). */
static int tell_all(const struct request *q, const struct run *run)
{
    struct summary s;
    summarize(run, &s);
    const int written = write_reports(q, run, &s);
    if (!q->options.quiet) announce(run);
    summary_print(run, &s);
    return written ? written : s.exit_code;
}

static int run_all(struct request *q, const struct selection *cases)
{
    struct run run = { .options = &q->options, .cases = cases };
    if (cases->ordered) q->options.limits.jobs = 1;
    children_watch_signals();
    int code = run_judge(&run);
    if (run.no_memory) {
        snprintf(run.trouble.opening, sizeof run.trouble.opening, "no memory for the results");
        code = EXIT_ENVIRONMENT;
    }
    if (code) fprintf(stderr, "segue conform run: %s\n", run.trouble.opening);
    else if (q->wish.row && !run.row_known && !run.interrupted) {
        fprintf(
            stderr,
            "segue conform run: --row %s: %s has no row of that name for any of these cases (segue explain prints "
            "the rows of a call)\n",
            q->wish.row, run_device(&run));
        code = EXIT_USAGE;
    } else {
        run_classify(&run);
        code = tell_all(q, &run);
    }
    run_free(&run);
    return code;
}

int verb_run(int argc, char **argv)
{
    struct request q = {
        .options = { .variants = 1,
                     .retries = 3,
                     .limits = { .jobs = default_jobs(), .seconds = 60, .gib = default_gib() } },
        .reports = { { .option = "json", .write = report_json },
                     { .option = "junit", .write = report_junit },
                     { .option = "html", .write = report_html } },
    };
    struct selection cases;
    char why[SELECTION_WHY];
    int code = read_options(&q, argc, argv);
    if (code) return code;
    if (q.help) return usage(stdout);
    if ((code = selection_make(&cases, &q.wish, why))) {
        fprintf(stderr, "segue conform run: %s\n", why);
        return code;
    }
    code = try_reports(&q);
    if (!code) code = run_all(&q, &cases);
    selection_free(&cases);
    return code;
}
