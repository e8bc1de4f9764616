/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A read-only mount beside the one that writes: after ESTALE the kernel walks
 * the caller's path once more, asking for every name, and a second ESTALE is
 * his answer.  What he then finds may be replaced again meanwhile, as another
 * mount may do all the time: it is opened at once (ops_meta.c).
 */
#include <errno.h>
#include <linux/fuse.h>

#include "fs/lib/clock.h"
#include "fs/mount/session.h"

#define SLOTS 256
#define MEMORY_MS 1000 /* the kernel comes again at once, as soon as it gets a processor */

/* By thread.  A collision is only a telling more. */
static _Atomic uint64_t told[SLOTS]; /* its number; when (ms, truncated) */

static uint32_t now32(void)
{
	return (uint32_t)clock_ms();
}

static uint32_t caller(fuse_req_t req)
{
	return (uint32_t)fuse_req_ctx(req)->pid;
}

bool again_told(fuse_req_t req)
{
	uint32_t pid = caller(req);
	uint64_t v = atomic_load_explicit(&told[pid % SLOTS], memory_order_relaxed);

	return v >> 32 == pid && now32() - (uint32_t)v < MEMORY_MS;
}

void again_forget(fuse_req_t req)
{
	_Atomic uint64_t *slot = &told[caller(req) % SLOTS];

	if (atomic_load_explicit(slot, memory_order_relaxed))
		atomic_store_explicit(slot, 0, memory_order_relaxed);
}

void again_note(fuse_req_t req, int r)
{
	uint32_t pid = caller(req);

	if (r != -ESTALE || !mount_of(req)->opt->read_only || this_request.opcode == FUSE_READ)
		return;
	atomic_store_explicit(&told[pid % SLOTS], (uint64_t)pid << 32 | now32(),
			      memory_order_relaxed);
}
