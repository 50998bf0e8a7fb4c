/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Parts of the page that report_html() writes. It is well-formed XML, too: a test reads it as such. */
#ifndef SEGUE_CONFORMANCE_HTML_H
#define SEGUE_CONFORMANCE_HTML_H

#include "report.h"

extern const char *const html_style[]; /* NULL-ended */

/* Part n of a canonical descriptor (primitive, variant, dtypes, shape, layout, distribution) up to the first of ends.
 * Returns to. */
const char *descriptor_part(const char *descriptor, int n, const char *ends, char *to, size_t room);

/* Primitives and dtypes against layouts and distributions; kernels against kinds of check. */
void html_matrices(const struct run *r, FILE *to);
/* How much of a limit passed results used. */
void html_margins(const struct run *r, FILE *to);
/* "ok", "bad" or "skip": the class of a status in the style. */
const char *html_tone(enum status s);

#endif
