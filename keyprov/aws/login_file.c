/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials in files: see login.h.  They are opened anew each time, so that
 * one that was replaced is seen.
 */
#include "login.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "keyprov/net/file.h"

#define FILE_MAX 65536u

/* NAMED, or NAME in the user's ~/.aws; NULL: there is no home. */
static const char *path_of(const char *named, const char *name, char *buf, size_t cap)
{
	struct passwd pw, *found = NULL;
	const char *home = getenv("HOME");
	char strings[1024];

	if (named)
		return named;
	if (!home || *home != '/') {
		if (getpwuid_r(geteuid(), &pw, strings, sizeof(strings), &found) || !found)
			return NULL;
		home = found->pw_dir;
	}
	return snprintf(buf, cap, "%s/.aws/%s", home, name) < (int)cap ? buf : NULL;
}

static int load(const struct aws_login *l, const char *named, const char *name, bool config,
		struct aws_profile *ret, struct kp_error *e)
{
	_cleanup_secret_ char *text = secret_alloc(FILE_MAX);
	char buf[1024];
	const char *path = path_of(named, name, buf, sizeof(buf));
	size_t n;
	int r;

	if (!path || (access(path, F_OK) && (errno == ENOENT || errno == ENOTDIR)))
		return -ENOENT;
	if (!text)
		return kp_fail(e, -EAGAIN, NULL, "no memory for %.180s", path);
	r = net_read_file(path, !config, text, FILE_MAX, &n, e);
	if (!r)
		r = aws_profile_parse(text, n, config, l->profile, ret);
	if (r == -EMSGSIZE)
		return kp_fail(e, -EIO, "look at what is written there", "%.180s: a value is too long",
			       path);
	return r;
}

int aws_profile_load(const struct aws_login *l, struct aws_profile *ret, struct kp_error *e)
{
	int first, second;

	memset(ret, 0, sizeof(*ret));
	first = load(l, l->config_file, "config", true, ret, e);
	if (first && first != -ENOENT)
		return first;
	second = load(l, l->credentials_file, "credentials", false, ret, e); /* goes over it */
	if (second && second != -ENOENT)
		return second;
	if (first && second && l->profile_named)
		return kp_fail(e, -EIO, "aws configure list-profiles tells which there are",
			       "there is no profile %.64s in the files of AWS", l->profile);
	return first ? second : 0;
}
