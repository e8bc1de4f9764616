/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the two ways of erasing share: in a mount, by its daemon, and in a
 * volume that is not mounted.  Functions return an enum cmd_exit and have
 * printed their error.
 */
#ifndef CMKFS_CMD_ERASE_H
#define CMKFS_CMD_ERASE_H

#include <jansson.h>

#include "fs/lib/cmd.h"
#include "fs/lib/progress.h"

struct erase_run {
	const struct cmd *c;
	char *dir;	       /* of the volume, malloc'd */
	char **paths;	       /* from the root */
	unsigned int n;
	bool recursive;
	enum progress_mode mode;
	struct progress progress;
	bool begun;	       /* the progress is shown */
	json_t *erased;	       /* erased_json() of each */
	uint64_t files, dirs, bytes;
	const _Atomic bool *interrupted;
};

/* How far it is. */
void erase_show(struct erase_run *e, uint64_t all, uint64_t bytes, uint64_t objects);

/* In the volume e->dir (erase_unmounted.c). */
int erase_unmounted(struct erase_run *e);

#endif
