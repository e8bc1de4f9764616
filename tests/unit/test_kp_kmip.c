/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kmip provider without a server: URIs, TTLV, messages and errors, by
 * answers of the standard and of an implementation that is not ours.  With a
 * server: tests/cases/provider-kmip.sh.
 */
#include <errno.h>

#include "kat.h"
#include "keyprov/kmip/kmip.h"

static json_t *vectors;

static int load(void **state)
{
	(void)state;
	vectors = load_json(VECTORS "kmip.json");
	return 0;
}

static int unload(void **state)
{
	(void)state;
	json_decref(vectors);
	return 0;
}

static struct bytes message(const char *list, const char *name)
{
	const json_t *m;
	size_t i;

	json_array_foreach(json_object_get(vectors, list), i, m)
		if (!strcmp(jstr(m, "name"), name))
			return jhex(m, "hex");
	fail_msg("no vector %s", name);
	return (struct bytes){ NULL, 0 };
}

/* ---- URIs ------------------------------------------------------------------------ */

static void uri_has_one_normal_form(void **state)
{
	static const struct {
		const char *uri, *normal;
	} same[] = {
		{ "kmip://Host.Example/1", "kmip://host.example/1" },
		{ "KMIP://h:5696/uid-1_2.3~", "kmip://h/uid-1_2.3~" },
		{ "kmip://h:1/a%2fb%20c", "kmip://h:1/a%2Fb%20c" },
		{ "kmip://[FE80::1]:7/%41", "kmip://[fe80::1]:7/A" },
		{ "kmip://127.0.0.1:65535/1", "kmip://127.0.0.1:65535/1" },
	};
	char once[KP_URI_MAX], twice[KP_URI_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		assert_int_equal(kp_kmip.check(same[i].uri, once, NULL), 0);
		assert_string_equal(once, same[i].normal);
		assert_int_equal(kp_kmip.check(once, twice, NULL), 0);
		assert_string_equal(twice, once);
	}
}

static void what_is_no_uri_is_refused(void **state)
{
	static const char *const bad[] = {
		"kmip:/h/1",	  "kmip://h",	    "kmip://h/",      "kmip:///1",
		"kmip://h:0/1",	  "kmip://h:/1",    "kmip://h:65536/1", "kmip://h:1x/1",
		"kmip://u@h/1",	  "kmip://h/1/2",   "kmip://h/1?a",   "kmip://h/1#a",
		"kmip://h/%",	  "kmip://h/%0",    "kmip://h/%zz",   "kmip://h/%00",
		"kmip://h/%0a",	  "kmip://h/%ff",   "kmip://h/a b",   "kmip://[::1/1",
		"kmip://[h]/1",	  "kmip://-h/1",    "kmip://h_i/1",   "https://h/1",
	};
	char uri[KP_URI_MAX], normal[KP_URI_MAX];
	struct kp_error e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		e = (struct kp_error){ 0 };
		if (kp_kmip.check(bad[i], normal, &e) != -EINVAL)
			fail_msg("%s was taken", bad[i]);
		assert_non_null(strstr(e.hint, "kmip://HOST"));
	}
	memset(uri, 0, sizeof(uri));
	memcpy(uri, "kmip://h/", 9);
	memset(uri + 9, 'u', KMIP_UID_MAX - 1);
	assert_int_equal(kp_kmip.check(uri, normal, NULL), 0);
	uri[9 + KMIP_UID_MAX - 1] = 'u';
	assert_int_equal(kp_kmip.check(uri, normal, NULL), -EINVAL);
}

/* ---- TTLV --------------------------------------------------------------------------- */

static void items_of_the_standard_are_read(void **state)
{
	static const char *const types[] = { "",     "structure", "integer", "long",
					     "big",  "enum",	  "bool",    "text",
					     "bytes", "date",	  "interval" };
	const json_t *item;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(vectors, "items"), i, item) {
		_cleanup_bytes_ struct bytes whole = jhex(item, "hex");
		struct ttlv t;

		assert_int_equal(ttlv_parse(whole.p, whole.n, &t), 0);
		assert_int_equal(ttlv_whole(whole.p), whole.n);
		assert_int_equal(t.tag, 0x420020);
		assert_string_equal(jstr(item, "type"), types[t.type]);
		if (json_object_get(item, "bytes")) {
			_cleanup_bytes_ struct bytes v = jhex(item, "bytes");

			assert_int_equal(t.len, v.n);
			assert_memory_equal(t.value, v.p, v.n);
		} else {
			int64_t v = json_integer_value(json_object_get(item, "value"));

			assert_int_equal(t.len == 4 ? ttlv_u32(&t) : ttlv_i64(&t), v);
		}
	}
	assert_int_equal(i, 10);
}

