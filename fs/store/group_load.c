/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A group from its pair of slots: the newest that authenticates.
 */
#include <errno.h>

#include "crypto/aead.h"
#include "crypto/secret.h"
#include "fs/store/content.h"

void entries_names(const struct entry *e, uint32_t n, uint32_t tail, uint64_t ret[static 2])
{
	ret[0] = ret[1] = 0;
	for (uint32_t i = 0; i < n; i++)
		if (!entry_is_hole(&e[i]) && i != tail)
			bit_set(ret, i);
}

void group_names(const struct group *grp, uint64_t ret[static 2])
{
	entries_names(grp->e, group_chunks(grp->g), grp->tail, ret);
}

/* One slot of a pair. */
struct slot {
	const uint8_t *block;
	int bad; /* 0; -EBADMSG; -ENODATA: never written */
	struct group_slot s;
	uint8_t gk[GK_LEN];
};

static void slot_parse(struct slot *t, uint32_t g, const struct epochs *known, unsigned int parity)
{
	const char *why;

	t->bad = group_parse(t->block, &t->s, &why);
	if (!t->bad && (t->s.g != g || (t->s.gen & 1) != parity || t->s.epoch < known->first ||
			t->s.epoch > known->last))
		t->bad = -EBADMSG;
}

/* True if it authenticates. */
static bool slot_good(struct loaded *l, struct slot *t)
{
	if (!t->bad)
		t->bad = kdf_group(loaded_dek(l, t->s.epoch), l->h.object_id, t->s.epoch, t->s.g,
				   t->s.s, t->gk);
	if (!t->bad)
		t->bad = group_verify(t->block, t->gk + AEAD_KEY_LEN);
	return !t->bad;
}

/* Both in order, the one that says it is newer first. */
static void slot_pair(struct slot t[static 2], const uint8_t *block, uint32_t g,
		      const struct epochs *known)
{
	for (unsigned int i = 0; i < 2; i++) {
		t[i].block = block + i * SLOT;
		slot_parse(&t[i], g, known, i);
	}
	if (t[0].bad || (!t[1].bad && t[1].s.gen > t[0].s.gen)) {
		struct slot first = t[0];

		t[0] = t[1];
		t[1] = first;
	}
}

/* A present group neither slot of which is valid: holes, if the header is unclean and knew no better. */
static int missing_group(struct loaded *l, struct group *grp)
{
	/* Beside a writer the header may be older than the slots: beside.c looks again. */
	bool never = !l->o->st->opt.read_only && l->header_settle &&
		     (!l->h.base || (l->base && !group_present(l->base, grp->g)));

	if (!never) {
		store_event(l->o->st, EVENT_INTEGRITY, l->o, group_first(grp->g) * CHUNK,
			    (uint64_t)GROUP_CHUNKS * CHUNK, "group slot");
		return -EIO;
	}
	store_event(l->o->st, EVENT_RECOVERED, l->o, group_first(grp->g) * CHUNK,
		    (uint64_t)GROUP_CHUNKS * CHUNK, "group never reached the disk");
	grp->settle = true;
	return 0;
}

int group_load(struct loaded *l, struct group *grp, const struct epochs *known)
{
	struct store *st = l->o->st;
	uint8_t *block = malloc(2 * SLOT);
	struct slot pair[2], *t = pair, *other = pair + 1;
	const struct entry *beside;
	int r = 0;
	ssize_t got;

	if (!block)
		return -ENOMEM;
	got = backing_read(l->o->fd, block, 2 * SLOT, group_base(grp->g));
	if (got < 0) {
		free(block);
		return (int)got;
	}
	memset(block + got, 0, 2 * SLOT - (size_t)got);
	slot_pair(pair, block, grp->g, known);
	if (!slot_good(l, t)) {
		if (!slot_good(l, other)) {
			r = missing_group(l, grp);
			if (!r)
				r = group_rekey(l, grp, known->last, 0);
			goto out;
		}
		t = pair + 1;
		other = pair;
	}
	memcpy(grp->gk, t->gk, GK_LEN);
	grp->epoch = t->s.epoch;
	grp->s = t->s.s;
	memcpy(grp->e, t->block + GROUP_ENTRIES_OFFSET, sizeof(struct entry) * GROUP_CHUNKS);
	grp->uses = t->s.uses;
	grp->pair.gen = t->s.gen;
	group_names(grp, grp->pair.disk_names);
	beside = (const struct entry *)(other->block + GROUP_ENTRIES_OFFSET);
	if (slot_unclean(st, t->s.session, l->h.object_id)) {
		struct base_slot base = {
			.e = beside,
			.key = other->gk, .gen = other->s.gen, .tail_chunk = NO_TAIL,
		};
		bool have = t->s.base && !other->bad && other->s.gen == t->s.base &&
			    slot_good(l, other);

		grp->settle = true;
		r = group_resolve(l, grp, t->s.base, have ? &base : NULL);
	} else if (t->s.session == session_current(st)) {
		grp->pair.unknown = true;
		if (!other->bad) /* perhaps it is the durable one: what it names is not to be written over */
			entries_names(beside, GROUP_CHUNKS, NO_TAIL, grp->pair.dur_names);
	} else {
		grp->pair.dur = grp->pair.gen;
		memcpy(grp->pair.dur_names, grp->pair.disk_names, sizeof(grp->pair.dur_names));
	}
out:
	secret_wipe(pair, sizeof(pair));
	free(block);
	return r;
}
