/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settling what unclean sessions left, in the background at the lowest
 * priority.  A lock interrupts it; it begins again after the unlock.
 */
#include <errno.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>

#include "crypto/mac.h"
#include "fs/lib/log.h"
#include "fs/mount/session.h"

#define RETRY_S 1

struct settler {
	struct mount *m;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake; /* with stop */
	_Atomic bool stop;
};

static void wait_retry(struct settler *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += RETRY_S;
	pthread_mutex_lock(&s->lock);
	if (!s->stop)
		pthread_cond_timedwait(&s->wake, &s->lock, &until);
	pthread_mutex_unlock(&s->lock);
}

/* A zone is: what it holds is settled when it opens. */
static bool locked(int r)
{
	return r == -ENOKEY || r == -EKEYREVOKED || r == -EKEYEXPIRED || r == -ENOTCONN;
}

static void *settler_main(void *arg)
{
	struct settler *s = arg;

	prctl(PR_SET_NAME, "cmkfs-settler");
	setpriority(PRIO_PROCESS, 0, 19); /* of this thread, on Linux */
	while (!s->stop) {
		int r = zone_state(s->m->zone) == ZONE_UNLOCKED ? store_settle(s->m->store, &s->stop) :
								 -EAGAIN;

		crypto_forget();
		if (!r)
			break;
		if (r != -EINTR && r != -EAGAIN && !locked(r)) {
			log_warning("cmkfs verify DIR says whether anything is missing",
				    "what an unclean end left is not settled yet: %s", strerror(-r));
			wait_retry(s);
		}
		wait_retry(s);
	}
	return NULL;
}

int settler_start(struct mount *m, struct settler **ret)
{
	struct settler *s;
	int r;

	if (m->opt->read_only)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->m = m;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	r = -pthread_create(&s->thread, NULL, settler_main, s);
	if (r < 0) {
		free(s);
		return r;
	}
	*ret = s;
	return 0;
}

void settler_stop(struct settler *s)
{
	if (!s)
		return;
	s->stop = true;
	pthread_mutex_lock(&s->lock);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	free(s);
}
