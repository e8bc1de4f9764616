/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading of answers by the types they must have.
 */
#include <errno.h>

#include "crypto/b64.h"
#include "crypto/secret.h"
#include "json.h"

static int wrong(struct kp_error *e, const char *key, const char *what)
{
	return kp_fail(e, -EPROTO, "is it the key server that answers there?",
		       "unintelligible answer: '%.60s' is %s", key, what);
}

/* NULL: there is none, or null. */
static json_t *get(const json_t *o, const char *key)
{
	json_t *v = json_object_get(o, key);

	return json_is_null(v) ? NULL : v;
}

int js_object_opt(const json_t *o, const char *key, json_t **ret, struct kp_error *e)
{
	json_t *v = get(o, key);

	if (v && !json_is_object(v))
		return wrong(e, key, "no object");
	*ret = v;
	return 0;
}

int js_object(const json_t *o, const char *key, json_t **ret, struct kp_error *e)
{
	json_t *v = get(o, key);

	if (!json_is_object(v))
		return wrong(e, key, v ? "no object" : "missing");
	*ret = v;
	return 0;
}

int js_array(const json_t *o, const char *key, json_t **ret, struct kp_error *e)
{
	json_t *v = get(o, key);

	if (!json_is_array(v))
		return wrong(e, key, v ? "no array" : "missing");
	*ret = v;
	return 0;
}

int js_text_opt(const json_t *o, const char *key, const char **ret, struct kp_error *e)
{
	json_t *v = get(o, key);

	if (v && !json_is_string(v))
		return wrong(e, key, "no text");
	*ret = v ? json_string_value(v) : "";
	return 0;
}

int js_text(const json_t *o, const char *key, const char **ret, struct kp_error *e)
{
	return get(o, key) ? js_text_opt(o, key, ret, e) : wrong(e, key, "missing");
}

int js_int_or(const json_t *o, const char *key, int64_t min, int64_t max, int64_t fallback,
	      int64_t *ret, struct kp_error *e)
{
	json_t *v = get(o, key);
	int64_t n = v ? json_integer_value(v) : fallback;

	if (v && (!json_is_integer(v) || n < min || n > max))
		return wrong(e, key, json_is_integer(v) ? "out of range" : "no whole number");
	*ret = n;
	return 0;
}

int js_int(const json_t *o, const char *key, int64_t min, int64_t max, int64_t *ret,
	   struct kp_error *e)
{
	return get(o, key) ? js_int_or(o, key, min, max, min, ret, e) : wrong(e, key, "missing");
}

int js_bool_or(const json_t *o, const char *key, bool fallback, bool *ret, struct kp_error *e)
{
	json_t *v = get(o, key);

	if (v && !json_is_boolean(v))
		return wrong(e, key, "neither true nor false");
	*ret = v ? json_is_true(v) : fallback;
	return 0;
}

/* R is what the decoder says. */
static int decoded(int r, const char *key, uint8_t *ret, size_t cap, struct kp_error *e)
{
	if (!r)
		return 0;
	secret_wipe(ret, cap);
	return wrong(e, key, r == -EMSGSIZE ? "too long" : "no strict base64");
}

int js_b64url(const json_t *o, const char *key, uint8_t *ret, size_t cap, size_t *ret_n,
	      struct kp_error *e)
{
	const char *s;
	int r = js_text(o, key, &s, e);

	return r ? r : decoded(b64_decode(s, strlen(s), ret, cap, ret_n), key, ret, cap, e);
}

int js_b64(const json_t *o, const char *key, uint8_t *ret, size_t cap, size_t *ret_n,
	   struct kp_error *e)
{
	const char *s;
	int r = js_text(o, key, &s, e);

	return r ? r : decoded(b64_std_decode(s, strlen(s), ret, cap, ret_n), key, ret, cap, e);
}
