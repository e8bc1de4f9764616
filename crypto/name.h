/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, xattr names, symlink texts (cmkfs-format(5), Names and Symlinks):
 * synthetic IV by HMAC-SHA-256 and AES-256-CTR under a directory's key.
 * Deterministic inside a directory, unrelated across directories.
 * Names are bytes; nothing is normalised.  Thread-safe.
 */
#ifndef CMKFS_NAME_H
#define CMKFS_NAME_H

#include "aead.h"
#include "b64.h"
#include "mac.h"

#define NAME_KEY_LEN 64	   /* NK: 32 MAC ‖ 32 CTR */
#define NAME_LIMIT 255	   /* of a name, plain or stored */
#define NAME_SHORT_LIMIT 175
#define NAME_SIDECAR_MAX (4 + 16 + 256)
#define SYMLINK_LIMIT 3043 /* bytes of a target */
#define SYMLINK_STORED_MAX B64_LEN(SYMLINK_LIMIT + SEALED_EXTRA)
#define XATTR_PREFIX "user.cmkfs."
#define XATTR_NAME_LIMIT 167 /* after "user." */

enum name_mode { NAME_PLAIN = 0, NAME_ENCRYPTED = 1 };

struct stored_name {
	char s[NAME_LIMIT + 1];	 /* NUL-terminated name in the backing directory */
	uint8_t tag[MAC_LEN];	 /* T of the name */
	uint16_t sidecar_len;	 /* 0: a short name */
	uint8_t sidecar[NAME_SIDECAR_MAX]; /* contents of the .N file of a long name */
};

/*
 * Name (1 … 255 bytes) to stored name.  PADDING is the volume's (16 or 32).
 * 0; -EINVAL: empty, ".", "..", with '/' or NUL, or (NAME_PLAIN) reserved;
 * -ENAMETOOLONG; -EIO.
 */
int name_encrypt(const uint8_t nk[static NAME_KEY_LEN], enum name_mode mode, unsigned int padding,
		 const char *name, size_t n, struct stored_name *ret);

/*
 * Stored name (not .L) to name, NUL-terminated.  0; -EBADMSG: does not
 * authenticate, or decodes to what no name may be.
 */
int name_decrypt(const uint8_t nk[static NAME_KEY_LEN], enum name_mode mode, unsigned int padding,
		 const char *stored, size_t n, char ret[static NAME_LIMIT + 1], size_t *ret_n);

/* The same for a long name: its .L name and the contents of its sidecar. */
int name_decrypt_long(const uint8_t nk[static NAME_KEY_LEN], const char *stored, size_t n,
		      const uint8_t *sidecar, size_t sidecar_n, char ret[static NAME_LIMIT + 1],
		      size_t *ret_n);

/* T of a name alone (mode does not matter). */
int name_tag(const uint8_t nk[static NAME_KEY_LEN], unsigned int padding, const char *name,
	     size_t n, uint8_t ret[static MAC_LEN]);

/* What a stored name is.  NAME_PLAIN has no long names: there .L and .N are plain names. */
enum stored_kind {
	STORED_NAME,	 /* an object under its encrypted (or plain) name */
	STORED_LONG,	 /* .L object */
	STORED_SIDECAR,	 /* .N */
	STORED_TEMP,	 /* .T */
	STORED_DIRHEADER /* .D */
};
enum stored_kind stored_kind(const char *stored, size_t n);

/*
 * xattr: NAME without "user." (1 … 167 bytes) to the whole stored name with
 * its "user.cmkfs." prefix; RET_TAG is the AAD of the value.
 * Padded to 16, but not beyond 167.  0; -ERANGE: too long; -EINVAL: empty or with NUL; -EIO.
 */
int xattr_name_encrypt(const uint8_t xn[static NAME_KEY_LEN], const char *name, size_t n,
		       char ret[static NAME_LIMIT + 1], uint8_t ret_tag[static MAC_LEN]);
/* The stored name whole, with prefix, to the name without "user.".  0; -EBADMSG. */
int xattr_name_decrypt(const uint8_t xn[static NAME_KEY_LEN], const char *stored, size_t n,
		       char ret[static NAME_LIMIT + 1], size_t *ret_n);

/*
 * Symlink: TARGET of N bytes to base64url(IV ‖ C ‖ tag), NUL-terminated.
 * AAD is T of the link's own name.  0; -ENAMETOOLONG; -EINVAL: empty or with NUL; -EIO.
 */
int symlink_seal(const uint8_t sk[static AEAD_KEY_LEN], const uint8_t tag[static MAC_LEN],
		 const char *target, size_t n, char ret[static SYMLINK_STORED_MAX + 1]);
/* RET gets N_decoded - 28 bytes and a NUL.  0; -EBADMSG. */
int symlink_open(const uint8_t sk[static AEAD_KEY_LEN], const uint8_t tag[static MAC_LEN],
		 const char *stored, size_t n, char ret[static SYMLINK_LIMIT + 1], size_t *ret_n);
/* Length of the target whose stored text has N characters; 0 if none has. */
size_t symlink_target_len(size_t n);

#endif
