/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* A small thread pool, one per opened device. Workers spin for about 50 microseconds after a job and then park.
 */
#ifndef SEGUE_ENGINE_POOL_H
#define SEGUE_ENGINE_POOL_H

#include <segue/plugin.h>

struct segue_pool;
typedef void (*segue_part)(void *arg, int32_t part, int32_t parts);

/* threads counts the caller of segue_pool_run, too. NULL when memory or threads run out. */
struct segue_pool *segue_pool_create(const segue_host *host, uint32_t threads);
void segue_pool_destroy(struct segue_pool *pool);
/* Calls body for every part and returns when all are done. Parts equal threads; while another caller has the
 * workers, there is one part, computed here. No allocation, no lock; a system call only to wake parked workers.
 */
void segue_pool_run(struct segue_pool *pool, segue_part body, void *arg);

#endif
