/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An XTS file as it is loaded: the keys of its chunks, and what a re-keying
 * left half done.
 */
#include <errno.h>

#include "crypto/xts.h"
#include "fs/store/content.h"
#include "fs/store/xts_journal.h"

int xts_key_derive(struct loaded *l, uint32_t epoch)
{
	uint8_t *xk = l->k->xk[epoch & 1];
	int r = kdf_object(loaded_dek(l, epoch), KDF_XTS, l->h.object_id, epoch, xk, XTS_KEY_LEN);

	return r ? r : xts_key_ok(xk) ? 0 : -EIO;
}

void xts_stick(struct loaded *l, struct xts_record *rec)
{
	struct xts_state *x = &l->xts;

	pthread_rwlock_wrlock(&l->g0->lock);
	x->first = rec->first;
	x->last = rec->first + rec->n;
	x->was = xts_record_chunks(rec);
	x->kept = rec->block;
	x->stuck = true;
	pthread_rwlock_unlock(&l->g0->lock);
	rec->block = NULL;
}

int xts_unstick(struct loaded *l)
{
	struct xts_state *x = &l->xts;
	int r;

	if (!x->stuck)
		return 0;
	r = backing_write(l->o->fd, x->was, (size_t)(x->last - x->first) * CHUNK,
			  xts_place(x->first));
	if (!r)
		r = barrier_raw(l);
	if (r)
		return r;
	pthread_rwlock_wrlock(&l->g0->lock);
	free(x->kept);
	x->kept = x->was = NULL;
	x->first = x->last = 0;
	x->stuck = false;
	pthread_rwlock_unlock(&l->g0->lock);
	return 0;
}

/*
 * The window as it was goes back in place.  The record counts until the header
 * is settled, which comes before any change of the window.
 */
static int put_back(struct loaded *l, const struct xts_record *rec)
{
	int r = backing_write(l->o->fd, xts_record_chunks(rec), (size_t)rec->n * CHUNK,
			      xts_place(rec->first));

	if (!r)
		r = backing_barrier(l->o->fd);
	l->header_settle = true;
	return r;
}

int xts_loaded(struct loaded *l, const uint8_t blocks[static 2 * SLOT])
{
	struct xts_state *x = &l->xts;
	struct xts_record rec;
	int r;

	x->rekey = l->h.flags & FLAG_REKEY;
	x->done = l->h.xts_done;
	for (unsigned int i = 0; i < 2; i++)
		memcpy(x->slot_macs[i], blocks + i * SLOT + HEADER_MAC_OFFSET, MAC_LEN);
	if (!x->rekey || l->o->st->opt.read_only)
		return 0;
	r = xts_journal_read(l->o, &l->h, l->k->hk, &rec);
	if (r)
		return r == -ENOENT ? 0 : r;
	if (l->o->fd_ro)
		xts_stick(l, &rec); /* it can be read at least */
	else
		r = put_back(l, &rec);
	xts_record_free(&rec);
	return r;
}
