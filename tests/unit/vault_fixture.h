/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A state directory with a vault `prod`, a key in it, and an identity that may
 * use it: what tests of the embedded vault start from.
 */
#ifndef CMKFS_VAULT_FIXTURE_H
#define CMKFS_VAULT_FIXTURE_H

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "crypto/rsa.h"
#include "keyprov/local/local.h"

#define KEY "local://prod/keys/k"
#define WHO "cmkfs-0011"

struct fixture {
	char dir[64];
	struct local *l;    /* the operator */
	struct kp_context ctx; /* of WHO */
	struct kp *kp;	    /* KEY, opened as WHO */
	char kid[KP_URI_MAX]; /* first version */
	uint8_t secret[KP_SECRET_LEN], blob[KP_BLOB_MAX];
	size_t blob_len;
};

#define OK(call) fixture_expect((call), 0, &e, #call)
#define FAILS(code, call) fixture_expect((call), (code), &e, #call)

static struct kp_error e; /* of the last call */

static inline void fixture_expect(int r, int want, const struct kp_error *err, const char *what)
{
	if (r != want)
		fail_msg("%s: %d, not %d: %s", what, r, want, r ? err->message : "");
	if (r && !(err->message[0] && err->code == r))
		fail_msg("%s: %d without a message", what, r);
}

static inline int fixture_remove(const char *path, const struct stat *st, int flag, struct FTW *f)
{
	(void)st;
	(void)flag;
	(void)f;
	return remove(path);
}

static inline void fixture_rmtree(const char *dir)
{
	nftw(dir, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* Only the directory and a database without a vault. */
static inline struct fixture *fixture_bare(void)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->dir, sizeof(f->dir), "/tmp/cmkfs-vault.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->ctx = (struct kp_context){ .state_dir = f->dir, .principal = WHO };
	OK(local_open(f->dir, NULL, true, &f->l, &e));
	return f;
}

/* One key for all tests of a program: finding primes takes longer than they do. */
static inline const uint8_t *fixture_private(size_t *ret_n)
{
	static uint8_t *der;
	static size_t n;
	struct rsa *k;

	if (!der) {
		OK(rsa_generate(2048, &k));
		OK(rsa_private_der(k, &der, &n));
		rsa_free(k);
	}
	*ret_n = n;
	return der;
}

static inline struct fixture *fixture_new(void)
{
	struct fixture *f = fixture_bare();
	size_t n;
	const uint8_t *der = fixture_private(&n);
	struct local_vault v = { .name = "prod", .soft_delete = true, .purge_protection = true };
	struct local_key_options o = { 0 };

	OK(local_vault_create(f->l, &v, &e));
	OK(local_key_import(f->l, KEY, der, n, &o, f->kid, &e));
	OK(local_identity_create(f->l, WHO, &e));
	OK(local_policy_set(f->l, "prod", WHO, PERM_USE, &e));
	OK(kp_local.open(&f->ctx, KEY, &f->kp, &e));
	memset(f->secret, 0x5a, sizeof(f->secret));
	f->secret[7] = 1;
	OK(kp_local.wrap(f->kp, f->secret, sizeof(f->secret), f->blob, &f->blob_len, f->kid, &e));
	return f;
}

static inline void fixture_free(struct fixture *f)
{
	kp_local.close(f->kp);
	local_close(f->l);
	fixture_rmtree(f->dir);
	free(f);
}

static inline int fixture_setup(void **state)
{
	*state = fixture_new();
	return 0;
}

static inline int fixture_setup_bare(void **state)
{
	*state = fixture_bare();
	return 0;
}

static inline int fixture_teardown(void **state)
{
	fixture_free(*state);
	return 0;
}

static inline void fixture_path(const struct fixture *f, const char *name, char ret[static 256])
{
	snprintf(ret, 256, "%s/%s", f->dir, name);
}

/* Behind the vault's back. */
static inline void fixture_sql(const struct fixture *f, const char *sql)
{
	char path[256], *msg = NULL;
	sqlite3 *db;

	fixture_path(f, "vault.db", path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	if (sqlite3_exec(db, sql, NULL, NULL, &msg) != SQLITE_OK)
		fail_msg("%s: %s", sql, msg);
	sqlite3_close(db);
}

static inline int64_t fixture_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

#endif
