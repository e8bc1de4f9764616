/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key rotate`: the newest version of the key that the volume has.
 */
#include <stdio.h>

#include "volkeys.h"

/* The first provider slot of the active generation; NULL: none. */
static const struct keyslot *present_slot(struct keyring *ring)
{
	struct generation *gen = keyring_generation(ring, ring->active);

	for (unsigned int i = 0; gen && i < gen->nslots; i++)
		if (volkeys_of_provider(&gen->slots[i]))
			return &gen->slots[i];
	return NULL;
}

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

static int rotate(const struct volkeys *k)
{
	const struct keyslot *s = present_slot(k->ring);
	char uri[KP_URI_MAX], version[KP_URI_MAX], kid[KP_URI_MAX];
	struct kp_error e = { 0 };
	bool follow;

	if (!s)
		return cmd_fail(CMD_FAILED, "cmkfs key set gives it one",
				"%s has no key of a provider", k->dir);
	volkeys_split(s->kid, uri, version);
	if (newest(k, uri, kid, &e))
		return cmd_fail_kp(&e, NULL);
	if (!strcmp(kid, s->kid)) {
		cmd_note("%s is the newest version already; `cmkfs vault key rotate %s` makes another",
			 kid, uri);
		return CMD_OK;
	}
	follow = s->params_len && s->params[0] & SLOT_FOLLOW;
	return volkeys_replace(k, follow ? uri : kid, s->role, "key.rotate");
}

static int run(const struct cmd *c)
{
	struct volkeys k;
	int r = volkeys_load(c, c->argv[0], &k);

	if (!r)
		r = rotate(&k);
	volkeys_done(&k);
	return r;
}

const struct verb verb_key_rotate = {
	.name = "key rotate",
	.args = "DIR",
	.summary = "Take the newest version of a volume's key",
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
