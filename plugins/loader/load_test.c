/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The handshake: linked-in entries that answer wrongly in one way each, and a real file (argument: its path).
 */
#include "loader_testing.h"

#include <pthread.h>

static segue_plugin sound; /* what the reference answers, for the entries below to spoil */
static void (*spoil)(segue_plugin *out);
static int closed;

static void count_close(void *self)
{
    (void)self;
    closed++;
}

static uint32_t devices = 1;

static segue_status count_devices(void *self, uint32_t *count, segue_diag *diag)
{
    (void)self;
    *count = devices;
    if (devices == 3) return SEGUE_ERROR_INTERNAL;
    if (!devices) strcpy(diag->text, "no card\xff\x1b; plug one in");
    return SEGUE_OK;
}

static segue_status describe_device(void *self, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    (void)self, (void)diag;
    if (devices == 5) return SEGUE_ERROR_INTERNAL;
    if (devices == 4 && index == 3) memset(out->alias, 'x', sizeof out->alias);
    return SEGUE_OK;
}

static segue_status entry(const segue_host *host, segue_plugin *out, segue_diag *diag)
{
    (void)host, (void)diag;
    *out = sound;
    strcpy(out->id, "spoilt");
    out->self = NULL;
    out->close = count_close;
    out->device_count = count_devices;
    out->device_info = describe_device;
    if (spoil) spoil(out);
    return SEGUE_OK;
}

static segue_status failing_entry(const segue_host *host, segue_plugin *out, segue_diag *diag)
{
    (void)host, (void)out;
    strcpy(diag->text, "no \xc2\x9blicence\xff");
    return SEGUE_ERROR_UNSUPPORTED;
}

static struct candidates find(const char *const *plugins, segue_plugin_entry one)
{
    const segue_plugin_entry entries[] = { one, NULL };
    const segue_context_options options = { .size = sizeof options,
                                            .flags = SEGUE_CONTEXT_NO_DISCOVERY,
                                            .plugins = plugins,
                                            .entries = one ? entries : NULL };
    const segue_host host = test_host();
    struct candidates all = { 0 };
    assert_int_equal(segue_find_plugins(&options, &host, &all, NULL), SEGUE_OK);
    return all;
}

static void expect(segue_plugin_entry one, uint32_t phase, const char *words)
{
    struct candidates all = find(NULL, one);
    segue_diag why = { 0 };
    const segue_plugin_facts *f = &all.list[0].facts;
    assert_int_equal(segue_load_plugin(&all.list[0], NULL, &why), SEGUE_ERROR_PLUGIN);
    assert_int_equal(f->state, SEGUE_PLUGIN_REJECTED);
    if (f->phase != phase || !strstr(f->text, words))
        fail_msg("phase %u, '%s'; wanted %u, '%s'", f->phase, f->text, phase, words);
    assert_non_null(strstr(why.text, words));
    assert_int_equal(why.phase, phase);
    segue_load_all(&all);
    assert_int_equal(all.list[1].facts.state, SEGUE_PLUGIN_LOADED); /* the reference is none the worse */
    segue_free_plugins(&all);
}

static size_t hole;

static void make_hole(segue_plugin *out)
{
    memset((char *)out + hole, 0, sizeof(void *));
}

static void every_mandatory_function_is_asked_for(void **state)
{
    (void)state;
    spoil = make_hole;
    closed = 0;
    for (hole = offsetof(segue_plugin, close); hole < offsetof(segue_plugin, stream_capturing);
         hole += sizeof(void *))
        expect(entry, SEGUE_PHASE_VET,
               hole == offsetof(segue_plugin, plan_run) ? "table entry plan_run is NULL" : " is NULL");
    assert_int_equal(closed, 0); /* nothing of a broken table is called */
    hole = offsetof(segue_plugin, stream_capturing);
    struct candidates all = find(NULL, entry);
    assert_int_equal(segue_load_plugin(&all.list[0], NULL, NULL), SEGUE_OK);
    segue_free_plugins(&all);
    assert_int_equal(closed, 2); /* after learning the id, and at the end */
}

static segue_plugin_primitive primitives[2];
static uint32_t primitive_count;

#define SPOIL(name, ...)                \
    static void name(segue_plugin *out) \
    {                                   \
        __VA_ARGS__;                    \
    }
SPOIL(too_short, out->size = offsetof(segue_plugin, stream_capturing) - 1)
SPOIL(too_long, out->size = sizeof *out + 8)
SPOIL(half_a_function, out->size = offsetof(segue_plugin, stream_capturing) + 4)
SPOIL(other_epoch, out->epoch++)
SPOIL(other_minor, out->minor++)
SPOIL(endless_id, memset(out->id, 'x', sizeof out->id))
SPOIL(odd_id, strcpy(out->id, "No Id"))
SPOIL(long_id, strcpy(out->id, "an_id_of_twenty_letters_and_"))
SPOIL(endless_uuid, memset(out->uuid, 'x', sizeof out->uuid))
SPOIL(many_primitives, out->primitive_count = 257)
SPOIL(no_primitives, out->primitives = NULL)
SPOIL(own_primitives, out->primitives = primitives, out->primitive_count = primitive_count)

