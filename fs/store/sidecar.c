/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sidecars: the files that hold names too long to be stored as one
 * (cmkfs-format(5), FILE NAMES).
 */
#include "fs/store/entry.h"

void sidecar_name(const char *stored, char ret[static 256])
{
	strcpy(ret, stored);
	ret[1] = 'N';
}

static bool sidecar_right(const struct place *p, const char *side)
{
	_cleanup_free_ uint8_t *buf = NULL;
	size_t n;

	return !backing_read_file(p->dir->fd, side, NAME_SIDECAR_MAX, &buf, &n) &&
	       n == p->sn.sidecar_len && !memcmp(buf, p->sn.sidecar, n);
}

int place_make_sidecar(const struct place *p, bool *ret_made)
{
	_cleanup_close_ int fd = -1;
	char side[256];
	int r;

	*ret_made = false;
	if (!p->sn.sidecar_len)
		return 0;
	sidecar_name(p->sn.s, side);
	fd = backing_open(p->dir->fd, side, O_WRONLY | O_CREAT | O_EXCL, 0644);
	if (fd == -EEXIST) { /* the object's own, or an orphan, which a crash may have torn */
		if (sidecar_right(p, side))
			return 0;
		fd = backing_open(p->dir->fd, side, O_WRONLY, 0);
	} else if (fd >= 0) {
		*ret_made = true;
	}
	if (fd < 0)
		return fd;
	r = backing_write(fd, p->sn.sidecar, p->sn.sidecar_len, 0);
	if (!r)
		r = backing_truncate(fd, p->sn.sidecar_len);
	if (r < 0 && *ret_made)
		place_remove_sidecar(p);
	else if (!r)
		place_new_name(p);
	return r;
}

int sidecar_sync(int dirfd, const char *stored)
{
	_cleanup_close_ int fd = -1;
	char side[256];

	sidecar_name(stored, side);
	fd = backing_open(dirfd, side, O_RDONLY, 0);
	return fd < 0 ? fd : backing_sync(fd);
}

int place_sync_sidecar(const struct place *p)
{
	return p->sn.sidecar_len ? sidecar_sync(p->dir->fd, p->sn.s) : 0;
}

void place_remove_sidecar(const struct place *p)
{
	char side[256];

	if (!p->sn.sidecar_len)
		return;
	sidecar_name(p->sn.s, side);
	backing_unlink(p->dir->fd, side, 0); /* an orphan is harmless */
}
