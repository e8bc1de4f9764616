/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chmod and chown: who may, what becomes of set-id bits, set-group-ID
 * directories, whose is what one makes.
 */
#include <sys/xattr.h>

#include "tests/posix/posix.h"

static const struct user *const users[] = { &ROOT, &ALICE, &BOB, &CAROL, &DAVE };

static void chmods(const struct user *u)
{
	static const mode_t modes[] = { 0, 0644, 0777, 01777, 02755, 02644, 04755, 06755, 07777 };

	for (size_t t = 0; t < n_types; t++)
		for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
			const char *a;

			become(&ROOT);
			must(make_type("n", node_types[t].type));
			if (is_root)
				must(lchown("n", A_UID, A_GID));
			become(u);
			a = gave(fchmodat(AT_FDCWD, "n", modes[m],
					  node_types[t].type == S_IFLNK ? AT_SYMLINK_NOFOLLOW : 0));
			say("chmod", "%s %s %04o: %s %s", u->name, node_types[t].name, modes[m], a,
			    look("n"));
			become(&ROOT);
			clear("n");
		}
}

static void chowns(const struct user *u)
{
	static const struct {
		uid_t uid;
		gid_t gid;
	} to[] = {
		{ -1, -1 },	   { A_UID, -1 },    { B_UID, -1 },	  { -1, A_GID },
		{ -1, B_GID },	   { -1, S_GID },    { A_UID, A_GID },	  { A_UID, S_GID },
		{ B_UID, B_GID },  { 0, 0 },
	};
	static const mode_t modes[] = { 06777, 06755, 02644, 04644, 01777 };

	for (size_t m = 0; m < ARRAY_SIZE(modes); m++)
		for (size_t n = 0; n < ARRAY_SIZE(to); n++)
			for (int dir = 0; dir < 2; dir++) {
				const char *a;

				become(&ROOT);
				if (dir)
					make_dir("n", modes[m], A_UID, A_GID);
				else
					make_file("n", modes[m], A_UID, A_GID);
				become(u);
				a = gave(chown("n", to[n].uid, to[n].gid));
				say("chown", "%s %s %04o to %d:%d: %s %s", u->name,
				    dir ? "directory" : "file", modes[m], (int)to[n].uid,
				    (int)to[n].gid, a, look("n"));
				become(&ROOT);
				clear("n");
			}
}

static void links_owned(void)
{
	make_file("f", 0644, 0, 0);
	must(symlink("f", "l"));
	say("lchown", "of a link: %s", gave(lchown("l", A_UID, A_GID)));
	say("lchown", "the link: %s", look("l"));
	say("lchown", "the file: %s", look("f"));
	say("lchown", "chown through it: %s", gave(chown("l", B_UID, B_GID)));
	say("lchown", "the link: %s", look("l"));
	say("lchown", "the file: %s", look("f"));
	clear("f");
	say("lchown", "dangling: %s", gave(chown("l", 1, 1)));
	clear("l");
}

/* Writing, cutting and allocating take set-id bits away, unless root does it. */
static void cleared(const struct user *u, int how)
{
	static const char *const name[] = { "write",	  "truncate",	  "ftruncate", "fallocate",
					    "open O_TRUNC", "write of nothing", "append" };
	static const mode_t modes[] = { 06777, 06767, 04777, 02777, 02767 };
	struct stat st;
	const char *a;
	int fd;

	for (size_t m = 0; m < ARRAY_SIZE(modes); m++) {
		become(&ROOT);
		make_file("s", 0666, is_root ? A_UID : geteuid(), is_root ? A_GID : getegid());
		must(truncate("s", 100));
		must(chmod("s", modes[m]));
		become(u);
		fd = open("s", how == 4 ? O_RDWR | O_TRUNC : how == 6 ? O_RDWR | O_APPEND : O_RDWR);
		fstat(fd, &st); /* so that the mode is known before it changes */
		switch (how) {
		case 0:
		case 6:
			a = gave(write(fd, "x", 1));
			break;
		case 1:
			a = gave(truncate("s", 50));
			break;
		case 2:
			a = gave(ftruncate(fd, 50));
			break;
		case 3:
			a = gave(fallocate(fd, 0, 0, 200));
			break;
		case 5:
			a = gave(write(fd, "", 0));
			break;
		default:
			a = gave(fd);
		}
		must(fstat(fd, &st));
		say("set-id", "%s by %s on %04o: %s, %04o", name[how], u->name, modes[m], a,
		    st.st_mode & 07777);
		close(fd);
		say("set-id", "%s by %s on %04o, by name: %04o", name[how], u->name, modes[m],
		    mode_of("s"));
		become(&ROOT);
		clear("s");
	}
}

/* What is no write leaves set-id bits where they are, though something was written before. */
static void set_id_stays(void)
{
	int fd = must(open("s", O_RDWR | O_CREAT, 0755));

	must(write(fd, "data", 4));
	close(fd);
	must(chmod("s", 06755));
	say("set-id", "set after a write: %04o", mode_of("s"));
	must(rename("s", "renamed"));
	must(link("renamed", "linked"));
	must(unlink("renamed"));
	fd = must(open("linked", O_RDONLY));
	must(fsync(fd));
	close(fd);
	say("set-id", "after rename, link and fsync: %04o", mode_of("linked"));
	clear("linked");
}

