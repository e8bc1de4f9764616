/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in directories: what the namespace operations share.
 *
 * The usual order of one that changes names: place_open() each name (pins its
 * directory and encrypts the name), ns_lock() the directories, stat what is
 * there, change it, ns_unlock(), place_close().
 */
#ifndef CMKFS_STORE_ENTRY_H
#define CMKFS_STORE_ENTRY_H

#include <errno.h>

#include "fs/store/internal.h"

#define TEMP_LEN 24 /* .T, 22 characters */

/* A name in a directory that is pinned meanwhile. */
struct place {
	struct object *dir;
	struct loaded *dl;
	const char *name; /* plain; the caller's */
	size_t n;
	struct stored_name sn;
};

/*
 * NAME in DIR.  CHANGE: it is to be made or removed (-EROFS on a read-only
 * store).  -ENOTDIR, -ENAMETOOLONG, -EINVAL: what no name may be (-ENOENT
 * unless CHANGE), -EIO.  Nothing to close on failure.
 */
int place_open(struct object *dir, const char *name, bool change, struct place *ret);
void place_close(struct place *p);
/*
 * For something new at P: its directory is locked and the sidecar of a long name
 * there, *RET_SIDECAR telling whether it was made.  place_end_new() ends that,
 * and takes the sidecar back if R says that nothing came of it.  -ENOENT: DIR is gone.
 */
int place_begin_new(const struct place *p, bool *ret_sidecar);
void place_end_new(const struct place *p, bool sidecar, int r);
/* What lies at the place.  -ENOENT. */
int place_stat(const struct place *p, struct stat *ret);
/* The directory that lies at P now: a reference.  -ENOENT, -ENOTDIR, -ENOMEM. */
int place_dir(const struct place *p, struct object **ret);
int place_tag(const struct place *p, uint8_t ret[static TAG_LEN]);
/*
 * What is durable (L) must not get its name in a directory that a power cut
 * makes unreadable: sync that first, unless it is known to be on disk.
 */
int place_make_durable(const struct place *p, struct loaded *l);
/* What P's name leads to, or its sidecar, is not on disk: a fsync of the directory is to see to it. */
void place_new_name(const struct place *p);

/* An object failed to authenticate: -EIO, and an event.  O may be NULL. */
static inline int entry_integrity(struct store *st, struct object *o, const char *why)
{
	store_event(st, EVENT_INTEGRITY, o, 0, 0, why);
	return -EIO;
}

/* A random name .T… for a temporary object.  0 or -EIO. */
int temp_name(char ret[static TEMP_LEN + 1]);
/* Rename within DIRFD, never over another; also where RENAME_NOREPLACE is not known. */
int rename_new(int dirfd, const char *name, int newdirfd, const char *newname);

/* What STORED is in the volume's name mode. */
enum stored_kind entry_kind(const struct store *st, const char *stored);
/* T of the name STORED. */
int entry_tag(struct object *dir, struct loaded *dl, const char *stored,
	      uint8_t ret[static MAC_LEN]);

/* ---- sidecar.c ---- */

/* The sidecar's name of STORED, a long one. */
void sidecar_name(const char *stored, char ret[static 256]);
/* A long name's sidecar, before the object is made; *RET_MADE: it was not there. */
int place_make_sidecar(const struct place *p, bool *ret_made);
/* Bring that of STORED to the disk: before something durable comes under this name. */
int sidecar_sync(int dirfd, const char *stored);
/* The same of P's name, if it is a long one. */
int place_sync_sidecar(const struct place *p);
/* After the object is gone. */
void place_remove_sidecar(const struct place *p);

/* ---- ns_lock.c ---- */

bool dir_is_removed(struct object *dir);
/* Lock N directories (some the same, or NULL) for a change of names.  -ENOENT: one is gone. */
int ns_lock(struct object *const *dirs, unsigned int n);
void ns_unlock(struct object *const *dirs, unsigned int n);

/* ---- object.c ---- */

/* An object that is in no table yet, with one reference.  NULL: -ENOMEM. */
struct object *object_new(struct store *st, struct object *parent, const char *stored,
			  const struct stat *sb);
/* O is out of the table and unloaded, and nobody refers to it. */
void object_free(struct object *o);
bool object_path_is(struct object *o, struct object *parent, const char *stored);
/*
 * A lookup found the known object O at this path.  False: O is the ghost of a
 * file that is gone, whose inode number is another's now.
 */
