/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The journal of XTS re-keying (cmkfs-format(5), XTS layout): the window of
 * chunks that is being re-keyed, as they were, since nothing tells an old
 * chunk from a new one.
 */
#ifndef CMKFS_STORE_XTS_JOURNAL_H
#define CMKFS_STORE_XTS_JOURNAL_H

#include "fs/store/internal.h"

#define XTS_WINDOW 256u /* chunks at most */

struct xts_record {
	uint64_t first;
	uint32_t n;
	uint8_t *block; /* of SLOT bytes, malloc'd, then the ciphertext of the chunks */
};

static inline uint8_t *xts_record_chunks(const struct xts_record *r)
{
	return r->block + SLOT;
}

int xts_record_new(struct xts_record *ret); /* 0, -ENOMEM */
void xts_record_free(struct xts_record *r);

/*
 * Make R the record of L, which is being re-keyed, beside its newest header, which
 * is durable: the next one voids it.  Durable when this returns.
 */
int xts_journal_write(struct loaded *l, struct xts_record *r);
/* The record written beside the header H of O, whose key is HK.  -ENOENT: there is none. */
int xts_journal_read(struct object *o, const struct header *h, const uint8_t hk[static KEY_LEN],
		     struct xts_record *ret);
#endif
