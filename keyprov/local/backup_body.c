/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a vault's backup, read: see backup.h.
 */
#include "backup.h"

#include <errno.h>
#include <stdio.h>

#define BLOB_MAX 65536
#define PERMISSIONS_ALL 1023u

struct reader {
	const uint8_t *p, *end;
	bool bad;
};

static uint64_t get_number(struct reader *r, size_t n)
{
	uint8_t le[8] = { 0 };

	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return 0;
	}
	memcpy(le, r->p, n);
	r->p += n;
	return get_le64(le);
}

static int64_t get_time(struct reader *r)
{
	uint64_t v = get_number(r, 8);

	r->bad |= v > INT64_MAX;
	return r->bad ? 0 : (int64_t)v;
}

static bool get_flag(struct reader *r)
{
	uint64_t v = get_number(r, 1);

	r->bad |= v > 1;
	return v;
}

static const uint8_t *get_bytes(struct reader *r, size_t head, size_t max, size_t *ret_n)
{
	const uint8_t *p;
	size_t n = (size_t)get_number(r, head);

	*ret_n = 0;
	if (r->bad || n > max || (size_t)(r->end - r->p) < n) {
		r->bad = true;
		return r->p;
	}
	p = r->p;
	r->p += n;
	*ret_n = n;
	return p;
}

static void get_text(struct reader *r, char *ret, size_t cap)
{
	size_t n;
	const uint8_t *p = get_bytes(r, 2, cap - 1, &n);

	r->bad |= memchr(p, 0, n) != NULL;
	memcpy(ret, p, n);
	ret[n] = '\0';
}

static bool is_vault_name(const char *s)
{
	char again[LOCAL_VAULT_MAX];

	return !local_vault_name(s, again, NULL) && !strcmp(s, again);
}

static bool is_key_name(const char *name, const char *version)
{
	struct local_uri u;
	char uri[KP_URI_MAX];

	snprintf(uri, sizeof(uri), "local://v/keys/%s%s%s", name, *version ? "/" : "", version);
	return !local_uri_parse(uri, &u, NULL) && !strcmp(u.key, name) &&
	       !strcmp(u.version, version);
}

static int visit_vault(struct reader *r, const struct backup_visitor *v, void *arg,
		       struct kp_error *e)
{
	struct local_vault o = { .keys = 0 };

	get_text(r, o.name, sizeof(o.name));
	get_text(r, o.tenant, sizeof(o.tenant));
	get_text(r, o.region, sizeof(o.region));
	o.soft_delete = get_flag(r);
	o.purge_protection = get_flag(r);
	o.firewall = get_flag(r);
	o.trusted_services = get_flag(r);
	o.service = get_flag(r);
	o.retention_days = (int)get_number(r, 2);
	o.created = get_time(r);
	r->bad |= !is_vault_name(o.name) || o.retention_days < LOCAL_RETENTION_MIN ||
		  o.retention_days > LOCAL_RETENTION_MAX ||
		  (o.purge_protection && !o.soft_delete) ||
		  o.service != !strcmp(o.name, LOCAL_SERVICE_VAULT);
	return r->bad || !v->vault ? 0 : v->vault(arg, &o, e);
}

static int visit_policy(struct reader *r, const struct backup_visitor *v, void *arg,
			struct kp_error *e)
{
	char principal[LOCAL_PRINCIPAL_MAX];
	uint64_t permissions;

	get_text(r, principal, sizeof(principal));
	permissions = get_number(r, 4);
	r->bad |= local_principal_check(principal, NULL) || permissions > PERMISSIONS_ALL;
	return r->bad || !v->policy ? 0 : v->policy(arg, principal, (unsigned int)permissions, e);
}

static int visit_key(struct reader *r, const struct backup_visitor *v, void *arg,
		     struct kp_error *e)
{
	struct key_row o = { .id = 0 };

	get_text(r, o.k.name, sizeof(o.k.name));
	get_text(r, o.owner, sizeof(o.owner));
	o.k.enabled = get_flag(r);
	o.k.created = get_time(r);
	o.k.deleted = get_time(r);
	o.k.purge_at = get_time(r);
	o.k.rotate_after = get_time(r);
	o.k.expire_after = get_time(r);
	r->bad |= !is_key_name(o.k.name, "") ||
		  (o.owner[0] && local_principal_check(o.owner, NULL));
	return r->bad || !v->key ? 0 : v->key(arg, &o, e);
}

static int visit_version(struct reader *r, const struct backup_visitor *v, void *arg,
			 struct kp_error *e)
{
	struct backup_version o = { .public = NULL };

	get_text(r, o.version, sizeof(o.version));
	get_text(r, o.v.type, sizeof(o.v.type));
	o.v.bits = (unsigned int)get_number(r, 4);
	o.v.enabled = get_flag(r);
	o.v.created = get_time(r);
	o.v.not_before = get_time(r);
	o.v.expires = get_time(r);
	o.v.deleted = get_time(r);
	o.v.purge_at = get_time(r);
	o.public = get_bytes(r, 4, BLOB_MAX, &o.public_len);
	o.sealed = get_bytes(r, 4, BLOB_MAX, &o.sealed_len);
	r->bad |= !o.version[0] || !is_key_name("k", o.version) || !o.v.type[0] ||
		  (o.sealed_len && o.sealed_len <= SEALED_EXTRA);
	return r->bad || !v->version ? 0 : v->version(arg, &o, e);
}

/* Order: a vault, policies, keys with their versions, the end. */
static bool may_follow(enum record now, enum record before)
{
	switch (now) {
	case R_VAULT:
		return !before;
	case R_POLICY:
		return before == R_VAULT || before == R_POLICY;
	case R_KEY:
	case R_END:
		return before >= R_VAULT && before <= R_VERSION;
	case R_VERSION:
		return before == R_KEY || before == R_VERSION;
	}
	return false;
}

static int visit(enum record type, struct reader *r, const struct backup_visitor *v, void *arg,
		 uint32_t count[static R_END + 1], struct kp_error *e)
{
	count[type]++;
	switch (type) {
	case R_VAULT:
		return visit_vault(r, v, arg, e);
	case R_POLICY:
		return visit_policy(r, v, arg, e);
	case R_KEY:
		return visit_key(r, v, arg, e);
	case R_VERSION:
		return visit_version(r, v, arg, e);
	case R_END:
		r->bad |= get_number(r, 4) != count[R_KEY];
		r->bad |= get_number(r, 4) != count[R_VERSION];
	}
	return 0;
}

int backup_parse(const uint8_t *p, size_t n, const struct backup_visitor *v, void *arg,
		 struct kp_error *e)
{
	struct reader all = { p, p + n, false };
	uint32_t count[R_END + 1] = { 0 };
	enum record type = 0, before = 0;
	int r = 0;

	while (!r && !all.bad && before != R_END) {
		struct reader one = { .bad = false };
		size_t len;

		type = (enum record)get_number(&all, 1);
		one.p = get_bytes(&all, 4, n, &len);
		one.end = one.p + len;
		all.bad |= !may_follow(type, before);
		if (!all.bad)
			r = visit(type, &one, v, arg, count, e);
		all.bad |= !r && (one.bad || one.p != one.end);
		before = type;
	}
	if (!r && (all.bad || all.p != all.end))
		r = kp_fail(e, -EBADMSG, "take another backup", "the backup is not one of a "
								"vault, or was "
			    "made by a newer version");
	return r;
}
