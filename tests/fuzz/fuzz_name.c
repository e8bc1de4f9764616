/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, xattr names and symlink texts under a fixed key.  The first byte says
 * which; a name that is accepted comes back.
 */
#include "crypto/name.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[NAME_KEY_LEN] = { 1 };

static void stored(int what, const char *s, size_t n)
{
	char out[NAME_LIMIT + 1], target[SYMLINK_LIMIT + 1];
	size_t len = 0;

	switch (what) {
	case 0:
		name_decrypt(key, NAME_ENCRYPTED, 16, s, n, out, &len);
		break;
	case 1:
		if (name_decrypt(key, NAME_PLAIN, 16, s, n, out, &len) == 0 &&
		    (len != n || memcmp(out, s, n)))
			__builtin_trap();
		break;
	case 2: /* the .L name, then its sidecar */
		if (n >= 45)
			name_decrypt_long(key, s, 45, (const uint8_t *)s + 45, n - 45, out, &len);
		break;
	case 3:
		xattr_name_decrypt(key, s, n, out, &len);
		break;
	default:
		if (symlink_open(key, key, s, n, target, &len) == 0 && len != symlink_target_len(n))
			__builtin_trap();
	}
}

static void plain(unsigned int padding, const char *name, size_t n)
{
	struct stored_name s;
	char back[NAME_LIMIT + 1];
	size_t len;
	int r;

	if (name_encrypt(key, NAME_ENCRYPTED, padding, name, n, &s))
		return;
	if (s.sidecar_len)
		r = name_decrypt_long(key, s.s, strlen(s.s), s.sidecar, s.sidecar_len, back, &len);
	else
		r = name_decrypt(key, NAME_ENCRYPTED, padding, s.s, strlen(s.s), back, &len);
	if (r || len != n || memcmp(back, name, n))
		__builtin_trap();
}

static void xattr(const char *name, size_t n)
{
	char s[NAME_LIMIT + 1], back[NAME_LIMIT + 1];
	uint8_t tag[MAC_LEN];
	size_t len;

	if (xattr_name_encrypt(key, name, n, s, tag))
		return;
	if (xattr_name_decrypt(key, s, strlen(s), back, &len) || len != n || memcmp(back, name, n))
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *s = (const char *)data + 1;

	if (!size)
		return 0;
	size--;
	stored_kind(s, size);
	if (data[0] < 5)
		stored(data[0], s, size);
	else if (data[0] == 5)
		xattr(s, size);
	else
		plain(data[0] & 1 ? 16 : 32, s, size);
	return 0;
}