static void items_of_the_standard_are_written(void **state)
{
	uint8_t buf[256];
	struct ttlv_out o = { .p = buf, .cap = sizeof(buf) };
	const json_t *item;
	size_t i, at, s;

	(void)state;
	json_array_foreach(json_object_get(vectors, "items"), i, item) {
		_cleanup_bytes_ struct bytes whole = jhex(item, "hex");
		const char *type = jstr(item, "type");

		at = o.n;
		if (!strcmp(type, "integer")) {
			ttlv_integer(&o, 0x420020, 8);
		} else if (!strcmp(type, "enum")) {
			ttlv_enum(&o, 0x420020, 255);
		} else if (!strcmp(type, "text")) {
			ttlv_text(&o, 0x420020, "Hello World");
		} else if (!strcmp(type, "bytes")) {
			ttlv_bytes(&o, 0x420020, "\1\2\3", 3);
		} else if (!strcmp(type, "structure")) {
			s = ttlv_begin(&o, 0x420020);
			ttlv_enum(&o, 0x420004, 254);
			ttlv_integer(&o, 0x420005, 255);
			ttlv_end(&o, s);
		} else {
			continue; /* we send none */
		}
		assert_int_equal(o.n - at, whole.n);
		assert_memory_equal(buf + at, whole.p, whole.n);
	}
	assert_false(o.full);
}

static void what_has_no_room_is_left_out(void **state)
{
	uint8_t buf[40];

	(void)state;
	for (size_t cap = 0; cap <= sizeof(buf); cap++) {
		struct ttlv_out o = { .p = buf, .cap = cap };
		size_t s;

		memset(buf, 0xee, sizeof(buf));
		s = ttlv_begin(&o, 0x420020);
		ttlv_text(&o, 0x420021, "twelve bytes");
		ttlv_bytes(&o, 0x420022, NULL, 0);
		ttlv_end(&o, s);
		assert_int_equal(o.full, cap < 40);
		for (size_t i = cap; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 0xee);
	}
}

static void every_cut_and_length_that_lies_is_refused(void **state)
{
	_cleanup_bytes_ struct bytes whole = message("replies", "get reply 1.4");
	struct ttlv t;

	(void)state;
	for (size_t n = 0; n < whole.n; n++) {
		uint8_t *cut = malloc(n ? n : 1); /* of this size, for the sanitizer */

		memcpy(cut, whole.p, n);
		assert_int_equal(ttlv_parse(cut, n, &t), -EPROTO);
		free(cut);
	}
	for (unsigned int v = 0; v < 256; v++) { /* the length of the message */
		whole.p[7] = (uint8_t)v;
		assert_int_equal(ttlv_parse(whole.p, whole.n, &t), v == 0x60 ? 0 : -EPROTO);
	}
	whole.p[4] = 0xff;
	assert_int_equal(ttlv_whole(whole.p) > whole.n || !ttlv_whole(whole.p), 1);
	assert_int_equal(ttlv_whole((const uint8_t *)"\x42\0\x78\1\xff\xff\xff\xff"), 0);
}

static void wrong_lengths_of_types_are_refused(void **state)
{
	static const struct {
		uint8_t type, len;
	} bad[] = { { 2, 8 }, { 2, 0 }, { 3, 4 }, { 4, 4 }, { 5, 3 }, { 6, 4 }, { 9, 7 },
		    { 10, 8 }, { 11, 4 }, { 1, 4 }, { 0, 0 }, { 12, 8 }, { 255, 8 } };
	struct ttlv t;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		uint8_t p[16] = { 0x42, 0, 0x20, bad[i].type, 0, 0, 0, bad[i].len };

		assert_int_equal(ttlv_parse(p, bad[i].len ? 16 : 8, &t), -EPROTO);
	}
}

