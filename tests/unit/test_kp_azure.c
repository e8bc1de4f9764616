/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The azure provider without a server: names, challenges, answers, refusals,
 * tokens and statements, each with known answers.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>
#include <cmocka.h>

#include "azure_certificate.h"
#include "crypto/b64.h"
#include "crypto/secret.h"
#include "keyprov/azure/azure.h"
#include "keyprov/net/json.h"

#define VERSION "0123456789abcdef0123456789abcdef"
#define KID "https://prod.vault.azure.net/keys/cmk/" VERSION
#define OTHER "https://prod.vault.azure.net/keys/cmk/ffffffffffffffffffffffffffffffff"

static const struct az_uri key = { "prod.vault.azure.net", "cmk", VERSION };
static const struct az_uri any = { "prod.vault.azure.net", "cmk", "" };

/* ---- names ------------------------------------------------------------------------- */

static void a_uri_has_one_normal_form(void **state)
{
	static const char *const rows[][2] = {
		{ "https://prod.vault.azure.net/keys/cmk", "https://prod.vault.azure.net/keys/cmk" },
		{ "HTTPS://Prod.Vault.Azure.NET/Keys/CMK-1", "https://prod.vault.azure.net/keys/CMK-1" },
		{ "https://prod.vault.azure.net:443/keys/cmk/0123456789ABCDEF0123456789ABCDEF", KID },
		{ "https://h.managedhsm.azure.net/keys/k", "https://h.managedhsm.azure.net/keys/k" },
	};
	char ret[KP_URI_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(kp_azure.check(rows[i][0], ret, NULL), 0);
		assert_string_equal(ret, rows[i][1]);
	}
}

