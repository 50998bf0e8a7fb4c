/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* One file an entry, <digest of the key>.bin: header, then payload. Files appear by rename, so that a reader
 * never sees half of one; nobody waits for a lock. A file's modification time is when it was last used. */
#include "cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TEMPORARY ".writing-"
#define SUFFIX ".bin"

enum { VERSION = 1, PATH_BYTES = 1024, NAME_BYTES = 2 * GPU_DIGEST_BYTES + sizeof SUFFIX };
enum { SHARED_WRITE = 022, STALE_SECONDS = 3600 };
enum { AT_A_TIME = 32 }; /* entries that one look through the folder can remove */

static const uint64_t most_bytes = UINT64_C(256) << 20; /* unless SEGUE_CACHE_BYTES says otherwise */

struct gpu_cache {
    const segue_host *host;
    uint64_t most_bytes;
    int folder;
};

struct header { /* in this machine's byte order: the magic tells another's */
    char magic[8];
    uint32_t magic_number, version;
    uint64_t payload_bytes;
    uint8_t key[GPU_DIGEST_BYTES];
    uint8_t digest[GPU_DIGEST_BYTES]; /* of all above, then the payload */
};
_Static_assert(sizeof(struct header) == 88, "the header has no padding");

static const struct header header_of_this_version = { "segue.kc", 0x01020304, VERSION, 0, { 0 }, { 0 } };

static struct header make_header(const uint8_t key[GPU_DIGEST_BYTES], const void *payload, uint64_t bytes)
{
    struct header h = header_of_this_version;
    crypto_generichash_state state;
    h.payload_bytes = bytes;
    memcpy(h.key, key, sizeof h.key);
    crypto_generichash_init(&state, NULL, 0, sizeof h.digest);
    crypto_generichash_update(&state, (const unsigned char *)&h, offsetof(struct header, digest));
    crypto_generichash_update(&state, payload, bytes);
    crypto_generichash_final(&state, h.digest, sizeof h.digest);
    return h;
}

static void name_of(const uint8_t key[GPU_DIGEST_BYTES], char name[NAME_BYTES])
{
    sodium_bin2hex(name, NAME_BYTES, key, GPU_DIGEST_BYTES);
    memcpy(name + 2 * GPU_DIGEST_BYTES, SUFFIX, sizeof SUFFIX);
}

/* ---- the folder ----------------------------------------------------------------------------------------- */

static void refuse(const segue_host *host, const char *path, const char *reason)
{
    char line[PATH_BYTES + 200];
    snprintf(line, sizeof line, "no compile cache: %s %s; set SEGUE_CACHE_DIR to a folder of your own", path,
             reason);
    host->log(host->user, SEGUE_LOG_WARNING, line);
}

/* 1 = path holds the folder's name; 0 = no cache is wanted, or nothing says where. */
static int choose_path(const segue_host *host, char path[PATH_BYTES])
{
    const char *own = secure_getenv("SEGUE_CACHE_DIR"), *xdg = secure_getenv("XDG_CACHE_HOME");
    const char *home = secure_getenv("HOME");
    int length = 0;
    if (own) length = snprintf(path, PATH_BYTES, "%s", own);
    else if (xdg && xdg[0] == '/') length = snprintf(path, PATH_BYTES, "%s/segue", xdg);
    else if (home && home[0] == '/') length = snprintf(path, PATH_BYTES, "%s/.cache/segue", home);
    if (length <= 0) return 0;
    if (length < PATH_BYTES && path[0] == '/') return 1;
    return refuse(host, path, "is not an absolute path of at most 1023 bytes"), 0;
}

static void create_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(path, 0700);
        *slash = '/';
    }
    mkdir(path, 0700); /* what went wrong, if anything, is told by opening it */
}

static int open_folder(const segue_host *host)
{
    char path[PATH_BYTES];
    struct stat facts;
    if (!choose_path(host, path)) return -1;
    create_folders(path);
    const int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return refuse(host, path, "is not a folder that can be opened"), -1;
    const char *reason = NULL;
    if (fstat(folder, &facts)) reason = "does not say whose it is";
    else if (facts.st_uid != geteuid()) reason = "belongs to another user";
    else if (facts.st_mode & SHARED_WRITE) reason = "may be written to by others";
    if (!reason) return folder;
    refuse(host, path, reason);
    close(folder);
    return -1;
}

