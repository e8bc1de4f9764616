/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The group slot: 64 bytes of fields and 126 entries, no byte unused.
 */
#include <errno.h>

#include "header.h"
#include "slot.h"

#define MAGIC "CMKG"
#define MAC_OFFSET 48u
#define MAC16_LEN 16u

enum {
	OFF_G = 4, OFF_GEN = 8, OFF_BASE = 16, OFF_SESSION = 24, OFF_EPOCH = 32, OFF_S = 36,
	OFF_USES = 40
};

static const char *check(const uint8_t *b, struct group_slot *s)
{
	if (memcmp(b, MAGIC, 4))
		return "magic";
	s->g = get_le32(b + OFF_G);
	s->gen = get_le64(b + OFF_GEN);
	s->base = get_le64(b + OFF_BASE);
	s->session = get_le64(b + OFF_SESSION);
	s->epoch = get_le32(b + OFF_EPOCH);
	s->s = get_le32(b + OFF_S);
	s->uses = get_le64(b + OFF_USES);
	if (!s->g || s->g > chunk_group(chunk_count(FILE_LIMIT) - 1))
		return "group number";
	if (!slot_order_ok(s->gen, s->base))
		return "generation";
	if (!s->epoch)
		return "epoch";
	return entries_sane(b + GROUP_ENTRIES_OFFSET, GROUP_CHUNKS) ? NULL : "entries";
}

int group_parse(const uint8_t block[static SLOT], struct group_slot *ret, const char **ret_why)
{
	struct group_slot s;
	const char *why;

	if (block[0] == 0 && all_zero(block, SLOT))
		return -ENODATA;
	why = check(block, &s);
	if (why) {
		if (ret_why)
			*ret_why = why;
		return -EBADMSG;
	}
	*ret = s;
	return 0;
}

int group_verify(const uint8_t block[static SLOT], const uint8_t mk[static 32])
{
	return slot_verify(block, MAC_OFFSET, MAC16_LEN, mk);
}

int group_seal(const struct group_slot *s, const struct entry e[static GROUP_CHUNKS],
	       const uint8_t mk[static 32], uint8_t ret[static SLOT])
{
	struct group_slot again;

	memcpy(ret, MAGIC, 4);
	put_le32(ret + OFF_G, s->g);
	put_le64(ret + OFF_GEN, s->gen);
	put_le64(ret + OFF_BASE, s->base);
	put_le64(ret + OFF_SESSION, s->session);
	put_le32(ret + OFF_EPOCH, s->epoch);
	put_le32(ret + OFF_S, s->s);
	put_le64(ret + OFF_USES, s->uses);
	memset(ret + MAC_OFFSET, 0, MAC16_LEN);
	if (ret + GROUP_ENTRIES_OFFSET != (const uint8_t *)e)
		memcpy(ret + GROUP_ENTRIES_OFFSET, e, GROUP_CHUNKS * sizeof(*e));
	if (check(ret, &again))
		return -EINVAL;
	return slot_mac(ret, MAC_OFFSET, MAC16_LEN, mk);
}
