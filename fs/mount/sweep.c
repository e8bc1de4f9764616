/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sweep threads.  A big file is swept by ranges dealt to all threads: one
 * call for the whole file unmaps it once at the start, and readers then fault
 * its pages back in faster than they are removed one by one; a small range is
 * unmapped just before it goes.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "fs/mount/sweep.h"

#define RANGE_MIB 16u
#define RANGES_MAX 4096u /* of one file: a sparse one of terabytes has bigger ranges */
#define BLOCK 64u	 /* nodes dealt at a time */
#define PRIORITY 10

struct range {
	uint32_t id, mib, len; /* len 0: to the end */
};

struct sweeper {
	struct mount *m;
	unsigned int n;
	pthread_mutex_t lock; /* protects job, active, stop */
	pthread_cond_t work, idle;
	uint64_t job;
	unsigned int active;
	bool stop;
	/* The job; immutable while active, but for the cursors. */
	struct zone *zone;
	enum sweep_kind kind;
	uint32_t high_water;
	struct range *ranges;
	size_t nranges, cap;
	_Atomic size_t next_range;
	_Atomic uint32_t next_id;
	_Atomic bool cancel;
	_Atomic unsigned int missed;
	pthread_t threads[];
};

void sweep_priority(void)
{
	struct sched_param p = { .sched_priority = PRIORITY };

	if (pthread_setschedparam(pthread_self(), SCHED_FIFO, &p))
		setpriority(PRIO_PROCESS, 0, -20); /* of this thread, on Linux */
}

static bool concerns(const struct sweeper *s, struct inode *i, unsigned int *ret_flags)
{
	if (atomic_load(&i->zone) != s->zone)
		return false;
	*ret_flags = atomic_load(&i->flags);
	return *ret_flags;
}

/* The flags go before the call: what comes in after it sets them again. */
static void clear_flags(struct sweeper *s, struct inode *i)
{
	atomic_fetch_and(&i->flags, s->kind == SWEEP_LAST ? 0 : INODE_WRITTEN);
}

static void sweep_node(struct sweeper *s, uint32_t id)
{
	struct inode *i = inode_of(s->m->inodes, id);
	unsigned int flags, hot = INODE_PAGES | INODE_WRITTEN;

	if (!i || !concerns(s, i, &flags))
		return;
	if (s->kind == SWEEP_ATTRS) {
		if (i->dir || flags & hot)
			fuse_lowlevel_notify_inval_inode(s->m->se, id, -1, 0);
		return;
	}
	if (s->kind == SWEEP_PAGES && !(flags & hot))
		return;
	clear_flags(s, i);
	if (fuse_lowlevel_notify_inval_inode(s->m->se, id, 0, 0) == -ENOENT &&
	    atomic_load(&i->zone) == s->zone) {
		atomic_fetch_or(&i->flags, (uint8_t)flags);
		atomic_fetch_add(&s->missed, 1);
	}
}

unsigned int sweep_missed(const struct sweeper *s)
{
	return atomic_load(&s->missed);
}

static void sweep_range(struct sweeper *s, const struct range *r)
{
	fuse_lowlevel_notify_inval_inode(s->m->se, r->id, (off_t)r->mib << REACH_SHIFT,
					 (off_t)r->len << REACH_SHIFT);
}

static void take_part(struct sweeper *s)
{
	size_t r;
	uint32_t id;

	while (!atomic_load(&s->cancel) && (r = atomic_fetch_add(&s->next_range, 1)) < s->nranges)
		sweep_range(s, &s->ranges[r]);
	while (!atomic_load(&s->cancel) &&
	       (id = atomic_fetch_add(&s->next_id, BLOCK)) <= s->high_water)
		for (uint32_t n = 0; n < BLOCK && !atomic_load(&s->cancel); n++)
			sweep_node(s, id + n);
}