static uint64_t choose_bound(const segue_host *host)
{
    const char *text = secure_getenv("SEGUE_CACHE_BYTES");
    char *end, line[200];
    if (!text) return most_bytes;
    errno = 0;
    const uint64_t bytes = strtoull(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && !*end && !errno) return bytes;
    snprintf(line, sizeof line, "SEGUE_CACHE_BYTES is '%.60s', wanted a number of bytes; %" PRIu64 " it is",
             text, most_bytes);
    host->log(host->user, SEGUE_LOG_WARNING, line);
    return most_bytes;
}

struct gpu_cache *gpu_cache_open(const segue_host *host)
{
    const int folder = sodium_init() < 0 ? -1 : open_folder(host);
    if (folder < 0) return NULL;
    struct gpu_cache *cache = host->alloc(host->user, sizeof *cache, 64);
    if (!cache) return close(folder), NULL;
    *cache = (struct gpu_cache){ host, choose_bound(host), folder };
    return cache;
}

void gpu_cache_close(struct gpu_cache *cache)
{
    if (!cache) return;
    close(cache->folder);
    cache->host->free(cache->host->user, cache);
}

/* ---- reading -------------------------------------------------------------------------------------------- */

static int read_all(int file, void *to, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        const ssize_t n = read(file, (char *)to + done, bytes - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0;
        done += (uint64_t)n;
    }
    return 1;
}

/* The payload if the file is to the last byte what gpu_cache_write() made of this key. */
static void *read_verified(const struct gpu_cache *cache, int file, const uint8_t key[GPU_DIGEST_BYTES],
                           uint64_t *bytes)
{
    const segue_host *host = cache->host;
    struct header header;
    struct stat facts;
    if (fstat(file, &facts) || !S_ISREG(facts.st_mode) || facts.st_uid != geteuid() ||
        (facts.st_mode & SHARED_WRITE) || !read_all(file, &header, sizeof header))
        return NULL;
    const uint64_t size = (uint64_t)facts.st_size - sizeof header;
    if (header.payload_bytes != size || !size) return NULL;
    void *payload = host->alloc(host->user, size, 64);
    if (!payload) return NULL;
    if (read_all(file, payload, size)) {
        const struct header want = make_header(key, payload, size);
        *bytes = size;
        if (!memcmp(&header, &want, sizeof want)) return payload;
    }
    host->free(host->user, payload);
    return NULL;
}

