/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pkcs11 provider without a token: URIs, the table of errors, PINs, calls
 * with a deadline.  With tokens: tests/cases/provider-pkcs11.sh.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "crypto/secret.h"
#include "keyprov/pkcs11/p11.h"

/* ---- URIs ----------------------------------------------------------------------- */

static void uri_has_one_normal_form(void **state)
{
	static const struct {
		const char *uri, *normal;
	} same[] = {
		{ "pkcs11:token=My%20Token;object=k;id=%01%FF",
		  "pkcs11:token=My%20Token;id=%01%FF;object=k" },
		{ "PKCS11:object=k;token=t", "pkcs11:token=t;object=k" },
		{ "pkcs11:object=k;token=t;type=private", "pkcs11:token=t;object=k" },
		{ "pkcs11:token=t;object=k;type=public", "pkcs11:token=t;object=k" },
		{ "pkcs11:serial=12ab;id=%0a", "pkcs11:serial=12ab;id=%0A" },
		{ "pkcs11:token=t;id=;object=k", "pkcs11:token=t;object=k" },
		{ "pkcs11:token=t;object=k?pin-source=/etc/pin",
		  "pkcs11:token=t;object=k?pin-source=file%3A%2Fetc%2Fpin" },
		{ "pkcs11:token=t;object=k?pin-source=file:///etc/pin",
		  "pkcs11:token=t;object=k?pin-source=file%3A%2Fetc%2Fpin" },
		{ "pkcs11:model=m;manufacturer=f;serial=s;token=t;slot-id=3;object=k",
		  "pkcs11:slot-id=3;model=m;manufacturer=f;serial=s;token=t;object=k" },
	};
	char once[KP_URI_MAX], twice[KP_URI_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		assert_int_equal(kp_pkcs11.check(same[i].uri, once, NULL), 0);
		assert_string_equal(once, same[i].normal);
		assert_int_equal(kp_pkcs11.check(once, twice, NULL), 0);
		assert_string_equal(twice, once);
	}
}

static void uri_that_would_be_dangerous_or_vague_is_refused(void **state)
{
	static const struct {
		const char *uri, *why;
	} bad[] = {
		{ "pkcs11:", "which token" },
		{ "pkcs11:object=k", "which token" },
		{ "pkcs11:token=;object=k", "which token" },
		{ "pkcs11:token=%00;object=k", "which token" },
		{ "pkcs11:token=%00e;object=k", "which token" },
		{ "pkcs11:token=t", "which key" },
		{ "pkcs11:token=t;object=", "which key" },
		{ "pkcs11:token=t;object=k;type=cert", "does not name a key" },
		{ "pkcs11:token=t;object=k;x-odd=1", "not known" },
		{ "pkcs11:token=t;object=k;type=odd", "not known" },
		{ "pkcs11:token=t;object=%zz", "malformed" },
		{ "pkcs11:token=a-label-of-more-than-the-32-bytes-there-are;object=k", "not known" },
		{ "pkcs11:token=t;object=k?pin-value=1234", "PIN in it" },
		{ "pkcs11:token=t;object=k?pin-source=file:/p&pin-value=1234", "PIN in it" },
		{ "pkcs11:token=t;object=k?module-path=/tmp/evil.so", "names a module" },
		{ "pkcs11:token=t;object=k?module-name=evil", "names a module" },
		{ "pkcs11:token=t;object=k?pin-source=%7C/bin/sh", "no file" },
		{ "pkcs11:token=t;object=k?pin-source=relative", "no file" },
		{ "pkcs11:token=t;object=k?vendor=1", "not known" },
		{ "pkcs11:token=t;object=k?", "not known" },
	};
	char normal[KP_URI_MAX];
	struct kp_error e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		e = (struct kp_error){ 0 };
		assert_int_equal(kp_pkcs11.check(bad[i].uri, normal, &e), -EINVAL);
		if (!strstr(e.message, bad[i].why))
			fail_msg("%s: %s", bad[i].uri, e.message);
		assert_null(strstr(e.message, "1234"));
		assert_string_not_equal(e.hint, "");
	}
}

