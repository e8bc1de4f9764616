/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A size that the kernel was told by the backing length, and that the header
 * does not confirm.  It asks for no other while it trusts the one it has, and
 * under the writeback cache takes no size from a reply at all: the one way is a
 * truncate(2) to the true size, on our own mount.  The READ that brought it to
 * light waits for that, taken aside: answered earlier, its reader would see an
 * end that is none, or zeros beyond it.
 *
 * The truncation sets the kernel's size first and then waits for the pages of
 * that READ, so it has a thread of its own again.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/mount/aside.h"

#define WAIT_MS 1000
#define POLL_NS 200000
#define HANDLE_TYPE 0x81 /* FILEID_INO64_GEN: node number, generation */

/* The node on our own mount, by its handle: needs CAP_DAC_READ_SEARCH. */
static int open_node(struct mount *m, const struct inode *i)
{
	union {
		struct file_handle h;
		uint8_t room[sizeof(struct file_handle) + 12];
	} u = { .h = { .handle_bytes = 12, .handle_type = HANDLE_TYPE } };
	uint32_t id[3] = { 0, i->id, i->generation };
	int root = open(m->mountpoint, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd;

	if (root < 0)
		return -errno;
	memcpy(u.h.f_handle, id, sizeof(id));
	fd = open_by_handle_at(root, &u.h, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(root);
	return fd;
}

struct truncation {
	int fd;
	struct stat st; /* as it should be */
};

static void *truncate_main(void *arg)
{
	struct truncation *t = arg;
	struct timespec ts[2] = { { .tv_nsec = UTIME_OMIT }, t->st.st_mtim };

	if (!ftruncate(t->fd, t->st.st_size))
		futimens(t->fd, ts); /* nothing was changed */
	close(t->fd);
	free(t);
	return NULL;
}

/* Takes over FD. */
static int start_truncation(int fd, const struct stat *st)
{
	struct truncation *t = malloc(sizeof(*t));
	pthread_attr_t attr;
	pthread_t thread;
	int r = -ENOMEM;

	if (t) {
		*t = (struct truncation){ fd, *st };
		pthread_attr_init(&attr);
		pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
		pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED); /* not in step */
		r = -pthread_create(&thread, &attr, truncate_main, t);
		pthread_attr_destroy(&attr);
	}
	if (r < 0) {
		free(t);
		close(fd);
	}
	return r;
}

static bool kernel_has(int fd, uint64_t size)
{
	struct statx sx;

	return !statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, &sx) &&
	       sx.stx_size == size;
}

static int resize(struct mount *m, struct inode *i)
{
	const struct timespec pause = { 0, POLL_NS };
	struct stat st;
	int r = object_getattr(i->object, &st), fd, watch;

	if (r < 0)
		return r;
	fd = open_node(m, i);
	if (fd < 0)
		return fd;
	watch = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	r = watch < 0 ? -errno : 0;
	if (r < 0)
		close(fd);
	else
		r = start_truncation(fd, &st);
	for (long ns = 0; !r && !kernel_has(watch, (uint64_t)st.st_size); ns += POLL_NS) {
		if (ns >= WAIT_MS * 1000000L)
			r = -EIO;
		nanosleep(&pause, NULL);
	}
	if (watch >= 0)
		close(watch);
	return r;
}

void aside_resize(struct mount *m, struct aside_job *j)
{
	uint8_t *buf = pool_get(m->pool), *p;
	ssize_t r = atomic_load(&j->i->stale_size) ? resize(m, j->i) : 0;

	if (!r) {
		atomic_store(&j->i->stale_size, false);
		r = object_read(j->i->object, buf, POOL_SIZE, j->n, j->off, &p);
	} else {
		r = -EIO; /* better than an end that is none */
	}
	if (r < 0)
		reply_err(j->req, (int)r);
	else
		fuse_reply_buf(j->req, (char *)p, (size_t)r);
	pool_put(m->pool, buf, j->n + 2 * CHUNK);
}
