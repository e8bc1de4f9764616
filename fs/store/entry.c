/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One name in one directory: encrypted, looked at, with its sidecar.
 */
#include "fs/store/entry.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/rand.h"

bool dir_is_removed(struct object *dir)
{
	bool r;

	pthread_mutex_lock(&dir->lock);
	r = dir->unlinked;
	pthread_mutex_unlock(&dir->lock);
	return r;
}

static struct object *oldest_dirty(struct store *st)
{
	struct object *o = NULL;
	struct loaded *l;

	pthread_mutex_lock(&st->dirty_lock);
	l = TAILQ_FIRST(&st->dirty);
	if (l)
		o = object_get(l->o);
	pthread_mutex_unlock(&st->dirty_lock);
	return o;
}

void store_throttle(struct store *st)
{
	struct object *o;
	int r = 0;

	while (r == 0 && st->ndirty > st->resident_max / 2 && (o = oldest_dirty(st))) {
		struct zone *z = o->zone; /* it may be another than the caller's */

		r = zone_enter_within(z, ZONE_DRAIN);
		if (r == 0) {
			/* Who cannot be flushed reports it at his own fsync. */
			r = z->held || z != o->zone ? -EBUSY : object_flush(o);
			zone_leave(z, ZONE_DRAIN);
		}
		object_put(o);
	}
}

int place_open(struct object *dir, const char *name, bool change, struct place *ret)
{
	const struct volume_block *v = &dir->st->vol;
	int r;

	if (!S_ISDIR(dir->type))
		return -ENOTDIR;
	if (change && dir->st->opt.read_only)
		return -EROFS;
	if (dir_is_removed(dir))
		return -ENOENT;
	if (change)
		store_throttle(dir->st);
	ret->dir = dir;
	ret->name = name;
	ret->n = strlen(name);
	if (ret->n > NAME_LIMIT)
		return -ENAMETOOLONG;
	r = object_pin(dir, &ret->dl);
	if (r < 0)
		return r;
	r = name_encrypt(ret->dl->k->nk, v->name_mode, v->name_padding, name, ret->n, &ret->sn);
	if (r < 0)
		object_unpin(dir);
	return r == -EINVAL && !change ? -ENOENT : r;
}

void place_close(struct place *p)
{
	object_unpin(p->dir);
}

int place_stat(const struct place *p, struct stat *ret)
{
	return backing_stat(p->dir->fd, p->sn.s, ret);
}

int place_dir(const struct place *p, struct object **ret)
{
	struct stat sb;
	int r;

	pthread_rwlock_rdlock(&p->dir->ns);
	r = place_stat(p, &sb);
	if (r == 0 && !S_ISDIR(sb.st_mode))
		r = -ENOTDIR;
	if (r == 0) {
		*ret = table_get(p->dir->st, p->dir, p->sn.s, &sb);
		r = *ret ? 0 : -ENOMEM;
	}
	pthread_rwlock_unlock(&p->dir->ns);
	return r;
}

int place_tag(const struct place *p, uint8_t ret[static TAG_LEN])
{
	return binding_tag(p->dir->zone->keys->bk, p->dl->h.object_id, p->name, p->n, ret);
}

/* A new directory is on disk too, for all we know, if the one that it lies in was synced. */
static bool may_be_durable(struct loaded *l)
{
	bool r;

	pthread_rwlock_rdlock(&l->g0->lock);
	r = S_ISDIR(l->o->type) || l->g0->pair.dur || l->g0->pair.unknown;
	pthread_rwlock_unlock(&l->g0->lock);
	return r;
}

static bool is_durable(struct loaded *l)
{
	bool r;

	pthread_rwlock_rdlock(&l->g0->lock);
	r = l->g0->pair.dur;
	pthread_rwlock_unlock(&l->g0->lock);
	return r;
}

int place_make_durable(const struct place *p, struct loaded *l)
{
	return may_be_durable(l) && !is_durable(p->dl) ? object_fsyncdir(p->dir) : 0;
}

void place_new_name(const struct place *p)
{
	atomic_store(&p->dl->new_names, true);
	atomic_fetch_add(&p->dir->st->names_made, 1);
}

/* ---- sidecars of long names ------------------------------------------------------ */

static void sidecar_name(const char *stored, char ret[static 256])
{
	strcpy(ret, stored);
	ret[1] = 'N';
}

static bool sidecar_right(const struct place *p, const char *side)
{
	_cleanup_free_ uint8_t *buf = NULL;
	size_t n;

	return !backing_read_file(p->dir->fd, side, NAME_SIDECAR_MAX, &buf, &n) &&
	       n == p->sn.sidecar_len && !memcmp(buf, p->sn.sidecar, n);
}

int place_make_sidecar(const struct place *p, bool *ret_made)
{
	_cleanup_close_ int fd = -1;
	char side[256];
	int r;

	*ret_made = false;
	if (!p->sn.sidecar_len)
		return 0;
	sidecar_name(p->sn.s, side);
	fd = backing_open(p->dir->fd, side, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd == -EEXIST) { /* the object's own, or an orphan, which a crash may have torn */
		if (sidecar_right(p, side))
			return 0;
		fd = backing_open(p->dir->fd, side, O_WRONLY, 0);
	} else if (fd >= 0) {
		*ret_made = true;
	}
	if (fd < 0)
		return fd;
	r = backing_write(fd, p->sn.sidecar, p->sn.sidecar_len, 0);
	if (!r)
		r = backing_truncate(fd, p->sn.sidecar_len);
	if (r < 0 && *ret_made)
		place_remove_sidecar(p);
	else if (!r)
		place_new_name(p);
	return r;
}

