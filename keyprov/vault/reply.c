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

#define VERSION_MAX 1000000000
#define TTL_MAX (INT64_C(100) * 366 * 86400)

static int read_bool(const json_t *j, const char *name, bool needed, bool *ret)
{
	const json_t *v = json_object_get(j, name);

	if (!v && !needed)
		*ret = false;
	else if (!json_is_boolean(v))
		return -EPROTO;
	else
		*ret = json_is_true(v);
	return 0;
}

static int read_number(const json_t *j, const char *name, int64_t min, int64_t max, int64_t *ret)
{
	const json_t *v = json_object_get(j, name);

	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max)
		return -EPROTO;
	*ret = json_integer_value(v);
	return 0;
}

static int read_text(const json_t *j, const char *name, char *ret, size_t cap)
{
	const json_t *v = json_object_get(j, name);
	size_t n = json_string_length(v);

	if (!json_is_string(v) || !n || n >= cap || strlen(json_string_value(v)) != n)
		return -EPROTO;
	memcpy(ret, json_string_value(v), n + 1);
	return 0;
}

/* ---- the key --------------------------------------------------------------------- */

/* The oldest version that decrypts: versions may have been trimmed as well. */
static int read_versions(const json_t *d, struct hv_key *k)
{
	int64_t latest, min, trimmed = 0;

	if (read_number(d, "latest_version", 1, VERSION_MAX, &latest) ||
	    read_number(d, "min_decryption_version", 0, VERSION_MAX, &min))
		return -EPROTO;
	if (json_object_get(d, "min_available_version") &&
	    read_number(d, "min_available_version", 0, VERSION_MAX, &trimmed))
		return -EPROTO;
	k->latest = (unsigned int)latest;
	k->oldest = (unsigned int)MAX(MAX(min, trimmed), 1);
	return 0;
}

int hv_read_key(const json_t *j, struct hv_key *ret)
{
	const json_t *d = json_object_get(j, "data");
	struct hv_key k = { 0 };

	if (read_text(d, "type", k.type, sizeof(k.type)) || read_versions(d, &k) ||
	    read_bool(d, "deletion_allowed", true, &k.deletion_allowed) ||
	    read_bool(d, "exportable", true, &k.exportable) ||
	    read_bool(d, "allow_plaintext_backup", true, &k.plaintext_backup) ||
	    read_bool(d, "derived", false, &k.derived) ||
	    read_bool(d, "supports_decryption", true, &k.decrypts) ||
	    read_bool(d, "soft_deleted", false, &k.soft_deleted))
		return -EPROTO;
	*ret = k;
	return 0;
}

/* ---- encrypt, decrypt ------------------------------------------------------------ */

/* The N of "vault:vN:", and the rest in RET. */
static int split(const char *s, unsigned int *ret_version, const char **ret)
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
	*ret = end + 1;
	return 0;
}

int hv_read_ciphertext(const json_t *j, unsigned int *ret_version,
		       uint8_t ret[static KP_BLOB_MAX], size_t *ret_n)
{
	const json_t *c = json_object_get(json_object_get(j, "data"), "ciphertext");
	const char *b64;
	unsigned int version;
	size_t n;

	if (!json_is_string(c) || split(json_string_value(c), &version, &b64) ||
	    b64_std_decode(b64, strlen(b64), ret, KP_BLOB_MAX, &n) || !n)
		return -EPROTO;
	*ret_version = version;
	*ret_n = n;
	return 0;
}

int hv_read_plaintext(const json_t *j, uint8_t *ret, size_t n)
{
	const json_t *p = json_object_get(json_object_get(j, "data"), "plaintext");
	size_t len = 0;

	if (json_is_string(p) &&
	    !b64_std_decode(json_string_value(p), json_string_length(p), ret, n, &len) && len == n)
		return 0;
	secret_wipe(ret, n);
	return -EPROTO;
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
		{ "create", HV_CREATE },
		{ "deny", 0 },
		{ "root", HV_READ | HV_UPDATE | HV_CREATE | HV_OTHER },
	};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (!strcmp(word, words[i].word))
			return words[i].bits;
	return HV_OTHER; /* delete, list, sudo, patch … */
}

int hv_read_capabilities(const json_t *j, const char *path, unsigned int *ret)
{
	const json_t *list = json_object_get(json_object_get(j, "data"), path), *v;
	unsigned int bits = 0;
	size_t i;

	if (!json_is_array(list))
		return -EPROTO;
	json_array_foreach(list, i, v) {
		if (!json_is_string(v))
			return -EPROTO;
		bits |= capability(json_string_value(v));
	}
	*ret = bits;
	return 0;
}

/* ---- tokens ---------------------------------------------------------------------- */

static int read_lifetime(const json_t *j, const char *name, struct hv_auth *a)
{
	return read_number(j, name, 0, TTL_MAX, &a->ttl) ||
	       read_bool(j, "renewable", false, &a->renewable) ? -EPROTO : 0;
}

/* A token goes into a header: nothing but visible characters. */
static bool token_ok(const char *s)
{
	for (; *s; s++)
		if (*s <= 0x20 || *s > 0x7e)
			return false;
	return true;
}

int hv_read_login(const json_t *j, struct hv_auth *ret)
{
	const json_t *a = json_object_get(j, "auth");
	struct hv_auth *got = secret_alloc(sizeof(*got));
	int r = -EPROTO;

	if (got && !read_text(a, "client_token", got->token, sizeof(got->token)) &&
	    token_ok(got->token) && !read_lifetime(a, "lease_duration", got)) {
		*ret = *got;
		r = 0;
	}
	secret_free(got);
	return r;
}

int hv_read_lookup(const json_t *j, struct hv_auth *ret)
{
	struct hv_auth *got = secret_alloc(sizeof(*got));
	int r = -EPROTO;

	if (got && !read_lifetime(json_object_get(j, "data"), "ttl", got)) {
		ret->ttl = got->ttl;
		ret->renewable = got->renewable;
		r = 0;
	}
	secret_free(got);
	return r;
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
