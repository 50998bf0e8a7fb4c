/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The compile cache: what it refuses, what it survives, what it removes. */
#include "cache.h"
#include "gpu_testing.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

enum { PAYLOAD = 100, HEADER = 88 };

static void key_of(int n, uint8_t key[GPU_DIGEST_BYTES])
{
    for (int i = 0; i < GPU_DIGEST_BYTES; i++) key[i] = (uint8_t)(n * 7 + i);
}

static void path_of(int n, char path[256])
{
    uint8_t key[GPU_DIGEST_BYTES];
    key_of(n, key);
    int used = snprintf(path, 256, "%s/", test_folder);
    for (int i = 0; i < GPU_DIGEST_BYTES; i++)
        used += snprintf(path + used, 256 - (size_t)used, "%02x", key[i]);
    snprintf(path + used, 256 - (size_t)used, ".bin");
}

static int exists(const char *path)
{
    return !access(path, F_OK);
}

static struct gpu_cache *open_cache(void)
{
    struct gpu_cache *cache = gpu_cache_open(&test_host);
    assert_non_null(cache);
    return cache;
}

/* Entry n has a payload that n determines. */
static void put(struct gpu_cache *cache, int n, uint64_t bytes)
{
    uint8_t key[GPU_DIGEST_BYTES], *payload = malloc(bytes);
    key_of(n, key);
    memset(payload, n, bytes);
    gpu_cache_write(cache, key, payload, bytes);
    free(payload);
}

/* Bytes of a hit, 0 = a miss; -1 = a hit with a wrong payload. */
static int64_t get(struct gpu_cache *cache, int n)
{
    uint8_t key[GPU_DIGEST_BYTES];
    void *payload = NULL;
    uint64_t bytes = 0;
    int right = 1;
    key_of(n, key);
    if (!gpu_cache_read(cache, key, &payload, &bytes)) return 0;
    for (uint64_t i = 0; i < bytes; i++) right &= ((uint8_t *)payload)[i] == (uint8_t)n;
    host_free(NULL, payload);
    return right ? (int64_t)bytes : -1;
}

static void keeps_what_was_written(void **state)
{
    struct stat facts;
    char path[256];
    (void)state;
    struct gpu_cache *cache = open_cache();
    assert_int_equal(get(cache, 1), 0);
    put(cache, 1, PAYLOAD);
    put(cache, 2, 1);
    assert_int_equal(get(cache, 1), PAYLOAD);
    put(cache, 1, PAYLOAD + 1); /* replaces */
    gpu_cache_close(cache);
    cache = open_cache();
    assert_int_equal(get(cache, 1), PAYLOAD + 1);
    assert_int_equal(get(cache, 2), 1);
    path_of(1, path);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    assert_int_equal(facts.st_size, HEADER + PAYLOAD + 1);
    gpu_cache_close(cache);
    assert_string_equal(said, "");
}

static void change_byte(const char *path, int64_t at, uint8_t flip)
{
    uint8_t byte;
    const int file = open(path, O_RDWR);
    assert_int_equal(pread(file, &byte, 1, at), 1);
    byte ^= flip;
    assert_int_equal(pwrite(file, &byte, 1, at), 1);
    close(file);
}

/* One flipped bit anywhere, and the entry is a miss that leaves no file behind. */
static void notices_every_flipped_bit(void **state)
{
    char path[256];
    (void)state;
    struct gpu_cache *cache = open_cache();
    path_of(3, path);
    for (int64_t at = 0; at < HEADER + PAYLOAD; at++) {
        put(cache, 3, PAYLOAD);
        assert_int_equal(get(cache, 3), PAYLOAD);
        change_byte(path, at, (uint8_t)(1 << at % 8));
        assert_int_equal(get(cache, 3), 0);
        assert_false(exists(path));
    }
    gpu_cache_close(cache);
}

