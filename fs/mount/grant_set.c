/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ways into a zone and the leases on them: see grant_set.h.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "fs/lib/log.h"
#include "fs/mount/audit.h"
#include "fs/mount/follow.h"
#include "fs/mount/grant_set.h"

/* ---- what the leases say --------------------------------------------------------- */

enum way_state { WAY_OPEN, WAY_GRACE, WAY_PENDING, WAY_CLOSED };

static enum way_state state_of(const struct grant_set *s, unsigned int way)
{
	enum way_state r = WAY_OPEN;

	for (unsigned int i = 0; i < s->n; i++) {
		const struct part *p = &s->parts[i];

		if (p->way != way)
			continue;
		if (p->told && !part_usable(p))
			return WAY_CLOSED;
		if (!p->told)
			r = WAY_PENDING;
		else if (p->status.state == LEASE_GRACE && r == WAY_OPEN)
			r = WAY_GRACE;
	}
	return r;
}

/* The best way there is; s->nways: none is open. */
static unsigned int best_way(const struct grant_set *s, bool *ret_pending)
{
	unsigned int best = s->nways;
	enum way_state have = WAY_PENDING;

	*ret_pending = false;
	for (unsigned int w = 0; w < s->nways; w++) {
		enum way_state state = state_of(s, w);

		*ret_pending |= state == WAY_PENDING;
		if (state < have) {
			have = state;
			best = w;
		}
	}
	return best;
}

bool grant_set_decided(const struct grant_set *s)
{
	bool pending;

	return best_way(s, &pending) < s->nways || !pending;
}

/* The refusal that closes the zone: a question without an answer, then a denial. */
static const struct part *refusal(const struct grant_set *s)
{
	const struct part *r = NULL;

	for (unsigned int i = 0; i < s->n; i++) {
		const struct part *p = &s->parts[i];

		if (p->told && !part_usable(p) &&
		    (!r || (r->status.state == LEASE_DENIED && p->status.state == LEASE_LOST)))
			r = p;
	}
	return r;
}

/* ---- judgement ------------------------------------------------------------------------ */

static void forget_secrets(struct grant_set *s)
{
	for (unsigned int i = 0; i < s->n; i++) {
		secret_wipe(s->parts[i].secret, KEY_LEN);
		s->parts[i].have = false;
	}
}

static void deny(struct grant_set *s)
{
	const struct part *p = refusal(s);
	int e = p && p->status.app_errno ? p->status.app_errno : ENOKEY;

	forget_secrets(s);
	s->g->granted = false;
	if (p)
		log_warning(p->status.error.hint, "%saccess is denied: %s", zones_label(s->g->z),
			    p->status.error.message);
	lock_deny(s->g->z->locker, e);
}

/* What the slots of WAY hold into HELD.  False: some of it is still to come, and is asked for. */
static bool collect(struct grant_set *s, unsigned int way, uint8_t *held)
{
	bool all = true;

	for (unsigned int i = 0; i < s->n; i++) {
		struct part *p = &s->parts[i];

		if (p->way != way)
			continue;
		if (p->have)
			memcpy(held + p->at * KEY_LEN, p->secret, KEY_LEN);
		else
			lease_ask(p->lease);
		all &= p->have;
	}
	return all;
}

/* The zone is open, and its keyring has another active generation by now. */
static bool is_behind(const struct grant_set *s)
{
	unsigned int n;
	uint32_t g = zone_generation(s->g->z->zone, &n);

	return g && g != s->ring->active;
}

static int take_generations(struct grant_set *s, const struct zone_vk *v, unsigned int n,
			    struct store_error *err)
{
	struct zone *z = s->g->z->zone;
	int r = 0;

	for (unsigned int i = 0; i < n && !r; i++)
		r = zone_take_generation(z, &v[i], err);
	return r ? r : zone_drop_generations(z, err);
}

static int give(struct grant_set *s, const uint8_t *vk, struct store_error *err)
{
	struct grant *g = s->g;
	struct zone_vk *v = NULL;
	unsigned int n;
	int r = grant_generations(g, s->ring, vk, &v, &n);

	if (!r)
		r = lock_grant(g->z->locker, v, n, err);
	if (!r && is_behind(s))
		r = take_generations(s, v, n, err);
	secret_free(v);
	return r;
}

/* The zone above may be unlocked meanwhile: who unlocks it is to know. */
static void set_trying(struct grant *g)
{
	pthread_mutex_lock(&g->lock);
	g->trying = true;
	pthread_mutex_unlock(&g->lock);
}

