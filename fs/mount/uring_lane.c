/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a lane serves.  The answer is sent by the reply itself, since the gate is
 * left after it.
 */
#include "fs/mount/uring_lane.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "crypto/mac.h"
#include "fs/lib/clock.h"
#include "fs/lib/log.h"
#include "fs/mount/step.h"

#define SMALL_IN_A_ROW 16u
#define TURN 16u /* requests, before looking at what else is to be done */

static _Thread_local struct slot *serving;

struct slot *lane_serving(void)
{
	return serving;
}

void lane_free(struct lane *l)
{
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	step_free(l->step);
}

/* ---- answers ------------------------------------------------------------------------ */

void lane_answer(struct slot *s, const struct iovec *iov, int count)
{
	struct lane *l = s->lane;

	crew_took(l->crew, clock_ns(CLOCK_MONOTONIC) - l->began);
	slot_fill(s, iov, count, this_request.sealed);
	atomic_store(&s->unique, 0);
	slot_commit(s);
	ring_submit(&l->ring);
}

void lane_return(struct slot *s, const struct iovec *iov, int count)
{
	struct lane *l = s->lane;
	uint64_t unique = atomic_load(&s->unique);

	slot_fill(s, iov, count, false);
	pthread_mutex_lock(&l->u->lock);
	s->next_in = l->back;
	atomic_store(&l->back, s);
	lane_wake(l);
	while (atomic_load(&s->unique) == unique && !l->ended && !atomic_load(&l->u->stop))
		pthread_cond_wait(&l->u->change, &l->u->lock);
	pthread_mutex_unlock(&l->u->lock);
}

/* All of L's slots that are in LIST, the last first. */
static struct slot *pop_all(struct lane *l, struct slot *_Atomic *list)
{
	struct slot *s;

	if (!atomic_load(list))
		return NULL;
	step_leave(l->step); /* others would wait for the lock with it */
	pthread_mutex_lock(&l->u->lock);
	s = atomic_exchange(list, NULL);
	pthread_mutex_unlock(&l->u->lock);
	return s;
}

/* What others have answered. */
static void send_back(struct lane *l)
{
	struct slot *s, *first = pop_all(l, &l->back);

	if (!first)
		return;
	for (s = first; s; s = s->next_in) {
		slot_commit(s);
		atomic_fetch_add(&l->held, 1);
		atomic_fetch_add(&l->crew->live, 1);
	}
	ring_submit(&l->ring);
	pthread_mutex_lock(&l->u->lock);
	for (s = first; s; s = s->next_in)
		atomic_store(&s->unique, 0);
	pthread_cond_broadcast(&l->u->change);
	pthread_mutex_unlock(&l->u->lock);
}

/* The kernel writes to none of them now (ring.h); a request that has come stays. */
static void wipe(struct lane *l)
{
	uint64_t wipes = atomic_load(&l->u->wipes);

	if (l->wiped == wipes)
		return;
	for (struct slot *s = atomic_load(&l->crew->slots); s; s = s->next) {
		if (s->lane == l && s->sent)
			slot_wipe_behind(s, ring_has(&l->ring, s) ? slot_brought(s) : 0, wipes);
	}
	step_leave(l->step);
	pthread_mutex_lock(&l->u->lock);
	for (struct slot *s = l->given; s; s = s->next_in)
		slot_wipe_behind(s, slot_brought(s), wipes);
	atomic_store(&l->wiped, wipes);
	pthread_cond_broadcast(&l->u->change);
	pthread_mutex_unlock(&l->u->lock);
}

/* ---- requests ------------------------------------------------------------------------- */

/* Where the asker is: waking us there costs least, and bulk is done beside him. */
static void settle_on_cpu(struct lane *l, size_t bytes)
{
	bool pin = l->pinned;
	cpu_set_t own;

	l->small = bytes >= LANE_BULK ? 0 : l->small + 1;
	if (bytes >= LANE_BULK)
		pin = false;
	else if (l->small >= SMALL_IN_A_ROW)
		pin = true;
	if (pin == l->pinned || !CPU_ISSET(l->cpu, &l->allowed))
		return;
	CPU_ZERO(&own);
	CPU_SET(l->cpu, &own);
	if (!pin)
		step_leave(l->step);
	sched_setaffinity(0, sizeof(own), pin ? &own : &l->allowed);
	l->pinned = pin;
}

static void keep_step(struct lane *l, uint32_t pid, size_t bytes)
{
	if (!l->pinned)
		return;
	if (atomic_load(&l->u->stop))
		step_leave(l->step); /* there is no lookout any more */
	else
		step_note(l->step, pid, bytes < LANE_BULK);
	if (step_is_in(l->step))
		uring_lookout_wake(l->u);
}

static int serve(struct slot *s)
{
	struct lane *l = s->lane;
	size_t bytes = slot_bytes(s);
	struct fuse_buf buf;
	int r = slot_message(s, &buf);

	if (r < 0)
		return r;
	atomic_store(&s->unique, slot_request(s)->unique);
	settle_on_cpu(l, bytes);
	keep_step(l, slot_request(s)->pid, bytes);
	request_note(buf.mem, buf.size);
	atomic_store_explicit(&l->began, clock_ns(CLOCK_MONOTONIC), memory_order_relaxed);
	serving = s;
	request_handle(l->u->m, &buf);
	serving = NULL;
	atomic_store_explicit(&l->began, 0, memory_order_relaxed);
	crypto_forget();
	if (!s->sent) { /* it waits for another one, which needs a buffer */
		atomic_fetch_sub(&l->held, 1);
		atomic_fetch_sub(&l->crew->live, 1);
		l->owes++;
	}
	return 0;
}

