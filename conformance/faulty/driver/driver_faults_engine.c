/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A stand-in driver from outside: its entry points by name, its control, what a thread has current. */
#include "driver_faults.h"

#include <dlfcn.h>
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODE_THREAD = 1 }; /* hipStreamCaptureModeThreadLocal and CUDA's: not what a scope leaves by mistake */

/* ---- loading ------------------------------------------------------------------------------------------------ */

static int look_up(void *library, const char *name, void *out)
{
    void *found = dlsym(library, name);
    memcpy(out, &found, sizeof found);
    return found ? 0 : fprintf(stderr, "the stand-in has no %s\n", name);
}

int engine_load(struct engine *e, const char *driver)
{
    static const struct {
        const char *cuda, *hip;
        size_t offset;
    } entries[] = {
#define ENTRY(field, parameters, cuda, hip) { cuda, hip, offsetof(struct engine, field) },
        ENGINE_ENTRIES(ENTRY)
#undef ENTRY
    };
    static char path[4300];
    const char *folder = getenv("SEGUE_DRIVER_PATH"), *name = !strcmp(driver, "cuda")   ? "libcuda.so.1"
                                                              : !strcmp(driver, "rocm") ? "libamdhip64.so.6"
                                                                                        : "libamdhip64.so.5";
    snprintf(path, sizeof path, "%s/%s", folder ? folder : "", name);
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) return fprintf(stderr, "%s\n", dlerror());
    *e = (struct engine){ .hip = driver[0] == 'r', .id = driver[0] == 'r' ? "rocm" : "cuda", .library = path };
    int wrong = look_up(library, "segue_stand_in_calls", &e->calls) ||
                look_up(library, "segue_stand_in_live", &e->live) ||
                look_up(library, "segue_stand_in_reset", &e->reset);
    for (size_t i = 0; i < sizeof entries / sizeof *entries && !wrong; i++) {
        const char *entry = e->hip ? entries[i].hip : entries[i].cuda;
        if (entry[0]) wrong = look_up(library, entry, (char *)e + entries[i].offset);
    }
    return wrong;
}

/* ---- names -------------------------------------------------------------------------------------------------- */

static char *read_file(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    char *all = NULL;
    long end;
    if (f && !fseek(f, 0, SEEK_END) && (end = ftell(f)) > 0 && !fseek(f, 0, SEEK_SET) &&
        (all = malloc((size_t)end))) {
        *size = fread(all, 1, (size_t)end, f);
        if (*size != (size_t)end) {
            free(all);
            all = NULL;
        }
    }
    if (f) fclose(f);
    if (!all) fprintf(stderr, "%s cannot be read\n", path);
    return all;
}

static int begins(const char *name, const char *const *prefixes)
{
    while (*prefixes && strncmp(name, *prefixes, strlen(*prefixes))) prefixes++;
    return *prefixes != NULL;
}

static void take_symbols(struct names *out, const char *image, const Elf64_Shdr *symbols, const char *text,
                         const char *binary, size_t size, const char *const *prefixes)
{
    for (uint64_t at = 0; at < symbols->sh_size && out->count < MOST_NAMES; at += sizeof(Elf64_Sym)) {
        Elf64_Sym symbol;
        memcpy(&symbol, image + symbols->sh_offset + at, sizeof symbol);
        const char *name = text + symbol.st_name;
        if (symbol.st_shndx == SHN_UNDEF || !begins(name, prefixes) || strlen(name) >= NAME_ROOM) continue;
        if (memmem(binary, size, name, strlen(name) + 1)) strcpy(out->at[out->count++], name);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

int names_in_use(struct names *out, const char *library, const char *binary, const char *const *prefixes)
{
    size_t image_size = 0, size = 0;
    char *image = read_file(library, &image_size), *bytes = read_file(binary, &size);
    out->count = 0;
    if (image && bytes) {
        Elf64_Ehdr head;
        memcpy(&head, image, sizeof head);
        for (int i = 0; i < head.e_shnum; i++) {
            Elf64_Shdr section, strings;
            memcpy(&section, image + head.e_shoff + (uint64_t)i * sizeof section, sizeof section);
            if (section.sh_type != SHT_DYNSYM) continue;
            memcpy(&strings, image + head.e_shoff + section.sh_link * sizeof strings, sizeof strings);
            take_symbols(out, image, &section, image + strings.sh_offset, bytes, size, prefixes);
        }
        qsort(out->at, (size_t)out->count, sizeof out->at[0], compare_names);
    }
    free(image);
    free(bytes);
    return out->count == 0;
}

/* ---- a thread and what it has current ------------------------------------------------------------------------- */

struct thread_state thread_now(const struct engine *e)
{
    struct thread_state now = { .mode = MODE_THREAD };
    if (e->hip) {
        e->device_current(&now.device);
        now.pending = e->peek_error() != 0;
    } else e->context_current(&now.context);
    e->exchange_mode(&now.mode); /* what it was; it is now MODE_THREAD again if it was that */
    return now;
}

/* An engine in the middle of its own work: on the second device, with an error of its own that it has not asked for yet;
 * or with nothing current at all. Either way it has a context on the first. */
int place_make(const struct engine *e, int way, struct place *out)
{
    int mode = MODE_THREAD, error = e->init(0);
    const int adopted = way == WAY_ADOPTED;
    *out = (struct place){ 0 };
    e->exchange_mode(&mode);
    if (!error && e->hip) {
        error = e->primary_retain(&out->first, 0);
        if (!error) error = e->device_set(adopted);
        e->last_error();
        if (adopted) e->device_set(77);
    } else if (!error) {
        e->context_set(NULL);
        error = adopted ? e->context_create(&out->first, 0, 0) : e->primary_retain(&out->first, 0);
        e->context_set(NULL);
        if (!error && adopted) error = e->context_create(&out->other, 0, 1);
    }
    out->before = thread_now(e);
    return error;
}

void place_drop(const struct engine *e, int way, struct place *p)
{
    int mode = 0;
    e->exchange_mode(&mode);
    if (e->hip) {
        e->device_reset(); /* of this driver's devices only the reset ends what a fault has broken */
        e->device_set(0);
        e->device_reset();
        e->last_error();
        return;
    }
    e->context_set(NULL);
    if (p->other) e->context_destroy(p->other);
    if (!p->first) return;
    if (way == WAY_ADOPTED) e->context_destroy(p->first);
    else e->primary_release(0);
}

void engine_on(const struct engine *e, const struct place *p)
{
    if (e->hip) e->device_set(0);
    else e->context_set(p->first);
}

void engine_off(const struct engine *e, const struct place *p)
{
    if (e->hip) e->device_set(p->before.device);
    else e->context_set(p->before.context);
}
