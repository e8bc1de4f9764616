/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that locks and unlocks, and the lock procedure.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include "crypto/mac.h"
#include "crypto/secret.h"
#include "fs/lib/log.h"
#include "fs/mount/lock.h"
#include "fs/mount/sweep.h"

#define SWEEP_THREADS 2
#define SETTLE_MS 150	   /* for what is on its way into the kernel's cache */
#define SETTLE_STEP_US 8000 /* about a turn of the scheduler */
#define LAST_SWEEP_MS 2000 /* to wait for what no time limit can cut short */

enum ask { ASK_DENY, ASK_GRANT, ASK_OPERATOR, ASK_UNLOCK, ASK_END };

struct turn { /* on the stack of who asks */
	struct turn *next;
	enum ask ask;
	int app_errno;
	const uint8_t *vk;
	struct store_error *err;
	struct lock_report report;
	int r;
	bool done;
};

struct locker {
	struct mount *m;
	struct sweeper *sweeper;
	pthread_t thread;
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t asked, done;
	struct turn *first, **last;
	bool stop;
	bool ended;
	struct lock_status status;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Milliseconds until END, at least one. */
static unsigned int left(double end)
{
	return (unsigned int)MAX(end - now(), 1);
}

/* ---- the procedure ------------------------------------------------------------- */

/*
 * What was let in before the gate closed may come to the kernel's cache only
 * now: a reply that who asked has not looked at, a write(2) that has passed
 * its checks and waits for a processor.  So all is swept again after a pause,
 * until nothing more comes or it has been tried long enough.
 */
static int settle(struct locker *l, struct zone *z, double end)
{
	double enough = MIN(end, now() + SETTLE_MS);
	uint64_t writes, before;
	int r;

	do {
		before = atomic_load(&l->m->page_writes);
		usleep(SETTLE_STEP_US);
		r = sweep(l->sweeper, z, SWEEP_ALL, left(end));
		if (r < 0)
			return r;
		writes = atomic_load(&l->m->page_writes);
	} while ((sweep_missed(l->sweeper) || writes != before) && now() < enough);
	return 0;
}

/*
 * 1. The gate refuses all but what a drain needs.  2. Attributes go: write(2),
 * walks, stats and listings fail from here.  3. Pages go, dirty ones by way of
 * the store.  4. When no request of before is in flight, what those brought in
 * goes as well.  5. All is made durable; the gate closes, keys and plaintext
 * are wiped.  6. The pages of writes that were refused since must not stay.
 */
static void drain(struct locker *l, struct zone *z, struct lock_report *rep)
{
	struct mount *m = l->m;
	double end = now() + m->opt->drain_ms;

	if (sweep(l->sweeper, z, SWEEP_ATTRS, left(end)) < 0 ||
	    sweep(l->sweeper, z, SWEEP_PAGES, left(end)) < 0 ||
	    sweep(l->sweeper, z, SWEEP_ALL, left(end)) < 0 || zone_quiesce(z, left(end)) < 0 ||
	    settle(l, z, end) < 0)
		rep->timed_out = true;
	if (!m->opt->read_only)
		rep->failed = zone_commit(z, left(end));
}

static void wipe(struct locker *l, struct zone *z)
{
	zone_wipe(z);
	pool_wipe(l->m->pool);
	if (sweep(l->sweeper, z, SWEEP_LAST, LAST_SWEEP_MS) < 0)
		log_warning("look at the processes that use the mount",
			    "the kernel is still writing what it must throw out");
	session_new_epoch(l->m); /* the whole mount is locked; kernels before 6.18 do without */
}

static void report(struct mount *m, int lock_errno, const struct lock_report *rep)
{
	log_notice("locked: %s: %.1f ms, %ju requests refused", strerror(lock_errno), rep->ms,
		   (uintmax_t)rep->refused);
	if (rep->timed_out)
		log_warning("a longer drain= waits longer for a slow store",
			    "the drain was cut short after %u ms", m->opt->drain_ms);
	if (rep->lost || rep->failed)
		log_error("writers got an error from fsync(2) or close(2)",
			  "locking lost data: %ju ranges, %u objects", (uintmax_t)rep->lost,
			  rep->failed);
}

static void lock_zone(struct locker *l, int lock_errno, struct lock_report *rep)
{
	struct mount *m = l->m;
	struct zone *z = m->zone;
	double begin = now();
	uint64_t refused = atomic_load(&m->refused), lost = atomic_load(&m->lost);

	atomic_store(&inode_shared(m->inodes)->lock_errno, lock_errno);
	if (zone_state(z) == ZONE_LOCKED) {
		zone_set_errno(z, lock_errno);
		return;
	}
	zone_lock_begin(z, lock_errno);
	drain(l, z, rep);
	wipe(l, z);
	rep->locked = true;
	rep->ms = now() - begin;
	rep->refused = atomic_load(&m->refused) - refused;
	rep->lost = atomic_load(&m->lost) - lost;
	report(m, lock_errno, rep);
}

/* ---- turns ---------------------------------------------------------------------- */

static int wanted_errno(const struct lock_status *s)
{
	if (!s->granted && s->app_errno)
		return s->app_errno;
	return ENOKEY;
}

static int unlock_zone(struct locker *l, struct turn *t)
{
	int r = zone_unlock(l->m->zone, t->vk, t->err);

	if (!r) {
		atomic_store(&inode_shared(l->m->inodes)->lock_errno, 0);
		log_notice("unlocked");
	}
	return r;
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
	if (*ended || s->operator_locked || !s->granted)
		lock_zone(l, *ended ? ENOTCONN : wanted_errno(s), &t->report);
	else if (t->vk)
		t->r = unlock_zone(l, t);
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

static void ask(struct locker *l, struct turn *t)
{
	pthread_mutex_lock(&l->lock);
	*l->last = t;
	l->last = &t->next;
	pthread_cond_signal(&l->asked);
	while (!t->done)
		pthread_cond_wait(&l->done, &l->lock);
	pthread_mutex_unlock(&l->lock);
}

void lock_deny(struct locker *l, int app_errno)
{
	struct turn t = { .ask = ASK_DENY, .app_errno = app_errno };

	ask(l, &t);
}

int lock_grant(struct locker *l, const uint8_t vk[static KEY_LEN], struct store_error *err)
{
	struct turn t = { .ask = ASK_GRANT, .vk = vk, .err = err };

	ask(l, &t);
	return t.r;
}

void lock_operator(struct locker *l, struct lock_report *ret)
{
	struct turn t = { .ask = ASK_OPERATOR };

	ask(l, &t);
	*ret = t.report;
}

int unlock_operator(struct locker *l, const uint8_t *vk, struct store_error *err)
{
	struct turn t = { .ask = ASK_UNLOCK, .vk = vk, .err = err };

	ask(l, &t);
	return t.r;
}

void lock_end(struct locker *l, struct lock_report *ret)
{
	struct turn t = { .ask = ASK_END };

	ask(l, &t);
	*ret = t.report;
}

void lock_status(struct locker *l, struct lock_status *ret)
{
	pthread_mutex_lock(&l->lock);
	*ret = l->status;
	pthread_mutex_unlock(&l->lock);
}

int locker_start(struct mount *m, struct locker **ret)
{
	struct locker *l = calloc(1, sizeof(*l));
	int r;

	if (!l)
		return -ENOMEM;
	l->m = m;
	l->last = &l->first;
	pthread_mutex_init(&l->lock, NULL);
	pthread_cond_init(&l->asked, NULL);
	pthread_cond_init(&l->done, NULL);
	r = sweeper_start(m, MAX(SWEEP_THREADS, m->nthreads / 2), &l->sweeper);
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