static void what_is_no_key_is_refused(void **state)
{
	static const char *const rows[] = {
		"", "https://", "http://prod.vault.azure.net/keys/cmk", "https://prod.vault.azure.net",
		"https://prod.vault.azure.net/keys/", "https://prod.vault.azure.net/secrets/cmk",
		"https://prod.vault.azure.net/keys/cmk/", "https://prod.vault.azure.net/keys/cmk/1",
		"https://prod.vault.azure.net/keys/c_k", "https://prod.vault.azure.net/keys/cmk?x=1",
		"https://prod.vault.azure.net:8443/keys/cmk", "https://user@prod.vault.azure.net/keys/cmk",
		"https://prod..azure.net/keys/cmk", "https://-a.azure.net/keys/cmk",
		"https://localhost/keys/cmk", "https://prod.vault.azure.net/keys/cmk/" VERSION "/",
		"https://prod.vault.azure.net/keys/cmk/" VERSION "0", "https://a.b\n.c/keys/cmk",
		"https://prod.vault.azure.net/keys/cmk/../x", "https://prod.vault.azure.net/keys/%2e",
	};
	struct kp_error e;
	char ret[KP_URI_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(kp_azure.check(rows[i], ret, &e), -EINVAL);
}

static void a_host_is_in_a_domain_by_whole_names(void **state)
{
	(void)state;
	assert_true(az_within("prod.vault.azure.net", "vault.azure.net"));
	assert_false(az_within("vault.azure.net", "vault.azure.net"));
	assert_false(az_within("evilvault.azure.net", "vault.azure.net"));
	assert_false(az_within("prod.vault.azure.net.evil.org", "vault.azure.net"));
	assert_false(az_within("prod.vault.azure.net", ""));
	assert_null(az_cloud_of("prod.vault.azure.com"));
	assert_null(az_cloud_of("prod.vault.sovcloud-api.org"));
	assert_string_equal(az_cloud_of("p.vault.usgovcloudapi.net")->authority,
			    "https://login.microsoftonline.us");
	assert_string_equal(az_cloud_of("p.managedhsm.sovcloud-api.fr")->authority,
			    "https://login.sovcloud-identity.fr");
}

/* ---- challenges -------------------------------------------------------------------- */

static int challenge(const char *header, const char *host, char *tenant, char *resource)
{
	strcpy(tenant, "untouched");
	strcpy(resource, "untouched");
	return az_challenge(header, host, tenant, resource, NULL);
}

static void the_tenant_is_taken_from_a_challenge(void **state)
{
	static const char *const rows[] = {
		"Bearer authorization=\"https://login.windows.net/72F988BF-86f1\", "
		"resource=\"https://vault.azure.net\"",
		"bearer resource=https://vault.azure.net, authorization=https://login.windows.net/72f988bf-86f1",
		"Bearer authorization_uri=\"https://login.microsoftonline.com/72f988bf-86f1/\","
		"scope=\"https://vault.azure.net/.default\"",
		"Bearer error=\"invalid_token\", error_description=\"a, resource=https://evil\", "
		"authorization=\"https://l.example/72f988bf-86f1/oauth2\", resource=\"https://vault.azure.net\"",
	};
	char tenant[AZ_TENANT_MAX], resource[AZ_HOST_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(challenge(rows[i], key.host, tenant, resource), 0);
		assert_string_equal(tenant, "72f988bf-86f1");
		assert_string_equal(resource, "vault.azure.net");
	}
}

static void a_token_for_another_service_is_not_asked_for(void **state)
{
	static const char *const rows[] = {
		"https://management.azure.com", "https://storage.azure.com", "https://evil.org",
		"https://azure.net.evil.org", "https://prod.vault.azure.net", "https://ault.azure.net",
	};
	char header[300], tenant[AZ_TENANT_MAX], resource[AZ_HOST_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		snprintf(header, sizeof(header),
			 "Bearer authorization=\"https://login.windows.net/t\", resource=\"%s\"", rows[i]);
		assert_int_equal(challenge(header, key.host, tenant, resource), -EKEYREJECTED);
		assert_string_equal(tenant, "untouched");
	}
}

static void what_is_no_challenge_is_refused(void **state)
{
	static const char *const rows[] = {
		"", "Bearer", "Bearer ", "Basic realm=x", "Bearer authorization=\"https://l.example/t\"",
		"Bearer resource=\"https://vault.azure.net\"",
		"Bearer authorization=\"http://l.example/t\", resource=\"https://vault.azure.net\"",
		"Bearer authorization=\"https://l.example\", resource=\"https://vault.azure.net\"",
		"Bearer authorization=\"https://l.example/\", resource=\"https://vault.azure.net\"",
		"Bearer authorization=\"https://l.example/a%2fb\", resource=\"https://vault.azure.net\"",
		"Bearer authorization=\"https://l.example/t\", resource=\"vault.azure.net\"",
		"Bearer authorization=\"https://l.example/t\", resource=\"",
		"Bearer ======", "Bearer \"\"\"", "Bearer a=\"", "Bearer , , ,",
	};
	char tenant[AZ_TENANT_MAX], resource[AZ_HOST_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(challenge(rows[i], key.host, tenant, resource), -EPROTO);
}

/* ---- answers ----------------------------------------------------------------------- */

#define KEY_OF(kid, kty, n, ops, attributes)                                                       \
	"{\"key\":{\"kid\":\"" kid "\",\"kty\":\"" kty "\",\"n\":\"" n "\",\"e\":\"AQAB\"" ops     \
	"},\"attributes\":{" attributes "}}"
#define OPS ",\"key_ops\":[\"wrapKey\",\"unwrapKey\"]"

static int read_key(const char *s, const struct az_uri *u, struct az_key *k)
{
	return az_read_key(s, strlen(s), u, k, NULL);
}

static void a_key_is_read(void **state)
{
	struct az_key k;

	(void)state;
	assert_int_equal(read_key(KEY_OF(KID, "RSA-HSM", "AAH_", OPS,
					 "\"enabled\":false,\"nbf\":5,\"exp\":7,\"created\":1,"
					 "\"recoveryLevel\":\"CustomizedRecoverable+Purgeable\""),
				  &any, &k), 0);
	assert_string_equal(k.version, VERSION);
	assert_string_equal(k.type, "RSA-HSM");
	assert_int_equal(k.bits, 9);
	assert_true(!k.enabled && k.wraps && k.unwraps && k.soft_delete && !k.purge_protection);
	assert_true(k.not_before == 5 && k.expires == 7);
	assert_int_equal(read_key(KEY_OF(KID, "EC", "", ",\"key_ops\":[\"sign\",\"WrapKey\"]",
					 "\"recoveryLevel\":\"Recoverable+ProtectedSubscription\""),
				  &key, &k), 0);
	assert_true(k.enabled && k.wraps && !k.unwraps && k.soft_delete && k.purge_protection);
	assert_int_equal(read_key(KEY_OF(KID, "RSA", "gA", "", ""), &key, &k), 0);
	assert_true(k.bits == 8 && k.wraps && k.unwraps && !k.soft_delete && !k.purge_protection);
	assert_int_equal(read_key(KEY_OF(KID, "RSA", "gA", "", "\"recoveryLevel\":\"Purgeable\""), &key,
				  &k), 0);
	assert_true(!k.soft_delete && !k.purge_protection);
}

static void a_strange_key_is_refused_and_nothing_kept(void **state)
{
	static const char *const rows[] = {
		"{}", "[]", "{\"key\":[]}", "{\"attributes\":{}}", "{\"key\":{\"kid\":\"" KID "\"}}",
		KEY_OF(OTHER, "RSA", "gA", OPS, ""), /* another version than asked for */
		KEY_OF("https://evil.vault.azure.net/keys/cmk/" VERSION, "RSA", "gA", OPS, ""),
		KEY_OF("https://prod.vault.azure.net/keys/cmk2/" VERSION, "RSA", "gA", OPS, ""),
		KEY_OF("https://prod.vault.azure.net/keys/cmk", "RSA", "gA", OPS, ""),
		KEY_OF(KID, "RSA", "g=", OPS, ""), KEY_OF(KID, "RSA", "gA", OPS, "\"enabled\":1"),
		KEY_OF(KID, "RSA", "gA", OPS, "\"exp\":\"7\""), KEY_OF(KID, "RSA", "gA", OPS, "\"exp\":-7"),
		KEY_OF(KID, "RSA", "gA", OPS, "\"exp\":7.5"),
		KEY_OF(KID, "RSA", "gA", OPS, "\"recoveryLevel\":5"),
		KEY_OF(KID, "RSA", "gA", ",\"key_ops\":\"wrapKey\"", ""),
		KEY_OF(KID, "RSA", "gA", ",\"key_ops\":[1]", ""),
	};
	struct az_key k;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		memset(&k, 0x5a, sizeof(k));
		assert_int_equal(read_key(rows[i], &key, &k), -EPROTO);
		assert_int_equal(k.bits, 0x5a5a5a5a);
	}
}

/* N zero bytes in base64url. */
static void answer_of(char *ret, size_t cap, const char *kid, size_t n)
{
	static const uint8_t zeros[100];
	char value[200];

	b64_encode(zeros, n, value);
	snprintf(ret, cap, "{\"kid\":\"%s\",\"value\":\"%s\"}", kid, value);
}

static void only_32_bytes_of_the_key_asked_for_are_a_secret(void **state)
{
	static const size_t sizes[] = { 0, 16, 31, 33, 64 };
	uint8_t secret[KP_SECRET_LEN], zeros[KP_SECRET_LEN] = { 0 };
	char s[400];

	(void)state;
	answer_of(s, sizeof(s), KID, KP_SECRET_LEN);
	memset(secret, 1, sizeof(secret));
	assert_int_equal(az_read_secret(s, strlen(s), &key, secret, NULL), 0);
	assert_memory_equal(secret, zeros, sizeof(zeros));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		answer_of(s, sizeof(s), KID, sizes[i]);
		memset(secret, 1, sizeof(secret));
		assert_int_equal(az_read_secret(s, strlen(s), &key, secret, NULL), -EPROTO);
		assert_memory_equal(secret, zeros, sizeof(zeros));
	}
	answer_of(s, sizeof(s), OTHER, KP_SECRET_LEN);
	memset(secret, 1, sizeof(secret));
	assert_int_equal(az_read_secret(s, strlen(s), &key, secret, NULL), -EPROTO);
	assert_memory_equal(secret, zeros, sizeof(zeros));
}

