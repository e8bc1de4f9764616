/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of nodes: chunks that never move or go away, so that a number
 * finds its node without a lock, and a list of free numbers.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#include "fs/mount/inode.h"

#define CHUNK_SHIFT 12
#define CHUNK_NODES (1u << CHUNK_SHIFT)
#define NCHUNKS (INODE_MAX >> CHUNK_SHIFT)
#define NSHARDS 64
#define SHARED_SIZE (sizeof(struct inode_shared) + (size_t)INODE_MAX * sizeof(uint32_t))

struct inode_table {
	struct inode *_Atomic chunks[NCHUNKS];
	struct inode_shared *shared;
	_Atomic uint64_t count;
	pthread_mutex_t shards[NSHARDS]; /* by object: its owner word, and the node's fields */
	pthread_mutex_t free_lock;	 /* protects the two below, and growth */
	uint32_t free_head;		 /* 0: none */
	uint32_t next;			 /* number never used before */
};

struct inode *inode_of(const struct inode_table *t, uint64_t id)
{
	struct inode *c;

	if (!id || id >= INODE_MAX)
		return NULL;
	c = atomic_load_explicit(&t->chunks[id >> CHUNK_SHIFT], memory_order_acquire);
	return c ? &c[id & (CHUNK_NODES - 1)] : NULL;
}

struct inode_shared *inode_shared(struct inode_table *t)
{
	return t->shared;
}

uint32_t inode_high_water(const struct inode_table *t)
{
	return atomic_load(&t->shared->high_water);
}

uint64_t inode_count(const struct inode_table *t)
{
	return atomic_load_explicit(&t->count, memory_order_relaxed);
}

static pthread_mutex_t *shard_of(struct inode_table *t, const struct object *o)
{
	return &t->shards[((uintptr_t)o * UINT64_C(0x9e3779b97f4a7c15)) >> 58];
}

static int grow_locked(struct inode_table *t)
{
	struct inode *c = calloc(CHUNK_NODES, sizeof(*c));
	uint32_t n = t->next >> CHUNK_SHIFT;

	if (!c)
		return -ENOMEM;
	for (uint32_t i = 0; i < CHUNK_NODES; i++)
		c[i].id = (n << CHUNK_SHIFT) + i;
	atomic_store_explicit(&t->chunks[n], c, memory_order_release);
	return 0;
}

static int number_get(struct inode_table *t, struct inode **ret)
{
	struct inode *i = NULL;
	int r = 0;

	pthread_mutex_lock(&t->free_lock);
	if (t->free_head) {
		i = inode_of(t, t->free_head);
		t->free_head = i->next_free;
	} else if (t->next >= INODE_MAX) {
		r = -ENFILE;
	} else {
		if (!inode_of(t, t->next))
			r = grow_locked(t);
		if (!r) {
			i = inode_of(t, t->next);
			atomic_store(&t->shared->high_water, t->next++);
		}
	}
	pthread_mutex_unlock(&t->free_lock);
	if (!r)
		*ret = i;
	return r;
}

static void number_put(struct inode_table *t, struct inode *i)
{
	pthread_mutex_lock(&t->free_lock);
	i->next_free = t->free_head;
	t->free_head = i->id;
	pthread_mutex_unlock(&t->free_lock);
}

/* A free number for O, whose reference it takes.  The shard is held. */
static int inode_new_locked(struct inode_table *t, struct object *o, struct inode **ret)
{
	struct inode *i;
	int r = number_get(t, &i);

	if (r < 0)
		return r;
	i->object = o;
	i->nlookup = 0;
	i->generation++;
	i->dir = S_ISDIR(object_type(o));
	atomic_store_explicit(&i->stamp, 0, memory_order_relaxed);
	atomic_store_explicit(&i->flags, 0, memory_order_relaxed);
	atomic_store_explicit(&t->shared->reach[i->id], 0, memory_order_relaxed);
	atomic_store_explicit(&i->zone, object_zone(o), memory_order_release);
	object_set_owner(o, i);
	atomic_fetch_add_explicit(&t->count, 1, memory_order_relaxed);
	*ret = i;
	return 0;
}

