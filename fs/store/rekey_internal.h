/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the ways of giving a file a new data key share.
 */
#ifndef CMKFS_STORE_REKEY_INTERNAL_H
#define CMKFS_STORE_REKEY_INTERNAL_H

#include "fs/store/content.h"
#include "fs/store/rekey.h"

/* ---- rekey.c; loaded.flush is held ---- */

/* A batch; where it fails, whoever flushes next tries it again. */
int rekey_batch(struct loaded *l, bool sync);
/* The keys of the header under the active generation.  loaded.lock is held for writing. */
int rekey_wrap_again(struct loaded *l);
/*
 * A new key for the next epoch in the header, and what it changes besides in L
 * by BESIDE; loaded.lock is held for writing.  On failure nothing has changed.
 */
int rekey_take_key(struct loaded *l, int (*beside)(struct loaded *l));
/* Everything is of the new epoch: the old key goes from the header.  loaded.lock is held for writing. */
int rekey_drop_key(struct loaded *l);

/* The header's next slot: the other one, once the last is durable.  loaded.flush is not held. */
int rekey_other_slot(struct loaded *l, bool sync);

/* ---- rekey_gcm.c, rekey_xts.c: all of a file that is settled, durable when this returns ---- */

int rekey_gcm(struct loaded *l, rekey_pace_fn *pace, void *arg);
int rekey_xts(struct loaded *l, rekey_pace_fn *pace, void *arg);

#endif
