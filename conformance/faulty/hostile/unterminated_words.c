/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Fails its entry with a text that has no end. */
#include <segue/plugin.h>

#define UUID "9d1c0e7a-55b3-4f3e-8a07-00c0ffee0002"

SEGUE_PLUGIN_NOTE(unterminated_words, .vendor = "Segue tests", .version = "1", .uuid = UUID);

SEGUE_API segue_status SEGUE_PLUGIN_ENTRY()(const segue_host *, segue_plugin *, segue_diag *);
SEGUE_API segue_status SEGUE_PLUGIN_ENTRY()(const segue_host *host, segue_plugin *out, segue_diag *diag)
{
    (void)host;
    (void)out;
    memset(diag->text, 'x', sizeof diag->text);
    return -12345;
}
