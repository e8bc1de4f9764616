/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New directories: made under a temporary name, with their header, and renamed.
 * Also the first header of one whose own never reached the disk.
 */
#include <errno.h>

#include "fs/store/entry.h"
#include "fs/store/newborn.h"
#include "fs/store/touched.h"

#define HEADER_MODE 0644 /* of .D: it hides nothing that the directory's own mode does not */

/* The header file of the directory O that is being made, open as FD. */
static int make_header(const struct place *p, struct object *o, int fd, struct loaded **ret)
{
	_cleanup_close_ int hfd = -1;
	uint8_t tag[TAG_LEN];
	struct loaded *l;
	int r = place_tag(p, tag);

	if (!r)
		r = loaded_new(p->dir->zone, OBJECT_DIR, store_suite(o->st), tag, &l);
	if (r)
		return r;
	l->o = o;
	l->touch = TOUCH_NOTED;
	l->made = true;
	hfd = backing_open(fd, ".D", O_RDWR | O_CREAT | O_EXCL, HEADER_MODE);
	r = hfd < 0 ? hfd : loaded_write_header(l, hfd);
	if (r < 0)
		loaded_free(l);
	else
		*ret = l;
	return r;
}

/*
 * A directory that never reached the disk: its names cannot be read, as they
 * were encrypted under a key that went with its header.  What they lead to is
 * put out of sight, where rmdir and fsck remove it.
 */
static int hide(void *arg, const struct dirent64 *d)
{
	enum stored_kind k = stored_kind(d->d_name, strlen(d->d_name));
	const int *dirfd = arg;
	char tmp[TEMP_LEN + 1];
	int r;

	if (k == STORED_DIRHEADER || k == STORED_TEMP)
		return 0;
	r = temp_name(tmp);
	return r ? r : rename_new(*dirfd, d->d_name, *dirfd, tmp);
}

static int hide_contents(int dirfd)
{
	return backing_each(dirfd, hide, &dirfd);
}

int dir_write_first(struct object *o, struct loaded *l)
{
	_cleanup_close_ int fd = -1;
	struct stat sb;
	int r = hide_contents(o->fd);

	if (r < 0)
		return r;
	fd = backing_open(o->fd, ".D", O_RDWR | O_CREAT | O_NONBLOCK, HEADER_MODE);
	if (fd < 0)
		return fd;
	r = backing_fstat(fd, &sb);
	if (r == 0 && !S_ISREG(sb.st_mode))
		r = -EIO;
	return r ? r : loaded_write_header(l, fd);
}

/* Open the new directory TMP; its owner must be able to work in it until it is whole. */
static int open_new_dir(const struct place *p, const char *tmp, const struct stat *sb)
{
	int r = 0;

	if ((sb->st_mode & 0700) != 0700)
		r = backing_chmod(p->dir->fd, tmp, (sb->st_mode & 07777) | 0700);
	return r < 0 ? r : backing_open(p->dir->fd, tmp, O_RDONLY | O_DIRECTORY, 0);
}

/* Under a temporary name, until it is whole.  *RET is in the table, but nobody can find it yet. */
static int make_dir(const struct place *p, const char *tmp, mode_t mode, const struct cred *cred,
		    struct object **ret, struct stat *ret_st)
{
	_cleanup_close_ int fd = -1;
	struct loaded *l = NULL;
	struct object *o;
	int r;

	r = backing_stat(p->dir->fd, tmp, ret_st);
	if (r < 0)
		return r;
	/* What it was made with, a default ACL applied, less what was added for us. */
	mode = (ret_st->st_mode & (mode | ~(mode_t)0700)) | (mode & (S_ISUID | S_ISGID));
	fd = open_new_dir(p, tmp, ret_st);
	if (fd < 0)
		return fd;
	ret_st->st_mode |= 0700;
	o = table_new(p->dir->st, p->dir, p->sn.s, ret_st);
	if (!o)
		return -ENOMEM;
	r = make_header(p, o, fd, &l);
	if (r == 0)
		newborn_mark(l, fd, l->h.tags[0]); /* where there are no attributes, there is the record */
	if (r == 0)
		r = give_owner(p->dir, fd, NULL, cred, mode, ret_st);
	if (r == 0)
		r = rename_new(p->dir->fd, tmp, p->dir->fd, p->sn.s);
	if (r < 0) {
		loaded_free(l);
		object_put(o);
		return r;
	}
	object_attach(o, l, steal_fd(&fd));
	object_unpin(o);
	*ret = o;
	return 0;
}

static int mkdir_locked(const struct place *p, mode_t mode, const struct cred *cred,
			struct object **ret, struct stat *ret_st)
{
	char tmp[TEMP_LEN + 1];
	int r = temp_name(tmp);

	if (r == 0)
		r = place_touch(p, NULL);
	if (r == 0)
		r = backing_mkdir(p->dir->fd, tmp, mode | 0700);
	if (r < 0)
		return r;
	r = make_dir(p, tmp, mode, cred, ret, ret_st);
	if (r < 0)
		dir_remove(p->dir->fd, tmp);
	else
		place_new_name(p);
	return r;
}

int object_mkdir(struct object *dir, const char *name, mode_t mode, const struct cred *cred,
		 struct object **ret, struct stat *ret_st)
{
	bool sidecar;
	struct place p;
	int r;

	r = place_open(dir, name, true, &p);
	if (r < 0)
		return r;
	r = place_begin_new(&p, &sidecar);
	if (r == 0) {
		r = mkdir_locked(&p, mode_for(dir, cred, mode), cred, ret, ret_st);
		place_end_new(&p, sidecar, r);
	}
	place_close(&p);
	return r;
}
