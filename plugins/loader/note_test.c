/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The note reader on files that are right, wrong in one way, cut, and mutated. */
#include "loader_testing.h"

#include <sys/mman.h>

static int memory; /* a file without a disk */

static segue_status read_image(const void *bytes, size_t count, segue_plugin_facts *facts)
{
    struct os_file file;
    char path[32];
    segue_status s;
    memset(facts, 0, sizeof *facts);
    snprintf(path, sizeof path, "/proc/self/fd/%d", memory);
    assert_int_equal(ftruncate(memory, 0), 0);
    assert_int_equal(pwrite(memory, bytes, count, 0), count);
    assert_int_equal(os_open(path, &file), 0);
    s = segue_read_note(&file, "segue_acme.so", facts);
    os_close(&file);
    if (s)
        assert_true(facts->state == SEGUE_PLUGIN_REJECTED && facts->phase == SEGUE_PHASE_NOTE &&
                    facts->text[0]);
    return s;
}

static void expect_words(segue_plugin_note note, const char *words)
{
    const struct image image = image_of(note);
    segue_plugin_facts facts;
    const segue_status s = read_image(image.bytes, sizeof image.bytes, &facts);
    if (!words) {
        if (s) fail_msg("rejected: %s", facts.text);
    } else if (!s || !strstr(facts.text, words)) {
        fail_msg("'%s' does not say '%s'", facts.text, words);
    }
}

static void a_good_note_is_read(void **state)
{
    segue_plugin_note note = note_of("acme");
    segue_plugin_facts facts;
    (void)state;
    strcpy(note.alias, "npu");
    const struct image image = image_of(note);
    assert_int_equal(read_image(image.bytes, sizeof image.bytes, &facts), SEGUE_OK);
    assert_string_equal(facts.id, "acme");
    assert_string_equal(facts.alias, "npu");
    assert_string_equal(facts.vendor, "Acme");
    assert_string_equal(facts.version, "1.2");
    assert_string_equal(facts.uuid, note.uuid);
    assert_string_equal(facts.build, "by hand");
    assert_int_equal(facts.minor, SEGUE_PLUGIN_MINOR);
    assert_int_equal(facts.state, SEGUE_PLUGIN_FOUND);
}

static void each_defect_has_its_words(void **state)
{
    segue_plugin_note n;
    (void)state;
    expect_words(note_of("acme"), NULL);
    n = note_of("acme"), n.epoch = 7;
    expect_words(n, "built for plugin epoch 7, this host speaks 0");
    n = note_of("acme"), n.minor = 3;
    expect_words(n, "built for plugin minor 3 of epoch 0, this host speaks minor 1: rebuild it (epoch 0 "
                    "promises nothing across minors)");
    n = note_of("acme"), n.size = 12;
    expect_words(n, "its note says 12 bytes");
    n = note_of("acme"), memset(n.id, 'a', sizeof n.id);
    expect_words(n, "the note's id does not end within its 32 bytes");
    n = note_of("acme"), memset(n.uuid, '1', sizeof n.uuid);
    expect_words(n, "the note's uuid does not end within its 40 bytes");
    n = note_of("acme"), memset(n.build, 'x', sizeof n.build);
    expect_words(n, "the note's build does not end within its 64 bytes");
    n = note_of("acme"), strcpy(n.vendor, "\033[31mred");
    expect_words(n, "the note's vendor does not end within its 64 bytes, or is not printable");
    n = note_of("acme"), strcpy(n.vendor, "caf\xc3\xa9");
    expect_words(n, NULL);
    n = note_of("acme"), strcpy(n.vendor, "caf\xe9"); /* no UTF-8 */
    expect_words(n, "the note's vendor does not end within its 64 bytes, or is not printable");
    n = note_of("acme"), strcpy(n.build, "\xc2\x9b"
                                         "31mred"); /* a control character of eight bits */
    expect_words(n, "the note's build does not end within its 64 bytes, or is not printable");
    expect_words(note_of("an_id_of_twenty_letters_and_"),
                 "the note's id 'an_id_of_twenty_letters_and_' is longer than 27 characters");
    n = note_of("acme"), strcpy(n.alias, "an_id_of_twenty_letters_and_");
    expect_words(n, "the note's alias 'an_id_of_twenty_letters_and_' is longer than 27 characters");
    expect_words(note_of("an_id_of_twenty_letters_and"),
                 "so the file must be called"); /* 27 are not too many */
    expect_words(note_of("Acme"), "the note's id 'Acme' is not made of a-z, 0-9 and _");
    expect_words(note_of(""), "the note's id '' is not made of");
    expect_words(note_of("../etc"), "is not made of a-z");
    n = note_of("acme"), strcpy(n.alias, "a b");
    expect_words(n, "the note's alias 'a b' is not made of");
    n = note_of("acme"), strcpy(n.uuid, "01234567-89ab-cdef-0123-456789abcde");
    expect_words(n, "the note's uuid '01234567-89ab-cdef-0123-456789abcde' is not 8-4-4-4-12");
    n = note_of("acme"), strcpy(n.uuid, "00000000-0000-0000-0000-000000000000");
    expect_words(n, "or is zero");
    expect_words(note_of("other"), "its id is 'other', so the file must be called segue_other.so");
}

