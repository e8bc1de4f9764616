/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A read-only store beside the mount that writes the volume: what is loaded is
 * brought up to date, and a header that fails to authenticate is read again,
 * since a write may have been in its way (cmkfs-format(5), Reading).
 */
#include <errno.h>
#include <time.h>

#include "crypto/secret.h"
#include "fs/store/content.h"

#define SETTLED_S 2	 /* a change may leave times younger than this as they are */
#define UNBORN_S 60	 /* a writer writes the first header within a second; clocks may differ */
#define LOAD_TRIES 8
#define PAUSE_US 500
#define GENERATION_MS 5000 /* a provider has been asked for a key by then */
#define GENERATION_US 2000

/* ---- what has changed ---------------------------------------------------------------- */

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool seen_same(const struct seen *s, const struct stat *sb)
{
	return s->size == sb->st_size && same_time(&s->ctime, &sb->st_ctim) &&
	       same_time(&s->mtime, &sb->st_mtim);
}

static int64_t age_of(const struct stat *sb)
{
	return (int64_t)time(NULL) - (int64_t)sb->st_ctim.tv_sec;
}

/* Whether the path of O leads elsewhere now, or nowhere; UNKNOWN: it cannot be asked. */
static bool leads_away(struct object *o, bool unknown)
{
	struct object *parent = o->parent;
	struct stat sb;
	int r;

	if (!parent)
		return false;
	if (!o->stored || object_pin_fd(parent))
		return unknown;
	r = backing_stat(parent->fd, o->stored, &sb);
	object_unpin(parent);
	return r == -ENOENT || (!r && (sb.st_ino != o->ino || sb.st_dev != o->dev));
}

/* O is no longer what its path leads to.  o->lock is held. */
static bool moved(struct object *o)
{
	return leads_away(o, true);
}

bool beside_renamed(struct object *o)
{
	return leads_away(o, false);
}

bool beside_same(struct object *o, struct object *parent, const char *stored, const struct stat *sb)
{
	bool r;

	pthread_mutex_lock(&o->lock);
	r = o->parent == parent && o->stored && !strcmp(o->stored, stored);
	if (!r && !S_ISDIR(sb->st_mode) && sb->st_nlink > 1)
		r = !moved(o); /* two links of one file */
	pthread_mutex_unlock(&o->lock);
	return r;
}

/* A file just made, whose writer holds the header in memory still. */
static bool is_unborn(struct object *o, const struct stat *sb)
{
	int64_t age = age_of(sb);

	return S_ISREG(o->type) && age < UNBORN_S && age > -UNBORN_S && session_is_open(o->st) &&
	       !session_writer_gone(o->st);
}

/*
 * The writer has made a new generation of the vault key: whoever has the keys is
 * told, and they are waited for.  What was waited for in vain is not for a while.
 */
static bool generation_comes(struct object *o, uint32_t g)
{
	struct zone *z = o->zone;
	uint64_t begin = now_ms(), vain = z->waited_in_vain;

	if (!o->st->opt.brings_keys || (vain && begin - vain < GENERATION_MS))
		return false;
	store_event(o->st, EVENT_GENERATION, o, 0, 0, "a new generation of the vault key");
	while (!zone_kek(z, g)) {
		if (zone_state(z) != ZONE_UNLOCKED)
			return false;
		if (now_ms() - begin > GENERATION_MS) {
			z->waited_in_vain = now_ms();
			return false;
		}
		usleep(GENERATION_US);
	}
	return true;
}

int beside_load(struct object *o, struct loaded **ret)
{
	bool wait = true;
	struct stat sb;
	int r;

	for (int i = 0; i < LOAD_TRIES; i++) {
		uint32_t g;

		r = backing_fstat(o->fd, &sb);
		if (r)
			return r;
		store_event_quiet(true);
		r = object_load(o, ret, wait ? &g : NULL);
		store_event_quiet(false);
		if (r == -EAGAIN) {
			wait = generation_comes(o, g);
			continue;
		}
		if (!r)
			(*ret)->seen = (struct seen){ sb.st_mtim, sb.st_ctim, sb.st_size };
		if (!o->l)
			o->unborn = r == NEVER_WRITTEN && is_unborn(o, &sb);
		if (r != -EIO)
			return r;
		usleep(PAUSE_US);
	}
	return moved(o) ? -ESTALE : object_load(o, ret, NULL);
}

/* ---- bringing up to date --------------------------------------------------------------- */

