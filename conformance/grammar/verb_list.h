/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_CONFORMANCE_VERB_LIST_H
#define SEGUE_CONFORMANCE_VERB_LIST_H

/* `segue conform list ...`: argv[0] is "list". An exit code of the command: 0, 1 failed, 2 usage, 4 environment. */
int verb_list(int argc, char **argv);

#endif
