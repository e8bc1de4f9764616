/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to the providers of a keyring: see open.h.
 */
#include "open.h"

#include <errno.h>
#include <time.h>

#include "crypto/secret.h"

static int judge_key(const struct kp_ops *ops, struct kp *kp, const struct kp_context *ctx,
		     const char *kid, struct kp_error *e)
{
	struct kp_info info = { .kid = "" };
	int r = ops->describe(kp, kid, &info, e);

	return r ? r : kp_acceptable(&info, ctx, time(NULL), e);
}

int kp_open_slot(const struct kp_context *ctx, const struct keyslot *s, bool judge, uint8_t *ret,
		 struct kp_error *e)
{
	const struct kp_ops *ops = kp_provider_of(s->kid, e);
	struct kp *kp = NULL;
	int r;

	if (!ops)
		return -ENOTSUP;
	r = ops->open(ctx, s->kid, &kp, e);
	if (r)
		return r;
	if (judge)
		r = judge_key(ops, kp, ctx, s->kid, e);
	if (!r)
		r = ops->unwrap(kp, s->kid, s->blob, s->blob_len, ret, e);
	ops->close(kp);
	if (r)
		secret_wipe(ret, KP_SECRET_LEN);
	return r;
}

static int check_id(const struct zone_id *z, const struct generation *gen, const struct way *w,
		    const uint8_t *vk, struct kp_error *e)
{
	uint8_t id[KEY_LEN];

	if (!kdf_vk(vk, KDF_KEY_ID, z, gen->g, id) && secret_equal(id, gen->key_id, KEY_LEN))
		return 0;
	return kp_fail(e, -EKEYREJECTED, "cmkfs key show DIR",
		       "%s opens another key than this zone's", w->slot[0]->kid);
}

int kp_open_way(const struct kp_context *ctx, const struct zone_id *z, const struct generation *gen,
		const struct way *w, bool judge, uint8_t ret_vk[static KP_SECRET_LEN],
		const struct keyslot **ret_failed, struct kp_error *e)
{
	_cleanup_secret_ uint8_t *held = secret_alloc((size_t)w->n * KP_SECRET_LEN);
	int r = 0;

	if (!held)
		return kp_fail(e, -EAGAIN, NULL, "no memory for keys");
	for (unsigned int i = 0; i < w->n && !r; i++) {
		r = kp_open_slot(ctx, w->slot[i], judge, held + i * KP_SECRET_LEN, e);
		if (r && ret_failed)
			*ret_failed = w->slot[i];
	}
	if (r)
		return r;
	r = way_key(w, z, gen->g, held, ret_vk);
	if (r)
		return kp_fail(e, r, "cmkfs key restore DIR FILE puts a backup back",
			       "the shares of a group do not belong together");
	r = check_id(z, gen, w, ret_vk, e);
	if (r)
		secret_wipe(ret_vk, KP_SECRET_LEN);
	return r;
}

static bool has_slot(const struct way *w, unsigned int id)
{
	bool has = id && w->combiner && w->combiner->id == id;

	for (unsigned int i = 0; i < w->n; i++)
		has |= id && w->slot[i]->id == id;
	return has;
}

/* Which of two refusals is told: an unanswered question, then a real denial. */
static int weight(int code)
{
	if (!kp_error_row(code)->denied)
		return 2;
	return code == -ENOTSUP || code == -EINVAL ? 0 : 1;
}

int kp_open_generation(const struct kp_context *ctx, const struct zone_id *z,
		       const struct generation *gen, unsigned int skip,
		       uint8_t ret_vk[static KP_SECRET_LEN], struct way *ret_way,
		       struct kp_error *e)
{
	struct way ways[KEYRING_SLOTS];
	unsigned int n = generation_ways(gen, ways);
	bool asked = false;
	int first = kp_fail(e, -ENOENT, "cmkfs key show DIR lists the slots",
			    "generation %u can be opened by no key provider", gen->g);

	for (unsigned int i = 0; i < n; i++) {
		struct kp_error own = { 0 };
		int r;

		if (has_slot(&ways[i], skip))
			continue;
		r = kp_open_way(ctx, z, gen, &ways[i], false, ret_vk, NULL, &own);
		if (!r) {
			if (ret_way)
				*ret_way = ways[i];
			return 0;
		}
		if (!asked || weight(r) > weight(first)) {
			first = r;
			if (e)
				*e = own;
		}
		asked = true;
	}
	secret_wipe(ret_vk, KP_SECRET_LEN);
	return first;
}
