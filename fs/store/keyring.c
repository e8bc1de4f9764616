/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyring file of the root zone: read, opened with a vault key, rewritten.
 */
#include <errno.h>
#include <sys/file.h>
#include <time.h>

#include "crypto/secret.h"
#include "fs/store/volume.h"

#define RESTORE "restore it with cmkfs key restore"

int keyring_read(int fd, const struct zone_id *z, struct keyring **ret, struct store_error *err)
{
	_cleanup_free_ uint8_t *p = NULL;
	struct keyring *k;
	const char *why = "";
	size_t n;
	int r = backing_read_file(fd, KEYRING_FILE, KEYRING_MAX, &p, &n);

	if (r < 0 && r != -ENOENT)
		return store_fail(err, r, NULL, "cannot read " KEYRING_FILE ": %s", strerror(-r));
	if (r == -ENOENT)
		return store_fail(err, -EBADMSG, RESTORE, KEYRING_FILE " is missing");
	r = keyring_parse(p, n, &k, &why);
	if (r < 0)
		return store_fail(err, r, RESTORE, KEYRING_FILE " is damaged: %s", why);
	if (memcmp(&k->zone, z, sizeof(*z))) {
		keyring_free(k);
		return store_fail(err, -EBADMSG, RESTORE,
				  KEYRING_FILE " belongs to another volume");
	}
	*ret = k;
	return 0;
}

int store_keyring(struct store *st, struct keyring **ret, struct store_error *err)
{
	return keyring_read(st->root_fd, &st->vol.root, ret, err);
}

/* ---- opening ------------------------------------------------------------------------- */

int root_keys_derive(const struct zone_id *z, struct root_keys *ret)
{
	int r = kdf_zik(ret->zik, KDF_VOLUME, z, ret->vm);

	if (r == 0)
		r = kdf_zik(ret->zik, KDF_KEYRING, z, ret->km);
	if (r == 0)
		r = kdf_zik(ret->zik, KDF_SESSION, z, ret->sm);
	if (r == 0)
		r = kdf_zik(ret->zik, KDF_BIND, z, ret->bk);
	return r;
}

int keyring_open(const struct keyring *k, const uint8_t vk[static KEY_LEN],
		 const struct volume_block *v, const uint8_t raw[static FIXED_BLOCK],
		 struct root_keys *ret, struct store_error *err)
{
	const struct generation *gen = keyring_generation((struct keyring *)k, k->active);
	uint8_t fingerprint[KEY_LEN];
	int r;

	if (!gen)
		return store_fail(err, -EBADMSG, RESTORE,
				  KEYRING_FILE " has no active generation");
	r = keyring_take(k, gen, vk, ret->zik);
	if (r == -EKEYREJECTED)
		return store_fail(err, r, NULL, "the key is not the one of this volume");
	if (r == 0)
		r = keyring_verify(k, ret->zik);
	if (r < 0)
		return store_fail(err, r, RESTORE, KEYRING_FILE " does not authenticate");
	r = keyring_fingerprint(k, ret->zik, fingerprint);
	if (r == 0)
		r = root_keys_derive(&k->zone, ret);
	if (r < 0)
		return store_fail(err, r, NULL, "cannot derive keys");
	if (!secret_equal(fingerprint, v->fingerprint, KEY_LEN))
		return store_fail(err, -EBADMSG, "the keyring or the volume file was replaced",
				  "the fingerprint of the keyring is not that of the volume");
	r = volume_verify(raw, ret->vm);
	if (r < 0)
		return store_fail(err, r, "restore it from a backup of the volume",
				  VOLUME_FILE " does not authenticate");
	return 0;
}

/* ---- rewriting ------------------------------------------------------------------------- */

struct edit {
	int fd;
	const uint8_t *vk;
	keyring_edit_fn *fn;
	void *arg;
	const char *state_dir;
	struct root_keys *keys; /* secret */
	struct volume_block vol;
	struct keyring *k;
};

static int edit_open(struct edit *e, struct store_error *err)
{
	uint8_t raw[FIXED_BLOCK];
	struct pin now;
	int r = volume_read(e->fd, &e->vol, raw, err);

	if (r == 0)
		r = keyring_read(e->fd, &e->vol.root, &e->k, err);
	if (r == 0)
		r = keyring_open(e->k, e->vk, &e->vol, raw, e->keys, err);
	if (r < 0)
		return r;
	now = (struct pin){ .keyring = e->k->seq, .volume = e->vol.seq, .session = UINT64_MAX };
	memcpy(now.fingerprint, e->vol.fingerprint, KEY_LEN);
	return pin_check(e->state_dir, e->vol.root.vol, &now, err);
}

static int edit_write(struct edit *e, struct store_error *err)
{
	_cleanup_free_ uint8_t *p = NULL;
	struct pin now = { .keyring = ++e->k->seq, .volume = e->vol.seq };
	size_t n;
	int r;

	e->k->written = (uint64_t)time(NULL);
	r = keyring_serialise(e->k, e->keys->km, &p, &n);
	if (r == 0)
		r = backing_replace(e->fd, KEYRING_FILE, p, n, KEYRING_MODE);
	if (r < 0)
		return store_fail(err, r, NULL, "cannot write " KEYRING_FILE ": %s", strerror(-r));
	memcpy(now.fingerprint, e->vol.fingerprint, KEY_LEN);
	r = pin_store(e->state_dir, e->vol.root.vol, &now, false);
	if (r < 0)
		return store_fail(err, r, "the keyring itself has been written",
				  "cannot remember it in %s: %s", e->state_dir, strerror(-r));
	return 0;
}

int volume_edit_keyring(const char *dir, const uint8_t vk[static KEY_LEN], keyring_edit_fn *edit,
			void *arg, const char *state_dir, struct store_error *err)
{
	struct edit e = { .fd = -1, .vk = vk, .fn = edit, .arg = arg, .state_dir = state_dir };
	int r = volume_open_dir(dir, &e.fd, err);

	if (r < 0)
		return r;
	e.keys = secret_alloc(sizeof(*e.keys));
	if (!e.keys)
		r = store_fail(err, -ENOMEM, NULL, "no memory for keys");
	if (r == 0 && flock(e.fd, LOCK_EX) < 0) {
		r = -errno;
		store_fail(err, r, NULL, "cannot lock %s: %s", dir, strerror(-r));
	}
	if (r == 0)
		r = edit_open(&e, err);
	if (r == 0)
		r = edit(arg, e.k);
	if (r == 0)
		r = edit_write(&e, err);
	keyring_free(e.k);
	secret_free(e.keys);
	close(e.fd); /* ends the flock */
	return r;
}
