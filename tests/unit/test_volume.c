/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Volume and session blocks.
 */
#include "crypto/volume.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/rand.h"

static uint8_t key[KEY_LEN];

static struct volume_block good_volume(void)
{
	struct volume_block v = {
		.version = FORMAT_DRAFT, .ro_compat = 2, .compat = 4, .suite = SUITE_XTS,
		.name_mode = 1, .name_padding = 32, .binding = BINDING_AUDIT,
		.crash = CRASH_ORDERED,
		.created = 1700000000, .seq = 42,
	};

	memset(&v.root, 0xab, sizeof(v.root));
	memset(v.fingerprint, 0xcd, KEY_LEN);
	return v;
}

static struct session_block good_session(uint32_t n)
{
	struct session_block s = { .seq = 1000, .open = 1000, .nunclean = n };

	memset(s.vol, 0xab, ID_LEN);
	for (uint32_t i = 0; i < n; i++)
		s.unclean[i] = i + 1;
	return s;
}

static void volume_comes_back(void **state)
{
	struct volume_block v = good_volume(), p;
	uint8_t block[FIXED_BLOCK], again[FIXED_BLOCK];

	(void)state;
	for (v.suite = SUITE_GCM; v.suite <= SUITE_XTS; v.suite++)
		for (v.binding = 0; v.binding <= 2; v.binding++)
			for (v.crash = 0; v.crash <= 1; v.crash++)
				for (v.name_mode = 0; v.name_mode <= 1; v.name_mode++) {
					assert_int_equal(volume_seal(&v, key, block), 0);
					assert_int_equal(volume_parse(block, &p, NULL), 0);
					assert_int_equal(volume_verify(block, key), 0);
					assert_int_equal(p.ro_compat, 2);
					assert_int_equal(p.compat, 4);
					assert_int_equal(p.seq, 42);
					assert_int_equal(volume_seal(&p, key, again), 0);
					assert_memory_equal(block, again, FIXED_BLOCK);
				}
}

static void volume_fields_are_refused_by_name(void **state)
{
	static const struct {
		unsigned int off;
		uint8_t b[2];
		unsigned int n;
		int err;
		const char *field;
	} rows[] = {
		{ 0, "c", 1, -EBADMSG, "magic" },
		{ 7, "K", 1, -EBADMSG, "magic" },
		{ 8, { 2, 0x80 }, 2, -EPROTONOSUPPORT, "version" },
		{ 8, { 1, 0 }, 2, -EPROTONOSUPPORT, "version" }, /* while this is a draft */
		{ 10, { 1 }, 1, -EBADMSG, "reserved bytes" },
		{ 12, { 1 }, 1, -EPROTONOSUPPORT, "incompatible bits" },
		{ 15, { 128 }, 1, -EPROTONOSUPPORT, "incompatible bits" },
		{ 56, { 0 }, 1, -EBADMSG, "suite" },
		{ 57, { 1 }, 1, -EBADMSG, "suite" },
		{ 58, { 2 }, 1, -EBADMSG, "name mode" },
		{ 59, { 0 }, 1, -EBADMSG, "name padding" },
		{ 59, { 24 }, 1, -EBADMSG, "name padding" },
		{ 60, { 3 }, 1, -EBADMSG, "binding mode" },
		{ 61, { 2 }, 1, -EBADMSG, "crash mode" },
		{ 62, { 1 }, 1, -EBADMSG, "reserved bytes" },
		{ 113, { 32 }, 1, -EBADMSG, "geometry" },
		{ 116, { 97 }, 1, -EBADMSG, "geometry" },
		{ 120, { 127 }, 1, -EBADMSG, "geometry" },
		{ 124, { 1 }, 1, -EBADMSG, "reserved bytes" },
		{ 4063, { 1 }, 1, -EBADMSG, "reserved bytes" },
	};
	struct volume_block v = good_volume(), p;
	uint8_t block[FIXED_BLOCK] = { 0 };
	const char *why;

	(void)state;
	assert_int_equal(volume_parse(block, &p, NULL), -EBADMSG);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(volume_seal(&v, key, block), 0);
		memcpy(block + rows[i].off, rows[i].b, rows[i].n);
		why = "nothing";
		if (volume_parse(block, &p, &why) != rows[i].err || strcmp(why, rows[i].field))
			fail_msg("%u: '%s', not '%s'", rows[i].off, why, rows[i].field);
	}
	v.name_padding = 8;
	assert_int_equal(volume_seal(&v, key, block), -EINVAL);
}

