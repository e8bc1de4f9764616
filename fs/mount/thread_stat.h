/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel says of a thread, of this process or another: proc_pid_stat(5).
 */
#ifndef CMKFS_MOUNT_THREAD_STAT_H
#define CMKFS_MOUNT_THREAD_STAT_H

#include <stdbool.h>
#include <sys/types.h>

/* The processor on which the thread TID ran last; -1: not known. */
int thread_cpu(pid_t tid);
/* Whether it runs, or would if it had a processor. */
bool thread_runs(pid_t tid);

#endif
