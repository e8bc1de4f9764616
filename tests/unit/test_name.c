/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names, xattr names and symlink texts.
 */
#include "crypto/name.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static uint8_t nk[NAME_KEY_LEN], other_nk[NAME_KEY_LEN];

static int make_keys(void **state)
{
	(void)state;
	return rand_secret(nk, sizeof(nk)) || rand_secret(other_nk, sizeof(other_nk));
}

/* A name of N bytes of every kind but '/' and NUL. */
static void some_name(char *ret, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		ret[i] = (char)(i * 37 + n);
		if (ret[i] == '/' || ret[i] == '\0' || ret[i] == '.')
			ret[i] = 'x';
	}
}

static int decrypt(const struct stored_name *s, unsigned int padding, char *ret, size_t *ret_n)
{
	if (s->sidecar_len)
		return name_decrypt_long(nk, s->s, strlen(s->s), s->sidecar, s->sidecar_len, ret,
					 ret_n);
	return name_decrypt(nk, NAME_ENCRYPTED, padding, s->s, strlen(s->s), ret, ret_n);
}

static void every_length_comes_back_with_the_stored_length_of_the_format(void **state)
{
	char name[256], back[NAME_LIMIT + 1];
	struct stored_name s, again;
	size_t n;

	(void)state;
	for (unsigned int padding = 16; padding <= 32; padding += 16)
		for (size_t len = 1; len <= NAME_LIMIT; len++) {
			size_t p = (len + padding - 1) / padding * padding;

			some_name(name, len);
			assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, padding, name, len, &s),
					 0);
			if (len <= NAME_SHORT_LIMIT)
				assert_int_equal(strlen(s.s), B64_LEN(16 + MIN(p, (size_t)175)));
			else
				assert_int_equal(s.sidecar_len, 4 + 16 + (len + 15) / 16 * 16);
			assert_true(strlen(s.s) <= NAME_LIMIT);
			assert_int_equal(stored_kind(s.s, strlen(s.s)),
					 len <= NAME_SHORT_LIMIT ? STORED_NAME : STORED_LONG);
			assert_int_equal(decrypt(&s, padding, back, &n), 0);
			assert_int_equal(n, len);
			assert_memory_equal(back, name, len);
			assert_int_equal(back[len], 0);
			/* deterministic, or lookup would not find it */
			assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, padding, name, len,
						      &again), 0);
			assert_string_equal(s.s, again.s);
			assert_int_equal(name_tag(nk, padding, name, len, again.tag), 0);
			assert_memory_equal(s.tag, again.tag, MAC_LEN);
		}
}

static void directories_give_unrelated_names(void **state)
{
	struct stored_name a, b;
	char back[NAME_LIMIT + 1];
	size_t n;

	(void)state;
	assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, 16, "name", 4, &a), 0);
	assert_int_equal(name_encrypt(other_nk, NAME_ENCRYPTED, 16, "name", 4, &b), 0);
	for (unsigned int i = 0; i + 4 <= strlen(a.s); i += 4)
		assert_int_not_equal(memcmp(a.s + i, b.s + i, 4), 0);
	assert_int_equal(name_decrypt(nk, NAME_ENCRYPTED, 16, b.s, strlen(b.s), back, &n),
			 -EBADMSG);
}

static void what_is_no_name_is_refused(void **state)
{
	static const struct {
		const char *s;
		size_t n;
	} bad[] = { { "", 0 }, { ".", 1 }, { "..", 2 }, { "a/b", 3 }, { "/", 1 }, { "a\0b", 3 },
		    { "a\0", 2 } };
	struct stored_name s;
	char name[300];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		for (int mode = NAME_PLAIN; mode <= NAME_ENCRYPTED; mode++)
			assert_int_equal(name_encrypt(nk, mode, 16, bad[i].s, bad[i].n, &s),
					 -EINVAL);
	memset(name, 'a', sizeof(name));
	assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, 16, name, 256, &s), -ENAMETOOLONG);
	assert_int_equal(name_encrypt(nk, NAME_PLAIN, 16, name, 256, &s), -ENAMETOOLONG);
	/* these are names */
	assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, 16, "...", 3, &s), 0);
	assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, 16, ".D", 2, &s), 0);
	assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, 16, "\xff\xfe", 2, &s), 0);
}

