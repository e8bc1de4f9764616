/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that locks and unlocks: whose turn it is, and what it means.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "crypto/mac.h"
#include "fs/lib/log.h"
#include "fs/mount/audit.h"
#include "fs/mount/drain.h"
#include "fs/mount/sweep.h"
#include "fs/mount/zones.h"

#define SWEEP_THREADS 2

enum ask { ASK_DENY, ASK_GRANT, ASK_OPERATOR, ASK_UNLOCK, ASK_END };

struct turn { /* of who asks */
	struct turn *next;
	enum ask ask;
	int app_errno;
	const struct zone_vk *vks;
	unsigned int n;
	struct store_error *err;
	struct lock_report report;
	int r;
	bool done;
};

struct locker {
	struct mzone *z;
	struct sweeper *sweeper;
	pthread_t thread;
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t asked, done;
	struct turn *first, **last;
	bool stop;
	bool ended;
	struct lock_status status;
};

/* ---- turns ---------------------------------------------------------------------- */

static int wanted_errno(const struct lock_status *s)
{
	if (!s->granted && s->app_errno)
		return s->app_errno;
	return ENOKEY;
}

/*
 * Z has taken keys of the zone above, which was locked meanwhile: zones_locked()
 * may not have seen Z open.
 */
static int check_above(struct locker *l, struct turn *t)
{
	struct zone *z = l->z->zone, *up = zone_parent(z);

	if (!zone_takes(z) || zone_state(up) == ZONE_UNLOCKED)
		return 0;
	drain_zone(l->z, l->sweeper, zone_errno(up) ?: ENOKEY, &t->report);
	snprintf(t->err->message, sizeof(t->err->message),
		 "the zone whose files it takes over was just locked");
	return -EAGAIN;
}

static int unlock_zone(struct locker *l, struct turn *t)
{
	struct mount *m = l->z->m;
	int r = zone_unlock_all(l->z->zone, t->vks, t->n, t->err);

	if (!r)
		r = check_above(l, t);
	if (r)
		return r;
	if (l->z == m->zones)
		atomic_store(&inode_shared(m->inodes)->lock_errno, 0);
	log_notice("%sunlocked", zones_label(l->z));
	audit_note(m->audit, "mount.unlock", 0, "ok", "zone %s", l->z->id);
	zones_unlocked(l->z);
	return 0;
}

/* Decide what T means; the state is ours alone, but for readers of the status. */
static void decide(struct locker *l, struct turn *t, struct lock_status *s, bool *ended)
{
	switch (t->ask) {
	case ASK_DENY:
		s->granted = false;
		s->app_errno = t->app_errno;
		break;
	case ASK_GRANT:
		s->granted = true;
		s->app_errno = 0;
		break;
	case ASK_OPERATOR:
		s->operator_locked = true;
		break;
	case ASK_UNLOCK:
		s->operator_locked = false;
		if (!s->granted)
			t->r = -EACCES;
		break;
	case ASK_END:
		*ended = true;
		break;
	}
	if (*ended || s->operator_locked || !s->granted) {
		drain_zone(l->z, l->sweeper, *ended ? ENOTCONN : wanted_errno(s), &t->report);
		if (!*ended)
			zones_locked(l->z, wanted_errno(s));
	} else if (t->n) {
		t->r = unlock_zone(l, t);
	}
}

static void take_turn(struct locker *l, struct turn *t)
{
	struct lock_status s;
	bool ended;

	pthread_mutex_lock(&l->lock);
	s = l->status;
	ended = l->ended;
	pthread_mutex_unlock(&l->lock);
	decide(l, t, &s, &ended);
	crypto_forget();
	pthread_mutex_lock(&l->lock);
	if (t->ask == ASK_GRANT && t->r < 0)
		s.granted = false;
	if (t->report.locked) {
		s.last = t->report;
		s.locks++;
	}
	l->status = s;
	l->ended = ended;
	t->done = true;
	pthread_cond_broadcast(&l->done);
	pthread_mutex_unlock(&l->lock);
}

