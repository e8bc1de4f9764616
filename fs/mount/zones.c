/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The zones of a mount: see zones.h.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "fs/lib/cmd.h"
#include "fs/lib/log.h"
#include "fs/lib/state.h"
#include "fs/mount/grant.h"

#define CHILDREN_MS 2000 /* a mount waits no longer for what is not its root */

const char *zones_label(const struct mzone *z)
{
	static _Thread_local char label[2 * ID_LEN + 8];

	if (!z->m->zones->next)
		return "";
	snprintf(label, sizeof(label), "zone %s: ", z == z->m->zones ? "0" : z->id);
	return label;
}

static int zone_add(struct mount *m, struct zone *z, struct mzone **ret)
{
	struct mzone *n = calloc(1, sizeof(*n)), *last = m->zones;
	int r;

	if (!n)
		return -ENOMEM;
	n->m = m;
	n->zone = z;
	state_hex(zone_id(z)->zone, ID_LEN, n->id);
	r = locker_start(n, &n->locker);
	if (r < 0) {
		free(n);
		return r;
	}
	zone_set_owner(z, n);
	if (!m->zones) {
		m->zones = n;
	} else {
		while (last->next)
			last = last->next;
		last->next = n;
	}
	*ret = n;
	return 0;
}

int zones_start(struct mount *m)
{
	struct zone *z = NULL;
	struct mzone *n;
	int r = 0;

	pthread_mutex_init(&m->zones_lock, NULL);
	pthread_cond_init(&m->zones_wake, NULL);
	while (!r && (z = store_next_zone(m->store, z)))
		r = zone_add(m, z, &n);
	return r;
}

/* Ask for the key of a zone that is not the root's; what goes wrong is its own affair. */
static void ask_child(struct mzone *z)
{
	struct store_error err = { "", "" };
	struct grant *g = NULL;
	int r = grant_start(z, &g, &err);

	if (r < 0)
		log_warning(err.hint, "%sit stays locked: %s", zones_label(z),
			    err.message[0] ? err.message : strerror(-r));
	else
		z->grant = g;
}

static int64_t left_ms(const struct timespec *begin, int64_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ms - (t.tv_sec - begin->tv_sec) * 1000 - (t.tv_nsec - begin->tv_nsec) / 1000000;
}

static void ask_children(struct mount *m)
{
	struct mount_failure f = { 0, "", "" };
	struct timespec begin;
	struct mzone *z;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (z = m->zones->next; z; z = z->next)
		ask_child(z);
	for (z = m->zones->next; z; z = z->next) {
		if (!z->grant)
			continue;
		grant_wait(z->grant, (unsigned int)MAX(left_ms(&begin, CHILDREN_MS), 1));
		if (grant_denied(z->grant, &f))
			log_warning(f.hint, "%smounted locked: %s", zones_label(z), f.message);
	}
}

int zones_ask(struct mount *m, struct mount_failure *f)
{
	struct store_error err = { "", "" };
	struct grant *g = NULL;
	int r = grant_start(m->zones, &g, &err);

	if (r < 0)
		return mount_fail(f, cmd_exit_of(r), r, err.hint, "cannot get the key: %s",
				  err.message[0] ? err.message : strerror(-r));
	m->zones->grant = g;
	grant_wait(g, 0);
	if (grant_denied(g, f)) {
		if (!m->opt->locked_ok)
			return -ENOKEY;
		log_warning(f->hint, "mounted locked: %s", f->message);
	}
	ask_children(m);
	return 0;
}

int zones_adopt(struct mount *m, struct zone *z, struct mzone **ret)
{
	struct mzone *n = NULL;
	int r = 0;

	pthread_mutex_lock(&m->zones_lock);
	if (!m->ended && !zone_owner(z))
		r = zone_add(m, z, &n);
	pthread_mutex_unlock(&m->zones_lock);
	if (n)
		ask_child(n);
	if (ret)
		*ret = zone_owner(z);
	return r;
}

int zones_retry(struct mzone *z)
{
	pthread_mutex_lock(&z->m->zones_lock);
	if (!z->grant && !z->m->ended)
		ask_child(z);
	pthread_mutex_unlock(&z->m->zones_lock);
	return z->grant ? 0 : -ENOKEY;
}

void zones_unlocked(struct mzone *z)
{
	struct mount *m = z->m;

	for (struct mzone *n = m->zones; n; n = n->next)
		if (zone_parent(n->zone) == z->zone && n->grant)
			grant_retry(n->grant);
}

void zones_locked(struct mzone *z, int lock_errno)
{
	for (struct mzone *n = z->m->zones; n; n = n->next) {
		if (n->gone || zone_parent(n->zone) != z->zone || !zone_takes(n->zone))
			continue;
		lock_deny(n->locker, lock_errno);
		if (n->grant) /* after that: a lease that is just confirmed would take it for open */
			grant_suspend(n->grant);
	}
}

bool zones_all_locked(struct mount *m)
{
	for (struct mzone *z = m->zones; z; z = z->next)
		if (zone_state(z->zone) != ZONE_LOCKED)
			return false;
	return true;
}

/* ---- the end ---------------------------------------------------------------------------- */

static unsigned int count(struct mount *m)
{
	unsigned int n = 0;

	for (struct mzone *z = m->zones; z; z = z->next)
		n++;
	return n;
}

static void merge(struct lock_report *to, const struct lock_report *from)
{
	to->locked |= from->locked;
	to->timed_out |= from->timed_out;
	to->ms = MAX(to->ms, from->ms);
	to->refused += from->refused;
	to->lost += from->lost;
	to->failed += from->failed;
}

void zones_end(struct mount *m, struct lock_report *ret)
{
	struct lock_report *reports;
	struct locker **l;
	unsigned int n, i = 0;

	if (!m->zones)
		return;
	zones_unwatch(m);
	n = count(m);
	reports = calloc(n, sizeof(*reports));
	l = calloc(n, sizeof(struct locker *));
	if (!reports || !l) { /* no memory: one after the other */
		for (struct mzone *z = m->zones; z; z = z->next) {
			struct lock_report one = { 0 };

			lock_end(&z->locker, 1, &one);
			merge(ret, &one);
		}
		goto out;
	}
	for (struct mzone *z = m->zones; z; z = z->next)
		l[i++] = z->locker;
	lock_end(l, n, reports);
	for (i = 0; i < n; i++)
		merge(ret, &reports[i]);
out:
	free(reports);
	free(l);
}

void zones_stop(struct mount *m)
{
	struct mzone *z, *next;

	for (z = m->zones; z; z = z->next)
		grant_stop(z->grant);
	for (z = m->zones; z; z = next) {
		next = z->next;
		locker_stop(z->locker);
		free(z);
	}
	m->zones = NULL;
}
