/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Key derivation against NIST's answers and against OpenSSL's own KBKDF.
 */
#include "crypto/kdf.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "crypto/rand.h"
#include "kat.h"

static void nist_row(const struct stanza *s)
{
	_cleanup_bytes_ struct bytes key = shex(s, "KI"), fixed = shex(s, "FixedInputData"),
				     want = shex(s, "KO");
	uint8_t out[64];

	assert_string_equal(s->section, "RLEN=32_BITS");
	assert_int_equal(want.n * 8, atoi(sval(s, "L")));
	assert_int_equal(kdf_counter(key.p, key.n, fixed.p, fixed.n, out, want.n), 0);
	assert_memory_equal(out, want.p, want.n);
}

static void nist_answers(void **state)
{
	(void)state;
	assert_int_equal(nist("KBKDF-CTR-HMAC-SHA256.rsp", nist_row), 40);
}

static size_t context_length(enum kdf_label l)
{
	if (l <= KDF_ALL_OF)
		return l == KDF_ALL_OF ? 40 : 36;
	if (l <= KDF_SEAL)
		return 32;
	return l == KDF_GROUP ? 28 : 20;
}

static void oracle(const uint8_t *key, size_t keylen, const char *label, const uint8_t *ctx,
		   size_t ctxlen, uint8_t *ret, size_t n)
{
	EVP_KDF *k = EVP_KDF_fetch(NULL, "KBKDF", NULL);
	EVP_KDF_CTX *c = EVP_KDF_CTX_new(k);
	OSSL_PARAM p[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, (char[]){ "COUNTER" }, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MAC, (char[]){ "HMAC" }, 0),
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char[]){ "SHA256" }, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)key,
						  keylen),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)label,
						  strlen(label)),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)ctx,
						  ctxlen),
		OSSL_PARAM_construct_end(),
	};

	assert_int_equal(EVP_KDF_derive(c, ret, n, p), 1);
	EVP_KDF_CTX_free(c);
	EVP_KDF_free(k);
}

static void every_label_and_length_agrees_with_openssl(void **state)
{
	uint8_t key[512], ctx[40], a[64], b[64];

	(void)state;
	for (int l = KDF_KEY_ID; l <= KDF_XATTR_VALUE; l++) {
		size_t keylen = l == KDF_ALL_OF ? 512 : 32;

		for (size_t n = 1; n <= 64; n++) {
			assert_int_equal(rand_bytes(key, sizeof(key)), 0);
			assert_int_equal(rand_bytes(ctx, sizeof(ctx)), 0);
			assert_int_equal(kdf(key, keylen, l, ctx, context_length(l), a, n), 0);
			oracle(key, keylen, kdf_label_text(l), ctx, context_length(l), b, n);
			assert_memory_equal(a, b, n);
		}
	}
}

static void labels_are_distinct_and_of_our_form(void **state)
{
	(void)state;
	for (int l = KDF_KEY_ID; l <= KDF_XATTR_VALUE; l++) {
		assert_int_equal(strncmp(kdf_label_text(l), "cmkfs1 ", 7), 0);
		for (int m = KDF_KEY_ID; m < l; m++)
			assert_string_not_equal(kdf_label_text(l), kdf_label_text(m));
	}
}

static void every_byte_of_key_and_context_counts(void **state)
{
	uint8_t in[32 + 28], a[64], b[64];

	(void)state;
	assert_int_equal(rand_bytes(in, sizeof(in)), 0);
	assert_int_equal(kdf(in, 32, KDF_GROUP, in + 32, 28, a, 64), 0);
	for (size_t i = 0; i < sizeof(in); i++) {
		in[i] ^= 0x10;
		assert_int_equal(kdf(in, 32, KDF_GROUP, in + 32, 28, b, 64), 0);
		assert_memory_not_equal(a, b, 32);
		assert_memory_not_equal(a + 32, b + 32, 32);
		in[i] ^= 0x10;
	}
}

static void length_is_part_of_the_input(void **state)
{
	uint8_t key[32] = { 1 }, ctx[20] = { 2 }, a[64], b[64];

	(void)state;
	assert_int_equal(kdf(key, 32, KDF_NAMES, ctx, 20, a, 64), 0);
	assert_int_equal(kdf(key, 32, KDF_NAMES, ctx, 20, b, 32), 0);
	assert_memory_not_equal(a, b, 32);
}

static void wrong_lengths_are_refused_and_the_output_wiped(void **state)
{
	uint8_t key[32] = { 1 }, ctx[48] = { 2 }, out[65], zero[65] = { 0 };

	(void)state;
	for (int l = KDF_KEY_ID; l <= KDF_XATTR_VALUE; l++)
		for (size_t n = 0; n <= sizeof(ctx); n++) {
			memset(out, 9, sizeof(out));
			if (n == context_length(l))
				continue;
			assert_int_equal(kdf(key, 32, l, ctx, n, out, 32), -EINVAL);
			assert_memory_equal(out, zero, 32);
		}
	assert_int_equal(kdf(key, 32, KDF_HEADER, ctx, 20, out, 65), -EINVAL);
	assert_int_equal(kdf(key, 32, KDF_HEADER, ctx, 20, out, 0), -EINVAL);
	assert_int_equal(kdf(key, 0, KDF_HEADER, ctx, 20, out, 32), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nist_answers),
		cmocka_unit_test(every_label_and_length_agrees_with_openssl),
		cmocka_unit_test(labels_are_distinct_and_of_our_form),
		cmocka_unit_test(every_byte_of_key_and_context_counts),
		cmocka_unit_test(length_is_part_of_the_input),
		cmocka_unit_test(wrong_lengths_are_refused_and_the_output_wiped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
