/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Administration of vaults: create, change, show, delete, recover, purge.
 */
#include "db.h"

#include <errno.h>
#include <stdio.h>

#define DAY 86400

struct vault_op {
	char name[LOCAL_VAULT_MAX], object[LOCAL_VAULT_MAX + 16];
	const struct local_vault *v;
	const struct local_vault_change *c;
	bool on, trusted, deleted;
	struct local_vault *ret;
	local_vault_fn *fn;
	void *arg;
};

static int run(struct local *l, const char *operation, bool changes, const char *vault,
	       struct vault_op *o, call_fn *fn, const char *detail, struct kp_error *e)
{
	struct call c = { .operation = operation, .object = o->object, .detail = detail,
			  .changes = changes, .operator_only = true };
	int r = local_vault_name(vault, o->name, e);

	if (r)
		return r;
	snprintf(o->object, sizeof(o->object), "local://%s", o->name);
	return local_call(l, &c, fn, o, e);
}

static int check_retention(int days, struct kp_error *e)
{
	if (days >= LOCAL_RETENTION_MIN && days <= LOCAL_RETENTION_MAX)
		return 0;
	return kp_fail(e, -EINVAL, "give --retention 7 … 90", "a retention of %d days is not "
		       "possible: %d to %d", days, LOCAL_RETENTION_MIN, LOCAL_RETENTION_MAX);
}

/* ---- create, update ------------------------------------------------------------ */

static int do_create(struct local *l, void *arg, struct kp_error *e)
{
	const struct vault_op *o = arg;
	struct local_vault v = *o->v;
	struct vault_row old;
	int r = vault_find(l, o->name, &old, NULL);

	if (!r) {
		kp_fail(e, -EEXIST, NULL, "there is a %svault %s already",
			old.v.deleted ? "deleted " : "", o->name);
		return kp_hint(e, -EEXIST, "cmkfs vault %s %s", old.v.deleted ? "recover" : "show",
			       o->name);
	}
	if (!strcmp(o->name, LOCAL_SERVICE_VAULT)) {
		kp_fail(e, -EPERM, NULL, "the name %s is kept for service-managed keys", o->name);
		return kp_hint(e, -EPERM, "choose another name");
	}
	if (!v.retention_days)
		v.retention_days = LOCAL_RETENTION_MAX;
	r = check_retention(v.retention_days, e);
	if (r)
		return r;
	if (v.purge_protection && !v.soft_delete)
		return kp_fail(e, -EINVAL, "leave --no-soft-delete away",
			       "purge protection needs soft delete");
	snprintf(v.name, sizeof(v.name), "%s", o->name);
	v.service = false;
	return vault_insert(l, &v, e);
}

int local_vault_create(struct local *l, const struct local_vault *v, struct kp_error *e)
{
	struct vault_op o = { .v = v };
	char detail[200];

	snprintf(detail, sizeof(detail), "soft-delete=%d purge-protection=%d tenant=%s region=%s",
		 v->soft_delete, v->purge_protection, v->tenant, v->region);
	return run(l, "vault.create", true, v->name, &o, do_create, detail, e);
}

static int do_update(struct local *l, void *arg, struct kp_error *e)
{
	const struct vault_op *o = arg;
	const struct local_vault_change *c = o->c;
	struct vault_row v;
	int r = vault_enter(l, o->name, 0, &v, e);

	if (r)
		return r;
	if ((!c->soft_delete && v.v.soft_delete) ||
	    (!c->purge_protection && v.v.purge_protection)) {
		kp_fail(e, -EPERM, NULL, "%s of vault %s can never be switched off",
			!c->purge_protection ? "purge protection" : "soft delete", o->name);
		return kp_hint(e, -EPERM, "make another vault: cmkfs vault create NEW-VAULT");
	}
	if (c->soft_delete > 0)
		v.v.soft_delete = true;
	if (c->purge_protection > 0)
		v.v.purge_protection = true;
	if (v.v.purge_protection && !v.v.soft_delete) {
		kp_fail(e, -EINVAL, NULL, "purge protection of vault %s needs soft delete",
			o->name);
		return kp_hint(e, -EINVAL, "cmkfs vault update %s --soft-delete "
			       "--purge-protection", o->name);
	}
	if (c->retention_days != LOCAL_UNCHANGED) {
		r = check_retention(c->retention_days, e);
		if (r)
			return r;
		if (v.v.purge_protection && c->retention_days < v.v.retention_days) {
			kp_fail(e, -EPERM, NULL, "vault %s has purge protection: its retention of "
				"%d days can only be made longer", o->name, v.v.retention_days);
			return kp_hint(e, -EPERM, "cmkfs vault update %s --retention %d … %d",
				       o->name,
				       v.v.retention_days, LOCAL_RETENTION_MAX);
		}
		v.v.retention_days = c->retention_days;
	}
	return db_run(l, e, "UPDATE vault SET soft_delete = ?, purge_protection = ?, "
		      "retention_days = ?, tenant = ?, region = ? WHERE id = ?", "iiissi",
		      (int64_t)v.v.soft_delete, (int64_t)v.v.purge_protection,
		      (int64_t)v.v.retention_days, c->tenant ? c->tenant : v.v.tenant,
		      c->region ? c->region : v.v.region, v.id);
}

int local_vault_update(struct local *l, const char *vault, const struct local_vault_change *c,
		       struct kp_error *e)
{
	struct vault_op o = { .c = c };
	char detail[240], days[32] = "";

