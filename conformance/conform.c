/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue conform: proves a device. */
#include "grammar/verb_list.h"
#include "runner/verb.h"
#include "vectors/verb_golden.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct verb {
    const char *name;
    int (*run)(int argc, char **argv); /* an exit code; argv[0] is the name */
    const char *about;
} verbs[] = {
    { "run", verb_run, "judges a device by a profile's cases or by those that are named" },
    { "list", verb_list, "prints a profile's cases" },
    { "golden", verb_golden, "judges a device by what the original authors' code answered" },
};
enum { VERBS = sizeof verbs / sizeof *verbs };

static int usage(FILE *to)
{
    fputs("usage: segue conform VERB ...\n", to);
    for (int i = 0; i < VERBS; i++) fprintf(to, "  %-7s %s\n", verbs[i].name, verbs[i].about);
    fputs(
        "segue conform VERB --help says more. Exit: 0 ok, 1 failed, 2 usage, 3 no device, 4 files or system.\n",
        to);
    return to == stdout ? EXIT_OK : EXIT_USAGE;
}

int main(int argc, char **argv)
{
    int code = EXIT_USAGE, i = 0;
    const char *name = argc > 1 ? argv[1] : "";
    while (i < VERBS && strcmp(name, verbs[i].name)) i++;
    if (i < VERBS) code = verbs[i].run(argc - 1, argv + 1);
    else if (!strcmp(name, "--help") || !strcmp(name, "-h") || !strcmp(name, "help")) code = usage(stdout);
    else {
        if (*name) fprintf(stderr, "segue conform: there is no verb %s\n", name);
        code = usage(stderr);
    }
    if (!fflush(stdout) && !ferror(stdout)) return code;
    fprintf(stderr, "segue conform: cannot write the output: %s\n", strerror(errno));
    return EXIT_ENVIRONMENT;
}
