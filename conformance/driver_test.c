/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* `segue conform run` on a plugin of many moods: each fault costs the case that it happened in, by its right name, and nothing
 * else; the reports of it can be read; nobody is left behind. Arguments: the segue-conform program, the folder of the plugins. */
#include "conform_testing.h"

#include <jansson.h>

#include <dirent.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 /* crashes end by exit; no memory limit */
#else
#define SANITIZED 0
#endif

#define CASE(batch, channels) "selective_scan/fwd/f32/B" #batch ".T9.D" #channels ".N4/btd/benign"
#define FATEFUL CASE(1, 13)
#define OMEN CASE(2, 11)

static const char *const names[] = { CASE(1, 5), OMEN, FATEFUL, CASE(1, 6), CASE(1, 7) };
enum { NAMES = sizeof names / sizeof *names, FATEFUL_AT = 2 };

static const char *plugins;
static char scratch[] = "driver_test.XXXXXX";

static const char *file(const char *name)
{
    static char path[8][256];
    static int at;
    at = (at + 1) % 8;
    snprintf(path[at], sizeof path[at], "%s/%s", scratch, name);
    return path[at];
}

static void exits(int wanted, int code)
{
    if (code != wanted) fail_msg("exit %d, wanted %d:\n%s", code, wanted, said);
}

/* All cases in that mood, with options; the lines go to out.jsonl. */
static int run_all(const char *mood, const char *options)
{
    char all[1024] = "";
    for (int i = 0; i < NAMES; i++) snprintf(all + strlen(all), sizeof all - strlen(all), " '%s'", names[i]);
    unlink(file("open")), unlink(file("run"));
    setenv("SEGUE_MOODY", mood, 1);
    return command("run --device moody --json %s %s %s", file("out.jsonl"), options, all);
}

/* Processes that were started with this test's mark in their environment. */
static int left_behind(void)
{
    char path[300], *text = NULL, mark[64];
    size_t room = 0;
    int count = 0;
    snprintf(mark, sizeof mark, "SEGUE_DRIVER_TEST=%d", (int)getpid());
    DIR *proc = opendir("/proc");
    assert_non_null(proc);
    for (struct dirent *e; (e = readdir(proc));) {
        if (e->d_name[0] < '0' || e->d_name[0] > '9') continue;
        snprintf(path, sizeof path, "/proc/%.20s/environ", e->d_name);
        FILE *f = fopen(path, "r");
        while (f && getdelim(&text, &room, 0, f) > 0) count += !strcmp(text, mark);
        if (f) fclose(f);
    }
    closedir(proc);
    free(text);
    return count;
}

/* What was killed may need a moment to be gone. */
static void nobody_is_left(void)
{
    for (int i = 0; i < 40 && left_behind(); i++) usleep(50000);
    assert_int_equal(left_behind(), 0);
}

/* ---- moods ---------------------------------------------------------------------------------------------- */

static const struct mood {
    const char *mood, *options, *status;
    const char *words; /* in why of the fateful case */
    const char *operand;
    int not_sanitized;
    const char *again; /* options that the repeating line has, too */
} moods[] = {
    { "calm", "", "PASS", "", NULL, 0, "" },
    { "wrong", "", "FAIL", "", "y", 0, "" },
    { "crash", "", "CRASH", SANITIZED ? "in run" : "died in run (SIGSEGV in segue_moody.so)", NULL, 0, "" },
    { "litter", "", "CRASH", "in run", NULL, 0, "" },
    { "plan", "", "CRASH", SANITIZED ? "in plan" : "died in plan (SIGSEGV in segue_moody.so)", NULL, 0, "" },
    { "release", "", "CRASH",
      SANITIZED ? "when a plan was destroyed" : "died when a plan was destroyed (SIGSEGV in segue_moody.so)",
      NULL, 0, "" },
    { "exit", "", "CRASH", "ended the process in run, with exit code 3", NULL, 0, "" },
    { "hang", "--seconds 5 --retries 1", "TIMEOUT", "hung in run: no answer within 5 s", NULL, 0,
      " --seconds 5" },
    { "memory", "", "FAIL", "SEGUE_ERROR_MEMORY", NULL, 0, "" },
    { "devour", "--memory 0.25", "FAIL", "SEGUE_ERROR_MEMORY", NULL, 1, " --memory 0.25" },
    { "lost", "", "DEVICE_LOST", "the driver fell off the bus", NULL, 0, "" },
    { "flaky", "", "FLAKY", "failed 2 of 4 times (FAIL", "y", 0, "" },
    { "flaky", "--retries 0", "FAIL", "", "y", 0, "" },
    { "order", "--jobs 1", "ORDER", "fails only behind 1 other case, this: " OMEN " (FAIL", "y", 0, "" },
    { "order", "--jobs 1 --retries 0", "FAIL", "", "y", 0, "" },
};

