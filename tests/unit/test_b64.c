/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base64url and base64: one text for each value, and no other.
 */
#include "crypto/b64.h"

#include <errno.h>
#include <openssl/evp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static void rfc4648_answers_without_padding(void **state)
{
	static const char *const rows[][2] = {
		{ "", "" }, { "f", "Zg" }, { "fo", "Zm8" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg" },
		{ "fooba", "Zm9vYmE" }, { "foobar", "Zm9vYmFy" },
		{ "\x14\xfb\x9c\x03\xd9\x7e", "FPucA9l-" }, { "\xff\xff\xff\xfe", "_____g" },
	};
	char text[16];
	uint8_t out[16];
	size_t n;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		b64_encode(rows[i][0], strlen(rows[i][0]), text);
		assert_string_equal(text, rows[i][1]);
		assert_int_equal(b64_decode(text, strlen(text), out, sizeof(out), &n), 0);
		assert_int_equal(n, strlen(rows[i][0]));
		assert_memory_equal(out, rows[i][0], n);
	}
}

static void every_length_agrees_with_openssl(void **state)
{
	uint8_t p[300], back[300];
	char mine[401];
	unsigned char theirs[408];
	size_t n;

	(void)state;
	for (unsigned int i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)(i * 89 + i / 7 + 3);
	for (size_t len = 0; len <= sizeof(p); len++) {
		b64_encode(p, len, mine);
		EVP_EncodeBlock(theirs, p, (int)len);
		for (unsigned char *t = theirs; *t; t++)
			*t = *t == '+' ? '-' : *t == '/' ? '_' : *t == '=' ? 0 : *t;
		assert_string_equal(mine, (char *)theirs);
		assert_int_equal(strlen(mine), B64_LEN(len));
		assert_int_equal(B64_DECODED_LEN(strlen(mine)), len);
		assert_int_equal(b64_decode(mine, strlen(mine), back, sizeof(back), &n), 0);
		assert_int_equal(n, len);
		assert_memory_equal(back, p, len);
	}
}

static void the_padded_form_is_that_of_openssl(void **state)
{
	uint8_t p[300], back[300];
	unsigned char theirs[408];
	char mine[401];
	size_t n;

	(void)state;
	for (unsigned int i = 0; i < sizeof(p); i++)
		p[i] = (uint8_t)(i * 89 + i / 7 + 3);
	for (size_t len = 0; len <= sizeof(p); len++) {
		b64_std_encode(p, len, mine);
		EVP_EncodeBlock(theirs, p, (int)len);
		assert_string_equal(mine, (char *)theirs);
		assert_int_equal(strlen(mine), B64_STD_LEN(len));
		assert_int_equal(b64_std_decode(mine, strlen(mine), back, sizeof(back), &n), 0);
		assert_int_equal(n, len);
		assert_memory_equal(back, p, len);
	}
}

static void the_padded_form_has_one_text_too(void **state)
{
	static const char *const bad[] = {
		"Zg", "Zg=", "Zg===", "Zg======", "=", "====", "Zh==", "Zm9=", "Zm8=Zm8=",
		"Zm9v====", "Zg==\n", " Zg=", "_____w==", "-w==", "=Zg=",
	};
	uint8_t out[8];
	size_t n;

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(b64_std_decode(bad[i], strlen(bad[i]), out, 8, &n), -EINVAL);
	assert_int_equal(b64_std_decode("/+8=", 4, out, 8, &n), 0);
	assert_int_equal(n, 2);
}

/* Every text of two characters: those that decode are exactly the 256 that encode. */
static void one_byte_has_one_text(void **state)
{
	unsigned int decoded = 0;
	char text[3], again[3];
	uint8_t out;
	size_t n;

	(void)state;
	for (unsigned int i = 0; i < 65536; i++) {
		text[0] = (char)(i >> 8);
		text[1] = (char)i;
		if (b64_decode(text, 2, &out, 1, &n))
			continue;
		decoded++;
		b64_encode(&out, 1, again);
		assert_memory_equal(text, again, 2);
	}
	assert_int_equal(decoded, 256);
}

static bool in_alphabet(unsigned int c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_';
}

static void foreign_characters_are_refused_anywhere_and_the_output_wiped(void **state)
{
	static const uint8_t zero[6];
	char text[9] = "AbC-_019";
	uint8_t out[6];
	size_t n;

	(void)state;
	for (unsigned int at = 0; at < 8; at++) {
		char was = text[at];

		for (unsigned int c = 0; c < 256; c++) {
			text[at] = (char)c;
			memset(out, 1, sizeof(out));
			assert_int_equal(b64_decode(text, 8, out, sizeof(out), &n),
					 in_alphabet(c) ? 0 : -EINVAL);
			if (!in_alphabet(c))
				assert_memory_equal(out, zero, sizeof(out));
		}
		text[at] = was;
	}
}

static void padding_spare_bits_and_lengths_are_refused(void **state)
{
	uint8_t out[8] = { 0 };
	size_t n;

	(void)state;
	assert_int_equal(b64_decode("Zg==", 4, out, 8, &n), -EINVAL);
	assert_int_equal(b64_decode("Zh", 2, out, 8, &n), -EINVAL); /* spare bits */
	assert_int_equal(b64_decode("Zm9", 3, out, 8, &n), -EINVAL);
	assert_int_equal(b64_decode("Z", 1, out, 8, &n), -EINVAL);
	assert_int_equal(b64_decode("Zm9vY", 5, out, 8, &n), -EINVAL);
	assert_int_equal(b64_decode("Zm9v\n", 5, out, 8, &n), -EINVAL);
}

static void too_long_text_writes_nothing(void **state)
{
	uint8_t out[4] = { 1, 1, 1, 1 };
	size_t n = 99;

	(void)state;
	assert_int_equal(b64_decode("Zm9v", 4, out, 2, &n), -EMSGSIZE);
	assert_int_equal(out[0], 1);
	assert_int_equal(n, 99);
	assert_int_equal(b64_decode("Zm9v", 4, out, 3, &n), 0);
	assert_int_equal(out[3], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc4648_answers_without_padding),
		cmocka_unit_test(every_length_agrees_with_openssl),
		cmocka_unit_test(the_padded_form_is_that_of_openssl),
		cmocka_unit_test(the_padded_form_has_one_text_too),
		cmocka_unit_test(one_byte_has_one_text),
		cmocka_unit_test(foreign_characters_are_refused_anywhere_and_the_output_wiped),
		cmocka_unit_test(padding_spare_bits_and_lengths_are_refused),
		cmocka_unit_test(too_long_text_writes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
