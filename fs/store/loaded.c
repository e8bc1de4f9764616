/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loaded state of an object in memory: made, given its keys, freed; and
 * that of an object which is new.
 */
#include <errno.h>

#include "crypto/rand.h"
#include "crypto/secret.h"
#include "fs/store/content.h"
#include "fs/store/slab.h"

/* A truncation must not wait for ever while writers come and go. */
static void resize_init(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	pthread_rwlock_init(lock, &attr);
	pthread_rwlockattr_destroy(&attr);
}

static SLAB_CACHE(cache, sizeof(struct loaded));

struct loaded *loaded_alloc(void)
{
	struct loaded *l = slab_alloc(&cache);

	if (!l)
		return NULL;
	l->k = secret_alloc(sizeof(*l->k));
	if (!l->k) {
		slab_free(&cache, l);
		return NULL;
	}
	l->mtime.tv_nsec = UTIME_OMIT;
	resize_init(&l->resize);
	pthread_mutex_init(&l->flush, NULL);
	pthread_rwlock_init(&l->lock, NULL);
	pthread_rwlock_init(&l->extent, NULL);
	pthread_mutex_init(&l->turn, NULL);
	return l;
}

void loaded_free(struct loaded *l)
{
	if (!l)
		return;
	for (uint32_t i = 0; i < l->groups_cap; i++)
		if (l->groups[i]) {
			group_drop_held(l, l->groups[i]);
			group_put(l->groups[i]);
		}
	free(l->groups);
	if (l->g0)
		group_drop_held(l, l->g0);
	group_put(l->g0);
	free(l->base);
	free(l->xts.kept);
	secret_free(l->k);
	pthread_rwlock_destroy(&l->resize);
	pthread_mutex_destroy(&l->flush);
	pthread_rwlock_destroy(&l->lock);
	pthread_rwlock_destroy(&l->extent);
	pthread_mutex_destroy(&l->turn);
	slab_free(&cache, l);
}

int loaded_derive_keys(struct loaded *l)
{
	struct object_keys *k = l->k;
	const struct header *h = &l->h;
	const uint8_t *dek = loaded_dek(l, h->epoch);
	int r;

	if (h->type == OBJECT_DIR) {
		r = kdf_object(dek, KDF_NAMES, h->object_id, h->epoch, k->nk, sizeof(k->nk));
		if (!r)
			r = kdf_object(dek, KDF_SYMLINK, h->object_id, h->epoch, k->sk,
				       sizeof(k->sk));
		return r;
	}
	if (h->suite != SUITE_XTS)
		return 0;
	l->xts.epoch = h->epoch;
	r = xts_key_derive(l, h->epoch);
	return !r && h->flags & FLAG_REKEY ? xts_key_derive(l, h->epoch - 1) : r;
}

int loaded_new(struct zone *z, enum object_type type, enum suite suite, const uint8_t tag[TAG_LEN],
	       struct loaded **ret)
{
	struct loaded *l = loaded_alloc();
	struct header *h;
	uint8_t *dek;
	int r;

	if (!l)
		return -ENOMEM;
	h = &l->h;
	dek = l->k->dek[1];
	h->suite = (uint16_t)suite;
	h->type = (uint8_t)type;
	h->zone = z->id;
	h->epoch = 1;
	h->vk_gen = z->keys->active;
	h->group_count = type == OBJECT_FILE && suite == SUITE_GCM;
	h->ntags = 1;
	memcpy(h->tags[0], tag, TAG_LEN);
	r = rand_bytes(h->object_id, ID_LEN);
	if (!r)
		r = rand_secret(dek, KEY_LEN);
	if (!r)
		r = wrap_key(zone_kek(z, h->vk_gen), dek, h->wrapped);
	if (!r)
		r = kdf_object(dek, KDF_HEADER, h->object_id, 1, l->k->hk, KEY_LEN);
	if (!r)
		r = loaded_derive_keys(l);
	if (!r) {
		l->g0 = group_new(l, 0, 0);
		r = l->g0 ? 0 : -ENOMEM;
	}
	if (r) {
		loaded_free(l);
		return r;
	}
	l->header_dirty = true;
	l->length = 0;
	*ret = l;
	return 0;
}
