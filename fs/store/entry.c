/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One name in one directory: encrypted, looked at, what it is stored as.
 */
#include "fs/store/entry.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/rand.h"

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

int place_begin_new(const struct place *p, bool *ret_sidecar)
{
	int r = ns_lock(&p->dir, 1);

	if (r < 0)
		return r;
	r = place_make_sidecar(p, ret_sidecar);
	if (r < 0)
		place_end_new(p, *ret_sidecar, r);
	return r;
}

void place_end_new(const struct place *p, bool sidecar, int r)
{
	if (r < 0 && sidecar)
		place_remove_sidecar(p);
	ns_unlock(&p->dir, 1);
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
	r = S_ISDIR(l->o->type) || pair_may_be_durable(&l->g0->pair);
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
