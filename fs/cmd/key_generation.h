/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `key rotate --generation` and `--reencrypt`: a new vault key for a mounted
 * zone, and all that is in it brought under that.
 */
#ifndef CMKFS_CMD_KEY_GENERATION_H
#define CMKFS_CMD_KEY_GENERATION_H

#include "fs/lib/progress.h"
#include "volkeys.h"

struct generation_args {
	bool generation, reencrypt, stop;
	const char *bandwidth, *progress;
};

#define OPTS_GENERATION(a)                                                                         \
	{ .name = "generation", .help = "a new vault key; all data keys are wrapped under it",     \
	  .flag = &(a)->generation },                                                              \
	{ .name = "reencrypt", .help = "new data keys too, and all contents encrypted anew",       \
	  .flag = &(a)->reencrypt },                                                               \
	{ .name = "bandwidth", .arg = "RATE", .help = "so many bytes a second at most: 50M",       \
	  .value = &(a)->bandwidth },                                                              \
	{ .name = "stop", .help = "stop what is under way; the same again goes on with it",        \
	  .flag = &(a)->stop },                                                                    \
	OPT_PROGRESS(&(a)->progress)

static inline bool generation_asked(const struct generation_args *a)
{
	return a->generation || a->reencrypt || a->stop;
}

/* key_generation.c: a new vault key, active at once.  Prints errors. */
int generation_make(const struct volkeys *k);
/* key_generation_run.c: all of it. */
int generation_run(const struct volkeys *k, const struct generation_args *a);

#endif
