/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volume block and the session block.
 */
#include "volume.h"

#include <errno.h>

#include "slot.h"

#define VOLUME_MAGIC "CMKFSVOL"
#define SESSION_MAGIC "CMKFSSES"
_Static_assert(FIXED_BLOCK == SLOT, "both are one block");

enum {
	OFF_VERSION = 8, OFF_RESERVED = 10, /* both blocks */

	VOL_INCOMPAT = 12, VOL_RO_COMPAT = 16, VOL_COMPAT = 20, VOL_ROOT = 24, VOL_SUITE = 56,
	VOL_NAME_MODE = 58, VOL_PADDING = 59, VOL_BINDING = 60, VOL_CRASH = 61,
	VOL_RESERVED = 62, VOL_CREATED = 64, VOL_SEQ = 72, VOL_FINGERPRINT = 80, VOL_CHUNK = 112,
	VOL_GROUP0 = 116, VOL_GROUP = 120, VOL_END = 124,

	SES_COUNT = 12, SES_VOL = 16, SES_SEQ = 32, SES_OPEN = 40, SES_UNCLEAN = 48
};

static void volume_load(const uint8_t *b, struct volume_block *v)
{
	v->version = get_le16(b + OFF_VERSION);
	v->incompat = get_le32(b + VOL_INCOMPAT);
	v->ro_compat = get_le32(b + VOL_RO_COMPAT);
	v->compat = get_le32(b + VOL_COMPAT);
	memcpy(&v->root, b + VOL_ROOT, sizeof(v->root));
	v->suite = get_le16(b + VOL_SUITE);
	v->name_mode = b[VOL_NAME_MODE];
	v->name_padding = b[VOL_PADDING];
	v->binding = b[VOL_BINDING];
	v->crash = b[VOL_CRASH];
	v->created = get_le64(b + VOL_CREATED);
	v->seq = get_le64(b + VOL_SEQ);
	memcpy(v->fingerprint, b + VOL_FINGERPRINT, KEY_LEN);
}

static const char *volume_check(const uint8_t *b, const struct volume_block *v)
{
	if (get_le16(b + OFF_RESERVED) || get_le16(b + VOL_RESERVED) ||
	    !all_zero(b + VOL_END, BLOCK_MAC_OFFSET - VOL_END))
		return "reserved bytes";
	if (v->suite != SUITE_GCM && v->suite != SUITE_XTS)
		return "suite";
	if (v->name_mode > 1)
		return "name mode";
	if (v->name_padding != 16 && v->name_padding != 32)
		return "name padding";
	if (v->binding > BINDING_ENFORCE)
		return "binding mode";
	if (v->crash > CRASH_ORDERED)
		return "crash mode";
	if (get_le32(b + VOL_CHUNK) != CHUNK || get_le32(b + VOL_GROUP0) != GROUP0_CHUNKS ||
	    get_le32(b + VOL_GROUP) != GROUP_CHUNKS)
		return "geometry";
	return NULL;
}

static int volume_examine(const uint8_t *b, struct volume_block *ret, const char **ret_why)
{
	*ret_why = "magic";
	if (memcmp(b, VOLUME_MAGIC, 8))
		return -EBADMSG;
	volume_load(b, ret);
	*ret_why = "version";
	if (ret->version != FORMAT_DRAFT)
		return -EPROTONOSUPPORT;
	*ret_why = "incompatible bits";
	if (ret->incompat)
		return -EPROTONOSUPPORT;
	*ret_why = volume_check(b, ret);
	return *ret_why ? -EBADMSG : 0;
}

int volume_parse(const uint8_t block[static FIXED_BLOCK], struct volume_block *ret,
		 const char **ret_why)
{
	struct volume_block v;
	const char *why;
	int r = volume_examine(block, &v, &why);

	if (!r)
		*ret = v;
	else if (ret_why)
		*ret_why = why;
	return r;
}

int volume_verify(const uint8_t block[static FIXED_BLOCK], const uint8_t vm[static KEY_LEN])
{
	return block_verify(block, vm);
}

