/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Groups of a loaded file: made, brought in when they are needed, let go.
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "fs/store/content.h"
#include "fs/store/slab.h"

#define EXPECT_MAX 16u /* chunks */
#define SIZE_OF(chunks) (sizeof(struct group) + (chunks) * sizeof(struct entry))

static SLAB_CACHE(first_groups, SIZE_OF(GROUP0_CHUNKS));
static SLAB_CACHE(later_groups, SIZE_OF(GROUP_CHUNKS));

int group_rekey(struct loaded *l, struct group *grp, uint32_t epoch, uint32_t s)
{
	int r = kdf_group(loaded_dek(l, epoch), l->h.object_id, epoch, grp->g, s, grp->gk);

	if (!r) {
		grp->epoch = epoch;
		grp->s = s;
	}
	return r;
}

static struct slab_cache *cache_of(uint32_t g)
{
	return g ? &later_groups : &first_groups;
}

/* Without a key yet. */
static struct group *group_alloc(struct loaded *l, uint32_t g)
{
	bool gcm_file = l->h.type == OBJECT_FILE && !loaded_is_xts(l);
	struct group *grp = slab_alloc(cache_of(g)); /* XTS and directories leave the entries */

	if (!grp)
		return NULL;
	grp->g = g;
	grp->refs = 1;
	grp->tail = NO_TAIL;
	pthread_rwlock_init(&grp->lock, NULL);
	if (gcm_file) {
		grp->gk = secret_alloc(GK_LEN);
		if (!grp->gk) {
			group_free(grp);
			return NULL;
		}
	}
	return grp;
}

struct group *group_new(struct loaded *l, uint32_t g, uint32_t s)
{
	struct group *grp = group_alloc(l, g);

	if (grp && grp->gk && group_rekey(l, grp, l->h.epoch, s)) {
		group_free(grp);
		return NULL;
	}
	return grp;
}

void group_free(struct group *grp)
{
	if (!grp)
		return;
	if (grp->held)
		for (uint32_t i = 0; i < group_chunks(grp->g); i++)
			free(grp->held[i]);
	free(grp->held);
	group_forgive(grp);
	secret_free(grp->gk);
	pthread_rwlock_destroy(&grp->lock);
	slab_free(cache_of(grp->g), grp);
}

void group_put(struct group *grp)
{
	if (grp && atomic_fetch_sub(&grp->refs, 1) == 1)
		group_free(grp);
}

/* ---- bringing it in -------------------------------------------------------------- */

/* Into the table, and present in the header: both or neither.  loaded.lock is held for writing. */
static int group_add_locked(struct loaded *l, struct group *grp, bool present)
{
	int r = group_insert_locked(l, grp);

	if (r || present)
		return r;
	grp->dirty = true;
	r = group_make_present(l, grp->g);
	if (r) {
		atomic_fetch_add(&grp->refs, 1);
		group_drop_locked(l, grp->g);
	}
	return r;
}

/* loaded.lock is held. */
static struct epochs epochs_of(const struct header *h)
{
	return (struct epochs){ h->epoch - !!(h->flags & FLAG_REKEY), h->epoch };
}

static int group_bring(struct loaded *l, uint32_t g, bool create, struct group **ret)
{
	struct group *grp, *other;
	struct epochs known;
	bool present;
	int r = 0;

	store_trim_groups(l->o->st);
	grp = group_alloc(l, g);
	if (!grp)
		return -ENOMEM;
	pthread_rwlock_wrlock(&l->lock);
	known = epochs_of(&l->h);
	other = group_find_locked(l, g);
	if (other) {
		atomic_fetch_add(&other->refs, 1);
		pthread_rwlock_unlock(&l->lock);
		group_put(grp);
		*ret = other;
		return 0;
	}
	present = group_present(&l->h, g);
	if (!present && !create)
		r = -ENOENT;
	else if (!present && grp->gk)
		r = group_rekey(l, grp, l->h.epoch, 0);
	if (!r)
		r = group_add_locked(l, grp, present);
	if (r) {
		pthread_rwlock_unlock(&l->lock);
		group_put(grp);
		return r;
	}
	/* Others find it from here on, and wait for its lock until it is loaded. */
	atomic_fetch_add(&grp->refs, 1);
	pthread_rwlock_wrlock(&grp->lock);
	pthread_rwlock_unlock(&l->lock);

	if (present)
		r = grp->error = group_load(l, grp, &known);
	pthread_rwlock_unlock(&grp->lock);
	if (r) {
		pthread_rwlock_wrlock(&l->lock);
		if (group_find_locked(l, g) == grp)
			group_drop_locked(l, g);
		pthread_rwlock_unlock(&l->lock);
	}
	*ret = grp;
	return 0;
}

bool group_unclean(struct group *grp, int *ret_error)
{
	bool r;

	pthread_rwlock_rdlock(&grp->lock);
	*ret_error = grp->error;
	r = grp->settle && !grp->error;
	pthread_rwlock_unlock(&grp->lock);
	return r;
}

/* 0; -ENOENT; -EAGAIN: it is to be brought in. */
static int group_find(struct loaded *l, uint32_t g, bool create, struct group **ret)
{
	struct group *grp;

	if (!g) {
		atomic_fetch_add(&l->g0->refs, 1);
		*ret = l->g0;
		return 0;
	}
	pthread_rwlock_rdlock(&l->lock);
	grp = group_find_locked(l, g);
	if (grp)
		atomic_fetch_add(&grp->refs, 1);
	else if (!create && !group_present(&l->h, g)) {
		pthread_rwlock_unlock(&l->lock);
		return -ENOENT;
	}
	pthread_rwlock_unlock(&l->lock);
	if (!grp)
		return -EAGAIN;
	if (!grp->used)
		grp->used = true;
	*ret = grp;
	return 0;
}

int group_get(struct loaded *l, uint32_t g, bool create, struct group **ret)
{
	int r = group_find(l, g, create, ret);

	return r == -EAGAIN ? group_bring(l, g, create, ret) : r;
}

int group_get_to_read(struct loaded *l, uint32_t g, uint32_t from, uint32_t to, struct group **ret)
{
	int r = group_find(l, g, false, ret);

	if (r != -EAGAIN)
		return r;
	/* A device brings a few chunks while the slots are waited for; of many the kernel reads ahead itself. */
	if (to - from <= EXPECT_MAX)
		backing_expect(l->o->fd, chunk_place(group_first(g) + from), (size_t)(to - from) * CHUNK);
	return group_bring(l, g, false, ret);
}
