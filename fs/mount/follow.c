/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the newest version: see follow.h.  Only what the slot holds is
 * wrapped anew, in each generation that is still in use, and the slot keeps its
 * id; one replacement of the keyring brings all of it to the disk.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/lib/log.h"
#include "fs/mount/audit.h"
#include "fs/mount/follow.h"
#include "keyprov/open.h"

struct fresh { /* of a generation */
	uint32_t g;
	uint8_t id;
	struct keyslot slot;
};

struct following {
	struct grant *g;
	const struct kp_context *ctx;
	const char *old_kid, *newest;
	struct fresh gens[KEYRING_GENERATIONS];
	unsigned int n;
};

/* The slot of GEN that is under the old version and is to follow; of several with one key, ID. */
static const struct keyslot *old_slot(const struct generation *gen, const char *kid, unsigned int id)
{
	const struct keyslot *found = NULL;

	for (unsigned int i = 0; i < gen->nslots; i++) {
		const struct keyslot *s = &gen->slots[i];
		enum slot_use use = keyslot_use(s);

		if ((use == USE_ALONE || use == USE_SHARE) && !strcmp(s->kid, kid) &&
		    s->params_len && s->params[0] & SLOT_FOLLOW && (!found || s->id == id))
			found = s;
	}
	return found;
}

/* SECRET: what the slot holds, or NULL: its old version tells. */
static int rewrap(struct following *f, const struct generation *gen, const struct keyslot *old,
		  const uint8_t *secret, struct kp_error *e)
{
	_cleanup_secret_ uint8_t *own = secret_alloc(KEY_LEN);
	struct fresh *n = &f->gens[f->n];
	int r = own ? 0 : -ENOMEM;

	if (!r && secret)
		memcpy(own, secret, KEY_LEN);
	else if (!r)
		r = kp_open_slot(f->ctx, old, false, own, e);
	if (!r)
		r = kp_protect(f->ctx, f->newest, own, &n->slot, NULL, e);
	if (r)
		return r;
	n->g = gen->g;
	n->id = old->id;
	n->slot.id = old->id;
	n->slot.role = old->role;
	n->slot.group = old->group;
	n->slot.params_len = 1; /* kp_protect() put the flag there */
	f->n++;
	return 0;
}

/* A keyring_edit_fn. */
static int put_slots(void *arg, struct keyring *ring)
{
	struct following *f = arg;

	for (unsigned int i = 0; i < f->n; i++) {
		struct generation *gen = keyring_generation(ring, f->gens[i].g);
		struct keyslot *s = NULL;

		for (unsigned int k = 0; gen && k < gen->nslots; k++)
			if (gen->slots[k].id == f->gens[i].id)
				s = &gen->slots[k];
		if (!s || strcmp(s->kid, f->old_kid))
			return -EAGAIN; /* changed meanwhile: the next lease sees to it */
		if (generation_replace_slot(gen, s->id, &f->gens[i].slot))
			return -ENOMEM;
	}
	return 0;
}

static int rewrap_all(struct following *f, struct keyring *ring, unsigned int id,
		      const uint8_t *secret, struct kp_error *e)
{
	int r = 0;

	for (unsigned int i = 0; i < ring->ngens && !r; i++) {
		const struct generation *gen = &ring->gens[i];
		bool active = gen->g == ring->active;
		const struct keyslot *old =
			gen->state == GEN_DESTROYED ? NULL : old_slot(gen, f->old_kid, id);

		if (old)
			r = rewrap(f, gen, old, active ? secret : NULL, e);
	}
	return r;
}

static int follow(struct following *f, struct keyring *ring, struct part *p, const uint8_t *secret,
		  struct kp_error *e)
{
	struct store_error err = { "", "" };
	int r = rewrap_all(f, ring, p->slot->id, secret, e);

	if (r)
		return r;
	r = zone_edit_keyring(f->g->z->zone, put_slots, f, &err);
	if (r)
		return kp_fail(e, r, err.hint, "%s", err.message[0] ? err.message : strerror(-r));
	for (unsigned int i = 0; i < f->n; i++) {
		const struct keyslot *s = &f->gens[i].slot;
		const struct lease_slot slot = { s->kid, s->blob, s->blob_len };

		if (f->gens[i].g == ring->active)
			lease_replace(p->lease, &slot, 1);
	}
	return 0;
}

static void report(struct grant *g, const struct following *f, int r, const struct kp_error *e)
{
	struct audit *a = g->z->m->audit;

	if (r) {
		log_warning(e->hint, "%sthe volume stays under %s: %s", zones_label(g->z), f->old_kid,
			    e->message);
		audit_note_key(a, "key.follow", f->newest, "refused", "zone %s: %s", g->z->id, e->message);
	} else {
		log_notice("%sthe volume is now under %s", zones_label(g->z), f->newest);
		audit_note_key(a, "key.follow", f->newest, "ok", "zone %s", g->z->id);
	}
}

void follow_newest(struct grant *g, struct part *p, const struct lease_status *s,
		   const uint8_t secret[static KEY_LEN])
{
	struct store_error err = { "", "" };
	struct generation *gen = NULL;
	struct keyring *ring = NULL;
	struct following *f;
	struct kp_error e = { 0 };

	if (g->z->m->opt->read_only || !s->newest[0] || !strcmp(s->newest, s->kid))
		return;
	if (!zone_keyring(g->z->zone, &ring, &err))
		gen = keyring_generation(ring, ring->active);
	f = gen && old_slot(gen, s->kid, p->slot->id) ? calloc(1, sizeof(*f)) : NULL;
	if (f) {
		f->g = g;
		f->ctx = &p->set->ctx.kp;
		f->old_kid = s->kid;
		f->newest = s->newest;
		report(g, f, follow(f, ring, p, secret, &e), &e);
		for (unsigned int i = 0; i < f->n; i++)
			kp_slot_done(&f->gens[i].slot);
		free(f);
	}
	keyring_free(ring);
}
