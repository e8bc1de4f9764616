/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key remove`: take a way into a zone away, but never the last.
 */
#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "crypto/secret.h"
#include "volkeys.h"

static const char *zone;

static const struct opt opts[] = { OPT_ZONE(&zone), OPT_END };

struct removing {
	const struct volkeys_open *o;
	const struct keyslot *slot; /* of the active generation */
	uint8_t id[KEYRING_GENERATIONS]; /* of the same slot, in the order of o->g; 0: none */
};

static const struct keyslot *by_id(const struct generation *gen, unsigned int id)
{
	for (unsigned int i = 0; gen && i < gen->nslots; i++)
		if (gen->slots[i].id == id)
			return &gen->slots[i];
	return NULL;
}

/* The slot of another generation that is S there: of the same use, by the same key. */
static const struct keyslot *same_slot(const struct generation *gen, const struct keyslot *s)
{
	for (unsigned int i = 0; i < gen->nslots; i++) {
		const struct keyslot *o = &gen->slots[i];

		if (o->type == s->type && keyslot_use(o) == keyslot_use(s) &&
		    !strcmp(o->kid, s->kid) && (*s->kid || o->id == s->id))
			return o;
	}
	return NULL;
}

/* Each generation must open without it, now: a way that is refused today is none. */
static int check_others(struct removing *m, const struct volkeys *k)
{
	_cleanup_secret_ uint8_t *vk = secret_alloc(KEY_LEN);
	struct kp_error e = { 0 };

	if (!vk)
		return cmd_fail(CMD_FAILED, NULL, "out of memory");
	for (unsigned int i = 0; i < m->o->n; i++) {
		const struct generation *gen = keyring_generation(k->ring, m->o->g[i]);

		if (keyslot_use(m->slot) == USE_RECOVERY || !m->id[i] ||
		    !kp_open_generation(&k->ctx.kp, &k->zone, gen, m->id[i], vk, NULL, &e))
			continue;
		if (e.code == -ENOENT)
			return cmd_fail(CMD_LOCKED, "cmkfs key add or key set gives it another one first",
					"slot %u is the last way into data that still exists",
					m->slot->id);
		return cmd_fail(CMD_LOCKED, "cmkfs key check DIR tells which slots open today",
				"without slot %u the data could not be opened today: %s", m->slot->id,
				e.message);
	}
	return CMD_OK;
}

/* With a share goes its group: nothing else opens by it. */
static void remove_from(struct generation *gen, unsigned int id)
{
	const struct keyslot *s = by_id(gen, id);
	uint8_t group = s ? s->group : 0;

	if (!s || !group) {
		generation_remove_slot(gen, (uint8_t)id);
		return;
	}
	for (unsigned int i = gen->nslots; i-- > 0;)
		if (gen->slots[i].group == group)
			generation_remove_slot(gen, gen->slots[i].id);
}

/* A keyring_edit_fn. */
static int edit(void *arg, struct keyring *ring)
{
	const struct removing *m = arg;

	for (unsigned int i = 0; i < m->o->n; i++) {
		struct generation *gen = keyring_generation(ring, m->o->g[i]);
		const struct keyslot *s = by_id(gen, m->id[i]);

		if (m->id[i] && (!s || strcmp(s->kid, m->slot->kid) || s->type != m->slot->type))
			return -EAGAIN;
		if (s)
			remove_from(gen, s->id);
	}
	return 0;
}

static int remove_slot(const struct volkeys *k, unsigned int id)
{
	const struct keyslot *s = by_id(keyring_generation(k->ring, k->ring->active), id);
	struct volkeys_open o;
	struct removing m = { .o = &o, .slot = s };
	char detail[64];
	int r;

	if (!s)
		return cmd_fail(CMD_USAGE, "cmkfs key show lists the slots", "there is no slot %u", id);
	r = volkeys_open(k, &o);
	for (unsigned int i = 0; i < o.n; i++) {
		const struct keyslot *same = same_slot(keyring_generation(k->ring, o.g[i]), s);

		m.id[i] = same ? same->id : 0;
		if (o.g[i] == k->ring->active)
			m.id[i] = s->id;
	}
	if (!r)
		r = check_others(&m, k);
	snprintf(detail, sizeof(detail), "slot %u", id);
	if (!r)
		r = volkeys_commit(&o, edit, &m, "key.remove", detail);
	volkeys_close(&o);
	return r;
}

static int run(const struct cmd *c)
{
	struct volkeys k = { .ring = NULL };
	uint64_t id;
	int r;

	if (conf_number(c->argv[1], 1, 255, &id))
		return cmd_fail(CMD_USAGE, "cmkfs key show lists the slots",
				"'%s' is no number of a slot", c->argv[1]);
	r = volkeys_load(c, c->argv[0], zone, &k);
	if (!r)
		r = remove_slot(&k, (unsigned int)id);
	volkeys_done(&k);
	return r;
}

const struct verb verb_key_remove = {
	.name = "key remove",
	.args = "DIR SLOT",
	.summary = "Take a key away from a volume, unless it is the last",
	.opts = opts,
	.min_args = 2,
	.max_args = 2,
	.run = run,
};
