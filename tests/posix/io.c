/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading and writing: vectors, allocation, copies, maps, sync.
 */
#include <linux/falloc.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "tests/posix/posix.h"

static void vectors(void)
{
	char a[3] = "", b[5] = "";
	struct iovec out[3] = { { (void *)"abc", 3 }, { NULL, 0 }, { (void *)"defgh", 5 } };
	struct iovec in[2] = { { a, 2 }, { b, 4 } };
	struct iovec *many = calloc(2000, sizeof(*many));
	void *volatile nowhere = (void *)8;
	int fd = must(open("v", O_RDWR | O_CREAT, 0644));

	say("vector", "writev: %zd", writev(fd, out, 3));
	say("vector", "preadv: %zd %.2s %.4s", preadv(fd, in, 2, 1), a, b);
	say("vector", "pwritev2 with RWF_APPEND: %zd", pwritev2(fd, out, 1, 0, RWF_APPEND));
	say("vector", "pwritev2 with RWF_DSYNC: %zd", pwritev2(fd, out, 1, 0, RWF_DSYNC));
	say("vector", "preadv2 with RWF_NOWAIT: %d", preadv2(fd, in, 2, 0, RWF_NOWAIT) > -2);
	say("vector", "preadv2 unknown: %s", gave(preadv2(fd, in, 2, 0, 0x4000000)));
	say("vector", "writev of none: %zd", writev(fd, out, 0));
	say("vector", "writev of too many: %s", gave(writev(fd, many, 2000)));
	say("vector", "read into nowhere: %s", gave(pread(fd, nowhere, 5, 0)));
	say("vector", "write from nowhere: %s", gave(pwrite(fd, nowhere, 5, 0)));
	say("vector", "size: %jd", (intmax_t)lseek(fd, 0, SEEK_END));
	free(many);
	close(fd);
	clear("v");
}

static void allocate(void)
{
	static const struct {
		const char *name;
		int mode;
		off_t off, len;
	} ways[] = {
		{ "allocate", 0, 0, 100000 },
		{ "keep size", FALLOC_FL_KEEP_SIZE, 0, 200000 },
		{ "punch", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 8000 },
		{ "punch without keep", FALLOC_FL_PUNCH_HOLE, 100, 8000 },
		{ "punch past the end", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 50000, 8000 },
		{ "zero", FALLOC_FL_ZERO_RANGE, 100, 8000 },
		{ "zero past the end", FALLOC_FL_ZERO_RANGE, 9000, 8000 },
		{ "zero keep size", FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 9000, 8000 },
		{ "collapse", FALLOC_FL_COLLAPSE_RANGE, 0, 4096 },
		{ "collapse not aligned", FALLOC_FL_COLLAPSE_RANGE, 1, 4096 },
		{ "insert", FALLOC_FL_INSERT_RANGE, 0, 4096 },
		{ "length 0", 0, 0, 0 },
		{ "negative length", 0, 0, -1 },
		{ "negative offset", 0, -1, 10 },
		{ "past all offsets", 0, INT64_MAX, 10 },
		{ "unknown mode", 0x4000, 0, 10 },
		{ "punch of length 0", FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 0 },
	};

	for (size_t n = 0; n < ARRAY_SIZE(ways); n++) {
		char buf[10000];
		size_t zeros = 0;
		const char *r;
		struct stat st;
		int fd;

		make_filled("f", 10000);
		fd = must(open("f", O_RDWR));
		r = gave(fallocate(fd, ways[n].mode, ways[n].off, ways[n].len));
		must(fstat(fd, &st));
		must(pread(fd, buf, sizeof(buf), 0));
		for (size_t k = 0; k < sizeof(buf); k++)
			zeros += !buf[k];
		say("fallocate", "%s: %s, size %jd, zeros %zu", ways[n].name, r,
		    (intmax_t)st.st_size, zeros);
		close(fd);
		clear("f");
	}
	must(mkfifo("p", 0644));
	int p = must(open("p", O_RDWR)), d = must(open(".", O_RDONLY));

	say("fallocate", "of a FIFO: %s", gave(fallocate(p, 0, 0, 1)));
	say("fallocate", "of a directory: %s", gave(fallocate(d, 0, 0, 1)));
	say("fallocate", "posix_fallocate of a FIFO: %s", error_name(posix_fallocate(p, 0, 1)));
	close(p);
	close(d);
	clear("p");
}

