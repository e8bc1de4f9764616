/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The frame of every operation of the embedded vault: one transaction with
 * the caller's identity, the operation and its audit record.
 */
#include "db.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/mac.h"
#include "crypto/secret.h"

/* The key that we have must be the one that this database was made with. */
static int check_master(struct local *l, struct kp_error *e)
{
	_cleanup_stmt_ sqlite3_stmt *s = NULL;
	uint8_t check[HASH_LEN];
	int r = master_load(l->state_dir, false, &l->master, e);

	if (!r)
		r = db_prepare(l, &s, e, "SELECT master_check FROM state WHERE id = 1", "");
	if (r)
		return r;
	r = db_step(l, s, e);
	if (r < 0)
		return r;
	if (r == 1 && sqlite3_column_bytes(s, 0) == HASH_LEN &&
	    !master_check_value(l->master, check) &&
	    secret_equal(check, sqlite3_column_blob(s, 0), HASH_LEN))
		return 0;
	kp_fail(e, -EIO, NULL, "the vault master key does not belong to %s", l->path);
	return kp_hint(e, -EIO, "restore %s (or the credential %s) as it was when the vault was "
		       "made", VAULT_KEY_FILE, VAULT_CREDENTIAL);
}

static int operate(struct local *l, const struct call *c, call_fn *fn, void *arg,
		   struct kp_error *e)
{
	int r = identity_check(l, e);

	if (!r && c->operator_only && l->principal[0])
		r = kp_fail(e, -EACCES, "ask the operator of the host",
			    "%s may not be done by identity %s", c->operation, l->principal);
	return r ? r : fn(l, arg, e);
}

static const char *outcome_of(int r)
{
	switch (r) {
	case 0:
		return "ok";
	case -EEXIST:
		return "EEXIST";
	case -EPERM:
		return "EPERM";
	case -EBUSY:
		return "EBUSY";
	default:
		return kp_error_row(r)->name;
	}
}

struct framed {
	const struct call *c;
	call_fn *fn;
	void *arg;
	int result; /* of FN; the transaction is committed all the same */
	struct kp_error said;
};

static bool repeats(const struct call *c, int result)
{
	const struct repeat *p = c->repeat;

	return p && p->known && p->result == result && !strcmp(p->object, c->object) &&
	       !strcmp(p->detail, c->detail ? c->detail : "");
}

static void remember(const struct call *c, int result)
{
	struct repeat *p = c->repeat;

	if (!p)
		return;
	p->known = true;
	p->result = result;
	snprintf(p->object, sizeof(p->object), "%s", c->object);
	snprintf(p->detail, sizeof(p->detail), "%s", c->detail ? c->detail : "");
}

/* A lease asks the same every time: what is new about it is recorded, and the first. */
static int record(struct local *l, const struct call *c, const struct framed *f,
		  struct kp_error *e)
{
	const char *detail = c->detail ? c->detail : "";
	int r;

	if (repeats(c, f->result))
		r = kp_audit_best_effort() ? 0 : record_probe(l, c->object, e);
	else
		r = record_call(l, c->operation, c->object, detail, outcome_of(f->result),
				f->result ? f->said.message : detail, e);
	if (!r) {
		remember(c, f->result);
	} else if (c->use && kp_audit_best_effort()) {
		l->unrecorded++;
		r = 0;
	}
	return r;
}

/* The operation in a savepoint of its own within the transaction that records it. */
static int framed(struct local *l, void *arg, struct kp_error *e)
{
	struct framed *f = arg;
	const struct call *c = f->c;
	int r = c->changes ? vault_sweep(l, e) : 0;

	if (!r)
		r = db_run(l, e, "SAVEPOINT operation", "");
	if (r)
		return r;
	f->result = operate(l, c, f->fn, f->arg, &f->said);
	if (f->result)
		r = db_run(l, e, "ROLLBACK TO operation", "");
	else if (c->changes)
		r = db_run(l, e, "UPDATE state SET changes = changes + 1 WHERE id = 1", "");
	return r ? r : record(l, c, f, e);
}

static int transaction(struct local *l, const char *begin, call_fn *fn, void *arg,
		       struct kp_error *e)
{
	int r = db_attach(l, e);

	if (!r)
		r = db_run(l, e, begin, "");
	if (r)
		return r;
	r = check_master(l, e);
	if (!r)
		r = fn(l, arg, e);
	if (!r)
		r = db_run(l, e, "COMMIT", "");
	if (r)
		db_run(l, NULL, "ROLLBACK", "");
	master_free(l->master);
	l->master = NULL;
	crypto_forget();
	return r;
}

int local_transaction(struct local *l, call_fn *fn, void *arg, struct kp_error *e)
{
	return transaction(l, "BEGIN IMMEDIATE", fn, arg, e);
}

int local_snapshot(struct local *l, call_fn *fn, void *arg, struct kp_error *e)
{
	return transaction(l, "BEGIN", fn, arg, e);
}

int local_call(struct local *l, const struct call *c, call_fn *fn, void *arg, struct kp_error *e)
{
	struct framed f = { .c = c, .fn = fn, .arg = arg };
	int r = local_transaction(l, framed, &f, e);

	if (!f.result)
		return r;
	if (e)
		*e = f.said;
	return f.result;
}
