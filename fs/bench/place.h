/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where compare() works: a folder with a plain directory and a volume.
 */
#ifndef CMKFS_BENCH_PLACE_H
#define CMKFS_BENCH_PLACE_H

#include <limits.h>

#include "crypto/base.h"

struct place {
	char top[PATH_MAX]; /* "" when there is nothing to remove */
	const char *mount_options;
	bool mounted;
	char why[256]; /* what failed, for people */
};

/* In DIR; the volume is mounted when this returns.  0; -errno, and P->why. */
int place_make(struct place *p, const char *dir, const char *cipher, const char *mount_options);
void place_remove(struct place *p); /* unmounts too; may be called again */

/* The path of NAME on one of the two sides. */
void place_path(const struct place *p, bool encrypted, const char *name, char ret[static PATH_MAX]);

/*
 * Nothing of either side is in the kernel's caches, as far as any user may ask
 * for that; the volume is mounted anew.
 */
int place_cold(struct place *p);

#endif
