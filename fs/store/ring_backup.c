/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups of a volume's keyrings, encrypted as they are (cmkfs-format(5),
 * Backup of the keyrings).  A checksum tells a damaged backup; what is in it is
 * authenticated when it is used.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/file.h>

#include "crypto/mac.h"
#include "fs/store/volume.h"

#define MAGIC "CMKFSBAK"
#define BACKUP_MAX (64u << 20)
#define DAMAGED "the backup is damaged"

enum { BK_VERSION = 8, BK_COUNT = 12, BK_VOL = 16, BK_FIXED = 32 };
enum { ITEM_ZONE = 0, ITEM_LENGTH = 16, ITEM_RESERVED = 20, ITEM_FIXED = 24 };

struct out {
	uint8_t *p;
	size_t n;
	uint32_t items;
};

static int checksum(const uint8_t *p, size_t n, uint8_t ret[static MAC_LEN])
{
	static const uint8_t no_key[KEY_LEN];

	return mac(no_key, KEY_LEN, p, n, ret);
}

/* ---- making one ------------------------------------------------------------------- */

static int add(struct out *o, const uint8_t *zone, const uint8_t *p, size_t n)
{
	uint8_t *q = realloc(o->p, o->n + ITEM_FIXED + n + MAC_LEN);

	if (!q)
		return -ENOMEM;
	o->p = q;
	q += o->n;
	memset(q, 0, ITEM_FIXED);
	memcpy(q + ITEM_ZONE, zone, ID_LEN);
	put_le32(q + ITEM_LENGTH, (uint32_t)n);
	memcpy(q + ITEM_FIXED, p, n);
	o->n += ITEM_FIXED + n;
	o->items++;
	return 0;
}

/* A keyring as it lies there; it must be whole. */
static int add_ring(struct out *o, int fd, const struct volume_block *v, const struct zone_id *z,
		    struct store_error *err)
{
	struct ring_place at;
	struct keyring *k;
	int r = ring_place_open(fd, v, z, false, &at);

	if (r < 0)
		return r;
	r = keyring_read(&at, z, &k, err);
	ring_place_close(&at);
	if (r < 0)
		return r;
	r = add(o, z->zone, k->raw, k->raw_len);
	keyring_free(k);
	return r;
}

static int gather(int fd, const char *dir, struct out *o, struct store_error *err)
{
	static const uint8_t none[ID_LEN];
	_cleanup_free_ struct zone_id *ids = NULL;
	uint8_t raw[FIXED_BLOCK];
	struct volume_block v;
	unsigned int n = 0;
	int r = volume_read(fd, &v, raw, err);

	if (r == 0)
		r = volume_zones(dir, &ids, &n, err);
	if (r < 0)
		return r;
	o->p = calloc(1, BK_FIXED + MAC_LEN);
	o->n = BK_FIXED;
	r = o->p ? add(o, none, raw, sizeof(raw)) : -ENOMEM;
	if (r == 0)
		r = add_ring(o, fd, &v, &v.root, err);
	for (unsigned int i = 0; i < n && r == 0; i++)
		r = add_ring(o, fd, &v, &ids[i], err);
	if (r < 0)
		return r;
	memcpy(o->p, MAGIC, 8);
	put_le16(o->p + BK_VERSION, 1);
	put_le32(o->p + BK_COUNT, o->items);
	memcpy(o->p + BK_VOL, v.root.vol, ID_LEN);
	return checksum(o->p, o->n, o->p + o->n);
}

int volume_backup_keys(const char *dir, uint8_t **ret, size_t *ret_n, struct store_error *err)
{
	_cleanup_close_ int fd = -1;
	struct out o = { NULL, 0, 0 };
	int r = volume_open_dir(dir, &fd, err);

	if (r < 0)
		return r;
	/* No command rewrites one of them meanwhile. */
	r = flock(fd, LOCK_SH) < 0 ? -errno : gather(fd, dir, &o, err);
	if (r < 0) {
		free(o.p);
		return r;
	}
	*ret = o.p;
	*ret_n = o.n + MAC_LEN;
	return 0;
}

/* ---- putting it back --------------------------------------------------------------- */

struct restoring {
	int fd;
	bool force;
	struct volume_block vol; /* the backup's */
	volume_restored_fn *tell;
	void *arg;
	struct store_error *err;
};

