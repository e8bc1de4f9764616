/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backups of embedded vaults: what comes back is what was there, and of a body
 * that is not whole nothing does.
 */
#include "vault_fixture.h"

#include "keyprov/local/backup.h"

#define PASS "correct horse"

static uint8_t *make(struct fixture *f, size_t *ret_n)
{
	uint8_t *p;

	OK(local_vault_backup(f->l, "prod", PASS, strlen(PASS), &p, ret_n, &e));
	return p;
}

static void another_host_unwraps_what_this_one_wrapped(void **state)
{
	struct fixture *f = *state, *g = fixture_bare();
	struct local_restored done;
	uint8_t out[KP_SECRET_LEN], *p;
	size_t n;

	p = make(f, &n);
	FAILS(-EACCES, local_vault_restore(g->l, p, n, "wrong horse", 11, false, &done, &e));
	OK(local_vault_restore(g->l, p, n, PASS, strlen(PASS), false, &done, &e));
	assert_string_equal(done.vault, "prod");
	assert_int_equal(done.keys, 1);
	FAILS(-EEXIST, local_vault_restore(g->l, p, n, PASS, strlen(PASS), false, &done, &e));
	OK(kp_local.open(&g->ctx, KEY, &g->kp, &e));
	FAILS(-EACCES, kp_local.unwrap(g->kp, f->kid, f->blob, f->blob_len, out, &e));
	OK(local_identity_create(g->l, WHO, &e)); /* its policy is there */
	OK(kp_local.unwrap(g->kp, f->kid, f->blob, f->blob_len, out, &e));
	assert_memory_equal(out, f->secret, sizeof(out));
	free(p);
	fixture_free(g);
}

static void no_private_key_is_in_it_plain(void **state)
{
	struct fixture *f = *state;
	const uint8_t *der;
	uint8_t *p;
	size_t n, len;

	der = fixture_private(&len);
	p = make(f, &n);
	for (size_t i = 0; i + 32 < len; i += 32)
		assert_null(memmem(p, n, der + i, 32));
	free(p);
}

static void a_deleted_vault_and_an_identity_make_none(void **state)
{
	struct fixture *f = *state;
	struct local *l;
	uint8_t *p;
	size_t n;

	OK(local_open(f->dir, WHO, false, &l, &e));
	FAILS(-EACCES, local_vault_backup(l, "prod", PASS, strlen(PASS), &p, &n, &e));
	local_close(l);
	OK(local_vault_delete(f->l, "prod", &e));
	FAILS(-EKEYREVOKED, local_vault_backup(f->l, "prod", PASS, strlen(PASS), &p, &n, &e));
}

/* ---- bodies ------------------------------------------------------------------------ */

static void fill(struct backup_body *b)
{
	struct local_vault v = { .name = "prod", .tenant = "acme", .soft_delete = true,
				 .purge_protection = true, .retention_days = 90, .created = 1 };
	struct key_row k = { .k = { .name = "k", .enabled = true, .created = 2 }, .owner = WHO };
	struct backup_version w = { .version = "0123456789abcdef0123456789abcdef",
				    .v = { .type = "RSA", .bits = 2048, .enabled = true },
				    .public = (const uint8_t *)"public", .public_len = 6,
				    .sealed = (const uint8_t *)"0123456789012345678901234567890",
				    .sealed_len = 31 };

	backup_put_vault(b, &v);
	backup_put_policy(b, WHO, PERM_USE);
	backup_put_key(b, &k);
	backup_put_version(b, &w);
	backup_put_end(b);
	assert_false(b->failed);
}

static int count_key(void *arg, const struct key_row *k, struct kp_error *err)
{
	(void)k;
	(void)err;
	++*(int *)arg;
	return 0;
}

static void a_body_that_is_cut_or_longer_is_refused(void **state)
{
	static const struct backup_visitor v = { .key = count_key };
	struct backup_body b = { .p = NULL };
	int n = 0;

	(void)state;
	fill(&b);
	OK(backup_parse(b.p, b.n, &v, &n, &e));
	assert_int_equal(n, 1);
	for (size_t i = 0; i < b.n; i++)
		FAILS(-EBADMSG, backup_parse(b.p, i, &v, &n, &e));
	b.p = realloc(b.p, b.n + 1);
	b.p[b.n] = 0;
	FAILS(-EBADMSG, backup_parse(b.p, b.n + 1, &v, &n, &e));
	free(b.p);
}

static void names_that_no_vault_has_are_refused(void **state)
{
	static const struct backup_visitor v = { .key = NULL };
	static const char *const bad[] = { "", "../x", "A", "a/b", "a b" };
	struct backup_body b = { .p = NULL };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct local_vault o = { .retention_days = 90 };

		b.n = 0;
		snprintf(o.name, sizeof(o.name), "%s", bad[i]);
		backup_put_vault(&b, &o);
		backup_put_end(&b);
		FAILS(-EBADMSG, backup_parse(b.p, b.n, &v, NULL, &e));
	}
	free(b.p);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_host_unwraps_what_this_one_wrapped),
		TEST(no_private_key_is_in_it_plain),
		TEST(a_deleted_vault_and_an_identity_make_none),
		cmocka_unit_test(a_body_that_is_cut_or_longer_is_refused),
		cmocka_unit_test(names_that_no_vault_has_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
