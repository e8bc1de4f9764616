/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting a secret under a provider's key: see open.h.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "crypto/secret.h"
#include "open.h"

void kp_slot_done(struct keyslot *s)
{
	free(s->kid);
	free(s->params);
	free(s->blob);
	memset(s, 0, sizeof(*s));
}

static int trial(const struct kp_ops *ops, struct kp *kp, const struct keyslot *s,
		 const uint8_t *secret, struct kp_error *e)
{
	_cleanup_secret_ uint8_t *back = secret_alloc(KP_SECRET_LEN);
	int r;

	if (!back)
		return kp_fail(e, -ENOMEM, NULL, "out of memory");
	r = ops->unwrap(kp, s->kid, s->blob, s->blob_len, back, e);
	if (!r && !secret_equal(back, secret, KP_SECRET_LEN))
		r = kp_fail(e, -EBADMSG, NULL, "%s does not unwrap what it wrapped", s->kid);
	return r;
}

/* The key is open: describe, judge, wrap, and see that it unwraps. */
static int protect(const struct kp_ops *ops, struct kp *kp, const struct kp_context *ctx,
		   const char *uri, const uint8_t *secret, struct keyslot *s,
		   struct kp_protected *info, struct kp_error *e)
{
	struct kp_info k = { .kid = "" };
	char kid[KP_URI_MAX];
	size_t n = 0;
	int r = ops->describe(kp, NULL, &k, e);

	if (!r)
		r = kp_acceptable(&k, ctx, time(NULL), e);
	s->blob = malloc(KP_BLOB_MAX);
	s->params = malloc(1);
	if (!r && (!s->blob || !s->params))
		r = kp_fail(e, -ENOMEM, NULL, "out of memory");
	if (!r)
		r = ops->wrap(kp, secret, KP_SECRET_LEN, s->blob, &n, kid, e);
	if (r)
		return r;
	s->type = strcmp(k.type, "oct") ? SLOT_RSA : SLOT_SYMMETRIC;
	s->blob_len = (uint16_t)n;
	s->params_len = strcmp(uri, kid) != 0; /* no version was named */
	s->params[0] = SLOT_FOLLOW;
	s->kid = strdup(kid);
	if (info) {
		info->follows = s->params_len;
		info->may_more = k.may_more;
		snprintf(info->vault, sizeof(info->vault), "%s", k.vault);
	}
	return s->kid ? trial(ops, kp, s, secret, e) : kp_fail(e, -ENOMEM, NULL, "out of memory");
}

int kp_protect(const struct kp_context *ctx, const char *uri, const uint8_t *secret,
	       struct keyslot *ret, struct kp_protected *ret_info, struct kp_error *e)
{
	const struct kp_ops *ops = kp_provider_of(uri, e);
	struct keyslot s = { 0 };
	char normal[KP_URI_MAX];
	struct kp *kp = NULL;
	int r;

	if (!ops)
		return -ENOTSUP;
	r = ops->check(uri, normal, e);
	if (!r)
		r = ops->open(ctx, normal, &kp, e);
	if (r)
		return r;
	r = protect(ops, kp, ctx, normal, secret, &s, ret_info, e);
	ops->close(kp);
	if (r)
		kp_slot_done(&s);
	else
		*ret = s;
	return r;
}
