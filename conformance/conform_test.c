/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The command itself, on copies of the golden vectors: it passes them as they are and fails, skips or refuses,
 * in words and by exit code, what each edit breaks. Arguments: the segue-conform
 * program, the golden folder, the folder of faulty/driver's plugins. */
#include "conform_testing.h"

#include <sys/stat.h>
#include <unistd.h>

static const char *golden, *plugins; /* plugins: the folder of faulty/driver */
static char scratch[] = "conform_test.XXXXXX";

static size_t read_file(const char *path, char *to, size_t size)
{
    FILE *f = fopen(path, "rb");
    const size_t n = f ? fread(to, 1, size, f) : 0;
    if (f) fclose(f);
    return n;
}

static void write_file(const char *path, const char *content, size_t size)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(content, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* scratch/selective_scan/full.safetensors, with the first `from` of its header replaced by `to`; data byte
 * flipped. */
static void edit(const char *from, const char *to, long flip)
{
    static char content[1 << 16], out[1 << 16];
    char path[4096];
    uint64_t header;
    snprintf(path, sizeof path, "%s/selective_scan/full.safetensors", golden);
    const size_t size = read_file(path, content, sizeof content);
    assert_true(size > 8 && size < sizeof content - 100);
    memcpy(&header, content, 8);
    char *at = memmem(content + 8, header, from, strlen(from));
    assert_non_null(at);
    char *rest = at + strlen(from), *to_end = out + (at - content);
    memcpy(out, content, (size_t)(at - content));
    to_end = stpcpy(to_end, to);
    memcpy(to_end, rest, size - (size_t)(rest - content));
    header += strlen(to) - strlen(from);
    memcpy(out, &header, 8);
    if (flip >= 0) out[8 + header + (uint64_t)flip] ^= 0x10;
    snprintf(path, sizeof path, "%s/selective_scan/full.safetensors", scratch);
    write_file(path, out, size + strlen(to) - strlen(from));
}

static const struct {
    const char *what, *from, *to;
    long flip; /* a byte of the data, -1 = none */
    int code;
    const char *words, *summary;
} edits[] = {
    { "nothing", "{", "{", -1, 0, "passed   selective_scan/full", "1 passed, 0 failed, 0 skipped" },
    { "wrong expected state", "{", "{", 5, 1, "out.last_state[0,0,0] is", "0 passed, 1 failed, 0 skipped" },
    { "wrong expected output", "{", "{", 320 + 8 + 5, 1, "out.y[0,0,1] is", "0 passed, 1 failed, 0 skipped" },
    { "required tensor missing", "\"A\":{", "\"Q\":{", -1, 1, "A: ", "0 passed, 1 failed, 0 skipped" },
    { "optional tensor under another name", "\"z\":{", "\"Z\":{", -1, 1, "`Z`",
      "0 passed, 1 failed, 0 skipped" },
    { "output missing", "\"out.y\":{", "\"out.Y\":{", -1, 1, "y: ", "0 passed, 1 failed, 0 skipped" },
    { "unknown parameter", "delta_softplus", "delta_softmax", -1, 1, "`delta_softmax` is not known",
      "0 passed, 1 failed, 0 skipped" },
    { "parameter of another kind", "softplus\\\": true", "softplus\\\": \\\"on\\\"", -1, 1,
      "`delta_softplus` is no integer", "0 passed, 1 failed, 0 skipped" },
    { "parameter against the tensors", "softplus\\\": true", "softplus\\\": true, \\\"decode_steps\\\": 3", -1,
      1, "the calls have 3 tokens", "0 passed, 1 failed, 0 skipped" },
    { "axis without a place", "\\\"z\\\": \\\"b d t", "\\\"z\\\": \\\"b q t", -1, 1,
      "`z`: axis q finds no place", "0 passed, 1 failed, 0 skipped" },
    { "axes swapped", "\\\"A\\\": \\\"d n", "\\\"A\\\": \\\"n d", -1, 1, "wanted",
      "0 passed, 1 failed, 0 skipped" },
    { "softplus forgotten", "softplus\\\": true", "softplus\\\": false", -1, 1, "of rtol 1e-11",
      "0 passed, 1 failed, 0 skipped" },
    { "complex A", "\"D\":{", "\"A.im\":{", -1, 0, "complex A", "0 passed, 0 failed, 1 skipped" },
    { "unknown primitive", "\"selective_scan\"", "\"frobnicate\"", -1, 0, "unknown primitive: frobnicate",
      "0 passed, 0 failed, 1 skipped" },
};

static void each_edit(void **context)
{
    (void)context;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        edit(edits[i].from, edits[i].to, edits[i].flip);
        const int code = command("golden %s --device reference", scratch);
        if (code != edits[i].code)
            fail_msg("%s: exit %d, wanted %d:\n%s", edits[i].what, code, edits[i].code, said);
        says(edits[i].words);
        says(edits[i].summary);
    }
}

