/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that writes a mount's records: see audit.h.
 */
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "crypto/mac.h"
#include "fs/lib/log.h"
#include "fs/lib/state.h"
#include "fs/mount/audit.h"
#include "keyprov/keyprov.h"

#define WAITING_MAX 512

struct note {
	const char *operation, *outcome; /* static */
	uint64_t ino;
	char detail[160];
};

struct audit {
	struct mount *m;
	char *state_dir;
	char principal[STATE_PRINCIPAL_LEN];
	pthread_t thread;
	pthread_mutex_t lock; /* protects all below */
	pthread_cond_t wake;
	bool stop;
	unsigned int first, n; /* of the ring */
	uint64_t left_out;
	struct note ring[WAITING_MAX];
};

void audit_note(struct audit *a, const char *operation, uint64_t ino, const char *outcome,
		const char *detail, ...)
{
	struct note *n;
	va_list ap;

	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	if (a->n == WAITING_MAX) {
		a->left_out++;
	} else {
		n = &a->ring[(a->first + a->n++) % WAITING_MAX];
		n->operation = operation;
		n->outcome = outcome;
		n->ino = ino;
		va_start(ap, detail);
		vsnprintf(n->detail, sizeof(n->detail), detail, ap);
		va_end(ap);
		pthread_cond_signal(&a->wake);
	}
	pthread_mutex_unlock(&a->lock);
}

static void write_note(struct audit *a, struct kp_audit *log, const struct note *n)
{
	static struct log_rate rate;
	struct kp_error e = { 0 };
	char object[40] = "";

	if (n->ino)
		snprintf(object, sizeof(object), "inode %ju", (uintmax_t)n->ino);
	if (kp_audit_note(log, a->principal, n->operation, n->ino ? object : a->m->dir, n->outcome,
			     n->detail, &e) &&
	    log_allow(&rate))
		log_error(e.hint, "the audit log cannot be written: %s", e.message);
}

/* Take one note, or the count of those that were left out.  False: nothing waits. */
static bool take_locked(struct audit *a, struct note *ret)
{
	if (a->n) {
		*ret = a->ring[a->first];
		a->first = (a->first + 1) % WAITING_MAX;
		a->n--;
		return true;
	}
	if (!a->left_out)
		return false;
	*ret = (struct note){ .operation = "mount.more", .outcome = "not listed" };
	snprintf(ret->detail, sizeof(ret->detail), "%ju more records", (uintmax_t)a->left_out);
	a->left_out = 0;
	return true;
}

static void write_waiting(struct audit *a)
{
	struct kp_error e = { 0 };
	struct kp_audit *log = NULL;
	struct note n;
	bool more;

	/* Opened for the while: the database may be restored or moved between two records. */
	if (kp_audit_open(a->state_dir, &log, &e))
		log_error(e.hint, "the audit log cannot be opened: %s", e.message);
	do {
		pthread_mutex_lock(&a->lock);
		more = take_locked(a, &n);
		pthread_mutex_unlock(&a->lock);
		if (more && log)
			write_note(a, log, &n);
	} while (more);
	kp_audit_close(log);
	crypto_forget();
}

static void *audit_main(void *arg)
{
	struct audit *a = arg;

	prctl(PR_SET_NAME, "cmkfs-audit");
	pthread_mutex_lock(&a->lock);
	while (a->n || a->left_out || !a->stop) {
		if (!a->n && !a->left_out) {
			pthread_cond_wait(&a->wake, &a->lock);
			continue;
		}
		pthread_mutex_unlock(&a->lock);
		write_waiting(a);
		pthread_mutex_lock(&a->lock);
	}
	pthread_mutex_unlock(&a->lock);
	return NULL;
}

int audit_start(struct mount *m, const char *state_dir, struct audit **ret)
{
	struct audit *a = calloc(1, sizeof(*a));
	int r = -ENOMEM;

	if (!a)
		return r;
	a->m = m;
	a->state_dir = strdup(state_dir);
	state_principal(store_volume(m->store)->root.vol, a->principal);
	pthread_mutex_init(&a->lock, NULL);
	pthread_cond_init(&a->wake, NULL);
	if (a->state_dir)
		r = -pthread_create(&a->thread, NULL, audit_main, a);
	if (r < 0) {
		free(a->state_dir);
		free(a);
		return r;
	}
	*ret = a;
	return 0;
}

void audit_stop(struct audit *a)
{
	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->wake);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->wake);
	free(a->state_dir);
	free(a);
}
