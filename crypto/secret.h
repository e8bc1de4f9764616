/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory for secrets: one arena between guard pages, locked, left out of core
 * dumps and wiped in a forked child; every piece is wiped when it is freed.
 * Method: mmap, mlock2(MLOCK_ONFAULT), MADV_DONTDUMP, MADV_WIPEONFORK.
 *
 * All functions are thread-safe.
 */
#ifndef CMKFS_SECRET_H
#define CMKFS_SECRET_H

#include "base.h"

/*
 * Make the arena, of at least BYTES.  Called once, after the last fork that
 * is to keep secrets (locks are not inherited).  A second call changes nothing;
 * with MUST_LOCK it says -EPERM if the arena is not locked.
 * Without a call the first secret_alloc() makes one of 1 MiB.
 * Returns 0; -ENOMEM: no address space; with MUST_LOCK also -EPERM: the pages
 * cannot be locked (RLIMIT_MEMLOCK).
 */
int secret_setup(size_t bytes, bool must_lock);

/* Whether the arena's pages are locked in memory. */
bool secret_locked(void);

/*
 * N bytes (1 … 64 KiB), zeroed, aligned to 16.  NULL with errno ENOMEM when
 * the arena is full.  The caller frees it with secret_free().
 */
void *secret_alloc(size_t n) __attribute__((malloc));

/* Wipe and free.  P may be NULL. */
void secret_free(void *p);

/* Wipe N bytes anywhere; never optimised away. */
void secret_wipe(void *p, size_t n);

/* Constant-time comparison of N bytes. */
bool secret_equal(const void *a, const void *b, size_t n);

/* Whether P lies in the arena. */
bool secret_owns(const void *p);

/* Bytes in use and in all, for `status`. */
void secret_usage(size_t *ret_used, size_t *ret_total);

static inline void cleanup_secret(void *p)
{
	secret_free(*(void **)p);
}

#define _cleanup_secret_ __attribute__((cleanup(cleanup_secret)))

#endif
