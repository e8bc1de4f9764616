/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The groups of a loaded file: an open hash of those in memory, loading,
 * presence in the header, letting go.
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "fs/store/content.h"

int group_rekey(struct loaded *l, struct group *grp, uint32_t epoch, uint32_t s)
{
	int r = kdf_group(l->k->dek, l->h.object_id, epoch, grp->g, s, grp->gk);

	if (!r) {
		grp->epoch = epoch;
		grp->s = s;
	}
	return r;
}

struct group *group_new(struct loaded *l, uint32_t g, uint32_t s)
{
	bool gcm_file = l->h.type == OBJECT_FILE && !loaded_is_xts(l);
	size_t n = gcm_file ? group_chunks(g) : 0;
	struct group *grp = calloc(1, sizeof(*grp) + n * sizeof(struct entry));

	if (!grp)
		return NULL;
	grp->g = g;
	grp->refs = 1;
	grp->tail = NO_TAIL;
	pthread_rwlock_init(&grp->lock, NULL);
	if (gcm_file) {
		grp->gk = secret_alloc(GK_LEN);
		if (!grp->gk || group_rekey(l, grp, l->h.epoch, s)) {
			group_free(grp);
			return NULL;
		}
	}
	return grp;
}

void group_free(struct group *grp)
{
	if (!grp)
		return;
	if (grp->held)
		for (uint32_t i = 0; i < group_chunks(grp->g); i++)
			free(grp->held[i]);
	free(grp->held);
	secret_free(grp->gk);
	pthread_rwlock_destroy(&grp->lock);
	free(grp);
}

void group_put(struct group *grp)
{
	if (grp && atomic_fetch_sub(&grp->refs, 1) == 1)
		group_free(grp);
}

/* ---- presence -------------------------------------------------------------- */

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

