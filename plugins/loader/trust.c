/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Who could have put a file there: whoever may write to it or to any folder above it. The sticky bit is no
 * excuse, since it lets everybody add files and lets a folder's creator exchange them. */
#include "loader.h"

#include <stdio.h>

static segue_status check_one(const char *path, char *text, size_t size)
{
    struct os_facts facts;
    const int code = os_facts_of(path, &facts);
    const uint32_t user = os_user();
    if (code) snprintf(text, size, "%s: %s", path, os_error_text(code));
    else if (facts.owner && facts.owner != user)
        snprintf(text, size, "%s belongs to user %u, wanted root or user %u", path, facts.owner, user);
    else if (facts.mode & OS_MODE_SHARED_WRITE)
        snprintf(text, size, "%s may be written by group or others (mode %04o), wanted nobody but its owner",
                 path, facts.mode);
    else if (facts.kind == OS_KIND_FILE && facts.mode & OS_MODE_SET_ID)
        snprintf(text, size, "%s has a set-id bit (mode %04o), wanted none", path, facts.mode);
    else return SEGUE_OK;
    return SEGUE_ERROR_PLUGIN;
}

segue_status segue_check_trust(const char *path, char *text, size_t size)
{
    char part[OS_PATH_BYTES];
    const size_t length = strlen(path);
    segue_status s = SEGUE_OK;
    if (length >= sizeof part || path[0] != '/') {
        snprintf(text, size, "%.200s is no absolute path of less than %d bytes", path, OS_PATH_BYTES);
        return SEGUE_ERROR_PLUGIN;
    }
    for (size_t n = 1; n <= length && !s; n++) {
        if (n > 1 && n < length && path[n] != '/')
            continue; /* only whole components: "/", "/usr", "/usr/lib" */
        memcpy(part, path, n);
        part[n] = 0;
        s = check_one(part, text, size);
    }
    return s;
}
