/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The configuration: what inih lets through must not get through here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "fs/lib/config.h"
#include "keyprov/keyprov.h"

/* A list of our own: one that has a section, one that has none. */
static const struct kp_conf_key cloud_keys[] = {
	{ "kind", KP_CONF_CHOICE, "one two" },
	{ "token-file", KP_CONF_PATH, NULL },
	{ "name", KP_CONF_TEXT, NULL },
	{ 0 },
};
static const struct kp_ops cloud = { .name = "cloud", .conf_keys = cloud_keys };
static const struct kp_ops bare = { .name = "bare" };
const struct kp_ops *const kp_providers[] = { &bare, &cloud, NULL };
const struct kp_lack kp_lacking[] = { { NULL, NULL, NULL } };

static struct conf_error err;

/* Parse TEXT over the defaults; the configuration is freed unless asked for. */
static int parse(const char *text, struct conf **ret)
{
	struct conf *c = conf_new();
	int r;

	assert_non_null(c);
	memset(&err, 0, sizeof(err));
	r = conf_parse(c, "f", text, strlen(text), &err);
	if (ret)
		*ret = c;
	else
		conf_free(c);
	return r;
}

static void refused(const char *text, const char *message)
{
	assert_int_equal(parse(text, NULL), -EINVAL);
	if (!strstr(err.message, message))
		fail_msg("'%s' is not in '%s'", message, err.message);
	assert_true(*err.hint);
}

static void defaults_are_those_of_the_manual(void **state)
{
	struct conf *c;

	(void)state;
	assert_int_equal(parse("", &c), 0);
	assert_int_equal(c->lease_ms, 60000);
	assert_int_equal(c->grace_ms, 600000);
	assert_int_equal(c->drain_ms, 5000);
	assert_int_equal(c->cipher, 0);
	assert_int_equal(c->binding, 2);
	assert_int_equal(c->crash, 1);
	assert_null(c->state_dir);
	conf_free(c);
}

static void every_kind_of_value_is_taken(void **state)
{
	struct conf *c;

	(void)state;
	assert_int_equal(parse("; comment\n[host]\nstate-dir = /srv/x\ntenant=acme\n\n[init]\ncipher = xts\n"
			       "plain-names = yes\n[mount]\nlease = 5s ; inline\ngrace: 0\nthreads = 3",
			       &c), 0);
	assert_string_equal(c->state_dir, "/srv/x");
	assert_string_equal(c->tenant, "acme");
	assert_int_equal(c->cipher, 1);
	assert_int_equal(c->plain_names, 1);
	assert_int_equal(c->lease_ms, 5000);
	assert_int_equal(c->grace_ms, 0);
	assert_int_equal(c->threads, 3);
	conf_free(c);
}

static void later_file_overrides_an_earlier_one(void **state)
{
	struct conf *c;

	(void)state;
	assert_int_equal(parse("[mount]\nlease = 5s\n[host]\ntenant = a\n", &c), 0);
	assert_int_equal(conf_parse(c, "g", "[host]\ntenant = b\n", 18, &err), 0);
	assert_string_equal(c->tenant, "b");
	assert_int_equal(c->lease_ms, 5000);
	conf_free(c);
}

static void unknown_key_is_refused_with_its_line(void **state)
{
	(void)state;
	refused("[mount]\n\nleese = 5s\n", "f:3: unknown key 'leese' in section [mount]");
	refused("[host]\nlease = 5s\n", "f:2: unknown key 'lease' in section [host]");
	refused("lease = 5s\n", "f:1: unknown key 'lease'");
}

static void unknown_section_is_refused_with_its_line(void **state)
{
	(void)state;
	refused("[mount]\n[maunt]\n", "f:2: unknown section [maunt]");
	refused("[mountmountmountmountmountmountmountmountmountmountmount]\n", "f:1: unknown section");
	refused("[mount\nlease = 5s\n", "f:1: no ']'");
}

static void repeated_key_is_refused_with_its_line(void **state)
{
	(void)state;
	refused("[mount]\nlease = 5s\nlease = 5s\n", "f:3: lease in [mount] is repeated");
	refused("[mount]\nlease = 5s\n[host]\n[mount]\nlease = 6s\n", "f:5: lease");
}

static void long_line_is_refused_before_its_tail_can_be_a_setting(void **state)
{
	char text[4300];
	int n = snprintf(text, sizeof(text), "[mount]\n; ");

	(void)state;
	memset(text + n, 'x', 4096);
	snprintf(text + n + 4096, 20, "lease=1s\n");
	refused(text, "f:2: the line has 4106 bytes");
	snprintf(text + n + 180, 20, "lease=1s\n"); /* 190 bytes: a comment still */
	assert_int_equal(parse(text, NULL), 0);
	snprintf(text + n + 181, 20, "lease=1s\n");
	refused(text, "f:2: the line has 191 bytes");
}

static void indented_line_does_not_repeat_the_key_before(void **state)
{
	(void)state;
	refused("[host]\ntenant = a\n  b\n", "f:3: the line is indented");
	assert_int_equal(parse("[host]\ntenant = a\n   \n\t; comment\n", NULL), 0);
}

