/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a grant tells of itself: of each slot, and of all together.
 */
#include <errno.h>
#include <stdio.h>

#include "fs/lib/cmd.h"
#include "fs/mount/grant_set.h"

static int fail_store(struct grant *g, struct mount_failure *f)
{
	struct store_error err;
	int r;

	pthread_mutex_lock(&g->lock);
	r = g->unlock_error;
	err = g->store;
	pthread_mutex_unlock(&g->lock);
	return r ? mount_fail(f, cmd_exit_of(r), r, err.hint, "%s",
			      err.message[0] ? err.message : strerror(-r)) :
		   0;
}

int grant_fail_lease(const struct kp_error *e, struct mount_failure *f)
{
	return mount_fail(f, kp_error_row(e->code)->exit_code, e->code, e->hint, "%s",
			  e->message[0] ? e->message : strerror(-e->code));
}

bool grant_is_open(const struct lease_status *s)
{
	return s->state == LEASE_GRANTED || s->state == LEASE_GRACE;
}

/* Worse of two slots that are both needed, as of a group. */
static bool worse(const struct lease_status *a, const struct lease_status *b)
{
	return a->state > b->state ||
	       (a->state == b->state && a->confirmed_ms_ago > b->confirmed_ms_ago);
}

/* g->lock is held. */
static void way_status_locked(const struct grant_set *s, unsigned int way, struct lease_status *ret)
{
	bool first = true;

	for (unsigned int i = 0; i < s->n; i++) {
		struct lease_status l;

		if (s->parts[i].way != way)
			continue;
		lease_status(s->parts[i].lease, &l);
		if (first || worse(&l, ret))
			*ret = l;
		first = false;
	}
}

/* Which of two ways is told: the better one; of two refusals the one without an answer. */
static bool better(const struct lease_status *a, const struct lease_status *b)
{
	if (grant_is_open(a) || grant_is_open(b))
		return a->state < b->state;
	return a->state > b->state;
}

void grant_status(struct grant *g, struct lease_status *ret)
{
	memset(ret, 0, sizeof(*ret));
	ret->confirmed_ms_ago = -1;
	pthread_mutex_lock(&g->lock);
	for (unsigned int w = 0; g->set && w < g->set->nways; w++) {
		struct lease_status s;

		way_status_locked(g->set, w, &s);
		if (!w || better(&s, ret))
			*ret = s;
	}
	if (g->waiting && grant_is_open(ret))
		kp_fail(&ret->error, -EAGAIN, g->store.hint, "%s", g->store.message);
	pthread_mutex_unlock(&g->lock);
}

bool grant_denied(struct grant *g, struct mount_failure *f)
{
	struct lease_status s;

	if (g->recovered)
		return false;
	if (fail_store(g, f) < 0)
		return true;
	grant_status(g, &s);
	if (grant_is_open(&s))
		return false;
	grant_fail_lease(&s.error, f);
	return true;
}

unsigned int grant_recovered(struct grant *g)
{
	return g->recovered;
}

static const char *part_state(const struct lease_status *s)
{
	static const char *const names[] = { "granted", "grace", "denied", "unreachable" };

	return names[s->state];
}

json_t *grant_slots(struct grant *g)
{
	json_t *a = json_array();

	pthread_mutex_lock(&g->lock);
	for (unsigned int i = 0; g->set && i < g->set->n; i++) {
		const struct part *p = &g->set->parts[i];
		const char *kid = p->slot->kid;
		struct lease_status s;

		lease_status(p->lease, &s);
		json_array_append_new(a, json_pack("{s:i, s:s, s:i, s:s, s:s, s:s?, s:I}", "slot",
			p->slot->id, "role", p->slot->role == ROLE_SHARE ? "share" :
			p->slot->role == ROLE_SERVICE ? "service" : "customer", "group",
			p->slot->group, "kid", s.kid[0] ? s.kid : kid, "state", part_state(&s),
			"reason", s.error.code ? s.error.message : NULL, "confirmed_ms_ago",
			(json_int_t)s.confirmed_ms_ago));
	}
	pthread_mutex_unlock(&g->lock);
	return a;
}
