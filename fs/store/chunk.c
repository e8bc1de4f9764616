/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of a GCM file: plaintext from places and held ciphertext, and back.
 * group.lock is held by the caller, for writing where an entry changes.
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "fs/store/content.h"

#define BULK (64u << 10) /* bytes of a group, beside which those of its slots are few */

/* ---- held ciphertext --------------------------------------------------------- */

void held_waits(struct loaded *l, const struct held *h)
{
	if (!h->counted)
		return;
	atomic_fetch_add(&l->pending, h->len);
	atomic_fetch_add(&l->o->st->pending, h->len);
}

void held_waits_no_more(struct loaded *l, const struct held *h)
{
	if (!h->counted)
		return;
	atomic_fetch_sub(&l->pending, h->len);
	atomic_fetch_sub(&l->o->st->pending, h->len);
}

void group_unhold(struct loaded *l, struct group *grp, uint32_t slot)
{
	struct held *h = grp->held ? grp->held[slot] : NULL;

	if (!h)
		return;
	grp->held[slot] = NULL;
	held_waits_no_more(l, h);
	if (h->inflight) /* the batch that writes it frees it */
		return;
	if (h->owed)
		group_owe(grp, slot, h);
	else
		free(h);
}

void group_drop_held(struct loaded *l, struct group *grp)
{
	if (grp->held)
		for (uint32_t i = 0; i < group_chunks(grp->g); i++)
			group_unhold(l, grp, i);
}

struct held *held_new(const uint8_t *c, uint32_t len, bool counted)
{
	struct held *h = malloc(sizeof(*h) + len);

	if (!h)
		return NULL;
	h->len = len;
	h->inflight = h->owed = false;
	h->counted = counted;
	memcpy(h->c, c, len);
	return h;
}

void group_take_held(struct loaded *l, struct group *grp, uint32_t slot, struct held *h)
{
	group_unhold(l, grp, slot);
	grp->held[slot] = h;
	held_waits(l, h);
}

int group_may_hold(struct group *grp)
{
	if (!grp->held)
		grp->held = calloc(group_chunks(grp->g), sizeof(struct held *));
	return grp->held ? 0 : -ENOMEM;
}

int group_hold(struct loaded *l, struct group *grp, uint32_t slot, const uint8_t *c, uint32_t len,
	       bool counted)
{
	struct held *h = group_may_hold(grp) ? NULL : held_new(c, len, counted);

	if (!h)
		return -ENOMEM;
	group_take_held(l, grp, slot, h);
	return 0;
}

/* ---- reading ------------------------------------------------------------------- */

int chunk_open(struct aead *a, uint64_t index, const struct entry *e, const uint8_t *c,
	       uint8_t *ret)
{
	uint8_t aad[8];

	put_le64(aad, index);
	return aead_open(a, e->iv, aad, sizeof(aad), c, entry_len(e), e->tag, ret);
}

static int chunk_bad(struct loaded *l, uint64_t index)
{
	store_event(l->o->st, EVENT_INTEGRITY, l->o, index * CHUNK, CHUNK, "chunk");
	return -EIO;
}

static struct held *held_of(const struct group *grp, uint32_t slot)
{
	return grp->held ? grp->held[slot] : NULL;
}

/* Ciphertext of the slots [FROM, TO), all in their places, by one read. */
static int read_run(struct loaded *l, struct group *grp, uint32_t from, uint32_t to, uint8_t *dst)
{
	uint64_t place = chunk_place(group_first(grp->g) + from);
	size_t n = (size_t)(to - from - 1) * CHUNK + entry_len(&grp->e[to - 1]);
	ssize_t got = backing_read(l->o->fd, dst, n, place);

	if (got < 0)
		return (int)got;
	if ((size_t)got < n)
		memset(dst + got, 0, n - (size_t)got); /* cut off: will not authenticate */
	return 0;
}

int group_read(struct loaded *l, struct group *grp, uint32_t from, uint32_t to, uint8_t *dst)
{
	uint64_t first = group_first(grp->g);
	struct aead *a = aead_begin(grp->gk, false);
	int r = 0;

	if (!a)
		return -errno;
	for (uint32_t i = from; i < to && !r;) {
		uint8_t *p = dst + (size_t)(i - from) * CHUNK;
		struct held *h = held_of(grp, i);
		uint32_t end = i + 1;

		if (bit_get(grp->bad, i)) {
			r = chunk_bad(l, first + i);
			break;
		}
		if (entry_is_hole(&grp->e[i])) {
			memset(p, 0, CHUNK);
			i++;
			continue;
		}
		if (!h) {
			while (end < to && !entry_is_hole(&grp->e[end]) && !held_of(grp, end) &&
			       !bit_get(grp->bad, end))
				end++;
			r = read_run(l, grp, i, end, p);
		}
		for (; i < end && !r; i++, p += CHUNK) {
			uint32_t len = entry_len(&grp->e[i]);

			r = chunk_open(a, first + i, &grp->e[i], h ? h->c : p, p);
			if (r == -EBADMSG)
				r = chunk_bad(l, first + i);
			if (len < CHUNK)
				memset(p + len, 0, CHUNK - len);
		}
	}
	aead_end(a);
	return r;
}

/* ---- writing -------------------------------------------------------------------- */

int chunk_seal(struct aead *a, uint64_t index, uint8_t *p, uint32_t len, struct entry *ret)
{
	uint8_t aad[8];
	int r = rand_iv(ret->iv);

	put_le64(aad, index);
	put_le32(ret->len, len);
	return r ? r : aead_seal(a, ret->iv, aad, sizeof(aad), p, len, p, ret->tag);
}

