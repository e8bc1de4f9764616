/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is to be erased is walked twice: first to see that it can be, and that
 * all names of all files are known, then to do it, each directory after what
 * is in it.
 */
#include "fs/store/erase_priv.h"

#include <stdio.h>

#include "crypto/secret.h"
#include "fs/store/tree.h"
#include "fs/store/volume.h"

#define TRIES 8 /* of a directory in which others make files meanwhile */

int erase_fail(struct eraser *x, int r, const char *hint, const char *path, const char *why)
{
	if (!hint)
		hint = x->destroy ? "what was erased stays so; the same command again goes on with it" :
				    "nothing was erased";
	return store_fail(x->err, r, hint, "%s: %s", *path ? path : ".", why);
}

static int stopped(const struct eraser *x)
{
	return *x->e->stop ? -EINTR : 0;
}

static void let_go(struct eraser *x, struct object *o)
{
	if (x->e->let_go)
		x->e->let_go(x->e->arg, o);
}

int erase_look(struct object *dir, const char *name, struct object **ret, struct stat *sb)
{
	int r = object_enter(dir, ZONE_NORMAL);

	if (r)
		return r;
	r = object_lookup(dir, name, ret, sb);
	object_leave(dir, ZONE_NORMAL);
	return r;
}

/* Take NAME of O away.  Gone already is as good. */
static int drop_name(struct eraser *x, struct object *o, struct object *dir, const char *name)
{
	int r = object_enter(dir, ZONE_NORMAL);

	if (r)
		return r;
	r = S_ISDIR(o->type) ? object_rmdir(dir, name) : object_unlink_only(dir, name, o);
	object_leave(dir, ZONE_NORMAL);
	if (!r && x->e->name_gone)
		x->e->name_gone(x->e->arg, dir, name);
	return r == -ENOENT ? 0 : r;
}

static int destroy_key(struct eraser *x, struct object *o, unsigned int links, struct erased *ret)
{
	int r;

	let_go(x, o);
	r = object_enter(o, ZONE_NORMAL);
	if (r)
		return r;
	r = object_erase(o, links, ret);
	object_leave(o, ZONE_NORMAL);
	if (!r)
		let_go(x, o);
	return r;
}

/* ---- files -------------------------------------------------------------------------- */

static int survey_file(struct eraser *x, struct object *dir, const char *name, const char *path,
		       const struct object *o, const struct stat *sb)
{
	if (o->deployed)
		return erase_fail(x, -EBUSY, "cmkfs deploy delete it first", path, "it is deployed");
	if (sb->st_nlink > 1) {
		if (!linked_find(x, sb)) {
			x->e->all_files++;
			x->e->all_bytes += (uint64_t)sb->st_size;
		}
		return linked_add(x, sb, dir, name, path);
	}
	x->e->all_files++;
	x->e->all_bytes += (uint64_t)sb->st_size;
	return 0;
}

static int report_file(struct eraser *x, const struct erased *e, const struct name_in *v,
		       unsigned int n)
{
	const char **names = calloc(n, sizeof(char *));

	if (!names)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		names[i] = v[i].path;
	x->e->files++;
	x->e->bytes += e->size;
	if (x->e->done)
		x->e->done(x->e->arg, e, names, n);
	free(names);
	return 0;
}

static int erase_file(struct eraser *x, struct object *dir, const char *name, const char *path,
		      struct object *o, const struct stat *sb)
{
	struct name_in own = { dir, (char *)(uintptr_t)name, (char *)(uintptr_t)path };
	const struct linked *f = linked_find(x, sb);
	const struct name_in *v = f ? f->v : &own;
	unsigned int n = f ? f->n : 1;
	struct erased e;
	int r = stopped(x);

	if (!r)
		r = destroy_key(x, o, n, &e);
	if (r == -EMLINK)
		return erase_fail(x, r, "the same command again finds it", path,
				  "it got another name meanwhile");
	if (r)
		return r == -EINTR ? r : erase_fail(x, r, NULL, path, strerror(-r));
	r = report_file(x, &e, v, n);
	/* The one that was given goes last: by it the others are found again. */
	while (!r && n--) {
		r = drop_name(x, o, v[n].dir, v[n].name);
		if (r)
			erase_fail(x, r, "its key is gone; the same command again takes the name away",
			     v[n].path, strerror(-r));
	}
	return r;
}

