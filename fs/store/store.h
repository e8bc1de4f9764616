/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The encrypted store without FUSE: what fs/mount, fsck, export and the tests
 * stand on.  A *store* is one opened volume; an *object* is what is known in
 * memory of one file, directory, symlink or special file of it.
 *
 * Errors: 0 or -errno.  -EIO: integrity or I/O; the lock errno of the zone
 * (-EKEYREVOKED, -EKEYEXPIRED, -ENOKEY) while it is locked.
 *
 * The process has umask 0: what is made gets the mode that is asked for.
 *
 * Threads: everything here may be called from any thread, unless it says
 * otherwise.  Lock order, outermost first:
 *   zone gate → object.ns (directories, parent before child by address for
 *   rename) → object.resize → object.flush → object.lock → group.lock → table shard → LRU lists.
 * No lock is held over a call of a provider, and none is of the whole mount.
 *
 * Every call that needs keys is made between zone_enter() and zone_leave() of
 * the object's zone; the zone's keys stay valid in between.
 */
#ifndef CMKFS_STORE_H
#define CMKFS_STORE_H

#include <dirent.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "crypto/format.h"
#include "crypto/keyring.h"
#include "crypto/name.h"
#include "crypto/volume.h"

struct store;
struct zone;
struct object;

/* ---- opening ------------------------------------------------------------ */

enum store_event_kind {
	EVENT_INTEGRITY, /* an object failed to authenticate */
	EVENT_HINT,	 /* the backing length disagreed with the header: the kernel's attributes are stale */
	EVENT_RECOVERED, /* read by another slot than the newest, or given a fresh header */
	EVENT_LOST,	 /* data that could not be written: range */
	EVENT_GENERATION, /* read-only stores: an object waits for the key of a generation that is not here yet */
	EVENT_NAME	 /* a stored name that does not authenticate */
};

struct store_event {
	enum store_event_kind kind;
	struct object *object;	/* may be NULL */
	uint64_t offset, length; /* of the plaintext, where it applies */
	const char *reason;	/* static text; no key material, no plain name */
};

struct store_options {
	bool read_only;
	int binding;	       /* -1: as the volume says; else enum binding_mode */
	int crash;	       /* -1: as the volume says; else enum crash_mode */
	bool accept_rollback;
	bool adopt;	       /* go on though the list of unclean sessions is full: only to settle */
	const char *state_dir; /* host state: pins; NULL: none kept */
	bool brings_keys;      /* EVENT_GENERATION is heeded: the key is on its way then */
	const char *holder;    /* who has it, for others' -EBUSY: "mounted at /mnt"; may be NULL */
	/* Called from any thread, with locks held: must not call back into the store. */
	void (*event)(void *arg, const struct store_event *e);
	void *event_arg;
};

/* Why an open failed, for the command's two lines. */
struct store_error {
	char message[256], hint[256];
};

/*
 * What can be read of a volume without keys: for `status`, `key show` and to
 * find out what to unwrap.  -ENOTDIR, -ENOENT; -EMEDIUMTYPE: not a volume;
 * -EBADMSG: damaged; -EPROTONOSUPPORT: made by a newer version.
 * Free RET_KEYRING with keyring_free().  Either output may be NULL.
 */
int volume_peek(const char *dir, struct volume_block *ret_volume, struct keyring **ret_keyring,
		struct store_error *err);

/*
 * The zones of a volume beside the root's, by the names of their keyrings,
 * sorted: *RET malloc'd.  And the keyring of one of them, as volume_peek().
 */
int volume_zones(const char *dir, struct zone_id **ret, unsigned int *ret_n,
		 struct store_error *err);
int volume_peek_zone(const char *dir, const struct zone_id *z, struct keyring **ret,
		     struct store_error *err);

struct init_options {
	enum suite suite;
	enum name_mode names;
	uint8_t padding, binding, crash;
};

/*
 * Make a volume in DIR, an empty directory or one to be made.  VK is the first
 * generation's vault key; ADD_SLOT is called to wrap it: it gets the vol_id
 * and fills one slot (kid, params, blob malloc'd; taken over).  Everything is
 * on disk before 0 is returned; on failure nothing of it is left.
 * -ENOTEMPTY, -EEXIST (a volume already), -ENOSPC …, or what ADD_SLOT says.
 */
typedef int init_slot_fn(void *arg, const uint8_t vk[static KEY_LEN], const struct zone_id *z,
			 struct keyslot *ret);
int volume_init(const char *dir, const struct init_options *opt, init_slot_fn *add_slot, void *arg,
		struct zone_id *ret_zone, struct store_error *err);

