/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys and their versions as rows, and whether they can be used.
 */
#include "db.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define KEY_COLUMNS                                                                              \
	"id, name, owner, enabled, created, deleted, purge_at, "                                \
	"(SELECT count(*) FROM key_version WHERE key_id = key.id AND deleted = 0), "             \
	"rotate_after, expire_after"

void key_read(sqlite3_stmt *s, const char *vault, struct key_row *ret)
{
	struct local_uri u = { 0 };
	struct local_key *k = &ret->k;

	memset(ret, 0, sizeof(*ret));
	ret->id = sqlite3_column_int64(s, 0);
	db_text(s, 1, k->name, sizeof(k->name));
	db_text(s, 2, ret->owner, sizeof(ret->owner));
	k->enabled = sqlite3_column_int(s, 3);
	k->created = sqlite3_column_int64(s, 4);
	k->deleted = sqlite3_column_int64(s, 5);
	k->purge_at = sqlite3_column_int64(s, 6);
	k->versions = (unsigned int)sqlite3_column_int(s, 7);
	k->rotate_after = sqlite3_column_int64(s, 8);
	k->expire_after = sqlite3_column_int64(s, 9);
	snprintf(u.vault, sizeof(u.vault), "%s", vault);
	snprintf(u.key, sizeof(u.key), "%s", k->name);
	local_uri_format(&u, k->uri);
}

int key_select(struct local *l, sqlite3_stmt **ret, const struct vault_row *v, bool deleted,
	       struct kp_error *e)
{
	return db_prepare(l, ret, e, "SELECT " KEY_COLUMNS " FROM key WHERE vault_id = ? AND "
			  "(deleted <> 0) = ? ORDER BY name", "ii", v->id, (int64_t)deleted);
}

int key_find(struct local *l, const struct vault_row *v, const char *name, struct key_row *ret,
	     struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = db_prepare(l, &s, e, "SELECT " KEY_COLUMNS " FROM key WHERE vault_id = ? AND "
			   "name = ?", "is", v->id, name);

	if (!r)
		r = db_step(l, s, e);
	if (r < 0)
		return r;
	if (!r) {
		kp_fail(e, -ENOENT, NULL, "no key %s in vault %s", name, v->v.name);
		return kp_hint(e, -ENOENT, "cmkfs vault key list %s; to make it: cmkfs vault key "
			       "create local://%s/keys/%s", v->v.name, v->v.name, name);
	}
	key_read(s, v->v.name, ret);
	return 0;
}

int key_enter(struct local *l, const struct vault_row *v, const char *name, struct key_row *ret,
	      struct kp_error *e)
{
	int r = key_find(l, v, name, ret, e);

	if (r)
		return r;
	if (l->principal[0] && ret->owner[0] && strcmp(l->principal, ret->owner) != 0) {
		kp_fail(e, -EACCES, NULL, "key %s in vault %s belongs to %s, not to %s", name,
			v->v.name, ret->owner, l->principal);
		return kp_hint(e, -EACCES, "use a key of your own: cmkfs vault key create "
			       "local://VAULT/keys/NAME");
	}
	if (ret->k.deleted) {
		kp_fail(e, -EKEYREVOKED, NULL, "key %s in vault %s is deleted", name, v->v.name);
		return kp_hint(e, -EKEYREVOKED, "cmkfs vault key recover %s", ret->k.uri);
	}
	return 0;
}

void version_read(sqlite3_stmt *s, const struct local_uri *u, struct version_row *ret)
{
	struct local_uri kid = *u;

	memset(ret, 0, sizeof(*ret));
	ret->id = sqlite3_column_int64(s, 0);
	db_text(s, 1, ret->version, sizeof(ret->version));
	db_text(s, 2, ret->v.type, sizeof(ret->v.type));
	ret->v.bits = (unsigned int)sqlite3_column_int(s, 3);
	ret->v.enabled = sqlite3_column_int(s, 4);
	ret->v.created = sqlite3_column_int64(s, 5);
	ret->v.not_before = sqlite3_column_int64(s, 6);
	ret->v.expires = sqlite3_column_int64(s, 7);
	ret->v.deleted = sqlite3_column_int64(s, 8);
	ret->v.purge_at = sqlite3_column_int64(s, 9);
	memcpy(kid.version, ret->version, sizeof(kid.version));
	local_uri_format(&kid, ret->v.kid);
}

int version_find(struct local *l, const struct local_uri *u, const struct key_row *k,
		 struct version_row *ret, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r;

	r = db_prepare(l, &s, e, "SELECT " VERSION_COLUMNS " FROM key_version "
		       "WHERE key_id = ?1 AND (version = ?2 OR (?2 = '' AND deleted = 0)) ORDER BY "
		       "enabled AND not_before <= ?3 AND (expires = 0 OR expires > ?3) DESC, "
		       "enabled DESC, id DESC LIMIT 1", "isi", k->id, u->version, now_seconds());
	if (!r)
		r = db_step(l, s, e);
	if (r < 0)
		return r;
	if (!r) {
		kp_fail(e, -ENOENT, NULL, "key %s in vault %s has no version %s", u->key, u->vault,
			u->version[0] ? u->version : "that is not deleted");
		return kp_hint(e, -ENOENT, "cmkfs vault key show %s", k->k.uri);
	}
	version_read(s, u, ret);
	return 0;
}

int version_enter(struct local *l, const struct local_uri *u, const struct key_row *k,
		  struct version_row *ret, struct kp_error *e)
{
	int r = version_find(l, u, k, ret, e);

	if (r || !ret->v.deleted)
		return r;
	kp_fail(e, -EKEYREVOKED, NULL, "key version %s is deleted", ret->v.kid);
	return kp_hint(e, -EKEYREVOKED, "cmkfs vault key recover %s", ret->v.kid);
}

static const char *iso_time(int64_t t, char *buf, size_t cap)
{
	time_t tt = (time_t)t;
	struct tm tm;

	if (!gmtime_r(&tt, &tm) || !strftime(buf, cap, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(buf, cap, "%lld", (long long)t);
	return buf;
}

int version_usable(const struct key_row *k, const struct version_row *v, struct kp_error *e)
{
	int64_t now = now_seconds();
	char t[32];

	if (!k->k.enabled || !v->v.enabled) {
		kp_fail(e, -EKEYREVOKED, NULL, "key %s is disabled",
			k->k.enabled ? v->v.kid : k->k.uri);
		return kp_hint(e, -EKEYREVOKED, "cmkfs vault key enable %s",
			       k->k.enabled ? v->v.kid : k->k.uri);
	}
	if (v->v.expires && now >= v->v.expires) {
		kp_fail(e, -EKEYEXPIRED, NULL, "key %s expired at %s", v->v.kid,
			iso_time(v->v.expires, t, sizeof(t)));
		return kp_hint(e, -EKEYEXPIRED, "cmkfs vault key update %s --expires none",
			       v->v.kid);
	}
	if (now < v->v.not_before) {
		kp_fail(e, -EKEYEXPIRED, NULL, "key %s is not valid before %s", v->v.kid,
			iso_time(v->v.not_before, t, sizeof(t)));
		return kp_hint(e, -EKEYEXPIRED, "wait, or cmkfs vault key update %s "
			       "--not-before none", v->v.kid);
	}
	return 0;
}
