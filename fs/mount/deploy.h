/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployments: subtrees that can still be read while their zone is locked,
 * until they are deleted or the mount ends.
 *
 * A deployment is what was there when it was made: its directories, files and
 * symbolic links are kept as a list of names and objects, and under a lock
 * nothing else is found.  Of the directories above it only the name that leads
 * on is known, and no key.
 *
 * A request that the zone's gate has refused asks here; one that was let in
 * there never does, so that nothing is slower for it.  Who is let in holds the
 * lock of all deployments for reading, until request_leave(): when a
 * deployment has been taken off the list nobody uses it any more.
 */
#ifndef CMKFS_MOUNT_DEPLOY_H
#define CMKFS_MOUNT_DEPLOY_H

#include <jansson.h>

#include "fs/mount/session.h"

struct deploys;
struct mzone;

int deploys_new(struct deploys **ret); /* 0, -ENOMEM */
void deploys_free(struct deploys *d);  /* NULL-safe; there are none any more */
/* Delete all, and let nobody make one any more. */
void deploys_end(struct mount *m);
bool deploys_any(struct mount *m);
/* The zone is destroyed: delete those in it. */
void deploys_drop_zone(struct mount *m, const struct zone *z);
/* The audit log is required and cannot be written (ON): nothing is let in meanwhile. */
void deploys_hold(struct mount *m, bool on);
/* The zone was locked: what stays readable is put on record. */
void deploys_note_lock(struct mount *m, const struct mzone *z);

/* ---- requests --------------------------------------------------------------------- */

/*
 * The zone of I has refused the request at hand with R.  0: it may all the
 * same, and deploy_leave() is due; -EROFS: a change of what is deployed; else R.
 */
int deploy_gate(struct mount *m, struct inode *i, int r);
void deploy_leave(struct deploys *d);
/* Whether O is part of a deployment, or on the way to one.  Not by who was let in by one. */
bool deploy_knows(struct mount *m, const struct object *o);

/* For who was let in: as object_lookup() and object_readdir(). */
int deploy_lookup(struct mount *m, struct object *dir, const char *name, struct object **ret,
		  struct stat *ret_st);
int deploy_readdir(struct mount *m, struct object *dir, int64_t off, dir_emit_fn *emit, void *arg);

/* ---- the control socket --------------------------------------------------------------- */

/*
 * `deploy-create` and `deploy-delete` take a "path" from the root, in
 * hexadecimal; `deploy-list` answers "deployments", as `status` has them.
 */
json_t *answer_deploy_create(struct mount *m, const json_t *req);
json_t *answer_deploy_delete(struct mount *m, const json_t *req);
json_t *answer_deploy_list(struct mount *m, const json_t *req);
/* Of each: path, zone, files, directories, bytes, since, state ("ready" | "serving"). */
json_t *deploys_json(struct mount *m);

#endif
