/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for the end.  libfuse's own signal handler is never used: it closes
 * the device with plaintext mapped and dirty data lost.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>

#include "fs/lib/log.h"
#include "fs/mount/janitor.h"
#include "fs/mount/mountinfo.h"
#include "fs/mount/supervise.h"

#define READAHEAD_KB 1024
/*
 * What may be dirty in the kernel's cache.  By itself it gives a mount a
 * hundredth of what it gives all, with which writers wait for each other; a
 * lock has to have all of it encrypted first, for which this takes 0.1 s.  It
 * keeps a share of what it gives all, which grows with free memory: so no more
 * than DIRTY_TIMES of its own.
 */
#define DIRTY_BYTES (96u << 20)
#define DIRTY_TIMES 4

static sigset_t ending(void)
{
	sigset_t s;

	sigemptyset(&s);
	sigaddset(&s, SIGTERM);
	sigaddset(&s, SIGINT);
	sigaddset(&s, SIGHUP);
	return s;
}

void supervise_block_signals(void)
{
	sigset_t s = ending();

	sigprocmask(SIG_BLOCK, &s, NULL);
}

static bool signalled(int fd)
{
	struct signalfd_siginfo si;

	if (read(fd, &si, sizeof(si)) != sizeof(si))
		return false;
	log_notice("%s: unmounting", strsignal((int)si.ssi_signo));
	return true;
}

static bool taken_off(struct mount *m)
{
	if (mountinfo_mounted(m->dev_major, m->dev_minor))
		return false;
	atomic_store(&m->mounted, false);
	return true;
}

enum { ON_SIGNAL, ON_MOUNTINFO, ON_KERNEL, ON_ASKED, ON_JANITOR, NPOLL };

/* It cannot be forked anew: there are threads and keys by now. */
static void janitor_died(struct pollfd *p)
{
	log_error("mount again soon, and do not kill the process named cmkfs-janitor",
		  "the janitor has died: if this daemon dies too, what is cached stays readable");
	p->fd = -1;
}

static bool ended(struct mount *m, struct pollfd *p)
{
	if (p[ON_JANITOR].revents)
		janitor_died(&p[ON_JANITOR]);
	if (p[ON_SIGNAL].revents && signalled(p[ON_SIGNAL].fd))
		return true;
	if (p[ON_ASKED].revents || p[ON_KERNEL].revents)
		return true;
	return p[ON_MOUNTINFO].revents && taken_off(m);
}

void supervise(struct mount *m)
{
	sigset_t s = ending();
	_cleanup_close_ int sig = signalfd(-1, &s, SFD_CLOEXEC | SFD_NONBLOCK);
	_cleanup_close_ int info = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	struct pollfd p[NPOLL] = {
		[ON_SIGNAL] = { sig, POLLIN, 0 },
		[ON_MOUNTINFO] = { info, POLLPRI, 0 },
		[ON_KERNEL] = { workers_end_fd(m->workers), POLLIN, 0 },
		[ON_ASKED] = { m->end_fd, POLLIN, 0 },
		[ON_JANITOR] = { janitor_fd(m->janitor), POLLIN, 0 },
	};

	/* It may have gone before we looked. */
	if (taken_off(m))
		return;
	while (poll(p, NPOLL, -1) < 0 ? errno == EINTR : !ended(m, p))
		;
}

/* Raise a number of the kernel's about the mount to WANT, but not to over TIMES its own, if we may and there is one. */
static void raise_to(const struct mount *m, const char *what, unsigned long want, unsigned long times)
{
	char path[64], buf[32] = "";
	_cleanup_close_ int fd = -1;
	unsigned long now;

	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/%s", m->dev_major, m->dev_minor, what);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || pread(fd, buf, sizeof(buf) - 1, 0) <= 0)
		return;
	now = strtoul(buf, NULL, 10);
	if (now >= want)
		return;
	snprintf(buf, sizeof(buf), "%lu", MIN(want, times * now));
	if (pwrite(fd, buf, strlen(buf), 0) < 0)
		log_debug("%s: %s", path, strerror(errno));
}

void supervise_tune(struct mount *m)
{
	/* INIT can only lower it, so after INIT. */
	workers_wait_init(m->workers);
	raise_to(m, "read_ahead_kb", READAHEAD_KB, READAHEAD_KB);
	if (m->writeback)
		raise_to(m, "max_bytes", DIRTY_BYTES, DIRTY_TIMES);
}