static void answers_are_vetted(void **state)
{
    static const struct {
        void (*spoil)(segue_plugin *out);
        const char *words;
    } cases[] = {
        { too_short, "table size is 319, wanted 320 to 336" },
        { too_long, "table size is 344, wanted 320 to 336" },
        { half_a_function, "table size is 324, wanted 320 to 336 in steps of 8" },
        { other_epoch, "table is of epoch 1" },
        { other_minor, "minor 2, this host speaks epoch 0, minor 1" },
        { endless_id, "the table's id does not end" },
        { odd_id, "the table's id 'No Id' is not made of a-z" },
        { long_id, "the table's id 'an_id_of_twenty_letters_and_' is longer than 27 characters" },
        { endless_uuid, "the table's uuid does not end" },
        { many_primitives, "primitive_count is 257, wanted at most 256" },
        { no_primitives, "primitives is NULL, but primitive_count is" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        spoil = cases[i].spoil;
        expect(entry, SEGUE_PHASE_VET, cases[i].words);
    }
    expect(failing_entry, SEGUE_PHASE_ENTRY, "its entry answered SEGUE_ERROR_UNSUPPORTED: no ??licence?");
}

static void primitives_are_vetted(void **state)
{
    static const struct {
        segue_plugin_primitive first;
        const char *words;
    } cases[] = {
        { { 0, 1, 1, 64 }, "primitives[0]: primitive 0" },
        { { 1, 0, 1, 64 }, "revisions 0 to 1" },
        { { 1, 3, 2, 64 }, "revisions 3 to 2" },
        { { 1, 1, 1, 15 }, "op_size is 15" },
        { { 1, 1, 1, 20 }, "op_size is 20" },
        { { 1, 1, 1, 16392 }, "op_size is 16392" },
        { { 9, 1, 1, 64 }, "primitives[0] and [1] are both primitive 9" },
    };
    (void)state;
    spoil = own_primitives;
    primitive_count = 2;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        primitives[0] = cases[i].first;
        primitives[1] = (segue_plugin_primitive){ 9, 1, 1, 64 };
        expect(entry, SEGUE_PHASE_VET, cases[i].words);
    }
    primitives[0].primitive = 1000000; /* unknown to this host: not its business */
    struct candidates all = find(NULL, entry);
    assert_int_equal(segue_load_plugin(&all.list[0], NULL, NULL), SEGUE_OK);
    segue_free_plugins(&all);
}

static void devices_are_vetted(void **state)
{
    (void)state;
    devices = 257;
    expect(entry, SEGUE_PHASE_ENUMERATE, "device_count counted 257, wanted at most 256");
    devices = 3;
    expect(entry, SEGUE_PHASE_ENUMERATE, "device_count answered SEGUE_ERROR_INTERNAL");
    devices = 4;
    expect(entry, SEGUE_PHASE_ENUMERATE, "device 3: its alias does not end within its 32 bytes");
    devices = 5;
    expect(entry, SEGUE_PHASE_ENUMERATE, "device_info of device 0 answered SEGUE_ERROR_INTERNAL");
    devices = 0; /* no error: the reason is kept */
    struct candidates all = find(NULL, entry);
    assert_int_equal(segue_load_plugin(&all.list[0], NULL, NULL), SEGUE_OK);
    assert_int_equal(all.list[0].facts.device_count, 0);
    assert_string_equal(all.list[0].facts.text, "no card??; plug one in");
    segue_free_plugins(&all);
    devices = 256;
    all = find(NULL, entry);
    assert_int_equal(segue_load_plugin(&all.list[0], NULL, NULL), SEGUE_OK);
    assert_int_equal(all.list[0].facts.device_count, 256);
    segue_free_plugins(&all);
}

static void copy_file(const char *from, const char *to)
{
    char command[5 * OS_PATH_BYTES];
    snprintf(command, sizeof command, "cp '%s' '%s.new' && mv '%s.new' '%s'", from, to, to, to);
    assert_int_equal(system(command), 0);
}