/* What a change that is no write leaves of file capabilities, beside what was written before. */
static void capability_stays(const void *cap, size_t n)
{
	static const struct timespec times[2] = { { 5, 6 }, { 7, 8 } };
	char buf[64], list[256];
	int fd = must(open("stays", O_RDWR | O_CREAT, 0755));

	must(write(fd, "data", 4));
	close(fd);
	say("capability", "set after a write: %s",
	    gave(setxattr("stays", "security.capability", cap, n, 0)));
	must(utimensat(AT_FDCWD, "stays", times, 0));
	say("capability", "after utimensat: %s",
	    gave(getxattr("stays", "security.capability", buf, sizeof(buf))));
	must(chmod("stays", 0711));
	must(rename("stays", "renamed"));
	say("capability", "after chmod and rename: %s",
	    gave(getxattr("renamed", "security.capability", buf, sizeof(buf))));
	must(link("renamed", "linked"));
	must(unlink("renamed"));
	fd = must(open("linked", O_RDONLY));
	must(fsync(fd));
	close(fd);
	say("capability", "after link and fsync: %s",
	    gave(getxattr("linked", "security.capability", buf, sizeof(buf))));
	say("capability", "listed: %d", listxattr("linked", list, sizeof(list)) > 0);
	fd = must(open("linked", O_WRONLY));
	must(pwrite(fd, "D", 1, 0));
	close(fd);
	say("capability", "after a write at last: %s",
	    gave(getxattr("linked", "security.capability", buf, sizeof(buf))));
	clear("linked");
}

/* File capabilities go the same way. */
static void capability(void)
{
	static const unsigned char cap[20] = { 1, 0, 0, 2, 0x20 };
	char buf[64];
	int fd;

	make_file("cap", 0777, A_UID, A_GID);
	say("capability", "set: %s",
	    gave(setxattr("cap", "security.capability", cap, sizeof(cap), 0)));
	become(&ALICE);
	fd = must(open("cap", O_RDWR));
	must(write(fd, "x", 1));
	close(fd);
	become(&ROOT);
	say("capability", "after a write: %s",
	    gave(getxattr("cap", "security.capability", buf, sizeof(buf))));
	must(setxattr("cap", "security.capability", cap, sizeof(cap), 0));
	must(chown("cap", B_UID, B_GID));
	say("capability", "after chown: %s",
	    gave(getxattr("cap", "security.capability", buf, sizeof(buf))));
	clear("cap");
	capability_stays(cap, sizeof(cap));
}

/* Whose is what one makes, in a directory of MODE and of a group that is not his. */
static void made_in(const struct user *u, mode_t mode, gid_t gid)
{
	static const mode_t bits[] = { 0644, 02755, 06711, 02644 };
	const char *a;

	for (size_t t = 0; t < n_types; t++) {
		become(&ROOT);
		make_dir("d", mode, 0, gid);
		become(u);
		a = gave(make_type("d/n", node_types[t].type));
		say("made", "%s by %s in %05o of %u: %s %s", node_types[t].name, u->name, mode,
		    gid, a,
		    look("d/n"));
		become(&ROOT);
		clear("d");
	}
	for (size_t b = 0; b < ARRAY_SIZE(bits); b++) {
		become(&ROOT);
		make_dir("d", mode, 0, gid);
		become(u);
		a = try_open("d/n", O_CREAT | O_EXCL | O_RDWR, bits[b]);
		say("made", "file %04o by %s in %05o of %u: %s %s", bits[b], u->name, mode, gid, a,
		    look("d/n"));
		a = gave(mkdir("d/m", bits[b]));
		say("made", "directory %04o by %s in %05o of %u: %s %s", bits[b], u->name, mode,
		    gid,
		    a, look("d/m"));
		a = gave(chmod("d/m", 02777));
		say("made", "chmod 2777 by %s in %05o of %u: %s %s", u->name, mode, gid, a,
		    look("d/m"));
		become(&ROOT);
		clear("d");
	}
}

static void as_root(void)
{
	for (size_t u = 0; u < ARRAY_SIZE(users); u++) {
		chmods(users[u]);
		chowns(users[u]);
		made_in(users[u], 0777, 0);
		made_in(users[u], 02777, 0);
		made_in(users[u], 02777, A_GID);
		made_in(users[u], 02777, S_GID);
	}
	for (int how = 0; how < 7; how++) {
		cleared(&ROOT, how);
		cleared(&ALICE, how);
		cleared(&BOB, how);
		cleared(&DAVE, how);
	}
	links_owned();
	capability();
	set_id_stays();
}

void area_owner(void)
{
	if (is_root) {
		as_root();
		return;
	}
	chmods(&ALICE);
	for (int how = 0; how < 7; how++)
		cleared(&ALICE, how);
	make_filled("f", 1);
	say("chown", "to root: %s", gave(chown("f", 0, -1)));
	say("chown", "to a group not mine: %s", gave(chown("f", -1, 0)));
	say("chown", "to what it is: %s", gave(chown("f", getuid(), getgid())));
	say("chown", "to nobody else: %s", gave(chown("f", -1, -1)));
	set_id_stays();
}