static void uri_longer_than_a_slot_holds_is_refused(void **state)
{
	char uri[2 * KP_URI_MAX] = "pkcs11:token=t;object=", normal[KP_URI_MAX];
	size_t n = strlen(uri);

	(void)state;
	for (size_t i = n; i < KP_URI_MAX; i++)
		uri[i] = 'k';
	assert_int_equal(kp_pkcs11.check(uri, normal, NULL), -EINVAL);
	uri[n + 100] = '\0';
	assert_int_equal(kp_pkcs11.check(uri, normal, NULL), 0);
	for (size_t i = n; i < n + 300; i += 3) /* short, but its normal form is not */
		memcpy(uri + i, "%ff", 4);
	strcat(uri, "?pin-source=file:/++++++++++++++++++++++++++++++++++++++++++++++++++++++++++++");
	assert_int_equal(kp_pkcs11.check(uri, normal, NULL), -EINVAL);
}

static bool same_key(const char *x, const char *y)
{
	P11KitUri *a, *b;
	bool same;

	assert_int_equal(p11_uri_parse(x, &a, NULL), 0);
	assert_int_equal(p11_uri_parse(y, &b, NULL), 0);
	same = p11_uri_same_key(a, b);
	p11_kit_uri_free(a);
	p11_kit_uri_free(b);
	return same;
}

static void id_is_the_version_of_a_labelled_key(void **state)
{
	(void)state;
	assert_true(same_key("pkcs11:token=t;object=k", "pkcs11:token=t;object=k;id=%01"));
	assert_true(same_key("pkcs11:token=t;object=k;id=%02", "pkcs11:token=t;object=k;id=%01"));
	assert_false(same_key("pkcs11:token=t;object=k", "pkcs11:token=t;object=K"));
	assert_false(same_key("pkcs11:token=t;object=k", "pkcs11:token=u;object=k"));
	assert_false(same_key("pkcs11:token=t;id=%01", "pkcs11:token=t;id=%02"));
	assert_false(same_key("pkcs11:token=t;id=%01", "pkcs11:token=t;id=%01;object=k"));
}

static void kid_is_a_uri_and_a_version(void **state)
{
	static const struct {
		const char *kid, *uri, *version;
	} kids[] = {
		{ "pkcs11:token=t;id=%01%FF;object=k", "pkcs11:token=t;object=k", "01ff" },
		{ "pkcs11:token=t;id=%01?pin-source=file%3A%2Fp",
		  "pkcs11:token=t;id=%01?pin-source=file%3A%2Fp", "" },
		{ "pkcs11:token=t;object=k", "pkcs11:token=t;object=k", "" },
	};
	char uri[KP_URI_MAX], version[KP_URI_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kids); i++) {
		kp_pkcs11.split(kids[i].kid, uri, version);
		assert_string_equal(uri, kids[i].uri);
		assert_string_equal(version, kids[i].version);
	}
}

static void date_is_the_beginning_of_its_day(void **state)
{
	static const struct {
		const char *text;
		int64_t t;
	} dates[] = { { "19700102", 86400 }, { "20260301", 1772323200 }, { "00000000", 0 },
		      { "2026    ", 0 },     { "20261301", 0 },		 { "20260132", 0 },
		      { "\0\0\0\0\0\0\0\0", 0 } };
	struct ck_date d;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(dates); i++) {
		memcpy(&d, dates[i].text, sizeof(d));
		assert_int_equal(p11_date(&d), dates[i].t);
	}
}

/* ---- errors -------------------------------------------------------------------------- */

