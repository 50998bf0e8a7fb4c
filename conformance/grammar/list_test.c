/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* argv[1]: the folder conformance/. The committed lists hold what they must; an edited one is refused. */
#include "list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cover.h"
#include "verb_list.h"

#include <cmocka.h>

static const char *folder;

static struct list committed(const char *profile)
{
    char path[4096], why[DESCRIPTOR_WHY] = "";
    struct list l;
    snprintf(path, sizeof path, "%s/lists/%s.txt", folder, profile);
    if (list_read_file(path, &l, why)) fail_msg("%s", why);
    return l;
}

static int holds(const struct list *l, const char *name)
{
    for (size_t i = 0; i < l->count; i++)
        if (!strcmp(l->names[i], name)) return 1;
    return 0;
}

/* Offsets of packed sequences ascend from 0 or more to the tokens at most, unless a case wants them outside. */
static void cuts_sound(const struct test_case *c)
{
    for (uint32_t i = 0; i < c->primitive->field_count; i++) {
        const struct operand *o = &c->operands[i];
        const char *name = o->whole ? o->facts->name : "";
        const int keys = !strcmp(name, "cu_seqlens_k");
        if ((!keys && strcmp(name, "cu_seqlens") != 0) || has_modifier(c, "cu-outside")) continue;
        const int64_t tokens = descriptor_axis(&c->d, keys ? 'c' : 't');
        for (int64_t s = 0; s < o->count; s++)
            if (o->whole[s] < (s ? o->whole[s - 1] : 0) || o->whole[s] > tokens)
                fail_msg("%s: %s[%d] is %d", c->name, o->facts->name, (int)s, (int)o->whole[s]);
    }
}

static void sound(void **state)
{
    struct list core = committed("core"), smoke = committed("smoke");
    char why[DESCRIPTOR_WHY] = "";
    struct oracle *oracle = oracle_open(why);
    (void)state;
    assert_non_null(oracle);
    assert_in_range(core.count, 2400, 2800);
    assert_in_range(smoke.count, 230, 290);
    for (size_t i = 0; i < core.count; i++) {
        struct test_case c;
        if (i) assert_true(strcmp(core.names[i - 1], core.names[i]) < 0);
        if (test_case_make(core.names[i], &c, why)) fail_msg("%s: %s", core.names[i], why);
        if (!oracle_accepts(oracle, core.names[i], why)) fail_msg("%s: %s", core.names[i], why);
        assert_string_equal(c.name, core.names[i]);
        cuts_sound(&c);
        test_case_free(&c);
    }
    for (size_t i = 0; i < smoke.count; i++)
        if (!holds(&core, smoke.names[i])) fail_msg("%s is in smoke and not in core", smoke.names[i]);
    oracle_close(oracle);
    list_free(&core);
    list_free(&smoke);
}

static void holds_all(const struct list *l, const char *const *names, const char *profile)
{
    for (const char *const *name = names; name && *name; name++) {
        char canonical[DESCRIPTOR_TEXT], why[DESCRIPTOR_WHY];
        struct descriptor d;
        assert_int_equal(descriptor_parse(*name, &d, why), 0);
        assert_int_equal(descriptor_print(&d, canonical, sizeof canonical), 0);
        if (!holds(l, canonical)) fail_msg("%s is not in %s", *name, profile);
    }
}

static void mandatory(void **state)
{
    struct list core = committed("core"), smoke = committed("smoke");
    (void)state;
    for (uint32_t id = 1; segue_describe(id); id++) {
        const struct case_facts *facts = case_facts_of(segue_describe(id)->name);
        if (facts) holds_all(&smoke, facts->smoke, "smoke"), holds_all(&core, facts->mandatory, "core");
    }
    list_free(&core);
    list_free(&smoke);
}

