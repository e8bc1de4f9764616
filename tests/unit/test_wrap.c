/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-KW and PBKDF2.
 */
#include "crypto/wrap.h"

#include <errno.h>

#include "crypto/mac.h"
#include "crypto/rand.h"
#include "kat.h"

static const uint8_t zero[KEY_LEN];
static unsigned int fitting;

/* One row: WRAPPED is, or is not, WRAP(KEK, KEY). */
static void check(const struct bytes *kek, const struct bytes *key, const struct bytes *wrapped,
		  bool valid)
{
	uint8_t out[WRAP_LEN], back[KEY_LEN];

	if (kek->n != KEY_LEN || wrapped->n != WRAP_LEN)
		return;
	fitting++;
	if (key) {
		assert_int_equal(wrap_key(kek->p, key->p, out), 0);
		assert_int_equal(memcmp(out, wrapped->p, WRAP_LEN) == 0, valid);
	}
	memset(back, 7, sizeof(back));
	assert_int_equal(unwrap_key(kek->p, wrapped->p, back), valid ? 0 : -EBADMSG);
	if (!valid)
		assert_memory_equal(back, zero, KEY_LEN);
	else if (key)
		assert_memory_equal(back, key->p, KEY_LEN);
}

static void wycheproof_row(const json_t *group, const json_t *test)
{
	_cleanup_bytes_ struct bytes kek = jhex(test, "key"), key = jhex(test, "msg"),
				     wrapped = jhex(test, "ct");

	(void)group;
	check(&kek, key.n == KEY_LEN ? &key : NULL, &wrapped, jvalid(test));
}

static void wycheproof_answers(void **state)
{
	(void)state;
	fitting = 0;
	assert_int_equal(wycheproof("aes_wrap", "keySize", 256, wycheproof_row), 68);
	assert_true(fitting >= 10);
}

static void nist_row(const struct stanza *s)
{
	_cleanup_bytes_ struct bytes kek = shex(s, "K"), wrapped = shex(s, "C"),
				     key = s->fail ? from_hex("") : shex(s, "P");

	check(&kek, s->fail ? NULL : &key, &wrapped, !s->fail);
}

static void nist_answers(void **state)
{
	(void)state;
	fitting = 0;
	assert_int_equal(nist("KW_AE_256.txt", nist_row), 50);
	assert_int_equal(nist("KW_AD_256.txt", nist_row), 50);
	assert_int_equal(fitting, 100);
}

static void every_flipped_byte_is_refused_and_the_output_wiped(void **state)
{
	uint8_t kek[KEY_LEN], key[KEY_LEN], wrapped[WRAP_LEN], back[KEY_LEN];

	(void)state;
	assert_int_equal(rand_bytes(kek, sizeof(kek)), 0);
	assert_int_equal(rand_bytes(key, sizeof(key)), 0);
	assert_int_equal(wrap_key(kek, key, wrapped), 0);
	for (unsigned int i = 0; i < KEY_LEN + WRAP_LEN; i++) {
		uint8_t *p = i < KEY_LEN ? &kek[i] : &wrapped[i - KEY_LEN];

		for (unsigned int bit = 0; bit < 8; bit++) {
			*p ^= (uint8_t)(1 << bit);
			memset(back, 7, sizeof(back));
			assert_int_equal(unwrap_key(kek, wrapped, back), -EBADMSG);
			assert_memory_equal(back, zero, KEY_LEN);
			*p ^= (uint8_t)(1 << bit);
		}
	}
	assert_int_equal(unwrap_key(kek, wrapped, back), 0);
	assert_memory_equal(back, key, KEY_LEN);
}

static void wrapping_after_a_failure_works(void **state)
{
	uint8_t kek[KEY_LEN] = { 1 }, key[KEY_LEN] = { 2 }, a[WRAP_LEN], b[WRAP_LEN], back[KEY_LEN];

	(void)state;
	assert_int_equal(wrap_key(kek, key, a), 0);
	memcpy(b, a, sizeof(b));
	b[3] ^= 1;
	assert_int_equal(unwrap_key(kek, b, back), -EBADMSG);
	crypto_forget();
	assert_int_equal(unwrap_key(kek, a, back), 0);
	assert_int_equal(wrap_key(kek, key, b), 0);
	assert_memory_equal(a, b, WRAP_LEN);
}

/* Computed with Python's hashlib.pbkdf2_hmac("sha256", b"passphrase", bytes(range(16)), 600000). */
static void passphrase_key_is_pbkdf2(void **state)
{
	_cleanup_bytes_ struct bytes want =
		from_hex("8989692ad8adc06c55ffd728e115c7b9dbfac71a145c44c12b38280bfa2899c9");
	uint8_t salt[PBKDF2_SALT_LEN], key[KEY_LEN];

	(void)state;
	for (unsigned int i = 0; i < sizeof(salt); i++)
		salt[i] = (uint8_t)i;
	assert_int_equal(passphrase_key("passphrase", 10, salt, 600000, key), 0);
	assert_memory_equal(key, want.p, KEY_LEN);
}

static void few_iterations_are_refused(void **state)
{
	uint8_t salt[PBKDF2_SALT_LEN] = { 0 }, key[KEY_LEN];

	(void)state;
	memset(key, 7, sizeof(key));
	assert_int_equal(passphrase_key("x", 1, salt, 599999, key), -EINVAL);
	assert_memory_equal(key, zero, KEY_LEN);
	assert_int_equal(passphrase_key("x", 1, salt, UINT32_MAX, key), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wycheproof_answers),
		cmocka_unit_test(nist_answers),
		cmocka_unit_test(every_flipped_byte_is_refused_and_the_output_wiped),
		cmocka_unit_test(wrapping_after_a_failure_works),
		cmocka_unit_test(passphrase_key_is_pbkdf2),
		cmocka_unit_test(few_iterations_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
