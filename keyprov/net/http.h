/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTPS for key providers, over libcurl: one call, one answer, within a
 * deadline.
 *
 *  - https only, TLS 1.2 or newer, the certificate always verified; neither an
 *    option nor the environment turns that off.  http is for addresses of
 *    loopback and link-local kind, where the caller says that the
 *    configuration names such an endpoint.
 *  - No redirects, no decompression, no cookies, no .netrc.  An HTTPS proxy of
 *    the environment (https_proxy) is used unless `direct` is set.
 *  - A request may be sent more than once: only ask for what may be repeated.
 *
 * A struct http keeps its connection; one a server, in the provider's struct
 * kp.  Used by one thread at a time, made after the fork of the daemon.
 * Signals: SIGPIPE never reaches the program.
 */
#ifndef CMKFS_NET_HTTP_H
#define CMKFS_NET_HTTP_H

#include "keyprov/keyprov.h"

/* Milliseconds. */
#define HTTP_CONNECT_MS 3000	  /* to connect, with TLS */
#define HTTP_TRY_MS 5000	  /* one try */
#define HTTP_CALL_MS 10000	  /* http_call() in all, with tries and pauses */
#define HTTP_TRIES 4		  /* in one call */
#define HTTP_PAUSE_MS 200	  /* before the second try, then doubled; the upper half is jitter */
#define HTTP_RETRY_AFTER_MS 30000 /* the longest Retry-After that is obeyed */

#define HTTP_BODY_MAX 65535u   /* bytes of an answer */
#define HTTP_HEADER_MAX 65536u /* bytes of all its headers */

struct http;
struct http_reply;

struct http_options { /* texts are copied */
	const char *ca_file;		  /* PEM: these authorities alone; NULL: the system's */
	const char *cert_file, *key_file; /* client certificate, PEM; NULL: none.  No KEY: in CERT */
	bool plain;			  /* http:// to this host or its link is allowed */
	bool direct;			  /* never by a proxy: metadata endpoints */
	/*
	 * "HOST:PORT": connections go there, whatever host and port the URL
	 * names; the certificate must be that of the URL's host all the same.
	 * For tests, and for a private way to the server; or NULL.
	 */
	const char *connect_to;
};

/* OPT may be NULL.  0; -EAGAIN: no memory; -EIO: a file cannot be read. */
int http_new(const struct http_options *opt, struct http **ret, struct kp_error *e);
void http_free(struct http *h); /* NULL-safe; wipes */

struct http_request {
	const char *method; /* "GET", "POST" … */
	const char *url;    /* escaped: text_escape() */
	/* "Name: value", ends with NULL; may be NULL.  Copies are wiped. */
	const char *const *headers;
	const void *body; /* of BODY_LEN bytes, or NULL */
	size_t body_len;
	/*
	 * Signature of AWS: "aws:amz:REGION:SERVICE" and "KEY-ID:SECRET"; or
	 * NULL.  The connection is not kept then, lest the secret stay in it.
	 */
	const char *sigv4, *credentials;
	/* An answer 500 is the server's last word.  502, 503, 504 and 429 never are. */
	bool final_500;
	/* Whether an answer of another status asks for patience too; or NULL. */
	bool (*busy)(const struct http_reply *r);
};

struct http_reply {
	long status;
	char *body; /* secret memory, BODY_LEN bytes and a NUL */
	size_t body_len;
	int64_t retry_after_ms; /* 0 … HTTP_RETRY_AFTER_MS; -1: none, or nonsense */
	int64_t date;		/* the server's clock, unix seconds; 0: not told */
	/* Headers; the first of each name, "" if there is none, cut where too long. */
	char content_type[64], www_authenticate[1024], error_type[128]; /* x-amzn-ErrorType */
};

/*
 * 0: there is an answer, of any status but 3xx: the caller judges.  429, 502,
 * 503, 504, without final_500 500, and what `busy` tells of have been tried
 * again as long as the deadline allows; after a Retry-After longer than that the
 * next calls fail without being sent until it is over.
 * -EAGAIN: unreachable, too slow; -EPROTO: no sound HTTP or TLS, not the
 * server's certificate, a redirect, too large; -EINVAL: the URL; each with
 * message and hint.
 * *RET is to be freed by http_reply_done() in every case.
 */
int http_call(struct http *h, const struct http_request *q, struct http_reply *ret,
	      struct kp_error *e);
void http_reply_done(struct http_reply *r); /* wipes; may be called again */

#define _cleanup_reply_ __attribute__((cleanup(http_reply_done)))

/* Whether STATUS asks for patience: 429, 408, 5xx. */
bool http_status_busy(long status);

/* "HOST[:PORT]" of a URL, for messages: *RET_N bytes at the pointer returned. */
const char *http_host(const char *url, size_t *ret_n);

#endif
