/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration files through inih, behind guards: this inih splits a line of
 * more than 199 bytes, and takes a tail that holds `=` for a setting of its
 * own; an indented line repeats the key before it; repeats come twice.  So all
 * lines are looked at before they are parsed, and each setting is checked.
 */
#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#define LINE_MAX_BYTES 190
#define FILE_MAX_BYTES (1 << 20)

struct conf_key {
	const char *section, *key;
	enum conf_type type;
	size_t offset;
	uint64_t min, max;
	const char *fallback, *choices;
};

static const struct conf_key keys[] = {
#define ROW(sec, k, t, field, lo, hi, def, words)                                                  \
	{ sec, k, t, offsetof(struct conf, field), lo, hi, def, words },
	CONF_KEYS(ROW)
#undef ROW
};

static int fail(struct conf_error *err, int code, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(struct conf_error *err, int code, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	snprintf(err->hint, sizeof(err->hint), "%s", hint);
	return code;
}

int conf_duration(const char *s, uint64_t min, uint64_t max, uint64_t *ret_ms)
{
	static const struct {
		const char *unit;
		uint64_t ms;
	} units[] = { { "", 1000 },	  { "ms", 1 },	       { "s", 1000 },	{ "sec", 1000 },
		      { "min", 60000 },	  { "m", 60000 },      { "h", 3600000 }, { "d", 86400000 } };
	uint64_t n = 0;
	const char *p = s;

	for (; *p >= '0' && *p <= '9'; p++) {
		n = n * 10 + (uint64_t)(*p - '0');
		if (n > UINT32_MAX)
			return -ERANGE;
	}
	if (p == s)
		return -EINVAL;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (strcmp(p, units[i].unit))
			continue;
		n *= units[i].ms;
		if (n < min || n > max)
			return -ERANGE;
		*ret_ms = n;
		return 0;
	}
	return -EINVAL;
}

