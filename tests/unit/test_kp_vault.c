/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The vault provider without a server: names of keys, what is believed of an
 * answer, and what refusals mean.  The answers are those of OpenBao 2.7.2.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "crypto/secret.h"
#include "keyprov/vault/hashivault.h"

static struct kp_error e;

/* ---- names ----------------------------------------------------------------------- */

static void uri_has_one_normal_form(void **state)
{
	static const char *const forms[][2] = {
		{ "hashivault://V.example/transit/keys/cmk", "hashivault://v.example/transit/keys/cmk" },
		{ "HashiVault://v/transit/keys/Cmk?version=3", "hashivault://v/transit/keys/Cmk?version=3" },
		{ "hashivault://v:8200/transit/keys/k", "hashivault://v/transit/keys/k" },
		{ "hashivault://v:8201/transit/keys/k", "hashivault://v:8201/transit/keys/k" },
		{ "hashivault://127.0.0.1:1/a/b/c/keys/k", "hashivault://127.0.0.1:1/a/b/c/keys/k" },
		{ "hashivault://[::1]/keys/keys/keys", "hashivault://[::1]/keys/keys/keys" },
		{ "hashivault://[FE80::A]:9/t/keys/k.1-2_3", "hashivault://[fe80::a]:9/t/keys/k.1-2_3" },
	};
	char got[KP_URI_MAX];
	struct hv_uri u;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		assert_int_equal(hv_uri_parse(forms[i][0], &u, &e), 0);
		hv_uri_format(&u, got);
		assert_string_equal(got, forms[i][1]);
	}
}

static void malformed_uri_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "hashivault://", "hashivault://v", "hashivault://v/", "hashivault://v/transit",
		"hashivault://v/keys/k", "hashivault://v/transit/keys/", "hashivault://v/transit/key/k",
		"hashivault://v/transit/keys/k/1", "hashivault://v/transit/keys/k?",
		"hashivault://v/transit/keys/k?version=", "hashivault://v/transit/keys/k?version=0",
		"hashivault://v/transit/keys/k?version=01", "hashivault://v/transit/keys/k?version=1x",
		"hashivault://v/transit/keys/k?version=9999999999",
		"hashivault://v/transit/keys/k?version=1&a=b", "hashivault://v/transit/keys/k#x",
		"hashivault://v/../keys/k", "hashivault://v/a/./keys/k", "hashivault://v//keys/k",
		"hashivault://v/transit/keys/..", "hashivault://v/tran%73it/keys/k",
		"hashivault://u@v/transit/keys/k", "hashivault://u:p@v/transit/keys/k",
		"hashivault://v:/transit/keys/k", "hashivault://v:0/transit/keys/k",
		"hashivault://v:65536/transit/keys/k", "hashivault://v:80x/transit/keys/k",
		"hashivault://[::1/transit/keys/k", "hashivault:///transit/keys/k",
		"hashivault://v/transit/keys/k\n", "hashivault://v/tr ansit/keys/k",
		"https://v/transit/keys/k",
	};
	struct hv_uri u;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (hv_uri_parse(bad[i], &u, &e) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
	assert_non_null(strstr(e.hint, "hashivault://HOST"));
}

static void longest_uri_fits(void **state)
{
	struct hv_uri u, back;
	char text[KP_URI_MAX];

	(void)state;
	memset(&u, 'a', sizeof(u));
	u.host[sizeof(u.host) - 1] = u.mount[sizeof(u.mount) - 1] = u.name[sizeof(u.name) - 1] = '\0';
	u.port = 65535;
	u.version = 999999999;
	hv_uri_format(&u, text);
	assert_int_equal(hv_uri_parse(text, &back, &e), 0);
	assert_true(hv_uri_same_key(&u, &back));
	assert_int_equal(back.version, u.version);
}

static void same_key_is_by_all_but_the_version(void **state)
{
	static const char *const others[] = {
		"hashivault://w/t/keys/k", "hashivault://v:1/t/keys/k", "hashivault://v/u/keys/k",
		"hashivault://v/t/keys/l",
	};
	struct hv_uri u, o;

	(void)state;
	assert_int_equal(hv_uri_parse("hashivault://v/t/keys/k?version=1", &u, &e), 0);
	assert_int_equal(hv_uri_parse("hashivault://v/t/keys/k", &o, &e), 0);
	assert_true(hv_uri_same_key(&u, &o));
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		assert_int_equal(hv_uri_parse(others[i], &o, &e), 0);
		assert_false(hv_uri_same_key(&u, &o));
	}
}

/* ---- answers --------------------------------------------------------------------- */

static json_t *load(const char *text)
{
	json_t *j = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	if (!j)
		fail_msg("no JSON: %s", text);
	return j;
}