static void files_are_loaded(void **state)
{
    char folder[] = "/tmp/segue-load-test-XXXXXX", path[OS_PATH_BYTES];
    segue_diag why = { 0 };
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/segue_benign.so", folder);
    copy_file(*state, path);
    struct candidates all = find((const char *const[]){ path, NULL }, NULL),
                      again = find((const char *const[]){ path, NULL }, NULL);
    segue_load_all(&all);
    segue_load_all(&again); /* a second context in the same process */
    for (int i = 0; i < 2; i++) {
        const struct candidate *one = i ? again.list : all.list;
        if (one->facts.state != SEGUE_PLUGIN_LOADED) fail_msg("%s", one->facts.text);
        assert_int_equal(one->facts.device_count, 1);
        assert_string_equal(one->host.plugin_dir, folder);
        assert_ptr_equal(one->host.reference, &one[1].plugin);
    }
    assert_int_equal(segue_load_plugin(&all.list[0], NULL, &why), SEGUE_OK); /* loaded already */
    segue_free_plugins(&all);
    segue_free_plugins(&again);

    put_plugin(folder, "dud"); /* a note, and nothing that could be loaded */
    snprintf(path, sizeof path, "%s/segue_dud.so", folder);
    all = find((const char *const[]){ path, NULL }, NULL);
    assert_int_equal(segue_load_plugin(&all.list[0], NULL, &why), SEGUE_ERROR_PLUGIN);
    assert_int_equal(why.phase, SEGUE_PHASE_LOAD);
    assert_non_null(strstr(why.text, "the dynamic loader says: "));
    assert_int_equal(segue_load_plugin(&all.list[0], NULL, &why),
                     SEGUE_ERROR_PLUGIN); /* the same failure again */
    segue_free_plugins(&all);
    unlink(path);
    snprintf(path, sizeof path, "%s/segue_benign.so", folder);
    unlink(path);
    rmdir(folder);
}

/* Somebody puts another file in place after the check. */
static void a_swapped_file_is_refused(void **state)
{
    char folder[] = "/tmp/segue-load-test-XXXXXX", path[OS_PATH_BYTES];
    segue_diag why = { 0 };
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/segue_benign.so", folder);
    copy_file(*state, path);
    struct candidates all = find((const char *const[]){ path, NULL }, NULL);
    copy_file(*state, path);
    assert_int_equal(segue_load_plugin(&all.list[0], NULL, &why), SEGUE_ERROR_PLUGIN);
    assert_int_equal(why.phase, SEGUE_PHASE_LOAD);
    assert_non_null(strstr(why.text, "is not the one that was checked"));
    segue_free_plugins(&all);
    unlink(path);
    rmdir(folder);
}

static void *load_again_and_again(void *path)
{
    const segue_host host = test_host();
    const segue_context_options options = { .size = sizeof options,
                                            .flags = SEGUE_CONTEXT_NO_DISCOVERY,
                                            .plugins = (const char *const[]){ path, NULL } };
    uintptr_t loaded = 0;
    for (int i = 0; i < 25; i++) {
        struct candidates all;
        if (segue_find_plugins(&options, &host, &all, NULL)) break;
        segue_load_all(&all);
        loaded += all.list[0].facts.state == SEGUE_PLUGIN_LOADED;
        if (all.list[0].facts.text[0]) fprintf(stderr, "%s\n", all.list[0].facts.text);
        segue_free_plugins(&all);
    }
    return (void *)loaded;
}

/* Each thread has a context of its own: they share only the plugin's code. */
static void contexts_in_parallel(void **state)
{
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, load_again_and_again, *state), 0);
    uintptr_t loaded = 0;
    for (int i = 0; i < 4; i++) {
        void *part = NULL;
        pthread_join(threads[i], &part);
        loaded += (uintptr_t)part;
    }
    assert_int_equal(loaded, 100);
}

static int learn(void **state)
{
    const segue_host host = test_host();
    segue_plugin_facts facts = { 0 };
    (void)state;
    spoil = NULL;
    if (sound.size) return 0;
    if (segue_call_entry(segue_builtin_entries[0], &host, &sound, &facts)) return 1;
    static segue_plugin_primitive copy[256]; /* what is behind self goes away */
    memcpy(copy, sound.primitives, sound.primitive_count * sizeof *copy);
    sound.close(sound.self);
    sound.primitives = copy;
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(every_mandatory_function_is_asked_for, learn),
        cmocka_unit_test_setup(answers_are_vetted, learn),
        cmocka_unit_test_setup(primitives_are_vetted, learn),
        cmocka_unit_test_setup(devices_are_vetted, learn),
        cmocka_unit_test_prestate(files_are_loaded, argc > 1 ? argv[1] : NULL),
        cmocka_unit_test_prestate(a_swapped_file_is_refused, argc > 1 ? argv[1] : NULL),
        cmocka_unit_test_prestate(contexts_in_parallel, argc > 1 ? argv[1] : NULL),
    };
    if (argc != 2) return fprintf(stderr, "usage: load_test PLUGIN\n"), 2;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
