/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that erase share.
 */
#ifndef CMKFS_STORE_ERASE_PRIV_H
#define CMKFS_STORE_ERASE_PRIV_H

#include "fs/store/entry.h"
#include "fs/store/erase.h"

#define LINKED_BUCKETS 4096u

struct name_in { /* NAME in DIR, a reference */
	struct object *dir;
	char *name, *path;
};

/* A file of several links, and which of them were found. */
struct linked {
	struct linked *next;
	dev_t dev;
	ino_t ino;
	nlink_t nlink;
	struct name_in *v;
	unsigned int n;
};

struct eraser {
	struct store *st;
	struct erasure *e;
	struct store_error *err;
	bool destroy;	 /* the second pass */
	struct linked *linked[LINKED_BUCKETS]; /* by inode number */
	unsigned int missing; /* links that were not found yet */
};

/* ---- erase.c ---- */

/*
 * Destroy the wrapped data keys of O, a file or directory that the caller has a
 * reference of: they are gone from the disk when 0 is returned, and O gives
 * -EIO from then on.  The zone is entered.
 * -EMLINK: it has more than LINKS names; -ENOTEMPTY; -EBUSY.
 */
int object_erase(struct object *o, unsigned int links, struct erased *ret);

/* ---- erase_walk.c ---- */

/* Fill the error of X about PATH, and return R. */
int erase_fail(struct eraser *x, int r, const char *hint, const char *path, const char *why);
/* What lies at NAME in DIR, a reference. */
int erase_look(struct object *dir, const char *name, struct object **ret, struct stat *sb);
/* NAME in DIR, and what is below it, by the pass that X is in. */
int erase_one(struct eraser *x, struct object *dir, const char *name, const char *path);

/* ---- erase_links.c ---- */

/* PATH, which is NAME in DIR, is a name of the file SB.  0, -ENOMEM. */
int linked_add(struct eraser *x, const struct stat *sb, struct object *dir, const char *name,
	       const char *path);
struct linked *linked_find(struct eraser *x, const struct stat *sb);
/* Look for the names that are missing in all of the zones there are. */
int linked_search(struct eraser *x);
/* One of which not all names are known, or NULL. */
const struct linked *linked_lacking(struct eraser *x);
void linked_free(struct eraser *x);

#endif
