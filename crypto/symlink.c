/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts of symlinks: one sealed message in base64url.
 */
#include <errno.h>

#include "name.h"
#include "secret.h"

#define SEALED_MAX (SYMLINK_LIMIT + SEALED_EXTRA)

int symlink_seal(const uint8_t sk[static AEAD_KEY_LEN], const uint8_t tag[static MAC_LEN],
		 const char *target, size_t n, char ret[static SYMLINK_STORED_MAX + 1])
{
	uint8_t raw[SEALED_MAX];
	int r;

	if (n > SYMLINK_LIMIT)
		return -ENAMETOOLONG;
	if (!n || memchr(target, '\0', n))
		return -EINVAL;
	r = aead_seal_message(sk, tag, MAC_LEN, target, n, raw);
	if (!r)
		b64_encode(raw, n + SEALED_EXTRA, ret);
	return r;
}

int symlink_open(const uint8_t sk[static AEAD_KEY_LEN], const uint8_t tag[static MAC_LEN],
		 const char *stored, size_t n, char ret[static SYMLINK_LIMIT + 1], size_t *ret_n)
{
	uint8_t raw[SEALED_MAX], text[SYMLINK_LIMIT];
	size_t len;
	int r;

	if (!symlink_target_len(n) || b64_decode(stored, n, raw, sizeof(raw), &len))
		return -EBADMSG;
	r = aead_open_message(sk, tag, MAC_LEN, raw, len, text);
	len -= SEALED_EXTRA;
	if (!r && memchr(text, '\0', len))
		r = -EBADMSG;
	if (!r) {
		memcpy(ret, text, len);
		ret[len] = '\0';
		*ret_n = len;
	}
	secret_wipe(text, sizeof(text));
	return r;
}

size_t symlink_target_len(size_t n)
{
	size_t len = B64_DECODED_LEN(n);

	if (n % 4 == 1 || len <= SEALED_EXTRA || len > SEALED_MAX)
		return 0;
	return len - SEALED_EXTRA;
}
