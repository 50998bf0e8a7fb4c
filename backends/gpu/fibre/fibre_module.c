/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled kernel is a shared object; its bytes are the blob. */
#include "fibre.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_WORDS = 96, MOST_BLOB = 64 << 20, COMPLAINTS = 4096 };
#define FNV_START UINT64_C(14695981039346656037)

extern const char fibre_dialect[], fibre_hooks[]; /* dialect.h, fibre_hooks.inc */

/* What is linked instead of the default: -fsanitize=thread would pull in libtsan, which wants the process. */
static const char *const common[] = { "-x",
                                      "c++",
                                      "-std=c++17",
                                      "-shared",
                                      "-fPIC",
                                      "-w",
                                      "-fno-exceptions",
                                      "-fno-rtti",
                                      "-fno-math-errno",
                                      "-ffp-contract=off",
                                      "-ftrivial-auto-var-init=pattern",
                                      NULL };
static const char *const checked[] = { "-g1", "-gdwarf-4", /* addr2line of binutils 2.40 misreads 5 */
                                       "-fsanitize=thread,undefined,bounds-strict,float-cast-overflow", NULL };
/* By SEGUE_FIBRE_CHECK; sizes behind pointers need -O1. */
static const char *const level[] = { "-O2", "-O1", "-O0" };
static const char *const fused[] = { "-mfma", "-mf16c", NULL };
static const char *const linked[] = {
    "-nostartfiles", "-nodefaultlibs", "-Wl,-Bsymbolic", "-Wl,--build-id=none", "-lm", "-lc", "-lgcc", NULL
};

/* ---- settings ---------------------------------------------------------------------------------------- */

static segue_status read_number(const char *name, int64_t most, int64_t *out, segue_diag *why)
{
    const char *text = secure_getenv(name);
    char *end;
    if (!text || !*text) return SEGUE_OK;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (!errno && !*end && end != text && value >= 0 && value <= most) {
        *out = value;
        return SEGUE_OK;
    }
    return segue_kit_fail(why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
                          "%s is '%.40s', wanted a number from 0 to %" PRId64, name, text, most);
}

static segue_status read_text(const char *name, const char *otherwise, char *out, size_t room, segue_diag *why)
{
    const char *text = secure_getenv(name);
    if (!text || !*text) text = otherwise;
    if ((size_t)snprintf(out, room, "%s", text) < room) return SEGUE_OK;
    return segue_kit_fail(why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
                          "%s has %zu characters, wanted fewer than %zu", name, strlen(text), room);
}

segue_status fibre_read_settings(struct fibre_settings *out, segue_diag *why)
{
    int64_t seed = 0, group = 64, check = 1, grid = FIBRE_MOST_GROUPS;
    segue_status s = read_number("SEGUE_FIBRE_SEED", UINT32_MAX, &seed, why);
    if (!s) s = read_number("SEGUE_FIBRE_GROUP", FIBRE_MOST_ITEMS, &group, why);
    if (!s) s = read_number("SEGUE_FIBRE_CHECK", 2, &check, why);
    if (!s) s = read_number("SEGUE_FIBRE_GRID", FIBRE_MOST_GROUPS, &grid, why);
    if (!s && grid < 1)
        return segue_kit_fail(why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
                              "SEGUE_FIBRE_GRID is 0, wanted a number from 1 to %d", FIBRE_MOST_GROUPS);
    if (!s && (group < 1 || group & (group - 1)))
        return segue_kit_fail(why, SEGUE_ERROR_ARGUMENT, SEGUE_PHASE_OPEN, 0,
                              "SEGUE_FIBRE_GROUP is %" PRId64 ", wanted a power of two from 1 to %d", group,
                              FIBRE_MOST_ITEMS);
    out->seed = (uint32_t)seed;
    out->group = (int32_t)group;
    out->checked = (int32_t)check;
    out->grid = (int32_t)grid;
    if (!s) s = read_text("SEGUE_FIBRE_CXX", FIBRE_CXX, out->compiler, sizeof out->compiler, why);
    if (!s) s = read_text("SEGUE_FIBRE_KERNELS", "", out->kernels, sizeof out->kernels, why);
    return s;
}

static uint64_t text_digest(uint64_t h, const char *text)
{
    for (const char *p = text; *p; p++) h = (h ^ (unsigned char)*p) * UINT64_C(1099511628211); /* FNV-1a */
    return h;
}

