/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* What the loader's files share. Each check fills the candidate's facts; the first that fails rejects it with
 * phase and words. */
#ifndef SEGUE_LOADER_H
#define SEGUE_LOADER_H

#include "os.h"
#include "plugins.h"

/* MAX_ID: an id with ":255" fits the name of a device. */
enum { MAX_PRIMITIVES = 256, MAX_DEVICES = 256, MAX_ID = 27 };

/* Entries that are part of the library, NULL-ended. */
extern const segue_plugin_entry segue_builtin_entries[];

/* Marks the candidate as rejected; returns SEGUE_ERROR_PLUGIN. */
segue_status segue_reject(segue_plugin_facts *facts, uint32_t phase, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Reads the identity note of an ELF file into facts; nothing of the file is run. name: the file's own, which
 * must fit the id. */
segue_status segue_read_note(const struct os_file *file, const char *name, segue_plugin_facts *facts);
int segue_is_id(const char *text, size_t size);

/* SEGUE_OK if only root and the effective user can change what lies at an absolute path without links; or
 * words. */
segue_status segue_check_trust(const char *path, char *text, size_t size);

/* The answer of an entry. Once the table is vetted its close() may be called. */
segue_status segue_vet_table(const segue_plugin *answer, segue_plugin_facts *facts);
segue_status segue_vet_identity(const segue_plugin *answer, segue_plugin_facts *facts);
segue_status segue_vet_primitives(const segue_plugin *answer, segue_plugin_facts *facts);
segue_status segue_vet_device(const segue_device_facts *device, uint32_t index, segue_plugin_facts *facts);

/* Calls an entry and vets what it says, up to its primitives; *answer is zero when that fails. */
segue_status segue_call_entry(segue_plugin_entry entry, const segue_host *host, segue_plugin *answer,
                              segue_plugin_facts *facts);

#endif
