/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* From a candidate to a loaded plugin: the dynamic loader, the entry, its answer, its devices. Code is never
 * unloaded: a driver's threads and thread-local destructors may still be about to run it. What a plugin writes
 * into a diag is printed with a limit, since it may lack its end. */
#include "diag.h"
#include "loader.h"

#include <stdio.h>

static const char entry_name[] = SEGUE_TEXT(SEGUE_JOIN3(segue_plugin, _entry_, SEGUE_PLUGIN_EPOCH));

static segue_status load_library(struct candidate *one, segue_plugin_entry *entry)
{
    const char *why = NULL;
    char path[OS_PATH_BYTES] = "", home[OS_PATH_BYTES] = "";
    struct os_facts found = { 0 };
    void *symbol, *library = os_library_load(one->facts.path, &why);
    if (!library)
        return segue_reject(&one->facts, SEGUE_PHASE_LOAD, "the dynamic loader says: %s",
                            why ? why : "nothing");
    if (os_library_path(library, path) || os_facts_of(path, &found) || found.inode != one->inode ||
        found.device != one->file_device)
        return segue_reject(&one->facts, SEGUE_PHASE_LOAD,
                            "the file that was loaded (%.300s) is not the one that was checked", path);
    symbol = os_library_symbol(library, entry_name);
    if (!symbol) return segue_reject(&one->facts, SEGUE_PHASE_LOAD, "it does not export %s", entry_name);
    if (os_path_of_address(symbol, home) || strcmp(home, path)) /* the search goes on into what it links */
        return segue_reject(&one->facts, SEGUE_PHASE_LOAD, "%s is not its own, but that of %.300s", entry_name,
                            home);
    memcpy(entry, &symbol, sizeof *entry);
    return SEGUE_OK;
}

segue_status segue_call_entry(segue_plugin_entry entry, const segue_host *host, segue_plugin *answer,
                              segue_plugin_facts *facts)
{
    segue_diag said = { 0 };
    segue_status s;
    memset(answer, 0, sizeof *answer);
    answer->size = sizeof *answer;
    s = entry(host, answer, &said);
    if (s) {
        s = segue_reject(facts, SEGUE_PHASE_ENTRY, "its entry answered %s: %.400s", segue_status_name(s),
                         said.text);
    } else if (!(s = segue_vet_table(answer, facts))) {
        s = segue_vet_identity(answer, facts);
        if (!s) s = segue_vet_primitives(answer, facts);
        if (s) answer->close(answer->self);
    }
    if (s) memset(answer, 0, sizeof *answer);
    else memset((char *)answer + answer->size, 0, sizeof *answer - answer->size); /* what it does not know */
    return s;
}

/* Said before a plugin's code runs: the last word of one that never comes back. */
static void announce(const struct candidate *one, const char *phase)
{
    char line[1100];
    if (!one->host.log) return;
    snprintf(line, sizeof line, "plugin %s: phase %s", one->facts.id[0] ? one->facts.id : one->facts.path,
             phase);
    one->host.log(one->host.user, SEGUE_LOG_DEBUG, line);
}

static segue_status enumerate(struct candidate *one)
{
    segue_diag said = { 0 };
    segue_plugin_facts *facts = &one->facts;
    uint32_t count = 0;
    segue_status s = one->plugin.device_count(one->plugin.self, &count, &said);
    if (s)
        return segue_reject(facts, SEGUE_PHASE_ENUMERATE, "device_count answered %s: %.400s",
                            segue_status_name(s), said.text);
    if (count > MAX_DEVICES)
        return segue_reject(facts, SEGUE_PHASE_ENUMERATE, "device_count counted %u, wanted at most %d", count,
                            MAX_DEVICES);
    for (uint32_t i = 0; i < count && !s; i++) {
        segue_device_facts device = { .size = sizeof device };
        s = one->plugin.device_info(one->plugin.self, i, &device, &said);
        if (s)
            return segue_reject(facts, SEGUE_PHASE_ENUMERATE, "device_info of device %u answered %s: %.400s", i,
                                segue_status_name(s), said.text);
        s = segue_vet_device(&device, i, facts);
    }
    if (s) return s;
    facts->device_count = count;
    if (!count) { /* why there is none matters more than a warning that may stand there */
        char warning[160];
        snprintf(warning, sizeof warning, "%.159s", facts->text);
        snprintf(facts->text, sizeof facts->text, "%.320s%s%s",
                 said.text[0] ? said.text : "no device, and the plugin does not say why",
                 warning[0] ? "; " : "", warning);
        segue_clean_text(facts->text, sizeof facts->text);
    }
    return SEGUE_OK;
}

static void tell(const struct candidate *one)
{
    char line[1600];
    const segue_plugin_facts *f = &one->facts;
    if (!one->host.log) return;
    snprintf(line, sizeof line, "plugin %s %s%s%s", f->id[0] ? f->id : f->path,
             f->state == SEGUE_PLUGIN_LOADED ? "is loaded" : "is rejected", f->text[0] ? ": " : "", f->text);
    one->host.log(one->host.user, f->state == SEGUE_PLUGIN_LOADED ? SEGUE_LOG_DEBUG : SEGUE_LOG_WARNING, line);
}

static segue_status load(struct candidate *one, const segue_plugin *reference)
{
    segue_plugin_entry entry = one->entry;
    segue_status s = SEGUE_OK;
    if (one->facts.state == SEGUE_PLUGIN_LOADED) return SEGUE_OK;
    if (one->facts.state == SEGUE_PLUGIN_REJECTED) return one->facts.code;
    one->host.plugin_dir = one->directory;
    one->host.reference = reference;
    if (!entry) {
        announce(one, "load");
        s = load_library(one, &entry);
    }
    if (!s) {
        announce(one, "entry");
        s = segue_call_entry(entry, &one->host, &one->plugin, &one->facts);
    }
    if (!s) {
        announce(one, "enumerate");
        s = enumerate(one);
        if (s) one->plugin.close(one->plugin.self);
    }
    if (!s) one->facts.state = SEGUE_PLUGIN_LOADED;
    tell(one);
    return s;
}

segue_status segue_load_plugin(struct candidate *one, const segue_plugin *reference, segue_diag *diag)
{
    const segue_status s = load(one, reference);
    if (!s) return SEGUE_OK;
    return segue_fail(diag, s, one->facts.phase, 0, "plugin %.200s was rejected: %s",
                      one->facts.id[0] ? one->facts.id : one->facts.path, one->facts.text);
}

/* A rejected candidate is no failure of the call that loads all, so nothing becomes this thread's last error.
 */
void segue_load_all(struct candidates *all)
{
    const segue_plugin *reference = NULL;
    for (uint32_t i = 0; i < all->count; i++)
        if (all->list[i].builtin && !load(&all->list[i], NULL)) reference = &all->list[i].plugin;
    for (uint32_t i = 0; i < all->count; i++) load(&all->list[i], reference);
}

void segue_free_plugins(struct candidates *all)
{
    for (int builtin = 0; builtin < 2; builtin++) /* the reference last: others hold on to it */
        for (uint32_t i = 0; i < all->count; i++) {
            struct candidate *one = &all->list[i];
            if (one->builtin == builtin && one->facts.state == SEGUE_PLUGIN_LOADED)
                one->plugin.close(one->plugin.self);
        }
    os_free(all->list);
    memset(all, 0, sizeof *all);
}
