/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The flusher: brings to the backing store what nobody flushed, soon enough
 * that what close(2) acknowledged survives the daemon's death a second later;
 * keeps the store's caches within bounds; and tells the kernel what it holds
 * that is stale, which no handler may do itself (it would wait for its own
 * reply).
 */
#include <errno.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <time.h>

#include "crypto/mac.h"
#include "fs/mount/session.h"

#define PERIOD_MS 250
#define AGE_MS 500
#define STALE_MAX 1024

struct stale {
	uint32_t id;
	uint64_t off, n; /* N 0: attributes only */
};

struct flusher {
	struct mount *m;
	pthread_t thread;
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t wake;
	bool stop, overflow;
	unsigned int n;
	struct stale stale[STALE_MAX];
};

void flusher_stale(struct flusher *f, const struct inode *i, uint64_t off, uint64_t n)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	if (f->n < STALE_MAX)
		f->stale[f->n++] = (struct stale){ .id = i->id, .off = off, .n = n };
	else
		f->overflow = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
}

/* Tell the kernel.  The lock is let go: it may wait for a request of a worker. */
static void tell_locked(struct flusher *f)
{
	struct stale *list = f->n ? malloc(f->n * sizeof(*list)) : NULL;
	unsigned int n = list ? f->n : 0;
	bool all = f->overflow || (f->n && !list);

	if (list)
		memcpy(list, f->stale, n * sizeof(*list));
	f->n = 0;
	f->overflow = false;
	pthread_mutex_unlock(&f->lock);
	for (unsigned int i = 0; i < n; i++)
		fuse_lowlevel_notify_inval_inode(f->m->se, list[i].id,
						 list[i].n ? (off_t)list[i].off : -1,
						 (off_t)list[i].n);
	for (uint32_t id = INODE_ROOT; all && id <= inode_high_water(f->m->inodes); id++)
		fuse_lowlevel_notify_inval_inode(f->m->se, id, 0, 0);
	free(list);
	pthread_mutex_lock(&f->lock);
}

static void flush(struct mount *m, unsigned int round)
{
	if (!m->opt->read_only)
		store_flush_aged(m->store, AGE_MS);
	if (round % (1000 / PERIOD_MS) == 0)
		store_trim(m->store);
	crypto_forget();
}

static bool past(const struct timespec *t)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > t->tv_sec || (now.tv_sec == t->tv_sec && now.tv_nsec >= t->tv_nsec);
}

static void next_period(struct timespec *t)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_nsec += PERIOD_MS * 1000000L;
	if (t->tv_nsec >= 1000000000L) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000L;
	}
}

static void *flusher_main(void *arg)
{
	struct flusher *f = arg;
	struct timespec next;
	unsigned int round = 0;

	prctl(PR_SET_NAME, "cmkfs-flusher");
	next_period(&next);
	pthread_mutex_lock(&f->lock);
	while (!f->stop) {
		if (f->n || f->overflow)
			tell_locked(f);
		else
			pthread_cond_timedwait(&f->wake, &f->lock, &next);
		if (!past(&next))
			continue;
		pthread_mutex_unlock(&f->lock);
		flush(f->m, round++);
		next_period(&next);
		pthread_mutex_lock(&f->lock);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

int flusher_start(struct mount *m, struct flusher **ret)
{
	struct flusher *f = calloc(1, sizeof(*f));
	pthread_condattr_t attr;
	int r;

	if (!f)
		return -ENOMEM;
	f->m = m;
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->wake, &attr);
	pthread_condattr_destroy(&attr);
	r = -pthread_create(&f->thread, NULL, flusher_main, f);
	if (r < 0) {
		free(f);
		return r;
	}
	*ret = f;
	return 0;
}

void flusher_stop(struct flusher *f)
{
	if (!f)
		return;
	pthread_mutex_lock(&f->lock);
	f->stop = true;
	pthread_cond_signal(&f->wake);
	pthread_mutex_unlock(&f->lock);
	pthread_join(f->thread, NULL);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->wake);
	free(f);
}
