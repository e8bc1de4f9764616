/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What providers that speak HTTPS share, without a server: texts, answers,
 * Retry-After, tokens.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "crypto/secret.h"
#include "keyprov/clock.h"
#include "keyprov/net/http_priv.h"
#include "keyprov/net/json.h"
#include "keyprov/net/text.h"
#include "keyprov/net/token.h"

/* ---- texts ------------------------------------------------------------------------ */

static void texts_are_escaped_for_where_they_go(void **state)
{
	_cleanup_text_ struct text t = { 0 };

	(void)state;
	text_begin(&t, 256);
	text_add(&t, "a=");
	text_escape(&t, "x y/z&~-._\xc3\xa9");
	text_addf(&t, "&n=%d;", 7);
	text_json(&t, "q\"\\\n\x01");
	text_b64url(&t, "\xff\xfe", 2);
	text_b64(&t, "\xff\xfe", 2);
	assert_true(text_ok(&t));
	assert_string_equal(t.s, "a=x%20y%2Fz%26~-._%C3%A9&n=7;\"q\\\"\\\\\\u000a\\u0001\"__4//4=");
	assert_int_equal(t.n, strlen(t.s));
	assert_true(secret_owns(t.s));
}

static void a_text_without_room_is_not_used(void **state)
{
	_cleanup_text_ struct text t = { 0 };

	(void)state;
	assert_false(text_ok(&t));
	text_begin(&t, 8);
	text_add(&t, "1234567");
	assert_true(text_ok(&t));
	text_add(&t, "8");
	assert_false(text_ok(&t));
	text_done(&t);
	text_begin(&t, 8);
	text_addf(&t, "%s", "12345678");
	text_add(&t, "1");
	assert_false(text_ok(&t));
}

/* ---- answers ---------------------------------------------------------------------- */

static json_t *parsed(const char *s)
{
	json_t *o = NULL;

	assert_int_equal(js_parse(s, strlen(s), &o, NULL), 0);
	return o;
}

static void refused(const char *s, size_t n)
{
	struct kp_error e = { 0 };
	json_t *o = NULL;

	assert_int_equal(js_parse(s, n, &o, &e), -EPROTO);
	assert_null(o);
	assert_true(e.message[0] && e.hint[0] && e.retryable);
}

static void what_is_no_sound_json_object_is_refused(void **state)
{
	static const char *const rows[] = {
		"", "null", "[]", "7", "\"x\"", "{", "{}x", "{\"a\":1,\"a\":2}", "{\"a\":{\"b\":1,\"b\":1}}",
		"{\"a\":\"\xff\"}", "{\"a\":\"\\u0000\"}", "{\"a\":99999999999999999999}",
		"{\"a\":1e999}", "<html>", "{'a':1}", "{\"a\":NaN}", "{\"a\":01}",
	};
	static char deep[200000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		refused(rows[i], strlen(rows[i]));
	refused("{\"a\":\"\0\"}", 9);
	refused("{}\0", 3);
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"a\":", 5);
	refused(deep, JS_BYTES_MAX);
	refused(deep, sizeof(deep));
	refused("{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", 70);
}

static void brackets_in_a_text_nest_nothing(void **state)
{
	char s[300] = "{\"a\":\"\\\"";
	_cleanup_json_ json_t *o = NULL;

	(void)state;
	memset(s + strlen(s), '[', 100);
	strcat(s, "\"}");
	o = parsed(s);
	assert_int_equal(strlen(json_string_value(json_object_get(o, "a"))), 101);
}

static void an_answer_lies_in_secret_memory(void **state)
{
	size_t before, after, total;
	json_t *o;

	(void)state;
	secret_usage(&before, &total);
	o = parsed("{\"access_token\":\"eyJ0\",\"n\":{\"x\":[1,2,\"y\"]}}");
	assert_true(secret_owns(json_string_value(json_object_get(o, "access_token"))));
	json_decref(o);
	secret_usage(&after, &total);
	assert_int_equal(before, after);
	o = json_string("ours");
	assert_false(secret_owns(o));
	json_decref(o);
}

