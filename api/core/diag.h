/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Failing with words. */
#ifndef SEGUE_CORE_DIAG_H
#define SEGUE_CORE_DIAG_H

#include <segue/segue.h>

/* Writes diag (nullable) and this thread's last error; returns code. field: number in the op struct, 0 =
 * none. */
segue_status segue_fail(segue_diag *diag, segue_status code, uint32_t phase, uint32_t field, const char *format,
                        ...) __attribute__((format(printf, 5, 6)));

/* A plugin's words, fit for a terminal and for JSON: ends them within size, puts '?' for control characters and for
 * what is no UTF-8. */
void segue_clean_text(char *text, size_t size);

/* Passes on what a plugin said in *from (text may be missing or unterminated); returns code. */
segue_status segue_pass_on(segue_diag *diag, segue_status code, uint32_t phase, segue_diag *from);

#endif
