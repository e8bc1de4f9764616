/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Vaults as rows: finding them, entering them with a permission, and dropping
 * what was deleted for longer than the retention.
 */
#include "db.h"

#include <errno.h>
#include <stdio.h>

#define VAULT_COLUMNS                                                                            \
	"id, name, created, soft_delete, retention_days, purge_protection, tenant, region, "     \
	"firewall, trusted_services, service, deleted, purge_at, "                              \
	"(SELECT count(*) FROM key WHERE vault_id = vault.id AND deleted = 0)"

void vault_read(sqlite3_stmt *s, struct vault_row *ret)
{
	struct local_vault *v = &ret->v;

	memset(ret, 0, sizeof(*ret));
	ret->id = sqlite3_column_int64(s, 0);
	db_text(s, 1, v->name, sizeof(v->name));
	v->created = sqlite3_column_int64(s, 2);
	v->soft_delete = sqlite3_column_int(s, 3);
	v->retention_days = sqlite3_column_int(s, 4);
	v->purge_protection = sqlite3_column_int(s, 5);
	db_text(s, 6, v->tenant, sizeof(v->tenant));
	db_text(s, 7, v->region, sizeof(v->region));
	v->firewall = sqlite3_column_int(s, 8);
	v->trusted_services = sqlite3_column_int(s, 9);
	v->service = sqlite3_column_int(s, 10);
	v->deleted = sqlite3_column_int64(s, 11);
	v->purge_at = sqlite3_column_int64(s, 12);
	v->keys = (unsigned int)sqlite3_column_int(s, 13);
}

int vault_select(struct local *l, sqlite3_stmt **ret, bool deleted, struct kp_error *e)
{
	return db_prepare(l, ret, e, "SELECT " VAULT_COLUMNS " FROM vault "
			  "WHERE (deleted <> 0) = ? ORDER BY name", "i", (int64_t)deleted);
}

int vault_find(struct local *l, const char *name, struct vault_row *ret, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = db_prepare(l, &s, e, "SELECT " VAULT_COLUMNS " FROM vault WHERE name = ?", "s",
			   name);

	if (!r)
		r = db_step(l, s, e);
	if (r < 0)
		return r;
	if (!r) {
		kp_fail(e, -ENOENT, NULL, "no vault %s", name);
		return kp_hint(e, -ENOENT, "cmkfs vault list; to make it: cmkfs vault create %s "
			       "--purge-protection", name);
	}
	vault_read(s, ret);
	return 0;
}

static int check_firewall(const struct local *l, const struct local_vault *v, struct kp_error *e)
{
	if (!v->firewall || v->trusted_services)
		return 0;
	kp_fail(e, -EACCES, NULL, "the firewall of vault %s does not let trusted services in, so "
		"not %s", v->name, l->principal);
	return kp_hint(e, -EACCES, "cmkfs vault firewall %s on --trusted-services", v->name);
}

static int check_policy(struct local *l, const struct vault_row *v, unsigned int perm,
			struct kp_error *e)
{
	char need[LOCAL_PERMISSIONS_MAX], full[LOCAL_PERMISSIONS_MAX];
	unsigned int has;
	int r = policy_of(l, v->id, l->principal, &has, e);

	if (r || (has & perm) == perm)
		return r;
	local_permissions_format(perm & ~has, need);
	local_permissions_format(has | perm | (perm & PERM_USE ? PERM_USE : 0), full);
	kp_fail(e, -EACCES, NULL, "the policy of vault %s does not grant %s to %s", v->v.name, need,
		l->principal);
	return kp_hint(e, -EACCES, "cmkfs vault policy set %s %s %s", v->v.name, l->principal,
		       full);
}

int vault_enter(struct local *l, const char *name, unsigned int perm, struct vault_row *ret,
		struct kp_error *e)
{
	int r = vault_find(l, name, ret, e);

	if (r)
		return r;
	if (ret->v.deleted) {
		kp_fail(e, -EKEYREVOKED, NULL, "vault %s is deleted", name);
		return kp_hint(e, -EKEYREVOKED, "cmkfs vault recover %s", name);
	}
	if (!l->principal[0])
		return 0;
	r = check_firewall(l, &ret->v, e);
	return r ? r : check_policy(l, ret, perm, e);
}

int vault_insert(struct local *l, const struct local_vault *v, struct kp_error *e)
{
	return db_run(l, e, "INSERT INTO vault (name, created, soft_delete, retention_days, "
		      "purge_protection, tenant, region, service) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
		      "siiiissi", v->name, now_seconds(), (int64_t)v->soft_delete,
		      (int64_t)v->retention_days, (int64_t)v->purge_protection, v->tenant,
		      v->region, (int64_t)v->service);
}

/* ---- retention ------------------------------------------------------------------- */

#define OVERDUE_VERSIONS                                                                         \
	"SELECT 'local://' || vault.name || '/keys/' || key.name || '/' || version "             \
	"FROM key_version JOIN key ON key.id = key_id JOIN vault ON vault.id = vault_id "        \
	"WHERE key_version.deleted <> 0 AND key_version.purge_at <= ?"
#define OVERDUE_KEYS                                                                             \
	"SELECT 'local://' || vault.name || '/keys/' || key.name FROM key "                      \
	"JOIN vault ON vault.id = vault_id WHERE key.deleted <> 0 AND key.purge_at <= ?"
#define OVERDUE_VAULTS                                                                           \
	"SELECT 'local://' || name FROM vault WHERE deleted <> 0 AND purge_at <= ?"

static const char *const overdue[] = { OVERDUE_VERSIONS, OVERDUE_KEYS, OVERDUE_VAULTS };

static const char *const drops[] = { /* in the same order; what hangs on a row goes with it */
	"DELETE FROM key_version WHERE deleted <> 0 AND purge_at <= ?",
	"DELETE FROM key WHERE deleted <> 0 AND purge_at <= ?",
	"DELETE FROM vault WHERE deleted <> 0 AND purge_at <= ?",
};

int vault_overdue(struct local *l, vault_overdue_fn *fn, void *arg, struct kp_error *e)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(overdue) && !r; i++) {
		_cleanup_stmt_ sqlite3_stmt *s = NULL;

		r = db_prepare(l, &s, e, overdue[i], "i", now_seconds());
		while (!r && (r = db_step(l, s, e)) == 1)
			r = fn(l, arg, (const char *)sqlite3_column_text(s, 0), e);
	}
	return r;
}

static int record(struct local *l, void *arg, const char *object, struct kp_error *e)
{
	(void)arg;
	return record_note(l, "vault:retention", "purge", object, "the retention has ended", e);
}

int vault_sweep(struct local *l, struct kp_error *e)
{
	int r = vault_overdue(l, record, NULL, e);

	for (size_t i = 0; i < ARRAY_SIZE(drops) && !r; i++)
		r = db_run(l, e, drops[i], "i", now_seconds());
	return r;
}