int volume_seal(const struct volume_block *v, const uint8_t vm[static KEY_LEN],
		uint8_t ret[static FIXED_BLOCK])
{
	struct volume_block again;
	const char *why;

	memset(ret, 0, FIXED_BLOCK);
	memcpy(ret, VOLUME_MAGIC, 8);
	put_le16(ret + OFF_VERSION, v->version);
	put_le32(ret + VOL_INCOMPAT, v->incompat);
	put_le32(ret + VOL_RO_COMPAT, v->ro_compat);
	put_le32(ret + VOL_COMPAT, v->compat);
	memcpy(ret + VOL_ROOT, &v->root, sizeof(v->root));
	put_le16(ret + VOL_SUITE, v->suite);
	ret[VOL_NAME_MODE] = v->name_mode;
	ret[VOL_PADDING] = v->name_padding;
	ret[VOL_BINDING] = v->binding;
	ret[VOL_CRASH] = v->crash;
	put_le64(ret + VOL_CREATED, v->created);
	put_le64(ret + VOL_SEQ, v->seq);
	memcpy(ret + VOL_FINGERPRINT, v->fingerprint, KEY_LEN);
	put_le32(ret + VOL_CHUNK, CHUNK);
	put_le32(ret + VOL_GROUP0, GROUP0_CHUNKS);
	put_le32(ret + VOL_GROUP, GROUP_CHUNKS);
	if (volume_examine(ret, &again, &why))
		return -EINVAL;
	return block_mac(ret, vm);
}

static const char *session_examine(const uint8_t *b, struct session_block *s)
{
	size_t i, used;

	if (memcmp(b, SESSION_MAGIC, 8))
		return "magic";
	if (get_le16(b + OFF_VERSION) != FORMAT_VERSION)
		return "version";
	memcpy(s->vol, b + SES_VOL, ID_LEN);
	s->seq = get_le64(b + SES_SEQ);
	s->open = get_le64(b + SES_OPEN);
	s->nunclean = get_le32(b + SES_COUNT);
	if (s->nunclean > SESSION_UNCLEAN_MAX)
		return "number of unclean sessions";
	used = SES_UNCLEAN + 8 * (size_t)s->nunclean;
	if (get_le16(b + OFF_RESERVED) || !all_zero(b + used, BLOCK_MAC_OFFSET - used))
		return "reserved bytes";
	if (s->open > s->seq)
		return "open session";
	memset(s->unclean, 0, sizeof(s->unclean));
	for (i = 0; i < s->nunclean; i++) {
		s->unclean[i] = get_le64(b + SES_UNCLEAN + 8 * i);
		if (!s->unclean[i] || s->unclean[i] > s->seq)
			return "unclean sessions";
	}
	return NULL;
}

int session_parse(const uint8_t block[static FIXED_BLOCK], struct session_block *ret,
		  const char **ret_why)
{
	struct session_block s;
	const char *why = session_examine(block, &s);

	if (!why) {
		*ret = s;
		return 0;
	}
	if (ret_why)
		*ret_why = why;
	return -EBADMSG;
}

int session_verify(const uint8_t block[static FIXED_BLOCK], const uint8_t sm[static KEY_LEN])
{
	return block_verify(block, sm);
}

int session_seal(const struct session_block *s, const uint8_t sm[static KEY_LEN],
		 uint8_t ret[static FIXED_BLOCK])
{
	struct session_block again;
	size_t i;

	memset(ret, 0, FIXED_BLOCK);
	memcpy(ret, SESSION_MAGIC, 8);
	put_le16(ret + OFF_VERSION, FORMAT_VERSION);
	put_le32(ret + SES_COUNT, s->nunclean);
	memcpy(ret + SES_VOL, s->vol, ID_LEN);
	put_le64(ret + SES_SEQ, s->seq);
	put_le64(ret + SES_OPEN, s->open);
	for (i = 0; i < MIN(s->nunclean, SESSION_UNCLEAN_MAX); i++)
		put_le64(ret + SES_UNCLEAN + 8 * i, s->unclean[i]);
	if (session_examine(ret, &again))
		return -EINVAL;
	return block_mac(ret, sm);
}
