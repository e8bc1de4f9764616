/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers in JSON (RFC 8259), over jansson: one object, of at most
 * JS_BYTES_MAX bytes and JS_DEPTH_MAX levels, no key twice, no NUL, valid
 * UTF-8, numbers in range.  Thread-safe.
 *
 * The whole tree lies in secret memory, since answers hold tokens and keys, and
 * is wiped when it is freed.
 *
 * The readers take what a key of an object must be: a wrong type is always
 * -EPROTO, with what is wrong in E; so is a missing key unless the name ends
 * in _opt or a fallback is given.  O may be NULL where the key may be missing.
 */
#ifndef CMKFS_NET_JSON_H
#define CMKFS_NET_JSON_H

#include <jansson.h>

#include "keyprov/keyprov.h"

#define JS_BYTES_MAX 65535u
#define JS_DEPTH_MAX 32

/* The object.  0; -EPROTO; -EAGAIN: no memory. */
int js_parse(const char *p, size_t n, json_t **ret, struct kp_error *e);

static inline void cleanup_json(json_t **o)
{
	json_decref(*o);
}

#define _cleanup_json_ __attribute__((cleanup(cleanup_json)))

/* Borrowed from O; the _opt form sets NULL where there is none, or null. */
int js_object(const json_t *o, const char *key, json_t **ret, struct kp_error *e);
int js_object_opt(const json_t *o, const char *key, json_t **ret, struct kp_error *e);
int js_array(const json_t *o, const char *key, json_t **ret, struct kp_error *e);

/* A text, borrowed from O. */
int js_text(const json_t *o, const char *key, const char **ret, struct kp_error *e);
/* The same; "" where there is none, or null. */
int js_text_opt(const json_t *o, const char *key, const char **ret, struct kp_error *e);

/* A whole number in [MIN, MAX], else -EPROTO. */
int js_int(const json_t *o, const char *key, int64_t min, int64_t max, int64_t *ret,
	   struct kp_error *e);
/* The same; FALLBACK where there is none, or null. */
int js_int_or(const json_t *o, const char *key, int64_t min, int64_t max, int64_t fallback,
	      int64_t *ret, struct kp_error *e);
int js_bool_or(const json_t *o, const char *key, bool fallback, bool *ret, struct kp_error *e);

/*
 * base64url without padding, and base64 with it, strictly, into RET of CAP
 * bytes, which holds nothing of it on failure.
 */
int js_b64url(const json_t *o, const char *key, uint8_t *ret, size_t cap, size_t *ret_n,
	      struct kp_error *e);
int js_b64(const json_t *o, const char *key, uint8_t *ret, size_t cap, size_t *ret_n,
	   struct kp_error *e);

#endif
