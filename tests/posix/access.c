/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who may do what: each class of users by each mode, over all operations on
 * a file and in a directory.
 */
#include <sys/xattr.h>

#include "tests/posix/posix.h"

static const struct user *const users[] = { &ROOT, &ALICE, &BOB, &CAROL, &DAVE };

static const char *one_exec(const char *path)
{
	return gave(faccessat(AT_FDCWD, path, X_OK, AT_EACCESS));
}

static const char *one_truncate(const char *path)
{
	return gave(truncate(path, 0));
}

static const char *one_times_now(const char *path)
{
	return gave(utimensat(AT_FDCWD, path, NULL, 0));
}

static const char *one_times_set(const char *path)
{
	struct timespec t[2] = { { 1, 1 }, { 2, 2 } };

	return gave(utimensat(AT_FDCWD, path, t, 0));
}

static const char *one_times_omit(const char *path)
{
	struct timespec t[2] = { { 0, UTIME_OMIT }, { 0, UTIME_OMIT } };

	return gave(utimensat(AT_FDCWD, path, t, 0));
}

static const char *one_times_half(const char *path)
{
	struct timespec t[2] = { { 0, UTIME_NOW }, { 0, UTIME_OMIT } };

	return gave(utimensat(AT_FDCWD, path, t, 0));
}

static const char *one_setxattr(const char *path)
{
	return gave(setxattr(path, "user.a", "1", 1, 0));
}

static const char *one_getxattr(const char *path)
{
	char c[8];

	return gave(getxattr(path, "user.a", c, sizeof(c)));
}

static const char *one_noatime(const char *path)
{
	return try_open(path, O_RDONLY | O_NOATIME, 0);
}

static mode_t class_mode(const struct user *u, unsigned int bits)
{
	/* What the class may not, the others may, so that the class is what counts. */
	if (u == &ALICE)
		return bits << 6 | (~bits & 7) * 011;
	if (u == &BOB || u == &CAROL)
		return (~bits & 7) * 0101 | bits << 3;
	return u == &DAVE ? (~bits & 7) * 0110 | bits : bits * 0111;
}

static void by_mode(const struct user *u, unsigned int bits)
{
	mode_t mode = class_mode(u, bits);
	const char *r[3];

	become(&ROOT);
	clear("f");
	make_file("f", mode, A_UID, A_GID);
	must(setxattr("f", "user.a", "0", 1, 0));
	become(u);
	r[0] = try_open("f", O_RDONLY, 0);
	r[1] = try_open("f", O_WRONLY, 0);
	r[2] = try_open("f", O_RDWR, 0);
	say("file", "%s %03o open: r %s, w %s, rw %s", u->name, mode, r[0], r[1], r[2]);
	say("file", "%s %03o trunc on open: %s", u->name, mode,
	    try_open("f", O_RDONLY | O_TRUNC, 0));
	say("file", "%s %03o execute: %s", u->name, mode, one_exec("f"));
	say("file", "%s %03o truncate: %s", u->name, mode, one_truncate("f"));
	say("file", "%s %03o times now: %s", u->name, mode, one_times_now("f"));
	say("file", "%s %03o times set: %s", u->name, mode, one_times_set("f"));
	say("file", "%s %03o times omitted: %s", u->name, mode, one_times_omit("f"));
	say("file", "%s %03o times half: %s", u->name, mode, one_times_half("f"));
	say("file", "%s %03o set xattr: %s", u->name, mode, one_setxattr("f"));
	say("file", "%s %03o get xattr: %s", u->name, mode, one_getxattr("f"));
	say("file", "%s %03o O_NOATIME: %s", u->name, mode, one_noatime("f"));
	r[0] = gave(access("f", R_OK));
	r[1] = gave(access("f", W_OK));
	r[2] = gave(access("f", R_OK | W_OK | X_OK));
	say("file", "%s %03o access: r %s, w %s, rwx %s", u->name, mode, r[0], r[1], r[2]);
	say("file", "%s %03o chmod: %s", u->name, mode, gave(chmod("f", mode)));
}

static const char *one_list(const char *path)
{
	return try_open(path, O_RDONLY | O_DIRECTORY, 0);
}

