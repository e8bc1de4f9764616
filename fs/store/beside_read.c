/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading beside the mount that writes the volume: a chunk that fails to
 * authenticate is read again, with its slot, while a write may be in its way.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/content.h"

#define RETRY_MS 1000	 /* a batch is not under way for longer */
#define HOPELESS_MS 5000 /* what was read in vain so long is not tried again meanwhile */
#define PAUSE_US 500
#define PAUSE_MAX_US 16000

/* ---- one chunk, read as close to its slot as can be -------------------------------------- */

struct slot_view {
	struct header h;	/* of group 0 */
	struct group_slot s;
	uint64_t gen, base, session;
	const uint8_t *block;
	bool ok;
};

struct look {
	struct loaded *l;
	uint64_t index;
	uint32_t g, slot;
	bool last; /* no write is waited for any more */
	uint8_t blocks[2 * SLOT], c[CHUNK];
	struct slot_view v[2];
};

static void view_header(struct loaded *l, struct slot_view *v, unsigned int parity)
{
	uint8_t hk[KEY_LEN];

	v->ok = !header_parse(v->block, &v->h, NULL) && (v->h.gen & 1) == parity &&
		epoch_known(&l->h, v->h.epoch) &&
		!kdf_object(loaded_dek(l, v->h.epoch), KDF_HEADER, l->h.object_id, v->h.epoch, hk,
			    KEY_LEN) &&
		!header_verify(v->block, hk);
	secret_wipe(hk, sizeof(hk));
	v->gen = v->h.gen;
	v->base = v->h.base;
	v->session = v->h.session;
}

static void view_group(struct loaded *l, struct slot_view *v, unsigned int parity, uint32_t g)
{
	uint8_t gk[GK_LEN];

	v->ok = !group_parse(v->block, &v->s, NULL) && (v->s.gen & 1) == parity && v->s.g == g &&
		epoch_known(&l->h, v->s.epoch) &&
		!kdf_group(loaded_dek(l, v->s.epoch), l->h.object_id, v->s.epoch, g, v->s.s, gk) &&
		!group_verify(v->block, gk + AEAD_KEY_LEN);
	secret_wipe(gk, sizeof(gk));
	v->gen = v->s.gen;
	v->base = v->s.base;
	v->session = v->s.session;
}

/* Both slots of group G (0: the header), and the chunk if K is to have it. */
static int look_at(struct look *k, uint32_t g, bool chunk)
{
	int fd = k->l->o->fd;
	ssize_t got = backing_read(fd, k->blocks, 2 * SLOT, g ? group_base(g) : 0), n = 0;

	if (chunk && got >= 0)
		n = backing_read(fd, k->c, CHUNK, chunk_place(k->index));
	if (got < 0 || n < 0)
		return (int)MIN(got, n);
	memset(k->blocks + got, 0, 2 * SLOT - (size_t)got);
	if (chunk)
		memset(k->c + n, 0, CHUNK - (size_t)n);
	for (unsigned int i = 0; i < 2; i++) {
		k->v[i].block = k->blocks + i * SLOT;
		if (g)
			view_group(k->l, &k->v[i], i, g);
		else
			view_header(k->l, &k->v[i], i);
	}
	return 0;
}

static struct slot_view *newest(struct look *k)
{
	if (!k->v[0].ok && !k->v[1].ok)
		return NULL;
	return !k->v[1].ok || (k->v[0].ok && k->v[0].gen > k->v[1].gen) ? &k->v[0] : &k->v[1];
}

/* Open the chunk as slot V has it.  0, -EBADMSG, -EIO. */
static int open_by(struct look *k, const struct slot_view *v, uint8_t *dst)
{
	uint32_t chunk, off, len, s = k->g ? v->s.s : v->h.s;
	uint32_t epoch = k->g ? v->s.epoch : v->h.epoch;
	const uint8_t *c = k->c;
	uint8_t gk[GK_LEN];
	struct entry e;
	struct aead *a;
	int r;

	memset(&e, 0, sizeof(e));
	if (k->g)
		memcpy(&e, v->block + GROUP_ENTRIES_OFFSET + k->slot * sizeof(e), sizeof(e));
	else if (!(v->h.flags & FLAG_TAIL) || k->index < chunk_count(v->h.size))
		memcpy(&e, v->block + TAIL_OFFSET + k->slot * sizeof(e), sizeof(e));
	if (!k->g && header_tail(&v->h, v->block, &chunk, &off, &len) && chunk == k->slot)
		c = v->block + off;
	memset(dst, 0, CHUNK);
	if (entry_is_hole(&e))
		return 0;
	r = kdf_group(loaded_dek(k->l, epoch), k->l->h.object_id, epoch, k->g, s, gk);
	a = r ? NULL : aead_begin(gk, false);
	if (!r)
		r = a ? chunk_open(a, k->index, &e, c, dst) : -errno;
	aead_end(a);
	secret_wipe(gk, sizeof(gk));
	return r;
}

