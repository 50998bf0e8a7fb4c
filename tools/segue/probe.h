/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Tries a plugin in a child process first, so that one that crashes, hangs or exits takes nobody along. */
#ifndef SEGUE_TOOLS_PROBE_H
#define SEGUE_TOOLS_PROBE_H

#include <jansson.h>
#include <segue/segue.h>

enum { PROBE_SECONDS = 10 }; /* drivers may take seconds to wake a device */

struct probe {
    int good;        /* loaded, vetted and enumerated */
    uint32_t phase;  /* how far it came: SEGUE_PHASE_... */
    char words[512]; /* why not good; or why there is no device */
    json_t *devices; /* array of {name, ready, description, text}, or NULL; the caller drops it */
};

const char *phase_name(uint32_t phase);

/* Runs argv, which reports on descriptor 3, a JSON object a line: {"phase": n} on its way,
 * {"good": ...} at the end. */
void probe_command(char *const argv[], int seconds, struct probe *out);
/* The child's side, for a plugin file; returns its exit code. */
int probe_child(const char *path);
/* Both, by segue-plugin, which lies beside this program. */
void probe_plugin(const char *path, struct probe *out);

#endif
