/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The audit log: every call is in it, and no record of it can be changed,
 * removed, swapped or cut off unseen by someone without the master key.
 */
#include "vault_fixture.h"

#define COLUMNS 6
#define ALL_BACK "DELETE FROM audit; INSERT INTO audit SELECT * FROM saved"

static const char *const columns[COLUMNS] = { "time_ms", "principal", "operation",
					      "object",	 "outcome",   "detail" };

static int count_one(void *arg, const struct local_audit *a)
{
	(void)a;
	++*(int *)arg;
	return 0;
}

static int count(struct fixture *f, const struct local_audit_filter *q)
{
	int n = 0;

	OK(local_audit_list(f->l, q, count_one, &n, &e));
	return n;
}

struct seen {
	char principal[128], operation[64], object[KP_URI_MAX], outcome[32];
};

static int keep_last(void *arg, const struct local_audit *a)
{
	struct seen *s = arg;

	snprintf(s->principal, sizeof(s->principal), "%s", a->principal);
	snprintf(s->operation, sizeof(s->operation), "%s", a->operation);
	snprintf(s->object, sizeof(s->object), "%s", a->object);
	snprintf(s->outcome, sizeof(s->outcome), "%s", a->outcome);
	return 0;
}

static struct seen last_record(struct fixture *f)
{
	struct local_audit_filter q = { .last = 1 };
	struct seen s = { .operation = "" };

	OK(local_audit_list(f->l, &q, keep_last, &s, &e));
	return s;
}

