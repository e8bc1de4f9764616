/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The interface of key providers: the table of errors, the finding of a
 * provider, and which keys may protect a volume.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "keyprov/keyprov.h"

#define NOW INT64_C(1800000000)

/* ---- errors -------------------------------------------------------------------- */

static void every_documented_error_has_one_row(void **state)
{
	static const struct {
		int code, app_errno;
		bool denied;
	} doc[] = {
		{ -ENOENT, EKEYREVOKED, true },	     { -EKEYREJECTED, EKEYREVOKED, true },
		{ -EACCES, EKEYREVOKED, true },	     { -EKEYREVOKED, EKEYREVOKED, true },
		{ -EKEYEXPIRED, EKEYEXPIRED, true }, { -EAGAIN, 0, false },
		{ -EPROTO, 0, false },		     { -EBADMSG, EKEYREVOKED, true },
		{ -EINVAL, ENOKEY, true },	     { -ENOTSUP, ENOKEY, true },
		{ -EIO, 0, false },
	};
	size_t n = 0;

	(void)state;
	for (const struct kp_error_row *r = kp_error_table; r->code; r++)
		n++;
	assert_int_equal(n, ARRAY_SIZE(doc));
	for (size_t i = 0; i < ARRAY_SIZE(doc); i++) {
		const struct kp_error_row *r = kp_error_row(doc[i].code);

		assert_int_equal(r->code, doc[i].code);
		assert_int_equal(r->app_errno, doc[i].app_errno);
		assert_int_equal(r->denied, doc[i].denied);
		assert_string_not_equal(r->name, "");
		assert_string_not_equal(r->meaning, "");
		assert_in_range(r->exit_code, 2, 5);
	}
}

static void unknown_error_is_like_eio(void **state)
{
	(void)state;
	assert_ptr_equal(kp_error_row(-EXFULL), kp_error_row(-EIO));
	assert_ptr_equal(kp_error_row(0), kp_error_row(-EIO));
}

static void message_is_one_line_and_bounded(void **state)
{
	char longer[1000];
	struct kp_error e;

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(kp_fail(&e, -EAGAIN, "a\nb", "%s", "c\x1b[2J\nd"), -EAGAIN);
	assert_string_equal(e.message, "c?[2J?d");
	assert_string_equal(e.hint, "a?b");
	assert_true(e.retryable);
	assert_int_equal(kp_fail(&e, -EACCES, longer, "%s", longer), -EACCES);
	assert_int_equal(strlen(e.message), sizeof(e.message) - 1);
	assert_int_equal(strlen(e.hint), sizeof(e.hint) - 1);
	assert_false(e.retryable);
	assert_int_equal(kp_fail(NULL, -EIO, NULL, "x"), -EIO);
	assert_int_equal(kp_hint(NULL, -EIO, "x"), -EIO);
}

/* ---- registry ------------------------------------------------------------------ */

static void provider_is_found_by_scheme_and_name(void **state)
{
	const struct kp_ops *ops = kp_provider_of("local://v/keys/k", NULL);

	(void)state;
	assert_non_null(ops);
	assert_ptr_equal(ops, kp_provider_of("LOCAL://v/keys/k", NULL));
	assert_ptr_equal(ops, kp_provider_named("local"));
	assert_null(kp_provider_named("none"));
}

static void unknown_scheme_is_refused_with_the_known_ones(void **state)
{
	static const char *const uris[] = {
		"gcpkms://projects/p", "http://v.vault.azure.net/keys/k", "localkms://v/keys/k",
		"local:/v/keys/k", "local", "", ":", "/etc/passwd", "file:///etc/passwd",
	};
	struct kp_error e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(uris); i++) {
		memset(&e, 0, sizeof(e));
		assert_null(kp_provider_of(uris[i], &e));
		assert_int_equal(e.code, -ENOTSUP);
		assert_non_null(strstr(e.hint, "local://"));
	}
}

/* ---- what may protect a volume ------------------------------------------------- */

static const struct kp_info good = {
	.kid = "local://prod/keys/k/0123456789abcdef0123456789abcdef",
	.newest = "local://prod/keys/k/0123456789abcdef0123456789abcdef",
	.type = "RSA", .bits = 2048, .enabled = true, .soft_delete = true,
	.purge_protection = true, .may_get = true, .may_wrap = true, .may_unwrap = true,
	.vault = "prod", .tenant = "t1", .region = "r1",
};

static const struct kp_context ctx = { .state_dir = "/", .principal = "cmkfs-1", .tenant = "t1",
				       .region = "r1" };

