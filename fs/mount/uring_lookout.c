/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lookout of the lanes: while any is in step with its caller, and so goes
 * behind everybody else on its processor, it looks every tick whether one that
 * could run does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include "fs/mount/step.h"
#include "fs/mount/uring_lane.h"

#define TICK_NS 1000000
#define IDLE_TICKS 20 /* without a request, after which a lane gets out of step */

/* Whether the thread TID runs or would. */
static bool is_runnable(pid_t tid)
{
	_cleanup_close_ int fd = -1;
	char path[48], stat[64] = "", *p;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, stat, sizeof(stat) - 1) < 0)
		return false;
	p = strrchr(stat, ')');
	return p && !strncmp(p, ") R", 3);
}

static void look(struct lane *l)
{
	uint64_t served = l->served;

	if (served != l->seen)
		l->quiet = 0;
	else if (is_runnable(l->tid))
		step_end(l->step, true);
	else if (++l->quiet == IDLE_TICKS)
		step_end(l->step, false);
	l->seen = served;
}

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

/* False: no lane is in step. */
static bool look_at_all(struct uring *u, cpu_set_t *last)
{
	cpu_set_t in_step;

	CPU_ZERO(&in_step);
	for (unsigned int i = 0; i < u->n; i++) {
		struct lane *l = &u->lanes[i];

		if (!step_any(l->step))
			continue;
		CPU_SET(l->cpu, &in_step);
		look(l);
	}
	keep_away(u, &in_step, last);
	return CPU_COUNT(&in_step);
}

static void tick(struct uring *u)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += TICK_NS;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	while (!u->stop && pthread_cond_timedwait(&u->look, &u->lock, &t) != ETIMEDOUT)
		;
}

static void *lookout_main(void *arg)
{
	struct uring *u = arg;
	cpu_set_t last;

	prctl(PR_SET_NAME, "cmkfs-lookout");
	CPU_ZERO(&last);
	while (!u->stop) {
		atomic_store(&u->rests, true);
		if (look_at_all(u, &last))
			atomic_store(&u->rests, false);
		pthread_mutex_lock(&u->lock);
		while (u->rests && !u->stop)
			pthread_cond_wait(&u->look, &u->lock);
		tick(u);
		pthread_mutex_unlock(&u->lock);
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
	pthread_mutex_lock(&u->lock);
	pthread_cond_signal(&u->look);
	pthread_mutex_unlock(&u->lock);
	pthread_join(u->lookout, NULL);
	u->has_lookout = false;
}

void uring_lookout_wake(struct uring *u)
{
	if (!u->rests)
		return;
	pthread_mutex_lock(&u->lock);
	atomic_store(&u->rests, false);
	pthread_cond_signal(&u->look);
	pthread_mutex_unlock(&u->lock);
}
