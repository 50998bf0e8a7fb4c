/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#include "result.h"

static const struct {
    const char *name;
    int counts_as;
} statuses[STATUS_COUNT] = {
    [STATUS_PASS] = { "PASS", COUNTS_PASSED },
    [STATUS_PASS_MARGIN] = { "PASS_MARGIN", COUNTS_PASSED },
    [STATUS_FAIL] = { "FAIL", COUNTS_FAILED },
    [STATUS_UNSUPPORTED] = { "UNSUPPORTED", COUNTS_SKIPPED },
    [STATUS_MISSING] = { "MISSING", COUNTS_FAILED },
    [STATUS_UNDECLARED] = { "UNDECLARED", COUNTS_FAILED },
    [STATUS_SKIP_RESOURCE] = { "SKIP_RESOURCE", COUNTS_SKIPPED },
    [STATUS_DELEGATED] = { "DELEGATED", COUNTS_SKIPPED },
    [STATUS_CRASH] = { "CRASH", COUNTS_FAILED },
    [STATUS_TIMEOUT] = { "TIMEOUT", COUNTS_FAILED },
    [STATUS_DEVICE_LOST] = { "DEVICE_LOST", COUNTS_FAILED },
    [STATUS_FLAKY] = { "FLAKY", COUNTS_FAILED },
    [STATUS_ORDER] = { "ORDER", COUNTS_FAILED },
    [STATUS_VACUOUS] = { "VACUOUS", COUNTS_FAILED },
    [STATUS_HARNESS_ERROR] = { "HARNESS_ERROR", COUNTS_FAILED },
};

static const char *const checks[] = { "value", "state", "guard", "poison", "identity", "status" };

const char *status_name(enum status s)
{
    return (unsigned)s < STATUS_COUNT ? statuses[s].name : "unknown";
}

enum status status_named(const char *name)
{
    int s = 0;
    while (s < STATUS_COUNT && strcmp(statuses[s].name, name)) s++;
    return (enum status)s;
}

int status_counts_as(enum status s)
{
    return (unsigned)s < STATUS_COUNT ? statuses[s].counts_as : COUNTS_FAILED;
}

const char *check_name(enum check kind)
{
    for (unsigned i = 0; i < sizeof checks / sizeof *checks; i++)
        if ((unsigned)kind == 1u << i) return checks[i];
    return "unknown";
}
