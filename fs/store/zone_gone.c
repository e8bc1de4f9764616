/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a zone.  Its keyring holds all that opens it: that is overwritten
 * where it lies, and removed.  What copies of it others hold is for the guide
 * (cmkfs-security(7)).
 */
#include <errno.h>

#include "fs/store/entry.h"
#include "fs/store/volume.h"

#define DEPTH 500u /* of directories that are removed; what lies deeper is for fsck */

bool zone_gone(const struct zone *z)
{
	return z->gone;
}

static int overwrite(const struct ring_place *at)
{
	static const uint8_t zero[4096];
	_cleanup_close_ int fd = backing_open(at->dirfd, at->name, O_WRONLY | O_NONBLOCK, 0);
	struct stat sb;
	int r = fd < 0 ? fd : backing_fstat(fd, &sb);

	for (uint64_t off = 0; r == 0 && off < (uint64_t)sb.st_size; off += sizeof(zero))
		r = backing_write(fd, zero, sizeof(zero), off);
	return r ? r : backing_sync(fd);
}

static int not_root(const struct volume_block *v, const struct zone_id *z, struct store_error *err)
{
	return memcmp(v->root.zone, z->zone, ID_LEN) ? 0 :
	       store_fail(err, -EINVAL, "cmkfs volume destroy destroys that",
			  "the root zone is the volume itself");
}

int keyring_remove(int fd, const struct volume_block *v, const struct zone_id *z,
		   struct store_error *err)
{
	struct ring_place at;
	int r = ring_place_open(fd, v, z, false, &at);

	if (r == 0) {
		r = overwrite(&at);
		if (r == 0)
			r = backing_unlink(at.dirfd, at.name, 0);
		if (r == 0)
			r = backing_sync_dir(at.dirfd);
		ring_place_close(&at);
	}
	return r == 0 || r == -ENOENT ? 0 :
	       store_fail(err, r, NULL, "cannot remove %s: %s", at.shown, strerror(-r));
}

/* What was not taken over yet would stay readable under the keys of the zone above. */
static int not_taking(int fd, const struct volume_block *v, const struct zone_id *z,
		      struct store_error *err)
{
	struct keyring *k = NULL;
	struct ring_place at;
	bool takes = false;

	if (!ring_place_open(fd, v, z, false, &at)) {
		takes = !keyring_read(&at, z, &k, NULL) && keyring_takes(k);
		keyring_free(k);
		ring_place_close(&at);
	}
	return takes ? store_fail(err, -EBUSY, "cmkfs key rotate --reencrypt --zone ZONE ends that",
				  "the zone still takes files over from the one that it lies in") : 0;
}

int volume_destroy_zone(const char *dir, const struct zone_id *z, const char *state_dir,
			struct store_error *err)
{
	_cleanup_close_ int fd = -1;
	struct volume_block v;
	int r = volume_look(dir, &fd, &v, err);

	if (r == 0)
		r = not_root(&v, z, err);
	if (r == 0)
		r = not_taking(fd, &v, z, err);
	if (r == 0)
		r = keyring_remove(fd, &v, z, err);
	if (r == 0)
		pin_forget(state_dir, z);
	return r;
}

/* O, the root of the zone, out of sight and then away. */
static void remove_tree(struct object *o)
{
	struct object *parent;
	char stored[256];

	if (object_path(o, &parent, stored))
		return;
	if (!object_pin_fd(parent)) {
		struct object *both[2] = { parent, o };

		if (!ns_lock(both, 2)) {
			if (!object_pin_fd(o)) {
				int r = dir_remove_deep(parent->fd, stored, DEPTH);

				if (!r)
					object_set_path(o, NULL, NULL);
				object_unpin(o);
				if (!r && stored_kind(stored, strlen(stored)) == STORED_LONG) {
					stored[1] = 'N';
					backing_unlink(parent->fd, stored, 0);
				}
			}
			ns_unlock(both, 2);
		}
		backing_sync_dir(parent->fd);
		object_unpin(parent);
	}
	object_put(parent);
}

static void forget_top(struct zone *z)
{
	struct object *o;

	pthread_mutex_lock(&z->lock);
	o = z->top;
	z->top = NULL;
	pthread_mutex_unlock(&z->lock);
	object_put(o);
}

int zone_drop(struct zone *z, struct store_error *err)
{
	struct store *st = z->st;
	int r = not_root(&st->vol, &z->id, err);

	if (r == 0)
		r = keyring_remove(st->root_fd, &st->vol, &z->id, err);
	if (r == 0) {
		z->gone = true;
		pin_forget(st->opt.state_dir, &z->id);
	}
	return r;
}

int zone_destroy(struct zone *z, struct store_error *err)
{
	struct store *st = z->st;
	struct object *top = NULL;
	int r;

	if (st->opt.read_only)
		return -EROFS;
	for (struct zone *o = st->zone; o; o = o->next)
		if (o->parent == z && !o->gone)
			return store_fail(err, -EBUSY, "destroy that one first",
					  "another zone lies in it");
	r = not_taking(st->root_fd, &st->vol, &z->id, err);
	if (r)
		return r;
	zone_top(z, true, &top);
	r = zone_drop(z, err);
	if (r == 0) {
		if (top)
			remove_tree(top);
		forget_top(z);
	}
	object_put(top);
	return r;
}