/*
 * Rewrite the keyring of the zone Z (NULL: the root's): EDIT changes the parsed
 * keyring; VK (of its active generation) authenticates and signs it.
 * Serialised against other processes by a flock on DIR; write-new, fsync,
 * rename, fsync.  Never touches anything else.  Used by the key verbs.
 */
typedef int keyring_edit_fn(void *arg, struct keyring *k);
int volume_edit_keyring(const char *dir, const struct zone_id *z, const uint8_t vk[static KEY_LEN],
			keyring_edit_fn *edit, void *arg, const char *state_dir,
			struct store_error *err);

/*
 * All keyrings of a volume and its volume file as one block of bytes, encrypted
 * as they are; malloc'd.  -EBADMSG: one of them is not whole.
 */
int volume_backup_keys(const char *dir, uint8_t **ret, size_t *ret_n, struct store_error *err);
/*
 * Put what is missing or damaged back; FORCE: also what is another than the
 * backup's.  TELL is called for each keyring.  -EBADMSG: no whole backup;
 * -EINVAL: of another volume.
 */
enum restored { RESTORED_NEW, RESTORED_REPLACED, RESTORED_SAME, RESTORED_KEPT };
typedef void volume_restored_fn(void *arg, const struct zone_id *z, enum restored what);
int volume_restore_keys(const char *dir, const uint8_t *p, size_t n, bool force,
			volume_restored_fn *tell, void *arg, struct store_error *err);

/*
 * Open a volume with the root zone locked: takes cmkfs.lock when read-write
 * (-EBUSY: another holds it; ERR names the holder), reads no key.  Free with
 * store_close(), which flushes nothing: see store_end_session().
 */
int store_open(const char *dir, const struct store_options *opt, struct store **ret,
	       struct store_error *err);
void store_close(struct store *st);

const struct volume_block *store_volume(const struct store *st);
struct zone *store_root_zone(struct store *st);
bool store_read_only(const struct store *st);
struct object *store_root(struct store *st); /* tree/; borrowed, lives as long as the store */

/* The zones of the store, the root's first: that after Z, or NULL.  They last as long as the store. */
struct zone *store_next_zone(struct store *st, struct zone *z);
/* A zone by its ID, or NULL. */
struct zone *store_zone(struct store *st, const uint8_t id[static ID_LEN]);

/* What tells one state of its keyring file from another; 0: there is none. */
uint64_t zone_keyring_stamp(struct zone *z);
/* A copy of the zone's keyring as it is on disk now (caller frees). */
int zone_keyring(struct zone *z, struct keyring **ret, struct store_error *err);
/*
 * volume_edit_keyring() with the keys of an unlocked zone; takes its gate
 * itself.  The lock errno, too.
 */
int zone_edit_keyring(struct zone *z, keyring_edit_fn *edit, void *arg, struct store_error *err);

/*
 * End the session: flush all, syncfs, write the closing session block.  Works
 * on a locked zone as well (the block was prepared).  Not clean if LOST.
 */
int store_end_session(struct store *st, bool lost);

/* ---- zones: keys, gate, lock -------------------------------------------- */

enum zone_state { ZONE_LOCKED = 0, ZONE_UNLOCKED = 1, ZONE_DRAINING = 2 };
enum zone_use {
	ZONE_NORMAL, /* refused unless unlocked */
	ZONE_DRAIN   /* page WRITE, times, FSYNC, FLUSH: also while draining */
};

/*
 * Give the zone VK: checks it against the keyring, verifies keyring,
 * fingerprint, pin, volume and session blocks, starts the session (read-write,
 * first time), derives the keys, and unlocks.  A zone that is unlocked
 * already: 0, nothing changed.
 * -EKEYREJECTED: not this zone's key; -EBADMSG: damaged or forged;
 * -ESTALE: rolled back (host state knows a newer one); -EUCLEAN: unclean list full.
 */
int zone_unlock(struct zone *z, const uint8_t vk[static KEY_LEN], struct store_error *err);

struct zone_vk { /* in secret memory */
	uint32_t g;
	uint8_t vk[KEY_LEN];
};
/*
 * The same with the vault keys of N generations, the active one's among them.
 * Objects whose key is wrapped under another cannot be read.  A zone inside
 * another: -EAGAIN until its parent has been unlocked once, which vouches for it.
 */
int zone_unlock_all(struct zone *z, const struct zone_vk *vks, unsigned int n,
		    struct store_error *err);

/*
 * An unlocked zone takes the vault key of one more generation of its keyring,
 * and from then on uses the active one; or lets go of all that the keyring has
 * no more.  -EKEYREJECTED, -EBADMSG: not a key of this zone; -E2BIG; the lock errno.
 */
