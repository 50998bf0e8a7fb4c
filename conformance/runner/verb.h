/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the verbs of `segue conform` share. */
#ifndef SEGUE_CONFORMANCE_VERB_H
#define SEGUE_CONFORMANCE_VERB_H

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_NO_DEVICE = 3, EXIT_ENVIRONMENT = 4 };

/* `segue conform run ...`: argv[0] is "run". An exit code of the command. */
int verb_run(int argc, char **argv);

#endif
