/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TTLV: see ttlv.h.  ttlv_parse() looks at all of a message once; what walks
 * over it afterwards relies on that.
 */
#include "ttlv.h"

#include <errno.h>

static uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* ---- writing --------------------------------------------------------------------- */

/* Head and room for LEN bytes with their padding, zeroed; NULL: there is none. */
static uint8_t *item(struct ttlv_out *o, uint32_t tag, enum ttlv_type type, size_t len)
{
	size_t whole = TTLV_HEAD + ((len + 7) & ~(size_t)7);
	uint8_t *p = o->p + o->n;

	if (o->full || whole < len || whole > o->cap - o->n) {
		o->full = true;
		return NULL;
	}
	memset(p, 0, whole);
	put_be32(p, tag << 8 | (uint32_t)type);
	put_be32(p + 4, (uint32_t)len);
	o->n += whole;
	return p + TTLV_HEAD;
}

size_t ttlv_begin(struct ttlv_out *o, uint32_t tag)
{
	size_t at = o->n;

	item(o, tag, TTLV_STRUCTURE, 0);
	return at;
}

void ttlv_end(struct ttlv_out *o, size_t at)
{
	if (!o->full)
		put_be32(o->p + at + 4, (uint32_t)(o->n - at - TTLV_HEAD));
}

static void number(struct ttlv_out *o, uint32_t tag, enum ttlv_type type, uint32_t v)
{
	uint8_t *p = item(o, tag, type, 4);

	if (p)
		put_be32(p, v);
}

void ttlv_integer(struct ttlv_out *o, uint32_t tag, int32_t v)
{
	number(o, tag, TTLV_INTEGER, (uint32_t)v);
}

void ttlv_enum(struct ttlv_out *o, uint32_t tag, uint32_t v)
{
	number(o, tag, TTLV_ENUM, v);
}

static void string(struct ttlv_out *o, uint32_t tag, enum ttlv_type type, const void *s, size_t n)
{
	uint8_t *p = item(o, tag, type, n);

	if (p && n)
		memcpy(p, s, n);
}

void ttlv_bytes(struct ttlv_out *o, uint32_t tag, const void *p, size_t n)
{
	string(o, tag, TTLV_BYTES, p, n);
}

void ttlv_text(struct ttlv_out *o, uint32_t tag, const char *s)
{
	string(o, tag, TTLV_TEXT, s, strlen(s));
}

/* ---- reading ---------------------------------------------------------------------- */

static uint32_t padded(uint32_t len)
{
	return (len + 7) & ~7u;
}

uint32_t ttlv_whole(const uint8_t p[static TTLV_HEAD])
{
	uint32_t len = get_be32(p + 4);

	return len > UINT32_MAX - TTLV_HEAD - 7 ? 0 : TTLV_HEAD + padded(len);
}

/* Which length values of TYPE have; -1: any, -2: there is no such type. */
static int length_of(uint8_t type)
{
	switch (type) {
	case TTLV_INTEGER:
	case TTLV_ENUM:
	case TTLV_INTERVAL:
		return 4;
	case TTLV_LONG:
	case TTLV_BOOL:
	case TTLV_DATE:
	case TTLV_DATE_EXTENDED:
		return 8;
	case TTLV_STRUCTURE:
	case TTLV_BIG:
	case TTLV_TEXT:
	case TTLV_BYTES:
		return -1;
	default:
		return -2;
	}
}

/* The item at the beginning of N bytes, without what is in it.  Its whole length; 0: none. */
static uint32_t take(const uint8_t *p, size_t n, struct ttlv *ret)
{
	uint32_t whole = n < TTLV_HEAD ? 0 : ttlv_whole(p);
	int want;

	if (!whole || whole > n)
		return 0;
	*ret = (struct ttlv){ get_be32(p) >> 8, p[3], p + TTLV_HEAD, get_be32(p + 4) };
	want = length_of(ret->type);
	if (want == -2 || (want >= 0 && ret->len != (uint32_t)want) ||
	    ((ret->type == TTLV_STRUCTURE || ret->type == TTLV_BIG) && ret->len % 8))
		return 0;
	return whole;
}

static bool sound(const struct ttlv *t, unsigned int depth)
{
	const uint8_t *p = t->value;
	size_t left = t->len;
	struct ttlv child;

	if (t->type != TTLV_STRUCTURE)
		return true;
	if (depth == TTLV_DEPTH)
		return false;
	while (left) {
		uint32_t whole = take(p, left, &child);

		if (!whole || !sound(&child, depth + 1))
			return false;
		p += whole;
		left -= whole;
	}
	return true;
}

int ttlv_parse(const uint8_t *p, size_t n, struct ttlv *ret)
{
	struct ttlv t;

	if (!n || take(p, n, &t) != n || !sound(&t, 0))
		return -EPROTO;
	*ret = t;
	return 0;
}

bool ttlv_next(const struct ttlv *s, const struct ttlv *prev, struct ttlv *ret)
{
	const uint8_t *p = prev ? prev->value + padded(prev->len) : s->value;

	return s->type == TTLV_STRUCTURE && p < s->value + s->len &&
	       take(p, (size_t)(s->value + s->len - p), ret);
}

int ttlv_find(const struct ttlv *s, uint32_t tag, enum ttlv_type type, struct ttlv *ret)
{
	struct ttlv t, found = { .tag = 0 }, *prev = NULL;

	while (ttlv_next(s, prev, &t)) {
		if (t.tag == tag) {
			if (t.type != type || found.tag)
				return -EPROTO;
			found = t;
		}
		prev = &t;
	}
	if (!found.tag)
		return -ENOENT;
	*ret = found;
	return 0;
}

uint32_t ttlv_u32(const struct ttlv *t)
{
	return get_be32(t->value);
}

int64_t ttlv_i64(const struct ttlv *t)
{
	return (int64_t)((uint64_t)get_be32(t->value) << 32 | get_be32(t->value + 4));
}

bool ttlv_is(const struct ttlv *t, const char *s)
{
	return t->type == TTLV_TEXT && t->len == strlen(s) && !memcmp(t->value, s, t->len);
}
