/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the embedded vault.
 */
#include "db.h"

#include <errno.h>

#define SCHEMA_VERSION 1
#define SCHEMA_VERSION_SQL "PRAGMA user_version = 1"

static const char *const schema[] = {
	"CREATE TABLE state ("
	" id INTEGER PRIMARY KEY CHECK (id = 1),"
	" changes INTEGER NOT NULL,"	  /* by administration: wakes the mounts */
	" master_check BLOB NOT NULL,"	  /* which master key belongs to this file */
	" audit_count INTEGER NOT NULL,"  /* head of the audit chain, and its MAC */
	" audit_head BLOB NOT NULL,"
	" audit_mac BLOB NOT NULL) STRICT",

	"CREATE TABLE principal ("
	" name TEXT PRIMARY KEY,"
	" enabled INTEGER NOT NULL,"
	" created INTEGER NOT NULL,"
	" secret_hash BLOB NOT NULL) STRICT",

	"CREATE TABLE vault ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" name TEXT NOT NULL UNIQUE,"	  /* kept by a deleted one until it is purged */
	" created INTEGER NOT NULL,"
	" soft_delete INTEGER NOT NULL,"
	" retention_days INTEGER NOT NULL,"
	" purge_protection INTEGER NOT NULL,"
	" tenant TEXT NOT NULL, region TEXT NOT NULL,"
	" firewall INTEGER NOT NULL DEFAULT 0,"
	" trusted_services INTEGER NOT NULL DEFAULT 0,"
	" service INTEGER NOT NULL DEFAULT 0,"
	" deleted INTEGER NOT NULL DEFAULT 0,"
	" purge_at INTEGER NOT NULL DEFAULT 0) STRICT",

	"CREATE TABLE policy ("
	" vault_id INTEGER NOT NULL REFERENCES vault ON DELETE CASCADE,"
	" principal TEXT NOT NULL,"
	" permissions INTEGER NOT NULL,"
	" PRIMARY KEY (vault_id, principal)) STRICT",

	"CREATE TABLE key ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" vault_id INTEGER NOT NULL REFERENCES vault ON DELETE CASCADE,"
	" name TEXT NOT NULL,"
	" owner TEXT NOT NULL DEFAULT '',"
	" enabled INTEGER NOT NULL DEFAULT 1,"
	" created INTEGER NOT NULL,"
	" deleted INTEGER NOT NULL DEFAULT 0,"
	" purge_at INTEGER NOT NULL DEFAULT 0,"
	" UNIQUE (vault_id, name)) STRICT",

	"CREATE TABLE key_version ("
	" id INTEGER PRIMARY KEY AUTOINCREMENT,"
	" key_id INTEGER NOT NULL REFERENCES key ON DELETE CASCADE,"
	" version TEXT NOT NULL UNIQUE,"
	" type TEXT NOT NULL,"
	" bits INTEGER NOT NULL,"
	" enabled INTEGER NOT NULL DEFAULT 1,"
	" created INTEGER NOT NULL,"
	" not_before INTEGER NOT NULL,"
	" expires INTEGER NOT NULL,"
	" public BLOB NOT NULL,"	  /* SubjectPublicKeyInfo */
	" sealed BLOB NOT NULL) STRICT",  /* PKCS#8 under the master key; empty: none kept */
	"CREATE INDEX key_version_key ON key_version (key_id)",

	"CREATE TABLE audit ("
	" seq INTEGER PRIMARY KEY,"
	" time_ms INTEGER NOT NULL,"
	" principal TEXT NOT NULL,"
	" operation TEXT NOT NULL,"
	" object TEXT NOT NULL,"
	" outcome TEXT NOT NULL,"
	" detail TEXT NOT NULL,"
	" hash BLOB NOT NULL) STRICT",	  /* over the hash before and these fields */

	SCHEMA_VERSION_SQL,
};

static const char *const pragmas[] = {
	"PRAGMA trusted_schema = OFF",	 "PRAGMA foreign_keys = ON",
	"PRAGMA secure_delete = ON",	 "PRAGMA cell_size_check = ON",
	"PRAGMA synchronous = FULL",	 "PRAGMA temp_store = MEMORY",
	"PRAGMA journal_size_limit = 1048576",
};

static int user_version(struct local *l, int64_t *ret, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = db_prepare(l, &s, e, "PRAGMA user_version", "");

	if (!r)
		r = db_step(l, s, e);
	if (r < 0)
		return r;
	*ret = r ? sqlite3_column_int64(s, 0) : 0;
	return 0;
}

static int fill(struct local *l, struct kp_error *e)
{
	uint8_t check[HASH_LEN];
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(schema) && !r; i++)
		r = db_run(l, e, schema[i], "");
	if (!r)
		r = master_load(l->state_dir, true, &l->master, e);
	if (!r)
		r = master_check_value(l->master, check);
	if (!r)
		r = db_run(l, e, "INSERT INTO state VALUES (1, 0, ?, 0, x'', x'')", "b", check,
			   sizeof(check));
	if (!r)
		r = audit_begin(l, e);
	if (!r)
		r = audit_append(l, NULL, "database.create", VAULT_DB, "ok", "", e);
	master_free(l->master);
	l->master = NULL;
	return r;
}

static int set_pragmas(struct local *l, struct kp_error *e)
{
	int r = 0;

	sqlite3_db_config(l->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(pragmas) && !r; i++)
		r = db_run(l, e, pragmas[i], "");
	return r;
}

int schema_make(struct local *l, struct kp_error *e)
{
	int r = set_pragmas(l, e);

	if (!r)
		r = db_run(l, e, "PRAGMA journal_mode = WAL", "");
	if (!r)
		r = db_run(l, e, "BEGIN IMMEDIATE", "");
	if (!r)
		r = fill(l, e);
	if (!r)
		r = db_run(l, e, "COMMIT", "");
	return r;
}

int schema_check(struct local *l, struct kp_error *e)
{
	int64_t version = 0;
	int r = set_pragmas(l, e);

	if (!r)
		r = user_version(l, &version, e);
	if (r || version == SCHEMA_VERSION)
		return r;
	if (!version)
		return kp_fail(e, -EIO, "restore the file from a backup",
			       "%s is not a vault database", l->path);
	return kp_fail(e, -EIO, "use the newer version of cmkfs that made it",
		       "vault database %s has layout %lld, which this version does not know",
		       l->path, (long long)version);
}
