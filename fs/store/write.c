/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writing a file: a request is cut into groups and sealed in place in the
 * caller's buffer.  Ciphertext goes to its places at once where no slot on
 * disk names them, else it is held for the batch that may overwrite them.
 */
#include <errno.h>

#include "crypto/aead.h" /* GCM_MAX_USES */
#include "crypto/secret.h"
#include "fs/store/content.h"

/* Bytes [OFF, OFF + N) of one chunk that are not all of it: read, merge, seal, store. */
static int write_part(struct loaded *l, struct group *grp, uint32_t slot, uint32_t off,
		      const uint8_t *p, uint32_t n)
{
	uint32_t old = entry_len(&grp->e[slot]), len = MAX(old, off + n);
	uint8_t b[CHUNK];
	int r = 0;

	if (off || off + n < old)
		r = group_read(l, grp, slot, slot + 1, b);
	if (r)
		goto out;
	memcpy(b + off, p, n);
	r = group_seal_store(l, grp, slot, slot + 1, b, len);
out:
	secret_wipe(b, sizeof(b));
	return r;
}

/* The part of a write that falls into GRP: N bytes at OFF of the file. */
static int write_group(struct loaded *l, struct group *grp, uint8_t *p, size_t n, uint64_t off)
{
	uint32_t slot = chunk_slot(off / CHUNK), in = (uint32_t)(off % CHUNK);
	int r = 0;

	if (grp->error)
		return grp->error;
	if (grp->uses + GROUP_CHUNKS >= GCM_MAX_USES && (r = group_reseal(l, grp, grp->epoch, grp->s + 1)))
		return r;
	if (in) {
		uint32_t k = (uint32_t)MIN(n, (size_t)(CHUNK - in));

		r = write_part(l, grp, slot++, in, p, k);
		secret_wipe(p, k);
		p += k;
		n -= k;
	}
	if (!r && n) {
		uint32_t whole = (uint32_t)(n / CHUNK), rest = (uint32_t)(n % CHUNK);
		uint32_t end = slot + whole;

		/* A short end that nothing of the old chunk outlives needs no reading. */
		if (rest && rest >= entry_len(&grp->e[end])) {
			r = group_seal_store(l, grp, slot, end + 1, p, rest);
		} else {
			if (whole)
				r = group_seal_store(l, grp, slot, end, p, CHUNK);
			if (!r && rest) {
				r = write_part(l, grp, end, 0, p + (size_t)whole * CHUNK, rest);
				secret_wipe(p + (size_t)whole * CHUNK, rest);
			}
		}
	}
	return r;
}

/* Lock GRP for its change: before the first one an unclean pair is settled.  Our reference keeps it in memory. */
static int lock_settled(struct loaded *l, struct group *grp)
{
	pthread_rwlock_wrlock(&grp->lock);
	if (grp->settle && !grp->error) {
		int r;

		pthread_rwlock_unlock(&grp->lock);
		r = loaded_settle(l);
		if (r)
			return r;
		pthread_rwlock_wrlock(&grp->lock);
	}
	return 0;
}

static int write_gcm(struct loaded *l, uint8_t *p, size_t n, uint64_t off)
{
	while (n) {
		uint32_t g = chunk_group(off / CHUNK);
		uint64_t end = (group_first(g) + group_chunks(g)) * CHUNK;
		size_t k = (size_t)MIN((uint64_t)n, end - off);
		struct group *grp;
		int r = group_get(l, g, true, &grp);

		if (r)
			return r;
		r = lock_settled(l, grp);
		if (!r) {
			r = write_group(l, grp, p, k, off);
			pthread_rwlock_unlock(&grp->lock);
		}
		group_put(grp);
		if (r)
			return r;
		p += k;
		off += k;
		n -= k;
	}
	return 0;
}

/* Ready to write up to END: resize is held for reading.  W4: the size grows only from a clean end. */
static int begin_write(struct loaded *l, uint64_t end)
{
	int r = 0;

	for (;;) {
		pthread_rwlock_rdlock(&l->resize);
		if (!l->unclean_end || end <= loaded_size(l))
			return 0;
		pthread_rwlock_unlock(&l->resize);
		pthread_rwlock_wrlock(&l->resize); /* no other write is between its bytes and its size */
		r = object_cut_end(l);
		pthread_rwlock_unlock(&l->resize);
		if (r)
			return r;
	}
}

static void grown(struct loaded *l, uint64_t end, bool times)
{
	bool known;

	/* The writeback of a cache is mostly this, and writers side by side need not wait for each other. */
	pthread_rwlock_rdlock(&l->lock);
	known = !times && l->attrs_moved && end <= l->h.size;
	pthread_rwlock_unlock(&l->lock);
	if (!known) {
		pthread_rwlock_wrlock(&l->lock);
		if (end > l->h.size) {
			l->h.size = end;
			l->header_dirty = true;
		}
		if (times)
			clock_gettime(CLOCK_REALTIME, &l->mtime);
		l->attrs_moved = true;
		pthread_rwlock_unlock(&l->lock);
	}
	loaded_mark_dirty(l);
}

/* The object is settled and resize held. */
static int write_settled(struct loaded *l, uint8_t *buf, size_t n, uint64_t off, bool times)
{
	int r = loaded_is_xts(l) ? xts_write(l, buf, n, off) : write_gcm(l, buf, n, off);

	if (!r) {
		grown(l, off + n, times);
		return 0;
	}
	if (!times) {
		/* A kernel with a writeback cache keeps this end: what did not go in is a hole. */
		grown(l, off + n, times);
		return r;
	}
	/* What did go in is consistent, but what lies beyond the size was not asked for. */
	if (off + n > loaded_size(l))
		l->unclean_end = l->stale_length = true;
	loaded_mark_dirty(l);
	return r;
}

static int write_object(struct object *o, uint8_t *buf, size_t n, uint64_t off, bool times)
{
	struct store *st = o->st;
	struct loaded *l;
	int r;

	if (st->opt.read_only)
		r = -EROFS;
	else if (!S_ISREG(o->type))
		r = S_ISDIR(o->type) ? -EISDIR : -EINVAL;
	else if (off > FILE_LIMIT || n > FILE_LIMIT - off)
		r = -EFBIG;
	else {
		store_throttle(st);
		r = object_pin_fresh(o, &l);
	}
	if (r) {
		secret_wipe(buf, n);
		return r;
	}
	if (!times)
		keep_attrs(l);
	if (l->header_settle)
		r = loaded_settle(l);
	if (!r)
		r = begin_write(l, off + n);
	if (!r) {
		r = write_settled(l, buf, n, off, times);
		pthread_rwlock_unlock(&l->resize);
	}
	if (r) {
		secret_wipe(buf, n);
	} else {
		atomic_fetch_add_explicit(&st->bytes_written, n, memory_order_relaxed);
		/*
		 * The first header goes out with the first bytes, so that want
		 * of space for it is the writer's error and not a file lost later.
		 */
		if (loaded_is_unwritten(l) || st->pending > st->pending_max)
			r = object_flush(o);
		else if (l->pending > st->batch_enough)
			r = loaded_flush_beside(l);
	}
	object_unpin(o);
	return r;
}

int object_write(struct object *o, uint8_t *buf, size_t n, uint64_t off)
{
	return write_object(o, buf, n, off, true);
}

int object_write_pages(struct object *o, uint8_t *buf, size_t n, uint64_t off)
{
	return write_object(o, buf, n, off, false);
}
