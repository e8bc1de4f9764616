/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Administration of keys that are there: show, enable, disable, times, rotation
 * policy.
 */
#include "key_op.h"

#include <errno.h>
#include <stdio.h>

int key_op_run(struct local *l, struct call *c, const char *uri, enum key_scope scope,
	       struct key_op *o, call_fn *fn, struct kp_error *e)
{
	int r = local_uri_parse(uri, &o->u, e);

	if (!r && scope == KEY_WHOLE && o->u.version[0])
		r = kp_fail(e, -EINVAL, "leave the version away", "%s names a version, but %s is "
			    "for the whole key", uri, c->operation);
	if (r)
		return r;
	local_uri_format(&o->u, o->object);
	c->object = o->object;
	return local_call(l, c, fn, o, e);
}

int key_op_enter(struct local *l, const struct key_op *o, unsigned int perm,
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

	return key_op_run(l, &c, uri, KEY_OR_VERSION, &o, do_get, e);
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

	return key_op_run(l, &c, uri, KEY_OR_VERSION, &o, do_versions, e);
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
	int r = key_op_enter(l, o, PERM_CREATE, &v, &k, e);

	if (r)
		return r;
	if (!o->u.version[0])
		return db_run(l, e, "UPDATE key SET enabled = ? WHERE id = ?", "ii",
			      (int64_t)o->on, k.id);
	r = version_enter(l, &o->u, &k, &row, e);
	return r ? r : db_run(l, e, "UPDATE key_version SET enabled = ? WHERE id = ?", "ii",
			      (int64_t)o->on, row.id);
}

int local_key_enable(struct local *l, const char *uri, bool on, struct kp_error *e)
{
	struct key_op o = { .on = on };
	struct call c = { .operation = on ? "enable" : "disable", .changes = true };

	return key_op_run(l, &c, uri, KEY_OR_VERSION, &o, do_enable, e);
}

/* The newest, usable or not: what an operator means who names no version. */
static int newest(struct local *l, const struct key_op *o, const struct key_row *k,
		  struct version_row *ret, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	if (o->u.version[0])
		return version_enter(l, &o->u, k, ret, e);
	r = db_prepare(l, &s, e, "SELECT " VERSION_COLUMNS " FROM key_version WHERE key_id = ? "
		       "AND deleted = 0 ORDER BY id DESC LIMIT 1", "i", k->id);
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
	int r = key_op_enter(l, o, PERM_CREATE, &v, &k, e);

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
	char detail[80], from[32] = "", to[32] = "";
	struct call c = { .operation = "update", .detail = detail, .changes = true };

	if (not_before != LOCAL_UNCHANGED)
		snprintf(from, sizeof(from), "not-before=%lld ", (long long)not_before);
	if (expires != LOCAL_UNCHANGED)
		snprintf(to, sizeof(to), "expires=%lld", (long long)expires);
	snprintf(detail, sizeof(detail), "%s%s", from, to);
	return key_op_run(l, &c, uri, KEY_OR_VERSION, &o, do_update, e);
}

/* ---- rotation policy ------------------------------------------------------------- */

static int do_rotation(struct local *l, void *arg, struct kp_error *e)
{
	const struct key_op *o = arg;
	struct vault_row v;
	struct key_row k;
	int r = key_op_enter(l, o, PERM_ROTATE, &v, &k, e);

	return r ? r : db_run(l, e, "UPDATE key SET rotate_after = ?, expire_after = ? "
			      "WHERE id = ?", "iii", o->rotate_after, o->expire_after, k.id);
}

int local_key_rotation(struct local *l, const char *uri, int64_t rotate_after,
		       int64_t expire_after, struct kp_error *e)
{
	struct key_op o = { .rotate_after = rotate_after, .expire_after = expire_after };
	char detail[80];
	struct call c = { .operation = "rotation.set", .detail = detail, .changes = true };

	if (rotate_after < 0 || expire_after < 0 ||
	    (expire_after && (!rotate_after || expire_after <= rotate_after)))
		return kp_fail(e, -EINVAL, "give --expires-after more than --after",
			       "a version would expire before it is rotated away");
	snprintf(detail, sizeof(detail), "after %lld s, expires after %lld s",
		 (long long)rotate_after,
		 (long long)expire_after);
	return key_op_run(l, &c, uri, KEY_WHOLE, &o, do_rotation, e);
}
