/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lanes together: whether there can be any, their beginning and end.
 */
#include "fs/mount/uring.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <sys/eventfd.h>

#include "fs/lib/log.h"
#include "fs/mount/uring_lane.h"

#define ENABLED "/sys/module/fuse/parameters/enable_uring"
#define POSSIBLE "/sys/devices/system/cpu/possible"
#define LANES_MAX 512u
#define LANES_A_CPU 3u
#define STACK_SIZE (512u << 10)
#define WIPE_MS 100 /* for a lane in the kernel to come back */

static bool first_line(const char *path, char *buf, size_t n)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t r = fd < 0 ? -1 : read(fd, buf, n - 1);

	buf[MAX(r, 0)] = 0;
	return r > 0;
}

/* The kernel has a queue for each that there could be, and uses none before all have a lane. */
static unsigned int possible_cpus(void)
{
	char buf[256];
	const char *last;

	if (!first_line(POSSIBLE, buf, sizeof(buf)))
		return (unsigned int)sysconf(_SC_NPROCESSORS_CONF);
	last = strrchr(buf, ',');
	last = last ? last + 1 : buf;
	if (strchr(last, '-'))
		last = strchr(last, '-') + 1;
	return (unsigned int)strtoul(last, NULL, 10) + 1;
}

/* Requests that die with the daemon are ended by an abort alone: the janitor must be able to. */
static bool can_abort(const struct mount *m)
{
	char path[64];

	snprintf(path, sizeof(path), "/sys/fs/fuse/connections/%u/abort", m->dev_minor);
	return access(path, W_OK) == 0;
}

static bool possible(const struct mount *m, unsigned int cpus)
{
	char enabled[8];

	if (!first_line(ENABLED, enabled, sizeof(enabled)))
		log_warning_to_starter("it came with Linux 6.14",
				       "this kernel has no FUSE over io_uring: using the device");
	else if (enabled[0] != 'Y')
		log_warning_to_starter("as root: echo Y >" ENABLED ", and mount again; see cmkfs(1)",
				       "FUSE over io_uring is not enabled in this kernel: using the device");
	else if (!can_abort(m))
		log_warning_to_starter("mount fusectl at /sys/fs/fuse/connections",
				       "FUSE over io_uring needs the connection's abort file: using the device");
	else if (cpus > LANES_MAX)
		log_warning_to_starter(NULL, "too many processors for FUSE over io_uring: using the device");
	else if (!m->by_hand)
		log_warning_to_starter("build cmkfs with make deps FUSE=3.18 and make FUSE=3.18",
				       "this libfuse was built without custom io: using the device");
	else
		return true;
	return false;
}

/* ---- beginning and end --------------------------------------------------------------- */

static void join_crew(struct lane *l, struct crew *c)
{
	l->crew = c;
	c->nlanes++;
	if (c->first) {
		l->next = c->first->next;
		c->first->next = l;
	} else {
		c->first = l;
	}
}

static int start_lane(struct uring *u, unsigned int cpu)
{
	struct lane *l = &u->lanes[u->n];
	pthread_attr_t attr;
	int r;

	l->u = u;
	l->cpu = cpu;
	l->small = UINT16_MAX; /* begin pinned */
	l->owes = 1;
	l->ring.fd = -1;
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->wake_fd < 0)
		return -errno;
	join_crew(l, &u->crews[cpu]);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = -pthread_create(&l->thread, &attr, lane_main, l);
	pthread_attr_destroy(&attr);
	if (r < 0)
		close(l->wake_fd);
	else
		u->n++;
	return r;
}

static int start_lanes(struct uring *u, unsigned int cpus)
{
	unsigned int each = MAX(1u, MIN(LANES_A_CPU, LANES_MAX / cpus));
	int r = 0;

	for (unsigned int i = 0; !r && i < cpus * each; i++)
		r = start_lane(u, i % cpus);
	pthread_mutex_lock(&u->lock);
	while (u->ready < u->n)
		pthread_cond_wait(&u->change, &u->lock);
	if (!r && u->failed)
		r = -EOPNOTSUPP;
	pthread_mutex_unlock(&u->lock);
	return r ? r : uring_lookout_start(u);
}

