/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys of the configuration, their defaults, and their values from text.
 */
#include "config_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

const struct conf_key conf_keys[CONF_NKEYS] = {
#define ROW(sec, k, t, field, lo, hi, def, words)                                                  \
	{ sec, k, t, offsetof(struct conf, field), lo, hi, def, words },
	CONF_KEYS(ROW)
#undef ROW
};

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

int conf_number(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
	unsigned long long n;
	char *end;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	n = strtoull(s, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || n < min || n > max)
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

int conf_set(struct conf *c, const struct conf_key *k, const char *value)
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
		r = conf_number(value, k->min, k->max, &n);
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

void conf_describe(const struct conf_key *k, char *ret, size_t n)
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

struct conf *conf_new(void)
{
	struct conf *c = calloc(1, sizeof(*c));

	for (size_t i = 0; c && i < CONF_NKEYS; i++)
		if (conf_keys[i].fallback && conf_set(c, &conf_keys[i], conf_keys[i].fallback) < 0) {
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
	free(c->vault_passphrase_file);
	conf_provider_free(c);
	free(c);
}
