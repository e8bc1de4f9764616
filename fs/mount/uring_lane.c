/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a lane serves.  A request comes in pieces: libfuse's header, the
 * operation's, and the payload.  The first two are copied in front of the
 * payload, which makes it what the device gives; the answer goes into the
 * payload and is sent by the reply itself, since the gate is left after it.
 */
#include "fs/mount/uring_lane.h"

#include <errno.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "crypto/mac.h"
#include "crypto/secret.h"
#include "fs/lib/clock.h"
#include "fs/lib/log.h"
#include "fs/mount/step.h"

#define HEADERS 4096u /* in front of the payload */
#define SLOT_SIZE (HEADERS + POOL_SIZE)
#define SLOTS_MAX 192u /* of a processor */
#define SMALL_IN_A_ROW 16u
_Static_assert(SLOTS_MAX + 8 <= RING_COMPLETIONS, "as many as may come at once, and wakes");
#define TURN 16u /* requests, before looking at what else is to be done */

enum { FILE_DEVICE, FILE_WAKE };
enum { CMD_REGISTER = 1, CMD_COMMIT_AND_FETCH = 2 }; /* enum fuse_uring_cmd */

struct command { /* struct fuse_uring_cmd_req */
	uint64_t flags, commit_id;
	uint16_t qid;
	uint8_t padding[6];
};

static _Thread_local struct slot *serving;

struct slot *lane_serving(void)
{
	return serving;
}

/* ---- slots ------------------------------------------------------------------------ */

static struct ring_headers *headers(const struct slot *s)
{
	return (struct ring_headers *)(void *)s->map;
}

static const struct fuse_in_header *in_header(const struct slot *s)
{
	return (const void *)headers(s)->in_out;
}

/* Bytes of the payload that came with the request. */
static size_t brought(const struct slot *s)
{
	return headers(s)->entry.payload_size;
}

static void command(struct slot *s, uint32_t op)
{
	struct lane *l = s->lane;
	struct io_uring_sqe *sqe = ring_next(&l->ring, IORING_OP_URING_CMD, FILE_DEVICE, s);
	struct command c = { .commit_id = s->commit_id, .qid = (uint16_t)l->cpu };

	sqe->cmd_op = op;
	if (op == CMD_REGISTER) {
		sqe->addr = (uintptr_t)s->iov;
		sqe->len = 2;
	}
	memcpy(sqe->cmd, &c, sizeof(c));
	s->sent = true;
}

/* One more for the kernel, which the next ring_wait() gives to it. */
static int add_slot(struct lane *l)
{
	struct crew *c = l->crew;
	struct slot *s = atomic_load(&c->n) < SLOTS_MAX ? calloc(1, sizeof(*s)) : NULL;

	if (s)
		s->map = pool_map(SLOT_SIZE);
	if (!s || !s->map) {
		free(s);
		return -ENOMEM;
	}
	atomic_store(&s->lane, l);
	s->payload = s->map + HEADERS;
	s->iov[0] = (struct iovec){ s->map, sizeof(struct ring_headers) };
	s->iov[1] = (struct iovec){ s->payload, POOL_IO };
	s->wiped = atomic_load(&l->u->wipes);
	s->next = atomic_load(&c->slots);
	while (!atomic_compare_exchange_weak(&c->slots, &s->next, s))
		;
	atomic_fetch_add(&c->n, 1);
	atomic_fetch_add(&c->live, 1);
	atomic_fetch_add(&l->held, 1);
	command(s, CMD_REGISTER);
	return 0;
}

void crew_free(struct crew *c)
{
	struct slot *s = c->slots;

	while (s) {
		struct slot *next = s->next;

		pool_unmap(s->map, SLOT_SIZE);
		free(s);
		s = next;
	}
}

void lane_free(struct lane *l)
{
	if (l->wake_fd >= 0)
		close(l->wake_fd);
	step_free(l->step);
}

/* ---- answers ------------------------------------------------------------------------ */

/* What is left of answers before the wipe with this number, behind the first N bytes. */
static void wipe_behind(struct slot *s, size_t n, uint64_t wipes)
{
	if (s->wiped != wipes && s->dirty > n) {
		secret_wipe(s->payload + n, s->dirty - n);
		s->dirty = n;
	}
	s->wiped = wipes;
}