static void bad_values_are_refused_and_say_what_is_good(void **state)
{
	(void)state;
	refused("[mount]\nlease = 0\n", "from 1s to 3600s");
	refused("[mount]\nlease = 2h\n", "from 1s to 3600s");
	refused("[mount]\nlease = -5s\n", "f:2: '-5s' is no good value");
	refused("[mount]\nlease =\n", "f:2: ''");
	refused("[mount]\nthreads = many\n", "a number from 0 to 256");
	refused("[init]\ncipher = rot13\n", "one of: gcm xts");
	refused("[init]\nplain-names = 1\n", "yes or no");
	refused("[host]\nstate-dir = here\n", "an absolute path");
}

static void binary_junk_is_refused(void **state)
{
	struct conf *c = conf_new();

	(void)state;
	assert_int_equal(conf_parse(c, "f", "[mount]\nle\0se = 1\n", 18, &err), -EINVAL);
	conf_free(c);
	refused("[mount]\n\x1b[31m\n", "control character");
	refused("[mount]\nlease\n", "f:2:");
}

static void missing_file_is_an_error_only_when_it_was_named(void **state)
{
	struct conf *c;

	(void)state;
	setenv("CMKFS_CONFIG", "/nonexistent/cmkfs.conf", 1);
	assert_int_equal(conf_load(&c, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/nonexistent/cmkfs.conf"));
	unsetenv("CMKFS_CONFIG");
	setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
	if (access("/etc/cmkfs/cmkfs.conf", F_OK) == 0)
		skip();
	assert_int_equal(conf_load(&c, &err), 0);
	conf_free(c);
}

static void durations_have_units_and_limits(void **state)
{
	static const struct {
		const char *s;
		int r;
		uint64_t ms;
	} t[] = {
		{ "250ms", 0, 250 },	{ "5", 0, 5000 },	  { "5s", 0, 5000 },
		{ "2min", 0, 120000 },	{ "1h", 0, 3600000 },	  { "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },	{ "1.5s", -EINVAL, 0 },	  { "5 s", -EINVAL, 0 },
		{ "1y", -EINVAL, 0 },	{ "99999999999", -ERANGE, 0 }, { "3d", -ERANGE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		uint64_t ms = 77;

		assert_int_equal(conf_duration(t[i].s, 0, 86400000, &ms), t[i].r);
		assert_int_equal(ms, t[i].r ? 77 : t[i].ms);
	}
}

static void section_of_a_provider_has_the_keys_of_its_table(void **state)
{
	struct conf *c;

	(void)state;
	assert_int_equal(parse("[cloud]\nkind = two\ntoken-file = /run/t\n[mount]\nlease = 5s\n", &c), 0);
	assert_string_equal(conf_provider(c, "cloud", "kind"), "two");
	assert_string_equal(conf_provider(c, "cloud", "token-file"), "/run/t");
	assert_null(conf_provider(c, "cloud", "name"));
	assert_null(conf_provider(c, "bare", "kind"));
	assert_int_equal(c->lease_ms, 5000);
	/* A later file goes over an earlier one. */
	assert_int_equal(conf_parse(c, "g", "[cloud]\nkind = one\n", 19, &err), 0);
	assert_string_equal(conf_provider(c, "cloud", "kind"), "one");
	assert_string_equal(conf_provider(c, "cloud", "token-file"), "/run/t");
	conf_free(c);
}

static void what_a_provider_has_no_key_for_is_refused(void **state)
{
	(void)state;
	refused("[cloud]\nsecret = x\n", "f:2: unknown key 'secret' in section [cloud]");
	refused("[bare]\nkind = one\n", "f:1: unknown section [bare]");
	refused("[cloud]\nkind = one\nkind = one\n", "f:3: kind in [cloud] is repeated");
	refused("[cloud]\nkind = three\n", "kind is one of: one two");
	refused("[cloud]\ntoken-file = run/t\n", "token-file is an absolute path");
	refused("[cloud]\nname =\n", "name is a text");
	refused("[cloud]\nlease = 5s\n", "unknown key 'lease'");
	refused("[mount]\nkind = one\n", "unknown key 'kind'");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_are_those_of_the_manual),
		cmocka_unit_test(every_kind_of_value_is_taken),
		cmocka_unit_test(later_file_overrides_an_earlier_one),
		cmocka_unit_test(unknown_key_is_refused_with_its_line),
		cmocka_unit_test(unknown_section_is_refused_with_its_line),
		cmocka_unit_test(repeated_key_is_refused_with_its_line),
		cmocka_unit_test(long_line_is_refused_before_its_tail_can_be_a_setting),
		cmocka_unit_test(indented_line_does_not_repeat_the_key_before),
		cmocka_unit_test(bad_values_are_refused_and_say_what_is_good),
		cmocka_unit_test(binary_junk_is_refused),
		cmocka_unit_test(missing_file_is_an_error_only_when_it_was_named),
		cmocka_unit_test(section_of_a_provider_has_the_keys_of_its_table),
		cmocka_unit_test(what_a_provider_has_no_key_for_is_refused),
		cmocka_unit_test(durations_have_units_and_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