/* Changes with every change of a file in the folder of texts that replace ours. */
static uint64_t folder_digest(const char *folder)
{
    uint64_t sum = 0;
    DIR *d = opendir(folder);
    for (const struct dirent *e; d && (e = readdir(d));) {
        uint64_t h = FNV_START;
        struct stat s = { 0 };
        if (fstatat(dirfd(d), e->d_name, &s, 0) || !S_ISREG(s.st_mode)) continue;
        const uint64_t facts[] = { (uint64_t)s.st_size, (uint64_t)s.st_mtim.tv_sec, (uint64_t)s.st_mtim.tv_nsec,
                                   (uint64_t)s.st_ino };
        h = text_digest(h, e->d_name);
        for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) h = (h ^ facts[i]) * UINT64_C(1099511628211);
        sum += h; /* in whatever order they are listed */
    }
    if (d) closedir(d);
    return sum;
}

static int can_fuse(void)
{
    return __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

segue_status fibre_identity(const struct fibre_settings *settings, char *out, size_t room, segue_diag *why)
{
    char version[256], kernels[64] = "";
    const int status =
        fibre_tool((const char *const[]){ settings->compiler, "--version", NULL }, version, sizeof version);
    if (status)
        return segue_kit_fail(
            why, SEGUE_ERROR_NO_DEVICE, SEGUE_PHASE_OPEN, 0,
            "'%.200s --version' answers %d: kernels need gcc 12 or later; SEGUE_FIBRE_CXX names it",
            settings->compiler, status);
    version[strcspn(version, "\n")] = 0;
    if (settings->kernels[0])
        snprintf(kernels, sizeof kernels, ", kernels %016" PRIx64, folder_digest(settings->kernels));
    snprintf(out, room, "fibre %016" PRIx64 ", %.100s, %s %s%s%s",
             text_digest(text_digest(FNV_START, fibre_dialect), fibre_hooks), version,
             settings->checked ? "checked" : "unchecked", level[settings->checked], can_fuse() ? ", fma" : "",
             kernels);
    return SEGUE_OK;
}

/* ---- the text that is compiled ----------------------------------------------------------------------- */

static void put(FILE *to, const char *text)
{
    fwrite(text, 1, strlen(text), to);
}

static void append_file(FILE *to, FILE *from)
{
    char part[4096];
    for (size_t n; (n = fread(part, 1, sizeof part, from)) > 0;) fwrite(part, 1, n, to);
}

/* The source, part by part as #line tells them; a part with a file of its name in folder is that file, and every
 * dialect is ours. */
static void append_source(FILE *to, const char *source, const char *folder)
{
    static const char mark[] = "#line 1 \"", dialect[] = "#line 1 \"dialect.h\"\n";
    while (*source) {
        const char *next = strstr(source + 1, "\n#line 1 \"");
        const size_t bytes = next ? (size_t)(next + 1 - source) : strlen(source);
        const char *name = source + strlen(mark);
        char path[512];
        FILE *other = NULL;
        if (folder[0] && !strncmp(source, mark, strlen(mark))) {
            snprintf(path, sizeof path, "%s/%.*s", folder, (int)strcspn(name, "\""), name);
            other = fopen(path, "re");
        }
        if (other) {
            fwrite(source, 1, strcspn(source, "\n") + 1, to);
            append_file(to, other);
            put(to, "\n");
            fclose(other);
        } else if (!strncmp(source, dialect, strlen(dialect))) {
            put(to, dialect);
            put(to, fibre_dialect);
            put(to, "\n");
        } else fwrite(source, 1, bytes, to);
        source += bytes;
    }
}

/* One FIBRE_EXPORT(name) for each line that begins with KERNEL(name). */
static void append_exports(FILE *to, const char *text)
{
    static const char word[] = "\nKERNEL(";
    for (const char *p = text; (p = strstr(p, word));) {
        p += strlen(word);
        put(to, "FIBRE_EXPORT(");
        fwrite(p, 1, strcspn(p, ")"), to);
        put(to, ")\n");
    }
}

static char *compose(const struct fibre_settings *settings, const char *source)
{
    char *kernels = NULL, *whole = NULL;
    size_t bytes;
    FILE *to = open_memstream(&kernels, &bytes);
    if (!to) return NULL;
    append_source(to, source, settings->kernels);
    if (fclose(to) || !(to = open_memstream(&whole, &bytes))) {
        free(kernels);
        return NULL;
    }
    put(to, kernels);
    if (settings->checked) {
        put(to, "\n#line 1 \"fibre_hooks.inc\"\n");
        put(to, fibre_hooks);
    }
    put(to, "\n#line 1 \"exports\"\n");
    append_exports(to, kernels);
    const int failed = fclose(to);
    free(kernels);
    if (!failed) return whole;
    free(whole);
    return NULL;
}

/* ---- compiling --------------------------------------------------------------------------------------- */

struct words {
    const char *at[MOST_WORDS];
    size_t count;
};

static void add_words(struct words *w, const char *const *more)
{
    while (*more && w->count + 1 < MOST_WORDS) w->at[w->count++] = *more++;
}

/* Cuts options in place. */
static void add_options(struct words *w, char *options)
{
    char *rest;
    for (char *word = strtok_r(options, " ", &rest); word && w->count + 1 < MOST_WORDS;
         word = strtok_r(NULL, " ", &rest))
        w->at[w->count++] = word;
}

static segue_status compile(const struct fibre_settings *settings, char *options, const char *from,
                            const char *to, segue_diag *why)
{
    struct words w = { .at = { settings->compiler }, .count = 1 };
    char said[COMPLAINTS];
    add_words(&w, common);
    add_words(&w, (const char *const[]){ level[settings->checked], NULL });
    if (settings->checked) add_words(&w, checked);
    if (can_fuse()) add_words(&w, fused);
    add_options(&w, options);
    add_words(&w, (const char *const[]){ from, "-o", to, NULL });
    add_words(&w, linked);
    w.at[w.count] = NULL;
    const int status = fibre_tool(w.at, said, sizeof said);
    if (!status) return SEGUE_OK;
    const char *error = strstr(said, "error:"); /* what stands before it is where it was included from */
    while (error && error > said && error[-1] != '\n') error--;
    return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN, 0, "%.100s answers %d: %s",
                          settings->compiler, status, error ? error : said);
}

