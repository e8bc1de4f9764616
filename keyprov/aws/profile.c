/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of profiles, ~/.aws/credentials and ~/.aws/config: see aws.h.
 *
 * Read by hand: Debian's inih cuts a line at 199 bytes and takes the rest for
 * another setting, and a session token is longer than that.
 */
#include "aws.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>

static const struct {
	const char *key;
	size_t at, cap;
} settings[] = {
#define SETTING(key, field) { key, offsetof(struct aws_profile, field), \
			      sizeof(((struct aws_profile *)0)->field) }
	SETTING("aws_access_key_id", creds.id),
	SETTING("aws_secret_access_key", creds.secret),
	SETTING("aws_session_token", creds.token),
	SETTING("region", region),
	SETTING("role_arn", role_arn),
	SETTING("role_session_name", role_session_name),
	SETTING("web_identity_token_file", web_identity_token_file),
	SETTING("source_profile", source_profile),
	SETTING("credential_source", source_profile),
	SETTING("credential_process", process),
	SETTING("sso_session", process),
	SETTING("sso_start_url", process),
#undef SETTING
};

struct span {
	const char *p;
	size_t n;
};

static struct span trimmed(struct span s)
{
	while (s.n && isspace((unsigned char)s.p[0]))
		s.p++, s.n--;
	while (s.n && isspace((unsigned char)s.p[s.n - 1]))
		s.n--;
	return s;
}

static bool is(struct span s, const char *word)
{
	return s.n == strlen(word) && !strncmp(s.p, word, s.n);
}

/* Whether the line of a section, without its brackets, begins that of PROFILE. */
static bool names(struct span s, bool config, const char *profile)
{
	s = trimmed(s);
	if (!config || (!strcmp(profile, "default") && is(s, profile)))
		return is(s, profile);
	if (s.n < 8 || strncmp(s.p, "profile", 7) != 0 || !isspace((unsigned char)s.p[7]))
		return false;
	s.p += 7, s.n -= 7;
	return is(trimmed(s), profile);
}

static int set(struct aws_profile *p, struct span key, struct span value)
{
	char *field;

	for (unsigned int i = 0; i < ARRAY_SIZE(settings); i++) {
		if (!is(key, settings[i].key))
			continue;
		if (value.n >= settings[i].cap || memchr(value.p, '\0', value.n))
			return -EMSGSIZE;
		field = (char *)p + settings[i].at;
		memcpy(field, value.p, value.n);
		field[value.n] = '\0';
	}
	return 0;
}

static int setting(struct aws_profile *p, struct span line)
{
	const char *equals = memchr(line.p, '=', line.n);
	struct span key, value;

	/* An indented line is part of a nested setting, of which none is of interest. */
	if (!equals || isspace((unsigned char)line.p[0]))
		return 0;
	key = trimmed((struct span){ line.p, (size_t)(equals - line.p) });
	value = trimmed((struct span){ equals + 1, line.n - (size_t)(equals + 1 - line.p) });
	return set(p, key, value);
}

int aws_profile_parse(const char *text, size_t n, bool config, const char *profile,
		      struct aws_profile *ret)
{
	const char *end = text + n, *next;
	bool in = false, found = false;
	int r = 0;

	for (const char *p = text; p < end && !r; p = next) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		struct span line = { p, (size_t)((stop ? stop : end) - p) };

		next = stop ? stop + 1 : end;
		if (!line.n || line.p[0] == '#' || line.p[0] == ';')
			continue;
		if (line.p[0] == '[') {
			const char *close = memchr(line.p, ']', line.n);

			in = close && names((struct span){ line.p + 1, (size_t)(close - line.p) - 1 },
					    config, profile);
			found |= in;
		} else if (in) {
			r = setting(ret, line);
		}
	}
	if (r)
		return r;
	return found ? 0 : -ENOENT;
}
