/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the areas of the permission and semantics suite share.  Each check
 * prints one line, `area/group: what: result`, of stable text: the same
 * program runs on two filesystems, and its outputs are compared.
 * One thread; everything happens in the current directory.
 */
#ifndef POSIX_H
#define POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* A user of the suite: uid, group and at most one supplementary group. */
struct user {
	const char *name;
	uid_t uid;
	gid_t gid, supp; /* supp 0: none */
};

extern const struct user ROOT, ALICE, BOB, CAROL, DAVE;
#define A_UID 60001
#define A_GID 60101
#define B_UID 60002
#define B_GID 60102
#define S_GID 60103 /* a group that Carol is in by her supplementary groups only */

extern bool is_root; /* run by root: the parts with several users run */

const char *current_area(void);
/* One line.  GROUP is of the area that is running. */
void say(const char *group, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Name of an errno of a call that gave R: "ok" if R is not negative. */
const char *gave(long r);
/* Name of the error number E, 0: "ok". */
const char *error_name(int e);

/* From here on be U: real and effective ids and groups; as root only.  become(&ROOT) returns. */
void become(const struct user *u);

/* What must succeed to set up a check, or the suite ends with a message and exit code 2. */
#define must(x)                                                                                    \
	({                                                                                         \
		__typeof__(x) must_r = (x);                                                        \
		if (must_r < 0)                                                                    \
			die(#x, __FILE__, __LINE__);                                               \
		must_r;                                                                            \
	})
void die(const char *what, const char *file, int line) __attribute__((noreturn));

/* Make, as who one is: a file of MODE with LEN bytes; a directory; of OWNER and GROUP. */
void make_file(const char *path, mode_t mode, uid_t uid, gid_t gid);
void make_dir(const char *path, mode_t mode, uid_t uid, gid_t gid);
void make_filled(const char *path, size_t len);
/* Make a node of type S_IF*: file, dir, symlink, FIFO, socket, char, block. */
int make_type(const char *path, mode_t type);
/* Types as one can make them; without devices if not root. */
struct node_type {
	const char *name;
	mode_t type;
};
extern const struct node_type node_types[];
extern size_t n_types;

/* open(2) and close(2) again: ok or the errno. */
const char *try_open(const char *path, int flags, mode_t mode);
/* Mode in octal, links, uid, gid and type of a node; in a buffer of its own. */
const char *look(const char *path);
mode_t mode_of(const char *path); /* 07777; 0 if it is not there */
bool exists(const char *path);
/* Remove whatever is there, with all below. */
void clear(const char *path);
/* Long enough that a timestamp taken after it is another one. */
void tick(void);

/* The areas, one file each or two. */
void area_open(void);
void area_flags(void);
void area_access(void);
void area_sticky(void);
void area_owner(void);
void area_rename(void);
void area_node(void);
void area_names(void);
void area_time(void);
void area_stamp(void);
void area_acl(void);
void area_xattr(void);
void area_size(void);
void area_io(void);
void area_lock(void);
void area_dir(void);
void area_held(void);
void area_extra(void);

#endif