int zone_take_generation(struct zone *z, const struct zone_vk *vk, struct store_error *err);
int zone_drop_generations(struct zone *z, struct store_error *err);
/* The generation that is in use, 0 while locked, and how many of them can be read. */
uint32_t zone_generation(struct zone *z, unsigned int *ret_n);

/*
 * A zone to be made: drawn before its key is wrapped.  In secret memory; ID
 * (may be NULL) is the caller's choice.  Freed with zone_draft_free().
 */
struct zone_draft {
	struct zone_id id;
	uint8_t vk[KEY_LEN], zik[KEY_LEN];
	bool takes; /* set by zone_take() */
};
int zone_draft_new(const struct store *st, const uint8_t *id, struct zone_draft **ret);
void zone_draft_free(struct zone_draft *d);
/*
 * Make the zone D, whose vault key is in SLOT, of the empty directory NAME in
 * DIR: another directory takes its place, with the same owner, mode and ACLs.
 * All is on disk before 0 is returned; the zone is then unlocked.  The zone of
 * DIR is entered.  -ENOTEMPTY; -ENOTDIR; -EBUSY: a zone begins there.
 */
int zone_make(struct object *dir, const char *name, const struct zone_draft *d,
	      const struct keyslot *slot, struct zone **ret, struct store_error *err);
/*
 * The same of a directory that is not empty, whatever uses it meanwhile: from the
 * moment that this returns 0, all that is in it is of the new zone.  Headers
 * and contents are brought under its keys by zone_rekey(); until its first
 * generation is destroyed they are read with a copy of the parent's, so that the
 * zone is open only while the parent was when it was unlocked.
 * MOVED is told of each object that is known, while nobody is in the parent's gate.
 * -EBUSY: a zone begins in it, something in it is deployed, or the parent was
 * never quiet; -EMLINK: a file in it has a name elsewhere.
 */
typedef void zone_moved_fn(void *arg, struct object *o);
int zone_take(struct object *dir, const char *name, struct zone_draft *d,
	      const struct keyslot *slot, zone_moved_fn *moved, void *arg, struct zone **ret,
	      struct store_error *err);
/* Whether Z, unlocked, still takes objects over. */
bool zone_takes(struct zone *z);

/*
 * Destroy Z, which is locked and is to stay so: the slots of its keyring are
 * overwritten and it is removed, which is on disk before 0 is returned; then
 * the directory goes, as far as it can.  Needs no key.  -EBUSY: a zone lies in it.
 */
int zone_destroy(struct zone *z, struct store_error *err);
bool zone_gone(const struct zone *z);
/* The same of a volume that is not mounted; its directory stays, of no use. */
int volume_destroy_zone(const char *dir, const struct zone_id *z, const char *state_dir,
			struct store_error *err);
/*
 * Where the zone begins: a reference to the directory, or -ENOENT.  SEARCH: the
 * whole volume is walked for it, if it was not seen yet; needs no key.
 */
int zone_top(struct zone *z, bool search, struct object **ret);
/* The path of a directory from the root (""), malloc'd.  The lock errno of a zone above. */
int object_plain_path(struct object *o, char **ret);
/* The object at PATH, from the root, a reference; zones on the way are entered for the while. */
int store_resolve(struct store *st, const char *path, struct object **ret);

/*
 * Enter the zone for one request.  0 or the lock errno.  Wait-free.  Each
 * success is paired with one zone_leave() of the same use.
 */
int zone_enter(struct zone *z, enum zone_use use);
void zone_leave(struct zone *z, enum zone_use use);
/* The same with the zone of O, which stays that until it is left. */
int object_enter(struct object *o, enum zone_use use);
void object_leave(struct object *o, enum zone_use use);
enum zone_state zone_state(const struct zone *z);
int zone_errno(const struct zone *z); /* positive lock errno; 0 when unlocked */
const struct zone_id *zone_id(const struct zone *z);
const uint8_t *zone_fingerprint(const struct zone *z);
struct zone *zone_parent(const struct zone *z); /* NULL: the root's */
/* A word of the layer above.  Read and set atomically. */
void *zone_owner(const struct zone *z);
void zone_set_owner(struct zone *z, void *owner);
struct zone_counts {
	_Atomic uint64_t refused;     /* by the gate */
	_Atomic uint64_t page_writes; /* of the layer above: from the kernel's cache */
	_Atomic uint64_t lost;	      /* the same: writes that were refused, and ranges lost by the store */
};
struct zone_counts *zone_counts(struct zone *z);

