/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* The release these headers belong to. segue_version() tells which one is loaded. */
#ifndef SEGUE_VERSION_H
#define SEGUE_VERSION_H

#define SEGUE_VERSION_MAJOR 0
#define SEGUE_VERSION_MINOR 1
#define SEGUE_VERSION_PATCH 0
#define SEGUE_VERSION_STRING "0.1.0"
#define SEGUE_VERSION_NUMBER (SEGUE_VERSION_MAJOR * 10000 + SEGUE_VERSION_MINOR * 100 + SEGUE_VERSION_PATCH)

/* The plugin ABI: an incompatible generation (epoch) and its additive revision (minor).
 * Epoch 0 promises nothing across minors. */
#define SEGUE_PLUGIN_EPOCH 0
#define SEGUE_PLUGIN_MINOR 1

#endif
