/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Being told that administration changed the embedded vault: inotify on the
 * state directory, and a counter in the database that only administration
 * moves, so that our own audit records do not count.  Not thread-safe.
 */
#ifndef CMKFS_LOCAL_WATCH_H
#define CMKFS_LOCAL_WATCH_H

#include "db.h"

struct watch {
	int fd;		  /* -1: none */
	bool timer;	  /* FD only says that it is time to look */
	int identity_wd;
	int64_t changes;  /* as last read; -1: unknown */
};

/* Where inotify cannot be had (its instances are few), a timer looks twice a second. */
void watch_open(struct watch *w, const char *state_dir);
void watch_close(struct watch *w);
/* Drain.  Whether anything changed that may matter to L and PRINCIPAL. */
bool watch_drain(struct watch *w, struct local *l, const char *principal);
/* Drain, with nobody to ask. */
void watch_discard(struct watch *w);

#endif
