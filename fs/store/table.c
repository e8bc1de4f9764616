/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects that are known, by device and inode number of their backing
 * files: a hash table in shards, and what a lookup that finds one has to tell apart.
 */
#include <errno.h>

#include "fs/store/content.h"
#include "fs/store/entry.h"

#define FIRST_BUCKETS 16u

static uint64_t hash(dev_t dev, ino_t ino)
{
	uint64_t h = (uint64_t)ino * UINT64_C(0x9e3779b97f4a7c15) ^ (uint64_t)dev;

	return h ^ h >> 32;
}

static struct shard *shard_of(struct store *st, uint64_t h)
{
	return &st->shards[h % TABLE_SHARDS];
}

static struct object **bucket(struct shard *s, uint64_t h)
{
	return &s->buckets[(h / TABLE_SHARDS) & (s->nbuckets - 1)];
}

static struct object *find_locked(struct shard *s, uint64_t h, dev_t dev, ino_t ino)
{
	struct object *o = s->nbuckets ? *bucket(s, h) : NULL;

	while (o && (o->ino != ino || o->dev != dev))
		o = o->hash_next;
	return o;
}

/* Twice the buckets.  When memory is short the chains just grow longer. */
static void grow_locked(struct shard *s)
{
	size_t n = s->nbuckets ? 2 * s->nbuckets : FIRST_BUCKETS, old = s->nbuckets;
	struct object **from = s->buckets, **to = calloc(n, sizeof(*to)), *o, *next;

	if (!to)
		return;
	s->buckets = to;
	s->nbuckets = n;
	for (size_t i = 0; i < old; i++)
		for (o = from[i]; o; o = next) {
			struct object **b = bucket(s, hash(o->dev, o->ino));

			next = o->hash_next;
			o->hash_next = *b;
			*b = o;
		}
	free(from);
}

static int insert_locked(struct shard *s, struct object *o)
{
	struct object **b;

	if (s->count >= s->nbuckets)
		grow_locked(s);
	if (!s->nbuckets)
		return -ENOMEM;
	b = bucket(s, hash(o->dev, o->ino));
	o->hash_next = *b;
	*b = o;
	s->count++;
	return 0;
}

static void remove_locked(struct shard *s, struct object *o)
{
	struct object **p = s->nbuckets ? bucket(s, hash(o->dev, o->ino)) : NULL;

	while (p && *p && *p != o)
		p = &(*p)->hash_next;
	if (p && *p) {
		*p = o->hash_next;
		s->count--;
	}
}

struct object *table_find(struct store *st, dev_t dev, ino_t ino)
{
	uint64_t h = hash(dev, ino);
	struct shard *s = shard_of(st, h);
	struct object *o;

	pthread_mutex_lock(&s->lock);
	o = find_locked(s, h, dev, ino);
	if (o)
		object_get(o);
	pthread_mutex_unlock(&s->lock);
	return o;
}

/*
 * Put O into the table.  Another object of the same inode number is a ghost
 * (DISPLACE) and goes out of it, or else gets a reference and is returned.
 */
static int table_insert(struct object *o, const struct object *displace, bool any,
			struct object **ret_known)
{
	uint64_t h = hash(o->dev, o->ino);
	struct shard *s = shard_of(o->st, h);
	struct object *known;
	int r = 0;

	pthread_mutex_lock(&s->lock);
	known = find_locked(s, h, o->dev, o->ino);
	if (known && (any || known == displace)) {
		remove_locked(s, known);
		known = NULL;
	}
	if (known)
		object_get(known);
	else
		r = insert_locked(s, o);
	pthread_mutex_unlock(&s->lock);
	*ret_known = known;
	return r;
}

static struct object *table_add(struct store *st, struct object *parent, const char *stored,
				const struct stat *sb, const struct object *ghost, bool any)
{
	struct object *o = object_new(st, parent, stored, sb), *known;

	if (!o)
		return NULL;
	o->check_binding = !any;
	if (!table_insert(o, ghost, any, &known) && !known)
		return o;
	object_put(o);
	return known;
}

struct object *table_get(struct store *st, struct object *parent, const char *stored,
			 const struct stat *sb)
{
	struct object *o = table_find(st, sb->st_dev, sb->st_ino), *ghost = NULL;

	for (;;) {
		if (o && o->type == (sb->st_mode & S_IFMT) &&
		    (!st->opt.read_only || (beside_same(o, parent, stored, sb) &&
					    o->zone == zone_at(st, parent, stored, sb))) &&
		    object_found_at(o, parent, stored))
			break;
		object_put(ghost);
		ghost = o;
		o = table_add(st, parent, stored, sb, ghost, false);
		if (!o)
			break;
	}
	object_put(ghost);
	if (o && parent && o->zone != parent->zone)
		zone_found(o);
	return o;
}

struct object *table_new(struct store *st, struct object *parent, const char *stored,
			 const struct stat *sb)
{
	return table_add(st, parent, stored, sb, NULL, true);
}

void table_rekey(struct object *o, const struct stat *sb)
{
	struct shard *s = shard_of(o->st, hash(o->dev, o->ino));
	struct object *known;

	pthread_mutex_lock(&s->lock);
	remove_locked(s, o);
	pthread_mutex_unlock(&s->lock);
	o->dev = sb->st_dev;
	o->ino = sb->st_ino;
	table_insert(o, NULL, true, &known);
}

bool table_put(struct object *o)
{
	struct shard *s = shard_of(o->st, hash(o->dev, o->ino));
	unsigned int n = o->refs;

	while (n > 1)
		if (atomic_compare_exchange_weak(&o->refs, &n, n - 1))
			return false;
	pthread_mutex_lock(&s->lock);
	n = atomic_fetch_sub(&o->refs, 1);
	if (n == 1)
		remove_locked(s, o);
	pthread_mutex_unlock(&s->lock);
	return n == 1;
}

void table_forget(struct shard *s, struct object *o)
{
	remove_locked(s, o);
	object_unload(o);
	object_free(o);
}
