/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TLS connections: libcurl resolves, connects and shakes hands, and hands over.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "http_priv.h"
#include "keyprov/clock.h"
#include "stream.h"

struct stream {
	char url[300];
	struct http_options opt;
	struct http *h; /* NULL: not connected */
	curl_socket_t fd;
};

int stream_new(const char *url, const struct http_options *opt, struct stream **ret,
	       struct kp_error *e)
{
	struct stream *s = calloc(1, sizeof(*s));

	if (!s)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a connection");
	snprintf(s->url, sizeof(s->url), "%s", url);
	s->opt = *opt;
	*ret = s;
	return 0;
}

void stream_close(struct stream *s)
{
	struct pipe_guard guard;

	if (!s->h)
		return;
	http_pipe_hold(&guard);
	http_free(s->h); /* says farewell */
	http_pipe_release(&guard);
	s->h = NULL;
}

void stream_free(struct stream *s)
{
	if (!s)
		return;
	stream_close(s);
	free(s);
}

bool stream_is_open(const struct stream *s)
{
	return s->h;
}

/* ---- connecting ---------------------------------------------------------------------- */

static CURLcode connect_now(struct stream *s, int64_t ms)
{
	struct pipe_guard guard;
	CURL *c = s->h->curl;
	CURLcode r = curl_easy_setopt(c, CURLOPT_URL, s->url);

	r |= curl_easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L);
	r |= curl_easy_setopt(c, CURLOPT_SSL_ENABLE_ALPN, 0L); /* it is not HTTP that follows */
	r |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(ms, HTTP_CONNECT_MS));
	r |= curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)ms);
	if (r)
		return r;
	s->h->error[0] = '\0';
	http_pipe_hold(&guard);
	r = curl_easy_perform(c);
	http_pipe_release(&guard);
	/* The deadline of what follows is kept here. */
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, 0L);
	return r ? r : curl_easy_getinfo(c, CURLINFO_ACTIVESOCKET, &s->fd);
}

/*
 * Close a connection that the other end has closed or on which it has said more
 * than it was asked: that would be taken for the answer to what is asked next.
 */
static void close_unless_quiet(struct stream *s)
{
	struct pipe_guard guard;
	size_t n = 0;
	CURLcode c;
	char byte;

	http_pipe_hold(&guard);
	c = curl_easy_recv(s->h->curl, &byte, 1, &n);
	http_pipe_release(&guard);
	if (c != CURLE_AGAIN)
		stream_close(s);
}

int stream_open(struct stream *s, int64_t ms, struct kp_error *e)
{
	CURLcode c;
	int r;

	if (s->h)
		close_unless_quiet(s);
	if (s->h)
		return 0;
	if (ms <= 0)
		return kp_fail(e, -EAGAIN, NULL, "no time is left to connect");
	r = http_new(&s->opt, &s->h, e);
	if (r)
		return r;
	c = connect_now(s, ms);
	if (!c)
		return 0;
	r = http_fail(s->h, c, s->url, e);
	stream_close(s);
	return r;
}

/* ---- sending, receiving ------------------------------------------------------------------ */

/* What is there to be done now: *RET_N bytes were. */
typedef CURLcode step_fn(CURL *c, void *p, size_t n, size_t *ret_n);

static CURLcode send_some(CURL *c, void *p, size_t n, size_t *ret_n)
{
	return curl_easy_send(c, p, n, ret_n);
}

static CURLcode receive_some(CURL *c, void *p, size_t n, size_t *ret_n)
{
	CURLcode r = curl_easy_recv(c, p, n, ret_n);

	return !r && !*ret_n ? CURLE_GOT_NOTHING : r; /* the other end has closed */
}

/* TLS may have to read in order to write, and the other way round. */
static CURLcode all_of_it(struct stream *s, step_fn *step, void *p, size_t n, int64_t ms)
{
	struct pollfd fd = { .fd = s->fd, .events = POLLIN };
	int64_t end = boottime_ms() + ms, left;
	uint8_t *at = p;
	size_t done;
	CURLcode r;

	if (step == send_some)
		fd.events |= POLLOUT;
	while (n) {
		done = 0;
		r = step(s->h->curl, at, n, &done);
		if (r && r != CURLE_AGAIN)
			return r;
		at += done;
		n -= done;
		left = end - boottime_ms();
		if (left <= 0 && n)
			return CURLE_OPERATION_TIMEDOUT;
		if (r == CURLE_AGAIN)
			poll(&fd, 1, (int)left);
	}
	return CURLE_OK;
}

static int transfer(struct stream *s, step_fn *step, void *p, size_t n, int64_t ms,
		    struct kp_error *e)
{
	struct pipe_guard guard;
	CURLcode c;
	int r;

	s->h->error[0] = '\0';
	http_pipe_hold(&guard);
	c = all_of_it(s, step, p, n, ms);
	http_pipe_release(&guard);
	if (!c)
		return 0;
	r = http_fail(s->h, c, s->url, e);
	stream_close(s); /* nobody knows where in a message it is */
	return r;
}

int stream_send(struct stream *s, const void *p, size_t n, int64_t ms, struct kp_error *e)
{
	return transfer(s, send_some, (void *)(uintptr_t)p, n, ms, e);
}

int stream_receive(struct stream *s, void *p, size_t n, int64_t ms, struct kp_error *e)
{
	return transfer(s, receive_some, p, n, ms, e);
}
