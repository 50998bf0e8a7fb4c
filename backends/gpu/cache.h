/* SPDX-FileCopyrightText: 2026 The Segue authors */
/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled code on disk, found by the digest of all that it depends on. Any number of processes may use one
 * folder. Nothing here ever fails for the caller: a full disk, a read-only home or a damaged file is a miss.
 *
 * The folder is $SEGUE_CACHE_DIR, else $XDG_CACHE_HOME/segue, else $HOME/.cache/segue; the environment is not
 * read in set-id processes. SEGUE_CACHE_DIR="" turns the cache off. Loaded code runs with the user's rights, so
 * a folder that is not the user's own, or that others may write to, is refused with a line in the log. */
#ifndef SEGUE_GPU_CACHE_H
#define SEGUE_GPU_CACHE_H

#include <segue/plugin.h>

enum { GPU_DIGEST_BYTES = 32 };

struct gpu_cache;

/* NULL: no cache. */
struct gpu_cache *gpu_cache_open(const segue_host *host);
void gpu_cache_close(struct gpu_cache *cache);

/* cache may be NULL in all of these. 1 = found; *payload is the caller's, from host->alloc. What was found but
 * is not exactly what was written is removed. */
int gpu_cache_read(struct gpu_cache *cache, const uint8_t key[GPU_DIGEST_BYTES], void **payload,
                   uint64_t *bytes);
/* Afterwards the files together are at most $SEGUE_CACHE_BYTES (256 MiB): those used longest ago go first. */
void gpu_cache_write(struct gpu_cache *cache, const uint8_t key[GPU_DIGEST_BYTES], const void *payload,
                     uint64_t bytes);
void gpu_cache_remove(struct gpu_cache *cache, const uint8_t key[GPU_DIGEST_BYTES]);

#endif
