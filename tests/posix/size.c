/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes and offsets: truncate and ftruncate, the limits of offsets, holes,
 * file size limits.
 */
#include <signal.h>
#include <sys/resource.h>

#include "tests/posix/posix.h"

static off_t size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) < 0 ? -1 : st.st_size;
}

static void truncating(void)
{
	static const off_t sizes[] = { 0,	1,	  100,	    4095,     4096,	4097,
				       16383,	16384,	  16385,    1 << 20,  -1,	INT64_MIN,
				       1LL << 31, (1LL << 31) - 1, 1LL << 32, (1LL << 32) + 1,
				       1LL << 40, (1LL << 43), INT64_MAX };

	for (size_t n = 0; n < ARRAY_SIZE(sizes); n++) {
		char c = 'q';
		const char *r;
		int fd;

		make_filled("f", 5000);
		r = gave(truncate("f", sizes[n]));
		say("truncate", "to %jd: %s, size %jd", (intmax_t)sizes[n], r,
		    (intmax_t)size_of("f"));
		fd = must(open("f", O_RDWR));
		r = gave(ftruncate(fd, sizes[n]));
		say("truncate", "ftruncate to %jd: %s", (intmax_t)sizes[n], r);
		if (sizes[n] > 5000 && size_of("f") == sizes[n])
			say("truncate", "last byte of %jd: %zd %d", (intmax_t)sizes[n],
			    pread(fd, &c, 1, sizes[n] - 1), c);
		close(fd);
		clear("f");
	}
}

static void offsets(void)
{
	static const off_t at[] = { -1,	      INT64_MIN, INT64_MAX,    INT64_MAX - 1, 1LL << 31,
				    (1LL << 31) - 1, 1LL << 32, (1LL << 32) - 1, (1LL << 42) + 7 };
	char c;

	for (size_t n = 0; n < ARRAY_SIZE(at); n++) {
		int fd = must(open("o", O_RDWR | O_CREAT, 0644));
		const char *r = gave(pwrite(fd, "x", 1, at[n]));

		say("offset", "pwrite at %jd: %s, size %jd", (intmax_t)at[n], r,
		    (intmax_t)size_of("o"));
		/* What is too much for the disk is said here at the latest. */
		say("offset", "fsync of what is at %jd: %s", (intmax_t)at[n], gave(fsync(fd)));
		syncfs(fd);
		say("offset", "pread at %jd: %s", (intmax_t)at[n], gave(pread(fd, &c, 1, at[n])));
		say("offset", "lseek to %jd: %s", (intmax_t)at[n], gave(lseek(fd, at[n],
		    SEEK_SET)));
		say("offset", "lseek from the end by %jd: %s", (intmax_t)at[n],
		    gave(lseek(fd, at[n], SEEK_END)));
		close(fd);
		clear("o");
	}
	int fd = must(open("o", O_RDWR | O_CREAT, 0644));

	say("offset", "lseek by an unknown word: %s", gave(lseek(fd, 0, 77)));
	say("offset", "SEEK_DATA of nothing: %s", gave(lseek(fd, 0, SEEK_DATA)));
	say("offset", "SEEK_HOLE of nothing: %s", gave(lseek(fd, 0, SEEK_HOLE)));
	must(ftruncate(fd, 1 << 20));
	say("offset", "SEEK_DATA of a hole: %s", gave(lseek(fd, 0, SEEK_DATA)));
	say("offset", "SEEK_HOLE of a hole: %jd", (intmax_t)lseek(fd, 5, SEEK_HOLE));
	must(pwrite(fd, "x", 1, 600000));
	must(fsync(fd));
	say("offset", "SEEK_DATA before data: %d", lseek(fd, 0, SEEK_DATA) <= 600000);
	say("offset", "SEEK_HOLE from data: %d", lseek(fd, 600000, SEEK_HOLE) > 600000);
	say("offset", "SEEK_DATA past the end: %s", gave(lseek(fd, 1 << 20, SEEK_DATA)));
	say("offset", "SEEK_HOLE past the end: %s", gave(lseek(fd, 1 << 20, SEEK_HOLE)));
	say("offset", "SEEK_HOLE before the end: %jd", (intmax_t)lseek(fd, (1 << 20) - 1,
	    SEEK_HOLE));
	close(fd);
	clear("o");
}

static void limits(void)
{
	struct rlimit was, r = { 10000, RLIM_INFINITY };
	int fd = must(open("l", O_RDWR | O_CREAT, 0644));
	char buf[100] = "";

	signal(SIGXFSZ, SIG_IGN);
	must(getrlimit(RLIMIT_FSIZE, &was));
	r.rlim_max = was.rlim_max;
	fflush(stdout);
	must(setrlimit(RLIMIT_FSIZE, &r));
	ssize_t a = pwrite(fd, buf, 100, 9950), b = pwrite(fd, buf, 100, 10000);
	int e = errno;
	int c = ftruncate(fd, 10001), ce = errno, d = ftruncate(fd, 10000);
	int f = fallocate(fd, 0, 0, 10001), fe = errno;

	must(setrlimit(RLIMIT_FSIZE, &was));
	say("limit", "write across it: %zd, past it: %zd %s", a, b, error_name(e));
	say("limit", "ftruncate past it: %d %s, to it: %d", c, error_name(ce), d);
	say("limit", "fallocate past it: %d %s", f, error_name(fe));
	close(fd);
	clear("l");
}

/* What lies beyond a cut is never seen again. */
static void no_old_bytes(void)
{
	static const off_t cuts[] = { 0, 1, 100, 4095, 4096, 5000, 16384, 16385, 40000 };
	static char buf[50000];

	for (size_t n = 0; n < ARRAY_SIZE(cuts); n++) {
		size_t bad = 0;
		int fd;

		make_filled("z", sizeof(buf));
		must(truncate("z", cuts[n]));
		must(truncate("z", sizeof(buf)));
		fd = must(open("z", O_RDONLY));
		must(pread(fd, buf, sizeof(buf), 0));
		for (off_t k = 0; k < (off_t)sizeof(buf); k++)
			bad += buf[k] != (k < cuts[n] ? 'x' : 0);
		say("zeros", "cut at %jd and grown: %zu wrong", (intmax_t)cuts[n], bad);
		close(fd);
	}
	clear("z");
}

static void who_truncates(void)
{
	const char *r;
	int fd;

	if (!is_root)
		return;
	make_file("w", 0666, A_UID, A_GID);
	become(&ALICE);
	fd = must(open("w", O_RDWR));
	must(chmod("w", 0));
	r = gave(ftruncate(fd, 100));
	say("who", "ftruncate of what is shut by now: %s", r);
	r = gave(write(fd, "x", 1));
	say("who", "write to it: %s", r);
	r = gave(truncate("w", 10));
	say("who", "truncate of it: %s", r);
	close(fd);
	become(&ROOT);
	say("who", "its size: %jd", (intmax_t)size_of("w"));
	clear("w");
}

void area_size(void)
{
	truncating();
	offsets();
	limits();
	no_old_bytes();
	who_truncates();
}
