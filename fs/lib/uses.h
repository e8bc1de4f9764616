/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys the volumes of this host stand under, so that who is about to
 * delete a key hears whose it is.  One file a volume, STATE/uses/HEX.json: where
 * the volume is, and what its keyrings said last.  They are asked again; what
 * the file says counts while they cannot be read.
 */
#ifndef CMKFS_USES_H
#define CMKFS_USES_H

#include <jansson.h>

#include "crypto/format.h"

/*
 * Note the keys of the volume in DIR in the state of this host.  What cannot be
 * noted is left: nobody's access depends on it.  Thread-safe.
 */
void uses_note(const char *state_dir, const char *dir);
/* The volume is no more. */
void uses_forget(const char *state_dir, const uint8_t vol[static ID_LEN]);

/*
 * Call FN with each generation of each zone that keys open, until it gives other
 * than 0, which is returned; -errno.
 */
struct use {
	const char *dir, *volume; /* of the volume, and its ID in hex */
	const char *zone;	  /* "0": the root's */
	const json_t *ways;	  /* an array of arrays of kids: all of one together open it */
};
typedef int uses_fn(void *arg, const struct use *u);
int uses_each(const char *state_dir, uses_fn *fn, void *arg);

#endif
