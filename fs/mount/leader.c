/* SPDX-License-Identifier: Apache-2.0 */
/*
 * While the leader handles a request that it believes to be short, nobody
 * waits at the device.  Two things keep that from delaying others: whoever
 * finds request after request there already sees whether there is work for
 * one more, and one of those who rest, the lookout, steps in when nothing has
 * moved for a tick.
 */
#include "fs/mount/leader.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/base.h"
#include "fs/lib/clock.h"
#include "fs/mount/backoff.h"
#include "fs/mount/home.h"
#include "fs/mount/step.h"

#define WATCH_NS 50000	  /* how long to look before sleeping */
#define SHORT_NS 100000	  /* a wait that was shorter makes it worth to look */
#define CROWDED_NS 50000000LL /* how long to sleep at once after a yield that was long, at first */
#define TICK_NS 1000000	  /* of the lookout */
#define IDLE_TICKS 20	  /* without a request, after which it sleeps */
#define STEP_MS 1	  /* without a request, after which to get out of step */
#define IN_A_ROW 4	  /* requests found waiting, after which to see whether more wait */

struct leader {
	int fd;
	struct step *step;
	struct homes *homes;
	_Atomic bool leading;	     /* somebody waits at the device */
	_Atomic uint64_t taken;	     /* requests */
	_Atomic int64_t waited;	     /* how long the last leader did, in ns */
	struct backoff crowded;	     /* while it lasts the leader does not look */
	pthread_mutex_t lock;	     /* protects what follows */
	pthread_cond_t rest, look;
	unsigned int resting, calls; /* without the lookout */
	_Atomic bool idle;	     /* the lookout sleeps: wake it with the next request */
	_Atomic bool lookout;	     /* there is one; written under lock */
	bool called, stop;	     /* it is called */
};

/* Requests that the calling thread has found waiting, one after the other. */
static _Thread_local unsigned int in_a_row;

int leader_new(int fd, unsigned int n, struct leader **ret)
{
	int flags = fcntl(fd, F_GETFL);
	pthread_condattr_t attr;
	struct leader *l;

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	l = calloc(1, sizeof(*l));
	if (!l)
		return -ENOMEM;
	l->fd = fd;
	l->step = step_new(-1);
	l->homes = homes_new(n);
	l->waited = SHORT_NS;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->rest, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->look, &attr);
	pthread_condattr_destroy(&attr);
	*ret = l;
	return 0;
}

void leader_free(struct leader *l)
{
	if (!l)
		return;
	pthread_cond_destroy(&l->look);
	pthread_cond_destroy(&l->rest);
	pthread_mutex_destroy(&l->lock);
	homes_free(l->homes);
	step_free(l->step);
	free(l);
}

void leader_call(struct leader *l)
{
	step_leave(l->step); /* what follows may take the lookout, and long */
	pthread_mutex_lock(&l->lock);
	if (l->resting > l->calls) {
		l->calls++;
		pthread_cond_signal(&l->rest);
	} else if (l->lookout && !l->called) {
		l->called = true;
		pthread_cond_signal(&l->look);
	}
	pthread_mutex_unlock(&l->lock);
}

void leader_stop(struct leader *l)
{
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_broadcast(&l->rest);
	pthread_cond_broadcast(&l->look);
	pthread_mutex_unlock(&l->lock);
}

/* ---- resting -------------------------------------------------------------------- */

/* True: a tick has gone by without anybody signalling. */
static bool tick(struct leader *l)
{
	int64_t at = clock_ns(CLOCK_MONOTONIC) + (step_any(l->step) ? STEP_TICK_NS : TICK_NS);
	struct timespec ts = { at / 1000000000, at % 1000000000 };

	return pthread_cond_timedwait(&l->look, &l->lock, &ts) == ETIMEDOUT;
}

/* Sleep until note_taken() wakes us, unless a request has come just now. */
static void sleep_idle(struct leader *l, uint64_t taken)
{
	atomic_store(&l->idle, true);
	while (l->idle && !l->called && !l->stop && l->leading && l->taken == taken)
		pthread_cond_wait(&l->look, &l->lock);
	atomic_store(&l->idle, false);
}