static void *locker_main(void *arg)
{
	struct locker *l = arg;
	struct turn *t;

	prctl(PR_SET_NAME, "cmkfs-lock");
	sweep_priority();
	pthread_mutex_lock(&l->lock);
	for (;;) {
		t = l->first;
		if (t) {
			l->first = t->next;
			if (!l->first)
				l->last = &l->first;
			pthread_mutex_unlock(&l->lock);
			take_turn(l, t);
			pthread_mutex_lock(&l->lock);
		} else if (l->stop) {
			break;
		} else {
			pthread_cond_wait(&l->asked, &l->lock);
		}
	}
	pthread_mutex_unlock(&l->lock);
	return NULL;
}

static void put(struct locker *l, struct turn *t)
{
	pthread_mutex_lock(&l->lock);
	*l->last = t;
	l->last = &t->next;
	pthread_cond_signal(&l->asked);
	pthread_mutex_unlock(&l->lock);
}

static void wait_done(struct locker *l, struct turn *t)
{
	pthread_mutex_lock(&l->lock);
	while (!t->done)
		pthread_cond_wait(&l->done, &l->lock);
	pthread_mutex_unlock(&l->lock);
}

static int ask(struct locker *l, struct turn *t)
{
	put(l, t);
	wait_done(l, t);
	return t->r;
}

/* Of N lockers the same, at the same time. */
static void ask_all(struct locker *const *l, unsigned int n, enum ask what, struct lock_report *ret)
{
	struct turn *t = calloc(n, sizeof(*t));

	for (unsigned int i = 0; i < n; i++) {
		struct turn own = { .ask = what };

		if (t) {
			t[i].ask = what;
			put(l[i], &t[i]);
		} else { /* no memory: one after the other */
			ask(l[i], &own);
			ret[i] = own.report;
		}
	}
	for (unsigned int i = 0; t && i < n; i++) {
		wait_done(l[i], &t[i]);
		ret[i] = t[i].report;
	}
	free(t);
}

void lock_deny(struct locker *l, int app_errno)
{
	struct turn t = { .ask = ASK_DENY, .app_errno = app_errno };

	ask(l, &t);
}

int lock_grant(struct locker *l, const struct zone_vk *vks, unsigned int n,
	       struct store_error *err)
{
	struct turn t = { .ask = ASK_GRANT, .vks = vks, .n = n, .err = err };

	return ask(l, &t);
}

void lock_operator(struct locker *const *l, unsigned int n, struct lock_report *ret)
{
	ask_all(l, n, ASK_OPERATOR, ret);
}

int unlock_operator(struct locker *l, const struct zone_vk *vks, unsigned int n,
		    struct store_error *err)
{
	struct turn t = { .ask = ASK_UNLOCK, .vks = vks, .n = n, .err = err };

	return ask(l, &t);
}

void lock_end(struct locker *const *l, unsigned int n, struct lock_report *ret)
{
	ask_all(l, n, ASK_END, ret);
}

void lock_status(struct locker *l, struct lock_status *ret)
{
	pthread_mutex_lock(&l->lock);
	*ret = l->status;
	pthread_mutex_unlock(&l->lock);
}

int locker_start(struct mzone *z, struct locker **ret)
{
	struct locker *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->z = z;
	l->last = &l->first;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->asked, NULL);
	pthread_cond_init(&l->done, NULL);
	r = sweeper_start(z->m, MAX(SWEEP_THREADS, z->m->nthreads / 2), &l->sweeper);
	if (!r)
		r = -pthread_create(&l->thread, NULL, locker_main, l);
	if (r < 0) {
		sweeper_stop(l->sweeper);
		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void locker_stop(struct locker *l)
{
	if (!l)
		return;
	pthread_mutex_lock(&l->lock);
	l->stop = true;
	pthread_cond_signal(&l->asked);
	pthread_mutex_unlock(&l->lock);
	pthread_join(l->thread, NULL);
	sweeper_stop(l->sweeper);
	pthread_mutex_destroy(&l->lock);
	pthread_cond_destroy(&l->asked);
	pthread_cond_destroy(&l->done);
	free(l);
}
