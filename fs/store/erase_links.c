/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding all names of the files that are to be erased.  Links do not cross
 * zones, and a directory's entries tell the inode numbers: files with other
 * numbers are not looked at.
 */
#include "fs/store/erase_priv.h"

#include <stdio.h>

#include "crypto/secret.h"
#include "fs/store/tree.h"

#define DEPTH 500u

static size_t bucket(const struct stat *sb)
{
	return (size_t)(((uint64_t)sb->st_ino * UINT64_C(0x9e3779b97f4a7c15)) >> 32) % LINKED_BUCKETS;
}

struct linked *linked_find(struct eraser *x, const struct stat *sb)
{
	struct linked *f = x->linked[bucket(sb)];

	while (f && (f->ino != sb->st_ino || f->dev != sb->st_dev))
		f = f->next;
	return f;
}

static struct linked *linked_get(struct eraser *x, const struct stat *sb)
{
	struct linked *f = linked_find(x, sb);

	if (f)
		return f;
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	*f = (struct linked){ .next = x->linked[bucket(sb)], .dev = sb->st_dev,
			      .ino = sb->st_ino, .nlink = sb->st_nlink };
	x->linked[bucket(sb)] = f;
	x->missing += (unsigned int)sb->st_nlink;
	return f;
}

int linked_add(struct eraser *x, const struct stat *sb, struct object *dir, const char *name,
	       const char *path)
{
	struct linked *f = linked_get(x, sb);
	struct name_in *v, in;

	if (!f)
		return -ENOMEM;
	for (unsigned int i = 0; i < f->n; i++)
		if (f->v[i].dir == dir && !strcmp(f->v[i].name, name))
			return 0;
	v = realloc(f->v, (f->n + 1) * sizeof(*v));
	if (!v)
		return -ENOMEM;
	f->v = v;
	in = (struct name_in){ .name = strdup(name), .path = strdup(path) };
	if (!in.name || !in.path) {
		free(in.name);
		free(in.path);
		return -ENOMEM;
	}
	in.dir = object_get(dir);
	f->v[f->n++] = in;
	x->missing -= x->missing ? 1 : 0;
	return 0;
}

static void linked_one_free(struct linked *f)
{
	for (unsigned int i = 0; i < f->n; i++) {
		object_put(f->v[i].dir);
		free(f->v[i].name);
		free(f->v[i].path);
	}
	free(f->v);
	free(f);
}

void linked_free(struct eraser *x)
{
	for (size_t i = 0; i < LINKED_BUCKETS; i++)
		while (x->linked[i]) {
			struct linked *f = x->linked[i];

			x->linked[i] = f->next;
			linked_one_free(f);
		}
}

const struct linked *linked_lacking(struct eraser *x)
{
	for (size_t i = 0; i < LINKED_BUCKETS; i++)
		for (const struct linked *f = x->linked[i]; f; f = f->next)
			if (f->n < f->nlink)
				return f;
	return NULL;
}

/* ---- the search ------------------------------------------------------------------------ */

/* STORED in DIR, which is pinned, has the number of one that we look for. */
static int take_name(struct eraser *x, struct object *dir, const char *stored)
{
	_cleanup_free_ char *above = NULL, *path = NULL;
	char name[NAME_LIMIT + 1];
	struct loaded *dl;
	struct stat sb;
	size_t n;
	int r = backing_stat(dir->fd, stored, &sb);

	if (r || !linked_find(x, &sb))
		return r == -ENOENT ? 0 : r;
	r = object_pin(dir, &dl);
	if (!r) {
		r = entry_plain_name(dir, dl, stored, name, &n);
		object_unpin(dir);
	}
	if (!r)
		r = object_plain_path(dir, &above);
	if (!r && asprintf(&path, "%s%s%s", above, *above ? "/" : "", name) < 0) {
		path = NULL;
		r = -ENOMEM;
	}
	if (!r)
		r = linked_add(x, &sb, dir, name, path);
	secret_wipe(name, sizeof(name));
	return r == -EBADMSG ? 0 : r; /* no name of ours; then it is one too few */
}

struct looking {
	struct eraser *x;
	struct object *dir;
	struct tree_names *below; /* directories */
};

static int look_at(void *arg, const struct dirent64 *d)
{
	struct looking *k = arg;
	const struct stat sb = { .st_dev = k->dir->dev, .st_ino = d->d_ino };
	int r = 0;

	if (!tree_is_name(k->dir->st, d))
		return 0;
	if (d->d_type == DT_DIR || d->d_type == DT_UNKNOWN)
		r = tree_names_add(k->below, d->d_name);
	if (!r && d->d_type != DT_DIR && (d->d_type == DT_UNKNOWN || linked_find(k->x, &sb)))
		r = take_name(k->x, k->dir, d->d_name);
	return r;
}

/* Names in DIR with a number that we look for; those of directories into RET. */
static int look_in(struct eraser *x, struct object *dir, struct tree_names *ret)
{
	struct looking k = { x, dir, ret };

	return backing_each(dir->fd, look_at, &k);
}

static int search(struct eraser *x, struct object *dir, unsigned int depth);

static int search_below(struct eraser *x, struct object *dir, const char *stored,
			unsigned int depth)
{
	struct object *o = NULL;
	int r = object_enter(dir, ZONE_NORMAL);

	if (r)
		return r;
	r = tree_object(dir, stored, &o);
	object_leave(dir, ZONE_NORMAL);
	if (!r && S_ISDIR(o->type))
		r = depth ? search(x, o, depth - 1) : -ELOOP;
	object_put(o);
	/* What went has no names any more; in what is damaged nothing can be named. */
	return r == -ENOENT || r == -ESTALE || r == -EBADMSG || r == -EIO ? 0 : r;
}

static int search(struct eraser *x, struct object *dir, unsigned int depth)
{
	struct tree_names below = { 0 };
	int r = *x->e->stop ? -EINTR : object_enter(dir, ZONE_NORMAL);

	if (r) /* a locked zone: its files are not among those of another */
		return r == -EINTR ? r : 0;
	r = object_pin(dir, NULL);
	if (!r) {
		r = look_in(x, dir, &below);
		object_unpin(dir);
	}
	object_leave(dir, ZONE_NORMAL);
	for (size_t i = 0; i < below.n && !r && x->missing; i++)
		r = search_below(x, dir, below.v[i], depth);
	tree_names_free(&below);
	return r;
}

int linked_search(struct eraser *x)
{
	return x->missing ? search(x, x->st->root, DEPTH) : 0;
}
