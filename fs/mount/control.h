/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control socket of a mount, STATE/mounts/VOLUME-DEVICE.sock: one JSON
 * object a line, each way.  Both ends are here: the daemon's, and the calls of the
 * commands.
 *
 * A request is {"cmd": "status" | "lock" | "unlock" | "umount" | "reload" |
 * "stats" | "zone-create" | "zone-destroy" | "zones" | "rekey" | "rekey-status" | "rekey-stop" |
 * "erase" | "erase-status" | "erase-stop" (eraser.h) | "deploy-create" | "deploy-delete" | "deploy-list" (deploy.h)}; the answer {"ok": true, …} or {"ok": false, "error": TEXT, "hint":
 * TEXT, "code": exit code}.  `lock`, `unlock` and `reload` may name a "zone": 0 for
 * the root's, an ID, what it begins with or its path, else all are meant.  `lock`
 * answers when all is locked, with "ms", "refused", "lost"; `umount` when the mount is off the tree, drained and
 * ended, and the connection closes when the daemon has gone.  Only root and
 * the daemon's own user are heard.
 *
 * `zones` answers with the zones as `status`, and looks for where they begin;
 * `zone-create` takes "path", "uri", "role" and perhaps the ID as "zone";
 * `zone-destroy` a "zone".
 *
 * The answer of `status`:
 *   mountpoint, dir, device ("0:41"), vol_id, cipher, mode ("rw" | "ro"), writeback, pid,
 *   janitor (its pid), transport ("dev" or "io_uring"), memory_locked, zones, nodes,
 *   objects, loaded, open_files, pending_bytes, requests, refused, lost,
 *   locks, last_lock {ms, refused, lost, timed_out}
 * and of each of zones: zone, parent (null of the root's), path (null: not seen yet), state ("unlocked" | "draining" | "locked" |
 * "grace"), errno ("EKEYREVOKED", null), reason (text or null), hint, kid,
 * provider, confirmed_ms_ago (-1: never), expires (unix seconds, 0: never),
 * grace_left_ms, operator_locked, opened_by (the kid, or "recovery slot N"; null
 * while locked), locks, slots: of each slot, role, group, kid, state ("granted" |
 * "grace" | "denied" | "unreachable"), reason, confirmed_ms_ago.
 */
#ifndef CMKFS_MOUNT_CONTROL_H
#define CMKFS_MOUNT_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* ---- the commands' side ----------------------------------------------------------- */

/*
 * Connect to the mount that WHAT names: a mount point, or the directory of a
 * volume (the read-write mount of it first).  0 and a descriptor; -ENOENT:
 * there is none; -EACCES: it is somebody else's; other -errno.
 */
int control_connect(const char *state_dir, const char *what, int *ret_fd);

/*
 * Send {"cmd": CMD} and wait for the answer, without limit.  0 and the answer
 * (caller's reference), whatever its "ok"; -EPIPE: the daemon went away;
 * -EPROTO.
 */
int control_call(int fd, const char *cmd, json_t **ret);

/* The same with a request of several words (borrowed; NULL: -ENOMEM). */
int control_request(int fd, const json_t *req, json_t **ret);

/* Wait until the daemon has gone.  FD stays open. */
void control_wait_end(int fd);

/* Call FN with the `status` of each mount of STATE_DIR that answers.  0, -errno. */
typedef void control_each_fn(void *arg, json_t *status);
int control_each(const char *state_dir, control_each_fn *fn, void *arg);

/* ---- the daemon's side ------------------------------------------------------------- */

struct mount;
struct control;

/* Bind and serve.  0, -errno. */
int control_start(struct mount *m, const char *state_dir, struct control **ret);
/*
 * Remove the socket and end the connections.  False: one is still at work, so
 * that nothing it uses may be freed.  NULL-safe.
 */
bool control_stop(struct control *c);
/* Answer who asked for the end of the mount; free C.  After control_stop() said true. */
void control_farewell(struct control *c, uint64_t lost);

/* The answer to a request but `umount` (control_answer.c). */
json_t *control_answer(struct mount *m, const json_t *req);
/* The answer of `status` (control_status.c). */
json_t *control_status(struct mount *m);
json_t *control_stats(struct mount *m);

#endif
