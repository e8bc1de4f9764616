/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a zone of an empty directory.  The keyring comes first: without a
 * directory it is of no use and does no harm.  Then a new directory, with a
 * data key of its own under the new zone's vault key, changes places with the
 * old one.
 */
#include <errno.h>
#include <time.h>

#include "crypto/rand.h"
#include "crypto/secret.h"
#include "fs/store/entry.h"
#include "fs/store/volume.h"

int zone_draft_new(const struct store *st, const uint8_t *id, struct zone_draft **ret)
{
	struct zone_draft *d = secret_alloc(sizeof(*d));
	int r = 0;

	if (!d)
		return -ENOMEM;
	memcpy(d->id.vol, st->vol.root.vol, ID_LEN);
	if (id)
		memcpy(d->id.zone, id, ID_LEN);
	else
		r = rand_bytes(d->id.zone, ID_LEN);
	if (r == 0)
		r = rand_secret(d->vk, KEY_LEN);
	if (r == 0)
		r = rand_secret(d->zik, KEY_LEN);
	if (r < 0)
		secret_free(d);
	else
		*ret = d;
	return r;
}

void zone_draft_free(struct zone_draft *d)
{
	secret_free(d);
}

/* ---- the keyring ------------------------------------------------------------------ */

static int fill_keyring(struct keyring *k, struct zone *up, const struct zone_draft *d,
			const struct keyslot *slot, uint8_t fingerprint[static KEY_LEN])
{
	int r;

	k->flags = d->takes ? KEYRING_TAKES : 0;
	k->zone = d->id;
	memcpy(k->parent, up->id.zone, ID_LEN);
	k->active = 1;
	k->gens = calloc(1, sizeof(*k->gens));
	if (!k->gens)
		return -ENOMEM;
	k->ngens = 1;
	r = keyring_new_generation(k, k->gens, 1, d->vk, d->zik, (uint64_t)time(NULL));
	if (r == 0)
		r = generation_add_slot(k->gens, slot, NULL);
	if (r == 0)
		r = keyring_fingerprint(k, d->zik, fingerprint);
	if (r == 0)
		r = endorse(&up->id, up->keys->zik, &d->id, fingerprint, k->endorsement);
	return r;
}

static int make_keyring(struct zone *up, const struct zone_draft *d, const struct keyslot *slot,
			uint8_t fingerprint[static KEY_LEN], struct store_error *err)
{
	struct store *st = up->st;
	struct keyring *k = calloc(1, sizeof(*k));
	struct ring_place at;
	struct pin pin = { .keyring = 1 };
	int r = k ? fill_keyring(k, up, d, slot, fingerprint) : -ENOMEM;

	if (r == 0)
		r = ring_place_open(st->root_fd, &st->vol, &d->id, true, &at);
	if (r == 0) {
		r = keyring_write(&at, k, d->zik, err);
		ring_place_close(&at);
	}
	keyring_free(k);
	memcpy(pin.fingerprint, fingerprint, KEY_LEN);
	if (r == 0)
		r = pin_store(st->opt.state_dir, &d->id, false, &pin, false);
	return r;
}

/* The zone in memory, unlocked. */
static int make_zone(struct zone *up, const struct zone_draft *d, const uint8_t *fingerprint,
		     struct zone **ret)
{
	struct root_keys *rk = secret_alloc(sizeof(*rk));
	struct zone_vk *vk = secret_alloc(sizeof(*vk));
	struct zone *z = zone_new(up->st, &d->id, up, fingerprint);
	int r = -ENOMEM;

	if (rk && vk && z) {
		memcpy(rk->zik, d->zik, KEY_LEN);
		memcpy(vk->vk, d->vk, KEY_LEN);
		vk->g = 1;
		r = root_keys_derive(&d->id, rk);
	}
	if (r == 0)
		r = zone_keys_set(z, rk, vk, 1, 1, d->takes);
	secret_free(rk);
	secret_free(vk);
	if (r < 0) {
		zone_free(z);
		return r;
	}
	z->state = ZONE_UNLOCKED;
	*ret = z;
	return 0;
}

int zone_begin(struct zone *up, const struct zone_draft *d, const struct keyslot *slot,
	       struct zone **ret, struct store_error *err)
{
	uint8_t fingerprint[KEY_LEN];
	struct zone *z = NULL;
	int r = make_keyring(up, d, slot, fingerprint, err);

	if (r == 0)
		r = make_zone(up, d, fingerprint, &z);
	if (r < 0)
		return r;
	zones_add(up->st, z);
	*ret = z;
	return 0;
}

void zone_abandon(struct zone *z)
{
	zone_lock_begin(z, ENOKEY);
	zone_wipe(z);
	zone_drop(z, NULL);
}

/* Before anything is made: whether it is an empty directory of this zone. */
static int look_first(const struct place *p)
{
	struct object *old;
	int r = zone_dir_find(p, &old);

	if (r < 0)
		return r;
	r = object_pin_fd(old);
	if (r == 0) {
		r = dir_is_empty(old->st, old->fd);
		object_unpin(old);
	}
	object_put(old);
	return r;
}

/* ---- all of it ----------------------------------------------------------------------- */

static int make_at(const struct place *p, const struct zone_draft *d, const struct keyslot *slot,
		   struct zone **ret, struct store_error *err)
{
	struct zone *z = NULL;
	bool made;
	int r = look_first(p);

	if (r == 0)
		r = zone_begin(p->dir->zone, d, slot, &z, err);
	if (r < 0)
		return r;
	r = zone_dir_make(p, z, &made);
	if (r < 0 && !made) {
		zone_abandon(z);
		return r;
	}
	*ret = z;
	return r ? store_fail(err, r, "cmkfs zone list shows it",
			      "the zone was made, but may not be on the disk: %s", strerror(-r)) : 0;
}

int zone_make(struct object *dir, const char *name, const struct zone_draft *d,
	      const struct keyslot *slot, struct zone **ret, struct store_error *err)
{
	struct place p;
	int r;

	if (err)
		*err = (struct store_error){ "", "" };
	r = store_zone(dir->st, d->id.zone) ? -EEXIST : place_open(dir, name, true, &p);
	if (r == 0) {
		r = make_at(&p, d, slot, ret, err);
		place_close(&p);
	}
	if (r == -ENOTEMPTY || r == -ENOTDIR || r == -ENOENT)
		store_fail(err, r, "give an empty directory", "%s: %s", name, strerror(-r));
	else if (r == -EBUSY)
		store_fail(err, r, "cmkfs zone list shows it", "%s: a zone begins there already", name);
	return r;
}
