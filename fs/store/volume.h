/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixed files of a volume, its zone and its session, as the files that
 * open, unlock and make one share them.
 */
#ifndef CMKFS_STORE_VOLUME_H
#define CMKFS_STORE_VOLUME_H

#include "fs/store/internal.h"

#define VOLUME_FILE "cmkfs.volume"
#define KEYRING_FILE "cmkfs.keys"
#define ZONES_DIR "cmkfs.zones"
#define SESSION_FILE "cmkfs.session"
#define LOCK_FILE "cmkfs.lock"
#define JOURNAL_DIR "cmkfs.journal"
#define TREE "tree"
#define FIXED_MODE 0644	  /* of the fixed files: nothing in them is secret */
#define KEYRING_MODE 0600 /* but a passphrase's slot invites guessing */

/*
 * Fill ERR (may be NULL) and return R.  HINT is what to do about it, or NULL.
 */
int store_fail(struct store_error *err, int r, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* ---- volume.c ---- */

/* The backing directory DIR. */
int volume_open_dir(const char *dir, int *ret_fd, struct store_error *err);
/* The volume block in FD, its structure checked; RET_RAW for volume_verify(). */
int volume_read(int fd, struct volume_block *ret, uint8_t ret_raw[static FIXED_BLOCK],
		struct store_error *err);
/* Both: the directory, whose descriptor the caller closes whatever is returned, and its block. */
int volume_look(const char *dir, int *ret_fd, struct volume_block *ret, struct store_error *err);
/* A fixed block NAME. */
int fixed_read(int fd, const char *name, uint8_t ret[static FIXED_BLOCK], struct store_error *err);

/* ---- keyring.c ---- */

/* Where a keyring lies: NAME in the directory DIRFD. */
struct ring_place {
	int dirfd;
	bool root; /* of the volume; then DIRFD is the caller's */
	char name[64];
	char shown[80]; /* for messages */
};
/*
 * That of Z in the volume V, whose directory is FD; MAKE: also the directory of
 * the further zones' keyrings.  -ENOENT: there is none.
 */
int ring_place_open(int fd, const struct volume_block *v, const struct zone_id *z, bool make,
		    struct ring_place *ret);
void ring_place_close(struct ring_place *p);

/* The keyring of Z at P. */
int keyring_read(const struct ring_place *p, const struct zone_id *z, struct keyring **ret,
		 struct store_error *err);
/* Write K, whose ZIK this is, at P: its seq goes up. */
int keyring_write(const struct ring_place *p, struct keyring *k, const uint8_t zik[static KEY_LEN],
		  struct store_error *err);

/* What VK opens: secret. */
struct root_keys {
	uint8_t zik[KEY_LEN];
	uint8_t vm[KEY_LEN], km[KEY_LEN], sm[KEY_LEN], bk[KEY_LEN];
};

/*
 * Take VK as that of K's active generation, verify K.  RET_FINGERPRINT is the
 * zone's own word: whether it is to be believed, the caller knows.  As zone_unlock().
 */
int keyring_open(const struct keyring *k, const uint8_t vk[static KEY_LEN], const char *shown,
		 struct root_keys *ret, uint8_t ret_fingerprint[static KEY_LEN],
		 struct store_error *err);
/* The root's: its fingerprint is that of the volume V, whose block RAW it authenticates. */
int keyring_vouches(const struct root_keys *rk, const uint8_t fingerprint[static KEY_LEN],
		    const struct volume_block *v, const uint8_t raw[static FIXED_BLOCK],
		    struct store_error *err);
/* The four subkeys of ret->zik. */
int root_keys_derive(const struct zone_id *z, struct root_keys *ret);
/* What the parent whose ZIK this is says of its child Z. */
int endorse(const struct zone_id *parent, const uint8_t zik[static KEY_LEN],
	    const struct zone_id *z, const uint8_t fingerprint[static KEY_LEN],
	    uint8_t ret[static MAC_LEN]);

/* ---- zone.c, zone_unlock.c, zones.c ---- */

/* FINGERPRINT: of the root's; NULL: not known yet. */
struct zone *zone_new(struct store *st, const struct zone_id *id, struct zone *parent,
		      const uint8_t *fingerprint);
void zone_free(struct zone *z);
/*
 * zone_make.c: the keyring of a new zone in UP, on disk, and the zone, unlocked,
 * among those of the store; or the end of what has no directory yet.
 */
int zone_begin(struct zone *up, const struct zone_draft *d, const struct keyslot *slot,
	       struct zone **ret, struct store_error *err);
void zone_abandon(struct zone *z);
/* Its keyring is overwritten and removed; it stays locked.  zone_gone.c. */
int zone_drop(struct zone *z, struct store_error *err);
/* The keyring of Z in the volume V, whose directory is FD: the same.  No keyring there: 0.  zone_gone.c. */
int keyring_remove(int fd, const struct volume_block *v, const struct zone_id *z,
		   struct store_error *err);
/*
 * Derive the keys that an unlocked zone has: of N generations.  TAKES: and the
 * parent's, whose objects it takes over; -EAGAIN: that is locked.
 */
int zone_keys_set(struct zone *z, const struct root_keys *rk, const struct zone_vk *vks,
		  unsigned int n, uint32_t active, bool takes);
/* The zones whose keyrings there are, with their parents; those that lead to no root are left out. */
int zones_load(struct store *st, struct store_error *err);
void zones_add(struct store *st, struct zone *z);

/* ---- store.c ---- */

/* A store of nothing yet: locks, lists, session.  NULL: -ENOMEM. */
struct store *store_new(void);
/* Bounds of the caches, from what the process may have.  Again after secret_setup(). */
void store_set_limits(struct store *st);

/* ---- session.c ---- */

struct session *session_new(void);
void session_free(struct session *s);
/* Read the session file again and verify it under SM. */
int session_load(struct store *st, const uint8_t sm[static KEY_LEN], struct store_error *err);
uint64_t session_seq(struct store *st);
/* A read-write store's own session: on disk when this returns.  A second call does nothing. */
int session_start(struct store *st, const uint8_t sm[static KEY_LEN], struct store_error *err);
/* Write the closing block, without a key.  0 if no session was started. */
int session_close(struct store *st);
/* A new volume's: session 1 is being written. */
void session_first(struct store *st);

/* ---- pin.c: what this host knows of a volume ---- */

struct pin {
	uint8_t fingerprint[KEY_LEN];
	uint64_t keyring, volume, session; /* highest seq seen of each */
};

/*
 * Of the zone Z of a volume; ROOT: the volume's own, which has the seqs of the
 * volume and session file as well.  -ENOENT: it was never seen here.
 */
int pin_read(const char *state_dir, const struct zone_id *z, bool root, struct pin *ret);
/*
 * Compare with what is known: -EBADMSG: another fingerprint; -ESTALE: an older
 * seq.  STATE_DIR NULL: 0.
 */
int pin_check(const char *state_dir, const struct zone_id *z, bool root, const struct pin *now,
	      struct store_error *err);
/* Remember NOW: the higher of each seq; with ACCEPT as they are now. */
int pin_store(const char *state_dir, const struct zone_id *z, bool root, const struct pin *now,
	      bool accept);
/* The zone is no more. */
void pin_forget(const char *state_dir, const struct zone_id *z);

#endif
