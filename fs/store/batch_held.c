/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The held bytes of a batch: the ciphertext of chunks on its way to the places
 * that the new slots name.  Those are hard whose place a durable slot names too.
 */
#include <errno.h>

#include "fs/store/batch.h"

int batch_add_held(struct batch *b, struct group *grp, uint32_t slot)
{
	if (b->nheld == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 64;
		struct held_ref *t = realloc(b->held, cap * sizeof(*t));

		if (!t)
			return -ENOMEM;
		b->held = t;
		b->cap = cap;
	}
	bool hard = grp->pair.dur != grp->pair.gen && bit_get(grp->pair.dur_names, slot);

	b->held[b->nheld++] = (struct held_ref){ grp, grp->held[slot], slot, hard };
	grp->held[slot]->inflight = true;
	b->hard |= hard;
	return 0;
}

int write_held(struct batch *b, bool hard)
{
	struct iovec iov[GROUP_CHUNKS];
	int r = 0;

	for (size_t i = 0; i < b->nheld && !r;) {
		struct held_ref *first = &b->held[i];
		uint64_t place = chunk_place(group_first(first->grp->g) + first->slot), len = 0;
		int n = 0;

		if (first->hard != hard) {
			i++;
			continue;
		}
		for (; i < b->nheld; i++, n++) {
			struct held_ref *f = &b->held[i];

			if (f->hard != hard || f->grp != first->grp ||
			    chunk_place(group_first(f->grp->g) + f->slot) != place + len)
				break;
			iov[n] = (struct iovec){ f->h->c, f->h->len };
			len += f->h->len;
		}
		r = backing_writev(b->l->o->fd, iov, n, place);
		if (!r) {
			length_reaches(b->l, place + len);
			b->l->unsynced = true;
		}
	}
	return r;
}

void release_held(struct batch *b, int error)
{
	for (size_t i = 0; i < b->nheld; i++) {
		struct held_ref *f = &b->held[i];
		struct group *grp = f->grp;

		pthread_rwlock_wrlock(&grp->lock);
		bool owed = error && b->overwriting && f->hard;

		b->l->owes |= owed;
		if (grp->held[f->slot] != f->h) {
			if (owed)
				group_owe(grp, f->slot, f->h);
			else
				free(f->h);
		} else if (error) {
			f->h->inflight = false; /* for the next try */
			f->h->owed |= owed;
			grp->dirty = true;
		} else {
			grp->held[f->slot] = NULL;
			held_waits_no_more(b->l, f->h);
			free(f->h);
		}
		if (f->hard) /* nor may what the durable slot names of it be cut off */
			grp->pair.overwrote = b->l->discard_waits = true;
		pthread_rwlock_unlock(&grp->lock);
	}
}

int reach_hard(struct batch *b)
{
	struct loaded *l = b->l;
	uint64_t end = 0;
	int r = 0;

	for (size_t i = 0; i < b->nheld; i++) {
		struct held_ref *f = &b->held[i];

		if (f->hard)
			end = MAX(end, chunk_place(group_first(f->grp->g) + f->slot) + f->h->len);
	}
	pthread_rwlock_wrlock(&l->extent);
	if (l->length < end) {
		r = backing_truncate(l->o->fd, end);
		if (!r)
			l->length = end;
	}
	pthread_rwlock_unlock(&l->extent);
	return r;
}
