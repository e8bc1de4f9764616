/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keyring files: where they lie, reading them, opening them with a vault key.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "fs/store/volume.h"

#define RESTORE "restore it with cmkfs key restore"

/* ---- where they lie ------------------------------------------------------------------ */

static int open_zones_dir(int fd, bool make)
{
	int r = make ? backing_mkdir(fd, ZONES_DIR, 0755) : 0;

	if (r == 0 && make)
		r = backing_sync_dir(fd);
	if (r < 0 && r != -EEXIST)
		return r;
	return backing_open(fd, ZONES_DIR, O_RDONLY | O_DIRECTORY, 0);
}

int ring_place_open(int fd, const struct volume_block *v, const struct zone_id *z, bool make,
		    struct ring_place *ret)
{
	size_t n = 0;

	ret->root = !memcmp(z, &v->root, sizeof(*z));
	ret->dirfd = ret->root ? fd : open_zones_dir(fd, make);
	if (ret->dirfd < 0)
		return ret->dirfd;
	if (ret->root) {
		strcpy(ret->name, KEYRING_FILE);
		strcpy(ret->shown, KEYRING_FILE);
		return 0;
	}
	for (size_t i = 0; i < ID_LEN; i++)
		n += (size_t)snprintf(ret->name + n, sizeof(ret->name) - n, "%02x", z->zone[i]);
	strcpy(ret->name + n, ".keys");
	snprintf(ret->shown, sizeof(ret->shown), ZONES_DIR "/%.40s", ret->name);
	return 0;
}

void ring_place_close(struct ring_place *p)
{
	if (!p->root)
		cleanup_close(&p->dirfd);
}

/* ---- reading --------------------------------------------------------------------------- */

int keyring_read(const struct ring_place *p, const struct zone_id *z, struct keyring **ret,
		 struct store_error *err)
{
	_cleanup_free_ uint8_t *buf = NULL;
	struct keyring *k;
	const char *why = "";
	size_t n;
	int r = backing_read_file(p->dirfd, p->name, KEYRING_MAX, &buf, &n);

	if (r < 0 && r != -ENOENT)
		return store_fail(err, r, NULL, "cannot read %s: %s", p->shown, strerror(-r));
	if (r == -ENOENT)
		return store_fail(err, -EBADMSG, RESTORE, "%s is missing", p->shown);
	r = keyring_parse(buf, n, &k, &why);
	if (r < 0)
		return store_fail(err, r, RESTORE, "%s is damaged: %s", p->shown, why);
	if (memcmp(&k->zone, z, sizeof(*z))) {
		keyring_free(k);
		return store_fail(err, -EBADMSG, RESTORE, "%s belongs to another volume or zone",
				  p->shown);
	}
	*ret = k;
	return 0;
}

static int read_in(int fd, const struct volume_block *v, const struct zone_id *z,
		   struct keyring **ret, struct store_error *err)
{
	struct ring_place p;
	int r = ring_place_open(fd, v, z, false, &p);

	if (r == -ENOENT)
		return store_fail(err, -EBADMSG, RESTORE, "the volume has no " ZONES_DIR);
	if (r < 0)
		return store_fail(err, r, NULL, "cannot open " ZONES_DIR ": %s", strerror(-r));
	r = keyring_read(&p, z, ret, err);
	ring_place_close(&p);
	return r;
}

int zone_keyring(struct zone *z, struct keyring **ret, struct store_error *err)
{
	return read_in(z->st->root_fd, &z->st->vol, &z->id, ret, err);
}

uint64_t zone_keyring_stamp(struct zone *z)
{
	struct ring_place p;
	struct stat sb = { 0 };
	uint64_t h;
	int r = ring_place_open(z->st->root_fd, &z->st->vol, &z->id, false, &p);

	if (r < 0)
		return r == -ENOENT ? 0 : 1;
	r = backing_stat(p.dirfd, p.name, &sb);
	ring_place_close(&p);
	if (r < 0)
		return r == -ENOENT ? 0 : 1;
	h = (uint64_t)sb.st_ino * UINT64_C(0x9e3779b97f4a7c15) + (uint64_t)sb.st_size;
	h = h * 1000003u + (uint64_t)sb.st_mtim.tv_sec;
	return (h * 1000003u + (uint64_t)sb.st_mtim.tv_nsec) | 2;
}

int volume_peek_zone(const char *dir, const struct zone_id *z, struct keyring **ret,
		     struct store_error *err)
{
	_cleanup_close_ int fd = -1;
	struct volume_block v;
	int r = volume_look(dir, &fd, &v, err);

	return r ? r : read_in(fd, &v, z, ret, err);
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

int keyring_open(const struct keyring *k, const uint8_t vk[static KEY_LEN], const char *shown,
		 struct root_keys *ret, uint8_t ret_fingerprint[static KEY_LEN],
		 struct store_error *err)
{
	const struct generation *gen = keyring_generation((struct keyring *)k, k->active);
	int r;

	if (!gen)
		return store_fail(err, -EBADMSG, RESTORE, "%s has no active generation", shown);
	r = keyring_take(k, gen, vk, ret->zik);
	if (r == -EKEYREJECTED)
		return store_fail(err, r, "cmkfs key check tells which slot gives it; was the vault restored, "
					  "or does another server answer?",
				  "the key is not the one of this volume");
	if (r == 0)
		r = keyring_verify(k, ret->zik);
	if (r < 0)
		return store_fail(err, r, RESTORE, "%s does not authenticate", shown);
	r = keyring_fingerprint(k, ret->zik, ret_fingerprint);
	if (r == 0)
		r = root_keys_derive(&k->zone, ret);
	return r ? store_fail(err, r, NULL, "cannot derive keys") : 0;
}

int keyring_vouches(const struct root_keys *rk, const uint8_t fingerprint[static KEY_LEN],
		    const struct volume_block *v, const uint8_t raw[static FIXED_BLOCK],
		    struct store_error *err)
{
	int r;

	if (!secret_equal(fingerprint, v->fingerprint, KEY_LEN))
		return store_fail(err, -EBADMSG, "the keyring or the volume file was replaced",
				  "the fingerprint of the keyring is not that of the volume");
	r = volume_verify(raw, rk->vm);
	return r ? store_fail(err, r, "restore it from a backup of the volume",
			      VOLUME_FILE " does not authenticate") : 0;
}

int endorse(const struct zone_id *parent, const uint8_t zik[static KEY_LEN],
	    const struct zone_id *z, const uint8_t fingerprint[static KEY_LEN],
	    uint8_t ret[static MAC_LEN])
{
	struct iovec v[] = {
		{ (void *)(uintptr_t)z, sizeof(*z) },
		{ (void *)(uintptr_t)fingerprint, KEY_LEN },
	};
	uint8_t ek[KEY_LEN];
	int r = kdf_zik(zik, KDF_ENDORSE, parent, ek);

	if (r == 0)
		r = mac_v(ek, KEY_LEN, v, ARRAY_SIZE(v), ret);
	secret_wipe(ek, sizeof(ek));
	return r;
}
