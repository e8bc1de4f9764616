/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has turned out badly is not tried again for some time, and for twice as
 * long each time that it does so soon after.  Times are ns of CLOCK_MONOTONIC.
 * Any thread may call these: of what several write at once one or the other
 * holds.
 */
#ifndef CMKFS_MOUNT_BACKOFF_H
#define CMKFS_MOUNT_BACKOFF_H

#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "crypto/base.h"
#include "fs/lib/clock.h"

#define BACKOFF_MAX_NS 3200000000LL
#define BACKOFF_SLICE_NS 500000 /* another program's: whom we wait for asks sooner */

/* All zero: nothing has turned out badly. */
struct backoff {
	_Atomic int64_t until, span; /* not until then; for how long that was */
};

static inline bool backoff_lasts(const struct backoff *b, int64_t now)
{
	return now < atomic_load_explicit(&b->until, memory_order_relaxed);
}

/* It has turned out badly again: for FIRST, or twice as long as last time. */
static inline void backoff_extend(struct backoff *b, int64_t now, int64_t first)
{
	int64_t span = b->span;

	span = now < b->until + span ? MIN(2 * span, BACKOFF_MAX_NS) : first;
	b->span = span;
	b->until = now + span;
}

/*
 * Let others have the processor.  Who yields to a program that computes gets it
 * back when that one's slice is over, milliseconds later; who sleeps is woken
 * at once.  False: it was like that, and is better not done again for FIRST.
 */
static inline bool backoff_yield(struct backoff *b, int64_t first)
{
	int64_t begin = clock_ns(CLOCK_MONOTONIC), end;

	sched_yield();
	end = clock_ns(CLOCK_MONOTONIC);
	if (end - begin < BACKOFF_SLICE_NS)
		return true;
	backoff_extend(b, end, first);
	return false;
}

#endif
