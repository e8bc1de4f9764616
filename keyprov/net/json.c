/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of answers: limits first, then jansson, whose memory is the secret
 * arena as long as it parses for us.
 */
#include <errno.h>

#include "crypto/secret.h"
#include "json.h"

/* ---- memory -------------------------------------------------------------------------
 *
 * jansson has one allocator for the process.  Ours gives ordinary memory but
 * while this thread parses an answer, and frees either.
 */
static _Thread_local bool in_answer;

static void *take(size_t n)
{
	return in_answer ? secret_alloc(n ? n : 1) : malloc(n);
}

static void give(void *p)
{
	if (p && secret_owns(p))
		secret_free(p);
	else
		free(p);
}

/* Before there are threads, and before anything was allocated. */
__attribute__((constructor)) static void set_allocator(void)
{
	json_set_alloc_funcs(take, give);
}

/* ---- parsing ------------------------------------------------------------------------ */

static int unintelligible(struct kp_error *e, const char *why)
{
	return kp_fail(e, -EPROTO, "is it the key server that answers there?",
		       "unintelligible answer: %s", why);
}

/* How deep brackets go: jansson recurses. */
static bool too_deep(const char *p, size_t n)
{
	unsigned int depth = 0;
	bool text = false;

	for (size_t i = 0; i < n; i++) {
		if (text) {
			if (p[i] == '\\')
				i++;
			else
				text = p[i] != '"';
			continue;
		}
		text = p[i] == '"';
		if ((p[i] == '{' || p[i] == '[') && ++depth > JS_DEPTH_MAX)
			return true;
		if ((p[i] == '}' || p[i] == ']') && depth)
			depth--;
	}
	return false;
}

int js_parse(const char *p, size_t n, json_t **ret, struct kp_error *e)
{
	json_error_t err;
	json_t *o;

	if (n > JS_BYTES_MAX)
		return unintelligible(e, "too long");
	if (too_deep(p, n))
		return unintelligible(e, "nested too deep");
	in_answer = true;
	o = json_loadb(p, n, JSON_REJECT_DUPLICATES, &err);
	in_answer = false;
	if (!o && json_error_code(&err) == json_error_out_of_memory)
		return kp_fail(e, -EAGAIN, NULL, "no memory for an answer");
	/* The parser's own words may quote the text. */
	if (!o)
		return unintelligible(e, n ? "no JSON" : "empty");
	if (!json_is_object(o)) {
		json_decref(o);
		return unintelligible(e, "no JSON object");
	}
	*ret = o;
	return 0;
}