void chunk_clear(struct loaded *l, struct group *grp, uint32_t slot)
{
	memset(&grp->e[slot], 0, sizeof(grp->e[slot]));
	bit_clear(grp->bad, slot);
	if (grp->tail == slot)
		grp->tail = NO_TAIL;
	group_unhold(l, grp, slot);
	grp->dirty = true;
}

/* A place that a slot on disk names is not written before its batch. */
static bool must_hold(const struct group *grp, uint32_t slot)
{
	return bit_get(grp->pair.disk_names, slot) || bit_get(grp->pair.dur_names, slot);
}

/* A short chunk of a small file may become the header's tail. */
static bool may_be_tail(const struct group *grp, uint32_t slot, uint32_t len)
{
	return !grp->g && slot < GROUP0_CHUNKS - 1 && len <= TAIL_AREA - ENTRY_LEN * (slot + 1);
}

/* The slots of a run whose write failed: what replaced something is held for the batch instead. */
static void keep_failed(struct loaded *l, struct group *grp, uint32_t from, uint32_t to, const uint8_t *c,
			const struct entry *old)
{
	for (uint32_t i = from; i < to; i++, c += CHUNK, old++)
		/* Its place may be half overwritten: only the new bytes are whole. */
		if (entry_is_hole(old) || group_hold(l, grp, i, c, entry_len(&grp->e[i]), true))
			grp->e[i] = *old;
}

/* It has no slot, nor is one on its way: that is made under its lock. */
static bool is_new(const struct group *grp)
{
	return grp->g && !grp->pair.gen;
}

/*
 * Put ciphertext C to its places or hold it.  OLD: the entries before.  Where
 * it fails these come back, each with the bytes that it names.
 */
static int group_store(struct loaded *l, struct group *grp, uint32_t from, uint32_t to, const uint8_t *c,
		       const struct entry *old)
{
	uint64_t first = group_first(grp->g);
	int r = 0;

	for (uint32_t i = from; i < to && !r;) {
		const uint8_t *p = c + (size_t)(i - from) * CHUNK;
		uint32_t end = i, len;

		if (must_hold(grp, i) || may_be_tail(grp, i, entry_len(&grp->e[i]))) {
			r = group_hold(l, grp, i, p, entry_len(&grp->e[i]), must_hold(grp, i));
			if (!r)
				i++;
		} else {
			while (end < to && !must_hold(grp, end) &&
			       !may_be_tail(grp, end, entry_len(&grp->e[end])))
				end++;
			len = (end - i - 1) * CHUNK + entry_len(&grp->e[end - 1]);
			r = i == 0 && is_new(grp) && len >= BULK ?
				    place_write_new(l, grp->g, p, len) :
				    place_write(l, p, len, chunk_place(first + i));
			if (r)
				keep_failed(l, grp, i, end, p, old + (i - from));
			for (; i < end && !r; i++)
				group_unhold(l, grp, i);
			i = end;
		}
		if (r)
			memcpy(grp->e + i, old + (i - from), (to - i) * sizeof(*old));
	}
	l->unsynced = true;
	grp->dirty = true;
	return r;
}

/*
 * Seal slots [FROM, TO) at P in place and store them.  Where that fails a slot
 * has its old entry or the new one, but never one that names other bytes.
 */
int group_seal_store(struct loaded *l, struct group *grp, uint32_t from, uint32_t to, uint8_t *p,
		     uint32_t last_len)
{
	struct entry old[GROUP_CHUNKS], new[GROUP_CHUNKS];
	struct aead *a = aead_begin(grp->gk, true);
	uint64_t first = group_first(grp->g);
	int r = 0;

	if (!a)
		return -errno;
	for (uint32_t i = from; i < to && !r; i++)
		r = chunk_seal(a, first + i, p + (size_t)(i - from) * CHUNK,
			       i == to - 1 ? last_len : CHUNK, &new[i - from]);
	aead_end(a);
	if (r)
		return r;
	memcpy(old, grp->e + from, (to - from) * sizeof(old[0]));
	memcpy(grp->e + from, new, (to - from) * sizeof(new[0]));
	grp->uses += to - from;
	r = group_store(l, grp, from, to, p, old);
	for (uint32_t i = from; i < to; i++) {
		if (!memcmp(&grp->e[i], &old[i - from], sizeof(old[0])))
			continue;
		bit_clear(grp->bad, i);
		if (grp->tail == i)
			grp->tail = NO_TAIL;
	}
	return r;
}

/* Open SLOT, zero a part, seal it at its new length. */
static int chunk_remake(struct loaded *l, struct group *grp, uint32_t slot, uint32_t zero_from,
			uint32_t zero_to, uint32_t len)
{
	uint8_t p[CHUNK];
	int r = group_read(l, grp, slot, slot + 1, p);

	if (r)
		goto out;
	if (zero_to > zero_from)
		memset(p + zero_from, 0, zero_to - zero_from);
	r = group_seal_store(l, grp, slot, slot + 1, p, len);
out:
	secret_wipe(p, sizeof(p));
	return r;
}

int chunk_shorten(struct loaded *l, struct group *grp, uint32_t slot, uint32_t len)
{
	if (entry_len(&grp->e[slot]) <= len)
		return 0;
	return chunk_remake(l, grp, slot, 0, 0, len);
}

int chunk_zero(struct loaded *l, struct group *grp, uint32_t slot, uint32_t from, uint32_t to)
{
	uint32_t len = entry_len(&grp->e[slot]);

	to = MIN(to, len);
	if (from >= to)
		return 0;
	return chunk_remake(l, grp, slot, from, to, len);
}
