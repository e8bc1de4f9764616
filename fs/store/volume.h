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
#define SESSION_FILE "cmkfs.session"
#define LOCK_FILE "cmkfs.lock"
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
/* A fixed block NAME. */
int fixed_read(int fd, const char *name, uint8_t ret[static FIXED_BLOCK], struct store_error *err);

/* ---- keyring.c ---- */

/* The keyring of the root zone Z in FD. */
int keyring_read(int fd, const struct zone_id *z, struct keyring **ret, struct store_error *err);

/* What VK opens: secret. */
struct root_keys {
	uint8_t zik[KEY_LEN];
	uint8_t vm[KEY_LEN], km[KEY_LEN], sm[KEY_LEN], bk[KEY_LEN];
};

/*
 * Take VK as that of K's active generation, verify K and the volume block RAW,
 * compare the fingerprints.  As zone_unlock().
 */
int keyring_open(const struct keyring *k, const uint8_t vk[static KEY_LEN],
		 const struct volume_block *v, const uint8_t raw[static FIXED_BLOCK],
		 struct root_keys *ret, struct store_error *err);
/* The four subkeys of ret->zik. */
int root_keys_derive(const struct zone_id *z, struct root_keys *ret);

/* ---- zone.c ---- */

struct zone *zone_new(struct store *st, const struct zone_id *id,
		      const uint8_t fingerprint[KEY_LEN]);
void zone_free(struct zone *z);
/* Derive the keys that an unlocked zone has. */
int zone_keys_set(struct zone *z, const struct root_keys *rk, const uint8_t vk[static KEY_LEN],
		  uint32_t g);

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

/* -ENOENT: the volume was never seen here. */
int pin_read(const char *state_dir, const uint8_t vol[static ID_LEN], struct pin *ret);
/*
 * Compare with what is known: -EBADMSG: another fingerprint; -ESTALE: an older
 * seq.  STATE_DIR NULL: 0.
 */
int pin_check(const char *state_dir, const uint8_t vol[static ID_LEN], const struct pin *now,
	      struct store_error *err);
/* Remember NOW: the higher of each seq; with ACCEPT as they are now. */
int pin_store(const char *state_dir, const uint8_t vol[static ID_LEN], const struct pin *now,
	      bool accept);

#endif