/* Open the zone by WAY.  0: done, or not all of its slots have been heard. */
static int open_by(struct grant_set *s, unsigned int way)
{
	const struct way *w = &s->ways[way];
	_cleanup_secret_ uint8_t *held = secret_alloc(KEYRING_SLOTS * KEY_LEN);
	_cleanup_secret_ uint8_t *vk = secret_alloc(KEY_LEN);
	struct store_error err = { "", "" };
	struct grant *g = s->g;
	int r = -ENOMEM;

	if (held && vk) {
		if (!collect(s, way, held))
			return 0;
		set_trying(g);
		r = way_key(w, &s->ring->zone, s->ring->active, held, vk);
	}
	if (!r)
		r = give(s, vk, &err);
	forget_secrets(s);
	g->granted = !r;
	pthread_mutex_lock(&g->lock);
	g->trying = false;
	g->waiting = r == -EAGAIN;
	g->unlock_error = r;
	g->store = err;
	pthread_mutex_unlock(&g->lock);
	if (r == -EAGAIN)
		log_notice("%swaits for the zone that it lies in", zones_label(g->z));
	else if (r < 0)
		log_error(err.hint, "%sthe key %s does not open the volume: %s", zones_label(g->z),
			  w->slot[0]->kid, err.message[0] ? err.message : strerror(-r));
	return r == -EAGAIN ? 0 : r;
}

int grant_set_judge(struct grant_set *s, struct part *by)
{
	bool pending;
	unsigned int way = best_way(s, &pending);

	if (atomic_exchange(&s->g->suspended, false))
		s->g->granted = false;
	for (unsigned int i = 0; way < s->nways && i < s->n; i++)
		grant_tell_loss(&s->parts[i], s);
	if (way < s->nways && (!s->g->granted || is_behind(s)))
		return open_by(s, way);
	if (way < s->nways) {
		forget_secrets(s);
		if (by && by->status.state == LEASE_GRACE && state_of(s, way) == WAY_GRACE)
			grant_tell_grace(by);
	} else if (!pending) {
		deny(s);
	}
	return 0;
}

/* ---- leases -------------------------------------------------------------------------------- */

static void take(struct part *p, const struct lease_status *status, const uint8_t *secret)
{
	grant_note_answer(p, status);
	p->told = true;
	p->status = *status;
	p->have = status->state == LEASE_GRANTED && secret;
	if (p->have)
		memcpy(p->secret, secret, KEY_LEN);
	else
		secret_wipe(p->secret, KEY_LEN);
	grant_tell_near(p);
}

/* A lease_fn: called by the part's own thread. */
static int on_lease(void *arg, const struct lease_status *status, const uint8_t *secret)
{
	struct part *p = arg;
	struct grant_set *s = p->set;
	struct grant *g = s->g;
	bool follow = false;
	int r = 0;

	pthread_mutex_lock(&g->apply);
	if (!s->retired) {
		take(p, status, secret);
		if (g->set == s) {
			r = grant_set_judge(s, p);
			follow = !r && g->granted && secret;
		}
		pthread_cond_broadcast(&g->decided);
	}
	pthread_mutex_unlock(&g->apply);
	if (follow) /* asks the vault: other slots need not wait for that */
		follow_newest(g, p, status, secret);
	return r;
}

static int part_start(struct part *p)
{
	const struct mount_options *o = p->set->g->z->m->opt;
	const struct lease_slot slot = { p->slot->kid, p->slot->blob, p->slot->blob_len };
	const struct lease_options opt = {
		.period_ms = o->lease_ms, .grace_ms = o->grace_ms, .background = true,
	};

	p->secret = secret_alloc(KEY_LEN);
	if (!p->secret)
		return -ENOMEM;
	return lease_start(&p->set->ctx.kp, &slot, 1, &opt, on_lease, p, &p->lease);
}

static void fill(struct grant_set *s)
{
	struct generation *gen = keyring_generation(s->ring, s->ring->active);

	s->nways = gen ? generation_ways(gen, s->ways) : 0;
	for (unsigned int w = 0; w < s->nways; w++)
		for (unsigned int i = 0; i < s->ways[w].n; i++)
			s->parts[s->n++] = (struct part){ .set = s, .slot = s->ways[w].slot[i],
							  .way = w, .at = i };
}

int grant_set_new(struct grant *g, struct keyring *ring, struct grant_set **ret,
		  struct store_error *err)
{
	struct grant_set *s = calloc(1, sizeof(*s));
	int r = 0;

	if (!s) {
		keyring_free(ring);
		return -ENOMEM;
	}
	s->g = g;
	s->ring = ring;
	fill(s);
	if (!s->n) {
		snprintf(err->message, sizeof(err->message), "no key of a provider opens this volume");
		snprintf(err->hint, sizeof(err->hint), "cmkfs key set DIR URI gives it one");
		r = -ENOKEY;
	}
	if (!r)
		r = state_context(&s->ctx, g->z->m->opt->conf, &ring->zone);
	/* None is heard before all are there. */
	pthread_mutex_lock(&g->apply);
	for (unsigned int i = 0; i < s->n && !r; i++)
		r = part_start(&s->parts[i]);
	s->retired = r;
	pthread_mutex_unlock(&g->apply);
	if (r < 0)
		grant_set_free(s);
	else
		*ret = s;
	return r;
}

void grant_set_free(struct grant_set *s)
{
	if (!s)
		return;
	for (unsigned int i = 0; i < s->n; i++)
		lease_stop(s->parts[i].lease);
	for (unsigned int i = 0; i < s->n; i++)
		secret_free(s->parts[i].secret);
	keyring_free(s->ring);
	state_context_done(&s->ctx);
	free(s);
}
