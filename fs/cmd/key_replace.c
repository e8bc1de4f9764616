/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replacing the provider's slots of a keyring: what key set, key rotate and
 * key reset are made of.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "volkeys.h"
#include "fs/mount/control.h"

struct fresh { /* of one generation */
	uint32_t g;
	uint8_t *vk; /* secret memory */
	struct keyslot slot;
};

struct change {
	struct fresh gens[KEYRING_GENERATIONS];
	unsigned int n;
};

static void change_done(struct change *c)
{
	for (unsigned int i = 0; i < c->n; i++) {
		secret_free(c->gens[i].vk);
		volkeys_slot_done(&c->gens[i].slot);
	}
}

/* Unwrap the vault key of each live generation by its old slots, wrap it anew. */
static int prepare(const struct volkeys *k, const char *uri, enum slot_role role, struct change *c)
{
	struct kp_error e = { 0 };
	int r;

	for (unsigned int i = 0; i < k->ring->ngens; i++) {
		const struct generation *gen = &k->ring->gens[i];
		struct fresh *f = &c->gens[c->n];

		if (gen->state == GEN_DESTROYED)
			continue;
		f->g = gen->g;
		f->vk = secret_alloc(KEY_LEN);
		c->n++;
		if (!f->vk)
			return cmd_fail(CMD_FAILED, NULL, "out of memory");
		r = volkeys_unwrap(k, gen, f->vk);
		if (r)
			return r;
		r = volkeys_wrap(&k->ctx.kp, uri, role, f->vk, &f->slot, &e);
		if (r)
			return cmd_fail_kp(&e, NULL);
	}
	return CMD_OK;
}

static bool same_key(const struct keyslot *a, const struct keyslot *b)
{
	return volkeys_of_provider(a) && !strcmp(a->kid, b->kid);
}

/* Add the fresh slots; one that an interrupted run left under the same kid goes. */
static int add_slots(void *arg, struct keyring *ring)
{
	const struct change *c = arg;

	for (unsigned int i = 0; i < c->n; i++) {
		struct generation *gen = keyring_generation(ring, c->gens[i].g);
		int r;

		if (!gen || gen->state == GEN_DESTROYED)
			return -EAGAIN;
		for (unsigned int s = gen->nslots; s-- > 0;)
			if (same_key(&gen->slots[s], &c->gens[i].slot))
				generation_remove_slot(gen, gen->slots[s].id);
		r = generation_add_slot(gen, &c->gens[i].slot, NULL);
		if (r)
			return r;
	}
	return 0;
}

static int drop_slots(void *arg, struct keyring *ring)
{
	const struct change *c = arg;

	for (unsigned int i = 0; i < c->n; i++) {
		struct generation *gen = keyring_generation(ring, c->gens[i].g);

		for (unsigned int s = gen ? gen->nslots : 0; s-- > 0;)
			if (volkeys_of_provider(&gen->slots[s]) &&
			    !same_key(&gen->slots[s], &c->gens[i].slot))
				generation_remove_slot(gen, gen->slots[s].id);
	}
	return 0;
}

static int edit(const struct volkeys *k, const struct change *c, keyring_edit_fn *fn)
{
	struct store_error err = { "", "" };
	const uint8_t *vk = NULL;
	int r;

	for (unsigned int i = 0; i < c->n; i++)
		if (c->gens[i].g == k->ring->active)
			vk = c->gens[i].vk;
	if (!vk)
		return cmd_fail(CMD_NOT_VOLUME, "restore the keyring from a backup",
				"%s: the keyring has no active generation", k->dir);
	r = volume_edit_keyring(k->dir, vk, fn, (void *)c, k->ctx.dir, &err);
	if (r == -EAGAIN)
		return cmd_fail(CMD_BUSY, "run the command again",
				"%s: the keyring has changed meanwhile", k->dir);
	return r ? cmd_fail_store(r, &err, k->dir) : CMD_OK;
}

static void audit(const struct volkeys *k, const char *what, const char *kid)
{
	struct kp_audit *log = NULL;

	if (kp_audit_open(k->ctx.dir, &log, NULL))
		return;
	kp_audit_note(log, k->ctx.principal, what, kid, "ok", "", NULL);
	kp_audit_close(log);
}

/* A mount of the volume on this host takes the new slots now. */
static void reload(const struct volkeys *k)
{
	_cleanup_close_ int fd = -1;
	json_t *answer = NULL;

	if (control_connect(k->ctx.dir, k->dir, &fd))
		return;
	if (control_call(fd, "reload", &answer) || !json_is_true(json_object_get(answer, "ok")))
		cmd_note("the mount of %s did not take the new key: it will at its next lease", k->dir);
	json_decref(answer);
}

int volkeys_replace(const struct volkeys *k, const char *uri, enum slot_role role,
		    const char *what)
{
	struct change c = { .n = 0 };
	int r = prepare(k, uri, role, &c);

	if (!r)
		r = edit(k, &c, add_slots);
	if (!r)
		r = edit(k, &c, drop_slots);
	if (!r) {
		audit(k, what, c.gens[0].slot.kid);
		reload(k);
		printf("%s\n", c.gens[0].slot.kid);
	}
	change_done(&c);
	return r;
}