static void a_wrapped_key_says_its_version(void **state)
{
	uint8_t blob[KP_BLOB_MAX];
	char s[400], version[AZ_VERSION_MAX];
	size_t n;

	(void)state;
	answer_of(s, sizeof(s), KID, 50);
	assert_int_equal(az_read_wrapped(s, strlen(s), &any, blob, &n, version, NULL), 0);
	assert_int_equal(n, 50);
	assert_string_equal(version, VERSION);
	answer_of(s, sizeof(s), KID, 0);
	assert_int_equal(az_read_wrapped(s, strlen(s), &any, blob, &n, version, NULL), -EPROTO);
}

/* ---- tokens -------------------------------------------------------------------------- */

static int read_token(const char *s, char *token, int64_t *life)
{
	return az_read_token(s, strlen(s), 1000, token, life, NULL);
}

static void a_token_and_its_life_are_read(void **state)
{
	static const struct {
		const char *text;
		int64_t life;
	} rows[] = {
		{ "{\"access_token\":\"t\",\"expires_in\":3599,\"token_type\":\"Bearer\"}", 3599000 },
		{ "{\"access_token\":\"t\",\"expires_in\":\"3599\",\"expires_on\":\"5\"}", 3599000 },
		{ "{\"access_token\":\"t\",\"expires_on\":\"1060\",\"token_type\":\"bearer\"}", 60000 },
		{ "{\"access_token\":\"t\",\"expires_on\":1001}", 1000 },
	};
	char token[TOKEN_MAX];
	int64_t life;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(read_token(rows[i].text, token, &life), 0);
		assert_string_equal(token, "t");
		assert_int_equal(life, rows[i].life);
	}
}

