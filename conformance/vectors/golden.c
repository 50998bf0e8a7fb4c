/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "golden.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name;
    uint32_t dtype;
    unsigned bytes;
} dtypes[] = {
    { "F64", SEGUE_F64, 8 }, { "F32", SEGUE_F32, 4 }, { "F16", SEGUE_F16, 2 }, { "BF16", SEGUE_BF16, 2 },
    { "I64", SEGUE_I64, 8 }, { "I32", SEGUE_I32, 4 }, { "I16", 0, 2 },         { "I8", SEGUE_I8, 1 },
    { "U64", 0, 8 },         { "U32", 0, 4 },         { "U16", 0, 2 },         { "U8", SEGUE_U8, 1 },
    { "BOOL", 0, 1 },
};
enum { DTYPES = sizeof dtypes / sizeof *dtypes };

__attribute__((format(printf, 2, 3))) static int fail(char *why, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    vsnprintf(why, GOLDEN_WHY, format, list);
    va_end(list);
    return -1;
}

static uint64_t little_endian(const unsigned char *from, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--) value = value << 8 | from[i];
    return value;
}

/* The whole file in memory. */
static int slurp(const char *path, unsigned char **content, uint64_t *bytes, char *why)
{
    FILE *f = fopen(path, "rb");
    long end = -1;
    if (f && !fseek(f, 0, SEEK_END)) end = ftell(f);
    if (end >= 0) rewind(f);
    *content = end >= 0 ? malloc((size_t)end + 1) : NULL;
    *bytes = *content ? fread(*content, 1, (size_t)end, f) : 0;
    const int complete = *content && *bytes == (uint64_t)end;
    const int error = errno;
    if (f) fclose(f);
    return complete ? 0 : fail(why, "cannot be read: %s", strerror(error));
}

/* "b t d" -> "btd"; NULL or another number of letters than axes is refused. */
static int letters(golden_tensor *t, const char *text, char *why)
{
    int count = 0;
    for (; text && *text; text++) {
        if (*text == ' ') continue;
        if (count == t->rank) return fail(why, "dims: `%s` has %d axes, given more letters", t->name, t->rank);
        t->axes[count++] = *text;
    }
    if (text && count != t->rank)
        return fail(why, "dims: `%s` has %d axes, given %d letters", t->name, t->rank, count);
    return 0;
}

/* Shape and extent of one entry of the header. */
static int read_entry(golden_tensor *t, json_t *entry, const unsigned char *data, uint64_t data_bytes,
                      char *why)
{
    const char *dtype = json_string_value(json_object_get(entry, "dtype"));
    json_t *shape = json_object_get(entry, "shape"), *offsets = json_object_get(entry, "data_offsets");
    const json_int_t begin = json_integer_value(json_array_get(offsets, 0)),
                     end = json_integer_value(json_array_get(offsets, 1));
    int kind = 0;
    while (kind < DTYPES && (!dtype || strcmp(dtypes[kind].name, dtype))) kind++;
    if (kind == DTYPES) return fail(why, "`%s`: unknown dtype %s", t->name, dtype ? dtype : "(none)");
    if (!json_is_array(shape) || json_array_size(shape) > SEGUE_MAX_RANK)
        return fail(why, "`%s`: shape is no list of at most %d numbers", t->name, SEGUE_MAX_RANK);
    if (json_array_size(offsets) != 2 || begin < 0 || end < begin || (uint64_t)end > data_bytes)
        return fail(why,
                    "`%s`: data_offsets %lld to %lld leave the file's %" PRIu64 " bytes of data (truncated?)",
                    t->name, (long long)begin, (long long)end, data_bytes);
    uint64_t bytes = dtypes[kind].bytes;
    t->rank = (int)json_array_size(shape);
    for (int i = 0; i < t->rank; i++) {
        t->shape[i] = json_integer_value(json_array_get(shape, (size_t)i));
        if (!json_is_integer(json_array_get(shape, (size_t)i)) || t->shape[i] < 0)
            return fail(why, "`%s`: shape: axis %d is no size", t->name, i);
        if (__builtin_mul_overflow(bytes, (uint64_t)t->shape[i], &bytes)) bytes = UINT64_MAX;
    }
    if (bytes != (uint64_t)(end - begin))
        return fail(why, "`%s`: shape and dtype ask for %" PRIu64 " bytes, data_offsets give %lld", t->name,
                    bytes, (long long)(end - begin));
    t->dtype = dtypes[kind].dtype;
    t->data = data + begin;
    t->bytes = bytes;
    return 0;
}

static int by_address(const void *a, const void *b)
{
    const golden_tensor *x = a, *y = b;
    if (x->data != y->data) return x->data < y->data ? -1 : 1;
    return x->bytes < y->bytes ? -1 : x->bytes > y->bytes;
}

