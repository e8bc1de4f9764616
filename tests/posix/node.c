/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mkdir, rmdir, link, symlink, unlink, mknod, readlink: every kind of path,
 * and which error comes first.
 */
#include <sys/sysmacros.h>

#include "tests/posix/posix.h"

static int do_mkdir(const char *p)
{
	return mkdir(p, 0755);
}

static int do_mkfifo(const char *p)
{
	return mkfifo(p, 0644);
}

static int do_symlink(const char *p)
{
	return symlink("x", p);
}

static int link_to(const char *p)
{
	return link("f", p);
}

static int link_of(const char *p)
{
	return link(p, "made");
}

static int link_of_followed(const char *p)
{
	return linkat(AT_FDCWD, p, AT_FDCWD, "made", AT_SYMLINK_FOLLOW);
}

static int do_readlink(const char *p)
{
	char buf[256];

	return (int)readlink(p, buf, sizeof(buf));
}

static int do_creat(const char *p)
{
	int fd = open(p, O_CREAT | O_WRONLY | O_TRUNC | O_NONBLOCK, 0644);

	if (fd >= 0)
		close(fd);
	return fd < 0 ? -1 : 0;
}

static int do_stat(const char *p)
{
	return stat(p, &(struct stat){ 0 });
}

static int do_lstat(const char *p)
{
	return lstat(p, &(struct stat){ 0 });
}

static int do_truncate(const char *p)
{
	return truncate(p, 0);
}

static int do_chmod(const char *p)
{
	return chmod(p, 0755);
}

static int do_chown(const char *p)
{
	return chown(p, -1, -1);
}

static int do_utimens(const char *p)
{
	return utimensat(AT_FDCWD, p, NULL, 0);
}

static int do_access(const char *p)
{
	return access(p, R_OK);
}

static int do_chdir(const char *p)
{
	int here = must(open(".", O_PATH | O_DIRECTORY)), r = chdir(p), e = errno;

	must(fchdir(here));
	close(here);
	errno = e;
	return r;
}

static const struct {
	const char *name;
	int (*run)(const char *path);
} calls[] = {
	{ "mkdir", do_mkdir },	       { "rmdir", rmdir },	 { "unlink", unlink },
	{ "mkfifo", do_mkfifo },       { "symlink", do_symlink }, { "link to", link_to },
	{ "link of", link_of },	       { "link of followed", link_of_followed },
	{ "readlink", do_readlink },   { "creat", do_creat },	 { "stat", do_stat },
	{ "lstat", do_lstat },	       { "truncate", do_truncate }, { "chmod", do_chmod },
	{ "chown", do_chown },	       { "utimensat", do_utimens }, { "access", do_access },
	{ "chdir", do_chdir },
};

/* In a new directory each: what a call leaves is no matter for the next. */
static void one_call(size_t c, const char *path, const char *what)
{
	const char *r;

	must(mkdir("t", 0755));
	must(chdir("t"));
	make_filled("f", 3);
	must(mkdir("d", 0755));
	must(mkdir("full", 0755));
	make_filled("full/f", 1);
	must(symlink("f", "tof"));
	must(symlink("d", "tod"));
	must(symlink("none", "dangling"));
	must(symlink("loop", "loop"));
	must(mkfifo("fifo", 0644));
	r = gave(calls[c].run(path));
	must(chdir(".."));
	say("path", "%s '%s': %s", calls[c].name, what ? what : path, r);
	clear("t");
}

static void by_path(void)
{
	static const char *const paths[] = { "new",   "f",     "d",	   "full",  "tof",
					     "tod",   "fifo",  "dangling", "loop",  "",
					     ".",     "..",    "d/.",	   "d/..",  "new/",
					     "f/",    "d/",    "tof/",	   "tod/",  "dangling/",
					     "f/x",   "none/x", "loop/x",  "fifo/x", "tod/new",
					     "//",    "d//new", "full/..", "dangling/x" };
	char name[4200];

	for (size_t c = 0; c < ARRAY_SIZE(calls); c++) {
		for (size_t p = 0; p < ARRAY_SIZE(paths); p++)
			one_call(c, paths[p], NULL);
		memset(name, 'n', sizeof(name));
		name[255] = 0;
		one_call(c, name, "255 bytes");
		memset(name, 'n', sizeof(name));
		name[256] = 0;
		one_call(c, name, "256 bytes");
		name[256] = '/';
		name[300] = 0;
		one_call(c, name, "256 bytes and below");
		for (size_t n = 0; n < sizeof(name) - 1; n++)
			name[n] = n & 1 ? '/' : '.';
		name[4095] = 0;
		one_call(c, name, "PATH_MAX - 1 of steps");
		name[4095] = '/';
		name[4096] = 0;
		one_call(c, name, "PATH_MAX of steps");
	}
}