/* Slots without an entry for every group of run I, so that the run can go. */
static int run_fill(struct loaded *l, unsigned int i)
{
	struct hole_run run = l->h.runs[i];
	static const struct entry none[GROUP_CHUNKS];
	uint8_t gk[GK_LEN], block[2 * SLOT];
	int r = l->discarded ? backing_barrier(l->o->fd) : 0;

	for (uint32_t g = run.first; !r && g - run.first < run.count; g++) {
		struct group_slot s = { .g = g, .gen = 1, .session = session_current(l->o->st),
					.epoch = l->h.epoch };

		memset(block, 0, sizeof(block));
		r = kdf_group(l->k->dek, l->h.object_id, l->h.epoch, g, 0, gk);
		if (!r)
			r = group_seal(&s, none, gk + AEAD_KEY_LEN, block + SLOT);
		if (!r)
			r = place_write(l, block, sizeof(block), group_base(g));
	}
	secret_wipe(gk, sizeof(gk));
	if (!r)
		run_remove(&l->h, i);
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
static int make_present(struct loaded *l, uint32_t g)
{
	struct header *h = &l->h;
	unsigned int i;
	int r;

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
			return make_present(l, g); /* the run it lay in may be gone */
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

/* ---- the table ---------------------------------------------------------------- */

static uint32_t hash(uint32_t g)
{
	return (uint32_t)(g * UINT64_C(0x9E3779B97F4A7C15) >> 32);
}

static struct group *find_locked(struct loaded *l, uint32_t g)
{
	if (!l->groups_cap)
		return NULL;
	for (uint32_t i = hash(g);; i++) {
		struct group *grp = l->groups[i & (l->groups_cap - 1)];

		if (!grp)
			return NULL;
		if (grp->g == g)
			return grp;
	}
}

static void place_locked(struct group **t, uint32_t cap, struct group *grp)
{
	uint32_t i = hash(grp->g);

	while (t[i & (cap - 1)])
		i++;
	t[i & (cap - 1)] = grp;
}

static int rehash_locked(struct loaded *l, uint32_t cap)
{
	struct group **t = calloc(cap, sizeof(*t));

	if (!t)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->groups_cap; i++)
		if (l->groups[i])
			place_locked(t, cap, l->groups[i]);
	free(l->groups);
	l->groups = t;
	l->groups_cap = cap;
	return 0;
}

static int insert_locked(struct loaded *l, struct group *grp)
{
	int r;

	if (2 * (l->ngroups + 1) > l->groups_cap &&
	    (r = rehash_locked(l, l->groups_cap ? 2 * l->groups_cap : 8)))
		return r;
	place_locked(l->groups, l->groups_cap, grp);
	l->ngroups++;
	atomic_fetch_add(&l->o->st->groups, 1);
	return 0;
}

/* Backward-shift deletion: no tombstones, no allocation. */
static void delete_at_locked(struct loaded *l, uint32_t i)
{
	uint32_t mask = l->groups_cap - 1, j = i;

	for (;;) {
		struct group *next;

		j = (j + 1) & mask;
		next = l->groups[j];
		if (!next)
			break;
		/* NEXT may move to I unless its home lies between them. */
		if (((j - hash(next->g)) & mask) >= ((j - i) & mask)) {
			l->groups[i] = next;
			i = j;
		}
	}
	l->groups[i] = NULL;
	l->ngroups--;
	atomic_fetch_sub(&l->o->st->groups, 1);
}

static void filter_locked(struct loaded *l, bool (*drop)(struct group *grp, uint32_t arg),
			  uint32_t arg)
{
	for (uint32_t i = 0; i < l->groups_cap; i++)
		while (l->groups[i] && drop(l->groups[i], arg)) {
			struct group *grp = l->groups[i];

			delete_at_locked(l, i);
			group_put(grp);
		}
}

static bool drop_one(struct group *grp, uint32_t g)
{
	return grp->g == g;
}

static bool drop_from(struct group *grp, uint32_t g)
{
	return grp->g >= g;
}

/* Second chance.  A group with users or changes stays. */
static bool drop_idle(struct group *grp, uint32_t unused)
{
	(void)unused;
	if (grp->refs > 1 || grp->dirty || atomic_exchange(&grp->used, false))
		return false;
	if (grp->held)
		for (uint32_t i = 0; i < group_chunks(grp->g); i++)
			if (grp->held[i])
				return false;
	return true;
}

void group_trim(struct loaded *l)
{
	struct store *st = l->o->st;

	if (st->groups <= st->groups_max)
		return;
	pthread_rwlock_wrlock(&l->lock);
	filter_locked(l, drop_idle, 0);
	pthread_rwlock_unlock(&l->lock);
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

/* It goes: a reader who has it already must not look for bytes that are cut off. */
static void group_empty(struct loaded *l, struct group *grp)
{
	pthread_rwlock_wrlock(&grp->lock);
	memset(grp->e, 0, group_chunks(grp->g) * sizeof(grp->e[0]));
	memset(grp->bad, 0, sizeof(grp->bad));
	group_drop_held(l, grp);
	grp->dirty = false;
	pthread_rwlock_unlock(&grp->lock);
}

void group_cut_locked(struct loaded *l, uint32_t g)
{
	for (uint32_t i = 0; i < l->groups_cap; i++)
		if (l->groups[i] && drop_from(l->groups[i], g))
			group_empty(l, l->groups[i]);
	filter_locked(l, drop_from, g);
	header_cut(&l->h, g);
	l->header_dirty = true;
}

int group_snapshot(struct loaded *l, bool dirty_only, struct group ***ret, uint32_t *ret_n)
{
	uint32_t n = 0;
	struct group **list;

	if (!l->ngroups) {
		*ret = NULL;
		*ret_n = 0;
		return 0;
	}
	list = malloc(l->ngroups * sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < l->groups_cap; i++) {
		struct group *grp = l->groups[i];

		if (grp && (!dirty_only || grp->dirty)) {
			atomic_fetch_add(&grp->refs, 1);
			list[n++] = grp;
		}
	}
	*ret = list;
	*ret_n = n;
	return 0;
}

/* ---- loading -------------------------------------------------------------------- */

/* A slot of GRP's pair that authenticates.  0; -EBADMSG; -ENODATA: never written. */
static int slot_check(struct loaded *l, uint32_t g, const uint8_t *block, unsigned int parity,
		      struct group_slot *ret, uint8_t gk[static GK_LEN])
{
	const char *why;
	int r = group_parse(block, ret, &why);

	if (r)
		return r;
	if (ret->g != g || (ret->gen & 1) != parity || ret->epoch != l->h.epoch)
		return -EBADMSG;
	r = kdf_group(l->k->dek, l->h.object_id, ret->epoch, g, ret->s, gk);
	return r ? r : group_verify(block, gk + AEAD_KEY_LEN);
}

static void names_of(const struct group *grp, const struct entry *e, uint32_t tail,
		     uint64_t ret[static 2])
{
	ret[0] = ret[1] = 0;
	for (uint32_t i = 0; i < group_chunks(grp->g); i++)
		if (!entry_is_hole(&e[i]) && i != tail)
			bit_set(ret, i);
}

void group_names(const struct group *grp, uint64_t ret[static 2])
{
	names_of(grp, grp->e, grp->tail, ret);
}

/* A present group neither slot of which is valid: holes, if the header is unclean and knew no better. */
static int missing_group(struct loaded *l, struct group *grp)
{
	bool never = l->header_settle &&
		     (!l->h.base || (l->base && !group_present(l->base, grp->g)));

	if (!never) {
		atomic_fetch_add(&l->o->st->integrity_errors, 1);
		store_event(l->o->st, EVENT_INTEGRITY, l->o, group_first(grp->g) * CHUNK,
			    (uint64_t)GROUP_CHUNKS * CHUNK, "group slot");
		return -EIO;
	}
	store_event(l->o->st, EVENT_RECOVERED, l->o, group_first(grp->g) * CHUNK,
		    (uint64_t)GROUP_CHUNKS * CHUNK, "group never reached the disk");
	grp->settle = true;
	return 0;
}

static int group_load(struct loaded *l, struct group *grp)
{
	struct store *st = l->o->st;
	uint8_t *block = malloc(2 * SLOT), gk[2][GK_LEN];
	struct group_slot s[2];
	int ok[2], n, r;
	ssize_t got;

	if (!block)
		return -ENOMEM;
	got = backing_read(l->o->fd, block, 2 * SLOT, group_base(grp->g));
	if (got < 0) {
		free(block);
		return (int)got;
	}
	memset(block + got, 0, 2 * SLOT - (size_t)got);
	for (unsigned int i = 0; i < 2; i++)
		ok[i] = slot_check(l, grp->g, block + i * SLOT, i, &s[i], gk[i]);
	if (ok[0] && ok[1]) {
		r = missing_group(l, grp);
		goto out;
	}
	n = ok[1] || (!ok[0] && s[0].gen > s[1].gen) ? 0 : 1;
	r = group_rekey(l, grp, s[n].epoch, s[n].s);
	if (r)
		goto out;
	memcpy(grp->e, block + n * SLOT + GROUP_ENTRIES_OFFSET, sizeof(struct entry) * GROUP_CHUNKS);
	grp->uses = s[n].uses;
	grp->pair.gen = s[n].gen;
	names_of(grp, grp->e, NO_TAIL, grp->pair.disk_names);
	if (session_unclean(st, s[n].session)) {
		struct base_slot base = {
			.e = (const struct entry *)(block + (1 - n) * SLOT + GROUP_ENTRIES_OFFSET),
			.key = gk[1 - n], .gen = s[1 - n].gen, .tail_chunk = NO_TAIL,
		};
		bool have = !ok[1 - n] && s[n].base && s[1 - n].gen == s[n].base;

		grp->settle = true;
		r = group_resolve(l, grp, s[n].base, have ? &base : NULL);
	} else if (s[n].session == session_current(st)) {
		grp->pair.unknown = true;
	} else {
		grp->pair.dur = grp->pair.gen;
		memcpy(grp->pair.dur_names, grp->pair.disk_names, sizeof(grp->pair.dur_names));
	}
out:
	secret_wipe(gk, sizeof(gk));
	free(block);
	return r;
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

/* Into the table, and present in the header: both or neither.  loaded.lock is held for writing. */
static int group_add_locked(struct loaded *l, struct group *grp, bool present)
{
	int r = present ? 0 : slots_clear(l, grp->g);

	if (!r)
		r = insert_locked(l, grp);
	if (r || present)
		return r;
	grp->dirty = true;
	r = make_present(l, grp->g);
	if (r) {
		atomic_fetch_add(&grp->refs, 1);
		filter_locked(l, drop_one, grp->g);
	}
	return r;
}

static int group_bring(struct loaded *l, uint32_t g, bool create, struct group **ret)
{
	struct group *grp = group_new(l, g, 0), *other;
	bool present;
	int r = 0;

	if (!grp)
		return -ENOMEM;
	pthread_rwlock_wrlock(&l->lock);
	other = find_locked(l, g);
	if (other) {
		atomic_fetch_add(&other->refs, 1);
		pthread_rwlock_unlock(&l->lock);
		group_put(grp);
		*ret = other;
		return 0;
	}
	present = group_present(&l->h, g);
	if (!present && !create)
		r = -ENOENT;
	else
		r = group_add_locked(l, grp, present);
	if (r) {
		pthread_rwlock_unlock(&l->lock);
		group_put(grp);
		return r;
	}
	/* Others find it from here on, and wait for its lock until it is loaded. */
	atomic_fetch_add(&grp->refs, 1);
	pthread_rwlock_wrlock(&grp->lock);
	pthread_rwlock_unlock(&l->lock);

	if (present)
		r = grp->error = group_load(l, grp);
	pthread_rwlock_unlock(&grp->lock);
	if (r) {
		pthread_rwlock_wrlock(&l->lock);
		if (find_locked(l, g) == grp)
			filter_locked(l, drop_one, g);
		pthread_rwlock_unlock(&l->lock);
	}
	*ret = grp;
	return 0;
}

bool group_unclean(struct group *grp, int *ret_error)
{
	bool r;

	pthread_rwlock_rdlock(&grp->lock);
	*ret_error = grp->error;
	r = grp->settle && !grp->error;
	pthread_rwlock_unlock(&grp->lock);
	return r;
}

int group_get(struct loaded *l, uint32_t g, bool create, struct group **ret)
{
	struct group *grp;

	if (!g) {
		atomic_fetch_add(&l->g0->refs, 1);
		*ret = l->g0;
		return 0;
	}
	pthread_rwlock_rdlock(&l->lock);
	grp = find_locked(l, g);
	if (grp)
		atomic_fetch_add(&grp->refs, 1);
	else if (!create && !group_present(&l->h, g)) {
		pthread_rwlock_unlock(&l->lock);
		return -ENOENT;
	}
	pthread_rwlock_unlock(&l->lock);
	if (grp) {
		if (!grp->used)
			grp->used = true;
		*ret = grp;
		return 0;
	}
	group_trim(l);
	return group_bring(l, g, create, ret);
}
