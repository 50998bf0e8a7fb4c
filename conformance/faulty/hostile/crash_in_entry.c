/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Writes where nothing is mapped, in its entry. */
#include "hostile.h"

static segue_status spoil(segue_plugin *out)
{
    out->close(out->self);
    volatile uintptr_t nowhere = 16;
    *(volatile int *)nowhere = 1;
    return SEGUE_OK;
}

HOSTILE_PLUGIN(crash_in_entry, spoil)
