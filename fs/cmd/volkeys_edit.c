/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Changing the slots of a keyring: what the key verbs are made of.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "fs/lib/uses.h"
#include "fs/mount/control.h"
#include "volkeys.h"

int volkeys_open(const struct volkeys *k, struct volkeys_open *ret)
{
	*ret = (struct volkeys_open){ .k = k };
	for (unsigned int i = 0; i < k->ring->ngens; i++) {
		const struct generation *gen = &k->ring->gens[i];
		int r;

		if (gen->state == GEN_DESTROYED)
			continue;
		ret->g[ret->n] = gen->g;
		ret->vk[ret->n] = secret_alloc(KEY_LEN);
		if (!ret->vk[ret->n])
			return cmd_fail(CMD_FAILED, NULL, "out of memory");
		r = volkeys_unwrap(k, gen, ret->vk[ret->n++]);
		if (r)
			return r;
	}
	return CMD_OK;
}

void volkeys_close(struct volkeys_open *o)
{
	for (unsigned int i = 0; i < o->n; i++)
		secret_free(o->vk[i]);
	o->n = 0;
}

static void audit(const struct volkeys *k, const char *what, const char *detail)
{
	struct kp_audit *log = NULL;

	if (kp_audit_open(k->ctx.dir, &log, NULL))
		return;
	kp_audit_note(log, k->ctx.principal, what, detail, "ok", "", NULL);
	kp_audit_close(log);
}

void volkeys_reload(const struct volkeys *k)
{
	_cleanup_close_ int fd = -1;
	json_t *answer = NULL, *req;

	if (control_connect(k->ctx.dir, k->dir, &fd))
		return;
	req = json_pack("{s:s, s:s}", "cmd", "reload", "zone", k->name);
	if (control_request(fd, req, &answer) || !json_is_true(json_object_get(answer, "ok")))
		cmd_note("the mount of %s did not take the new key: it will at its next lease", k->dir);
	json_decref(req);
	json_decref(answer);
}

int volkeys_commit(const struct volkeys_open *o, keyring_edit_fn *edit, void *arg,
		   const char *what, const char *detail)
{
	const struct volkeys *k = o->k;
	struct store_error err = { "", "" };
	const uint8_t *vk = NULL;
	int r;

	for (unsigned int i = 0; i < o->n; i++)
		if (o->g[i] == k->ring->active)
			vk = o->vk[i];
	if (!vk)
		return cmd_fail(CMD_NOT_VOLUME, "restore the keyring from a backup",
				"%s: the keyring has no active generation", k->dir);
	r = volume_edit_keyring(k->dir, &k->zone, vk, edit, arg, k->ctx.dir, &err);
	if (r == -EAGAIN && o->again)
		return VOLKEYS_AGAIN;
	if (r == -EAGAIN)
		return cmd_fail(CMD_BUSY, "run the command again",
				"%s: the keyring has changed meanwhile", k->dir);
	if (r == -ENOSPC && !err.message[0])
		return cmd_fail(CMD_FAILED, "cmkfs key remove takes one away",
				"%s: the keyring has no room for another slot", k->dir);
	if (r)
		return cmd_fail_store(r, &err, k->dir);
	audit(k, what, detail);
	uses_note(k->ctx.dir, k->dir);
	volkeys_reload(k);
	return CMD_OK;
}

/* ---- one key in place of all ---------------------------------------------------------- */

struct replacing {
	const struct volkeys_open *o;
	struct keyslot slot[KEYRING_GENERATIONS]; /* in the order of o->g */
};

/* A keyring_edit_fn: the providers' slots go, groups included; recovery slots stay. */
static int replace_slots(void *arg, struct keyring *ring)
{
	const struct replacing *p = arg;

	for (unsigned int i = 0; i < p->o->n; i++) {
		struct generation *gen = keyring_generation(ring, p->o->g[i]);
		int r;

		if (!gen || gen->state == GEN_DESTROYED)
			return -EAGAIN;
		for (unsigned int s = gen->nslots; s-- > 0;)
			if (keyslot_use(&gen->slots[s]) != USE_RECOVERY)
				generation_remove_slot(gen, gen->slots[s].id);
		r = generation_add_slot(gen, &p->slot[i], NULL);
		if (r)
			return r;
	}
	return 0;
}

int volkeys_replace(const struct volkeys *k, const char *uri, enum slot_role role,
		    const char *what)
{
	struct volkeys_open o;
	struct replacing p = { .o = &o };
	struct kp_error e = { 0 };
	int r = volkeys_open(k, &o);

	for (unsigned int i = 0; i < o.n && !r; i++)
		if (volkeys_wrap(&k->ctx.kp, uri, role, o.vk[i], &p.slot[i], &e))
			r = cmd_fail_kp(&e, NULL);
	if (!r)
		r = volkeys_commit(&o, replace_slots, &p, what, p.slot[0].kid);
	if (!r)
		printf("%s\n", p.slot[0].kid);
	for (unsigned int i = 0; i < o.n; i++)
		kp_slot_done(&p.slot[i]);
	volkeys_close(&o);
	return r;
}
