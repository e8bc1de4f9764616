/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The object header.  Parsing refuses whatever a writer may not have written,
 * so that the rest of the program meets numbers within their bounds only.
 */
#include "header.h"

#include <errno.h>

#include "slot.h"

#define MAGIC "CMKFSOBJ"
#define KNOWN_FLAGS (FLAG_TAIL | FLAG_REKEY | FLAG_BIND_OVERFLOW | FLAG_ZONE_ROOT)

enum {
	OFF_VERSION = 8, OFF_SUITE = 10, OFF_TYPE = 12, OFF_FLAGS = 13, OFF_RESERVED1 = 14,
	OFF_ZONE = 16, OFF_OBJECT = 48, OFF_GEN = 64, OFF_BASE = 72, OFF_SESSION = 80,
	OFF_SIZE = 88, OFF_EPOCH = 96, OFF_VK_GEN = 100, OFF_WRAPPED = 104, OFF_OLD_GEN = 144,
	OFF_OLD_WRAPPED = 148, OFF_GROUPS = 188, OFF_S = 192, OFF_XTS_DONE = 196, OFF_USES = 200,
	OFF_INCOMPAT = 208, OFF_RO_COMPAT = 212, OFF_NTAGS = 216, OFF_NRUNS = 218,
	OFF_RESERVED2 = 220, OFF_TAGS = 256, OFF_RUNS = 512
};

static void load(const uint8_t *b, struct header *h)
{
	unsigned int i;

	h->suite = get_le16(b + OFF_SUITE);
	h->type = b[OFF_TYPE];
	h->flags = b[OFF_FLAGS];
	memcpy(&h->zone, b + OFF_ZONE, sizeof(h->zone));
	memcpy(h->object_id, b + OFF_OBJECT, ID_LEN);
	h->gen = get_le64(b + OFF_GEN);
	h->base = get_le64(b + OFF_BASE);
	h->session = get_le64(b + OFF_SESSION);
	h->size = get_le64(b + OFF_SIZE);
	h->epoch = get_le32(b + OFF_EPOCH);
	h->vk_gen = get_le32(b + OFF_VK_GEN);
	memcpy(h->wrapped, b + OFF_WRAPPED, WRAP_LEN);
	h->old_vk_gen = get_le32(b + OFF_OLD_GEN);
	memcpy(h->old_wrapped, b + OFF_OLD_WRAPPED, WRAP_LEN);
	h->group_count = get_le32(b + OFF_GROUPS);
	h->s = get_le32(b + OFF_S);
	h->xts_done = get_le32(b + OFF_XTS_DONE);
	h->uses = get_le64(b + OFF_USES);
	h->incompat = get_le32(b + OFF_INCOMPAT);
	h->ro_compat = get_le32(b + OFF_RO_COMPAT);
	h->ntags = get_le16(b + OFF_NTAGS);
	h->nruns = get_le16(b + OFF_NRUNS);
	memcpy(h->tags, b + OFF_TAGS, sizeof(h->tags));
	for (i = 0; i < MAX_RUNS; i++) {
		h->runs[i].first = get_le32(b + OFF_RUNS + 8 * i);
		h->runs[i].count = get_le32(b + OFF_RUNS + 8 * i + 4);
	}
}

static void store(const struct header *h, uint8_t *b)
{
	unsigned int i;

	memcpy(b, MAGIC, 8);
	put_le16(b + OFF_VERSION, FORMAT_VERSION);
	put_le16(b + OFF_SUITE, h->suite);
	b[OFF_TYPE] = h->type;
	b[OFF_FLAGS] = h->flags;
	memcpy(b + OFF_ZONE, &h->zone, sizeof(h->zone));
	memcpy(b + OFF_OBJECT, h->object_id, ID_LEN);
	put_le64(b + OFF_GEN, h->gen);
	put_le64(b + OFF_BASE, h->base);
	put_le64(b + OFF_SESSION, h->session);
	put_le64(b + OFF_SIZE, h->size);
	put_le32(b + OFF_EPOCH, h->epoch);
	put_le32(b + OFF_VK_GEN, h->vk_gen);
	memcpy(b + OFF_WRAPPED, h->wrapped, WRAP_LEN);
	put_le32(b + OFF_OLD_GEN, h->old_vk_gen);
	memcpy(b + OFF_OLD_WRAPPED, h->old_wrapped, WRAP_LEN);
	put_le32(b + OFF_GROUPS, h->group_count);
	put_le32(b + OFF_S, h->s);
	put_le32(b + OFF_XTS_DONE, h->xts_done);
	put_le64(b + OFF_USES, h->uses);
	put_le32(b + OFF_INCOMPAT, h->incompat);
	put_le32(b + OFF_RO_COMPAT, h->ro_compat);
	put_le16(b + OFF_NTAGS, h->ntags);
	put_le16(b + OFF_NRUNS, h->nruns);
	memcpy(b + OFF_TAGS, h->tags, MIN(h->ntags, MAX_TAGS) * (size_t)TAG_LEN);
	for (i = 0; i < MIN(h->nruns, MAX_RUNS); i++) {
		put_le32(b + OFF_RUNS + 8 * i, h->runs[i].first);
		put_le32(b + OFF_RUNS + 8 * i + 4, h->runs[i].count);
	}
}

static bool chunked(const struct header *h) /* has entries */
{
	return h->type == OBJECT_FILE && h->suite == SUITE_GCM;
}

