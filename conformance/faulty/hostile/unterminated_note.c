/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A note whose version fills its array without an end. */
#include "hostile.h"

__attribute__((section(".note.segue"), used, aligned(4))) static const segue_plugin_elf_note note = {
    6,
    sizeof(segue_plugin_note),
    1,
    "Segue",
    { .size = sizeof(segue_plugin_note),
      .epoch = SEGUE_PLUGIN_EPOCH,
      .minor = SEGUE_PLUGIN_MINOR,
      .id = "unterminated_note",
      .vendor = "Segue tests",
      .version = "0123456789abcdef0123456789abcdef",
      .uuid = HOSTILE_UUID }
};

static const segue_kit_plugin sound = { .id = "unterminated_note",
                                        .uuid = HOSTILE_UUID,
                                        .device = &sound_device,
                                        .rows = (const segue_row *const[]){ &segue_row_delegate, NULL } };

static segue_status spoil(segue_plugin *out)
{
    (void)out;
    return SEGUE_OK;
}

HOSTILE_ENTRY(spoil)