static segue_status read_blob(const segue_host *host, const char *path, void **blob, uint64_t *bytes,
                              segue_diag *why)
{
    struct stat s;
    FILE *f = fopen(path, "re");
    void *all = NULL;
    if (f && !fstat(fileno(f), &s) && s.st_size > 0 && s.st_size < MOST_BLOB)
        all = host->alloc(host->user, (uint64_t)s.st_size, 64);
    const int whole = all && fread(all, 1, (size_t)s.st_size, f) == (size_t)s.st_size;
    if (f) fclose(f);
    if (whole) {
        *blob = all;
        *bytes = (uint64_t)s.st_size;
        return SEGUE_OK;
    }
    if (all) host->free(host->user, all);
    return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN, 0,
                          "%s: the compiler's output cannot be read", path);
}

static segue_status build_in(const segue_host *host, const struct fibre_settings *settings, const char *text,
                             char *options, const char *folder, void **blob, uint64_t *bytes, segue_diag *why)
{
    char from[300], to[300];
    snprintf(from, sizeof from, "%s/kernel.cc", folder);
    snprintf(to, sizeof to, "%s/kernel.so", folder);
    FILE *f = fopen(from, "we");
    if (f) put(f, text);
    segue_status s = SEGUE_OK;
    if (!f || fclose(f))
        s = segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN, 0, "%s: %s", from, strerror(errno));
    if (!s) s = compile(settings, options, from, to, why);
    if (!s) s = read_blob(host, to, blob, bytes, why);
    unlink(from);
    unlink(to);
    return s;
}

segue_status fibre_build(const segue_host *host, const struct fibre_settings *settings, const char *source,
                         const char *options, void **blob, uint64_t *bytes, segue_diag *why)
{
    const char *temporary = secure_getenv("TMPDIR");
    char folder[256], *text = compose(settings, source), *own = strdup(options);
    segue_status s;
    snprintf(folder, sizeof folder, "%.200s/segue-fibre-XXXXXX", temporary && *temporary ? temporary : "/tmp");
    if (!text || !own)
        s = segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for a kernel's text");
    else if (!mkdtemp(folder))
        s = segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN, 0, "%s: %s: set TMPDIR", folder,
                           strerror(errno));
    else {
        s = build_in(host, settings, text, own, folder, blob, bytes, why);
        rmdir(folder);
    }
    free(text);
    free(own);
    return s;
}

