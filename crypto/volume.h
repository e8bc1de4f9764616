/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The volume and session blocks (cmkfs-format(5), Volume file and Sessions):
 * parse, serialise, authenticate.  Thread-safe.
 */
#ifndef CMKFS_CRYPTO_VOLUME_H
#define CMKFS_CRYPTO_VOLUME_H

#include "format.h"

#define FIXED_BLOCK 4096u
#define SESSION_UNCLEAN_MAX 502u

enum binding_mode { BINDING_OFF = 0, BINDING_AUDIT = 1, BINDING_ENFORCE = 2 };
enum crash_mode { CRASH_RELAXED = 0, CRASH_ORDERED = 1 };

struct volume_block {
	uint16_t version; /* FORMAT_DRAFT, later FORMAT_VERSION */
	uint32_t incompat, ro_compat, compat;
	struct zone_id root;
	uint16_t suite;
	uint8_t name_mode, name_padding, binding, crash;
	uint64_t created, seq;
	uint8_t fingerprint[KEY_LEN];
};

/*
 * Structure only.  0; -EBADMSG; -EPROTONOSUPPORT: newer version or unknown
 * incompat bit; both with *RET_WHY (static string; may be NULL).
 */
int volume_parse(const uint8_t block[static FIXED_BLOCK], struct volume_block *ret,
		 const char **ret_why);
/* 0; -EBADMSG (verify); -EINVAL (seal: the parser would refuse it); -EIO. */
int volume_verify(const uint8_t block[static FIXED_BLOCK], const uint8_t vm[static KEY_LEN]);
int volume_seal(const struct volume_block *v, const uint8_t vm[static KEY_LEN],
		uint8_t ret[static FIXED_BLOCK]);

struct session_block {
	uint8_t vol[ID_LEN];
	uint64_t seq, open; /* open: 0 = none */
	uint32_t nunclean;
	uint64_t unclean[SESSION_UNCLEAN_MAX];
};

/* As those of the volume block.  Every session named is ≤ seq. */
int session_parse(const uint8_t block[static FIXED_BLOCK], struct session_block *ret,
		  const char **ret_why);
int session_verify(const uint8_t block[static FIXED_BLOCK], const uint8_t sm[static KEY_LEN]);
int session_seal(const struct session_block *s, const uint8_t sm[static KEY_LEN],
		 uint8_t ret[static FIXED_BLOCK]);

#endif
