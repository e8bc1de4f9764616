/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of any bytes and lengths, paths past PATH_MAX by relative steps, and
 * the numbers that statfs and pathconf give.
 */
#include <dirent.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>

#include "tests/posix/posix.h"

static bool listed(const char *name)
{
	DIR *d = opendir(".");
	const struct dirent *e;
	bool found = false;

	while (d && (e = readdir(d)))
		found |= !strcmp(e->d_name, name);
	closedir(d);
	return found;
}

static void bytes(void)
{
	char name[256];
	int bad = 0;

	for (int c = 1; c < 256; c++) {
		if (c == '/')
			continue;
		name[0] = (char)c;
		name[1] = 0;
		if (c != '.') {
			bad += make_type(name, S_IFREG) < 0 || !listed(name);
			clear(name);
		}
		memset(name, c, 255);
		name[255] = 0;
		bad += make_type(name, S_IFDIR) < 0 || !listed(name) || rmdir(name) < 0;
	}
	say("bytes", "names of one byte and of 255 that fail: %d", bad);
}

static void lengths(void)
{
	char name[300], to[300];
	int bad = 0;

	for (size_t n = 1; n < 256; n++) {
		memset(name, 'a', n);
		name[n] = 0;
		memset(to, 'b', 256 - n);
		to[256 - n] = 0;
		bad += make_type(name, S_IFREG) < 0 || !listed(name);
		bad += rename(name, to) < 0 || !listed(to) || listed(name);
		bad += link(to, name) < 0 || unlink(to) < 0 || unlink(name) < 0;
		bad += symlink("x", name) < 0 || rename(name, to) < 0 || unlink(to) < 0;
		bad += mkdir(name, 0755) < 0 || rename(name, to) < 0 || rmdir(to) < 0;
	}
	say("lengths", "of 1 to 255 that fail: %d", bad);
}

static void odd_names(void)
{
	static const char *const names[] = {
		"...",  " ",     "\n",     "-rf",    "*", "\xff\xfe", "\xc3\xa4", "a\xcc\x88",
		"\xed\xa0\x80", "CON",  "Aa",     "aA",     ".D",    ".hidden",
		"..x",  "a.",     "a ",     "cmkfs.volume", ".fuse_hidden1",
	};

	for (size_t n = 0; n < ARRAY_SIZE(names); n++) {
		const char *r = gave(make_type(names[n], S_IFREG));

		say("odd", "number %zu: %s, listed %d", n, r, listed(names[n]));
	}
	for (size_t n = 0; n < ARRAY_SIZE(names); n++)
		clear(names[n]);
}

static void deep(void)
{
	char name[101];
	int levels = 0, here = must(open(".", O_PATH | O_DIRECTORY)), up = 0;

	memset(name, 'd', 100);
	name[100] = 0;
	for (; levels < 60; levels++)
		if (mkdir(name, 0755) < 0 || chdir(name) < 0)
			break;
	say("deep", "levels of 100 bytes: %d", levels);
	say("deep", "a file there: %s", gave(make_type("file", S_IFREG)));
	say("deep", "renamed there: %s", gave(rename("file", "file2")));
	say("deep", "getcwd: %s", getcwd((char[4096]){ 0 }, 4096) ? "ok" : gave(-1));
	say("deep", "unlinked there: %s", gave(unlink("file2")));
	for (; up < levels; up++)
		if (chdir("..") < 0 || rmdir(name) < 0)
			break;
	say("deep", "and up again: %d", up);
	must(fchdir(here));
	close(here);
	clear(name);
}

static void numbers(void)
{
	struct statvfs v, w;
	int fd = must(open(".", O_RDONLY | O_DIRECTORY));

	must(statvfs(".", &v));
	must(fstatvfs(fd, &w));
	say("statfs", "name length %lu, by descriptor %lu", v.f_namemax, w.f_namemax);
	say("statfs", "block size is a power of two: %d", (v.f_bsize & (v.f_bsize - 1)) == 0);
	say("statfs", "free is not above all: %d, available not above free: %d",
	    v.f_bfree <= v.f_blocks, v.f_bavail <= v.f_bfree);
	say("statfs", "of a name that is not there: %s", gave(statvfs("none", &v)));
	say("statfs", "of a name below a file: %s",
	    gave(make_type("f", S_IFREG) < 0 ? -1 : statvfs("f/x", &v)));
	say("pathconf", "NAME_MAX %ld, PATH_MAX %ld, PIPE_BUF %ld", pathconf(".", _PC_NAME_MAX),
	    pathconf(".", _PC_PATH_MAX), pathconf(".", _PC_PIPE_BUF));
	say("pathconf", "no truncation %ld, chown restricted %ld", pathconf(".", _PC_NO_TRUNC),
	    pathconf(".", _PC_CHOWN_RESTRICTED));
	close(fd);
}

void area_names(void)
{
	bytes();
	lengths();
	odd_names();
	deep();
	numbers();
}
