/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What programs ask of a filesystem beside the usual calls: birth times, file
 * handles, events, flags and extents, running a program, limits.
 */
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/wait.h>

#include "tests/posix/posix.h"

static void birth(void)
{
	struct statx a = { 0 }, b = { 0 };

	make_filled("file", 100);
	must(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS | STATX_BTIME, &a));
	tick();
	make_filled("file", 200);
	must(chmod("file", 0600));
	must(statx(AT_FDCWD, "file", 0, STATX_BASIC_STATS | STATX_BTIME, &b));
	say("birth", "time given: %d", !!(b.stx_mask & STATX_BTIME));
	say("birth", "stays: %d", a.stx_btime.tv_sec == b.stx_btime.tv_sec &&
					  a.stx_btime.tv_nsec == b.stx_btime.tv_nsec);
	say("birth", "basic stats given: %d",
	    (b.stx_mask & STATX_BASIC_STATS) == STATX_BASIC_STATS);
	say("birth", "size of a sync-free statx: %d",
	    statx(AT_FDCWD, "file", AT_STATX_DONT_SYNC, STATX_SIZE, &a) ? -1 : (int)a.stx_size);
	clear("file");
}

static void handles(void)
{
	union {
		struct file_handle h;
		char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
	} u = { .h.handle_bytes = MAX_HANDLE_SZ };
	int id, fd, at = must(open(".", O_RDONLY | O_DIRECTORY));

	make_filled("file", 100);
	say("handle", "of a file: %s", gave(name_to_handle_at(AT_FDCWD, "file", &u.h, &id, 0)));
	if (is_root) {
		fd = open_by_handle_at(at, &u.h, O_RDONLY);
		say("handle", "opened: %s", gave(fd));
		if (fd >= 0)
			close(fd);
		clear("file");
		fd = open_by_handle_at(at, &u.h, O_RDONLY);
		say("handle", "opened after the file is gone: %s", gave(fd));
		if (fd >= 0)
			close(fd);
	}
	close(at);
	clear("file");
}

static void events(void)
{
	_Alignas(struct inotify_event) char buf[4096];
	int in = must(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)), fd;
	uint32_t seen = 0;
	ssize_t n;

	must(inotify_add_watch(in, ".", IN_ALL_EVENTS));
	fd = must(open("file", O_CREAT | O_RDWR, 0644));
	must(write(fd, "x", 1));
	must(close(fd));
	must(rename("file", "other"));
	must(chmod("other", 0600));
	must(unlink("other"));
	while ((n = read(in, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e = (const void *)p;

			seen |= e->mask;
			p += sizeof(*e) + e->len;
		}
	say("events", "seen %x", seen & (IN_CREATE | IN_MODIFY | IN_CLOSE_WRITE | IN_MOVED_FROM |
					  IN_MOVED_TO | IN_ATTRIB | IN_DELETE | IN_OPEN));
	close(in);
}

static void controls(void)
{
	struct fiemap map = { .fm_length = 4096 };
	int fd, flags = 0, r;

	make_filled("file", 5000);
	fd = must(open("file", O_RDWR));
	say("ioctl", "FS_IOC_GETFLAGS: %s", gave(ioctl(fd, FS_IOC_GETFLAGS, &flags)));
	say("ioctl", "FS_IOC_FIEMAP: %s", gave(ioctl(fd, FS_IOC_FIEMAP, &map)));
	flags = -1;
	r = ioctl(fd, FIONREAD, &flags);
	say("ioctl", "FIONREAD: %s, %d", gave(r), flags);
	say("ioctl", "of nobody: %s", gave(ioctl(fd, _IO('x', 250), 0)));
	say("advice", "sequential: %s", error_name(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL)));
	say("advice", "not needed: %s", error_name(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)));
	say("advice", "readahead: %s", gave(readahead(fd, 0, 5000)));
	say("advice", "sync_file_range: %s", gave(sync_file_range(fd, 0, 5000, SYNC_FILE_RANGE_WRITE)));
	say("advice", "syncfs: %s", gave(syncfs(fd)));
	close(fd);
	clear("file");
}

static int run(const char *path)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = must(fork());
	if (!pid) {
		execl(path, path, (char *)NULL);
		_exit(errno);
	}
	must(waitpid(pid, &status, 0));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void programs(void)
{
	static const char script[] = "#!/bin/sh\nexit 77\n";
	int fd = must(open("script", O_CREAT | O_WRONLY, 0755));

	must(write(fd, script, sizeof(script) - 1));
	say("program", "that is open for writing: %d", run("./script") == ETXTBSY);
	close(fd);
	say("program", "run: %d", run("./script"));
	must(chmod("script", 0644));
	say("program", "without permission: %s", error_name(run("./script")));
	clear("script");
}

static void limits(void)
{
	struct statvfs v;

	must(statvfs(".", &v));
	say("limit", "name: %ld, path: %ld", pathconf(".", _PC_NAME_MAX), pathconf(".", _PC_PATH_MAX));
	say("limit", "statvfs: name %lu, block %lu, fragment %lu", v.f_namemax, v.f_bsize, v.f_frsize);
	say("limit", "statvfs adds up: %d", v.f_bavail <= v.f_bfree && v.f_bfree <= v.f_blocks &&
						    v.f_ffree <= v.f_files);
	make_filled("file", 1);
	for (int k = 0; k < 1200; k++) {
		char name[16];

		snprintf(name, sizeof(name), "l%d", k);
		must(link("file", name));
	}
	say("limit", "1200 links: %s", look("file"));
	for (int k = 0; k < 1200; k++) {
		char name[16];

		snprintf(name, sizeof(name), "l%d", k);
		must(unlink(name));
	}
	say("limit", "and without them: %s", look("file"));
	clear("file");
}

void area_extra(void)
{
	birth();
	handles();
	events();
	controls();
	programs();
	limits();
}