static void notices_every_length(void **state)
{
    char path[256];
    (void)state;
    struct gpu_cache *cache = open_cache();
    path_of(4, path);
    for (int64_t length = 0; length <= HEADER + PAYLOAD + 1; length++) {
        put(cache, 4, PAYLOAD);
        assert_int_equal(truncate(path, length), 0);
        assert_int_equal(get(cache, 4), length == HEADER + PAYLOAD ? PAYLOAD : 0);
        assert_int_equal(exists(path), length == HEADER + PAYLOAD);
    }
    gpu_cache_close(cache);
}

static void notices_an_exchanged_file(void **state)
{
    char one[256], other[256];
    (void)state;
    struct gpu_cache *cache = open_cache();
    put(cache, 5, PAYLOAD);
    path_of(5, one);
    path_of(6, other);
    assert_int_equal(rename(one, other), 0);
    assert_int_equal(get(cache, 6), 0);
    assert_false(exists(other));
    assert_int_equal(symlink("/etc/passwd", other), 0); /* nor is a link followed */
    assert_int_equal(get(cache, 6), 0);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(mkfifo(other, 0600), 0); /* nor waited for a writer */
    assert_int_equal(get(cache, 6), 0);
    gpu_cache_close(cache);
}

/* What others could write to while its folder was open to them is not to be run. */
static void distrusts_a_shared_file(void **state)
{
    char path[256];
    (void)state;
    struct gpu_cache *cache = open_cache();
    path_of(7, path);
    put(cache, 7, PAYLOAD);
    assert_int_equal(chmod(path, 0620), 0);
    assert_int_equal(get(cache, 7), 0);
    put(cache, 7, PAYLOAD);
    if (!chown(path, 12345, (gid_t)-1)) assert_int_equal(get(cache, 7), 0); /* only root can */
    put(cache, 7, PAYLOAD);
    assert_int_equal(get(cache, 7), PAYLOAD);
    gpu_cache_close(cache);
}

/* ---- the folder ---- */

static void finds_its_folder(void **state)
{
    char path[256];
    struct stat facts;
    (void)state;
    unsetenv("SEGUE_CACHE_DIR");
    setenv("XDG_CACHE_HOME", test_folder, 1);
    gpu_cache_close(open_cache());
    snprintf(path, sizeof path, "%s/segue", test_folder);
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0700);

    setenv("XDG_CACHE_HOME", "relative", 1); /* such values do not count (XDG base directory specification) */
    setenv("HOME", test_folder, 1);
    gpu_cache_close(open_cache());
    snprintf(path, sizeof path, "%s/.cache/segue", test_folder);
    assert_int_equal(stat(path, &facts), 0);

    snprintf(path, sizeof path, "%s/a/b/c", test_folder);
    setenv("SEGUE_CACHE_DIR", path, 1);
    gpu_cache_close(open_cache());
    assert_int_equal(stat(path, &facts), 0);
    assert_string_equal(said, "");

    setenv("SEGUE_CACHE_DIR", "", 1); /* off, without a word */
    assert_null(gpu_cache_open(&test_host));
    assert_string_equal(said, "");
    assert_int_equal(get(NULL, 1), 0);
    put(NULL, 1, PAYLOAD);
}

static void refuses(const char *folder, const char *words)
{
    said[0] = 0;
    setenv("SEGUE_CACHE_DIR", folder, 1);
    assert_null(gpu_cache_open(&test_host));
    assert_non_null(strstr(said, words));
    assert_non_null(strstr(said, folder));
}

static void refuses_what_others_may_change(void **state)
{
    char path[256];
    (void)state;
    refuses("relative", "absolute");
    chmod(test_folder, 0720);
    refuses(test_folder, "may be written to by others");
    chmod(test_folder, 0702);
    refuses(test_folder, "may be written to by others");
    chmod(test_folder, 0755); /* to be read is no harm */
    gpu_cache_close(open_cache());
    if (!chown(test_folder, 12345, (gid_t)-1))
        refuses(test_folder, "belongs to another user"); /* only root can */
    snprintf(path, sizeof path, "%s/file", test_folder);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    refuses(path, "is not a folder");
}

