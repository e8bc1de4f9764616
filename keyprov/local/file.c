/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The database file: opening, finding it replaced, making it.
 *
 * Journal: WAL, so that a call costs one fsync.  Those who watch are woken by
 * the write of the commit to the log, which is before it is published; they
 * therefore read under the write lock, which is held until it is.
 */
#include "db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#define BUSY_MS 5000
#define BUSY_QUICK 100 /* tries of 1 ms, then of 5 */

static int busy(void *arg, int tries)
{
	int ms = tries < BUSY_QUICK ? 1 : 5;
	struct timespec t = { 0, ms * 1000000L };

	(void)arg;
	if (tries >= BUSY_QUICK + (BUSY_MS - BUSY_QUICK) / 5)
		return 0;
	nanosleep(&t, NULL);
	return 1;
}

static void detach(struct local *l)
{
	sqlite3_close(l->db);
	l->db = NULL;
}

static int attach(struct local *l, struct kp_error *e)
{
	int rc, r;

	rc = sqlite3_open_v2(l->path, &l->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (rc == SQLITE_OK) {
		sqlite3_busy_handler(l->db, busy, NULL);
		return 0;
	}
	r = db_error(l, rc, e);
	detach(l);
	return r;
}

static int missing(struct local *l, struct kp_error *e)
{
	int err = errno;

	kp_fail(e, -EIO, NULL, "vault database %s: %s", l->path, strerror(err));
	if (err == ENOENT)
		return kp_hint(e, -EIO, "make a vault with cmkfs vault create NAME, or restore the "
			       "file from a backup");
	return kp_hint(e, -EIO, "look at the rights of %s", l->state_dir);
}

int db_attach(struct local *l, struct kp_error *e)
{
	struct stat st;
	int r;

	if (stat(l->path, &st) < 0) {
		r = missing(l, e);
		detach(l);
		return r;
	}
	if (l->db && st.st_dev == l->dev && st.st_ino == l->ino)
		return 0;
	detach(l);
	r = attach(l, e);
	if (!r)
		r = schema_check(l, e);
	if (r) {
		detach(l);
		return r;
	}
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return 0;
}

int db_changes(struct local *l, int64_t *ret, bool *ret_other_file)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	dev_t dev = l->dev;
	ino_t ino = l->ino;
	int r;

	r = db_attach(l, NULL);
	if (r)
		return r;
	*ret_other_file = dev != l->dev || ino != l->ino;
	r = db_run(l, NULL, "BEGIN IMMEDIATE", "");
	if (r)
		return r;
	r = db_prepare(l, &s, NULL, "SELECT changes FROM state WHERE id = 1", "");
	if (!r && (r = db_step(l, s, NULL)) == 1) {
		*ret = sqlite3_column_int64(s, 0);
		r = 0;
	} else if (!r) {
		r = -EIO;
	}
	sqlite3_finalize(s);
	s = NULL;
	db_run(l, NULL, "ROLLBACK", "");
	return r;
}

/* Made under another name, so that nobody ever sees half of one; of two makers one wins: 1. */
static int make_database(struct local *l, struct kp_error *e)
{
	_cleanup_close_ int fd = -1, dir = open(l->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct local new = { .state_dir = l->state_dir };
	int r;

	if (dir < 0 || asprintf(&new.path, "%s/.%s.XXXXXX", l->state_dir, VAULT_DB) < 0)
		return missing(l, e);
	fd = mkostemp(new.path, O_CLOEXEC);
	if (fd < 0) {
		r = missing(l, e);
		goto out;
	}
	r = attach(&new, e);
	if (!r)
		r = schema_make(&new, e);
	detach(&new);
	if (!r)
		r = link(new.path, l->path) == 0 ? 1 : errno == EEXIST ? 0 : missing(l, e);
	if (r >= 0 && fsync(dir) < 0)
		r = missing(l, e);
	unlink(new.path);
out:
	free(new.path);
	return r;
}

static int record_made(struct local *l, void *arg, struct kp_error *e)
{
	(void)arg;
	return record_call(l, "database.create", VAULT_DB, "", "ok", "", e);
}

static int create_missing(struct local *l, struct kp_error *e)
{
	struct stat st;
	int r;

	if (mkdir(l->state_dir, 0700) < 0 && errno != EEXIST)
		return missing(l, e);
	if (stat(l->path, &st) == 0 || errno != ENOENT)
		return 0;
	r = make_database(l, e);
	return r > 0 ? local_transaction(l, record_made, NULL, e) : r;
}

int local_open(const char *state_dir, const char *principal, bool create, struct local **ret,
	       struct kp_error *e)
{
	struct local *l = calloc(1, sizeof(*l));
	int r = -EAGAIN;

	if (!l || asprintf(&l->path, "%s/%s", state_dir, VAULT_DB) < 0) {
		free(l);
		return kp_fail(e, r, NULL, "no memory for the embedded vault");
	}
	l->state_dir = strdup(state_dir);
	if (!l->state_dir) {
		kp_fail(e, r, NULL, "no memory for the embedded vault");
		goto fail;
	}
	if (principal) {
		r = local_principal_check(principal, e);
		if (r)
			goto fail;
		snprintf(l->principal, sizeof(l->principal), "%s", principal);
	}
	r = create ? create_missing(l, e) : 0;
	if (!r)
		r = db_attach(l, e);
	if (r)
		goto fail;
	*ret = l;
	return 0;
fail:
	local_close(l);
	return r;
}

bool local_exists(const char *state_dir)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", state_dir, VAULT_DB);
	return access(path, F_OK) == 0;
}

void local_close(struct local *l)
{
	if (!l)
		return;
	detach(l);
	free(l->path);
	free(l->state_dir);
	free(l);
}
