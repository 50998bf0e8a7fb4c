/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Counts its devices for ever. */
#include "hostile.h"

static segue_status count(void *self, uint32_t *out, segue_diag *diag)
{
    volatile uint32_t *turns = out;
    (void)self;
    (void)diag;
    for (;;) *turns += 1;
    return SEGUE_OK;
}

static segue_status spoil(segue_plugin *out)
{
    out->device_count = count;
    return SEGUE_OK;
}

HOSTILE_PLUGIN(hang_in_enumerate, spoil)
