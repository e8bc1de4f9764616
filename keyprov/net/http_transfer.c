/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One try of a request, and what its failure means.
 */
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "crypto/secret.h"
#include "http_priv.h"

/* ---- SIGPIPE: only what this thread raises itself is swallowed -------------------- */

void http_pipe_hold(struct pipe_guard *g)
{
	sigset_t pipe_only, pending;

	sigemptyset(&pipe_only);
	sigaddset(&pipe_only, SIGPIPE);
	sigpending(&pending);
	g->was_pending = sigismember(&pending, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipe_only, &g->old);
}

void http_pipe_release(struct pipe_guard *g)
{
	const struct timespec now = { 0, 0 };
	sigset_t pipe_only, pending;

	sigpending(&pending);
	if (!g->was_pending && sigismember(&pending, SIGPIPE)) {
		sigemptyset(&pipe_only);
		sigaddset(&pipe_only, SIGPIPE);
		sigtimedwait(&pipe_only, NULL, &now);
	}
	pthread_sigmask(SIG_SETMASK, &g->old, NULL);
}

/* ---- failures ---------------------------------------------------------------------- */

static int fail_trust(struct kp_error *e, const char *host, int n, const char *why)
{
	return kp_fail(e, -EPROTO, "check the server's certificate, and the ca-file of the configuration",
		       "%.*s is not who it should be: %.120s", n, host, why);
}

int http_fail(const struct http *h, CURLcode c, const char *url, struct kp_error *e)
{
	size_t len;
	const char *host = http_host(url, &len);
	const char *why = h->error[0] ? h->error : curl_easy_strerror(c);
	int n = (int)MIN(len, 100U);

	if (h->refused)
		return kp_fail(e, -EPROTO, NULL, "%.*s: %s", n, host, h->refused);
	switch (c) {
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return kp_fail(e, -EAGAIN, NULL, "%.*s cannot be reached: %.120s", n, host, why);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return fail_trust(e, host, n, why);
	case CURLE_SSL_CERTPROBLEM:
		return kp_fail(e, -EIO, "check the client certificate of the configuration and its key",
			       "the client certificate for %.*s cannot be used: %.120s", n, host, why);
	case CURLE_OUT_OF_MEMORY: /* libcurl says so of a header over 100 KiB too */
		return kp_fail(e, -EAGAIN, NULL, "no memory for what %.*s answers, or too large a header",
			       n, host);
	case CURLE_URL_MALFORMAT:
		return kp_fail(e, -EINVAL, "https://HOST is needed",
			       "%.*s cannot be asked: %.120s", n, host, why);
	case CURLE_FILESIZE_EXCEEDED:
		return kp_fail(e, -EPROTO, NULL, "%.*s: its answer is too large", n, host);
	default:
		return kp_fail(e, -EPROTO, "is it the key server that answers there?",
			       "%.*s does not answer as a key server: %.120s", n, host, why);
	}
}

static int fail_redirect(const struct http_request *q, long status, struct kp_error *e)
{
	size_t n;
	const char *host = http_host(q->url, &n);

	return kp_fail(e, -EPROTO, "name the server itself; redirects are not followed",
		       "%.*s redirects (%ld)", (int)MIN(n, 100U), host, status);
}

/* ---- the try ----------------------------------------------------------------------- */

/* No "Expect:" to take that header away: a signature would take it for one that is sent. */
static int take_headers(const struct http_request *q, struct curl_slist **ret)
{
	struct curl_slist *all = NULL, *more;

	for (const char *const *s = q->headers; s && *s; s++) {
		more = curl_slist_append(all, *s);
		if (!more) {
			curl_slist_free_all(all);
			return -ENOMEM;
		}
		all = more;
	}
	*ret = all;
	return 0;
}

static CURLcode set_request(struct http *h, const struct http_request *q, int64_t ms,
			    struct curl_slist *headers)
{
	CURL *c = h->curl;
	bool bare = h->plain && !strncasecmp(q->url, "http:", 5);
	CURLcode r = curl_easy_setopt(c, CURLOPT_URL, q->url);

	r |= curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
	if (q->body) {
		r |= curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE, (long)q->body_len);
		r |= curl_easy_setopt(c, CURLOPT_POSTFIELDS, q->body);
	}
	r |= curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, q->method);
	r |= curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	r |= curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)ms);
	r |= curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, bare ? http_open_near : NULL);
	r |= curl_easy_setopt(c, CURLOPT_AWS_SIGV4, q->sigv4);
	r |= curl_easy_setopt(c, CURLOPT_USERPWD, q->credentials);
	return r;
}

/*
 * Nothing of the request stays in the handle.  Of what it signs with, libcurl
 * keeps copies in handle and connection: both are given up.
 */
static void forget_request(struct http *h, const struct http_request *q)
{
	CURL *fresh;

	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, NULL);
	curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, NULL);
	curl_easy_setopt(h->curl, CURLOPT_USERPWD, NULL);
	h->reply = NULL;
	if (!q->credentials)
		return;
	fresh = curl_easy_duphandle(h->curl);
	curl_easy_cleanup(h->curl);
	h->curl = fresh; /* NULL: no memory, as the next call says */
}

int http_transfer(struct http *h, const struct http_request *q, int64_t ms,
		  struct http_reply *ret, struct kp_error *e)
{
	struct curl_slist *headers = NULL;
	struct pipe_guard guard;
	CURLcode c;

	ret->body = secret_alloc(HTTP_BODY_MAX + 1);
	if (!ret->body || !h->curl || take_headers(q, &headers))
		return kp_fail(e, -EAGAIN, NULL, "no memory for an answer");
	h->reply = ret;
	h->header_bytes = 0;
	h->refused = NULL;
	h->error[0] = 0;
	c = set_request(h, q, ms, headers);
	if (!c) {
		http_pipe_hold(&guard);
		c = curl_easy_perform(h->curl);
		http_pipe_release(&guard);
	}
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &ret->status);
	forget_request(h, q);
	curl_slist_free_all(headers);
	if (c)
		return http_fail(h, c, q->url, e);
	return ret->status / 100 == 3 ? fail_redirect(q, ret->status, e) : 0;
}
