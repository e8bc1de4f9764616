/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs that talk to a mount share.  Functions return an enum
 * cmd_exit and have printed their error.
 */
#ifndef CMKFS_ASK_H
#define CMKFS_ASK_H

#include <jansson.h>

#include "fs/lib/cmd.h"

#define OPT_ZONE(var) \
	{ .name = "zone", .arg = "Z", .help = "the zone: 0 (the root), an ID, or how it begins", .value = (var) }

/*
 * Send REQUEST ("status", "lock" …) to the mount that WHAT names, a mount
 * point or a volume's directory.  *RET is the answer (caller's reference);
 * *RET_FD (may be NULL) the connection, to be closed.
 */
int ask(const struct cmd *c, const char *what, const char *request, json_t **ret, int *ret_fd);

/* The same with a request of several words (taken over). */
int ask_request(const struct cmd *c, const char *what, json_t *req, json_t **ret, int *ret_fd);
/* The same over an open connection; WHAT is named in errors. */
int ask_over(int fd, const char *what, json_t *req, json_t **ret);
/* Of an answer: the number KEY, and whether its "state" is WORD. */
uint64_t ask_number(const json_t *a, const char *key);
bool ask_is_state(const json_t *a, const char *word);
/* {"cmd": CMD, "zone": ZONE}, for ask_request(); ZONE may be NULL. */
json_t *ask_about_zone(const char *cmd, const char *zone);

/*
 * The mount that PATH is in or at: its mount point, and the path below it, both
 * malloc'd.
 */
int ask_mount_of(const char *path, char **ret_mnt, char **ret_below);

/* The same of an absolute path. */
int ask_mount_above(const char *abs, char **ret_mnt, char **ret_below);

/* Whether a filesystem of ours is mounted at the absolute PATH, alive or not. */
bool ask_mounted(const char *path);

/* PATH made absolute: by realpath(3), or as it stands where a locked mount does not answer. */
char *ask_absolute(const char *path);

#endif
