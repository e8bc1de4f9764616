/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a transit engine answers.  Nothing is believed that is not of the
 * documented type and within bounds; unknown members are left alone, as
 * versions of the server add some.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/b64.h"
#include "crypto/secret.h"
#include "hashivault.h"
#include "keyprov/net/json.h"

#define VERSION_MAX 1000000000
#define TTL_MAX (INT64_C(100) * 366 * 86400)

static int wrong(struct kp_error *e, const char *what)
{
	return kp_fail(e, -EPROTO, "is it a Vault or OpenBao server that answers there?",
		       "unintelligible answer: %s", what);
}

/* A flag that guards something: it must be there. */
static int read_guard(const json_t *d, const char *name, bool *ret, struct kp_error *e)
{
	if (!json_object_get(d, name))
		return wrong(e, "a flag of the key is missing");
	return js_bool_or(d, name, false, ret, e);
}

/* ---- the key --------------------------------------------------------------------- */

/* The oldest version that decrypts: versions may have been trimmed as well. */
static int read_versions(const json_t *d, struct hv_key *k, struct kp_error *e)
{
	int64_t latest = 1, min = 0, trimmed = 0;
	int r = js_int(d, "latest_version", 1, VERSION_MAX, &latest, e);

	if (!r)
		r = js_int(d, "min_decryption_version", 0, VERSION_MAX, &min, e);
	if (!r)
		r = js_int_or(d, "min_available_version", 0, VERSION_MAX, 0, &trimmed, e);
	k->latest = (unsigned int)latest;
	k->oldest = (unsigned int)MAX(MAX(min, trimmed), 1);
	return r;
}

int hv_read_key(const json_t *j, struct hv_key *ret, struct kp_error *e)
{
	struct hv_key k = { 0 };
	const char *type = "";
	json_t *d = NULL;
	int r = js_object(j, "data", &d, e);

	if (!r)
		r = js_text(d, "type", &type, e);
	if (!r && (!*type || strlen(type) >= sizeof(k.type)))
		r = wrong(e, "a key's type");
	if (!r)
		r = read_versions(d, &k, e);
	if (!r)
		r = read_guard(d, "deletion_allowed", &k.deletion_allowed, e);
	if (!r)
		r = read_guard(d, "exportable", &k.exportable, e);
	if (!r)
		r = read_guard(d, "allow_plaintext_backup", &k.plaintext_backup, e);
	if (!r)
		r = read_guard(d, "supports_decryption", &k.decrypts, e);
	if (!r)
		r = js_bool_or(d, "soft_deleted", false, &k.soft_deleted, e);
	if (r)
		return r;
	snprintf(k.type, sizeof(k.type), "%s", type);
	*ret = k;
	return 0;
}

/* ---- encrypt, decrypt ------------------------------------------------------------ */

int hv_ciphertext_split(const char *s, unsigned int *ret_version, const char **ret_b64)
{
	unsigned long v;
	char *end;

	if (strncmp(s, "vault:v", 7) != 0 || s[7] < '1' || s[7] > '9')
		return -EPROTO;
	errno = 0;
	v = strtoul(s + 7, &end, 10);
	if (errno || v > VERSION_MAX || *end != ':')
		return -EPROTO;
	*ret_version = (unsigned int)v;
	*ret_b64 = end + 1;
	return 0;
}

int hv_read_ciphertext(const json_t *j, const char **ret, struct kp_error *e)
{
	uint8_t bytes[KP_BLOB_MAX];
	unsigned int version;
	const char *s, *b64;
	json_t *d = NULL;
	size_t n;
	int r = js_object(j, "data", &d, e);

	if (!r)
		r = js_text(d, "ciphertext", &s, e);
	if (r)
		return r;
	if (strlen(s) >= KP_BLOB_MAX || hv_ciphertext_split(s, &version, &b64) ||
	    b64_std_decode(b64, strlen(b64), bytes, sizeof(bytes), &n) || !n)
		return wrong(e, "the ciphertext is none");
	*ret = s;
	return 0;
}

