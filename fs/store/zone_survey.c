/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What lies in a directory that is to become a zone, and whether it can.
 */
#include <errno.h>

#include "fs/store/entry.h"
#include "fs/store/tree.h"
#include "fs/store/volume.h"
#include "fs/store/zone_take.h"

#define SURVEYS 5 /* renames can hide a link from one of them */

bool lies_in(struct object *o, const struct object *top)
{
	struct object *at = object_get(o), *up;
	char stored[256];
	bool in;

	while (at && at != top) {
		if (object_path(at, &up, stored))
			up = NULL;
		object_put(at);
		at = up;
	}
	in = at;
	object_put(at);
	return in;
}

bool taking_crossed(struct object *a, struct object *b)
{
	struct object *top = a->st->taking;

	return top && lies_in(a, top) != lies_in(b, top);
}

static int note_link(struct taking *t, const struct stat *sb)
{
	if (t->nlinks == t->links_cap) {
		size_t cap = t->links_cap ? 2 * t->links_cap : 64;
		struct link_seen *p = realloc(t->links, cap * sizeof(*p));

		if (!p)
			return -ENOMEM;
		t->links = p;
		t->links_cap = cap;
	}
	t->links[t->nlinks++] = (struct link_seen){ sb->st_dev, sb->st_ino, sb->st_nlink };
	return 0;
}

static int survey_dir(struct taking *t, struct object *dir);

static int survey_object(struct taking *t, struct object *o, const struct stat *sb)
{
	if (o->zone != t->up)
		return store_fail(t->err, -EBUSY, "cmkfs zone list shows it",
				  "another zone begins in it");
	if (o->deployed)
		return store_fail(t->err, -EBUSY, "cmkfs deploy delete it first",
				  "something in it is deployed");
	if (S_ISDIR(o->type))
		return survey_dir(t, o);
	return sb->st_nlink > 1 ? note_link(t, sb) : 0;
}

static int survey_name(struct taking *t, struct object *dir, const char *stored)
{
	struct object *o = NULL;
	struct stat sb;
	int r = object_enter(dir, ZONE_NORMAL);

	if (r)
		return r;
	r = tree_object(dir, stored, &o);
	if (!r) {
		r = object_pin_fd(dir);
		if (!r) {
			r = backing_stat(dir->fd, stored, &sb);
			object_unpin(dir);
		}
	}
	object_leave(dir, ZONE_NORMAL);
	if (!r)
		r = survey_object(t, o, &sb);
	object_put(o);
	/* It went, or has no name of ours: the last look at the zone counts that as damaged. */
	return r == -ENOENT || r == -ESTALE || r == -EBADMSG ? 0 : r;
}

static int survey_dir(struct taking *t, struct object *dir)
{
	struct tree_names l = { 0 };
	int r = object_enter(dir, ZONE_NORMAL);

	if (r)
		return r;
	r = object_pin(dir, NULL);
	if (!r) {
		r = tree_names(dir, NULL, NULL, &l);
		object_unpin(dir);
	}
	object_leave(dir, ZONE_NORMAL);
	for (size_t i = 0; i < l.n && !r; i++)
		r = survey_name(t, dir, l.v[i]);
	tree_names_free(&l);
	return r;
}

static int by_inode(const void *pa, const void *pb)
{
	const struct link_seen *a = pa, *b = pb;

	if (a->dev != b->dev)
		return a->dev < b->dev ? -1 : 1;
	return a->ino < b->ino ? -1 : a->ino > b->ino;
}

/* Whether some file has more names than were seen. */
static bool links_lead_out(struct taking *t)
{
	bool out = false;

	if (t->nlinks)
		qsort(t->links, t->nlinks, sizeof(*t->links), by_inode);
	for (size_t i = 0, k; i < t->nlinks && !out; i = k) {
		for (k = i; k < t->nlinks && !by_inode(&t->links[i], &t->links[k]); k++)
			;
		out = t->links[k - 1].n > k - i;
	}
	return out;
}

int zone_survey(struct taking *t)
{
	static const _Atomic bool never;
	int r = moves_wait(t->up->st, &never);

	for (unsigned int i = 0; i < SURVEYS && !r; i++) {
		t->nlinks = 0;
		r = survey_dir(t, t->top);
		if (!r && !links_lead_out(t))
			return 0;
	}
	if (r)
		return r;
	return store_fail(t->err, -EMLINK, "find -links +1 finds them; copy them, or move the links in",
			  "a file in it has another name outside of it");
}
