/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The log: form of the lines, levels, the sink, the rate limit.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "fs/lib/log.h"

static char seen[32][128];
static int levels[32];
static unsigned int n;

static void sink(void *arg, int level, const char *line)
{
	assert_ptr_equal(arg, seen);
	levels[n % 32] = level;
	snprintf(seen[n++ % 32], sizeof(seen[0]), "%s", line);
}

static int setup(void **state)
{
	(void)state;
	n = 0;
	memset(seen, 0, sizeof(seen));
	log_set_sink(sink, seen);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	return 0;
}

static void error_is_two_lines(void **state)
{
	(void)state;
	log_error("do this", "it broke: %d", 7);
	assert_int_equal(n, 2);
	assert_string_equal(seen[0], "cmkfs: error: it broke: 7");
	assert_string_equal(seen[1], "cmkfs: hint: do this");
	assert_int_equal(levels[0], LOG_ERR);
	log_warning(NULL, "mind");
	assert_string_equal(seen[2], "cmkfs: warning: mind");
	log_info("news");
	assert_string_equal(seen[3], "cmkfs: news");
	assert_int_equal(n, 4);
}

static void control_characters_cannot_forge_a_line(void **state)
{
	(void)state;
	log_info("a\nb\033[2Jc\n");
	assert_int_equal(n, 1);
	assert_string_equal(seen[0], "cmkfs: a?b?[2Jc");
}

static void long_message_is_cut(void **state)
{
	static char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	log_info("%s", text);
	assert_int_equal(n, 1);
	assert_int_equal(strlen(seen[0]), sizeof(seen[0]) - 1);
}

static void errno_survives(void **state)
{
	(void)state;
	errno = ENOTTY;
	log_error("h", "e");
	assert_int_equal(errno, ENOTTY);
}

static void rate_limit_lets_ten_through_and_counts_the_rest(void **state)
{
	struct log_rate r = { 0 };
	unsigned int passed = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		passed += log_allow(&r);
	assert_int_equal(passed, 10);
	r.begin_ms -= 6000; /* as if the interval were over */
	assert_true(log_allow(&r));
	assert_int_equal(n, 1);
	assert_string_equal(seen[0], "cmkfs: warning: 90 messages like the next one were left out");
}

/* What standard error gets while FN runs. */
static void captured(void (*fn)(void), char *ret, size_t cap)
{
	int saved = dup(STDERR_FILENO), p[2];
	ssize_t got;

	assert_int_equal(pipe2(p, O_NONBLOCK), 0);
	dup2(p[1], STDERR_FILENO);
	fn();
	dup2(saved, STDERR_FILENO);
	got = read(p[0], ret, cap - 1);
	ret[MAX(got, 0)] = 0;
	close(saved);
	close(p[0]);
	close(p[1]);
}

static void plain(void)
{
	log_setup(LOG_TO_STDERR, LOG_NOTICE);
	log_error("h", "e");
	log_info("too fine");
}

static void as_daemon(void)
{
	log_setup(LOG_TO_SYSLOG, LOG_INFO);
	log_warning_to_starter("h", "w");
	log_warning("h", "of what it does");
	log_error("h", "e"); /* who began it says what failed */
	log_detach();
	log_warning_to_starter("h", "nobody is there");
	log_setup(LOG_TO_STDERR, LOG_NOTICE);
}

static void as_journal(void)
{
	struct stat st;
	char s[64];

	fstat(STDERR_FILENO, &st);
	snprintf(s, sizeof(s), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", s, 1);
	plain();
	unsetenv("JOURNAL_STREAM");
}

static void assert_prints(void (*fn)(void), const char *text)
{
	char out[256];

	captured(fn, out, sizeof(out));
	assert_string_equal(out, text);
}

static void standard_error_has_levels_only_in_the_journal(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	assert_prints(plain, "cmkfs: error: e\ncmkfs: hint: h\n");
	assert_prints(as_journal, "<3>cmkfs: error: e\n<3>cmkfs: hint: h\n");
	setenv("JOURNAL_STREAM", "1:2", 1); /* inherited from another stream */
	assert_prints(plain, "cmkfs: error: e\ncmkfs: hint: h\n");
}

static void who_starts_a_daemon_reads_what_is_for_him(void **state)
{
	(void)state;
	log_set_sink(NULL, NULL);
	assert_prints(as_daemon, "cmkfs: warning: w\ncmkfs: hint: h\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(error_is_two_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(control_characters_cannot_forge_a_line, setup, teardown),
		cmocka_unit_test_setup_teardown(long_message_is_cut, setup, teardown),
		cmocka_unit_test_setup_teardown(errno_survives, setup, teardown),
		cmocka_unit_test_setup_teardown(rate_limit_lets_ten_through_and_counts_the_rest, setup,
						teardown),
		cmocka_unit_test(standard_error_has_levels_only_in_the_journal),
		cmocka_unit_test(who_starts_a_daemon_reads_what_is_for_him),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
