/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slots of a batch: the image of the next generation of a group or of the
 * header, and its way to the disk.
 */
#include "crypto/aead.h"
#include "fs/store/batch.h"

/* The next generation by W1: beside the durable slot, or over the newer one that is not durable. */
static uint64_t pair_next(const struct pair *p)
{
	return p->gen == p->dur ? p->gen + 1 : p->gen + 2;
}

/* The slot's image is made: from now on it is the newest on disk, and its held bytes belong to the batch. */
static int pair_advance(struct batch *b, struct group *grp, uint64_t gen,
			const uint64_t names[static 2])
{
	int r = 0;

	grp->pair.gen = gen;
	grp->pair.unknown = false;
	grp->pair.torn = true; /* until the batch is through */
	memcpy(grp->pair.disk_names, names, sizeof(grp->pair.disk_names));
	if (pair_leaves_names(&grp->pair))
		b->l->discard_waits = true;
	if (grp->held)
		for (uint32_t i = 0; i < group_chunks(grp->g) && !r; i++)
			if (grp->held[i] && bit_get(names, i))
				r = batch_add_held(b, grp, i);
	return r;
}

int write_group_slot(struct batch *b, struct group *grp)
{
	struct loaded *l = b->l;
	uint8_t block[SLOT];
	uint64_t names[2];
	struct group_slot s;
	int r;

	pthread_rwlock_wrlock(&grp->lock);
	if (!grp->dirty || grp->error) {
		pthread_rwlock_unlock(&grp->lock);
		return 0;
	}
	s = (struct group_slot){
		.g = grp->g, .gen = pair_next(&grp->pair), .base = grp->pair.dur,
		.session = session_current(l->o->st), .epoch = grp->epoch, .s = grp->s,
		.uses = grp->uses,
	};
	r = group_seal(&s, grp->e, grp->gk + AEAD_KEY_LEN, block);
	if (!r) {
		grp->dirty = false;
		group_names(grp, names);
		r = pair_advance(b, grp, s.gen, names);
	}
	pthread_rwlock_unlock(&grp->lock);
	if (!r)
		r = backing_write(l->o->fd, block, SLOT, group_base(grp->g) + SLOT * (s.gen & 1));
	if (r)
		grp->dirty = true;
	else
		length_reaches(l, group_base(grp->g) + SLOT * (s.gen & 1) + SLOT);
	return r;
}

/*
 * Bytes 1024–4095 of a header: the entries below the end, and the last chunk
 * itself if it is held and fits.  *RET_TAIL tells.
 */
static void header_area(struct header *h, struct group *g0, uint8_t area[static TAIL_AREA],
			uint32_t *ret_tail, uint64_t names[static 2])
{
	uint32_t n = (uint32_t)MIN(chunk_count(h->size), (uint64_t)GROUP0_CHUNKS);
	struct held *last = n && n == chunk_count(h->size) && g0->held ? g0->held[n - 1] : NULL;

	memset(area, 0, TAIL_AREA);
	memcpy(area, g0->e, n * sizeof(struct entry));
	*ret_tail = NO_TAIL;
	h->flags &= (uint8_t)~FLAG_TAIL;
	if (last && n < GROUP0_CHUNKS && last->len == entry_len(&g0->e[n - 1]) &&
	    last->len <= TAIL_AREA - ENTRY_LEN * n) {
		memcpy(area + ENTRY_LEN * n, last->c, last->len);
		h->flags |= FLAG_TAIL;
		*ret_tail = n - 1;
	}
	entries_names(g0->e, n, *ret_tail, names);
}

/* The image of the header's next generation; H is the snapshot it describes. */
static int header_image(struct batch *b, struct header *h, uint8_t block[static SLOT])
{
	struct loaded *l = b->l;
	struct group *g0 = l->g0;
	uint8_t area[TAIL_AREA];
	uint64_t names[2] = { 0, 0 };
	uint32_t tail = NO_TAIL;
	int r;

	pthread_rwlock_wrlock(&g0->lock);
	h->gen = pair_next(&g0->pair);
	h->base = g0->pair.dur;
	h->session = session_current(l->o->st);
	if (h->type == OBJECT_FILE && h->suite == SUITE_GCM) {
		h->s = g0->s;
		h->uses = g0->uses;
		header_area(h, g0, area, &tail, names);
	} else {
		memset(area, 0, sizeof(area));
	}
	r = header_seal(h, area, l->k->hk, block);
	if (!r) {
		g0->dirty = false;
		g0->tail = tail;
		r = pair_advance(b, g0, h->gen, names);
	}
	pthread_rwlock_unlock(&g0->lock);
	return r;
}

int write_header(struct batch *b, struct header *h, int fd)
{
	uint8_t block[SLOT];
	int r = header_image(b, h, block);

	if (!r)
		r = backing_write(fd, block, SLOT, SLOT * (h->gen & 1));
	if (!r) {
		length_reaches(b->l, SLOT * (h->gen & 1) + SLOT);
		b->l->slot_vk[h->gen & 1] = oldest_vk(h);
	}
	return r;
}

void pair_whole(struct group *grp)
{
	pthread_rwlock_wrlock(&grp->lock);
	grp->pair.torn = false;
	pthread_rwlock_unlock(&grp->lock);
}

int loaded_write_header(struct loaded *l, int fd)
{
	struct batch b = { .l = l };
	struct header h = l->h;
	int r;

	l->unsynced = true;
	r = write_header(&b, &h, fd);
	free(b.held);
	if (!r) {
		pair_whole(l->g0);
		l->h.gen = h.gen;
		l->header_dirty = false;
	}
	return r;
}