static void every_error_of_a_token_has_one_meaning(void **state)
{
	(void)state;
	for (size_t i = 0; i < p11_nerrors; i++) {
		const struct p11_error_row *r = &p11_errors[i];

		assert_ptr_equal(p11_error_row(r->rv), r); /* none is there twice */
		assert_int_equal(kp_error_row(r->code)->code, r->code);
		assert_string_not_equal(r->meaning, "");
		/* What may pass by itself is no denial, and the other way round. */
		if (r->remedy != P11_NONE)
			assert_int_equal(r->code, -EAGAIN);
	}
	assert_int_equal(p11_error_row(CKR_VENDOR_DEFINED + 7)->code, -EAGAIN);
}

static void stale_handles_and_refusals_are_told_apart(void **state)
{
	static const ck_rv_t stale[] = { 0x30, 0x32, 0x60, 0x82, 0xb0, 0xb3, 0xe0, 0xe1, 0x101, 0x190 };
	static const ck_rv_t doubtful[] = { 0x05, 0x06, 0x20, 0x21, 0x40, 0x41 };
	static const ck_rv_t denied[] = { 0x63, 0x68, 0xa0, 0xa4, 0x102 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(stale); i++)
		assert_int_equal(p11_error_row(stale[i])->remedy, P11_REOPEN);
	for (size_t i = 0; i < ARRAY_SIZE(doubtful); i++)
		assert_int_equal(p11_error_row(doubtful[i])->remedy, P11_DOUBT);
	for (size_t i = 0; i < ARRAY_SIZE(denied); i++)
		assert_true(kp_error_row(p11_error_row(denied[i])->code)->denied);
}

static void message_names_token_call_and_value(void **state)
{
	struct kp_error e = { 0 };

	(void)state;
	assert_int_equal(p11_fail(&e, CKR_PIN_LOCKED, "C_Login", "prod"), -EKEYREJECTED);
	assert_string_equal(e.message, "token prod: C_Login: the PIN is locked (CKR_PIN_LOCKED 0xa4)");
	assert_non_null(strstr(e.hint, "pkcs11-tool"));
	assert_int_equal(p11_fail(&e, 0x80000001, "C_Decrypt", ""), -EAGAIN);
	assert_string_equal(e.message, "token ?: C_Decrypt: a reason of its own (0x80000001)");
}

/* ---- PINs ---------------------------------------------------------------------------- */

static char dir[] = "/tmp/cmkfs-pin-XXXXXX";
static char file[64];

