/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Contents of an XTS file (cmkfs-format(5), XTS layout): no entries, every
 * chunk one data unit in its place, an all-zero ciphertext is a hole.  Group
 * 0's lock keeps a change of part of a chunk apart from all else.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "crypto/xts.h"
#include "fs/store/content.h"

bool xts_is_hole(const uint8_t *c)
{
	return !c[0] && !memcmp(c, c + 1, CHUNK - 1);
}

/* ---- chunks; group 0's lock is held --------------------------------------------------- */

/* The chunks of [C0, C1) that are of one epoch: where they end, and their key. */
static uint64_t one_epoch(const struct loaded *l, uint64_t c0, uint64_t c1, const uint8_t **ret_key)
{
	const struct xts_state *x = &l->xts;
	bool old = x->rekey && c0 >= x->done;

	*ret_key = l->k->xk[(x->epoch - old) & 1];
	return x->rekey && !old ? MIN(c1, x->done) : c1;
}

static int crypt_units(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *p, bool encrypt)
{
	int r = 0;

	while (c0 < c1 && !r) {
		const uint8_t *key;
		uint64_t end = one_epoch(l, c0, c1, &key);
		struct xts *x = xts_begin(key, encrypt);

		if (!x)
			return -errno;
		for (; c0 < end && !r; c0++, p += CHUNK)
			if (encrypt || !xts_is_hole(p))
				r = xts_crypt(x, c0, p, CHUNK, p);
		xts_end(x);
	}
	return r;
}

int xts_decrypt(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *p)
{
	return crypt_units(l, c0, c1, p, false);
}

int xts_read_places(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *dst)
{
	size_t n = (size_t)(c1 - c0) * CHUNK;
	ssize_t got = backing_read(l->o->fd, dst, n, xts_place(c0));

	if (got < 0)
		return (int)got;
	memset(dst + got, 0, n - (size_t)got);
	return 0;
}

/* Chunks [C0, C1) into DST, decrypted. */
static int read_units(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *dst)
{
	const struct xts_state *x = &l->xts;
	uint64_t from = MAX(c0, x->first), to = MIN(c1, x->last);
	int r = xts_read_places(l, c0, c1, dst);

	if (r)
		return r;
	if (x->was && from < to)
		memcpy(dst + (from - c0) * CHUNK, x->was + (from - x->first) * CHUNK,
		       (size_t)(to - from) * CHUNK);
	return xts_decrypt(l, c0, c1, dst);
}

static int write_units(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *p)
{
	int r = crypt_units(l, c0, c1, p, true);

	if (!r)
		r = place_write(l, p, (size_t)(c1 - c0) * CHUNK, xts_place(c0));
	l->unsynced = true;
	return r;
}

/* Group 0's lock, for a change of chunks [C0, C1), none of which is being re-keyed. */
static int change_lock(struct loaded *l, uint64_t c0, uint64_t c1, bool exclusive)
{
	const struct xts_state *x = &l->xts;

	for (;;) {
		bool stuck;

		if (exclusive)
			pthread_rwlock_wrlock(&l->g0->lock);
		else
			pthread_rwlock_rdlock(&l->g0->lock);
		if (c0 >= x->last || c1 <= x->first)
			return 0;
		stuck = x->stuck;
		pthread_rwlock_unlock(&l->g0->lock);
		if (stuck)
			return -EIO;
		pthread_mutex_lock(&l->flush);
		pthread_mutex_unlock(&l->flush);
	}
}

/* ---- reading and writing ---------------------------------------------------------------- */

ssize_t xts_read(struct loaded *l, uint8_t *buf, size_t n, uint64_t off, uint8_t **ret_p)
{
	int r;

	if (l->o->st->opt.read_only)
		return xts_read_beside(l, buf, n, off, ret_p);
	pthread_rwlock_rdlock(&l->g0->lock);
	r = read_units(l, off / CHUNK, (off + n - 1) / CHUNK + 1, buf);
	pthread_rwlock_unlock(&l->g0->lock);
	*ret_p = buf + off % CHUNK;
	return r ? r : (ssize_t)n;
}

/*
 * Replace N bytes at IN of chunk C (P NULL: by zeros).  What lies beyond the
 * size is zero, or has just been written by another; see xts_cut().
 */
