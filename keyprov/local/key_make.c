/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting keys into a vault: create, rotate, import.  The material is made
 * before the transaction, which would hold up everybody for as long as it takes
 * to find primes.  A private key goes to the database only sealed.
 */
#include "db.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/aead.h"
#include "crypto/rand.h"

#define DEFAULT_BITS 2048

/* ---- storing ------------------------------------------------------------------- */

static int new_version(char ret[static LOCAL_VERSION_MAX])
{
	uint8_t id[16];
	int r = rand_bytes(id, sizeof(id));

	for (size_t i = 0; i < sizeof(id); i++)
		snprintf(ret + 2 * i, 3, "%02x", id[i]);
	return r;
}

static int seal(struct local *l, const struct local_uri *u, const struct material *m,
		uint8_t **ret, size_t *ret_n)
{
	size_t n = m->private_len + SEALED_EXTRA;
	uint8_t *p;
	int r;

	*ret = NULL;
	*ret_n = 0;
	if (!m->private)
		return 0;
	p = malloc(n);
	if (!p)
		return -EAGAIN;
	r = master_seal(l->master, u, m->private, m->private_len, p);
	if (r) {
		free(p);
		return r;
	}
	*ret = p;
	*ret_n = n;
	return 0;
}

static int store_version(struct local *l, const struct local_uri *u, int64_t key_id,
			 const struct material *m, const struct local_key_options *o,
			 char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	_cleanup_free_ uint8_t *sealed = NULL;
	struct local_uri kid = *u;
	size_t n;

	if (o->not_before && o->expires && o->not_before >= o->expires)
		return kp_fail(e, -EINVAL, "give an --expires after --not-before",
			       "a key that expires before it is valid is of no use");
	if (new_version(kid.version) || seal(l, &kid, m, &sealed, &n))
		return kp_fail(e, -EIO, NULL, "sealing a key failed");
	local_uri_format(&kid, ret_kid);
	return db_run(l, e, "INSERT INTO key_version (key_id, version, type, bits, created, "
		      "not_before, expires, public, sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
		      "issiiiibb", key_id, kid.version, m->type, (int64_t)m->bits, now_seconds(),
		      o->not_before, o->expires, m->public, m->public_len,
		      sealed ? sealed : (const void *)"", n);
}

static int insert_key(struct local *l, const struct local_uri *u, const struct vault_row *v,
		      const char *owner, int64_t *ret_id, struct kp_error *e)
{
	int r = db_run(l, e, "INSERT INTO key (vault_id, name, owner, created) VALUES (?, ?, ?, ?)",
		       "issi", v->id, u->key, owner, now_seconds());

	*ret_id = sqlite3_last_insert_rowid(l->db);
	return r;
}

static int exists(const struct key_row *k, const struct local_uri *u, struct kp_error *e)
{
	kp_fail(e, -EEXIST, NULL, "there is a %skey %s in vault %s already",
		k->k.deleted ? "deleted " : "", u->key, u->vault);
	return kp_hint(e, -EEXIST, "cmkfs vault key %s %s", k->k.deleted ? "recover" : "rotate",
		       k->k.uri);
}

/* ---- the operations ------------------------------------------------------------ */

struct make_op {
	struct local_uri u;
	char object[KP_URI_MAX];
	const struct local_key_options *o;
	struct material m;
	char kid[KP_URI_MAX];
};

int key_make(struct local *l, const struct local_uri *u, const char *owner,
	     const struct material *m, const struct local_key_options *o,
	     char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	struct vault_row v;
	struct key_row k;
	int64_t id;
	int r = vault_enter(l, u->vault, PERM_CREATE, &v, e);

	if (r)
		return r;
	r = key_find(l, &v, u->key, &k, NULL);
	if (!r)
		return exists(&k, u, e);
	r = insert_key(l, u, &v, owner, &id, e);
	return r ? r : store_version(l, u, id, m, o, ret_kid, e);
}

