/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Which plugins there are, each tried in a child first; only those that stood the trial are loaded here. */
#ifndef SEGUE_TOOLS_SURVEY_H
#define SEGUE_TOOLS_SURVEY_H

#include <segue/segue.h>

struct survey {
    segue_context *ctx; /* of the good ones and the built-in reference */
    segue_plugin_facts
        *plugins; /* all candidates in search order; text says why one is rejected or has no device */
    uint32_t count;
};

/* device: only plugins that its name may mean are tried; NULL = all. EXIT_DONE, or EXIT_ENVIRONMENT and why. */
int survey_open(const char *device, struct survey *out, segue_diag *why);
void survey_close(struct survey *s);
/* The plugin that a device's name may mean; NULL = none. */
const segue_plugin_facts *survey_plugin(const struct survey *s, const char *device);

#endif
