/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC-SHA-256, and that no key outlives crypto_forget().
 */
#include "crypto/mac.h"

#include <errno.h>
#include <fcntl.h>

#include "crypto/aead.h"
#include "crypto/kdf.h"
#include "crypto/name.h"
#include "crypto/rand.h"
#include "crypto/secret.h"
#include "crypto/wrap.h"
#include "crypto/xts.h"
#include "kat.h"

static unsigned int computed;

static void wycheproof_row(const json_t *group, const json_t *test)
{
	_cleanup_bytes_ struct bytes key = jhex(test, "key"), msg = jhex(test, "msg"),
				     tag = jhex(test, "tag");
	uint8_t m[MAC_LEN];
	int r = mac(key.p, key.n, msg.p, msg.n, m);

	(void)group;
	if (key.n > 64) { /* longer than any key of ours */
		assert_int_equal(r, -EINVAL);
		return;
	}
	assert_int_equal(r, 0);
	assert_true(tag.n <= MAC_LEN);
	assert_int_equal(memcmp(m, tag.p, tag.n) == 0, jvalid(test));
	computed++;
}

static void wycheproof_answers(void **state)
{
	(void)state;
	assert_int_equal(wycheproof("hmac_sha256", NULL, 0, wycheproof_row), 174);
	assert_int_equal(computed, 168);
}

static void pieces_give_the_mac_of_the_whole(void **state)
{
	uint8_t key[32] = { 1 }, msg[300], a[MAC_LEN], b[MAC_LEN];

	(void)state;
	assert_int_equal(rand_bytes(msg, sizeof(msg)), 0);
	assert_int_equal(mac(key, 32, msg, sizeof(msg), a), 0);
	for (size_t i = 0; i <= sizeof(msg); i += 7) {
		struct iovec v[] = { { msg, i }, { NULL, 0 }, { msg + i, sizeof(msg) - i } };

		assert_int_equal(mac_v(key, 32, v, 3, b), 0);
		assert_memory_equal(a, b, MAC_LEN);
	}
}

static void every_byte_of_key_and_message_counts(void **state)
{
	uint8_t key[64], msg[64], a[MAC_LEN], b[MAC_LEN];

	(void)state;
	assert_int_equal(rand_bytes(key, sizeof(key)), 0);
	assert_int_equal(rand_bytes(msg, sizeof(msg)), 0);
	assert_int_equal(mac(key, 64, msg, 64, a), 0);
	for (unsigned int i = 0; i < 128; i++) {
		uint8_t *p = i < 64 ? &key[i] : &msg[i - 64];

		*p ^= 1;
		assert_int_equal(mac(key, 64, msg, 64, b), 0);
		assert_memory_not_equal(a, b, MAC_LEN);
		*p ^= 1;
	}
}

static void keys_of_wrong_length_are_refused(void **state)
{
	uint8_t key[65] = { 0 }, m[MAC_LEN], zero[MAC_LEN] = { 0 };

	(void)state;
	memset(m, 1, sizeof(m));
	assert_int_equal(mac(key, 15, "", 0, m), -EINVAL);
	assert_memory_equal(m, zero, MAC_LEN);
	assert_int_equal(mac(key, 65, "", 0, m), -EINVAL);
	assert_int_equal(mac(key, 16, "", 0, m), 0);
	assert_int_equal(mac(key, 64, "", 0, m), 0);
}

/*
 * The search: is a key anywhere in this process's writable memory, but in the
 * copy that we keep here inverted?  A key schedule of AES holds the key itself.
 */
static uint8_t inverted[64];

static bool matches(const uint8_t *p)
{
	for (unsigned int i = 0; i < 16; i++)
		if ((p[i] ^ inverted[i]) != 0xff)
			return false;
	return true;
}

static bool in_range(int mem, unsigned long start, unsigned long end)
{
	static uint8_t window[(1u << 16) + 16];
	bool found = false;

	for (unsigned long at = start; at < end && !found; at += 1u << 16) {
		ssize_t n = pread(mem, window, MIN(end - at, sizeof(window)), (off_t)at);

		for (ssize_t i = 0; i + 16 <= n && !found; i++)
			found = matches(window + i);
		memset(window, 0, sizeof(window));
	}
	return found;
}

static bool key_in_memory(void)
{
	int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long a, b;
	char line[512], perms[8];
	bool found = false;

	assert_true(mem >= 0 && maps);
	while (fgets(line, sizeof(line), maps) && !found)
		if (sscanf(line, "%lx-%lx %7s", &a, &b, perms) == 3 && perms[0] == 'r' &&
		    perms[1] == 'w' && !strstr(line, "[v") && b - a < 1ul << 30)
			found = in_range(mem, a, b);
	fclose(maps);
	close(mem);
	return found;
}

/* Each uses KEY (64 bytes) once and leaves the context as it is. */
static void use_hmac(uint8_t *key)
{
	uint8_t m[MAC_LEN];

	assert_int_equal(mac(key, 32, "x", 1, m), 0);
}

static void use_gcm(uint8_t *key)
{
	static const uint8_t iv[IV_LEN] = { 3 };
	uint8_t p[16] = { 3 }, tag[AEAD_TAG_LEN];

	assert_int_equal(aead_seal(aead_begin(key, true), iv, NULL, 0, p, sizeof(p), p, tag), 0);
}

static void use_xts(uint8_t *key)
{
	uint8_t p[16] = { 3 };

	assert_int_equal(xts_crypt(xts_begin(key, true), 0, p, sizeof(p), p), 0);
}

static void use_wrap(uint8_t *key)
{
	static const uint8_t text[KEY_LEN] = { 3 };
	uint8_t out[WRAP_LEN];

	assert_int_equal(wrap_key(key, text, out), 0);
}

static void use_unwrap(uint8_t *key)
{
	static const uint8_t text[WRAP_LEN] = { 3 };
	uint8_t out[KEY_LEN];

	assert_int_equal(unwrap_key(key, text, out), -EBADMSG);
}

static void use_ctr(uint8_t *key)
{
	struct stored_name s;
	uint8_t nk[64] = { 0 };

	memcpy(nk + 32, key, 32);
	assert_int_equal(name_encrypt(nk, NAME_ENCRYPTED, 16, "n", 1, &s), 0);
	secret_wipe(nk, sizeof(nk));
}

static void nothing_is_left_by(void (*use)(uint8_t *key))
{
	uint8_t *key = secret_alloc(64);

	assert_int_equal(rand_secret(key, 64), 0);
	for (unsigned int i = 0; i < 64; i++)
		inverted[i] = (uint8_t)~key[i];
	use(key);
	secret_free(key);
	assert_true(key_in_memory()); /* or the search would prove nothing */
	crypto_forget();
	assert_false(key_in_memory());
}

static void no_key_outlives_crypto_forget(void **state)
{
	static void (*const uses[])(uint8_t *) = { use_hmac, use_gcm,	 use_xts,
						   use_wrap, use_unwrap, use_ctr };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(uses); i++)
		nothing_is_left_by(uses[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wycheproof_answers),
		cmocka_unit_test(pieces_give_the_mac_of_the_whole),
		cmocka_unit_test(every_byte_of_key_and_message_counts),
		cmocka_unit_test(keys_of_wrong_length_are_refused),
		cmocka_unit_test(no_key_outlives_crypto_forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
