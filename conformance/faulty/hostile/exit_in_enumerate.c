/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Ends the process while counting its devices, and says that all went well. */
#include "hostile.h"

#include <stdlib.h>

static segue_status count(void *self, uint32_t *out, segue_diag *diag)
{
    (void)self;
    (void)out;
    (void)diag;
    exit(0);
}

static segue_status spoil(segue_plugin *out)
{
    out->device_count = count;
    return SEGUE_OK;
}

HOSTILE_PLUGIN(exit_in_enumerate, spoil)
