/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The identity note of a plugin file, by a reader of 64-bit little-endian ELF that believes nothing: every
 * offset is checked against the file before it is read, and every walk is bounded. Numbers in comments are
 * offsets of the ELF specification. */
#include "diag.h"
#include "loader.h"

#include <stdarg.h>
#include <stdio.h>

enum { HEADER_BYTES = 64, SEGMENT_BYTES = 56, MAX_SEGMENTS = 512, MAX_NOTES = 512, PT_NOTE = 4, NOTE_TYPE = 1 };

static const char owner[] = "Segue"; /* the note's name, with its NUL */

#if defined(__x86_64__)
static const uint16_t machine = 62;
#elif defined(__aarch64__)
static const uint16_t machine = 183;
#elif defined(__riscv)
static const uint16_t machine = 243;
#elif defined(__powerpc64__)
static const uint16_t machine = 21;
#elif defined(__loongarch64)
static const uint16_t machine = 258;
#else
#error "add this machine's e_machine"
#endif

segue_status segue_reject(segue_plugin_facts *facts, uint32_t phase, const char *format, ...)
{
    va_list args;
    facts->state = SEGUE_PLUGIN_REJECTED;
    facts->code = SEGUE_ERROR_PLUGIN;
    facts->phase = phase;
    facts->device_count = 0;
    va_start(args, format);
    vsnprintf(facts->text, sizeof facts->text, format, args);
    va_end(args);
    segue_clean_text(facts->text, sizeof facts->text);
    return SEGUE_ERROR_PLUGIN;
}

static uint64_t number(const uint8_t *at, int bytes)
{
    uint64_t value = 0;
    while (bytes--) value = value << 8 | at[bytes];
    return value;
}

static int within(const struct os_file *file, uint64_t offset, uint64_t bytes)
{
    return offset <= file->facts.bytes && bytes <= file->facts.bytes - offset;
}

/* 0 if the bytes lie outside the file or cannot be read. */
static int read_at(const struct os_file *file, uint64_t offset, void *to, uint64_t bytes)
{
    return within(file, offset, bytes) && !os_read(file, offset, to, bytes);
}

/* Walks one segment's notes; 1 = ours was found: *at and *bytes are its descriptor. */
static int find_in_segment(const struct os_file *file, uint64_t start, uint64_t end, uint64_t align,
                           uint64_t *at, uint64_t *bytes)
{
    for (int i = 0; i < MAX_NOTES && end - start >= 12; i++) {
        uint8_t head[12], name[sizeof owner];
        uint64_t names, descriptor, next;
        if (!read_at(file, start, head, sizeof head)) return 0;
        names = number(head, 4);
        *bytes = number(head + 4, 4);
        descriptor = start + 12 + (names + align - 1) / align * align; /* 32-bit sizes: no overflow in 64 */
        next = descriptor + (*bytes + align - 1) / align * align;
        if (descriptor > end || *bytes > end - descriptor) return 0;
        if (names == sizeof owner && number(head + 8, 4) == NOTE_TYPE &&
            read_at(file, start + 12, name, sizeof name) && !memcmp(name, owner, sizeof name)) {
            *at = descriptor;
            return 1;
        }
        if (next > end) return 0;
        start = next;
    }
    return 0;
}

/* Finds the note's descriptor, or rejects. */
static segue_status find_note(const struct os_file *file, segue_plugin_facts *facts, uint64_t *at,
                              uint64_t *bytes)
{
    uint8_t h[HEADER_BYTES], s[SEGMENT_BYTES];
    uint64_t table, segments;
    if (!read_at(file, 0, h, sizeof h) || memcmp(h, "\177ELF", 4))
        return segue_reject(facts, SEGUE_PHASE_NOTE, "not an ELF file (%llu bytes)",
                            (unsigned long long)file->facts.bytes);
    if (h[4] != 2 || h[5] != 1) /* EI_CLASS, EI_DATA */
        return segue_reject(facts, SEGUE_PHASE_NOTE, "not 64-bit little-endian ELF (class %u, data %u)", h[4],
                            h[5]);
    if (number(h + 18, 2) != machine) /* e_machine */
        return segue_reject(facts, SEGUE_PHASE_NOTE, "built for another machine (ELF machine %u, this is %u)",
                            (unsigned)number(h + 18, 2), machine);
    if (number(h + 16, 2) != 3) /* e_type */
        return segue_reject(facts, SEGUE_PHASE_NOTE, "not a shared object (ELF type %u, wanted 3)",
                            (unsigned)number(h + 16, 2));
    table = number(h + 32, 8);    /* e_phoff */
    segments = number(h + 56, 2); /* e_phnum */
    if (number(h + 54, 2) != SEGMENT_BYTES || segments > MAX_SEGMENTS ||
        !within(file, table, segments * SEGMENT_BYTES))
        return segue_reject(facts, SEGUE_PHASE_NOTE,
                            "damaged: %llu program headers of %u bytes at %llu do not fit a file of %llu bytes",
                            (unsigned long long)segments, (unsigned)number(h + 54, 2),
                            (unsigned long long)table, (unsigned long long)file->facts.bytes);
    for (uint64_t i = 0; i < segments; i++) {
        uint64_t offset, size;
        if (!read_at(file, table + i * SEGMENT_BYTES, s, sizeof s)) break;
        offset = number(s + 8, 8); /* p_offset */
        size = number(s + 32, 8);  /* p_filesz */
        if (number(s, 4) != PT_NOTE || !within(file, offset, size)) continue;
        if (find_in_segment(file, offset, offset + size, number(s + 48, 8) == 8 ? 8 : 4, at, bytes))
            return SEGUE_OK;
    }
    return segue_reject(facts, SEGUE_PHASE_NOTE, "not a Segue plugin, or built without SEGUE_PLUGIN_NOTE");
}