/*
 * The three steps of a lock (lockout.md), driven by fs/mount/lock.c:
 * begin: state draining, LOCK_ERRNO for refusals; never fails.
 * quiesce: wait until no ZONE_NORMAL use is in flight, at most TIMEOUT_MS: 0, -ETIMEDOUT.
 * commit: flush every dirty object of the zone (within TIMEOUT_MS), and set a
 *   syncfs going, which needs no key and is not waited for; returns the number
 *   of objects that could not be written.
 * wipe: state locked; waits for all uses in flight, then wipes every key,
 *   every loaded object, every pending buffer; what was still dirty is an
 *   EVENT_LOST each.
 */
void zone_lock_begin(struct zone *z, int lock_errno);
int zone_quiesce(struct zone *z, unsigned int timeout_ms);
unsigned int zone_commit(struct zone *z, unsigned int timeout_ms);
void zone_wipe(struct zone *z);
/* Change the errno of a locked zone (operator lock → revoked, and so on). */
void zone_set_errno(struct zone *z, int lock_errno);

/* ---- objects ------------------------------------------------------------ */

/* References.  An object goes when the last one does. */
struct object *object_get(struct object *o);
void object_put(struct object *o);
/*
 * The same for who stood for all users of O: what has no name any more is not
 * written, so that its room comes back also where there is none to write it.
 */
void object_drop(struct object *o);
struct zone *object_zone(const struct object *o);
mode_t object_type(const struct object *o); /* S_IFMT bits; immutable */
ino_t object_ino(const struct object *o);
/* A word of the layer above (the inode of a mount).  Read and set atomically. */
void *object_owner(const struct object *o);
void object_set_owner(struct object *o, void *owner);

/*
 * Lookup of NAME in DIR: encrypts the name, statx, finds or makes the object.
 * *RET is a new reference, RET_ST its attributes with the true size if loaded,
 * else the hint.  -ENOENT, -ENAMETOOLONG, -ENOTDIR, -EIO; -EXDEV never.
 */
int object_lookup(struct object *dir, const char *name, struct object **ret, struct stat *ret_st);
/* The same by the stored name, as a listing of DIR gave it. */
int object_lookup_stored(struct object *dir, const char *stored, struct object **ret,
			 struct stat *ret_st);

/*
 * As the backing file has them, with the true size where the header has been
 * read.  A file that looks empty has its header read, and one byte if it is
 * damaged: nobody takes a file that was cut to nothing for an empty one.
 */
int object_getattr(struct object *o, struct stat *ret_st);
/* Read the header, and check that it is bound to the name that led here.  0, -EIO. */
int object_check(struct object *o);
/*
 * The same of what a read-only store found, and it stays open as far as may be:
 * what is asked of it can be answered, whatever its name leads to meanwhile.
 * -ESTALE: to something else already.
 */
int object_check_open(struct object *o);
/*
 * The same for an open(2): a read-only store takes notice of what another mount
 * has written since.  -ESTALE: the name leads elsewhere now, look it up again.
 */
int object_reopen(struct object *o);
/*
 * Keep O's file open while a caller has it, whoever replaces or renames it
 * meanwhile; until the zone locks.  Each success is paired with
 * object_let_go().  -EMFILE: as many are kept as may be; -ESTALE as above.
 */
int object_hold(struct object *o);
void object_let_go(struct object *o);

enum { SET_MODE = 1, SET_UID = 2, SET_GID = 4, SET_ATIME = 8, SET_MTIME = 16,
       SET_ATIME_NOW = 32, SET_MTIME_NOW = 64, SET_CTIME = 128 };
/* Attributes other than the size.  Setting times flushes the object first. */
int object_setattr(struct object *o, const struct stat *st, unsigned int what);

struct cred { /* who asks: owner of what is made */
	uid_t uid;
	gid_t gid;
	mode_t umask; /* taken off the mode, unless the directory has a default ACL */
};

/*
 * Make a regular file (S_IFREG) or special file.  The header of a regular file
 * is in memory only until it is flushed.
 */
int object_mknod(struct object *dir, const char *name, mode_t mode, dev_t rdev,
		 const struct cred *cred, struct object **ret, struct stat *ret_st);
int object_mkdir(struct object *dir, const char *name, mode_t mode, const struct cred *cred,
		 struct object **ret, struct stat *ret_st);
int object_symlink(struct object *dir, const char *name, const char *target,
		   const struct cred *cred, struct object **ret, struct stat *ret_st);
int object_link(struct object *o, struct object *dir, const char *name, struct stat *ret_st);
int object_unlink(struct object *dir, const char *name);
int object_rmdir(struct object *dir, const char *name);
/* FLAGS: 0, RENAME_NOREPLACE, RENAME_EXCHANGE.  -EINVAL for others. */
int object_rename(struct object *dir, const char *name, struct object *newdir, const char *newname,
		  unsigned int flags);
