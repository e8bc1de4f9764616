/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Locks: flock, POSIX and open-file-description locks, between processes,
 * over close, fork and exec, and leases.
 */
#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

#include "tests/posix/posix.h"

static int lock(int fd, int cmd, short type, off_t start, off_t len)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len };

	return fcntl(fd, cmd, &l);
}

/* What FN gives in a process of its own: errno or 0. */
static int elsewhere(int (*fn)(void))
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = must(fork());
	if (!pid)
		_exit(fn() < 0 ? errno : 0);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int flock_sh(void)
{
	return flock(open("f", O_RDONLY), LOCK_SH | LOCK_NB);
}

static int flock_ex(void)
{
	return flock(open("f", O_RDWR), LOCK_EX | LOCK_NB);
}

static int posix_read(void)
{
	return lock(open("f", O_RDWR), F_SETLK, F_RDLCK, 100, 10);
}

static int posix_write(void)
{
	return lock(open("f", O_RDWR), F_SETLK, F_WRLCK, 100, 10);
}

static int posix_beside(void)
{
	return lock(open("f", O_RDWR), F_SETLK, F_WRLCK, 110, 10);
}

static int ofd_write(void)
{
	return lock(open("f", O_RDWR), F_OFD_SETLK, F_WRLCK, 100, 10);
}

static void all(const char *when)
{
	say("others", "%s: flock sh %s, ex %s", when, error_name(elsewhere(flock_sh)),
	    error_name(elsewhere(flock_ex)));
	say("others", "%s: POSIX r %s, w %s, beside %s", when, error_name(elsewhere(posix_read)),
	    error_name(elsewhere(posix_write)), error_name(elsewhere(posix_beside)));
	say("others", "%s: OFD w %s", when, error_name(elsewhere(ofd_write)));
}

static void flocks(void)
{
	int a = must(open("f", O_RDWR)), b = must(open("f", O_RDWR));

	must(flock(a, LOCK_SH));
	all("flock sh");
	say("flock", "shared twice: %s", gave(flock(b, LOCK_SH | LOCK_NB)));
	say("flock", "up while shared: %s", gave(flock(a, LOCK_EX | LOCK_NB)));
	must(flock(b, LOCK_UN));
	say("flock", "up alone: %s", gave(flock(a, LOCK_EX | LOCK_NB)));
	all("flock ex");
	say("flock", "by another descriptor: %s", gave(flock(b, LOCK_SH | LOCK_NB)));
	close(a);
	say("flock", "after close: %s", gave(flock(b, LOCK_EX | LOCK_NB)));
	close(b);
	a = must(open(".", O_RDONLY));
	say("flock", "of a directory: %s", gave(flock(a, LOCK_EX | LOCK_NB)));
	say("flock", "of nothing known: %s", gave(flock(a, 77)));
	close(a);
}

static void posix(void)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	int a = must(open("f", O_RDWR)), b;

	must(lock(a, F_SETLK, F_RDLCK, 100, 10));
	all("POSIX read");
	must(lock(a, F_SETLK, F_WRLCK, 100, 10));
	all("POSIX write");
	must(fcntl(a, F_GETLK, &l));
	say("POSIX", "GETLK of my own: %d", l.l_type == F_UNLCK);
	must(lock(a, F_SETLK, F_UNLCK, 103, 2));
	all("POSIX split");
	b = must(open("f", O_RDONLY));
	say("POSIX", "write lock by a read descriptor: %s",
	    gave(lock(b, F_SETLK, F_WRLCK, 0, 1)));
	close(b); /* and with it all my locks go */
	all("POSIX after any close");
	say("POSIX", "whole file: %s", gave(lock(a, F_SETLK, F_WRLCK, 0, 0)));
	all("POSIX whole");
	say("POSIX", "negative length: %s", gave(lock(a, F_SETLK, F_UNLCK, 200, -100)));
	say("POSIX", "negative start: %s", gave(lock(a, F_SETLK, F_WRLCK, -1, 1)));
	say("POSIX", "last byte: %s", gave(lock(a, F_SETLK, F_WRLCK, INT64_MAX, 1)));
	close(a);
}

static void ofd(void)
{
	int a = must(open("f", O_RDWR)), b = must(open("f", O_RDWR));

	must(lock(a, F_OFD_SETLK, F_WRLCK, 100, 10));
	say("OFD", "by another descriptor: %s", gave(lock(b, F_OFD_SETLK, F_WRLCK, 100, 10)));
	say("OFD", "POSIX by the same: %s", gave(lock(a, F_SETLK, F_WRLCK, 100, 10)));
	all("OFD write");
	close(b);
	all("OFD after another close");
	close(a);
	all("OFD after its close");
}

/* A child holds a lock until it is told to go, or dies. */
static pid_t holder(int by_flock, int *ret_pipe)
{
	int p[2], q[2];
	char c;
	pid_t pid;

	must(pipe(p));
	must(pipe(q));
	fflush(stdout);
	pid = must(fork());
	if (!pid) {
		int fd = open("f", O_RDWR);

		if (by_flock)
			flock(fd, LOCK_EX);
		else
			lock(fd, F_SETLK, F_WRLCK, 100, 10);
		must(write(q[1], "x", 1));
		close(p[1]);
		_exit(read(p[0], &c, 1) < 0);
	}
	close(p[0]);
	must(read(q[0], &c, 1));
	close(q[0]);
	close(q[1]);
	*ret_pipe = p[1];
	return pid;
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void waiting(int by_flock)
{
	const struct sigaction sa = { .sa_handler = on_alarm };
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const char *name = by_flock ? "flock" : "POSIX";
	int p, fd = must(open("f", O_RDWR));
	pid_t pid = holder(by_flock, &p);

	must(fcntl(fd, F_GETLK, &l));
	say("wait", "%s GETLK names the holder: %d", name,
	    l.l_type == F_UNLCK ? -1 : l.l_pid == pid && l.l_start == 100 && l.l_len == 10);
	sigaction(SIGALRM, &sa, NULL);
	ualarm(50000, 50000);
	say("wait", "%s interrupted: %s", name,
	    gave(by_flock ? flock(fd, LOCK_EX) : lock(fd, F_SETLKW, F_WRLCK, 100, 10)));
	ualarm(0, 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	close(p);
	say("wait", "%s after the holder died: %s", name,
	    gave(by_flock ? flock(fd, LOCK_EX | LOCK_NB) : lock(fd, F_SETLK, F_WRLCK, 100, 10)));
	close(fd);
	pid = holder(by_flock, &p);
	fd = must(open("f", O_RDWR));
	close(p); /* it goes soon; I wait for it */
	say("wait", "%s waited for: %s", name,
	    gave(by_flock ? flock(fd, LOCK_EX) : lock(fd, F_SETLKW, F_WRLCK, 100, 10)));
	waitpid(pid, NULL, 0);
	close(fd);
}

static void leases(void)
{
	int fd = must(open("f", O_RDONLY));

	say("lease", "read: %s", gave(fcntl(fd, F_SETLEASE, F_RDLCK)));
	say("lease", "given back: %s", gave(fcntl(fd, F_SETLEASE, F_UNLCK)));
	close(fd);
	fd = must(open("f", O_RDWR));
	say("lease", "write: %s", gave(fcntl(fd, F_SETLEASE, F_WRLCK)));
	fcntl(fd, F_SETLEASE, F_UNLCK);
	close(fd);
}

void area_lock(void)
{
	make_filled("f", 1000);
	all("nobody");
	flocks();
	posix();
	ofd();
	waiting(1);
	waiting(0);
	leases();
}
