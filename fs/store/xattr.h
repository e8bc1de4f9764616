/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A user attribute of an object, under the keys of one epoch, as the files that
 * read, change and re-key them share it.
 */
#ifndef CMKFS_STORE_XATTR_H
#define CMKFS_STORE_XATTR_H

#include <sys/xattr.h>

#include "crypto/aead.h"
#include "fs/store/content.h"

#define USER_VALUE_MAX (XATTR_SIZE_MAX - SEALED_EXTRA)

struct xattr_keys { /* secret; of one call */
	uint8_t xn[NAME_KEY_LEN];
	uint8_t xv[AEAD_KEY_LEN];
};

/* The object is pinned and its header locked, so that re-keying does not come between. */
struct attribute {
	struct object *o;
	struct loaded *l;
	struct xattr_keys *k;
	char stored[NAME_LIMIT + 1];
	uint8_t tag[MAC_LEN];
};

/* ---- xattr_keys.c ---- */

/* NAME NULL: only the keys.  CHANGE: nobody else looks meanwhile. */
int attribute_open(struct object *o, const char *name, bool change, struct attribute *ret);
void attribute_close(struct attribute *a);
/* The same by the keys of EPOCH, of what is open already; ended by attribute_end(). */
int attribute_start(struct loaded *l, const char *name, uint32_t epoch, struct attribute *ret);
int attribute_name(struct attribute *a, const char *name);
void attribute_end(struct attribute *a);
/* While the object is re-keyed: by the epoch before.  1; 0: it is not; negative. */
int attribute_older(const struct attribute *a, const char *name, struct attribute *ret);
/* As getxattr(2). */
ssize_t attribute_get(const struct attribute *a, void *buf, size_t cap);
/* What SEALED, N bytes, holds. */
ssize_t attribute_unseal(const struct attribute *a, const uint8_t *sealed, ssize_t n, void *buf,
			 size_t cap);
/* The stored names of all attributes of what is open as FD: *RET is malloc'd, their length returned. */
ssize_t attributes_list(int fd, char **ret);

/* ---- xattr_rekey.c ---- */

/* Before a change of NAME: it is under the newer keys, which A are.  loaded.lock is held for writing. */
int attribute_renew_first(const struct attribute *a, const char *name);
/* What was begun with a record, and did not end: see loaded.xattr_finished.  loaded.lock is held for writing. */
int attribute_finish(struct loaded *l);
/* The value of A that is on record, while it is in no attribute.  -ENODATA: there is none. */
ssize_t attribute_recorded(const struct attribute *a, void *buf, size_t cap);
/* The stored name that is on record, or "". */
void attribute_recorded_name(struct loaded *l, char ret[static NAME_LIMIT + 1]);

#endif
