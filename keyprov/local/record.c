/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the embedded vault records of its calls, and in which log.
 */
#include "db.h"

#include <errno.h>
#include <stdio.h>

/* The vault that OBJECT names, else the volume whose principal it is, else the host. */
static void log_name(const char *object, char ret[static AUDIT_NAME_MAX])
{
	size_t n = strncmp(object, "local://", 8) ? 0 : strcspn(object + 8, "/");

	if (n && n < LOCAL_VAULT_MAX)
		snprintf(ret, AUDIT_NAME_MAX, "vault-%.*s", (int)n, object + 8);
	else
		audit_name_of(object, ret);
}

static int counter(struct local *l, uint64_t *ret, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	int r = db_prepare(l, &s, e, "SELECT calls FROM state WHERE id = 1", "");

	if (!r)
		r = db_step(l, s, e);
	*ret = r == 1 ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
	return r < 0 ? r : 0;
}

static void who(const struct local *l, char ret[static LOCAL_PRINCIPAL_MAX])
{
	if (l->principal[0])
		snprintf(ret, LOCAL_PRINCIPAL_MAX, "%s", l->principal);
	else
		snprintf(ret, LOCAL_PRINCIPAL_MAX, "operator:%u", (unsigned int)getuid());
}

static int append(struct local *l, const struct kp_record *r, struct kp_error *e)
{
	char name[AUDIT_NAME_MAX];
	uint64_t before, call;
	int ret = counter(l, &before, e);

	if (ret)
		return ret;
	call = before + 1;
	log_name(r->object, name);
	ret = auditlog_append(l->state_dir, name, master_audit(l->master), r, &call, e);
	if (ret)
		return ret;
	return db_run(l, e, "UPDATE state SET calls = ? WHERE id = 1", "i", (int64_t)call);
}

/* A key is named by the detail if that is its version. */
static const char *key_of(const char *object, const char *detail)
{
	if (!strncmp(detail, "local://", 8))
		return detail;
	return strstr(object, "/keys/") ? object : NULL;
}

int record_call(struct local *l, const char *operation, const char *object, const char *kid,
		const char *outcome, const char *detail, struct kp_error *e)
{
	char principal[LOCAL_PRINCIPAL_MAX], gap[96];
	const struct kp_record r = { .principal = principal, .operation = operation,
				     .object = object, .key = key_of(object, kid),
				     .outcome = outcome, .detail = detail };
	struct kp_record lost = { .principal = principal, .operation = "audit.gap",
				  .object = object, .outcome = "not listed", .detail = gap };
	int ret;

	who(l, principal);
	ret = append(l, &r, e);
	if (ret || !l->unrecorded)
		return ret;
	snprintf(gap, sizeof(gap), "%llu calls before this one could not be recorded",
		 (unsigned long long)l->unrecorded);
	ret = append(l, &lost, e);
	if (!ret)
		l->unrecorded = 0;
	return ret;
}

int record_probe(struct local *l, const char *object, struct kp_error *e)
{
	char name[AUDIT_NAME_MAX];

	log_name(object, name);
	return auditlog_probe(l->state_dir, name, master_audit(l->master), e);
}

struct note {
	const char *operation, *object, *detail;
};

static int do_note(struct local *l, void *arg, struct kp_error *e)
{
	const struct note *n = arg;

	return record_call(l, n->operation, n->object, "", "ok", n->detail, e);
}

int local_note(struct local *l, const char *operation, const char *object, const char *detail,
	       struct kp_error *e)
{
	struct note n = { operation, object, detail };

	return local_transaction(l, do_note, &n, e);
}

int record_note(struct local *l, const char *principal, const char *operation, const char *object,
		const char *detail, struct kp_error *e)
{
	const struct kp_record r = { .principal = principal, .operation = operation,
				     .object = object, .key = key_of(object, ""), .outcome = "ok",
				     .detail = detail };

	return append(l, &r, e);
}
