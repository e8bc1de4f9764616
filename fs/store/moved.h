/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What got another name while a walk over the tree was under way, for the walk
 * to go there as well.  What was taken from here and done is not taken again,
 * so that the walk ends under any load.
 */
#ifndef CMKFS_STORE_MOVED_H
#define CMKFS_STORE_MOVED_H

#include <pthread.h>

#include "fs/store/noteset.h"

struct object;

enum moved_for { MOVED_SETTLE, MOVED_REKEY, MOVED_KINDS };

struct moved {
	enum moved_for what;
	pthread_mutex_t lock;  /* protects all below, and object.queued of this kind */
	struct object **queue; /* references */
	size_t n, cap;
	bool overflow; /* more than could be kept: the walk has to be done again */
	struct noteset done; /* object IDs */
};

void moved_init(struct moved *q, enum moved_for what);
void moved_destroy(struct moved *q);
/* All is forgotten: a walk begins. */
void moved_clear(struct moved *q);
/* O, whose ID this is, unless it was done. */
void moved_put(struct moved *q, struct object *o, const uint8_t id[static NOTE_LEN]);
struct object *moved_take(struct moved *q); /* the reference is the caller's; NULL: there is none */
void moved_back(struct moved *q, struct object *o); /* it could not be done now */
int moved_done(struct moved *q, struct object *o); /* its zone is not entered; 0, the lock errno, -ENOMEM */
bool moved_overflow(struct moved *q);

#endif
