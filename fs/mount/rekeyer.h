/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bringing a zone to its newest generation while it is mounted, in a thread of
 * its own, of the lowest priority: `cmkfs key rotate --generation` and `--reencrypt`.
 * One zone at a time.  Nothing is kept of it on disk: what is interrupted is begun
 * again, and finds what is left to do.
 */
#ifndef CMKFS_MOUNT_REKEYER_H
#define CMKFS_MOUNT_REKEYER_H

#include <jansson.h>

#include "fs/mount/zones.h"

struct rekeyer;

int rekeyer_start(struct mount *m, struct rekeyer **ret); /* 0, -ENOMEM; idle */
/* The mount ends: it stops, and nothing begins any more.  Waits; NULL-safe. */
void rekeyer_halt(struct rekeyer *k);
void rekeyer_free(struct rekeyer *k); /* after that */

/*
 * The requests of the control socket: `rekey` takes "zone", "contents" (new
 * data keys too) and "bandwidth" (bytes a second, 0: no bound), asks the
 * provider for the new generation's key, and answers when the work has begun;
 * `rekey-status` says how far it is; `rekey-stop` waits until it has stopped.
 */
json_t *rekeyer_begin(struct mount *m, const json_t *req);
json_t *rekeyer_status(struct mount *m, const json_t *req);
json_t *rekeyer_stop(struct mount *m, const json_t *req);

#endif
