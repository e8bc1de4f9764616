/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking the providers whether a zone's vault key may be used.
 */
#include "slots.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "crypto/rand.h"
#include "crypto/secret.h"

struct slots *slots_new(const struct lease_slot *s, unsigned int n)
{
	struct slots *r = calloc(1, sizeof(*r) + n * sizeof(r->v[0]));

	if (!r || rand_bytes(r->mark_key, sizeof(r->mark_key))) {
		free(r);
		return NULL;
	}
	for (unsigned int i = 0; i < n; i++) {
		struct slot *d = &r->v[i];

		snprintf(d->kid, sizeof(d->kid), "%s", s[i].kid);
		d->blob = malloc(s[i].blob_len ? s[i].blob_len : 1);
		if (!d->blob) {
			slots_free(r);
			return NULL;
		}
		memcpy(d->blob, s[i].blob, s[i].blob_len);
		d->blob_len = s[i].blob_len;
		r->n++;
	}
	return r;
}

void slots_free(struct slots *s)
{
	if (!s)
		return;
	for (unsigned int i = 0; i < s->n; i++) {
		if (s->v[i].ops)
			s->v[i].ops->close(s->v[i].kp);
		free(s->v[i].blob);
	}
	free(s);
}

static int slot_open(struct slot *s, const struct kp_context *ctx, struct kp_error *e)
{
	const struct kp_ops *ops;
	int r;

	if (s->ops)
		return 0;
	ops = kp_provider_of(s->kid, e);
	if (!ops)
		return -ENOTSUP;
	r = ops->open(ctx, s->kid, &s->kp, e);
	if (!r)
		s->ops = ops;
	return r;
}

#define DAY INT64_C(86400)
#define FAR (366 * DAY) /* there are checks enough before */

static void wake_at(struct check *c, int64_t t, int64_t now)
{
	if (t > now && t - now < FAR && (!c->wake || t < c->wake))
		c->wake = t;
}

/* A mark of VK, which tells nothing of it. */
static int mark(const struct slots *s, const uint8_t *vk, uint8_t ret[static MAC_LEN])
{
	return mac(s->mark_key, sizeof(s->mark_key), vk, KP_SECRET_LEN, ret);
}

void slots_accept(struct slots *s, const uint8_t vk[static KP_SECRET_LEN])
{
	struct slot *last = &s->v[s->last];

	last->accepted = !mark(s, vk, last->mark);
}

static int check_same(const struct slots *s, const struct slot *slot, const uint8_t *vk,
		      struct kp_error *e)
{
	uint8_t m[MAC_LEN];

	if (!slot->accepted || (!mark(s, vk, m) && secret_equal(m, slot->mark, MAC_LEN)))
		return 0;
	return kp_fail(e, -EKEYREJECTED, "cmkfs key show DIR", "%s opens another key than before",
		       slot->kid);
}

static int slot_check(const struct slots *all, struct slot *s, const struct kp_context *ctx,
		      uint8_t *vk, struct check *c, struct kp_error *e)
{
	int64_t now = time(NULL);
	struct kp_info info;
	int r = slot_open(s, ctx, e);

	if (!r)
		r = s->ops->describe(s->kp, s->kid, &info, e);
	if (r)
		return r;
	wake_at(c, info.not_before, now);
	wake_at(c, info.expires, now);
	if (info.expires) { /* to be warned of */
		wake_at(c, info.expires - 30 * DAY, now);
		wake_at(c, info.expires - 7 * DAY, now);
	}
	r = kp_acceptable(&info, ctx, now, e);
	if (!r)
		r = s->ops->unwrap(s->kp, s->kid, s->blob, s->blob_len, vk, e);
	if (!r)
		r = check_same(all, s, vk, e);
	if (!r)
		c->info = info;
	return r;
}

/* Which of two refusals is told: an unanswered question, then a real denial. */
static int weight(int code)
{
	if (!kp_error_row(code)->denied)
		return 2;
	return code == -ENOTSUP || code == -EINVAL ? 0 : 1;
}

void slots_check(struct slots *s, const struct kp_context *ctx,
		 uint8_t ret_vk[static KP_SECRET_LEN], struct check *ret)
{
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->code = kp_fail(&ret->error, -ENOENT, "cmkfs key show DIR",
			    "no slot of the keyring can be opened by a provider");
	for (unsigned int i = 0; i < s->n; i++) {
		unsigned int k = (s->last + i) % s->n;
		struct kp_error e = { 0 };

		r = slot_check(s, &s->v[k], ctx, ret_vk, ret, &e);
		if (!r) {
			ret->code = 0;
			s->last = k;
			ret->kid = s->v[k].kid;
			return;
		}
		if (!i || weight(r) > weight(ret->code)) {
			ret->code = r;
			ret->error = e;
		}
	}
	secret_wipe(ret_vk, KP_SECRET_LEN);
}
