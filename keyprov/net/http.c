/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A call: tries, pauses between them, and the deadline over all.
 */
#include <errno.h>
#include <strings.h>
#include <time.h>

#include "crypto/rand.h"
#include "crypto/secret.h"
#include "http_priv.h"
#include "keyprov/clock.h"

int http_new(const struct http_options *opt, struct http **ret, struct kp_error *e)
{
	static const struct http_options none;
	struct http *h = calloc(1, sizeof(*h));
	int r;

	if (!h)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a connection");
	r = http_setup(h, opt ? opt : &none, e);
	if (r)
		http_free(h);
	else
		*ret = h;
	return r;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	curl_slist_free_all(h->connect_to);
	free(h);
}

void http_reply_done(struct http_reply *r)
{
	secret_free(r->body);
	memset(r, 0, sizeof(*r));
	r->retry_after_ms = -1;
}

const char *http_host(const char *url, size_t *ret_n)
{
	const char *p = strstr(url, "://");

	p = p ? p + 3 : url;
	*ret_n = strcspn(p, "/?#");
	return p;
}

bool http_status_busy(long status)
{
	return status == 408 || status == 429 || status / 100 == 5;
}

static bool try_again(const struct http_request *q, int r, const struct http_reply *reply)
{
	if (r)
		return r == -EAGAIN;
	if (!http_status_busy(reply->status))
		return q->busy && q->busy(reply);
	return reply->status != 501 && (reply->status != 500 || !q->final_500);
}

/* What the server asks for, or doubled from HTTP_PAUSE_MS; the upper half is jitter. */
static int64_t pause_ms(unsigned int tries, const struct http_reply *reply)
{
	int64_t own = HTTP_PAUSE_MS << (tries - 1);
	uint32_t dice = 0;

	if (rand_bytes(&dice, sizeof(dice)))
		dice = 0;
	own -= dice % (own / 2);
	return MAX(own, reply->retry_after_ms);
}

static void sleep_ms(int64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

static int too_early(const struct http_request *q, int64_t ms, struct kp_error *e)
{
	size_t n;
	const char *host = http_host(q->url, &n);

	return kp_fail(e, -EAGAIN, NULL, "%.*s is asked again in %lld s, as it wishes",
		       (int)MIN(n, 120U), host, (long long)(ms + 999) / 1000);
}

/* The last try's answer stands; what it asks for is kept for the next call. */
static void remember(struct http *h, int r, const struct http_reply *reply, int64_t now)
{
	bool asks = !r && http_status_busy(reply->status) && reply->retry_after_ms > 0;

	h->not_before = asks ? now + reply->retry_after_ms : 0;
}

static int check_scheme(const struct http *h, const struct http_request *q, struct kp_error *e)
{
	if (!strncasecmp(q->url, "https://", 8) || (h->plain && !strncasecmp(q->url, "http://", 7)))
		return 0;
	return kp_fail(e, -EINVAL, "https://HOST is needed", "%.120s cannot be asked", q->url);
}

int http_call(struct http *h, const struct http_request *q, struct http_reply *ret,
	      struct kp_error *e)
{
	int64_t now = boottime_ms(), end = now + HTTP_CALL_MS, wait;
	int r;

	*ret = (struct http_reply){ .retry_after_ms = -1 };
	r = check_scheme(h, q, e);
	if (r)
		return r;
	if (now < h->not_before)
		return too_early(q, h->not_before - now, e);
	for (unsigned int tries = 1;; tries++) {
		http_reply_done(ret);
		r = http_transfer(h, q, MIN(HTTP_TRY_MS, end - now), ret, e);
		now = boottime_ms();
		if (tries == HTTP_TRIES || !try_again(q, r, ret))
			break;
		wait = pause_ms(tries, ret);
		if (now + wait >= end)
			break;
		sleep_ms(wait);
		now = boottime_ms();
		if (now >= end)
			break;
	}
	remember(h, r, ret, now);
	return r;
}