#define KEY_FLAGS                                                                                  \
	"\"allow_plaintext_backup\":false,\"deletion_allowed\":false,\"exportable\":false,"         \
	"\"supports_decryption\":true,"

static int read_key(const char *members, struct hv_key *ret)
{
	char text[1024];
	json_t *j;
	int r;

	snprintf(text, sizeof(text), "{\"data\":{%s}}", members);
	j = load(text);
	r = hv_read_key(j, ret, &e);
	json_decref(j);
	return r;
}

static void key_is_read(void **state)
{
	static const char aes[] =
		"\"allow_plaintext_backup\":false,\"auto_rotate_period\":0,\"deletion_allowed\":false,"
		"\"derived\":true,\"exportable\":false,\"imported_key\":false,\"keys\":{\"2\":1795662054},"
		"\"latest_version\":3,\"min_available_version\":0,\"min_decryption_version\":2,"
		"\"min_encryption_version\":0,\"name\":\"aes\",\"soft_deleted\":true,"
		"\"supports_decryption\":true,\"supports_derivation\":true,\"type\":\"aes256-gcm96\"";
	struct hv_key k;

	(void)state;
	assert_int_equal(read_key(aes, &k), 0);
	assert_string_equal(k.type, "aes256-gcm96");
	assert_int_equal(k.latest, 3);
	assert_int_equal(k.oldest, 2);
	assert_true(k.soft_deleted && k.decrypts);
	assert_false(k.deletion_allowed || k.exportable || k.plaintext_backup);

	/* HashiCorp's has no soft deletion; old versions may have been trimmed away. */
	assert_int_equal(read_key(KEY_FLAGS "\"type\":\"rsa-2048\",\"latest_version\":9,"
				  "\"min_decryption_version\":1,\"min_available_version\":4", &k), 0);
	assert_false(k.soft_deleted);
	assert_int_equal(k.oldest, 4);
}

static void key_without_its_protection_flags_is_not_believed(void **state)
{
	static const char *const bad[] = {
		"", KEY_FLAGS "\"latest_version\":1,\"min_decryption_version\":1",
		KEY_FLAGS "\"type\":7,\"latest_version\":1,\"min_decryption_version\":1",
		KEY_FLAGS "\"type\":\"\",\"latest_version\":1,\"min_decryption_version\":1",
		KEY_FLAGS "\"type\":\"a\",\"latest_version\":0,\"min_decryption_version\":1",
		KEY_FLAGS "\"type\":\"a\",\"latest_version\":\"1\",\"min_decryption_version\":1",
		KEY_FLAGS "\"type\":\"a\",\"latest_version\":1.5,\"min_decryption_version\":1",
		KEY_FLAGS "\"type\":\"a\",\"latest_version\":1e9,\"min_decryption_version\":1",
		KEY_FLAGS "\"type\":\"a\",\"latest_version\":1,\"min_decryption_version\":-1",
		KEY_FLAGS "\"type\":\"a\",\"latest_version\":1,\"min_decryption_version\":1,"
			  "\"soft_deleted\":0",
		"\"type\":\"a\",\"latest_version\":1,\"min_decryption_version\":1,\"exportable\":false,"
		"\"supports_decryption\":true,\"allow_plaintext_backup\":false",
		"\"type\":\"a\",\"latest_version\":1,\"min_decryption_version\":1,"
		"\"deletion_allowed\":\"false\",\"supports_decryption\":true,\"exportable\":false,"
		"\"allow_plaintext_backup\":false",
	};
	struct hv_key k;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (read_key(bad[i], &k) != -EPROTO)
			fail_msg("{%s} is believed", bad[i]);
	assert_int_equal(hv_read_key(NULL, &k, &e), -EPROTO);
}

static void ciphertext_is_a_version_and_bytes(void **state)
{
	static const char *const bad[] = {
		"7", "\"\"", "\"vault:v1:\"", "\"vault:v0:AAAA\"", "\"vault:v:AAAA\"", "\"vault:v1AAAA\"",
		"\"vault:v-1:AAAA\"", "\"vault:v99999999999999999999:AAAA\"", "\"vault:v1:AAA\"",
		"\"vault:v1:AA==A\"", "\"vault:v1:A_AA\"", "\"VAULT:v1:AAAA\"", "\"xvault:v1:AAAA\"",
		"\"vault:v1:AAAA\\n\"", "null",
	};
	json_t *j = load("{\"data\":{\"ciphertext\":\"vault:v12:AQID\",\"key_version\":12}}");
	const char *got, *b64;
	unsigned int version;
	char text[256];

	(void)state;
	assert_int_equal(hv_read_ciphertext(j, &got, &e), 0);
	assert_string_equal(got, "vault:v12:AQID");
	assert_int_equal(hv_ciphertext_split(got, &version, &b64), 0);
	assert_int_equal(version, 12);
	assert_string_equal(b64, "AQID");
	json_decref(j);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "{\"data\":{\"ciphertext\":%s}}", bad[i]);
		j = load(text);
		if (hv_read_ciphertext(j, &got, &e) != -EPROTO)
			fail_msg("%s is taken", bad[i]);
		json_decref(j);
	}
	assert_int_equal(hv_read_ciphertext(NULL, &got, &e), -EPROTO);
}