static void write_pin(const char *text, mode_t mode)
{
	int fd;

	snprintf(file, sizeof(file), "%s/pin", dir);
	unlink(file);
	fd = open(file, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static int get_pin(const char *label, const char *from, const char *expected)
{
	struct p11_token t = { .login = true };
	char *pin = secret_alloc(P11_PIN_MAX);
	struct kp_error e = { 0 };
	size_t n = 0;
	int r;

	snprintf(t.label, sizeof(t.label), "%s", label);
	r = p11_pin_get(&t, from, pin, &n, &e);
	if (!r) {
		assert_int_equal(n, strlen(expected));
		assert_memory_equal(pin, expected, n);
	} else {
		assert_string_not_equal(e.message, "");
	}
	secret_free(pin);
	return r;
}

static void pin_is_the_first_line_of_a_private_file(void **state)
{
	(void)state;
	write_pin("1234", 0600);
	assert_int_equal(get_pin("a", file, "1234"), 0);
	write_pin("12 34\r\nrest", 0400);
	assert_int_equal(get_pin("a", file, "12 34"), 0);
	write_pin("1234\n", 0640);
	assert_int_equal(get_pin("a", file, ""), -EACCES);
	write_pin("1234\n", 0602);
	assert_int_equal(get_pin("a", file, ""), -EACCES);
	write_pin("\n1234", 0600);
	assert_int_equal(get_pin("a", file, ""), -EACCES);
	write_pin("", 0600);
	assert_int_equal(get_pin("a", file, ""), -EACCES);
	assert_int_equal(get_pin("a", dir, ""), -EACCES);
	assert_int_equal(get_pin("a", "/nowhere/pin", ""), -EACCES);
}

static void pin_file_that_is_a_pipe_does_not_hang(void **state)
{
	char fifo[64];

	(void)state;
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(get_pin("a", fifo, ""), -EACCES);
	unlink(fifo);
}

static void line_that_fills_the_buffer_is_no_pin(void **state)
{
	char longest[P11_PIN_MAX + 10];

	(void)state;
	memset(longest, '1', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	write_pin(longest, 0600);
	assert_int_equal(get_pin("a", file, ""), -EACCES);
	longest[P11_PIN_MAX - 2] = '\0';
	write_pin(longest, 0600);
	assert_int_equal(get_pin("a", file, longest), 0);
}

static void refused_pin_is_not_given_again(void **state)
{
	struct p11_token t = { .label = "b", .serial = "7" }, other = { .label = "b", .serial = "8" };
	char *pin = secret_alloc(P11_PIN_MAX);
	size_t n;

	(void)state;
	write_pin("1234", 0600);
	p11_pin_refused(&t, "1234", 4);
	assert_int_equal(p11_pin_get(&t, file, pin, &n, NULL), -EKEYREJECTED);
	assert_int_equal(p11_pin_get(&other, file, pin, &n, NULL), 0);
	write_pin("12345", 0600);
	assert_int_equal(p11_pin_get(&t, file, pin, &n, NULL), 0);
	p11_pin_worked(&t, file, "12345", 5);
	write_pin("1234", 0600); /* it may be the right one again */
	assert_int_equal(p11_pin_get(&t, file, pin, &n, NULL), 0);
	secret_free(pin);
}

static unsigned int asked;

static int answer(void *arg, const char *what, char *ret, size_t *ret_n, struct kp_error *e)
{
	asked++;
	assert_string_equal(what, "token c");
	if (!arg)
		return kp_fail(e, -EACCES, NULL, "nobody is there");
	*ret_n = (size_t)snprintf(ret, KP_PIN_MAX, "%s", (char *)arg);
	return 0;
}

static void pin_of_a_person_is_asked_for_once(void **state)
{
	struct p11_token t = { .label = "c" };
	char one[] = "1111", two[] = "2222";

	(void)state;
	kp_pin_from(answer, one);
	assert_int_equal(get_pin("c", NULL, "1111"), 0);
	assert_int_equal(asked, 1);
	p11_pin_worked(&t, NULL, "1111", 4);
	kp_pin_from(answer, NULL);
	assert_int_equal(get_pin("c", NULL, "1111"), 0); /* from memory */
	assert_int_equal(asked, 1);
	p11_pin_refused(&t, "1111", 4); /* changed meanwhile */
	assert_int_equal(get_pin("c", NULL, ""), -EACCES);
	kp_pin_from(answer, two);
	assert_int_equal(get_pin("c", NULL, "2222"), 0);
	kp_pin_from(NULL, NULL);
}

/* ---- deadlines -------------------------------------------------------------------------- */

struct job {
	unsigned int ms;
	int r;
	atomic_int freed;
};

static int run_job(void *arg, struct kp_error *e)
{
	struct job *j = arg;

	usleep(j->ms * 1000);
	return j->r ? kp_fail(e, j->r, "hint", "message") : 0;
}

static void free_job(void *arg)
{
	atomic_fetch_add(&((struct job *)arg)->freed, 1);
}

static void call_in_time_gives_what_it_gave(void **state)
{
	struct job j = { 0, 0, 0 };
	struct kp_error e = { 0 };
	bool left = true;

	(void)state;
	assert_int_equal(p11_bounded(5000, run_job, free_job, &j, &left, &e), 0);
	assert_false(left);
	j.r = -EACCES;
	assert_int_equal(p11_bounded(5000, run_job, free_job, &j, &left, &e), -EACCES);
	assert_false(left);
	assert_string_equal(e.message, "message");
	assert_int_equal(atomic_load(&j.freed), 0);
}

static void call_past_its_deadline_is_left_and_frees_itself(void **state)
{
	struct job j = { 300, 0, 0 };
	struct kp_error e = { 0 };
	bool left = false;

	(void)state;
	assert_int_equal(p11_bounded(20, run_job, free_job, &j, &left, &e), -EAGAIN);
	assert_true(left);
	assert_non_null(strstr(e.message, "within 20 ms"));
	assert_int_equal(atomic_load(&j.freed), 0);
	for (int i = 0; i < 500 && !atomic_load(&j.freed); i++)
		usleep(10000);
	assert_int_equal(atomic_load(&j.freed), 1);
}

/* What libraries keep for a thread is freed at its end, OpenSSL's errors among it. */
static atomic_int ended_threads;
static pthread_key_t of_thread;

static void at_end_of_thread(void *value)
{
	(void)value;
	usleep(50000);
	atomic_fetch_add(&ended_threads, 1);
}

static int run_with_key(void *arg, struct kp_error *e)
{
	(void)e;
	return pthread_setspecific(of_thread, arg) ? -EAGAIN : 0;
}

static void thread_of_a_call_in_time_is_no_more(void **state)
{
	bool left;

	(void)state;
	assert_int_equal(pthread_key_create(&of_thread, at_end_of_thread), 0);
	assert_int_equal(p11_bounded(5000, run_with_key, free_job, &of_thread, &left, NULL), 0);
	assert_false(left);
	assert_int_equal(atomic_load(&ended_threads), 1);
	pthread_key_delete(of_thread);
}

static int said_at_exit[2];

static void say_at_exit(void)
{
	assert_int_equal(write(said_at_exit[1], "x", 1), 1);
}

/* Libraries that are freed at the end of the process would be so beneath the module. */
static void process_ends_at_once_while_a_module_holds_a_thread(void **state)
{
	struct job j = { 60000, 0, 0 };
	bool left = false;
	int status;
	pid_t pid;
	char c;

	(void)state;
	assert_int_equal(pipe(said_at_exit), 0);
	pid = fork();
	if (!pid) {
		atexit(say_at_exit);
		p11_bounded(20, run_job, free_job, &j, &left, NULL);
		exit(left ? 5 : 1);
	}
	close(said_at_exit[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 5);
	assert_int_equal(read(said_at_exit[0], &c, 1), 0);
	close(said_at_exit[0]);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	unlink(file);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uri_has_one_normal_form),
		cmocka_unit_test(uri_that_would_be_dangerous_or_vague_is_refused),
		cmocka_unit_test(uri_longer_than_a_slot_holds_is_refused),
		cmocka_unit_test(id_is_the_version_of_a_labelled_key),
		cmocka_unit_test(kid_is_a_uri_and_a_version),
		cmocka_unit_test(date_is_the_beginning_of_its_day),
		cmocka_unit_test(every_error_of_a_token_has_one_meaning),
		cmocka_unit_test(stale_handles_and_refusals_are_told_apart),
		cmocka_unit_test(message_names_token_call_and_value),
		cmocka_unit_test(pin_is_the_first_line_of_a_private_file),
		cmocka_unit_test(pin_file_that_is_a_pipe_does_not_hang),
		cmocka_unit_test(line_that_fills_the_buffer_is_no_pin),
		cmocka_unit_test(refused_pin_is_not_given_again),
		cmocka_unit_test(pin_of_a_person_is_asked_for_once),
		cmocka_unit_test(call_in_time_gives_what_it_gave),
		cmocka_unit_test(thread_of_a_call_in_time_is_no_more),
		cmocka_unit_test(process_ends_at_once_while_a_module_holds_a_thread),
		cmocka_unit_test(call_past_its_deadline_is_left_and_frees_itself),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
