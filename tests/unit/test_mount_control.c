/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket's lines, and the finding of mounts by a command, against
 * a server that this test plays.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cmocka.h>

#include "crypto/base.h"
#include "fs/mount/control.h"
#include "fs/mount/control_io.h"
#include "fs/mount/mountinfo.h"

static void pair(int fd[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
}

static int receive_text(const char *text)
{
	json_t *o = NULL;
	int fd[2], r;

	pair(fd);
	assert_int_equal(write(fd[0], text, strlen(text)), strlen(text));
	close(fd[0]);
	r = control_receive(fd[1], &o);
	if (!r)
		json_decref(o);
	close(fd[1]);
	return r;
}

static void only_one_object_a_line_is_taken(void **state)
{
	(void)state;
	assert_int_equal(receive_text("{\"cmd\":\"lock\"}\n"), 0);
	assert_int_equal(receive_text("[1]\n"), -EPROTO);
	assert_int_equal(receive_text("{\"a\":1,\"a\":2}\n"), -EPROTO);
	assert_int_equal(receive_text("{\"a\":1}{}\n"), -EPROTO);
	assert_int_equal(receive_text("nonsense\n"), -EPROTO);
	assert_int_equal(receive_text("\n"), -EPROTO);
	assert_int_equal(receive_text("{\"a\":1}"), -EPIPE);
	assert_int_equal(receive_text(""), -EPIPE);
}

static void *send_long(void *arg)
{
	char *text = malloc(CONTROL_LINE_MAX);
	int fd = *(int *)arg;

	memset(text, ' ', CONTROL_LINE_MAX);
	for (int i = 0; i < 3; i++)
		if (send(fd, text, CONTROL_LINE_MAX, MSG_NOSIGNAL) < 0)
			break;
	free(text);
	return NULL;
}

static void a_line_without_end_is_refused(void **state)
{
	pthread_t t;
	json_t *o;
	int fd[2];

	(void)state;
	pair(fd);
	assert_int_equal(pthread_create(&t, NULL, send_long, &fd[0]), 0);
	assert_int_equal(control_receive(fd[1], &o), -EPROTO);
	close(fd[1]);
	pthread_join(t, NULL);
	close(fd[0]);
}

static void sending_to_the_dead_is_an_error_and_no_signal(void **state)
{
	json_t *o = json_object();
	int fd[2];

	(void)state;
	pair(fd);
	close(fd[1]);
	assert_int_equal(control_send(fd[0], o), -EPIPE);
	close(fd[0]);
	json_decref(o);
}

/* ---- finding mounts ---------------------------------------------------------------------- */

struct server {
	int fd;
	const char *status;
	pthread_t thread;
};

static char state_dir[] = "/tmp/cmkfs-control-XXXXXX", at[64], dir[64];

static void *serve(void *arg)
{
	struct server *s = arg;
	json_t *req;
	int fd;

	while ((fd = accept(s->fd, NULL, NULL)) >= 0) {
		while (!control_receive(fd, &req)) {
			json_decref(req);
			if (write(fd, s->status, strlen(s->status)) < 0)
				break;
		}
		close(fd);
	}
	return NULL;
}

static void start(struct server *s, const char *name, const char *mode)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	static char text[2][512];
	static int n;

	snprintf(text[n], sizeof(text[n]),
		 "{\"ok\":true,\"mountpoint\":\"%s-%s\",\"dir\":\"%s\",\"mode\":\"%s\"}\n", at, mode,
		 dir, mode);
	s->status = text[n++];
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/mounts/%s", state_dir, name);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(s->fd, 8), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s, const char *name)
{
	char path[128];

	shutdown(s->fd, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->fd);
	snprintf(path, sizeof(path), "%s/mounts/%s", state_dir, name);
	unlink(path);
}

static void count(void *arg, json_t *status)
{
	assert_true(json_is_true(json_object_get(status, "ok")));
	++*(int *)arg;
}

static const char *mode_of(const char *what)
{
	static char mode[8];
	json_t *o;
	int fd;

	assert_int_equal(control_connect(state_dir, what, &fd), 0);
	assert_int_equal(control_call(fd, "status", &o), 0);
	snprintf(mode, sizeof(mode), "%s", json_string_value(json_object_get(o, "mode")));
	json_decref(o);
	close(fd);
	return mode;
}

static void mounts_are_found_by_place_or_by_volume(void **state)
{
	char path[128], ro[80];
	struct server a, b;
	int n = 0, fd;

	(void)state;
	assert_non_null(mkdtemp(state_dir));
	snprintf(at, sizeof(at), "%s/at", state_dir);
	snprintf(dir, sizeof(dir), "%s/dir", state_dir);
	snprintf(ro, sizeof(ro), "%s-ro/", at);
	assert_int_equal(control_connect(state_dir, dir, &fd), -ENOENT);
	snprintf(path, sizeof(path), "%s/mounts", state_dir);
	assert_int_equal(mkdir(path, 0700), 0);
	start(&a, "1.sock", "ro");
	start(&b, "2.sock", "rw");
	assert_int_equal(control_each(state_dir, count, &n), 0);
	assert_int_equal(n, 2);
	/* The places do not exist: a locked mount does not answer either. */
	assert_string_equal(mode_of(ro), "ro");
	assert_string_equal(mode_of(dir), "rw"); /* the one that writes is meant */
	assert_int_equal(control_connect(state_dir, "/nowhere", &fd), -ENOENT);
	stop(&b, "none"); /* as if it had died: its socket stays */
	n = 0;
	assert_int_equal(control_each(state_dir, count, &n), 0);
	assert_int_equal(n, 1);
	assert_string_equal(mode_of(dir), "ro");
	stop(&a, "1.sock");
	snprintf(path, sizeof(path), "%s/mounts/2.sock", state_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/mounts", state_dir);
	rmdir(path);
	rmdir(state_dir);
}

static void the_table_of_mounts_is_read(void **state)
{
	unsigned int major, minor;

	(void)state;
	assert_int_equal(mountinfo_find("/proc", &major, &minor), 0);
	assert_true(mountinfo_top_is("/proc", major, minor));
	assert_true(mountinfo_mounted(major, minor));
	assert_false(mountinfo_top_is("/proc", major, minor + 1));
	assert_false(mountinfo_mounted(4095, 1048575));
	assert_int_equal(mountinfo_find("/proc/self", &major, &minor), -ENOENT);
	assert_true(mountinfo_has_source("proc", "proc"));
	assert_false(mountinfo_has_source("proc", "/nowhere"));
	assert_false(mountinfo_has_source("fuse.cmkfs", "proc"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_one_object_a_line_is_taken),
		cmocka_unit_test(a_line_without_end_is_refused),
		cmocka_unit_test(sending_to_the_dead_is_an_error_and_no_signal),
		cmocka_unit_test(mounts_are_found_by_place_or_by_volume),
		cmocka_unit_test(the_table_of_mounts_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