/* The tensors must tile the data: an overlap or a hole means that some offset is wrong. */
static int check_tiling(const golden_file *file, const unsigned char *data, uint64_t data_bytes, char *why)
{
    const unsigned char *at = data;
    for (int i = 0; i < file->tensor_count; at = file->tensors[i].data + file->tensors[i].bytes, i++)
        if (file->tensors[i].data != at)
            return fail(why, "data_offsets: `%s` begins at %td, the tensor before it ends at %td",
                        file->tensors[i].name, file->tensors[i].data - data, at - data);
    return at == data + data_bytes
               ? 0
               : fail(why, "data_offsets: %td bytes of data, %" PRIu64 " in the file", at - data, data_bytes);
}

static int read_tensors(golden_file *file, const unsigned char *data, uint64_t data_bytes, char *why)
{
    const char *name;
    json_t *entry;
    file->tensors = calloc(json_object_size(file->header), sizeof *file->tensors);
    if (!file->tensors) return fail(why, "no memory");
    json_object_foreach(file->header, name, entry) {
        golden_tensor *t = &file->tensors[file->tensor_count];
        if (!strcmp(name, "__metadata__")) continue;
        t->name = name;
        if (read_entry(t, entry, data, data_bytes, why)) return -1;
        if (letters(t, json_string_value(json_object_get(file->dims, name)), why)) return -1;
        file->tensor_count++;
    }
    qsort(file->tensors, (size_t)file->tensor_count, sizeof *file->tensors, by_address);
    return check_tiling(file, data, data_bytes, why);
}

static int read_metadata(golden_file *file, char *why)
{
    json_t *meta = json_object_get(file->header, "__metadata__");
    const char *rtol = json_string_value(json_object_get(meta, "rtol"));
    const char *params = json_string_value(json_object_get(meta, "params")),
               *dims = json_string_value(json_object_get(meta, "dims"));
    char *end = NULL;
    file->primitive = json_string_value(json_object_get(meta, "primitive"));
    file->name = json_string_value(json_object_get(meta, "case"));
    file->source = json_string_value(json_object_get(meta, "source"));
    file->rtol = rtol ? strtod(rtol, &end) : -1;
    file->params = params ? json_loads(params, JSON_REJECT_DUPLICATES, NULL) : NULL;
    file->dims = dims ? json_loads(dims, JSON_REJECT_DUPLICATES, NULL) : NULL;
    if (!file->primitive || !file->name) return fail(why, "__metadata__: `primitive` or `case` is missing");
    if (!end || end == rtol || *end || !(file->rtol >= 0 && isfinite(file->rtol)))
        return fail(why, "__metadata__: `rtol` is %s, wanted a number >= 0", rtol ? rtol : "missing");
    if (!json_is_object(file->params) || !json_is_object(file->dims))
        return fail(why, "__metadata__: `params` or `dims` is missing or no JSON object");
    return 0;
}

int golden_read(const char *path, golden_file *out, char *why)
{
    uint64_t bytes, header_bytes;
    json_error_t error;
    memset(out, 0, sizeof *out);
    if (slurp(path, &out->content, &bytes, why)) return -1;
    if (bytes < 8) return fail(why, "no safetensors file: %" PRIu64 " bytes, wanted 8 and a header", bytes);
    header_bytes = little_endian(out->content, 8);
    if (header_bytes > bytes - 8)
        return fail(why, "the header has %" PRIu64 " bytes, the file %" PRIu64 " (truncated?)", header_bytes,
                    bytes);
    out->header =
        json_loadb((const char *)out->content + 8, (size_t)header_bytes, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(out->header))
        return fail(why, "the header is no JSON object: %s", out->header ? "another kind" : error.text);
    if (read_metadata(out, why)) return -1;
    return read_tensors(out, out->content + 8 + header_bytes, bytes - 8 - header_bytes, why);
}

void golden_free(golden_file *file)
{
    json_decref(file->header);
    json_decref(file->params);
    json_decref(file->dims);
    free(file->tensors);
    free(file->content);
    memset(file, 0, sizeof *file);
}

golden_tensor *golden_find(const golden_file *file, const char *names)
{
    for (const char *name = names; *name;) {
        const size_t length = strcspn(name, " ");
        for (int i = 0; i < file->tensor_count; i++)
            if (strlen(file->tensors[i].name) == length && !memcmp(file->tensors[i].name, name, length))
                return &file->tensors[i];
        name += length;
        name += strspn(name, " ");
    }
    return NULL;
}

int64_t golden_count(const golden_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++) count *= t->shape[i];
    return count;
}

double golden_value(const golden_tensor *t, int64_t index)
{
    const int narrow = t->dtype == SEGUE_F32 || t->dtype == SEGUE_I32;
    if ((!narrow && t->dtype != SEGUE_F64 && t->dtype != SEGUE_I64) || index < 0 ||
        (uint64_t)index >= t->bytes / (narrow ? 4 : 8))
        return NAN;
    if (narrow) {
        const uint32_t bits = (uint32_t)little_endian(t->data + index * 4, 4);
        float value;
        memcpy(&value, &bits, sizeof value);
        return t->dtype == SEGUE_I32 ? (double)(int32_t)bits : (double)value;
    }
    const uint64_t bits = little_endian(t->data + index * 8, 8);
    double value;
    memcpy(&value, &bits, sizeof value);
    return t->dtype == SEGUE_I64 ? (double)(int64_t)bits : value;
}
