/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads that tell how fast a directory is, with as little of their own cost as
 * can be.  They work in any directory: `cmkfs benchmark` runs them on a disk
 * with and without encryption, `make bench` on other filesystems beside it.
 *
 * One load at a time in a process.
 */
#ifndef CMKFS_LOAD_H
#define CMKFS_LOAD_H

#include <stdatomic.h>

#include "crypto/base.h"

#define LOAD_THREADS_MAX 64

struct load_args {
	const char *path;     /* of a file, or a directory of files */
	double amount;	      /* MiB, files, writes or seconds, as the load says */
	unsigned int threads; /* 1 … LOAD_THREADS_MAX */
	uint64_t seed;	      /* of the order in which files are read */
};

/* *RET: the figure.  0; -EINTR: load_stop; -errno of what failed. */
typedef int load_fn(const struct load_args *a, double *ret);

struct load {
	const char *name;
	const char *unit; /* of the figure: "MiB/s", "/s", "s" */
	const char *what; /* a line: what it does */
	load_fn *run;
};

/* Ends with a NULL name. */
extern const struct load loads[];
const struct load *load_named(const char *name); /* or NULL */

/* Set by a signal handler: the load that runs ends soon. */
extern _Atomic bool load_stop;

load_fn load_write, load_read, load_pread, load_mmap, load_scan, load_overwrite; /* load_file.c */
load_fn load_make, load_epoch, load_list, load_remove;		      /* load_tree.c */

/* ---- what they share (load.c) ------------------------------------------------------ */

struct load_job { /* of one thread */
	const struct load_args *args;
	unsigned int number;
	double end;    /* when to stop, for those that run for a time */
	uint64_t done; /* in the unit of the load */
	void *shared;  /* between threads; may be NULL */
	int (*run)(struct load_job *j);
};

double load_now(void); /* seconds, monotonic */
/* RUN in A->threads threads; what they have done together in how many seconds.  0, -errno. */
int load_run(const struct load_args *a, int (*run)(struct load_job *j), void *shared,
	     uint64_t *ret_done, double *ret_seconds);
uint64_t load_random(uint64_t *state); /* splitmix64: fast, and the same in every run */
/* N bytes that no filesystem compresses; munmap() frees them.  NULL: no memory. */
uint8_t *load_buffer(size_t n);
/* FD from where it is to its end; *DONE grows by the bytes.  0, -errno. */
int load_drain(int fd, uint8_t *buf, size_t n, uint64_t *done);

#endif
