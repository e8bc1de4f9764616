/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The embedded vault as a key provider.  The database is opened at the first
 * call, and again when the file was replaced, so that an open key watches a
 * vault that is away and is back later.
 *
 * Deadline of a call: 5 s, when another process holds the database.
 */
#include "db.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "watch.h"

struct kp {
	char *state_dir;
	char principal[LOCAL_PRINCIPAL_MAX]; /* "": the operator */
	struct local_uri uri;
	struct local *l; /* NULL: not opened yet */
	struct watch watch;
	struct repeat described, unwrapped;
};

static int check(const char *uri, char ret[static KP_URI_MAX], struct kp_error *e)
{
	struct local_uri u;
	int r = local_uri_parse(uri, &u, e);

	if (!r)
		local_uri_format(&u, ret);
	return r;
}

static void kp_close(struct kp *kp)
{
	if (!kp)
		return;
	watch_close(&kp->watch);
	local_close(kp->l);
	free(kp->state_dir);
	free(kp);
}

static int attach(struct kp *kp, struct kp_error *e)
{
	if (kp->l)
		return 0;
	return local_open(kp->state_dir, kp->principal[0] ? kp->principal : NULL, false, &kp->l,
			  e);
}

static int open_key(const struct kp_context *ctx, const char *uri, struct kp **ret,
		    struct kp_error *e)
{
	struct kp *kp = calloc(1, sizeof(*kp));
	bool other;
	int r;

	if (!kp)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	kp->watch.fd = -1;
	r = local_uri_parse(uri, &kp->uri, e);
	if (!r && ctx->principal) {
		r = local_principal_check(ctx->principal, e);
		snprintf(kp->principal, sizeof(kp->principal), "%s", ctx->principal);
	}
	kp->state_dir = strdup(ctx->state_dir);
	if (!r && !kp->state_dir)
		r = kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	if (r) {
		kp_close(kp);
		return r;
	}
	watch_open(&kp->watch, kp->state_dir);
	if (!attach(kp, NULL) && db_changes(kp->l, &kp->watch.changes, &other))
		kp->watch.changes = -1;
	*ret = kp;
	return 0;
}

/* ---- the calls ----------------------------------------------------------------- */

struct use {
	struct local_uri u; /* what is asked for */
	char object[KP_URI_MAX];
	struct vault_row vault;
	struct key_row key;
	struct version_row version;
	const uint8_t *in;
	size_t in_len;
	uint8_t *out;
	size_t *out_len;
	struct kp_info *info;
	struct repeat *repeat;
	char detail[KP_URI_MAX]; /* the version that was taken */
};

/* Which key KID means to this handle: one of the same name, in any version. */
static int resolve(const struct kp *kp, const char *kid, struct use *o, struct kp_error *e)
{
	int r = 0;

	o->u = kp->uri;
	if (kid)
		r = local_uri_parse(kid, &o->u, e);
	if (!r && (strcmp(o->u.vault, kp->uri.vault) != 0 || strcmp(o->u.key, kp->uri.key) != 0))
		r = kp_fail(e, -EKEYREJECTED, NULL, "%.180s is not a version of key %s in vault %s",
			    kid, kp->uri.key, kp->uri.vault);
	if (!r)
		local_uri_format(&o->u, o->object);
	return r;
}

static int call(struct kp *kp, const char *operation, const char *kid, struct use *o, call_fn *fn,
		struct kp_error *e)
{
	struct call c = { .operation = operation, .object = o->object, .detail = o->detail,
			  .use = true, .repeat = o->repeat };
	int r = resolve(kp, kid, o, e);

	if (!r)
		r = attach(kp, e);
	return r ? r : local_call(kp->l, &c, fn, o, e);
}

static int find(struct local *l, struct use *o, unsigned int perm, struct kp_error *e)
{
	int r = vault_enter(l, o->u.vault, perm, &o->vault, e);

	if (!r)
		r = key_enter(l, &o->vault, o->u.key, &o->key, e);
	if (!r)
		r = version_enter(l, &o->u, &o->key, &o->version, e);
	if (!r && !o->u.version[0])
		snprintf(o->detail, sizeof(o->detail), "%s", o->version.v.kid);
	return r;
}

/* ---- describe ------------------------------------------------------------------ */

