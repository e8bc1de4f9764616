/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of making a zone of a directory with files (zone_take.c): what is known
 * of it, and the survey before anything is made (zone_survey.c).
 */
#ifndef CMKFS_STORE_ZONE_TAKE_H
#define CMKFS_STORE_ZONE_TAKE_H

#include "fs/store/internal.h"

struct link_seen { /* a name of a file that has several */
	dev_t dev;
	ino_t ino;
	nlink_t n;
};

struct taking {
	struct object *top;
	struct zone *up, *z;
	zone_moved_fn *moved;
	void *arg;
	struct link_seen *links;
	size_t nlinks, links_cap;
	struct object **known; /* below the top, which comes first; references */
	size_t n, cap;
	struct store_error *err;
};

/* Whether TOP is O, or a directory above it. */
bool lies_in(struct object *o, const struct object *top);
/*
 * Look at all that lies below the top: 0; -EBUSY: a zone begins there, or
 * something is deployed; -EMLINK: a file has a name elsewhere.  Names neither leave
 * nor enter it meanwhile.
 */
int zone_survey(struct taking *t);

#endif
