/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The reader: what it makes of a good file, and that it refuses each kind of broken one with words. */
#include "golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka.h needs the first two */
#include <cmocka.h>

static const char *folder; /* the golden vectors; conformance/ is named on the command line */
static char scratch[] = "golden_test.XXXXXX";

#define META(rtol, dims)                                                        \
    "\"__metadata__\":{\"primitive\":\"toy\",\"case\":\"one\",\"rtol\":\"" rtol \
    "\",\"params\":\"{\\\"w\\\": 3}\","                                         \
    "\"dims\":\"" dims "\"}"
#define DIMS "{\\\"x\\\": \\\"b t\\\", \\\"n\\\": \\\"b\\\"}"
#define GOOD META("1e-11", DIMS)
#define X "\"x\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}"
#define N "\"n\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[24,40]}"

/* header_bytes < 0: as many as header has. */
static int read_made(const char *header, int64_t header_bytes, int data_bytes, golden_file *file, char *why)
{
    const float values[6] = { 1, 2, 3, -4, 5, 0.5f };
    const int64_t integers[2] = { -7, 1ll << 33 };
    unsigned char data[48] = { 0 }, length[8];
    const uint64_t n = header_bytes < 0 ? strlen(header) : (uint64_t)header_bytes;
    FILE *f = fopen(scratch, "wb");
    memcpy(data, values, 24), memcpy(data + 24, integers, 16);
    for (int i = 0; i < 8; i++) length[i] = (unsigned char)(n >> 8 * i);
    assert_non_null(f);
    fwrite(length, 1, 8, f);
    fwrite(header, 1, strlen(header), f);
    fwrite(data, 1, (size_t)data_bytes, f);
    assert_int_equal(fclose(f), 0);
    return golden_read(scratch, file, why);
}

static void good(void **context)
{
    golden_file file;
    char why[GOLDEN_WHY] = "";
    (void)context;
    if (read_made("{" GOOD "," N "," X "}", -1, 40, &file, why)) fail_msg("%s", why);
    assert_string_equal(file.primitive, "toy");
    assert_int_equal(file.tensor_count, 2);
    assert_true(file.rtol == 1e-11);
    const golden_tensor *x = golden_find(&file, "none x"), *n = golden_find(&file, "n");
    assert_true(x && n && !golden_find(&file, "no xx nn"));
    assert_string_equal(x->axes, "bt");
    assert_int_equal(golden_count(x), 6);
    assert_true(golden_value(x, 3) == -4 && golden_value(n, 0) == -7 && golden_value(n, 1) == 0x1p33);
    assert_true(isnan(golden_value(x, -1)) && isnan(golden_value(x, 6)) && isnan(golden_value(n, 2)));
    golden_tensor other = *x;
    other.dtype = SEGUE_BF16; /* two bytes an element */
    assert_true(isnan(golden_value(&other, 0)));
    other = *x, other.bytes = 23;
    assert_true(golden_value(&other, 4) == 5 && isnan(golden_value(&other, 5)));
    golden_free(&file);
}

static const struct {
    const char *what, *header;
    int64_t header_bytes;
    int data_bytes;
    const char *words; /* in the reason */
} broken[] = {
    { "data cut", "{" GOOD "," X "," N "}", -1, 39, "truncated" },
    { "data left over", "{" GOOD "," X "," N "}", -1, 41, "40 bytes of data, 41 in the file" },
    { "header longer than the file", "{" GOOD "," X "," N "}", 4000, 40, "the header has 4000 bytes" },
    { "header length beyond any file", "{}", INT64_MAX, 0, "the header has" },
    { "header cut", "{" GOOD "," X "," N "}", 100, 40, "no JSON object" },
    { "header no object", "[1]", -1, 0, "no JSON object" },
    { "overlap", "{" GOOD "," X ",\"n\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[16,32]}}", -1, 32,
      "begins at 16" },
    { "hole", "{" GOOD "," X ",\"n\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[32,48]}}", -1, 48,
      "begins at 32" },
    { "same tensor twice", "{" GOOD "," X "," X "}", -1, 24, "duplicate" },
    { "offsets backwards", "{" GOOD ",\"x\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[8,0]}}", -1, 8,
      "`x`: data_offsets" },
    { "offsets negative", "{" GOOD ",\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", -1, 8,
      "`x`: data_offsets" },
    { "shape and bytes differ", "{" GOOD ",\"x\":{\"dtype\":\"F32\",\"shape\":[2,2],\"data_offsets\":[0,24]}}",
      -1, 24, "ask for 16" },
    { "shape overflows",
      "{" GOOD ",\"x\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}", -1, 0,
      "ask for" },
    { "shape no list", "{" GOOD ",\"x\":{\"dtype\":\"F32\",\"shape\":6,\"data_offsets\":[0,24]}}", -1, 24,
      "shape" },
    { "shape negative", "{" GOOD ",\"x\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,0]}}", -1, 0,
      "axis 0" },
    { "unknown dtype", "{" GOOD ",\"x\":{\"dtype\":\"F31\",\"shape\":[6],\"data_offsets\":[0,24]}}", -1, 24,
      "unknown dtype F31" },
    { "no metadata", "{" X "}", -1, 24, "`primitive`" },
    { "rtol no number", "{" META("small", DIMS) "," X "}", -1, 24, "`rtol` is small" },
    { "rtol negative", "{" META("-1", DIMS) "," X "}", -1, 24, "`rtol` is -1" },
    { "dims no JSON", "{" META("0", "b t") "," X "}", -1, 24, "`dims`" },
    { "too few letters", "{" META("0", "{\\\"x\\\": \\\"b\\\"}") "," X "}", -1, 24, "`x` has 2 axes" },
    { "too many letters", "{" META("0", "{\\\"x\\\": \\\"b t d\\\"}") "," X "}", -1, 24, "`x` has 2 axes" },
};

static void refused(void **context)
{
    (void)context;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        golden_file file;
        char why[GOLDEN_WHY] = "";
        if (!read_made(broken[i].header, broken[i].header_bytes, broken[i].data_bytes, &file, why))
            fail_msg("%s was read", broken[i].what);
        if (!strstr(why, broken[i].words))
            fail_msg("%s: \"%s\" does not say \"%s\"", broken[i].what, why, broken[i].words);
        golden_free(&file);
    }
}

/* A real file, cut at every length: never read, never a crash. */
static void cut_anywhere(void **context)
{
    char path[4096], why[GOLDEN_WHY];
    static unsigned char content[1 << 16];
    golden_file file;
    (void)context;
    snprintf(path, sizeof path, "%s/causal_conv1d/w4_short_no_init.safetensors", folder);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    const size_t size = fread(content, 1, sizeof content, f);
    fclose(f);
    assert_int_equal(golden_read(path, &file, why), 0);
    golden_free(&file);
    for (size_t n = 0; n < size; n += n < 16 || n + 16 > size ? 1 : 7) {
        assert_non_null(f = fopen(scratch, "wb"));
        fwrite(content, 1, n, f);
        fclose(f);
        if (!golden_read(scratch, &file, why)) fail_msg("%zu of %zu bytes were read", n, size);
        golden_free(&file);
    }
    assert_int_not_equal(golden_read("/nonexistent", &file, why), 0);
    golden_free(&file);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(good), cmocka_unit_test(refused),
                                        cmocka_unit_test(cut_anywhere) };
    static char golden[4096];
    snprintf(golden, sizeof golden, "%s/golden", argc > 1 ? argv[1] : ".");
    folder = golden;
    const int made = mkstemp(scratch);
    if (made < 0) return 1;
    close(made);
    const int result = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(scratch);
    return result;
}
