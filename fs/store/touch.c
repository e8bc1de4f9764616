/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session touches, by objects and their names.  Once an object's path is
 * noted, its directories' names included, it stays so: each rename and link
 * notes the new name before it is there.
 */
#include "fs/store/touched.h"

#include "fs/store/content.h"
#include "fs/store/entry.h"
#include "fs/store/newborn.h"

/* ---- paths ---------------------------------------------------------------------------- */

/* One note in the directory DL; after many, one for all its names. */
static int note_in(struct loaded *dl, enum touched_kind kind, const char *stored)
{
	struct store *st = dl->o->st;
	const uint8_t *id = dl->h.object_id;
	int r = dl->dir_noted ? 0 : touched_note(st, TOUCHED_DIR, id, NULL);

	if (r)
		return r;
	dl->dir_noted = true;
	if (kind == TOUCHED_MADE)
		return touched_note(st, kind, id, stored);
	if (dl->names_noted > TOUCHED_NAMES)
		return 0;
	if (dl->names_noted++ == TOUCHED_NAMES)
		return touched_note(st, TOUCHED_ALL, id, NULL);
	return touched_note(st, kind, id, stored);
}

static int note_path(struct object *parent, enum touched_kind kind, const char *stored);

/* The same from a zone inside PARENT's, which may be locked. */
static int note_path_above(struct object *parent, const char *stored)
{
	int r = zone_enter_within(parent->zone, ZONE_DRAIN);

	if (r)
		return r;
	r = note_path(parent, TOUCHED_NAME, stored);
	zone_leave(parent->zone, ZONE_DRAIN);
	return r;
}

static int note_up(const struct object *o, struct object *parent, const char *stored)
{
	return parent->zone == o->zone ? note_path(parent, TOUCHED_NAME, stored) :
					 note_path_above(parent, stored);
}

/* STORED in PARENT, and the names of the directories that lead there. */
static int note_path(struct object *parent, enum touched_kind kind, const char *stored)
{
	struct object *up = NULL;
	struct loaded *dl;
	char own[256];
	int r = object_pin(parent, &dl);

	if (r)
		return r;
	r = note_in(dl, kind, stored);
	if (!r && !dl->path_noted) {
		r = object_path(parent, &up, own);
		if (!r && up)
			r = note_up(parent, up, own);
		dl->path_noted = !r;
	}
	object_unpin(parent);
	object_put(up);
	return r;
}

/* What cannot be noted by its names. */
static int note_nameless(struct object *o)
{
	struct stat sb;
	int r = backing_fstat(o->fd, &sb);

	return !r && !sb.st_nlink ? 0 : touched_anything(o->st);
}

static int note_object(struct object *o)
{
	struct object *parent = NULL;
	char stored[256];
	int r = object_path(o, &parent, stored);

	if (r)
		return note_nameless(o);
	r = parent ? note_up(o, parent, stored) : 0; /* tree/ is always looked at */
	object_put(parent);
	return r ? touched_anything(o->st) : 0;
}

/* ---- objects ---------------------------------------------------------------------------- */

/* Something of it is on disk, for all that is known. */
static bool may_be_old(const struct loaded *l)
{
	return pair_may_be_durable(&l->g0->pair) || l->header_settle;
}

/* And its next slot must not harm that. */
static bool may_lose(const struct loaded *l)
{
	return loaded_is_ordered(l) && may_be_old(l);
}

int loaded_touch(struct loaded *l)
{
	int want = may_lose(l) ? TOUCH_SYNCED : TOUCH_NOTED;
	int r = 0;

	if (l->touch >= want)
		return 0;
	if (l->touch == TOUCH_NONE)
		r = note_object(l->o);
	if (!r && want == TOUCH_SYNCED)
		r = touched_sync(l->o->st);
	if (!r)
		l->touch = want;
	return r;
}

int place_touch(const struct place *p, struct loaded *l)
{
	bool made = !l || (!may_be_old(l) && l->made);
	int r = note_path(p->dir, made ? TOUCHED_MADE : TOUCHED_NAME, p->sn.s);

	return r ? touched_anything(p->dir->st) : 0;
}

int loaded_name(struct loaded *l, const uint8_t tag[static TAG_LEN])
{
	int r = loaded_commit_tags(l);

	if (r)
		return r;
	if (may_be_old(l)) /* a barrier has gone before */
		return may_lose(l) ? touched_sync(l->o->st) : 0;
	return newborn_mark(l, l->o->fd, tag) ? loaded_flush(l, true) : 0;
}

int place_untouch(const struct place *p, struct loaded *l, nlink_t links)
{
	struct object *parent = NULL;
	char stored[256];
	int r = -ENOENT;

	if (links < 2 || (l && l->links_noted && links == 2))
		return 0;
	if (l && !object_path_is(l->o, p->dir, p->sn.s))
		r = object_path(l->o, &parent, stored);
	if (!r && parent)
		r = note_path(parent, TOUCHED_NAME, stored);
	object_put(parent);
	if (r)
		r = touched_anything(p->dir->st);
	return !r && l && may_lose(l) ? touched_sync(l->o->st) : r;
}

bool object_was_made(struct object *o)
{
	struct loaded *dl;
	bool r;

	if (!o->parent || !o->stored || zone_begins(o) || object_pin(o->parent, &dl))
		return false;
	r = touched_was(o->st, TOUCHED_MADE, dl->h.object_id, o->stored);
	object_unpin(o->parent);
	return r || newborn_made(o);
}
