/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pieces of memory of one size, in mappings of their own that are given back
 * when all of their pieces are free.  For what there is one of for each file
 * that the kernel knows: the heap, whose pages are locked, would keep it all for
 * whatever small thing lies at its end.  Not for secrets.
 */
#ifndef CMKFS_STORE_SLAB_H
#define CMKFS_STORE_SLAB_H

#include <pthread.h>
#include <stddef.h>
#include <sys/queue.h>

struct slab;

struct slab_cache {
	pthread_mutex_t lock;		  /* protects all below */
	TAILQ_HEAD(, slab) room;	  /* that have a free piece */
	unsigned int empty;		  /* of these, that have nothing else: one is kept */
	size_t size;			  /* of a piece: bytes */
};

#define SLAB_CACHE(name, piece)                                                     \
	struct slab_cache name = { .lock = PTHREAD_MUTEX_INITIALIZER,               \
				   .room = TAILQ_HEAD_INITIALIZER((name).room),     \
				   .size = (piece) }

/* A piece, all zero, aligned for any type.  NULL: -ENOMEM.  Thread-safe, as slab_free(). */
void *slab_alloc(struct slab_cache *c);
/* NULL-safe. */
void slab_free(struct slab_cache *c, void *p);

#endif
