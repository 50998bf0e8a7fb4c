/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* For the loader's tests: the smallest ELF file with an identity note, a folder to put it into, and a host. */
#ifndef SEGUE_LOADER_TESTING_H
#define SEGUE_LOADER_TESTING_H

#include "loader.h"

#include <fcntl.h>
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum {
    NOTES_AT = 64 + 3 * 56,
    FOREIGN_BYTES = 12 + 4 + 20,
    IMAGE_BYTES = NOTES_AT + FOREIGN_BYTES + sizeof(segue_plugin_elf_note)
};

struct image { /* header, three program headers (load, foreign notes, notes), a foreign note, ours */
    uint8_t bytes[IMAGE_BYTES];
};

static inline void put(uint8_t *at, uint64_t value, int bytes)
{
    for (; bytes--; value >>= 8) *at++ = (uint8_t)value;
}

static inline void put_segment(struct image *image, int index, uint32_t type, uint64_t offset, uint64_t bytes)
{
    uint8_t *s = image->bytes + 64 + 56 * index;
    put(s, type, 4);
    put(s + 8, offset, 8);
    put(s + 32, bytes, 8);
    put(s + 48, 4, 8);
}

static inline segue_plugin_note note_of(const char *id)
{
    segue_plugin_note note = { .size = sizeof note,
                               .epoch = SEGUE_PLUGIN_EPOCH,
                               .minor = SEGUE_PLUGIN_MINOR,
                               .vendor = "Acme",
                               .version = "1.2",
                               .uuid = "01234567-89ab-cdef-0123-456789abcdef",
                               .build = "by hand" };
    snprintf(note.id, sizeof note.id, "%s", id);
    return note;
}

static inline struct image image_of(segue_plugin_note note)
{
    static const uint8_t machine_of_this_file[] = { 0x7f, 'E', 'L', 'F', 2, 1, 1 };
    const segue_plugin_elf_note ours = { 6, sizeof note, 1, "Segue", note };
    struct image image = { { 0 } };
    uint8_t *b = image.bytes, head[20];
    const int self = open("/proc/self/exe", O_RDONLY);
    memcpy(b, machine_of_this_file, sizeof machine_of_this_file);
    put(b + 16, 3, 2);
    if (self >= 0 && read(self, head, sizeof head) == sizeof head) memcpy(b + 18, head + 18, 2);
    close(self);
    put(b + 32, 64, 8);
    put(b + 54, 56, 2);
    put(b + 56, 3, 2);
    put_segment(&image, 0, 1, 0, sizeof image.bytes);
    put_segment(&image, 1, 4, NOTES_AT, FOREIGN_BYTES);
    put_segment(&image, 2, 4, NOTES_AT, sizeof image.bytes - NOTES_AT);
    b += NOTES_AT;
    put(b, 4, 4), put(b + 4, 20, 4), put(b + 8, 3, 4);
    memcpy(b + 12, "GNU", 4);
    memcpy(b + FOREIGN_BYTES, &ours, sizeof ours);
    return image;
}

static inline void write_file(const char *path, const void *bytes, size_t count)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, count, f), count);
    assert_int_equal(fclose(f), 0);
}

/* A plugin file segue_<id>.so in a folder; returns its path, valid until the next call. */
static inline const char *put_plugin(const char *folder, const char *id)
{
    static char path[OS_PATH_BYTES];
    const struct image image = image_of(note_of(id));
    snprintf(path, sizeof path, "%s/segue_%s.so", folder, id);
    write_file(path, image.bytes, sizeof image.bytes);
    return path;
}

static inline void *alloc_for_test(void *user, uint64_t bytes, uint64_t alignment)
{
    (void)user;
    return os_alloc(bytes, alignment);
}

static inline void free_for_test(void *user, void *memory)
{
    (void)user;
    os_free(memory);
}

static inline segue_host test_host(void)
{
    return (segue_host){ .size = sizeof(segue_host),
                         .epoch = SEGUE_PLUGIN_EPOCH,
                         .minor_min = SEGUE_PLUGIN_MINOR,
                         .minor_max = SEGUE_PLUGIN_MINOR,
                         .alloc = alloc_for_test,
                         .free = free_for_test,
                         .describe = segue_describe,
                         .plugin_dir = "" };
}

#endif
