/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The janitor's side of the daemon's death, and the daemon's two calls.
 *
 * The protocol is spoken by hand here: libfuse's session belongs to the daemon
 * and knows nothing of another process.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "crypto/secret.h"
#include "fs/lib/log.h"
#include "fs/mount/janitor.h"
#include "fs/mount/mountinfo.h"
#include "fs/mount/sweep.h"
#include "fs/mount/takeoff.h"

#define NOTIFY_RESEND 7		/* FUSE_NOTIFY_RESEND, protocol 7.41 */
#define REQUEST_MAX (POOL_IO + 4096u)
#define RANGE_MIB 16u
#define RANGES_MAX 4096u
#define SWEEPERS 2
#define PATIENCE_S 3 /* for a sweep that waits for an answer that nobody gives */
#define LOOK_MS 200 /* how often it is looked whether the daemon lives, without one of its thread */
#define LOOK_LATE_MS 1000 /* and with one: kernels from 6.15 tell of no first thread before the others */
#define BYE 'q'

struct janitor {
	pid_t pid;
	int pidfd;
	int pipe; /* the daemon's end; its closing is the news of its death */
};

/* ---- in the janitor --------------------------------------------------------------- */

struct cleanup {
	int fd;
	int held; /* the mount, if it is still there: another may come after it; or -1 */
	const char *mountpoint;
	unsigned int major, minor;
	struct inode_shared *shared;
	_Atomic uint32_t next_big, next; /* numbers dealt to the sweepers */
	_Atomic int sweeping;
};

static void notify(int fd, int code, const void *arg, size_t n)
{
	struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + n), .error = code };
	uint8_t msg[sizeof(h) + sizeof(struct fuse_notify_inval_inode_out)];
	ssize_t r;

	memcpy(msg, &h, sizeof(h));
	if (n)
		memcpy(msg + sizeof(h), arg, n);
	r = write(fd, msg, sizeof(h) + n);
	(void)r; /* a number that the kernel does not know */
}

static void inval(int fd, uint32_t id, int64_t off, int64_t len)
{
	struct fuse_notify_inval_inode_out arg = { .ino = id, .off = off, .len = len };

	notify(fd, FUSE_NOTIFY_INVAL_INODE, &arg, sizeof(arg));
}

static void sweep_big(struct cleanup *c, uint32_t id, uint32_t reach)
{
	uint32_t step = MAX(RANGE_MIB, reach / RANGES_MAX + 1);

	for (uint32_t at = 0; at < reach; at += step)
		inval(c->fd, id, (int64_t)at << REACH_SHIFT,
		      at + step < reach ? (int64_t)step << REACH_SHIFT : 0);
}

/* Nodes with pages first; then every number. */
static void *sweep_all(void *arg)
{
	struct cleanup *c = arg;
	uint32_t high = atomic_load(&c->shared->high_water), id;

	sweep_priority();
	while ((id = atomic_fetch_add(&c->next_big, 1)) <= high) {
		uint32_t reach = atomic_load(&c->shared->reach[id]);

		if (reach)
			sweep_big(c, id, reach);
	}
	while ((id = atomic_fetch_add(&c->next, 1)) <= high)
		inval(c->fd, id, 0, 0);
	atomic_fetch_sub(&c->sweeping, 1);
	return NULL;
}

/* Answer what comes with the lock errno.  The payload is wiped: it is plaintext. */
static void *answer_all(void *arg)
{
	struct cleanup *c = arg;
	uint8_t *buf = pool_map(REQUEST_MAX);
	int e = atomic_load(&c->shared->lock_errno);

	while (buf) {
		ssize_t n = read(c->fd, buf, REQUEST_MAX);
		struct fuse_in_header in;
		struct fuse_out_header out = { .len = sizeof(out), .error = -(e ? e : ENOTCONN) };

		if (n < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
			continue;
		if (n < (ssize_t)sizeof(in))
			break;
		memcpy(&in, buf, sizeof(in));
		secret_wipe(buf, (size_t)n);
		if (in.opcode == FUSE_FORGET || in.opcode == FUSE_BATCH_FORGET ||
		    in.opcode == FUSE_INTERRUPT)
			continue;
		out.unique = in.unique;
		n = write(c->fd, &out, sizeof(out));
		(void)n; /* the asker has gone */
	}
	return NULL;
}

/* End the connection although a thread of ours is stuck in the kernel. */
static void abort_connection(const struct cleanup *c)
{
	char path[64];
	int fd;

	if (!connection_lives(c->fd)) /* the number may be another's */
		return;
	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort", c->minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if ((fd < 0 || write(fd, "1", 1) != 1) && c->held >= 0)
		mount_take_off(c->held, MNT_FORCE);
}

static void wait_for_sweep(struct cleanup *c)
{
	static const struct timespec tick = { .tv_nsec = 1000000 };

	for (int ms = 0; atomic_load(&c->sweeping) > 0; ms++) {
		if (ms == PATIENCE_S * 1000)
			abort_connection(c);
		nanosleep(&tick, NULL);
	}
}

static void take_off(const struct cleanup *c)
{
	if (c->held < 0 || !mount_take_off(c->held, MNT_DETACH))
		return;
	if (mountinfo_top_is(c->mountpoint, c->major, c->minor))
		execlp("fusermount3", "fusermount3", "-u", "-z", "-q", "--", c->mountpoint,
		       (char *)NULL); /* the descriptor closes at exec */
}

static void clean_up(struct cleanup *c)
{
	pthread_t t;

	c->held = mount_hold(c->mountpoint, c->major, c->minor, c->fd);
	log_error("mount it again; data that was not yet written out is lost, and fsync(2) said so",
		  "the daemon of %s died: throwing out what the kernel has cached",
		  c->mountpoint);
	/*
	 * Requests that died with the daemon come again, so that no page stays locked.
	 * Those that it had over io_uring do not: they are ended.
	 */
	if (atomic_load(&c->shared->uring))
		abort_connection(c);
	else
		notify(c->fd, NOTIFY_RESEND, NULL, 0);
	pthread_create(&t, NULL, answer_all, c);
	atomic_store(&c->sweeping, SWEEPERS);
	for (int i = 0; i < SWEEPERS; i++)
		if (pthread_create(&t, NULL, sweep_all, c))
			atomic_fetch_sub(&c->sweeping, 1);
	wait_for_sweep(c);
	take_off(c);
}

/* Keep FD and PIPE_FD and the standard ones. */
static void close_others(int fd, int pipe_fd)
{
	int low = MIN(fd, pipe_fd), high = MAX(fd, pipe_fd);

	if (low > 3)
		close_range(3, (unsigned int)low - 1, 0);
	if (high > low + 1)
		close_range((unsigned int)low + 1, (unsigned int)high - 1, 0);
	close_range((unsigned int)high + 1, ~0U, 0);
}

/* Nothing of who started the mount is held: no pipe that he waits on, no directory. */
static void let_go(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; null >= 0 && i < 3; i++)
		dup2(null, i);
	if (chdir("/") < 0)
		_exit(1);
}

