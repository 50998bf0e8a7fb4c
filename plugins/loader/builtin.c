/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What is linked into the library: the reference, by the registration that a vendor may use too. */
#include "loader.h"

segue_status SEGUE_STATIC_NAME(reference, SEGUE_PLUGIN_EPOCH)(const segue_host *host, segue_plugin *out,
                                                              segue_diag *diag);

const segue_plugin_entry segue_builtin_entries[] = { SEGUE_STATIC_NAME(reference, SEGUE_PLUGIN_EPOCH), NULL };