static const struct {
    int at, bytes;
    uint64_t value;
    const char *words;
} header_defects[] = {
    { 0, 1, 'M', "not an ELF file" },
    { 4, 1, 1, "not 64-bit little-endian ELF" },
    { 5, 1, 2, "not 64-bit little-endian ELF" },
    { 16, 2, 2, "not a shared object (ELF type 2" },
    { 18, 2, 0x1234, "built for another machine (ELF machine 4660" },
    { 32, 8, 1ull << 40, "damaged: 3 program headers" },
    { 32, 8, ~0ull, "damaged" },
    { 54, 2, 55, "damaged" },
    { 56, 2, 0xffff, "damaged: 65535 program headers" },
    { 56, 2, 1, "not a Segue plugin, or built without SEGUE_PLUGIN_NOTE" },
    { 64 + 2 * 56 + 8, 8, ~0ull - 3, "not a Segue plugin" },
    { 64 + 2 * 56 + 32, 8, ~0ull, "not a Segue plugin" },
    { NOTES_AT + 4, 4, 0xfffffff0, "not a Segue plugin" },
    { NOTES_AT + FOREIGN_BYTES, 4, 0xffffffff, "not a Segue plugin" },
    { NOTES_AT + FOREIGN_BYTES + 4, 4, 0xffffffff, "not a Segue plugin" },
    { NOTES_AT + FOREIGN_BYTES + 4, 4, 4, "damaged: its note has 4 bytes" },
    { NOTES_AT + FOREIGN_BYTES + 8, 4, 2, "not a Segue plugin" },
    { NOTES_AT + FOREIGN_BYTES + 12, 1, 's', "not a Segue plugin" },
};

static void damaged_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof header_defects / sizeof *header_defects; i++) {
        struct image image = image_of(note_of("acme"));
        segue_plugin_facts facts;
        put(image.bytes + header_defects[i].at, header_defects[i].value, header_defects[i].bytes);
        assert_int_equal(read_image(image.bytes, sizeof image.bytes, &facts), SEGUE_ERROR_PLUGIN);
        if (!strstr(facts.text, header_defects[i].words))
            fail_msg("'%s' does not say '%s'", facts.text, header_defects[i].words);
    }
}

/* Whatever is cut off, the reader answers with words; the sanitizers watch it. */
static void cut_files(void **state)
{
    const struct image image = image_of(note_of("acme"));
    segue_plugin_facts facts;
    (void)state;
    for (size_t n = 0; n < sizeof image.bytes; n++)
        assert_int_equal(read_image(image.bytes, n, &facts), SEGUE_ERROR_PLUGIN);
    assert_int_equal(read_image(image.bytes, sizeof image.bytes, &facts), SEGUE_OK);
}

/* Each byte of the headers set to extremes, then 4000 files with up to eight random bytes changed anywhere. An
 * accepted one must still be sound. */
static void mutated_files(void **state)
{
    static const uint8_t extremes[] = { 0, 1, 0x7f, 0x80, 0xff };
    uint64_t seed = 88172645463325252u;
    segue_plugin_facts facts;
    int accepted = 0, rejected = 0;
    (void)state;
    for (size_t at = 0; at < NOTES_AT + FOREIGN_BYTES + 16; at++)
        for (size_t k = 0; k < sizeof extremes; k++) {
            struct image image = image_of(note_of("acme"));
            image.bytes[at] = extremes[k];
            read_image(image.bytes, sizeof image.bytes, &facts) ? rejected++ : accepted++;
        }
    for (int round = 0; round < 4000; round++) {
        struct image image = image_of(note_of("acme"));
        for (int k = 0; k <= round % 8; k++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            image.bytes[seed % sizeof image.bytes] = (uint8_t)(seed >> 40);
        }
        if (read_image(image.bytes, sizeof image.bytes, &facts)) {
            rejected++;
            continue;
        }
        accepted++;
        assert_string_equal(facts.id, "acme");
        assert_non_null(memchr(facts.vendor, 0, sizeof facts.vendor));
        assert_int_equal(strlen(facts.uuid), 36);
    }
    assert_true(accepted > 100 && rejected > 1000);
}

/* The file of a real plugin, cut at every 64th byte. */
static void a_real_file(void **state)
{
    static uint8_t bytes[1 << 20];
    FILE *f = fopen(*state, "rb");
    struct os_file file;
    segue_plugin_facts facts = { 0 };
    assert_non_null(f);
    const size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    assert_true(size > 4096);
    for (size_t n = 0; n < size && n < 65536; n += 64) read_image(bytes, n, &facts);
    memset(&facts, 0, sizeof facts);
    assert_int_equal(os_open(*state, &file), 0);
    if (segue_read_note(&file, strrchr(*state, '/') + 1, &facts)) fail_msg("%s", facts.text);
    os_close(&file);
    assert_string_equal(facts.id, "benign");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_note_is_read),
        cmocka_unit_test(each_defect_has_its_words),
        cmocka_unit_test(damaged_headers),
        cmocka_unit_test(cut_files),
        cmocka_unit_test(mutated_files),
        cmocka_unit_test_prestate(a_real_file, argc > 1 ? argv[1] : NULL),
    };
    if (argc != 2) return fprintf(stderr, "usage: note_test PLUGIN\n"), 2;
    memory = memfd_create("note_test", MFD_CLOEXEC);
    return memory < 0 ? 77 : cmocka_run_group_tests(tests, NULL, NULL);
}