static void every_changed_character_of_a_stored_name_is_refused(void **state)
{
	static const size_t lengths[] = { 1, 16, 17, 100, 161, 175 };
	char name[256], back[NAME_LIMIT + 1];
	struct stored_name s;
	size_t n;

	(void)state;
	for (unsigned int k = 0; k < ARRAY_SIZE(lengths); k++) {
		some_name(name, lengths[k]);
		assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, 16, name, lengths[k], &s), 0);
		for (size_t i = 0; i < strlen(s.s); i++) {
			char was = s.s[i];

			for (unsigned int c = 1; c < 256; c++) {
				s.s[i] = (char)c;
				if (s.s[i] != was)
					assert_int_equal(decrypt(&s, 16, back, &n), -EBADMSG);
			}
			s.s[i] = was;
		}
		for (size_t i = 0; i < strlen(s.s); i++)
			assert_int_equal(name_decrypt(nk, NAME_ENCRYPTED, 16, s.s, i, back, &n),
					 -EBADMSG);
		assert_int_equal(decrypt(&s, 16, back, &n), 0);
	}
}

static void every_flipped_bit_of_a_long_name_is_refused(void **state)
{
	char name[256], back[NAME_LIMIT + 1];
	struct stored_name s;
	size_t n;

	(void)state;
	for (size_t len = 176; len <= 255; len += 79) {
		some_name(name, len);
		assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, 16, name, len, &s), 0);
		for (unsigned int bit = 0; bit < 8u * s.sidecar_len; bit++) {
			s.sidecar[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_int_equal(decrypt(&s, 16, back, &n), -EBADMSG);
			s.sidecar[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		for (size_t i = 2; i < strlen(s.s); i++) {
			char was = s.s[i];

			s.s[i] = was == 'A' ? 'B' : 'A';
			assert_int_equal(decrypt(&s, 16, back, &n), -EBADMSG);
			s.s[i] = was;
		}
		for (size_t cut = 0; cut < s.sidecar_len; cut++)
			assert_int_equal(name_decrypt_long(nk, s.s, strlen(s.s), s.sidecar, cut,
							   back, &n), -EBADMSG);
		assert_int_equal(decrypt(&s, 16, back, &n), 0);
	}
}

static void authentic_name_of_another_padding_is_refused(void **state)
{
	char back[NAME_LIMIT + 1];
	struct stored_name s;
	size_t n;

	(void)state;
	assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, 32, "short", 5, &s), 0);
	assert_int_equal(name_decrypt(nk, NAME_ENCRYPTED, 32, s.s, strlen(s.s), back, &n), 0);
	assert_int_equal(name_decrypt(nk, NAME_ENCRYPTED, 16, s.s, strlen(s.s), back, &n),
			 -EBADMSG);
}

static void plain_mode_keeps_names_and_guards_its_own(void **state)
{
	static const char *const refused[] = { ".D", ".Tabcdefghijklmnopqrst-_" };
	static const char *const allowed[] = {
		".Tabcdefghijklmnopqrst-", ".Tabcdefghijklmnopqrst-+", ".d", ".DD", "name",
	};
	char back[NAME_LIMIT + 1], name[256];
	struct stored_name s;
	uint8_t tag[MAC_LEN];
	size_t n;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(refused); i++) {
		n = strlen(refused[i]);
		assert_int_equal(name_encrypt(nk, NAME_PLAIN, 16, refused[i], n, &s), -EINVAL);
		assert_int_equal(name_decrypt(nk, NAME_PLAIN, 16, refused[i], n, back, &n),
				 -EBADMSG);
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(allowed); i++) {
		n = strlen(allowed[i]);
		assert_int_equal(name_encrypt(nk, NAME_PLAIN, 16, allowed[i], n, &s), 0);
		assert_string_equal(s.s, allowed[i]);
		assert_int_equal(name_decrypt(nk, NAME_PLAIN, 16, s.s, strlen(s.s), back, &n), 0);
		assert_string_equal(back, allowed[i]);
	}
	memset(name, 'n', 255);
	assert_int_equal(name_encrypt(nk, NAME_PLAIN, 16, name, 255, &s), 0);
	assert_int_equal(s.sidecar_len, 0);
	assert_int_equal(strlen(s.s), 255);
	/* T as in encrypted mode: symlinks need it */
	assert_int_equal(name_tag(nk, 16, name, 255, tag), 0);
	assert_memory_equal(s.tag, tag, MAC_LEN);
}

