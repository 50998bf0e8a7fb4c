/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue <verb>: runs segue-<verb> from the folder that belongs to this very file, in the build tree as when
 * installed. It links nothing of Segue, so that it starts even where the library does not. */
#include "tool.h"

#include <dirent.h>
#include <errno.h>
#include <segue/version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct verb {
    const char *name, *what;
} known[] = {
    { "devices", "what can compute here, and what cannot and why" },
    { "explain", "which kernel a device chooses for a call, and why not the others" },
    { "describe", "operands, parameters and rules of the primitives" },
    { "conform", "judge a device against the reference" },
    { "bench", "how fast a device is, and what share that is of what the machine allows" },
    { "relay", "hand states from device to device, each hand-over judged" },
    { "replay", "judge calls that an engine made, from files of SEGUE_CAPTURE" },
    { "plugin", "start a plugin of your own, or probe one" },
};

static const char *what(const char *verb)
{
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, verb)) return known[i].what;
    return "";
}

static int is_verb(const struct dirent *entry)
{
    return !strncmp(entry->d_name, "segue-", 6) &&
           strcmp(entry->d_name, "segue-compile"); /* the rocm plugin's */
}

static void list_verbs(FILE *to, const char *folder)
{
    struct dirent **found;
    const int count = scandir(folder, &found, is_verb, alphasort);
    fprintf(to, "usage: segue VERB [ARGUMENT...]; segue VERB --help tells more\n");
    for (int i = 0; i < count; i++) {
        fprintf(to, "  %-10s%s\n", found[i]->d_name + 6, what(found[i]->d_name + 6));
        free(found[i]);
    }
    if (count >= 0) free(found);
    if (count <= 0) fprintf(to, "no verbs in %s: is the installation whole?\n", folder);
}

int main(int argc, char **argv)
{
    char folder[4096], path[4096 + 128];
    const char *verb = argc > 1 ? argv[1] : "";
    if (beside_program(folder, sizeof folder, SEGUE_LIBEXEC_FROM_BIN)) {
        fprintf(stderr, "segue: cannot tell where this program lies: %s\n", strerror(errno));
        return EXIT_ENVIRONMENT;
    }
    if (!strcmp(verb, "--version")) {
        printf("segue %s, plugin ABI %d.%d\n", SEGUE_VERSION_STRING, SEGUE_PLUGIN_EPOCH, SEGUE_PLUGIN_MINOR);
        return finish(stdout, EXIT_DONE);
    }
    if (!strcmp(verb, "--help") || !strcmp(verb, "-h")) {
        list_verbs(stdout, folder);
        return finish(stdout, EXIT_DONE);
    }
    if (*verb && *verb != '-' && strlen(verb) < 64 && !strchr(verb, '/')) {
        snprintf(path, sizeof path, "%s/segue-%s", folder, verb);
        argv[1] = path;
        execv(path, argv + 1);
        if (errno != ENOENT) {
            fprintf(stderr, "segue: %s: %s\n", path, strerror(errno));
            return EXIT_ENVIRONMENT;
        }
    }
    if (*verb) fprintf(stderr, "segue: no verb %s\n", verb);
    list_verbs(stderr, folder);
    return EXIT_USAGE;
}
