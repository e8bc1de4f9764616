/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symlinks.  Their text is sealed for their own name, so that a rename makes
 * them again (cmkfs-format(5), Symlinks).
 */
#include <errno.h>
#include <sys/xattr.h>

#include "fs/store/entry.h"

#define KEPT_MAX 1024u

struct kept {
	int fd;
	ino_t ino;
};

struct kept *kept_new(const struct place *p, const struct stat *sb)
{
	struct store *st = p->dir->st;
	struct kept *k;

	if (st->kept >= KEPT_MAX)
		return NULL;
	k = malloc(sizeof(*k));
	if (!k)
		return NULL;
	k->ino = sb->st_ino;
	k->fd = backing_open(p->dir->fd, p->sn.s, O_PATH | O_NOFOLLOW, 0);
	if (k->fd < 0) {
		free(k);
		return NULL;
	}
	atomic_fetch_add(&st->kept, 1);
	return k;
}

void kept_free(struct store *st, struct kept *k)
{
	if (!k)
		return;
	atomic_fetch_sub(&st->kept, 1);
	close(k->fd);
	free(k);
}

void kept_give(struct object *o, struct kept *k)
{
	struct kept *none = NULL;

	if (!atomic_compare_exchange_strong(&o->kept, &none, k))
		kept_free(o->st, k);
}

ino_t shown_ino(const struct object *o, ino_t ino)
{
	const struct kept *k = o->kept;

	return k ? k->ino : ino;
}

static int make_link(const struct place *p, const char *text, const struct cred *cred,
		     struct object **ret, struct stat *ret_st)
{
	int r = backing_symlink(text, p->dir->fd, p->sn.s);

	if (r < 0)
		return r;
	r = place_stat(p, ret_st);
	if (r == 0)
		r = give_owner(p->dir, p->dir->fd, p->sn.s, cred, 0777, ret_st);
	if (r == 0) {
		*ret = table_new(p->dir->st, p->dir, p->sn.s, ret_st);
		r = *ret ? 0 : -ENOMEM;
	}
	if (r < 0)
		backing_unlink(p->dir->fd, p->sn.s, 0);
	else
		object_fix_stat(*ret, ret_st);
	return r;
}

int object_symlink(struct object *dir, const char *name, const char *target,
		   const struct cred *cred, struct object **ret, struct stat *ret_st)
{
	char text[SYMLINK_STORED_MAX + 1];
	bool sidecar;
	struct place p;
	int r;

	r = place_open(dir, name, true, &p);
	if (r < 0)
		return r;
	r = symlink_seal(p.dl->k->sk, p.sn.tag, target, strlen(target), text);
	if (r == 0)
		r = place_begin_new(&p, &sidecar);
	if (r == 0) {
		r = make_link(&p, text, cred, ret, ret_st);
		place_end_new(&p, sidecar, r);
	}
	place_close(&p);
	return r;
}

/* The target of the symlink NAME in FD, or that FD is if NAME is empty, with the tag T of its name. */
static int read_target(int fd, const char *name, struct loaded *dl,
		       const uint8_t tag[static MAC_LEN], char ret[static SYMLINK_LIMIT + 1],
		       size_t *ret_n)
{
	char text[SYMLINK_STORED_MAX + 1];
	ssize_t n = backing_readlink(fd, name, text, sizeof(text));

	if (n < 0)
		return n == -ENAMETOOLONG ? -EBADMSG : (int)n;
	return symlink_open(dl->k->sk, tag, text, (size_t)n, ret, ret_n);
}

/* By its descriptor FD, if it stays open; unless the directory has had new keys since. */
static int read_either(int fd, struct object *dir, const char *stored, struct loaded *dl,
		       const uint8_t tag[static MAC_LEN], char ret[static SYMLINK_LIMIT + 1],
		       size_t *ret_n)
{
	int r = fd < 0 ? -EBADMSG : read_target(fd, "", dl, tag, ret, ret_n);

	return r == -EBADMSG ? read_target(dir->fd, stored, dl, tag, ret, ret_n) : r;
}

