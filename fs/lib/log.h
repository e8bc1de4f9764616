/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log of a command or of the daemon: syslog levels, one sink.  Messages
 * are lower case without a final period; errors come as two lines, what
 * happened and what to do.  Never logged: key bytes; plaintext names above
 * LOG_DEBUG.
 *
 * Thread-safe, log_detach() as well; log_setup() and log_set_sink() are called before threads.
 */
#ifndef CMKFS_LOG_H
#define CMKFS_LOG_H

#include <stdarg.h>
#include <stdatomic.h>
#include <syslog.h>

#include "crypto/base.h"

enum log_target {
	LOG_TO_STDERR,	/* "cmkfs: error: …"; under systemd "<3>…", seen by JOURNAL_STREAM */
	LOG_TO_SYSLOG	/* daemonised */
};

/* Send to TARGET what is at LEVEL (LOG_INFO, …) or more urgent. */
void log_setup(enum log_target target, int level);

/* Nobody reads this process's standard error any more. */
void log_detach(void);

/* Or to FN, a line at a time without newline; NULL: back to the target.  For tests. */
typedef void log_sink_fn(void *arg, int level, const char *line);
void log_set_sink(log_sink_fn *fn, void *arg);

/* HINT: what to do, or NULL. */
void log_error(const char *hint, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_warning(const char *hint, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A warning that is for who starts the daemon, too: until log_detach() standard error has it as well. */
void log_warning_to_starter(const char *hint, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void log_notice(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* For others' log callbacks (fuse_set_log_func): one message of a level. */
void log_va(int level, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

/*
 * Rate limit of one kind of message: at most 10 in 5 s.  False: leave it out.
 * The first message after an interval that lost some says how many.
 *	static struct log_rate rate;
 *	if (log_allow(&rate)) log_warning(…);
 */
struct log_rate {
	_Atomic int64_t begin_ms;
	_Atomic unsigned int count, lost;
};
bool log_allow(struct log_rate *r);

#endif
