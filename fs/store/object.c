/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An object by itself: its memory, its references and its path.
 */
#include <errno.h>

#include "fs/store/entry.h"
#include "fs/store/slab.h"

static SLAB_CACHE(objects, sizeof(struct object));
/* Stored names of at most 16 and 32 plain bytes; longer ones are in the heap. */
static SLAB_CACHE(short_names, 48);
static SLAB_CACHE(names, 80);

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

struct object *object_new(struct store *st, struct object *parent, const char *stored,
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

void object_free(struct object *o)
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

/* A loop, not a recursion: the last reference of a child may be that of all its ancestors. */
void object_put(struct object *o)
{
	while (o) {
		struct object *parent;

		if (!table_put(o))
			return;
		object_unload(o);
		parent = o->parent;
		object_free(o);
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

bool object_found_at(struct object *o, struct object *parent, const char *stored)
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
