/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new data key for an XTS file, whose chunks are done in windows, in their
 * order: the window is saved to the journal as it is, written in place under
 * the new key, and counted in the header, each with a barrier.  Readers are
 * given what was saved meanwhile; writers of the window wait.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "crypto/xts.h"
#include "fs/store/entry.h"
#include "fs/store/journal.h"
#include "fs/store/rekey_internal.h"
#include "fs/store/xts_journal.h"

/* ---- one window; loaded.flush is held --------------------------------------------------- */

struct window {
	struct loaded *l;
	struct xts_record rec;
	uint8_t *new; /* the same chunks under the new key */
	bool saved;   /* the record may count, and the places may not be what they were */
};

/* Who was writing there has ended, and who comes waits. */
static void window_close(struct window *w)
{
	struct xts_state *x = &w->l->xts;

	pthread_rwlock_wrlock(&w->l->g0->lock);
	x->first = w->rec.first;
	x->last = w->rec.first + w->rec.n;
	pthread_rwlock_unlock(&w->l->g0->lock);
}

static void window_open(struct window *w, bool done)
{
	struct xts_state *x = &w->l->xts;

	pthread_rwlock_wrlock(&w->l->g0->lock);
	if (done)
		x->done = x->last;
	x->first = x->last = 0;
	x->was = NULL;
	pthread_rwlock_unlock(&w->l->g0->lock);
}

/* From now on it is read as it was saved. */
static void window_show(struct window *w)
{
	pthread_rwlock_wrlock(&w->l->g0->lock);
	w->l->xts.was = xts_record_chunks(&w->rec);
	pthread_rwlock_unlock(&w->l->g0->lock);
}

static int seal_chunks(struct window *w)
{
	struct loaded *l = w->l;
	uint8_t *p = w->new;
	struct xts *x;
	int r;

	memcpy(p, xts_record_chunks(&w->rec), (size_t)w->rec.n * CHUNK);
	r = xts_decrypt(l, w->rec.first, w->rec.first + w->rec.n, p);
	x = r ? NULL : xts_begin(l->k->xk[l->h.epoch & 1], true);
	if (!r && !x)
		r = -errno;
	for (uint32_t i = 0; i < w->rec.n && !r; i++, p += CHUNK)
		if (!xts_is_hole(xts_record_chunks(&w->rec) + (size_t)i * CHUNK))
			r = xts_crypt(x, w->rec.first + i, p, CHUNK, p);
	xts_end(x);
	return r;
}

/* A hole stays one. */
static int write_places(struct window *w)
{
	int r = 0;

	for (uint32_t i = 0; i < w->rec.n && !r;) {
		uint32_t from = i;

		while (i < w->rec.n && !xts_is_hole(w->new + (size_t)i * CHUNK))
			i++;
		if (i > from)
			r = backing_write(w->l->o->fd, w->new + (size_t)from * CHUNK,
					  (size_t)(i - from) * CHUNK, xts_place(w->rec.first + from));
		else
			i++;
	}
	return r ? r : barrier_raw(w->l);
}

/* A header that voids the record, durable. */
static int write_header(struct loaded *l, uint32_t done)
{
	pthread_rwlock_wrlock(&l->lock);
	l->h.xts_done = done;
	l->header_dirty = true;
	pthread_rwlock_unlock(&l->lock);
	return rekey_batch(l, true);
}

/* Nothing has happened: at once, or by a later batch, and until then it is read as it was saved. */
static void window_undo(struct window *w)
{
	struct loaded *l = w->l;

	if (!w->saved) {
		window_open(w, false);
		return;
	}
	window_show(w);
	xts_stick(l, &w->rec);
	write_header(l, l->h.xts_done);
}

static int window_do(struct window *w)
{
	struct loaded *l = w->l;
	struct xts_record *rec = &w->rec;
	int r;

	window_close(w);
	r = xts_read_places(l, rec->first, rec->first + rec->n, xts_record_chunks(rec));
	if (!r)
		r = seal_chunks(w);
	if (!r) {
		w->saved = true;
		r = xts_journal_write(l, rec);
	}
	if (!r) {
		window_show(w);
		r = write_places(w);
	}
	if (r) {
		window_undo(w);
		return r;
	}
	/* All is there: whether the header can say so now or later, it goes on from here. */
	r = write_header(l, (uint32_t)(rec->first + rec->n));
	window_open(w, true);
	return r;
}

