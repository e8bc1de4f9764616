/* SPDX-License-Identifier: Apache-2.0 */
/*
 * AES-256-XTS.
 */
#include "crypto/xts.h"

#include <errno.h>

#include "crypto/mac.h"
#include "crypto/rand.h"
#include "kat.h"

static int crypt_once(const uint8_t *key, bool encrypt, uint64_t index, const uint8_t *p, size_t n,
		      uint8_t *ret)
{
	struct xts *x = xts_begin(key, encrypt);
	int r;

	assert_non_null(x);
	r = xts_crypt(x, index, p, n, ret);
	xts_end(x);
	return r;
}

static unsigned int fitting;

static void wycheproof_row(const json_t *group, const json_t *test)
{
	_cleanup_bytes_ struct bytes key = jhex(test, "key"), iv = jhex(test, "iv"),
				     msg = jhex(test, "msg"), c = jhex(test, "ct");
	uint8_t out[4096], tweak[8] = { 0 };
	bool ok;

	(void)group;
	if (iv.n > sizeof(tweak) || msg.n < 16)
		return;
	memcpy(tweak, iv.p, iv.n); /* short ones are extended with zeros */
	fitting++;
	assert_int_equal(crypt_once(key.p, true, get_le64(tweak), msg.p, msg.n, out), 0);
	ok = memcmp(out, c.p, c.n) == 0;
	assert_int_equal(crypt_once(key.p, false, get_le64(tweak), c.p, c.n, out), 0);
	ok = ok && memcmp(out, msg.p, msg.n) == 0;
	assert_int_equal(ok, jvalid(test));
}

static void wycheproof_answers(void **state)
{
	(void)state;
	assert_int_equal(wycheproof("aes_xts", "keySize", 512, wycheproof_row), 41);
	assert_true(fitting > 25);
}

static void nist_row(const struct stanza *s)
{
	_cleanup_bytes_ struct bytes key = shex(s, "Key"), p = shex(s, "PT"), c = shex(s, "CT");
	bool encrypt = strcmp(s->section, "ENCRYPT") == 0;
	uint64_t index = strtoull(sval(s, "DataUnitSeqNumber"), NULL, 10);
	uint8_t out[64];

	assert_int_equal(crypt_once(key.p, encrypt, index, encrypt ? p.p : c.p, p.n, out), 0);
	assert_memory_equal(out, encrypt ? c.p : p.p, p.n);
}

static void nist_answers(void **state)
{
	(void)state;
	assert_int_equal(nist("XTSGenAES256.rsp", nist_row), 100);
}

static void run_of_chunks_in_place_comes_back(void **state)
{
	enum { N = 8 };
	static uint8_t data[N][4096], was[N][4096];
	uint8_t key[XTS_KEY_LEN];
	struct xts *x;

	(void)state;
	assert_int_equal(rand_bytes(key, sizeof(key)), 0);
	assert_int_equal(rand_bytes(data, sizeof(data)), 0);
	memcpy(was, data, sizeof(data));
	x = xts_begin(key, true);
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(xts_crypt(x, i, data[i], 4096, data[i]), 0);
	xts_end(x);
	assert_memory_not_equal(data, was, 4096);
	x = xts_begin(key, false);
	for (unsigned int i = 0; i < N; i++)
		assert_int_equal(xts_crypt(x, i, data[i], 4096, data[i]), 0);
	xts_end(x);
	assert_memory_equal(data, was, sizeof(data));
}

static void index_and_every_byte_of_the_key_count(void **state)
{
	static uint8_t p[4096], a[4096], b[4096];
	uint8_t key[XTS_KEY_LEN];

	(void)state;
	assert_int_equal(rand_bytes(key, sizeof(key)), 0);
	assert_int_equal(crypt_once(key, true, 1, p, sizeof(p), a), 0);
	assert_int_equal(crypt_once(key, true, 1ull << 40, p, sizeof(p), b), 0);
	assert_memory_not_equal(a, b, 16);
	for (unsigned int i = 0; i < XTS_KEY_LEN; i++) {
		key[i] ^= 4;
		assert_int_equal(crypt_once(key, true, 1, p, sizeof(p), b), 0);
		assert_memory_not_equal(a, b, 16);
		key[i] ^= 4;
	}
}

static void equal_halves_are_refused(void **state)
{
	uint8_t key[XTS_KEY_LEN];

	(void)state;
	memset(key, 7, sizeof(key));
	assert_false(xts_key_ok(key));
	errno = 0;
	assert_null(xts_begin(key, true));
	assert_int_equal(errno, EINVAL);
	assert_null(xts_begin(key, false));
	for (unsigned int i = 0; i < XTS_KEY_LEN; i++) {
		key[i] ^= 1;
		assert_true(xts_key_ok(key));
		key[i] ^= 1;
	}
}

static void wrong_lengths_and_use_after_the_end_are_refused(void **state)
{
	static uint8_t p[5000], out[5000];
	uint8_t key[XTS_KEY_LEN] = { 1 };
	struct xts *x = xts_begin(key, true);

	(void)state;
	assert_int_equal(xts_crypt(x, 0, p, 15, out), -EIO);
	assert_int_equal(xts_crypt(x, 0, p, 4097, out), -EIO);
	assert_int_equal(xts_crypt(x, 0, p, 16, out), 0);
	errno = 0;
	assert_null(xts_begin(key, true));
	assert_int_equal(errno, EBUSY);
	crypto_forget();
	assert_int_equal(xts_crypt(x, 0, p, 16, out), -EIO);
	xts_end(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wycheproof_answers),
		cmocka_unit_test(nist_answers),
		cmocka_unit_test(run_of_chunks_in_place_comes_back),
		cmocka_unit_test(index_and_every_byte_of_the_key_count),
		cmocka_unit_test(equal_halves_are_refused),
		cmocka_unit_test(wrong_lengths_and_use_after_the_end_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
