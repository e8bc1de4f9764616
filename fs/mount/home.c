/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Each worker at home on a processor: see home.h.
 */
#include "fs/mount/home.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "crypto/base.h"
#include "fs/mount/backoff.h"
#include "fs/mount/cpus.h"

#define SCORE_MAX 320 /* one more for each brief request that was found, of another caller … */
#define SCORE_IN 256
#define SCORE_OUT 128
#define SAME 1	 /* … so many less for one of the same caller */
#define WAITED 8 /* … for one that was waited for */
#define LONG 16	 /* … or a long one */
#define CROWDED_NS 10000000LL /* how long not to go home after a yield that was long, at first */

struct homes {
	_Atomic unsigned int in;
	_Atomic bool taken[CPU_SETSIZE];
	struct backoff crowded;
};

static _Thread_local struct {
	uint32_t pid; /* of the last request */
	int score;
	bool in;
	int cpu;	  /* then: its home */
	struct cpus cpus; /* and where it might run before */
} me;

struct homes *homes_new(unsigned int n)
{
	struct cpus c;
	int cpus = cpus_get(&c);

	return cpus >= 2 && (unsigned int)cpus <= n ? calloc(1, sizeof(struct homes)) : NULL;
}

void homes_free(struct homes *h)
{
	free(h);
}

bool homes_any(const struct homes *h)
{
	return h && atomic_load_explicit(&h->in, memory_order_relaxed);
}

bool home_is_in(const struct homes *h)
{
	return h && me.in;
}

void home_leave(struct homes *h)
{
	me.score = 0;
	if (!home_is_in(h))
		return;
	me.in = false;
	h->in--;
	atomic_store(&h->taken[me.cpu], false);
	cpus_give_back(&me.cpus, 0);
}

static bool take(struct homes *h, int cpu)
{
	return cpu >= 0 && cpu < CPU_SETSIZE && CPU_ISSET(cpu, &me.cpus.now) &&
	       !atomic_exchange(&h->taken[cpu], true);
}

/* Where the calling thread is, if nobody else is at home there. */
static int take_one(struct homes *h)
{
	int cpu = sched_getcpu();

	if (take(h, cpu))
		return cpu;
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (take(h, cpu))
			return cpu;
	return -1;
}

static void enter(struct homes *h)
{
	me.score = 0; /* if it comes to nothing, not with the next request again */
	if (backoff_lasts(&h->crowded, clock_ns(CLOCK_MONOTONIC)) ||
	    cpus_get(&me.cpus) < 2) /* somebody may have taken some away since */
		return;
	me.cpu = take_one(h);
	if (me.cpu < 0)
		return;
	me.in = cpus_keep_on(&me.cpus, me.cpu);
	if (me.in) {
		me.score = SCORE_IN;
		h->in++;
	} else {
		atomic_store(&h->taken[me.cpu], false);
	}
}

void home_yield(struct homes *h)
{
	if (home_is_in(h) &&
	    !backoff_yield(&h->crowded, clock_ns(CLOCK_MONOTONIC), CROWDED_NS))
		home_leave(h);
}

void home_note(struct homes *h, uint32_t pid, bool found, bool brief)
{
	if (!h || (!pid && brief))
		return;
	if (!brief)
		me.score -= LONG;
	else if (!found)
		me.score -= WAITED;
	else
		me.score += pid == me.pid ? -SAME : 1;
	me.pid = pid;
	me.score = MAX(0, MIN(me.score, SCORE_MAX));
	if (me.in && me.score < SCORE_OUT)
		home_leave(h);
	else if (!me.in && me.score >= SCORE_IN)
		enter(h);
}
