/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What fsck and verify share: getting at the volume, running the check,
 * reporting it.
 */
#ifndef CMKFS_CMD_CHECK_H
#define CMKFS_CMD_CHECK_H

#include <jansson.h>

#include "fs/lib/progress.h"
#include "fs/store/check.h"
#include "volkeys.h"

/* The options that both have. */
struct check_args {
	bool json, stored_names;
	const char *jobs, *progress;
};

#define OPTS_CHECK(a)                                                                              \
	OPT_JSON(&(a)->json),                                                                      \
	{ .name = "jobs", .letter = 'j', .arg = "N", .help = "threads; as many as processors",     \
	  .value = &(a)->jobs },                                                                   \
	{ .name = "stored-names", .help = "print no plain names, only those in the backing directory", \
	  .flag = &(a)->stored_names },                                                            \
	OPT_PROGRESS(&(a)->progress)

struct checker {
	const struct cmd *cmd;
	const struct check_args *args;
	const char *verb;
	bool notes;	   /* what is harmless is reported, too */
	const char *state; /* file to go on by, or NULL */
	struct check_options opt;
	/* Made by check_run(): */
	char *dir;
	struct volkeys keys;	  /* of the root's zone */
	struct volkeys *others;	  /* of the other zones that were opened */
	unsigned int nothers;
	struct store *st;
	uint8_t *vk; /* secret memory */
	struct progress progress;
	json_t *findings;
	struct check_result base; /* of earlier runs */
	char *from;
	uint64_t confirmed; /* ms: the key was */
	int lost;	    /* exit code: the key is denied now */
};

/* All of it.  Returns an exit code; what failed has been printed. */
int check_run(struct checker *k, const char *what);

/* ---- check_report.c ---- */

/* A check_options.finding; ARG is a struct checker. */
void check_print(void *arg, const struct check_finding *f);
/* The end: one JSON document, or a line. */
int check_summary(struct checker *k, const struct check_result *r, bool complete);
/* S with what is no printable UTF-8 text as \xNN.  malloc'd; NULL: no memory. */
char *check_text(const char *s);

/* ---- check_state.c ---- */

/* Go on where the file says, if there is one.  An exit code. */
int check_state_load(struct checker *k);
/* A check_options.checkpoint. */
void check_state_save(void *arg, const struct check_position *p, const struct check_result *r);
void check_state_remove(struct checker *k);

#endif