static const char *check_kind(const struct header *h)
{
	bool dir = h->type == OBJECT_DIR;

	if (h->suite != SUITE_GCM && h->suite != SUITE_XTS)
		return "suite";
	if (h->type != OBJECT_FILE && !dir)
		return "type";
	if (h->flags & ~KNOWN_FLAGS || (h->flags & FLAG_TAIL && !chunked(h)) ||
	    (h->flags & FLAG_ZONE_ROOT && !dir))
		return "flags";
	if (h->incompat)
		return "incompatible bits";
	if (h->size > FILE_LIMIT || (dir && h->size))
		return "size";
	return NULL;
}

static const char *check_keys(const struct header *h)
{
	bool rekey = h->flags & FLAG_REKEY;

	if (!slot_order_ok(h->gen, h->base))
		return "generation";
	if (h->epoch < (rekey ? 2 : 1))
		return "epoch";
	if (!h->vk_gen)
		return "vault key generation";
	if (rekey ? !h->old_vk_gen : h->old_vk_gen || !all_zero(h->old_wrapped, WRAP_LEN))
		return "old key";
	if (h->xts_done && (!rekey || h->type != OBJECT_FILE || h->suite != SUITE_XTS ||
			    h->xts_done > chunk_count(h->size)))
		return "re-keyed chunks";
	return NULL;
}

static const char *check_groups(const struct header *h)
{
	uint64_t n = chunk_count(h->size);

	if (!chunked(h)) {
		if (h->group_count || h->s || h->uses)
			return "group fields";
		return h->nruns ? "number of hole runs" : NULL;
	}
	if (!h->group_count || h->group_count > (n ? chunk_group(n - 1) : 0) + 1)
		return "group count";
	return NULL;
}

static const char *check_lists(const struct header *h)
{
	uint64_t next = 1; /* first group that the next run may name */
	unsigned int i;

	if (h->ntags > MAX_TAGS ||
	    !all_zero(h->tags[h->ntags], (MAX_TAGS - h->ntags) * (size_t)TAG_LEN))
		return "binding tags";
	if (h->nruns > MAX_RUNS)
		return "number of hole runs";
	for (i = 0; i < h->nruns; i++) {
		if (h->runs[i].first < next || !h->runs[i].count)
			return "hole runs";
		next = (uint64_t)h->runs[i].first + h->runs[i].count;
		if (next > h->group_count)
			return "hole runs";
	}
	for (; i < MAX_RUNS; i++)
		if (h->runs[i].first || h->runs[i].count)
			return "hole runs";
	return NULL;
}

/* The tail of a file of N chunks: a length that fits behind N entries, then zeros. */
static const char *check_tail(const uint8_t *area, uint64_t n)
{
	uint32_t len, off;

	if (!n || n >= GROUP0_CHUNKS)
		return "tail";
	len = get_le32(area + (n - 1) * ENTRY_LEN + 28);
	off = (uint32_t)n * ENTRY_LEN;
	if (!len || len > TAIL_AREA - off)
		return "tail";
	return all_zero(area + off + len, TAIL_AREA - off - len) ? NULL : "bytes after the tail";
}

static const char *check_area(const struct header *h, const uint8_t *area)
{
	uint64_t n = chunk_count(h->size);
	const char *why = NULL;

	if (!chunked(h))
		return all_zero(area, TAIL_AREA) ? NULL : "entries";
	if (h->flags & FLAG_TAIL)
		why = check_tail(area, n);
	else
		n = GROUP0_CHUNKS;
	if (!why && !entries_sane(area, (unsigned int)n))
		why = "entries";
	return why;
}

static const char *check(const uint8_t *b, struct header *h)
{
	const char *why;

	if (memcmp(b, MAGIC, 8))
		return "magic";
	if (get_le16(b + OFF_VERSION) != FORMAT_VERSION)
		return "version";
	load(b, h);
	if (!all_zero(b + OFF_RESERVED1, OFF_ZONE - OFF_RESERVED1) ||
	    !all_zero(b + OFF_RESERVED2, OFF_TAGS - OFF_RESERVED2))
		return "reserved bytes";
	if ((why = check_kind(h)) || (why = check_keys(h)) || (why = check_groups(h)) ||
	    (why = check_lists(h)))
		return why;
	return check_area(h, b + TAIL_OFFSET);
}

int header_parse(const uint8_t block[static SLOT], struct header *ret, const char **ret_why)
{
	struct header h;
	const char *why;

	if (block[0] == 0 && all_zero(block, SLOT))
		return -ENODATA;
	why = check(block, &h);
	if (why) {
		if (ret_why)
			*ret_why = why;
		return -EBADMSG;
	}
	*ret = h;
	return 0;
}

int header_verify(const uint8_t block[static SLOT], const uint8_t hk[static KEY_LEN])
{
	return slot_verify(block, HEADER_MAC_OFFSET, MAC_LEN, hk);
}

int header_seal(const struct header *h, const uint8_t area[static TAIL_AREA],
		const uint8_t hk[static KEY_LEN], uint8_t ret[static SLOT])
{
	struct header again;

	memset(ret, 0, TAIL_OFFSET);
	store(h, ret);
	if (ret + TAIL_OFFSET != area)
		memcpy(ret + TAIL_OFFSET, area, TAIL_AREA);
	if (check(ret, &again)) /* never write what no one could read */
		return -EINVAL;
	return slot_mac(ret, HEADER_MAC_OFFSET, MAC_LEN, hk);
}

bool header_tail(const struct header *h, const uint8_t block[static SLOT], uint32_t *ret_chunk,
		 uint32_t *ret_off, uint32_t *ret_len)
{
	uint32_t n = (uint32_t)chunk_count(h->size);

	if (!(h->flags & FLAG_TAIL))
		return false;
	*ret_chunk = n - 1;
	*ret_off = TAIL_OFFSET + n * ENTRY_LEN;
	*ret_len = get_le32(block + *ret_off - 4);
	return true;
}