static int fill_info(struct local *l, struct use *o, struct kp_error *e)
{
	const struct local_vault *v = &o->vault.v;
	const struct local_version *k = &o->version.v;
	struct local_uri any = o->u;
	struct kp_info *i = o->info;
	struct version_row newest;
	unsigned int has = PERM_USE;
	int r = 0;

	any.version[0] = '\0';
	if (l->principal[0])
		r = policy_of(l, o->vault.id, l->principal, &has, e);
	if (!r)
		r = version_find(l, &any, &o->key, &newest, e);
	if (r)
		return r;
	memset(i, 0, sizeof(*i));
	memcpy(i->kid, k->kid, sizeof(i->kid));
	memcpy(i->newest, newest.v.kid, sizeof(i->newest));
	memcpy(i->type, k->type, sizeof(i->type));
	i->bits = k->bits;
	i->enabled = o->key.k.enabled && k->enabled;
	i->not_before = k->not_before;
	i->expires = k->expires;
	i->soft_delete = v->soft_delete;
	i->purge_protection = v->purge_protection;
	i->may_get = has & PERM_GET;
	i->may_wrap = has & PERM_WRAP;
	i->may_unwrap = has & PERM_UNWRAP;
	i->may_more = has & ~(unsigned int)PERM_USE;
	i->firewall_blocks = v->firewall && !v->trusted_services;
	i->service_managed = v->service;
	memcpy(i->vault, v->name, sizeof(v->name));
	memcpy(i->tenant, v->tenant, sizeof(i->tenant));
	memcpy(i->region, v->region, sizeof(i->region));
	return 0;
}

static int do_describe(struct local *l, void *arg, struct kp_error *e)
{
	struct use *o = arg;
	int r = find(l, o, PERM_GET, e);

	return r ? r : fill_info(l, o, e);
}

static int describe(struct kp *kp, const char *kid, struct kp_info *ret, struct kp_error *e)
{
	struct kp_info info;
	struct use o = { .info = &info, .repeat = &kp->described };
	int r = call(kp, "get", kid, &o, do_describe, e);

	if (!r)
		*ret = info;
	return r;
}

/* ---- wrap, unwrap -------------------------------------------------------------- */

static int do_wrap(struct local *l, void *arg, struct kp_error *e)
{
	struct use *o = arg;
	int r = find(l, o, PERM_WRAP, e);

	if (!r)
		r = version_usable(&o->key, &o->version, e);
	return r ? r : version_wrap(l, &o->version, o->in, o->in_len, o->out, o->out_len, e);
}

static int wrap(struct kp *kp, const uint8_t *secret, size_t n, uint8_t ret[static KP_BLOB_MAX],
		size_t *ret_n, char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	struct use o = { .in = secret, .in_len = n, .out = ret, .out_len = ret_n };
	int r = call(kp, "wrapKey", NULL, &o, do_wrap, e);

	if (!r)
		memcpy(ret_kid, o.version.v.kid, sizeof(o.version.v.kid));
	return r;
}

static int do_unwrap(struct local *l, void *arg, struct kp_error *e)
{
	struct use *o = arg;
	int r = find(l, o, PERM_UNWRAP, e);

	if (!r)
		r = version_usable(&o->key, &o->version, e);
	return r ? r : version_unwrap(l, &o->u, &o->version, o->in, o->in_len, o->out, e);
}

static int unwrap(struct kp *kp, const char *kid, const uint8_t *blob, size_t n, uint8_t *ret,
		  struct kp_error *e)
{
	struct use o = { .in = blob, .in_len = n, .out = ret, .repeat = &kp->unwrapped };
	int r = call(kp, "unwrapKey", kid, &o, do_unwrap, e);

	if (r)
		secret_wipe(ret, KP_SECRET_LEN);
	return r;
}

/* ---- watching ------------------------------------------------------------------ */

static int watch_fd(struct kp *kp)
{
	return kp->watch.fd;
}

static int watch_read(struct kp *kp, bool *ret_changed)
{
	if (attach(kp, NULL)) {
		/* Away: checks go on by themselves until it is back. */
		*ret_changed = kp->watch.changes != -1;
		kp->watch.changes = -1;
		watch_discard(&kp->watch);
		return 0;
	}
	*ret_changed = watch_drain(&kp->watch, kp->l, kp->principal);
	return 0;
}

static const char *const schemes[] = { "local://", NULL };

const struct kp_ops kp_local = {
	.name = "local",
	.summary = "the vault embedded in cmkfs, for one machine, tests and the default",
	.schemes = schemes,
	.watched = true,
	.check = check,
	.open = open_key,
	.describe = describe,
	.wrap = wrap,
	.unwrap = unwrap,
	.watch_fd = watch_fd,
	.watch_read = watch_read,
	.close = kp_close,
};
