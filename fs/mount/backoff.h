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

#define BACKOFF_SOON_NS 50000000LL /* at least: so long after it is over */
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

/* What was begun at NOW has turned out badly: for FIRST, or twice as long as last time. */
static inline void backoff_extend(struct backoff *b, int64_t now, int64_t first)
{
	int64_t span = b->span;

	span = now < b->until + MAX(span, BACKOFF_SOON_NS) ? MIN(2 * span, BACKOFF_MAX_NS) : first;
	b->span = span;
	b->until = now + span;
}

/*
 * Let others have the processor, at BEGIN.  Who yields to a program that
 * computes gets it back when that one's slice is over, milliseconds later; who
 * sleeps is woken at once.  False: it was like that, and is better not done
 * again for FIRST.
 */
static inline bool backoff_yield(struct backoff *b, int64_t begin, int64_t first)
{
	sched_yield();
	if (clock_ns(CLOCK_MONOTONIC) - begin < BACKOFF_SLICE_NS)
		return true;
	backoff_extend(b, begin, first);
	return false;
}

#endif
