/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Built for another generation of the plugin ABI: the file itself tells, before any of its code runs. */
#include <segue/version.h>
#undef SEGUE_PLUGIN_EPOCH
#define SEGUE_PLUGIN_EPOCH 7
#include "hostile.h"

static segue_status spoil(segue_plugin *out)
{
    out->epoch = SEGUE_PLUGIN_EPOCH;
    return SEGUE_OK;
}

HOSTILE_PLUGIN(wrong_epoch, spoil)