struct found {
    int results[NAMES], others; /* of moody's row and without one; of any other row */
    char status[NAMES][32], why[NAMES][500], operand[32];
    json_int_t passed, failed, skipped, cases, total;
};

static const char *text_of(const json_t *line, const char *name)
{
    const char *text = json_string_value(json_object_get(line, name));
    return text ? text : "";
}

static void take(struct found *f, const json_t *line)
{
    int i = 0;
    while (i < NAMES && strcmp(names[i], text_of(line, "descriptor"))) i++;
    if (i == NAMES) fail_msg("a result of %s", text_of(line, "descriptor"));
    assert_string_equal(text_of(line, "device"), "moody:0");
    if (strcmp(text_of(line, "row"), "selective_scan_moody") && *text_of(line, "row")) f->others++;
    else {
        f->results[i]++;
        snprintf(f->status[i], sizeof f->status[i], "%s", text_of(line, "status"));
        snprintf(f->why[i], sizeof f->why[i], "%s", text_of(line, "why"));
        if (i == FATEFUL_AT) snprintf(f->operand, sizeof f->operand, "%s", text_of(line, "operand"));
    }
}

/* First a line of what was run, then results, then the summary, which counts them right. */
static void read_lines(struct found *f)
{
    static char line[1 << 14];
    int lines = 0, over = 0;
    FILE *from = fopen(file("out.jsonl"), "r");
    memset(f, 0, sizeof *f);
    assert_non_null(from);
    while (fgets(line, sizeof line, from)) {
        json_t *object = json_loads(line, 0, NULL);
        const json_t *run = json_object_get(object, "run"), *summary = json_object_get(object, "summary");
        assert_non_null(object);
        assert_int_equal(over, 0);
        assert_int_equal(lines == 0, run != NULL);
        if (run) {
            assert_int_equal(strlen(text_of(run, "sha256")), 64);
            assert_string_equal(text_of(json_object_get(run, "device"), "name"), "moody:0");
        } else if (summary) {
            over =
                json_unpack((json_t *)summary, "{s:I, s:I, s:I, s:I, s:I}", "passed", &f->passed, "failed",
                            &f->failed, "skipped", &f->skipped, "cases", &f->cases, "results", &f->total) == 0;
        } else take(f, object);
        lines++;
        json_decref(object);
    }
    fclose(from);
    assert_true(over);
    assert_int_equal(f->passed + f->failed + f->skipped, f->total);
    assert_int_equal(f->total, lines - 2);
    assert_int_equal(f->cases, NAMES);
}

