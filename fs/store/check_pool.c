/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers of a check, and the short queue to them.
 */
#include <errno.h>
#include <time.h>

#include "fs/store/check_internal.h"

#define QUEUE 64u
#define WAIT_MS 100

struct job {
	struct check_file *f;
	uint64_t unit;
};

struct worker {
	struct check_pool *p;
	struct check_scratch *s;
	pthread_t thread;
	bool started;
};

struct check_pool {
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t work, room;
	struct job jobs[QUEUE];
	unsigned int head, n, busy;
	bool end;
	unsigned int nworkers;
	struct worker workers[];
};

static bool take(struct check_pool *p, struct job *ret)
{
	pthread_mutex_lock(&p->lock);
	while (!p->n && !p->end)
		pthread_cond_wait(&p->work, &p->lock);
	if (p->n) {
		*ret = p->jobs[p->head];
		p->head = (p->head + 1) % QUEUE;
		p->n--;
		p->busy++;
		pthread_mutex_unlock(&p->lock);
		return true;
	}
	pthread_mutex_unlock(&p->lock);
	return false;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	struct job j;

	while (take(w->p, &j)) {
		check_unit(j.f, j.unit, w->s);
		check_file_put(j.f);
		pthread_mutex_lock(&w->p->lock);
		w->p->busy--;
		pthread_cond_signal(&w->p->room);
		pthread_mutex_unlock(&w->p->lock);
	}
	return NULL;
}

static int start_worker(struct check_pool *p, struct worker *w, bool contents)
{
	int r;

	w->p = p;
	w->s = check_scratch_new(contents);
	if (!w->s)
		return -ENOMEM;
	r = pthread_create(&w->thread, NULL, work, w);
	w->started = !r;
	return -r;
}

int check_pool_start(struct check *c)
{
	unsigned int n = MAX(c->opt->threads, 1u);
	struct check_pool *p = calloc(1, sizeof(*p) + n * sizeof(p->workers[0]));
	int r = 0;

	if (!p)
		return -ENOMEM;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->work, NULL);
	pthread_cond_init(&p->room, NULL);
	p->nworkers = n;
	c->pool = p;
	for (unsigned int i = 0; i < n && !r; i++)
		r = start_worker(p, &p->workers[i], c->opt->contents);
	return r;
}

/* Wait a moment for a worker to be done with something.  The lock is held. */
static void wait_locked(struct check *c)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += WAIT_MS * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	pthread_cond_timedwait(&c->pool->room, &c->pool->lock, &t);
	pthread_mutex_unlock(&c->pool->lock);
	check_tick(c);
	pthread_mutex_lock(&c->pool->lock);
}

void check_pool_add(struct check *c, struct check_file *f, uint64_t unit)
{
	struct check_pool *p = c->pool;

	pthread_mutex_lock(&p->lock);
	while (p->n == QUEUE)
		wait_locked(c);
	atomic_fetch_add(&f->refs, 1);
	p->jobs[(p->head + p->n++) % QUEUE] = (struct job){ f, unit };
	pthread_cond_signal(&p->work);
	pthread_mutex_unlock(&p->lock);
}

void check_pool_drain(struct check *c)
{
	struct check_pool *p = c->pool;

	pthread_mutex_lock(&p->lock);
	while (p->n || p->busy)
		wait_locked(c);
	pthread_mutex_unlock(&p->lock);
}

void check_pool_stop(struct check *c)
{
	struct check_pool *p = c->pool;

	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->end = true;
	pthread_cond_broadcast(&p->work);
	pthread_mutex_unlock(&p->lock);
	for (unsigned int i = 0; i < p->nworkers; i++) {
		if (p->workers[i].started)
			pthread_join(p->workers[i].thread, NULL);
		check_scratch_free(p->workers[i].s);
	}
	pthread_cond_destroy(&p->work);
	pthread_cond_destroy(&p->room);
	pthread_mutex_destroy(&p->lock);
	free(p);
	c->pool = NULL;
}
