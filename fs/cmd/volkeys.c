/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A volume's keyring, seen from the command line.
 */
#include "volkeys.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "crypto/secret.h"
#include "keyprov/lease.h"

int volkeys_load(const struct cmd *c, const char *dir, struct volkeys *ret)
{
	struct store_error err = { "", "" };
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->dir = dir;
	r = volume_peek(dir, &ret->vol, &ret->ring, &err);
	if (r)
		return cmd_fail_store(r, &err, dir);
	r = state_context(&ret->ctx, c->conf, &ret->vol.root);
	if (r)
		return cmd_fail(CMD_FAILED, "CMKFS_STATE_DIR or state-dir in the configuration names it",
				"cannot use the state directory: %s", strerror(-r));
	return CMD_OK;
}

void volkeys_done(struct volkeys *k)
{
	keyring_free(k->ring);
	state_context_done(&k->ctx);
}

bool volkeys_of_provider(const struct keyslot *s)
{
	return (s->type == SLOT_RSA || s->type == SLOT_SYMMETRIC) && !s->group &&
	       (s->role == ROLE_SERVICE || s->role == ROLE_CUSTOMER);
}

int volkeys_unwrap(const struct volkeys *k, const struct generation *gen, uint8_t *ret_vk)
{
	struct lease_slot slots[KEYRING_SLOTS];
	struct kp_error e = { 0 };
	unsigned int n = 0;
	int r;

	for (unsigned int i = 0; i < gen->nslots; i++) {
		const struct keyslot *s = &gen->slots[i];

		if (volkeys_of_provider(s))
			slots[n++] = (struct lease_slot){ s->kid, s->blob, s->blob_len };
	}
	if (!n)
		return cmd_fail(CMD_LOCKED, "cmkfs key show lists the slots",
				"generation %u has no slot of a key provider", gen->g);
	r = kp_unwrap_any(&k->ctx.kp, slots, n, ret_vk, NULL, &e);
	return r ? cmd_fail_kp(&e, "the volume's present key cannot be used") : CMD_OK;
}

/* The provider has opened the key: describe, judge, wrap, and see that it unwraps. */
static int wrap_opened(const struct kp_ops *ops, struct kp *kp, const struct kp_context *ctx,
		       const char *uri, const uint8_t *vk, struct keyslot *s, struct kp_error *e)
{
	_cleanup_secret_ uint8_t *again = secret_alloc(KP_SECRET_LEN);
	_cleanup_free_ uint8_t *blob = malloc(KP_BLOB_MAX);
	struct kp_info info = { .kid = "" };
	char kid[KP_URI_MAX];
	size_t n = 0;
	int r;

	if (!again || !blob)
		return kp_fail(e, -ENOMEM, NULL, "out of memory");
	r = ops->describe(kp, NULL, &info, e);
	if (!r)
		r = kp_acceptable(&info, ctx, time(NULL), e);
	if (!r && ctx->principal && info.may_more)
		cmd_note("the policy of vault %s grants %s more than get, wrapKey and unwrapKey",
			 info.vault, ctx->principal);
	if (!r)
		r = ops->wrap(kp, vk, KP_SECRET_LEN, blob, &n, kid, e);
	if (!r)
		r = ops->unwrap(kp, kid, blob, n, again, e);
	if (!r && !secret_equal(again, vk, KP_SECRET_LEN))
		r = kp_fail(e, -EBADMSG, NULL, "%s does not unwrap what it wrapped", kid);
	if (r)
		return r;
	s->type = strcmp(info.type, "oct") ? SLOT_RSA : SLOT_SYMMETRIC;
	s->kid = strdup(kid);
	s->blob = blob;
	s->blob_len = (uint16_t)n;
	blob = NULL;
	if (strcmp(uri, kid)) { /* no version was named */
		s->params = malloc(1);
		s->params_len = 1;
		if (s->params)
			*s->params = SLOT_FOLLOW;
	}
	if (s->kid && (s->params || !s->params_len))
		return 0;
	return kp_fail(e, -ENOMEM, NULL, "out of memory");
}

int volkeys_wrap(const struct kp_context *ctx, const char *uri, enum slot_role role,
	      const uint8_t *vk, struct keyslot *ret_slot, struct kp_error *e)
{
	const struct kp_ops *ops = kp_provider_of(uri, e);
	struct keyslot s = { .role = (uint8_t)role };
	char normal[KP_URI_MAX];
	struct kp *kp = NULL;
	int r;

	if (!ops)
		return e->code;
	r = ops->check(uri, normal, e);
	if (!r)
		r = ops->open(ctx, normal, &kp, e);
	if (r)
		return r;
	r = wrap_opened(ops, kp, ctx, normal, vk, &s, e);
	ops->close(kp);
	if (r)
		volkeys_slot_done(&s);
	else
		*ret_slot = s;
	return r;
}

void volkeys_slot_done(struct keyslot *s)
{
	free(s->kid);
	free(s->params);
	free(s->blob);
	memset(s, 0, sizeof(*s));
}

void volkeys_split(const char *kid, char ret_uri[static KP_URI_MAX],
		   char ret_version[static KP_URI_MAX])
{
	const char *name = strstr(kid, "/keys/"), *v = NULL;
	size_t n = strlen(kid);

	if (name)
		v = strpbrk(name + 6, "/?");
	*ret_version = 0;
	if (v && *v == '/') {
		n = (size_t)(v - kid);
		snprintf(ret_version, KP_URI_MAX, "%s", v + 1);
	} else if (v && !strncmp(v, "?version=", 9)) {
		n = (size_t)(v - kid);
		snprintf(ret_version, KP_URI_MAX, "%s", v + 9);
	}
	snprintf(ret_uri, KP_URI_MAX, "%.*s", (int)n, kid);
}
