/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How far a long run is: a bar with a rate on a terminal, or one JSON document
 * a line for programs; both on standard error.  One thread.
 */
#ifndef CMKFS_PROGRESS_H
#define CMKFS_PROGRESS_H

#include "crypto/base.h"

enum progress_mode { PROGRESS_NONE, PROGRESS_BAR, PROGRESS_JSON };

struct progress {
	enum progress_mode mode;
	const char *what;     /* "verify" */
	uint64_t total;	      /* bytes; 0: not known */
	uint64_t first;	      /* done by an earlier run */
	uint64_t begin, shown; /* ms */
	bool drawn;	      /* the bar is on the screen */
};

/*
 * bar, json or none; NULL: the bar if standard error is a terminal, else none.
 * 0; -EINVAL.
 */
int progress_parse(const char *word, enum progress_mode *ret);
#define OPT_PROGRESS(var)                                                                          \
	{ .name = "progress", .arg = "HOW", .help = "bar, json or none; a bar on a terminal",      \
	  .value = (var) }

/* FIRST of TOTAL bytes were done before. */
void progress_begin(struct progress *p, enum progress_mode mode, const char *what, uint64_t total,
		    uint64_t first);
/* DONE bytes in all, and OBJECTS.  As often as one likes: it is shown a few times a second. */
void progress_show(struct progress *p, uint64_t done, uint64_t objects);
/* Before something else is printed. */
void progress_clear(struct progress *p);
/* The last word: shown whatever the time, then cleared. */
void progress_end(struct progress *p, uint64_t done, uint64_t objects);

/* N bytes as "1.5 GiB". */
void progress_bytes(uint64_t n, char ret[static 24]);

#endif
