/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Administration of keys that are there: show, enable, disable, times, delete,
 * recover, purge.
 */
#include "db.h"

#include <errno.h>
#include <stdio.h>

#define DAY 86400

struct key_op {
	struct local_uri u;
	char object[KP_URI_MAX];
	bool on, deleted;
	int64_t not_before, expires;
	struct local_key *ret;
	local_key_fn *key_fn;
	local_version_fn *version_fn;
	void *arg;
};

/* Whether the whole key is meant: no version may be named. */
enum scope { ANY, WHOLE };

static int run(struct local *l, struct call *c, const char *uri, enum scope scope,
	       struct key_op *o, call_fn *fn, struct kp_error *e)
{
	int r = local_uri_parse(uri, &o->u, e);

	if (!r && scope == WHOLE && o->u.version[0])
		r = kp_fail(e, -EINVAL, "leave the version away", "%s names a version, but %s is "
			    "for the whole key", uri, c->operation);
	if (r)
		return r;
	local_uri_format(&o->u, o->object);
	c->object = o->object;
	return local_call(l, c, fn, o, e);
}

static int enter(struct local *l, const struct key_op *o, unsigned int perm,
		 struct vault_row *ret_vault, struct key_row *ret, struct kp_error *e)
{
	int r = vault_enter(l, o->u.vault, perm, ret_vault, e);

	return r ? r : key_enter(l, ret_vault, o->u.key, ret, e);
}

/* ---- show ---------------------------------------------------------------------- */

static int do_get(struct local *l, void *arg, struct kp_error *e)
{
	const struct key_op *o = arg;
	struct vault_row v;
	struct key_row k;
	int r = vault_enter(l, o->u.vault, PERM_GET, &v, e);

	if (!r)
		r = key_find(l, &v, o->u.key, &k, e);
	if (!r)
		*o->ret = k.k;
	return r;
}

int local_key_get(struct local *l, const char *uri, struct local_key *ret, struct kp_error *e)
{
	struct key_op o = { .ret = ret };
	struct call c = { .operation = "get" };

	return run(l, &c, uri, ANY, &o, do_get, e);
}

static int do_versions(struct local *l, void *arg, struct kp_error *e)
{
	const struct key_op *o = arg;
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	struct version_row row;
	struct vault_row v;
	struct key_row k;
	int r = vault_enter(l, o->u.vault, PERM_LIST, &v, e);

	if (!r)
		r = key_find(l, &v, o->u.key, &k, e);
	if (!r)
		r = db_prepare(l, &s, e, "SELECT " VERSION_COLUMNS " FROM key_version WHERE "
			       "key_id = ?1 AND (?2 = '' OR version = ?2) ORDER BY id DESC", "is",
			       k.id, o->u.version);
	while (!r && (r = db_step(l, s, e)) == 1) {
		version_read(s, &o->u, &row);
		r = o->version_fn(o->arg, &row.v);
	}
	return r;
}

int local_key_versions(struct local *l, const char *uri, local_version_fn *fn, void *arg,
		       struct kp_error *e)
{
	struct key_op o = { .version_fn = fn, .arg = arg };
	struct call c = { .operation = "list" };

	return run(l, &c, uri, ANY, &o, do_versions, e);
}

static int do_list(struct local *l, void *arg, struct kp_error *e)
{
	const struct key_op *o = arg;
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	struct vault_row v;
	struct key_row k;
	int r = vault_enter(l, o->u.vault, PERM_LIST, &v, e);

	if (!r)
		r = key_select(l, &s, &v, o->deleted, e);
	while (!r && (r = db_step(l, s, e)) == 1) {
		key_read(s, v.v.name, &k);
		r = o->key_fn(o->arg, &k.k);
	}
	return r;
}

int local_key_list(struct local *l, const char *vault, bool deleted, local_key_fn *fn, void *arg,
		   struct kp_error *e)
{
	struct key_op o = { .deleted = deleted, .key_fn = fn, .arg = arg };
	struct call c = { .operation = "list", .object = o.object };
	int r = local_vault_name(vault, o.u.vault, e);

	if (r)
		return r;
	snprintf(o.object, sizeof(o.object), "local://%s", o.u.vault);
	return local_call(l, &c, do_list, &o, e);
}

/* ---- change -------------------------------------------------------------------- */

static int do_enable(struct local *l, void *arg, struct kp_error *e)
{
	const struct key_op *o = arg;
	struct version_row row;
	struct vault_row v;
	struct key_row k;
	int r = enter(l, o, PERM_CREATE, &v, &k, e);

	if (r)
		return r;
	if (!o->u.version[0])
		return db_run(l, e, "UPDATE key SET enabled = ? WHERE id = ?", "ii",
			      (int64_t)o->on, k.id);
	r = version_find(l, &o->u, &k, &row, e);
	return r ? r : db_run(l, e, "UPDATE key_version SET enabled = ? WHERE id = ?", "ii",
			      (int64_t)o->on, row.id);
}

int local_key_enable(struct local *l, const char *uri, bool on, struct kp_error *e)
{
	struct key_op o = { .on = on };
	struct call c = { .operation = on ? "enable" : "disable", .changes = true };

	return run(l, &c, uri, ANY, &o, do_enable, e);
}

