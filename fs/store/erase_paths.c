/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erasing by paths: both passes over what was given.
 */
#include "fs/store/erase_priv.h"

#include <stdio.h>

#include "fs/store/volume.h"

/* PATH, as it was given. */
static int at_path(struct eraser *x, const char *path)
{
	_cleanup_free_ char *copy = strdup(path);
	struct object *dir, *o;
	struct stat sb;
	char *slash;
	int r;

	if (!copy)
		return -ENOMEM;
	slash = strrchr(copy, '/');
	if (!*copy)
		return erase_fail(x, -EINVAL, "cmkfs volume destroy erases a volume as a whole", "",
			    "it is the root of the volume");
	if (slash)
		*slash = 0;
	r = store_resolve(x->st, slash ? copy : "", &dir);
	if (r)
		return erase_fail(x, r, NULL, path, strerror(-r));
	r = erase_look(dir, slash ? slash + 1 : copy, &o, &sb);
	if (!r) {
		if (!S_ISREG(o->type) && !S_ISDIR(o->type))
			r = erase_fail(x, -EINVAL, "rm removes it; erase its directory to erase its target",
				 path, "it has no key of its own");
		object_put(o);
	}
	if (!r)
		r = erase_one(x, dir, slash ? slash + 1 : copy, path);
	else if (!*x->err->message && (r != -ENOENT || !x->destroy))
		erase_fail(x, r, NULL, path, strerror(-r));
	object_put(dir);
	return r == -ENOENT && x->destroy ? 0 : r; /* it went with another one */
}

static int lacking(struct eraser *x, const struct linked *f)
{
	return store_fail(x->err, -EMLINK,
			  "find -samefile in the volume's directory and beside it finds the others; nothing was erased",
			  "%s: it has %ju names, of which %u are in the volume (inode %ju)",
			  f->v[0].path, (uintmax_t)f->nlink, f->n, (uintmax_t)f->ino);
}

static int survey(struct eraser *x, const char *const *paths, unsigned int n)
{
	const struct linked *f;
	int r = 0;

	for (unsigned int i = 0; i < n && !r; i++)
		r = at_path(x, paths[i]);
	if (!r)
		r = linked_search(x);
	f = r ? NULL : linked_lacking(x);
	return f ? lacking(x, f) : r;
}

int store_erase(struct store *st, const char *const *paths, unsigned int n, struct erasure *e,
		struct store_error *err)
{
	struct eraser *x = calloc(1, sizeof(*x));
	int r = -EROFS;

	if (!x)
		return store_fail(err, -ENOMEM, NULL, "out of memory");
	*x = (struct eraser){ .st = st, .e = e, .err = err };
	if (!st->opt.read_only)
		r = survey(x, paths, n);
	x->destroy = true;
	for (unsigned int i = 0; i < n && !r; i++)
		r = at_path(x, paths[i]);
	if (e->files || e->dirs)
		backing_syncfs(st->root_fd); /* the names, too */
	linked_free(x);
	free(x);
	if (r && !*err->message)
		store_fail(err, r, NULL, "%s", r == -EINTR ? "stopped" : strerror(-r));
	return r;
}