static int parse_number(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	uint64_t n = 0;

	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return -EINVAL;
		n = n * 10 + (uint64_t)(*s - '0');
		if (n > UINT32_MAX)
			return -ERANGE;
	}
	if (n < min || n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

int conf_choice(const char *word, const char *list, uint64_t *ret)
{
	size_t n = strlen(word);
	uint64_t i = 0;

	for (const char *p = list; *p; i++) {
		size_t len = strcspn(p, " ");

		if (len == n && !memcmp(p, word, n)) {
			*ret = i;
			return 0;
		}
		p += len + (p[len] == ' ');
	}
	return -EINVAL;
}

/* Set K in C.  0; -EINVAL, -ERANGE, -ENOMEM. */
static int set_key(struct conf *c, const struct conf_key *k, const char *value)
{
	char *place = (char *)c + k->offset;
	uint64_t n = 0;
	char *text;
	int r = 0;

	switch (k->type) {
	case CONF_PATH:
		if (*value != '/')
			return -EINVAL;
		/* fallthrough */
	case CONF_TEXT:
		if (!*value)
			return -EINVAL;
		text = strdup(value);
		if (!text)
			return -ENOMEM;
		free(*(char **)place);
		*(char **)place = text;
		return 0;
	case CONF_DURATION:
		r = conf_duration(value, k->min, k->max, &n);
		break;
	case CONF_NUMBER:
		r = parse_number(value, k->min, k->max, &n);
		break;
	case CONF_BOOL:
		r = conf_choice(value, "no yes", &n);
		break;
	case CONF_CHOICE:
		r = conf_choice(value, k->choices, &n);
		break;
	}
	if (!r)
		*(unsigned int *)place = (unsigned int)n;
	return r;
}

static void describe(const struct conf_key *k, char *ret, size_t n)
{
	switch (k->type) {
	case CONF_PATH:
		snprintf(ret, n, "%s is an absolute path", k->key);
		break;
	case CONF_TEXT:
		snprintf(ret, n, "%s is a text", k->key);
		break;
	case CONF_DURATION:
		snprintf(ret, n, "%s is a time such as %s, from %llus to %llus", k->key, k->fallback,
			 (unsigned long long)k->min / 1000, (unsigned long long)k->max / 1000);
		break;
	case CONF_NUMBER:
		snprintf(ret, n, "%s is a number from %llu to %llu", k->key,
			 (unsigned long long)k->min, (unsigned long long)k->max);
		break;
	case CONF_BOOL:
		snprintf(ret, n, "%s is yes or no", k->key);
		break;
	case CONF_CHOICE:
		snprintf(ret, n, "%s is one of: %s", k->key, k->choices);
		break;
	}
}

/* ---- parsing -------------------------------------------------------------- */

struct parse {
	struct conf *conf;
	const char *name, *text;
	size_t left;
	unsigned int line;
	bool seen[ARRAY_SIZE(keys)];
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

/* One setting, on the line p->line. */
static int take(struct parse *p, const char *section, const char *key, const char *value)
{
	char why[200];
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		if (strcmp(section, keys[i].section) || strcmp(key, keys[i].key))
			continue;
		if (p->seen[i])
			return fail(p->err, -EINVAL, "keep one of the two lines",
				    "%s:%u: %s in [%s] is repeated", p->name, p->line, key, section);
		p->seen[i] = true;
		r = set_key(p->conf, &keys[i], value);
		if (r == -ENOMEM)
			return fail(p->err, r, "", "out of memory");
		if (!r)
			return 0;
		describe(&keys[i], why, sizeof(why));
		return fail(p->err, -EINVAL, "see cmkfs.conf(5)", "%s:%u: '%.64s' is no good value: %s",
			    p->name, p->line, value, why);
	}
	return fail(p->err, -EINVAL, "cmkfs.conf(5) has all keys; look for a misspelling",
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
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		if (strlen(keys[i].section) == n && !memcmp(keys[i].section, s, n))
			return true;
	return false;
}

/* One line, before inih sees any. */
static int check_line(const char *name, unsigned int line, const char *s, size_t n,
		      struct conf_error *err)
{
	const char *end;

	if (n > LINE_MAX_BYTES)
		return fail(err, -EINVAL, "break it up, or use a shorter path",
			    "%s:%u: the line has %zu bytes; at most %d are allowed", name, line, n,
			    LINE_MAX_BYTES);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 && s[i] != '\t' && s[i] != '\r')
			return fail(err, -EINVAL, "the file is to be plain text",
				    "%s:%u: a control character in the line", name, line);
	if (n && (s[0] == ' ' || s[0] == '\t')) {
		size_t i = 0;

		while (i < n && strchr(" \t\r", s[i]))
			i++;
		if (i < n && s[i] != ';' && s[i] != '#')
			return fail(err, -EINVAL, "begin it at the left margin",
				    "%s:%u: the line is indented", name, line);
	}
	if (n && s[0] == '[') {
		end = memchr(s, ']', n);
		if (!end)
			return fail(err, -EINVAL, "write [section]", "%s:%u: no ']' in the line", name,
				    line);
		if (!known_section(s + 1, (size_t)(end - s) - 1))
			return fail(err, -EINVAL, "cmkfs.conf(5) has all sections",
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
	r = ini_parse_stream(next_line, &p, on_setting, &p);
	if (p.r)
		return p.r;
	if (r > 0)
		return fail(err, -EINVAL, "a line is `key = value`, `[section]` or a comment",
			    "%s:%d: the line has no meaning", name, r);
	return r ? fail(err, -ENOMEM, "", "out of memory") : 0;
}

/* ---- files ------------------------------------------------------------------ */

static int read_all(int fd, char *buf, size_t cap, size_t *ret)
{
	size_t n = 0;

	while (n < cap) {
		ssize_t r = read(fd, buf + n, cap - n);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return -errno;
		if (!r)
			break;
		n += (size_t)r;
	}
	*ret = n;
	return 0;
}

static int load_file(struct conf *c, const char *path, bool must, struct conf_error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ char *buf = NULL;
	size_t n = 0;
	int r;

	if (fd < 0) {
		r = -errno;
		if (!must && (r == -ENOENT || r == -ENOTDIR))
			return 0;
		return fail(err, r, "look at its path and permissions", "%s: %s", path, strerror(-r));
	}
	buf = malloc(FILE_MAX_BYTES + 1);
	if (!buf)
		return fail(err, -ENOMEM, "", "out of memory");
	r = read_all(fd, buf, FILE_MAX_BYTES + 1, &n);
	if (r)
		return fail(err, r, "look at its path and permissions", "%s: %s", path, strerror(-r));
	if (n > FILE_MAX_BYTES)
		return fail(err, -EINVAL, "cmkfs.conf(5) shows a usual one",
			    "%s: more than 1 MiB is no configuration", path);
	return conf_parse(c, path, buf, n, err);
}

static int load_user_file(struct conf *c, struct conf_error *err)
{
	const char *base = getenv("XDG_CONFIG_HOME"), *sub = "cmkfs/cmkfs.conf";
	char path[4096];
	int n;

	if (!base || *base != '/') {
		base = getenv("HOME");
		sub = ".config/cmkfs/cmkfs.conf";
	}
	if (!base || *base != '/')
		return 0;
	n = snprintf(path, sizeof(path), "%s/%s", base, sub);
	return n < (int)sizeof(path) ? load_file(c, path, false, err) : 0;
}

int conf_load(struct conf **ret, struct conf_error *err)
{
	const char *only = getenv("CMKFS_CONFIG");
	struct conf *c = conf_new();
	int r;

	if (!c)
		return fail(err, -ENOMEM, "", "out of memory");
	if (only && *only) {
		r = load_file(c, only, true, err);
	} else {
		r = load_file(c, "/etc/cmkfs/cmkfs.conf", false, err);
		if (!r)
			r = load_user_file(c, err);
	}
	if (r)
		conf_free(c);
	else
		*ret = c;
	return r;
}

struct conf *conf_new(void)
{
	struct conf *c = calloc(1, sizeof(*c));

	for (size_t i = 0; c && i < ARRAY_SIZE(keys); i++)
		if (keys[i].fallback && set_key(c, &keys[i], keys[i].fallback) < 0) {
			conf_free(c);
			return NULL;
		}
	return c;
}

void conf_free(struct conf *c)
{
	if (!c)
		return;
	free(c->state_dir);
	free(c->tenant);
	free(c->region);
	free(c);
}