static void a_token_that_cannot_be_used_is_refused(void **state)
{
	static const char *const rows[] = {
		"{}", "{\"access_token\":\"t\"}", "{\"access_token\":\"\",\"expires_in\":1}",
		"{\"access_token\":7,\"expires_in\":1}", "{\"access_token\":\"t\",\"expires_in\":0}",
		"{\"access_token\":\"t\",\"expires_in\":-1}", "{\"access_token\":\"t\",\"expires_in\":\"x\"}",
		"{\"access_token\":\"t\",\"expires_on\":\"999\"}", /* it has ended */
		"{\"access_token\":\"t\",\"expires_in\":\"99999999999999999999\"}",
		"{\"access_token\":\"a\\r\\nX: y\",\"expires_in\":1}",
		"{\"access_token\":\"a b\",\"expires_in\":1}",
		"{\"access_token\":\"t\",\"expires_in\":1,\"token_type\":\"PoP\"}",
	};
	char token[TOKEN_MAX];
	int64_t life;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(read_token(rows[i], token, &life), -EPROTO);
}

/* ---- refusals ------------------------------------------------------------------------ */

#define SAID(code, message, inner)                                                                 \
	"{\"error\":{\"code\":\"" code "\",\"message\":\"" message "\",\"innererror\":{\"code\":\"" \
	inner "\"}}}"

static int refusal(long status, const char *body, const char *operation, struct kp_error *e)
{
	struct http_reply r = { .status = status, .body = strdup(body), .body_len = strlen(body) };
	int code = az_refusal(&r, operation, &key, e);

	free(r.body);
	return code;
}

