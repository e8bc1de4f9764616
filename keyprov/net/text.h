/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Texts that are put together in secret memory: URLs, headers with a token,
 * forms, JSON bodies.  One thread at a time.
 *
 *	_cleanup_text_ struct text t = { 0 };
 *	text_begin(&t, 4096);
 *	text_add(&t, "Authorization: Bearer ");
 *	text_add(&t, token);
 *	if (!text_ok(&t)) …
 */
#ifndef CMKFS_NET_TEXT_H
#define CMKFS_NET_TEXT_H

#include "crypto/base.h"

struct text {
	char *s;  /* NUL-terminated; NULL before text_begin() and where there is no memory */
	size_t n; /* without the NUL */
	size_t cap;
	bool cut; /* something had no room; what follows is left out too */
};

/* Room for CAP - 1 bytes, CAP ≤ 65536. */
void text_begin(struct text *t, size_t cap);
void text_done(struct text *t); /* wipes; may be called again */
/* Whether all of it is there.  The text of one that is not must not be used. */
bool text_ok(const struct text *t);

void text_add(struct text *t, const char *s);
void text_add_n(struct text *t, const void *p, size_t n);
void text_addf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Percent-encoded but for the unreserved characters of RFC 3986: for URLs and forms. */
void text_escape(struct text *t, const char *s);
/* A JSON string with its quotation marks; S is UTF-8. */
void text_json(struct text *t, const char *s);
/* base64url without padding; base64 with it. */
void text_b64url(struct text *t, const void *p, size_t n);
void text_b64(struct text *t, const void *p, size_t n);

#define _cleanup_text_ __attribute__((cleanup(text_done)))

#endif
