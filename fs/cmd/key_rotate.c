/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key rotate`: the newest version of each key that the zone has; or a
 * new generation (key_generation.c).
 */
#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "crypto/secret.h"
#include "key_generation.h"
#include "volkeys.h"

#define TRIES 4

static const char *zone;

static struct generation_args gens;

static const struct opt opts[] = { OPT_ZONE(&zone), OPTS_GENERATION(&gens), OPT_END };

struct fresh { /* a slot that is to be replaced */
	uint32_t g;
	uint8_t id;
	char old[KP_URI_MAX];
	struct keyslot slot;
};

struct rotation {
	struct volkeys_open o;
	struct fresh *v;
	unsigned int n;
};

/* The newest version of the key URI, asked as the volume's identity. */
static int newest(const struct volkeys *k, const char *uri, char ret_kid[static KP_URI_MAX],
		  struct kp_error *e)
{
	const struct kp_ops *ops = kp_provider_of(uri, e);
	struct kp_info info = { .kid = "" };
	struct kp *kp;
	int r;

	if (!ops)
		return e->code;
	r = ops->open(&k->ctx.kp, uri, &kp, e);
	if (r)
		return r;
	r = ops->describe(kp, NULL, &info, e);
	if (!r)
		snprintf(ret_kid, KP_URI_MAX, "%s", info.kid);
	ops->close(kp);
	return r;
}

/* What S holds under the version KID (or, if it follows, under URI). */
static int rewrap(const struct volkeys *k, const struct keyslot *s, const char *uri,
		  const char *kid, struct keyslot *ret)
{
	_cleanup_secret_ uint8_t *held = secret_alloc(KEY_LEN);
	bool follow = s->params_len && s->params[0] & SLOT_FOLLOW;
	struct kp_error e = { 0 };

	if (!held)
		return cmd_fail(CMD_FAILED, NULL, "out of memory");
	if (kp_open_slot(&k->ctx.kp, s, false, held, &e))
		return cmd_fail_kp(&e, "the volume's present key cannot be used");
	if (volkeys_wrap(&k->ctx.kp, follow ? uri : kid, s->role, held, ret, &e))
		return cmd_fail_kp(&e, NULL);
	ret->group = s->group;
	return CMD_OK;
}

static int rotate_slot(struct rotation *t, const struct generation *gen, const struct keyslot *s)
{
	char uri[KP_URI_MAX], version[KP_URI_MAX], kid[KP_URI_MAX];
	const struct volkeys *k = t->o.k;
	struct fresh *f = &t->v[t->n];
	struct kp_error e = { 0 };
	int r;

	volkeys_split(s->kid, uri, version);
	if (newest(k, uri, kid, &e))
		return cmd_fail_kp(&e, NULL);
	if (!strcmp(kid, s->kid)) {
		if (gen->g == k->ring->active)
			cmd_note("%s is the newest version already; `cmkfs vault key rotate %s` makes another",
				 kid, uri);
		return CMD_OK;
	}
	r = rewrap(k, s, uri, kid, &f->slot);
	if (r)
		return r;
	f->g = gen->g;
	f->id = s->id;
	snprintf(f->old, sizeof(f->old), "%s", s->kid);
	t->n++;
	return CMD_OK;
}

static int prepare(struct rotation *t)
{
	struct keyring *ring = t->o.k->ring;
	unsigned int found = 0;
	int r = CMD_OK;

	for (unsigned int i = 0; i < ring->ngens; i++)
		for (unsigned int s = 0; s < ring->gens[i].nslots && !r; s++) {
			enum slot_use use = keyslot_use(&ring->gens[i].slots[s]);

			if (use != USE_ALONE && use != USE_SHARE)
				continue;
			found++;
			r = rotate_slot(t, &ring->gens[i], &ring->gens[i].slots[s]);
		}
	if (!r && !found)
		r = cmd_fail(CMD_FAILED, "cmkfs key set gives it one", "%s has no key of a provider",
			     t->o.k->dir);
	return r;
}

/* A keyring_edit_fn. */
static int put_slots(void *arg, struct keyring *ring)
{
	const struct rotation *t = arg;

	for (unsigned int i = 0; i < t->n; i++) {
		struct generation *gen = keyring_generation(ring, t->v[i].g);
		const struct keyslot *old = NULL;

		for (unsigned int s = 0; gen && s < gen->nslots; s++)
			if (gen->slots[s].id == t->v[i].id)
				old = &gen->slots[s];
		if (!old || strcmp(old->kid, t->v[i].old))
			return -EAGAIN;
		if (generation_replace_slot(gen, t->v[i].id, &t->v[i].slot))
			return -ENOMEM;
	}
	return 0;
}

static int rotate(const struct volkeys *k, bool again)
{
	struct rotation t = { .v = calloc(KEYRING_GENERATIONS * KEYRING_SLOTS, sizeof(*t.v)) };
	int r = t.v ? volkeys_open(k, &t.o) : cmd_fail(CMD_FAILED, NULL, "out of memory");

	t.o.again = again;
	if (!r)
		r = prepare(&t);
	if (!r && t.n)
		r = volkeys_commit(&t.o, put_slots, &t, "key.rotate", t.v[0].slot.kid);
	for (unsigned int i = 0; i < t.n; i++) {
		if (!r && t.v[i].g == k->ring->active)
			printf("%s\n", t.v[i].slot.kid);
		kp_slot_done(&t.v[i].slot);
	}
	volkeys_close(&t.o);
	free(t.v);
	return r;
}

/* A mount that follows the newest version may be doing the same just now. */
static int run(const struct cmd *c)
{
	int r = VOLKEYS_AGAIN;

	for (unsigned int left = TRIES; left-- && r == VOLKEYS_AGAIN;) {
		struct volkeys k;

		r = volkeys_load(c, c->argv[0], zone, &k);
		if (!r)
			r = generation_asked(&gens) ? generation_run(&k, &gens) : rotate(&k, left);
		volkeys_done(&k);
	}
	return r;
}

const struct verb verb_key_rotate = {
	.name = "key rotate",
	.args = "DIR",
	.summary = "Take the newest version of a volume's key, or a new vault key",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
