/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The two threads of a lease.
 */
#include "lease_priv.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "crypto/mac.h"
#include "crypto/rand.h"
#include "crypto/secret.h"

#define BACKOFF_FIRST_MS 250u
#define BACKOFF_MAX_MS 60000u
#define MAX_WATCHES 32

static void arm(int fd, int flags, int64_t ms)
{
	struct itimerspec t = { .it_value = { ms / 1000, ms % 1000 * 1000000 } };

	if (ms <= 0)
		memset(&t, 0, sizeof(t)); /* off */
	timerfd_settime(fd, flags, &t, NULL);
}

static void drain(int fd)
{
	uint64_t n;

	if (read(fd, &n, sizeof(n)) < 0)
		return; /* EAGAIN, or ECANCELED: the clock was set */
}

/* ---- checker ------------------------------------------------------------------- */

/* Somewhere in the upper half of MS, so that many leases do not ask at once. */
static int64_t jittered(unsigned int ms)
{
	uint32_t r = 0;

	if (rand_bytes(&r, sizeof(r)))
		r = 0;
	return ms - r % (ms / 2 + 1);
}

static int64_t pause_ms(struct lease *l, const struct check *c)
{
	unsigned int ms = l->period_ms - l->period_ms / 4;

	if (!c->code || kp_error_row(c->code)->denied) {
		l->failures = 0;
		return ms - jittered(MAX(ms / 16, 1u)) + 1;
	}
	ms = BACKOFF_FIRST_MS << MIN(l->failures, 10u);
	l->failures++;
	return jittered(MIN(ms, MIN(BACKOFF_MAX_MS, MAX(l->period_ms, BACKOFF_FIRST_MS)))) + 1;
}

static void take_slots(struct lease *l)
{
	struct slots *old = NULL;

	pthread_mutex_lock(&l->lock);
	if (l->next) {
		old = l->slots;
		l->slots = l->next;
		l->next = NULL;
	}
	pthread_mutex_unlock(&l->lock);
	slots_free(old);
}

void lease_check(struct lease *l)
{
	int64_t started = boottime_ms();
	struct check c;

	take_slots(l);
	slots_check(l->slots, &l->ctx, l->vk, &c);
	lease_apply(l, &c, c.code ? NULL : l->vk, started);
	secret_wipe(l->vk, KP_SECRET_LEN);
	crypto_forget();
	/* Counted from the end of the check, lest a slow one is asked without a pause. */
	arm(l->period_fd, 0, pause_ms(l, &c));
	arm(l->clock_fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, c.wake * 1000);
}

enum { P_WAKE, P_PERIOD, P_CLOCK, P_WATCH };

static unsigned int fill(struct lease *l, struct pollfd *p)
{
	unsigned int n = P_WATCH;

	p[P_WAKE].fd = l->wake_fd;
	p[P_PERIOD].fd = l->period_fd;
	p[P_CLOCK].fd = l->clock_fd;
	for (unsigned int i = 0; i < l->slots->n && n < MAX_WATCHES; i++) {
		struct slot *s = &l->slots->v[i];

		p[n++].fd = s->ops && s->ops->watch_fd ? s->ops->watch_fd(s->kp) : -1;
	}
	for (unsigned int i = 0; i < n; i++)
		p[i].events = POLLIN;
	return n;
}

static bool watched_change(struct lease *l, const struct pollfd *p, unsigned int n)
{
	bool any = false, changed;

	for (unsigned int i = P_WATCH; i < n; i++) {
		struct slot *s = &l->slots->v[i - P_WATCH];

		if (p[i].fd < 0 || !p[i].revents)
			continue;
		changed = true;
		if (s->ops->watch_read && s->ops->watch_read(s->kp, &changed))
			changed = true;
		any |= changed;
	}
	return any;
}

/* Wait for a reason to check. */
static void wait_for_reason(struct lease *l)
{
	struct pollfd p[MAX_WATCHES] = { 0 };
	unsigned int n;
	bool check = false;

	while (!check) {
		n = fill(l, p);
		if (poll(p, n, -1) < 0)
			continue; /* EINTR */
		for (int i = P_WAKE; i < P_WATCH; i++)
			if (p[i].revents) {
				drain(p[i].fd);
				check = true;
			}
		check |= watched_change(l, p, n);
	}
}

void *lease_checker(void *arg)
{
	struct lease *l = arg;

	pthread_setname_np(pthread_self(), "cmkfs-lease");
	for (;;) {
		wait_for_reason(l);
		if (lease_stopping(l))
			break;
		lease_check(l);
	}
	eventfd_write(l->done_fd, 1);
	lease_unref(l);
	return NULL;
}

/* ---- guard --------------------------------------------------------------------- */

void *lease_guard(void *arg)
{
	struct lease *l = arg;
	struct pollfd p[2] = {
		{ .fd = l->guard_fd, .events = POLLIN },
		{ .fd = l->guard_timer_fd, .events = POLLIN },
	};

	pthread_setname_np(pthread_self(), "cmkfs-guard");
	while (!lease_stopping(l)) {
		arm(l->guard_timer_fd, TFD_TIMER_ABSTIME, lease_expire(l));
		if (poll(p, ARRAY_SIZE(p), -1) <= 0)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(p); i++)
			if (p[i].revents)
				drain(p[i].fd);
	}
	return NULL;
}
