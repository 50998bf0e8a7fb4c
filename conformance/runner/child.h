/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The child's side of children.h. */
#ifndef SEGUE_CONFORMANCE_CHILD_H
#define SEGUE_CONFORMANCE_CHILD_H

#include "children.h"
#include "phase.h"

#include <sys/types.h>

/* Everything from fork to exit: opens, takes steps from the socket until it ends, closes. Never returns. */
_Noreturn void child_live(const struct work *w, int socket, struct phase_page *page, double gib, pid_t parent);

#endif
