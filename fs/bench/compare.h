/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory with and without encryption: the same loads in a folder of it
 * and in a volume that is made in it for the purpose, in turn.  All of it is
 * in one folder, which is gone afterwards, however it comes.
 *
 * The volume is made, mounted and unmounted by this program itself, run anew,
 * with a state directory of its own in that folder: neither keys nor records
 * of the host are touched.  Single-threaded.
 */
#ifndef CMKFS_COMPARE_H
#define CMKFS_COMPARE_H

#include "fs/bench/load.h"

#define COMPARE_RUNS_MAX 99

struct compare_options {
	const char *dir;
	const char *cipher; /* "gcm", "xts" */
	const char *mount_options; /* for -o, or NULL */
	unsigned int size_mib, files, runs; /* of the large file; small files; repetitions */
	double seconds; /* of each load that runs for a time */
};

struct compare_row {
	const char *load, *unit;
	double plain, encrypted; /* medians */
	double ratio;		 /* of the speeds, encrypted to plain */
};

/* Called when a load begins, for a word of progress. */
typedef void compare_note_fn(void *arg, const char *load, unsigned int run);

/*
 * Fills RET, malloc'd, *RET_N rows.  0; -EINTR: load_stop; -ENOSPC: room for
 * twice the data is needed; -EIO: RET_WHY says what failed, for people.
 */
int compare(const struct compare_options *o, compare_note_fn *note, void *arg,
	    struct compare_row **ret, size_t *ret_n, char ret_why[static 256]);

#endif
