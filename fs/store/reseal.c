/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group sealed anew: under its next subkey, when the nonces of the one it has
 * run out (cmkfs-format(5), Limits), or under another data key.
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "fs/store/content.h"

struct reseal {
	struct loaded *l;
	struct group *grp;
	uint32_t epoch, s;
	uint8_t *gk;	/* the next key, secret memory */
	uint8_t *p;	/* one chunk of plaintext, secret memory */
	uint64_t uses;
	struct entry e[GROUP_CHUNKS];
	struct held *held[GROUP_CHUNKS];
};

static int reseal_chunk(struct reseal *v, uint32_t i)
{
	uint32_t len = entry_len(&v->grp->e[i]);
	struct aead *a;
	int r = group_read(v->l, v->grp, i, i + 1, v->p);

	if (r)
		return r;
	a = aead_begin(v->gk, true);
	if (!a)
		return -errno;
	r = chunk_seal(a, group_first(v->grp->g) + i, v->p, len, &v->e[i]);
	aead_end(a);
	if (!r)
		v->held[i] = held_new(v->p, len, true);
	v->uses++;
	return r || v->held[i] ? r : -ENOMEM;
}

/* Into memory, all of it: until then nothing has changed. */
static int reseal_all(struct reseal *v)
{
	struct group *grp = v->grp;
	int r = kdf_group(loaded_dek(v->l, v->epoch), v->l->h.object_id, v->epoch, grp->g, v->s,
			  v->gk);

	if (!r)
		r = group_may_hold(grp);
	for (uint32_t i = 0; i < group_chunks(grp->g) && !r; i++) {
		if (entry_is_hole(&grp->e[i]))
			v->e[i] = grp->e[i];
		else if (bit_get(grp->bad, i)) /* stays as it is, if it can keep its key */
			r = v->epoch == grp->epoch ? v->e[i] = grp->e[i], 0 : -EIO;
		else
			r = reseal_chunk(v, i);
	}
	return r;
}

static void take_all(struct reseal *v)
{
	struct group *grp = v->grp;

	memcpy(grp->gk, v->gk, GK_LEN);
	grp->epoch = v->epoch;
	grp->s = v->s;
	grp->uses = v->uses;
	grp->tail = NO_TAIL;
	for (uint32_t i = 0; i < group_chunks(grp->g); i++) {
		grp->e[i] = v->e[i];
		if (v->held[i])
			group_take_held(v->l, grp, i, v->held[i]);
	}
	grp->dirty = true;
}

int group_reseal(struct loaded *l, struct group *grp, uint32_t epoch, uint32_t s)
{
	struct reseal *v = calloc(1, sizeof(*v));
	int r = -ENOMEM;

	if (!v)
		return r;
	v->l = l;
	v->grp = grp;
	v->epoch = epoch;
	v->s = s;
	v->gk = secret_alloc(GK_LEN);
	v->p = secret_alloc(CHUNK);
	if (v->gk && v->p)
		r = reseal_all(v);
	if (!r)
		take_all(v);
	else
		for (uint32_t i = 0; i < GROUP_CHUNKS; i++)
			free(v->held[i]);
	secret_free(v->gk);
	secret_free(v->p);
	free(v);
	return r;
}
