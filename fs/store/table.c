/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The objects that are known, by device and inode number of their backing
 * files; their references and their paths.
 */
#include <errno.h>

#include "fs/store/content.h"
#include "fs/store/entry.h"
#include "fs/store/slab.h"

#define FIRST_BUCKETS 16u

static SLAB_CACHE(objects, sizeof(struct object));
/* Stored names of at most 16 and 32 plain bytes; longer ones are in the heap. */
static SLAB_CACHE(short_names, 48);
static SLAB_CACHE(names, 80);

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

/* ---- memory -------------------------------------------------------------------- */

static struct slab_cache *cache_of(size_t n)
{
	if (n <= short_names.size)
		return &short_names;
	return n <= names.size ? &names : NULL;
}

static char *name_copy(const char *name)
{
	size_t n = strlen(name) + 1;
	struct slab_cache *c = cache_of(n);
	char *copy = c ? slab_alloc(c) : malloc(n);

	return copy ? memcpy(copy, name, n) : NULL;
}

static void name_free(char *name)
{
	struct slab_cache *c = name ? cache_of(strlen(name) + 1) : NULL;

	if (c)
		slab_free(c, name);
	else
		free(name);
}

/* ---- references -------------------------------------------------------------- */

struct object *object_get(struct object *o)
{
	atomic_fetch_add(&o->refs, 1);
	return o;
}

bool object_tryget(struct object *o)
{
	unsigned int n = o->refs;

	while (n)
		if (atomic_compare_exchange_weak(&o->refs, &n, n + 1))
			return true;
	return false;
}

static void object_free(struct object *o)
{
	atomic_fetch_sub(&o->st->objects, 1);
	dirstream_free(o->stream);
	kept_free(o->st, o->kept);
	if (o->fd >= 0)
		close(o->fd);
	name_free(o->stored);
	pthread_rwlock_destroy(&o->ns);
	pthread_mutex_destroy(&o->lock);
	slab_free(&objects, o);
}

/* A loop, not a recursion: the last reference of a child may be that of all its ancestors. */
void object_put(struct object *o)
{
	while (o) {
		struct shard *s = shard_of(o->st, hash(o->dev, o->ino));
		struct object *parent = NULL;
		unsigned int n = o->refs;

		while (n > 1)
			if (atomic_compare_exchange_weak(&o->refs, &n, n - 1))
				return;
		pthread_mutex_lock(&s->lock);
		n = atomic_fetch_sub(&o->refs, 1);
		if (n == 1)
			remove_locked(s, o);
		pthread_mutex_unlock(&s->lock);
		if (n == 1) {
			object_unload(o);
			parent = o->parent;
			object_free(o);
		}
		o = parent;
	}
}

/* ---- paths --------------------------------------------------------------------- */

void object_set_path(struct object *o, struct object *parent, const char *stored)
{
	char *copy = parent ? name_copy(stored) : NULL;
	struct object *old = NULL;

	pthread_mutex_lock(&o->lock);
	o->unlinked = !copy;
	if (copy || !o->check_binding) {
		old = o->parent;
		name_free(o->stored);
		o->parent = copy ? object_get(parent) : NULL;
		o->stored = copy;
	} /* else the name that a lookup came by is still to be checked */
	pthread_mutex_unlock(&o->lock);
	object_put(old);
}

bool object_path_is(struct object *o, struct object *parent, const char *stored)
{
	bool same;

	pthread_mutex_lock(&o->lock);
	same = !o->unlinked && o->parent == parent && o->stored && !strcmp(o->stored, stored);
	pthread_mutex_unlock(&o->lock);
	return same;
}

int object_path(struct object *o, struct object **ret_parent, char ret_stored[static 256])
{
	int r = 0;

	pthread_mutex_lock(&o->lock);
	if (o->unlinked || !o->stored) {
		r = -ENOENT;
	} else {
		*ret_parent = o->parent ? object_get(o->parent) : NULL;
		strcpy(ret_stored, o->stored);
	}
	pthread_mutex_unlock(&o->lock);
	return r;
}

/*
 * A lookup found the known object O at this path.  False: O is the ghost of a
 * file that is gone, whose inode number is another's now.
 */
static bool found_at(struct object *o, struct object *parent, const char *stored)
{
	struct object *old = NULL;
	bool alive;

	pthread_mutex_lock(&o->lock);
	alive = !o->unlinked || o->fd >= 0;
	if (alive && (o->unlinked || o->parent != parent || strcmp(o->stored, stored))) {
		char *copy = name_copy(stored);

		if (copy) {
			old = o->parent;
			name_free(o->stored);
			o->parent = parent ? object_get(parent) : NULL;
			o->stored = copy;
			o->unlinked = false;
			o->check_binding = true;
		}
	}
	pthread_mutex_unlock(&o->lock);
	object_put(old);
	return alive;
}

/* ---- the table -------------------------------------------------------------------- */

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

static struct object *object_new(struct store *st, struct object *parent, const char *stored,
				 const struct stat *sb)
{
	struct object *o = slab_alloc(&objects);

	if (!o)
		return NULL;
	o->stored = name_copy(stored);
	if (!o->stored) {
		slab_free(&objects, o);
		return NULL;
	}
	o->st = st;
	o->zone = zone_at(st, parent, stored, sb);
	o->dev = sb->st_dev;
	o->ino = sb->st_ino;
	o->type = sb->st_mode & S_IFMT;
	o->refs = 1;
	o->fd = -1;
	o->parent = parent ? object_get(parent) : NULL;
	pthread_rwlock_init(&o->ns, NULL);
	pthread_mutex_init(&o->lock, NULL);
	atomic_fetch_add(&st->objects, 1);
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
		    found_at(o, parent, stored))
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

void table_forget(struct shard *s, struct object *o)
{
	remove_locked(s, o);
	object_unload(o);
	object_free(o);
}

/* ---- what others may know of an object -------------------------------------------- */

struct zone *object_zone(const struct object *o)
{
	return o->zone;
}

mode_t object_type(const struct object *o)
{
	return o->type;
}

ino_t object_ino(const struct object *o)
{
	return o->ino;
}

void *object_owner(const struct object *o)
{
	return o->owner;
}

void object_set_owner(struct object *o, void *owner)
{
	o->owner = owner;
}
