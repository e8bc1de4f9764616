/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Walking the encrypted tree by stored names, in their order, so that a walk
 * can go on where another one stopped.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/check_internal.h"
#include "fs/store/tree.h"

static const struct check_range whole = { 0, 0 };

/* ---- the names of a directory, read before they are walked ------------------------ */

static int compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool names_has(const struct tree_names *a, const char *name)
{
	return bsearch(&name, a->v, a->n, sizeof(*a->v), compare);
}

static int add_name(void *arg, const struct dirent64 *d)
{
	return tree_names_add(arg, d->d_name);
}

static int names_read(int dirfd, struct tree_names *ret)
{
	int r = backing_each(dirfd, add_name, ret);

	if (ret->n)
		qsort(ret->v, ret->n, sizeof(*ret->v), compare);
	return r;
}

/* ---- one name --------------------------------------------------------------------------- */

struct entry_at {
	struct object *dir;
	const struct check_path *up;
	const char *stored;
	enum stored_kind kind;
	const char *below; /* go on there: the object itself is done; NULL: it is not */
	uint64_t unit;
};

static int name_tags(const struct object *dir, const struct loaded *dl, const char *name, size_t n,
		     uint8_t ret[static CHECK_TAGS])
{
	int r = binding_tag(dir->zone->keys->bk, dl->h.object_id, name, n, ret);

	if (!r && taken_tag(dir->zone, dl->h.object_id, name, n, ret + TAG_LEN))
		memcpy(ret + TAG_LEN, ret, TAG_LEN);
	return r;
}

/* What is known of the name: *RET_NAME is "" if nothing is.  DIR is pinned. */
static int entry_name(struct check *c, const struct entry_at *e, struct loaded *dl,
		      char ret_name[static 256], uint8_t ret_tag[static CHECK_TAGS])
{
	struct check_path p;
	struct stat sb;
	size_t n;
	int r = entry_plain_name(e->dir, dl, e->stored, ret_name, &n);

	if (!r)
		return name_tags(e->dir, dl, ret_name, n, ret_tag);
	*ret_name = '\0';
	if (check_live(c) && backing_stat(e->dir->fd, e->stored, &sb) == -ENOENT)
		return -ENOENT;
	if (check_path_child(e->up, e->stored, NULL, &p))
		return -ENOMEM;
	if (r == -EBADMSG || r == -ENOENT)
		check_report(c, e->kind == STORED_LONG ? CHECK_SIDECAR_MISSING : CHECK_NAME, &p,
			     whole, NULL);
	else
		check_unreadable(c, &p, whole, r);
	check_path_done(&p);
	return 0;
}

/* The object E, and what its name says.  -ENOENT: it is gone. */
static int entry_find(struct check *c, const struct entry_at *e, struct object **ret,
		      char ret_name[static 256], uint8_t ret_tag[static CHECK_TAGS])
{
	struct loaded *dl;
	struct stat sb;
	int r = object_pin(e->dir, &dl);

	if (r)
		return r;
	r = backing_stat(e->dir->fd, e->stored, &sb);
	if (!r)
		r = entry_name(c, e, dl, ret_name, ret_tag);
	if (!r) {
		*ret = table_get(c->st, e->dir, e->stored, &sb);
		r = *ret ? 0 : -ENOMEM;
	}
	object_unpin(e->dir);
	return r;
}

static void check_symlink(struct check *c, struct object *o, const struct check_path *p)
{
	char *target = malloc(SYMLINK_LIMIT + 1);
	ssize_t n = target ? object_readlink(o, target, SYMLINK_LIMIT + 1) : -ENOMEM;

	if (n == -EIO)
		check_report(c, CHECK_SYMLINK, p, whole, NULL);
	else if (n < 0)
		check_unreadable(c, p, whole, (int)n);
	if (n > 0)
		secret_wipe(target, (size_t)n);
	free(target);
}

static int check_known(struct check *c, const struct entry_at *e, struct object *o,
		       const struct check_path *p, const uint8_t *tag)
{
	bool sound = S_ISDIR(o->type);
	int r = zone_errno(o->zone);

	if (r) { /* all below it */
		check_unreadable(c, p, whole, -r);
		return 0;
	}

	if (!e->below) {
		r = check_reached(c, p, e->unit);
		if (!r && S_ISLNK(o->type))
			check_symlink(c, o, p);
		else if (!r && (S_ISREG(o->type) || S_ISDIR(o->type)))
			r = check_object(c, o, p, tag, e->unit, &sound);
		if (!r)
			r = check_reached(c, p, UINT64_MAX);
	}
	if (!r && sound && S_ISDIR(o->type))
		r = check_tree(c, o, p, e->below && *e->below ? e->below : NULL);
	return r;
}

