/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Buffers that hold plaintext: for what is read, listed and answered.  Locked
 * when allowed, never dumped, to each thread the one that it had last, where
 * that can be (it is in its processor's cache), and wiped at a lock.
 */
#ifndef CMKFS_MOUNT_POOL_H
#define CMKFS_MOUNT_POOL_H

#include "crypto/format.h"

#define POOL_IO (1u << 20)		/* largest request */
#define POOL_SIZE (POOL_IO + 2 * CHUNK) /* of a buffer */

struct pool;

/* N buffers.  0, -ENOMEM. */
int pool_new(unsigned int n, struct pool **ret);
void pool_free(struct pool *p); /* wipes; NULL-safe; no buffer may be out */

/* A buffer, aligned to a page; waits for one.  Thread-safe. */
uint8_t *pool_get(struct pool *p);
/* Give it back; USED bytes of it may have been written. */
void pool_put(struct pool *p, uint8_t *buf, size_t used);

/*
 * Wipe what is in no use now; a buffer that is out is wiped as it comes back.
 * Thread-safe.
 */
void pool_wipe(struct pool *p);

/* Anonymous memory of N bytes, locked if allowed, not dumped, not inherited.  NULL. */
void *pool_map(size_t n);
void pool_unmap(void *p, size_t n); /* wipes; NULL-safe */

#endif
