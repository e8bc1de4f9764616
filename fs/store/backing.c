/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of the backing files: whole transfers, barriers, holes.
 * backing_name.c has what is done to names and attributes.
 */
#include "fs/store/backing.h"

#include <errno.h>
#include <limits.h>

#include "fs/store/backing_call.h"

struct backing_hooks *backing_hooks;
bool (*backing_room)(void);

#define ROOM_TRIES 20

int backing_call_before(const struct backing_call *c)
{
	const struct backing_hooks *h = backing_hooks;

	return h && h->before ? h->before(h->arg, c) : 0;
}

void backing_call_after(const struct backing_call *c, int result)
{
	const struct backing_hooks *h = backing_hooks;

	if (h && h->after)
		h->after(h->arg, c, result);
}

static uint64_t iov_total(const struct iovec *iov, int n)
{
	uint64_t total = 0;

	for (int i = 0; i < n; i++)
		total += iov[i].iov_len;
	return total;
}

/* Step over DONE transferred bytes. */
static void iov_advance(struct iovec **iov, int *n, size_t done)
{
	while (*n && done >= (*iov)->iov_len) {
		done -= (*iov)->iov_len;
		(*iov)++;
		(*n)--;
	}
	if (*n) {
		(*iov)->iov_base = (char *)(*iov)->iov_base + done;
		(*iov)->iov_len -= done;
	}
}

ssize_t backing_readv(int fd, struct iovec *iov, int n, uint64_t off)
{
	struct backing_call c = { .op = BACKING_READ, .fd = fd, .off = off, .iov = iov, .n = n };
	ssize_t total = 0;
	int r;

	if (backing_hooks) {
		c.len = iov_total(iov, n);
		r = backing_call_before(&c);
		if (r < 0)
			return r;
	}
	for (iov_advance(&iov, &n, 0); n;) {
		off_t at = (off_t)(off + (uint64_t)total);
		ssize_t got = n == 1 ? pread(fd, iov->iov_base, iov->iov_len, at) :
				       preadv(fd, iov, MIN(n, IOV_MAX), at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			break;
		total += got;
		iov_advance(&iov, &n, (size_t)got);
	}
	return total;
}

ssize_t backing_read(int fd, void *p, size_t n, uint64_t off)
{
	struct iovec iov = { p, n };

	return backing_readv(fd, &iov, 1, off);
}

static int write_all(int fd, struct iovec *iov, int n, uint64_t off)
{
	unsigned int tries = ROOM_TRIES;

	for (iov_advance(&iov, &n, 0); n;) {
		ssize_t put = pwritev(fd, iov, MIN(n, IOV_MAX), (off_t)off);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && (errno == ENOSPC || errno == EDQUOT) && tries && backing_room &&
		    backing_room()) {
			tries--;
			continue;
		}
		if (put < 0)
			return -errno;
		if (put == 0)
			return -EIO;
		off += (uint64_t)put;
		iov_advance(&iov, &n, (size_t)put);
	}
	return 0;
}

int backing_writev(int fd, struct iovec *iov, int n, uint64_t off)
{
	struct backing_call c = { .op = BACKING_WRITE, .fd = fd, .off = off, .iov = iov, .n = n };
	int r;

	if (!backing_hooks)
		return write_all(fd, iov, n, off);
	c.len = iov_total(iov, n);
	r = backing_call_before(&c);
	if (r < 0)
		return r;
	r = write_all(fd, iov, n, off);
	backing_call_after(&c, r);
	return r;
}

int backing_write(int fd, const void *p, size_t n, uint64_t off)
{
	struct iovec iov = { (void *)(uintptr_t)p, n };

	return backing_writev(fd, &iov, 1, off);
}

int backing_truncate(int fd, uint64_t length)
{
	struct backing_call c = { .op = BACKING_TRUNCATE, .fd = fd, .off = length };

	return CALL(&c, ftruncate(fd, (off_t)length));
}

int backing_punch(int fd, uint64_t off, uint64_t len)
{
	struct backing_call c = { .op = BACKING_PUNCH, .fd = fd, .off = off, .len = len };

	return CALL(&c, fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)off,
				  (off_t)len));
}

int backing_allocate(int fd, uint64_t off, uint64_t len)
{
	struct backing_call c = { .op = BACKING_ALLOCATE, .fd = fd, .off = off, .len = len };

	return CALL(&c, fallocate(fd, FALLOC_FL_KEEP_SIZE, (off_t)off, (off_t)len));
}

void backing_expect(int fd, uint64_t off, size_t n)
{
	posix_fadvise(fd, (off_t)off, (off_t)n, POSIX_FADV_WILLNEED);
}

int64_t backing_seek(int fd, uint64_t off, int whence)
{
	off_t r = lseek(fd, (off_t)off, whence);

	return r < 0 ? -errno : (int64_t)r;
}

int backing_barrier(int fd)
{
	struct backing_call c = { .op = BACKING_BARRIER, .fd = fd };

	return CALL(&c, fdatasync(fd));
}

int backing_sync(int fd)
{
	struct backing_call c = { .op = BACKING_SYNC, .fd = fd };

	return CALL(&c, fsync(fd));
}

int backing_sync_dir(int fd)
{
	int r = backing_sync(fd);

	/* Some filesystems know no fsync of a directory: theirs are durable by themselves. */
	return r == -EINVAL ? 0 : r;
}

int backing_syncfs(int fd)
{
	struct backing_call c = { .op = BACKING_SYNC, .fd = fd };

	return CALL(&c, syncfs(fd));
}
