/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A driver's library and its entry points, looked up when somebody asks for a device. */
#include "native.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>
#include <unistd.h>

#define TESTS_FOLDER "SEGUE_DRIVER_PATH"
#define STAND_IN "segue_stand_in_driver"

enum { MOST_PATH = 4096 };

static void *open_library(const char *path)
{
    /* NODELETE: drivers leave threads behind */
    return dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
}

/* What the loader says of the name that was tried last; its text lives until the next call. */
static const char *loader_says(void)
{
    const char *text = dlerror();
    return text ? text : "the loader gives no reason";
}

/* "$CUDA_HOME/lib64" with the variable's value; 0 = there is none, or it is no absolute folder. */
static int expand(const char *folder, char out[MOST_PATH])
{
    char variable[64];
    if (folder[0] != '$') return snprintf(out, MOST_PATH, "%s", folder) < MOST_PATH;
    const size_t length = strcspn(folder + 1, "/");
    if (length >= sizeof variable) return 0;
    memcpy(variable, folder + 1, length);
    variable[length] = 0;
    const char *value = secure_getenv(variable);
    if (!value || value[0] != '/') return 0;
    return snprintf(out, MOST_PATH, "%s%s", value, folder + 1 + length) < MOST_PATH;
}

/* A file that lies there and does not load is an error: another library would run in place of the one that somebody put there. */
static segue_status open_file(const char *folder, const char *name, void **out, uint32_t phase, segue_diag *why)
{
    char path[MOST_PATH];
    if (snprintf(path, sizeof path, "%s/%s", folder, name) >= MOST_PATH || access(path, F_OK)) return SEGUE_OK;
    *out = open_library(path);
    if (*out) return SEGUE_OK;
    return segue_kit_fail(why, SEGUE_ERROR_NO_DEVICE, phase, 0, "%s does not load (%s): repair or remove it",
                          path, loader_says());
}

static segue_status open_for_tests(const struct native_library *library, void **out, uint32_t phase,
                                   segue_diag *why)
{
    const char *folder = secure_getenv(TESTS_FOLDER);
    if (!folder || !folder[0]) return SEGUE_OK;
    if (folder[0] != '/')
        return segue_kit_fail(why, SEGUE_ERROR_NO_DEVICE, phase, 0,
                              TESTS_FOLDER " is %.200s, wanted an absolute folder, or nothing", folder);
    segue_status s = SEGUE_OK;
    for (int i = 0; library->names[i] && !*out && !s; i++)
        s = open_file(folder, library->names[i], out, phase, why);
    return s;
}

/* One that the process has already, of any version: a second copy of a driver's library knows nothing of an engine's streams and
 * memory (PyTorch brings a HIP of its own). */
static void *open_loaded(const struct native_library *library)
{
    void *found = NULL;
    for (int i = 0; library->names[i] && !found; i++)
        found = dlopen(library->names[i], RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | RTLD_NOLOAD);
    return found;
}

/* One name where the system's loader looks, then in the library's folders. */
static segue_status open_named(const struct native_library *library, const char *name, void **out,
                               uint32_t phase, segue_diag *why)
{
    char folder[MOST_PATH];
    segue_status s = SEGUE_OK;
    *out = open_library(name);
    for (int i = 0; !s && !*out && library->folders && library->folders[i]; i++)
        if (expand(library->folders[i], folder)) s = open_file(folder, name, out, phase, why);
    return s;
}

static segue_status open_anywhere(const struct native_library *library, void **out, uint32_t phase,
                                  segue_diag *why)
{
    char reason[256] = ""; /* why not the first name, which says more than the older ones */
    segue_status s = open_for_tests(library, out, phase, why);
    if (s || *out) return s;
    if (library->one_copy) *out = open_loaded(library);
    for (int i = 0; library->names[i] && !*out && !s; i++) {
        dlerror(); /* forget */
        s = open_named(library, library->names[i], out, phase, why);
        if (!i) snprintf(reason, sizeof reason, "%s", loader_says());
    }
    if (s || *out) return s;
    return segue_kit_fail(why, SEGUE_ERROR_NO_DEVICE, phase, 0, "%s cannot be opened (%s): %s",
                          library->names[0], reason, library->wanted);
}

/* Which of the names it was, with its folder. */
static const char *path_of(void *handle, const struct native_library *library)
{
    struct link_map *map = NULL;
    return !dlinfo(handle, RTLD_DI_LINKMAP, &map) && map->l_name[0] ? map->l_name : library->names[0];
}

static segue_status look_up(void *handle, const struct native_library *library, void *table, uint32_t phase,
                            segue_diag *why)
{
    for (uint32_t i = 0; i < library->entry_count; i++) {
        const struct native_entry *entry = &library->entries[i];
        void *found = dlsym(handle, entry->name);
        if (!found && !entry->optional)
            return segue_kit_fail(why, SEGUE_ERROR_NO_DEVICE, phase, 0,
                                  "%.160s has no %s, so it is older than what is needed: %s",
                                  path_of(handle, library), entry->name, library->wanted);
        memcpy((char *)table + entry->offset, &found, sizeof found);
    }
    return SEGUE_OK;
}

segue_status native_load(const struct native_library *library, void *table, int *stand_in, uint32_t phase,
                         segue_diag *why)
{
    void *handle = NULL;
    *stand_in = 0;
    if (getauxval(AT_SECURE))
        return segue_kit_fail(
            why, SEGUE_ERROR_NO_DEVICE, phase, 0,
            "this process runs with another user's rights (set-id), where %s is not used: the "
            "environment could name any library for it to load",
            library->names[0]);
    segue_status s = open_anywhere(library, &handle, phase, why);
    if (!s) s = look_up(handle, library, table, phase, why);
    if (!s) *stand_in = dlsym(handle, STAND_IN) != NULL;
    return s;
}
