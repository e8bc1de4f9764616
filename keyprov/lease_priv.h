/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside a lease: its two threads and what they share.
 *
 * The checker asks the providers and may hang in one; the guard keeps the ends
 * of lease and grace and never does.  Both change the state through the
 * functions of lease_state.c.  Lock order: apply → lock.
 */
#ifndef CMKFS_LEASE_PRIV_H
#define CMKFS_LEASE_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "clock.h"
#include "slots.h"

#define NEVER (-1)

struct lease {
	/* Immutable. */
	struct kp_context ctx; /* with strings of our own */
	unsigned int period_ms, grace_ms;
	lease_fn *fn;
	void *arg;
	int wake_fd, guard_fd;		/* eventfd: something for the checker, the guard */
	int done_fd;			/* eventfd: the checker has ended */
	int period_fd, guard_timer_fd;	/* timerfd, CLOCK_BOOTTIME */
	int clock_fd;			/* timerfd, CLOCK_REALTIME: not-before and expiry */
	pthread_t checker, guard;
	atomic_int refs;

	pthread_mutex_t apply; /* held over a change of state and FN */
	bool begun;	       /* protected by apply: FN has been called */

	pthread_mutex_t lock; /* protects what follows; held shortly */
	struct lease_status status;
	struct kp_error unreachable; /* why the last check had no answer */
	int64_t confirmed;	     /* ms of CLOCK_BOOTTIME, before the unwrap; NEVER */
	struct slots *next;	     /* to be taken by the checker */
	bool ask;		     /* FN wants the key at the next grant */
	bool stopping;

	/* Of the checker alone. */
	struct slots *slots;
	uint8_t *vk; /* secret */
	unsigned int failures;
};

void lease_unref(struct lease *l);

/* ---- lease_state.c ------------------------------------------------------------ */

/* Take the result of a check begun at STARTED; VK if granted. */
void lease_apply(struct lease *l, const struct check *c, const uint8_t *vk, int64_t started);
/* Move on what time has ended.  Returns the next end (ms of CLOCK_BOOTTIME) or NEVER. */
int64_t lease_expire(struct lease *l);
bool lease_stopping(struct lease *l);

/* ---- lease_thread.c ------------------------------------------------------------- */

/* One check of the slots there are now, applied. */
void lease_check(struct lease *l);
void *lease_checker(void *l);
void *lease_guard(void *l);

#endif
