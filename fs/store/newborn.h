/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attribute of what is not durable under its name yet.
 */
#ifndef CMKFS_STORE_NEWBORN_H
#define CMKFS_STORE_NEWBORN_H

#include "fs/store/internal.h"

/*
 * Before L, open as FD and never synced, gets the name of TAG.  -EOPNOTSUPP and
 * the like: the backing filesystem has no such attributes.
 */
int newborn_mark(struct loaded *l, int fd, const uint8_t tag[static TAG_LEN]);
/* O, open and without a header, was made by an unclean session.  o->lock is held. */
bool newborn_made(struct object *o);
/* An unclean session linked O, resident, at the name of TAG.  o->lock is held. */
bool newborn_bound(struct object *o, const uint8_t tag[static TAG_LEN]);

#endif