/* Zeros for what an unclean session never wrote, unless its writer may still do so. */
static int never_came(struct look *k)
{
	struct object *o = k->l->o;

	if (!k->last || !session_writer_gone(o->st))
		return -EAGAIN;
	store_event_quiet(false);
	store_event(o->st, EVENT_RECOVERED, o, k->index * CHUNK, CHUNK, "chunk of an unclean session");
	store_event_quiet(true);
	return 0;
}

/* The group has no valid slot: is it absent?  0: a hole. */
static int look_for_group(struct look *k)
{
	struct slot_view *v, *base;
	int r = look_at(k, 0, false);

	if (r)
		return r;
	v = newest(k);
	if (!v)
		return -EAGAIN;
	if (!group_present(&v->h, k->g))
		return 0;
	base = v == &k->v[0] ? &k->v[1] : &k->v[0];
	if (session_unclean(k->l->o->st, v->session) &&
	    (!v->base || (base->ok && base->gen == v->base && !group_present(&base->h, k->g))))
		return never_came(k);
	return -EAGAIN;
}

static int look_once(struct look *k, uint8_t *dst)
{
	struct slot_view *v, *base;
	int r = look_at(k, k->g, true);

	if (r)
		return r;
	v = newest(k);
	if (!v) {
		memset(dst, 0, CHUNK);
		return k->g ? look_for_group(k) : -EAGAIN;
	}
	r = open_by(k, v, dst);
	if (r != -EBADMSG || !session_unclean(k->l->o->st, v->session))
		return r == -EBADMSG ? -EAGAIN : r;
	base = v == &k->v[0] ? &k->v[1] : &k->v[0];
	if (v->base) {
		r = base->ok && base->gen == v->base ? open_by(k, base, dst) : -EBADMSG;
		return r == -EBADMSG ? -EAGAIN : r;
	}
	memset(dst, 0, CHUNK);
	return never_came(k);
}

static int look_chunk(struct loaded *l, uint64_t index, bool last, uint8_t *dst)
{
	struct look *k = malloc(sizeof(*k));
	int r;

	if (!k)
		return -ENOMEM;
	k->l = l;
	k->index = index;
	k->g = chunk_group(index);
	k->slot = chunk_slot(index);
	k->last = last;
	r = look_once(k, dst);
	free(k);
	return r == -EAGAIN ? -EIO : r;
}

/* ---- reading ----------------------------------------------------------------------------- */

static int cached_chunk(struct loaded *l, uint64_t index, uint8_t *dst)
{
	uint32_t slot = chunk_slot(index);
	struct group *grp;
	int r = group_get(l, chunk_group(index), false, &grp);

	if (r == -ENOENT)
		memset(dst, 0, CHUNK);
	if (r)
		return r == -ENOENT ? 0 : r;
	pthread_rwlock_rdlock(&grp->lock);
	r = grp->error ? grp->error : group_read(l, grp, slot, slot + 1, dst);
	pthread_rwlock_unlock(&grp->lock);
	group_put(grp);
	return r;
}

static int slow_chunks(struct loaded *l, uint64_t c0, uint64_t c1, bool last, uint8_t *dst)
{
	int r = 0;

	for (; c0 < c1 && !r; c0++, dst += CHUNK) {
		r = cached_chunk(l, c0, dst);
		if (r == -EIO)
			r = look_chunk(l, c0, last, dst);
	}
	return r;
}

static int read_slowly(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *dst)
{
	return slow_chunks(l, c0, c1, false, dst);
}

static int read_last(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *dst)
{
	return slow_chunks(l, c0, c1, true, dst);
}

ssize_t beside_read(struct loaded *l, ssize_t (*read)(void *arg, read_chunks_fn *chunks), void *arg)
{
	struct object *o = l->o;
	uint64_t begin = now_ms(), hopeless = l->hopeless;
	useconds_t pause = PAUSE_US;
	ssize_t r;

	store_event_quiet(true);
	r = read(arg, read_chunks);
	if (r != -EIO)
		goto out;
	do {
		beside_refresh(o); /* gone from its path, it is still what was opened */
		r = read(arg, read_slowly);
		if (r != -EIO || (hopeless && begin - hopeless < HOPELESS_MS) ||
		    !session_is_open(o->st))
			break;
		usleep(pause);
		pause = MIN(2 * pause, PAUSE_MAX_US);
	} while (now_ms() - begin < RETRY_MS);
	if (r == -EIO)
		r = read(arg, read_last);
	if (r == -EIO)
		l->hopeless = now_ms();
out:
	store_event_quiet(false);
	return r == -EIO ? read(arg, read_chunks) : r;
}
