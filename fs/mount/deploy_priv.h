/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files about deployments share.
 */
#ifndef CMKFS_MOUNT_DEPLOY_PRIV_H
#define CMKFS_MOUNT_DEPLOY_PRIV_H

#include <pthread.h>

#include "fs/mount/deploy.h"
#include "fs/store/deploy.h"

struct deploy_node {
	struct object *o; /* a reference */
	char *name;	  /* in the directory that it was found in */
	uint32_t first, n; /* directories: its names, sorted */
	uint32_t next;	  /* of the same bucket */
	bool way;	  /* above the subtree: nothing of it is kept but its one name */
	bool kept;	  /* object_deploy() was */
};

struct deployment {
	struct deployment *next;
	char *path; /* from the root */
	struct zone *zone;
	struct deploy_node *v;
	uint32_t n, cap;
	uint32_t *buckets; /* by object: the first node + 1 */
	uint32_t nbuckets; /* a power of two */
	uint64_t files, dirs, bytes;
	int64_t since; /* unix seconds */
};

struct deploys {
	pthread_mutex_t making; /* outside lock; who changes the list has both */
	pthread_rwlock_t lock;	/* held for reading by requests: no call to the kernel under it */
	struct deployment *first;
	_Atomic unsigned int n;
	_Atomic bool held; /* what is read cannot be recorded, where it must be */
	bool ended; /* protected by making */
};

/* The node of O, or NULL. */
struct deploy_node *deployment_node(const struct deployment *d, const struct object *o);
/* The child NAME of the directory I, or NULL. */
struct deploy_node *deployment_child(const struct deployment *d, const struct deploy_node *i,
				     const char *name);

/*
 * deploy_make.c: all that is at PATH, which is changed.  -EXDEV: another zone
 * begins in it; errors of the store.
 */
int deployment_make(struct mount *m, char *path, struct deployment **ret);
/* Undeploy all and free it; it is on no list. */
void deployment_free(struct deployment *d);

#endif
