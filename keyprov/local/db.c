/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Statements of the database and their errors.
 */
#include "db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

int64_t now_seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec;
}

int db_error(struct local *l, int rc, struct kp_error *e)
{
	const char *why = l->db ? sqlite3_errmsg(l->db) : sqlite3_errstr(rc);

	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return kp_fail(e, -EAGAIN, "try again; another process may hold the vault",
			       "the embedded vault is busy");
	case SQLITE_NOMEM:
		return kp_fail(e, -EAGAIN, NULL, "no memory for the embedded vault");
	case SQLITE_FULL:
		kp_fail(e, -EIO, NULL, "no space to record the call in %s", l->path);
		return kp_hint(e, -EIO, "make room in %s", l->state_dir);
	default:
		kp_fail(e, -EIO, NULL, "vault database %s: %s", l->path, why);
		return kp_hint(e, -EIO, "restore %s with its %s from a backup", l->path,
			       VAULT_KEY_FILE);
	}
}

static int bind_all(sqlite3_stmt *s, const char *fmt, va_list ap)
{
	int i = 1, rc = SQLITE_OK;
	const void *p;

	for (; *fmt && rc == SQLITE_OK; fmt++, i++) {
		switch (*fmt) {
		case 's':
			rc = sqlite3_bind_text(s, i, va_arg(ap, const char *), -1,
					       SQLITE_TRANSIENT);
			break;
		case 'i':
			rc = sqlite3_bind_int64(s, i, va_arg(ap, int64_t));
			break;
		default:
			p = va_arg(ap, const void *);
			rc = sqlite3_bind_blob64(s, i, p, va_arg(ap, size_t), SQLITE_TRANSIENT);
		}
	}
	return rc;
}

static int prepare(struct local *l, sqlite3_stmt **ret, struct kp_error *e, const char *sql,
		   const char *fmt, va_list ap)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(l->db, sql, -1, &s, NULL);

	if (rc == SQLITE_OK)
		rc = bind_all(s, fmt, ap);
	if (rc != SQLITE_OK) {
		sqlite3_finalize(s);
		return db_error(l, rc, e);
	}
	*ret = s;
	return 0;
}

int db_prepare(struct local *l, sqlite3_stmt **ret, struct kp_error *e, const char *sql,
	       const char *fmt, ...)
{
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = prepare(l, ret, e, sql, fmt, ap);
	va_end(ap);
	return r;
}

int db_step(struct local *l, sqlite3_stmt *s, struct kp_error *e)
{
	int rc = sqlite3_step(s);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : db_error(l, rc, e);
}

int db_run(struct local *l, struct kp_error *e, const char *sql, const char *fmt, ...)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	va_list ap;
	int r;

	va_start(ap, fmt);
	r = prepare(l, &s, e, sql, fmt, ap);
	va_end(ap);
	while (!r && (r = db_step(l, s, e)) == 1)
		r = 0;
	return r;
}

void db_text(sqlite3_stmt *s, int col, char *ret, size_t cap)
{
	const char *t = (const char *)sqlite3_column_text(s, col);

	snprintf(ret, cap, "%s", t ? t : "");
}
