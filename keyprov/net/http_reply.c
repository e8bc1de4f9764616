/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What comes in: headers and body, each with its limit.
 */
#include <ctype.h>
#include <strings.h>
#include <time.h>

#include "crypto/secret.h"
#include "http_priv.h"

int64_t http_retry_after(const char *value, int64_t now)
{
	int64_t s = 0, t;
	const char *p = value;

	for (; isdigit((unsigned char)*p); p++)
		s = MIN(s * 10 + (*p - '0'), HTTP_RETRY_AFTER_MS);
	if (p > value && !*p)
		return MIN(s * 1000, HTTP_RETRY_AFTER_MS);
	if (!isalpha((unsigned char)*value))
		return -1;
	t = curl_getdate(value, NULL);
	if (t < 0)
		return -1;
	s = MIN(MAX(t - now, 0), HTTP_RETRY_AFTER_MS / 1000);
	return s * 1000;
}

/* The value of header NAME in the line P of N bytes, without white space around it; or NULL. */
static const char *value_of(const char *name, const char *p, size_t n, size_t *ret_n)
{
	size_t k = strlen(name);

	if (n <= k || strncasecmp(p, name, k) != 0 || p[k] != ':')
		return NULL;
	for (p += k + 1, n -= k + 1; n && isspace((unsigned char)*p); n--)
		p++;
	while (n && isspace((unsigned char)p[n - 1]))
		n--;
	*ret_n = n;
	return p;
}

static void keep(char *ret, size_t cap, const char *name, const char *p, size_t n)
{
	size_t len;
	const char *v = ret[0] ? NULL : value_of(name, p, n, &len);

	if (!v)
		return;
	len = MIN(len, cap - 1);
	memcpy(ret, v, len);
	ret[len] = 0;
}

static void keep_times(struct http_reply *r, const char *p, size_t n)
{
	char text[64] = "";
	int64_t t;

	keep(text, sizeof(text), "date", p, n);
	if (text[0] && !r->date) {
		t = curl_getdate(text, NULL);
		r->date = t > 0 ? t : 0;
	}
	text[0] = 0;
	keep(text, sizeof(text), "retry-after", p, n);
	/* By the server's clock, if it has come before, so that ours may be wrong. */
	if (text[0] && r->retry_after_ms < 0)
		r->retry_after_ms = http_retry_after(text, r->date ? r->date : time(NULL));
}

size_t http_take_header(char *p, size_t size, size_t n, void *arg)
{
	struct http *h = arg;
	struct http_reply *r = h->reply;

	(void)size; /* 1 */
	h->header_bytes += n;
	if (h->header_bytes > HTTP_HEADER_MAX) {
		h->refused = "its headers are too large";
		return 0;
	}
	if (n > 5 && !strncasecmp(p, "HTTP/", 5)) { /* an answer after 1xx */
		r->retry_after_ms = -1;
		r->date = 0;
		r->content_type[0] = r->www_authenticate[0] = r->error_type[0] = 0;
		return n;
	}
	keep_times(r, p, n);
	keep(r->content_type, sizeof(r->content_type), "content-type", p, n);
	keep(r->www_authenticate, sizeof(r->www_authenticate), "www-authenticate", p, n);
	keep(r->error_type, sizeof(r->error_type), "x-amzn-errortype", p, n);
	return n;
}

size_t http_take_body(char *p, size_t size, size_t n, void *arg)
{
	struct http *h = arg;
	struct http_reply *r = h->reply;

	(void)size; /* 1 */
	if (n > HTTP_BODY_MAX - r->body_len) {
		h->refused = "its answer is too large";
		return 0;
	}
	memcpy(r->body + r->body_len, p, n);
	r->body_len += n;
	return n;
}
