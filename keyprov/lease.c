/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases: starting, stopping, and what a caller may ask of a running one.
 */
#include "lease_priv.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "crypto/secret.h"

#define DEFAULT_PERIOD_MS 60000u
#define STOP_WAIT_MS 1000 /* for a provider that hangs; it is then left to itself */

/* ---- life ---------------------------------------------------------------------- */

static int dup_string(const char **s)
{
	if (*s)
		*s = strdup(*s);
	return *s ? 0 : -ENOMEM;
}

/* Strings of our own: the caller's need not outlive the call. */
static int copy_context(struct lease *l, const struct kp_context *ctx)
{
	const char **s[] = { &l->ctx.state_dir, &l->ctx.principal, &l->ctx.tenant, &l->ctx.region,
			     &l->ctx.binding };
	bool failed = false;

	l->ctx = *ctx;
	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		failed |= *s[i] && dup_string(s[i]);
	return failed ? -ENOMEM : 0;
}

static void free_context(struct lease *l)
{
	free((void *)(uintptr_t)l->ctx.state_dir);
	free((void *)(uintptr_t)l->ctx.principal);
	free((void *)(uintptr_t)l->ctx.tenant);
	free((void *)(uintptr_t)l->ctx.region);
	free((void *)(uintptr_t)l->ctx.binding);
}

void lease_unref(struct lease *l)
{
	if (atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	slots_free(l->slots);
	slots_free(l->next);
	secret_free(l->vk);
	free_context(l);
	cleanup_close(&l->wake_fd);
	cleanup_close(&l->guard_fd);
	cleanup_close(&l->done_fd);
	cleanup_close(&l->period_fd);
	cleanup_close(&l->guard_timer_fd);
	cleanup_close(&l->clock_fd);
	pthread_mutex_destroy(&l->apply);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

static int open_descriptors(struct lease *l)
{
	l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->guard_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	l->period_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	l->guard_timer_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	l->clock_fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (l->wake_fd < 0 || l->guard_fd < 0 || l->done_fd < 0 || l->period_fd < 0 ||
	    l->guard_timer_fd < 0 || l->clock_fd < 0)
		return -errno;
	return 0;
}

static struct lease *lease_new(const struct kp_context *ctx, const struct lease_options *opt,
			       lease_fn *fn, void *arg)
{
	struct lease *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->wake_fd = l->guard_fd = l->done_fd = -1;
	l->period_fd = l->guard_timer_fd = l->clock_fd = -1;
	l->period_ms = opt->period_ms ? opt->period_ms : DEFAULT_PERIOD_MS;
	l->grace_ms = opt->grace_ms;
	l->fn = fn;
	l->arg = arg;
	l->confirmed = NEVER;
	atomic_init(&l->refs, 1);
	pthread_mutex_init(&l->apply, NULL);
	pthread_mutex_init(&l->lock, NULL);
	l->vk = secret_alloc(KP_SECRET_LEN);
	if (copy_context(l, ctx) || !l->vk) {
		lease_unref(l);
		return NULL;
	}
	return l;
}

/* Signals are for the threads of the program. */
static int start_threads(struct lease *l)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&l->guard, NULL, lease_guard, l);
	if (!r) {
		atomic_fetch_add(&l->refs, 1);
		r = pthread_create(&l->checker, NULL, lease_checker, l);
		if (r) {
			atomic_fetch_sub(&l->refs, 1);
			pthread_mutex_lock(&l->lock);
			l->stopping = true;
			pthread_mutex_unlock(&l->lock);
			eventfd_write(l->guard_fd, 1);
			pthread_join(l->guard, NULL);
		}
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

int lease_start(const struct kp_context *ctx, const struct lease_slot *slots, unsigned int n,
		const struct lease_options *opt, lease_fn *fn, void *arg, struct lease **ret)
{
	struct lease *l = lease_new(ctx, opt, fn, arg);
	int r;

	if (!l)
		return -ENOMEM;
	r = open_descriptors(l);
	l->slots = slots_new(slots, n);
	if (!r && !l->slots)
		r = -ENOMEM;
	if (!r && opt->background)
		eventfd_write(l->wake_fd, 1);
	else if (!r)
		lease_check(l);
	if (!r)
		r = start_threads(l);
	if (r) {
		lease_unref(l);
		return r;
	}
	*ret = l;
	return 0;
}

void lease_stop(struct lease *l)
{
	struct pollfd done;

	if (!l)
		return;
	pthread_mutex_lock(&l->apply); /* an FN that runs ends first */
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	pthread_mutex_unlock(&l->lock);
	pthread_mutex_unlock(&l->apply);
	eventfd_write(l->wake_fd, 1);
	eventfd_write(l->guard_fd, 1);
	pthread_join(l->guard, NULL);

	done = (struct pollfd){ .fd = l->done_fd, .events = POLLIN };
	if (poll(&done, 1, STOP_WAIT_MS) > 0)
		pthread_join(l->checker, NULL);
	else
		pthread_detach(l->checker); /* it lets go of the lease when it comes back */
	lease_unref(l);
}

/* ---- questions ----------------------------------------------------------------- */

int lease_replace(struct lease *l, const struct lease_slot *slots, unsigned int n)
{
	struct slots *s = slots_new(slots, n), *old;

	if (!s)
		return -ENOMEM;
	pthread_mutex_lock(&l->lock);
	old = l->next;
	l->next = s;
	pthread_mutex_unlock(&l->lock);
	slots_free(old); /* never opened */
	lease_kick(l);
	return 0;
}

void lease_kick(struct lease *l)
{
	eventfd_write(l->wake_fd, 1);
}

void lease_ask(struct lease *l)
{
	pthread_mutex_lock(&l->lock);
	l->ask = true;
	pthread_mutex_unlock(&l->lock);
	lease_kick(l);
}

void lease_status(struct lease *l, struct lease_status *ret)
{
	int64_t now = boottime_ms();

	pthread_mutex_lock(&l->lock);
	*ret = l->status;
	ret->confirmed_ms_ago = l->confirmed == NEVER ? -1 : now - l->confirmed;
	ret->grace_left_ms = 0;
	if (l->status.state == LEASE_GRACE)
		ret->grace_left_ms = l->confirmed + l->period_ms + (int64_t)l->grace_ms - now;
	ret->grace_left_ms = MAX(ret->grace_left_ms, 0);
	pthread_mutex_unlock(&l->lock);
}