static int do_create(struct local *l, void *arg, struct kp_error *e)
{
	struct make_op *o = arg;

	return key_make(l, &o->u, "", &o->m, o->o, o->kid, e);
}

static int do_rotate(struct local *l, void *arg, struct kp_error *e)
{
	struct make_op *o = arg;
	struct vault_row v;
	struct key_row k;
	int r = vault_enter(l, o->u.vault, PERM_ROTATE, &v, e);

	if (!r)
		r = key_enter(l, &v, o->u.key, &k, e);
	return r ? r : store_version(l, &o->u, k.id, &o->m, o->o, o->kid, e);
}

static int do_import(struct local *l, void *arg, struct kp_error *e)
{
	struct make_op *o = arg;
	struct vault_row v;
	struct key_row k;
	int r = vault_enter(l, o->u.vault, PERM_IMPORT, &v, e);

	if (r)
		return r;
	r = key_find(l, &v, o->u.key, &k, NULL);
	if (!r)
		r = key_enter(l, &v, o->u.key, &k, e);
	else if (r == -ENOENT)
		r = insert_key(l, &o->u, &v, "", &k.id, e);
	return r ? r : store_version(l, &o->u, k.id, &o->m, o->o, o->kid, e);
}

static int parse_uri(const char *uri, struct make_op *o, struct kp_error *e)
{
	int r = local_uri_parse(uri, &o->u, e);

	if (!r && o->u.version[0])
		r = kp_fail(e, -EINVAL, "leave the version away; the vault chooses it",
			    "%s names a version", uri);
	if (!r)
		local_uri_format(&o->u, o->object);
	return r;
}

static int run(struct local *l, const char *operation, struct make_op *o, call_fn *fn,
	       char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	/* The new kid is known when the record is written: it points into O. */
	struct call c = { .operation = operation, .object = o->object, .detail = o->kid,
			  .changes = true };
	int r = local_call(l, &c, fn, o, e);

	if (!r)
		memcpy(ret_kid, o->kid, sizeof(o->kid));
	material_clear(&o->m);
	return r;
}

int local_key_create(struct local *l, const char *uri, const struct local_key_options *opt,
		     char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	struct make_op o = { .o = opt };
	int r = parse_uri(uri, &o, e);

	if (!r)
		r = material_generate(opt->bits ? opt->bits : DEFAULT_BITS, &o.m, e);
	return r ? r : run(l, "create", &o, do_create, ret_kid, e);
}

/* Size of the version that is rotated away, if one can be found. */
static int do_size(struct local *l, void *arg, struct kp_error *e)
{
	struct make_op *o = arg;
	struct version_row row;
	struct vault_row v;
	struct key_row k;
	int r = vault_find(l, o->u.vault, &v, e);

	if (!r)
		r = key_find(l, &v, o->u.key, &k, e);
	if (!r)
		r = version_find(l, &o->u, &k, &row, e);
	o->m.bits = r ? DEFAULT_BITS : row.v.bits;
	return 0;
}

int local_key_rotate(struct local *l, const char *uri, const struct local_key_options *opt,
		     char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	struct make_op o = { .o = opt };
	unsigned int bits = opt->bits;
	int r = parse_uri(uri, &o, e);

	if (!r && !bits) {
		r = local_snapshot(l, do_size, &o, e);
		bits = o.m.bits >= 4096 ? 4096 : o.m.bits >= 3072 ? 3072 : DEFAULT_BITS;
	}
	if (!r)
		r = material_generate(bits, &o.m, e);
	return r ? r : run(l, "rotate", &o, do_rotate, ret_kid, e);
}

int local_key_import(struct local *l, const char *uri, const void *pem, size_t n,
		     const struct local_key_options *opt, char ret_kid[static KP_URI_MAX],
		     struct kp_error *e)
{
	struct make_op o = { .o = opt };
	int r = parse_uri(uri, &o, e);

	if (!r)
		r = material_parse(pem, n, opt->pass, opt->pass_len, &o.m, e);
	return r ? r : run(l, "import", &o, do_import, ret_kid, e);
}
