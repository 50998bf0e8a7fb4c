/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SEGUE_TOOLS_PLUGIN_NEW_H
#define SEGUE_TOOLS_PLUGIN_NEW_H

/* Writes ./name from the template that is installed with this program; returns the exit code. */
int plugin_new(const char *name);

#endif
