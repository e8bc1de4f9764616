/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whether an object is bound to the name that led to it (cmkfs-format(5),
 * Binding an object to its directory entry).
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/content.h"
#include "fs/store/newborn.h"

/* The tag of the path that O has now and, unless OLD is NULL, that from before its zone.  o->lock is held. */
static int path_tags(struct object *o, uint8_t tag[static TAG_LEN], uint8_t *old, bool *ret_old)
{
	static const uint8_t no_dir[ID_LEN];
	char name[256];
	struct loaded *dir;
	size_t n;
	int r;

	if (o == o->st->root)
		return binding_tag(o->zone->keys->bk, no_dir, "", 0, tag);
	if (zone_begins(o)) { /* the name is the other zone's, which may be locked */
		r = zone_enter_within(o->parent->zone, ZONE_NORMAL);
		if (r)
			return r;
	}
	r = object_pin(o->parent, &dir);
	if (!r) {
		r = entry_plain_name(o->parent, dir, o->stored, name, &n);
		if (!r)
			r = binding_tag(o->parent->zone->keys->bk, dir->h.object_id, name, n, tag);
		if (!r && old)
			*ret_old = !taken_tag(o->parent->zone, dir->h.object_id, name, n, old);
		object_unpin(o->parent);
	}
	if (zone_begins(o))
		zone_leave(o->parent->zone, ZONE_NORMAL);
	return r;
}

int path_tag(struct object *o, uint8_t tag[static TAG_LEN])
{
	return path_tags(o, tag, NULL, NULL);
}

/*
 * What a clean session left has the tag of its only name, and perhaps those of
 * names that it had: these go with the next header.  o->lock is held.
 */
static void forget_old_tags(struct object *o, const uint8_t tag[TAG_LEN])
{
	struct loaded *l = o->l;
	struct stat sb;

	if (l->h.ntags < 2 || l->header_settle || l->header_dirty ||
	    l->h.session == session_current(o->st) || session_unclean(o->st, l->h.session) ||
	    backing_fstat(o->fd, &sb) || (S_ISREG(o->type) && sb.st_nlink > 1))
		return;
	pthread_rwlock_wrlock(&l->lock);
	memset(l->h.tags, 0, sizeof(l->h.tags));
	memcpy(l->h.tags[0], tag, TAG_LEN);
	l->h.ntags = 1;
	pthread_rwlock_unlock(&l->lock);
}

/* A power cut brought the name to the disk, but not the header that knows it. */
static void learn_tag(struct loaded *l, const uint8_t tag[TAG_LEN])
{
	bool settled;

	pthread_rwlock_wrlock(&l->lock);
	header_add_tag(&l->h, tag);
	settled = !l->header_settle; /* by another name; else it goes out as the header is settled */
	if (settled)
		l->header_dirty = true;
	pthread_rwlock_unlock(&l->lock);
	if (settled)
		loaded_mark_dirty(l);
}

int check_binding(struct object *o)
{
	struct header *h = &o->l->h;
	uint8_t tag[TAG_LEN], old[TAG_LEN];
	bool taken = false;
	int r;

	if (o->st->vol.binding == BINDING_OFF || (h->flags & FLAG_BIND_OVERFLOW) ||
	    (o->unlinked && !o->stored))
		return 0;
	r = path_tags(o, tag, old, &taken);
	if (r && o->bound && zone_begins(o) && zone_errno(o->parent->zone))
		return 0; /* the zone that its name is in is locked: once seen is enough until then */
	if (r)
		return r == -EBADMSG ? object_damaged(o, "name") : r;
	if (taken)
		tag_take(o->l, old, tag);
	for (unsigned int i = 0; i < h->ntags; i++)
		if (secret_equal(h->tags[i], tag, TAG_LEN)) {
			o->bound = zone_begins(o);
			forget_old_tags(o, tag);
			return 0;
		}
	if (session_unclean(o->st, h->session) &&
	    (newborn_bound(o, tag) || (taken && newborn_bound(o, old)))) {
		store_event(o->st, EVENT_RECOVERED, o, 0, 0, "bound to its name by an attribute");
		learn_tag(o->l, tag);
		return 0;
	}
	r = object_damaged(o, "it is not bound to this name");
	return o->st->vol.binding == BINDING_ENFORCE ? r : 0;
}