static void each_refusal_has_its_code_and_its_words(void **state)
{
	static const struct {
		long status;
		const char *body;
		int code;
		const char *message, *hint;
	} rows[] = {
		{ 403, SAID("Forbidden", "Operation unwrapKey is not allowed on a disabled key.",
			    "KeyDisabled"), -EKEYREVOKED, "is disabled", "--enabled true" },
		{ 403, SAID("Forbidden", "Operation unwrapKey is not allowed on a disabled key.", ""),
		  -EKEYREVOKED, "is disabled", "--enabled true" },
		{ 403, SAID("Forbidden", "The user, group or application 'appid=1;oid=ab-12;iss=x' does "
			    "not have keys unwrapKey permission on key vault 'prod;location=x'.",
			    "ForbiddenByPolicy"), -EACCES, "does not grant this identity unwrapKey",
		  "--object-id ab-12 " },
		{ 403, SAID("Forbidden", "Caller is not authorized to perform action on resource.",
			    "ForbiddenByRbac"), -EACCES, "does not grant", "OBJECT-ID" },
		{ 403, "{\"error\":{\"code\":\"Forbidden\",\"message\":\"x\",\"innerError\":"
		       "{\"code\":\"AccessDenied\"}}}", -EACCES, "does not grant", "az role" },
		{ 403, SAID("Forbidden", "Client address (1.2.3.4) is not authorized and caller is not a "
			    "trusted service", ""), -EACCES, "firewall", "--bypass AzureServices" },
		{ 403, SAID("Forbidden", "Client address is not authorized and caller was ignored because "
			    "bypass is set to None", "ForbiddenByFirewall"), -EACCES, "firewall", "bypass" },
		{ 403, SAID("Forbidden", "Operation wrapKey is not allowed on an expired key.", ""),
		  -EKEYEXPIRED, "expired", "rotate" },
		{ 403, SAID("Forbidden", "The key is not yet valid.", ""), -EKEYEXPIRED, "not valid yet",
		  "--not-before" },
		{ 403, SAID("Forbidden", "", "KeyOperationForbidden"), -EACCES, "not made for unwrapKey",
		  "--ops" },
		{ 403, SAID("Forbidden", "Vault is moved", "New"), -EACCES, "forbids unwrapKey", "portal" },
		{ 403, "<html>proxy</html>", -EPROTO, "(403)", "is it a key vault" },
		{ 401, SAID("Unauthorized", "", ""), -EKEYREJECTED, "token", "tenant" },
		{ 404, SAID("KeyNotFound", "", ""), -ENOENT, "no key", "recover" },
		{ 404, "not found", -EPROTO, "(404)", "is it a key vault" },
		{ 409, SAID("Conflict", "", "ObjectIsDeletedButRecoverable"), -EKEYREVOKED, "deleted",
		  "az keyvault key recover --vault-name prod --name cmk" },
		{ 400, SAID("BadParameter", "The parameter is incorrect.\\r\\n", ""), -EBADMSG,
		  "not wrapped by", "key show" },
		{ 429, SAID("Throttled", "", ""), -EAGAIN, "throttles", "by itself" },
		{ 500, "", -EAGAIN, "busy (500)", "later" }, { 503, "x", -EAGAIN, "busy", "later" },
		{ 200, "", -EPROTO, "(200)", "" }, { 418, "", -EPROTO, "(418)", "" },
	};
	struct kp_error e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(refusal(rows[i].status, rows[i].body, "unwrapKey", &e), rows[i].code);
		assert_int_equal(e.code, rows[i].code);
		assert_non_null(strstr(e.message, rows[i].message));
		assert_non_null(strstr(e.hint, rows[i].hint));
	}
	assert_int_equal(refusal(400, SAID("BadParameter", "", ""), "get", &e), -EPROTO);
}

static void who_gives_tokens_refuses_or_is_busy(void **state)
{
	static const struct {
		long status;
		const char *body;
		int sign_in, metadata;
	} rows[] = {
		{ 400, "{\"error\":\"invalid_client\"}", -EKEYREJECTED, -EKEYREJECTED },
		{ 401, "{\"error\":\"unauthorized_client\"}", -EKEYREJECTED, -EKEYREJECTED },
		{ 400, "{\"error\":\"temporarily_unavailable\"}", -EAGAIN, -EKEYREJECTED },
		{ 400, "", -EPROTO, -EKEYREJECTED }, { 404, "", -EPROTO, -EAGAIN },
		{ 410, "", -EPROTO, -EAGAIN }, { 429, "", -EAGAIN, -EAGAIN }, { 503, "", -EAGAIN, -EAGAIN },
		{ 204, "", -EPROTO, -EPROTO },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct http_reply r = { .status = rows[i].status, .body = strdup(rows[i].body),
					.body_len = strlen(rows[i].body) };

		assert_int_equal(az_sign_in_refusal(&r, "login", NULL), rows[i].sign_in);
		assert_int_equal(az_metadata_refusal(&r, NULL), rows[i].metadata);
		free(r.body);
	}
}