static int change_part(struct loaded *l, uint64_t c, uint32_t in, const uint8_t *p, uint32_t n)
{
	uint8_t b[CHUNK];
	int r = change_lock(l, c, c + 1, true);

	if (r)
		return r;
	r = read_units(l, c, c + 1, b);
	if (!r) {
		if (p)
			memcpy(b + in, p, n);
		else
			memset(b + in, 0, n);
		r = write_units(l, c, c + 1, b);
	}
	pthread_rwlock_unlock(&l->g0->lock);
	secret_wipe(b, sizeof(b));
	return r;
}

int xts_write(struct loaded *l, uint8_t *buf, size_t n, uint64_t off)
{
	int r = 0;

	if (off % CHUNK) {
		uint32_t in = (uint32_t)(off % CHUNK), k = (uint32_t)MIN(n, (size_t)(CHUNK - in));

		r = change_part(l, off / CHUNK, in, buf, k);
		secret_wipe(buf, k);
		buf += k;
		off += k;
		n -= k;
	}
	if (!r && n >= CHUNK) {
		uint64_t c0 = off / CHUNK, c1 = c0 + n / CHUNK;
		size_t k = (size_t)(c1 - c0) * CHUNK;

		r = change_lock(l, c0, c1, false);
		if (!r) {
			r = write_units(l, c0, c1, buf);
			pthread_rwlock_unlock(&l->g0->lock);
		}
		buf += k;
		off += k;
		n -= k;
	}
	if (!r && n) {
		r = change_part(l, off / CHUNK, 0, buf, (uint32_t)n);
		secret_wipe(buf, n);
	}
	return r;
}

/*
 * The places beyond SIZE read as zero, and the last chunk is zero-padded from
 * there.  loaded.flush is held, so that nothing is being re-keyed.
 */
int xts_cut(struct loaded *l, uint64_t size)
{
	uint64_t n = chunk_count(size), end = xts_place(n);
	uint32_t in = (uint32_t)(size % CHUNK);
	int r = 0;

	if (in)
		r = change_part(l, n - 1, in, NULL, CHUNK - in);
	/* What comes there later comes by the key that the header's number says. */
	pthread_rwlock_wrlock(&l->g0->lock);
	l->xts.done = MIN(l->xts.done, n);
	pthread_rwlock_unlock(&l->g0->lock);
	if (!r && l->length > end) {
		r = backing_truncate(l->o->fd, end);
		l->discarded = true;
		l->unsynced = true;
		if (!r)
			l->length = end;
	}
	return r;
}

int xts_zero(struct loaded *l, uint64_t off, uint64_t len)
{
	uint64_t end = off + len;
	uint64_t c0 = (off + CHUNK - 1) / CHUNK, c1 = end / CHUNK;
	int r = 0;

	if (c0 > c1)
		return change_part(l, off / CHUNK, (uint32_t)(off % CHUNK), NULL, (uint32_t)len);
	if (off % CHUNK)
		r = change_part(l, c0 - 1, (uint32_t)(off % CHUNK), NULL,
				CHUNK - (uint32_t)(off % CHUNK));
	if (!r && end % CHUNK)
		r = change_part(l, c1, 0, NULL, (uint32_t)(end % CHUNK));
	if (r || c0 == c1)
		return r;
	r = backing_punch(l->o->fd, xts_place(c0), (c1 - c0) * CHUNK);
	l->discarded = true;
	l->unsynced = true;
	return r;
}

/* A hole of the backing file is zeros, so a hole; other zeros count as data. */
int64_t xts_seek(struct loaded *l, uint64_t off, int whence, uint64_t size)
{
	int64_t at = backing_seek(l->o->fd, xts_place(off / CHUNK) + off % CHUNK, whence);
	uint64_t pos;

	if (at == -ENXIO)
		return whence == SEEK_DATA ? -ENXIO : (int64_t)size;
	if (at < 0)
		return at;
	pos = (uint64_t)at - DATA_START;
	if (pos >= size)
		return whence == SEEK_DATA ? -ENXIO : (int64_t)size;
	return (int64_t)MAX(pos, off);
}
