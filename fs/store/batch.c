/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A batch writes what is dirty of one object in the order of cmkfs-format(5),
 * Writing: a barrier if a pair asks for one → group slots → header → held
 * bytes that overwrite nothing durable → a barrier if there are others, then
 * these.  loaded.flush is held throughout; readers and writers go on beside it.
 */
#include <errno.h>

#include "crypto/aead.h"
#include "fs/store/content.h"
#include "fs/store/touched.h"

struct held_ref {
	struct group *grp;
	struct held *h;
	uint32_t slot;
	bool hard; /* the durable slot names the place */
};

struct batch {
	struct loaded *l;
	struct group **groups;
	uint32_t ngroups;
	struct held_ref *held;
	size_t nheld, cap;
	bool hard;
	bool overwriting; /* the hard ones are on their way to their places */
};

static bool ordered(const struct loaded *l)
{
	return l->o->st->vol.crash == CRASH_ORDERED;
}

/* ---- barriers ------------------------------------------------------------------ */

static void pair_durable(struct pair *p)
{
	if (p->torn)
		return;
	p->dur = p->gen;
	p->dur_names[0] = p->disk_names[0];
	p->dur_names[1] = p->disk_names[1];
	p->overwrote = p->unknown = false;
}

static void group_durable(struct group *grp)
{
	pthread_rwlock_wrlock(&grp->lock);
	if (!grp->settle) /* which slot of an unclean pair is durable, settling knows */
		pair_durable(&grp->pair);
	pthread_rwlock_unlock(&grp->lock);
}

bool header_synced(struct loaded *l, uint64_t gen)
{
	struct group *g0 = l->g0;
	bool same;

	pthread_rwlock_wrlock(&g0->lock);
	same = g0->pair.gen == gen && !l->header_settle;
	if (same)
		pair_durable(&g0->pair);
	pthread_rwlock_unlock(&g0->lock);
	return same;
}

/* fdatasync; a directory's header lies in a file of its own. */
int barrier_raw(struct loaded *l)
{
	int close_fd, fd = header_fd(l, &close_fd), r;

	if (fd < 0)
		return fd;
	bool discarded = atomic_exchange(&l->discarded, false); /* before it: others write and discard beside it */

	l->unsynced = false;
	r = backing_barrier(fd);
	if (r) {
		l->unsynced = true;
		if (discarded)
			l->discarded = true;
	}
	if (close_fd >= 0)
		close(close_fd);
	return r;
}

int barrier_locked(struct loaded *l)
{
	struct group **all;
	uint32_t n;
	int r = barrier_raw(l);

	if (r)
		return r;
	pthread_rwlock_rdlock(&l->lock);
	r = group_snapshot(l, false, &all, &n);
	pthread_rwlock_unlock(&l->lock);
	if (r)
		return r;
	if (!l->header_settle)
		group_durable(l->g0);
	for (uint32_t i = 0; i < n; i++) {
		group_durable(all[i]);
		group_put(all[i]);
	}
	free(all);
	return 0;
}

/*
 * W1, W3: whether the pair's next change needs a barrier before it.  Where it
 * is not known what is durable, crash=relaxed needs it too.
 */
static bool pair_asks(const struct loaded *l, const struct pair *p)
{
	if (p->gen == p->dur)
		return !p->gen && l->discarded && ordered(l);
	return p->unknown || (p->overwrote && ordered(l));
}

/* The next generation by W1: beside the durable slot, or over the newer one that is not durable. */
static uint64_t pair_next(const struct pair *p)
{
	return p->gen == p->dur ? p->gen + 1 : p->gen + 2;
}

/* ---- slots ------------------------------------------------------------------------ */

static int batch_add_held(struct batch *b, struct group *grp, uint32_t slot)
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

/* The slot's image is made: from now on it is the newest on disk, and its held bytes belong to the batch. */
static int pair_advance(struct batch *b, struct group *grp, uint64_t gen,
			const uint64_t names[static 2])
{
	int r = 0;

	grp->pair.gen = gen;
	grp->pair.unknown = false;
	grp->pair.torn = true; /* until the batch is through */
	grp->pair.disk_names[0] = names[0];
	grp->pair.disk_names[1] = names[1];
	if (grp->held)
		for (uint32_t i = 0; i < group_chunks(grp->g) && !r; i++)
			if (grp->held[i] && bit_get(names, i))
				r = batch_add_held(b, grp, i);
	return r;
}

