/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Deleting, recovering and purging keys, and versions of them.
 */
#include "key_op.h"

#include <errno.h>
#include <stdio.h>

#define DAY 86400

/* What is deleted: a version, or the key. */
struct target {
	struct vault_row vault;
	struct key_row key;
	struct version_row version; /* if one is named */
	const char *table;
	int64_t id, deleted;
	char uri[KP_URI_MAX];
};

static int find(struct local *l, const struct key_op *o, unsigned int perm, struct target *ret,
		struct kp_error *e)
{
	int r = vault_enter(l, o->u.vault, perm, &ret->vault, e);

	if (!r)
		r = key_find(l, &ret->vault, o->u.key, &ret->key, e);
	if (!r && o->u.version[0])
		r = version_find(l, &o->u, &ret->key, &ret->version, e);
	if (r)
		return r;
	ret->table = o->u.version[0] ? "key_version" : "key";
	ret->id = o->u.version[0] ? ret->version.id : ret->key.id;
	ret->deleted = o->u.version[0] ? ret->version.v.deleted : ret->key.k.deleted;
	local_uri_format(&o->u, ret->uri);
	return 0;
}

static int drop(struct local *l, const struct target *t, struct kp_error *e)
{
	char sql[80];

	snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE id = ?", t->table);
	return db_run(l, e, sql, "i", t->id);
}

static int set_deleted(struct local *l, const struct target *t, int64_t when, int64_t purge_at,
		       struct kp_error *e)
{
	char sql[80];

	snprintf(sql, sizeof(sql), "UPDATE %s SET deleted = ?, purge_at = ? WHERE id = ?",
		 t->table);
	return db_run(l, e, sql, "iii", when, purge_at, t->id);
}

static int do_delete(struct local *l, void *arg, struct kp_error *e)
{
	const struct key_op *o = arg;
	struct target t;
	int r = find(l, o, PERM_DELETE, &t, e);

	if (r)
		return r;
	r = key_enter(l, &t.vault, o->u.key, &t.key, e);
	if (!r && o->u.version[0])
		r = version_enter(l, &o->u, &t.key, &t.version, e);
	if (r)
		return r;
	if (!t.vault.v.soft_delete)
		return drop(l, &t, e);
	return set_deleted(l, &t, now_seconds(),
			   now_seconds() + (int64_t)t.vault.v.retention_days * DAY, e);
}

int local_key_delete(struct local *l, const char *uri, struct kp_error *e)
{
	struct key_op o = { .on = false };
	struct call c = { .operation = "delete", .changes = true };

	return key_op_run(l, &c, uri, KEY_OR_VERSION, &o, do_delete, e);
}

static int find_deleted(struct local *l, const struct key_op *o, unsigned int perm,
			struct target *ret, struct kp_error *e)
{
	int r = find(l, o, perm, ret, e);

	if (r || ret->deleted)
		return r;
	kp_fail(e, -EBUSY, NULL, "%s is not deleted", ret->uri);
	return kp_hint(e, -EBUSY, "to delete it: cmkfs vault key delete %s", ret->uri);
}

static int do_recover(struct local *l, void *arg, struct kp_error *e)
{
	struct target t;
	int r = find_deleted(l, arg, PERM_RECOVER, &t, e);

	return r ? r : set_deleted(l, &t, 0, 0, e);
}

int local_key_recover(struct local *l, const char *uri, struct kp_error *e)
{
	struct key_op o = { .on = false };
	struct call c = { .operation = "recover", .changes = true };

	return key_op_run(l, &c, uri, KEY_OR_VERSION, &o, do_recover, e);
}

static int do_purge(struct local *l, void *arg, struct kp_error *e)
{
	struct target t;
	int r = find_deleted(l, arg, PERM_PURGE, &t, e);

	if (r)
		return r;
	if (t.vault.v.purge_protection) {
		kp_fail(e, -EPERM, NULL, "vault %s has purge protection: %s goes by itself when "
			"its retention of %d days ends", t.vault.v.name, t.uri,
			t.vault.v.retention_days);
		return kp_hint(e, -EPERM, "to have it back: cmkfs vault key recover %s", t.uri);
	}
	return drop(l, &t, e);
}

int local_key_purge(struct local *l, const char *uri, struct kp_error *e)
{
	struct key_op o = { .on = false };
	struct call c = { .operation = "purge", .changes = true };

	return key_op_run(l, &c, uri, KEY_OR_VERSION, &o, do_purge, e);
}
