/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files that move contents share: groups, batches, chunks.
 * Lock order: loaded.resize → loaded.flush → loaded.lock → group.lock → loaded.extent →
 * loaded.turn.
 */
#ifndef CMKFS_STORE_CONTENT_H
#define CMKFS_STORE_CONTENT_H

#include "fs/store/internal.h"

#define NO_TAIL UINT32_MAX

static inline bool bit_get(const uint64_t b[static 2], uint32_t i)
{
	return b[i / 64] >> (i % 64) & 1;
}

static inline void bit_set(uint64_t b[static 2], uint32_t i)
{
	b[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void bit_clear(uint64_t b[static 2], uint32_t i)
{
	b[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

/* No header of L is in the backing file yet. */
static inline bool loaded_is_unwritten(struct loaded *l)
{
	bool r;

	pthread_rwlock_rdlock(&l->g0->lock);
	r = !l->g0->pair.gen;
	pthread_rwlock_unlock(&l->g0->lock);
	return r;
}

static inline bool entry_is_hole(const struct entry *e)
{
	return !entry_len(e);
}

/* A power cut takes nothing durable: W1 to W4 have their barriers. */
static inline bool loaded_is_ordered(const struct loaded *l)
{
	return l->o->st->vol.crash == CRASH_ORDERED;
}

static inline bool loaded_is_xts(const struct loaded *l)
{
	return l->h.suite == SUITE_XTS;
}

/*
 * The data key of EPOCH: the header's or, while the object is re-keyed, the
 * one before.  Two of them never share a place, so that readers need no lock.
 */
static inline const uint8_t *loaded_dek(const struct loaded *l, uint32_t epoch)
{
	return l->k->dek[epoch & 1];
}

/* Whether an object with header H has slots of EPOCH. */
static inline bool epoch_known(const struct header *h, uint32_t epoch)
{
	return epoch == h->epoch || (h->flags & FLAG_REKEY && epoch + 1 == h->epoch);
}

/* Whether re-keying of this kind of object is known to us. */
static inline bool rekey_known(const struct header *h)
{
	return !(h->flags & FLAG_REKEY) || h->type == OBJECT_FILE;
}

/* The oldest generation that a slot with header H needs. */
static inline uint32_t oldest_vk(const struct header *h)
{
	return h->old_vk_gen ? MIN(h->vk_gen, h->old_vk_gen) : h->vk_gen;
}

/* ---- taken.c: objects that still lie under the parent zone's keys (KEYRING_TAKES) ---- */

#define TAKEN_GENERATION 1u /* what they count as: it is live as long as there may be any */

/* Whether H is such an object's. */
bool is_taken(const struct zone *z, const struct header *h);
/* L's header, which is, becomes the zone's own; on disk with the next that is written.  0, -EIO. */
int header_take(struct loaded *l);
/* The tag that NAME in a directory of Z had before.  0; -ENOENT: there can be none; -EIO. */
int taken_tag(const struct zone *z, const uint8_t dir[static ID_LEN], const char *name, size_t n,
	      uint8_t ret[static TAG_LEN]);
/* L has TAG in the place of OLD, if it has that: whether it had. */
bool tag_take(struct loaded *l, const uint8_t old[static TAG_LEN], const uint8_t tag[static TAG_LEN]);

/* ---- load.c ---- */

/* An object whose header never reached the disk: object_pin() makes it -EIO, a change a fresh header. */
#define NEVER_WRITTEN (-ENODATA)
/*
 * The loaded state of O from its header's slots.  o->lock is held, the descriptor
 * open.  NEVER_WRITTEN; -EIO; -EAGAIN, only where RET_MISSING is not NULL: there is
 * no key for the generation *RET_MISSING, which the newest slot is under.
 */
int object_load(struct object *o, struct loaded **ret, uint32_t *ret_missing);
/* Compare the backing length with the header. */
void check_hint(struct loaded *l);
/* An integrity error of O: the event, and -EIO. */
int object_damaged(struct object *o, const char *why);
/* Descriptor for the header: the file's own, or a directory's .D (to be closed: *RET_CLOSE). */
int header_fd(struct loaded *l, int *ret_close);

/* ---- header_slot.c ---- */

/*
 * Whether BLOCK, the slot of PARITY, is a header of O: NULL, or why not.  RET is
 * all zero if it does not parse; *RET_BLANK: it was never written.  The keys are
 * secrets, filled as far as it came: RET_DEK as in struct object_keys.
 */
const char *slot_why(struct object *o, const uint8_t block[static SLOT], unsigned int parity,
		     struct header *ret, uint8_t ret_dek[static 2][KEY_LEN],
		     uint8_t ret_hk[static KEY_LEN], bool *ret_blank);
/* slot_why() returns this very one where there is no key for the slot's generation. */
extern const char slot_no_generation[];

/* ---- loaded.c ---- */

/* An empty loaded state, of no object yet.  NULL: -ENOMEM. */
struct loaded *loaded_alloc(void);
/* The keys that L's contents or names need, from the data keys of its header. */
int loaded_derive_keys(struct loaded *l);

/* ---- read.c ---- */

uint64_t loaded_size(struct loaded *l);

/* ---- beside.c: a read-only store, whose volume another mount may be writing ---- */

/* As object_load(), again where a write was under way.  -ESTALE: O is gone from its path. */
int beside_load(struct object *o, struct loaded **ret);
/*
 * Whether the known object O may be what was found at this path, as SB: another
 * mount may have removed it, and its inode number be a new file's.
 */
bool beside_same(struct object *o, struct object *parent, const char *stored, const struct stat *sb);
/* Whether the name of O leads elsewhere now, or nowhere.  o->lock is held. */
bool beside_renamed(struct object *o);
/* As check_binding(), by the header as it is now. */
int beside_binding(struct object *o);
/* Bring what is loaded of O up to date.  0, -ESTALE: another object is at its path, or none. */
int beside_refresh(struct object *o);
/* The same by the descriptor that O has, whatever became of its path. */
int beside_reload(struct object *o);
/* The same if SB, its backing attributes, are not those of then. */
void beside_notice(struct object *o, const struct stat *sb);
/* read.c: chunks [C0, C1) of L into DST. */
typedef int read_chunks_fn(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *dst);
read_chunks_fn read_chunks;
/* A read through READ (which sets *RET_P) that is repeated while a write may be in its way. */
ssize_t beside_read(struct loaded *l, ssize_t (*read)(void *arg, read_chunks_fn *chunks), void *arg);

/* ---- binding.c; o->lock is held ---- */

/* The tag of the path that O has now. */
int path_tag(struct object *o, uint8_t tag[static TAG_LEN]);
/* Whether the header of O, resident, has it: 0, -EIO (an event), or what reading the name met. */
int check_binding(struct object *o);

/* ---- group.c ---- */

/* An empty group G of L with its key derived, one reference.  NULL: -ENOMEM. */
struct group *group_new(struct loaded *l, uint32_t g, uint32_t s);
void group_free(struct group *grp);
struct epochs { /* that slots may be of, as of one moment: re-keying may begin or end */
	uint32_t first, last;
};
/*
 * group_load.c: what the newer good slot of a new, present group says; its lock
 * is held.  -EIO: neither is good; -ENOMEM, -errno of reading.
 */
int group_load(struct loaded *l, struct group *grp, const struct epochs *known);
void group_put(struct group *grp);
int group_rekey(struct loaded *l, struct group *grp, uint32_t epoch, uint32_t s);

/*
 * The group G, loaded, with a reference.  An absent one: -ENOENT, or with
 * CREATE a new empty one, which is made present in the header.
 * The caller locks group.lock and then looks at group.error.
 */
int group_get(struct loaded *l, uint32_t g, bool create, struct group **ret);
/* The same of a present one whose chunks [FROM, TO) are to be read. */
int group_get_to_read(struct loaded *l, uint32_t g, uint32_t from, uint32_t to, struct group **ret);
/* Once GRP is loaded: its pair is unclean, to be settled before a change.  *RET_ERROR: group.error. */
bool group_unclean(struct group *grp, int *ret_error);
/* Chunks whose places the entries name now. */
void group_names(const struct group *grp, uint64_t ret[static 2]);
/* The same of N entries, TAIL not among them. */
void entries_names(const struct entry *e, uint32_t n, uint32_t tail, uint64_t ret[static 2]);

/* ---- presence.c: which groups a header has; loaded.lock is held ---- */

bool group_present(const struct header *h, uint32_t g);
/* The first present group ≥ G, or UINT32_MAX. */
uint32_t group_next_present(const struct header *h, uint32_t g);
/* Make G present in the header; for writing. */
int group_make_present(struct loaded *l, uint32_t g);
/* Take groups from G up out of a header. */
void header_cut(struct header *h, uint32_t g);

/* ---- group_table.c: the groups in memory; loaded.lock is held, for writing where something changes ---- */

struct group *group_find_locked(struct loaded *l, uint32_t g);
int group_insert_locked(struct loaded *l, struct group *grp);
void group_drop_locked(struct loaded *l, uint32_t g);
/* Take groups from G up out of the header and the table; who still has one reads holes. */
void group_cut_locked(struct loaded *l, uint32_t g);
/* Each group of the table (g ≥ 1), with references taken: *RET is malloc'd. */
int group_snapshot(struct loaded *l, bool dirty_only, struct group ***ret, uint32_t *ret_n);
/* The same of all, for who does not hold loaded.lock. */
int group_snapshot_all(struct loaded *l, struct group ***ret, uint32_t *ret_n);
void group_drop_all_locked(struct loaded *l);
/* Let go of L's groups that have no user and no change: of those used since the last time, later. */
void group_drop_idle_locked(struct loaded *l);
/* evict.c: the same for all objects, when the store has more groups than it should; no group or header lock is held. */
void store_trim_groups(struct store *st);

/* ---- chunk.c: held ciphertext and the plaintext of chunks ---- */

/* A counted one becomes, or is no longer, pending. */
void held_waits(struct loaded *l, const struct held *h);
void held_waits_no_more(struct loaded *l, const struct held *h);
/* Held ciphertext; COUNTED: waits for its batch.  group.lock is held for writing. */
int group_hold(struct loaded *l, struct group *grp, uint32_t slot, const uint8_t *c, uint32_t len,
	       bool counted);
void group_unhold(struct loaded *l, struct group *grp, uint32_t slot);
void group_drop_held(struct loaded *l, struct group *grp); /* all of it, unwritten */
/* The same in steps: what may fail, then what cannot (H is taken over; group_may_hold() came before). */
struct held *held_new(const uint8_t *c, uint32_t len, bool counted);
int group_may_hold(struct group *grp);
void group_take_held(struct loaded *l, struct group *grp, uint32_t slot, struct held *h);

/* ---- chunk.c: plaintext of one chunk and back; group.lock is held ---- */

/* Chunks [FROM, TO) of the group into DST, CHUNK bytes each.  -EIO and an event. */
int group_read(struct loaded *l, struct group *grp, uint32_t from, uint32_t to, uint8_t *dst);
/* Seal slots [FROM, TO) at P, CHUNK bytes each but the last (LAST_LEN), in place, and store them. */
int group_seal_store(struct loaded *l, struct group *grp, uint32_t from, uint32_t to, uint8_t *p,
		     uint32_t last_len);
struct aead;
/* Seal LEN bytes at P in place: its entry.  No group changes. */
int chunk_seal(struct aead *a, uint64_t index, uint8_t *p, uint32_t len, struct entry *ret);
/* Empty the entry of SLOT. */
void chunk_clear(struct loaded *l, struct group *grp, uint32_t slot);
/* Open ciphertext C of LEN bytes under entry E.  0, -EBADMSG. */
int chunk_open(struct aead *a, uint64_t index, const struct entry *e, const uint8_t *c,
	       uint8_t *ret);
/* Make SLOT end at LEN plaintext bytes, seal it anew if it was longer. */
int chunk_shorten(struct loaded *l, struct group *grp, uint32_t slot, uint32_t len);
/* Zero plaintext bytes [FROM, TO) of SLOT. */
int chunk_zero(struct loaded *l, struct group *grp, uint32_t slot, uint32_t from, uint32_t to);
/* reseal.c: seal a group anew under subkey S of EPOCH; on failure nothing has changed. */
int group_reseal(struct loaded *l, struct group *grp, uint32_t epoch, uint32_t s);

/* As object_pin(), for a change: an object that never reached the disk gets a fresh header. */
int object_pin_fresh(struct object *o, struct loaded **ret);

/* truncate.c: remove what slots name beyond the size (W4).  loaded.resize is held for writing. */
int object_cut_end(struct loaded *l);
/* Mend a backing length that disagrees, where this mount may write and the header is settled.  loaded.flush is held. */
void length_correct(struct loaded *l);

/* ---- length.c ---- */

/* The backing file reaches at least to END. */
static inline void length_reaches(struct loaded *l, uint64_t end)
{
	uint64_t old = l->length;

	while (old < end && !atomic_compare_exchange_weak(&l->length, &old, end))
		;
}

/* Write where the file may have to grow for it, while a batch sets the length. */
int place_write(struct loaded *l, const void *p, size_t n, uint64_t place);
/*
 * The same from the first chunk of G on, which has no slot yet: that both are
 * zero is written as well, or the hole that one of them stays costs the backing
 * filesystem two extents a group, in writing, reading and freeing.
 */
int place_write_new(struct loaded *l, uint32_t g, const void *p, size_t n);
/* Let the backing file be as long as its size asks for; what lies beyond only truncate.c cuts off. */
int length_fix(struct loaded *l);

/* ---- preserve.c ---- */

/*
 * A change of ours is no change of the file: the time of its last write stays,
 * its set-id bits and its capabilities.  Before one: remember them, unless they
 * are known.  After it, and by each flush: give them back.
 */
void keep_attrs(struct loaded *l);
void restore_attrs(struct loaded *l);
/* Mode bits 07777.  FD: of O. */
int object_chmod(struct object *o, int fd, mode_t mode);
#define XATTR_CAPS "security.capability"
/*
 * XATTR_CAPS, which writes of ours may have taken from the backing file until
 * they are given back.  Get: -EBADF, O is not open.  Set: VALUE NULL removes
 * it; FD: of O.  Show: it is in the backing file now, for a list.
 */
ssize_t object_get_caps(struct object *o, void *buf, size_t cap);
int object_set_caps(struct object *o, int fd, const void *value, size_t n, int flags);
void object_show_caps(struct object *o);

/* ---- barrier.c ---- */

/* A barrier, after which every written slot is durable.  loaded.flush is held, no batch half done. */
int barrier_locked(struct loaded *l);
/* A barrier alone: what it makes durable is not noted. */
int barrier_raw(struct loaded *l);
/*
 * A sync of all that began after the header GEN was written has ended: unless
 * there is a newer one by now, that is durable.  loaded.flush is held.
 */
bool header_synced(struct loaded *l, uint64_t gen);

/* ---- batch.c ---- */

/* Write what is dirty by the rules W1–W5; with SYNC, a barrier at the end.  loaded.flush is held. */
int batch_locked(struct loaded *l, bool sync);

/* ---- owed.c ---- */

/* H, of the chunk SLOT, is owed and no longer the newest: taken over.  group.lock is held for writing. */
void group_owe(struct group *grp, uint32_t slot, struct held *h);
/* GRP owes nothing any more. */
void group_forgive(struct group *grp);
/* Put in place what L owes, with a barrier.  loaded.flush is held, no batch half done. */
int owed_finish(struct loaded *l);

/* ---- settle.c ---- */

/* Settle one group.  loaded.flush is held. */
int group_settle_locked(struct loaded *l, struct group *grp);
/* Settle what is in memory and unclean, the header last.  No lock held. */
int loaded_settle(struct loaded *l);
/* Settle all of O.  0 also for what is damaged, which stays as it is. */
int object_settle(struct object *o);
/*
 * R, unless it says of what is damaged, and was reported since BEFORE, that it
 * is: that stays as it is.  An I/O error must not pass for damage.
 */
int unless_damaged(struct store *st, uint64_t before, int r);
/* Resolve each chunk of an unclean pair: N's slot in GRP->e, the other slot's entries in BASE (NULL: none). */
struct base_slot {
	const struct entry *e;
	const uint8_t *tail; /* ciphertext, or NULL */
	uint32_t tail_chunk;
	const uint8_t *key; /* GCM key of its epoch and s */
	uint64_t gen;
};
int group_resolve(struct loaded *l, struct group *grp, uint64_t base_gen,
		  const struct base_slot *base);

/* ---- xtsfile.c: an XTS file's contents; the object is pinned ---- */
ssize_t xts_read(struct loaded *l, uint8_t *buf, size_t n, uint64_t off, uint8_t **ret_p);
int xts_write(struct loaded *l, uint8_t *buf, size_t n, uint64_t off);
int xts_cut(struct loaded *l, uint64_t size); /* contents beyond SIZE, which the header has already, go */
int xts_zero(struct loaded *l, uint64_t off, uint64_t len);
int64_t xts_seek(struct loaded *l, uint64_t off, int whence, uint64_t size);
/* The ciphertext of chunks [C0, C1) as the places have it, zeros where there are none. */
int xts_read_places(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *dst);
/* Decrypt what was read of chunks [C0, C1); group 0's lock is held. */
int xts_decrypt(struct loaded *l, uint64_t c0, uint64_t c1, uint8_t *p);
bool xts_is_hole(const uint8_t *c); /* a chunk's ciphertext */

/* ---- xts_load.c ---- */
int xts_key_derive(struct loaded *l, uint32_t epoch); /* -EIO: its halves are equal */
/*
 * What the chunks of L, just loaded from the slots BLOCKS, are of; a window that
 * was left half re-keyed is put back, and the header is to be settled.
 */
int xts_loaded(struct loaded *l, const uint8_t blocks[static 2 * SLOT]);
/*
 * The window REC, whose block is taken over, could not be put back: it is read
 * from memory, and the next batch with a header tries again, by xts_unstick():
 * the record counts until that header is written.
 */
struct xts_record;
void xts_stick(struct loaded *l, struct xts_record *rec);
int xts_unstick(struct loaded *l); /* loaded.flush is held */

/* xts_beside.c: as xts_read(), beside the mount that may be re-keying it. */
ssize_t xts_read_beside(struct loaded *l, uint8_t *buf, size_t n, uint64_t off, uint8_t **ret_p);

#endif
