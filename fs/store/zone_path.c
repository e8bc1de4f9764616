/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a zone begins, and paths from the root of a volume.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "fs/store/entry.h"
#include "fs/store/tree.h"

#define DEPTH 500u

/* ---- by path ---------------------------------------------------------------------- */

static int step(struct object *dir, const char *name, struct object **ret)
{
	struct stat sb;
	int r = object_enter(dir, ZONE_NORMAL);

	if (r < 0)
		return r;
	r = object_lookup(dir, name, ret, &sb);
	object_leave(dir, ZONE_NORMAL);
	return r;
}

int store_resolve(struct store *st, const char *path, struct object **ret)
{
	struct object *o = object_get(st->root), *next;
	_cleanup_free_ char *copy = strdup(path);
	char *save = NULL, *name = copy ? strtok_r(copy, "/", &save) : NULL;
	int r = copy ? 0 : -ENOMEM;

	for (; name && r == 0; name = strtok_r(NULL, "/", &save)) {
		if (!strcmp(name, "."))
			continue;
		r = strcmp(name, "..") ? step(o, name, &next) : -EINVAL;
		if (r == 0) {
			object_put(o);
			o = next;
		}
	}
	if (r < 0)
		object_put(o);
	else
		*ret = o;
	return r;
}

/* The plain name of O in PARENT. */
static int plain_name(struct object *parent, const char *stored, char name[static 256])
{
	struct loaded *dl;
	size_t n;
	int r = object_enter(parent, ZONE_NORMAL);

	if (r < 0)
		return r;
	r = object_pin(parent, &dl);
	if (r == 0) {
		r = entry_plain_name(parent, dl, stored, name, &n);
		object_unpin(parent);
	}
	object_leave(parent, ZONE_NORMAL);
	return r;
}

int object_plain_path(struct object *o, char **ret)
{
	char *path = strdup(""), stored[256], name[256];
	struct object *at = object_get(o), *parent;
	int r = path ? 0 : -ENOMEM;

	while (r == 0 && at != o->st->root) {
		char *longer = NULL;

		r = object_path(at, &parent, stored);
		if (r < 0)
			break;
		object_put(at);
		at = parent;
		r = plain_name(parent, stored, name);
		if (r == 0 && asprintf(&longer, "%s%s%s", name, *path ? "/" : "", path) < 0)
			r = -ENOMEM;
		if (r == 0) {
			free(path);
			path = longer;
		}
	}
	secret_wipe(name, sizeof(name));
	object_put(at);
	if (r < 0)
		free(path);
	else
		*ret = path;
	return r;
}

/* ---- by search ------------------------------------------------------------------------ */

static int search(struct object *dir, struct zone *z, unsigned int depth);

static int search_entry(struct object *dir, const char *stored, struct zone *z, unsigned int depth)
{
	struct object *o = NULL;
	struct stat sb;
	int r;

	pthread_rwlock_rdlock(&dir->ns);
	r = backing_stat(dir->fd, stored, &sb);
	if (r == 0 && S_ISDIR(sb.st_mode)) {
		o = table_get(dir->st, dir, stored, &sb); /* notes it if a zone begins there */
		r = o ? 0 : -ENOMEM;
	}
	pthread_rwlock_unlock(&dir->ns);
	if (!o)
		return r == -ENOENT ? 0 : r;
	r = z->top || !depth ? 0 : search(o, z, depth - 1);
	object_put(o);
	return r;
}

struct searching {
	struct object *dir;
	struct zone *z;
	unsigned int depth;
	int error; /* of what was found; a directory that cannot be listed is passed over */
};

/* Not 0: the search is over. */
static int search_named(void *arg, const struct dirent64 *d)
{
	struct searching *s = arg;

	if (tree_is_name(s->dir->st, d) && (d->d_type == DT_DIR || d->d_type == DT_UNKNOWN))
		s->error = search_entry(s->dir, d->d_name, s->z, s->depth);
	return s->error || s->z->top;
}

/* All directories below DIR, until the zone's has been seen. */
static int search(struct object *dir, struct zone *z, unsigned int depth)
{
	struct searching s = { dir, z, depth, 0 };

	if (object_pin_fd(dir) < 0)
		return 0; /* it went, or cannot be read */
	if (!z->top)
		backing_each(dir->fd, search_named, &s);
	object_unpin(dir);
	return s.error;
}

int zone_top(struct zone *z, bool look, struct object **ret)
{
	struct store *st = z->st;
	int r = 0;

	if (!z->parent) {
		*ret = object_get(st->root);
		return 0;
	}
	if (look && !z->top)
		r = search(st->root, z, DEPTH);
	pthread_mutex_lock(&z->lock);
	*ret = z->top ? object_get(z->top) : NULL;
	pthread_mutex_unlock(&z->lock);
	return r ? r : *ret ? 0 : -ENOENT;
}
