/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery: where candidates come from, in which order, and what is checked before any of their code runs.
 * Never the current folder, never a bare name, and from set-id processes never the environment. */
#include "diag.h"
#include "loader.h"

#include <stdio.h>

enum trust {
    TRUST_GIVEN,
    TRUST_WARN,
    TRUST_CHECKED
}; /* named by API; by SEGUE_PLUGIN_PATH; found beside the library */

struct search {
    struct candidates found;
    uint32_t room;
    const segue_host *host;
    int failed; /* memory ran out */
};

static struct candidate *add(struct search *s)
{
    if (s->found.count == s->room) {
        const uint32_t room = s->room ? s->room * 2 : 16;
        struct candidate *list = os_alloc(room * sizeof *list, 64);
        if (!list) {
            s->failed = 1;
            return NULL;
        }
        if (s->found.count) memcpy(list, s->found.list, s->found.count * sizeof *list);
        os_free(s->found.list);
        s->found.list = list;
        s->room = room;
    }
    struct candidate *one = &s->found.list[s->found.count++];
    memset(one, 0, sizeof *one);
    one->facts.size = sizeof one->facts;
    one->host = *s->host;
    return one;
}

/* Something that was asked for and can be no candidate at all. */
static void add_rejected(struct search *s, const char *path, const char *words)
{
    struct candidate *one = add(s);
    if (!one) return;
    snprintf(one->facts.path, sizeof one->facts.path, "%s", path);
    segue_reject(&one->facts, SEGUE_PHASE_PATH, "%s", words);
}

/* An earlier candidate with the same file or id wins. */
static segue_status check_unique(const struct search *s, struct candidate *one)
{
    for (const struct candidate *c = s->found.list; c < one; c++) {
        const int same =
            c->inode == one->inode && c->file_device == one->file_device && !c->entry && !one->entry;
        if (c->facts.state == SEGUE_PLUGIN_REJECTED || (!same && strcmp(c->facts.id, one->facts.id))) continue;
        if (same)
            return segue_reject(&one->facts, SEGUE_PHASE_PATH, "the same file as %.400s, which came earlier",
                                c->facts.path);
        return segue_reject(&one->facts, SEGUE_PHASE_PATH, "shadowed by %.400s",
                            c->builtin ? "the built-in plugin of that id"
                            : c->entry ? "the linked-in plugin of that id"
                                       : c->facts.path);
    }
    return SEGUE_OK;
}

/* File type, trust, note, uniqueness of an opened file. */
static void inspect(const struct search *s, struct candidate *one, const struct os_file *file, const char *name,
                    enum trust trust)
{
    segue_plugin_facts *facts = &one->facts;
    char words[400] = "";
    if (file->facts.kind != OS_KIND_FILE) {
        segue_reject(facts, SEGUE_PHASE_PATH, "not a regular file");
        return;
    }
    if (trust != TRUST_GIVEN && segue_check_trust(facts->path, words, sizeof words) && trust == TRUST_CHECKED) {
        segue_reject(facts, SEGUE_PHASE_PATH, "%s", words);
        return;
    }
    one->inode = file->facts.inode;
    one->file_device = file->facts.device;
    if (segue_read_note(file, name, facts) || check_unique(s, one)) return;
    if (!words[0]) return;
    snprintf(facts->text, sizeof facts->text, "warning: not installed safely: %s", words);
    segue_clean_text(facts->text, sizeof facts->text); /* they may name a path */
}

static void consider(struct search *s, const char *path, enum trust trust)
{
    struct candidate *one = add(s);
    const char *slash = strrchr(path, '/');
    struct os_file file;
    int code;
    if (!one) return;
    snprintf(one->facts.path, sizeof one->facts.path, "%s", path);
    if (path[0] != '/') {
        segue_reject(&one->facts, SEGUE_PHASE_PATH, "not an absolute path");
        return;
    }
    code = os_real_path(path, one->facts.path);
    if (!code) code = os_open(one->facts.path, &file);
    if (code) {
        segue_reject(&one->facts, SEGUE_PHASE_PATH, "cannot open it: %s", os_error_text(code));
        return;
    }
    snprintf(one->directory, sizeof one->directory, "%.*s",
             (int)(strrchr(one->facts.path, '/') - one->facts.path), one->facts.path);
    inspect(s, one, &file, slash + 1, trust);
    os_close(&file);
}

static void search_folder(struct search *s, const char *folder, enum trust trust)
{
    const char **names = NULL;
    uint32_t count = 0;
    char path[OS_PATH_BYTES];
    const int code = os_list(folder, "segue_", ".so", &names, &count);
    if (code) {
        snprintf(path, sizeof path, "cannot list this folder: %s", os_error_text(code));
        add_rejected(s, folder, path);
    }
    for (uint32_t i = 0; i < count; i++) {
        const int n = snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        if (n > 0 && (size_t)n < sizeof path) consider(s, path, trust);
        else add_rejected(s, folder, "the path of a plugin in this folder is too long");
    }
    os_free(names);
}

