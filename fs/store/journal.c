/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the journal: found, written, removed.
 */
#include "fs/store/journal.h"

#include <errno.h>
#include <stdio.h>

#include "fs/store/volume.h"

#define NAME_LEN (2 * ID_LEN + 2)

static void name_of(const struct header *h, enum journal_kind kind, char ret[static NAME_LEN + 1])
{
	for (unsigned int i = 0; i < ID_LEN; i++)
		sprintf(ret + 2 * i, "%02x", h->object_id[i]);
	if (kind == JOURNAL_XATTR)
		strcpy(ret + 2 * ID_LEN, ".x");
}

/* The directory of the journal.  MAKE: it is made, and on disk. */
static int open_dir(struct store *st, bool make)
{
	int fd = backing_open(st->root_fd, JOURNAL_DIR, O_RDONLY | O_DIRECTORY, 0), r;

	if (fd != -ENOENT || !make)
		return fd;
	r = backing_mkdir(st->root_fd, JOURNAL_DIR, 0755);
	if (!r)
		r = backing_sync_dir(st->root_fd);
	return r && r != -EEXIST ? r :
	       backing_open(st->root_fd, JOURNAL_DIR, O_RDONLY | O_DIRECTORY, 0);
}

/* The file NAME in DIR, and whether it is a new one. */
static int open_to_write(int dir, const char *name, bool *ret_new)
{
	int fd = backing_open(dir, name, O_WRONLY, 0);

	*ret_new = fd == -ENOENT;
	return *ret_new ? backing_open(dir, name, O_WRONLY | O_CREAT, FIXED_MODE) : fd;
}

int journal_write(struct object *o, const struct header *h, enum journal_kind kind, const void *p,
		  size_t n)
{
	_cleanup_close_ int dir = open_dir(o->st, true), fd = -1;
	char name[NAME_LEN + 1];
	bool made;
	int r;

	if (dir < 0)
		return dir;
	name_of(h, kind, name);
	fd = open_to_write(dir, name, &made);
	if (fd < 0)
		return fd;
	r = backing_write(fd, p, n, 0);
	if (!r)
		r = backing_truncate(fd, n);
	if (!r)
		r = made ? backing_sync(fd) : backing_barrier(fd);
	return !r && made ? backing_sync_dir(dir) : r;
}

ssize_t journal_read(struct object *o, const struct header *h, enum journal_kind kind, void *p,
		     size_t cap)
{
	_cleanup_close_ int dir = open_dir(o->st, false), fd = -1;
	char name[NAME_LEN + 1];

	if (dir < 0)
		return dir;
	name_of(h, kind, name);
	fd = backing_open(dir, name, O_RDONLY | O_NONBLOCK, 0);
	return fd < 0 ? fd : backing_read(fd, p, cap, 0);
}

int journal_drop(struct object *o, const struct header *h, enum journal_kind kind, bool sync)
{
	_cleanup_close_ int dir = open_dir(o->st, false);
	char name[NAME_LEN + 1];
	int r;

	if (dir < 0)
		return dir == -ENOENT ? 0 : dir;
	name_of(h, kind, name);
	r = backing_unlink(dir, name, 0);
	if (r)
		return r == -ENOENT ? 0 : r;
	return sync ? backing_sync_dir(dir) : 0;
}