static void check_mood(const struct mood *m)
{
    char line[200];
    const int passes = !strcmp(m->status, "PASS");
    struct found f;
    exits(passes ? 0 : 1, run_all(m->mood, m->options));
    read_lines(&f);
    for (int i = 0; i < NAMES; i++) {
        const char *wanted = i == FATEFUL_AT ? m->status : "PASS";
        if (f.results[i] != 1 || strcmp(f.status[i], wanted))
            fail_msg("%s %s: %s has %d results, the last %s (%s), wanted one %s:\n%s", m->mood, m->options,
                     names[i], f.results[i], f.status[i], f.why[i], wanted, said);
    }
    if (!strstr(f.why[FATEFUL_AT], m->words))
        fail_msg("%s: %s, wanted %s", m->mood, f.why[FATEFUL_AT], m->words);
    assert_string_equal(f.operand, m->operand ? m->operand : "");
    assert_int_equal(f.others, NAMES); /* the delegate row was judged wherever it stood behind the moody one */
    snprintf(line, sizeof line, "\n%d passed, %d failed, %d skipped\n", NAMES - !passes, !passes, NAMES);
    says(line);
    snprintf(line, sizeof line, "\n%d cases, %d results: ", NAMES, 2 * NAMES);
    says(line);
    snprintf(line, sizeof line, "\n%-6s %s ", m->status, FATEFUL);
    if (!passes) says(line);
    snprintf(line, sizeof line,
             "again: segue conform run '" FATEFUL "' --device moody --row selective_scan_moody%s\n", m->again);
    if (!passes && strcmp(m->status, "ORDER")) says(line);
    if (!strcmp(m->status, "ORDER"))
        says("again: segue conform run --jobs 1 --device moody '" OMEN "' '" FATEFUL "'\n");
    nobody_is_left();
}

static void each_mood(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof moods / sizeof *moods; i++)
        if (!(SANITIZED && moods[i].not_sanitized)) check_mood(&moods[i]);
}

/* The line that is printed to repeat a failure repeats it. */
static void again_lines(void **state)
{
    static const struct {
        const char *mood, *options, *status;
    } runs[] = { { "wrong", "", "FAIL" }, { "crash", "", "CRASH" }, { "order", "--jobs 1", "ORDER" } };
    char line[2048];
    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        exits(1, run_all(runs[i].mood, runs[i].options));
        const char *again = strstr(said, "again: segue conform run ");
        assert_non_null(again);
        snprintf(line, sizeof line, "%.*s", (int)strcspn(again, "\n") - (int)strlen("again: segue conform "),
                 again + strlen("again: segue conform "));
        exits(1, command("%s", line));
        snprintf(line, sizeof line, "%-6s " FATEFUL, runs[i].status);
        says(line);
    }
}

/* However many children there may be, no other runs beside a failure that is run again. */
static void again_alone(void **state)
{
    struct found f;
    (void)state;
    exits(1, run_all("shy", "--jobs 4"));
    read_lines(&f);
    assert_string_equal(f.status[FATEFUL_AT], "FAIL");
    assert_int_not_equal(access(file("crowd"), F_OK), 0);
    unlink(file("lock"));
}

/* A device that grows tired: lost behind so many calls, whatever they are; everything is judged nevertheless. */
static void tired(void **state)
{
    struct found f;
    (void)state;
    exits(1, run_all("tired", "--jobs 1"));
    read_lines(&f);
    assert_int_equal(f.total, 2 * NAMES);
    assert_true(f.failed >= 1);
    says("(DEVICE_LOST: ");
    says("fails only behind ");
    exits(1, run_all("tired", "--jobs 1 --retries 0"));
    says("DEVICE_LOST selective_scan/");
}