static void *sweep_main(void *arg)
{
	struct sweeper *s = arg;
	uint64_t done = 0;

	prctl(PR_SET_NAME, "cmkfs-sweep");
	sweep_priority();
	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		if (s->job == done) {
			pthread_cond_wait(&s->work, &s->lock);
			continue;
		}
		done = s->job;
		pthread_mutex_unlock(&s->lock);
		take_part(s);
		pthread_mutex_lock(&s->lock);
		if (!--s->active)
			pthread_cond_broadcast(&s->idle);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- the caller's side ---------------------------------------------------------- */

static int push(struct sweeper *s, struct range r)
{
	if (s->nranges == s->cap) {
		size_t cap = s->cap ? 2 * s->cap : 256;
		struct range *p = realloc(s->ranges, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		s->ranges = p;
		s->cap = cap;
	}
	s->ranges[s->nranges++] = r;
	return 0;
}

/* Files of more than one range; the rest is dealt by number. */
static void collect(struct sweeper *s)
{
	struct inode_shared *shared = inode_shared(s->m->inodes);

	for (uint32_t id = INODE_ROOT; id <= s->high_water; id++) {
		struct inode *i = inode_of(s->m->inodes, id);
		uint32_t reach = atomic_load_explicit(&shared->reach[id], memory_order_relaxed);
		uint32_t step = MAX(RANGE_MIB, reach / RANGES_MAX + 1), at;
		unsigned int flags;

		if (reach <= RANGE_MIB || !i || !concerns(s, i, &flags) || !(flags & INODE_PAGES))
			continue;
		clear_flags(s, i);
		for (at = 0; at < reach; at += step) {
			uint32_t len = at + step < reach ? step : 0;

			if (push(s, (struct range){ id, at, len }) < 0) {
				/* No memory: what is left of it in one piece. */
				fuse_lowlevel_notify_inval_inode(s->m->se, id,
								 (off_t)at << REACH_SHIFT, 0);
				break;
			}
		}
	}
}

/* Biggest file first; ranges of a file in order, so that both threads are at it together. */
static int by_size(const void *pa, const void *pb, void *arg)
{
	const struct inode_shared *shared = arg;
	const struct range *a = pa, *b = pb;
	uint32_t ra = shared->reach[a->id], rb = shared->reach[b->id];

	if (ra != rb)
		return ra < rb ? 1 : -1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a->mib < b->mib ? -1 : a->mib > b->mib;
}

static int wait_idle_locked(struct sweeper *s, const struct timespec *until)
{
	while (s->active) {
		if (!until)
			pthread_cond_wait(&s->idle, &s->lock);
		else if (pthread_cond_timedwait(&s->idle, &s->lock, until) == ETIMEDOUT)
			return s->active ? -ETIMEDOUT : 0;
	}
	return 0;
}

static void begin_locked(struct sweeper *s, struct zone *z, enum sweep_kind kind)
{
	s->zone = z;
	s->kind = kind;
	s->high_water = inode_high_water(s->m->inodes);
	s->nranges = 0;
	atomic_store(&s->next_range, 0);
	atomic_store(&s->next_id, INODE_ROOT);
	atomic_store(&s->cancel, false);
	atomic_store(&s->missed, 0);
	if (kind != SWEEP_ATTRS) {
		collect(s);
		if (s->nranges)
			qsort_r(s->ranges, s->nranges, sizeof(s->ranges[0]), by_size,
				inode_shared(s->m->inodes));
	}
	s->active = s->n;
	s->job++;
	pthread_cond_broadcast(&s->work);
}

int sweep(struct sweeper *s, struct zone *z, enum sweep_kind kind, unsigned int timeout_ms)
{
	struct timespec until;
	int r;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += (long)(timeout_ms % 1000) * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	pthread_mutex_lock(&s->lock);
	r = wait_idle_locked(s, timeout_ms ? &until : NULL);
	if (!r) {
		begin_locked(s, z, kind);
		r = wait_idle_locked(s, timeout_ms ? &until : NULL);
	}
	if (r < 0)
		atomic_store(&s->cancel, true);
	pthread_mutex_unlock(&s->lock);
	return r;
}

int sweeper_start(struct mount *m, unsigned int n, struct sweeper **ret)
{
	struct sweeper *s = calloc(1, sizeof(*s) + n * sizeof(s->threads[0]));
	pthread_condattr_t attr;
	int r = 0;

	if (!s)
		return -ENOMEM;
	s->m = m;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->idle, &attr);
	pthread_condattr_destroy(&attr);
	for (; s->n < n; s->n++) {
		r = -pthread_create(&s->threads[s->n], NULL, sweep_main, s);
		if (r < 0)
			break;
	}
	if (r < 0) {
		sweeper_stop(s);
		return r;
	}
	*ret = s;
	return 0;
}

void sweeper_stop(struct sweeper *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->work);
	pthread_mutex_unlock(&s->lock);
	for (unsigned int i = 0; i < s->n; i++)
		pthread_join(s->threads[i], NULL);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->idle);
	free(s->ranges);
	free(s);
}