static void fill_dir(mode_t mode)
{
	become(&ROOT);
	clear("d");
	make_dir("d", 0777, A_UID, A_GID);
	make_file("d/f", 0666, A_UID, A_GID);
	make_file("d/g", 0666, A_UID, A_GID);
	make_dir("d/sub", 0777, A_UID, A_GID);
	must(symlink("f", "d/link"));
	must(chmod("d", mode));
}

static void in_dir(const struct user *u, unsigned int bits)
{
	mode_t mode = class_mode(u, bits);
	struct stat st;
	const char *a;

#define LINE(what, call)                                                                           \
	do {                                                                                       \
		a = (call);                                                                        \
		say("dir", "%s %03o " what ": %s", u->name, mode, a);                              \
	} while (0)
	fill_dir(mode);
	become(u);
	LINE("list", one_list("d"));
	LINE("stat in it", gave(stat("d/f", &st)));
	LINE("stat of what is not there", gave(stat("d/none", &st)));
	LINE("open in it", try_open("d/f", O_RDONLY, 0));
	LINE("create", try_open("d/new", O_CREAT | O_EXCL | O_WRONLY, 0644));
	LINE("O_CREAT of what is there", try_open("d/f", O_CREAT | O_WRONLY, 0644));
	LINE("O_EXCL of what is there", try_open("d/f", O_CREAT | O_EXCL | O_WRONLY, 0644));
	LINE("mkdir", gave(mkdir("d/newdir", 0755)));
	LINE("mkdir of what is there", gave(mkdir("d/sub", 0755)));
	LINE("mkfifo", gave(mkfifo("d/newfifo", 0644)));
	LINE("symlink", gave(symlink("t", "d/newlink")));
	LINE("link", gave(link("d/f", "d/newhard")));
	LINE("readlink", gave(readlink("d/link", (char[8]){ 0 }, 8)));
	LINE("rename in it", gave(rename("d/f", "d/f2")));
	LINE("rename over in it", gave(rename("d/f2", "d/g")));
	LINE("rename of what is not there", gave(rename("d/none", "d/none2")));
	LINE("unlink", gave(unlink("d/link")));
	LINE("unlink of what is not there", gave(unlink("d/none")));
	LINE("rmdir", gave(rmdir("d/sub")));
	LINE("rmdir of a file", gave(rmdir("d/g")));
	LINE("chdir", gave(chdir("d") == 0 ? chdir("..") : -1));
#undef LINE
}

/* The links of the suite's own: protected_hardlinks decides on others' files. */
static void across_dirs(const struct user *u, mode_t from, mode_t to)
{
	const char *a;

	become(&ROOT);
	clear("from");
	clear("to");
	make_dir("from", 0777, A_UID, A_GID);
	make_dir("to", 0777, A_UID, A_GID);
	make_file("from/f", 0666, A_UID, A_GID);
	make_dir("from/d", 0777, A_UID, A_GID);
	make_dir("from/shut", 0555, B_UID, B_GID);
	must(chmod("from", from));
	must(chmod("to", to));
	become(u);
	a = gave(rename("from/f", "to/f"));
	say("across", "%s %03o to %03o file: %s", u->name, from, to, a);
	a = gave(rename("from/d", "to/d"));
	say("across", "%s %03o to %03o directory: %s", u->name, from, to, a);
	/* Its .. changes: it must be writable itself. */
	a = gave(rename("from/shut", "to/shut"));
	say("across", "%s %03o to %03o directory not writable: %s", u->name, from, to, a);
}

void area_access(void)
{
	static const mode_t modes[] = { 0777, 0555, 0333, 0111 };

	if (!is_root)
		return;
	for (size_t u = 0; u < ARRAY_SIZE(users); u++)
		for (unsigned int bits = 0; bits < 8; bits++) {
			by_mode(users[u], bits);
			in_dir(users[u], bits);
		}
	for (size_t u = 0; u < ARRAY_SIZE(users); u++)
		for (size_t a = 0; a < ARRAY_SIZE(modes); a++)
			for (size_t b = 0; b < ARRAY_SIZE(modes); b++)
				across_dirs(users[u], modes[a], modes[b]);
}
