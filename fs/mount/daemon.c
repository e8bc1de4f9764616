/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fork comes before any key is fetched: locked pages are not inherited,
 * and a secret in two processes would have to be wiped in both.
 */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "fs/lib/cmd.h"
#include "fs/lib/log.h"
#include "fs/mount/daemon.h"

#define FILES_TABLE 16384u /* some thousand objects stay resident; the kernel takes powers of two */

static int wait_for_word(int fd, pid_t child, struct mount_failure *f)
{
	ssize_t n;

	do
		n = read(fd, f, sizeof(*f));
	while (n < 0 && errno == EINTR);
	close(fd);
	if (n == sizeof(*f))
		return -f->exit_code;
	waitpid(child, NULL, 0);
	f->exit_code = CMD_FAILED;
	snprintf(f->message, sizeof(f->message), "the mount's daemon ended before it was ready");
	snprintf(f->hint, sizeof(f->hint), "mount with -f to see what it says");
	return -CMD_FAILED;
}

int daemon_fork(struct mount_failure *f, int *ret_fd)
{
	int p[2];
	pid_t pid;

	if (pipe2(p, O_CLOEXEC) < 0)
		goto fail;
	pid = fork();
	if (pid < 0) {
		close(p[0]);
		close(p[1]);
		goto fail;
	}
	if (pid) {
		close(p[1]);
		return wait_for_word(p[0], pid, f);
	}
	close(p[0]);
	setsid();
	*ret_fd = p[1];
	return 1;
fail:
	f->exit_code = CMD_FAILED;
	snprintf(f->message, sizeof(f->message), "cannot become a daemon: %s", strerror(errno));
	f->hint[0] = 0;
	return -CMD_FAILED;
}

void daemon_failed(int fd, const struct mount_failure *f)
{
	ssize_t n = write(fd, f, sizeof(*f));

	(void)n; /* nobody waits any more */
	close(fd);
}

void daemon_ready(int fd)
{
	static const struct mount_failure ok;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	log_detach();
	if (null >= 0) {
		for (int i = 0; i < 3; i++)
			dup2(null, i);
		if (null > 2)
			close(null);
	}
	if (chdir("/") < 0)
		return;
	daemon_failed(fd, &ok);
}

/* A limit of who mounts is to be none of who writes. */
static void lift_fsize(void)
{
	struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY }, size;
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	sigaction(SIGXFSZ, &ignore, NULL); /* the writer gets an error, not we the signal */
	if (!setrlimit(RLIMIT_FSIZE, &none) || getrlimit(RLIMIT_FSIZE, &size))
		return;
	size.rlim_cur = size.rlim_max;
	setrlimit(RLIMIT_FSIZE, &size);
	if (size.rlim_max != RLIM_INFINITY)
		log_warning("mount where ulimit -H -f is unlimited",
			    "RLIMIT_FSIZE holds for the whole mount: no file can be larger than %ju bytes",
			    (uintmax_t)size.rlim_max);
}

/*
 * The table of descriptors, large enough for most: to grow it where there are
 * several threads, the kernel waits for some ten milliseconds, and with it
 * everybody who opens or closes.
 */
static void grow_files(rlim_t limit)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC), last;

	if (fd < 0)
		return;
	last = fcntl(fd, F_DUPFD_CLOEXEC, (int)MIN(limit, FILES_TABLE) - 1);
	if (last >= 0)
		close(last);
	close(fd);
}

void daemon_harden(void)
{
	struct rlimit core = { 0, 0 }, files;
	struct sigaction ignore = { .sa_handler = SIG_IGN };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &core);
	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
		grow_files(files.rlim_cur);
	}
	lift_fsize();
	sigaction(SIGPIPE, &ignore, NULL);
	umask(0); /* modes come with the requests */
	/* An arena a thread grows by one mprotect(2) a page, and gives back as eagerly. */
	mallopt(M_ARENA_MAX, 1);
	mallopt(M_TOP_PAD, 4 << 20);
	mallopt(M_TRIM_THRESHOLD, 64 << 20);
}

void daemon_lock_memory(void)
{
	struct rlimit lim;

	/* With a limit, what is allocated past it would fail. */
	if (geteuid() && (getrlimit(RLIMIT_MEMLOCK, &lim) || lim.rlim_cur != RLIM_INFINITY))
		return;
	mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}
