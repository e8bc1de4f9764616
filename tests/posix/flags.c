/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the flags of open do afterwards: O_APPEND, O_TRUNC, O_PATH, O_TMPFILE,
 * O_DIRECT, descriptors of a wrong kind, and who is asked first.
 */
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "tests/posix/posix.h"

static void path_descriptor(void)
{
	struct stat st;
	char c, link[64];
	int fd;

	make_filled("p", 10);
	fd = must(open("p", O_PATH));
	say("O_PATH", "read: %s", gave(read(fd, &c, 1)));
	say("O_PATH", "write: %s", gave(write(fd, "x", 1)));
	say("O_PATH", "fstat: %s", gave(fstat(fd, &st)));
	say("O_PATH", "fchmod: %s", gave(fchmod(fd, 0600)));
	say("O_PATH", "ftruncate: %s", gave(ftruncate(fd, 0)));
	say("O_PATH", "fsync: %s", gave(fsync(fd)));
	say("O_PATH", "fgetxattr: %s", gave(fgetxattr(fd, "user.a", &c, 1)));
	say("O_PATH", "mmap: %s",
	    gave(mmap(NULL, 1, PROT_READ, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0));
	say("O_PATH", "lseek: %s", gave(lseek(fd, 0, SEEK_SET)));
	say("O_PATH", "fstatfs: %s", gave(fstatvfs(fd, &(struct statvfs){ 0 })));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	say("O_PATH", "opened again: %s", try_open(link, O_RDWR, 0));
	say("O_PATH", "linkat with AT_EMPTY_PATH: %s",
	    gave(linkat(fd, "", AT_FDCWD, "p2", AT_EMPTY_PATH)));
	say("O_PATH", "linkat through /proc: %s",
	    gave(linkat(AT_FDCWD, link, AT_FDCWD, "p3", AT_SYMLINK_FOLLOW)));
	say("O_PATH", "links: %s", look("p"));
	close(fd);
	must(symlink("p", "s"));
	fd = must(open("s", O_PATH | O_NOFOLLOW));
	say("O_PATH", "readlinkat of a symlink: %s", gave(readlinkat(fd, "", link, 8)));
	must(fstat(fd, &st));
	say("O_PATH", "fstat of a symlink: %d %jd", S_ISLNK(st.st_mode), (intmax_t)st.st_size);
	close(fd);
}

static void wrong_way(void)
{
	char c;
	int fd;

	make_filled("w", 10);
	fd = must(open("w", O_RDONLY));
	say("wrong way", "write to O_RDONLY: %s", gave(write(fd, "x", 1)));
	say("wrong way", "ftruncate of O_RDONLY: %s", gave(ftruncate(fd, 1)));
	say("wrong way", "fallocate of O_RDONLY: %s", gave(fallocate(fd, 0, 0, 1)));
	say("wrong way", "shared writable map of O_RDONLY: %s",
	    gave(mmap(NULL, 1, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED ? -1 : 0));
	close(fd);
	fd = must(open("w", O_WRONLY));
	say("wrong way", "read of O_WRONLY: %s", gave(read(fd, &c, 1)));
	say("wrong way", "map of O_WRONLY: %s",
	    gave(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0));
	close(fd);
	fd = must(open(".", O_RDONLY));
	say("wrong way", "read of a directory: %s", gave(read(fd, &c, 1)));
	say("wrong way", "pread of a directory: %s", gave(pread(fd, &c, 1, 0)));
	say("wrong way", "write of a directory: %s", gave(write(fd, &c, 1)));
	say("wrong way", "ftruncate of a directory: %s", gave(ftruncate(fd, 0)));
	say("wrong way", "map of a directory: %s",
	    gave(mmap(NULL, 1, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0));
	say("wrong way", "fsync of a directory: %s", gave(fsync(fd)));
	say("wrong way", "fdatasync of a directory: %s", gave(fdatasync(fd)));
	say("wrong way", "an ioctl that nobody knows: %s", gave(ioctl(fd, 0x1234, &c)));
	close(fd);
	say("wrong way", "fstat of a closed descriptor: %s", gave(fstat(fd, &(struct stat){ 0 })));
}

static void append(void)
{
	char buf[64] = "";
	int a, b;

	a = must(open("a", O_RDWR | O_CREAT | O_APPEND, 0644));
	b = must(open("a", O_WRONLY | O_APPEND));
	must(write(a, "one", 3));
	must(write(b, "two", 3));
	must(lseek(a, 0, SEEK_SET));
	must(write(a, "three", 5));
	must(pwrite(a, "four", 4, 0));
	must(pread(a, buf, sizeof(buf) - 1, 0));
	say("append", "what is there: %s", buf);
	say("append", "position: %jd", (intmax_t)lseek(a, 0, SEEK_CUR));
	must(fcntl(a, F_SETFL, 0));
	must(pwrite(a, "XXX", 3, 0));
	close(b);
	b = must(open("a", O_RDONLY));
	must(pread(b, buf, sizeof(buf) - 1, 0));
	say("append", "after F_SETFL: %s", buf);
	close(a);
	close(b);
}

/* Two processes append records; each is there once and whole. */
static void append_together(void)
{
	char rec[32];
	struct stat st;
	int bad = 0, fd, got[4] = { 0 };

	close(must(open("both", O_CREAT | O_WRONLY, 0644)));
	fflush(stdout);
	for (int p = 0; p < 4; p++)
		if (!fork()) {
			fd = open("both", O_WRONLY | O_APPEND);
			memset(rec, 'a' + p, sizeof(rec));
			for (int n = 0; n < 100; n++)
				if (write(fd, rec, sizeof(rec)) != sizeof(rec))
					_exit(1);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	fd = must(open("both", O_RDONLY));
	while (read(fd, rec, sizeof(rec)) == sizeof(rec)) {
		for (size_t n = 1; n < sizeof(rec); n++)
			bad += rec[n] != rec[0];
		got[(rec[0] - 'a') & 3]++;
	}
	must(fstat(fd, &st));
	say("append", "by four processes: %d %d %d %d, torn %d, size %jd", got[0], got[1], got[2],
	    got[3], bad, (intmax_t)st.st_size);
	close(fd);
}

static void direct(void)
{
	void *page = NULL;
	int fd = open("direct", O_RDWR | O_CREAT | O_DIRECT, 0644);

	say("O_DIRECT", "open: %s", gave(fd));
	if (fd < 0 || posix_memalign(&page, 4096, 8192))
		return;
	memset(page, 'd', 8192);
	say("O_DIRECT", "aligned write: %zd", pwrite(fd, page, 8192, 0));
	say("O_DIRECT", "aligned read: %zd", pread(fd, page, 8192, 0));
	say("O_DIRECT", "read past the end: %zd", pread(fd, page, 4096, 8192));
	say("O_DIRECT", "write not aligned: %s", gave(pwrite(fd, page, 100, 1)));
	free(page);
	close(fd);
}

static void temporary(void)
{
	char path[64];
	struct stat st;
	int fd = open(".", O_TMPFILE | O_RDWR, 0600);

	say("O_TMPFILE", "open: %s", gave(fd));
	say("O_TMPFILE", "read-only: %s", try_open(".", O_TMPFILE | O_RDONLY, 0600));
	say("O_TMPFILE", "in a file: %s", try_open("w", O_TMPFILE | O_RDWR, 0600));
	if (fd < 0)
		return;
	must(fstat(fd, &st));
	say("O_TMPFILE", "links: %ju", (uintmax_t)st.st_nlink);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	say("O_TMPFILE", "linked in: %s",
	    gave(linkat(AT_FDCWD, path, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW)));
	close(fd);
}

/* Running what is written to, and writing to what runs. */
static void text_busy(void)
{
	int fd, in = open("/bin/sleep", O_RDONLY), status = 0, p[2];
	char buf[65536];
	ssize_t n;
	pid_t pid;

	fd = must(open("prog", O_WRONLY | O_CREAT, 0755));
	while ((n = read(in, buf, sizeof(buf))) > 0)
		must(write(fd, buf, (size_t)n));
	close(in);
	fflush(stdout);
	if (!(pid = fork())) {
		execl("./prog", "prog", "0", NULL);
		_exit(errno == ETXTBSY ? 26 : 1);
	}
	waitpid(pid, &status, 0);
	say("busy", "exec of what is open for writing: %s",
	    error_name(WEXITSTATUS(status) == 26 ? ETXTBSY : WEXITSTATUS(status)));
	close(fd);
	must(pipe2(p, O_CLOEXEC));
	if (!(pid = fork())) {
		execl("./prog", "prog", "30", NULL);
		_exit(1);
	}
	close(p[1]);
	must(read(p[0], buf, 1)); /* it ends when the program runs */
	close(p[0]);
	say("busy", "write to what runs: %s", try_open("prog", O_WRONLY, 0));
	say("busy", "truncate of what runs: %s", gave(truncate("prog", 0)));
	say("busy", "unlink of what runs: %s", gave(unlink("prog")));
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
}

void area_flags(void)
{
	path_descriptor();
	wrong_way();
	append();
	append_together();
	direct();
	temporary();
	text_busy();
}
