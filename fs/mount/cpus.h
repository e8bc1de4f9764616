/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processors that threads may run on: sched_setaffinity(2).
 */
#ifndef CMKFS_MOUNT_CPUS_H
#define CMKFS_MOUNT_CPUS_H

#include <sched.h>
#include <stdbool.h>
#include <sys/types.h>

struct cpus {
	cpu_set_t now; /* those that the thread may run on that asked */
	cpu_set_t all; /* what to give back: where NOW is every one, such as are added later, too */
};

/* How many there are for the calling thread; 0: not known. */
int cpus_get(struct cpus *ret);
/* The calling thread runs on CPU alone, one of C; false: it may not. */
bool cpus_keep_on(const struct cpus *c, int cpu);
/* The thread TID, 0 for the calling one, runs on any again. */
void cpus_give_back(const struct cpus *c, pid_t tid);

#endif
