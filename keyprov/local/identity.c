/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Principals of the embedded vault: managed identities, on or off, each with a
 * secret of its own that the volume shows at every call.  The secret is in
 * STATE/identities/PRINCIPAL.cred; the database knows only its SHA-256.
 */
#include "db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "crypto/rand.h"
#include "crypto/secret.h"

#define SECRET_LEN 32

struct credential {
	uint8_t secret[SECRET_LEN + 1]; /* one more, to see a longer file */
};

static void cred_path(const struct local *l, const char *principal, char *ret, size_t cap)
{
	snprintf(ret, cap, "%s/%s/%s.cred", l->state_dir, IDENTITY_DIR, principal);
}

static int no_credential(const char *principal, const char *why, struct kp_error *e)
{
	kp_fail(e, -EACCES, NULL, "identity %s cannot show its credential: %s", principal, why);
	return kp_hint(e, -EACCES, "make a new one: cmkfs identity on DIR (DIR: the volume)");
}

static int cred_hash(const struct local *l, const char *principal, uint8_t ret[static HASH_LEN],
		     struct kp_error *e)
{
	_cleanup_secret_ struct credential *c = secret_alloc(sizeof(*c));
	_cleanup_close_ int fd = -1;
	char path[4096];
	struct stat st;
	ssize_t n;

	if (!c)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for a credential");
	cred_path(l, principal, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0 || fstat(fd, &st) < 0)
		return no_credential(principal, strerror(errno), e);
	if (!S_ISREG(st.st_mode) || (st.st_mode & 077))
		return no_credential(principal, "its file can be read by others", e);
	do
		n = read(fd, c->secret, sizeof(c->secret));
	while (n < 0 && errno == EINTR);
	if (n != SECRET_LEN)
		return no_credential(principal, "its file is damaged", e);
	if (audit_sha256(c->secret, SECRET_LEN, NULL, 0, ret))
		return kp_fail(e, -EIO, NULL, "hashing a credential failed");
	return 0;
}

static int identity_find(struct local *l, const char *principal, struct local_identity *ret,
			 uint8_t ret_hash[static HASH_LEN], struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = db_prepare(l, &s, e, "SELECT enabled, created, secret_hash FROM principal "
			   "WHERE name = ?", "s", principal);

	if (!r)
		r = db_step(l, s, e);
	if (r < 0)
		return r;
	if (!r) {
		kp_fail(e, -ENOENT, NULL, "no identity %s", principal);
		return kp_hint(e, -ENOENT, "make it: cmkfs identity on DIR (DIR: the volume)");
	}
	snprintf(ret->principal, sizeof(ret->principal), "%s", principal);
	ret->on = sqlite3_column_int(s, 0);
	ret->created = sqlite3_column_int64(s, 1);
	memset(ret_hash, 0, HASH_LEN);
	if (sqlite3_column_bytes(s, 2) == HASH_LEN)
		memcpy(ret_hash, sqlite3_column_blob(s, 2), HASH_LEN);
	return 0;
}

int identity_check(struct local *l, struct kp_error *e)
{
	uint8_t shown[HASH_LEN], known[HASH_LEN];
	struct local_identity id;
	int r;

	if (!l->principal[0])
		return 0;
	r = identity_find(l, l->principal, &id, known, e);
	if (r == -ENOENT) {
		kp_fail(e, -EACCES, NULL, "no identity %s in the embedded vault", l->principal);
		return kp_hint(e, -EACCES, "make it: cmkfs identity on DIR (DIR: the volume)");
	}
	if (r)
		return r;
	if (!id.on) {
		kp_fail(e, -EKEYREVOKED, NULL, "identity %s is switched off", l->principal);
		return kp_hint(e, -EKEYREVOKED, "cmkfs identity on DIR (DIR: the volume)");
	}
	r = cred_hash(l, l->principal, shown, e);
	if (r)
		return r;
	return secret_equal(shown, known, HASH_LEN) ? 0 :
		no_credential(l->principal, "it is not the one that was given", e);
}

/* ---- making -------------------------------------------------------------------- */

