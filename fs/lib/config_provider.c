/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings in the sections of key providers, whose keys are in their own
 * tables (keyprov.h): a list of texts.
 */
#include <errno.h>

#include "config_internal.h"

const struct kp_conf_key *conf_provider_key(const char *section, const char *key)
{
	const struct kp_ops *ops = kp_provider_named(section);

	if (!ops || !ops->conf_keys)
		return NULL;
	for (const struct kp_conf_key *k = ops->conf_keys; k->name; k++)
		if (!strcmp(k->name, key))
			return k;
	return NULL;
}

static bool good_value(const struct kp_conf_key *k, const char *value)
{
	uint64_t number;

	switch (k->type) {
	case KP_CONF_PATH:
		return *value == '/';
	case KP_CONF_CHOICE:
		return !conf_choice(value, k->choices, &number);
	case KP_CONF_SECONDS:
		return !conf_number(value, 1, 600, &number);
	default:
		return *value;
	}
}

/* What of K there is, as its link: the last link of the list if there is none. */
static struct conf_setting **find(struct conf *c, const struct kp_conf_key *k)
{
	struct conf_setting **s = &c->provider;

	while (*s && (*s)->key != k)
		s = &(*s)->next;
	return s;
}

int conf_provider_set(struct conf *c, const char *section, const struct kp_conf_key *k,
		      const char *value)
{
	struct conf_setting **old = find(c, k), *s;
	size_t n = strlen(value) + 1;

	if (*old && (*old)->seen)
		return -EEXIST;
	if (!good_value(k, value))
		return -EINVAL;
	s = malloc(sizeof(*s) + n);
	if (!s)
		return -ENOMEM;
	*s = (struct conf_setting){ .next = *old ? (*old)->next : NULL, .key = k, .seen = true,
				    .section = kp_provider_named(section)->name };
	memcpy(s->value, value, n);
	free(*old);
	*old = s;
	return 0;
}

void conf_provider_next_file(struct conf *c)
{
	for (struct conf_setting *s = c->provider; s; s = s->next)
		s->seen = false;
}

const char *conf_provider(void *arg, const char *section, const char *key)
{
	const struct conf *c = arg;

	for (const struct conf_setting *s = c->provider; s; s = s->next)
		if (!strcmp(s->section, section) && !strcmp(s->key->name, key))
			return s->value;
	return NULL;
}

void conf_provider_free(struct conf *c)
{
	struct conf_setting *s = c->provider, *next;

	for (; s; s = next) {
		next = s->next;
		free(s);
	}
}
