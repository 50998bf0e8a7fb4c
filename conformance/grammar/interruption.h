/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Commands that say what there is when they are stopped. Here because all commands see this folder. */
#ifndef SEGUE_CONFORMANCE_INTERRUPTION_H
#define SEGUE_CONFORMANCE_INTERRUPTION_H

/* From now on SIGINT, SIGTERM and SIGHUP are only noted, with these words on stderr (a string that stays, or NULL); a second
 * one ends the process. What is ignored already stays so: nohup means it. */
void interruption_watch(const char *words);

/* The name of the one that came ("SIGINT"), or NULL. */
const char *interruption_came(void);

#endif