static int write_file(const char *dir, const char *path, const uint8_t *p, size_t n)
{
	_cleanup_close_ int fd = -1, dirfd = -1;
	char tmp[4096 + 16];
	int r = 0;

	if (mkdir(dir, 0700) < 0 && errno != EEXIST)
		return -errno;
	dirfd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return -errno;
	snprintf(tmp, sizeof(tmp), "%s/.new.XXXXXX", dir);
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, p, n) != (ssize_t)n || fsync(fd) < 0 || rename(tmp, path) < 0)
		r = errno ? -errno : -EIO;
	if (r)
		unlink(tmp);
	else if (fsync(dirfd) < 0)
		r = -errno;
	return r;
}

/* A new secret: the file first, then its hash by the transaction. */
static int cred_make(struct local *l, const char *principal, uint8_t ret_hash[static HASH_LEN],
		     struct kp_error *e)
{
	_cleanup_secret_ struct credential *c = secret_alloc(sizeof(*c));
	char dir[4096], path[4096];
	int r;

	if (!c)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for a credential");
	snprintf(dir, sizeof(dir), "%s/%s", l->state_dir, IDENTITY_DIR);
	cred_path(l, principal, path, sizeof(path));
	r = rand_secret(c->secret, SECRET_LEN);
	if (!r)
		r = audit_sha256(c->secret, SECRET_LEN, NULL, 0, ret_hash);
	if (!r)
		r = write_file(dir, path, c->secret, SECRET_LEN);
	if (r)
		return kp_fail(e, -EIO, NULL, "cannot write %s: %s", path, strerror(-r));
	return 0;
}

int identity_make(struct local *l, const char *principal, struct kp_error *e)
{
	uint8_t known[HASH_LEN], hash[HASH_LEN];
	struct local_identity id;
	int r = identity_find(l, principal, &id, known, NULL);

	if (!r && !cred_hash(l, principal, hash, NULL) && secret_equal(hash, known, HASH_LEN))
		return 0;
	if (r && r != -ENOENT)
		return identity_find(l, principal, &id, known, e);
	r = cred_make(l, principal, hash, e);
	if (r)
		return r;
	return db_run(l, e, "INSERT INTO principal VALUES (?1, 1, ?2, ?3) ON CONFLICT (name) "
		      "DO UPDATE SET secret_hash = excluded.secret_hash", "sib", principal,
		      now_seconds(), hash, sizeof(hash));
}

/* ---- administration ------------------------------------------------------------ */

struct identity_op {
	const char *principal;
	bool on;
	struct local_identity *ret;
};

static int do_create(struct local *l, void *arg, struct kp_error *e)
{
	const struct identity_op *o = arg;

	return identity_make(l, o->principal, e);
}

int local_identity_create(struct local *l, const char *principal, struct kp_error *e)
{
	struct call c = { .operation = "identity.create", .object = principal, .changes = true,
			  .operator_only = true };
	struct identity_op o = { .principal = principal };
	int r = local_principal_check(principal, e);

	return r ? r : local_call(l, &c, do_create, &o, e);
}

static int do_get(struct local *l, void *arg, struct kp_error *e)
{
	const struct identity_op *o = arg;
	uint8_t hash[HASH_LEN];

	return identity_find(l, o->principal, o->ret, hash, e);
}

int local_identity_get(struct local *l, const char *principal, struct local_identity *ret,
		       struct kp_error *e)
{
	struct call c = { .operation = "identity.get", .object = principal,
			  .operator_only = true };
	struct identity_op o = { .principal = principal, .ret = ret };
	int r = local_principal_check(principal, e);

	return r ? r : local_call(l, &c, do_get, &o, e);
}

static int do_switch(struct local *l, void *arg, struct kp_error *e)
{
	const struct identity_op *o = arg;
	int r;

	/* Switched on, it also gets the credential that it may have lost. */
	r = o->on ? identity_make(l, o->principal, e) : 0;
	if (!r)
		r = db_run(l, e, "UPDATE principal SET enabled = ? WHERE name = ?", "is",
			   (int64_t)o->on, o->principal);
	if (!r && !sqlite3_changes(l->db)) {
		kp_fail(e, -ENOENT, NULL, "no identity %s", o->principal);
		r = kp_hint(e, -ENOENT, "make it: cmkfs identity on DIR (DIR: the volume)");
	}
	return r;
}

int local_identity_switch(struct local *l, const char *principal, bool on, struct kp_error *e)
{
	struct call c = { .operation = on ? "identity.on" : "identity.off", .object = principal,
			  .changes = true, .operator_only = true };
	struct identity_op o = { .principal = principal, .on = on };
	int r = local_principal_check(principal, e);

	return r ? r : local_call(l, &c, do_switch, &o, e);
}
