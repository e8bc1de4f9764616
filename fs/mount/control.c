/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The daemon's side of the control socket: one thread accepts, one a
 * connection answers, so that `status` answers while a lock is under way.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "crypto/mac.h"
#include "fs/mount/control.h"
#include "fs/mount/control_io.h"
#include "fs/mount/control_socket.h"
#include "fs/mount/session.h"

#define CONNECTIONS_MAX 32
#define STOP_S 1 /* for a connection that waits for a provider */
#define SPARES 3 /* a connection, the copy of it that waits for the end, one for what it asks */

struct control {
	struct mount *m;
	struct control_socket socket;
	int stop_fd; /* eventfd */
	int spare[SPARES]; /* held for when the files have taken all others; of the accepting thread */
	pthread_t thread;
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t gone;
	unsigned int connections;
	int fds[CONNECTIONS_MAX];     /* of them; -1: free */
	int waiting[CONNECTIONS_MAX]; /* who asked for the end, and waits */
	unsigned int nwaiting;
};

struct connection {
	struct control *c;
	unsigned int slot; /* in fds */
	int fd;
};

/* NULL: the answer comes at the end of the mount. */
static json_t *answer(struct control *c, const json_t *req, int fd)
{
	const char *cmd = json_string_value(json_object_get(req, "cmd"));

	if (!cmd || strcmp(cmd, "umount"))
		return control_answer(c->m, req);
	pthread_mutex_lock(&c->lock);
	if (c->nwaiting < CONNECTIONS_MAX)
		c->waiting[c->nwaiting++] = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	pthread_mutex_unlock(&c->lock);
	eventfd_write(c->m->end_fd, 1);
	return NULL;
}

/* ---- connections ---------------------------------------------------------------------- */

static bool heard(int fd)
{
	struct ucred cred;
	socklen_t n = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return false;
	return cred.uid == 0 || cred.uid == geteuid();
}

/* Who asks goes with what he asks, for the record. */
static void set_peer(json_t *req, int fd)
{
	struct ucred cred = { .uid = 0 };
	socklen_t n = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) < 0)
		return;
	json_object_set_new(req, "peer_uid", json_integer(cred.uid));
	json_object_set_new(req, "peer_pid", json_integer(cred.pid));
}

static bool serve_one(struct connection *k)
{
	json_t *req, *ans;
	int r = control_receive(k->fd, &req);

	if (r < 0)
		return false;
	set_peer(req, k->fd);
	ans = answer(k->c, req, k->fd);
	json_decref(req);
	crypto_forget();
	if (!ans)
		return false;
	r = control_send(k->fd, ans);
	json_decref(ans);
	return r == 0;
}

static void connection_end(struct connection *k)
{
	struct control *c = k->c;

	pthread_mutex_lock(&c->lock);
	c->fds[k->slot] = -1;
	c->connections--;
	close(k->fd);
	pthread_cond_signal(&c->gone);
	pthread_mutex_unlock(&c->lock);
	free(k);
}

static void *connection_main(void *arg)
{
	struct connection *k = arg;

	prctl(PR_SET_NAME, "cmkfs-control");
	if (heard(k->fd))
		while (serve_one(k))
			;
	connection_end(k);
	return NULL;
}

static struct connection *connection_new(struct control *c, int fd)
{
	struct connection *k = calloc(1, sizeof(*k));
	bool full = true;

	if (!k)
		return NULL;
	*k = (struct connection){ .c = c, .fd = fd };
	pthread_mutex_lock(&c->lock);
	for (unsigned int i = 0; full && i < CONNECTIONS_MAX; i++) {
		if (c->fds[i] >= 0)
			continue;
		full = false;
		c->fds[i] = fd;
		c->connections++;
		k->slot = i;
	}
	pthread_mutex_unlock(&c->lock);
	if (!full)
		return k;
	free(k);
	return NULL;
}

static void take(struct control *c, int fd)
{
	struct connection *k = connection_new(c, fd);
	pthread_t t;

	if (!k)
		close(fd);
	else if (pthread_create(&t, NULL, connection_main, k))
		connection_end(k);
	else
		pthread_detach(t);
}

static void spares_take(struct control *c)
{
	for (unsigned int i = 0; i < SPARES; i++)
		if (c->spare[i] < 0)
			c->spare[i] = fcntl(c->stop_fd, F_DUPFD_CLOEXEC, 3);
}

static void spares_give(struct control *c)
{
	for (unsigned int i = 0; i < SPARES; i++) {
		if (c->spare[i] >= 0)
			close(c->spare[i]);
		c->spare[i] = -1;
	}
}

/* A mount without a descriptor left must be able to hear that it is to end. */
static int accept_one(struct control *c)
{
	int fd = accept4(c->socket.fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
		return fd;
	spares_give(c);
	fd = accept4(c->socket.fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		poll(NULL, 0, 10);
	return fd;
}

static void *accept_main(void *arg)
{
	struct control *c = arg;
	struct pollfd p[2] = { { c->socket.fd, POLLIN, 0 }, { c->stop_fd, POLLIN, 0 } };

	prctl(PR_SET_NAME, "cmkfs-control");
	for (;;) {
		int fd;

		spares_take(c);
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents)
			break;
		fd = accept_one(c);
		if (fd >= 0)
			take(c, fd);
	}
	return NULL;
}

/* ---- its life ------------------------------------------------------------------------ */

static void control_free(struct control *c)
{
	spares_give(c);
	control_socket_close(&c->socket);
	if (c->stop_fd >= 0)
		close(c->stop_fd);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->gone);
	free(c);
}

int control_start(struct mount *m, const char *state_dir, struct control **ret)
{
	struct control *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return -ENOMEM;
	c->m = m;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->gone, NULL);
	memset(c->fds, 0xff, sizeof(c->fds));
	memset(c->spare, 0xff, sizeof(c->spare));
	c->socket = (struct control_socket){ .dir_fd = -1, .fd = -1 };
	c->stop_fd = eventfd(0, EFD_CLOEXEC);
	r = c->stop_fd < 0 ? -errno : control_socket_open(&c->socket, m, state_dir);
	if (!r)
		r = -pthread_create(&c->thread, NULL, accept_main, c);
	if (r < 0) {
		control_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

bool control_stop(struct control *c)
{
	struct timespec until;
	bool gone;

	if (!c)
		return true;
	eventfd_write(c->stop_fd, 1);
	pthread_join(c->thread, NULL);
	control_socket_remove(&c->socket);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_S;
	pthread_mutex_lock(&c->lock);
	for (unsigned int i = 0; i < CONNECTIONS_MAX; i++)
		if (c->fds[i] >= 0)
			shutdown(c->fds[i], SHUT_RD);
	while (c->connections && !pthread_cond_timedwait(&c->gone, &c->lock, &until))
		;
	gone = !c->connections;
	pthread_mutex_unlock(&c->lock);
	return gone;
}

void control_farewell(struct control *c, uint64_t lost)
{
	json_t *ok = json_pack("{s:b, s:I}", "ok", 1, "lost", (json_int_t)lost);

	/* The descriptors stay open: their closing tells that we have gone. */
	for (unsigned int i = 0; ok && i < c->nwaiting; i++)
		control_send(c->waiting[i], ok);
	json_decref(ok);
	control_free(c);
}
