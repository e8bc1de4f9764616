/* SPDX-License-Identifier: Apache-2.0 */
/*
 * open: every flag on every kind of path, modes and the umask of what it makes.
 */
#include "tests/posix/posix.h"

static const struct {
	const char *name;
	int flags;
} flag_sets[] = {
	{ "O_RDONLY", O_RDONLY },
	{ "O_WRONLY", O_WRONLY },
	{ "O_RDWR", O_RDWR },
	{ "O_CREAT", O_RDWR | O_CREAT },
	{ "O_CREAT|O_EXCL", O_RDWR | O_CREAT | O_EXCL },
	{ "O_CREAT|O_DIRECTORY", O_RDONLY | O_CREAT | O_DIRECTORY },
	{ "O_CREAT|O_NOFOLLOW", O_RDWR | O_CREAT | O_NOFOLLOW },
	{ "O_TRUNC", O_WRONLY | O_TRUNC },
	{ "O_RDONLY|O_TRUNC", O_RDONLY | O_TRUNC },
	{ "O_DIRECTORY", O_RDONLY | O_DIRECTORY },
	{ "O_RDWR|O_DIRECTORY", O_RDWR | O_DIRECTORY },
	{ "O_NOFOLLOW", O_RDONLY | O_NOFOLLOW },
	{ "O_NOFOLLOW|O_DIRECTORY", O_RDONLY | O_NOFOLLOW | O_DIRECTORY },
	{ "O_PATH", O_PATH },
	{ "O_PATH|O_NOFOLLOW", O_PATH | O_NOFOLLOW },
	{ "O_APPEND", O_WRONLY | O_APPEND },
	{ "O_DIRECT", O_RDWR | O_DIRECT },
	{ "O_SYNC", O_RDWR | O_SYNC },
	{ "O_NOATIME", O_RDONLY | O_NOATIME },
};

static void make_paths(void)
{
	make_filled("file", 100);
	must(mkdir("dir", 0755));
	must(symlink("file", "tofile"));
	must(symlink("dir", "todir"));
	must(symlink("absent", "dangling"));
	must(symlink("loop", "loop"));
	must(symlink("loop2", "loop1"));
	must(symlink("loop1", "loop2"));
	must(make_type("socket", S_IFSOCK));
}

static void flags_by_path(void)
{
	static const char *const paths[] = { "file", "dir", "tofile", "todir", "dangling", "loop",
					     "loop1", "none", "file/x", "none/x", "file/", "dir/",
					     "todir/", "none/", "tofile/", "dangling/", "socket",
					     ".", "..", "dir/.", "dir/..", "file/.", "" };

	for (size_t p = 0; p < ARRAY_SIZE(paths); p++)
		for (size_t f = 0; f < ARRAY_SIZE(flag_sets); f++) {
			say("path", "'%s' %s: %s", paths[p], flag_sets[f].name,
			    try_open(paths[p], flag_sets[f].flags, 0644));
			/* What O_CREAT made through a path goes again. */
			unlink("absent");
			unlink("none");
		}
}

static void fifo_opens(void)
{
	must(mkfifo("fifo", 0644));
	say("fifo", "O_WRONLY|O_NONBLOCK: %s", try_open("fifo", O_WRONLY | O_NONBLOCK, 0));
	say("fifo", "O_RDONLY|O_NONBLOCK: %s", try_open("fifo", O_RDONLY | O_NONBLOCK, 0));
	say("fifo", "O_RDWR: %s", try_open("fifo", O_RDWR, 0));
	say("fifo", "O_DIRECTORY: %s", try_open("fifo", O_DIRECTORY | O_RDONLY, 0));
}

static void modes_made(void)
{
	static const mode_t masks[] = { 0, 022, 077, 0777, 027, 0111 };
	static const mode_t modes[] = { 0, 0666, 0777, 0600, 04755, 02755, 01777, 07777, 0200 };

	for (size_t m = 0; m < ARRAY_SIZE(masks); m++)
		for (size_t n = 0; n < ARRAY_SIZE(modes); n++) {
			const char *a;
			int fd;

			umask(masks[m]);
			a = try_open("made", O_RDWR | O_CREAT | O_EXCL, modes[n]);
			say("umask", "open %04o under %03o: %s %s", modes[n], masks[m], a,
			    look("made"));
			clear("made");
			/* Whatever the mode is, the one who makes it may write. */
			fd = open("made", O_RDWR | O_CREAT, modes[n]);
			say("umask", "write to one of %04o under %03o: %s", modes[n], masks[m],
			    gave(fd < 0 ? -1 : write(fd, "x", 1)));
			close(fd);
			clear("made");
			a = gave(mkdir("made", modes[n]));
			say("umask", "mkdir %04o under %03o: %s %s", modes[n], masks[m], a,
			    look("made"));
			clear("made");
			a = gave(mkfifo("made", modes[n]));
			say("umask", "mkfifo %04o under %03o: %s %s", modes[n], masks[m], a,
			    look("made"));
			clear("made");
			a = gave(mknod("made", S_IFREG | modes[n], 0));
			say("umask", "mknod %04o under %03o: %s %s", modes[n], masks[m], a,
			    look("made"));
			clear("made");
			a = gave(symlink("x", "made"));
			say("umask", "symlink under %03o: %s %s", masks[m], a, look("made"));
			clear("made");
		}
	umask(0);
}

static void creat_again(void)
{
	struct stat st;
	int fd;

	make_filled("again", 100);
	must(chmod("again", 0640));
	fd = creat("again", 0777);
	must(fstat(fd, &st));
	say("creat", "of what is there: %s, size %jd, mode %o", gave(fd), (intmax_t)st.st_size,
	    st.st_mode & 07777);
	close(fd);
	clear("again");
	must(symlink("target", "again"));
	fd = open("again", O_CREAT | O_RDWR, 0644);
	say("creat", "through a dangling link: %s, %s", gave(fd), look("target"));
	close(fd);
	clear("target");
	say("creat", "exclusively through it: %s",
	    try_open("again", O_CREAT | O_EXCL | O_RDWR, 0644));
	clear("again");
}

void area_open(void)
{
	make_paths();
	flags_by_path();
	fifo_opens();
	modes_made();
	creat_again();
}
