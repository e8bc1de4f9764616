/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making a backup of a vault.
 */
#include "backup.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"

struct making {
	char vault[LOCAL_VAULT_MAX], object[LOCAL_VAULT_MAX + 16], detail[80];
	struct backup_keys *keys;
	struct backup_body body;
};

/* The private key of a version, from under the master key to under that of the backup. */
static int reseal(struct local *l, const struct making *m, const char *key, const char *version,
		  const uint8_t *sealed, size_t n, uint8_t *ret, struct kp_error *e)
{
	_cleanup_secret_ uint8_t *der = n > SEALED_EXTRA ? secret_alloc(n - SEALED_EXTRA) : NULL;
	struct local_uri u = { .vault = "" };
	char aad[KP_URI_MAX];

	if (!der)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for a private key");
	snprintf(u.vault, sizeof(u.vault), "%s", m->vault);
	snprintf(u.key, sizeof(u.key), "%s", key);
	snprintf(u.version, sizeof(u.version), "%s", version);
	if (master_open(l->master, &u, sealed, n, der))
		return kp_fail(e, -EIO, "restore vault.db from a backup",
			       "the private key of %s/%s is damaged in the vault", key, version);
	if (aead_seal_message(m->keys->private, aad,
			      backup_aad(m->vault, key, version, aad, sizeof(aad)), der, n - SEALED_EXTRA, ret))
		return kp_fail(e, -EIO, NULL, "sealing a key failed");
	return 0;
}

static int put_version(struct local *l, struct making *m, const struct key_row *k,
		       sqlite3_stmt *s, struct kp_error *e)
{
	const struct local_uri u = { .vault = "v" };
	struct version_row row;
	struct backup_version v;
	_cleanup_free_ uint8_t *sealed = NULL;
	int r = 0;

	version_read(s, &u, &row);
	v = (struct backup_version){ .v = row.v };
	memcpy(v.version, row.version, sizeof(v.version));
	v.public = sqlite3_column_blob(s, 10);
	v.public_len = (size_t)sqlite3_column_bytes(s, 10);
	v.sealed_len = (size_t)sqlite3_column_bytes(s, 11);
	if (v.sealed_len) {
		sealed = malloc(v.sealed_len);
		if (!sealed)
			return kp_fail(e, -EAGAIN, NULL, "no memory for a backup");
		r = reseal(l, m, k->k.name, v.version, sqlite3_column_blob(s, 11), v.sealed_len,
			   sealed,
			   e);
		v.sealed = sealed;
	}
	if (!r)
		backup_put_version(&m->body, &v);
	return r;
}

static int put_key(struct local *l, struct making *m, const struct key_row *k, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = db_prepare(l, &s, e, "SELECT " VERSION_COLUMNS ", public, sealed FROM key_version "
			   "WHERE key_id = ? ORDER BY id", "i", k->id);

	backup_put_key(&m->body, k);
	while (!r && (r = db_step(l, s, e)) == 1)
		r = put_version(l, m, k, s, e);
	return r;
}

static int put_keys(struct local *l, struct making *m, const struct vault_row *v, bool deleted,
		    struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	struct key_row k;
	int r = key_select(l, &s, v, deleted, e);

	while (!r && (r = db_step(l, s, e)) == 1) {
		key_read(s, m->vault, &k);
		r = put_key(l, m, &k, e);
	}
	return r;
}

static int put_policies(struct local *l, struct making *m, const struct vault_row *v,
			struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = db_prepare(l, &s, e, "SELECT principal, permissions FROM policy WHERE vault_id = ? "
			   "ORDER BY principal", "i", v->id);

	while (!r && (r = db_step(l, s, e)) == 1) {
		backup_put_policy(&m->body, (const char *)sqlite3_column_text(s, 0),
				  (unsigned int)sqlite3_column_int(s, 1));
		r = 0;
	}
	return r;
}

static int do_backup(struct local *l, void *arg, struct kp_error *e)
{
	struct making *m = arg;
	struct vault_row v;
	int r = vault_enter(l, m->vault, 0, &v, e);

	if (r)
		return r;
	backup_put_vault(&m->body, &v.v);
	r = put_policies(l, m, &v, e);
	if (!r)
		r = put_keys(l, m, &v, false, e);
	if (!r)
		r = put_keys(l, m, &v, true, e);
	if (r)
		return r;
	backup_put_end(&m->body);
	snprintf(m->detail, sizeof(m->detail), "%u keys, %u versions", m->body.keys,
		 m->body.versions);
	return m->body.failed ? kp_fail(e, -EAGAIN, NULL, "no memory for a backup") : 0;
}

static int seal(const struct making *m, const uint8_t *header, uint8_t **ret, size_t *ret_n,
		struct kp_error *e)
{
	uint8_t *p = malloc(m->body.n + BACKUP_EXTRA);

	if (!p)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a backup");
	memcpy(p, header, BACKUP_HEADER);
	put_le64(p + 48, m->body.n);
	if (aead_seal_message(m->keys->body, p, BACKUP_HEADER, m->body.p, m->body.n,
			      p + BACKUP_HEADER)) {
		free(p);
		return kp_fail(e, -EIO, NULL, "sealing a backup failed");
	}
	*ret = p;
	*ret_n = m->body.n + BACKUP_EXTRA;
	return 0;
}

int local_vault_backup(struct local *l, const char *vault, const char *pass, size_t pass_len,
		       uint8_t **ret, size_t *ret_n, struct kp_error *e)
{
	struct making m = { .keys = secret_alloc(sizeof(*m.keys)) };
	struct call c = { .operation = "vault.backup", .object = m.object, .detail = m.detail,
			  .operator_only = true };
	uint8_t header[BACKUP_HEADER];
	int r = local_vault_name(vault, m.vault, e);

	snprintf(m.object, sizeof(m.object), "local://%s", m.vault);
	if (!r && !m.keys)
		r = kp_fail(e, -EAGAIN, NULL, "no locked memory for a backup");
	if (!r)
		r = backup_header(header, e);
	if (!r)
		r = backup_keys(header, pass, pass_len, m.keys, e);
	if (!r)
		r = local_call(l, &c, do_backup, &m, e);
	if (!r)
		r = seal(&m, header, ret, ret_n, e);
	secret_free(m.keys);
	free(m.body.p);
	return r;
}
