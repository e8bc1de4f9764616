/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers of vaults and of those who give tokens.
 */
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "azure.h"
#include "crypto/secret.h"
#include "keyprov/net/json.h"

#define MODULUS_MAX 2048 /* bytes: more than any key we accept */
#define YEAR INT64_C(31622400)

static int strange(struct kp_error *e, const char *what)
{
	return kp_fail(e, -EPROTO, "is it a key vault that answers there?",
		       "unintelligible answer: %s", what);
}

/* The version that the answer is about, which must be one of U's. */
static int read_version(const json_t *o, const struct az_uri *u, char ret[static AZ_VERSION_MAX],
			struct kp_error *e)
{
	struct az_uri kid;
	const char *s;
	int r = js_text(o, "kid", &s, e);

	if (r)
		return r;
	if (az_uri_parse(s, &kid, NULL) || !kid.version[0])
		return strange(e, "'kid' is no key's version");
	if (!az_uri_same_key(&kid, u) || (u->version[0] && strcmp(kid.version, u->version) != 0))
		return strange(e, "it is about another key");
	memcpy(ret, kid.version, sizeof(kid.version));
	return 0;
}

/* ---- get --------------------------------------------------------------------------- */

static int read_bits(const json_t *key, unsigned int *ret, struct kp_error *e)
{
	uint8_t modulus[MODULUS_MAX];
	size_t n = 0, i = 0;
	int r;

	*ret = 0;
	if (!json_object_get(key, "n"))
		return 0; /* no RSA */
	r = js_b64url(key, "n", modulus, sizeof(modulus), &n, e);
	if (r)
		return r;
	while (i < n && !modulus[i])
		i++;
	if (i < n)
		*ret = (unsigned int)((n - i) * 8) - (unsigned int)__builtin_clz(modulus[i]) + 24;
	return 0;
}

/* Without the list all is allowed. */
static int read_operations(const json_t *key, struct az_key *k, struct kp_error *e)
{
	json_t *ops, *one;
	size_t i;
	int r;

	k->wraps = k->unwraps = !json_object_get(key, "key_ops");
	if (k->wraps)
		return 0;
	r = js_array(key, "key_ops", &ops, e);
	if (r)
		return r;
	json_array_foreach(ops, i, one) {
		const char *s = json_string_value(one);

		if (!s)
			return strange(e, "'key_ops' has what is no text");
		k->wraps |= !strcasecmp(s, "wrapKey");
		k->unwraps |= !strcasecmp(s, "unwrapKey");
	}
	return 0;
}

static int read_attributes(const json_t *o, struct az_key *k, struct kp_error *e)
{
	const char *level;
	json_t *a;
	int r = js_object(o, "attributes", &a, e);

	if (!r)
		r = js_bool_or(a, "enabled", true, &k->enabled, e);
	if (!r)
		r = js_int_or(a, "nbf", 0, 1000 * YEAR, 0, &k->not_before, e);
	if (!r)
		r = js_int_or(a, "exp", 0, 1000 * YEAR, 0, &k->expires, e);
	if (!r)
		r = js_text_opt(a, "recoveryLevel", &level, e);
	if (r)
		return r;
	k->soft_delete = strstr(level, "Recoverable");
	k->purge_protection = k->soft_delete && !strstr(level, "Purgeable");
	return 0;
}

int az_read_key(const char *p, size_t n, const struct az_uri *u, struct az_key *ret,
		struct kp_error *e)
{
	_cleanup_json_ json_t *o = NULL;
	struct az_key k = { .bits = 0 };
	const char *type;
	json_t *key;
	int r = js_parse(p, n, &o, e);

	if (!r)
		r = js_object(o, "key", &key, e);
	if (!r)
		r = read_version(key, u, k.version, e);
	if (!r)
		r = js_text(key, "kty", &type, e);
	if (!r)
		r = read_bits(key, &k.bits, e);
	if (!r)
		r = read_operations(key, &k, e);
	if (!r)
		r = read_attributes(o, &k, e);
	if (r)
		return r;
	snprintf(k.type, sizeof(k.type), "%s", type);
	*ret = k;
	return 0;
}

