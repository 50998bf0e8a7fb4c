/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Answers with a table that ends in the middle of the mandatory functions. */
#include "hostile.h"

static segue_status spoil(segue_plugin *out)
{
    out->close(out->self); /* a host cannot call close() of a table that it refuses to read */
    out->size = offsetof(segue_plugin, memory_alloc);
    return SEGUE_OK;
}

HOSTILE_PLUGIN(short_table, spoil)