static void kinds_are_told_by_exact_form(void **state)
{
	static const char c43[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLM0-_9";
	char s[64];

	(void)state;
	assert_int_equal(stored_kind(".D", 2), STORED_DIRHEADER);
	assert_int_equal(stored_kind(".D2", 3), STORED_NAME);
	snprintf(s, sizeof(s), ".L%s", c43);
	assert_int_equal(stored_kind(s, 45), STORED_LONG);
	assert_int_equal(stored_kind(s, 44), STORED_NAME);
	s[1] = 'N';
	assert_int_equal(stored_kind(s, 45), STORED_SIDECAR);
	s[20] = '=';
	assert_int_equal(stored_kind(s, 45), STORED_NAME);
	snprintf(s, sizeof(s), ".T%.22s", c43);
	assert_int_equal(stored_kind(s, 24), STORED_TEMP);
	assert_int_equal(stored_kind(s, 23), STORED_NAME);
	assert_int_equal(stored_kind("", 0), STORED_NAME);
}

static void xattr_name_of_every_length_comes_back_and_fits(void **state)
{
	char name[256], stored[NAME_LIMIT + 1], back[NAME_LIMIT + 1];
	uint8_t tag[MAC_LEN];
	size_t n;

	(void)state;
	for (size_t len = 1; len <= XATTR_NAME_LIMIT; len++) {
		some_name(name, len);
		assert_int_equal(xattr_name_encrypt(nk, name, len, stored, tag), 0);
		assert_true(strlen(stored) <= 255); /* XATTR_NAME_MAX */
		assert_int_equal(xattr_name_decrypt(nk, stored, strlen(stored), back, &n), 0);
		assert_int_equal(n, len);
		assert_memory_equal(back, name, len);
	}
	assert_int_equal(xattr_name_encrypt(nk, name, 168, stored, tag), -ERANGE);
	assert_int_equal(xattr_name_encrypt(nk, name, 0, stored, tag), -EINVAL);
	assert_int_equal(xattr_name_encrypt(nk, "a\0b", 3, stored, tag), -EINVAL);
	assert_int_equal(xattr_name_encrypt(nk, "a/..", 4, stored, tag), 0); /* no path */
	assert_int_equal(xattr_name_decrypt(nk, stored, strlen(stored), back, &n), 0);
}

static void changed_xattr_name_is_refused(void **state)
{
	char stored[NAME_LIMIT + 1], back[NAME_LIMIT + 1];
	uint8_t tag[MAC_LEN];
	size_t n;

	(void)state;
	assert_int_equal(xattr_name_encrypt(nk, "comment", 7, stored, tag), 0);
	for (size_t i = 0; i < strlen(stored); i++) {
		char was = stored[i];

		stored[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(xattr_name_decrypt(nk, stored, strlen(stored), back, &n),
				 -EBADMSG);
		stored[i] = was;
		assert_int_equal(xattr_name_decrypt(nk, stored, i, back, &n), -EBADMSG);
	}
	assert_int_equal(xattr_name_decrypt(other_nk, stored, strlen(stored), back, &n), -EBADMSG);
}

static void symlink_of_every_length_comes_back(void **state)
{
	static char target[SYMLINK_LIMIT + 1], stored[SYMLINK_STORED_MAX + 1],
		again[SYMLINK_STORED_MAX + 1];
	static char back[SYMLINK_LIMIT + 1];
	uint8_t tag[MAC_LEN] = { 4 };
	size_t n;

	(void)state;
	memset(target, 't', sizeof(target));
	for (size_t len = 1; len <= SYMLINK_LIMIT; len += len < 70 || len > 3000 ? 1 : 41) {
		assert_int_equal(symlink_seal(nk, tag, target, len, stored), 0);
		assert_int_equal(symlink_target_len(strlen(stored)), len);
		assert_true(strlen(stored) <= 4095); /* PATH_MAX - 1 */
		assert_int_equal(symlink_open(nk, tag, stored, strlen(stored), back, &n), 0);
		assert_int_equal(n, len);
		assert_memory_equal(back, target, len);
		assert_int_equal(back[len], 0);
		assert_int_equal(symlink_seal(nk, tag, target, len, again), 0);
		assert_string_not_equal(stored, again); /* a nonce each */
	}
	assert_int_equal(symlink_seal(nk, tag, target, SYMLINK_LIMIT + 1, stored), -ENAMETOOLONG);
	assert_int_equal(symlink_seal(nk, tag, target, 0, stored), -EINVAL);
	assert_int_equal(symlink_seal(nk, tag, "a\0b", 3, stored), -EINVAL);
}

static void changed_or_moved_symlink_is_refused(void **state)
{
	char stored[SYMLINK_STORED_MAX + 1], back[SYMLINK_LIMIT + 1];
	uint8_t tag[MAC_LEN] = { 4 };
	size_t n;

	(void)state;
	assert_int_equal(symlink_seal(nk, tag, "../target", 9, stored), 0);
	for (size_t i = 0; i < strlen(stored); i++) {
		char was = stored[i];

		for (unsigned int c = 1; c < 256; c++) {
			stored[i] = (char)c;
			if (stored[i] != was)
				assert_int_equal(symlink_open(nk, tag, stored, strlen(stored), back,
							      &n), -EBADMSG);
		}
		stored[i] = was;
		assert_int_equal(symlink_open(nk, tag, stored, i, back, &n), -EBADMSG);
	}
	for (unsigned int i = 0; i < MAC_LEN; i++) { /* under another name */
		tag[i] ^= 1;
		assert_int_equal(symlink_open(nk, tag, stored, strlen(stored), back, &n), -EBADMSG);
		tag[i] ^= 1;
	}
	for (unsigned int i = 0; i < AEAD_KEY_LEN; i++) {
		nk[i] ^= 1;
		assert_int_equal(symlink_open(nk, tag, stored, strlen(stored), back, &n), -EBADMSG);
		nk[i] ^= 1;
	}
	assert_int_equal(symlink_open(nk, tag, stored, strlen(stored), back, &n), 0);
}

static void length_of_no_symlink_is_zero(void **state)
{
	(void)state;
	for (size_t n = 0; n <= B64_LEN(SEALED_EXTRA); n++)
		assert_int_equal(symlink_target_len(n), 0);
	assert_int_equal(symlink_target_len(B64_LEN(SEALED_EXTRA + 1)), 1);
	assert_int_equal(symlink_target_len(41), 0);
	assert_int_equal(symlink_target_len(SYMLINK_STORED_MAX), SYMLINK_LIMIT);
	assert_int_equal(symlink_target_len(SYMLINK_STORED_MAX + 1), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_length_comes_back_with_the_stored_length_of_the_format),
		cmocka_unit_test(directories_give_unrelated_names),
		cmocka_unit_test(what_is_no_name_is_refused),
		cmocka_unit_test(every_changed_character_of_a_stored_name_is_refused),
		cmocka_unit_test(every_flipped_bit_of_a_long_name_is_refused),
		cmocka_unit_test(authentic_name_of_another_padding_is_refused),
		cmocka_unit_test(plain_mode_keeps_names_and_guards_its_own),
		cmocka_unit_test(kinds_are_told_by_exact_form),
		cmocka_unit_test(xattr_name_of_every_length_comes_back_and_fits),
		cmocka_unit_test(changed_xattr_name_is_refused),
		cmocka_unit_test(symlink_of_every_length_comes_back),
		cmocka_unit_test(changed_or_moved_symlink_is_refused),
		cmocka_unit_test(length_of_no_symlink_is_zero),
	};

	return cmocka_run_group_tests(tests, make_keys, NULL);
}
