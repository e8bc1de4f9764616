/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The states of a lease and what moves it from one to another.
 */
#include "lease_priv.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>

bool lease_stopping(struct lease *l)
{
	bool r;

	pthread_mutex_lock(&l->lock);
	r = l->stopping;
	pthread_mutex_unlock(&l->lock);
	return r;
}

/* Set the state.  Whether FN is to hear of it.  Caller holds apply. */
static bool set_state(struct lease *l, enum lease_state state, int app_errno,
		      const struct kp_error *e)
{
	struct lease_status *s = &l->status;
	bool changed;

	pthread_mutex_lock(&l->lock);
	changed = !l->begun || s->state != state || s->app_errno != app_errno;
	s->state = state;
	s->app_errno = app_errno;
	if (e)
		s->error = *e;
	else
		memset(&s->error, 0, sizeof(s->error));
	pthread_mutex_unlock(&l->lock);
	l->begun = true;
	return changed;
}

static int tell(struct lease *l, const uint8_t *vk)
{
	struct lease_status s;

	lease_status(l, &s);
	return l->fn(l->arg, &s, vk);
}

static void apply_denied(struct lease *l, int code, const struct kp_error *e)
{
	if (set_state(l, LEASE_DENIED, kp_error_row(code)->app_errno, e))
		tell(l, NULL);
}

#define DAY 86400

static unsigned int expiry_near(int64_t expires)
{
	int64_t left = expires - (int64_t)time(NULL);

	return !expires || left > 30 * DAY ? 0 : left <= 7 * DAY ? 2 : 1;
}

static void apply_granted(struct lease *l, const struct check *c, const uint8_t *vk,
			  int64_t started)
{
	unsigned int near = expiry_near(c->info.expires);
	bool news;
	int r = 0;

	pthread_mutex_lock(&l->lock);
	news = strcmp(l->status.newest, c->info.newest) || l->status.expiry_near < near || l->ask;
	l->ask = false;
	l->status.expiry_near = near;
	memcpy(l->status.newest, c->info.newest, sizeof(l->status.newest));
	snprintf(l->status.kid, sizeof(l->status.kid), "%s", c->kid);
	l->status.expires = c->info.expires;
	l->confirmed = started;
	memset(&l->unreachable, 0, sizeof(l->unreachable));
	pthread_mutex_unlock(&l->lock);

	if (set_state(l, LEASE_GRANTED, 0, NULL) || news)
		r = tell(l, vk);
	if (!r)
		slots_accept(l->slots, vk);
	if (r) {
		struct kp_error e;

		kp_fail(&e, r, "cmkfs key show DIR", "%s opens another key than this zone's",
			c->kid);
		/* It was granted only to be refused: FN hears of that, too. */
		apply_denied(l, r, &e);
	}
	eventfd_write(l->guard_fd, 1); /* there is an end to keep again */
}

static void apply_unreachable(struct lease *l, const struct kp_error *e)
{
	bool never;

	pthread_mutex_lock(&l->lock);
	l->unreachable = *e;
	if (l->status.state == LEASE_GRACE)
		l->status.error = *e;
	never = !l->begun;
	pthread_mutex_unlock(&l->lock);
	/* Nothing was ever granted, so there is no grace. */
	if (never && set_state(l, LEASE_LOST, ENOKEY, e))
		tell(l, NULL);
}

void lease_apply(struct lease *l, const struct check *c, const uint8_t *vk, int64_t started)
{
	pthread_mutex_lock(&l->apply);
	if (lease_stopping(l))
		;
	else if (!c->code)
		apply_granted(l, c, vk, started);
	else if (kp_error_row(c->code)->denied)
		apply_denied(l, c->code, &c->error);
	else
		apply_unreachable(l, &c->error);
	pthread_mutex_unlock(&l->apply);
}

/* End of the present state in time, and what comes then. */
static int64_t end_of_state(struct lease *l, enum lease_state *ret_next)
{
	int64_t end = NEVER;

	pthread_mutex_lock(&l->lock);
	if (!l->stopping && l->confirmed != NEVER) {
		*ret_next = l->grace_ms ? LEASE_GRACE : LEASE_LOST;
		if (l->status.state == LEASE_GRANTED)
			end = l->confirmed + l->period_ms;
		if (l->status.state == LEASE_GRACE)
			end = l->confirmed + l->period_ms + (int64_t)l->grace_ms;
		if (l->status.state == LEASE_GRACE)
			*ret_next = LEASE_LOST;
	}
	pthread_mutex_unlock(&l->lock);
	return end;
}

static void move_on(struct lease *l, enum lease_state next)
{
	struct kp_error e;

	pthread_mutex_lock(&l->lock);
	e = l->unreachable;
	pthread_mutex_unlock(&l->lock);
	if (!e.code)
		kp_fail(&e, -EAGAIN, "look at the vault and the way to it",
			"the vault has not answered in time");
	if (set_state(l, next, next == LEASE_LOST ? ENOKEY : 0, &e))
		tell(l, NULL);
}

int64_t lease_expire(struct lease *l)
{
	enum lease_state next = LEASE_LOST;
	int64_t end;

	pthread_mutex_lock(&l->apply);
	/* After a sleep both ends may be over: one step, or two. */
	while ((end = end_of_state(l, &next)) != NEVER && boottime_ms() >= end)
		move_on(l, next);
	pthread_mutex_unlock(&l->apply);
	return end;
}