	if (c->retention_days != LOCAL_UNCHANGED)
		snprintf(days, sizeof(days), " retention=%d", c->retention_days);
	snprintf(detail, sizeof(detail), "%s%s%s%s%s%s%s", c->soft_delete > 0 ? " soft-delete" : "",
		 c->purge_protection > 0 ? " purge-protection" : "", days,
		 c->tenant ? " tenant=" : "", c->tenant ? c->tenant : "",
		 c->region ? " region=" : "", c->region ? c->region : "");
	return run(l, "vault.update", true, vault, &o, do_update, detail + (*detail == ' '), e);
}

static int do_firewall(struct local *l, void *arg, struct kp_error *e)
{
	const struct vault_op *o = arg;
	struct vault_row v;
	int r = vault_enter(l, o->name, 0, &v, e);

	return r ? r : db_run(l, e, "UPDATE vault SET firewall = ?, trusted_services = ? "
			      "WHERE id = ?", "iii", (int64_t)o->on, (int64_t)o->trusted, v.id);
}

int local_vault_firewall(struct local *l, const char *vault, bool on, bool trusted_services,
			 struct kp_error *e)
{
	struct vault_op o = { .on = on, .trusted = trusted_services };

	return run(l, "vault.firewall", true, vault, &o, do_firewall,
		   !on ? "off" : trusted_services ? "on, trusted services" : "on", e);
}

/* ---- show, list ---------------------------------------------------------------- */

static int do_get(struct local *l, void *arg, struct kp_error *e)
{
	const struct vault_op *o = arg;
	struct vault_row v;
	int r = vault_find(l, o->name, &v, e);

	if (!r)
		*o->ret = v.v;
	return r;
}

int local_vault_get(struct local *l, const char *vault, struct local_vault *ret,
		    struct kp_error *e)
{
	struct vault_op o = { .ret = ret };

	return run(l, "vault.get", false, vault, &o, do_get, NULL, e);
}

static int do_list(struct local *l, void *arg, struct kp_error *e)
{
	const struct vault_op *o = arg;
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	struct vault_row v;
	int r = vault_select(l, &s, o->deleted, e);

	while (!r && (r = db_step(l, s, e)) == 1) {
		vault_read(s, &v);
		r = o->fn(o->arg, &v.v);
	}
	return r;
}

int local_vault_list(struct local *l, bool deleted, local_vault_fn *fn, void *arg,
		     struct kp_error *e)
{
	struct vault_op o = { .deleted = deleted, .fn = fn, .arg = arg };
	struct call c = { .operation = "vault.list", .object = "local://",
			  .operator_only = true };

	return local_call(l, &c, do_list, &o, e);
}

/* ---- delete, recover, purge ---------------------------------------------------- */

static int drop(struct local *l, const struct vault_row *v, struct kp_error *e)
{
	return db_run(l, e, "DELETE FROM vault WHERE id = ?", "i", v->id);
}

static int do_delete(struct local *l, void *arg, struct kp_error *e)
{
	const struct vault_op *o = arg;
	struct vault_row v;
	int r = vault_enter(l, o->name, 0, &v, e);

	if (r)
		return r;
	if (!v.v.soft_delete)
		return drop(l, &v, e);
	return db_run(l, e, "UPDATE vault SET deleted = ?, purge_at = ? WHERE id = ?", "iii",
		      now_seconds(), now_seconds() + (int64_t)v.v.retention_days * DAY, v.id);
}

int local_vault_delete(struct local *l, const char *vault, struct kp_error *e)
{
	struct vault_op o = { 0 };

	return run(l, "vault.delete", true, vault, &o, do_delete, NULL, e);
}

static int find_deleted(struct local *l, const char *name, struct vault_row *ret,
			struct kp_error *e)
{
	int r = vault_find(l, name, ret, e);

	if (r || ret->v.deleted)
		return r;
	kp_fail(e, -EBUSY, NULL, "vault %s is not deleted", name);
	return kp_hint(e, -EBUSY, "to delete it: cmkfs vault delete %s", name);
}

static int do_recover(struct local *l, void *arg, struct kp_error *e)
{
	const struct vault_op *o = arg;
	struct vault_row v;
	int r = find_deleted(l, o->name, &v, e);

	return r ? r : db_run(l, e, "UPDATE vault SET deleted = 0, purge_at = 0 WHERE id = ?", "i",
			      v.id);
}

int local_vault_recover(struct local *l, const char *vault, struct kp_error *e)
{
	struct vault_op o = { 0 };

	return run(l, "vault.recover", true, vault, &o, do_recover, NULL, e);
}

static int do_purge(struct local *l, void *arg, struct kp_error *e)
{
	const struct vault_op *o = arg;
	struct vault_row v;
	int r = find_deleted(l, o->name, &v, e);

	if (r)
		return r;
	if (v.v.purge_protection) {
		kp_fail(e, -EPERM, NULL, "vault %s has purge protection: it goes by itself when "
			"its retention of %d days ends", o->name, v.v.retention_days);
		return kp_hint(e, -EPERM, "to have it back: cmkfs vault recover %s", o->name);
	}
	return drop(l, &v, e);
}

int local_vault_purge(struct local *l, const char *vault, struct kp_error *e)
{
	struct vault_op o = { 0 };

	return run(l, "vault.purge", true, vault, &o, do_purge, NULL, e);
}
