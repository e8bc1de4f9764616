/* SPDX-License-Identifier: Apache-2.0 */
/*
 * utimensat and futimens: who may set what, NOW and OMIT, nanoseconds, times
 * before 1970 and after 2038.
 */
#include "tests/posix/posix.h"

#define NOW UTIME_NOW
#define OMIT UTIME_OMIT

static const struct {
	const char *name;
	long a, m; /* nanoseconds */
} ways[] = {
	{ "both now", NOW, NOW }, { "both omitted", OMIT, OMIT }, { "atime now", NOW, OMIT },
	{ "mtime now", OMIT, NOW }, { "atime set", 123, OMIT },	  { "mtime set", OMIT, 456 },
	{ "both set", 123, 456 },   { "now and set", NOW, 456 },  { "set and now", 123, NOW },
};

static const char *what_now(const struct timespec *now, const struct timespec *was, long ns)
{
	if (now->tv_sec == 1000 && now->tv_nsec == ns)
		return "set";
	return now->tv_sec == was->tv_sec && now->tv_nsec == was->tv_nsec ? "kept" : "new";
}

static void by_user(const struct user *u, mode_t mode)
{
	for (size_t w = 0; w < ARRAY_SIZE(ways); w++) {
		struct timespec t[2] = { { 1000, ways[w].a }, { 1000, ways[w].m } };
		struct timespec old[2] = { { 5000, 5 }, { 6000, 6 } };
		struct stat a, b;
		const char *r;

		become(&ROOT);
		make_file("f", mode, is_root ? A_UID : getuid(), is_root ? A_GID : getgid());
		must(utimensat(AT_FDCWD, "f", old, 0));
		must(stat("f", &a));
		become(u);
		r = gave(utimensat(AT_FDCWD, "f", t, 0));
		must(stat("f", &b));
		say("user", "%s %03o %s: %s, atime %s, mtime %s", u->name, mode, ways[w].name, r,
		    what_now(&b.st_atim, &a.st_atim, ways[w].a),
		    what_now(&b.st_mtim, &a.st_mtim, ways[w].m));
		become(&ROOT);
		clear("f");
	}
}

static void values(void)
{
	static const struct timespec v[] = {
		{ 0, 0 },	   { 1, 999999999 },  { -1, 0 },	 { -1, 999999999 },
		{ -86400, 1 },	   { 2147483647, 1 }, { 2147483648, 2 }, { 4294967295, 3 },
		{ 4294967296, 4 }, { -2147483648, 5 }, { 15032385535, 6 },
		{ 1700000000, 123456789 },
	};
	static const long bad[] = { -1, 1000000000, 2000000000 };
	struct stat st;

	for (size_t t = 0; t < 3; t++)
		for (size_t n = 0; n < ARRAY_SIZE(v); n++) {
			struct timespec ts[2] = { v[n], v[ARRAY_SIZE(v) - 1 - n] };
			const char *r;

			must(make_type("n", node_types[t].type));
			r = gave(utimensat(AT_FDCWD, "n", ts, AT_SYMLINK_NOFOLLOW));
			must(lstat("n", &st));
			say("value", "%s %jd.%09ld: %s, %jd.%09ld %jd.%09ld", node_types[t].name,
			    (intmax_t)v[n].tv_sec, v[n].tv_nsec, r, (intmax_t)st.st_atim.tv_sec,
			    st.st_atim.tv_nsec, (intmax_t)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
			clear("n");
		}
	make_filled("f", 1);
	for (size_t n = 0; n < ARRAY_SIZE(bad); n++) {
		struct timespec ts[2] = { { 1, bad[n] }, { 1, 1 } };

		say("value", "%ld nanoseconds: %s", bad[n], gave(utimensat(AT_FDCWD, "f", ts, 0)));
	}
	say("value", "an unknown flag: %s", gave(utimensat(AT_FDCWD, "f", NULL, 0x4000)));
	clear("f");
}

/* Set times stay, whatever was written before and is flushed after. */
static void after_writing(void)
{
	struct timespec ts[2] = { { 77, 7 }, { 88, 8 } };
	struct stat st;
	int fd = must(open("w", O_RDWR | O_CREAT, 0644));

	must(write(fd, "hello", 5));
	say("written", "futimens: %s", gave(futimens(fd, ts)));
	must(fsync(fd));
	must(fstat(fd, &st));
	say("written", "after fsync: %jd %jd", (intmax_t)st.st_atim.tv_sec,
	    (intmax_t)st.st_mtim.tv_sec);
	close(fd);
	must(stat("w", &st));
	say("written", "after close: %jd %jd", (intmax_t)st.st_atim.tv_sec,
	    (intmax_t)st.st_mtim.tv_sec);
	fd = must(open("w", O_RDONLY));
	say("written", "futimens of a read-only descriptor: %s", gave(futimens(fd, ts)));
	close(fd);
	must(symlink("w", "s"));
	ts[1].tv_sec = 99;
	must(utimensat(AT_FDCWD, "s", ts, AT_SYMLINK_NOFOLLOW));
	must(stat("w", &st));
	say("written", "the file behind a link: %jd", (intmax_t)st.st_mtim.tv_sec);
	must(lstat("s", &st));
	say("written", "the link: %jd", (intmax_t)st.st_mtim.tv_sec);
	must(utimensat(AT_FDCWD, "s", ts, 0));
	must(stat("w", &st));
	say("written", "through the link: %jd", (intmax_t)st.st_mtim.tv_sec);
	clear("w");
	say("written", "through a dangling one: %s", gave(utimensat(AT_FDCWD, "s", ts, 0)));
	clear("s");
}

void area_time(void)
{
	static const struct user *const users[] = { &ROOT, &ALICE, &BOB, &CAROL, &DAVE };
	static const mode_t modes[] = { 0644, 0444, 0666, 0, 0464 };

	for (size_t u = 0; u < (is_root ? ARRAY_SIZE(users) : 1); u++)
		for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
			by_user(is_root ? users[u] : &ALICE, modes[m]);
	values();
	after_writing();
}