/* Printable text that ends within its array: it will be shown on terminals and in JSON. */
static int is_text(const char *text, size_t size)
{
    char cleaned[sizeof(segue_plugin_note)];
    if (!memchr(text, 0, size)) return 0;
    memcpy(cleaned, text, size);
    segue_clean_text(cleaned, size);
    return !strcmp(cleaned, text);
}

int segue_is_id(const char *text, size_t size)
{
    const char *end = memchr(text, 0, size);
    if (!end || end == text) return 0;
    for (; text < end; text++)
        if (!(*text >= 'a' && *text <= 'z') && !(*text >= '0' && *text <= '9') && *text != '_') return 0;
    return 1;
}

static int is_uuid(const char text[40])
{
    static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
    int zero = 1;
    for (size_t i = 0; i < sizeof form; i++) {
        const int hex = (text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f') ||
                        (text[i] >= 'A' && text[i] <= 'F');
        if (form[i] == 'x' ? !hex : text[i] != form[i]) return 0;
        if (hex && text[i] != '0') zero = 0;
    }
    return !zero;
}

static const struct {
    const char *name;
    size_t from, to, size;
} strings[] = {
#define SIZE(name) sizeof(((segue_plugin_note *)0)->name)
#define STRING(name) #name, offsetof(segue_plugin_note, name), offsetof(segue_plugin_facts, name), SIZE(name)
    { STRING(id) },      { STRING(alias) }, { STRING(vendor) },
    { STRING(version) }, { STRING(uuid) },  { STRING(build) },
#undef STRING
#undef SIZE
};

static segue_status check_strings(const segue_plugin_note *note, segue_plugin_facts *facts)
{
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        if (!is_text((const char *)note + strings[i].from, strings[i].size))
            return segue_reject(facts, SEGUE_PHASE_NOTE,
                                "the note's %s does not end within its %zu bytes, or is not printable",
                                strings[i].name, strings[i].size);
    if (!segue_is_id(note->id, sizeof note->id))
        return segue_reject(facts, SEGUE_PHASE_NOTE, "the note's id '%s' is not made of a-z, 0-9 and _",
                            note->id);
    if (note->alias[0] && !segue_is_id(note->alias, sizeof note->alias))
        return segue_reject(facts, SEGUE_PHASE_NOTE, "the note's alias '%s' is not made of a-z, 0-9 and _",
                            note->alias);
    if (strlen(note->id) > MAX_ID || strlen(note->alias) > MAX_ID)
        return segue_reject(facts, SEGUE_PHASE_NOTE,
                            "the note's %s '%s' is longer than %d characters, wanted at most that: devices are "
                            "called id:0 to id:255",
                            strlen(note->id) > MAX_ID ? "id" : "alias",
                            strlen(note->id) > MAX_ID ? note->id : note->alias, MAX_ID);
    if (!is_uuid(note->uuid))
        return segue_reject(facts, SEGUE_PHASE_NOTE,
                            "the note's uuid '%s' is not 8-4-4-4-12 hexadecimal digits, or is zero",
                            note->uuid);
    return SEGUE_OK;
}

segue_status segue_read_note(const struct os_file *file, const char *name, segue_plugin_facts *facts)
{
    segue_plugin_note note;
    char wanted[64];
    uint64_t at = 0, bytes = 0;
    segue_status s = find_note(file, facts, &at, &bytes);
    if (s) return s;
    memset(&note, 0, sizeof note);
    if (bytes < offsetof(segue_plugin_note, id) ||
        !read_at(file, at, &note, bytes < sizeof note ? bytes : sizeof note))
        return segue_reject(facts, SEGUE_PHASE_NOTE, "damaged: its note has %llu bytes",
                            (unsigned long long)bytes);
    if (note.epoch != SEGUE_PLUGIN_EPOCH)
        return segue_reject(facts, SEGUE_PHASE_NOTE,
                            "built for plugin epoch %u, this host speaks %d: rebuild it", note.epoch,
                            SEGUE_PLUGIN_EPOCH);
    if (note.minor != SEGUE_PLUGIN_MINOR)
        return segue_reject(facts, SEGUE_PHASE_NOTE,
                            "built for plugin minor %u of epoch %u, this host speaks minor %d: rebuild it "
                            "(epoch 0 promises nothing across minors)",
                            note.minor, note.epoch, SEGUE_PLUGIN_MINOR);
    if (note.size != sizeof note || bytes != sizeof note)
        return segue_reject(facts, SEGUE_PHASE_NOTE, "damaged: its note says %u bytes and has %llu, wanted %zu",
                            note.size, (unsigned long long)bytes, sizeof note);
    s = check_strings(&note, facts);
    if (s) return s;
    snprintf(wanted, sizeof wanted, "segue_%s.so", note.id);
    if (strcmp(name, wanted))
        return segue_reject(facts, SEGUE_PHASE_NOTE, "its id is '%s', so the file must be called %s", note.id,
                            wanted);
    facts->minor = note.minor;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        memcpy((char *)facts + strings[i].to, (const char *)&note + strings[i].from, strings[i].size);
    return SEGUE_OK;
}
