/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "verb_list.h"

#include "descriptor.h"
#include "list.h"

#include <getopt.h>

enum { DONE = 0, FAILED = 1, USAGE = 2, ENVIRONMENT = 4 };

static int usage(FILE *to)
{
    fputs("usage: segue conform list [--profile P] [--coverage | --generate]\n"
          "Prints the cases of a profile, one canonical descriptor a line.\n"
          "  --profile P  smoke (default) or core\n"
          "  --coverage   instead: how many pairs of values of the cases' factors are there, per primitive\n"
          "  --generate   instead: the list file as the case facts make it now, with its header\n"
          "Exit: 0 done, 1 writing failed, 2 usage, 4 the installed list is missing or was edited.\n",
          to);
    return to == stdout ? DONE : USAGE;
}

static int print(const struct list *l)
{
    for (size_t i = 0; i < l->count; i++) puts(l->names[i]);
    return 0;
}

int verb_list(int argc, char **argv)
{
    static const struct option options[] = { { "profile", required_argument, NULL, 'p' },
                                             { "coverage", no_argument, NULL, 'c' },
                                             { "generate", no_argument, NULL, 'g' },
                                             { "help", no_argument, NULL, 'h' },
                                             { NULL, 0, NULL, 0 } };
    const char *profile = "smoke";
    char why[DESCRIPTOR_WHY];
    int coverage = 0, generate = 0, failed;
    struct list l = { 0 };
    argv[0] = (char[]){ "segue conform list" }; /* what getopt_long calls us */
    optind = 1;
    for (int c; (c = getopt_long(argc, argv, "h", options, NULL)) != -1;) {
        if (c == 'h') return usage(stdout);
        if (c == 'p') profile = optarg;
        else if (c == 'c') coverage = 1;
        else if (c == 'g') generate = 1;
        else return usage(stderr);
    }
    if (optind < argc || (coverage && generate) || (strcmp(profile, "smoke") && strcmp(profile, "core"))) {
        if (optind < argc) fprintf(stderr, "segue conform list: wanted options only, given %s\n", argv[optind]);
        else if (coverage) fputs("segue conform list: wanted --coverage or --generate, given both\n", stderr);
        else fprintf(stderr, "segue conform list: wanted profile smoke or core, given %s\n", profile);
        return usage(stderr);
    }
    failed = generate ? list_generate(profile, &l, why) : list_read(profile, &l, why);
    if (!failed && coverage) failed = list_coverage(&l, stdout, why);
    if (failed) fprintf(stderr, "segue conform list: %s\n", why);
    else failed = generate ? list_write(&l, profile, stdout) : coverage ? 0 : print(&l);
    const int code = failed ? l.count ? FAILED : ENVIRONMENT : DONE;
    list_free(&l);
    return fflush(stdout) ? FAILED : code;
}