int uring_start(struct mount *m, struct uring **ret)
{
	unsigned int cpus = possible_cpus();
	struct uring *u;

	*ret = NULL;
	if (!possible(m, cpus))
		return 0;
	u = calloc(1, sizeof(*u) + MAX(LANES_MAX, cpus) * sizeof(u->lanes[0]));
	if (u)
		u->crews = calloc(cpus, sizeof(u->crews[0]));
	if (!u || !u->crews) {
		free(u);
		return -ENOMEM;
	}
	u->m = m;
	u->cpus = cpus;
	pthread_mutex_init(&u->lock, NULL);
	pthread_cond_init(&u->change, NULL);
	sem_init(&u->look, 0, 0);
	if (start_lanes(u, cpus) < 0) {
		log_warning_to_starter("is kernel.io_uring_disabled 0?",
				       "io_uring cannot be used: using the device");
		uring_stop(u);
		uring_free(u);
		return 0;
	}
	atomic_store(&inode_shared(m->inodes)->uring, true);
	*ret = u;
	return 0;
}

static void enter_phase(struct uring *u, enum uring_phase phase)
{
	pthread_mutex_lock(&u->lock);
	if (u->phase == URING_WAITING)
		u->phase = phase;
	pthread_cond_broadcast(&u->change);
	pthread_mutex_unlock(&u->lock);
}

void uring_go(struct uring *u, bool go)
{
	if (!go)
		log_warning(NULL, "the kernel does not offer FUSE over io_uring: using the device");
	atomic_store(&u->active, go);
	enter_phase(u, go ? URING_GO : URING_END);
}

void uring_stop(struct uring *u)
{
	if (!u)
		return;
	atomic_store(&u->stop, true);
	enter_phase(u, URING_END);
	uring_lookout_stop(u);
	for (unsigned int i = 0; i < u->n; i++)
		lane_wake(&u->lanes[i]);
	for (unsigned int i = 0; i < u->n; i++)
		pthread_join(u->lanes[i].thread, NULL);
}

void uring_free(struct uring *u)
{
	if (!u)
		return;
	for (unsigned int i = 0; i < u->n; i++)
		lane_free(&u->lanes[i]);
	for (unsigned int i = 0; i < u->cpus; i++)
		crew_free(&u->crews[i]);
	free(u->crews);
	pthread_mutex_destroy(&u->lock);
	sem_destroy(&u->look);
	pthread_cond_destroy(&u->change);
	free(u);
}

bool uring_active(const struct uring *u)
{
	return u && atomic_load(&u->active);
}

/* ---- requests ------------------------------------------------------------------------- */

static struct slot *find(struct uring *u, uint64_t unique)
{
	for (unsigned int i = 0; i < u->cpus; i++)
		for (struct slot *s = atomic_load(&u->crews[i].slots); s; s = s->next)
			if (atomic_load(&s->unique) == unique)
				return s;
	return NULL;
}

bool uring_reply(struct uring *u, const struct iovec *iov, int count)
{
	uint64_t unique = ((const struct fuse_out_header *)iov[0].iov_base)->unique;
	struct slot *s = lane_serving();

	if (!u || !unique)
		return false;
	if (s && atomic_load(&s->unique) == unique) {
		lane_answer(s, iov, count);
		return true;
	}
	s = find(u, unique);
	if (s)
		lane_return(s, iov, count);
	return s;
}

uint8_t *uring_payload(size_t used)
{
	struct slot *s = lane_serving();

	if (!s || s->asked)
		return NULL;
	s->dirty = MAX(s->dirty, used);
	return s->payload;
}

void uring_wipe(struct uring *u)
{
	struct timespec end;
	uint64_t wipes;

	if (!u)
		return;
	pthread_mutex_lock(&u->lock); /* a slot that is given away is before it, or after it */
	wipes = atomic_fetch_add(&u->wipes, 1) + 1;
	pthread_mutex_unlock(&u->lock);
	for (unsigned int i = 0; i < u->n; i++)
		lane_wake(&u->lanes[i]);
	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_nsec += WIPE_MS * 1000000L;
	end.tv_sec += end.tv_nsec / 1000000000L;
	end.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&u->lock);
	for (unsigned int i = 0; i < u->n && u->phase == URING_GO; i++)
		while (atomic_load(&u->lanes[i].wiped) < wipes &&
		       !pthread_cond_timedwait(&u->change, &u->lock, &end))
			;
	pthread_mutex_unlock(&u->lock);
}
