/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A result as JSON: between processes, and as a line of --json. Fields:
 * descriptor, device, row, class, status, check, checks, operand, index, got, want, ratio, margin, sigmas, pattern,
 * fault, why, ms, ran, identities, identities_failed. checks: every kind that failed, ran: every kind that was made; the
 * identities likewise, by their names. Of an ORDER also behind, the cases before it (report.c). operand to want are null where no
 * operand is at fault. JSON has no infinities: they and NaN are the strings "Infinity", "-Infinity" and "NaN". */
#ifndef SEGUE_CONFORMANCE_RECORD_H
#define SEGUE_CONFORMANCE_RECORD_H

#include "../checks/result.h"

#include <jansson.h>

/* NULL = no memory. Text that is no UTF-8 (a plugin's words) is made so. */
json_t *record_json(const char *descriptor, const char *device, const struct result *r);
/* 0, or -1 where line is no result. Strings are cut to their room. */
int record_read(const json_t *line, struct result *out);

/* "f32", "f32+chunk-log"; "none" without a bit. Returns to. */
const char *accuracy_words(uint32_t accuracy, char *to, size_t room);

/* "h_out[0,3,11]", "h_out", or "" without an operand. Returns to. */
const char *record_place(const struct result *r, char *to, size_t room);

/* text as a new JSON string, with what is no UTF-8 replaced by '?'. */
json_t *json_text(const char *text);

#endif