/* NUL-terminated target into BUF (> SYMLINK_LIMIT bytes); returns its length or -errno. */
ssize_t object_readlink(struct object *o, char *buf, size_t cap);

/* ---- contents ----------------------------------------------------------- */

/*
 * Read up to N bytes at OFF into BUF, which is used as scratch for whole
 * chunks: CAP ≥ N rounded up to chunks at both ends (N + 2·CHUNK suffices).
 * *RET_P points into BUF at the first byte asked for.  Returns bytes read
 * (short only at the end of the file) or -errno.
 */
ssize_t object_read(struct object *o, uint8_t *buf, size_t cap, size_t n, uint64_t off,
		    uint8_t **ret_p);

/*
 * Write N bytes at OFF.  BUF is encrypted in place: afterwards it holds
 * ciphertext, or on failure has been wiped.  Grows the file.  Returns 0 or
 * -errno; 0 means all N.  The metadata goes out with the next flush.
 */
int object_write(struct object *o, uint8_t *buf, size_t n, uint64_t off);
/*
 * The same for a caller who keeps mtime himself, as a kernel with a writeback
 * cache does: it stays as it is until object_setattr() changes it.  A write that
 * fails makes the file as long all the same, as that kernel has it.
 */
int object_write_pages(struct object *o, uint8_t *buf, size_t n, uint64_t off);

int object_truncate(struct object *o, uint64_t size);
/* fallocate(2) modes: 0, KEEP_SIZE, PUNCH_HOLE|KEEP_SIZE, ZERO_RANGE[|KEEP_SIZE]; -EOPNOTSUPP. */
int object_fallocate(struct object *o, int mode, uint64_t off, uint64_t len);
/* SEEK_DATA, SEEK_HOLE.  Returns an offset or -errno (-ENXIO). */
int64_t object_seek(struct object *o, uint64_t off, int whence);

/* Write the object's metadata and held ciphertext to the backing file; no barrier of its own. */
int object_flush(struct object *o);
/* Make it durable, and the directories on its path.  A failed write is reported once. */
int object_fsync(struct object *o, bool datasync);
/* Directory: fsync of the directory and its header. */
int object_fsyncdir(struct object *dir);

/* Flush what has been dirty for AGE_MS or longer.  Called by the flusher thread of the mount. */
void store_flush_aged(struct store *st, unsigned int age_ms);
/*
 * Settle all that unclean sessions left (cmkfs-format(5), Settling), walking what
 * their records name; then the list of unclean sessions is emptied.  For a
 * thread of its own; returns early with -EINTR when *STOP is set, or the lock
 * errno; -EAGAIN: too many names moved meanwhile, so that it must be done again.
 */
int store_settle(struct store *st, const _Atomic bool *stop);
/* Keep caches within bounds: unload idle objects, close idle descriptors. */
void store_trim(struct store *st);

/* ---- xattrs -------------------------------------------------------------- */

/* As their system calls: user.* encrypted, security.*, trusted.*, system.posix_acl_* in clear. */
ssize_t object_getxattr(struct object *o, const char *name, void *buf, size_t cap);
ssize_t object_listxattr(struct object *o, char *buf, size_t cap);
int object_setxattr(struct object *o, const char *name, const void *value, size_t n, int flags);
int object_removexattr(struct object *o, const char *name);

/* ---- directories ---------------------------------------------------------- */

/*
 * List DIR from cookie OFF (0 or an `off` given before).  EMIT is called for
 * each entry, "." and ".." included; it returns false to stop (the entry counts
 * as not taken).  Names that do not authenticate are left out with an EVENT_NAME.
 */
struct dir_entry {
	const char *name; /* plain, N bytes and a 0; both names are valid during the call */
	size_t n;
	const char *stored; /* for object_lookup_stored(); NULL: there is none */
	ino_t ino;
	unsigned char d_type;
	int64_t next_off; /* the cookie of the NEXT entry */
};
typedef bool dir_emit_fn(void *arg, const struct dir_entry *e);
int object_readdir(struct object *dir, int64_t off, dir_emit_fn *emit, void *arg);

int store_statfs(struct store *st, struct statvfs *ret);

/* ---- figures --------------------------------------------------------------- */

struct store_stats {
	uint64_t objects, loaded, groups, open_fds, pending_bytes, dirty_objects;
	uint64_t bytes_read, bytes_written, integrity_errors;
};
void store_stats(struct store *st, struct store_stats *ret);

#endif
