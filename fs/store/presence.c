/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which groups a header has present: the group count and the hole runs.
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "fs/store/content.h"

bool group_present(const struct header *h, uint32_t g)
{
	if (g >= h->group_count)
		return false;
	for (unsigned int i = 0; i < h->nruns; i++)
		if (g >= h->runs[i].first && g - h->runs[i].first < h->runs[i].count)
			return false;
	return true;
}

uint32_t group_next_present(const struct header *h, uint32_t g)
{
	for (unsigned int i = 0; i < h->nruns; i++)
		if (g >= h->runs[i].first && g - h->runs[i].first < h->runs[i].count)
			g = h->runs[i].first + h->runs[i].count;
	return g < h->group_count ? g : UINT32_MAX;
}

static void run_remove(struct header *h, unsigned int i)
{
	memmove(&h->runs[i], &h->runs[i + 1], (h->nruns - i - 1) * sizeof(h->runs[0]));
	h->nruns--;
}

static void run_insert(struct header *h, unsigned int i, uint32_t first, uint32_t count)
{
	memmove(&h->runs[i + 1], &h->runs[i], (h->nruns - i) * sizeof(h->runs[0]));
	h->runs[i] = (struct hole_run){ first, count };
	h->nruns++;
}

/* Both slots of an absent group must read as zero before it is made present (W3).  loaded.lock is held. */
static int slots_clear(struct loaded *l, uint32_t g)
{
	static const uint8_t zero[2 * SLOT];
	uint64_t base = group_base(g);
	uint8_t *block;
	ssize_t got;
	int r = 0;

	if (base >= l->length)
		return 0;
	block = malloc(2 * SLOT);
	if (!block)
		return -ENOMEM;
	got = backing_read(l->o->fd, block, 2 * SLOT, base);
	if (got < 0)
		r = (int)got;
	else if (memcmp(block, zero, (size_t)got)) {
		r = backing_punch(l->o->fd, base, 2 * SLOT);
		if (r == -EOPNOTSUPP)
			r = backing_write(l->o->fd, zero, 2 * SLOT, base);
		l->discarded = true;
	}
	free(block);
	return r;
}

/* Slots without an entry for every group of run I, so that the run can go. */
static int run_fill(struct loaded *l, unsigned int i)
{
	struct hole_run run = l->h.runs[i];
	static const struct entry none[GROUP_CHUNKS];
	uint8_t gk[GK_LEN], block[2 * SLOT];
	int r = 0;

	for (uint32_t g = run.first; !r && g - run.first < run.count; g++)
		r = slots_clear(l, g);
	if (!r && l->discarded)
		r = backing_barrier(l->o->fd);
	for (uint32_t g = run.first; !r && g - run.first < run.count; g++) {
		struct group_slot s = { .g = g, .gen = 1, .session = session_current(l->o->st),
					.epoch = l->h.epoch };

		memset(block, 0, sizeof(block));
		r = kdf_group(loaded_dek(l, l->h.epoch), l->h.object_id, l->h.epoch, g, 0,
			      gk);
		if (!r)
			r = group_seal(&s, none, gk + AEAD_KEY_LEN, block + SLOT);
		if (!r)
			r = place_write(l, block, sizeof(block), group_base(g));
	}
	secret_wipe(gk, sizeof(gk));
	if (!r) {
		run_remove(&l->h, i);
		l->header_dirty = true;
	}
	return r;
}

/* One more run is needed: the smallest one is made present instead. */
static int run_make_room(struct loaded *l)
{
	unsigned int small = 0;

	for (unsigned int i = 1; i < l->h.nruns; i++)
		if (l->h.runs[i].count < l->h.runs[small].count)
			small = i;
	return run_fill(l, small);
}

/* Make G present in the header.  loaded.lock is held for writing. */
int group_make_present(struct loaded *l, uint32_t g)
{
	struct header *h = &l->h;
	unsigned int i;
	int r = group_present(h, g) ? 0 : slots_clear(l, g);

	if (r)
		return r;
	if (g >= h->group_count) {
		uint32_t gap_first = MAX(h->group_count, 1u);

		if (g > gap_first && h->nruns == MAX_RUNS && (r = run_make_room(l)))
			return r;
		if (g > gap_first)
			run_insert(h, h->nruns, gap_first, g - gap_first);
		h->group_count = g + 1;
		l->header_dirty = true;
		return 0;
	}
	for (i = 0; i < h->nruns; i++)
		if (g >= h->runs[i].first && g - h->runs[i].first < h->runs[i].count)
			break;
	if (i == h->nruns)
		return 0;

	uint32_t first = h->runs[i].first, before = g - first;
	uint32_t after = h->runs[i].count - before - 1;

	if (before && after) {
		if (h->nruns == MAX_RUNS) {
			if ((r = run_make_room(l)))
				return r;
			return group_make_present(l, g); /* the run it lay in may be gone */
		}
		h->runs[i].count = before;
		run_insert(h, i + 1, g + 1, after);
	} else if (before) {
		h->runs[i].count = before;
	} else if (after) {
		h->runs[i] = (struct hole_run){ g + 1, after };
	} else {
		run_remove(h, i);
	}
	l->header_dirty = true;
	return 0;
}

void header_cut(struct header *h, uint32_t g)
{
	if (h->group_count > g)
		h->group_count = g;
	while (h->nruns) {
		struct hole_run *last = &h->runs[h->nruns - 1];

		if (last->first >= h->group_count) {
			h->nruns--;
		} else if (last->first + last->count >= h->group_count) {
			h->group_count = last->first; /* the last group counted is a present one */
			h->nruns--;
		} else {
			break;
		}
	}
}