static int check_entry(struct check *c, const struct entry_at *e)
{
	struct object *o = NULL;
	uint8_t tag[CHECK_TAGS];
	char name[256];
	struct check_path p;
	int r = entry_find(c, e, &o, name, tag);

	if (r == -ENOENT || r == -ESTALE)
		return 0; /* it went meanwhile */
	if (r) {
		if (r == -EIO) /* its directory, which is said at itself */
			return 0;
		return r;
	}
	r = check_path_child(e->up, e->stored, *name ? name : NULL, &p);
	secret_wipe(name, sizeof(name));
	/* Nobody can reach what has no name; but a long one is only a sidecar away. */
	if (!r && (p.name || !e->up->name || e->kind == STORED_LONG))
		r = check_known(c, e, o, &p, p.name ? tag : NULL);
	check_path_done(&p);
	object_put(o);
	return r;
}

/* ---- what is no object ----------------------------------------------------------------- */

static int check_leftover(struct check *c, struct object *dir, const struct check_path *up,
			  const char *stored, enum check_kind kind)
{
	struct check_path p;

	if (check_path_child(up, stored, NULL, &p))
		return -ENOMEM;
	if (!c->opt->repair)
		check_report(c, kind, &p, whole, NULL);
	else if (kind == CHECK_TEMPORARY)
		repair_temporary(c, dir, stored, &p);
	else
		repair_sidecar(c, dir, stored, &p);
	check_path_done(&p);
	return 0;
}

static bool is_orphan(const struct tree_names *all, const char *stored)
{
	char object[256];

	strcpy(object, stored);
	object[1] = 'L';
	return !names_has(all, object);
}

static int check_stored(struct check *c, const struct tree_names *all, struct entry_at *e)
{
	e->kind = entry_kind(c->st, e->stored);
	switch (e->kind) {
	case STORED_DIRHEADER:
		return 0;
	case STORED_TEMP:
		return check_leftover(c, e->dir, e->up, e->stored, CHECK_TEMPORARY);
	case STORED_SIDECAR:
		return is_orphan(all, e->stored) ?
			       check_leftover(c, e->dir, e->up, e->stored, CHECK_SIDECAR_ORPHAN) :
			       0;
	default:
		return check_entry(c, e);
	}
}

/* ---- a directory -------------------------------------------------------------------------- */

/* Where to begin in a directory, by the path FROM. */
struct start {
	char name[256]; /* "": at the beginning */
	const char *rest;
};

static void start_at(const char *from, struct start *ret)
{
	size_t n = from ? strcspn(from, "/") : 0;

	*ret = (struct start){ "", "" };
	if (!n || n >= sizeof(ret->name))
		return;
	memcpy(ret->name, from, n);
	ret->rest = from[n] ? from + n + 1 : "";
}

static int check_names(struct check *c, struct object *dir, const struct check_path *p,
		       const struct tree_names *all, const char *from)
{
	struct start s;
	int r = 0;

	start_at(from, &s);
	for (size_t i = 0; i < all->n && !r; i++) {
		struct entry_at e = { .dir = dir, .up = p, .stored = all->v[i] };
		int order = strcmp(e.stored, s.name);

		if (order < 0)
			continue;
		if (!order && *s.rest)
			e.below = s.rest;
		else if (!order && c->opt->from.unit == UINT64_MAX)
			e.below = "";
		else if (!order)
			e.unit = c->opt->from.unit;
		r = check_stored(c, all, &e);
	}
	return r;
}

int check_tree(struct check *c, struct object *dir, const struct check_path *p, const char *from)
{
	struct tree_names all = { 0 };
	int r = object_pin_fd(dir);

	if (!r) {
		r = names_read(dir->fd, &all);
		object_unpin(dir);
	}
	if (!r) {
		r = check_names(c, dir, p, &all, from);
	} else if (r != -ENOMEM) {
		check_unreadable(c, p, whole, r);
		r = 0;
	}
	tree_names_free(&all);
	return r;
}
