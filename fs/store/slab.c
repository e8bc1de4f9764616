/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slabs: each is a mapping aligned to its size, so that a piece finds its own.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fs/store/slab.h"

#define SLAB_SIZE ((size_t)1 << 20)

struct slab {
	TAILQ_ENTRY(slab) link;
	void *free;	   /* pieces that were given back, each holds the next */
	unsigned int used; /* pieces that are not free */
	size_t fresh;	   /* offset of the first piece that never was used */
};

static size_t piece_size(const struct slab_cache *c)
{
	return (c->size + 15) & ~(size_t)15;
}

static size_t first_piece(void)
{
	return (sizeof(struct slab) + 15) & ~(size_t)15;
}

/* Twice as much is mapped, and what is not aligned goes. */
static struct slab *slab_new(void)
{
	uint8_t *p = mmap(NULL, 2 * SLAB_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;
	struct slab *s;

	if (p == MAP_FAILED)
		return NULL;
	before = -(uintptr_t)p & (SLAB_SIZE - 1);
	s = (struct slab *)(void *)(p + before);
	if (before)
		munmap(p, before);
	munmap(p + before + SLAB_SIZE, SLAB_SIZE - before);
	s->fresh = first_piece();
	return s;
}

static void *take_piece(struct slab *s, size_t size)
{
	void *p = s->free;

	s->used++;
	if (p) {
		memcpy(&s->free, p, sizeof(void *));
		return memset(p, 0, size);
	}
	p = (uint8_t *)s + s->fresh;
	s->fresh += size;
	return p;
}

static bool is_full(const struct slab *s, size_t size)
{
	return !s->free && s->fresh + size > SLAB_SIZE;
}

#ifdef __SANITIZE_ADDRESS__ /* which sees the use of what was freed in the heap only */

void *slab_alloc(struct slab_cache *c)
{
	return calloc(1, c->size);
}

void slab_free(struct slab_cache *c, void *p)
{
	(void)c;
	free(p);
}

#else

void *slab_alloc(struct slab_cache *c)
{
	size_t size = piece_size(c);
	struct slab *s;
	void *p = NULL;

	pthread_mutex_lock(&c->lock);
	s = TAILQ_FIRST(&c->room);
	if (!s) {
		s = slab_new();
		if (!s)
			goto out;
		TAILQ_INSERT_HEAD(&c->room, s, link);
		c->empty++;
	}
	if (!s->used)
		c->empty--;
	p = take_piece(s, size);
	if (is_full(s, size))
		TAILQ_REMOVE(&c->room, s, link);
out:
	pthread_mutex_unlock(&c->lock);
	return p;
}

/* The fuller ones are at the head, so that the others become empty. */
void slab_free(struct slab_cache *c, void *p)
{
	struct slab *s = (struct slab *)((uintptr_t)p & ~(SLAB_SIZE - 1)), *gone = NULL;

	if (!p)
		return;
	pthread_mutex_lock(&c->lock);
	if (is_full(s, piece_size(c)))
		TAILQ_INSERT_HEAD(&c->room, s, link);
	memcpy(p, &s->free, sizeof(void *));
	s->free = p;
	if (!--s->used) {
		TAILQ_REMOVE(&c->room, s, link);
		if (c->empty++) {
			c->empty--;
			gone = s;
		} else {
			TAILQ_INSERT_TAIL(&c->room, s, link);
		}
	}
	pthread_mutex_unlock(&c->lock);
	if (gone)
		munmap(gone, SLAB_SIZE);
}

#endif
