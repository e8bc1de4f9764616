/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whose open(2) was told ESTALE on a read-only mount: the kernel then walks his
 * path once more, asking for every name.  If what he finds is replaced again
 * meanwhile, as another mount may do all the time, he must not be told a second
 * time.
 */
#include <time.h>

#include "fs/mount/session.h"

#define SLOTS 256
#define MEMORY_MS 100 /* the kernel comes again at once */

/* By thread: its number, and when (ms, truncated).  A collision is only a telling more. */
static _Atomic uint64_t told[SLOTS];

static uint32_t now32(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint32_t)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

bool told_stale(fuse_req_t req)
{
	uint32_t pid = (uint32_t)fuse_req_ctx(req)->pid;
	uint64_t v = atomic_load_explicit(&told[pid % SLOTS], memory_order_relaxed);

	return v >> 32 == pid && now32() - (uint32_t)v < MEMORY_MS;
}

void tell_stale(fuse_req_t req, bool on)
{
	uint32_t pid = (uint32_t)fuse_req_ctx(req)->pid;
	_Atomic uint64_t *t = &told[pid % SLOTS];

	if (on || atomic_load_explicit(t, memory_order_relaxed))
		atomic_store_explicit(t, on ? (uint64_t)pid << 32 | now32() : 0, memory_order_relaxed);
}