static bool more_waits(const struct leader *l)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void look_out(struct leader *l)
{
	unsigned int quiet = 0;
	int away = -1;

	l->lookout = true;
	while (!l->called && !l->stop) {
		uint64_t taken = l->taken;
		bool ticked;

		step_keep_away(l->step, &away);
		ticked = tick(l);
		if (ticked)
			step_look(l->step);
		if (!ticked || l->taken != taken) {
			quiet = 0;
			continue;
		}
		/* Without a request for so long it would have got out by itself, if it came to run. */
		if (step_any(l->step) && (quiet || more_waits(l)))
			step_end(l->step, more_waits(l));
		if (!l->leading)
			break; /* who was the leader is busy for longer than it thought */
		if (++quiet == IDLE_TICKS) {
			sleep_idle(l, taken);
			quiet = 0;
		}
	}
	l->lookout = l->called = false;
	step_end(l->step, false);
	step_come_back(l->step, &away);
	pthread_cond_signal(&l->rest); /* for another lookout, if anybody rests */
}

static void rest(struct leader *l)
{
	home_leave(l->homes);
	step_leave(l->step);
	pthread_mutex_lock(&l->lock);
	l->resting++;
	while (!l->calls && !l->stop && l->lookout)
		pthread_cond_wait(&l->rest, &l->lock);
	l->resting--;
	if (l->calls)
		l->calls--;
	else if (!l->stop)
		look_out(l);
	pthread_mutex_unlock(&l->lock);
}

/* ---- leading -------------------------------------------------------------------- */

static ssize_t lead(struct leader *l, uint8_t *buf, size_t n)
{
	struct pollfd p = { .fd = l->fd, .events = POLLIN };
	int64_t begin = clock_ns(CLOCK_MONOTONIC), now;
	bool watch = l->waited < SHORT_NS && !backoff_lasts(&l->crowded, begin) &&
		     !step_is_in(l->step);
	ssize_t got;

	for (;;) {
		got = read(l->fd, buf, n);
		now = clock_ns(CLOCK_MONOTONIC);
		if (got >= 0 || errno != EAGAIN)
			break;
		if (watch && now - begin < WATCH_NS) {
			watch = backoff_yield(&l->crowded, now, CROWDED_NS);
		} else {
			int ready;

			home_leave(l->homes);
			step_miss(l->step);
			ready = poll(&p, 1, step_is_in(l->step) ? STEP_MS : -1);

			if (ready < 0)
				break;
			if (!ready)
				step_leave(l->step);
		}
	}
	atomic_store_explicit(&l->waited, now - begin, memory_order_relaxed);
	return got;
}

static void note_taken(struct leader *l)
{
	l->taken++;
	if (!l->idle)
		return;
	pthread_mutex_lock(&l->lock);
	atomic_store(&l->idle, false);
	pthread_cond_signal(&l->look);
	pthread_mutex_unlock(&l->lock);
}

void leader_leave(struct leader *l)
{
	home_leave(l->homes);
	step_leave(l->step);
}

bool leader_in_step(const struct leader *l)
{
	return step_is_in(l->step);
}

void leader_note(struct leader *l, uint32_t pid, bool brief)
{
	if (!step_is_in(l->step))
		home_note(l->homes, pid, in_a_row, brief);
	if (l->lookout && !homes_any(l->homes))
		step_note(l->step, pid, brief);
	/* Asked again: the lookout may have ended before it could see us get in. */
	if (!l->lookout || homes_any(l->homes))
		step_leave(l->step);
}

ssize_t leader_receive(struct leader *l, uint8_t *buf, size_t n)
{
	bool none = false;
	ssize_t got;
	int e;

	home_yield(l->homes);
	got = read(l->fd, buf, n);
	if (got < 0 && errno == EAGAIN) {
		if (!atomic_compare_exchange_strong(&l->leading, &none, true)) {
			rest(l);
			errno = EINTR;
			return -1;
		}
		got = lead(l, buf, n);
		e = errno;
		atomic_store(&l->leading, false);
		if (got > 0)
			note_taken(l);
		errno = e;
		in_a_row = 0;
	} else if (got > 0) {
		note_taken(l);
		if (++in_a_row % IN_A_ROW == 0 && l->lookout && !step_is_in(l->step) &&
		    more_waits(l))
			leader_call(l);
	}
	return got;
}
