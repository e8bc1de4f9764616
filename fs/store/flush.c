/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When what is dirty goes out: flush and fsync of one object, the aged, a zone,
 * all.  Also the binding tags, which ask for a header of their own.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/content.h"
#include "fs/store/touched.h"

uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- the list of dirty objects -------------------------------------------------- */

void loaded_mark_dirty(struct loaded *l)
{
	struct store *st = l->o->st;

	if (l->on_dirty)
		return;
	pthread_mutex_lock(&st->dirty_lock);
	if (!l->on_dirty) {
		object_get(l->o);
		l->dirty_since = now_ms();
		l->on_dirty = true;
		TAILQ_INSERT_TAIL(&st->dirty, l, dirty_link);
		atomic_fetch_add(&st->ndirty, 1);
	}
	pthread_mutex_unlock(&st->dirty_lock);
}

bool loaded_take_dirty(struct loaded *l)
{
	struct store *st = l->o->st;
	bool was;

	pthread_mutex_lock(&st->dirty_lock);
	was = l->on_dirty;
	if (was) {
		TAILQ_REMOVE(&st->dirty, l, dirty_link);
		l->on_dirty = false;
		atomic_fetch_sub(&st->ndirty, 1);
	}
	pthread_mutex_unlock(&st->dirty_lock);
	return was;
}

void object_drop(struct object *o)
{
	struct loaded *l = NULL;
	struct stat sb;

	pthread_mutex_lock(&o->lock);
	if (o->unlinked && o->l && !o->erased && o->fd >= 0 && !backing_fstat(o->fd, &sb) && !sb.st_nlink) {
		l = o->l;
		o->pins++;
	}
	pthread_mutex_unlock(&o->lock);
	if (l) {
		if (loaded_take_dirty(l))
			object_put(o); /* not the last one: the caller's */
		object_unpin(o);
	}
	object_put(o);
}

/* A removed directory took its header along: what a rename left to write is nothing now. */
static bool header_went(struct loaded *l)
{
	if (!S_ISDIR(l->o->type) || !l->o->unlinked)
		return false;
	pthread_rwlock_wrlock(&l->lock);
	l->header_dirty = false;
	pthread_rwlock_unlock(&l->lock);
	return true;
}

/* The batch of a resident, pinned object.  Lets go of loaded.flush. */
static int flush_locked(struct loaded *l, bool sync)
{
	struct object *o = l->o;
	bool owned = loaded_take_dirty(l); /* before the snapshot, so that what comes later lists it again */
	int r;

	r = header_went(l) ? 0 : batch_locked(l, sync);
	if (r) {
		o->error = r;
		store_room_error(o->st, r);
		loaded_mark_dirty(l);
	} else if (l->stale_length) {
		length_correct(l);
	}
	pthread_mutex_unlock(&l->flush);
	if (owned)
		object_put(o);
	return r;
}

static int flush_loaded(struct loaded *l, bool sync)
{
	pthread_mutex_lock(&l->flush);
	return flush_locked(l, sync);
}

int loaded_flush_beside(struct loaded *l)
{
	return pthread_mutex_trylock(&l->flush) ? 0 : flush_locked(l, false);
}

static int flush_object(struct object *o, bool sync)
{
	struct loaded *l = NULL;
	int r;

	pthread_mutex_lock(&o->lock);
	l = o->erased ? NULL : o->l;
	if (l)
		o->pins++;
	pthread_mutex_unlock(&o->lock);
	if (!l)
		return 0;
	r = flush_loaded(l, sync);
	object_unpin(o);
	return r;
}

int object_flush(struct object *o)
{
	return o->st->opt.read_only ? 0 : flush_object(o, false);
}

/* ---- fsync ------------------------------------------------------------------------- */

/*
 * The root of a zone: what is above it has another zone's keys, and that may be
 * locked just now.  Then all is brought to the disk, which needs none.
 */
static int sync_above(struct object *o, struct object *parent)
{
	struct store *st = o->st;
	int r;

	if (zone_enter_within(parent->zone, ZONE_DRAIN)) {
		r = backing_syncfs(st->root_fd);
	} else {
		r = object_fsyncdir(parent);
		zone_leave(parent->zone, ZONE_DRAIN);
	}
	object_put(parent);
	return r;
}

