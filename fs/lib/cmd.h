/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a verb of the command line is: its entry in the table of verbs, its
 * options, its exit codes and its two-line errors.  One table feeds parser,
 * --help, completion and the check of the manual page.
 *
 * Single-threaded: a process runs one verb.
 */
#ifndef CMKFS_CMD_H
#define CMKFS_CMD_H

#include "fs/lib/config.h"
#include "fs/store/store.h"
#include "keyprov/keyprov.h"

/* Documented in cmkfs(1), EXIT STATUS; a number is never used again for something else. */
enum cmd_exit {
	CMD_OK = 0,
	CMD_FAILED = 1,	     /* anything that has no number of its own */
	CMD_USAGE = 2,	     /* wrong use, or bad input: options, configuration, a key URI */
	CMD_NOT_VOLUME = 3,  /* not a volume, or a damaged one, or made by a newer version */
	CMD_LOCKED = 4,	     /* locked, or refused by the key's owner or his vault's state */
	CMD_UNREACHABLE = 5, /* the key provider cannot be reached or understood */
	CMD_BUSY = 6,	     /* in use: mounted, held by another process */
	CMD_INTEGRITY = 7,   /* integrity errors or a rollback were found */
	CMD_REPAIRED = 8,    /* a check found what it has mended, and nothing else */
	CMD_UNCHECKED = 9    /* a check could not look at everything, and found no damage */
};

/* One option of a verb.  A table of them ends with a NULL name. */
struct opt {
	const char *name;   /* long: "json" */
	char letter;	    /* short, or 0 */
	const char *arg;    /* word for its value in --help; NULL: a flag */
	const char *help;   /* a line: what it does */
	bool *flag;	    /* flags: set to true */
	const char **value; /* values: points into argv */
	char **list;	    /* values that may be repeated: joined by commas, malloc'd */
};

#define OPT_JSON(var) { .name = "json", .help = "print one JSON document", .flag = (var) }
#define OPT_END { .name = NULL }

struct cmd;

struct verb {
	const char *name;	/* its words: "key set" */
	const char *args;	/* for the usage line: "DIR URI" */
	const char *summary;	/* a line: "make a volume" */
	const struct opt *opts; /* may be NULL */
	int min_args, max_args; /* positional arguments */
	void (*more_help)(void); /* prints what --help says after the options, or NULL */
	int (*run)(const struct cmd *c); /* returns an enum cmd_exit */
};

struct cmd {
	const struct verb *verb;
	int argc; /* positional arguments */
	char **argv;
	const struct conf *conf;
};

extern const struct verb *const cmd_verbs[]; /* fs/main.c; ends with NULL */

/*
 * Print `cmkfs: error: …` and, unless HINT is NULL or empty, `cmkfs: hint: …`
 * to standard error; return CODE.  Lower case, no final period.
 */
int cmd_fail(int code, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same of a provider's error: exit code by kp_error_table.  WHAT: "cannot …", or NULL. */
int cmd_fail_kp(const struct kp_error *e, const char *what);
/* The same of an error of the store (ERR = -errno; E may be empty). */
int cmd_fail_store(int err, const struct store_error *e, const char *dir);
/* Exit code of a negative errno of the store. */
int cmd_exit_of(int err);
/* A note that is no error: `cmkfs: …` on standard error. */
void cmd_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* The note that init, info and mount owe whoever uses XTS. */
void cmd_note_xts(void);

/*
 * Parse ARGV (ARGV[0] is skipped) by V's options: options and arguments may be
 * mixed, `--` ends options.  Fills *RET (argc, argv).  Returns -1 to go on, or
 * an exit code when all is done (--help, a usage error that has been printed).
 */
int opts_parse(const struct verb *v, int argc, char **argv, struct cmd *ret);
/* The --help of a verb, and of all. */
void opts_help(const struct verb *v);
void opts_help_all(void);
/*
 * The verb whose words begin ARGV; *RET_WORDS of them.  NULL: none; then
 * *RET_WORDS is the number that began some verb.
 */
const struct verb *opts_find(int argc, char **argv, int *ret_words);
/* For shell completion: what may follow ARGV, one word a line. */
void opts_complete(int argc, char **argv);

#endif
