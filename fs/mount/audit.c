/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The thread that writes a mount's records: see audit.h.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <time.h>

#include "crypto/mac.h"
#include "fs/lib/log.h"
#include "fs/mount/audit_hold.h"
#include "fs/mount/audit_priv.h"

#define PROBE_S 5 /* between two looks whether a required log could be written */
#define RETRY_S 1

static int write_note(struct audit *a, struct kp_audit *log, const struct note *n,
		      struct kp_error *e)
{
	char object[40];
	const struct kp_actor by = { n->uid, n->pid, n->exe };
	const struct kp_record r = { .principal = a->principal, .operation = n->operation,
				     .object = n->ino ? object : a->m->dir, .key = n->key,
				     .outcome = n->outcome, .detail = n->detail,
				     .actor = n->pid ? &by : NULL };

	snprintf(object, sizeof(object), "inode %ju", (uintmax_t)n->ino);
	return kp_audit_write(log, &r, e);
}

enum kind { NOTHING, NOTE, COUNT_LEFT_OUT, COUNT_LOST };

/* What is to be written next, without taking it away. */
static enum kind look_locked(const struct audit *a, struct note *ret)
{
	uint64_t n = a->lost ? a->lost : a->left_out;

	if (!a->lost && a->n) {
		*ret = a->ring[a->first];
		return NOTE;
	}
	if (!n)
		return NOTHING;
	*ret = (struct note){ .operation = a->lost ? "audit.gap" : "mount.more",
			      .outcome = "not listed" };
	snprintf(ret->detail, sizeof(ret->detail), a->lost ?
		 "%ju records before this one could not be written" : "%ju more records",
		 (uintmax_t)n);
	return a->lost ? COUNT_LOST : COUNT_LEFT_OUT;
}

/* It is written, or it is lost. */
static void take_locked(struct audit *a, enum kind kind, bool written)
{
	if (kind == NOTE) {
		a->first = (a->first + 1) % WAITING_MAX;
		a->n--;
		a->lost += !written;
	} else if (written && kind == COUNT_LOST) {
		a->lost = 0;
	} else if (written) {
		a->left_out = 0;
	}
}

/* Where records are required, one that cannot be written waits. */
static int write_waiting(struct audit *a, struct kp_audit *log, struct kp_error *e)
{
	bool required = a->m->opt->audit_required;
	enum kind kind;
	struct note n;
	int r = 0;

	do {
		pthread_mutex_lock(&a->lock);
		kind = look_locked(a, &n);
		pthread_mutex_unlock(&a->lock);
		if (kind == NOTHING)
			break;
		r = log ? write_note(a, log, &n, e) : -EIO;
		pthread_mutex_lock(&a->lock);
		if (!r || !required)
			take_locked(a, kind, !r);
		pthread_mutex_unlock(&a->lock);
	} while (!r || (!required && kind == NOTE));
	return r;
}

static void tell(const struct kp_error *e, bool required)
{
	static struct log_rate rate;

	if (log_allow(&rate))
		log_error(e->hint, "the audit log cannot be written: %s; access %s", e->message,
			  required ? "ends until it can" : "goes on without records");
}

/* One try: what is waiting, or whether something could be. */
static void try(struct audit *a)
{
	bool required = a->m->opt->audit_required;
	struct kp_error e = { 0 };
	struct kp_audit *log = NULL;
	bool failed, armed;
	int r;

	/* Opened for the while: the key may be restored or moved between two records. */
	r = kp_audit_open(a->state_dir, &log, &e);
	r = write_waiting(a, log, &e) ?: r;
	if (!r && required)
		r = kp_audit_probe(log, a->principal, &e);
	kp_audit_close(log);
	crypto_forget();
	pthread_mutex_lock(&a->lock);
	failed = a->failed.code != 0;
	armed = a->armed;
	a->failed = r ? e : (struct kp_error){ 0 };
	pthread_mutex_unlock(&a->lock);
	if (r)
		tell(&e, required);
	else if (failed)
		log_notice("the audit log is written again");
	if (required && armed && r)
		audit_hold(a->m);
	else if (required && armed && failed)
		audit_release(a->m);
}

/* Wait for something to do.  False: the mount ends. */
static bool wait_locked(struct audit *a)
{
	bool looks = a->m->opt->audit_required || a->failed.code;
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += a->failed.code ? RETRY_S : PROBE_S;
	while (!a->stop) {
		if (!a->failed.code && (a->n || a->left_out || a->lost))
			return true;
		if (!looks)
			pthread_cond_wait(&a->wake, &a->lock);
		else if (pthread_cond_clockwait(&a->wake, &a->lock, CLOCK_MONOTONIC, &until))
			return true;
	}
	return false;
}

/* The end of a mount is signed, so that it is not by chance that a copy can be checked. */
static void sign(struct audit *a)
{
	char name[STATE_PRINCIPAL_LEN + 8];
	struct kp_audit *log;

	snprintf(name, sizeof(name), "volume-%s", a->principal + strlen("cmkfs-"));
	if (kp_audit_open(a->state_dir, &log, NULL))
		return;
	kp_audit_tidy(log, name, false, 0, NULL, NULL);
	kp_audit_close(log);
	crypto_forget();
}

static void *audit_main(void *arg)
{
	struct audit *a = arg;
	bool more;

	prctl(PR_SET_NAME, "cmkfs-audit");
	do {
		pthread_mutex_lock(&a->lock);
		more = wait_locked(a);
		if (!more)
			a->armed = false; /* the end locks everything */
		pthread_mutex_unlock(&a->lock);
		try(a);
	} while (more);
	sign(a);
	return NULL;
}

/* ---- life -------------------------------------------------------------------------- */

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

int audit_required(struct audit *a, struct mount_failure *f)
{
	struct kp_audit *log = NULL;
	struct kp_error e = { 0 };
	int r = a->m->opt->audit_required ? kp_audit_open(a->state_dir, &log, &e) : 0;

	if (!r && log)
		r = kp_audit_probe(log, a->principal, &e);
	kp_audit_close(log);
	crypto_forget();
	return r ? mount_fail(f, kp_error_row(r)->exit_code, r, e.hint, "%s", e.message) : 0;
}

void audit_arm(struct audit *a)
{
	pthread_mutex_lock(&a->lock);
	a->armed = true;
	pthread_mutex_unlock(&a->lock);
}

void audit_state(struct audit *a, struct audit_state *ret)
{
	pthread_mutex_lock(&a->lock);
	ret->failed = a->failed;
	ret->lost = a->lost;
	pthread_mutex_unlock(&a->lock);
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
