/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of cmkfs.journal/, one an object and kind: what is being replaced
 * where the old and the new cannot stand beside each other.
 */
#ifndef CMKFS_STORE_JOURNAL_H
#define CMKFS_STORE_JOURNAL_H

#include "fs/store/internal.h"

enum journal_kind { JOURNAL_XTS, JOURNAL_XATTR };

/* Replace the file of O, whose ID is in H: in place, and durable when this returns. */
int journal_write(struct object *o, const struct header *h, enum journal_kind kind, const void *p,
		  size_t n);
/* Up to CAP bytes of it into P.  Their number; -ENOENT: there is none. */
ssize_t journal_read(struct object *o, const struct header *h, enum journal_kind kind, void *p,
		     size_t cap);
/* Remove it, if it is there; SYNC: durable when this returns. */
int journal_drop(struct object *o, const struct header *h, enum journal_kind kind, bool sync);

#endif