int place_sync_sidecar(const struct place *p)
{
	_cleanup_close_ int fd = -1;
	char side[256];

	if (!p->sn.sidecar_len)
		return 0;
	sidecar_name(p->sn.s, side);
	fd = backing_open(p->dir->fd, side, O_RDONLY, 0);
	return fd < 0 ? fd : backing_sync(fd);
}

void place_remove_sidecar(const struct place *p)
{
	char side[256];

	if (!p->sn.sidecar_len)
		return;
	sidecar_name(p->sn.s, side);
	backing_unlink(p->dir->fd, side, 0); /* an orphan is harmless */
}

/* ---- stored names ------------------------------------------------------------------- */

enum stored_kind entry_kind(const struct store *st, const char *stored)
{
	enum stored_kind k = stored_kind(stored, strlen(stored));

	if (st->vol.name_mode == NAME_PLAIN && (k == STORED_LONG || k == STORED_SIDECAR))
		return STORED_NAME;
	return k;
}

int entry_plain_name(struct object *dir, struct loaded *dl, const char *stored,
		     char ret[static 256], size_t *ret_n)
{
	const struct volume_block *v = &dir->st->vol;
	_cleanup_free_ uint8_t *buf = NULL;
	size_t n = strlen(stored), len;
	char side[256];
	int r;

	if (entry_kind(dir->st, stored) != STORED_LONG)
		return name_decrypt(dl->k->nk, v->name_mode, v->name_padding, stored, n, ret,
				    ret_n);
	sidecar_name(stored, side);
	r = backing_read_file(dir->fd, side, NAME_SIDECAR_MAX, &buf, &len);
	if (r < 0)
		return r == -EFBIG || r == -EMEDIUMTYPE || r == -ELOOP ? -EBADMSG : r;
	return name_decrypt_long(dl->k->nk, stored, n, buf, len, ret, ret_n);
}

int entry_tag(struct object *dir, struct loaded *dl, const char *stored,
	      uint8_t ret[static MAC_LEN])
{
	char name[NAME_LIMIT + 1];
	size_t n;
	int r = entry_plain_name(dir, dl, stored, name, &n);

	return r ? r : name_tag(dl->k->nk, dir->st->vol.name_padding, name, n, ret);
}

/* ---- temporary names ------------------------------------------------------------------- */

int temp_name(char ret[static TEMP_LEN + 1])
{
	uint8_t id[16];
	int r = rand_bytes(id, sizeof(id));

	if (r < 0)
		return r;
	memcpy(ret, ".T", 2);
	b64_encode(id, sizeof(id), ret + 2);
	return 0;
}

int rename_new(int dirfd, const char *name, int newdirfd, const char *newname)
{
	int r = backing_rename(dirfd, name, newdirfd, newname, RENAME_NOREPLACE);
	struct stat st;

	if (r != -EINVAL && r != -ENOSYS)
		return r;
	/* A backing filesystem without the flag: we are its only writer, and hold ns. */
	r = backing_stat(newdirfd, newname, &st);
	if (r != -ENOENT)
		return r ? r : -EEXIST;
	return backing_rename(dirfd, name, newdirfd, newname, 0);
}

/* ---- locks of directories ------------------------------------------------------------------ */

#define NS_MAX 4u

/* By address, each once. */
static unsigned int ns_sort(struct object *const *dirs, unsigned int n, struct object **ret)
{
	unsigned int out = 0;

	for (unsigned int i = 0; i < n && out < NS_MAX; i++) {
		unsigned int at = 0;

		while (at < out && ret[at] < dirs[i])
			at++;
		if (!dirs[i] || (at < out && ret[at] == dirs[i]))
			continue;
		memmove(ret + at + 1, ret + at, (out - at) * sizeof(*ret));
		ret[at] = dirs[i];
		out++;
	}
	return out;
}

static void unlock_set(struct object *const *set, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		pthread_rwlock_unlock(&set[i]->ns);
}

int ns_lock(struct object *const *dirs, unsigned int n)
{
	struct object *set[NS_MAX + 1];
	bool removed = false;

	n = ns_sort(dirs, n, set);
	for (unsigned int i = 0; i < n; i++)
		pthread_rwlock_wrlock(&set[i]->ns);
	for (unsigned int i = 0; i < n; i++)
		removed |= dir_is_removed(set[i]);
	if (removed)
		unlock_set(set, n);
	return removed ? -ENOENT : 0;
}

void ns_unlock(struct object *const *dirs, unsigned int n)
{
	struct object *set[NS_MAX + 1];

	n = ns_sort(dirs, n, set);
	for (unsigned int i = 0; i < n; i++)
		atomic_fetch_add(&set[i]->changes, 1);
	unlock_set(set, n);
}
