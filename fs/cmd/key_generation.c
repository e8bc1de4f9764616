/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new generation: a vault key, with a slot for each of the old one's.
 */
#include "key_generation.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "crypto/rand.h"
#include "crypto/secret.h"

struct making {
	const struct volkeys_open *o;
	uint8_t *vk, *zik; /* secret memory; the new vault key, and room for the identity key */
	unsigned int n;
	struct keyslot slots[KEYRING_SLOTS];
};

/* The URI that S was named by. */
static const char *uri_of(const struct keyslot *s, char buf[static KP_URI_MAX])
{
	char version[KP_URI_MAX];

	volkeys_split(s->kid, buf, version);
	return s->params_len && s->params[0] & SLOT_FOLLOW ? buf : s->kid;
}

static int wrap_for(struct making *m, const struct keyslot *like, const uint8_t *secret)
{
	struct kp_error e = { 0 };
	char uri[KP_URI_MAX];

	if (volkeys_wrap(&m->o->k->ctx.kp, uri_of(like, uri), like->role, secret,
			 &m->slots[m->n], &e))
		return cmd_fail_kp(&e, NULL);
	m->slots[m->n++].group = like->group;
	return CMD_OK;
}

/* A way by one key, or by all of a group with fresh shares. */
static int copy_way(struct making *m, const struct way *w, uint32_t g)
{
	_cleanup_secret_ uint8_t *shares = secret_alloc(KEYRING_SLOTS * KEY_LEN);
	const struct volkeys *k = m->o->k;
	int r = shares ? CMD_OK : cmd_fail(CMD_FAILED, NULL, "out of memory");

	if (!r && !w->combiner)
		return wrap_for(m, w->slot[0], m->vk);
	for (unsigned int i = 0; i < w->n && !r; i++) {
		if (rand_secret(shares + i * KEY_LEN, KEY_LEN))
			return cmd_fail(CMD_FAILED, NULL, "no random numbers");
		r = wrap_for(m, w->slot[i], shares + i * KEY_LEN);
	}
	if (!r && combiner_make(&k->zone, g, w->combiner->group, shares, w->n, m->vk,
				&m->slots[m->n]))
		r = cmd_fail(CMD_FAILED, NULL, "cannot make the group's slot");
	if (!r)
		m->n++;
	return r;
}

static int copy_slots(struct making *m)
{
	const struct volkeys *k = m->o->k;
	struct generation *gen = keyring_generation(k->ring, k->ring->active);
	struct way ways[KEYRING_SLOTS];
	unsigned int n;
	int r = CMD_OK;

	for (unsigned int i = 0; gen && i < gen->nslots; i++)
		if (keyslot_use(&gen->slots[i]) == USE_RECOVERY)
			return cmd_fail(CMD_USAGE, "cmkfs key remove it, and key add it again afterwards",
					"a recovery slot cannot be carried over: its secret is not here");
	n = gen ? generation_ways(gen, ways) : 0;
	if (!n)
		return cmd_fail(CMD_FAILED, "cmkfs key set gives it one",
				"%s has no key of a provider", k->dir);
	for (unsigned int i = 0; i < n && !r; i++)
		r = copy_way(m, &ways[i], k->ring->gens[0].g + 1);
	return r;
}

/* A keyring_edit_fn. */
static int add_generation(void *arg, struct keyring *ring)
{
	struct making *m = arg;
	const struct keyring *was = m->o->k->ring;
	struct generation *gen = keyring_generation(ring, was->active);
	const uint8_t *vk = NULL;
	int r;

	for (unsigned int i = 0; i < m->o->n; i++)
		if (m->o->g[i] == was->active)
			vk = m->o->vk[i];
	if (!gen || !vk || ring->seq != was->seq) /* its slots may be others by now */
		return -EAGAIN;
	r = keyring_take(ring, gen, vk, m->zik);
	if (!r)
		r = keyring_add_generation(ring, m->vk, m->zik, (uint64_t)time(NULL), &gen);
	for (unsigned int i = 0; i < m->n && !r; i++)
		r = generation_add_slot(gen, &m->slots[i], NULL);
	return r;
}

int generation_make(const struct volkeys *k)
{
	struct volkeys_open o;
	struct making m = { .o = &o, .vk = secret_alloc(KEY_LEN), .zik = secret_alloc(KEY_LEN) };
	char detail[32];
	int r = volkeys_open(k, &o);

	if (!r && (!m.vk || !m.zik || rand_secret(m.vk, KEY_LEN)))
		r = cmd_fail(CMD_FAILED, NULL, "no key can be made");
	if (!r)
		r = copy_slots(&m);
	snprintf(detail, sizeof(detail), "%u", k->ring->gens[0].g + 1);
	if (!r)
		r = volkeys_commit(&o, add_generation, &m, "key.generation", detail);
	for (unsigned int i = 0; i < m.n; i++)
		kp_slot_done(&m.slots[i]);
	secret_free(m.vk);
	secret_free(m.zik);
	volkeys_close(&o);
	return r;
}