/* The directories on the path of O, their headers and O's own name, from the root down. */
static int sync_path(struct object *o)
{
	struct object *parent;
	struct loaded *l;
	char stored[256];
	int r = object_path(o, &parent, stored);

	if (r || !parent)
		return r == -ENOENT ? 0 : r; /* unlinked, or the root */
	if (parent->zone != o->zone)
		return sync_above(o, parent);
	r = object_pin(parent, &l);
	if (r)
		goto out;
	if (!l->synced_once) {
		r = sync_path(parent);
		if (!r)
			r = flush_loaded(l, true);
		if (!r)
			r = backing_sync_dir(l->o->fd);
		l->synced_once = !r;
	}
	if (!r && stored_kind(stored, strlen(stored)) == STORED_LONG) {
		int fd;

		stored[1] = 'N';
		fd = backing_open(parent->fd, stored, O_RDONLY, 0);
		r = fd < 0 ? fd : backing_sync(fd);
		if (fd >= 0)
			close(fd);
		if (!r)
			r = backing_sync_dir(parent->fd);
	}
	object_unpin(parent);
out:
	object_put(parent);
	return r;
}

/* A rename's old tag; the new name is made durable for it. */
static int sync_move(struct object *o, struct loaded *l)
{
	struct object *parent;
	char stored[256];
	int r;

	if (!l->late)
		return 0;
	r = object_path(o, &parent, stored);
	if (r || !parent)
		return r == -ENOENT ? 0 : r;
	r = object_pin_fd(parent);
	if (!r) {
		r = loaded_drop_late(l, parent->fd);
		object_unpin(parent);
	}
	object_put(parent);
	return r;
}

int object_fsync(struct object *o, bool datasync)
{
	struct loaded *l;
	int r, earlier;

	if (o->st->opt.read_only || !S_ISREG(o->type))
		return 0;
	r = object_pin(o, &l);
	if (r)
		return r;
	if (!l->synced_once) {
		r = sync_path(o);
		l->synced_once = !r;
	}
	if (!r)
		r = sync_move(o, l);
	if (!r)
		r = flush_loaded(l, true);
	if (!r && !datasync)
		r = backing_sync(o->fd);
	earlier = atomic_exchange(&o->error, 0);
	object_unpin(o);
	return r ? r : earlier;
}

/*
 * A name is durable when what it leads to can be opened: the headers of new
 * directories and the sidecars of long names go first, wherever they lie.
 */
static int sync_new_names(struct loaded *l)
{
	struct store *st = l->o->st;
	uint64_t made = atomic_load(&st->names_made);
	int r;

	if (!atomic_exchange(&l->new_names, false))
		return 0;
	r = backing_syncfs(st->root_fd);
	if (r)
		l->new_names = true;
	else
		atomic_store(&st->names_synced, made);
	return r;
}

int object_fsyncdir(struct object *dir)
{
	struct loaded *l;
	int r;

	if (dir->st->opt.read_only)
		return 0;
	r = object_pin(dir, &l);
	if (r)
		return r;
	r = sync_move(dir, l);
	if (!r)
		r = flush_loaded(l, true);
	if (!r)
		r = sync_new_names(l);
	if (!r)
		r = backing_sync_dir(dir->fd);
	if (!r && !l->synced_once) {
		r = sync_path(dir);
		l->synced_once = !r;
	}
	object_unpin(dir);
	return r;
}

/* ---- many ---------------------------------------------------------------------------- */

/* The oldest dirty object of Z that is dirty since BEFORE, with a reference. */
static struct object *next_dirty(struct zone *z, uint64_t before)
{
	struct store *st = z->st;
	struct object *o = NULL;
	struct loaded *l;

	pthread_mutex_lock(&st->dirty_lock);
	TAILQ_FOREACH(l, &st->dirty, dirty_link) {
		if (l->dirty_since > before)
			break;
		if (l->o->zone == z) {
			o = object_get(l->o);
			break;
		}
	}
	pthread_mutex_unlock(&st->dirty_lock);
	return o;
}

static void flush_aged(struct zone *z, uint64_t before)
{
	struct object *o;
	int r = 0;

	while (!r && (o = next_dirty(z, before))) {
		r = object_enter(o, ZONE_NORMAL);
		if (!r) {
			r = object_flush(o); /* listed again as the youngest if it fails */
			object_leave(o, ZONE_NORMAL);
		}
		object_put(o);
	}
}

