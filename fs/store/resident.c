/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Residence: pins that bring an object's descriptor and header in and hold
 * them there, and objects that are resident from their making.
 */
#include <errno.h>

#include "fs/store/content.h"
#include "fs/store/entry.h"
#include "fs/store/touched.h"
#include "fs/store/xattr.h"

static bool has_header(const struct object *o)
{
	return S_ISREG(o->type) || S_ISDIR(o->type);
}

static void make_resident(struct object *o, struct loaded *l)
{
	struct store *st = o->st;

	l->o = o;
	l->used = true;
	o->l = l;
	object_stays_no_more(o);
	atomic_fetch_add(&st->resident, 1);
	pthread_mutex_lock(&o->zone->lock);
	LIST_INSERT_HEAD(&o->zone->resident, l, zone_link);
	pthread_mutex_unlock(&o->zone->lock);
	pthread_mutex_lock(&st->clock_lock);
	TAILQ_INSERT_TAIL(&st->clock, l, clock_link);
	pthread_mutex_unlock(&st->clock_lock);
}

/*
 * What has no header in memory is not among the residents that are trimmed: its
 * descriptor goes with the last pin.  o->lock is held.
 */
static void close_idle(struct object *o)
{
	if (o->pins || o->l || o->unlinked || o->fd < 0 || !has_header(o) || o == o->st->root ||
	    (o->unborn && object_stays(o)))
		return;
	object_stays_no_more(o);
	close(o->fd);
	o->fd = -1;
}

/*
 * The name by which O was found.  That of what is deployed was checked when it
 * was; while its zone is locked there is no key to check another by, and by no
 * other can it be found.  o->lock is held.
 */
static int check_name(struct object *o)
{
	bool entered = o->deployed;
	int r;

	if (entered && zone_enter_within(o->zone, ZONE_NORMAL))
		return 0;
	r = o->st->opt.read_only ? beside_binding(o) : check_binding(o);
	o->check_binding = r != 0;
	if (entered)
		zone_leave(o->zone, ZONE_NORMAL);
	return r;
}

/* o->lock is held. */
static int pin_locked(struct object *o, bool load)
{
	bool young = o->unborn && !o->l;
	struct loaded *l;
	int r = 0;

	if (o->erased && load)
		return -EIO;
	if (o->fd < 0 && has_header(o))
		r = object_open_fd(o, !load, &o->fd_ro);
	if (!r && load && !o->l && has_header(o)) {
		r = o->st->opt.read_only ? beside_load(o, &l) : object_load(o, &l, NULL);
		if (!r)
			make_resident(o, l);
	}
	if (!r && o->check_binding && o->l && load)
		r = check_name(o);
	if (r == -ESTALE && young && o->l && beside_renamed(o)) { /* the header has the new name only */
		object_drop_loaded(o); /* nobody else has had it yet */
		o->unborn = true; /* who found it by the old one found it empty */
		r = NEVER_WRITTEN;
	}
	if (r) {
		if (r != NEVER_WRITTEN) /* that one may be given a header */
			close_idle(o);
		return r;
	}
	if (o->l && !o->l->used)
		o->l->used = true;
	o->pins++;
	return 0;
}

static int pin(struct object *o, bool load, struct loaded **ret)
{
	struct store *st = o->st;
	struct loaded *l;
	int r;

	if (st->resident > st->resident_max)
		store_trim(st);
	pthread_mutex_lock(&o->lock);
	r = pin_locked(o, load);
	l = o->l;
	pthread_mutex_unlock(&o->lock);
	if (r)
		return r;
	if (l && l->stale_length && load && !l->on_dirty) { /* else the flush mends it */
		pthread_mutex_lock(&l->flush);
		length_correct(l);
		pthread_mutex_unlock(&l->flush);
	}
	if (ret)
		*ret = l;
	return 0;
}

static int pin_unborn(struct object *o, bool change, struct loaded **ret);

int object_pin(struct object *o, struct loaded **ret)
{
	int r = pin(o, true, ret);

	return r == NEVER_WRITTEN ? pin_unborn(o, false, ret) : r;
}

