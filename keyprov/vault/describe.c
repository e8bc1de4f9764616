/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Judging a transit key.  The engine knows no vaults with purge protection:
 * that a key cannot be deleted (deletion_allowed) is its counterpart, and that
 * its material cannot leave the server (exportable, allow_plaintext_backup) is
 * what makes revocation mean something.
 */
#include "describe.h"

#include <errno.h>
#include <stdio.h>

/* ---- rights ---------------------------------------------------------------------- */

/* Where a right over a key can be, and the one that is needed there. */
static const struct place {
	const char *before, *after; /* of the key's name, beneath the mount */
	unsigned int needed;
} places[] = {
	{ "keys/", "", HV_READ },
	{ "encrypt/", "", HV_UPDATE },
	{ "decrypt/", "", HV_UPDATE },
	{ "keys/", "/config", 0 },
	{ "keys/", "/rotate", 0 },
	{ "export/encryption-key/", "", 0 },
	{ "backup/", "", 0 },
};

static void place_path(const struct hv_uri *u, const struct place *p, char ret[static HV_PATH_MAX])
{
	snprintf(ret, HV_PATH_MAX, "%s/%s%s%s", u->mount, p->before, u->name, p->after);
}

void hv_rights_question(const struct hv_uri *u, struct text *t)
{
	char path[HV_PATH_MAX];

	text_add(t, "{\"paths\":[");
	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		place_path(u, &places[i], path);
		text_add(t, i ? "," : "");
		text_json(t, path);
	}
	text_add(t, "]}");
}

int hv_read_rights(const json_t *j, const struct hv_uri *u, struct hv_rights *ret,
		   struct kp_error *e)
{
	unsigned int has[ARRAY_SIZE(places)];
	struct hv_rights rights = { .get = false };
	char path[HV_PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
		int r;

		place_path(u, &places[i], path);
		r = hv_read_capabilities(j, path, &has[i], e);
		if (r)
			return r;
		rights.more |= has[i] & ~places[i].needed;
	}
	rights.get = has[0] & HV_READ;
	rights.wrap = has[1] & HV_UPDATE;
	rights.unwrap = has[2] & HV_UPDATE;
	*ret = rights;
	return 0;
}

/* ---- kinds ----------------------------------------------------------------------- */

static const struct kind {
	const char *type;      /* of the server */
	const char *name;      /* of keyprov.h */
	unsigned int bits;
} kinds[] = {
	{ "aes256-gcm96", "oct", 256 },	     { "aes128-gcm96", "oct", 128 },
	{ "chacha20-poly1305", "oct", 256 }, { "xchacha20-poly1305", "oct", 256 },
	{ "rsa-2048", "RSA", 2048 },	     { "rsa-3072", "RSA", 3072 },
	{ "rsa-4096", "RSA", 4096 },
};

static const struct kind *kind_of(const char *type)
{
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(kinds[i].type, type))
			return &kinds[i];
	return NULL;
}

/* ---- refusals -------------------------------------------------------------------- */

/* FMT is of the hint, and has the mount and the name of the key. */
#define REFUSE(code, hint, ...)                                                                    \
	do {                                                                                       \
		kp_fail(e, code, NULL, __VA_ARGS__);                                               \
		kp_hint(e, code, hint, u->mount, u->name);                                         \
	} while (0)

static void refuse_kind(const struct hv_uri *u, const struct hv_key *k, struct kp_error *e)
{
	REFUSE(-EKEYREJECTED, "make one that wraps: vault write -f %s/keys/NEW-NAME "
	       "type=aes256-gcm96 (%s cannot be changed)",
	       "key %s/%s is of type %s, which cannot wrap", u->mount, u->name, k->type);
}

/* A flag that, once set, the server never takes back. */
static void refuse_for_good(const struct hv_uri *u, const char *what, struct kp_error *e)
{
	REFUSE(-EKEYREJECTED, "make one without it: vault write -f %s/keys/NEW-NAME "
	       "type=aes256-gcm96 (it cannot be taken from %s again)",
	       "the material of key %s/%s can leave the server: %s is set", u->mount, u->name,
	       what);
}

static void refuse_version(const struct hv_uri *u, const struct hv_key *k, struct kp_error *e)
{
	if (u->version > k->latest) {
		REFUSE(-ENOENT, "vault read %s/keys/%s lists its versions",
		       "key %s/%s has no version %u", u->mount, u->name, u->version);
		return;
	}
	kp_fail(e, -EKEYREVOKED, NULL,
		"version %u of key %s/%s is below its minimum decryption version %u", u->version,
		u->mount, u->name, k->oldest);
	kp_hint(e, -EKEYREVOKED, "allow it again: vault write %s/keys/%s/config "
		"min_decryption_version=%u", u->mount, u->name, u->version);
}

static void refuse_rights(const struct hv_uri *u, const struct hv_rights *has, struct kp_error *e)
{
	kp_fail(e, -EACCES, NULL, "the policy of the token does not grant%s%s%s over key %s/%s",
		has->get ? "" : " get", has->wrap ? "" : " wrapKey",
		has->unwrap ? "" : " unwrapKey", u->mount, u->name);
	kp_hint(e, -EACCES, "allow read on %1$s/keys/%2$s, update on %1$s/encrypt/%2$s and "
		"%1$s/decrypt/%2$s; cmkfs-providers(7) has the policy to paste", u->mount, u->name);
}

static void judge(const struct hv_uri *u, const struct hv_key *k, const struct hv_rights *has,
		  struct kp_error *e)
{
	if (!kind_of(k->type) || !k->decrypts)
		refuse_kind(u, k, e);
	else if (k->deletion_allowed)
		REFUSE(-EKEYREJECTED, "vault write %s/keys/%s/config deletion_allowed=false",
		       "key %s/%s has no purge protection: deletion_allowed is set", u->mount,
		       u->name);
	else if (k->exportable)
		refuse_for_good(u, "exportable", e);
	else if (k->plaintext_backup)
		refuse_for_good(u, "allow_plaintext_backup", e);
	else if (!has->get || !has->wrap || !has->unwrap)
		refuse_rights(u, has, e);
	else if (k->soft_deleted)
		REFUSE(-EKEYREVOKED, "bao write -f %s/keys/%s/soft-delete-restore",
		       "key %s/%s is soft-deleted", u->mount, u->name);
	else if (u->version && (u->version < k->oldest || u->version > k->latest))
		refuse_version(u, k, e);
}

void hv_describe(const struct hv_uri *u, const struct hv_key *k, const struct hv_rights *rights,
		 struct kp_info *ret)
{
	const struct kind *kind = kind_of(k->type);
	struct hv_uri of = *u, newest = *u;
	struct kp_info i = { .kid = "" };

	newest.version = k->latest;
	if (!of.version)
		of.version = k->latest;
	hv_uri_format(&of, i.kid);
	hv_uri_format(&newest, i.newest);
	snprintf(i.type, sizeof(i.type), "%.*s", (int)sizeof(i.type) - 1,
		 kind ? kind->name : k->type);
	i.bits = kind ? kind->bits : 0;
	i.enabled = !k->soft_deleted && of.version >= k->oldest && of.version <= k->latest;
	i.soft_delete = true;
	i.purge_protection = !k->deletion_allowed;
	i.may_get = rights->get;
	i.may_wrap = rights->wrap;
	i.may_unwrap = rights->unwrap;
	i.may_more = rights->more;
	snprintf(i.vault, sizeof(i.vault), "%.*s", (int)sizeof(i.vault) - 1, u->host);
	judge(&of, k, rights, &i.refusal);
	*ret = i;
}
