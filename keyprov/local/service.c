/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The default: a key of cmkfs's own for each volume, in the vault `service`,
 * that only the volume's identity may use.
 */
#include "db.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

struct service_op {
	struct local_uri u;
	char uri[KP_URI_MAX], principal[LOCAL_PRINCIPAL_MAX];
	struct material m;
	bool found;
};

static int check_name(const char *name, struct kp_error *e)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (!islower((unsigned char)name[i]) && !isdigit((unsigned char)name[i]) &&
		    name[i] != '-')
			n = 0;
	if (n < 1 || n > 58)
		return kp_fail(e, -EINVAL, NULL, "'%.100s' cannot name a service-managed key",
			       name);
	return 0;
}

static int do_look(struct local *l, void *arg, struct kp_error *e)
{
	struct service_op *o = arg;
	struct vault_row v;
	struct key_row k;
	int r = vault_find(l, o->u.vault, &v, e);

	if (!r)
		r = key_find(l, &v, o->u.key, &k, e);
	o->found = !r;
	return r == -ENOENT ? 0 : r;
}

static int make_vault(struct local *l, struct vault_row *ret, struct kp_error *e)
{
	static const struct local_vault service = {
		.name = LOCAL_SERVICE_VAULT, .soft_delete = true, .purge_protection = true,
		.retention_days = LOCAL_RETENTION_MAX, .service = true,
	};
	int r = vault_find(l, service.name, ret, NULL);

	if (r == -ENOENT) {
		r = vault_insert(l, &service, e);
		if (!r)
			r = vault_find(l, service.name, ret, e);
	}
	return r;
}

static int do_make(struct local *l, void *arg, struct kp_error *e)
{
	static const struct local_key_options plain = { 0 };
	struct service_op *o = arg;
	char kid[KP_URI_MAX];
	struct vault_row v;
	struct key_row k;
	int r = make_vault(l, &v, e);

	if (!r)
		r = identity_make(l, o->principal, e);
	if (!r)
		r = policy_put(l, v.id, o->principal, PERM_USE, e);
	if (!r && !o->found)
		r = key_make(l, &o->u, o->principal, &o->m, &plain, kid, e);
	else if (!r)
		r = key_find(l, &v, o->u.key, &k, e);
	return r == -EEXIST ? 0 : r; /* somebody else made it in the meantime */
}

int local_service_key(const struct kp_context *ctx, const char *name,
		      char ret_uri[static KP_URI_MAX], struct kp_error *e)
{
	struct service_op o = { .found = false };
	struct call c = { .operation = "service.key", .object = o.uri, .detail = o.principal,
			  .changes = true, .operator_only = true };
	struct local *l = NULL;
	int r = check_name(name, e);

	if (r)
		return r;
	snprintf(o.u.vault, sizeof(o.u.vault), "%s", LOCAL_SERVICE_VAULT);
	snprintf(o.u.key, sizeof(o.u.key), "vol-%s", name);
	snprintf(o.principal, sizeof(o.principal), "cmkfs-%s", name);
	local_uri_format(&o.u, o.uri);

	r = local_open(ctx->state_dir, NULL, true, &l, e);
	if (!r)
		r = local_snapshot(l, do_look, &o, e);
	if (!r && !o.found)
		r = material_generate(2048, &o.m, e);
	if (!r)
		r = local_call(l, &c, do_make, &o, e);
	material_clear(&o.m);
	local_close(l);
	if (!r)
		memcpy(ret_uri, o.uri, sizeof(o.uri));
	return r;
}
