/* SPDX-License-Identifier: Apache-2.0 */
/*
 * KDF of the format: SP 800-108r1 counter mode (section 4.1), PRF HMAC-SHA-256,
 * r = 32, fixed input `label ‖ 00 ‖ context ‖ [8n]`.  A loop over one HMAC
 * context; OpenSSL's EVP_KDF is its oracle in the tests.  Thread-safe.
 */
#ifndef CMKFS_KDF_H
#define CMKFS_KDF_H

#include "base.h"

/* One label a purpose; each has a context of fixed length (cmkfs-format(5), Keys). */
enum kdf_label {
	KDF_KEY_ID,	   /* "cmkfs1 key-id"      Z 36 */
	KDF_KEK,	   /* "cmkfs1 kek"         Z 36 */
	KDF_ZIK,	   /* "cmkfs1 zik"         Z 36 */
	KDF_ALL_OF,	   /* "cmkfs1 all-of"      Z ‖ LE32 n 40; key = shares */
	KDF_FINGERPRINT,   /* "cmkfs1 fingerprint" V 32 */
	KDF_KEYRING,	   /* "cmkfs1 keyring"     V 32 */
	KDF_ENDORSE,	   /* "cmkfs1 endorse"     V 32 */
	KDF_BIND,	   /* "cmkfs1 bind"        V 32 */
	KDF_VOLUME,	   /* "cmkfs1 volume"      V 32 */
	KDF_SESSION,	   /* "cmkfs1 session"     V 32 */
	KDF_SEAL,	   /* "cmkfs1 seal"        V 32 */
	KDF_HEADER,	   /* "cmkfs1 header"      O 20 */
	KDF_GROUP,	   /* "cmkfs1 group"       O ‖ LE32 g ‖ LE32 s 28 */
	KDF_XTS,	   /* "cmkfs1 xts"         O 20 */
	KDF_NAMES,	   /* "cmkfs1 names"       O 20 */
	KDF_SYMLINK,	   /* "cmkfs1 symlink"     O 20 */
	KDF_XATTR_NAME,	   /* "cmkfs1 xattr-name"  O 20 */
	KDF_XATTR_VALUE,   /* "cmkfs1 xattr-value" O 20 */
};

/*
 * Derive N bytes (1 … 64) from KEY (KEYLEN bytes; 32 for all labels but
 * KDF_ALL_OF) and the label's context of CTXLEN bytes.
 * 0; -EINVAL: CTXLEN is not the label's; -EIO: OpenSSL failed.  On failure
 * RET is wiped.
 */
int kdf(const uint8_t *key, size_t keylen, enum kdf_label label, const void *ctx, size_t ctxlen,
	uint8_t *ret, size_t n);

/*
 * The counter loop below kdf(), with the fixed input given whole: for known
 * answers from outside.  As kdf(), for keys and fixed inputs of any length ≥ 1.
 */
int kdf_counter(const uint8_t *key, size_t keylen, const void *fixed, size_t fixedlen, uint8_t *ret,
		size_t n);

/* The label's text, for tests and the man page. */
const char *kdf_label_text(enum kdf_label label);

#endif
