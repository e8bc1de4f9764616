/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erasing what lies in a mount, in a thread: one run at a time.  It goes on
 * when who asked for it has gone.
 */
#ifndef CMKFS_MOUNT_ERASER_H
#define CMKFS_MOUNT_ERASER_H

#include <jansson.h>

#include "fs/mount/session.h"

struct eraser;

int eraser_start(struct mount *m, struct eraser **ret); /* 0, -ENOMEM; idle */
/* The mount ends: it stops after the object at hand.  Waits; NULL-safe. */
void eraser_halt(struct eraser *e);
void eraser_free(struct eraser *e); /* after that */

/*
 * The requests of the control socket.  `erase` takes "paths", from the root and
 * in hexadecimal, since a name may be any bytes, and "recursive".
 * `erase-status` answers "state" ("none", "running", "done", "stopped",
 * "failed"), "error", "hint", "code", "all_files", "all_bytes", "files", "directories",
 * "bytes", and some of what was erased, from number "from" on, as "erased".
 * `erase-stop` waits until it has stopped.
 */
json_t *eraser_begin(struct mount *m, const json_t *req);
json_t *eraser_status(struct mount *m, const json_t *req);
json_t *eraser_stop(struct mount *m, const json_t *req);

#endif