/* The next window of L, if there is one.  *RET_BYTES: 0, there is none. */
static int next_window(struct loaded *l, uint64_t *ret_bytes)
{
	uint64_t n = chunk_count(loaded_size(l)), first = l->xts.done;
	struct window w = { .l = l };
	int r;

	*ret_bytes = 0;
	if (first >= n)
		return 0;
	if (n > UINT32_MAX)
		return -EFBIG; /* the header cannot count them */
	r = xts_record_new(&w.rec);
	if (!r)
		r = rekey_batch(l, true); /* the newest header is durable */
	w.rec.first = first;
	w.rec.n = (uint32_t)MIN(n - first, (uint64_t)XTS_WINDOW);
	w.new = r ? NULL : malloc((size_t)w.rec.n * CHUNK);
	if (!r && !w.new)
		r = -ENOMEM;
	if (!r) {
		keep_attrs(l);
		r = window_do(&w);
	}
	if (!r)
		*ret_bytes = (uint64_t)w.rec.n * CHUNK;
	if (w.new)
		secret_wipe(w.new, (size_t)w.rec.n * CHUNK); /* plaintext, where it failed half-way */
	free(w.new);
	xts_record_free(&w.rec);
	return r;
}

/* ---- all of a file ------------------------------------------------------------------------ */

static int begin_chunks(struct loaded *l)
{
	struct xts_state *x = &l->xts;
	int r = 0;

	pthread_rwlock_wrlock(&l->g0->lock);
	r = xts_key_derive(l, l->h.epoch);
	if (!r) {
		x->epoch = l->h.epoch;
		x->rekey = true;
		x->done = 0;
	}
	pthread_rwlock_unlock(&l->g0->lock);
	l->h.xts_done = 0;
	return r;
}

static int begin(struct loaded *l)
{
	int r;

	pthread_mutex_lock(&l->flush);
	r = rekey_batch(l, true); /* what could not be undone is by now */
	pthread_rwlock_wrlock(&l->lock);
	if (!r && !(l->h.flags & FLAG_REKEY))
		r = rekey_take_key(l, begin_chunks);
	else if (!r && l->h.vk_gen != l->o->zone->keys->active)
		r = rekey_wrap_again(l);
	pthread_rwlock_unlock(&l->lock);
	if (!r)
		r = rekey_batch(l, true);
	pthread_mutex_unlock(&l->flush);
	return r;
}

static int do_windows(struct loaded *l, rekey_pace_fn *pace, void *arg)
{
	uint64_t bytes;
	int r;

	do {
		pthread_mutex_lock(&l->flush);
		r = next_window(l, &bytes);
		pthread_mutex_unlock(&l->flush);
		if (!r)
			r = pace(arg, bytes);
	} while (!r && bytes);
	return r;
}

/* The keys of the header and of the chunks are one now.  loaded.flush is held. */
static int drop_old(struct loaded *l)
{
	int r;

	pthread_rwlock_wrlock(&l->lock);
	pthread_rwlock_wrlock(&l->g0->lock);
	r = rekey_drop_key(l);
	if (!r) {
		l->xts.rekey = false;
		secret_wipe(l->k->xk[(l->h.epoch - 1) & 1], XTS_KEY_LEN);
	}
	pthread_rwlock_unlock(&l->g0->lock);
	pthread_rwlock_unlock(&l->lock);
	return r ? r : rekey_batch(l, true);
}

/* No write is under way, which might have put a chunk beyond the end under the old key. */
static int finish(struct loaded *l)
{
	uint64_t bytes;
	int r;

	pthread_rwlock_wrlock(&l->resize);
	pthread_mutex_lock(&l->flush);
	do
		r = next_window(l, &bytes);
	while (!r && bytes);
	if (!r)
		r = drop_old(l);
	pthread_mutex_unlock(&l->flush);
	pthread_rwlock_unlock(&l->resize);
	if (!r)
		r = rekey_other_slot(l, true);
	if (!r) {
		secret_wipe(l->k->dek[(l->h.epoch - 1) & 1], KEY_LEN);
		journal_drop(l->o, &l->h, JOURNAL_XTS, false);
	}
	return r;
}

int rekey_xts(struct loaded *l, rekey_pace_fn *pace, void *arg)
{
	int r = begin(l);

	if (!r)
		r = do_windows(l, pace, arg);
	if (!r)
		r = xattrs_rekey(l);
	return r ? r : finish(l);
}