static void structures_too_deep_are_refused(void **state)
{
	uint8_t buf[1024];

	(void)state;
	for (unsigned int depth = 1; depth < 40; depth++) {
		struct ttlv_out o = { .p = buf, .cap = sizeof(buf) };
		size_t at[40];
		struct ttlv t;

		for (unsigned int i = 0; i < depth; i++)
			at[i] = ttlv_begin(&o, 0x420020);
		for (unsigned int i = depth; i > 0; i--)
			ttlv_end(&o, at[i - 1]);
		assert_int_equal(ttlv_parse(buf, o.n, &t), depth <= TTLV_DEPTH ? 0 : -EPROTO);
	}
}

/* ---- messages ---------------------------------------------------------------------------- */

static const uint8_t nonce[KMIP_NONCE_LEN] = { 0x40, 0x41, 0x42, 0x43, 0x44, 0x45,
					       0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b };
static uint8_t secret[KP_SECRET_LEN];

static void check_request(const char *name, struct kmip_request q)
{
	_cleanup_bytes_ struct bytes expected = message("requests", name);
	uint8_t got[KMIP_REQUEST_MAX];
	size_t n;

	q.uid = q.uid ? q.uid : "1";
	q.major = strstr(name, "2.0") ? 2 : 1;
	q.minor = q.major == 2 ? 0 : 4;
	assert_int_equal(kmip_request(&q, got, &n), 0);
	assert_int_equal(n, expected.n);
	assert_memory_equal(got, expected.p, n);
}

static void parse_reply(const char *name, enum kmip_operation op, struct bytes *b,
			struct kmip_reply *ret)
{
	*b = message("replies", name);
	assert_int_equal(kmip_reply(b->p, b->n, op, ret), 0);
}

static void requests_are_as_others_write_them(void **state)
{
	struct kmip_request get = { .operation = KMIP_GET_ATTRIBUTES };
	struct kmip_request encrypt = { .operation = KMIP_ENCRYPT, .binding = "volume-zone",
					.data = secret, .nonce = nonce };
	_cleanup_bytes_ struct bytes names = { NULL, 0 }, reply = { NULL, 0 };
	uint8_t got[KMIP_REQUEST_MAX], blob[KMIP_BLOB_LEN];
	struct kmip_reply r;
	size_t n;

	(void)state;
	for (unsigned int i = 0; i < sizeof(secret); i++)
		secret[i] = (uint8_t)i;
	check_request("get 1.4", get);
	check_request("get 2.0", get);
	check_request("encrypt 1.4", encrypt);
	check_request("encrypt 2.0", encrypt);

	parse_reply("encrypt reply 1.4", KMIP_ENCRYPT, &reply, &r);
	assert_int_equal(kmip_encrypted(&r, nonce, blob), 0);
	check_request("decrypt 1.4", (struct kmip_request){
		.operation = KMIP_DECRYPT, .binding = "volume-zone", .nonce = blob + 1,
		.data = blob + 1 + KMIP_NONCE_LEN,
		.tag = blob + 1 + KMIP_NONCE_LEN + KP_SECRET_LEN });

	/* The standard's own, with the payload at the end. */
	names = jhex(json_object_get(vectors, "payload without names"), "hex");
	get.uid = jstr(json_object_get(vectors, "payload without names"), "uid");
	get.major = 1;
	get.minor = 1;
	assert_int_equal(kmip_request(&get, got, &n), 0);
	assert_memory_equal(got + n - names.n, names.p, names.n);
}

static void request_that_is_too_long_is_not_sent(void **state)
{
	char longest[KMIP_REQUEST_MAX + 1];
	uint8_t got[KMIP_REQUEST_MAX];
	size_t n;

	(void)state;
	memset(longest, 'u', KMIP_REQUEST_MAX);
	longest[KMIP_REQUEST_MAX] = '\0';
	assert_int_equal(kmip_request(&(struct kmip_request){ .operation = KMIP_GET_ATTRIBUTES,
							      .uid = longest }, got, &n), -EINVAL);
}