static void types_are_strict(void **state)
{
	_cleanup_json_ json_t *o = parsed("{\"t\":\"x\",\"n\":5,\"r\":5.0,\"b\":true,\"z\":null,"
					  "\"o\":{},\"l\":[],\"k\":\"AQID\",\"p\":\"AQI=\"}");
	const char *s;
	json_t *v;
	int64_t n;
	bool b;
	uint8_t k[3];
	size_t len;

	(void)state;
	assert_int_equal(js_text(o, "t", &s, NULL), 0);
	assert_string_equal(s, "x");
	assert_int_equal(js_text(o, "n", &s, NULL), -EPROTO);
	assert_int_equal(js_text(o, "none", &s, NULL), -EPROTO);
	assert_int_equal(js_text(o, "z", &s, NULL), -EPROTO);
	assert_int_equal(js_text_opt(o, "z", &s, NULL), 0);
	assert_string_equal(s, "");
	assert_int_equal(js_text_opt(NULL, "z", &s, NULL), 0);
	assert_int_equal(js_text_opt(o, "b", &s, NULL), -EPROTO);
	assert_int_equal(js_int(o, "n", 0, 5, &n, NULL), 0);
	assert_int_equal(n, 5);
	assert_int_equal(js_int(o, "n", 6, 9, &n, NULL), -EPROTO);
	assert_int_equal(js_int(o, "r", 0, 9, &n, NULL), -EPROTO);
	assert_int_equal(js_int(o, "t", 0, 9, &n, NULL), -EPROTO);
	assert_int_equal(js_int(o, "none", 0, 9, &n, NULL), -EPROTO);
	assert_int_equal(js_int_or(o, "none", 0, 9, 4, &n, NULL), 0);
	assert_int_equal(n, 4);
	assert_int_equal(js_bool_or(o, "b", false, &b, NULL), 0);
	assert_true(b);
	assert_int_equal(js_bool_or(o, "n", false, &b, NULL), -EPROTO);
	assert_int_equal(js_object(o, "o", &v, NULL), 0);
	assert_int_equal(js_object(o, "l", &v, NULL), -EPROTO);
	assert_int_equal(js_object_opt(o, "z", &v, NULL), 0);
	assert_null(v);
	assert_int_equal(js_array(o, "l", &v, NULL), 0);
	assert_int_equal(js_array(o, "o", &v, NULL), -EPROTO);
	assert_int_equal(js_b64url(o, "k", k, 3, &len, NULL), 0);
	assert_memory_equal(k, "\x01\x02\x03", 3);
	assert_int_equal(js_b64url(o, "k", k, 2, &len, NULL), -EPROTO);
	assert_int_equal(js_b64url(o, "p", k, 3, &len, NULL), -EPROTO);
	assert_int_equal(js_b64(o, "p", k, 3, &len, NULL), 0);
	assert_int_equal(len, 2);
}

/* ---- Retry-After ------------------------------------------------------------------ */