static void copying(void)
{
	int a, b, dir;
	off_t x = 0, y = 0;

	make_filled("a", 10000);
	a = must(open("a", O_RDWR));
	b = must(open("b", O_RDWR | O_CREAT, 0644));
	dir = must(open(".", O_RDONLY));
	say("copy", "whole: %zd", copy_file_range(a, &x, b, &y, 20000, 0));
	say("copy", "size: %jd, at the end: %zd", (intmax_t)lseek(b, 0, SEEK_END),
	    copy_file_range(a, &x, b, &y, 20000, 0));
	x = 0, y = 5000;
	say("copy", "overlapping: %s", gave(copy_file_range(a, &x, a, &y, 8000, 0)));
	x = 0, y = 20000;
	say("copy", "within a file: %zd", copy_file_range(a, &x, a, &y, 5000, 0));
	say("copy", "to a directory: %s", gave(copy_file_range(a, NULL, dir, NULL, 10, 0)));
	say("copy", "unknown flag: %s", gave(copy_file_range(a, NULL, b, NULL, 10, 1)));
	x = 0;
	say("copy", "sendfile: %zd", sendfile(b, a, &x, 3000));
	close(a);
	close(b);
	a = must(open("a", O_RDONLY));
	b = must(open("b", O_RDWR | O_APPEND));
	say("copy", "to O_APPEND: %s", gave(copy_file_range(a, NULL, b, NULL, 10, 0)));
	say("copy", "to O_RDONLY: %s", gave(copy_file_range(b, NULL, a, NULL, 10, 0)));
	close(a);
	close(b);
	close(dir);
	clear("a");
	clear("b");
}

static void maps(void)
{
	char *s, *p, c = 0;
	int fd = must(open("m", O_RDWR | O_CREAT, 0644));

	must(ftruncate(fd, 10000));
	s = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p = mmap(NULL, 12288, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (s == MAP_FAILED || p == MAP_FAILED)
		die("mmap", __FILE__, __LINE__);
	s[100] = 'a';
	must(pread(fd, &c, 1, 100));
	say("map", "written through a map, read: %c", c);
	must(pwrite(fd, "b", 1, 200));
	say("map", "written, read through a map: %c", s[200]);
	say("map", "through a private one: %c", p[200]);
	p[100] = 'z';
	must(pread(fd, &c, 1, 100));
	say("map", "written through a private one: %c", c);
	s[10001] = 'q'; /* past the end, in the last page */
	say("map", "msync: %s", gave(msync(s, 12288, MS_SYNC)));
	must(ftruncate(fd, 11000));
	must(pread(fd, &c, 1, 10001));
	say("map", "past the end it was: %d", c);
	close(fd);
	s[300] = 'c';
	munmap(s, 12288);
	munmap(p, 12288);
	fd = must(open("m", O_RDONLY));
	must(pread(fd, &c, 1, 300));
	say("map", "written after close: %c", c);
	say("map", "at an offset not aligned: %s",
	    gave(mmap(NULL, 10, PROT_READ, MAP_SHARED, fd, 3) == MAP_FAILED ? -1 : 0));
	close(fd);
	clear("m");
}

static void syncing(void)
{
	int fd = must(open("s", O_RDWR | O_CREAT | O_SYNC, 0644));

	say("sync", "O_SYNC write: %zd", write(fd, "x", 1));
	say("sync", "fsync: %s", gave(fsync(fd)));
	say("sync", "fdatasync: %s", gave(fdatasync(fd)));
	say("sync", "sync_file_range: %s", gave(sync_file_range(fd, 0, 1, 7)));
	say("sync", "syncfs: %s", gave(syncfs(fd)));
	say("sync", "posix_fadvise: %s", error_name(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED)));
	say("sync", "readahead: %s", gave(readahead(fd, 0, 100)));
	close(fd);
	must(unlink("s"));
	must(mkfifo("s", 0644));
	fd = must(open("s", O_RDWR));
	say("sync", "fsync of a FIFO: %s", gave(fsync(fd)));
	close(fd);
	clear("s");
}

void area_io(void)
{
	vectors();
	allocate();
	copying();
	maps();
	syncing();
}
