/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One group of a GCM file: which slot counts, and whether each chunk reads, by
 * its own entry or by the slot it was written beside (cmkfs-format(5),
 * Reading).
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "fs/store/check_internal.h"

/* The pair of slots of a group, whichever kind it is. */
struct pair_view {
	uint32_t g;
	bool unclean, have_base, base_none;
	struct {
		const struct entry *e;
		const uint8_t *tail;
		uint32_t tail_chunk;
		const uint8_t *gk;
	} slot[2]; /* the one that counts, its base */
};

static void take_header(const struct check_view *v, unsigned int n,
			struct check_scratch *s, struct pair_view *p, unsigned int as)
{
	const uint8_t *block = v->blocks + n * SLOT;
	const struct header *h = &v->h[n];
	size_t count = h->flags & FLAG_TAIL ? (size_t)chunk_count(h->size) : GROUP0_CHUNKS;
	uint32_t off, len;

	memset(s->e[as], 0, sizeof(s->e[as]));
	memcpy(s->e[as], block + TAIL_OFFSET, count * sizeof(struct entry));
	p->slot[as].e = s->e[as];
	p->slot[as].gk = s->gk[as];
	p->slot[as].tail_chunk = NO_TAIL;
	if (header_tail(h, block, &p->slot[as].tail_chunk, &off, &len))
		p->slot[as].tail = block + off;
}

static int header_pair(const struct check_view *v, struct check_scratch *s,
		       struct pair_view *p)
{
	int r = 0;

	p->unclean = v->unclean;
	p->have_base = v->have_base;
	p->base_none = !check_header(v)->base;
	for (unsigned int as = 0; as < 2 && !r; as++) {
		unsigned int n = as ? 1 - v->n : v->n;
		const struct header *h = &v->h[n];

		if (as && !v->have_base)
			break;
		take_header(v, n, s, p, as);
		r = kdf_group(v->dek[n][h->epoch & 1], h->object_id, h->epoch, 0, h->s, s->gk[as]);
	}
	return r;
}

/* 0; -EBADMSG; -ENODATA: never written; -EIO. */
static int slot_check(const struct check_view *v, uint32_t g, const uint8_t *block,
		      unsigned int parity, struct group_slot *ret, uint8_t *gk)
{
	const struct header *h = check_header(v);
	int r = group_parse(block, ret, NULL);

	if (r)
		return r;
	if (ret->g != g || (ret->gen & 1) != parity || !epoch_known(h, ret->epoch))
		return -EBADMSG;
	r = kdf_group(v->dek[v->n][ret->epoch & 1], h->object_id, ret->epoch, g, ret->s, gk);
	return r ? r : group_verify(block, gk + AEAD_KEY_LEN);
}

/* False: the group has no valid slot; *RET says whether it may be so. */
static bool group_pair(struct check_file *f, const struct check_view *v, struct check_scratch *s,
		       struct pair_view *p, struct check_verdict *ret)
{
	const struct header *h = check_header(v);
	struct group_slot slot[2];
	unsigned int n;
	int ok[2];

	for (unsigned int i = 0; i < 2; i++)
		ok[i] = slot_check(v, p->g, s->slots + i * SLOT, i, &slot[i], s->gk[i]);
	if (ok[0] && ok[1]) {
		bool never = v->unclean &&
			     (!h->base || (v->have_base && !group_present(&v->h[1 - v->n], p->g)));

		ret->why = never ? NULL : ok[0] == -ENODATA && ok[1] == -ENODATA ?
			   "its slots are missing" : "neither slot authenticates";
		return false;
	}
	n = ok[1] || (!ok[0] && slot[0].gen > slot[1].gen) ? 0 : 1;
	ret->spare = ok[1 - n] && ok[1 - n] != -ENODATA;
	p->unclean = session_unclean(f->o->st, slot[n].session);
	p->base_none = !slot[n].base;
	p->have_base = !ok[1 - n] && slot[n].base && slot[1 - n].gen == slot[n].base;
	for (unsigned int as = 0; as < 2; as++) {
		unsigned int i = as ? 1 - n : n;

		memcpy(s->e[as], s->slots + i * SLOT + GROUP_ENTRIES_OFFSET, sizeof(s->e[as]));
		p->slot[as].e = s->e[as];
		p->slot[as].gk = s->gk[i];
		p->slot[as].tail_chunk = NO_TAIL;
	}
	return true;
}

