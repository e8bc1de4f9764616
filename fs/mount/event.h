/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store reports, into the log and to the kernel.
 */
#ifndef CMKFS_MOUNT_EVENT_H
#define CMKFS_MOUNT_EVENT_H

#include "fs/store/store.h"

/* Of struct store_options; ARG is the struct mount. */
void mount_event(void *arg, const struct store_event *e);

#endif