static void allowed_and_refused_calls_are_recorded(void **state)
{
	struct fixture *f = *state;
	uint8_t out[KP_SECRET_LEN];
	struct seen s;

	OK(kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	s = last_record(f);
	assert_string_equal(s.principal, WHO);
	assert_string_equal(s.operation, "unwrapKey");
	assert_string_equal(s.object, f->kid);
	assert_string_equal(s.outcome, "ok");

	OK(local_policy_delete(f->l, "prod", WHO, &e));
	s = last_record(f);
	assert_string_equal(s.operation, "policy.delete");
	assert_string_equal(s.object, "local://prod");
	assert_true(!strncmp(s.principal, "operator:", 9));

	FAILS(-EACCES, kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	s = last_record(f);
	assert_string_equal(s.operation, "unwrapKey");
	assert_string_equal(s.outcome, "EACCES");
	FAILS(-ENOENT, local_vault_delete(f->l, "nope", &e));
	s = last_record(f);
	assert_string_equal(s.object, "local://nope");
	assert_string_equal(s.outcome, "ENOENT");
}

static void what_cannot_be_recorded_is_not_done(void **state)
{
	struct fixture *f = *state;
	uint8_t out[KP_SECRET_LEN];
	static const uint8_t zero[KP_SECRET_LEN];

	fixture_sql(f, "CREATE TRIGGER full BEFORE INSERT ON audit BEGIN "
		       "SELECT RAISE(ABORT, 'no room'); END");
	FAILS(-EIO, kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
	assert_memory_equal(out, zero, sizeof(out));
	FAILS(-EIO, local_key_enable(f->l, KEY, false, &e));
	fixture_sql(f, "DROP TRIGGER full");
	OK(kp_local.unwrap(f->kp, f->kid, f->blob, f->blob_len, out, &e));
}

static void records_are_found_by_vault_and_identity(void **state)
{
	struct fixture *f = *state;
	struct local_vault v = { .name = "prod2", .soft_delete = true };
	struct local_audit_filter all = { 0 }, prod = { .vault = "prod" },
				  prod2 = { .vault = "prod2" }, who = { .principal = WHO };
	int before = count(f, &prod);

	OK(local_vault_create(f->l, &v, &e));
	assert_int_equal(count(f, &prod2), 1);
	assert_int_equal(count(f, &prod), before); /* not by a prefix of the name */
	/* Its creation, its policy, its wrap; not what others did. */
	assert_int_equal(count(f, &who), 3);
	OK(local_audit_note(f->l, WHO, "lock", "/mnt", "ok", "by the operator", &e));
	assert_int_equal(count(f, &who), 4);
	all.after = 2;
	before = count(f, &all);
	all.after = 3;
	assert_int_equal(count(f, &all), before - 1);
	all.last = 2;
	assert_int_equal(count(f, &all), 2);
}

/* ---- tampering ----------------------------------------------------------------- */

/* Some records, the newest of which a tamperer may want to hide. */
static uint64_t fill(struct fixture *f)
{
	uint64_t n;

	for (int i = 0; i < 4; i++) {
		OK(local_key_enable(f->l, KEY, i & 1, &e));
		FAILS(-ENOENT, local_vault_delete(f->l, "nope", &e));
	}
	OK(local_audit_verify(f->l, &n, &e));
	return n;
}

/* Done behind the vault's back, found, and mended again. */
static void is_found(struct fixture *f, const char *tamper, const char *mend)
{
	uint64_t n;

	fixture_sql(f, tamper);
	if (local_audit_verify(f->l, &n, &e) != -EBADMSG)
		fail_msg("not found: %s", tamper);
	fixture_sql(f, mend);
	OK(local_audit_verify(f->l, &n, &e));
}

static void every_changed_field_is_found(void **state)
{
	struct fixture *f = *state;
	uint64_t n = fill(f);
	char tamper[512], mend[512];

	fixture_sql(f, "CREATE TABLE saved AS SELECT * FROM audit");
	for (uint64_t i = 1; i <= n; i++) {
		snprintf(mend, sizeof(mend),
			 "REPLACE INTO audit SELECT * FROM saved WHERE seq = %d", (int)i);
		for (int c = 0; c < COLUMNS; c++) {
			snprintf(tamper, sizeof(tamper), "UPDATE audit SET %s = %s WHERE seq = %d",
				 columns[c], c ? "'x'" : "time_ms + 1", (int)i);
			is_found(f, tamper, mend);
		}
		snprintf(tamper, sizeof(tamper),
			 "UPDATE audit SET hash = randomblob(32) WHERE seq = %d", (int)i);
		is_found(f, tamper, mend);
		/* A character moved from one field to the next. */
		snprintf(tamper, sizeof(tamper),
			 "UPDATE audit SET operation = operation || substr(object, 1, 1), "
			 "object = substr(object, 2) WHERE seq = %d", (int)i);
		is_found(f, tamper, mend);
	}
}

static void every_removed_record_is_found(void **state)
{
	struct fixture *f = *state;
	uint64_t n = fill(f);
	char tamper[512];

	fixture_sql(f, "CREATE TABLE saved AS SELECT * FROM audit");
	for (uint64_t i = 1; i <= n; i++) {
		snprintf(tamper, sizeof(tamper), "DELETE FROM audit WHERE seq = %d", (int)i);
		is_found(f, tamper, ALL_BACK);
		snprintf(tamper, sizeof(tamper), "DELETE FROM audit WHERE seq = %d; "
			 "UPDATE audit SET seq = seq - 1 WHERE seq > %d", (int)i, (int)i);
		is_found(f, tamper, ALL_BACK);
		snprintf(tamper, sizeof(tamper), "DELETE FROM audit WHERE seq >= %d", (int)i);
		is_found(f, tamper, ALL_BACK);
	}
}

static void every_swap_is_found(void **state)
{
	struct fixture *f = *state;
	uint64_t n = fill(f);
	char tamper[512];

	fixture_sql(f, "CREATE TABLE saved AS SELECT * FROM audit");
	for (uint64_t i = 1; i < n; i++) {
		snprintf(tamper, sizeof(tamper),
			 "UPDATE audit SET seq = -1 WHERE seq = %d; UPDATE audit SET seq = %d WHERE "
			 "seq = %d; UPDATE audit SET seq = %d WHERE seq = -1", (int)i, (int)i,
			 (int)i + 1, (int)i + 1);
		is_found(f, tamper, ALL_BACK);
	}
	is_found(f, "INSERT INTO audit SELECT max(seq) + 1, 1, 'a', 'b', 'c', 'ok', '', hash "
		    "FROM audit", ALL_BACK);
	is_found(f, "INSERT INTO audit SELECT 0, 1, 'a', 'b', 'c', 'ok', '', hash "
		    "FROM audit LIMIT 1", ALL_BACK);
}

static void forged_head_is_found_and_never_signed(void **state)
{
	struct fixture *f = *state;
	uint64_t n;

	fill(f);
	fixture_sql(f, "CREATE TABLE saved AS SELECT * FROM audit;"
		       "CREATE TABLE head AS SELECT * FROM state");
	/* The last record cut off, and the head set to the one before. */
	fixture_sql(f, "DELETE FROM audit WHERE seq = (SELECT max(seq) FROM audit);"
		       "UPDATE state SET audit_count = audit_count - 1, audit_head = "
		       "(SELECT hash FROM audit ORDER BY seq DESC LIMIT 1)");
	FAILS(-EBADMSG, local_audit_verify(f->l, &n, &e));
	FAILS(-EIO, local_key_enable(f->l, KEY, true, &e)); /* nothing goes on from there */
	FAILS(-EBADMSG, local_audit_verify(f->l, &n, &e));
	fixture_sql(f, "REPLACE INTO state SELECT * FROM head;"
		       ALL_BACK);
	OK(local_key_enable(f->l, KEY, true, &e));
	OK(local_audit_verify(f->l, &n, &e));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(allowed_and_refused_calls_are_recorded),
		TEST(what_cannot_be_recorded_is_not_done),
		TEST(records_are_found_by_vault_and_identity),
		TEST(every_changed_field_is_found),
		TEST(every_removed_record_is_found),
		TEST(every_swap_is_found),
		TEST(forged_head_is_found_and_never_signed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