static void every_flipped_byte_is_refused(void **state)
{
	struct volume_block v = good_volume();
	struct session_block s = good_session(7);
	uint8_t vol[FIXED_BLOCK], ses[FIXED_BLOCK];

	(void)state;
	assert_int_equal(volume_seal(&v, key, vol), 0);
	assert_int_equal(session_seal(&s, key, ses), 0);
	for (unsigned int i = 0; i < FIXED_BLOCK; i++)
		for (unsigned int bit = i % 4; bit < 8; bit += 4) {
			vol[i] ^= (uint8_t)(1 << bit);
			ses[i] ^= (uint8_t)(1 << bit);
			assert_int_equal(volume_verify(vol, key), -EBADMSG);
			assert_int_equal(session_verify(ses, key), -EBADMSG);
			vol[i] ^= (uint8_t)(1 << bit);
			ses[i] ^= (uint8_t)(1 << bit);
		}
	for (unsigned int i = 0; i < KEY_LEN; i++) {
		key[i] ^= 1;
		assert_int_equal(volume_verify(vol, key), -EBADMSG);
		assert_int_equal(session_verify(ses, key), -EBADMSG);
		key[i] ^= 1;
	}
	assert_int_equal(volume_verify(vol, key), 0);
	assert_int_equal(session_verify(ses, key), 0);
}

static void session_comes_back(void **state)
{
	uint8_t block[FIXED_BLOCK], again[FIXED_BLOCK];
	struct session_block s, p;

	(void)state;
	for (uint32_t n = 0; n <= SESSION_UNCLEAN_MAX; n += n < 3 ? 1 : 499) {
		s = good_session(n);
		assert_int_equal(session_seal(&s, key, block), 0);
		assert_int_equal(session_parse(block, &p, NULL), 0);
		assert_int_equal(session_verify(block, key), 0);
		assert_int_equal(p.seq, 1000);
		assert_int_equal(p.open, 1000);
		assert_int_equal(p.nunclean, n);
		assert_memory_equal(p.unclean, s.unclean, sizeof(s.unclean));
		assert_int_equal(session_seal(&p, key, again), 0);
		assert_memory_equal(block, again, FIXED_BLOCK);
	}
	s = good_session(0);
	s.nunclean = SESSION_UNCLEAN_MAX + 1;
	assert_int_equal(session_seal(&s, key, block), -EINVAL);
}

static void session_fields_are_refused_by_name(void **state)
{
	static const struct {
		unsigned int off;
		uint8_t b[2];
		unsigned int n;
		const char *field;
	} rows[] = {
		{ 0, "c", 1, "magic" },
		{ 8, { 1, 0x80 }, 2, "version" }, /* the draft mark is the volume's alone */
		{ 10, { 1 }, 1, "reserved bytes" },
		{ 12, { 247, 1 }, 2, "number of unclean sessions" },
		{ 12, { 1 }, 1, "reserved bytes" },	  /* a second entry remains */
		{ 12, { 3 }, 1, "unclean sessions" },	  /* the third is zero */
		{ 32, { 0, 0 }, 2, "open session" },	  /* seq 0 */
		{ 48, { 0 }, 1, "unclean sessions" },
		{ 50, { 1 }, 1, "unclean sessions" },	  /* above seq */
		{ 64, { 1 }, 1, "reserved bytes" },
		{ 4063, { 1 }, 1, "reserved bytes" },
	};
	struct session_block s = good_session(2), p;
	uint8_t block[FIXED_BLOCK] = { 0 };
	const char *why;

	(void)state;
	assert_int_equal(session_parse(block, &p, NULL), -EBADMSG);
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(session_seal(&s, key, block), 0);
		memcpy(block + rows[i].off, rows[i].b, rows[i].n);
		why = "nothing";
		if (session_parse(block, &p, &why) != -EBADMSG || strcmp(why, rows[i].field))
			fail_msg("%u: '%s', not '%s'", rows[i].off, why, rows[i].field);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(volume_comes_back),
		cmocka_unit_test(volume_fields_are_refused_by_name),
		cmocka_unit_test(every_flipped_byte_is_refused),
		cmocka_unit_test(session_comes_back),
		cmocka_unit_test(session_fields_are_refused_by_name),
	};

	if (rand_secret(key, sizeof(key)))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