static void truncated(void **context)
{
    char path[4096];
    struct stat facts;
    (void)context;
    edit("{", "{", -1);
    snprintf(path, sizeof path, "%s/selective_scan/full.safetensors", scratch);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(truncate(path, facts.st_size - 1), 0);
    assert_int_equal(command("golden %s --device reference", scratch), 1);
    says("truncated");
    says("0 passed, 1 failed, 0 skipped");
}

static void fewer_than_recorded(void **context)
{
    char path[4096];
    static const char counts[] = "# recorded\nselective_scan 1\n",
                      more[] = "selective_scan 1\ncausal_conv1d 2\n", bad[] = "some\n";
    (void)context;
    edit("{", "{", -1);
    snprintf(path, sizeof path, "%s/COUNTS", scratch);
    write_file(path, counts, sizeof counts - 1);
    assert_int_equal(command("golden %s --device reference", scratch), 0);
    write_file(path, more, sizeof more - 1);
    assert_int_equal(command("golden %s --device reference", scratch), 1);
    says("causal_conv1d: 0 files, 2 recorded");
    says("1 passed, 2 failed, 0 skipped");
    write_file(path, bad, sizeof bad - 1);
    assert_int_equal(command("golden %s --device reference", scratch), 4);
    unlink(path);
}

static void usage_and_devices(void **context)
{
    (void)context;
    assert_int_equal(command("golden"), 2);
    assert_int_equal(command(" "), 2);
    says("usage: segue conform VERB");
    assert_int_equal(command("frobnicate %s", scratch), 2);
    says("there is no verb frobnicate");
    assert_int_equal(command("golden %s --frobnicate", scratch), 2);
    says("usage: segue conform golden");
    assert_int_equal(command("golden --help"), 0);
    assert_int_equal(command("--help"), 0);
    says("run  ");
    says("list ");
    says("golden ");
    assert_int_equal(command("golden %s --device nosuchdevice", scratch), 3);
    says("nosuchdevice");
    assert_int_equal(command("golden %s/none --device reference", scratch), 4);
    assert_int_equal(command("golden %s --device reference --json /nonexistent/file", scratch), 4);
}

static void empty_folder(void **context)
{
    char path[4096];
    (void)context;
    snprintf(path, sizeof path, "%s/empty", scratch);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(command("golden %s --device reference", path), 1);
    says("no .safetensors below");
    rmdir(path);
}

/* Sum over COUNTS; it must not lag behind the folder. */
static int recorded(void)
{
    char path[4096], line[256];
    int sum = 0, n;
    snprintf(path, sizeof path, "%s/COUNTS", golden);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f))
        if (line[0] != '#' && sscanf(line, "%*s %d", &n) == 1) sum += n;
    fclose(f);
    return sum;
}

/* How many files the last command refused: those of variants that no primitive has. */
static int refused(void)
{
    int count = 0;
    for (const char *at = said; (at = strstr(at, "\nskipped  ")); at++) {
        assert_non_null(memmem(at + 1, strcspn(at + 1, "\n"), ": refused: ", strlen(": refused: ")));
        count++;
    }
    return count;
}

/* As recorded: all of them, nearly all passed, the others refused with words, and one JSON line each. */
static void whole_folder(void **context)
{
    static char json[1 << 20];
    char path[4096], words[64];
    int lines = 0;
    (void)context;
    snprintf(path, sizeof path, "%s/out.jsonl", scratch);
    assert_int_equal(command("golden '%s' --device reference --json %s", golden, path), 0);
    const int left_out = refused(), passed = recorded() - left_out;
    assert_true(100 * passed >= 85 * recorded());
    snprintf(words, sizeof words, "\n%d passed, 0 failed, %d skipped\n", passed, left_out);
    says(words);
    const size_t size = read_file(path, json, sizeof json - 1);
    for (size_t i = 0; i < size; i++) lines += json[i] == '\n';
    assert_int_equal(lines, recorded() + 1);
    snprintf(words, sizeof words, "\n{\"summary\":{\"passed\":%d,\"failed\":0,\"skipped\":%d}}\n", passed,
             left_out);
    assert_non_null(strstr(json, words));
    unlink(path);
}

