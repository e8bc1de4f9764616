/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tables of the embedded vault.
 */
#include "db.h"

#include <errno.h>

#define SCHEMA_VERSION 2
#define SCHEMA_VERSION_SQL "PRAGMA user_version = 2"

static const char *const schema[] = {
	"CREATE TABLE state ("
	" id INTEGER PRIMARY KEY CHECK (id = 1),"
	" changes INTEGER NOT NULL,"	  /* by administration: wakes the mounts */
	" calls INTEGER NOT NULL,"	  /* that were committed: see auditlog_append() */
	" master_check BLOB NOT NULL) STRICT", /* which master key belongs to this file */

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
	" rotate_after INTEGER NOT NULL DEFAULT 0,"  /* seconds of age; 0: never by itself */
	" expire_after INTEGER NOT NULL DEFAULT 0,"  /* of a version made so; 0: never */
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
	" sealed BLOB NOT NULL,"	  /* PKCS#8 under the master key; empty: none kept */
	" deleted INTEGER NOT NULL DEFAULT 0,"
	" purge_at INTEGER NOT NULL DEFAULT 0) STRICT",
	"CREATE INDEX key_version_key ON key_version (key_id)",

	SCHEMA_VERSION_SQL,
};

/* From layout 1, whose own audit table stays as it was left. */
static const char *const update[] = {
	"ALTER TABLE state ADD COLUMN calls INTEGER NOT NULL DEFAULT 0",
	"ALTER TABLE key ADD COLUMN rotate_after INTEGER NOT NULL DEFAULT 0",
	"ALTER TABLE key ADD COLUMN expire_after INTEGER NOT NULL DEFAULT 0",
	"ALTER TABLE key_version ADD COLUMN deleted INTEGER NOT NULL DEFAULT 0",
	"ALTER TABLE key_version ADD COLUMN purge_at INTEGER NOT NULL DEFAULT 0",
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
		r = db_run(l, e, "INSERT INTO state VALUES (1, 0, 0, ?)", "b", check,
			   sizeof(check));
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

/* Of two that meet the old layout the second finds the work done. */
static int bring_up_to_date(struct local *l, struct kp_error *e)
{
	int64_t version = 0;
	int r = db_run(l, e, "BEGIN IMMEDIATE", "");

	if (r)
		return r;
	r = user_version(l, &version, e);
	for (size_t i = 0; i < ARRAY_SIZE(update) && !r && version == 1; i++)
		r = db_run(l, e, update[i], "");
	if (!r)
		r = db_run(l, e, "COMMIT", "");
	if (r)
		db_run(l, NULL, "ROLLBACK", "");
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
	if (version == 1)
		return bring_up_to_date(l, e);
	if (!version)
		return kp_fail(e, -EIO, "restore the file from a backup",
			       "%s is not a vault database", l->path);
	return kp_fail(e, -EIO, "use the newer version of cmkfs that made it",
		       "vault database %s has layout %lld, which this version does not know",
		       l->path, (long long)version);
}