int hv_read_plaintext(const json_t *j, uint8_t ret[static KP_SECRET_LEN], struct kp_error *e)
{
	json_t *d = NULL;
	size_t n = 0;
	int r = js_object(j, "data", &d, e);

	if (!r)
		r = js_b64(d, "plaintext", ret, KP_SECRET_LEN, &n, e);
	if (!r && n != KP_SECRET_LEN)
		r = wrong(e, "what was wrapped is of another length");
	if (r)
		secret_wipe(ret, KP_SECRET_LEN);
	return r;
}

/* ---- rights ---------------------------------------------------------------------- */

static unsigned int capability(const char *word)
{
	static const struct {
		const char *word;
		unsigned int bits;
	} words[] = {
		{ "read", HV_READ },
		{ "update", HV_UPDATE },
		{ "deny", 0 },
		{ "root", HV_READ | HV_UPDATE | HV_OTHER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(word, words[i].word))
			return words[i].bits;
	return HV_OTHER; /* create, delete, list, sudo, patch … */
}

int hv_read_capabilities(const json_t *j, const char *path, unsigned int *ret, struct kp_error *e)
{
	json_t *d = NULL, *list = NULL, *v;
	unsigned int bits = 0;
	size_t i;
	int r = js_object(j, "data", &d, e);

	if (!r)
		r = js_array(d, path, &list, e);
	if (r)
		return r;
	json_array_foreach(list, i, v) {
		if (!json_is_string(v))
			return wrong(e, "a capability is no text");
		bits |= capability(json_string_value(v));
	}
	*ret = bits;
	return 0;
}

/* ---- tokens ---------------------------------------------------------------------- */

/* It goes into a header: nothing but visible characters. */
bool hv_token_ok(const char *s)
{
	const char *p = s;

	while (*p > 0x20 && *p < 0x7f)
		p++;
	return p > s && !*p && p - s < HV_TOKEN_MAX;
}

static int read_lifetime(const json_t *o, const char *name, struct hv_lifetime *ret,
			 struct kp_error *e)
{
	struct hv_lifetime l;
	int r = js_int(o, name, 0, TTL_MAX, &l.ttl, e);

	if (!r)
		r = js_bool_or(o, "renewable", false, &l.renewable, e);
	if (!r)
		*ret = l;
	return r;
}

int hv_read_login(const json_t *j, const char **ret, struct hv_lifetime *ret_life,
		  struct kp_error *e)
{
	const char *token = "";
	json_t *a = NULL;
	int r = js_object(j, "auth", &a, e);

	if (!r)
		r = js_text(a, "client_token", &token, e);
	if (!r && !hv_token_ok(token))
		r = wrong(e, "the token is none");
	if (!r)
		r = read_lifetime(a, "lease_duration", ret_life, e);
	if (!r)
		*ret = token;
	return r;
}

int hv_read_lookup(const json_t *j, struct hv_lifetime *ret, struct kp_error *e)
{
	json_t *d = NULL;
	int r = js_object(j, "data", &d, e);

	return r ? r : read_lifetime(d, "ttl", ret, e);
}

/* ---- errors ---------------------------------------------------------------------- */

void hv_read_errors(const json_t *j, char *ret, size_t cap)
{
	const json_t *list = json_object_get(j, "errors"), *v;
	size_t i, n = 0;

	ret[0] = '\0';
	json_array_foreach(list, i, v) {
		if (!json_is_string(v) || n + 3 >= cap)
			continue;
		n += (size_t)snprintf(ret + n, cap - n, "%s%s", n ? "; " : "",
				      json_string_value(v));
		n = MIN(n, cap - 1);
	}
	for (; *ret; ret++)
		if (*ret == '\n' || *ret == '\t')
			*ret = ' ';
}
