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

#define XATTR_USER "user."
#define XATTR_USER_LEN 5u
#define ATTRIBUTE_TRIES 3 /* of a read-only store, whose writer may be re-keying */
#define USER_VALUE_MAX (XATTR_SIZE_MAX - SEALED_EXTRA)

static inline bool xattr_is_user(const char *name)
{
	return !strncmp(name, XATTR_USER, XATTR_USER_LEN);
}

/* Those that are stored as they are. */
static inline bool xattr_is_clear(const char *name)
{
	return !strncmp(name, "security.", 9) || !strncmp(name, "trusted.", 8) ||
	       !strncmp(name, "system.posix_acl_", 17);
}

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
/* Remove those under keys: of what is open as FD, whose header with the keys is lost. */
void attributes_drop(int fd);

/* A read-only store: what tells one set of keys of O from another; 0: O has no header. */
uint64_t attribute_keys(struct object *o);
/* Whether O has other keys by now than *KEYS, which its writer has given it. */
bool attribute_keys_changed(struct object *o, uint64_t *keys);

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
