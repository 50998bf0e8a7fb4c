/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What a stand-in driver exports besides its vendor's names, for tests in its own process: dlsym() finds it in the
 * library that an adapter opened by SEGUE_DRIVER_PATH. */
#ifndef SEGUE_STAND_IN_CONTROL_H
#define SEGUE_STAND_IN_CONTROL_H

#include <stdint.h>

extern const int segue_stand_in_driver; /* that it is there marks the library */

/* The nth call of an entry from now on (1 = the next) returns code and does nothing else. code 0: the call is
 * dropped, as if nobody had made it. */
void segue_stand_in_fail(const char *entry, int nth, int code);
/* Calls of an entry since the start or the last reset; NULL: of all. */
uint64_t segue_stand_in_calls(const char *entry);
/* How many live: "allocations", "streams", "events", "modules", "graphs" (with what was instantiated), "contexts"
 * (primary ones somebody retains, and created ones), "programs", "work" (stored and not done), "lost" (objects that died with
 * their context instead of being destroyed). UINT64_MAX for another word. */
uint64_t segue_stand_in_live(const char *kind);
const char *segue_stand_in_words(void); /* the last finding of a kernel, compiler or queue; "" = none */
/* All contexts and what lies in them, counts and failures go; SEGUE_STAND_IN_* are read again. */
void segue_stand_in_reset(void);

#endif