/* ---- loading ----------------------------------------------------------------------------------------- */

static segue_status open_image(struct fibre_module *m, const void *blob, uint64_t bytes, segue_diag *why)
{
    char path[64];
    m->file = memfd_create("segue-kernel", MFD_CLOEXEC);
    if (m->file < 0 || write(m->file, blob, bytes) != (ssize_t)bytes)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN, 0,
                              "a file in memory of %" PRIu64 " bytes: %s", bytes, strerror(errno));
    snprintf(path, sizeof path, "/proc/self/fd/%d", m->file);
    m->handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (m->handle) return SEGUE_OK;
    return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN, 0,
                          "a compiled kernel cannot be loaded: %.300s", dlerror());
}

segue_status fibre_find(struct fibre_module *m, const char *kernel, segue_diag *why)
{
    char symbol[128];
    snprintf(symbol, sizeof symbol, "fibre_kernel_%s", kernel);
    snprintf(m->name, sizeof m->name, "%s", kernel);
    m->kernel = dlsym(m->handle, symbol);
    if (m->kernel && m->kernel->now_bytes == (int32_t)sizeof *m->now && m->kernel->stack_bytes == FIBRE_STACK &&
        m->kernel->group >= 1 && m->kernel->group <= FIBRE_MOST_ITEMS)
        return SEGUE_OK;
    return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN, 0,
                          "a compiled kernel has no %s, or is of another version of the fibre dialect", symbol);
}

static segue_status find_symbols(struct fibre_module *m, segue_diag *why)
{
    char *const *edges = dlsym(m->handle, "fibre_edges");
    m->now = dlsym(m->handle, "fibre_now");
    if (!edges || !m->now)
        return segue_kit_fail(why, SEGUE_ERROR_INTERNAL, SEGUE_PHASE_PLAN, 0,
                              "an image without fibre_edges or fibre_now: no kernel of the fibre dialect");
    m->local = edges[0];
    m->local_end = edges[1];
    m->image = edges[2];
    m->image_end = edges[3];
    if (m->local_end - m->local > FIBRE_LOCAL_BYTES)
        return segue_kit_fail(why, SEGUE_ERROR_UNSUPPORTED, SEGUE_PHASE_PLAN, 0,
                              "%td bytes of LOCAL memory, wanted at most %d", m->local_end - m->local,
                              FIBRE_LOCAL_BYTES);
    return SEGUE_OK;
}

segue_status fibre_load(const segue_host *host, const void *blob, uint64_t bytes, const char *kernel,
                        struct fibre_module **out, segue_diag *why)
{
    struct fibre_module *m = host->alloc(host->user, sizeof *m, 64);
    if (!m) return segue_kit_fail(why, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PLAN, 0, "no memory for a kernel");
    segue_status s = open_image(m, blob, bytes, why);
    if (!s) s = find_symbols(m, why);
    if (!s && kernel) s = fibre_find(m, kernel, why);
    if (s) fibre_unload(host, m);
    else *out = m;
    return s;
}

void fibre_unload(const segue_host *host, struct fibre_module *m)
{
    if (m->handle) dlclose(m->handle);
    if (m->file >= 0) close(m->file);
    host->free(host->user, m);
}

/* ---- where an instruction comes from ----------------------------------------------------------------- */

void fibre_place(const struct fibre_module *m, uint32_t pc, char *out, size_t room)
{
    char object[64], address[32], said[512], *rest = NULL, *first, *last;
    snprintf(object, sizeof object, "/proc/%d/fd/%d", (int)getpid(), m->file);
    snprintf(address, sizeof address, "%#x", pc - 1); /* inside the call, not behind it */
    const char *const argv[] = { "addr2line", "-i", "-s", "-e", object, address, NULL };
    if (fibre_tool(argv, said, sizeof said) || !(first = strtok_r(said, "\n", &rest))) {
        snprintf(out, room, "%s+%s (no addr2line)", m->name, address);
        return;
    }
    last = first;
    for (char *line; (line = strtok_r(NULL, "\n", &rest));) last = line;
    first[strcspn(first, " ")] = 0; /* "(discriminator 2)" */
    last[strcspn(last, " ")] = 0;
    if (strcmp(first, last)) snprintf(out, room, "%s (in %s)", first, last);
    else snprintf(out, room, "%s", first);
}
