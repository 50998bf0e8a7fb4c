/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that say what there is when they are stopped. Here because all commands see this folder. */
#ifndef SEGUE_CONFORMANCE_INTERRUPTION_H
#define SEGUE_CONFORMANCE_INTERRUPTION_H

/* From now on SIGINT, SIGTERM and SIGHUP are only noted, with these words on stderr (a string that stays, or NULL); a second
 * one, of whichever kind, ends the process. From the first one on SIGPIPE is ignored. What is ignored already stays so: nohup
 * means it. */
void interruption_watch(const char *words);

/* In a child: nothing is noted any more, and SIGPIPE ends it. */
void interruption_forget(void);

/* The name of the one that came ("SIGINT"), or NULL. */
const char *interruption_came(void);

#endif
