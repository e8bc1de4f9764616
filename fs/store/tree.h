/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a walk over the stored tree needs: the names of a directory that lead to
 * objects with a header, and these objects.  The zone is entered.
 */
#ifndef CMKFS_STORE_TREE_H
#define CMKFS_STORE_TREE_H

#include "fs/store/internal.h"

struct tree_names { /* stored ones */
	char **v;
	size_t n, cap;
};

int tree_names_add(struct tree_names *l, const char *stored); /* a copy; 0, -ENOMEM */
void tree_names_free(struct tree_names *l);

/* Whether D is a stored name of an object, whatever that is. */
bool tree_is_name(const struct store *st, const struct dirent64 *d);

/*
 * Add the names of files and directories in DIR, which is pinned, that WANTED
 * (NULL: all).  0, -ENOMEM, errors of reading.
 */
int tree_names(struct object *dir, bool (*wanted)(void *arg, const char *stored), void *arg,
	       struct tree_names *ret);

/*
 * What lies at STORED of DIR, a reference.  -ENOENT: nothing, or nothing with a
 * header; -EBADMSG: the name does not authenticate, which a listing reports;
 * -ESTALE, -ENOMEM.
 */
int tree_object(struct object *dir, const char *stored, struct object **ret);

#endif
