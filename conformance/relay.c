/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* segue relay: a program of its own, with devices open side by side. */
#include "relay/relay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    const int code = verb_relay(argc, argv);
    if (!fflush(stdout) && !ferror(stdout)) return code;
    fprintf(stderr, "segue relay: cannot write the output: %s\n", strerror(errno));
    return RELAY_ENVIRONMENT;
}
