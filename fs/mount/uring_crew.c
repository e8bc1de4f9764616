/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of the lanes of a processor serves.  Each has a buffer with the kernel,
 * so that a request that takes its time keeps no other one waiting.  Where
 * several callers look at one small thing after the other, though, and nothing
 * sleeps, more lanes are only more threads to switch between: then the first
 * one has all the buffers, and has the next request when it has answered one.
 *
 * A buffer changes its lane with the request that came in it: who answers gives
 * it back to the kernel on his own ring.
 */
#include <linux/fuse.h>

#include "fs/lib/clock.h"
#include "fs/mount/uring_lane.h"

/*
 * Two more for a brief request of another caller than the last, one less for
 * one of the same, SLOW less for each SLOW_NS that an answer takes: from memory
 * it takes a tenth of that.
 */
#define SCORE_MAX 192
#define SCORE_IN 128
#define SCORE_OUT 64
#define SLOW 16
#define SLOW_NS 40000

static bool gathers(struct crew *c)
{
	return atomic_load_explicit(&c->gathered, memory_order_relaxed);
}

static void set_score(struct crew *c, int score)
{
	bool in = gathers(c);

	score = MAX(0, MIN(score, SCORE_MAX));
	atomic_store_explicit(&c->score, score, memory_order_relaxed);
	if (in ? score < SCORE_OUT : score >= SCORE_IN)
		atomic_store_explicit(&c->gathered, !in, memory_order_relaxed);
}

static bool brief(uint32_t opcode, size_t bytes)
{
	switch (opcode) {
	case FUSE_READ:
		return bytes < LANE_BULK;
	case FUSE_LOOKUP:
	case FUSE_GETATTR:
	case FUSE_READLINK:
	case FUSE_GETXATTR:
	case FUSE_LISTXATTR:
	case FUSE_OPEN:
	case FUSE_RELEASE:
	case FUSE_ACCESS:
		return true;
	default:
		return false; /* it may well wait for the disk */
	}
}

static struct lane *without_slot(struct crew *c)
{
	for (struct lane *l = c->first; l; l = l->next)
		if (!atomic_load_explicit(&l->held, memory_order_relaxed))
			return l;
	return NULL;
}

/* Whether L has been at something for long: what is given to it would wait. */
static bool is_held_up(const struct lane *l)
{
	int64_t began = atomic_load_explicit(&l->began, memory_order_relaxed);

	return began && clock_ns(CLOCK_MONOTONIC) - began > SLOW_NS;
}

struct lane *crew_server(struct lane *l, uint32_t opcode, uint32_t pid, size_t bytes)
{
	struct crew *c = l->crew;
	int score = atomic_load_explicit(&c->score, memory_order_relaxed);
	struct lane *other = NULL;

	if (!brief(opcode, bytes))
		set_score(c, 0);
	else if (pid != atomic_exchange_explicit(&c->pid, pid, memory_order_relaxed))
		set_score(c, score + 2);
	else if (!gathers(c))
		set_score(c, score - 1); /* a single caller has a single lane as it is */
	if (gathers(c) && l != c->first && is_held_up(c->first))
		set_score(c, 0);
	if (gathers(c))
		return c->first;
	if (atomic_load_explicit(&l->held, memory_order_relaxed) > 1)
		other = without_slot(c);
	return other ? other : l;
}

void crew_took(struct crew *c, int64_t ns)
{
	if (ns >= SLOW_NS)
		set_score(c, atomic_load_explicit(&c->score, memory_order_relaxed) -
				     SLOW * (int)MIN(ns / SLOW_NS, SCORE_MAX));
}