/* Group 0 of N, and GRP's lock stays what it is. */
static void take_group0(struct group *grp, struct group *n)
{
	struct held **held = grp->held;
	uint8_t *gk = grp->gk;

	grp->pair = n->pair;
	grp->epoch = n->epoch;
	grp->s = n->s;
	grp->uses = n->uses;
	grp->tail = n->tail;
	grp->settle = n->settle;
	memcpy(grp->bad, n->bad, sizeof(grp->bad));
	grp->held = n->held;
	n->held = held;
	grp->gk = n->gk;
	n->gk = gk;
	if (gk) /* a GCM file */
		memcpy(grp->e, n->e, GROUP0_CHUNKS * sizeof(grp->e[0]));
}

/* L becomes what N is, which goes.  Who reads by L meanwhile reads one or the other. */
static int take_over(struct loaded *l, struct loaded *n)
{
	if (memcmp(l->h.object_id, n->h.object_id, ID_LEN) || l->h.suite != n->h.suite ||
	    n->h.epoch < l->h.epoch ||
	    (l->h.epoch == n->h.epoch && !secret_equal(loaded_dek(l, l->h.epoch),
						       loaded_dek(n, n->h.epoch), KEY_LEN))) {
		loaded_free(n);
		return -ESTALE;
	}
	pthread_rwlock_wrlock(&l->lock);
	pthread_rwlock_wrlock(&l->g0->lock);
	l->h = n->h;
	memcpy(l->k, n->k, sizeof(*l->k)); /* the writer may have re-keyed it */
	l->xts = n->xts;
	take_group0(l->g0, n->g0);
	pthread_rwlock_unlock(&l->g0->lock);
	group_drop_all_locked(l);
	pthread_rwlock_unlock(&l->lock);
	l->length = n->length;
	l->stale_length = n->stale_length;
	l->seen = n->seen;
	loaded_free(n);
	return 0;
}

/*
 * The backing file is opened anew, as a filesystem of another host shows it as
 * it is now only then; readers keep their descriptor's number.
 */
static int refresh_open(struct object *o)
{
	struct loaded *n;
	struct stat sb;
	bool ro;
	int fd = object_open_again(o, &ro), r;

	if (fd < 0)
		return fd;
	r = backing_fstat(fd, &sb);
	if (!r && seen_same(&o->l->seen, &sb) && age_of(&sb) > SETTLED_S) {
		close(fd);
		return 0;
	}
	if (!r && dup3(fd, o->fd, O_CLOEXEC) < 0)
		r = -errno;
	close(fd);
	if (!r)
		r = beside_load(o, &n);
	return r ? r : take_over(o->l, n);
}

/* What is deployed stays as it is while its zone is locked: there is no key for a newer header. */
static int refresh_locked(struct object *o)
{
	bool entered = o->deployed;
	int r;

	if (entered && zone_enter(o->zone, ZONE_NORMAL))
		return 0;
	r = refresh_open(o);
	if (entered)
		zone_leave(o->zone, ZONE_NORMAL);
	return r;
}

int beside_reload(struct object *o)
{
	struct loaded *n;
	int r = 0;

	pthread_mutex_lock(&o->lock);
	if (o->l)
		r = beside_load(o, &n);
	if (o->l && !r)
		r = take_over(o->l, n);
	pthread_mutex_unlock(&o->lock);
	return r == NEVER_WRITTEN ? -EIO : r;
}

int beside_refresh(struct object *o)
{
	int r = 0;

	pthread_mutex_lock(&o->lock);
	if (o->l)
		r = refresh_locked(o);
	else if (o->unborn && moved(o))
		r = -ESTALE;
	pthread_mutex_unlock(&o->lock);
	return r == NEVER_WRITTEN ? -ESTALE : r;
}

void beside_notice(struct object *o, const struct stat *sb)
{
	bool born;

	if (!o->st->opt.read_only)
		return;
	pthread_mutex_lock(&o->lock);
	if (o->l && !seen_same(&o->l->seen, sb))
		refresh_locked(o); /* if it fails, who reads will be told */
	born = !o->l && o->unborn && sb->st_size;
	pthread_mutex_unlock(&o->lock);
	if (born)
		object_check(o);
}

int beside_binding(struct object *o)
{
	int r;

	store_event_quiet(true);
	r = check_binding(o);
	if (r == -EIO) {
		r = refresh_locked(o); /* a rename gives a header its new name before it moves it */
		if (!r)
			r = check_binding(o);
	}
	store_event_quiet(false);
	if (r != -EIO)
		return r;
	return moved(o) ? -ESTALE : check_binding(o);
}
