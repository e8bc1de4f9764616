/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A bound on bytes a second.  Time that was not used is not saved up, but for
 * a moment: after a pause there is no burst.
 */
#ifndef CMKFS_PACE_H
#define CMKFS_PACE_H

#include <stdint.h>

#define PACE_SAVED_MS 200

struct pace {
	uint64_t rate; /* bytes a second; 0: no bound */
	uint64_t due;  /* µs: when what was done so far should have been done */
};

static inline void pace_begin(struct pace *p, uint64_t rate, uint64_t now_ms)
{
	*p = (struct pace){ rate, now_ms * 1000 };
}

/* BYTES more have been done.  Milliseconds until more may be. */
static inline uint64_t pace_wait(struct pace *p, uint64_t bytes, uint64_t now_ms)
{
	uint64_t now = now_ms * 1000;

	if (!p->rate)
		return 0;
	if (p->due + PACE_SAVED_MS * 1000 < now)
		p->due = now - PACE_SAVED_MS * 1000;
	p->due += (uint64_t)((unsigned __int128)bytes * 1000000 / p->rate);
	return p->due > now ? (p->due - now + 999) / 1000 : 0;
}

#endif