/* ---- directories --------------------------------------------------------------------- */

struct listing {
	struct tree_names names;
	int r;
};

static bool gather(void *arg, const struct dir_entry *e)
{
	struct listing *l = arg;

	if (strcmp(e->name, ".") && strcmp(e->name, ".."))
		l->r = tree_names_add(&l->names, e->name);
	return !l->r;
}

/* The plain names in O.  One whose header went in an earlier run, and that is empty, has none. */
static int list(struct object *o, struct tree_names *ret)
{
	struct listing l = { .r = 0 };
	int r = object_enter(o, ZONE_NORMAL);

	if (r)
		return r;
	r = object_readdir(o, 0, gather, &l);
	if (r == -EIO && !object_pin_fd(o)) {
		if (!dir_is_empty(o->st, o->fd))
			r = 0;
		object_unpin(o);
	}
	object_leave(o, ZONE_NORMAL);
	if (!r)
		r = l.r;
	if (r)
		tree_names_free(&l.names);
	else
		*ret = l.names;
	return r;
}

static int each_in(struct eraser *x, struct object *o, const char *path)
{
	struct tree_names names = { 0 };
	int r = list(o, &names);

	if (r)
		return erase_fail(x, r, r == -EIO ? "cmkfs fsck says what is damaged" : NULL, path,
				  strerror(-r));
	for (size_t i = 0; i < names.n && !r; i++) {
		_cleanup_free_ char *below = NULL;

		r = stopped(x);
		if (!r && asprintf(&below, "%s/%s", path, names.v[i]) < 0) {
			below = NULL;
			r = -ENOMEM;
		}
		if (!r)
			r = erase_one(x, o, names.v[i], below);
		if (r == -ENOENT)
			r = 0;
	}
	tree_names_free(&names);
	return r;
}

static int erase_directory(struct eraser *x, struct object *dir, const char *name,
			   const char *path, struct object *o)
{
	struct erased e;
	int r = -ENOTEMPTY;

	for (unsigned int i = 0; r == -ENOTEMPTY && i < TRIES; i++) {
		r = each_in(x, o, path);
		if (!r)
			r = stopped(x);
		if (!r)
			r = destroy_key(x, o, 1, &e);
	}
	if (r == -ENOTEMPTY)
		return erase_fail(x, r, "cmkfs fsck says what it is", path,
				  "there is something in it without a name");
	if (r)
		return r == -EINTR || *x->err->message ? r : erase_fail(x, r, NULL, path, strerror(-r));
	x->e->dirs++;
	if (x->e->done)
		x->e->done(x->e->arg, &e, &path, 1);
	r = drop_name(x, o, dir, name);
	return r ? erase_fail(x, r, "its key is gone; the same command again takes the name away", path,
			strerror(-r)) : 0;
}

static int directory(struct eraser *x, struct object *dir, const char *name, const char *path,
		     struct object *o)
{
	if (o->zone != dir->zone)
		return erase_fail(x, -EXDEV, "cmkfs zone destroy erases a zone as a whole", path,
				  "a zone begins there");
	if (!x->e->recursive)
		return erase_fail(x, -EISDIR, "-r erases it with all that is in it", path,
				  "it is a directory");
	if (x->destroy)
		return erase_directory(x, dir, name, path, o);
	if (o->deployed)
		return erase_fail(x, -EBUSY, "cmkfs deploy delete it first", path, "it is deployed");
	return each_in(x, o, path);
}

/* ---- both ---------------------------------------------------------------------------- */

int erase_one(struct eraser *x, struct object *dir, const char *name, const char *path)
{
	struct object *o;
	struct stat sb;
	int r = erase_look(dir, name, &o, &sb);

	if (r)
		return r == -ENOENT || *x->err->message ? r : erase_fail(x, r, NULL, path, strerror(-r));
	if (S_ISDIR(o->type))
		r = directory(x, dir, name, path, o);
	else if (S_ISREG(o->type))
		r = x->destroy ? erase_file(x, dir, name, path, o, &sb) :
				 survey_file(x, dir, name, path, o, &sb);
	else if (x->destroy)
		r = drop_name(x, o, dir, name); /* its text goes with the key of the directory */
	object_put(o);
	return r;
}
