/* SPDX-License-Identifier: Apache-2.0 */
/*
 * keyprov/registry.c: which provider has a URI, and what is said when none has,
 * over a list of its own.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "keyprov/keyprov.h"

static const char *const one_schemes[] = { "one://", "uno:", NULL };
static const struct kp_ops one = { .name = "one", .schemes = one_schemes };

/* In place of keyprov/providers.c. */
const struct kp_ops *const kp_providers[] = { &one, NULL };
const struct kp_lack kp_lacking[] = { { "absent", "absent://", "libabsent" },
				      { NULL, NULL, NULL } };

static void provider_is_found_by_each_of_its_schemes(void **state)
{
	(void)state;
	assert_ptr_equal(kp_provider_of("one://x", NULL), &one);
	assert_ptr_equal(kp_provider_of("Uno:x", NULL), &one);
	assert_ptr_equal(kp_provider_named("one"), &one);
	assert_null(kp_provider_named("absent"));
}

static void provider_that_was_not_built_is_named_with_its_library(void **state)
{
	struct kp_error e = { .code = 0 };

	(void)state;
	assert_null(kp_provider_of("ABSENT://x", &e));
	assert_int_equal(e.code, -ENOTSUP);
	assert_string_equal(e.message, "the provider absent is not part of this build, which was made "
				       "without libabsent");
	assert_string_equal(e.hint, "take a cmkfs that was built with libabsent; this one has: one://, "
				    "uno:");
}

static void unknown_scheme_is_told_with_those_that_there_are(void **state)
{
	struct kp_error e = { .code = 0 };

	(void)state;
	assert_null(kp_provider_of("two://x", &e));
	assert_int_equal(e.code, -ENOTSUP);
	assert_string_equal(e.message, "no key provider for 'two:' in this build");
	assert_non_null(strstr(e.hint, "one://, uno:"));
	assert_null(kp_provider_of("two", &e));
	assert_string_equal(e.message, "'two' is not a key URI");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(provider_is_found_by_each_of_its_schemes),
		cmocka_unit_test(provider_that_was_not_built_is_named_with_its_library),
		cmocka_unit_test(unknown_scheme_is_told_with_those_that_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
