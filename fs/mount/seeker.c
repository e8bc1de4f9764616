/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SEEK_DATA and SEEK_HOLE under the writeback cache.  The kernel asks without
 * writing its dirty pages first, and what it still holds would be called a
 * hole.  So they are brought in before the answer, by a thread of its own: a
 * worker must not wait for the WRITE of another.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/prctl.h>

#include "crypto/mac.h"
#include "fs/mount/session.h"

struct seek_ask {
	struct seek_ask *next;
	fuse_req_t req;
	struct inode *i; /* known to the kernel until it has its answer */
	struct zone *zone;
	uint64_t off;
	int whence;
};

struct seeker {
	struct mount *m;
	pthread_t thread;
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t wake;
	struct seek_ask *first, **last;
	bool stop;
};

int seeker_ask(struct seeker *s, fuse_req_t req, struct inode *i, uint64_t off, int whence)
{
	struct seek_ask *a = malloc(sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct seek_ask){ NULL, req, i, this_request.zone, off, whence };
	pthread_mutex_lock(&s->lock);
	*s->last = a;
	s->last = &a->next;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static void answer(struct seeker *s, struct seek_ask *a)
{
	int64_t r;

	/* Writes what is dirty, and waits for it. */
	fuse_lowlevel_notify_inval_inode(s->m->se, a->i->id, 0, 0);
	r = object_seek(a->i->object, a->off, a->whence);
	if (r < 0)
		reply_err(a->req, (int)r);
	else
		fuse_reply_lseek(a->req, r);
	zone_leave(a->zone, ZONE_NORMAL);
	crypto_forget();
	free(a);
}

static void *seeker_main(void *arg)
{
	struct seeker *s = arg;

	prctl(PR_SET_NAME, "cmkfs-seeker");
	pthread_mutex_lock(&s->lock);
	while (s->first || !s->stop) {
		struct seek_ask *a = s->first;

		if (!a) {
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		s->first = a->next;
		if (!s->first)
			s->last = &s->first;
		pthread_mutex_unlock(&s->lock);
		answer(s, a);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int seeker_start(struct mount *m, struct seeker **ret)
{
	struct seeker *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->m = m;
	s->last = &s->first;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	r = -pthread_create(&s->thread, NULL, seeker_main, s);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void seeker_stop(struct seeker *s)
{
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	free(s);
}
