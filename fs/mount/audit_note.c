/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records on their way: kept in memory until the thread has written them.
 */
#include <stdarg.h>
#include <stdio.h>

#include "fs/mount/audit_priv.h"

static void add(struct audit *a, const struct note *as, const char *detail, va_list ap)
{
	struct note *n;

	pthread_mutex_lock(&a->lock);
	if (a->n == WAITING_MAX) {
		a->left_out++;
	} else {
		n = &a->ring[(a->first + a->n++) % WAITING_MAX];
		*n = *as;
		vsnprintf(n->detail, sizeof(n->detail), detail, ap);
		pthread_cond_signal(&a->wake);
	}
	pthread_mutex_unlock(&a->lock);
}

void audit_note(struct audit *a, const char *operation, uint64_t ino, const char *outcome,
		const char *detail, ...)
{
	va_list ap;

	if (!a)
		return;
	va_start(ap, detail);
	add(a, &(struct note){ .operation = operation, .outcome = outcome, .ino = ino }, detail,
	    ap);
	va_end(ap);
}

void audit_note_key(struct audit *a, const char *operation, const char *kid, const char *outcome,
		    const char *detail, ...)
{
	struct note n = { .operation = operation, .outcome = outcome };
	va_list ap;

	if (!a)
		return;
	snprintf(n.key, sizeof(n.key), "%s", kid);
	va_start(ap, detail);
	add(a, &n, detail, ap);
	va_end(ap);
}

/* Who asked; what cannot be told of him is left out. */
static void set_asker(struct note *n, const json_t *req)
{
	char link[40];

	n->uid = (unsigned int)json_integer_value(json_object_get(req, "peer_uid"));
	n->pid = (int)json_integer_value(json_object_get(req, "peer_pid"));
	snprintf(link, sizeof(link), "/proc/%d/exe", n->pid);
	if (readlink(link, n->exe, sizeof(n->exe) - 1) < 0)
		n->exe[0] = 0; /* gone, or another user's */
}

void audit_note_by(struct audit *a, const char *operation, const json_t *req, const char *kid,
		   const char *outcome, const char *detail, ...)
{
	struct note n = { .operation = operation, .outcome = outcome };
	va_list ap;

	if (!a)
		return;
	set_asker(&n, req);
	if (kid)
		snprintf(n.key, sizeof(n.key), "%s", kid);
	va_start(ap, detail);
	add(a, &n, detail, ap);
	va_end(ap);
}
