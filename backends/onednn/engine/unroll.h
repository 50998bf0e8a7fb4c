/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* UNROLL in front of a loop of at most 16 rounds: all become code, so that arrays they walk through stay in registers. UNROLL_8: eight
 * rounds of a long loop. */
#ifndef SEGUE_ENGINE_UNROLL_H
#define SEGUE_ENGINE_UNROLL_H

#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#define UNROLL_8 _Pragma("clang loop unroll_count(8)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_8 _Pragma("GCC unroll 8")
#endif

#endif
