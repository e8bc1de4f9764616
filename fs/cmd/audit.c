/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs audit show` and `audit verify`: what was asked of the embedded vaults,
 * by whom, and what came of it.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include "fs/lib/table.h"
#include "vault_common.h"

static bool json;
static const char *last;

/* What is asked about: a volume's identity, or a vault. */
struct subject {
	char principal[STATE_PRINCIPAL_LEN], vault[LOCAL_VAULT_MAX];
	struct local_audit_filter filter;
};

static int find_volume(const char *dir, struct subject *ret)
{
	struct store_error err = { .message = "" };
	struct volume_block v;
	int r = volume_peek(dir, &v, NULL, &err);

	if (r)
		return cmd_fail_store(r, &err, dir);
	state_principal(v.root.vol, ret->principal);
	ret->filter.principal = ret->principal;
	return CMD_OK;
}

/* A path if it is there or looks like one; else the name of a vault, which must exist. */
static int find_subject(const char *arg, struct local *l, struct subject *ret)
{
	struct kp_error e = { 0 };
	struct local_vault v;
	struct stat st;
	bool uri = !strncmp(arg, "local://", 8);

	memset(ret, 0, sizeof(*ret));
	if (!uri && (strchr(arg, '/') || stat(arg, &st) == 0))
		return find_volume(arg, ret);
	if (local_vault_name(arg, ret->vault, &e) || local_vault_get(l, ret->vault, &v, &e))
		return vault_result(-EINVAL, &e);
	ret->filter.vault = ret->vault;
	return CMD_OK;
}

/* ---- show ---------------------------------------------------------------------- */

static const struct opt show_opts[] = {
	{ .name = "last", .arg = "N", .help = "only the N newest", .value = &last },
	OPT_JSON(&json), OPT_END
};

static const struct column columns[] = {
	{ .key = "seq", .heading = "SEQ", .right = true },
	{ .key = "time", .heading = "TIME" },
	{ .key = "principal", .heading = "PRINCIPAL" },
	{ .key = "operation", .heading = "OPERATION" },
	{ .key = "object", .heading = "OBJECT" },
	{ .key = "outcome", .heading = "OUTCOME" },
	{ .key = "detail", .heading = "DETAIL" },
};

static json_t *time_ms(int64_t ms)
{
	time_t t = (time_t)(ms / 1000);
	char s[40];
	struct tm tm;
	size_t n;

	if (!gmtime_r(&t, &tm))
		return json_null();
	n = strftime(s, sizeof(s), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(s + n, sizeof(s) - n, ".%03dZ", (int)(ms % 1000));
	return json_string(s);
}

static int add(void *arg, const struct local_audit *a)
{
	json_array_append_new(arg, json_pack("{sI so ss ss ss ss ss}", "seq", (json_int_t)a->seq,
					     "time", time_ms(a->time_ms), "principal",
					     a->principal, "operation", a->operation, "object",
					     a->object, "outcome", a->outcome, "detail",
					     a->detail));
	return 0;
}

static int show(const struct cmd *c)
{
	json_t *rows = json_array();
	struct kp_error e = { 0 };
	struct subject what;
	struct vault_session s;
	uint64_t n = 0;
	int r;

	if (last && conf_number(last, 1, UINT32_MAX, &n)) {
		json_decref(rows);
		return cmd_fail(CMD_USAGE, "give the number of records",
				"--last: '%s' is not a number", last);
	}
	r = vault_session(c, VAULT_NEEDED, &s);
	if (!r)
		r = find_subject(c->argv[0], s.l, &what);
	if (!r) {
		what.filter.last = (unsigned int)n;
		r = vault_result(local_audit_list(s.l, &what.filter, add, rows, &e), &e);
	}
	return vault_print(&s, r, rows, columns, ARRAY_SIZE(columns), json);
}

const struct verb verb_audit_show = {
	.name = "audit show",
	.args = "DIR|VAULT",
	.summary = "Show what was asked for a volume, or of a vault",
	.opts = show_opts,
	.min_args = 1,
	.max_args = 1,
	.run = show,
};

/* ---- verify -------------------------------------------------------------------- */

static const struct opt verify_opts[] = { OPT_JSON(&json), OPT_END };

static int print_verified(bool sound, uint64_t n, const struct kp_error *e)
{
	json_t *doc;

	if (json) {
		doc = sound ? json_pack("{sb sI}", "sound", 1, "records", (json_int_t)n) :
			      json_pack("{sb sI ss}", "sound", 0, "first_bad", (json_int_t)n,
					"reason", e->message);
		if (table_record(stdout, doc, NULL, 0, true))
			return CMD_FAILED;
	} else if (sound) {
		printf("the audit log is as it was written: %llu records\n",
		       (unsigned long long)n);
	}
	return sound ? CMD_OK : cmd_fail(CMD_INTEGRITY, e->hint, "%s", e->message);
}

/* The log is one chain for all vaults of the host: all of it is checked. */
static int verify(const struct cmd *c)
{
	struct kp_error e = { 0 };
	struct subject what;
	struct vault_session s;
	uint64_t n;
	int v, r = vault_session(c, VAULT_NEEDED, &s);

	if (!r) {
		v = local_audit_verify(s.l, &n, &e);
		if (v && v != -EBADMSG)
			r = vault_result(v, &e);
		else
			r = print_verified(!v, n, &e);
	}
	/* A name that is none is an error, but not one that hides a broken log. */
	if (!r)
		r = find_subject(c->argv[0], s.l, &what);
	vault_session_done(&s);
	return r;
}

const struct verb verb_audit_verify = {
	.name = "audit verify",
	.args = "DIR|VAULT",
	.summary = "Check that no audit record was changed or removed",
	.opts = verify_opts,
	.min_args = 1,
	.max_args = 1,
	.run = verify,
};
