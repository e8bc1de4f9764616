/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of a zone, seen from the mount: see grant.h.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "crypto/secret.h"
#include "fs/lib/cmd.h"
#include "fs/mount/grant_set.h"
#include "keyprov/open.h"

/* ---- life ---------------------------------------------------------------------------- */

/* Take S into force; the old set's leases end. */
static void put_in_force(struct grant *g, struct grant_set *s)
{
	struct grant_set *old;
	bool late;

	pthread_mutex_lock(&g->apply);
	pthread_mutex_lock(&g->lock);
	/* An older keyring's must not come after a newer one's: its key may still be granted. */
	late = g->retired || (g->set && s->ring->seq < g->set->ring->seq);
	old = late ? s : g->set;
	if (!late)
		g->set = s;
	pthread_mutex_unlock(&g->lock);
	if (old)
		old->retired = true;
	for (unsigned int i = 0; i < s->n && old != s; i++)
		if (s->parts[i].told) {
			grant_set_judge(s, NULL);
			break;
		}
	pthread_mutex_unlock(&g->apply);
	grant_set_free(old);
}

/* By a recovery slot, if the mount was told to and the keyring has one that this opens. */
static int start_recovery(struct grant *g, struct keyring *ring, struct store_error *err)
{
	struct recovery *by = g->z->m->recovery;

	return by ? grant_recover(g, ring, by, err) : -ENOENT;
}

static int start(struct grant *g, struct store_error *err)
{
	struct grant_set *s = NULL;
	struct keyring *ring;
	int r = zone_keyring(g->z->zone, &ring, err);

	if (r < 0)
		return r;
	r = start_recovery(g, ring, err);
	if (r != -ENOENT && r != -EKEYREJECTED) {
		keyring_free(ring);
		return r;
	}
	r = grant_set_new(g, ring, &s, err);
	if (!r)
		put_in_force(g, s);
	return r;
}

int grant_start(struct mzone *z, struct grant **ret, struct store_error *err)
{
	struct grant *g = calloc(1, sizeof(*g));
	pthread_condattr_t attr;
	int r;

	if (!g)
		return -ENOMEM;
	g->z = z;
	pthread_mutex_init(&g->apply, NULL);
	pthread_mutex_init(&g->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&g->decided, &attr);
	pthread_condattr_destroy(&attr);
	r = start(g, err);
	if (r < 0) {
		grant_stop(g);
		return r;
	}
	*ret = g;
	return 0;
}

void grant_retire(struct grant *g)
{
	struct grant_set *s;

	pthread_mutex_lock(&g->apply);
	pthread_mutex_lock(&g->lock);
	s = g->set;
	g->set = NULL;
	g->retired = true;
	pthread_mutex_unlock(&g->lock);
	if (s)
		s->retired = true;
	pthread_mutex_unlock(&g->apply);
	grant_set_free(s);
}