static void attributes_are_read_in_both_versions(void **state)
{
	_cleanup_bytes_ struct bytes v14 = { NULL, 0 }, v20 = { NULL, 0 }, revoked = { NULL, 0 };
	struct kmip_attributes a;
	struct kmip_reply r;

	(void)state;
	parse_reply("get reply 1.4", KMIP_GET_ATTRIBUTES, &v14, &r);
	assert_int_equal(kmip_attributes(&r, 1, &a), 0);
	assert_int_equal(a.object, 2);
	assert_int_equal(a.algorithm, 3);
	assert_int_equal(a.bits, 256);
	assert_int_equal(a.usage, KMIP_USAGE_ENCRYPT | KMIP_USAGE_DECRYPT);
	assert_int_equal(a.state, KMIP_ACTIVE);
	assert_true(a.extractable);
	parse_reply("get reply 2.0", KMIP_GET_ATTRIBUTES, &v20, &r);
	assert_int_equal(kmip_attributes(&r, 2, &a), 0);
	assert_int_equal(a.bits, 256);
	assert_int_equal(a.state, KMIP_ACTIVE);
	parse_reply("revoked attributes", KMIP_GET_ATTRIBUTES, &revoked, &r);
	assert_int_equal(kmip_attributes(&r, 1, &a), 0);
	assert_int_equal(a.state, KMIP_COMPROMISED);
}

/* Which of the two would be meant? */
static void what_is_said_twice_is_refused(void **state)
{
	uint8_t buf[256];
	struct ttlv_out o = { .p = buf, .cap = sizeof(buf) };
	struct kmip_reply r = { .status = 0 };
	struct kmip_attributes a;
	size_t payload, list;

	(void)state;
	for (unsigned int times = 1; times <= 2; times++) {
		o.n = 0;
		payload = ttlv_begin(&o, 0x42007c);
		list = ttlv_begin(&o, 0x420125);
		for (unsigned int i = 0; i < times; i++)
			ttlv_enum(&o, 0x42008d, KMIP_ACTIVE);
		ttlv_end(&o, list);
		for (unsigned int i = 0; i < times; i++)
			ttlv_bytes(&o, 0x4200c2, secret, sizeof(secret));
		ttlv_end(&o, payload);
		assert_int_equal(ttlv_parse(buf, o.n, &r.payload), 0);
		assert_int_equal(kmip_attributes(&r, 2, &a), times == 1 ? 0 : -EPROTO);
		assert_int_equal(kmip_decrypted(&r, secret), times == 1 ? 0 : -EPROTO);
	}
}

static void answer_about_another_key_is_told(void **state)
{
	_cleanup_bytes_ struct bytes reply = { NULL, 0 }, denied = { NULL, 0 };
	struct kmip_reply r;

	(void)state;
	parse_reply("decrypt reply 1.4", KMIP_DECRYPT, &reply, &r);
	assert_true(kmip_reply_is_about(&r, "1"));
	assert_false(kmip_reply_is_about(&r, "2"));
	assert_false(kmip_reply_is_about(&r, ""));
	parse_reply("denied", KMIP_DECRYPT, &denied, &r);
	assert_true(kmip_reply_is_about(&r, "1"));
}

static void what_was_wrapped_comes_back(void **state)
{
	_cleanup_bytes_ struct bytes enc = { NULL, 0 }, dec = { NULL, 0 };
	uint8_t blob[KMIP_BLOB_LEN], back[KP_SECRET_LEN];
	struct kmip_reply r;

	(void)state;
	parse_reply("encrypt reply 2.0", KMIP_ENCRYPT, &enc, &r);
	assert_int_equal(kmip_encrypted(&r, nonce, blob), 0);
	assert_int_equal(blob[0], 1);
	assert_memory_equal(blob + 1, nonce, KMIP_NONCE_LEN);
	parse_reply("decrypt reply 1.4", KMIP_DECRYPT, &dec, &r);
	assert_int_equal(kmip_decrypted(&r, back), 0);
	assert_memory_equal(back, secret, KP_SECRET_LEN);
	assert_int_equal(kmip_encrypted(&r, nonce, blob), -EPROTO); /* no tag */
	/* An answer to another question is none. */
	assert_int_equal(kmip_reply(dec.p, dec.n, KMIP_ENCRYPT, &r), -EPROTO);
}