/* The newest, usable or not: what an operator means who names no version. */
static int newest(struct local *l, const struct key_op *o, const struct key_row *k,
		  struct version_row *ret, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	if (o->u.version[0])
		return version_find(l, &o->u, k, ret, e);
	r = db_prepare(l, &s, e, "SELECT " VERSION_COLUMNS " FROM key_version WHERE key_id = ? "
		       "ORDER BY id DESC LIMIT 1", "i", k->id);
	if (!r)
		r = db_step(l, s, e);
	if (r < 0)
		return r;
	if (!r)
		return kp_fail(e, -ENOENT, NULL, "key %s has no version", k->k.uri);
	version_read(s, &o->u, ret);
	return 0;
}

static int do_update(struct local *l, void *arg, struct kp_error *e)
{
	const struct key_op *o = arg;
	struct version_row row;
	struct vault_row v;
	struct key_row k;
	int64_t from, to;
	int r = enter(l, o, PERM_CREATE, &v, &k, e);

	if (!r)
		r = newest(l, o, &k, &row, e);
	if (r)
		return r;
	from = o->not_before == LOCAL_UNCHANGED ? row.v.not_before : o->not_before;
	to = o->expires == LOCAL_UNCHANGED ? row.v.expires : o->expires;
	if (from && to && from >= to)
		return kp_fail(e, -EINVAL, "give an --expires after --not-before",
			       "%s would expire before it is valid", row.v.kid);
	return db_run(l, e, "UPDATE key_version SET not_before = ?, expires = ? WHERE id = ?",
		      "iii", from, to, row.id);
}

int local_key_update(struct local *l, const char *uri, int64_t not_before, int64_t expires,
		     struct kp_error *e)
{
	struct key_op o = { .not_before = not_before, .expires = expires };
	struct call c = { .operation = "update", .changes = true };

	return run(l, &c, uri, ANY, &o, do_update, e);
}

/* ---- delete, recover, purge ---------------------------------------------------- */

static int drop(struct local *l, const struct key_row *k, struct kp_error *e)
{
	return db_run(l, e, "DELETE FROM key WHERE id = ?", "i", k->id);
}

static int do_delete(struct local *l, void *arg, struct kp_error *e)
{
	const struct key_op *o = arg;
	struct vault_row v;
	struct key_row k;
	int r = enter(l, o, PERM_DELETE, &v, &k, e);

	if (r)
		return r;
	if (!v.v.soft_delete)
		return drop(l, &k, e);
	return db_run(l, e, "UPDATE key SET deleted = ?, purge_at = ? WHERE id = ?", "iii",
		      now_seconds(), now_seconds() + (int64_t)v.v.retention_days * DAY, k.id);
}

int local_key_delete(struct local *l, const char *uri, struct kp_error *e)
{
	struct key_op o = { .on = false };
	struct call c = { .operation = "delete", .changes = true };

	return run(l, &c, uri, WHOLE, &o, do_delete, e);
}

static int find_deleted(struct local *l, const struct key_op *o, unsigned int perm,
			struct vault_row *v, struct key_row *ret, struct kp_error *e)
{
	int r = vault_enter(l, o->u.vault, perm, v, e);

	if (!r)
		r = key_find(l, v, o->u.key, ret, e);
	if (r || ret->k.deleted)
		return r;
	kp_fail(e, -EBUSY, NULL, "key %s in vault %s is not deleted", o->u.key, o->u.vault);
	return kp_hint(e, -EBUSY, "to delete it: cmkfs vault key delete %s", ret->k.uri);
}

static int do_recover(struct local *l, void *arg, struct kp_error *e)
{
	const struct key_op *o = arg;
	struct vault_row v;
	struct key_row k;
	int r = find_deleted(l, o, PERM_RECOVER, &v, &k, e);

	return r ? r : db_run(l, e, "UPDATE key SET deleted = 0, purge_at = 0 WHERE id = ?", "i",
			      k.id);
}

int local_key_recover(struct local *l, const char *uri, struct kp_error *e)
{
	struct key_op o = { .on = false };
	struct call c = { .operation = "recover", .changes = true };

	return run(l, &c, uri, WHOLE, &o, do_recover, e);
}

static int do_purge(struct local *l, void *arg, struct kp_error *e)
{
	const struct key_op *o = arg;
	struct vault_row v;
	struct key_row k;
	int r = find_deleted(l, o, PERM_PURGE, &v, &k, e);

	if (r)
		return r;
	if (v.v.purge_protection) {
		kp_fail(e, -EPERM, NULL, "vault %s has purge protection: key %s goes by itself "
			"when its retention of %d days ends", o->u.vault, o->u.key, v.v.retention_days);
		return kp_hint(e, -EPERM, "to have it back: cmkfs vault key recover %s", k.k.uri);
	}
	return drop(l, &k, e);
}

int local_key_purge(struct local *l, const char *uri, struct kp_error *e)
{
	struct key_op o = { .on = false };
	struct call c = { .operation = "purge", .changes = true };

	return run(l, &c, uri, WHOLE, &o, do_purge, e);
}
