/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is fixed for a client: libcurl's life, TLS, and which addresses are
 * spoken to without it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <malloc.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

#include "crypto/secret.h"
#include "http_priv.h"

/* ---- libcurl, with an allocator that wipes what is freed ------------------------ */

static void wiping_free(void *p)
{
	if (p)
		secret_wipe(p, malloc_usable_size(p));
	free(p);
}

static void *wiping_realloc(void *p, size_t n)
{
	void *q = malloc(n);

	if (q && p) {
		memcpy(q, p, MIN(n, malloc_usable_size(p)));
		wiping_free(p);
	}
	return q;
}

static CURLcode init_result;

static void init_once(void)
{
	init_result = curl_global_init_mem(CURL_GLOBAL_DEFAULT, malloc, wiping_free,
					   wiping_realloc, strdup, calloc);
}

int http_global_init(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, init_once);
	return init_result ? -EIO : 0;
}

/* ---- TLS ------------------------------------------------------------------------- */

/* Over what the host's OpenSSL configuration and SSLKEYLOGFILE may say. */
static CURLcode tls_setup(CURL *curl, void *ssl_ctx, void *arg)
{
	SSL_CTX *ctx = ssl_ctx;

	(void)curl;
	(void)arg;
	SSL_CTX_set_keylog_callback(ctx, NULL);
	SSL_CTX_set_options(ctx, SSL_OP_CLEANSE_PLAINTEXT);
	if (SSL_CTX_get_security_level(ctx) < 2)
		SSL_CTX_set_security_level(ctx, 2);
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) ? CURLE_OK : CURLE_SSL_CIPHER;
}

static int readable(const char *path, struct kp_error *e)
{
	if (!path || !access(path, R_OK))
		return 0;
	return kp_fail(e, -EIO, "look at its path in the configuration and at its permissions",
		       "%.180s: %s", path, strerror(errno));
}

static CURLcode set_tls(CURL *c, const struct http_options *opt)
{
	CURLcode r = curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);

	r |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	r |= curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	r |= curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, tls_setup);
	if (opt->ca_file) {
		r |= curl_easy_setopt(c, CURLOPT_CAINFO, opt->ca_file);
		r |= curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	}
	if (opt->cert_file) {
		r |= curl_easy_setopt(c, CURLOPT_SSLCERT, opt->cert_file);
		r |= curl_easy_setopt(c, CURLOPT_SSLKEY,
				      opt->key_file ? opt->key_file : opt->cert_file);
	}
	return r;
}

/* ---- http without TLS -------------------------------------------------------------- */

static bool near_v4(uint32_t a)
{
	return a >> 24 == 127 || a >> 16 == 0xa9fe; /* 127/8, 169.254/16 */
}

/* fe80::/10, and fd00:ec2::/32, which is link-local in all but name. */
static bool near_v6(const struct in6_addr *a)
{
	static const uint8_t metadata[] = { 0xfd, 0x00, 0x0e, 0xc2 };

	if (IN6_IS_ADDR_V4MAPPED(a))
		return near_v4((uint32_t)a->s6_addr[12] << 24 | (uint32_t)a->s6_addr[13] << 16);
	return IN6_IS_ADDR_LOOPBACK(a) || IN6_IS_ADDR_LINKLOCAL(a) ||
	       !memcmp(a, metadata, sizeof(metadata));
}

static bool is_near(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return near_v4(ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr));
	if (sa->sa_family == AF_INET6)
		return near_v6(&((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr);
	return false;
}

/* By the address, so that a name may say what it likes. */
curl_socket_t http_open_near(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct http *h = arg;

	(void)purpose;
	if (!is_near(&a->addr)) {
		h->refused = "http is for this host and its link only";
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* ---- all of it ------------------------------------------------------------------- */

static CURLcode set_common(struct http *h, const struct http_options *opt)
{
	CURL *c = h->curl;
	CURLcode r = curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);

	r |= curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
	r |= curl_easy_setopt(c, CURLOPT_USERAGENT, "cmkfs/" CMKFS_VERSION);
	/* HTTP/2 would keep tokens in a table of headers that nobody wipes. */
	r |= curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	r |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	r |= curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	r |= curl_easy_setopt(c, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	r |= curl_easy_setopt(c, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	r |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MS);
	r |= curl_easy_setopt(c, CURLOPT_MAXFILESIZE, (long)HTTP_BODY_MAX);
	r |= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, http_take_header);
	r |= curl_easy_setopt(c, CURLOPT_HEADERDATA, h);
	r |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, http_take_body);
	r |= curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
	/* A resolver that hangs is left to itself: the deadline holds. */
	r |= curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
	if (opt->direct || opt->plain)
		r |= curl_easy_setopt(c, CURLOPT_PROXY, "");
	if (!opt->plain)
		return r | curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https");
	return r | curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
}

static CURLcode set_connect_to(struct http *h, const char *where)
{
	char rule[300];

	if (!where)
		return CURLE_OK;
	snprintf(rule, sizeof(rule), "::%s", where);
	h->connect_to = curl_slist_append(NULL, rule);
	return !h->connect_to || curl_easy_setopt(h->curl, CURLOPT_PROXY, "") ?
		       CURLE_OUT_OF_MEMORY :
		       curl_easy_setopt(h->curl, CURLOPT_CONNECT_TO, h->connect_to);
}

int http_setup(struct http *h, const struct http_options *opt, struct kp_error *e)
{
	int r = readable(opt->ca_file, e);

	if (!r)
		r = readable(opt->cert_file, e);
	if (!r)
		r = readable(opt->key_file, e);
	if (r)
		return r;
	h->plain = opt->plain;
	h->curl = http_global_init() ? NULL : curl_easy_init();
	if (!h->curl || set_common(h, opt) || set_tls(h->curl, opt) ||
	    set_connect_to(h, opt->connect_to))
		return kp_fail(e, -EIO, "libcurl of OpenSSL's flavour, 7.85 or newer, is needed",
			       "libcurl cannot be used");
	curl_easy_setopt(h->curl, CURLOPT_OPENSOCKETDATA, h);
	return 0;
}
