/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Counts four billion devices. */
#include "hostile.h"

static segue_status count(void *self, uint32_t *out, segue_diag *diag)
{
    (void)self;
    (void)diag;
    *out = 4000000000u;
    return SEGUE_OK;
}

static segue_status spoil(segue_plugin *out)
{
    out->device_count = count;
    return SEGUE_OK;
}

HOSTILE_PLUGIN(absurd_devices, spoil)
