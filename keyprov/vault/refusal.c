/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a refusal means.  The server says 400 for much that is a denial and 500
 * for a damaged ciphertext, so the text goes before the status; the rows are
 * looked at in order.
 */
#include <errno.h>
#include <stdio.h>

#include "hashivault.h"

#define ANY 0
#define UNSEAL "unseal the server: vault operator unseal"
#define DAMAGED "cmkfs key show DIR tells which key it was wrapped by"

/* In texts: %k is the key's path, %m its mount, %n its name, %v the version, %h the host. */
static const struct refusal {
	long status;	  /* ANY, or of the answer */
	const char *text; /* part of an error's text; NULL: any */
	int code;
	const char *message, *hint;
} refusals[] = {
	{ ANY, "is sealed", -EAGAIN, "the server at %h is sealed", UNSEAL },
	{ ANY, "is not initialized", -EAGAIN, "the server at %h is not initialised", UNSEAL },
	{ ANY, "soft-deleted", -EKEYREVOKED, "key %k is soft-deleted",
	  "bao write -f %m/keys/%n/soft-delete-restore" },
	{ ANY, "disallowed by policy (too old)", -EKEYREVOKED,
	  "version %v of key %k is below its minimum decryption version",
	  "allow it again: vault write %m/keys/%n/config min_decryption_version=%v" },
	{ ANY, "no such key version", -EKEYREVOKED,
	  "version %v of key %k is gone or below its minimum decryption version",
	  "allow it again: vault write %m/keys/%n/config min_decryption_version=%v" },
	{ ANY, "less than the minimum encryption key version", -EKEYREVOKED,
	  "version %v of key %k is below its minimum encryption version",
	  "use the newest version: leave ?version= out of the URI" },
	{ ANY, "higher than the latest key version", -ENOENT,
	  "key %k at %h has no version %v", "vault read %m/keys/%n lists its versions" },
	{ ANY, "version is too new", -ENOENT,
	  "key %k at %h has no version %v", "was it deleted and made anew? vault read %m/keys/%n" },
	{ ANY, "encryption key not found", -ENOENT, "there is no key %k at %h",
	  "a deleted key comes back by a restored backup of the server alone" },
	{ ANY, "no handler for route", -ENOENT, "nothing is mounted at %m on %h",
	  "vault secrets list; a namespace is set by namespace in [vault], see cmkfs.conf(5)" },
	{ ANY, "namespace not found", -ENOENT, "the namespace of key %k is not at %h",
	  "set namespace in [vault], see cmkfs.conf(5)" },
	{ ANY, "message authentication failed", -EBADMSG,
	  "the wrapped key was not made by %k for this zone, or is damaged", DAMAGED },
	{ ANY, "decryption error", -EBADMSG,
	  "the wrapped key was not made by %k, or is damaged", DAMAGED },
	{ ANY, "invalid ciphertext", -EBADMSG,
	  "the wrapped key was not made by %k, or is damaged", DAMAGED },
	{ ANY, "for non-AEAD cipher", -EBADMSG, "key %k is of another kind than before", DAMAGED },
	{ ANY, "not supported for key type", -EKEYREJECTED, "key %k cannot wrap",
	  "make one that can: vault write -f %m/keys/NEW-NAME type=aes256-gcm96" },
	{ ANY, "quota exceeded", -EAGAIN, "the server at %h is asked too often",
	  "raise its rate limit: vault list sys/quotas/rate-limit" },
	{ 429, NULL, -EAGAIN, "the server at %h is asked too often",
	  "raise its rate limit: vault list sys/quotas/rate-limit" },
	{ 403, NULL, -EACCES, "the policy of the token does not allow %k",
	  "allow read on %m/keys/%n, update on %m/encrypt/%n and %m/decrypt/%n; "
	  "cmkfs-providers(7) has the policy to paste" },
	{ 404, NULL, -ENOENT, "there is no key %k at %h", "vault list %m/keys" },
	{ 408, NULL, -EAGAIN, "the server at %h is busy", NULL },
	{ 412, NULL, -EAGAIN, "the server at %h is behind its primary", NULL },
};

static const struct refusal *find(long status, const char *texts)
{
	for (size_t i = 0; i < ARRAY_SIZE(refusals); i++) {
		const struct refusal *r = &refusals[i];

		if ((r->status == ANY || r->status == status) &&
		    (!r->text || strstr(texts, r->text)))
			return r;
	}
	return NULL;
}

static void put(char *ret, size_t cap, const char *s)
{
	size_t n = strlen(ret);

	snprintf(ret + n, cap - n, "%s", s);
}

static void fill_in(const char *text, const struct hv_uri *u, char *ret, size_t cap)
{
	char version[16], plain[2] = "";

	snprintf(version, sizeof(version), "%u", u->version);
	ret[0] = '\0';
	for (; *text; text++) {
		plain[0] = *text;
		if (*text != '%') {
			put(ret, cap, plain);
			continue;
		}
		switch (*++text) {
		case 'k':
			put(ret, cap, u->mount);
			put(ret, cap, "/");
			put(ret, cap, u->name);
			break;
		case 'm':
			put(ret, cap, u->mount);
			break;
		case 'n':
			put(ret, cap, u->name);
			break;
		case 'v':
			put(ret, cap, version);
			break;
		default:
			put(ret, cap, u->host);
			break;
		}
	}
}

int hv_refusal(long status, const json_t *j, const struct hv_uri *u, struct kp_error *e)
{
	char texts[256], message[256], hint[320];
	const struct refusal *r;

	hv_read_errors(j, texts, sizeof(texts));
	r = find(status, texts);
	if (!r)
		return kp_fail(e, status >= 500 ? -EAGAIN : -EPROTO, NULL,
			       "the server at %s answers %ld: %s", u->host, status,
			       texts[0] ? texts : "no reason");
	fill_in(r->message, u, message, sizeof(message));
	fill_in(r->hint ? r->hint : "", u, hint, sizeof(hint));
	return kp_fail(e, r->code, hint[0] ? hint : NULL, "%s", message);
}
