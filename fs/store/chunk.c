/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Chunks of a GCM file: plaintext from places and held ciphertext, and back.
 * group.lock is held by the caller, for writing where an entry changes.
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "fs/store/content.h"

/* ---- held ciphertext --------------------------------------------------------- */

void group_unhold(struct loaded *l, struct group *grp, uint32_t slot)
{
	struct held *h = grp->held ? grp->held[slot] : NULL;

	if (!h)
		return;
	grp->held[slot] = NULL;
	if (h->counted)
		atomic_fetch_sub(&l->o->st->pending, h->len);
	if (!h->inflight) /* else the batch that writes it frees it */
		free(h);
}

int group_hold(struct loaded *l, struct group *grp, uint32_t slot, const uint8_t *c, uint32_t len,
	       bool counted)
{
	struct held *h = malloc(sizeof(*h) + len);

	if (!h)
		return -ENOMEM;
	if (!grp->held) {
		grp->held = calloc(group_chunks(grp->g), sizeof(struct held *));
		if (!grp->held) {
			free(h);
			return -ENOMEM;
		}
	}
	h->len = len;
	h->inflight = false;
	h->counted = counted;
	memcpy(h->c, c, len);
	group_unhold(l, grp, slot);
	grp->held[slot] = h;
	if (counted)
		atomic_fetch_add(&l->o->st->pending, len);
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
	atomic_fetch_add(&l->o->st->integrity_errors, 1);
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

			if (chunk_open(a, first + i, &grp->e[i], h ? h->c : p, p))
				r = chunk_bad(l, first + i);
			memset(p + len, 0, CHUNK - len);
		}
	}
	aead_end(a);
	return r;
}

/* ---- writing -------------------------------------------------------------------- */

static int chunk_seal(struct aead *a, struct group *grp, uint32_t slot, uint8_t *p, uint32_t len)
{
	struct entry e;
	uint8_t aad[8];
	int r = rand_iv(e.iv);

	put_le64(aad, group_first(grp->g) + slot);
	put_le32(e.len, len);
	if (!r)
		r = aead_seal(a, e.iv, aad, sizeof(aad), p, len, p, e.tag);
	if (r)
		return r;
	grp->e[slot] = e;
	grp->uses++;
	bit_clear(grp->bad, slot);
	if (grp->tail == slot)
		grp->tail = NO_TAIL;
	return 0;
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

static int group_store(struct loaded *l, struct group *grp, uint32_t from, uint32_t to, const uint8_t *c,
		uint32_t last_len)
{
	uint64_t first = group_first(grp->g);
	int r = 0;

	for (uint32_t i = from; i < to && !r;) {
		uint32_t end = i, len = i == to - 1 ? last_len : CHUNK;
		const uint8_t *p = c + (size_t)(i - from) * CHUNK;

		if (must_hold(grp, i) || may_be_tail(grp, i, len)) {
			r = group_hold(l, grp, i, p, len, must_hold(grp, i));
			i++;
			continue;
		}
		while (end < to && !must_hold(grp, end) &&
		       !may_be_tail(grp, end, end == to - 1 ? last_len : CHUNK)) {
			group_unhold(l, grp, end);
			end++;
		}
		len = (end - i - 1) * CHUNK + (end == to ? last_len : CHUNK);
		r = backing_write(l->o->fd, p, len, chunk_place(first + i));
		if (!r)
			length_reaches(l, chunk_place(first + i) + len);
		i = end;
	}
	l->unsynced = true;
	grp->dirty = true;
	return r;
}

/*
 * Seal slots [FROM, TO) at P in place and store them.  Where storing fails the
 * old entries come back, so that nothing names bytes that are not there.
 */
int group_seal_store(struct loaded *l, struct group *grp, uint32_t from, uint32_t to, uint8_t *p,
		     uint32_t last_len)
{
	struct entry old[GROUP_CHUNKS];
	struct aead *a = aead_begin(grp->gk, true);
	uint32_t tail = grp->tail;
	int r = 0;

	if (!a)
		return -errno;
	memcpy(old, grp->e + from, (to - from) * sizeof(old[0]));
	for (uint32_t i = from; i < to && !r; i++)
		r = chunk_seal(a, grp, i, p + (size_t)(i - from) * CHUNK,
			       i == to - 1 ? last_len : CHUNK);
	aead_end(a);
	if (!r)
		r = group_store(l, grp, from, to, p, last_len);
	if (r) {
		memcpy(grp->e + from, old, (to - from) * sizeof(old[0]));
		grp->tail = tail;
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

int group_reseal(struct loaded *l, struct group *grp)
{
	uint32_t n = group_chunks(grp->g);
	uint8_t *p = malloc((size_t)n * CHUNK);
	int r = p ? 0 : -ENOMEM;

	/* All of it is read under the old key before anything is sealed under the new one. */
	if (!r)
		r = group_read(l, grp, 0, n, p);
	if (!r)
		r = group_rekey(l, grp, grp->epoch, grp->s + 1);
	if (!r)
		grp->uses = 0;
	for (uint32_t i = 0; i < n && !r; i++)
		if (!entry_is_hole(&grp->e[i]))
			r = group_seal_store(l, grp, i, i + 1, p + (size_t)i * CHUNK,
					     entry_len(&grp->e[i]));
	if (p)
		secret_wipe(p, (size_t)n * CHUNK);
	free(p);
	return r;
}
