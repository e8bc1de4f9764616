/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TTLV, the encoding of KMIP (OASIS, Key Management Interoperability Protocol
 * Specification 1.4, section 9.1): tag 3 bytes, type 1, length 4 big-endian,
 * the value padded with zeros to a multiple of 8.  Pure functions over memory;
 * thread-safe.
 */
#ifndef CMKFS_KMIP_TTLV_H
#define CMKFS_KMIP_TTLV_H

#include "crypto/base.h"

#define TTLV_HEAD 8u
#define TTLV_DEPTH 16 /* of structures within structures */

enum ttlv_type {
	TTLV_STRUCTURE = 1,
	TTLV_INTEGER = 2,
	TTLV_LONG = 3,
	TTLV_BIG = 4,
	TTLV_ENUM = 5,
	TTLV_BOOL = 6,
	TTLV_TEXT = 7,
	TTLV_BYTES = 8,
	TTLV_DATE = 9,
	TTLV_INTERVAL = 10,
	TTLV_DATE_EXTENDED = 11,
};

/* ---- writing --------------------------------------------------------------------- */

/* Into P of CAP bytes; what has no room is left out, and FULL set. */
struct ttlv_out {
	uint8_t *p;
	size_t cap, n;
	bool full;
};

/* A structure: what is written until ttlv_end(AT) is in it. */
size_t ttlv_begin(struct ttlv_out *o, uint32_t tag);
void ttlv_end(struct ttlv_out *o, size_t at);
void ttlv_integer(struct ttlv_out *o, uint32_t tag, int32_t v);
void ttlv_enum(struct ttlv_out *o, uint32_t tag, uint32_t v);
void ttlv_bytes(struct ttlv_out *o, uint32_t tag, const void *p, size_t n);
void ttlv_text(struct ttlv_out *o, uint32_t tag, const char *s);

/* ---- reading ---------------------------------------------------------------------- */

struct ttlv {
	uint32_t tag;
	uint8_t type;
	const uint8_t *value; /* LEN bytes within what was parsed */
	uint32_t len;
};

/* The length of the whole item whose first TTLV_HEAD bytes are P; 0: too long for 32 bits. */
uint32_t ttlv_whole(const uint8_t p[static TTLV_HEAD]);

/*
 * The item at P of N bytes, all of them: every length fits, every type is
 * known and of its length, at most TTLV_DEPTH structures deep.  0; -EPROTO.
 */
int ttlv_parse(const uint8_t *p, size_t n, struct ttlv *ret);

/* The child of structure S after PREV (NULL: the first).  False: there is none. */
bool ttlv_next(const struct ttlv *s, const struct ttlv *prev, struct ttlv *ret);
/* The child TAG of structure S, of TYPE.  0; -ENOENT; -EPROTO: of another type, or two. */
int ttlv_find(const struct ttlv *s, uint32_t tag, enum ttlv_type type, struct ttlv *ret);

uint32_t ttlv_u32(const struct ttlv *t); /* of integer, enum and interval */
int64_t ttlv_i64(const struct ttlv *t);	 /* of long, bool and date */
/* Whether text T is S. */
bool ttlv_is(const struct ttlv *t, const char *s);

#endif