static int readlink_at(struct object *o, struct object *dir, const char *stored,
		       char target[static SYMLINK_LIMIT + 1], size_t *ret_n)
{
	uint8_t tag[MAC_LEN];
	struct loaded *dl;
	int fd = object_stays_open(o), r = object_pin(dir, &dl);

	if (r < 0)
		return r;
	r = entry_tag(dir, dl, stored, tag);
	if (r == 0)
		r = read_either(fd, dir, stored, dl, tag, target, ret_n);
	object_unpin(dir);
	if (r == -EBADMSG)
		return entry_integrity(o->st, o, "symlink");
	return r == -ENOENT || r == -EINVAL ? -ESTALE : r;
}

ssize_t object_readlink(struct object *o, char *buf, size_t cap)
{
	char target[SYMLINK_LIMIT + 1], stored[256];
	struct object *dir;
	size_t n;
	int r;

	if (!S_ISLNK(o->type))
		return -EINVAL;
	r = object_path(o, &dir, stored);
	if (r < 0)
		return -ESTALE;
	r = readlink_at(o, dir, stored, target, &n);
	object_put(dir);
	if (r < 0)
		return r;
	if (n >= cap)
		return -ENAMETOOLONG;
	memcpy(buf, target, n + 1);
	return (ssize_t)n;
}

/* ---- made again, for rename ------------------------------------------------------------ */

/* What a symlink may carry (security.*, trusted.*) goes along. */
static int copy_xattrs(int fromfd, const char *from, int tofd, const char *to)
{
	_cleanup_free_ char *names = NULL, *value = NULL;
	ssize_t n = backing_listxattr(fromfd, from, NULL, 0), len;
	int r = 0;

	if (n <= 0)
		return n == -EOPNOTSUPP ? 0 : (int)n;
	names = malloc((size_t)n);
	value = malloc(XATTR_SIZE_MAX);
	if (!names || !value)
		return -ENOMEM;
	n = backing_listxattr(fromfd, from, names, (size_t)n);
	for (ssize_t i = 0; i < n && r == 0; i += (ssize_t)strlen(names + i) + 1) {
		len = backing_getxattr(fromfd, from, names + i, value, XATTR_SIZE_MAX);
		r = len < 0 ? (int)len :
			      backing_setxattr(tofd, to, names + i, value, (size_t)len, 0);
	}
	return n < 0 ? (int)n : r;
}

static int copy_attributes(const struct place *from, const struct stat *sb, int dirfd,
			   const char *tmp)
{
	const struct timespec ts[2] = { sb->st_atim, sb->st_mtim };
	struct stat now;
	int r = backing_stat(dirfd, tmp, &now);

	if (r == 0 && (now.st_uid != sb->st_uid || now.st_gid != sb->st_gid))
		r = backing_chown(dirfd, tmp, sb->st_uid, sb->st_gid);
	if (r == 0)
		r = copy_xattrs(from->dir->fd, from->sn.s, dirfd, tmp);
	if (r == 0)
		r = backing_utimens(dirfd, tmp, ts);
	return r;
}

int symlink_remake(const struct place *from, const struct stat *sb, const struct place *to,
		   char tmp[static TEMP_LEN + 1], struct stat *ret_sb)
{
	char target[SYMLINK_LIMIT + 1], text[SYMLINK_STORED_MAX + 1];
	int dirfd = to->dir->fd, r;
	size_t n;

	r = read_target(from->dir->fd, from->sn.s, from->dl, from->sn.tag, target, &n);
	if (r == 0)
		r = symlink_seal(to->dl->k->sk, to->sn.tag, target, n, text);
	if (r == 0)
		r = temp_name(tmp);
	if (r == 0)
		r = backing_symlink(text, dirfd, tmp);
	if (r < 0)
		return r;
	r = copy_attributes(from, sb, dirfd, tmp);
	if (r == 0)
		r = backing_stat(dirfd, tmp, ret_sb);
	if (r < 0)
		backing_unlink(dirfd, tmp, 0);
	return r;
}
