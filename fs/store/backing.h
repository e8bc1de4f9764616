/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every system call on ciphertext: whole reads and writes, barriers, and names
 * beneath a directory without following a link.  Nothing else in the store
 * touches the backing files, so that a test can record, reorder or fail what
 * is done to them (struct backing_hooks).
 *
 * Everything here is thread-safe; results are 0 (or a count) or -errno.
 */
#ifndef CMKFS_STORE_BACKING_H
#define CMKFS_STORE_BACKING_H

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>

#include "crypto/base.h"

/* ---- hooks, for tests ------------------------------------------------------ */

enum backing_op {
	BACKING_READ,	  /* IOV, N */
	BACKING_WRITE,	  /* IOV, N: what is about to be written, whole */
	BACKING_PUNCH,	  /* OFF, LEN */
	BACKING_TRUNCATE, /* OFF: the new length */
	BACKING_ALLOCATE, /* OFF, LEN */
	BACKING_BARRIER,  /* fdatasync */
	BACKING_SYNC,	  /* fsync of a file or directory, syncfs */
	BACKING_NAME,	  /* NAME made, removed or replaced in the directory FD */
	BACKING_XATTR	  /* the attribute NAME set or removed */
};

struct backing_call {
	enum backing_op op;
	int fd;
	uint64_t off, len; /* len: bytes of IOV, or of the range */
	const struct iovec *iov;
	int n;
	const char *name;
};

/*
 * BEFORE is called before each system call that it can stop: a negative errno
 * is returned instead of making it.  AFTER is told the result.  Either may be
 * NULL.  From any thread.
 */
struct backing_hooks {
	int (*before)(void *arg, const struct backing_call *c);
	void (*after)(void *arg, const struct backing_call *c, int result);
	void *arg;
};

/* NULL outside tests; set while no other thread uses the store. */
extern struct backing_hooks *backing_hooks;

/*
 * Called when a descriptor cannot be had (EMFILE, ENFILE), with any lock held:
 * closes some that are idle; false: there are none.  Set once, or NULL.
 */
extern bool (*backing_relief)(void);
/* The same where there is no room (ENOSPC, EDQUOT): waits a little if some is about to come. */
extern bool (*backing_room)(void);

/* ---- bytes ------------------------------------------------------------------ */

/* Read N bytes at OFF: the count, short only at the end of the file. */
ssize_t backing_read(int fd, void *p, size_t n, uint64_t off);
/* N bytes at OFF will be read soon: waits for nothing, and may do nothing. */
void backing_expect(int fd, uint64_t off, size_t n);
/* Read into IOV, whose elements are changed.  N may be above IOV_MAX. */
ssize_t backing_readv(int fd, struct iovec *iov, int n, uint64_t off);

/* Write all N bytes at OFF. */
int backing_write(int fd, const void *p, size_t n, uint64_t off);
int backing_writev(int fd, struct iovec *iov, int n, uint64_t off);

int backing_truncate(int fd, uint64_t length);
/* Punch a hole; the length stays.  -EOPNOTSUPP where the backing filesystem cannot. */
int backing_punch(int fd, uint64_t off, uint64_t len);
/* Reserve blocks; the length stays. */
int backing_allocate(int fd, uint64_t off, uint64_t len);
/* SEEK_DATA or SEEK_HOLE: an offset, or -ENXIO. */
int64_t backing_seek(int fd, uint64_t off, int whence);

/* Barrier: fdatasync. */
int backing_barrier(int fd);
/* fsync, of a file or a directory that may be open for reading only. */
int backing_sync(int fd);
int backing_sync_dir(int fd);
/* All of the filesystem that FD lies on. */
int backing_syncfs(int fd);

/* ---- names ------------------------------------------------------------------- */

/*
 * Open PATH beneath DIRFD; no link, magic link or ".." out of it is followed.
 * FLAGS get O_CLOEXEC.  A descriptor, or -errno (-ELOOP: a symlink).
 */
