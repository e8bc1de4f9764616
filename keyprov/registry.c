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

/* Why nobody has URI; KNOWN: the schemes that there are. */
static void fail_unknown(const char *uri, const char *known, struct kp_error *e)
{
	const struct kp_lack *l = kp_lacking;
	int n = (int)strcspn(uri, ":");

	while (l->name && strncasecmp(uri, l->scheme, strlen(l->scheme)) != 0)
		l++;
	if (l->name) {
		kp_fail(e, -ENOTSUP, NULL, "the provider %s is not part of this build, which was made "
			"without %s", l->name, l->library);
		kp_hint(e, -ENOTSUP, "take a cmkfs that was built with %s; this one has: %s", l->library,
			known);
		return;
	}
	if (uri[n] == ':')
		kp_fail(e, -ENOTSUP, NULL, "no key provider for '%.*s:' in this build",
			MIN(n, 40), uri);
	else
		kp_fail(e, -ENOTSUP, NULL, "'%.100s' is not a key URI", uri);
	kp_hint(e, -ENOTSUP, "use a key URI of: %s, as local://VAULT/keys/NAME", known);
}

const struct kp_ops *kp_provider_of(const char *uri, struct kp_error *e)
{
	const struct kp_ops *const *p;
	const char *const *s;
	char known[192] = "";

	for (p = kp_providers; *p; p++)
		for (s = (*p)->schemes; *s; s++) {
			if (!strncasecmp(uri, *s, strlen(*s)))
				return *p;
			append(known, sizeof(known), *s);
		}
	fail_unknown(uri, known, e);
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