/*
 * With the request in it, which has not passed its gate yet.  False: TO does not
 * take it.  What is left of answers goes here, or TO, which has not told of the
 * wipe then, wipes it.
 */
static bool give(struct slot *s, struct lane *to)
{
	struct lane *l = s->lane;
	struct uring *u = l->u;
	bool taken;

	step_leave(l->step);
	pthread_mutex_lock(&u->lock);
	taken = !to->ended && (to == l->crew->first || !to->held);
	if (taken) {
		slot_wipe_behind(s, slot_brought(s), u->wipes);
		atomic_fetch_sub(&l->held, 1);
		atomic_fetch_add(&to->held, 1);
		atomic_store(&s->lane, to);
		s->next_in = to->given;
		atomic_store(&to->given, s);
	}
	pthread_mutex_unlock(&u->lock);
	if (!taken)
		return false;
	step_end(to->step, false); /* it would not come to run beside others */
	lane_wake(to);
	return true;
}

/* What other lanes were asked. */
static int serve_given(struct lane *l)
{
	struct slot *s = pop_all(l, &l->given);
	int r = 0;

	while (s) {
		struct slot *next = s->next_in;
		int e = serve(s);

		r = r ? r : e;
		s = next;
	}
	return r;
}

static int receive(struct lane *l, struct slot *s)
{
	const struct fuse_in_header *in = slot_request(s);
	struct lane *server;

	s->sent = false;
	server = crew_server(l, in->opcode, in->pid, slot_bytes(s));
	return server != l && give(s, server) ? 0 : serve(s);
}

static void watch_wake(struct lane *l)
{
	struct io_uring_sqe *sqe = ring_next(&l->ring, IORING_OP_POLL_ADD, LANE_WAKE, l);

	sqe->poll32_events = POLLIN;
}

/* 0; -errno: the kernel has ended the session, or something is very wrong. */
static int take(struct lane *l)
{
	int32_t res;
	void *what;
	int r = 0;

	for (unsigned int i = 0; !r && i < TURN && ring_take(&l->ring, &what, &res); i++) {
		eventfd_t n;

		if (what == l) {
			eventfd_read(l->wake_fd, &n);
			watch_wake(l);
			continue;
		}
		r = res < 0 ? res : receive(l, what);
	}
	return r;
}

/* The first one, and in the place of those whose request waits, unless more are there already. */
static void add_owed(struct lane *l)
{
	static struct log_rate rate;

	while (l->owes) {
		if (atomic_load(&l->crew->live) < l->crew->nlanes && slot_add(l) < 0) {
			if (log_allow(&rate))
				log_error(NULL, "no memory for more requests, or too many wait");
			return;
		}
		l->owes--;
	}
}

static int serve_all(struct lane *l)
{
	int r = 0;

	watch_wake(l);
	while (!r && !atomic_load(&l->u->stop)) {
		send_back(l);
		r = serve_given(l);
		wipe(l);
		add_owed(l);
		if (!r)
			r = ring_wait(&l->ring);
		if (r == -EINTR || r == -EAGAIN || r == -EBUSY)
			r = 0;
		if (!r)
			r = take(l);
	}
	return r;
}

static enum uring_phase wait_go(struct lane *l, int r)
{
	struct uring *u = l->u;
	enum uring_phase phase;

	pthread_mutex_lock(&u->lock);
	u->ready++;
	u->failed += r < 0;
	pthread_cond_broadcast(&u->change);
	while (u->phase == URING_WAITING)
		pthread_cond_wait(&u->change, &u->lock);
	phase = u->phase;
	pthread_mutex_unlock(&u->lock);
	return r < 0 ? URING_END : phase;
}

void lane_wake(struct lane *l)
{
	eventfd_write(l->wake_fd, 1);
}

/* A buffer that was not taken leaves all to the device; a request that is lost ends the mount. */
static void give_up(struct lane *l, int r)
{
	bool taken = false;

	for (struct slot *s = atomic_load(&l->crew->slots); s; s = s->next)
		taken |= atomic_load(&s->lane) == l && s->taken;
	log_error("mount it without -o io_uring", "FUSE over io_uring: %s%s", strerror(-r),
		  taken ? ": unmounting" : ": using the device");
	if (taken)
		eventfd_write(l->u->m->end_fd, 1);
}

/* Nobody gives it anything any more, or waits for what it sends back. */
static void end(struct lane *l)
{
	step_leave(l->step);
	pthread_mutex_lock(&l->u->lock);
	l->ended = true;
	pthread_cond_broadcast(&l->u->change);
	pthread_mutex_unlock(&l->u->lock);
	serve_given(l);
}

void *lane_main(void *arg)
{
	struct lane *l = arg;
	const int fds[] = { [LANE_DEVICE] = l->u->m->fd, [LANE_WAKE] = l->wake_fd };
	int r = ring_open(&l->ring, fds, ARRAY_SIZE(fds));

	prctl(PR_SET_NAME, "cmkfs-lane");
	sched_getaffinity(0, sizeof(l->allowed), &l->allowed);
	l->step = CPU_ISSET(l->cpu, &l->allowed) ? step_new((int)l->cpu) : NULL;
	settle_on_cpu(l, 0);
	if (wait_go(l, r) == URING_GO) {
		r = serve_all(l);
		atomic_store(&l->u->active, false);
		end(l);
		if (r < 0 && r != -ENOTCONN && r != -ECONNABORTED)
			give_up(l, r);
	}
	step_leave(l->step);
	pthread_mutex_lock(&l->u->lock);
	atomic_store(&l->wiped, UINT64_MAX); /* nobody waits for it any more */
	pthread_cond_broadcast(&l->u->change);
	pthread_mutex_unlock(&l->u->lock);
	ring_close(&l->ring);
	return NULL;
}
