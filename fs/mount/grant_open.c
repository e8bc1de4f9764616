/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From one vault key to those of all generations that are still in use.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "fs/lib/log.h"
#include "fs/mount/audit.h"
#include "fs/mount/grant_set.h"
#include "keyprov/open.h"

static bool is_older(const struct keyring *ring, const struct generation *gen)
{
	return gen->g != ring->active && gen->state != GEN_DESTROYED;
}

int grant_generations(struct grant *g, struct keyring *ring, const uint8_t vk[static KEY_LEN],
		      struct zone_vk **ret, unsigned int *ret_n)
{
	struct state_context ctx;
	struct zone_vk *v = secret_alloc(ring->ngens * sizeof(*v));
	struct kp_error e = { 0 };
	unsigned int n = 1;
	int r = v ? state_context(&ctx, g->z->m->opt->conf, &ring->zone) : -ENOMEM;

	if (r) {
		secret_free(v);
		return r;
	}
	v[0].g = ring->active;
	memcpy(v[0].vk, vk, KEY_LEN);
	for (unsigned int i = 0; i < ring->ngens; i++) {
		const struct generation *gen = &ring->gens[i];

		if (!is_older(ring, gen))
			continue;
		v[n].g = gen->g;
		if (kp_open_generation(&ctx.kp, &ring->zone, gen, 0, v[n].vk, NULL, &e))
			log_error(e.hint, "%swhat is still under generation %u cannot be read: %s",
				  zones_label(g->z), gen->g, e.message);
		else
			n++;
	}
	state_context_done(&ctx);
	*ret = v;
	*ret_n = n;
	return 0;
}

int grant_recover(struct grant *g, struct keyring *ring, const struct recovery *by,
		  struct store_error *err)
{
	struct zone_vk *v = secret_alloc(ring->ngens * sizeof(*v));
	const struct keyslot *slot = NULL, *used = NULL;
	unsigned int n = 0;
	int r = v ? -ENOENT : -ENOMEM;

	for (unsigned int i = 0; v && i < ring->ngens; i++) {
		const struct generation *gen = &ring->gens[i];
		int got;

		if (gen->state == GEN_DESTROYED)
			continue;
		v[n].g = gen->g;
		got = recovery_open(by, &ring->zone, gen, v[n].vk, &used);
		if (gen->g == ring->active) {
			r = got;
			slot = used;
		}
		if (!got)
			n++;
		else if (gen->g != ring->active)
			log_error(NULL, "%sno recovery slot opens generation %u",
				  zones_label(g->z), gen->g);
	}
	if (!r)
		r = lock_grant(g->z->locker, v, n, err);
	if (!r) {
		g->recovered = slot->id;
		log_warning("the vault's owner has no say in this mount",
			    "%sopened by recovery slot %u, which is a way round a revocation",
			    zones_label(g->z), slot->id);
		audit_note(g->z->m->audit, "mount.recovery", 0, "ok", "zone %s, slot %u", g->z->id,
			   slot->id);
	}
	secret_free(v);
	return r;
}
