/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs and options: finding a verb by its words, parsing, exit codes.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "fs/lib/cmd.h"

static bool json, force;
static const char *zone;
static char *list;

static const struct opt opts[] = {
	OPT_JSON(&json),
	{ .name = "zone", .letter = 'z', .arg = "Z", .help = "zone", .value = &zone },
	{ .name = "force", .letter = 'f', .help = "force", .flag = &force },
	{ .name = "options", .letter = 'o', .arg = "LIST", .help = "list", .list = &list },
	OPT_END
};

static const struct verb key = { .name = "key", .args = "", .summary = "Keys" };
static const struct verb key_set = { .name = "key set", .args = "DIR URI", .summary = "Set",
				     .opts = opts, .min_args = 1, .max_args = 2 };
static const struct verb vault_key_create = { .name = "vault key create", .args = "", .summary = "C" };

const struct verb *const cmd_verbs[] = { &key, &key_set, &vault_key_create, NULL };

static int setup(void **state)
{
	(void)state;
	json = force = false;
	zone = NULL;
	free(list);
	list = NULL;
	return 0;
}

static int parse(struct cmd *c, ...)
{
	static char *argv[16];
	int argc = 0;
	va_list ap;

	argv[argc++] = (char *)"set";
	va_start(ap, c);
	while ((argv[argc] = va_arg(ap, char *)))
		argc++;
	va_end(ap);
	return opts_parse(&key_set, argc, argv, c);
}

static void longest_match_of_words_wins(void **state)
{
	char *argv[] = { (char *)"key", (char *)"set", (char *)"x" };
	char *other[] = { (char *)"key", (char *)"sett" };
	char *deep[] = { (char *)"vault", (char *)"key", (char *)"create" };
	int n;

	(void)state;
	assert_ptr_equal(opts_find(3, argv, &n), &key_set);
	assert_int_equal(n, 2);
	assert_ptr_equal(opts_find(2, other, &n), &key);
	assert_int_equal(n, 1);
	assert_ptr_equal(opts_find(3, deep, &n), &vault_key_create);
	assert_null(opts_find(2, deep, &n));
	assert_int_equal(n, 2);
	assert_null(opts_find(0, deep, &n));
	assert_int_equal(n, 0);
}

static void options_and_arguments_mix(void **state)
{
	struct cmd c;

	(void)state;
	assert_int_equal(parse(&c, "--json", "a", "-z", "7", "b", "-f", NULL), -1);
	assert_true(json && force);
	assert_string_equal(zone, "7");
	assert_int_equal(c.argc, 2);
	assert_string_equal(c.argv[0], "a");
	assert_string_equal(c.argv[1], "b");
}

static void double_dash_ends_options(void **state)
{
	struct cmd c;

	(void)state;
	assert_int_equal(parse(&c, "--", "--json", "-f", NULL), -1);
	assert_false(json || force);
	assert_string_equal(c.argv[0], "--json");
}

static void repeated_lists_are_joined(void **state)
{
	struct cmd c;

	(void)state;
	assert_int_equal(parse(&c, "-o", "ro", "--options=lease=5s,x", "a", NULL), -1);
	assert_string_equal(list, "ro,lease=5s,x");
}

static void wrong_use_exits_2(void **state)
{
	struct cmd c;

	(void)state;
	assert_int_equal(parse(&c, "--nonsense", "a", NULL), CMD_USAGE);
	assert_int_equal(parse(&c, "-q", "a", NULL), CMD_USAGE);
	assert_int_equal(parse(&c, "a", "--zone", NULL), CMD_USAGE);
	assert_int_equal(parse(&c, "a", "-z", NULL), CMD_USAGE);
	assert_int_equal(parse(&c, "--json=yes", "a", NULL), CMD_USAGE);
	assert_int_equal(parse(&c, NULL), CMD_USAGE);
	assert_int_equal(parse(&c, "a", "b", "c", NULL), CMD_USAGE);
}

static void help_exits_0_wherever_it_stands(void **state)
{
	struct cmd c;

	(void)state;
	assert_int_equal(parse(&c, "--help", NULL), CMD_OK);
	assert_int_equal(parse(&c, "a", "b", "c", "-h", NULL), CMD_OK);
}

static void numbers_are_whole_and_within_limits(void **state)
{
	uint64_t n = 7;

	(void)state;
	assert_int_equal(conf_number("12", 0, 12, &n), 0);
	assert_int_equal(n, 12);
	assert_int_equal(conf_number("13", 0, 12, &n), -ERANGE);
	assert_int_equal(conf_number("99999999999999999999999", 0, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(conf_number("-1", 0, 12, &n), -EINVAL);
	assert_int_equal(conf_number(" 1", 0, 12, &n), -EINVAL);
	assert_int_equal(conf_number("1x", 0, 12, &n), -EINVAL);
	assert_int_equal(conf_number("", 0, 12, &n), -EINVAL);
	assert_int_equal(n, 12);
}

static void store_errors_have_documented_exit_codes(void **state)
{
	static const int want[][2] = {
		{ -EMEDIUMTYPE, 3 }, { -EBADMSG, 3 },	{ -EPROTONOSUPPORT, 3 }, { -ENOKEY, 4 },
		{ -EKEYREVOKED, 4 }, { -EKEYEXPIRED, 4 }, { -EAGAIN, 5 },	 { -EBUSY, 6 },
		{ -ESTALE, 7 },	     { -ENOTEMPTY, 2 },	{ -ENOENT, 2 },		 { -ENOSPC, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_int_equal(cmd_exit_of(want[i][0]), want[i][1]);
}

static void provider_errors_exit_as_their_table_says(void **state)
{
	(void)state;
	for (const struct kp_error_row *r = kp_error_table; r->code; r++) {
		struct kp_error e = { .code = r->code };

		assert_int_equal(cmd_fail_kp(&e, NULL), r->exit_code);
		assert_in_range(r->exit_code, CMD_FAILED, CMD_INTEGRITY);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(longest_match_of_words_wins, setup),
		cmocka_unit_test_setup(options_and_arguments_mix, setup),
		cmocka_unit_test_setup(double_dash_ends_options, setup),
		cmocka_unit_test_setup(repeated_lists_are_joined, setup),
		cmocka_unit_test_setup(wrong_use_exits_2, setup),
		cmocka_unit_test_setup(help_exits_0_wherever_it_stands, setup),
		cmocka_unit_test(numbers_are_whole_and_within_limits),
		cmocka_unit_test(store_errors_have_documented_exit_codes),
		cmocka_unit_test(provider_errors_exit_as_their_table_says),
	};
	int r;

	r = cmocka_run_group_tests(tests, NULL, NULL);
	free(list);
	return r;
}
