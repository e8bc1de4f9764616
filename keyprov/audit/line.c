/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of an audit log: what is written is what is hashed, byte for byte, so
 * that nothing depends on how JSON is parsed.
 */
#include "priv.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "crypto/mac.h"
#include "crypto/secret.h"

#define FIELD_MAX 768 /* bytes of a text that are kept */
#define HASH_AT (9 + 2 * AUDIT_HASH_LEN)		   /* `,"hash":"` … */
#define TAIL_LEN (HASH_AT + 9 + 2 * AUDIT_MAC_LEN + 2) /* `","mac":"` … `"}` */
#define SIGNATURE_LEN (11 + 2 * SIGN_PUBLIC_LEN + 15 + 2 * SIGN_LEN + 1)

static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256_md;

static void fetch(void)
{
	sha256_md = EVP_MD_fetch(NULL, "SHA256", NULL);
}

int audit_sha256(const void *a, size_t na, const void *b, size_t nb,
		 uint8_t ret[static AUDIT_HASH_LEN])
{
	EVP_MD_CTX *c;
	int r = -EIO;

	pthread_once(&fetch_once, fetch);
	c = EVP_MD_CTX_new();
	if (c && sha256_md && EVP_DigestInit_ex2(c, sha256_md, NULL) == 1 &&
	    EVP_DigestUpdate(c, a, na) == 1 && EVP_DigestUpdate(c, b, nb) == 1 &&
	    EVP_DigestFinal_ex(c, ret, NULL) == 1)
		r = 0;
	EVP_MD_CTX_free(c);
	return r;
}

size_t line_signed(const char *name, uint64_t seq, const uint8_t hash[static AUDIT_HASH_LEN],
		   uint8_t ret[static SIGNED_MAX])
{
	size_t n = (size_t)snprintf((char *)ret, SIGNED_MAX, "cmkfs audit checkpoint 1|%s|", name);

	put_le64(ret + n, seq);
	memcpy(ret + n + 8, hash, AUDIT_HASH_LEN);
	return n + 8 + AUDIT_HASH_LEN;
}

static void hex(const uint8_t *p, size_t n, char *ret)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		ret[2 * i] = digit[p[i] >> 4];
		ret[2 * i + 1] = digit[p[i] & 15];
	}
}

static bool unhex(const char *s, size_t n, uint8_t *ret)
{
	for (size_t i = 0; i < 2 * n; i++) {
		const char *p = memchr("0123456789abcdef", s[i], 16);

		if (!p)
			return false;
		ret[i / 2] = (uint8_t)(ret[i / 2] << 4 | (p - "0123456789abcdef"));
	}
	return true;
}

/* ---- writing --------------------------------------------------------------------- */

struct text {
	char *p;
	size_t n;
};

static void put(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	t->n += (size_t)vsnprintf(t->p + t->n, LINE_BYTES - t->n, fmt, ap);
	va_end(ap);
}