/* ---- chunks ---------------------------------------------------------------------- */

/* Of the chunks TODO those that slot AS does not open stay. */
static int open_chunks(const struct pair_view *p, unsigned int as, struct check_scratch *s,
		       uint64_t todo[static 2])
{
	struct aead *a = aead_begin(p->slot[as].gk, false);
	int r = 0;

	if (!a)
		return -errno;
	for (uint32_t i = 0; i < group_chunks(p->g) && !r; i++) {
		const uint8_t *c = p->slot[as].tail_chunk == i ? p->slot[as].tail :
								 s->data + (size_t)i * CHUNK;

		if (!bit_get(todo, i))
			continue;
		if (!entry_is_hole(&p->slot[as].e[i]))
			r = chunk_open(a, group_first(p->g) + i, &p->slot[as].e[i], c, s->p);
		if (!r)
			bit_clear(todo, i);
		else if (r == -EBADMSG)
			r = 0;
	}
	aead_end(a);
	secret_wipe(s->p, CHUNK);
	return r;
}

static int read_data(struct check_file *f, const struct pair_view *p, struct check_scratch *s)
{
	size_t n = (size_t)group_chunks(p->g) * CHUNK;
	ssize_t got = backing_read(f->o->fd, s->data, n, chunk_place(group_first(p->g)));

	if (got < 0)
		return (int)got;
	memset(s->data + got, 0, n - (size_t)got);
	return 0;
}

/* Chunks within the size that are no holes; RET_CUT: those beyond the end of the backing file. */
static uint64_t name_chunks(const struct check_view *v, const struct pair_view *p,
			    uint64_t ret[static 2], uint64_t ret_cut[static 2])
{
	uint64_t n = chunk_count(check_header(v)->size), first = group_first(p->g), bytes = 0;

	for (uint32_t i = 0; i < group_chunks(p->g) && first + i < n; i++) {
		const struct entry *e = &p->slot[0].e[i];

		if (entry_is_hole(e))
			continue;
		bit_set(ret, i);
		bytes += entry_len(e);
		if (p->slot[0].tail_chunk != i && chunk_place(first + i) + entry_len(e) > v->length)
			bit_set(ret_cut, i);
	}
	return bytes;
}

static void check_chunks(struct check_file *f, const struct check_view *v,
			 const struct pair_view *p, struct check_scratch *s,
			 struct check_verdict *ret)
{
	uint64_t todo[2] = { 0, 0 }, cut[2] = { 0, 0 };

	ret->bytes = name_chunks(v, p, todo, cut);
	if (!s->data) { /* nothing is read: only what cannot be there is said */
		if (!p->unclean)
			memcpy(ret->bad, cut, sizeof(cut));
		return;
	}
	if (!todo[0] && !todo[1])
		return;
	ret->error = read_data(f, p, s);
	if (!ret->error)
		ret->error = open_chunks(p, 0, s, todo);
	if (!ret->error && (todo[0] || todo[1]) && p->unclean) {
		if (p->base_none)
			todo[0] = todo[1] = 0; /* they read as zeros */
		else if (p->have_base)
			ret->error = open_chunks(p, 1, s, todo);
	}
	if (!ret->error)
		memcpy(ret->bad, todo, sizeof(todo));
}

void check_group(struct check_file *f, const struct check_view *v, uint32_t g,
		 struct check_scratch *s, struct check_verdict *ret)
{
	struct pair_view p = { .g = g };
	ssize_t got;

	*ret = (struct check_verdict){ 0 };
	if (!g) {
		ret->error = header_pair(v, s, &p);
	} else {
		got = backing_read(f->o->fd, s->slots, 2 * SLOT, group_base(g));
		if (got < 0) {
			ret->error = (int)got;
			return;
		}
		memset(s->slots + got, 0, 2 * SLOT - (size_t)got);
		if (!group_pair(f, v, s, &p, ret))
			return;
	}
	if (!ret->error)
		check_chunks(f, v, &p, s, ret);
	secret_wipe(s->gk[0], GK_LEN);
	secret_wipe(s->gk[1], GK_LEN);
}