/* Each folder of the ':' list; *own is the library's, which is not searched twice. */
static int search_listed_folders(struct search *s, const char *list, const struct os_facts *own)
{
    int own_listed = 0;
    while (list && *list) {
        char folder[OS_PATH_BYTES];
        const size_t n = strcspn(list, ":");
        struct os_facts facts;
        snprintf(folder, sizeof folder, "%.*s", (int)(n < sizeof folder ? n : sizeof folder - 1), list);
        if (n && (folder[0] != '/' || n >= sizeof folder)) {
            add_rejected(s, folder, "SEGUE_PLUGIN_PATH takes absolute folders of less than 1024 bytes");
        } else if (n) {
            if (!os_facts_of(folder, &facts) && facts.inode == own->inode && facts.device == own->device)
                own_listed = 1;
            search_folder(s, folder, TRUST_WARN);
        }
        list += n + (list[n] == ':');
    }
    return own_listed;
}

/* <folder of the library>/segue/plugins-<epoch>; empty if unknown. */
static void own_folder(char out[OS_PATH_BYTES])
{
    static const char anchor; /* any address inside the library */
    char self[OS_PATH_BYTES], path[OS_PATH_BYTES];
    out[0] = 0;
    if (os_path_of_address(&anchor, self) || os_real_path(self, path)) return;
    *strrchr(path, '/') = 0;
    if (snprintf(out, OS_PATH_BYTES, "%s/segue/plugins-%d", path, SEGUE_PLUGIN_EPOCH) >= OS_PATH_BYTES)
        out[0] = 0;
}

static void discover(struct search *s)
{
    char folder[OS_PATH_BYTES];
    struct os_facts own = { 0 };
    own_folder(folder);
    if (folder[0] && os_facts_of(folder, &own)) folder[0] = 0;
    if (!search_listed_folders(s, os_environment("SEGUE_PLUGIN_PATH"), &own) && folder[0])
        search_folder(s, folder, TRUST_CHECKED);
}

/* Linked-in code carries no note. Its entry, which is pure, is called once here to learn the id, so that a
 * device can be opened by name without loading the others; no device code runs. */
static void consider_entry(struct search *s, segue_plugin_entry entry, int builtin)
{
    struct candidate *one = add(s);
    segue_plugin answer;
    if (!one) return;
    one->entry = entry;
    one->builtin = builtin;
    one->host.plugin_dir = "";
    snprintf(one->facts.build, sizeof one->facts.build, "%s", builtin ? "built in" : "linked in");
    if (builtin) snprintf(one->facts.version, sizeof one->facts.version, "%s", SEGUE_VERSION_STRING);
    if (segue_call_entry(entry, &one->host, &answer, &one->facts)) return;
    answer.close(answer.self);
    check_unique(s, one);
}

/* The built-in plugins are considered first, so that nobody takes their ids, and listed last. */
static segue_status finish(struct search *s, uint32_t builtin, struct candidates *out, segue_diag *diag)
{
    const uint32_t others = s->found.count - builtin;
    struct candidate *list = s->failed ? NULL : os_alloc((s->found.count + 1) * sizeof *list, 64);
    if (list) {
        if (others) memcpy(list, s->found.list + builtin, others * sizeof *list);
        if (builtin) memcpy(list + others, s->found.list, builtin * sizeof *list);
        *out = (struct candidates){ list, s->found.count };
    }
    os_free(s->found.list);
    return list
               ? SEGUE_OK
               : segue_fail(diag, SEGUE_ERROR_MEMORY, SEGUE_PHASE_PATH, 0, "no memory for the list of plugins");
}

segue_status segue_find_plugins(const segue_context_options *options, const segue_host *host,
                                struct candidates *out, segue_diag *diag)
{
    struct search s = { .host = host };
    uint32_t builtin;
    for (const segue_plugin_entry *e = segue_builtin_entries; *e && !s.failed; e++) consider_entry(&s, *e, 1);
    builtin = s.found.count;
    for (const char *const *p = options ? options->plugins : NULL; p && *p && !s.failed; p++)
        consider(&s, *p, TRUST_GIVEN);
    for (const segue_plugin_entry *e = options ? options->entries : NULL; e && *e && !s.failed; e++)
        consider_entry(&s, *e, 0);
    if (!options || !(options->flags & SEGUE_CONTEXT_NO_DISCOVERY)) discover(&s);
    const segue_status status = finish(&s, builtin, out, diag);
    for (uint32_t i = 0; !status && i < out->count; i++) {
        const segue_plugin_facts *f = &out->list[i].facts;
        char line[1600];
        if (!f->text[0] || !host->log) continue;
        snprintf(line, sizeof line, "%s: %s", f->path, f->text);
        host->log(host->user, SEGUE_LOG_WARNING, line);
    }
    return status;
}