/* K06: nothing but KP_SECRET_LEN bytes is a key. */
static void plaintext_of_another_length_is_refused(void **state)
{
	static const struct {
		const char *text;
		int r;
	} answers[] = {
		{ "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"", 0 },
		{ "\"\"", -EPROTO },
		{ "\"AAECAwQFBgcICQoLDA0ODw==\"", -EPROTO },	       /* 16 */
		{ "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg==\"", -EPROTO }, /* 31 */
		{ "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g\"", -EPROTO }, /* 33 */
		{ "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=\"", -EPROTO }, /* spare bits */
		{ "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8\"", -EPROTO },
		{ "32", -EPROTO },
		{ "null", -EPROTO },
	};
	static const uint8_t zero[KP_SECRET_LEN];
	uint8_t got[KP_SECRET_LEN];
	char text[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		json_t *j;

		snprintf(text, sizeof(text), "{\"data\":{\"plaintext\":%s}}", answers[i].text);
		j = load(text);
		memset(got, 0xaa, sizeof(got));
		assert_int_equal(hv_read_plaintext(j, got, &e), answers[i].r);
		json_decref(j);
		if (answers[i].r)
			assert_memory_equal(got, zero, sizeof(got));
		for (size_t k = 0; !answers[i].r && k < sizeof(got); k++)
			assert_int_equal(got[k], k);
	}
}

static void capabilities_are_read(void **state)
{
	static const struct {
		const char *list;
		int r;
		unsigned int bits;
	} answers[] = {
		{ "[\"read\"]", 0, HV_READ },
		{ "[\"create\",\"update\"]", 0, HV_OTHER | HV_UPDATE },
		{ "[\"deny\"]", 0, 0 },
		{ "[]", 0, 0 },
		{ "[\"root\"]", 0, HV_READ | HV_UPDATE | HV_OTHER },
		{ "[\"delete\",\"read\",\"sudo\"]", 0, HV_READ | HV_OTHER },
		{ "\"read\"", -EPROTO, 0 },
		{ "[1]", -EPROTO, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
		unsigned int bits = 0;
		char text[128];
		json_t *j;

		snprintf(text, sizeof(text), "{\"data\":{\"t/keys/k\":%s}}", answers[i].list);
		j = load(text);
		assert_int_equal(hv_read_capabilities(j, "t/keys/k", &bits, &e), answers[i].r);
		assert_int_equal(bits, answers[i].bits);
		assert_int_equal(hv_read_capabilities(j, "t/keys/other", &bits, &e), -EPROTO);
		json_decref(j);
	}
}

static void login_is_read(void **state)
{
	static const char *const bad[] = {
		"null", "{}", "{\"client_token\":\"t\"}",
		"{\"client_token\":\"\",\"lease_duration\":1}",
		"{\"client_token\":\"a b\",\"lease_duration\":1}",
		"{\"client_token\":\"a\\r\\nX-Evil: 1\",\"lease_duration\":1}",
		"{\"client_token\":\"t\",\"lease_duration\":-1}",
		"{\"client_token\":\"t\",\"lease_duration\":99999999999999}",
		"{\"client_token\":\"t\",\"lease_duration\":\"60\"}",
		"{\"client_token\":\"t\",\"lease_duration\":60,\"renewable\":1}",
	};
	struct hv_lifetime life = { 0 };
	const char *token;
	char text[256];
	json_t *j = load("{\"data\":null,\"auth\":{\"client_token\":\"s.H6NmAnBj\",\"policies\":"
			 "[\"cmk\"],\"lease_duration\":60,\"renewable\":true}}");

	(void)state;
	assert_int_equal(hv_read_login(j, &token, &life, &e), 0);
	assert_string_equal(token, "s.H6NmAnBj");
	json_decref(j);
	assert_int_equal(life.ttl, 60);
	assert_true(life.renewable);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		snprintf(text, sizeof(text), "{\"auth\":%s}", bad[i]);
		j = load(text);
		if (hv_read_login(j, &token, &life, &e) != -EPROTO)
			fail_msg("%s is taken", bad[i]);
		json_decref(j);
	}
	j = load("{\"data\":{\"ttl\":39,\"renewable\":false,\"creation_ttl\":60}}");
	assert_int_equal(hv_read_lookup(j, &life, &e), 0);
	json_decref(j);
	assert_int_equal(life.ttl, 39);
	assert_false(life.renewable);
}

/* ---- refusals -------------------------------------------------------------------- */

static void refusals_have_each_their_code_message_and_hint(void **state)
{
	static const struct {
		long status;
		const char *errors;
		int code;
		const char *message, *hint;
	} seen[] = {
		{ 503, "[\"Vault is sealed\"]", -EAGAIN, "is sealed", "operator unseal" },
		{ 400, "[\"refusing to use soft-deleted key\"]", -EKEYREVOKED, "t/k is soft-deleted",
		  "bao write -f t/keys/k/soft-delete-restore" },
		{ 400, "[\"ciphertext or signature version is disallowed by policy (too old)\"]",
		  -EKEYREVOKED, "version 3 of key t/k", "t/keys/k/config min_decryption_version=3" },
		{ 400, "[\"no such key version\"]", -EKEYREVOKED, "version 3", "min_decryption_version=3" },
		{ 400, "[\"encryption key not found\"]", -ENOENT, "no key t/k at v", "backup" },
		{ 404, "[]", -ENOENT, "no key t/k at v", "vault list t/keys" },
		{ 404, "[\"no handler for route \\\"t/keys/k\\\". route entry not found.\"]", -ENOENT,
		  "nothing is mounted at t on v", "namespace" },
		{ 404, "[\"namespace not found\"]", -ENOENT, "namespace", "namespace in [vault]" },
		{ 400, "[\"cipher: message authentication failed\"]", -EBADMSG, "for this zone",
		  "key show" },
		{ 500, "[\"1 error occurred:\\n\\t* failed to RSA decrypt the ciphertext: crypto/rsa: "
		       "decryption error\\n\\n\"]", -EBADMSG, "damaged", "key show" },
		{ 400, "[\"invalid ciphertext: no prefix\"]", -EBADMSG, "damaged", "key show" },
		{ 400, "[\"message encryption not supported for key type ed25519\"]", -EKEYREJECTED,
		  "cannot wrap", "vault write -f t/keys/NEW-NAME" },
		{ 429, "[\"request path \\\"t/decrypt/k\\\": rate limit quota exceeded\"]", -EAGAIN,
		  "too often", "rate-limit" },
		{ 429, NULL, -EAGAIN, "too often", "rate-limit" },
		{ 403, "[\"1 error occurred:\\n\\t* permission denied\\n\\n\"]", -EACCES, "t/k",
		  "update on t/encrypt/k and t/decrypt/k" },
		{ 500, "[\"internal error\"]", -EAGAIN, "500: internal error", "again later" },
		{ 502, NULL, -EAGAIN, "502: no reason", "again later" },
		{ 400, "[\"failed to decode JSON input\"]", -EPROTO, "400: failed to decode", "" },
		{ 302, NULL, -EPROTO, "302", "" },
		{ 400, "[7, {}, null]", -EPROTO, "no reason", "" },
		{ 400, "{\"a\":\"is sealed\"}", -EPROTO, "no reason", "" },
	};
	struct hv_uri u;

	(void)state;
	assert_int_equal(hv_uri_parse("hashivault://v/t/keys/k?version=3", &u, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(seen); i++) {
		char text[512];
		json_t *j = NULL;

		if (seen[i].errors) {
			snprintf(text, sizeof(text), "{\"errors\":%s}", seen[i].errors);
			j = load(text);
		}
		assert_int_equal(hv_refusal(seen[i].status, j, &u, &e), seen[i].code);
		json_decref(j);
		assert_int_equal(e.code, seen[i].code);
		if (!strstr(e.message, seen[i].message))
			fail_msg("'%s' does not say '%s'", e.message, seen[i].message);
		if (!strstr(e.hint, seen[i].hint))
			fail_msg("'%s' does not say '%s'", e.hint, seen[i].hint);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uri_has_one_normal_form),
		cmocka_unit_test(malformed_uri_is_refused),
		cmocka_unit_test(longest_uri_fits),
		cmocka_unit_test(same_key_is_by_all_but_the_version),
		cmocka_unit_test(key_is_read),
		cmocka_unit_test(key_without_its_protection_flags_is_not_believed),
		cmocka_unit_test(ciphertext_is_a_version_and_bytes),
		cmocka_unit_test(plaintext_of_another_length_is_refused),
		cmocka_unit_test(capabilities_are_read),
		cmocka_unit_test(login_is_read),
		cmocka_unit_test(refusals_have_each_their_code_message_and_hint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