/* Counted here by looking at every case, not by what the generator believes. */
static void covered(void **state)
{
    struct list core = committed("core"), smoke = committed("smoke");
    char why[DESCRIPTOR_WHY] = "";
    struct oracle *oracle = oracle_open(why);
    (void)state;
    for (uint32_t id = 1; segue_describe(id); id++) {
        const struct case_facts *facts = case_facts_of(segue_describe(id)->name);
        if (!facts) continue;
        struct cover *c = cover_new(facts, oracle, "core", why);
        static unsigned char pair[COVER_IDS][COVER_IDS], value[COVER_IDS];
        memset(pair, 0, sizeof pair);
        memset(value, 0, sizeof value);
        for (size_t i = 0; i < core.count + smoke.count; i++) {
            const int is_core = i < core.count;
            struct descriptor d;
            struct choice choice;
            assert_int_equal(descriptor_parse(is_core ? core.names[i] : smoke.names[i - core.count], &d, why),
                             0);
            if (strcmp(d.primitive->name, facts->primitive)) continue;
            cover_choice(c, &d, &choice);
            assert_true(cover_work(c, &d) <= 600000);
            for (int f = 0; f < c->factor_count; f++)
                for (int g = f + 1; g < c->factor_count; g++)
                    if (choice.value[f] >= 0 && choice.value[g] >= 0 && is_core)
                        pair[f * FACTOR_VALUES + choice.value[f]][g * FACTOR_VALUES + choice.value[g]] = 1;
            for (int f = 0; f < c->factor_count && !is_core; f++)
                if (choice.value[f] >= 0) value[f * FACTOR_VALUES + choice.value[f]] = 1;
        }
        for (int f = 0; f < c->factor_count; f++)
            for (int v = 0; v < c->factors[f].count; v++) {
                if (!facts->smoke_count && !value[f * FACTOR_VALUES + v]) /* a few cases cannot hold them all */
                    fail_msg("smoke: %s: no case has %s %s", facts->primitive, c->factors[f].part,
                             c->factors[f].values[v]);
                for (int g = f + 1; g < c->factor_count; g++)
                    for (int w = 0; w < c->factors[g].count; w++) {
                        struct choice seed;
                        const int first = f * FACTOR_VALUES + v, second = g * FACTOR_VALUES + w;
                        if (!pair[first][second] && cover_seed(c, first, second, &seed))
                            fail_msg("core: %s: no case has both %s and %s", facts->primitive,
                                     c->factors[f].values[v], c->factors[g].values[w]);
                    }
            }
        free(c);
    }
    oracle_close(oracle);
    list_free(&core);
    list_free(&smoke);
}

/* ---- the generator -------------------------------------------------------------------------------- */

static int id_of(const struct cover *c, const char *value)
{
    for (int f = 0; f < c->factor_count; f++)
        for (int v = 0; v < c->factors[f].count; v++)
            if (!strcmp(c->factors[f].values[v], value)) return f * FACTOR_VALUES + v;
    fail_msg("no value %s", value);
    return -1;
}

static void seeds(void **state)
{
    char why[DESCRIPTOR_WHY] = "", text[DESCRIPTOR_TEXT];
    struct oracle *oracle = oracle_open(why);
    struct cover *c = cover_new(case_facts_of("selective_scan"), oracle, "core", why);
    struct choice choice;
    (void)state;
    assert_true(cover_seed(c, id_of(c, "z"), id_of(c, "decay-log"), &choice));
    cover_text(c, &choice, text);
    assert_string_equal(text, "selective_scan/fwd.z/f32/T17.D7.N3.G1.J1.B2/btd/decay-log");
    assert_true(cover_seed(c, id_of(c, "softplus=0"), id_of(c, "exact"), &choice));
    assert_true(
        cover_seed(c, id_of(c, "exact"), id_of(c, "slot-drop"), &choice)); /* needs softplus=0 and a pool */
    assert_false(cover_seed(c, id_of(c, "z"), id_of(c, "exact"), &choice));
    assert_false(cover_seed(c, id_of(c, "-/B5"), id_of(c, "gap"), &choice));
    free(c);
    oracle_close(oracle);
}

static void choices(void **state)
{
    char why[DESCRIPTOR_WHY] = "";
    struct cover *c = cover_new(case_facts_of("causal_conv1d"), NULL, "core", why);
    struct descriptor d;
    struct choice choice;
    (void)state;
    assert_int_equal(
        descriptor_parse(
            "causal_conv1d/fwd.slot.h_in.h_out.activation=silu/bf16-h_in.bf16/T64.D33.W3.S3.P12.L9/packed/"
            "wide.slot-fresh",
            &d, why),
        0);
    static const char *const want[] = { "bf16-h_in.bf16",
                                        "64",
                                        "33",
                                        "3",
                                        "9",
                                        "cu_seqlens/S3",
                                        "slot.h_in.h_out/P12",
                                        "-",
                                        "-",
                                        "-",
                                        "activation=silu",
                                        "-",
                                        "btd",
                                        "wide",
                                        "slot-fresh" };
    cover_choice(c, &d, &choice);
    assert_int_equal(c->factor_count, sizeof want / sizeof *want);
    for (int f = 0; f < c->factor_count; f++) {
        assert_true(choice.value[f] >= 0);
        assert_string_equal(c->factors[f].values[choice.value[f]], want[f]);
    }
    assert_int_equal(
        descriptor_parse("causal_conv1d/fwd.slot.h_in.h_out/bf16-x.f64/B9.T65.D33.W3.P11/far/odd", &d, why), 0);
    cover_choice(c, &d, &choice); /* values that are in no factor */
    assert_int_equal(choice.value[0], COVER_NONE);
    assert_int_equal(choice.value[5], COVER_NONE);
    assert_int_equal(choice.value[6], COVER_NONE);
    assert_int_equal(choice.value[12], COVER_NONE);
    assert_int_equal(choice.value[13], COVER_NONE);
    assert_int_equal(c->factors[0].often, c->factors[0].count - 1); /* f64 is rare */
    free(c);
    const struct factor none[] = { { "T", "" }, { NULL, NULL } };
    const struct case_facts wrong = { .primitive = "causal_conv1d", .factors = none };
    assert_null(cover_new(&wrong, NULL, "core", why));
    assert_non_null(strstr(why, "factor T: wanted 1 to"));
}

