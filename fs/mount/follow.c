/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Following the newest version: see follow.h.  Only the wrapped vault key in
 * the keyring is rewritten, the new slot before the old one goes.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/lib/log.h"
#include "fs/mount/audit.h"
#include "fs/mount/follow.h"

struct fresh {
	uint32_t g;
	const char *old_kid;
	struct keyslot slot; /* kid, params and blob point into the rest */
	char kid[KP_URI_MAX];
	uint8_t params[1], blob[KP_BLOB_MAX];
};

/* The slot to be replaced; NULL: none follows, or several generations hang on it. */
static const struct keyslot *following(struct keyring *ring, const char *kid)
{
	struct generation *gen = keyring_generation(ring, ring->active);
	unsigned int live = 0;

	for (unsigned int i = 0; i < ring->ngens; i++)
		live += ring->gens[i].state != GEN_DESTROYED;
	for (unsigned int i = 0; gen && live == 1 && i < gen->nslots; i++) {
		const struct keyslot *s = &gen->slots[i];

		if ((s->type == SLOT_RSA || s->type == SLOT_SYMMETRIC) && s->role != ROLE_SHARE &&
		    !strcmp(s->kid, kid) && s->params_len && s->params[0] & SLOT_FOLLOW)
			return s;
	}
	return NULL;
}

/* Wrap VK under the version URI, and see that it comes back. */
static int wrap_under(const struct kp_context *ctx, const char *uri, const uint8_t *vk,
		      struct fresh *f, struct kp_error *e)
{
	const struct kp_ops *ops = kp_provider_of(uri, e);
	_cleanup_secret_ uint8_t *back = secret_alloc(KP_SECRET_LEN);
	struct kp *kp = NULL;
	size_t n = 0;
	int r;

	if (!ops || !back)
		return ops ? -ENOMEM : e->code;
	r = ops->open(ctx, uri, &kp, e);
	if (r)
		return r;
	r = ops->wrap(kp, vk, KP_SECRET_LEN, f->blob, &n, f->kid, e);
	if (!r)
		r = ops->unwrap(kp, f->kid, f->blob, n, back, e);
	if (!r && !secret_equal(back, vk, KP_SECRET_LEN))
		r = kp_fail(e, -EKEYREJECTED, "", "%s gave back another key", f->kid);
	ops->close(kp);
	f->slot.blob_len = (uint16_t)n;
	return r;
}

static int add_slot(void *arg, struct keyring *ring)
{
	const struct fresh *f = arg;
	struct generation *gen = keyring_generation(ring, f->g);

	return gen ? generation_add_slot(gen, &f->slot, NULL) : -EAGAIN;
}

static int drop_slot(void *arg, struct keyring *ring)
{
	const struct fresh *f = arg;
	struct generation *gen = keyring_generation(ring, f->g);

	for (unsigned int i = gen ? gen->nslots : 0; i-- > 0;)
		if (!strcmp(gen->slots[i].kid, f->old_kid))
			generation_remove_slot(gen, gen->slots[i].id);
	return 0;
}

static int replace(struct mount *m, const struct kp_context *ctx, const uint8_t *vk, struct fresh *f,
		   struct kp_error *e)
{
	struct store_error err = { "", "" };
	int r = volume_edit_keyring(m->dir, vk, add_slot, f, ctx->state_dir, &err);

	if (!r)
		r = volume_edit_keyring(m->dir, vk, drop_slot, f, ctx->state_dir, &err);
	return r ? kp_fail(e, r, err.hint, "%s", err.message[0] ? err.message : strerror(-r)) : 0;
}

bool follow_newest(struct mount *m, const struct kp_context *ctx, const struct lease_status *s,
		   const uint8_t vk[static KEY_LEN])
{
	struct store_error err = { "", "" };
	const struct keyslot *old = NULL;
	struct keyring *ring = NULL;
	struct kp_error e = { 0 };
	struct fresh *f = NULL;
	int r;

	if (m->opt->read_only || !s->newest[0] || !strcmp(s->newest, s->kid))
		return false;
	if (!store_keyring(m->store, &ring, &err))
		old = following(ring, s->kid);
	if (old)
		f = calloc(1, sizeof(*f));
	if (!f) {
		keyring_free(ring);
		return false;
	}
	f->g = ring->active;
	f->old_kid = old->kid;
	f->params[0] = SLOT_FOLLOW;
	f->slot = *old;
	f->slot.kid = f->kid;
	f->slot.params = f->params;
	f->slot.params_len = 1;
	f->slot.blob = f->blob;
	r = wrap_under(ctx, s->newest, vk, f, &e);
	if (!r)
		r = replace(m, ctx, vk, f, &e);
	if (r) {
		log_warning(e.hint, "the volume stays under %s: %s", s->kid, e.message);
		audit_note(m->audit, "key.follow", 0, "refused", "%s", s->newest);
	} else {
		log_notice("the volume is now under %s", f->kid);
		audit_note(m->audit, "key.follow", 0, "ok", "%s", f->kid);
	}
	free(f);
	keyring_free(ring);
	return !r;
}
