/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What core knows of plugins: a list of candidates. plugins/loader defines these functions; core never names a
 * backend. */
#ifndef SEGUE_CORE_PLUGINS_H
#define SEGUE_CORE_PLUGINS_H

#include <segue/plugin.h>

struct candidate { /* one plugin file, or one linked-in entry */
    segue_plugin_facts
        facts; /* id and alias come from the note; state, code, phase and text from what became of it */
    segue_plugin_entry entry; /* linked in; NULL = facts.path is a file */
    segue_plugin plugin;      /* the vetted table; valid once facts.state is SEGUE_PLUGIN_LOADED */
    segue_host host;          /* what the plugin was given; stays put for the life of the context */
    uint64_t inode, file_device;
    char directory[1024];
    int builtin; /* the reference */
};

struct candidates {
    struct candidate *list; /* search order; the built-in reference last */
    uint32_t count;
};

/* Lists all candidates: paths and trust checked, identity notes read, none of their code run. Rejected ones
 * stay in the list with their reason. An id that came earlier rejects a later one. host: what each plugin will
 * get (plugin_dir and reference are filled in per candidate). */
segue_status segue_find_plugins(const segue_context_options *options, const segue_host *host,
                                struct candidates *out, segue_diag *diag);
void segue_free_plugins(struct candidates *all);

/* Loads one candidate, vets its answer and asks for its device count; fills facts. Already loaded: OK; already
 * rejected: the same failure again. Callers hold the context's lock. reference: NULL while the reference itself
 * is loaded. */
segue_status segue_load_plugin(struct candidate *one, const segue_plugin *reference, segue_diag *diag);
/* Loads every candidate that is not rejected yet, the reference first. */
void segue_load_all(struct candidates *all);

#endif