static int write_group_slot(struct batch *b, struct group *grp)
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
	names[0] = names[1] = 0;
	for (uint32_t i = 0; i < n; i++)
		if (!entry_is_hole(&g0->e[i]) && i != *ret_tail)
			bit_set(names, i);
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

static int write_header(struct batch *b, struct header *h, int fd)
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

/* All that was written of GRP's newest slot is in the file. */
static void pair_whole(struct group *grp)
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

/* ---- held bytes --------------------------------------------------------------------- */

/* Write the held chunks of one kind, neighbours by one write. */
static int write_held(struct batch *b, bool hard)
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

/* The bytes are down (or failed): let go of them; a newer version may have taken their place. */
static void release_held(struct batch *b, int error)
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
		if (f->hard)
			grp->pair.overwrote = true;
		pthread_rwlock_unlock(&grp->lock);
	}
}

/*
 * A place that is overwritten lies within the length before the barrier: of a
 * write that also moves the end, a power cut can leave the bytes without the
 * length, and so neither version whole.
 */
static int reach_hard(struct batch *b)
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

/* ---- the batch ------------------------------------------------------------------------- */

/* What is dirty, and the header as of the same moment (W5). */
static int batch_collect(struct batch *b, struct header *h, bool *ret_header)
{
	struct loaded *l = b->l;
	int r;

	pthread_rwlock_wrlock(&l->lock);
	r = group_snapshot(l, true, &b->groups, &b->ngroups);
	if (!r) {
		uint64_t n = chunk_count(l->h.size);

		*h = l->h;
		/* A write under way has made groups that the size does not reach yet. */
		header_cut(h, chunk_group(n ? n - 1 : 0) + 1);
		*ret_header = l->header_dirty || l->g0->dirty;
		l->header_dirty = false;
	}
	pthread_rwlock_unlock(&l->lock);
	return r;
}

static int batch_first_barrier(struct batch *b, bool header)
{
	struct loaded *l = b->l;
	bool ask = header && pair_asks(l, &l->g0->pair);

	for (uint32_t i = 0; i < b->ngroups; i++)
		ask |= pair_asks(l, &b->groups[i]->pair);
	return ask ? barrier_locked(l) : 0;
}

static int batch_write(struct batch *b, struct header *h, bool header)
{
	struct loaded *l = b->l;
	int r = owed_finish(l);

	if (!r && header)
		r = xts_unstick(l);
	if (!r)
		r = batch_first_barrier(b, header);
	if (r || (!header && !b->ngroups))
		return r;
	l->unsynced = true;
	for (uint32_t i = 0; i < b->ngroups && !r; i++)
		r = write_group_slot(b, b->groups[i]);
	if (!r && header) {
		int close_fd, fd = header_fd(l, &close_fd);

		r = fd < 0 ? fd : write_header(b, h, fd);
		if (close_fd >= 0)
			close(close_fd);
	}
	if (!r)
		r = write_held(b, false);
	if (!r && b->hard && ordered(l))
		r = reach_hard(b);
	if (!r && b->hard && ordered(l))
		r = barrier_raw(l);
	b->overwriting = !r;
	if (!r && b->hard)
		r = write_held(b, true);
	if (r)
		return r;
	for (uint32_t i = 0; i < b->ngroups; i++)
		pair_whole(b->groups[i]);
	if (header)
		pair_whole(l->g0);
	return 0;
}

int batch_locked(struct loaded *l, bool sync)
{
	struct batch b = { .l = l };
	struct header h;
	bool header = false;
	int r;

	r = batch_collect(&b, &h, &header);
	if (!r && l->o->fd_ro && (header || b.ngroups))
		r = -EACCES;
	if (!r && (header || b.ngroups))
		r = loaded_touch(l);
	if (header || b.ngroups)
		keep_attrs(l);
	if (!r)
		r = batch_write(&b, &h, header);
	release_held(&b, r);
	if (!r && (header || b.ngroups))
		r = length_fix(l);
	if (!r)
		restore_attrs(l);
	if (r && header) {
		pthread_rwlock_wrlock(&l->lock);
		l->header_dirty = true;
		pthread_rwlock_unlock(&l->lock);
	}
	for (uint32_t i = 0; i < b.ngroups; i++) {
		if (r)
			b.groups[i]->dirty = true;
		group_put(b.groups[i]);
	}
	free(b.groups);
	free(b.held);
	if (!r && sync && l->unsynced)
		r = barrier_locked(l);
	return r;
}