void store_flush_aged(struct store *st, unsigned int age_ms)
{
	uint64_t before = now_ms() - age_ms;

	for (struct zone *z = st->zone; z; z = z->next)
		if (z->state == ZONE_UNLOCKED)
			flush_aged(z, before);
	touched_sync_aged(st);
}

unsigned int store_flush_zone(struct zone *z, uint64_t deadline_ms)
{
	const struct timespec ms = { 0, 1000000 };
	uint64_t before = now_ms();
	unsigned int failed = 0;
	struct object *o;

	nanosleep(&ms, NULL); /* what fails is listed anew, as later than this: not again */
	while (now_ms() < deadline_ms && (o = next_dirty(z, before))) {
		if (object_flush(o))
			failed++;
		object_put(o);
	}
	return failed;
}

int store_flush_all(struct zone *z)
{
	uint64_t before = now_ms();
	int r = 0;
	struct object *o;

	while (!r && (o = next_dirty(z, before))) {
		r = object_flush(o);
		object_put(o);
	}
	return r;
}

/* ---- binding tags ----------------------------------------------------------------------- */

int loaded_add_tag(struct loaded *l, const uint8_t tag[TAG_LEN])
{
	struct header *h = &l->h;
	int r = l->header_settle ? loaded_settle(l) : 0;

	if (r)
		return r;
	pthread_rwlock_wrlock(&l->lock);
	if (l->late && secret_equal(l->late_tag, tag, TAG_LEN))
		l->late = false;
	for (unsigned int i = 0; i < h->ntags; i++)
		if (secret_equal(h->tags[i], tag, TAG_LEN))
			goto out;
	if (h->ntags < MAX_TAGS)
		memcpy(h->tags[h->ntags++], tag, TAG_LEN);
	else
		h->flags |= FLAG_BIND_OVERFLOW;
	l->header_dirty = true;
out:
	pthread_rwlock_unlock(&l->lock);
	loaded_mark_dirty(l);
	return 0;
}

void loaded_drop_tag(struct loaded *l, const uint8_t tag[TAG_LEN])
{
	struct header *h = &l->h;

	if (l->header_settle && loaded_settle(l))
		return; /* a tag too many is no harm, but an unclean header must not be written over */
	pthread_rwlock_wrlock(&l->lock);
	for (unsigned int i = 0; i < h->ntags; i++) {
		if (!secret_equal(h->tags[i], tag, TAG_LEN))
			continue;
		memmove(h->tags[i], h->tags[i + 1], (h->ntags - i - 1u) * TAG_LEN);
		h->ntags--;
		memset(h->tags[h->ntags], 0, TAG_LEN);
		l->header_dirty = true;
		break;
	}
	pthread_rwlock_unlock(&l->lock);
	loaded_mark_dirty(l);
}

void loaded_drop_tag_late(struct loaded *l, const uint8_t tag[TAG_LEN])
{
	if (!l->g0->pair.dur && !l->g0->pair.unknown) {
		loaded_drop_tag(l, tag);
		return;
	}
	pthread_rwlock_wrlock(&l->lock);
	memcpy(l->late_tag, tag, TAG_LEN);
	l->late = true;
	pthread_rwlock_unlock(&l->lock);
}

int loaded_drop_late(struct loaded *l, int dirfd)
{
	uint8_t tag[TAG_LEN];
	bool late;
	int r;

	pthread_rwlock_rdlock(&l->lock);
	late = l->late;
	memcpy(tag, l->late_tag, TAG_LEN);
	pthread_rwlock_unlock(&l->lock);
	if (!late)
		return 0;
	r = backing_sync_dir(dirfd);
	if (r)
		return r;
	pthread_rwlock_wrlock(&l->lock);
	late = l->late && secret_equal(l->late_tag, tag, TAG_LEN);
	if (late)
		l->late = false;
	pthread_rwlock_unlock(&l->lock);
	if (late)
		loaded_drop_tag(l, tag);
	return 0;
}

int loaded_commit_now(struct loaded *l)
{
	return flush_loaded(l, true);
}

int loaded_commit_tags(struct loaded *l)
{
	/*
	 * Without a durable slot a power cut loses the object whole: nothing to order.
	 * But a new directory is on disk when the one that it lies in was synced.
	 */
	return flush_loaded(l, S_ISDIR(l->o->type) || l->g0->pair.dur || l->g0->pair.unknown);
}