/* How many of its lines have the words. */
static int in_file(const char *name, const char *words)
{
    static char line[1 << 14];
    int count = 0;
    FILE *f = fopen(file(name), "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) count += strstr(line, words) != NULL;
    fclose(f);
    return count;
}

static void at_open_and_close(void **state)
{
    char options[400];
    struct found f;
    (void)state;
    exits(3, run_all("open", ""));
    says("when the device was opened");
    exits(1, run_all("close", ""));
    says("when the device was closed");
    read_lines(&f);
    assert_int_equal(f.passed, NAMES);
    assert_int_equal(f.failed, 1); /* whoever reads the counts only sees it */
    says(SANITIZED ? " when the device was closed, with exit code 1, behind this case"
                   : " died when the device was closed (SIGSEGV in segue_moody.so), behind this case");
    says("\nCRASH  ");
    snprintf(options, sizeof options, "--jobs 1 --junit %s", file("out.xml"));
    exits(1, run_all("close", options));
    assert_int_equal(in_file("out.xml", " failures=\"1\""), 1);
    assert_int_equal(in_file("out.xml", "<failure type=\"CRASH\""), 1);
    unlink(file("out.xml"));
    exits(1, run_all("once", "--jobs 1 --seconds 3")); /* it cannot be opened behind the crash */
    read_lines(&f);
    assert_string_equal(f.status[FATEFUL_AT], "CRASH");
    for (int i = 0; i < NAMES; i++)
        if (i != FATEFUL_AT) assert_string_equal(f.status[i], i < FATEFUL_AT ? "PASS" : "DEVICE_LOST");
    says("cannot be opened any more: a plugin ");
    nobody_is_left();
}

/* Behind a loss the name, or the first place among those that are ready, may be another device's: it is not judged in the
 * place of the first. */
static void another_device(void **state)
{
    static const struct {
        const char *mood, *device, *words;
    } losses[] = {
        { "changed", "--device moody", ": another device than the run began on: moody:0 (" },
        { "changed", "", ": another device than the run began on: moody:0 (" },
        { "vanished", "", ": moody:0: " },
    };
    (void)state;
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        unlink(file("open"));
        setenv("SEGUE_MOODY", losses[i].mood, 1);
        exits(1, command("run %s --jobs 1 --seconds 1 --retries 0 '%s' '%s' '%s'", losses[i].device, names[0],
                         FATEFUL, names[3]));
        says("device moody:0 (");
        says("CRASH  " FATEFUL);
        says("\nDEVICE_LOST " CASE(1, 6) "  ");
        says(losses[i].words);
    }
}

/* ---- choosing and reporting ------------------------------------------------------------------------------ */

static void failures(void **state)
{
    (void)state;
    exits(1, run_all("wrong", ""));
    setenv("SEGUE_MOODY", "calm", 1);
    exits(0, command("run --device moody --failures %s --json %s", file("out.jsonl"), file("second.jsonl")));
    says("\n1 case, 1 result: 1 PASS\n"); /* this case, on this row */
    says("\n1 passed, 0 failed, 0 skipped\n");
    exits(2, command("run --device moody --failures %s", file("second.jsonl")));
    says("nothing failed there");
    setenv("SEGUE_MOODY", "wrong", 1);
    exits(1, command("run --device moody --failures %s", file("out.jsonl")));
    says("FAIL   " FATEFUL);
    exits(4, command("run --device moody --failures %s", file("nosuch.jsonl")));
    exits(2, command("run --device moody --failures %s", program));
    exits(2, command("run --device moody --failures %s '%s'", file("out.jsonl"), FATEFUL));
    unlink(file("second.jsonl"));
}

static void parses(const char *name)
{
    char line[1024];
    const char *path = file(name);
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    assert_true(facts.st_size > 500);
    snprintf(line, sizeof line,
             "if command -v xmllint >/dev/null; then xmllint --nonet --noout %s; else python3 -c "
             "'import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])' %s; fi",
             path, path);
    if (system(line)) fail_msg("%s is not well-formed", name);
    unlink(path);
}

static void reports(void **state)
{
    char options[600];
    (void)state;
    snprintf(options, sizeof options, "--junit %s --html %s", file("out.xml"), file("out.html"));
    exits(1, run_all("crash", options));
    parses("out.xml");
    parses("out.html");
    exits(4, run_all("calm", "--html /nonexistent/file"));
    says("/nonexistent/file");
    exits(4, run_all("calm", "--junit /dev/full"));
    says("not written");
}