int backing_open(int dirfd, const char *path, int flags, mode_t mode);
/* Reading by FD, a file's that backing_open() opened, writes no time from now on, if it is ours. */
void backing_keep_atime(int fd);
/* Another descriptor of FD. */
int backing_dup(int fd);
/* A description of its own of the directory open as FD, for listing it. */
int backing_reopen_dir(int fd);
/* getdents64(2): bytes put into BUF, 0 at the end. */
ssize_t backing_getdents(int fd, void *buf, size_t cap);
/*
 * Call FN with each entry of the directory DIRFD but "." and "..", until it gives
 * something else than 0, which is returned.  0, -errno.
 */
typedef int backing_entry_fn(void *arg, const struct dirent64 *d);
int backing_each(int dirfd, backing_entry_fn *fn, void *arg);
int backing_seekdir(int fd, int64_t off);

int backing_fstat(int fd, struct stat *ret);
int backing_stat(int dirfd, const char *name, struct stat *ret); /* follows no link */
int backing_statfs(int fd, struct statvfs *ret);
int backing_mkdir(int dirfd, const char *name, mode_t mode);
int backing_mknod(int dirfd, const char *name, mode_t mode, dev_t rdev);
int backing_symlink(const char *target, int dirfd, const char *name);
/* The text, not NUL-terminated: its length.  -ENAMETOOLONG: longer than CAP. */
ssize_t backing_readlink(int dirfd, const char *name, char *buf, size_t cap);
/* FLAGS as unlinkat(2). */
int backing_unlink(int dirfd, const char *name, int flags);
/* FLAGS as renameat2(2). */
int backing_rename(int dirfd, const char *name, int newdirfd, const char *newname,
		   unsigned int flags);
/* Another link of NAME in DIRFD, or (NAME NULL) of the file open as DIRFD. */
int backing_link(int dirfd, const char *name, int newdirfd, const char *newname);

/*
 * Of the open file (NAME NULL; FD may be O_PATH), or of NAME in the directory
 * FD, no link followed: here and below.
 */
int backing_chmod(int fd, const char *name, mode_t mode);
int backing_chown(int fd, const char *name, uid_t uid, gid_t gid);
int backing_utimens(int fd, const char *name, const struct timespec ts[static 2]);

/* xattrs by their whole names, as the system calls. */
ssize_t backing_getxattr(int fd, const char *name, const char *xattr, void *buf, size_t cap);
ssize_t backing_listxattr(int fd, const char *name, char *buf, size_t cap);
int backing_setxattr(int fd, const char *name, const char *xattr, const void *value, size_t n,
		     int flags);
int backing_removexattr(int fd, const char *name, const char *xattr);

/* Whether DIRFD holds nothing but ".", ".." and what IGNORE (may be NULL) says: 0, -ENOTEMPTY. */
int backing_dir_empty(int dirfd, bool (*ignore)(void *arg, const char *name), void *arg);

/* ---- small whole files --------------------------------------------------------- */

/*
 * Read NAME beneath DIRFD, a regular file of at most MAX bytes, into *RET
 * (malloc'd, with a NUL after it).  -EFBIG: longer; -EMEDIUMTYPE: no regular file.
 */
int backing_read_file(int dirfd, const char *name, size_t max, uint8_t **ret, size_t *ret_n);

/* Replace NAME in DIRFD: NAME.new is written, fsync'd and renamed over it, and DIRFD fsync'd. */
int backing_replace(int dirfd, const char *name, const void *p, size_t n, mode_t mode);
/*
 * The same, but what NAME was stays as NAME.new, to be overwritten the next
 * time: from the second time on it needs no room, where blocks are written in
 * place and RENAME_EXCHANGE is known.  For what must be written on a full store.
 */
int backing_swap(int dirfd, const char *name, const void *p, size_t n, mode_t mode);

#endif