/* Into the payload; nothing else of the request or of an answer before it stays. */
static void fill(struct slot *s, const struct iovec *iov, int count, bool sealed)
{
	uint64_t wipes = atomic_load(&s->lane->u->wipes);
	struct fuse_out_header out;
	size_t n = 0;

	memcpy(&out, iov[0].iov_base, sizeof(out));
	for (int i = 1; i < count && !out.error; i++) {
		if (iov[i].iov_len > POOL_IO - n) {
			out.error = -EIO;
			break;
		}
		memmove(s->payload + n, iov[i].iov_base, iov[i].iov_len);
		n += iov[i].iov_len;
	}
	if (!sealed && s->asked > n)
		secret_wipe(s->payload + n, s->asked - n);
	s->dirty = MAX(s->dirty, n);
	wipe_behind(s, n, wipes);
	memcpy(headers(s)->in_out, &out, sizeof(out));
	headers(s)->entry.payload_size = (uint32_t)n;
}

void lane_answer(struct slot *s, const struct iovec *iov, int count)
{
	struct lane *l = s->lane;

	crew_took(l->crew, clock_ns(CLOCK_MONOTONIC) - l->began);
	fill(s, iov, count, this_request.sealed);
	atomic_store(&s->unique, 0);
	command(s, CMD_COMMIT_AND_FETCH);
	ring_submit(&l->ring);
}

void lane_return(struct slot *s, const struct iovec *iov, int count)
{
	struct lane *l = s->lane;
	uint64_t unique = atomic_load(&s->unique);

	fill(s, iov, count, false);
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
		command(s, CMD_COMMIT_AND_FETCH);
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
			wipe_behind(s, ring_has(&l->ring, s) ? brought(s) : 0, wipes);
	}
	step_leave(l->step);
	pthread_mutex_lock(&l->u->lock);
	for (struct slot *s = l->given; s; s = s->next_in)
		wipe_behind(s, brought(s), wipes);
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

/* That the request in S brings, or asks for. */
static size_t bytes_of(const struct slot *s)
{
	const struct fuse_read_in *read = (const void *)headers(s)->op_in;

	return in_header(s)->opcode == FUSE_READ ? read->size : brought(s);
}

static int serve(struct slot *s)
{
	struct lane *l = s->lane;
	const struct ring_headers *h = headers(s);
	const struct fuse_in_header *in = in_header(s);
	size_t payload = brought(s), op, bytes;
	struct fuse_buf buf = { .size = in->len };

	if (in->len < sizeof(*in) + payload || in->len > sizeof(*in) + FUSE_HEADER_ROOM + payload ||
	    payload > POOL_IO)
		return -EPROTO;
	op = in->len - sizeof(*in) - payload;
	s->asked = payload;
	s->dirty = MAX(s->dirty, payload);
	s->commit_id = h->entry.commit_id;
	s->taken = true;
	atomic_store(&s->unique, in->unique);
	bytes = bytes_of(s);
	settle_on_cpu(l, bytes);
	keep_step(l, in->pid, bytes);
	memcpy(s->payload - op, h->op_in, op);
	buf.mem = memcpy(s->payload - op - sizeof(*in), in, sizeof(*in));
	request_note(buf.mem, buf.size);
	atomic_store_explicit(&l->began, clock_ns(CLOCK_MONOTONIC), memory_order_relaxed);
	serving = s;
	fuse_session_process_buf(l->u->m->se, &buf);
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
		wipe_behind(s, brought(s), u->wipes);
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
	const struct fuse_in_header *in = in_header(s);
	struct lane *server;

	s->sent = false;
	server = crew_server(l, in->opcode, in->pid, bytes_of(s));
	return server != l && give(s, server) ? 0 : serve(s);
}

static void watch_wake(struct lane *l)
{
	struct io_uring_sqe *sqe = ring_next(&l->ring, IORING_OP_POLL_ADD, FILE_WAKE, l);

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
		if (atomic_load(&l->crew->live) < l->crew->nlanes && add_slot(l) < 0) {
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
	const int fds[] = { [FILE_DEVICE] = l->u->m->fd, [FILE_WAKE] = l->wake_fd };
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
