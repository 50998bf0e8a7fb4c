/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_CONFORMANCE_VERB_GOLDEN_H
#define SEGUE_CONFORMANCE_VERB_GOLDEN_H

/* `segue conform golden ...`: argv[0] is "golden". An exit code of the command. */
int verb_golden(int argc, char **argv);

#endif
