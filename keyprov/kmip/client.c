/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Talking to a KMIP server: see client.h.  Nothing that is asked changes
 * anything, so a question to a connection that has died meanwhile is put again.
 */
#include "client.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "keyprov/clock.h"
#include "keyprov/net/file.h"
#include "keyprov/net/stream.h"

#define SECTION "kmip"

struct kmip_client {
	struct stream *stream;
	char server[KMIP_HOST_MAX + 16]; /* HOST:PORT */
	unsigned int major, minor;
	int64_t end; /* boottime ms: the deadline */
	uint8_t *request, *reply; /* secret memory */
};

/* The private key is ours alone, as libcurl does not ask. */
static int check_key_file(struct kmip_client *c, const struct http_options *opt, struct kp_error *e)
{
	const char *path = opt->key_file ? opt->key_file : opt->cert_file;
	int r;

	if (!path)
		return kp_fail(e, -EIO, "client-certificate in [kmip] of the configuration names it",
			       "a KMIP server wants a client certificate");
	r = net_read_file(path, true, (char *)c->reply, KMIP_REPLY_MAX, NULL, e);
	secret_wipe(c->reply, KMIP_REPLY_MAX);
	return r;
}

static void set_version(struct kmip_client *c, const char *version)
{
	c->major = version ? (unsigned int)(version[0] - '0') : 1;
	c->minor = version ? (unsigned int)(version[2] - '0') : 4;
}

int kmip_client_new(const struct kp_context *ctx, const struct kmip_uri *u,
		    struct kmip_client **ret, struct kp_error *e)
{
	const struct http_options opt = {
		.ca_file = kp_conf(ctx, SECTION, "ca-file"),
		.cert_file = kp_conf(ctx, SECTION, "client-certificate"),
		.key_file = kp_conf(ctx, SECTION, "client-key"),
		.connect_to = kp_conf(ctx, SECTION, "connect-to"),
		.direct = true,
	};
	struct kmip_client *c = calloc(1, sizeof(*c));
	char url[sizeof(c->server) + 16];
	int r = 0;

	if (!c)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a connection");
	c->request = secret_alloc(KMIP_REQUEST_MAX);
	c->reply = secret_alloc(KMIP_REPLY_MAX);
	if (!c->request || !c->reply)
		r = kp_fail(e, -EAGAIN, NULL, "no memory for a connection");
	snprintf(c->server, sizeof(c->server), strchr(u->host, ':') ? "[%s]:%u" : "%s:%u", u->host,
		 u->port);
	snprintf(url, sizeof(url), "https://%s", c->server);
	set_version(c, kp_conf(ctx, SECTION, "version"));
	if (!r)
		r = check_key_file(c, &opt, e);
	if (!r)
		r = stream_new(url, &opt, &c->stream, e);
	if (r)
		kmip_client_free(c);
	else
		*ret = c;
	return r;
}

void kmip_client_free(struct kmip_client *c)
{
	if (!c)
		return;
	stream_free(c->stream);
	secret_free(c->request);
	secret_free(c->reply);
	free(c);
}

unsigned int kmip_client_major(const struct kmip_client *c)
{
	return c->major;
}

const char *kmip_client_server(const struct kmip_client *c)
{
	return c->server;
}

void kmip_client_begin(struct kmip_client *c)
{
	c->end = boottime_ms() + HTTP_CALL_MS;
}

/* ---- one question ---------------------------------------------------------------------- */

static int receive(struct kmip_client *c, int64_t end, size_t *ret_n, struct kp_error *e)
{
	uint32_t whole;
	int r = stream_receive(c->stream, c->reply, TTLV_HEAD, end - boottime_ms(), e);

	if (r)
		return r;
	whole = ttlv_whole(c->reply);
	if (!whole || whole > KMIP_REPLY_MAX) {
		stream_close(c->stream);
		return kp_fail(e, -EPROTO, "is it a KMIP server that answers there?",
			       "%s: its answer is too large, or none of KMIP", c->server);
	}
	*ret_n = whole;
	return stream_receive(c->stream, c->reply + TTLV_HEAD, whole - TTLV_HEAD,
			      end - boottime_ms(), e);
}

static int ask(struct kmip_client *c, size_t n, int64_t end, size_t *ret_n, struct kp_error *e)
{
	int r = stream_open(c->stream, end - boottime_ms(), e);

	if (!r)
		r = stream_send(c->stream, c->request, n, end - boottime_ms(), e);
	return r ? r : receive(c, end, ret_n, e);
}

int kmip_call(struct kmip_client *c, struct kmip_request *q, struct kmip_reply *ret,
	      struct kp_error *e)
{
	int64_t first = MIN(boottime_ms() + HTTP_TRY_MS, c->end);
	bool kept = stream_is_open(c->stream);
	size_t n, got = 0;
	int r;

	q->major = c->major;
	q->minor = c->minor;
	if (kmip_request(q, c->request, &n))
		return kp_fail(e, -EINVAL, NULL, "%s: the request is too long", c->server);
	r = ask(c, n, first, &got, e);
	if (r == -EAGAIN && kept && boottime_ms() < first)
		r = ask(c, n, c->end, &got, e);
	secret_wipe(c->request, n);
	if (r)
		return r;
	if (!kmip_reply(c->reply, got, q->operation, ret) && kmip_reply_is_about(ret, q->uid))
		return 0;
	stream_close(c->stream);
	return kp_fail(e, -EPROTO, "is it a KMIP server that answers there?",
		       "%s: its answer cannot be understood", c->server);
}
