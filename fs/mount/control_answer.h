/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that answer requests of the control socket share.
 */
#ifndef CMKFS_MOUNT_CONTROL_ANSWER_H
#define CMKFS_MOUNT_CONTROL_ANSWER_H

#include <jansson.h>

#include "fs/mount/zones.h"

/* {"ok": false, …}. */
json_t *answer_failure(const struct mount_failure *f);
json_t *answer_store(int r, const struct store_error *err);

/* The zone NAME: 0, an ID, or what only one begins with (4 digits or more); or NULL. */
struct mzone *zones_find(struct mount *m, const char *name);

#endif
