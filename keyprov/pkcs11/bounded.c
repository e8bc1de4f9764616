/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls with a deadline: see p11.h.
 */
#include "p11.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define STACK_BYTES (1u << 20) /* modules of vendors are not frugal */

struct bounded {
	pthread_t thread;
	p11_bounded_fn *fn;
	p11_bounded_free_fn *free_fn;
	void *arg;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool over, abandoned; /* protected by lock */
	int r;		      /* immutable when over */
	struct kp_error e;
};

static void bounded_free(struct bounded *b)
{
	pthread_cond_destroy(&b->ended);
	pthread_mutex_destroy(&b->lock);
	free(b);
}

static void *run(void *arg)
{
	struct bounded *b = arg;
	int r = b->fn(b->arg, &b->e);
	bool abandoned;

	pthread_mutex_lock(&b->lock);
	b->r = r;
	b->over = true;
	abandoned = b->abandoned;
	pthread_cond_signal(&b->ended);
	pthread_mutex_unlock(&b->lock);
	if (abandoned) {
		b->free_fn(b->arg);
		bounded_free(b);
	}
	return NULL;
}

/* All signals blocked: SIGPIPE, which modules that talk to a server raise, dies with the thread. */
static int start(struct bounded *b)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int r;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(&b->thread, &attr, run, b);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	return r;
}

/*
 * Whether it ended within MS; if not, it is the thread's from now on.  One that
 * ended is joined: what it still frees on its way out, OpenSSL's among it, must
 * not meet the end of the process.
 */
static bool wait_for(struct bounded *b, unsigned int ms)
{
	struct timespec until;
	bool over;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += ms / 1000;
	until.tv_nsec += ms % 1000 * 1000000L;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_nsec -= 1000000000L;
		until.tv_sec++;
	}
	pthread_mutex_lock(&b->lock);
	while (!b->over && pthread_cond_timedwait(&b->ended, &b->lock, &until) != ETIMEDOUT)
		;
	over = b->over;
	b->abandoned = !over;
	if (!over)
		pthread_detach(b->thread);
	pthread_mutex_unlock(&b->lock);
	if (over)
		pthread_join(b->thread, NULL);
	return over;
}

/* A thread that a module holds outlives main(): nothing, OpenSSL's too, is freed beneath it. */
static void end_at_once(int status, void *arg)
{
	(void)arg;
	fflush(NULL);
	_exit(status);
}

static void end_without_cleaning(void)
{
	on_exit(end_at_once, NULL);
}

static struct bounded *bounded_new(p11_bounded_fn *fn, p11_bounded_free_fn *free_fn, void *arg)
{
	struct bounded *b = calloc(1, sizeof(*b));
	pthread_condattr_t attr;

	if (!b)
		return NULL;
	b->fn = fn;
	b->free_fn = free_fn;
	b->arg = arg;
	pthread_mutex_init(&b->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&b->ended, &attr);
	pthread_condattr_destroy(&attr);
	return b;
}

int p11_bounded(unsigned int ms, p11_bounded_fn *fn, p11_bounded_free_fn *free_fn, void *arg,
		bool *ret_left, struct kp_error *e)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct bounded *b = bounded_new(fn, free_fn, arg);
	int r;

	*ret_left = false;
	if (!b || start(b)) {
		if (b)
			bounded_free(b);
		return kp_fail(e, -EAGAIN, NULL, "no memory for a call into a PKCS #11 module");
	}
	*ret_left = !wait_for(b, ms);
	if (*ret_left) {
		pthread_once(&once, end_without_cleaning);
		return kp_fail(e, -EAGAIN, "see that the token and what serves it run; timeout in "
			       "[pkcs11] is how long is waited",
			       "the PKCS #11 module did not answer within %u ms", ms);
	}
	r = b->r;
	if (r && e)
		*e = b->e;
	bounded_free(b);
	return r;
}