bool object_found_at(struct object *o, struct object *parent, const char *stored);

/* ---- table.c ---- */

/* A reference of O less; true: it was the last, and O is out of the table, to be freed. */
bool table_put(struct object *o);
/* Free an object whatever refers to it: at the end of a store. */
void table_forget(struct shard *s, struct object *o);

/* ---- attr.c ---- */

/* Make the backing attributes SB those of O: its size. */
void object_fix_stat(struct object *o, struct stat *sb);
/* A descriptor of O for attributes, perhaps O_PATH, that the caller closes. */
int object_attr_fd(struct object *o);

/* ---- xattr.c ---- */

/* What lies under the keys of the epoch before goes under the header's.  L is pinned. */
int xattrs_rekey(struct loaded *l);

/* ---- create.c ---- */

/*
 * MODE for what CRED makes in DIR.  A default ACL takes the place of the umask:
 * the backing filesystem applies it.
 */
mode_t mode_for(const struct object *dir, const struct cred *cred, mode_t mode);
/* Give what was made by us at NAME in FD (NULL: FD itself) to CRED; SB is what it is now. */
int give_owner(const struct object *dir, int fd, const char *name, const struct cred *cred,
	       mode_t mode, struct stat *sb);

/* ---- mkdir.c ---- */

/*
 * The first header of the directory O, which lacks one: L, loaded_new().
 * Whatever is in it goes out of sight.  o->lock is held, O open.
 */
int dir_write_first(struct object *o, struct loaded *l);

/* ---- link.c: what becomes of an object whose name is removed or replaced ---- */

struct gone {
	struct object *o; /* NULL: not known, nothing to keep */
	struct loaded *l;
	bool pinned;
};

/*
 * Before: keep what is known of the object SB at P usable.  On failure (of the
 * session's record) the name must stay; gone_finish() is due all the same.
 */
int gone_prepare(const struct place *p, const struct stat *sb, struct gone *ret);
/* After (DONE) or instead: the name is P's no more. */
void gone_finish(const struct place *p, const struct stat *sb, struct gone *g, bool done);

/* object_unlink(), if it is still ONLY (NULL: anything) that NAME in DIR leads to; else -ENOENT. */
int object_unlink_only(struct object *dir, const char *name, const struct object *only);

/* ---- rmdir.c ---- */

/* Whether the directory open as FD holds no object.  0, -ENOTEMPTY. */
int dir_is_empty(const struct store *st, int fd);
/* As dir_remove(), of a directory that holds something; DEPTH levels of it at most. */
int dir_remove_deep(int dirfd, const char *name, unsigned int depth);
/* Move NAME in DIRFD out of sight (unless it is temporary), then remove it and all in it. */
int dir_remove(int dirfd, const char *name);

/* ---- symlink.c ---- */

/*
 * Make the symlink FROM again, for the name TO, under the temporary name TMP
 * beside TO.  -EBADMSG: it does not authenticate.
 */
int symlink_remake(const struct place *from, const struct stat *sb, const struct place *to,
		   char tmp[static TEMP_LEN + 1], struct stat *ret_sb);

/*
 * The inode number that SB, the symlink at P, is shown with, kept from others by
 * a descriptor of the inode: for who knows it and must not see it change with a
 * rename.  NULL: it does change, as too many are kept, or no descriptor is left.
 */
struct kept *kept_new(const struct place *p, const struct stat *sb);
void kept_free(struct store *st, struct kept *k); /* NULL-safe */
/* K is that of O, unless it has one. */
void kept_give(struct object *o, struct kept *k);
/* The number that O is shown with, whose own is INO. */
ino_t shown_ino(const struct object *o, ino_t ino);

/* ---- zone_dir.c ---- */

/* The directory at P, of the same zone: a reference.  -ENOTDIR, -ENOENT; -EBUSY: a zone begins there. */
int zone_dir_find(const struct place *p, struct object **ret);
/* Make it Z's; *RET_MADE: that is done, whatever failed afterwards.  -ENOTEMPTY. */
int zone_dir_make(const struct place *p, struct zone *z, bool *ret_made);

/* ---- zone_take.c ---- */

/* Whether one of A and B lies in a directory that is just being made a zone, and the other not. */
bool taking_crossed(struct object *a, struct object *b);

/* ---- readdir.c ---- */
void dirstream_free(struct dirstream *s);

#endif