/* Length of the well-formed UTF-8 sequence at S, of N bytes; 0: none. */
static size_t utf8(const unsigned char *s, size_t n)
{
	size_t len = *s < 0x80 ? 1 : *s >= 0xf0 && *s < 0xf5 ? 4 : *s >= 0xe0 && *s < 0xf0 ? 3 :
		     *s >= 0xc2 && *s < 0xe0 ? 2 : 0;

	if (!len || len > n)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
	    (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
		return 0;
	return len;
}

/* What is no text is written as \xNN, as in all listings. */
static void put_text(struct text *t, const char *s)
{
	size_t n = strnlen(s, FIELD_MAX), len;

	put(t, "\"");
	for (; n; s += len, n -= len) {
		len = utf8((const unsigned char *)s, n);
		if (!len) {
			put(t, "\\\\x%02x", (unsigned char)*s);
			len = 1;
		} else if (*s == '"' || *s == '\\') {
			put(t, "\\%c", *s);
		} else if ((unsigned char)*s < 0x20 || *s == 0x7f) {
			put(t, "\\u%04x", (unsigned int)*s);
		} else {
			put(t, "%.*s", (int)len, s);
		}
	}
	put(t, "\"");
}

static void put_field(struct text *t, const char *name, const char *s)
{
	put(t, ",\"%s\":", name);
	put_text(t, s ? s : "");
}

static void put_time(struct text *t, int64_t ms)
{
	time_t s = (time_t)(ms / 1000);
	char date[32];
	struct tm tm;

	if (!gmtime_r(&s, &tm) || !strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm))
		snprintf(date, sizeof(date), "1970-01-01T00:00:00");
	put(t, ",\"time\":\"%s.%03dZ\"", date, (int)(ms % 1000));
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void put_actor(struct text *t, const struct kp_actor *a)
{
	char exe[PATH_MAX];
	ssize_t n;

	if (a) {
		put(t, ",\"actor\":{\"uid\":%u,\"pid\":%d", a->uid, a->pid);
		put_field(t, "exe", a->exe);
	} else {
		n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
		exe[MAX(n, 0)] = '\0';
		put(t, ",\"actor\":{\"uid\":%u,\"pid\":%d", (unsigned int)getuid(), getpid());
		put_field(t, "exe", exe);
	}
	put(t, "}");
}

static int put_tail(struct text *t, const struct audit_keys *k, uint8_t hash[static AUDIT_HASH_LEN])
{
	char h[2 * AUDIT_HASH_LEN], m[2 * AUDIT_MAC_LEN];
	uint8_t full[MAC_LEN];

	if (audit_sha256(hash, AUDIT_HASH_LEN, t->p, t->n, hash) ||
	    mac(k->mac, sizeof(k->mac), hash, AUDIT_HASH_LEN, full))
		return -EIO;
	hex(hash, AUDIT_HASH_LEN, h);
	hex(full, AUDIT_MAC_LEN, m);
	put(t, ",\"hash\":\"%.*s\",\"mac\":\"%.*s\"}\n", (int)sizeof(h), h, (int)sizeof(m), m);
	return 0;
}

int line_format(const struct audit_keys *k, uint64_t seq, const struct kp_record *r,
		const struct signature *s, uint8_t hash[static AUDIT_HASH_LEN],
		char ret[static LINE_BYTES])
{
	char public[2 * SIGN_PUBLIC_LEN], sig[2 * SIGN_LEN];
	struct text t = { .p = ret };

	put(&t, "{\"seq\":%llu", (unsigned long long)seq);
	put_time(&t, r->time_ms ? r->time_ms : now_ms());
	put_field(&t, "operation", r->operation);
	put_field(&t, "principal", r->principal);
	put_field(&t, "object", r->object);
	put_field(&t, "key", r->key);
	put_field(&t, "outcome", r->outcome);
	put_field(&t, "detail", r->detail);
	put_actor(&t, r->actor);
	if (r->call)
		put(&t, ",\"call\":%llu", (unsigned long long)r->call);
	if (s) {
		hex(s->public, SIGN_PUBLIC_LEN, public);
		hex(s->sig, SIGN_LEN, sig);
		put(&t, ",\"public\":\"%.*s\",\"signature\":\"%.*s\"", (int)sizeof(public), public,
		    (int)sizeof(sig), sig);
	}
	return put_tail(&t, k, hash) ? -EIO : (int)t.n;
}

/* ---- checking -------------------------------------------------------------------- */

static bool begins_with_seq(const char *line, size_t n, uint64_t seq)
{
	char begin[40];
	size_t len = (size_t)snprintf(begin, sizeof(begin), "{\"seq\":%llu,",
				      (unsigned long long)seq);

	return n > len && !memcmp(line, begin, len);
}

static bool take_signature(const char *line, size_t n, struct signature *ret)
{
	const char *p;

	if (n < SIGNATURE_LEN)
		return false;
	p = line + n - SIGNATURE_LEN;
	return !memcmp(p, ",\"public\":\"", 11) && unhex(p + 11, SIGN_PUBLIC_LEN, ret->public) &&
	       !memcmp(p + 11 + 2 * SIGN_PUBLIC_LEN, "\",\"signature\":\"", 15) &&
	       unhex(p + 26 + 2 * SIGN_PUBLIC_LEN, SIGN_LEN, ret->sig) && line[n - 1] == '"';
}

bool line_begin(const char *line, size_t n, uint64_t *ret_seq, uint8_t ret[static AUDIT_HASH_LEN])
{
	unsigned long long seq = 0;

	if (n <= TAIL_LEN || sscanf(line, "{\"seq\":%llu,", &seq) != 1 || !seq ||
	    !unhex(line + n - TAIL_LEN + 9, AUDIT_HASH_LEN, ret))
		return false;
	*ret_seq = seq;
	return true;
}

/* Nothing of the kind is in a text, whose quotes are escaped. */
static const char *find(const char *line, size_t n, const char *what)
{
	return memmem(line, n, what, strlen(what));
}

const char *line_check(const struct audit_keys *k, uint64_t seq, const char *line, size_t n,
		       uint8_t hash[static AUDIT_HASH_LEN], bool *ret_signed,
		       struct signature *ret)
{
	uint8_t said[AUDIT_HASH_LEN], m[AUDIT_MAC_LEN], full[MAC_LEN];
	const char *tail;
	size_t body;

	if (!begins_with_seq(line, n, seq))
		return "is missing or not in its place";
	if (n <= TAIL_LEN)
		return "is not whole";
	body = n - TAIL_LEN;
	tail = line + body;
	if (memcmp(tail, ",\"hash\":\"", 9) || !unhex(tail + 9, AUDIT_HASH_LEN, said) ||
	    memcmp(tail + HASH_AT, "\",\"mac\":\"", 9) ||
	    !unhex(tail + HASH_AT + 9, AUDIT_MAC_LEN, m) || memcmp(line + n - 2, "\"}", 2))
		return "is not whole";
	if (audit_sha256(hash, AUDIT_HASH_LEN, line, body, hash) ||
	    memcmp(hash, said, AUDIT_HASH_LEN) != 0)
		return "was changed, or the one before it was";
	if (k && (mac(k->mac, sizeof(k->mac), hash, AUDIT_HASH_LEN, full) ||
		  !secret_equal(full, m, AUDIT_MAC_LEN)))
		return "was not written by us";
	*ret_signed = find(line, body, ",\"operation\":\"checkpoint\",") != NULL;
	if (*ret_signed && !take_signature(line, body, ret))
		return "has no signature";
	return NULL;
}

uint64_t line_call(const char *line, size_t n)
{
	const char *p = find(line, n, ",\"call\":");
	uint64_t v = 0;

	for (p = p ? p + 8 : line + n; p < line + n && *p >= '0' && *p <= '9'; p++)
		v = v * 10 + (uint64_t)(*p - '0');
	return v;
}