int gpu_cache_read(struct gpu_cache *cache, const uint8_t key[GPU_DIGEST_BYTES], void **payload,
                   uint64_t *bytes)
{
    char name[NAME_BYTES];
    if (!cache) return 0;
    name_of(key, name);
    const int file = openat(cache->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (file < 0) return 0;
    void *found = read_verified(cache, file, key, bytes);
    if (found) {
        *payload = found;
        futimens(file, NULL);
    } else {
        gpu_cache_remove(cache, key);
    }
    close(file);
    return found != NULL;
}

void gpu_cache_remove(struct gpu_cache *cache, const uint8_t key[GPU_DIGEST_BYTES])
{
    char name[NAME_BYTES];
    if (!cache) return;
    name_of(key, name);
    unlinkat(cache->folder, name, 0);
}

/* ---- writing -------------------------------------------------------------------------------------------- */

enum kind { FOREIGN, ENTRY, UNFINISHED };

static enum kind kind_of(const char *name)
{
    const size_t digits = strspn(name, "0123456789abcdef");
    if (!strncmp(name, TEMPORARY, sizeof TEMPORARY - 1)) return UNFINISHED;
    return digits == 2 * GPU_DIGEST_BYTES && !strcmp(name + digits, SUFFIX) ? ENTRY : FOREIGN;
}

static int older(struct timespec a, struct timespec b)
{
    return a.tv_sec != b.tv_sec ? a.tv_sec < b.tv_sec : a.tv_nsec < b.tv_nsec;
}

struct entry {
    struct timespec used;
    uint64_t bytes;
    char name[NAME_BYTES];
};

struct survey {
    uint64_t bytes; /* of all */
    int count;
    struct entry oldest[AT_A_TIME]; /* sorted; without the one to be kept */
};

static void note(struct survey *s, const char *name, const struct stat *facts)
{
    int at = s->count;
    while (at > 0 && older(facts->st_mtim, s->oldest[at - 1].used)) at--;
    if (at == AT_A_TIME) return;
    if (s->count < AT_A_TIME) s->count++;
    memmove(s->oldest + at + 1, s->oldest + at, (size_t)(s->count - at - 1) * sizeof *s->oldest);
    s->oldest[at].used = facts->st_mtim;
    s->oldest[at].bytes = (uint64_t)facts->st_size;
    memcpy(s->oldest[at].name, name, sizeof s->oldest[at].name); /* an entry's name is this long */
}

/* The kernel gives up a dead writer's lock; where there are no locks, time tells. */
static int is_abandoned(const struct gpu_cache *cache, const char *name, const struct stat *facts)
{
    if (facts->st_mtim.tv_sec < time(NULL) - STALE_SECONDS) return 1;
    const int file = openat(cache->folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const int mine = file >= 0 && !flock(file, LOCK_EX | LOCK_NB);
    if (file >= 0) close(file);
    return mine;
}

/* Looks through the folder once; removes what crashed processes have left. */
static int survey(const struct gpu_cache *cache, const char *keep, struct survey *out)
{
    const int folder = openat(cache->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = folder < 0 ? NULL : fdopendir(folder);
    if (!list && folder >= 0) close(folder);
    if (!list) return 0;
    out->bytes = 0, out->count = 0;
    for (const struct dirent *entry; (entry = readdir(list));) {
        struct stat facts;
        const enum kind kind = kind_of(entry->d_name);
        if (kind == FOREIGN || fstatat(cache->folder, entry->d_name, &facts, AT_SYMLINK_NOFOLLOW)) continue;
        if (S_ISDIR(facts.st_mode)) continue; /* nothing of ours, whatever its name */
        if (kind == UNFINISHED && is_abandoned(cache, entry->d_name, &facts)) {
            unlinkat(cache->folder, entry->d_name, 0);
            continue;
        }
        out->bytes += (uint64_t)facts.st_size;
        if (kind == ENTRY && strcmp(entry->d_name, keep)) note(out, entry->d_name, &facts);
    }
    closedir(list);
    return 1;
}

/* keep: the entry just written, whose time may equal others' (a tick of the clock lasts milliseconds). */
static void prune(const struct gpu_cache *cache, const char *keep)
{
    struct survey s;
    while (survey(cache, keep, &s) && s.bytes > cache->most_bytes && s.count)
        for (int i = 0; i < s.count && s.bytes > cache->most_bytes; i++) {
            if (unlinkat(cache->folder, s.oldest[i].name, 0) && errno != ENOENT) return;
            s.bytes -= s.oldest[i].bytes;
        }
}

static int write_all(int file, const void *from, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        const ssize_t n = write(file, (const char *)from + done, bytes - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0;
        done += (uint64_t)n;
    }
    return 1;
}

void gpu_cache_write(struct gpu_cache *cache, const uint8_t key[GPU_DIGEST_BYTES], const void *payload,
                     uint64_t bytes)
{
    char name[NAME_BYTES], temporary[64];
    if (!cache || !bytes || bytes + sizeof(struct header) > cache->most_bytes) return;
    const struct header header = make_header(key, payload, bytes);
    name_of(key, name);
    snprintf(temporary, sizeof temporary, TEMPORARY "%ld-%08" PRIx32 "%08" PRIx32, (long)getpid(),
             randombytes_random(), randombytes_random());
    const int file =
        openat(cache->folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (file < 0) return;
    flock(file,
          LOCK_EX | LOCK_NB); /* says that somebody is at work; who is told otherwise loses an entry at most */
    /* no fsync: after a power cut the digest tells */
    int good = write_all(file, &header, sizeof header) && write_all(file, payload, bytes);
    good &= !close(file); /* some file systems report a full disk only here */
    if (!good || renameat(cache->folder, temporary, cache->folder, name)) unlinkat(cache->folder, temporary, 0);
    prune(cache, name);
}
