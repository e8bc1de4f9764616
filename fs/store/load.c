/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The loaded state of an object from the disk: which header slot counts, and
 * what is known of its durability.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "fs/store/content.h"

int object_damaged(struct object *o, const char *why)
{
	store_event(o->st, EVENT_INTEGRITY, o, 0, 0, why);
	return -EIO;
}

int header_fd(struct loaded *l, int *ret_close)
{
	*ret_close = -1;
	if (l->h.type == OBJECT_FILE)
		return l->o->fd;
	*ret_close = backing_open(l->o->fd, ".D", l->o->st->opt.read_only ? O_RDONLY : O_RDWR, 0);
	return *ret_close;
}

struct slot_try {
	struct header h; /* all zero if it does not parse */
	const char *why; /* it does not count; NULL: it does */
	bool blank;
	uint8_t dek[2][KEY_LEN], hk[KEY_LEN]; /* as struct object_keys */
};

/* The entries of a header slot; where a tail lies there are none. */
static void entries_of(const struct header *h, const uint8_t *block, struct entry ret[static GROUP0_CHUNKS])
{
	size_t n = h->flags & FLAG_TAIL ? (size_t)chunk_count(h->size) : GROUP0_CHUNKS;

	memset(ret, 0, GROUP0_CHUNKS * sizeof(*ret));
	memcpy(ret, block + TAIL_OFFSET, n * sizeof(*ret));
}

/* Entries and tail of a header slot into group 0. */
static int take_entries(struct loaded *l, const uint8_t *block)
{
	struct group *g0 = l->g0;
	uint32_t chunk, off, len;

	g0->uses = l->h.uses;
	entries_of(&l->h, block, g0->e);
	if (header_tail(&l->h, block, &chunk, &off, &len)) {
		int r = group_hold(l, g0, chunk, block + off, len, false);

		if (r)
			return r;
		g0->tail = chunk;
	}
	group_names(g0, g0->pair.disk_names);
	return 0;
}

/* An unclean header: what each chunk of group 0 reads as, by it or by the slot that is its base. */
static int resolve_header(struct loaded *l, const uint8_t *blocks, struct slot_try *other, unsigned int n)
{
	struct entry entries[GROUP0_CHUNKS];
	struct base_slot base = { .e = entries, .gen = other->h.gen, .tail_chunk = NO_TAIL };
	uint8_t gk[GK_LEN];
	uint32_t off, len;
	bool have = !other->why && l->h.base && other->h.gen == l->h.base;
	int r;

	l->header_settle = true;
	if (have) {
		l->base = malloc(sizeof(*l->base));
		if (!l->base)
			return -ENOMEM;
		*l->base = other->h;
	}
	if (l->h.type != OBJECT_FILE || loaded_is_xts(l)) {
		l->g0->pair.dur = l->g0->pair.gen;
		return 0;
	}
	l->g0->settle = true;
	if (!have)
		return group_resolve(l, l->g0, l->h.base, NULL);
	r = kdf_group(other->dek[other->h.epoch & 1], other->h.object_id, other->h.epoch, 0, other->h.s, gk);
	entries_of(&other->h, blocks + (1 - n) * SLOT, entries);
	base.key = gk;
	if (header_tail(&other->h, blocks + (1 - n) * SLOT, &base.tail_chunk, &off, &len))
		base.tail = blocks + (1 - n) * SLOT + off;
	if (!r)
		r = group_resolve(l, l->g0, l->h.base, &base);
	secret_wipe(gk, sizeof(gk));
	return r;
}

/*
 * The header's slot is of this session, but perhaps not durable: the other one
 * is then, and what it names is not to be written over.
 */
static void names_beside(struct loaded *l, const uint8_t *blocks, const struct slot_try *other,
			 unsigned int n)
{
	struct entry e[GROUP0_CHUNKS];

	if (other->why || l->h.type != OBJECT_FILE || loaded_is_xts(l))
		return;
	entries_of(&other->h, blocks + (1 - n) * SLOT, e);
	entries_names(e, GROUP0_CHUNKS, NO_TAIL, l->g0->pair.dur_names);
}

/* W4: whether group 0 or the group of the end may name something beyond it. */
static bool end_unclean(struct loaded *l)
{
	uint64_t n = chunk_count(l->h.size);

	if (l->h.type != OBJECT_FILE)
		return false;
	if (loaded_is_xts(l)) /* no entry tells what a write that never got its header left there */
		return true;
	if (chunk_group(n ? n - 1 : 0))
		return true; /* its slot is looked at when the file grows */
	for (uint32_t i = (uint32_t)n; i < GROUP0_CHUNKS; i++)
		if (!entry_is_hole(&l->g0->e[i]))
			return true;
	return n && entry_len(&l->g0->e[n - 1]) > l->h.size - (n - 1) * CHUNK;
}

