/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the HTTP client share.
 */
#ifndef CMKFS_NET_HTTP_PRIV_H
#define CMKFS_NET_HTTP_PRIV_H

#include <curl/curl.h>
#include <signal.h>

#include "http.h"

struct http {
	CURL *curl;
	struct curl_slist *connect_to;
	bool plain;
	int64_t not_before; /* boottime ms: the server has asked for a pause */
	char error[CURL_ERROR_SIZE];

	/* Of the transfer that runs. */
	struct http_reply *reply;
	size_t header_bytes;
	const char *refused; /* why we have ended it, or NULL */
};

/* Where what comes in goes to (libcurl callbacks; ARG is a struct http). */
size_t http_take_header(char *p, size_t size, size_t n, void *arg);
size_t http_take_body(char *p, size_t size, size_t n, void *arg);

/* Milliseconds that Retry-After asks for at the time NOW (unix seconds); -1: nonsense. */
int64_t http_retry_after(const char *value, int64_t now);

/* libcurl once in the process, with an allocator that wipes.  0, -EIO. */
int http_global_init(void);
/* Opens a socket to this host or its link alone (CURLOPT_OPENSOCKETFUNCTION). */
curl_socket_t http_open_near(void *arg, curlsocktype purpose, struct curl_sockaddr *a);
/* The options that never change. */
int http_setup(struct http *h, const struct http_options *opt, struct kp_error *e);

/* Around what may raise SIGPIPE: only what this thread raises itself is swallowed. */
struct pipe_guard {
	sigset_t old;
	bool was_pending;
};

void http_pipe_hold(struct pipe_guard *g);
void http_pipe_release(struct pipe_guard *g);

/* What it means that C came of asking URL.  -EAGAIN, -EPROTO, -EIO, -EINVAL. */
int http_fail(const struct http *h, CURLcode c, const char *url, struct kp_error *e);

/* One try of at most MS. */
int http_transfer(struct http *h, const struct http_request *q, int64_t ms,
		  struct http_reply *ret, struct kp_error *e);

#endif
