/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One line at a time to standard error, the journal or syslog.
 */
#include "log.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "fs/lib/clock.h"

#define LINE_BYTES 1024
#define RATE_MS 5000
#define RATE_COUNT 10

static enum log_target to = LOG_TO_STDERR;
static int max_level = LOG_NOTICE;
static bool journal; /* standard error is a stream of the journal */
static _Atomic bool detached;
static _Thread_local bool to_starter;
static log_sink_fn *sink;
static void *sink_arg;

/* JOURNAL_STREAM is "device:inode" of the stream that systemd connected. */
static bool stderr_is_journal(void)
{
	const char *s = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return s && sscanf(s, "%llu:%llu", &dev, &ino) == 2 && !fstat(STDERR_FILENO, &st) &&
	       st.st_dev == dev && st.st_ino == ino;
}

void log_setup(enum log_target target, int level)
{
	to = target;
	max_level = level;
	detached = false;
	if (target == LOG_TO_SYSLOG)
		openlog("cmkfs", LOG_PID, LOG_DAEMON);
	else
		journal = stderr_is_journal();
}

void log_detach(void)
{
	detached = true;
}

void log_set_sink(log_sink_fn *fn, void *arg)
{
	sink = fn;
	sink_arg = arg;
}

static void put_stderr(int level, const char *line)
{
	char out[LINE_BYTES + 8];
	int n;

	if (journal)
		n = snprintf(out, sizeof(out), "<%d>%s\n", level, line);
	else
		n = snprintf(out, sizeof(out), "%s\n", line);
	if (n > 0)
		(void)!write(STDERR_FILENO, out, MIN((size_t)n, sizeof(out) - 1));
}

/* LINE has no newline; control characters have been replaced. */
static void put_line(int level, const char *line)
{
	if (sink) {
		sink(sink_arg, level, line);
		return;
	}
	if (to == LOG_TO_SYSLOG)
		syslog(level, "%s", line);
	if (to == LOG_TO_STDERR || (to_starter && !detached))
		put_stderr(level, line);
}

static void put(int level, const char *prefix, const char *fmt, va_list ap)
	__attribute__((format(printf, 3, 0)));

static void put(int level, const char *prefix, const char *fmt, va_list ap)
{
	char line[LINE_BYTES];
	int saved = errno;
	size_t n;

	n = (size_t)snprintf(line, sizeof(line), "cmkfs: %s", prefix);
	vsnprintf(line + n, sizeof(line) - n, fmt, ap);
	n = strlen(line);
	while (n && line[n - 1] == '\n')
		line[--n] = 0;
	for (char *p = line; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			*p = '?';
	put_line(level, line);
	errno = saved;
}

void log_va(int level, const char *fmt, va_list ap)
{
	if (level <= max_level || sink)
		put(level, level <= LOG_ERR ? "error: " : level == LOG_WARNING ? "warning: " : "",
		    fmt, ap);
}

#define FORWARD(level)                                                                             \
	do {                                                                                       \
		va_list ap;                                                                        \
		va_start(ap, fmt);                                                                 \
		log_va(level, fmt, ap);                                                            \
		va_end(ap);                                                                        \
	} while (0)

static void put_hint(int level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void put_hint(int level, const char *fmt, ...)
{
	va_list ap;

	if (level > max_level && !sink)
		return;
	va_start(ap, fmt);
	put(level, "hint: ", fmt, ap);
	va_end(ap);
}

#define FORWARD_WITH_HINT(level)                                                                   \
	do {                                                                                       \
		FORWARD(level);                                                                    \
		if (hint && *hint)                                                                 \
			put_hint(level, "%s", hint);                                               \
	} while (0)

void log_error(const char *hint, const char *fmt, ...)
{
	FORWARD_WITH_HINT(LOG_ERR);
}

void log_warning(const char *hint, const char *fmt, ...)
{
	FORWARD_WITH_HINT(LOG_WARNING);
}

void log_warning_to_starter(const char *hint, const char *fmt, ...)
{
	to_starter = true;
	FORWARD_WITH_HINT(LOG_WARNING);
	to_starter = false;
}

void log_notice(const char *fmt, ...)
{
	FORWARD(LOG_NOTICE);
}

void log_info(const char *fmt, ...)
{
	FORWARD(LOG_INFO);
}

void log_debug(const char *fmt, ...)
{
	FORWARD(LOG_DEBUG);
}

bool log_allow(struct log_rate *r)
{
	int64_t now = (int64_t)clock_ms(), begin = atomic_load(&r->begin_ms);
	unsigned int lost;

	if (!begin || now - begin >= RATE_MS) {
		if (atomic_compare_exchange_strong(&r->begin_ms, &begin, now)) {
			atomic_store(&r->count, 0);
			lost = atomic_exchange(&r->lost, 0);
			if (lost)
				log_warning(NULL, "%u messages like the next one were left out", lost);
		}
	}
	if (atomic_fetch_add(&r->count, 1) < RATE_COUNT)
		return true;
	atomic_fetch_add(&r->lost, 1);
	return false;
}