static void a_wrong_clock_is_told_where_a_statement_is_refused(void **state)
{
	char body[] = "{\"error\":\"invalid_client\"}";
	struct http_reply r = { .status = 401, .body = body, .body_len = strlen(body),
				.date = time(NULL) - 3600 };
	struct kp_error e;

	(void)state;
	assert_int_equal(az_sign_in_refusal(&r, "login", &e), -EKEYREJECTED);
	assert_non_null(strstr(e.message, "clock is off by 360"));
	r.date = time(NULL);
	assert_int_equal(az_sign_in_refusal(&r, "login", &e), -EKEYREJECTED);
	assert_null(strstr(e.message, "clock"));
}

static int judged(struct az_key k, const char *wanted, const char *words)
{
	struct kp_error e;

	az_judge(&k, &key, "t1", wanted, &e);
	if (words)
		assert_non_null(strstr(e.message, words));
	return e.code;
}

static void keys_that_may_not_protect_are_told(void **state)
{
	const struct az_key good = { .type = "RSA", .bits = 2048, .enabled = true, .wraps = true,
				     .unwraps = true, .soft_delete = true, .purge_protection = true };
	struct az_key k;

	(void)state;
	assert_int_equal(judged(good, "", NULL), 0);
	assert_int_equal(judged(good, "T1", NULL), 0);
	assert_int_equal(judged(good, "t2", "tenant t1"), -EKEYREJECTED);
#define WITH(change, code, words) (k = good, change, assert_int_equal(judged(k, "", words), code))
	WITH(strcpy(k.type, "RSA-HSM"), 0, NULL);
	WITH(k.bits = 4096, 0, NULL);
	WITH(strcpy(k.type, "EC"), -EKEYREJECTED, "of type EC");
	WITH(k.bits = 1024, -EKEYREJECTED, "1024 bits");
	WITH(k.bits = 8192, -EKEYREJECTED, "8192 bits");
	WITH(k.soft_delete = false, -EKEYREJECTED, "soft delete");
	WITH(k.purge_protection = false, -EKEYREJECTED, "purge protection");
	WITH(k.wraps = false, -EACCES, "wrapKey");
	WITH(k.unwraps = false, -EACCES, "unwrapKey");
	WITH(k.enabled = false, -EKEYREVOKED, "disabled");
	WITH(k.expires = 1, -EKEYEXPIRED, "expired");
	WITH(k.not_before = INT64_C(1) << 40, -EKEYEXPIRED, "not valid yet");
	WITH(k.expires = INT64_C(1) << 40, 0, NULL);
#undef WITH
}

/* ---- statements, files ---------------------------------------------------------------- */

static void write_file(const char *path, mode_t mode, const char *a, const char *b)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(a, f);
	fputs(b, f);
	fclose(f);
	assert_int_equal(chmod(path, mode), 0);
}

static void check_signature(const char *text, size_t n, const char *signature)
{
	BIO *in = BIO_new_mem_buf(test_certificate, -1);
	X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pk;
	uint8_t sig[256];
	size_t len;

	assert_int_equal(b64_decode(signature, strlen(signature), sig, sizeof(sig), &len), 0);
	assert_int_equal(len, 256);
	assert_int_equal(EVP_DigestVerifyInit(md, &pk, EVP_sha256(), NULL, X509_get0_pubkey(cert)), 1);
	assert_true(EVP_PKEY_CTX_set_rsa_padding(pk, RSA_PKCS1_PSS_PADDING) == 1 &&
		    EVP_PKEY_CTX_set_rsa_pss_saltlen(pk, 32) == 1);
	assert_int_equal(EVP_DigestVerify(md, sig, len, (const uint8_t *)text, n), 1);
	EVP_MD_CTX_free(md);
	X509_free(cert);
	BIO_free(in);
}

static json_t *part(const char *s, size_t n)
{
	uint8_t bytes[2048];
	size_t len;
	json_t *o;

	assert_int_equal(b64_decode(s, n, bytes, sizeof(bytes), &len), 0);
	assert_int_equal(js_parse((const char *)bytes, len, &o, NULL), 0);
	return o;
}

#define PEM "test_kp_azure.pem"
#define AUDIENCE "https://login.microsoftonline.com/t\"1/oauth2/v2.0/token"

