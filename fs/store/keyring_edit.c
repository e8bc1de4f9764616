/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rewriting a keyring, by one process at a time, and remembering on this host
 * that there is a newer one.
 */
#include <errno.h>
#include <sys/file.h>
#include <time.h>

#include "crypto/secret.h"
#include "fs/store/volume.h"

#define RESTORE "restore it with cmkfs key restore"

int keyring_write(const struct ring_place *p, struct keyring *k, const uint8_t zik[static KEY_LEN],
		  struct store_error *err)
{
	_cleanup_free_ uint8_t *buf = NULL;
	uint8_t km[KEY_LEN];
	size_t n;
	int r = kdf_zik(zik, KDF_KEYRING, &k->zone, km);

	k->seq++;
	k->written = (uint64_t)time(NULL);
	if (r == 0)
		r = keyring_serialise(k, km, &buf, &n);
	secret_wipe(km, sizeof(km));
	if (r == 0)
		r = backing_replace(p->dirfd, p->name, buf, n, KEYRING_MODE);
	return r ? store_fail(err, r, NULL, "cannot write %s: %s", p->shown, strerror(-r)) : 0;
}

struct edit {
	int fd;
	const struct zone_id *zone; /* NULL: the root's */
	const uint8_t *vk, *zik;    /* one of them */
	const char *state_dir;
	struct root_keys *keys; /* secret */
	struct volume_block vol;
	struct ring_place at;
	struct keyring *k;
	uint8_t fingerprint[KEY_LEN];
};

static struct pin pin_of(const struct edit *e)
{
	struct pin p = { .keyring = e->k->seq };

	if (e->at.root)
		p.volume = e->vol.seq;
	memcpy(p.fingerprint, e->fingerprint, KEY_LEN);
	return p;
}

static int edit_authenticate(struct edit *e, const uint8_t *raw, struct store_error *err)
{
	int r;

	if (e->vk) {
		r = keyring_open(e->k, e->vk, e->at.shown, e->keys, e->fingerprint, err);
		return r || !e->at.root ? r : keyring_vouches(e->keys, e->fingerprint, &e->vol, raw, err);
	}
	memcpy(e->keys->zik, e->zik, KEY_LEN);
	r = keyring_verify(e->k, e->zik);
	if (r == 0)
		r = keyring_fingerprint(e->k, e->zik, e->fingerprint);
	return r ? store_fail(err, r, RESTORE, "%s does not authenticate", e->at.shown) : 0;
}

static int edit_open(struct edit *e, struct store_error *err)
{
	uint8_t raw[FIXED_BLOCK];
	struct pin now;
	int r = volume_read(e->fd, &e->vol, raw, err);

	if (!e->zone)
		e->zone = &e->vol.root;
	if (r == 0) {
		r = ring_place_open(e->fd, &e->vol, e->zone, false, &e->at);
		if (r < 0)
			store_fail(err, r, RESTORE, "there is no keyring of this zone");
	}
	if (r == 0)
		r = keyring_read(&e->at, e->zone, &e->k, err);
	if (r == 0)
		r = edit_authenticate(e, raw, err);
	if (r < 0)
		return r;
	now = pin_of(e);
	now.session = UINT64_MAX;
	return pin_check(e->state_dir, e->zone, e->at.root, &now, err);
}

static int edit_write(struct edit *e, struct store_error *err)
{
	struct pin now;
	int r = keyring_write(&e->at, e->k, e->keys->zik, err);

	if (r < 0)
		return r;
	now = pin_of(e);
	r = pin_store(e->state_dir, e->zone, e->at.root, &now, false);
	return r ? store_fail(err, r, "the keyring itself has been written",
			      "cannot remember it in %s: %s", e->state_dir, strerror(-r)) : 0;
}

static unsigned int live_generations(const struct keyring *k)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < k->ngens; i++)
		n += k->gens[i].state != GEN_DESTROYED;
	return n;
}

static bool takes_from(const struct edit *e, const struct zone_id *child)
{
	struct ring_place at;
	struct keyring *k = NULL;
	bool takes;

	if (ring_place_open(e->fd, &e->vol, child, false, &at))
		return false;
	takes = !keyring_read(&at, child, &k, NULL) && keyring_takes(k) &&
		!memcmp(k->parent, e->zone->zone, ID_LEN);
	keyring_free(k);
	ring_place_close(&at);
	return takes;
}

/* A generation is not destroyed while a zone in this one still needs it for what it takes over. */
static int none_takes(const struct edit *e, const char *dir, struct store_error *err)
{
	_cleanup_free_ struct zone_id *all = NULL;
	unsigned int n = 0;
	bool takes = false;
	int r = volume_zones(dir, &all, &n, err);

	for (unsigned int i = 0; i < n && !r && !takes; i++)
		takes = takes_from(e, &all[i]);
	return takes ? store_fail(err, -EBUSY, "cmkfs zone list shows it; key rotate --reencrypt --zone "
				  "ZONE ends that, then try again",
				  "a zone in this one still takes files over from it") : r;
}

static int change(struct edit *e, const char *dir, keyring_edit_fn *fn, void *arg,
		  struct store_error *err)
{
	unsigned int live = live_generations(e->k);
	int r = fn(arg, e->k);

	return !r && live_generations(e->k) < live ? none_takes(e, dir, err) : r;
}

/* E has zone, vk or zik, and state_dir. */
static int edit(struct edit *e, const char *dir, keyring_edit_fn *fn, void *arg,
		struct store_error *err)
{
	int r;

	e->at.dirfd = -1;
	r = volume_open_dir(dir, &e->fd, err);
	if (r < 0)
		return r;
	e->keys = secret_alloc(sizeof(*e->keys));
	if (!e->keys)
		r = store_fail(err, -ENOMEM, NULL, "no memory for keys");
	if (r == 0 && flock(e->fd, LOCK_EX) < 0) {
		r = -errno;
		store_fail(err, r, NULL, "cannot lock %s: %s", dir, strerror(-r));
	}
	if (r == 0)
		r = edit_open(e, err);
	if (r == 0)
		r = change(e, dir, fn, arg, err);
	if (r == 0)
		r = edit_write(e, err);
	keyring_free(e->k);
	secret_free(e->keys);
	ring_place_close(&e->at);
	close(e->fd); /* ends the flock */
	return r;
}

int volume_edit_keyring(const char *dir, const struct zone_id *z, const uint8_t vk[static KEY_LEN],
			keyring_edit_fn *fn, void *arg, const char *state_dir,
			struct store_error *err)
{
	struct edit e = { .zone = z, .vk = vk, .state_dir = state_dir };

	return edit(&e, dir, fn, arg, err);
}

int zone_edit_keyring(struct zone *z, keyring_edit_fn *fn, void *arg, struct store_error *err)
{
	struct edit e = { .zone = &z->id, .state_dir = z->st->opt.state_dir };
	int r = zone_enter(z, ZONE_NORMAL);

	if (r < 0)
		return store_fail(err, r, "unlock it first", "the zone is locked");
	e.zik = z->keys->zik;
	r = edit(&e, z->st->dir, fn, arg, err);
	zone_leave(z, ZONE_NORMAL);
	return r;
}
