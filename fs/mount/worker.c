/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The workers: each reads a request into its own buffer, has it handled, and
 * leaves no plaintext behind.  The payload of a WRITE is encrypted in place by
 * the store; every other request is wiped.
 */
#include <errno.h>
#include <linux/fuse.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>

#include "crypto/mac.h"
#include "crypto/secret.h"
#include "fs/lib/log.h"
#include "fs/mount/leader.h"
#include "fs/mount/session.h"
#include "fs/mount/uring.h"

#define HEADER_ROOM 4096u /* libfuse's: what a request may have beside its payload */
#define RECEIVE_SIZE (POOL_IO + HEADER_ROOM)
#define WRITE_HEADER (sizeof(struct fuse_in_header) + sizeof(struct fuse_write_in))
#define STACK_SIZE (512u << 10)
#define LONG_IO (32u << 10) /* what takes longer than waking another worker */
#define BRIEF_IO (256u << 10) /* what is brief to the leader: at most that */

struct worker {
	struct workers *all;
	pthread_t thread;
	uint8_t *map, *mem; /* MEM is placed so that a WRITE's payload is on a page */
	_Atomic bool done;
};

struct workers {
	struct mount *m;
	struct leader *leader;
	_Atomic bool stop, init;
	int end_fd;
	unsigned int n;
	struct worker w[];
};

static bool takes_long(const uint8_t *mem, size_t n, size_t limit)
{
	const struct fuse_in_header *h = (const void *)mem;
	const void *arg = h + 1;

	switch (h->opcode) {
	case FUSE_READ:
		return n >= sizeof(*h) + sizeof(struct fuse_read_in) &&
		       ((const struct fuse_read_in *)arg)->size > limit;
	case FUSE_WRITE:
		return n > limit;
	case FUSE_FSYNC:
	case FUSE_FSYNCDIR:
	case FUSE_FALLOCATE:
		return true;
	default:
		return false;
	}
}

static void handle(struct worker *w, size_t n)
{
	struct fuse_buf buf = { .size = n, .mem = w->mem };

	struct leader *l = w->all->leader;

	request_note(w->mem, n);
	leader_note(l, ((const struct fuse_in_header *)(void *)w->mem)->pid,
		    !takes_long(w->mem, n, BRIEF_IO));
	if (takes_long(w->mem, n, leader_in_step(l) ? BRIEF_IO : LONG_IO))
		leader_call(l);
	request_handle(w->all->m, &buf);
	if (!this_request.sealed)
		secret_wipe(w->mem, n);
	crypto_forget();
	if (this_request.opcode == FUSE_INIT)
		atomic_store(&w->all->init, true);
}

/* False: the kernel has ended the session, or something is very wrong. */
static bool receive(struct worker *w)
{
	ssize_t n = leader_receive(w->all->leader, w->mem, RECEIVE_SIZE);

	if (n >= (ssize_t)sizeof(struct fuse_in_header)) {
		handle(w, (size_t)n);
		return true;
	}
	/* ENOENT: the request was interrupted before it was read. */
	if (n < 0 && (errno == ENOENT || errno == EINTR || errno == EAGAIN))
		return true;
	if (n >= 0 || (errno != ENODEV && errno != ECONNABORTED))
		log_error(NULL, "reading from the FUSE device: %s",
			  n < 0 ? strerror(errno) : "short request");
	return false;
}

static void *worker_main(void *arg)
{
	struct worker *w = arg;
	struct workers *all = w->all;

	prctl(PR_SET_NAME, "cmkfs-worker");
	while (!atomic_load(&all->stop)) {
		if (!receive(w)) {
			eventfd_write(all->end_fd, 1);
			break;
		}
	}
	leader_leave(all->leader);
	atomic_store(&w->done, true);
	return NULL;
}

/* Only to interrupt a wait. */
static void on_wake(int sig)
{
	(void)sig;
}

static int start_one(struct workers *all, struct worker *w)
{
	pthread_attr_t attr;
	int r;

	w->all = all;
	w->map = pool_map(RECEIVE_SIZE + HEADER_ROOM);
	if (!w->map)
		return -ENOMEM;
	w->mem = w->map + HEADER_ROOM - WRITE_HEADER;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = -pthread_create(&w->thread, &attr, worker_main, w);
	pthread_attr_destroy(&attr);
	return r;
}

int workers_start(struct mount *m, unsigned int n, struct workers **ret)
{
	struct workers *all = calloc(1, sizeof(*all) + n * sizeof(all->w[0]));
	struct sigaction sa = { .sa_handler = on_wake };
	int r = 0;

	if (!all)
		return -ENOMEM;
	sigaction(SIGUSR1, &sa, NULL); /* no SA_RESTART */
	all->m = m;
	all->end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (all->end_fd < 0)
		r = -errno;
	if (!r)
		r = leader_new(m->fd, n, &all->leader);
	if (!r && m->opt->io_uring)
		r = uring_start(m, &m->uring); /* before INIT is read */
	for (; !r && all->n < n; all->n++) {
		r = start_one(all, &all->w[all->n]);
		if (r < 0) {
			pool_unmap(all->w[all->n].map, RECEIVE_SIZE + HEADER_ROOM);
			break;
		}
	}
	if (r < 0) {
		workers_stop(all);
		return r;
	}
	*ret = all;
	return 0;
}

void workers_stop(struct workers *all)
{
	if (!all)
		return;
	atomic_store(&all->stop, true);
	uring_stop(all->m->uring);
	if (all->leader)
		leader_stop(all->leader);
	for (unsigned int i = 0; i < all->n; i++) {
		struct worker *w = &all->w[i];

		/* Again and again: the signal may come just before the wait. */
		while (!atomic_load(&w->done)) {
			pthread_kill(w->thread, SIGUSR1);
			usleep(2000);
		}
		pthread_join(w->thread, NULL);
		pool_unmap(w->map, RECEIVE_SIZE + HEADER_ROOM);
	}
	leader_free(all->leader);
	if (all->end_fd >= 0)
		close(all->end_fd);
	free(all);
}

int workers_end_fd(const struct workers *w)
{
	return w->end_fd;
}

void workers_wait_init(struct workers *w)
{
	for (int ms = 0; !atomic_load(&w->init) && ms < 1000; ms++)
		usleep(1000);
}
