/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Putting texts together: see text.h.
 */
#include "text.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "crypto/b64.h"
#include "crypto/secret.h"

void text_begin(struct text *t, size_t cap)
{
	*t = (struct text){ .s = secret_alloc(cap), .cap = cap };
	t->cut = !t->s;
}

void text_done(struct text *t)
{
	secret_free(t->s);
	*t = (struct text){ .cut = true };
}

bool text_ok(const struct text *t)
{
	return t->s && !t->cut;
}

/* Room for N more, or NULL. */
static char *room(struct text *t, size_t n)
{
	if (t->cut || n >= t->cap - t->n) {
		t->cut = true;
		return NULL;
	}
	t->n += n;
	t->s[t->n] = 0;
	return t->s + t->n - n;
}

void text_add_n(struct text *t, const void *p, size_t n)
{
	char *to = room(t, n);

	if (to)
		memcpy(to, p, n);
}

void text_add(struct text *t, const char *s)
{
	text_add_n(t, s, strlen(s));
}

void text_addf(struct text *t, const char *fmt, ...)
{
	va_list ap;
	int n;

	if (t->cut)
		return;
	va_start(ap, fmt);
	n = vsnprintf(t->s + t->n, t->cap - t->n, fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= t->cap - t->n)
		t->cut = true;
	else
		t->n += (size_t)n;
}

void text_escape(struct text *t, const char *s)
{
	for (; *s; s++)
		if (isalnum((unsigned char)*s) || strchr("-._~", *s))
			text_add_n(t, s, 1);
		else
			text_addf(t, "%%%02X", (unsigned char)*s);
}

void text_json(struct text *t, const char *s)
{
	text_add(t, "\"");
	for (; *s; s++)
		if ((unsigned char)*s < 0x20)
			text_addf(t, "\\u%04x", (unsigned int)*s);
		else if (*s == '"' || *s == '\\')
			text_addf(t, "\\%c", *s);
		else
			text_add_n(t, s, 1);
	text_add(t, "\"");
}

void text_b64url(struct text *t, const void *p, size_t n)
{
	char *to = room(t, B64_LEN(n));

	if (to)
		b64_encode(p, n, to);
}

void text_b64(struct text *t, const void *p, size_t n)
{
	char *to = room(t, B64_STD_LEN(n));

	if (to)
		b64_std_encode(p, n, to);
}