int object_check(struct object *o)
{
	int r = object_pin(o, NULL);

	if (!r)
		object_unpin(o);
	return r == NEVER_WRITTEN ? 0 : r;
}

int object_reopen(struct object *o)
{
	int r = o->st->opt.read_only ? beside_refresh(o) : 0;

	return r ? r : object_check(o);
}

int object_pin_fd(struct object *o)
{
	return pin(o, false, NULL);
}

void object_unpin(struct object *o)
{
	pthread_mutex_lock(&o->lock);
	o->pins--;
	close_idle(o);
	pthread_mutex_unlock(&o->lock);
}

/* ---- made here ------------------------------------------------------------------------- */

void object_attach(struct object *o, struct loaded *l, int fd)
{
	pthread_mutex_lock(&o->lock);
	o->fd = fd;
	o->fd_ro = false;
	make_resident(o, l);
	o->check_binding = false;
	o->pins++;
	pthread_mutex_unlock(&o->lock);
}

/*
 * O, without a header, gets a fresh one: it is as empty as it was before the
 * first fsync, which never came.  Its attributes, which the journal below may
 * have kept, are lost with the key that was in the header.
 */
static int freshen_locked(struct object *o)
{
	enum object_type type = S_ISDIR(o->type) ? OBJECT_DIR : OBJECT_FILE;
	uint8_t tag[TAG_LEN];
	struct loaded *l;
	int r = path_tag(o, tag);

	if (!r)
		r = loaded_new(o->zone, type, store_suite(o->st), tag, &l);
	if (r)
		return r;
	l->discarded = true; /* what lies in the slots is not known to be durable */
	l->o = o;
	l->made = true;
	if (type == OBJECT_DIR)
		r = dir_write_first(o, l);
	if (r) {
		loaded_free(l);
		return r;
	}
	attributes_drop(o->fd);
	check_hint(l);
	make_resident(o, l);
	o->check_binding = false;
	store_event(o->st, EVENT_RECOVERED, o, 0, 0, "it never reached the disk: now empty");
	return 0;
}

/*
 * Pin O, which has no header.  For a change (CHANGE) a file may always be given
 * one; else only what an unclean session made: whoever cuts a healthy file to
 * nothing must not have it taken for an empty one.  NEVER_WRITTEN: o->unborn.
 */
static int pin_unborn(struct object *o, bool change, struct loaded **ret)
{
	bool fresh = false, unborn;
	int r = 0;

	pthread_mutex_lock(&o->lock);
	if (o->fd < 0) /* it was idle since we looked */
		r = object_open_fd(o, false, &o->fd_ro);
	if (!r && !o->l) {
		fresh = !o->st->opt.read_only &&
			((change && S_ISREG(o->type)) || object_was_made(o));
		r = fresh ? freshen_locked(o) : NEVER_WRITTEN;
	}
	if (!r)
		r = pin_locked(o, true);
	else
		close_idle(o);
	if (!r && ret)
		*ret = o->l;
	unborn = o->unborn;
	pthread_mutex_unlock(&o->lock);
	if (r)
		return r == NEVER_WRITTEN && !unborn ? object_damaged(o, "it never reached the disk") : r;
	if (fresh && !o->fd_ro)
		loaded_mark_dirty(o->l);
	return 0;
}

int object_pin_fresh(struct object *o, struct loaded **ret)
{
	int r = pin(o, true, ret);

	return r == NEVER_WRITTEN ? pin_unborn(o, true, ret) : r;
}

bool object_loaded_attr(struct object *o, struct stat *sb)
{
	struct loaded *l;
	bool known;

	pthread_mutex_lock(&o->lock);
	l = o->l;
	known = l && l->h.type == OBJECT_FILE;
	if (o->unborn)
		sb->st_size = 0;
	if (known) {
		pthread_rwlock_rdlock(&l->lock);
		sb->st_size = (off_t)l->h.size;
		if (l->mtime.tv_nsec != UTIME_OMIT)
			sb->st_mtim = l->mtime;
		sb->st_mode |= l->setid;
		pthread_rwlock_unlock(&l->lock);
	}
	known |= o->unborn;
	pthread_mutex_unlock(&o->lock);
	return known;
}
