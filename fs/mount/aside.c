/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that must wait for another request: a thread takes them aside, so
 * that no worker waits for one.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/prctl.h>

#include "crypto/mac.h"
#include "fs/mount/aside.h"

struct aside {
	struct mount *m;
	pthread_t thread;
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t wake;
	struct aside_job *first, **last;
	bool stop;
};

int aside_take(struct aside *s, const struct aside_job *job)
{
	struct aside_job *j = malloc(sizeof(*j));

	if (!j)
		return -ENOMEM;
	*j = *job;
	j->next = NULL;
	j->zone = this_request.zone;
	pthread_mutex_lock(&s->lock);
	*s->last = j;
	s->last = &j->next;
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static void *aside_main(void *arg)
{
	struct aside *s = arg;

	prctl(PR_SET_NAME, "cmkfs-aside");
	pthread_mutex_lock(&s->lock);
	while (s->first || !s->stop) {
		struct aside_job *j = s->first;

		if (!j) {
			pthread_cond_wait(&s->wake, &s->lock);
			continue;
		}
		s->first = j->next;
		if (!s->first)
			s->last = &s->first;
		pthread_mutex_unlock(&s->lock);
		j->run(s->m, j);
		zone_leave(j->zone, ZONE_NORMAL);
		crypto_forget();
		free(j);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int aside_start(struct mount *m, struct aside **ret)
{
	struct aside *s = calloc(1, sizeof(*s));
	int r;

	if (!s)
		return -ENOMEM;
	s->m = m;
	s->last = &s->first;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	r = -pthread_create(&s->thread, NULL, aside_main, s);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void aside_stop(struct aside *s)
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

void aside_seek(struct mount *m, struct aside_job *j)
{
	int64_t r;

	/* Writes what is dirty, and waits for it. */
	fuse_lowlevel_notify_inval_inode(m->se, j->i->id, 0, 0);
	r = object_seek(j->i->object, j->off, j->whence);
	if (r < 0)
		reply_err(j->req, (int)r);
	else
		fuse_reply_lseek(j->req, r);
}