static void good_keys_are_accepted(void **state)
{
	struct kp_context bare = ctx;
	struct kp_info i;

	(void)state;
	for (unsigned int bits = 2048; bits <= 4096; bits += 1024) {
		i = good;
		i.bits = bits;
		assert_int_equal(kp_acceptable(&i, &ctx, NOW, NULL), 0);
	}
	i = good;
	i.may_more = true;
	i.not_before = NOW;
	i.expires = NOW + 1;
	assert_int_equal(kp_acceptable(&i, &ctx, NOW, NULL), 0);
	/* Tenant and region count only where both have one. */
	i.tenant[0] = i.region[0] = '\0';
	assert_int_equal(kp_acceptable(&i, &ctx, NOW, NULL), 0);
	bare.tenant = bare.region = NULL;
	assert_int_equal(kp_acceptable(&good, &bare, NOW, NULL), 0);
	/* Our own vault needs no purge protection; a symmetric wrapping key is one. */
	i = good;
	i.purge_protection = false;
	i.service_managed = true;
	assert_int_equal(kp_acceptable(&i, &ctx, NOW, NULL), 0);
	i = good;
	snprintf(i.type, sizeof(i.type), "oct");
	i.bits = 256;
	assert_int_equal(kp_acceptable(&i, &ctx, NOW, NULL), 0);
}

static void expect_refusal(const struct kp_info *i, int code, const char *word, const char *hint)
{
	struct kp_error e = { 0 };

	assert_int_equal(kp_acceptable(i, &ctx, NOW, &e), code);
	assert_int_equal(e.code, code);
	assert_non_null(strstr(e.message, "prod"));
	if (!strstr(e.message, word))
		fail_msg("'%s' does not say '%s'", e.message, word);
	if (!strstr(e.hint, hint))
		fail_msg("'%s' does not say '%s'", e.hint, hint);
}

#define REFUSED(change, code, word, hint)                                                          \
	do {                                                                                       \
		struct kp_info i = good;                                                           \
		change;                                                                            \
		expect_refusal(&i, code, word, hint);                                              \
	} while (0)

static void vault_without_protection_is_refused(void **state)
{
	(void)state;
	REFUSED(i.soft_delete = false, -EKEYREJECTED, "soft delete",
		"cmkfs vault update prod --soft-delete");
	REFUSED(i.purge_protection = false, -EKEYREJECTED, "purge protection",
		"cmkfs vault update prod --purge-protection");
	REFUSED(i.service_managed = true; i.soft_delete = false, -EKEYREJECTED, "soft delete",
		"cmkfs vault update prod --soft-delete");
}

static void vault_elsewhere_is_refused(void **state)
{
	(void)state;
	REFUSED(i.tenant[1] = '2', -EKEYREJECTED, "tenant t2", "--tenant t1");
	REFUSED(i.region[1] = '2', -EKEYREJECTED, "region r2", "--region r1");
	REFUSED(i.firewall_blocks = true, -EACCES, "firewall",
		"cmkfs vault firewall prod on --trusted-services");
}

static void key_of_wrong_kind_is_refused(void **state)
{
	(void)state;
	REFUSED(i.bits = 1024, -EKEYREJECTED, "1024 bits", "cmkfs vault key create local://prod/");
	REFUSED(i.bits = 2047, -EKEYREJECTED, "2047 bits", "--size 2048");
	REFUSED(memcpy(i.type, "EC", 3), -EKEYREJECTED, "type EC", "cmkfs vault key create");
	REFUSED(memcpy(i.type, "rsa", 4), -EKEYREJECTED, "type rsa", "cmkfs vault key create");
}

static void missing_permission_is_refused(void **state)
{
	static const char mend[] = "cmkfs vault policy set prod cmkfs-1 get,wrapKey,unwrapKey";

	(void)state;
	REFUSED(i.may_get = false, -EACCES, "get", mend);
	REFUSED(i.may_wrap = false, -EACCES, "wrapKey", mend);
	REFUSED(i.may_unwrap = false, -EACCES, "unwrapKey", mend);
}

static void key_that_is_not_valid_now_is_refused(void **state)
{
	(void)state;
	REFUSED(i.enabled = false, -EKEYREVOKED, "disabled",
		"cmkfs vault key enable local://prod/keys/k");
	REFUSED(i.expires = NOW, -EKEYEXPIRED, "expired", "cmkfs vault key rotate");
	REFUSED(i.expires = 1, -EKEYEXPIRED, "1970-01-01T00:00:01Z", "cmkfs vault key");
	REFUSED(i.not_before = NOW + 1, -EKEYEXPIRED, "not valid before", "--not-before none");
}

static void refusal_of_the_provider_goes_first_in_its_own_words(void **state)
{
	(void)state;
	REFUSED(i.soft_delete = false;
		kp_fail(&i.refusal, -EACCES, "mend prod", "prod is open to all"), -EACCES,
		"prod is open to all", "mend prod");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_documented_error_has_one_row),
		cmocka_unit_test(unknown_error_is_like_eio),
		cmocka_unit_test(message_is_one_line_and_bounded),
		cmocka_unit_test(provider_is_found_by_scheme_and_name),
		cmocka_unit_test(unknown_scheme_is_refused_with_the_known_ones),
		cmocka_unit_test(good_keys_are_accepted),
		cmocka_unit_test(vault_without_protection_is_refused),
		cmocka_unit_test(vault_elsewhere_is_refused),
		cmocka_unit_test(key_of_wrong_kind_is_refused),
		cmocka_unit_test(missing_permission_is_refused),
		cmocka_unit_test(key_that_is_not_valid_now_is_refused),
		cmocka_unit_test(refusal_of_the_provider_goes_first_in_its_own_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
