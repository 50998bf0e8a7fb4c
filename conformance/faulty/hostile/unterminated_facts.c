/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Describes its device, and every remark that it makes, in strings without an end. */
#include "hostile.h"

static segue_status info(void *self, uint32_t index, segue_device_facts *out, segue_diag *diag)
{
    (void)self;
    (void)index;
    memset(out->description, 'x', sizeof out->description);
    memset(out->text, 'x', sizeof out->text);
    if (diag) memset(diag->text, 'x', sizeof diag->text);
    return SEGUE_OK;
}

static segue_status spoil(segue_plugin *out)
{
    out->device_info = info;
    return SEGUE_OK;
}

HOSTILE_PLUGIN(unterminated_facts, spoil)