/* ---- bounds ---- */

static void age(int n, int seconds)
{
    char path[256];
    struct timespec times[2] = { { 0, UTIME_NOW }, { 0, UTIME_NOW } };
    path_of(n, path);
    times[0].tv_sec = times[1].tv_sec = time(NULL) - seconds;
    times[0].tv_nsec = times[1].tv_nsec = 0;
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static void stays_within_its_bound(void **state)
{
    char foreign[256], text[64], stale[256], fresh[256], dead[256];
    (void)state;
    snprintf(text, sizeof text, "%d", 4 * (HEADER + PAYLOAD));
    setenv("SEGUE_CACHE_BYTES", text, 1);
    snprintf(foreign, sizeof foreign, "%s/thesis.bin", test_folder);
    close(open(foreign, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(truncate(foreign, 1 << 20), 0);
    struct gpu_cache *cache = open_cache();
    for (int n = 1; n <= 4; n++) put(cache, n, PAYLOAD), age(n, 1000 - n);
    assert_int_equal(get(cache, 1), PAYLOAD); /* used: 2 is now the oldest */
    put(cache, 5, PAYLOAD);
    assert_int_equal(get(cache, 2), 0);
    for (int n = 1; n <= 5; n++) assert_int_equal(get(cache, n), n == 2 ? 0 : PAYLOAD);
    put(cache, 6, 4 * PAYLOAD + 4 * HEADER); /* with its header it cannot fit: nothing goes for it */
    for (int n = 1; n <= 6; n++) assert_int_equal(get(cache, n), n == 2 || n == 6 ? 0 : PAYLOAD);
    put(cache, 7, 4 * PAYLOAD + 3 * HEADER); /* fits alone */
    for (int n = 1; n <= 5; n++) assert_int_equal(get(cache, n), 0);
    assert_int_equal(get(cache, 7), 4 * PAYLOAD + 3 * HEADER);
    assert_true(exists(foreign));

    snprintf(stale, sizeof stale, "%s/.writing-1-a", test_folder);
    snprintf(fresh, sizeof fresh, "%s/.writing-1-b", test_folder);
    snprintf(dead, sizeof dead, "%s/.writing-1-c", test_folder);
    const int old_writer = open(stale, O_CREAT | O_WRONLY, 0600),
              writer = open(fresh, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(flock(old_writer, LOCK_EX), 0);
    assert_int_equal(flock(writer, LOCK_EX), 0);
    close(open(dead, O_CREAT | O_WRONLY, 0600));
    const struct timespec old[2] = { { time(NULL) - 7200, 0 }, { time(NULL) - 7200, 0 } };
    utimensat(AT_FDCWD, stale, old, 0);
    put(cache, 1, PAYLOAD);
    assert_false(exists(stale)); /* hours old, whoever holds it */
    assert_false(exists(dead));  /* its writer has crashed */
    assert_true(exists(fresh));  /* its writer is at work */
    close(old_writer), close(writer);
    gpu_cache_close(cache);
}

/* The bound was lowered: far more go than one look through the folder finds, and what is no file is let be. */
static void shrinks_to_a_lower_bound(void **state)
{
    enum { MANY = 200, KEPT = 5 };
    char text[64], folder[256];
    (void)state;
    struct gpu_cache *cache = open_cache();
    for (int n = 1; n <= MANY; n++) put(cache, n, PAYLOAD), age(n, 10000 - n);
    path_of(0, folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    age(0, 20000);
    gpu_cache_close(cache);
    snprintf(text, sizeof text, "%d", KEPT * (HEADER + PAYLOAD));
    setenv("SEGUE_CACHE_BYTES", text, 1);
    cache = open_cache();
    put(cache, MANY + 1, PAYLOAD);
    for (int n = 1; n <= MANY + 1; n++) assert_int_equal(get(cache, n), n > MANY + 1 - KEPT ? PAYLOAD : 0);
    assert_true(exists(folder));
    gpu_cache_close(cache);
}

static void reads_its_bound(void **state)
{
    static const char *const wrong[] = { "", "12M", "-1", " 5", "99999999999999999999999" };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        said[0] = 0;
        setenv("SEGUE_CACHE_BYTES", wrong[i], 1);
        struct gpu_cache *cache = open_cache();
        assert_non_null(strstr(said, "SEGUE_CACHE_BYTES"));
        put(cache, 1, PAYLOAD);
        assert_int_equal(get(cache, 1), PAYLOAD);
        gpu_cache_close(cache);
    }
    setenv("SEGUE_CACHE_BYTES", "0", 1);
    struct gpu_cache *cache = open_cache();
    put(cache, 2, PAYLOAD);
    assert_int_equal(get(cache, 2), 0);
    gpu_cache_close(cache);
}

/* ---- a disk that fails, and company ---- */

static int count_files(void)
{
    char command[160];
    int files = -1;
    snprintf(command, sizeof command, "ls -A '%s' | wc -l", test_folder);
    FILE *list = popen(command, "r");
    assert_int_equal(fscanf(list, "%d", &files), 1);
    pclose(list);
    return files;
}

static void survives_a_full_disk(void **state)
{
    struct rlimit before, small;
    (void)state;
    struct gpu_cache *cache = open_cache();
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = before;
    small.rlim_cur = HEADER + PAYLOAD / 2; /* a write beyond gives EFBIG, as a full disk gives ENOSPC */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    put(cache, 1, PAYLOAD);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(count_files(), 0); /* nor was a part of it renamed */
    assert_int_equal(get(cache, 1), 0);
    gpu_cache_close(cache);
}

static void survives_the_loss_of_its_folder(void **state)
{
    (void)state;
    struct gpu_cache *cache = open_cache();
    put(cache, 1, PAYLOAD);
    remove_folder(state);
    put(cache, 2, PAYLOAD);
    assert_int_equal(get(cache, 1), 0);
    assert_int_equal(get(cache, 2), 0);
    refuse_after = 0;
    assert_null(gpu_cache_open(&test_host));
    refuse_after = -1;
    gpu_cache_close(cache);
}

/* Reads and writes at random; whatever is found must be right. */
static int neighbour(int seed)
{
    struct gpu_cache *cache = gpu_cache_open(&test_host);
    uint32_t random = (uint32_t)seed;
    int hits = 0;
    for (int i = 0; i < 400; i++) {
        random = random * 1664525u + 1013904223u;
        const int n = (int)(random >> 16) % 8;
        const int64_t found = get(cache, n);
        if (found < 0) return 1;
        if (!found) put(cache, n, (uint64_t)(500 * (n + 1)));
        else if (found != 500 * (n + 1)) return 2;
        else hits++;
    }
    gpu_cache_close(cache);
    return hits ? 0 : 3;
}

static void serves_many_processes(void **state)
{
    pid_t children[8];
    int status;
    (void)state;
    setenv("SEGUE_CACHE_BYTES", "9000", 1); /* about half of the eight entries */
    for (int i = 0; i < 8; i++) {
        children[i] = fork();
        if (!children[i]) _exit(neighbour(i + 1));
    }
    for (int i = 0; i < 8; i++) {
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        TEST(keeps_what_was_written),    TEST(notices_every_flipped_bit), TEST(notices_every_length),
        TEST(notices_an_exchanged_file), TEST(finds_its_folder),          TEST(refuses_what_others_may_change),
        TEST(stays_within_its_bound),    TEST(reads_its_bound),           TEST(distrusts_a_shared_file),
        TEST(shrinks_to_a_lower_bound),  TEST(survives_a_full_disk),      TEST(survives_the_loss_of_its_folder),
        TEST(serves_many_processes),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
