/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    uint32_t bit;
    const char *word;
} accuracies[] = {
    { SEGUE_ACCURACY_F64, "f64" },
    { SEGUE_ACCURACY_F32, "f32" },
    { SEGUE_ACCURACY_CHUNK_LOG, "chunk-log" },
    { SEGUE_ACCURACY_FAST, "fast" },
    { SEGUE_ACCURACY_TRANSFORM, "transform" },
    { SEGUE_ACCURACY_BF16_PRODUCT, "bf16-product" },
};
enum { ACCURACIES = sizeof accuracies / sizeof *accuracies, CHECKS = 6, BITS = 32 };

const char *accuracy_words(uint32_t accuracy, char *to, size_t room)
{
    size_t at = 0;
    snprintf(to, room, "none");
    for (size_t i = 0; i < ACCURACIES && at < room; i++)
        if (accuracy & accuracies[i].bit)
            at += (size_t)snprintf(to + at, room - at, "%s%s", at ? "+" : "", accuracies[i].word);
    return to;
}

static uint32_t accuracy_read(const char *words)
{
    uint32_t bits = 0;
    while (*words) {
        const size_t length = strcspn(words, "+");
        for (size_t i = 0; i < ACCURACIES; i++)
            if (length == strlen(accuracies[i].word) && !strncmp(words, accuracies[i].word, length))
                bits |= accuracies[i].bit;
        words += length + (words[length] == '+');
    }
    return bits;
}

const char *record_place(const struct result *r, char *to, size_t room)
{
    size_t at = (size_t)snprintf(to, room, "%s", r->operand);
    for (int i = 0; r->operand[0] && i < r->rank && at < room; i++)
        at += (size_t)snprintf(to + at, room - at, "%s%lld%s", i ? "," : "[", (long long)r->index[i],
                               i + 1 == r->rank ? "]" : "");
    return to;
}

json_t *json_text(const char *text)
{
    json_t *string = json_string(text);
    char *copy = string ? NULL : strdup(text);
    for (char *c = copy; c && *c; c++)
        if (*c & 0x80) *c = '?';
    if (copy) string = json_string(copy);
    free(copy);
    return string;
}

static json_t *number(double value)
{
    if (isnan(value)) return json_string("NaN");
    if (isinf(value)) return json_string(value > 0 ? "Infinity" : "-Infinity");
    return json_real(value);
}

static double number_read(const json_t *from)
{
    const char *word = json_string_value(from);
    if (!word) return json_number_value(from);
    return strcmp(word, "NaN") == 0 ? (double)NAN : *word == '-' ? -(double)INFINITY : (double)INFINITY;
}

/* The names of bits, by a function that knows them. */
static const char *kind_name(int i)
{
    return i < CHECKS ? check_name((enum check)(1u << i)) : NULL;
}

static json_t *names(unsigned bits, const char *(*name)(int i))
{
    json_t *all = json_array();
    for (int i = 0; i < BITS && name(i); i++)
        if (bits & 1u << i) json_array_append_new(all, json_string(name(i)));
    return all;
}

static unsigned names_read(const json_t *from, const char *(*name)(int i))
{
    unsigned bits = 0;
    for (size_t k = 0; k < json_array_size(from); k++) {
        const char *word = json_string_value(json_array_get(from, k));
        for (int i = 0; word && i < BITS && name(i); i++)
            if (!strcmp(word, name(i))) bits |= 1u << i;
    }
    return bits;
}

json_t *record_json(const char *descriptor, const char *device, const struct result *r)
{
    char class[96];
    json_t *index = r->operand[0] ? json_array() : json_null();
    for (int i = 0; r->operand[0] && i < r->rank && i < SEGUE_MAX_RANK; i++)
        json_array_append_new(index, json_integer(r->index[i]));
    const int numbers = r->operand[0] && r->rank > 0; /* an element is named */
    return json_pack(
        "{s:o, s:o, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
        "descriptor", json_text(descriptor), "device", json_text(device), "row", json_text(r->row), "class",
        accuracy_words(r->accuracy, class, sizeof class), "status", status_name(r->status), "check",
        json_text(r->check), "checks", names(r->failed, kind_name), "operand",
        r->operand[0] ? json_text(r->operand) : json_null(), "index", index, "got",
        numbers ? number(r->got) : json_null(), "want", numbers ? number(r->want) : json_null(), "ratio",
        number(r->ratio), "margin", number(r->margin), "sigmas", number(r->sigmas), "pattern",
        json_text(r->pattern), "fault", json_text(r->fault), "why", json_text(r->why), "ms", number(r->ms),
        "ran", names(r->ran, kind_name), "identities", names(r->identities, identity_name), "identities_failed",
        names(r->identities_failed, identity_name));
}

static void copy_text(const json_t *line, const char *name, char *to, size_t room)
{
    const char *text = json_string_value(json_object_get(line, name));
    snprintf(to, room, "%s", text ? text : "");
}

int record_read(const json_t *line, struct result *out)
{
    const char *status = json_string_value(json_object_get(line, "status"));
    const char *class = json_string_value(json_object_get(line, "class"));
    const json_t *index = json_object_get(line, "index");
    memset(out, 0, sizeof *out);
    if (!status || (out->status = status_named(status)) == STATUS_COUNT) return -1;
    copy_text(line, "row", out->row, sizeof out->row);
    copy_text(line, "check", out->check, sizeof out->check);
    copy_text(line, "operand", out->operand, sizeof out->operand);
    copy_text(line, "pattern", out->pattern, sizeof out->pattern);
    copy_text(line, "fault", out->fault, sizeof out->fault);
    copy_text(line, "why", out->why, sizeof out->why);
    out->accuracy = accuracy_read(class ? class : "");
    out->failed = names_read(json_object_get(line, "checks"), kind_name);
    out->ran = names_read(json_object_get(line, "ran"), kind_name);
    out->identities = names_read(json_object_get(line, "identities"), identity_name);
    out->identities_failed = names_read(json_object_get(line, "identities_failed"), identity_name);
    for (; out->rank < SEGUE_MAX_RANK && out->rank < (int)json_array_size(index); out->rank++)
        out->index[out->rank] = json_integer_value(json_array_get(index, (size_t)out->rank));
    out->got = number_read(json_object_get(line, "got"));
    out->want = number_read(json_object_get(line, "want"));
    out->ratio = number_read(json_object_get(line, "ratio"));
    out->margin = number_read(json_object_get(line, "margin"));
    out->sigmas = number_read(json_object_get(line, "sigmas"));
    out->ms = number_read(json_object_get(line, "ms"));
    return 0;
}
