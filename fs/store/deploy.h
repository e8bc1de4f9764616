/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deployed objects: what their zone's wipe leaves alone, so that they can be
 * read while it is locked.  Of such an object the data key stays in locked
 * memory, its header loaded and its descriptor open; nothing of the zone's
 * keys does.
 *
 * While the zone is not entered only these may be called for a deployed object:
 * object_read(), object_getattr(), object_check(), object_readlink(),
 * object_seek(), object_getxattr(), object_listxattr(), deployed_stat(); of
 * any directory object_getattr(), and object_getxattr() of what is not user.*.
 */
#ifndef CMKFS_STORE_DEPLOY_H
#define CMKFS_STORE_DEPLOY_H

#include "fs/store/store.h"

/*
 * Deploy O, whose zone is entered: its header is read, and it is checked to be
 * bound to the name that led here.  Counted: as many times undeployed.
 * -EIO: integrity; -EMFILE: more than half of what may be open; -ENOMEM.
 */
int object_deploy(struct object *o);
/* No longer.  If its zone is locked its key is wiped.  Nobody is using O by that deployment. */
void object_undeploy(struct object *o);

/*
 * Whether NAME in the deployed directory DIR still leads to O: 0 and its
 * attributes; -ENOENT: nothing is there; -ESTALE: something else is (O NULL:
 * anything).
 */
int deployed_stat(struct object *dir, const char *name, struct object *o, struct stat *ret);

#endif
