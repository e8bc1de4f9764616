/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The gate of a zone, which every request passes without waiting, unless it is
 * held for a moment.
 */
#include <errno.h>
#include <time.h>

#include "fs/store/volume.h"

#define POLL_NS 200000 /* while requests in flight are waited for */

void zone_pause(void)
{
	const struct timespec ts = { 0, POLL_NS };

	nanosleep(&ts, NULL);
}

static _Atomic unsigned int *uses(struct zone *z, enum zone_use use)
{
	return use == ZONE_DRAIN ? &z->drain : &z->normal;
}

/* It is counted. */
static int enter(struct zone *z, enum zone_use use)
{
	int state = z->state;

	if (state == ZONE_UNLOCKED || (state == ZONE_DRAINING && use == ZONE_DRAIN))
		return 0;
	atomic_fetch_sub(uses(z, use), 1);
	atomic_fetch_add_explicit(&z->counts.refused, 1, memory_order_relaxed);
	return -z->lock_errno;
}

/* The count goes up before the state is looked at: who sees it zero after a change sees all. */
int zone_enter(struct zone *z, enum zone_use use)
{
	for (;;) {
		atomic_fetch_add(uses(z, use), 1);
		if (!z->held)
			return enter(z, use);
		atomic_fetch_sub(uses(z, use), 1);
		zone_pause();
	}
}

int zone_enter_within(struct zone *z, enum zone_use use)
{
	atomic_fetch_add(uses(z, use), 1);
	return enter(z, use);
}

void zone_leave(struct zone *z, enum zone_use use)
{
	atomic_fetch_sub(uses(z, use), 1);
}

int object_enter(struct object *o, enum zone_use use)
{
	for (;;) {
		struct zone *z = o->zone;
		int r = zone_enter(z, use);

		if (z == o->zone)
			return r;
		if (r == 0)
			zone_leave(z, use);
	}
}

void object_leave(struct object *o, enum zone_use use)
{
	zone_leave(o->zone, use);
}

int zone_hold(struct zone *z, unsigned int timeout_ms)
{
	uint64_t end = now_ms() + timeout_ms;

	z->held = true;
	while (z->normal || z->drain) {
		if (now_ms() >= end) {
			z->held = false;
			return -EBUSY;
		}
		zone_pause();
	}
	return 0;
}

void zone_release(struct zone *z)
{
	z->held = false;
}

bool zone_takes(struct zone *z)
{
	bool takes = !zone_enter(z, ZONE_NORMAL);

	if (takes) {
		takes = zone_taken_keys(z);
		zone_leave(z, ZONE_NORMAL);
	}
	return takes;
}

enum zone_state zone_state(const struct zone *z)
{
	return (enum zone_state)z->state;
}

int zone_errno(const struct zone *z)
{
	return z->state == ZONE_UNLOCKED ? 0 : z->lock_errno;
}
