/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing objects to the zone's active generation (cmkfs-format(5), Rotation,
 * re-key, erasure): their data keys wrapped anew, or new data keys and all
 * contents sealed under them.  Reads and writes go on beside it; whatever is
 * interrupted goes on where it was, since each header and slot says its epoch
 * and generation.
 */
#ifndef CMKFS_STORE_REKEY_H
#define CMKFS_STORE_REKEY_H

#include "fs/store/store.h"

/* Told after each step of so many bytes of contents: 0, or -errno to stop there. */
typedef int rekey_pace_fn(void *arg, uint64_t bytes);

/* Whether the header of O is under an older generation, or its re-keying unfinished.  1, 0, -errno. */
int object_needs_rekey(struct object *o);

/*
 * Wrap the data key of O under the active generation.  One slot of its header
 * is written, and is not durable yet: object_rewrap_rest() is due after a sync.
 * 0; 1: nothing was to be done; -EIO; errors of writing.
 */
int object_rewrap(struct object *o);
/* The header's other slot too, so that none is left under an older generation. */
int object_rewrap_rest(struct object *o);

/*
 * A new data key for the file O, all of it sealed anew and durable.  Also
 * finishes what was interrupted.  -EIO: part of it does not authenticate, and
 * is left as it is, with the old key; -EOPNOTSUPP: an XTS volume.  What PACE
 * gives.
 */
int object_rekey(struct object *o, rekey_pace_fn *pace, void *arg);

#endif