int inode_take(struct inode_table *t, struct object *o, struct inode **ret)
{
	pthread_mutex_t *lock = shard_of(t, o);
	struct inode *i;
	bool known;
	int r = 0;

	pthread_mutex_lock(lock);
	i = object_owner(o);
	known = i;
	if (!known)
		r = inode_new_locked(t, o, &i);
	if (!r)
		i->nlookup++;
	pthread_mutex_unlock(lock);
	if (known || r < 0)
		object_put(o);
	if (!r)
		*ret = i;
	return r;
}

void inode_rezone(struct inode_table *t, struct object *o)
{
	pthread_mutex_t *lock = shard_of(t, o);
	struct inode *i;

	pthread_mutex_lock(lock);
	i = object_owner(o);
	if (i)
		atomic_store(&i->zone, object_zone(o));
	pthread_mutex_unlock(lock);
}

void inode_forget(struct inode_table *t, uint64_t id, uint64_t n)
{
	struct inode *i = inode_of(t, id);
	struct object *o = i ? i->object : NULL;
	pthread_mutex_t *lock;
	bool last;

	if (!o || id == INODE_ROOT)
		return;
	lock = shard_of(t, o);
	pthread_mutex_lock(lock);
	i->nlookup -= MIN(n, i->nlookup);
	last = !i->nlookup;
	if (last) {
		object_set_owner(o, NULL);
		atomic_store(&i->zone, NULL);
		i->object = NULL;
	}
	pthread_mutex_unlock(lock);
	if (!last)
		return;
	atomic_fetch_sub_explicit(&t->count, 1, memory_order_relaxed);
	number_put(t, i);
	object_drop(o);
}

void inode_touch_pages(struct inode_table *t, struct inode *i, uint64_t end)
{
	_Atomic uint32_t *reach = &t->shared->reach[i->id];
	uint64_t mib = (end + (1u << REACH_SHIFT) - 1) >> REACH_SHIFT;
	uint32_t want = (uint32_t)MIN(MAX(mib, 1), UINT32_MAX);
	uint32_t old = atomic_load_explicit(reach, memory_order_relaxed);

	while (old < want && !atomic_compare_exchange_weak(reach, &old, want))
		;
	inode_touch(i, INODE_PAGES | INODE_ATTRS);
}

int inode_table_new(struct object *root, struct inode_table **ret)
{
	struct inode_table *t = calloc(1, sizeof(*t));
	struct inode *i;
	int r;

	if (!t)
		return -ENOMEM;
	/* Reserved, not used: a page of it for each 1024 nodes. */
	t->shared = mmap(NULL, SHARED_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (t->shared == MAP_FAILED) {
		free(t);
		return -ENOMEM;
	}
	for (unsigned int n = 0; n < NSHARDS; n++)
		pthread_mutex_init(&t->shards[n], NULL);
	pthread_mutex_init(&t->free_lock, NULL);
	t->next = INODE_ROOT;
	r = inode_take(t, object_get(root), &i);
	if (r < 0) {
		inode_table_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

void inode_table_free(struct inode_table *t)
{
	if (!t)
		return;
	for (uint32_t id = 1; id < t->next; id++) {
		struct inode *i = inode_of(t, id);

		if (i && i->object) {
			object_set_owner(i->object, NULL);
			object_put(i->object);
		}
	}
	for (uint32_t n = 0; n < NCHUNKS; n++)
		free(t->chunks[n]);
	for (unsigned int n = 0; n < NSHARDS; n++)
		pthread_mutex_destroy(&t->shards[n]);
	pthread_mutex_destroy(&t->free_lock);
	munmap(t->shared, SHARED_SIZE);
	free(t);
}