/* ---- files ---------------------------------------------------------------------------------------- */

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static char *text_of(const struct list *l)
{
    char *text = NULL;
    size_t size;
    FILE *f = open_memstream(&text, &size);
    assert_int_equal(list_write(l, "core", f), 0);
    fclose(f);
    return text;
}

/* text with the first `from` replaced by `to` is refused with those words; from "" = as it is. */
static void refused(const char *text, const char *from, const char *to, const char *words)
{
    char path[] = "/tmp/segue-list-XXXXXX", why[DESCRIPTOR_WHY] = "", *edited = malloc(strlen(text) + 200);
    const char *at = strstr(text, from);
    struct list l;
    assert_non_null(at);
    sprintf(edited, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    close(mkstemp(path));
    put(path, edited);
    const int status = list_read_file(path, &l, why);
    unlink(path);
    free(edited);
    if (!words) assert_int_equal(status, 0);
    else if (!status || !strstr(why, words)) fail_msg("wanted '%s', given '%s'", words, why);
    list_free(&l);
}

static void edited(void **state)
{
    struct list l = { 0 }, odd = { 0 };
    char why[DESCRIPTOR_WHY] = "";
    (void)state;
    list_add(&l, "causal_conv1d/fwd/f32/B1.T4.D2.W3/btd/benign");
    list_add(&l, "selective_scan/fwd/f32/B1.T4.D2.N3/btd/benign");
    list_add(&l, "selective_scan/fwd/f32/B1.T5.D2.N3/btd/benign");
    char *text = text_of(&l);
    refused(text, "", "", NULL);
    refused(text, "# Conf", "# A comment\n# Conf", NULL);
    refused(text, "T5", "T6", "its lines have SHA-256");
    refused(text, "causal_conv1d/fwd/f32/B1.T4.D2.W3/btd/benign\n", "", "promises 3 cases, it holds 2");
    refused(text, "causal", "selective_scan/fwd/f32/B1.T9.D2.N3/btd/benign\ncausal", "it holds 4");
    refused(text, "# count 3", "# count 4", "promises 4 cases, it holds 3");
    refused(text, "# abi 0.", "# abi 7.", "wanted a list for ABI");
    refused(text, "# sha256", "# md5", "its header says nothing");
    refused(text, "# abi", "# api", "given one for -1.-1");
    free(text);
    list_add(&odd, "selective_scan/fwd/f32/B1.T4.D2.N3");
    text = text_of(&odd);
    refused(text, "", "", "case 1: wanted the canonical selective_scan/fwd/f32/B1.T4.D2.N3/btd/benign");
    free(text);
    list_free(&odd);
    list_add(&odd, "selective_scan/fwd/f8/B1.T4.D2.N3/btd/benign");
    text = text_of(&odd);
    refused(text, "", "", "dtypes: wanted f32");
    free(text);
    list_free(&odd);
    list_free(&l);
    assert_int_equal(list_read_file("/nowhere/core.txt", &l, why), -1);
    assert_non_null(strstr(why, "/nowhere/core.txt: cannot be read"));
    assert_int_equal(list_read("extreme", &l, why), -1);
    assert_non_null(strstr(why, "profile: wanted smoke or core, given extreme"));
    assert_int_equal(list_generate("extreme", &l, why), -1);
}

/* The exit code of the verb; what it says goes to path. */
static int run(char **words, const char *path)
{
    int count = 0, status = 0;
    while (words[count]) count++;
    fflush(NULL);
    const pid_t child = fork();
    if (!child) {
        if (!freopen(path, "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(99);
        const int code = verb_list(count, words);
        fflush(stdout);
        _exit(code);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void verb(void **state)
{
    char path[] = "/tmp/segue-list-XXXXXX";
    (void)state;
    close(mkstemp(path));
    assert_int_equal(run((char *[]){ "list", "--profile", "extreme", NULL }, path), 2);
    assert_int_equal(run((char *[]){ "list", "--unknown", NULL }, path), 2);
    assert_int_equal(run((char *[]){ "list", "core", NULL }, path), 2);
    assert_int_equal(run((char *[]){ "list", "--coverage", "--generate", NULL }, path), 2);
    assert_int_equal(run((char *[]){ "list", "-h", NULL }, path), 0);
    assert_int_equal(run((char *[]){ "list", "--profile", "core", NULL }, path),
                     4); /* no lists beside this test */
    unlink(path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sound), cmocka_unit_test(mandatory), cmocka_unit_test(covered),
        cmocka_unit_test(seeds), cmocka_unit_test(choices),   cmocka_unit_test(edited),
        cmocka_unit_test(verb),
    };
    if (argc < 2) return 2;
    folder = argv[1];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
