/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restoring a vault from its backup.  All of it comes back, or nothing.
 */
#include "backup.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"

struct taking {
	struct local *l; /* within the call */
	char object[LOCAL_VAULT_MAX + 16], detail[120];
	const struct backup_keys *keys;
	const uint8_t *body;
	size_t n;
	bool merge;
	struct vault_row vault;
	struct local_uri key;	/* the one whose versions come next */
	int64_t key_id;		/* 0: it is there, and left as it is */
	struct local_restored *ret;
};

/* ---- the parts --------------------------------------------------------------------- */

static int there_already(const struct local_vault *v, struct kp_error *e)
{
	kp_fail(e, -EEXIST, NULL, "there is a %svault %s already", v->deleted ? "deleted " : "",
		v->name);
	if (v->deleted)
		return kp_hint(e, -EEXIST, "cmkfs vault recover %s, then restore with --merge",
			       v->name);
	return kp_hint(e, -EEXIST, "--merge adds the keys that are missing in it");
}

static int take_vault(void *arg, const struct local_vault *v, struct kp_error *e)
{
	struct taking *t = arg;
	int r = vault_find(t->l, v->name, &t->vault, NULL);

	if (!r)
		return t->merge && !t->vault.v.deleted ? 0 : there_already(&t->vault.v, e);
	if (r != -ENOENT)
		return vault_find(t->l, v->name, &t->vault, e);
	r = vault_insert(t->l, v, e);
	if (!r)
		r = vault_find(t->l, v->name, &t->vault, e);
	return r ? r : db_run(t->l, e, "UPDATE vault SET created = ?, firewall = ?, "
			      "trusted_services = ? WHERE id = ?", "iiii", v->created,
			      (int64_t)v->firewall, (int64_t)v->trusted_services, t->vault.id);
}

/* Who has a policy in the vault that is there keeps it as it is. */
static int take_policy(void *arg, const char *principal, unsigned int permissions,
		       struct kp_error *e)
{
	struct taking *t = arg;

	return db_run(t->l, e, "INSERT INTO policy VALUES (?, ?, ?) ON CONFLICT DO NOTHING", "isi",
		      t->vault.id, principal, (int64_t)permissions);
}

static int take_key(void *arg, const struct key_row *k, struct kp_error *e)
{
	struct taking *t = arg;
	struct key_row old;
	int r = key_find(t->l, &t->vault, k->k.name, &old, NULL);

	snprintf(t->key.vault, sizeof(t->key.vault), "%s", t->vault.v.name);
	snprintf(t->key.key, sizeof(t->key.key), "%s", k->k.name);
	t->key_id = 0;
	if (!r) {
		t->ret->left++;
		return 0;
	}
	r = db_run(t->l, e, "INSERT INTO key (vault_id, name, owner, enabled, created, deleted, "
		   "purge_at, rotate_after, expire_after) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		   "issiiiiii", t->vault.id, k->k.name, k->owner, (int64_t)k->k.enabled,
		   k->k.created,
		   k->k.deleted, k->k.purge_at, k->k.rotate_after, k->k.expire_after);
	t->key_id = sqlite3_last_insert_rowid(t->l->db);
	t->ret->keys++;
	return r;
}

/* From under the key of the backup to under the master key of this host. */
static int reseal(struct taking *t, const struct backup_version *v, const struct local_uri *kid,
		  uint8_t *ret, struct kp_error *e)
{
	size_t n = v->sealed_len - SEALED_EXTRA;
	_cleanup_secret_ uint8_t *der = secret_alloc(n);
	char aad[KP_URI_MAX];

	if (!der)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for a private key");
	if (aead_open_message(t->keys->private, aad,
			      backup_aad(kid->vault, kid->key, kid->version, aad, sizeof(aad)),
			      v->sealed, v->sealed_len, der))
		return kp_fail(e, -EBADMSG, "take another backup", "a private key in the backup is "
			       "damaged");
	if (master_seal(t->l->master, kid, der, n, ret))
		return kp_fail(e, -EIO, NULL, "sealing a key failed");
	return 0;
}

