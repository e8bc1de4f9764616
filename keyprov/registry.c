/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which provider has a URI, or a name.
 */
#include "keyprov.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>

static void append(char *s, size_t cap, const char *word)
{
	size_t n = strlen(s);

	snprintf(s + n, cap - n, "%s%s", n ? ", " : "", word);
}

const struct kp_ops *kp_provider_of(const char *uri, struct kp_error *e)
{
	const struct kp_ops *const *p;
	const char *const *s;
	char known[192] = "";
	int n = (int)strcspn(uri, ":");

	for (p = kp_providers; *p; p++)
		for (s = (*p)->schemes; *s; s++) {
			if (!strncasecmp(uri, *s, strlen(*s)))
				return *p;
			append(known, sizeof(known), *s);
		}

	if (uri[n] == ':')
		kp_fail(e, -ENOTSUP, NULL, "no key provider for '%.*s:' in this build",
			MIN(n, 40), uri);
	else
		kp_fail(e, -ENOTSUP, NULL, "'%.100s' is not a key URI", uri);
	kp_hint(e, -ENOTSUP, "use a key URI of: %s, as local://VAULT/keys/NAME", known);
	return NULL;
}

const char *kp_conf(const struct kp_context *ctx, const char *section, const char *key)
{
	return ctx->conf ? ctx->conf(ctx->conf_arg, section, key) : NULL;
}

const struct kp_ops *kp_provider_named(const char *name)
{
	const struct kp_ops *const *p;

	for (p = kp_providers; *p; p++)
		if (!strcmp((*p)->name, name))
			return *p;
	return NULL;
}