static void key_of_another_length_is_refused(void **state)
{
	static const uint32_t lengths[] = { 0, 16, 31, 33, 64 };
	uint8_t buf[256], back[KP_SECRET_LEN], data[64] = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct ttlv_out o = { .p = buf, .cap = sizeof(buf) };
		struct kmip_reply r = { 0 };
		size_t s = ttlv_begin(&o, 0x42007c);

		ttlv_bytes(&o, 0x4200c2, data, lengths[i]);
		ttlv_end(&o, s);
		assert_int_equal(ttlv_parse(buf, o.n, &r.payload), 0);
		assert_int_equal(kmip_decrypted(&r, back), -EPROTO);
	}
}

/* ---- errors -------------------------------------------------------------------------------- */

static void refusals_have_their_codes(void **state)
{
	static const struct {
		const char *name;
		enum kmip_operation op;
		int code;
		enum kmip_remedy remedy;
	} all[] = {
		{ "denied", KMIP_DECRYPT, -EACCES, KMIP_ASK_STATE },
		{ "refused tag", KMIP_DECRYPT, -EAGAIN, KMIP_DOUBT },
		{ "not found", KMIP_GET_ATTRIBUTES, -ENOENT, KMIP_NONE },
		{ "other version", KMIP_GET_ATTRIBUTES, -EPROTO, KMIP_NONE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		_cleanup_bytes_ struct bytes b = { NULL, 0 };
		struct kp_error e = { 0 };
		struct kmip_reply r;

		parse_reply(all[i].name, all[i].op, &b, &r);
		assert_int_equal(r.status, 1);
		assert_int_equal(kmip_error_row(r.reason)->remedy, all[i].remedy);
		assert_int_equal(kmip_fail(&e, &r, "server"), all[i].code);
		assert_non_null(strstr(e.message, "server: "));
		assert_non_null(strstr(e.message, r.message));
	}
}

static void every_reason_has_one_meaning(void **state)
{
	(void)state;
	for (size_t i = 0; i < kmip_nerrors; i++) {
		assert_ptr_equal(kmip_error_row(kmip_errors[i].reason), &kmip_errors[i]);
		assert_int_equal(kp_error_row(kmip_errors[i].code)->code, kmip_errors[i].code);
	}
	assert_int_equal(kmip_error_row(0x80000000)->code, -EAGAIN);
}

static void states_are_denials_of_their_kind(void **state)
{
	static const struct {
		struct kmip_attributes a;
		int code;
	} all[] = {
		{ { .state = KMIP_PRE_ACTIVE }, -EKEYEXPIRED },
		{ { .state = KMIP_DEACTIVATED }, -EKEYREVOKED },
		{ { .state = KMIP_DEACTIVATED, .deactivation = 1 }, -EKEYEXPIRED },
		{ { .state = KMIP_DEACTIVATED, .deactivation = 1, .revoked = true }, -EKEYREVOKED },
		{ { .state = KMIP_COMPROMISED }, -EKEYREVOKED },
		{ { .state = KMIP_DESTROYED }, -ENOENT },
		{ { .state = KMIP_DESTROYED_COMPROMISED }, -ENOENT },
		{ { .state = 9 }, -EPROTO },
	};
	struct kp_error e;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		assert_int_equal(kmip_fail_state(&e, &all[i].a, "kmip://h/1"), all[i].code);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uri_has_one_normal_form),
		cmocka_unit_test(what_is_no_uri_is_refused),
		cmocka_unit_test(items_of_the_standard_are_read),
		cmocka_unit_test(items_of_the_standard_are_written),
		cmocka_unit_test(what_has_no_room_is_left_out),
		cmocka_unit_test(every_cut_and_length_that_lies_is_refused),
		cmocka_unit_test(wrong_lengths_of_types_are_refused),
		cmocka_unit_test(structures_too_deep_are_refused),
		cmocka_unit_test(requests_are_as_others_write_them),
		cmocka_unit_test(request_that_is_too_long_is_not_sent),
		cmocka_unit_test(attributes_are_read_in_both_versions),
		cmocka_unit_test(what_is_said_twice_is_refused),
		cmocka_unit_test(answer_about_another_key_is_told),
		cmocka_unit_test(what_was_wrapped_comes_back),
		cmocka_unit_test(key_of_another_length_is_refused),
		cmocka_unit_test(refusals_have_their_codes),
		cmocka_unit_test(every_reason_has_one_meaning),
		cmocka_unit_test(states_are_denials_of_their_kind),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