/* ---- wrapKey, unwrapKey ------------------------------------------------------------ */

int az_read_wrapped(const char *p, size_t n, const struct az_uri *u, uint8_t ret[static KP_BLOB_MAX],
		    size_t *ret_n, char ret_version[static AZ_VERSION_MAX], struct kp_error *e)
{
	_cleanup_json_ json_t *o = NULL;
	int r = js_parse(p, n, &o, e);

	if (!r)
		r = read_version(o, u, ret_version, e);
	if (!r)
		r = js_b64url(o, "value", ret, KP_BLOB_MAX, ret_n, e);
	return !r && !*ret_n ? strange(e, "'value' is empty") : r;
}

int az_read_secret(const char *p, size_t n, const struct az_uri *u,
		   uint8_t ret[static KP_SECRET_LEN], struct kp_error *e)
{
	_cleanup_json_ json_t *o = NULL;
	char version[AZ_VERSION_MAX];
	size_t len = 0;
	int r = js_parse(p, n, &o, e);

	if (!r)
		r = read_version(o, u, version, e);
	if (!r)
		r = js_b64url(o, "value", ret, KP_SECRET_LEN, &len, e);
	if (!r && len != KP_SECRET_LEN)
		r = strange(e, "what was unwrapped has not 32 bytes");
	if (r)
		secret_wipe(ret, KP_SECRET_LEN);
	return r;
}

/* ---- tokens ----------------------------------------------------------------------------- */

/* A number, or a text of digits; 0 where there is none. */
static int read_seconds(const json_t *o, const char *key, int64_t *ret, struct kp_error *e)
{
	json_t *v = json_object_get(o, key);
	int64_t s = 0;

	if (!json_is_string(v))
		return js_int_or(o, key, 0, 1000 * YEAR, 0, ret, e);
	for (const char *p = json_string_value(v); *p; p++) {
		if (*p < '0' || *p > '9' || s > 1000 * YEAR)
			return strange(e, "when a token ends is no number");
		s = s * 10 + (*p - '0');
	}
	*ret = s;
	return 0;
}

static int read_life(const json_t *o, int64_t now, int64_t *ret_ms, struct kp_error *e)
{
	int64_t in, on;
	int r = read_seconds(o, "expires_in", &in, e);

	if (!r && !in) {
		r = read_seconds(o, "expires_on", &on, e);
		if (!r && !on)
			return strange(e, "no word of when a token ends");
		in = r ? 0 : on - now;
	}
	if (!r && in <= 0)
		r = kp_fail(e, -EPROTO, "look at the clocks of this host and of the server",
			    "a token was given that has ended already");
	if (!r)
		*ret_ms = MIN(in, YEAR) * 1000;
	return r;
}

/* It goes into a header: nothing but what can be seen. */
static bool good_token(const char *s)
{
	size_t n = strlen(s);

	for (const char *p = s; *p; p++)
		if (*p <= ' ' || *p > '~')
			return false;
	return n && n < TOKEN_MAX - 100;
}

int az_read_token(const char *p, size_t n, int64_t now, char *ret, int64_t *ret_life_ms,
		  struct kp_error *e)
{
	_cleanup_json_ json_t *o = NULL;
	const char *token, *type;
	int r = js_parse(p, n, &o, e);

	if (!r)
		r = js_text(o, "access_token", &token, e);
	if (!r)
		r = js_text_opt(o, "token_type", &type, e);
	if (!r)
		r = read_life(o, now, ret_life_ms, e);
	if (r)
		return r;
	if (!good_token(token) || (*type && strcasecmp(type, "Bearer") != 0))
		return strange(e, "no token that can be used");
	memcpy(ret, token, strlen(token) + 1);
	return 0;
}
