/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A change of size or of holes, in truncate.c and fallocate.c: from
 * change_begin() to change_end() loaded.resize is held for writing, and loaded.flush.
 */
#ifndef CMKFS_STORE_CHANGE_H
#define CMKFS_STORE_CHANGE_H

#include "fs/store/content.h"

/* Pinned for a change, settled, and no write is under way.  -EROFS, -EISDIR, -EINVAL, -EACCES, … */
int change_begin(struct object *o, struct loaded **ret);
/* The end of it, which gave R: the same. */
int change_end(struct loaded *l, int r);

/* The file is SIZE bytes long; its times move. */
void change_size(struct loaded *l, uint64_t size);
/* Let it shrink or grow to SIZE, contents and all. */
int change_resize(struct loaded *l, uint64_t size);

/* The group G for a change, settled first, with a reference.  -ENOENT: there is none. */
int group_to_change(struct loaded *l, uint32_t g, struct group **ret);
/* Empty the entries of slots [FROM, TO) of G. */
int group_clear(struct loaded *l, uint32_t g, uint32_t from, uint32_t to);
/*
 * What is dirty goes out, so that what it names no more may be discarded: with
 * a barrier if a durable slot still names some of that (W3), or if SYNC; with
 * crash=relaxed without one.
 */
int change_flush(struct loaded *l, bool sync);

#endif
