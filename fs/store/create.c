/* SPDX-License-Identifier: Apache-2.0 */
/*
 * New files and special files; what they, and directories, are given.  The process
 * has umask 0: the modes given are exact, and a default ACL of the backing directory
 * applies as it would there.
 */
#include <errno.h>

#include "fs/store/entry.h"
#include "fs/store/touched.h"

mode_t mode_for(const struct object *dir, const struct cred *cred, mode_t mode)
{
	if (!(mode & cred->umask) ||
	    backing_getxattr(dir->fd, NULL, "system.posix_acl_default", NULL, 0) > 0)
		return mode;
	return mode & ~cred->umask;
}

/* The group that something new gets in DIR: its own, if it is set-group-ID. */
static gid_t group_for(const struct object *dir, const struct cred *cred, const struct stat *sb,
		       bool *ret_setgid)
{
	struct stat d;

	*ret_setgid = false;
	if (sb->st_gid == cred->gid && !S_ISDIR(sb->st_mode))
		return cred->gid;
	*ret_setgid = !backing_fstat(dir->fd, &d) && (d.st_mode & S_ISGID);
	return *ret_setgid ? d.st_gid : cred->gid;
}

int give_owner(const struct object *dir, int fd, const char *name, const struct cred *cred,
	       mode_t mode, struct stat *sb)
{
	bool setgid, chowned = false;
	gid_t gid = group_for(dir, cred, sb, &setgid);
	int r;

	if (S_ISDIR(sb->st_mode) && setgid)
		mode |= S_ISGID;
	mode &= 07777;
	if (sb->st_uid != cred->uid || sb->st_gid != gid) {
		r = backing_chown(fd, name, cred->uid, gid);
		if (r < 0)
			return r;
		chowned = true;
	}
	/* A change of owner takes the set-id bits away; a directory may have lent itself to us. */
	if (S_ISDIR(sb->st_mode) ? mode != (sb->st_mode & 07777) :
				   chowned && (mode & (S_ISUID | S_ISGID))) {
		r = backing_chmod(fd, name, mode);
		if (r < 0)
			return r;
		chowned = true;
	}
	if (!chowned)
		return 0;
	return name ? backing_stat(fd, name, sb) : backing_fstat(fd, sb);
}

/* ---- regular files ------------------------------------------------------------------ */

static int file_object(const struct place *p, int fd, const struct stat *sb, struct object **ret)
{
	struct store *st = p->dir->st;
	uint8_t tag[TAG_LEN];
	struct loaded *l;
	struct object *o;
	int r = place_tag(p, tag);

	if (!r)
		r = loaded_new(p->dir->zone, OBJECT_FILE, store_suite(st), tag, &l);
	if (r)
		return r;
	o = table_new(st, p->dir, p->sn.s, sb);
	if (!o) {
		loaded_free(l);
		return -ENOMEM;
	}
	l->touch = TOUCH_NOTED;
	l->made = true;
	l->o = o;
	r = store_is_tight(st) ? loaded_write_header(l, fd) : 0;
	if (r) {
		store_room_error(st, r);
		loaded_free(l);
		object_put(o);
		return r;
	}
	object_attach(o, l, fd);
	loaded_mark_dirty(l);
	object_unpin(o);
	*ret = o;
	return 0;
}

static int make_file(const struct place *p, mode_t mode, const struct cred *cred,
		     struct object **ret, struct stat *ret_st)
{
	_cleanup_close_ int fd = -1;
	int r;

	r = place_touch(p, NULL);
	if (r < 0)
		return r;
	fd = backing_open(p->dir->fd, p->sn.s, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW,
			  mode & 07777);
	if (fd < 0)
		return fd;
	backing_keep_atime(fd);
	r = backing_fstat(fd, ret_st);
	if (r == 0)
		r = give_owner(p->dir, fd, NULL, cred, ret_st->st_mode, ret_st);
	if (r == 0)
		r = file_object(p, fd, ret_st, ret);
	if (r < 0) {
		backing_unlink(p->dir->fd, p->sn.s, 0);
		return r;
	}
	steal_fd(&fd);
	ret_st->st_size = 0;
	return 0;
}

/* ---- special files -------------------------------------------------------------------- */

static int make_special(const struct place *p, mode_t mode, dev_t rdev, const struct cred *cred,
			struct object **ret, struct stat *ret_st)
{
	int r = backing_mknod(p->dir->fd, p->sn.s, mode, rdev);

	if (r < 0)
		return r;
	r = place_stat(p, ret_st);
	if (r == 0)
		r = give_owner(p->dir, p->dir->fd, p->sn.s, cred, ret_st->st_mode, ret_st);
	if (r == 0) {
		*ret = table_new(p->dir->st, p->dir, p->sn.s, ret_st);
		r = *ret ? 0 : -ENOMEM;
	}
	if (r < 0)
		backing_unlink(p->dir->fd, p->sn.s, 0);
	return r;
}

int object_mknod(struct object *dir, const char *name, mode_t mode, dev_t rdev,
		 const struct cred *cred, struct object **ret, struct stat *ret_st)
{
	bool sidecar, regular = S_ISREG(mode) || !(mode & S_IFMT);
	struct place p;
	int r;

	if (S_ISDIR(mode) || S_ISLNK(mode))
		return -EINVAL;
	r = place_open(dir, name, true, &p);
	if (r < 0)
		return r;
	r = place_begin_new(&p, &sidecar);
	if (r == 0) {
		mode = mode_for(dir, cred, mode);
		r = regular ? make_file(&p, mode, cred, ret, ret_st) :
			      make_special(&p, mode, rdev, cred, ret, ret_st);
		place_end_new(&p, sidecar, r);
	}
	place_close(&p);
	return r;
}
