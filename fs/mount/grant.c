/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The lease of the mount's zone.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "fs/lib/cmd.h"
#include "fs/lib/log.h"
#include "fs/lib/state.h"
#include "fs/mount/follow.h"
#include "fs/mount/grant.h"
#include "fs/mount/lock.h"

struct grant {
	struct mount *m;
	struct state_context ctx;
	struct lease *lease;
	bool followed;		  /* before there was a lease to be given the new slots */
	pthread_mutex_t lock;	  /* protects all below */
	int unlock_error;	  /* what the last granted key met; 0: it opened the zone */
	struct store_error store; /* why */
};

/* The provider's slots of the generation in use, as they are on disk now. */
struct slots {
	struct keyring *ring; /* what they point into */
	struct lease_slot slot[KEYRING_SLOTS];
	unsigned int n;
};

static void take_slots(struct slots *s)
{
	struct generation *gen = keyring_generation(s->ring, s->ring->active);

	s->n = 0;
	for (unsigned int i = 0; gen && i < gen->nslots; i++) {
		const struct keyslot *k = &gen->slots[i];

		if ((k->type == SLOT_RSA || k->type == SLOT_SYMMETRIC) && k->role != ROLE_SHARE)
			s->slot[s->n++] = (struct lease_slot){ k->kid, k->blob, k->blob_len };
	}
}

/* Free ret->ring with keyring_free(). */
static int read_slots(struct store *st, struct slots *ret, struct store_error *err)
{
	int r = store_keyring(st, &ret->ring, err);

	if (r < 0)
		return r;
	take_slots(ret);
	if (ret->n)
		return 0;
	keyring_free(ret->ring);
	ret->ring = NULL;
	snprintf(err->message, sizeof(err->message), "no key of a provider opens this volume");
	snprintf(err->hint, sizeof(err->hint), "cmkfs key set DIR URI gives it one");
	return -ENOKEY;
}

static int granted(struct grant *g, const struct lease_status *s, const uint8_t *vk)
{
	struct store_error err = { "", "" };
	int r = lock_grant(g->m->locker, vk, &err);

	pthread_mutex_lock(&g->lock);
	g->unlock_error = r;
	g->store = err;
	pthread_mutex_unlock(&g->lock);
	if (r < 0)
		log_error(err.hint, "the key %s does not open the volume: %s", s->kid,
			  err.message[0] ? err.message : strerror(-r));
	return r;
}

/* Called by the lease's thread, and by lease_start(). */
static int on_lease(void *arg, const struct lease_status *s, const uint8_t *vk)
{
	struct grant *g = arg;

	switch (s->state) {
	case LEASE_GRANTED: {
		struct store_error err = { "", "" };
		int r = granted(g, s, vk);

		if (!r && follow_newest(g->m, &g->ctx.kp, s, vk)) {
			if (g->lease)
				grant_reload(g, &err);
			else
				g->followed = true; /* lease_start() still runs */
		}
		return r;
	}
	case LEASE_GRACE:
		log_warning(s->error.hint,
			    "the key's provider cannot be asked: %s; access ends in %jd s",
			    s->error.message, (intmax_t)(s->grace_left_ms / 1000));
		return 0;
	case LEASE_DENIED:
	case LEASE_LOST:
		log_warning(s->error.hint, "access is denied: %s", s->error.message);
		lock_deny(g->m->locker, s->app_errno ? s->app_errno : ENOKEY);
		return 0;
	}
	return 0;
}

int grant_start(struct mount *m, struct mount_failure *f, struct grant **ret)
{
	const struct lease_options opt = { m->opt->lease_ms, m->opt->grace_ms };
	struct store_error err = { "", "" };
	struct grant *g = calloc(1, sizeof(*g));
	struct slots s = { .ring = NULL };
	int r = -ENOMEM;

	if (!g)
		return mount_fail(f, CMD_FAILED, r, NULL, "out of memory");
	g->m = m;
	pthread_mutex_init(&g->lock, NULL);
	r = state_context(&g->ctx, m->opt->conf, zone_id(m->zone));
	if (!r)
		r = read_slots(m->store, &s, &err);
	if (!r)
		r = lease_start(&g->ctx.kp, s.slot, s.n, &opt, on_lease, g, &g->lease);
	keyring_free(s.ring);
	if (!r && g->followed)
		r = grant_reload(g, &err);
	if (r < 0) {
		mount_fail(f, cmd_exit_of(r), r, err.hint, "cannot get the key: %s",
			   err.message[0] ? err.message : strerror(-r));
		grant_stop(g);
		return r;
	}
	*ret = g;
	return 0;
}

void grant_stop(struct grant *g)
{
	if (!g)
		return;
	lease_stop(g->lease);
	state_context_done(&g->ctx);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

static int fail_store(struct grant *g, struct mount_failure *f)
{
	struct store_error err;
	int r;

	pthread_mutex_lock(&g->lock);
	r = g->unlock_error;
	err = g->store;
	pthread_mutex_unlock(&g->lock);
	return r ? mount_fail(f, cmd_exit_of(r), r, err.hint, "%s",
			      err.message[0] ? err.message : strerror(-r)) :
		   0;
}

static int fail_lease(const struct kp_error *e, struct mount_failure *f)
{
	return mount_fail(f, kp_error_row(e->code)->exit_code, e->code, e->hint, "%s",
			  e->message[0] ? e->message : strerror(-e->code));
}

bool grant_denied(struct grant *g, struct mount_failure *f)
{
	struct lease_status s;

	if (fail_store(g, f) < 0)
		return true;
	lease_status(g->lease, &s);
	if (s.state == LEASE_GRANTED || s.state == LEASE_GRACE)
		return false;
	fail_lease(&s.error, f);
	return true;
}

void grant_status(struct grant *g, struct lease_status *ret)
{
	lease_status(g->lease, ret);
}

int grant_reload(struct grant *g, struct store_error *err)
{
	struct slots s = { .ring = NULL };
	int r = read_slots(g->m->store, &s, err);

	if (!r)
		r = lease_replace(g->lease, s.slot, s.n);
	keyring_free(s.ring);
	return r;
}

static int unwrap_now(struct grant *g, uint8_t *vk, struct kp_error *e)
{
	struct store_error err = { "", "" };
	struct slots s = { .ring = NULL };
	int r = read_slots(g->m->store, &s, &err);

	if (r < 0)
		return kp_fail(e, r, err.hint, "%s", err.message);
	r = kp_unwrap_any(&g->ctx.kp, s.slot, s.n, vk, NULL, e);
	keyring_free(s.ring);
	return r;
}

int grant_unlock(struct grant *g, struct mount_failure *f)
{
	_cleanup_secret_ uint8_t *vk = secret_alloc(KEY_LEN);
	struct store_error err = { "", "" };
	struct kp_error e = { 0 };
	struct lease_status s;
	int r;

	if (!vk)
		return mount_fail(f, CMD_FAILED, -ENOMEM, NULL, "out of locked memory");
	lease_status(g->lease, &s);
	if (s.state != LEASE_GRANTED && s.state != LEASE_GRACE) {
		unlock_operator(g->m->locker, NULL, &err);
		return fail_lease(&s.error, f);
	}
	r = unwrap_now(g, vk, &e);
	if (r < 0)
		return fail_lease(&e, f);
	r = unlock_operator(g->m->locker, vk, &err);
	if (r < 0)
		mount_fail(f, cmd_exit_of(r), r, err.hint, "cannot unlock: %s",
			   err.message[0] ? err.message : strerror(-r));
	return r;
}
