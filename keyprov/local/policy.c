/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access policies: what a principal may do with the keys of a vault.
 */
#include "db.h"

#include <errno.h>
#include <stdio.h>

int policy_of(struct local *l, int64_t vault_id, const char *principal, unsigned int *ret,
	      struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = db_prepare(l, &s, e, "SELECT permissions FROM policy WHERE vault_id = ? AND "
			   "principal = ?", "is", vault_id, principal);

	if (!r)
		r = db_step(l, s, e);
	if (r < 0)
		return r;
	*ret = r ? (unsigned int)sqlite3_column_int(s, 0) : 0;
	return 0;
}

int policy_put(struct local *l, int64_t vault_id, const char *principal, unsigned int permissions,
	       struct kp_error *e)
{
	return db_run(l, e, "INSERT INTO policy VALUES (?1, ?2, ?3) ON CONFLICT (vault_id, "
		      "principal) DO UPDATE SET permissions = excluded.permissions", "isi",
		      vault_id, principal, (int64_t)permissions);
}

struct policy_op {
	char vault[LOCAL_VAULT_MAX], object[LOCAL_VAULT_MAX + 16];
	const char *principal;
	unsigned int permissions;
	local_policy_fn *fn;
	void *arg;
};

static int prepare_op(struct policy_op *o, const char *vault, struct kp_error *e)
{
	int r = local_vault_name(vault, o->vault, e);

	if (!r)
		snprintf(o->object, sizeof(o->object), "local://%s", o->vault);
	if (!r && o->principal)
		r = local_principal_check(o->principal, e);
	return r;
}

static int do_set(struct local *l, void *arg, struct kp_error *e)
{
	const struct policy_op *o = arg;
	struct vault_row v;
	int r = vault_enter(l, o->vault, 0, &v, e);

	return r ? r : policy_put(l, v.id, o->principal, o->permissions, e);
}

int local_policy_set(struct local *l, const char *vault, const char *principal,
		     unsigned int permissions, struct kp_error *e)
{
	struct policy_op o = { .principal = principal, .permissions = permissions };
	char detail[LOCAL_PRINCIPAL_MAX + LOCAL_PERMISSIONS_MAX + 1], perms[LOCAL_PERMISSIONS_MAX];
	struct call c = { .operation = "policy.set", .object = o.object, .detail = detail,
			  .changes = true, .operator_only = true };
	int r = prepare_op(&o, vault, e);

	if (r)
		return r;
	local_permissions_format(permissions, perms);
	snprintf(detail, sizeof(detail), "%s %s", principal, perms);
	return local_call(l, &c, do_set, &o, e);
}

static int do_delete(struct local *l, void *arg, struct kp_error *e)
{
	const struct policy_op *o = arg;
	struct vault_row v;
	int r = vault_enter(l, o->vault, 0, &v, e);

	if (!r)
		r = db_run(l, e, "DELETE FROM policy WHERE vault_id = ? AND principal = ?", "is",
			   v.id, o->principal);
	if (!r && !sqlite3_changes(l->db)) {
		kp_fail(e, -ENOENT, NULL, "vault %s has no policy for %s", o->vault, o->principal);
		r = kp_hint(e, -ENOENT, "cmkfs vault policy list %s", o->vault);
	}
	return r;
}

int local_policy_delete(struct local *l, const char *vault, const char *principal,
			struct kp_error *e)
{
	struct policy_op o = { .principal = principal };
	struct call c = { .operation = "policy.delete", .object = o.object, .detail = principal,
			  .changes = true, .operator_only = true };
	int r = prepare_op(&o, vault, e);

	return r ? r : local_call(l, &c, do_delete, &o, e);
}

static int do_list(struct local *l, void *arg, struct kp_error *e)
{
	const struct policy_op *o = arg;
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	struct vault_row v;
	int r = vault_enter(l, o->vault, 0, &v, e);

	if (!r)
		r = db_prepare(l, &s, e, "SELECT principal, permissions FROM policy WHERE "
			       "vault_id = ? ORDER BY principal", "i", v.id);
	while (!r && (r = db_step(l, s, e)) == 1)
		r = o->fn(o->arg, (const char *)sqlite3_column_text(s, 0),
			  (unsigned int)sqlite3_column_int(s, 1));
	return r;
}

int local_policy_list(struct local *l, const char *vault, local_policy_fn *fn, void *arg,
		      struct kp_error *e)
{
	struct policy_op o = { .fn = fn, .arg = arg };
	struct call c = { .operation = "policy.list", .object = o.object, .operator_only = true };
	int r = prepare_op(&o, vault, e);

	return r ? r : local_call(l, &c, do_list, &o, e);
}
