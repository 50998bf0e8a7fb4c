/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves one mandatory function out. */
#include "hostile.h"

static segue_status spoil(segue_plugin *out)
{
    out->close(out->self);
    out->plan_run = NULL;
    return SEGUE_OK;
}

HOSTILE_PLUGIN(null_entry, spoil)
