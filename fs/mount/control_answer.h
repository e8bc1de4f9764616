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

/* {"ok": false, …} of an error, a hint and an exit code. */
json_t *answer_refused(const char *error, const char *hint, int code);
json_t *answer_no_zone(const char *name);

/* control_zone.c */
json_t *answer_zones(struct mount *m, const json_t *req);
json_t *answer_zone_create(struct mount *m, const json_t *req);
/* The kernel may know NAME in DIR as what it was. */
void zone_forget_name(struct mount *m, const struct object *dir, const char *name);
/* control_zone_end.c */
json_t *answer_zone_destroy(struct mount *m, const json_t *req);
/* control_status.c: as it is in the answer of `status`. */
json_t *zone_json(struct mzone *z);

/*
 * The zone NAME: 0, an ID, what only one begins with (4 digits or more), or the
 * path where it begins; or NULL.
 */
struct mzone *zones_find(struct mount *m, const char *name);

#endif