/* A device that crashes, exits, fails and stays silent by turns costs those files only; what it lacks is
 * skipped. */
static void shaky_device(void **context)
{
    static const struct {
        const char *file, *words;
    } lines[] = {
        { "causal_conv1d/w4_bias_silu", "has no kernel for" },
        { "selective_scan/one_token_plain", "died in run (SIGKILL)" },
        { "selective_scan/full", "ended the process in run, with exit code 0" },
        { "selective_scan/groups_const", "the driver lost 19" },
        { "selective_scan/const_B_groups_C", " is nan" },
    };
    char words[64];
    (void)context;
    setenv("SEGUE_PLUGIN_PATH", plugins, 1);
    assert_int_equal(command("golden '%s' --device shaky", golden), 1);
    snprintf(words, sizeof words, "\n0 passed, 10 failed, %d skipped\n",
             recorded() - 10); /* all of selective_scan's fail */
    says(words);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *line = strstr(said, lines[i].file);
        if (!line || !memmem(line, strcspn(line, "\n"), lines[i].words, strlen(lines[i].words)))
            fail_msg("\"%s\" is not said of %s:\n%s", lines[i].words, lines[i].file, said);
    }
}

static void has_summary(const char *path)
{
    static char json[1 << 20];
    json[read_file(path, json, sizeof json - 1)] = 0;
    assert_non_null(strstr(json, "\n{\"summary\":{"));
    unlink(path);
}

/* A device that goes away and does not come back, or another one that comes in its place: what was judged until then is told, and
 * what failed counts. Side by side, since both are waited for. */
static void gone_device(void **context)
{
    static const char another[] = "segue conform: another device than the run began on: moody:0 (";
    static char told[1 << 16];
    char path[4096], line[8192];
    (void)context;
    setenv("SEGUE_PLUGIN_PATH", plugins, 1);
    setenv("SEGUE_MOODY_FOLDER", scratch, 1);
    snprintf(line, sizeof line,
             "SEGUE_MOODY=moved SEGUE_MOODY_FOLDER='%s/selective_scan' '%s' golden '%s/selective_scan' 2>&1",
             scratch, program, golden);
    FILE *moved = popen(line, "r");
    assert_non_null(moved);
    setenv("SEGUE_MOODY", "gone", 1);
    snprintf(path, sizeof path, "%s/out.jsonl", scratch);
    assert_int_equal(command("golden '%s/selective_scan' --device moody --json %s", golden, path), 1);
    unsetenv("SEGUE_MOODY");
    says("segue conform: moody: the device is gone");
    says(" failed, 0 skipped\n");
    has_summary(path);
    told[fread(told, 1, sizeof told - 1, moved)] = 0;
    assert_int_equal(WEXITSTATUS(pclose(moved)), 1);
    if (!strstr(told, another)) fail_msg("\"%s\" is not in:\n%s", another, told);
    snprintf(path, sizeof path, "%s/gone", scratch);
    unlink(path);
    snprintf(path, sizeof path, "%s/selective_scan/gone", scratch);
    unlink(path);
}

/* Whoever read the output is gone: the lines of --json are written nevertheless. */
static void nobody_reads(void **context)
{
    char path[4096];
    (void)context;
    snprintf(path, sizeof path, "%s/out.jsonl", scratch);
    command("golden '%s/selective_scan' --device reference --json %s 2>&1 | true; true", golden, path);
    has_summary(path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_edit),           cmocka_unit_test(truncated),
        cmocka_unit_test(fewer_than_recorded), cmocka_unit_test(usage_and_devices),
        cmocka_unit_test(empty_folder),        cmocka_unit_test(whole_folder),
        cmocka_unit_test(shaky_device),        cmocka_unit_test(gone_device),
        cmocka_unit_test(nobody_reads),
    };
    char path[4096];
    if (argc != 4 || !mkdtemp(scratch)) return 2;
    program = argv[1], golden = argv[2], plugins = argv[3];
    snprintf(path, sizeof path, "%s/selective_scan", scratch);
    if (mkdir(path, 0700)) return 2;
    const int result = cmocka_run_group_tests(tests, NULL, NULL);
    snprintf(path, sizeof path, "%s/selective_scan/full.safetensors", scratch);
    unlink(path);
    snprintf(path, sizeof path, "%s/selective_scan", scratch);
    rmdir(path);
    rmdir(scratch);
    return result;
}
