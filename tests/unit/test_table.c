/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Listings: the text and the JSON form of the same rows.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "fs/lib/table.h"

static const struct column columns[] = {
	{ .key = "name", .heading = "NAME" },
	{ .key = "n", .heading = "N", .right = true },
	{ .key = "hidden", .heading = NULL },
	{ .key = "words", .heading = "WORDS" },
	{ .key = "on", .heading = "ON" },
};

static json_t *rows(void)
{
	return json_pack("[{ss si ss s[ss] sb}{ss sn s[] sb}]", "name", "long name", "n", 7, "hidden", "h",
			 "words", "a", "b", "on", 1, "name", "é\x1b[2J", "n", "words", "on", 0);
}

static char *printed(int (*print)(FILE *, json_t *, const struct column *, size_t, bool),
		     json_t *doc, bool json)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	assert_int_equal(print(f, doc, columns, ARRAY_SIZE(columns), json), 0);
	fclose(f);
	return text;
}

static void text_is_aligned_and_escaped(void **state)
{
	char *s = printed(table_print, rows(), false);

	(void)state;
	assert_string_equal(s, "NAME       N  WORDS  ON\n"
			       "long name  7  a,b    yes\n"
			       "é\\x1b[2J   -  -      no\n");
	free(s);
}

static void json_is_one_document_with_the_same_rows(void **state)
{
	char *s = printed(table_print, rows(), true);
	json_t *want = rows(), *got = json_loads(s, 0, NULL);

	(void)state;
	assert_non_null(got);
	assert_true(json_equal(want, got));
	json_decref(want);
	json_decref(got);
	free(s);
}

static void no_rows_are_an_empty_array_and_no_heading(void **state)
{
	char *s = printed(table_print, json_array(), false);
	char *j = printed(table_print, json_array(), true);

	(void)state;
	assert_string_equal(s, "");
	assert_string_equal(j, "[]\n");
	free(s);
	free(j);
}

static void record_shows_only_what_it_has(void **state)
{
	char *s = printed(table_record, json_pack("{ss sb}", "name", "x", "on", 1), false);

	(void)state;
	assert_string_equal(s, "NAME:  x\nON:    yes\n");
	free(s);
}

static void full_disk_is_an_error(void **state)
{
	FILE *f = fopen("/dev/full", "w");

	(void)state;
	if (!f)
		skip();
	setvbuf(f, NULL, _IONBF, 0);
	assert_int_equal(table_print(f, rows(), columns, ARRAY_SIZE(columns), false), -EIO);
	assert_int_equal(table_print(f, rows(), columns, ARRAY_SIZE(columns), true), -EIO);
	fclose(f);
	assert_int_equal(table_print(stdout, NULL, columns, ARRAY_SIZE(columns), true), -ENOMEM);
}

static void times_are_utc(void **state)
{
	json_t *t = table_time(1769860800), *none = table_time(0);

	(void)state;
	assert_string_equal(json_string_value(t), "2026-01-31T12:00:00Z");
	assert_true(json_is_null(none));
	json_decref(t);
	json_decref(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_aligned_and_escaped),
		cmocka_unit_test(json_is_one_document_with_the_same_rows),
		cmocka_unit_test(no_rows_are_an_empty_array_and_no_heading),
		cmocka_unit_test(record_shows_only_what_it_has),
		cmocka_unit_test(full_disk_is_an_error),
		cmocka_unit_test(times_are_utc),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
