/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading an XTS file beside the mount that writes it: nothing tells by which
 * key a chunk was written, so what was read counts only if the header is still
 * the one that it was read by.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/content.h"
#include "fs/store/xts_journal.h"

#define TRIES 1000 /* a writer does not write a header every moment for so long */
#define PAUSE_US 500

/* The header's slots are those that L was loaded from.  1, 0, -errno. */
static int is_same_header(struct loaded *l, const struct xts_state *x)
{
	uint8_t mac[MAC_LEN];

	for (unsigned int i = 0; i < 2; i++) {
		ssize_t got = backing_read(l->o->fd, mac, sizeof(mac), i * SLOT + HEADER_MAC_OFFSET);

		if (got < 0)
			return (int)got;
		memset(mac + got, 0, sizeof(mac) - (size_t)got);
		if (memcmp(mac, x->slot_macs[i], sizeof(mac)))
			return 0;
	}
	return 1;
}

/* What the writer is just re-keying is read as it was, from its record. */
static int take_record(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *dst)
{
	struct xts_record rec;
	uint64_t from, to;
	int r;

	if (!l->xts.rekey || c1 <= l->xts.done || c0 >= l->xts.done + XTS_WINDOW)
		return 0;
	r = xts_journal_read(l->o, &l->h, l->k->hk, &rec);
	if (r)
		return r == -ENOENT ? 0 : r;
	from = MAX(c0, rec.first);
	to = MIN(c1, rec.first + rec.n);
	if (from < to)
		memcpy(dst + (from - c0) * CHUNK, xts_record_chunks(&rec) + (from - rec.first) * CHUNK,
		       (size_t)(to - from) * CHUNK);
	xts_record_free(&rec);
	return 0;
}

/* 1: by the header as it is; 0: by an older one. */
static int read_once(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *dst)
{
	int r;

	pthread_rwlock_rdlock(&l->lock);
	pthread_rwlock_rdlock(&l->g0->lock);
	r = xts_read_places(l, c0, c1, dst);
	if (!r)
		r = take_record(l, c0, c1, dst);
	if (!r)
		r = xts_decrypt(l, c0, c1, dst);
	if (!r)
		r = is_same_header(l, &l->xts);
	pthread_rwlock_unlock(&l->g0->lock);
	pthread_rwlock_unlock(&l->lock);
	return r;
}

static void state_of(struct loaded *l, struct xts_state *ret)
{
	pthread_rwlock_rdlock(&l->g0->lock);
	*ret = l->xts;
	pthread_rwlock_unlock(&l->g0->lock);
}

/* Another header may be of a write only, and the keys the same. */
static bool same_keys(const struct xts_state *a, const struct xts_state *b)
{
	return a->epoch == b->epoch && a->rekey == b->rekey && a->done == b->done && !a->rekey;
}

ssize_t xts_read_beside(struct loaded *l, uint8_t *buf, size_t n, uint64_t off, uint8_t **ret_p)
{
	uint64_t c0 = off / CHUNK, c1 = (off + n - 1) / CHUNK + 1;
	int r = 0;

	*ret_p = buf + off % CHUNK;
	for (unsigned int i = 0; i < TRIES; i++) {
		struct xts_state was, is;

		state_of(l, &was);
		r = read_once(l, c0, c1, buf);
		if (r)
			return r < 0 ? r : (ssize_t)n;
		r = beside_reload(l->o);
		if (r)
			break;
		state_of(l, &is);
		if (same_keys(&was, &is))
			return (ssize_t)n;
		usleep(i ? PAUSE_US : 0);
	}
	secret_wipe(buf, (size_t)(c1 - c0) * CHUNK);
	return r ? r : -EIO;
}
