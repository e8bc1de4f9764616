/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of XTS re-keying.
 */
#include "fs/store/xts_journal.h"

#include <errno.h>

#include "crypto/mac.h"
#include "crypto/secret.h"
#include "fs/store/journal.h"

#define MAGIC "CMKFSXTJ"

enum {
	OFF_VERSION = 8, OFF_EPOCH = 12, OFF_ZONE = 16, OFF_OBJECT = 48, OFF_FIRST = 64,
	OFF_GEN = 72, OFF_COUNT = 80, OFF_RESERVED = 84, OFF_MAC = 4064
};

int xts_record_new(struct xts_record *ret)
{
	*ret = (struct xts_record){ .block = malloc(SLOT + (size_t)XTS_WINDOW * CHUNK) };
	return ret->block ? 0 : -ENOMEM;
}

void xts_record_free(struct xts_record *r)
{
	free(r->block);
	r->block = NULL;
}

/* ---- the record --------------------------------------------------------------------- */

static size_t record_length(uint32_t n)
{
	return SLOT + (size_t)n * CHUNK;
}

/* Of the block but its last field, and the chunks. */
static int record_mac(const struct xts_record *r, const uint8_t hk[static KEY_LEN],
		      uint8_t ret[static MAC_LEN])
{
	const struct iovec iov[] = { { r->block, OFF_MAC },
				     { xts_record_chunks(r), (size_t)r->n * CHUNK } };

	return mac_v(hk, KEY_LEN, iov, ARRAY_SIZE(iov), ret);
}

static int record_seal(const struct loaded *l, struct xts_record *r)
{
	uint8_t *b = r->block;

	memset(b, 0, SLOT);
	memcpy(b, MAGIC, 8);
	put_le16(b + OFF_VERSION, FORMAT_VERSION);
	put_le32(b + OFF_EPOCH, l->h.epoch);
	memcpy(b + OFF_ZONE, &l->h.zone, sizeof(l->h.zone));
	memcpy(b + OFF_OBJECT, l->h.object_id, ID_LEN);
	put_le64(b + OFF_FIRST, r->first);
	put_le64(b + OFF_GEN, l->g0->pair.gen);
	put_le32(b + OFF_COUNT, r->n);
	return record_mac(r, l->k->hk, b + OFF_MAC);
}

/* Whether the GOT bytes in R are the record that counts for a header H: 0, -ENOENT, -EIO. */
static int record_check(struct xts_record *r, size_t got, const struct header *h,
			const uint8_t hk[static KEY_LEN])
{
	static const uint8_t zero[OFF_MAC - OFF_RESERVED];
	uint8_t want[MAC_LEN];
	const uint8_t *b = r->block;

	if (got < SLOT)
		return -ENOENT;
	r->first = get_le64(b + OFF_FIRST);
	r->n = get_le32(b + OFF_COUNT);
	if (memcmp(b, MAGIC, 8) || get_le16(b + OFF_VERSION) != FORMAT_VERSION ||
	    get_le32(b + OFF_EPOCH) != h->epoch || memcmp(b + OFF_ZONE, &h->zone, sizeof(h->zone)) ||
	    memcmp(b + OFF_OBJECT, h->object_id, ID_LEN) || r->first != h->xts_done ||
	    get_le64(b + OFF_GEN) != h->gen || !r->n || r->n > XTS_WINDOW || got != record_length(r->n) ||
	    memcmp(b + OFF_RESERVED, zero, sizeof(zero)))
		return -ENOENT;
	if (record_mac(r, hk, want))
		return -EIO;
	return secret_equal(want, b + OFF_MAC, MAC_LEN) ? 0 : -ENOENT; /* cut off while it was written */
}

int xts_journal_write(struct loaded *l, struct xts_record *rec)
{
	int r = record_seal(l, rec);

	return r ? r : journal_write(l->o, &l->h, JOURNAL_XTS, rec->block, record_length(rec->n));
}

int xts_journal_read(struct object *o, const struct header *h, const uint8_t hk[static KEY_LEN],
		     struct xts_record *ret)
{
	struct xts_record rec;
	ssize_t got;
	int r = xts_record_new(&rec);

	if (r)
		return r;
	got = journal_read(o, h, JOURNAL_XTS, rec.block, record_length(XTS_WINDOW));
	r = got < 0 ? (int)got : record_check(&rec, (size_t)got, h, hk);
	if (r)
		xts_record_free(&rec);
	else
		*ret = rec;
	return r;
}
