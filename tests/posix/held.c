/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is held open when its name goes, or when rights change: files,
 * directories, the working directory, rights given at open.
 */
#include <dirent.h>
#include <sys/mman.h>
#include <sys/xattr.h>

#include "tests/posix/posix.h"

static void file_held(void)
{
	char path[64], c = 0, *map;
	struct stat st;
	int fd;

	make_filled("f", 5000);
	fd = must(open("f", O_RDWR));
	map = mmap(NULL, 5000, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(unlink("f"));
	must(fstat(fd, &st));
	say("file", "links %ju, size %jd", (uintmax_t)st.st_nlink, (intmax_t)st.st_size);
	say("file", "read: %zd %c", pread(fd, &c, 1, 4999), c);
	say("file", "write: %zd", pwrite(fd, "zz", 2, 9000));
	say("file", "map: %c", map[10]);
	map[10] = 'M';
	must(pread(fd, &c, 1, 10));
	say("file", "through the map: %c", c);
	say("file", "ftruncate: %s", gave(ftruncate(fd, 100)));
	say("file", "fchmod: %s", gave(fchmod(fd, 0600)));
	say("file", "fsync: %s", gave(fsync(fd)));
	say("file", "futimens: %s", gave(futimens(fd, NULL)));
	say("file", "fsetxattr: %s", gave(fsetxattr(fd, "user.x", "1", 1, 0)));
	say("file", "fgetxattr: %s", gave(fgetxattr(fd, "user.x", &c, 1)));
	say("file", "fallocate: %s", gave(fallocate(fd, 0, 0, 3000)));
	must(fstat(fd, &st));
	say("file", "mode %o, size %jd", st.st_mode, (intmax_t)st.st_size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	say("file", "linked in again: %s",
	    gave(linkat(AT_FDCWD, path, AT_FDCWD, "back", AT_SYMLINK_FOLLOW)));
	say("file", "opened again: %s", try_open(path, O_RDWR, 0));
	must(make_type("f", S_IFREG));
	must(stat("f", &st));
	say("file", "a new one of its name: size %jd", (intmax_t)st.st_size);
	must(fstat(fd, &st));
	say("file", "the old one: size %jd", (intmax_t)st.st_size);
	munmap(map, 5000);
	close(fd);
	clear("f");
}

static void others_held(void)
{
	struct stat st;
	int fd;

	must(mkfifo("p", 0644));
	fd = must(open("p", O_RDWR | O_NONBLOCK));
	must(unlink("p"));
	say("fifo", "write: %zd", write(fd, "x", 1));
	say("fifo", "fstat: %s", gave(fstat(fd, &st)));
	say("fifo", "links %ju", (uintmax_t)st.st_nlink);
	say("fifo", "fchmod: %s", gave(fchmod(fd, 0600)));
	close(fd);
	must(symlink("target", "l"));
	fd = must(open("l", O_PATH | O_NOFOLLOW));
	must(unlink("l"));
	say("symlink", "fstat: %s", gave(fstat(fd, &st)));
	say("symlink", "links %ju", (uintmax_t)st.st_nlink);
	say("symlink", "readlinkat: %s", gave(readlinkat(fd, "", (char[16]){ 0 }, 16)));
	close(fd);
}

static void directory_held(void)
{
	struct stat st;
	int fd, n = 0;
	DIR *d;

	must(mkdir("d", 0755));
	fd = must(open("d", O_RDONLY | O_DIRECTORY));
	must(rmdir("d"));
	must(fstat(fd, &st));
	say("directory", "links: %ju", (uintmax_t)st.st_nlink);
	say("directory", "create in it: %s",
	    gave(openat(fd, "x", O_CREAT | O_RDWR, 0644)));
	say("directory", "mkdir in it: %s", gave(mkdirat(fd, "x", 0755)));
	say("directory", "symlink in it: %s", gave(symlinkat("x", fd, "y")));
	make_filled("f", 1);
	say("directory", "link into it: %s", gave(linkat(AT_FDCWD, "f", fd, "x", 0)));
	say("directory", "rename into it: %s", gave(renameat(AT_FDCWD, "f", fd, "x")));
	say("directory", "stat in it: %s", gave(fstatat(fd, "x", &st, 0)));
	say("directory", "fchmod: %s", gave(fchmod(fd, 0700)));
	say("directory", "fsync: %s", gave(fsync(fd)));
	d = fdopendir(fd);
	errno = 0;
	while (d && readdir(d))
		n++;
	say("directory", "list: %d, %s", n, error_name(errno));
	closedir(d);
	clear("f");
}

static void working_directory(void)
{
	int here = must(open(".", O_PATH | O_DIRECTORY));
	char buf[4096];

	must(mkdir("w", 0755));
	must(mkdir("w/x", 0755));
	must(chdir("w/x"));
	must(rename("../../w", "../../v"));
	say("working", "getcwd after rename: %d", strstr(getcwd(buf, sizeof(buf)), "/v/x") != NULL);
	must(rmdir("../x"));
	say("working", "getcwd when removed: %s", getcwd(buf, sizeof(buf)) ? "ok" : gave(-1));
	say("working", "create: %s", try_open("f", O_CREAT | O_RDWR, 0644));
	say("working", "stat of .: %s", gave(stat(".", &(struct stat){ 0 })));
	say("working", "up: %s", gave(chdir("..")));
	must(fchdir(here));
	close(here);
	must(rmdir("v"));
}

/* Rights are looked at when something is opened, not later. */
static void rights_held(void)
{
	const char *r;
	char c;
	int fd, dir;

	if (!is_root)
		return;
	make_dir("d", 0755, A_UID, A_GID);
	make_file("d/f", 0644, A_UID, A_GID);
	become(&DAVE);
	fd = must(open("d/f", O_RDONLY));
	dir = must(open("d", O_RDONLY | O_DIRECTORY));
	r = gave(faccessat(AT_FDCWD, "d/f", R_OK, AT_EACCESS));
	say("rights", "before: %s", r);
	become(&ROOT);
	must(chmod("d/f", 0));
	must(chmod("d", 0));
	become(&DAVE);
	r = gave(read(fd, &c, 1));
	say("rights", "read of what is open: %s", r);
	r = try_open("d/f", O_RDONLY, 0);
	say("rights", "opened again: %s", r);
	r = gave(fstat(fd, &(struct stat){ 0 }));
	say("rights", "fstat: %s", r);
	r = gave(fchdir(dir));
	say("rights", "fchdir: %s", r);
	r = gave(openat(dir, "f", O_RDONLY));
	say("rights", "openat: %s", r);
	r = gave(fstatat(dir, "f", &(struct stat){ 0 }, 0));
	say("rights", "fstatat: %s", r);
	close(fd);
	close(dir);
	become(&ROOT);
	clear("d");
}

/* A file opened for writing stays so when it is read-only by now; one made so is written. */
static void made_read_only(void)
{
	int fd = must(open("ro", O_RDWR | O_CREAT | O_EXCL, 0400));

	say("made", "write to a new file of 0400: %zd", write(fd, "x", 1));
	say("made", "cut it: %s", gave(ftruncate(fd, 0)));
	close(fd);
	fd = must(open("none", O_WRONLY | O_CREAT | O_EXCL, 0));
	say("made", "write to a new file of 0: %zd", write(fd, "x", 1));
	say("made", "fsync it: %s", gave(fsync(fd)));
	close(fd);
	say("made", "seen by itself: %s", look("none"));
}

void area_held(void)
{
	file_held();
	others_held();
	directory_held();
	working_directory();
	rights_held();
	made_read_only();
}