static void a_statement_says_who_and_for_whom_and_is_signed(void **state)
{
	static const char head[] =
		"{\"alg\":\"PS256\",\"typ\":\"JWT\",\"x5t#S256\":\"" TEST_FINGERPRINT "\"}";
	_cleanup_text_ struct text t = { 0 };
	_cleanup_json_ json_t *claims = NULL;
	char expected[300];
	const char *dot, *last;
	size_t begin;

	(void)state;
	write_file(PEM, 0600, test_private_key, test_certificate);
	text_begin(&t, 16384);
	text_add(&t, "client_assertion=");
	begin = t.n;
	assert_int_equal(az_jwt(PEM, "client", AUDIENCE, 1700000000, &t, NULL), 0);
	assert_true(text_ok(&t));
	dot = strchr(t.s + begin, '.');
	last = strrchr(t.s, '.');
	b64_encode(head, strlen(head), expected);
	assert_int_equal(dot - (t.s + begin), strlen(expected));
	assert_memory_equal(t.s + begin, expected, strlen(expected));
	claims = part(dot + 1, (size_t)(last - dot - 1));
	assert_string_equal(json_string_value(json_object_get(claims, "aud")), AUDIENCE);
	assert_string_equal(json_string_value(json_object_get(claims, "iss")), "client");
	assert_string_equal(json_string_value(json_object_get(claims, "sub")), "client");
	assert_int_equal(json_integer_value(json_object_get(claims, "iat")), 1700000000);
	assert_int_equal(json_integer_value(json_object_get(claims, "nbf")), 1700000000 - 60);
	assert_int_equal(json_integer_value(json_object_get(claims, "exp")), 1700000000 + 600);
	assert_int_equal(strlen(json_string_value(json_object_get(claims, "jti"))), 22);
	check_signature(t.s + begin, (size_t)(last - (t.s + begin)), last + 1);
	unlink(PEM);
}

static int statement(void)
{
	_cleanup_text_ struct text t = { 0 };

	text_begin(&t, 16384);
	return az_jwt(PEM, "client", AUDIENCE, 1700000000, &t, NULL);
}

static void a_file_that_is_no_certificate_makes_no_statement(void **state)
{
	(void)state;
	unlink(PEM);
	assert_int_equal(statement(), -EIO);
	write_file(PEM, 0644, test_private_key, test_certificate); /* others can read it */
	assert_int_equal(statement(), -EIO);
	write_file(PEM, 0600, test_certificate, "");
	assert_int_equal(statement(), -EIO);
	write_file(PEM, 0600, test_private_key, "");
	assert_int_equal(statement(), -EIO);
	write_file(PEM, 0600, "", "");
	assert_int_equal(statement(), -EIO);
	write_file(PEM, 0600, "nonsense", "");
	assert_int_equal(statement(), -EIO);
	unlink(PEM);
}

