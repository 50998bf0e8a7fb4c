/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Its note is in order, but its table is of another epoch. */
#include "hostile.h"

static segue_status spoil(segue_plugin *out)
{
    out->close(out->self);
    out->epoch = 7;
    return SEGUE_OK;
}

HOSTILE_PLUGIN(lying_epoch, spoil)