static void every_form_of_retry_after_is_capped(void **state)
{
	static const struct {
		const char *value;
		int64_t ms;
	} rows[] = {
		{ "0", 0 }, { "1", 1000 }, { "007", 7000 }, { "1000000000", HTTP_RETRY_AFTER_MS },
		{ "99999999999999999999999999", HTTP_RETRY_AFTER_MS }, { "-1", -1 }, { "1.5", -1 },
		{ "", -1 }, { "soon", -1 }, { "1 s", -1 }, { "+1", -1 },
		{ "Fri, 31 Dec 1999 23:59:59 GMT", 0 },
		{ "Sun, 06 Nov 1994 08:49:47 GMT", 0 },
		{ "Thu, 26 Nov 2026 00:00:10 GMT", 10000 },
		{ "Thursday, 26-Nov-26 00:00:10 GMT", 10000 },
		{ "Thu Nov 26 00:00:10 2026", 10000 },
		{ "Sat, 01 Jan 2098 00:00:00 GMT", HTTP_RETRY_AFTER_MS },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_int_equal(http_retry_after(rows[i].value, 1795651200), rows[i].ms);
}

static void take(struct http *h, const char *line)
{
	char copy[200];

	snprintf(copy, sizeof(copy), "%s\r\n", line);
	assert_int_equal(http_take_header(copy, 1, strlen(copy), h), strlen(copy));
}

static void headers_are_of_the_last_answer_and_the_first_of_a_name(void **state)
{
	struct http_reply r = { .retry_after_ms = -1 };
	struct http h = { .reply = &r };

	(void)state;
	take(&h, "HTTP/1.1 100 Continue");
	take(&h, "Content-Type: text/html");
	take(&h, "HTTP/1.1 429 Too Many Requests");
	take(&h, "content-type:  application/json ");
	take(&h, "Content-Type: text/plain");
	take(&h, "WWW-Authenticate: Bearer a=\"b\"");
	take(&h, "Date: Thu, 26 Nov 2026 00:00:00 GMT");
	take(&h, "Retry-After: Thu, 26 Nov 2026 00:00:03 GMT");
	take(&h, "X-Amzn-ErrorType: NotFoundException:");
	assert_string_equal(r.content_type, "application/json");
	assert_string_equal(r.www_authenticate, "Bearer a=\"b\"");
	assert_string_equal(r.error_type, "NotFoundException:");
	assert_int_equal(r.date, 1795651200);
	assert_int_equal(r.retry_after_ms, 3000); /* by the server's clock */
	h.header_bytes = HTTP_HEADER_MAX;
	assert_int_equal(http_take_header((char[]){ "X: y\r\n" }, 1, 6, &h), 0);
	assert_non_null(h.refused);
}

/* ---- tokens ----------------------------------------------------------------------- */

static struct {
	unsigned int calls;
	int r;
	int64_t life;
} server;

static int give(void *arg, char *ret, int64_t *ret_life_ms, struct kp_error *e)
{
	assert_ptr_equal(arg, &server);
	server.calls++;
	if (server.r)
		return kp_fail(e, server.r, NULL, "no %u", server.calls);
	snprintf(ret, TOKEN_MAX, "token %u", server.calls);
	*ret_life_ms = server.life;
	return 0;
}

static int get(struct token *t, const char **ret, struct kp_error *e)
{
	return token_get(t, give, &server, ret, e);
}

static void a_token_is_kept_and_fetched_ahead_of_its_end(void **state)
{
	struct token t = { 0 };
	const char *s;

	(void)state;
	server = (typeof(server)){ .life = 3600000 };
	assert_int_equal(get(&t, &s, NULL), 0);
	assert_int_equal(get(&t, &s, NULL), 0);
	assert_string_equal(s, "token 1");
	assert_true(t.expires - t.refresh == TOKEN_AHEAD_MS);
	t.refresh = boottime_ms() - 1;
	assert_int_equal(get(&t, &s, NULL), 0);
	assert_string_equal(s, "token 2");
	token_done(&t);
}

static void the_old_token_serves_when_no_new_one_is_given_and_no_longer(void **state)
{
	struct token t = { 0 };
	struct kp_error e = { 0 };
	const char *s = NULL;

	(void)state;
	server = (typeof(server)){ .life = 3600000 };
	assert_int_equal(get(&t, &s, &e), 0);
	server.r = -EAGAIN;
	t.refresh = boottime_ms() - 1;
	for (int i = 0; i < 100; i++)
		assert_int_equal(get(&t, &s, &e), 0);
	assert_string_equal(s, "token 1");
	assert_int_equal(server.calls, 2);
	t.expires = boottime_ms() - 1;
	assert_int_equal(get(&t, &s, &e), -EAGAIN);
	assert_string_equal(e.message, "no 2");
	assert_null(t.value);
	token_done(&t);
}

static void failures_are_not_asked_for_in_a_loop(void **state)
{
	struct token t = { 0 };
	struct kp_error e;
	const char *s;

	(void)state;
	server = (typeof(server)){ .r = -EKEYREJECTED };
	for (int i = 0; i < 1000; i++) {
		e = (struct kp_error){ 0 };
		assert_int_equal(get(&t, &s, &e), -EKEYREJECTED);
		assert_string_equal(e.message, "no 1");
	}
	assert_int_equal(server.calls, 1);
	for (unsigned int i = 2; i < 12; i++) {
		int64_t now = boottime_ms();

		t.asked_again = now;
		assert_int_equal(get(&t, &s, &e), -EKEYREJECTED);
		assert_int_equal(server.calls, i);
		assert_true(t.asked_again > now && t.asked_again <= boottime_ms() + TOKEN_PAUSE_MAX_MS);
	}
	server.r = 0;
	t.asked_again = 0;
	assert_int_equal(get(&t, &s, &e), 0);
	assert_int_equal(t.failures, 0);
	token_done(&t);
}

static void a_refused_token_is_replaced_once(void **state)
{
	struct token t = { 0 };
	const char *s;

	(void)state;
	server = (typeof(server)){ .life = 0 };
	assert_int_equal(get(&t, &s, NULL), 0);
	assert_false(token_refused(&t)); /* it has only just been given */
	assert_int_equal(get(&t, &s, NULL), 0);
	t.fetched -= TOKEN_PAUSE_MS;
	assert_true(token_refused(&t));
	assert_int_equal(get(&t, &s, NULL), 0);
	assert_string_equal(s, "token 3");
	token_done(&t);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_are_escaped_for_where_they_go),
		cmocka_unit_test(a_text_without_room_is_not_used),
		cmocka_unit_test(what_is_no_sound_json_object_is_refused),
		cmocka_unit_test(brackets_in_a_text_nest_nothing),
		cmocka_unit_test(an_answer_lies_in_secret_memory),
		cmocka_unit_test(types_are_strict),
		cmocka_unit_test(every_form_of_retry_after_is_capped),
		cmocka_unit_test(headers_are_of_the_last_answer_and_the_first_of_a_name),
		cmocka_unit_test(a_token_is_kept_and_fetched_ahead_of_its_end),
		cmocka_unit_test(the_old_token_serves_when_no_new_one_is_given_and_no_longer),
		cmocka_unit_test(failures_are_not_asked_for_in_a_loop),
		cmocka_unit_test(a_refused_token_is_replaced_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