static void arc_names_only_its_own_files(void **state)
{
	static const char *const rows[] = {
		"", "Basic", "Basic realm=", "Bearer realm=/var/opt/azcmagent/tokens/a.key",
		"Basic realm=/etc/shadow", "Basic realm=/var/opt/azcmagent/tokens/../../x.key",
		"Basic realm=/var/opt/azcmagent/tokens/sub/a.key", "Basic realm=/var/opt/azcmagent/tokens/a.txt",
		"Basic realm=/var/opt/azcmagent/tokens/.key", "Basic realm=\"/etc/a.key\"",
		"Basic realm=/var/opt/azcmagent/tokens/a.key.txt", "Basic realm=C:/ProgramData/a.key",
	};
	char secret[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(az_arc_secret(rows[i], secret, sizeof(secret), NULL), -EKEYREJECTED);
	/* One of its own that is not there is another matter. */
	assert_int_equal(az_arc_secret("Basic realm=/var/opt/azcmagent/tokens/no-such-one.key", secret,
				       sizeof(secret), NULL), -EIO);
}

/* ---- settings ---------------------------------------------------------------------------- */

static const char *conf_row; /* "key=value" */

static const char *fake_conf(void *arg, const char *section, const char *k)
{
	(void)arg;
	assert_string_equal(section, "azure");
	return !strncmp(conf_row, k, strlen(k)) && conf_row[strlen(k)] == '=' ? conf_row + strlen(k) + 1 :
									       NULL;
}

static int settings(const char *row, const char *host, struct az_conf *ret)
{
	const struct kp_context ctx = { .state_dir = "/", .conf = fake_conf };

	conf_row = row;
	return az_conf_load(&ctx, host, ret, NULL);
}

static void settings_come_from_the_file_then_the_environment(void **state)
{
	struct az_conf c;

	(void)state;
	assert_int_equal(settings("", key.host, &c), 0);
	assert_int_equal(c.identity, AZ_MANAGED);
	assert_string_equal(c.authority, "https://login.microsoftonline.com");
	assert_string_equal(c.metadata, "http://169.254.169.254");
	az_conf_done(&c);
	setenv("AZURE_CLIENT_ID", "env", 1);
	setenv("AZURE_FEDERATED_TOKEN_FILE", "/run/token", 1);
	assert_int_equal(settings("client-id=file", "x.vault.azure.cn", &c), 0);
	assert_int_equal(c.identity, AZ_WORKLOAD);
	assert_string_equal(c.client, "file");
	assert_string_equal(c.authority, "https://login.partner.microsoftonline.cn");
	az_conf_done(&c);
	setenv("AZURE_CLIENT_SECRET", "s3cret", 1);
	assert_int_equal(settings("", key.host, &c), 0);
	assert_true(c.identity == AZ_SECRET && c.env_secret);
	assert_string_equal(c.client, "env");
	az_conf_done(&c);
	assert_int_equal(settings("identity=managed", key.host, &c), 0);
	assert_int_equal(c.identity, AZ_MANAGED);
	az_conf_done(&c);
	unsetenv("AZURE_CLIENT_ID");
	assert_int_equal(settings("", key.host, &c), -EKEYREJECTED); /* no client-id */
	unsetenv("AZURE_CLIENT_SECRET");
	unsetenv("AZURE_FEDERATED_TOKEN_FILE");
}

static void credentials_go_to_no_strange_place(void **state)
{
	struct az_conf c;

	(void)state;
	assert_int_equal(settings("", "prod.vault.azure.com", &c), -EKEYREJECTED);
	assert_int_equal(settings("vault-suffix=example.org", key.host, &c), -EKEYREJECTED);
	assert_int_equal(settings("vault-suffix=example.org", "v.example.org", &c), 0);
	az_conf_done(&c);
	assert_int_equal(settings("authority=http://login.microsoftonline.com", key.host, &c),
			 -EKEYREJECTED);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_uri_has_one_normal_form),
		cmocka_unit_test(what_is_no_key_is_refused),
		cmocka_unit_test(a_host_is_in_a_domain_by_whole_names),
		cmocka_unit_test(the_tenant_is_taken_from_a_challenge),
		cmocka_unit_test(a_token_for_another_service_is_not_asked_for),
		cmocka_unit_test(what_is_no_challenge_is_refused),
		cmocka_unit_test(a_key_is_read),
		cmocka_unit_test(a_strange_key_is_refused_and_nothing_kept),
		cmocka_unit_test(only_32_bytes_of_the_key_asked_for_are_a_secret),
		cmocka_unit_test(a_wrapped_key_says_its_version),
		cmocka_unit_test(a_token_and_its_life_are_read),
		cmocka_unit_test(a_token_that_cannot_be_used_is_refused),
		cmocka_unit_test(each_refusal_has_its_code_and_its_words),
		cmocka_unit_test(who_gives_tokens_refuses_or_is_busy),
		cmocka_unit_test(a_wrong_clock_is_told_where_a_statement_is_refused),
		cmocka_unit_test(keys_that_may_not_protect_are_told),
		cmocka_unit_test(a_statement_says_who_and_for_whom_and_is_signed),
		cmocka_unit_test(a_file_that_is_no_certificate_makes_no_statement),
		cmocka_unit_test(arc_names_only_its_own_files),
		cmocka_unit_test(settings_come_from_the_file_then_the_environment),
		cmocka_unit_test(credentials_go_to_no_strange_place),
	};
	char dir[] = "/tmp/test_kp_azure.XXXXXX";
	int r;

	if (!mkdtemp(dir) || chdir(dir))
		return 1;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	return chdir("/") || rmdir(dir) ? 1 : r;
}
