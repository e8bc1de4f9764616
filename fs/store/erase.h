/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Erasing files: the wrapped data keys are destroyed on disk before any name
 * goes (cmkfs-format(5), Rotation, re-key, erasure).  What is under the key,
 * contents and attributes, cannot be had from the store afterwards, whatever
 * other keys there are; of a directory, the names and symlink targets in it.
 *
 * The zones are not entered by the caller.
 */
#ifndef CMKFS_STORE_ERASE_H
#define CMKFS_STORE_ERASE_H

#include "fs/store/store.h"

struct erased {
	uint8_t object_id[ID_LEN];	/* zeros, like the next four: it had no valid header */
	uint8_t wrapped_digest[KEY_LEN]; /* SHA-256 of the wrapped data key that was destroyed */
	uint32_t epoch, vk_gen;
	uint64_t size;
	struct zone_id zone;
	ino_t ino;
	bool dir;
	int64_t time; /* unix seconds: its key was gone */
};

struct erasure {
	bool recursive;
	const _Atomic bool *stop; /* set from anywhere: -EINTR after the object at hand */
	/* Before the key of O goes and after it: what others hold of O goes out of their caches.  May be NULL. */
	void (*let_go)(void *arg, struct object *o);
	/* NAME in DIR is no more.  May be NULL. */
	void (*name_gone)(void *arg, struct object *dir, const char *name);
	/* O is erased and had these N names, paths from the root. */
	void (*done)(void *arg, const struct erased *e, const char *const *names, unsigned int n);
	void *arg;
	/* To be done, as the first look found it, and done so far. */
	_Atomic uint64_t all_files, all_bytes, files, dirs, bytes;
};

/*
 * Erase what lies at the N PATHS, from the root.  Nothing is touched unless all
 * names of all files are found in the volume.  What is interrupted is gone on
 * with by the same call.
 * 0; -EINTR; -EMLINK: a file has names elsewhere; -EISDIR: not RECURSIVE;
 * -EXDEV: a zone begins there; -EBUSY: deployed, or in use without end;
 * -ENOTEMPTY: something in a directory cannot be named; -EROFS; -ENOENT; the
 * lock errno; errors of writing.  ERR has the words.
 */
int store_erase(struct store *st, const char *const *paths, unsigned int n, struct erasure *e,
		struct store_error *err);

/* Whether the key of O has been destroyed.  Any thread. */
bool object_is_erased(const struct object *o);

/*
 * Overwrite the keyrings of the volume in DIR, those of its zones first, and
 * remove them: nothing in it can be opened again.  It is not mounted (-EBUSY)
 * nor will it be: cmkfs.lock is held meanwhile.  Needs no key.
 */
int volume_destroy(const char *dir, const char *state_dir, struct store_error *err);

#endif
