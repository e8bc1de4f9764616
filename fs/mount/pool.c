/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The plaintext buffers.  A thread gets the one that it had last, if that is
 * free: another would be in the cache of another processor.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <sys/mman.h>

#include "crypto/secret.h"
#include "fs/mount/pool.h"

struct buffer {
	uint8_t *mem;
	size_t dirty;	/* bytes written since the last wipe */
	uint64_t epoch; /* of pool_wipe() when it was given out */
};

struct pool {
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t some;
	uint64_t epoch;
	unsigned int n, nfree;
	struct buffer *buffers;
	unsigned int *free; /* indexes */
	uint8_t *base;
};

static _Thread_local unsigned int last = UINT_MAX; /* index: a guess */

void *pool_map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	mlock2(p, n, MLOCK_ONFAULT); /* status says when it is not */
	madvise(p, n, MADV_DONTDUMP);
	madvise(p, n, MADV_DONTFORK);
	return p;
}

void pool_unmap(void *p, size_t n)
{
	if (!p)
		return;
	secret_wipe(p, n);
	munmap(p, n);
}

int pool_new(unsigned int n, struct pool **ret)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return -ENOMEM;
	p->buffers = calloc(n, sizeof(*p->buffers));
	p->free = calloc(n, sizeof(*p->free));
	p->base = pool_map((size_t)n * POOL_SIZE);
	if (!p->buffers || !p->free || !p->base) {
		pool_unmap(p->base, (size_t)n * POOL_SIZE);
		free(p->buffers);
		free(p->free);
		free(p);
		return -ENOMEM;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->some, NULL);
	p->n = n;
	for (p->nfree = 0; p->nfree < n; p->nfree++) {
		p->buffers[p->nfree].mem = p->base + (size_t)p->nfree * POOL_SIZE;
		p->free[p->nfree] = p->nfree;
	}
	*ret = p;
	return 0;
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	pool_wipe(p); /* touches only what was used */
	munmap(p->base, (size_t)p->n * POOL_SIZE);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->some);
	free(p->buffers);
	free(p->free);
	free(p);
}

/* Out of those that are free. */
static unsigned int take_locked(struct pool *p)
{
	unsigned int k = 0;

	while (k + 1 < p->nfree && p->free[k] != last)
		k++;
	last = p->free[k];
	p->free[k] = p->free[--p->nfree];
	return last;
}

uint8_t *pool_get(struct pool *p)
{
	struct buffer *b;

	pthread_mutex_lock(&p->lock);
	while (!p->nfree)
		pthread_cond_wait(&p->some, &p->lock);
	b = &p->buffers[take_locked(p)];
	b->epoch = p->epoch;
	pthread_mutex_unlock(&p->lock);
	return b->mem;
}

void pool_put(struct pool *p, uint8_t *buf, size_t used)
{
	unsigned int i = (unsigned int)((size_t)(buf - p->base) / POOL_SIZE);
	struct buffer *b = &p->buffers[i];

	pthread_mutex_lock(&p->lock);
	b->dirty = MAX(b->dirty, MIN(used, POOL_SIZE));
	if (b->epoch != p->epoch) {
		secret_wipe(b->mem, b->dirty);
		b->dirty = 0;
	}
	last = i;
	p->free[p->nfree++] = i;
	pthread_cond_signal(&p->some);
	pthread_mutex_unlock(&p->lock);
}

void pool_wipe(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->epoch++;
	for (unsigned int i = 0; i < p->nfree; i++) {
		struct buffer *b = &p->buffers[p->free[i]];

		secret_wipe(b->mem, b->dirty);
		b->dirty = 0;
	}
	pthread_mutex_unlock(&p->lock);
}
