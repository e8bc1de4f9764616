/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Azure answers, from its first byte on: 'k' a key, 'w' a wrapped key, 's'
 * an unwrapped one, 't' a token, 'c' a challenge, 'u' a URI, three digits a
 * refusal of that status.  Whatever it is gives a result within its bounds or an
 * error with words, and leaves no secret memory behind.
 */
#include <assert.h>
#include <errno.h>

#include "crypto/secret.h"
#include "keyprov/azure/azure.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct az_uri any = { "prod.vault.azure.net", "cmk", "" };

static void failed(int r, const struct kp_error *e)
{
	assert(r == -EPROTO || r == -EAGAIN || r == -EKEYREJECTED || r == -EINVAL);
	assert(e->code == r && e->message[0] && e->hint[0]);
}

static void answer(char kind, const char *p, size_t n)
{
	static char token[TOKEN_MAX];
	uint8_t blob[KP_BLOB_MAX], secret[KP_SECRET_LEN];
	char version[AZ_VERSION_MAX];
	struct kp_error e = { 0 };
	struct az_key k;
	int64_t life = 0;
	size_t len = 0;
	int r = -EPROTO;

	switch (kind) {
	case 'k':
		r = az_read_key(p, n, &any, &k, &e);
		assert(r || (strlen(k.version) == 32 && k.bits <= 16384 && k.expires >= 0));
		if (!r)
			az_judge(&k, &any, "t", "", &e);
		break;
	case 'w':
		r = az_read_wrapped(p, n, &any, blob, &len, version, &e);
		assert(r || (len && len <= sizeof(blob) && strlen(version) == 32));
		break;
	case 's':
		r = az_read_secret(p, n, &any, secret, &e);
		break;
	default:
		r = az_read_token(p, n, 1000, token, &life, &e);
		assert(r || (life > 0 && token[0] && !token[strcspn(token, "\r\n ")]));
	}
	if (r)
		failed(r, &e);
}

static void text(char kind, const char *s)
{
	char tenant[AZ_TENANT_MAX], resource[AZ_HOST_MAX], once[KP_URI_MAX], twice[KP_URI_MAX];
	struct kp_error e = { 0 };
	int r = kind == 'c' ? az_challenge(s, any.host, tenant, resource, &e) :
			      kp_azure.check(s, once, &e);

	if (r) {
		failed(r, &e);
		return;
	}
	if (kind == 'c') {
		assert(tenant[0] && az_within(any.host, resource));
		return;
	}
	assert(!kp_azure.check(once, twice, &e) && !strcmp(once, twice));
}

static void refused(char *s, size_t n)
{
	struct http_reply r = { .status = (s[0] - '0') * 100 + (s[1] - '0') * 10 + s[2] - '0',
				.body = s + 3, .body_len = n - 3 };
	struct kp_error e;

	assert(az_refusal(&r, "unwrapKey", &any, &e) == e.code && e.code && e.message[0]);
	assert(az_sign_in_refusal(&r, "login", &e) == e.code && e.code);
	assert(az_metadata_refusal(&r, &e) == e.code && e.code);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t before, after, total;
	char *s;

	if (size < 3 || size > 70000)
		return 0;
	s = malloc(size + 1);
	if (!s)
		return 0;
	memcpy(s, data, size);
	s[size] = 0;
	secret_usage(&before, &total);
	if (strchr("kwst", s[0]))
		answer(s[0], s + 1, size - 1);
	else if (s[0] == 'c' || s[0] == 'u')
		text(s[0], s + 1);
	else if (s[0] >= '1' && s[0] <= '9' && s[1] >= '0' && s[1] <= '9' && s[2] >= '0' && s[2] <= '9')
		refused(s, size);
	secret_usage(&after, &total);
	assert(before == after);
	free(s);
	return 0;
}
