/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs audit verify` and `audit rotate`, and whose records the verbs of the
 * audit logs mean.
 */
#include "audit.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

static bool json;
static const char *keep;

/* ---- whose ------------------------------------------------------------------------- */

static int find_volume(const char *dir, struct audit_subject *ret)
{
	struct store_error err = { .message = "" };
	struct volume_block v;
	int r = volume_peek(dir, &v, NULL, &err);

	if (r)
		return cmd_fail_store(r, &err, dir);
	state_principal(v.root.vol, ret->principal);
	snprintf(ret->name, sizeof(ret->name), "volume-%s", ret->principal + 6);
	return CMD_OK;
}

/* A vault of this host, or one that has been here: its log stays when it is purged. */
static int find_vault(const struct cmd *c, const char *arg, struct audit_subject *ret)
{
	char vault[LOCAL_VAULT_MAX], path[4200];
	struct kp_error e = { 0 };
	struct local_vault v;
	struct vault_session s;
	struct kp_audit_report rep;
	int r = local_vault_name(arg, vault, &e);

	if (r)
		return vault_result(r, &e);
	snprintf(ret->name, sizeof(ret->name), "vault-%s", vault);
	if (ret->log && kp_audit_verify(ret->log, ret->name, &rep, NULL) != -ENOENT)
		return CMD_OK;
	r = vault_session(c, VAULT_NEEDED, &s);
	if (r)
		goto out;
	r = vault_result(local_vault_get(s.l, vault, &v, &e), &e);
	snprintf(path, sizeof(path), "compare with a backup of %s/audit", s.ctx.dir);
	if (!r)
		r = cmd_fail(CMD_INTEGRITY, path, "the audit log of vault %s is missing", vault);
out:
	vault_session_done(&s);
	return r;
}

/* A path if it is there or looks like one; else the name of a vault. */
int audit_subject(const struct cmd *c, const char *arg, struct audit_subject *ret)
{
	bool uri = !strncmp(arg, "local://", 8);
	struct kp_error e = { 0 };
	struct state_context ctx;
	struct stat st;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = state_context(&ctx, c->conf, NULL);
	if (r)
		return cmd_fail(CMD_FAILED, "CMKFS_STATE_DIR or state-dir in the configuration "
				"names it", "cannot use the state directory: %s", strerror(-r));
	r = vault_result(kp_audit_open(ctx.dir, &ret->log, &e), &e);
	state_context_done(&ctx);
	if (r)
		return r;
	if (!uri && (strchr(arg, '/') || stat(arg, &st) == 0))
		return find_volume(arg, ret);
	return find_vault(c, arg, ret);
}

void audit_subject_done(struct audit_subject *s)
{
	kp_audit_close(s->log);
}

bool audit_concerns(const struct audit_subject *s, const char *name)
{
	if (!strcmp(name, s->name))
		return true;
	return s->principal[0] && strncmp(name, "volume-", 7) != 0;
}

/* ---- verify ------------------------------------------------------------------------ */

static const char *public_key;

static const struct opt verify_opts[] = {
	{ .name = "public-key", .arg = "HEX",
	  .help = "check a copy of a log's directory by the key of its signatures alone",
	  .value = &public_key },
	OPT_JSON(&json), OPT_END
};

struct verifying {
	struct audit_subject *s;
	json_t *logs;
	struct kp_audit_report sum;
	struct kp_error bad; /* the first */
};

static int verify_one(void *arg, const char *name)
{
	struct verifying *v = arg;
	struct kp_audit_report rep;
	struct kp_error e = { 0 };
	int r;

	if (!audit_concerns(v->s, name))
		return 0;
	r = kp_audit_verify(v->s->log, name, &rep, &e);
	if (r && r != -EBADMSG) {
		v->bad = e;
		return r;
	}
	json_array_append_new(v->logs, json_pack("{ss sb sI sI sI sI}", "log", name, "sound", !r,
						 "records", (json_int_t)rep.records, "first",
						 (json_int_t)rep.first, "checkpoints",
						 (json_int_t)rep.checkpoints, "signed_to",
						 (json_int_t)rep.checkpoint));
	v->sum.records += rep.records;
	v->sum.checkpoints += rep.checkpoints;
	if (r && !v->bad.code) {
		v->bad = e;
		v->sum.first_bad = rep.first_bad;
	}
	return 0;
}

static int print_verified(struct verifying *v)
{
	char public[KP_AUDIT_PUBLIC_MAX];
	bool sound = !v->bad.code;
	json_t *doc;

	kp_audit_public(v->s->log, public);
	if (json) {
		doc = json_pack("{sb sI sI ss sO}", "sound", sound, "records",
				(json_int_t)v->sum.records, "checkpoints",
				(json_int_t)v->sum.checkpoints, "public_key", public, "logs",
				v->logs);
		if (!sound) {
			json_object_set_new(doc, "first_bad",
					    json_integer((json_int_t)v->sum.first_bad));
			json_object_set_new(doc, "reason", json_string(v->bad.message));
		}
		if (table_record(stdout, doc, NULL, 0, true))
			return CMD_FAILED;
	} else if (sound) {
		printf("the audit log is as it was written: %llu records in %zu logs, %llu signed "
		       "checkpoints\n", (unsigned long long)v->sum.records,
		       json_array_size(v->logs),
		       (unsigned long long)v->sum.checkpoints);
	}
	return sound ? CMD_OK : cmd_fail(CMD_INTEGRITY, v->bad.hint, "%s", v->bad.message);
}

static int verify_copy(const char *dir)
{
	struct kp_audit_report rep;
	struct kp_error e = { 0 };
	int r = kp_audit_verify_copy(dir, public_key, &rep, &e);
	json_t *doc;

	if (r && r != -EBADMSG)
		return cmd_fail(r == -EIO ? CMD_FAILED : CMD_USAGE, e.hint, "%s", e.message);
	if (json) {
		doc = json_pack("{sb sI sI sI sI}", "sound", !r, "records", (json_int_t)rep.records,
				"first", (json_int_t)rep.first, "checkpoints",
				(json_int_t)rep.checkpoints, "signed_to",
				(json_int_t)rep.checkpoint);
		if (table_record(stdout, doc, NULL, 0, true))
			return CMD_FAILED;
	} else if (!r) {
		printf("the copy is as it was written: %llu records, signed up to number %llu\n",
		       (unsigned long long)rep.records, (unsigned long long)rep.checkpoint);
	}
	return r ? cmd_fail(CMD_INTEGRITY, e.hint, "%s", e.message) : CMD_OK;
}

static int verify(const struct cmd *c)
{
	struct audit_subject s;
	struct verifying v = { .s = &s, .logs = json_array() };
	struct kp_error e = { 0 };
	int r;

	if (public_key) {
		json_decref(v.logs);
		return verify_copy(c->argv[0]);
	}
	r = audit_subject(c, c->argv[0], &s);
	if (!r) {
		int n = kp_audit_logs(s.log, verify_one, &v, &e);

		r = n ? vault_result(n, v.bad.code ? &v.bad : &e) : print_verified(&v);
	}
	json_decref(v.logs);
	audit_subject_done(&s);
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

/* ---- rotate ------------------------------------------------------------------------ */

static const struct opt rotate_opts[] = {
	{ .name = "keep", .arg = "N", .help = "remove old files but for the N newest",
	  .value = &keep },
	OPT_END
};

static int rotate(const struct cmd *c)
{
	struct audit_subject s;
	struct kp_error e = { 0 };
	uint64_t n = 0;
	int r;

	if (keep && conf_number(keep, 1, 1000000, &n))
		return cmd_fail(CMD_USAGE, "give the number of old files that stay, from 1",
				"--keep: '%s' is not possible", keep);
	r = audit_subject(c, c->argv[0], &s);
	if (!r)
		r = vault_result(kp_audit_tidy(s.log, s.name, true, (unsigned int)n, NULL, &e), &e);
	audit_subject_done(&s);
	return r;
}

const struct verb verb_audit_rotate = {
	.name = "audit rotate",
	.args = "DIR|VAULT",
	.summary = "Begin a new file of an audit log, and remove old ones",
	.opts = rotate_opts,
	.min_args = 1,
	.max_args = 1,
	.run = rotate,
};