#ifndef PIDFD_THREAD
#define PIDFD_THREAD O_EXCL /* Linux 6.9: readable when this one thread ends */
#endif

static bool is_zombie(pid_t pid)
{
	char path[40], stat[256], *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	n = read(fd, stat, sizeof(stat) - 1);
	close(fd);
	if (n <= 0)
		return true;
	stat[n] = '\0';
	end = strrchr(stat, ')');
	return end && (end[2] == 'Z' || end[2] == 'X');
}

/*
 * Until the daemon says goodbye (true) or is dead.  One of its threads may
 * outlive the kill, in the kernel, waiting for the answer to a request that
 * nobody gives any more: then the pipe stays open, and it is the end of its
 * first thread that tells.
 */
static bool wait_goodbye(int pipe_fd, pid_t daemon)
{
	int thread_fd = pidfd_open(daemon, PIDFD_THREAD);
	struct pollfd p[] = { { .fd = pipe_fd, .events = POLLIN },
			      { .fd = thread_fd, .events = POLLIN } };
	char byte;

	for (;;) {
		int n = poll(p, 2, thread_fd < 0 ? LOOK_MS : LOOK_LATE_MS);

		if (n > 0 && p[0].revents)
			return read(pipe_fd, &byte, 1) == 1 && byte == BYE;
		if ((n > 0 && p[1].revents) || (n == 0 && is_zombie(daemon)))
			return false;
	}
}

static void __attribute__((noreturn)) janitor_main(struct mount *m, int pipe_fd)
{
	struct cleanup c = {
		.fd = m->fd,
		.mountpoint = m->mountpoint,
		.major = m->dev_major,
		.minor = m->dev_minor,
		.shared = inode_shared(m->inodes),
		.next_big = INODE_ROOT,
		.next = INODE_ROOT,
	};
	pid_t daemon = getppid();
	sigset_t all;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	prctl(PR_SET_NAME, "cmkfs-janitor");
	prctl(PR_SET_DUMPABLE, 0);
	let_go();
	close_others(m->fd, pipe_fd);
	if (!wait_goodbye(pipe_fd, daemon))
		clean_up(&c);
	_exit(0);
}

/* ---- in the daemon ------------------------------------------------------------------ */

int janitor_start(struct mount *m, struct janitor **ret)
{
	struct janitor *j = calloc(1, sizeof(*j));
	int p[2];

	if (!j)
		return -ENOMEM;
	if (pipe2(p, O_CLOEXEC) < 0) {
		free(j);
		return -errno;
	}
	j->pid = fork();
	if (!j->pid) {
		close(p[1]);
		janitor_main(m, p[0]);
	}
	close(p[0]);
	j->pipe = p[1];
	if (j->pid < 0) {
		int r = -errno;

		close(j->pipe);
		free(j);
		return r;
	}
	j->pidfd = pidfd_open(j->pid, 0); /* close-on-exec; -1 on kernels before 5.3 */
	*ret = j;
	return 0;
}

void janitor_stop(struct janitor *j)
{
	static const char bye = BYE;
	ssize_t n;

	if (!j)
		return;
	n = write(j->pipe, &bye, 1);
	(void)n; /* it has gone already */
	close(j->pipe);
	while (waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (j->pidfd >= 0)
		close(j->pidfd);
	free(j);
}

int janitor_fd(const struct janitor *j)
{
	return j->pidfd;
}

pid_t janitor_pid(const struct janitor *j)
{
	return j->pid;
}
