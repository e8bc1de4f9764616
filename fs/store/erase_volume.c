/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The end of a volume: its keyrings go, those of the zones first, so that what
 * is interrupted can be done again.
 */
#include <errno.h>
#include <sys/file.h>

#include "fs/store/erase.h"
#include "fs/store/volume.h"

/* Nobody has it open, nor opens it meanwhile. */
static int hold(int fd, int *ret_lock, struct store_error *err)
{
	*ret_lock = backing_open(fd, LOCK_FILE, O_RDWR | O_CREAT | O_NOFOLLOW, FIXED_MODE);
	if (*ret_lock < 0)
		return store_fail(err, *ret_lock, NULL, "%s: %s", LOCK_FILE, strerror(-*ret_lock));
	if (flock(*ret_lock, LOCK_EX | LOCK_NB) < 0)
		return store_fail(err, -EBUSY, "unmount it first", "the volume is in use");
	return 0;
}

static int destroy_zones(int fd, const struct volume_block *v, const char *dir,
			 const char *state_dir, struct store_error *err)
{
	struct zone_id *z = NULL;
	unsigned int n = 0;
	int r = volume_zones(dir, &z, &n, err);

	for (unsigned int i = 0; i < n && !r; i++) {
		r = keyring_remove(fd, v, &z[i], err);
		if (!r)
			pin_forget(state_dir, &z[i]);
	}
	free(z);
	return r;
}

int volume_destroy(const char *dir, const char *state_dir, struct store_error *err)
{
	_cleanup_close_ int fd = -1, lock = -1;
	struct volume_block v;
	int r = volume_look(dir, &fd, &v, err);

	if (!r)
		r = hold(fd, &lock, err);
	if (!r)
		r = destroy_zones(fd, &v, dir, state_dir, err);
	if (!r)
		r = keyring_remove(fd, &v, &v.root, err);
	return r;
}
