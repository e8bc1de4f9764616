/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration files through inih, behind guards: this inih splits a line of
 * more than 199 bytes, and takes a tail that holds `=` for a setting of its
 * own; an indented line repeats the key before it; repeats come twice.  So all
 * lines are looked at before they are parsed, and each setting is checked.
 */
#include "config_internal.h"

#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>

#define LINE_MAX_BYTES 190

int conf_fail(struct conf_error *err, int code, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	snprintf(err->hint, sizeof(err->hint), "%s", hint);
	return code;
}

struct parse {
	struct conf *conf;
	const char *name, *text;
	size_t left;
	unsigned int line;
	bool seen[CONF_NKEYS];
	struct conf_error *err;
	int r; /* the first error */
};

/* The next line for inih, as fgets() would give it.  Counts, so that errors have their line. */
static char *next_line(char *buf, int cap, void *arg)
{
	struct parse *p = arg;
	const char *nl;
	size_t n;

	if (!p->left || p->r)
		return NULL;
	nl = memchr(p->text, '\n', p->left);
	n = nl ? (size_t)(nl - p->text) + 1 : p->left;
	n = MIN(n, (size_t)cap - 1); /* never less: check_lines() */
	memcpy(buf, p->text, n);
	buf[n] = 0;
	p->text += n;
	p->left -= n;
	p->line++;
	return buf;
}

static int repeated(struct parse *p, const char *section, const char *key)
{
	return conf_fail(p->err, -EINVAL, "keep one of the two lines",
			 "%s:%u: %s in [%s] is repeated", p->name, p->line, key, section);
}

static int no_good_value(struct parse *p, const char *value, const char *why)
{
	return conf_fail(p->err, -EINVAL, "see cmkfs.conf(5)", "%s:%u: '%.64s' is no good value: %s",
			 p->name, p->line, value, why);
}

/* A setting in the section of a key provider. */
static int take_provider(struct parse *p, const char *section, const struct kp_conf_key *k,
			 const char *value)
{
	char why[200];
	int r = conf_provider_set(p->conf, section, k, value);

	if (r == -EEXIST)
		return repeated(p, section, k->name);
	if (r != -EINVAL)
		return r ? conf_fail(p->err, r, "", "out of memory") : 0;
	snprintf(why, sizeof(why), "%s is %s%s", k->name,
		 k->type == KP_CONF_CHOICE ? "one of: " :
		 k->type == KP_CONF_PATH   ? "an absolute path" :
		 k->type == KP_CONF_SECONDS ? "a number of seconds, 1 to 600" : "a text",
		 k->type == KP_CONF_CHOICE ? k->choices : "");
	return no_good_value(p, value, why);
}

/* One setting, on the line p->line. */
static int take(struct parse *p, const char *section, const char *key, const char *value)
{
	const struct kp_conf_key *k = conf_provider_key(section, key);
	char why[200];
	int r;

	if (k)
		return take_provider(p, section, k, value);
	for (size_t i = 0; i < CONF_NKEYS; i++) {
		if (strcmp(section, conf_keys[i].section) || strcmp(key, conf_keys[i].key))
			continue;
		if (p->seen[i])
			return repeated(p, section, key);
		p->seen[i] = true;
		r = conf_set(p->conf, &conf_keys[i], value);
		if (r == -ENOMEM)
			return conf_fail(p->err, r, "", "out of memory");
		if (!r)
			return 0;
		conf_describe(&conf_keys[i], why, sizeof(why));
		return no_good_value(p, value, why);
	}
	return conf_fail(p->err, -EINVAL, "cmkfs.conf(5) has all keys; look for a misspelling",
			 "%s:%u: unknown key '%.64s' in section [%.64s]", p->name, p->line, key, section);
}

static int on_setting(void *arg, const char *section, const char *key, const char *value)
{
	struct parse *p = arg;

	if (!p->r)
		p->r = take(p, section, key, value ? value : "");
	return !p->r;
}

static bool known_section(const char *s, size_t n)
{
	for (size_t i = 0; i < CONF_NKEYS; i++)
		if (strlen(conf_keys[i].section) == n && !memcmp(conf_keys[i].section, s, n))
			return true;
	for (const struct kp_ops *const *p = kp_providers; *p; p++)
		if ((*p)->conf_keys && strlen((*p)->name) == n && !memcmp((*p)->name, s, n))
			return true;
	return false;
}

/* One line, before inih sees any. */
static int check_line(const char *name, unsigned int line, const char *s, size_t n,
		      struct conf_error *err)
{
	const char *end;

	if (n > LINE_MAX_BYTES)
		return conf_fail(err, -EINVAL, "break it up, or use a shorter path",
				 "%s:%u: the line has %zu bytes; at most %d are allowed", name, line, n,
				 LINE_MAX_BYTES);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 && s[i] != '\t' && s[i] != '\r')
			return conf_fail(err, -EINVAL, "the file is to be plain text",
					 "%s:%u: a control character in the line", name, line);
	if (n && (s[0] == ' ' || s[0] == '\t')) {
		size_t i = 0;

		while (i < n && strchr(" \t\r", s[i]))
			i++;
		if (i < n && s[i] != ';' && s[i] != '#')
			return conf_fail(err, -EINVAL, "begin it at the left margin",
					 "%s:%u: the line is indented", name, line);
	}
	if (n && s[0] == '[') {
		end = memchr(s, ']', n);
		if (!end)
			return conf_fail(err, -EINVAL, "write [section]", "%s:%u: no ']' in the line", name,
					 line);
		if (!known_section(s + 1, (size_t)(end - s) - 1))
			return conf_fail(err, -EINVAL, "cmkfs.conf(5) has all sections",
					 "%s:%u: unknown section [%.*s]", name, line,
					 (int)MIN(end - s - 1, 64), s + 1);
	}
	return 0;
}

static int check_lines(const char *name, const char *text, size_t n, struct conf_error *err)
{
	unsigned int line = 1;

	while (n) {
		const char *nl = memchr(text, '\n', n);
		size_t len = nl ? (size_t)(nl - text) : n;
		int r = check_line(name, line, text, len, err);

		if (r)
			return r;
		len += nl ? 1 : 0;
		text += len;
		n -= len;
		line++;
	}
	return 0;
}

int conf_parse(struct conf *c, const char *name, const char *text, size_t n, struct conf_error *err)
{
	struct parse p = { .conf = c, .name = name, .text = text, .left = n, .err = err };
	int r = check_lines(name, text, n, err);

	if (r)
		return r;
	conf_provider_next_file(c);
	r = ini_parse_stream(next_line, &p, on_setting, &p);
	if (p.r)
		return p.r;
	if (r > 0)
		return conf_fail(err, -EINVAL, "a line is `key = value`, `[section]` or a comment",
				 "%s:%d: the line has no meaning", name, r);
	return r ? conf_fail(err, -ENOMEM, "", "out of memory") : 0;
}
