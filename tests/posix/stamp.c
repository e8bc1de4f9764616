/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which of ctime and mtime each operation moves, of the node and of its
 * directory; and what leaves them alone.
 */
#include <sys/mman.h>
#include <sys/xattr.h>

#include "tests/posix/posix.h"

static struct stat before[2];

static bool same(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static void note(void)
{
	tick();
	if (lstat("d/f", &before[0]) < 0)
		memset(&before[0], 0, sizeof(before[0]));
	must(stat("d", &before[1]));
	tick();
}

static void told(const char *what, const char *result)
{
	struct stat st[2];

	if (lstat("d/f", &st[0]) < 0)
		st[0] = before[0];
	must(stat("d", &st[1]));
	say("moved", "%s: %s, node %s%s, directory %s%s", what, result,
	    same(&st[0].st_ctim, &before[0].st_ctim) ? "" : "c",
	    same(&st[0].st_mtim, &before[0].st_mtim) ? "" : "m",
	    same(&st[1].st_ctim, &before[1].st_ctim) ? "" : "c",
	    same(&st[1].st_mtim, &before[1].st_mtim) ? "" : "m");
}

#define STEP(what, call)                                                                           \
	do {                                                                                       \
		note();                                                                            \
		told(what, gave(call));                                                            \
	} while (0)

static void attributes(int fd)
{
	char c[8];

	STEP("chmod", chmod("d/f", 0600));
	STEP("chmod to the same", chmod("d/f", 0600));
	STEP("fchmod", fchmod(fd, 0644));
	STEP("chown to the same", chown("d/f", getuid(), getgid()));
	STEP("chown to nothing", chown("d/f", -1, -1));
	STEP("utimensat", utimensat(AT_FDCWD, "d/f", NULL, 0));
	STEP("setxattr", setxattr("d/f", "user.x", "1", 1, 0));
	STEP("getxattr", getxattr("d/f", "user.x", c, sizeof(c)));
	STEP("removexattr", removexattr("d/f", "user.x"));
	STEP("removexattr of none", removexattr("d/f", "user.x"));
	STEP("stat", access("d/f", R_OK));
}

static void contents(int fd)
{
	char c[8];
	char *map;

	STEP("write", write(fd, "hello", 5));
	STEP("pwrite", pwrite(fd, "x", 1, 1));
	STEP("write of nothing", write(fd, "", 0));
	STEP("pread", pread(fd, c, 1, 0));
	STEP("truncate", truncate("d/f", 3));
	STEP("truncate to the same", truncate("d/f", 3));
	STEP("ftruncate to the same", ftruncate(fd, 3));
	STEP("ftruncate", ftruncate(fd, 9000));
	STEP("fallocate", fallocate(fd, 0, 0, 20000));
	STEP("fallocate keep size", fallocate(fd, FALLOC_FL_KEEP_SIZE, 0, 40000));
	STEP("punch", fallocate(fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE, 0, 4096));
	STEP("zero range", fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, 4096));
	STEP("fsync", fsync(fd));
	note();
	told("open O_TRUNC", try_open("d/f", O_WRONLY | O_TRUNC, 0));
	note();
	told("open O_TRUNC of nothing", try_open("d/f", O_WRONLY | O_TRUNC, 0));
	note();
	told("open O_CREAT of what is there", try_open("d/f", O_WRONLY | O_CREAT, 0));
	must(ftruncate(fd, 4096));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	note();
	map[7] = 'm';
	told("write to a map", gave(msync(map, 4096, MS_SYNC)));
	munmap(map, 4096);
}

static void names(void)
{
	STEP("link", link("d/f", "d/g"));
	STEP("link elsewhere", link("d/f", "elsewhere"));
	STEP("unlink of another name", unlink("d/g"));
	STEP("unlink elsewhere", unlink("elsewhere"));
	STEP("rename", rename("d/f", "d/f2"));
	must(rename("d/f2", "d/f"));
	STEP("mkdir", mkdir("d/sub", 0755));
	STEP("rmdir", rmdir("d/sub"));
	STEP("symlink", symlink("x", "d/l"));
	STEP("unlink of a symlink", unlink("d/l"));
	STEP("mkfifo", mkfifo("d/p", 0644));
	STEP("rename out", rename("d/p", "p"));
	STEP("rename in", rename("p", "d/p"));
	must(mkfifo("d/q", 0644));
	STEP("rename over", rename("d/p", "d/q"));
	STEP("exchange", renameat2(AT_FDCWD, "d/q", AT_FDCWD, "d/f", RENAME_EXCHANGE));
	must(renameat2(AT_FDCWD, "d/q", AT_FDCWD, "d/f", RENAME_EXCHANGE));
	STEP("mkdir that fails", mkdir("d/f", 0755));
	STEP("rmdir that fails", rmdir("d/f"));
	STEP("link that fails", link("d/f", "d/q"));
	STEP("NOREPLACE that fails",
	     renameat2(AT_FDCWD, "d/q", AT_FDCWD, "d/f", RENAME_NOREPLACE));
	STEP("unlink that fails", unlink("d/none"));
	note();
	told("create", try_open("d/new", O_CREAT | O_RDWR, 0644));
	note();
	told("open", try_open("d/f", O_RDONLY, 0));
}

/* A new node's three times are one, and its directory's moved to it. */
static void born(void)
{
	for (size_t t = 0; t < n_types; t++) {
		struct stat st, dir;

		tick();
		must(make_type("d/n", node_types[t].type));
		must(lstat("d/n", &st));
		must(stat("d", &dir));
		say("born", "%s: mtime not after ctime %d, size %jd, directory not before %d",
		    node_types[t].name,
		    st.st_mtim.tv_sec < st.st_ctim.tv_sec ||
			    (st.st_mtim.tv_sec == st.st_ctim.tv_sec &&
			     st.st_mtim.tv_nsec <= st.st_ctim.tv_nsec),
		    S_ISDIR(st.st_mode) ? 0 : (intmax_t)st.st_size,
		    dir.st_mtim.tv_sec > st.st_mtim.tv_sec ||
			    (dir.st_mtim.tv_sec == st.st_mtim.tv_sec &&
			     dir.st_mtim.tv_nsec + 4000000 >= st.st_mtim.tv_nsec));
		clear("d/n");
	}
}

void area_stamp(void)
{
	int fd;

	must(mkdir("d", 0755));
	fd = must(open("d/f", O_RDWR | O_CREAT, 0644));
	attributes(fd);
	contents(fd);
	close(fd);
	names();
	born();
}