/* Whether there is a whole keyring at P, and the same as K. */
static bool is_whole(const struct ring_place *p, const struct zone_id *z, const struct keyring *k,
		     bool *ret_same)
{
	struct keyring *have;

	*ret_same = false;
	if (keyring_read(p, z, &have, NULL))
		return false;
	*ret_same = have->raw_len == k->raw_len && !memcmp(have->raw, k->raw, k->raw_len);
	keyring_free(have);
	return true;
}

static int restore_ring(struct restoring *t, const struct keyring *k)
{
	enum restored what = RESTORED_NEW;
	struct ring_place at;
	bool same;
	int r = ring_place_open(t->fd, &t->vol, &k->zone, true, &at);

	if (r < 0)
		return r;
	if (is_whole(&at, &k->zone, k, &same))
		what = same ? RESTORED_SAME : t->force ? RESTORED_REPLACED : RESTORED_KEPT;
	if (what == RESTORED_NEW || what == RESTORED_REPLACED)
		r = backing_replace(at.dirfd, at.name, k->raw, k->raw_len, KEYRING_MODE);
	ring_place_close(&at);
	if (r == 0)
		t->tell(t->arg, &k->zone, what);
	return r;
}

/* The volume file: only where there is none that is whole. */
static int restore_volume(struct restoring *t, const uint8_t *block)
{
	uint8_t raw[FIXED_BLOCK];
	struct volume_block have;
	const char *why;

	if (volume_parse(block, &t->vol, &why))
		return store_fail(t->err, -EBADMSG, NULL, DAMAGED);
	if (!volume_read(t->fd, &have, raw, NULL))
		return memcmp(have.root.vol, t->vol.root.vol, ID_LEN) ?
			       store_fail(t->err, -EINVAL, "cmkfs info tells which is which",
					  "this is the backup of another volume") : 0;
	return backing_replace(t->fd, VOLUME_FILE, block, FIXED_BLOCK, FIXED_MODE);
}

static int restore_item(struct restoring *t, const uint8_t *zone, const uint8_t *p, size_t n)
{
	struct keyring *k;
	int r;

	if (keyring_parse(p, n, &k, NULL))
		return store_fail(t->err, -EBADMSG, NULL, DAMAGED);
	r = memcmp(k->zone.zone, zone, ID_LEN) || memcmp(k->zone.vol, t->vol.root.vol, ID_LEN) ?
		    store_fail(t->err, -EBADMSG, NULL, DAMAGED) : restore_ring(t, k);
	keyring_free(k);
	return r;
}

static int restore_all(struct restoring *t, const uint8_t *p, size_t n)
{
	uint32_t items = get_le32(p + BK_COUNT);
	size_t at = BK_FIXED;
	int r = 0;

	for (uint32_t i = 0; i < items && r == 0; i++) {
		size_t len = n - at < ITEM_FIXED ? SIZE_MAX : get_le32(p + at + ITEM_LENGTH);

		if (len > n - at - ITEM_FIXED || (i == 0 && len != FIXED_BLOCK))
			return store_fail(t->err, -EBADMSG, NULL, DAMAGED);
		r = i ? restore_item(t, p + at, p + at + ITEM_FIXED, len) :
			restore_volume(t, p + at + ITEM_FIXED);
		at += ITEM_FIXED + len;
	}
	return r || at == n ? r : store_fail(t->err, -EBADMSG, NULL, DAMAGED);
}

static bool is_backup(const uint8_t *p, size_t n)
{
	uint8_t sum[MAC_LEN];

	return n >= BK_FIXED + MAC_LEN && n <= BACKUP_MAX && !memcmp(p, MAGIC, 8) &&
	       get_le16(p + BK_VERSION) == 1 && !checksum(p, n - MAC_LEN, sum) &&
	       !memcmp(sum, p + n - MAC_LEN, MAC_LEN);
}

int volume_restore_keys(const char *dir, const uint8_t *p, size_t n, bool force,
			volume_restored_fn *tell, void *arg, struct store_error *err)
{
	struct restoring t = { .force = force, .tell = tell, .arg = arg, .err = err };
	int r;

	if (!is_backup(p, n))
		return store_fail(err, -EBADMSG, "give a file that cmkfs key backup made",
				  "this is no backup of keyrings, or a damaged one");
	r = volume_open_dir(dir, &t.fd, err);
	if (r < 0)
		return r;
	r = flock(t.fd, LOCK_EX) < 0 ? -errno : restore_all(&t, p, n - MAC_LEN);
	if (r < 0 && err && !err->message[0])
		store_fail(err, r, NULL, "cannot restore the keyrings: %s", strerror(-r));
	close(t.fd);
	return r;
}
