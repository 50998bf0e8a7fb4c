/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Claims four billion primitives behind a pointer that holds none. */
#include "hostile.h"

static segue_status spoil(segue_plugin *out)
{
    out->primitive_count = 4000000000u;
    out->primitives = (const segue_plugin_primitive *)(uintptr_t)16;
    return SEGUE_OK;
}

HOSTILE_PLUGIN(absurd_primitives, spoil)