/* What fails only behind another case is run behind it again. */
static void order_again(void **state)
{
    (void)state;
    exits(1, run_all("order", "--jobs 1"));
    assert_int_equal(in_file("out.jsonl", "\"behind\":[\"" OMEN "\"]"), 1);
    exits(1, command("run --device moody --jobs 2 --failures %s --json %s", file("out.jsonl"),
                     file("again.jsonl")));
    says("\nORDER  " FATEFUL);
    says("again: segue conform run --jobs 1 --device moody '" OMEN "' '" FATEFUL "'\n");
    exits(1, command("run --device moody --failures %s", file("again.jsonl"))); /* and once more */
    says("\nORDER  " FATEFUL);
    unlink(file("again.jsonl"));
}

static char *contents(const char *name)
{
    static char text[1 << 16];
    FILE *f = fopen(file(name), "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    return text;
}

/* Temporary ones. */
static int files_left(void)
{
    int count = 0;
    DIR *folder = opendir(scratch);
    assert_non_null(folder);
    for (struct dirent *e; (e = readdir(folder));) count += strstr(e->d_name, "out.jsonl.") != NULL;
    closedir(folder);
    return count;
}

/* Runs three cases with all reports, and stops it with a signal when it is in the second one. Its exit code. No shell: one
 * without job control has what it starts ignore SIGINT. */
static int stopped(int number)
{
    const char *const arguments[] = {
        program,           "run",     "--device",      "moody",  "--jobs",         "1",      "--json",
        file("out.jsonl"), "--junit", file("out.xml"), "--html", file("out.html"), names[0], FATEFUL,
        names[3],          NULL
    };
    int status = 0;
    unlink(file("hang"));
    setenv("SEGUE_MOODY", "hang", 1);
    const pid_t pid = fork();
    if (pid == 0) {
        if (!freopen(file("said"), "w", stdout) || dup2(STDOUT_FILENO, STDERR_FILENO) < 0) _exit(9);
        execv(program, (char *const *)(uintptr_t)arguments);
        _exit(9);
    }
    for (int i = 0; i < 600 && access(file("hang"), F_OK); i++) usleep(50000);
    assert_int_equal(kill(pid, number), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    snprintf(said, sizeof said, "%s", contents("said"));
    unlink(file("hang")), unlink(file("said"));
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* Whoever read the output is gone: the reports are written nevertheless, and the exit code says that something was not. */
static void nobody_reads(void **state)
{
    enum { OPTIONS = 8, CASES = 12 }; /* more words than a buffer holds */
    char json[256], cases[CASES][64];
    const char *arguments[OPTIONS + CASES + 1] = { program,     "run", "--device", "moody",
                                                   "--retries", "0",   "--json",   json };
    int ends[2], status = 0;
    (void)state;
    for (int i = 0; i < CASES; i++) {
        snprintf(cases[i], sizeof cases[i], "selective_scan/fwd/f32/B%d.T9.D13.N4/btd/benign", i + 1);
        arguments[OPTIONS + i] = cases[i];
    }
    snprintf(json, sizeof json, "%s", file("out.jsonl"));
    unlink(json);
    setenv("SEGUE_MOODY", "wrong", 1);
    assert_int_equal(pipe(ends), 0);
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        signal(SIGPIPE, SIG_DFL);
        dup2(ends[1], STDOUT_FILENO);
        execv(program, (char *const *)(uintptr_t)arguments);
        _exit(9);
    }
    close(ends[0]), close(ends[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(in_file("out.jsonl", "\"summary\":{\"passed\":0,\"failed\":12,"), 1);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 4);
    nobody_is_left();
}

/* Whoever is stopped says what there was; whoever says nothing leaves an earlier report alone. */
static void interrupted(void **state)
{
    static const struct {
        int number;
        const char *name;
    } signals[] = { { SIGINT, "SIGINT" }, { SIGTERM, "SIGTERM" } };
    char words[80];
    (void)state;
    unlink(file("out.jsonl"));
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        exits(1, stopped(signals[i].number));
        snprintf(words, sizeof words, "interrupted by %s: 1 of 3 cases have a result\n", signals[i].name);
        says(words);
        says("\n1 passed, 0 failed, 1 skipped\n");
        snprintf(words, sizeof words, "\"interrupted\":\"%s\",\"judged\":1", signals[i].name);
        assert_int_equal(in_file("out.jsonl", words), 1);
        assert_int_equal(in_file("out.xml", "<error type=\"interrupted\""), 1);
        assert_int_equal(in_file("out.xml", " errors=\"1\""), 1);
        assert_true(in_file("out.html", "interrupted by SIG") >= 1);
        parses("out.xml");
        parses("out.html");
        nobody_is_left();
    }
    char *before = strdup(contents("out.jsonl"));
    exits(3, command("run --device nosuchdevice --json %s '%s'", file("out.jsonl"), FATEFUL));
    assert_string_equal(contents("out.jsonl"), before);
    free(before);
    assert_int_equal(files_left(), 0);
}

/* A repeated failure is judged under what the first one was judged under. */
static void options_again(void **state)
{
    (void)state;
    exits(1, run_all("wrong", "--seconds 50 --memory 2.5 --no-variants"));
    says("--row selective_scan_moody --seconds 50 --memory 2.5 --no-variants\n");
}

static void choices(void **state)
{
    char name[400];
    (void)state;
    setenv("SEGUE_MOODY", "calm", 1);
    exits(0, command("list"));
    snprintf(name, sizeof name, "%.*s", (int)strcspn(said, "\n"), said);
    exits(0, command("run --device reference --no-variants '%s'", name));
    says("\n1 case, 1 result: ");
    name[strlen(name) - 1] = '*';
    exits(0, command("run --device reference --no-variants '%s' '%s'", name, name)); /* each case once */
    says(" chosen from smoke: ");
    exits(2, command("run --device reference 'no*such'"));
    says("'no*such' matches none of the ");
    exits(2, command("run --device reference selective_scan/fwd/f33/B1.T2.D3.N4"));
    says("f33");
    exits(2, command("run --device reference --profile full"));
    says("does not exist yet");
    exits(2, command("run --profile huge"));
    exits(2, command("run --jobs 0"));
    exits(2, command("run --seconds soon"));
    exits(2, command("run --frobnicate"));
    exits(3, command("run --device nosuchdevice '%s'", FATEFUL));
    says("nosuchdevice");
    /* A short form is made canonical; a row that there is not is a slip of the pen. */
    exits(0, command("run --device moody -q --row selective_scan_moody selective_scan/fwd/f32/B1.T9.D5.N4"));
    assert_string_equal(said, "1 passed, 0 failed, 0 skipped\n");
    exits(2, command("run --device moody -q --row nosuchrow --json %s '%s'", file("none.jsonl"), CASE(1, 5)));
    says("--row nosuchrow: moody has no row of that name");
    assert_int_not_equal(access(file("none.jsonl"), F_OK), 0);
    /* Well spelled, and no valid call: core's words, before the device is asked for. */
    exits(2, command("run --device nosuchdevice causal_conv1d/fwd/f32/B2.T3.D2.W2/packed/benign"));
    says(" is no valid call: ");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_mood),         cmocka_unit_test(again_lines), cmocka_unit_test(tired),
        cmocka_unit_test(at_open_and_close), cmocka_unit_test(failures),    cmocka_unit_test(reports),
        cmocka_unit_test(choices),           cmocka_unit_test(order_again), cmocka_unit_test(interrupted),
        cmocka_unit_test(options_again),     cmocka_unit_test(again_alone), cmocka_unit_test(nobody_reads),
        cmocka_unit_test(another_device),
    };
    char mark[32];
    if (argc != 3 || !mkdtemp(scratch)) return 2;
    program = argv[1], plugins = argv[2];
    snprintf(mark, sizeof mark, "%d", (int)getpid());
    setenv("SEGUE_DRIVER_TEST", mark, 1);
    setenv("SEGUE_PLUGIN_PATH", plugins, 1);
    setenv("SEGUE_MOODY_FOLDER", scratch, 1);
    const int result = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(file("open")), unlink(file("run")), unlink(file("out.jsonl"));
    rmdir(scratch);
    return result;
}
