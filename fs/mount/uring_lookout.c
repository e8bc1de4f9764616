/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lookout of the lanes: while any is in step with its caller, and so goes
 * behind everybody else on its processor, it looks every tick whether one that
 * could run does.  It takes no lock, since who is brought out may hold it.
 */
#include <errno.h>
#include <sys/prctl.h>
#include <time.h>

#include "fs/mount/step.h"
#include "fs/mount/uring_lane.h"

/* Away from the processors where lanes are in step: the lookout would drive callers from them. */
static void keep_away(const struct uring *u, const cpu_set_t *now, cpu_set_t *last)
{
	cpu_set_t free;

	if (CPU_EQUAL(now, last))
		return;
	CPU_XOR(&free, &u->lanes[0].allowed, now);
	CPU_AND(&free, &free, &u->lanes[0].allowed);
	sched_setaffinity(0, sizeof(free), CPU_COUNT(&free) ? &free : &u->lanes[0].allowed);
	*last = *now;
}

/* False: no lane was in step. */
static bool look_at_all(struct uring *u, cpu_set_t *last)
{
	cpu_set_t in_step;

	CPU_ZERO(&in_step);
	for (unsigned int i = 0; i < u->n; i++)
		if (step_look(u->lanes[i].step))
			CPU_SET(u->lanes[i].cpu, &in_step);
	keep_away(u, &in_step, last);
	return CPU_COUNT(&in_step);
}

static void *lookout_main(void *arg)
{
	const struct timespec tick = { .tv_nsec = STEP_TICK_NS };
	struct uring *u = arg;
	cpu_set_t last;

	prctl(PR_SET_NAME, "cmkfs-lookout");
	CPU_ZERO(&last);
	while (!atomic_load(&u->stop)) {
		atomic_store(&u->rests, true);
		if (!look_at_all(u, &last) || !atomic_exchange(&u->rests, false))
			while (sem_wait(&u->look) && errno == EINTR)
				;
		nanosleep(&tick, NULL);
	}
	return NULL;
}

int uring_lookout_start(struct uring *u)
{
	int r = 0;

	for (unsigned int i = 0; i < u->n && !u->has_lookout && !r; i++) {
		if (!u->lanes[i].step)
			continue;
		r = -pthread_create(&u->lookout, NULL, lookout_main, u);
		u->has_lookout = !r;
	}
	return r;
}

void uring_lookout_stop(struct uring *u)
{
	if (!u->has_lookout)
		return;
	sem_post(&u->look);
	pthread_join(u->lookout, NULL);
	u->has_lookout = false;
	for (unsigned int i = 0; i < u->n; i++)
		step_end(u->lanes[i].step, false);
}

void uring_lookout_wake(struct uring *u)
{
	if (atomic_load(&u->rests) && atomic_exchange(&u->rests, false))
		sem_post(&u->look);
}