void grant_stop(struct grant *g)
{
	if (!g)
		return;
	grant_retire(g);
	grant_set_free(g->next);
	pthread_cond_destroy(&g->decided);
	pthread_mutex_destroy(&g->apply);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static void deadline(struct timespec *t, unsigned int ms)
{
	clock_gettime(CLOCK_MONOTONIC, t);
	t->tv_sec += ms / 1000;
	t->tv_nsec += (long)(ms % 1000) * 1000000L;
	if (t->tv_nsec >= 1000000000L) {
		t->tv_sec++;
		t->tv_nsec -= 1000000000L;
	}
}

static bool wait_decided(struct grant *g, const struct grant_set *s, unsigned int timeout_ms)
{
	struct timespec until;
	bool decided;

	deadline(&until, timeout_ms);
	pthread_mutex_lock(&g->apply);
	while (!(decided = grant_set_decided(s)))
		if (!timeout_ms)
			pthread_cond_wait(&g->decided, &g->apply);
		else if (pthread_cond_timedwait(&g->decided, &g->apply, &until) == ETIMEDOUT)
			break;
	pthread_mutex_unlock(&g->apply);
	return decided;
}

void grant_wait(struct grant *g, unsigned int timeout_ms)
{
	if (g->set)
		wait_decided(g, g->set, timeout_ms);
}

/* ---- what is asked of it ------------------------------------------------------------------ */

int grant_reload(struct grant *g, struct store_error *err)
{
	struct grant_set *s = NULL;
	struct keyring *ring;
	int r;

	if (g->recovered)
		return 0; /* the next mount uses what there is now */
	if (g->z->gone)
		return -ENOKEY;
	r = zone_keyring(g->z->zone, &ring, err);
	if (!r)
		r = grant_set_new(g, ring, &s, err);
	if (r < 0)
		return r;
	wait_decided(g, s, 0); /* until then the old leases hold */
	put_in_force(g, s);
	return 0;
}

static bool is_decided(struct grant *g, const struct grant_set *s)
{
	bool decided;

	pthread_mutex_lock(&g->apply);
	decided = grant_set_decided(s);
	pthread_mutex_unlock(&g->apply);
	return decided;
}

/* Whether RING is another than the one in force. */
static bool is_news(struct grant *g, const struct keyring *ring)
{
	bool news;

	pthread_mutex_lock(&g->lock);
	news = g->set && g->set->ring->seq != ring->seq;
	pthread_mutex_unlock(&g->lock);
	return news;
}

void grant_look(struct grant *g, uint64_t stamp)
{
	struct store_error err = { "", "" };
	struct keyring *ring;

	if (g->next && is_decided(g, g->next)) {
		put_in_force(g, g->next);
		g->next = NULL;
	}
	if (g->next || stamp == g->stamp || zone_keyring(g->z->zone, &ring, &err))
		return;
	g->stamp = stamp;
	if (!is_news(g, ring))
		keyring_free(ring);
	else if (grant_set_new(g, ring, &g->next, &err))
		g->next = NULL;
}

void grant_suspend(struct grant *g)
{
	g->suspended = true;
}

void grant_retry(struct grant *g)
{
	pthread_mutex_lock(&g->lock);
	for (unsigned int i = 0; (g->trying || g->waiting || g->suspended) && g->set && i < g->set->n;
	     i++)
		lease_ask(g->set->parts[i].lease);
	pthread_mutex_unlock(&g->lock);
}

int grant_unwrap(struct grant *g, struct keyring *ring, uint8_t ret_vk[static KEY_LEN],
		 struct kp_error *e)
{
	struct generation *gen = keyring_generation(ring, ring->active);
	struct state_context ctx;
	int r = state_context(&ctx, g->z->m->opt->conf, &ring->zone);

	if (r)
		return kp_fail(e, -EIO, NULL, "cannot use the state directory: %s", strerror(-r));
	r = gen ? kp_open_generation(&ctx.kp, &ring->zone, gen, 0, ret_vk, NULL, e) :
		  kp_fail(e, -EBADMSG, NULL, "the keyring has no active generation");
	state_context_done(&ctx);
	return r;
}

static int unlock(struct grant *g, struct mount_failure *f)
{
	_cleanup_secret_ uint8_t *vk = secret_alloc(KEY_LEN);
	struct store_error err = { "", "" };
	struct kp_error e = { 0 };
	struct zone_vk *v = NULL;
	struct keyring *ring;
	unsigned int n;
	int r;

	if (!vk)
		return mount_fail(f, CMD_FAILED, -ENOMEM, NULL, "out of locked memory");
	r = zone_keyring(g->z->zone, &ring, &err);
	if (r < 0)
		return mount_fail(f, cmd_exit_of(r), r, err.hint, "%s", err.message);
	r = grant_unwrap(g, ring, vk, &e);
	if (r < 0) {
		grant_fail_lease(&e, f);
	} else {
		r = grant_generations(g, ring, vk, &v, &n);
		if (!r)
			r = unlock_operator(g->z->locker, v, n, &err);
		secret_free(v);
		if (r < 0)
			mount_fail(f, cmd_exit_of(r), r, err.hint, "cannot unlock: %s",
				   err.message[0] ? err.message : strerror(-r));
	}
	keyring_free(ring);
	return r;
}

int grant_unlock(struct grant *g, struct mount_failure *f)
{
	struct store_error err = { "", "" };
	struct lease_status s;

	if (g->recovered)
		return mount_fail(f, CMD_LOCKED, -ENOKEY, "mount it again with --recovery",
				  "the recovery key is not kept, so it cannot be unlocked by it");
	grant_status(g, &s);
	if (grant_is_open(&s))
		return unlock(g, f);
	unlock_operator(g->z->locker, NULL, 0, &err);
	return grant_fail_lease(&s.error, f);
}