static void devices(void)
{
	const struct {
		const char *name;
		mode_t mode;
		dev_t dev;
	} nodes[] = {
		{ "null", S_IFCHR | 0666, makedev(1, 3) },
		{ "loop", S_IFBLK | 0640, makedev(7, 300) },
		{ "great", S_IFCHR, makedev(4095, 1048575) }, { "zero", S_IFCHR, 0 },
		{ "none", S_IFREG | 0644, 0 },		    { "untyped", 0600, 0 },
		{ "dir", S_IFDIR | 0755, 0 },		    { "link", S_IFLNK | 0777, 0 },
		{ "whiteout", S_IFCHR, makedev(0, 0) },
	};
	struct stat st;
	char c;

	for (size_t n = 0; n < ARRAY_SIZE(nodes); n++) {
		const char *r = gave(mknod(nodes[n].name, nodes[n].mode, nodes[n].dev));

		memset(&st, 0, sizeof(st));
		if (lstat(nodes[n].name, &st) < 0)
			st.st_mode = 0;
		say("mknod", "%s: %s, mode %o, %u:%u", nodes[n].name, r, st.st_mode,
		    major(st.st_rdev), minor(st.st_rdev));
		clear(nodes[n].name);
	}
	if (!is_root)
		return;
	become(&ALICE);
	say("mknod", "a device by a user: %s", gave(mknod("dev", S_IFCHR | 0666, makedev(1, 3))));
	become(&ROOT);
	must(mkfifo("pipe", 0600));
	int fd = must(open("pipe", O_RDWR | O_NONBLOCK));

	say("mknod", "through a FIFO: %zd", write(fd, "x", 1));
	say("mknod", "and back: %zd", read(fd, &c, 1));
	close(fd);
}

static void symlinks(void)
{
	static const size_t lens[] = { 1, 59, 60, 255, 1000, 3043, 3044, 4094, 4095, 4096 };
	char target[5000], back[5000];
	struct stat st;
	ssize_t n;

	for (size_t k = 0; k < ARRAY_SIZE(lens); k++) {
		const char *r;

		memset(target, 't', sizeof(target));
		target[lens[k]] = 0;
		r = gave(symlink(target, "l"));
		n = readlink("l", back, sizeof(back));
		if (lstat("l", &st) < 0)
			st.st_size = -1;
		say("symlink", "of %zu bytes: %s, readlink %zd, size %jd, same %d", lens[k], r, n,
		    (intmax_t)st.st_size, n > 0 && !memcmp(target, back, (size_t)n));
		clear("l");
	}
	say("symlink", "of nothing: %s", gave(symlink("", "l")));
	must(symlink("12345678", "l"));
	say("symlink", "read short: %zd", readlink("l", back, 3));
	say("symlink", "read into nothing: %s", gave(readlink("l", back, 0)));
	clear("l");
	for (int k = 0; k < 41; k++) {
		char a[16], b[16];

		snprintf(a, sizeof(a), "c%d", k);
		snprintf(b, sizeof(b), "c%d", k + 1);
		must(symlink(b, a));
	}
	make_filled("c41", 1);
	say("symlink", "forty in a row: %s", gave(stat("c1", &st)));
	say("symlink", "forty-one: %s", gave(stat("c0", &st)));
}

static void link_counts(void)
{
	struct stat st;
	char name[16];
	int bad = 0;

	for (size_t t = 0; t < n_types; t++) {
		const char *r;

		must(make_type("n", node_types[t].type));
		r = gave(link("n", "m"));
		say("links", "of a %s: %s, %s", node_types[t].name, r, look("n"));
		say("links", "to what is there: %s", gave(link("n", "n")));
		clear("n");
		say("links", "after the first went: %s", look("m"));
		clear("m");
	}
	make_filled("f", 1);
	for (int k = 0; k < 200; k++) {
		snprintf(name, sizeof(name), "f%d", k);
		bad += link("f", name) < 0;
	}
	must(stat("f", &st));
	say("links", "two hundred: %ju, failed %d", (uintmax_t)st.st_nlink, bad);
	must(mkdir("d", 0755));
	must(stat("d", &st));
	say("links", "of an empty directory: %ju", (uintmax_t)st.st_nlink);
	must(mkdir("d/e", 0755));
	must(stat("d", &st));
	say("links", "with one in it: %ju", (uintmax_t)st.st_nlink);
	must(rmdir("d/e"));
	must(stat("d", &st));
	say("links", "without it: %ju", (uintmax_t)st.st_nlink);
}

void area_node(void)
{
	by_path();
	devices();
	symlinks();
	link_counts();
}
