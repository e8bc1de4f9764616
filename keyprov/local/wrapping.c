/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Wrapping and unwrapping by a version of a key, once it is allowed.
 */
#include "db.h"

#include <errno.h>

#include "crypto/aead.h"
#include "crypto/rsa.h"
#include "crypto/secret.h"

static int no_wrapping(const struct version_row *v, struct kp_error *e)
{
	kp_fail(e, -EKEYREJECTED, NULL, "key %s is of type %s and cannot wrap", v->v.kid,
		v->v.type);
	return kp_hint(e, -EKEYREJECTED, "make an RSA key: cmkfs vault key create "
		       "local://VAULT/keys/NAME --size 2048");
}

static int column(struct local *l, const struct version_row *v, const char *sql,
		  sqlite3_stmt **ret, struct kp_error *e)
{
	int r;

	if (strcmp(v->v.type, "RSA") != 0)
		return no_wrapping(v, e);
	r = db_prepare(l, ret, e, sql, "i", v->id);
	if (!r)
		r = db_step(l, *ret, e);
	if (r == 1)
		return 0;
	return r ? r : kp_fail(e, -EIO, NULL, "the material of key %s is missing", v->v.kid);
}

int version_wrap(struct local *l, const struct version_row *v, const uint8_t *secret, size_t n,
		 uint8_t *ret, size_t *ret_n, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	struct rsa *k = NULL;
	int r = column(l, v, "SELECT public FROM key_version WHERE id = ?", &s, e);

	if (r)
		return r;
	r = rsa_parse(sqlite3_column_blob(s, 0), (size_t)sqlite3_column_bytes(s, 0), &k);
	if (!r)
		r = rsa_oaep_wrap(k, secret, n, ret, ret_n);
	rsa_free(k);
	return r ? kp_fail(e, -EIO, NULL, "wrapping by key %s failed", v->v.kid) : 0;
}

/* The private key of V, which is a version of the key that U names. */
static int private_key(struct local *l, const struct local_uri *u, const struct version_row *v,
		       struct rsa **ret, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	_cleanup_secret_ uint8_t *der = NULL;
	struct local_uri kid = *u;
	size_t n;
	int r = column(l, v, "SELECT sealed FROM key_version WHERE id = ?", &s, e);

	if (r)
		return r;
	n = (size_t)sqlite3_column_bytes(s, 0);
	if (!n) {
		kp_fail(e, -EKEYREJECTED, NULL, "only the public half of key %s is in the vault",
			v->v.kid);
		return kp_hint(e, -EKEYREJECTED, "import the private key: cmkfs vault key import "
			       "local://%s/keys/%s --file PEM", u->vault, u->key);
	}
	der = n > SEALED_EXTRA ? secret_alloc(n - SEALED_EXTRA) : NULL;
	if (!der)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for a private key");
	memcpy(kid.version, v->version, sizeof(kid.version));
	if (master_open(l->master, &kid, sqlite3_column_blob(s, 0), n, der) ||
	    rsa_parse(der, n - SEALED_EXTRA, ret))
		return kp_fail(e, -EIO, "restore vault.db from a backup",
			       "the private key of %s is damaged in the vault", v->v.kid);
	return 0;
}

int version_unwrap(struct local *l, const struct local_uri *u, const struct version_row *v,
		   const uint8_t *blob, size_t n, uint8_t *ret, struct kp_error *e)
{
	struct rsa *k = NULL;
	size_t len;
	int r = private_key(l, u, v, &k, e);

	if (r)
		return r;
	r = rsa_oaep_unwrap(k, blob, n, ret, KP_SECRET_LEN, &len);
	rsa_free(k);
	if (!r && len == KP_SECRET_LEN)
		return 0;
	kp_fail(e, -EBADMSG, NULL, "the wrapped key was not made by %s, or is damaged", v->v.kid);
	return kp_hint(e, -EBADMSG, "cmkfs key show DIR tells which key it was wrapped by");
}
