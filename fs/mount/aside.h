/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests whose answer must wait for another request, which a worker may not:
 * a thread takes them, with the gate that the worker passed.
 */
#ifndef CMKFS_MOUNT_ASIDE_H
#define CMKFS_MOUNT_ASIDE_H

#include "fs/mount/session.h"

struct aside_job {
	/* Answers the request; the gate is left afterwards. */
	void (*run)(struct mount *m, struct aside_job *j);
	fuse_req_t req;
	struct inode *i; /* known to the kernel until it has its answer */
	uint64_t off;
	size_t n;   /* READ */
	int whence; /* LSEEK */
	struct aside_job *next; /* these two are filled in */
	struct zone *zone;
};

int aside_start(struct mount *m, struct aside **ret);
void aside_stop(struct aside *s); /* NULL-safe; answers what it has first */
/* Take a copy of JOB.  0; -ENOMEM: nothing taken, the caller answers and leaves the gate. */
int aside_take(struct aside *s, const struct aside_job *job);

/*
 * aside.c: SEEK_DATA and SEEK_HOLE under the writeback cache.  The kernel asks
 * without writing its dirty pages first, and what it still holds would be
 * called a hole; so they are brought in before.
 */
void aside_seek(struct mount *m, struct aside_job *j);
/* resize.c: a READ that brought to light that the kernel has a wrong size. */
void aside_resize(struct mount *m, struct aside_job *j);

#endif