/* A length that disagrees is a stale hint, never an error: the header counts.  object_pin() mends it. */
void check_hint(struct loaded *l)
{
	struct object *o = l->o;
	struct stat st;

	if (l->h.type != OBJECT_FILE || backing_fstat(o->fd, &st))
		return;
	l->length = (uint64_t)st.st_size;
	if (l->length == backing_length(l->h.suite, l->h.size))
		return;
	l->stale_length = l->unclean_end = true;
	store_event(o->st, EVENT_HINT, o, 0, l->h.size, "length disagrees with the header");
}

static int loaded_from(struct object *o, const uint8_t *blocks, struct slot_try t[static 2],
		       struct loaded **ret)
{
	unsigned int n = t[1].why || (!t[0].why && t[0].h.gen > t[1].h.gen) ? 0 : 1;
	struct loaded *l = loaded_alloc();
	int r = -ENOMEM;

	if (!l)
		return r;
	l->o = o;
	l->h = t[n].h;
	for (unsigned int i = 0; i < 2; i++)
		l->slot_vk[i] = is_taken(o->zone, &t[i].h) ? TAKEN_GENERATION : oldest_vk(&t[i].h);
	memcpy(l->k->dek, t[n].dek, sizeof(l->k->dek));
	memcpy(l->k->hk, t[n].hk, KEY_LEN);
	r = is_taken(o->zone, &l->h) ? header_take(l) : 0;
	if (!r)
		r = loaded_derive_keys(l);
	if (r)
		goto fail;
	l->g0 = group_new(l, 0, l->h.s);
	if (!l->g0) {
		r = -ENOMEM;
		goto fail;
	}
	l->g0->pair.gen = l->h.gen;
	if (l->h.type == OBJECT_FILE && !loaded_is_xts(l) && (r = take_entries(l, blocks + n * SLOT)))
		goto fail;
	if (slot_unclean(o->st, l->h.session, l->h.object_id)) {
		r = resolve_header(l, blocks, &t[1 - n], n);
	} else if (l->h.session == session_current(o->st)) {
		l->g0->pair.unknown = true;
		names_beside(l, blocks, &t[1 - n], n);
		l->discarded = true; /* by an earlier residence, perhaps */
	} else {
		l->g0->pair.dur = l->g0->pair.gen;
		memcpy(l->g0->pair.dur_names, l->g0->pair.disk_names,
		       sizeof(l->g0->pair.dur_names));
	}
	if (r)
		goto fail;
	l->unsynced = !o->st->opt.read_only; /* by an earlier residence, perhaps */
	l->new_names = atomic_load(&o->st->names_made) != atomic_load(&o->st->names_synced);
	r = l->h.type == OBJECT_FILE && loaded_is_xts(l) ? xts_loaded(l, blocks) : 0;
	if (r)
		goto fail;
	l->unclean_end = end_unclean(l);
	check_hint(l);
	*ret = l;
	return 0;
fail:
	loaded_free(l);
	return r;
}

static int read_slots(struct object *o, uint8_t *blocks)
{
	_cleanup_close_ int own = -1;
	int fd = o->fd;
	struct stat sb;
	ssize_t got;

	if (S_ISDIR(o->type)) {
		fd = own = backing_open(o->fd, ".D", O_RDONLY, 0);
		if (fd == -ENOENT) { /* as if it were blank: it may never have reached the disk */
			memset(blocks, 0, 2 * SLOT);
			return 0;
		}
		if (fd == -ELOOP || fd == -ENXIO)
			return object_damaged(o, "directory without a header");
		if (fd < 0)
			return fd;
		if (backing_fstat(fd, &sb) || !S_ISREG(sb.st_mode))
			return object_damaged(o, "the header of a directory is no file");
	}
	got = backing_read(fd, blocks, 2 * SLOT, 0);
	if (got < 0)
		return (int)got;
	memset(blocks + got, 0, 2 * SLOT - (size_t)got);
	return 0;
}

/* The generation that the newest slot is under, if there is no key for it (yet); else 0. */
static uint32_t missing_of(const struct slot_try t[static 2])
{
	for (unsigned int i = 0; i < 2; i++)
		if (t[i].why == slot_no_generation && (t[1 - i].why || t[1 - i].h.gen < t[i].h.gen))
			return t[i].h.vk_gen;
	return 0;
}

int object_load(struct object *o, struct loaded **ret, uint32_t *ret_missing)
{
	uint8_t *blocks = malloc(2 * SLOT);
	struct slot_try *t = secret_alloc(2 * sizeof(*t));
	int r = blocks && t ? read_slots(o, blocks) : -ENOMEM;

	if (r)
		goto out;
	for (unsigned int i = 0; i < 2; i++)
		t[i].why = slot_why(o, blocks + i * SLOT, i, &t[i].h, t[i].dek, t[i].hk,
				    &t[i].blank);
	if (ret_missing && (*ret_missing = missing_of(t)))
		r = -EAGAIN;
	else if (t[0].why && t[1].why)
		r = t[0].blank && t[1].blank ? NEVER_WRITTEN :
					       object_damaged(o, t[0].blank ? t[1].why : t[0].why);
	else
		r = loaded_from(o, blocks, t, ret);
out:
	free(blocks);
	secret_free(t);
	return r;
}