static int insert_version(struct taking *t, const struct backup_version *v, const uint8_t *sealed,
			  struct kp_error *e)
{
	int r = db_run(t->l, NULL, "INSERT INTO key_version (key_id, version, type, bits, enabled, "
		       "created, not_before, expires, deleted, purge_at, public, sealed) "
		       "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", "issiiiiiiibb", t->key_id,
		       v->version, v->v.type, (int64_t)v->v.bits, (int64_t)v->v.enabled,
		       v->v.created, v->v.not_before, v->v.expires, v->v.deleted, v->v.purge_at,
		       v->public, v->public_len, sealed ? sealed : (const void *)"", v->sealed_len);

	if (!r)
		return 0;
	return kp_fail(e, -EIO, "cmkfs vault key list looks for it", "version %s of key %s cannot "
		       "be put back; it may be in another vault", v->version, t->key.key);
}

static int take_version(void *arg, const struct backup_version *v, struct kp_error *e)
{
	_cleanup_free_ uint8_t *sealed = NULL;
	struct taking *t = arg;
	struct local_uri kid = t->key;
	int r = 0;

	if (!t->key_id)
		return 0;
	memcpy(kid.version, v->version, sizeof(kid.version));
	if (v->sealed_len) {
		sealed = malloc(v->sealed_len);
		r = sealed ? reseal(t, v, &kid, sealed, e) :
			     kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	}
	if (!r)
		r = insert_version(t, v, sealed, e);
	t->ret->versions += !r;
	return r;
}

/* ---- the whole --------------------------------------------------------------------- */

static int do_restore(struct local *l, void *arg, struct kp_error *e)
{
	static const struct backup_visitor take = { take_vault, take_policy, take_key,
						    take_version };
	struct taking *t = arg;
	int r;

	t->l = l;
	r = backup_parse(t->body, t->n, &take, t, e);
	snprintf(t->detail, sizeof(t->detail), "%u keys, %u versions; %u keys were there",
		 t->ret->keys, t->ret->versions, t->ret->left);
	return r;
}

static int name_of(void *arg, const struct local_vault *v, struct kp_error *e)
{
	struct local_restored *ret = arg;

	(void)e;
	snprintf(ret->vault, sizeof(ret->vault), "%s", v->name);
	return 0;
}

static int open_body(const uint8_t *p, size_t n, const char *pass, size_t pass_len,
		     struct backup_keys *keys, uint8_t *ret, struct kp_error *e)
{
	int r = backup_keys(p, pass, pass_len, keys, e);

	if (!r && aead_open_message(keys->body, p, BACKUP_HEADER, p + BACKUP_HEADER,
				    n - BACKUP_HEADER,
				    ret))
		r = kp_fail(e, -EACCES, "try the passphrase again, or another copy of the file",
			    "the passphrase of the backup is wrong, or the file is damaged");
	return r;
}

int local_vault_restore(struct local *l, const uint8_t *p, size_t n, const char *pass,
			size_t pass_len, bool merge, struct local_restored *ret,
			struct kp_error *e)
{
	static const struct backup_visitor look = { .vault = name_of };
	struct taking t = { .merge = merge, .ret = ret };
	struct call c = { .operation = "vault.restore", .object = t.object, .detail = t.detail,
			  .changes = true, .operator_only = true };
	struct backup_keys *keys;
	uint8_t *body;
	int r = backup_check(p, n, e);

	if (r)
		return r;
	memset(ret, 0, sizeof(*ret));
	keys = secret_alloc(sizeof(*keys));
	body = malloc(n);
	if (!keys || !body)
		r = kp_fail(e, -EAGAIN, NULL, "no memory for a backup");
	if (!r)
		r = open_body(p, n, pass, pass_len, keys, body, e);
	t.keys = keys;
	t.body = body;
	t.n = n - BACKUP_EXTRA;
	if (!r)
		r = backup_parse(body, t.n, &look, ret, e);
	if (!r) {
		snprintf(t.object, sizeof(t.object), "local://%s", ret->vault);
		r = local_call(l, &c, do_restore, &t, e);
	}
	secret_free(keys);
	free(body);
	return r;
}
