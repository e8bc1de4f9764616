/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the host's state is, and what providers are told of a volume.
 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

void state_hex(const uint8_t *p, size_t n, char *ret)
{
	for (size_t i = 0; i < n; i++)
		sprintf(ret + 2 * i, "%02x", p[i]);
	ret[2 * n] = 0;
}

int state_unhex(const char *s, uint8_t *ret, size_t n)
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(s) != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		const char *hi = strchr(digits, s[2 * i]), *lo = strchr(digits, s[2 * i + 1]);

		if (!hi || !lo)
			return -EINVAL;
		ret[i] = (uint8_t)((hi - digits) << 4 | (lo - digits));
	}
	return 0;
}

void state_principal(const uint8_t vol[static ID_LEN], char ret[static STATE_PRINCIPAL_LEN])
{
	memcpy(ret, "cmkfs-", 6);
	state_hex(vol, ID_LEN, ret + 6);
}

void state_zone_principal(const struct zone_id *z, char ret[static STATE_ZONE_PRINCIPAL_LEN])
{
	state_principal(z->vol, ret);
	strcat(ret, "-");
	state_hex(z->zone, 4, ret + strlen(ret));
}

static void choose_principal(struct state_context *c, const struct zone_id *z)
{
	char own[STATE_ZONE_PRINCIPAL_LEN];
	_cleanup_free_ char *cred = NULL;

	state_principal(z->vol, c->principal);
	state_zone_principal(z, own);
	if (asprintf(&cred, "%s/identities/%s.cred", c->dir, own) < 0)
		cred = NULL;
	else if (!access(cred, F_OK))
		strcpy(c->principal, own);
}

static int absolute(const char *path, char **ret)
{
	_cleanup_free_ char *cwd = NULL;

	if (*path == '/') {
		*ret = strdup(path);
		return *ret ? 0 : -ENOMEM;
	}
	cwd = getcwd(NULL, 0);
	if (!cwd)
		return -errno;
	return asprintf(ret, "%s/%s", cwd, path) < 0 ? -ENOMEM : 0;
}

static int choose(const struct conf *conf, char **ret)
{
	const char *s = getenv("CMKFS_STATE_DIR"), *home;

	if (s && *s)
		return absolute(s, ret);
	if (conf && conf->state_dir)
		return absolute(conf->state_dir, ret);
	if (!geteuid())
		return absolute("/var/lib/cmkfs", ret);
	s = getenv("XDG_STATE_HOME");
	if (s && *s == '/')
		return asprintf(ret, "%s/cmkfs", s) < 0 ? -ENOMEM : 0;
	home = getenv("HOME");
	if (!home || *home != '/')
		return -ENOENT;
	return asprintf(ret, "%s/.local/state/cmkfs", home) < 0 ? -ENOMEM : 0;
}

/* mkdir -p, the last one 0700. */
static int make_dirs(char *path)
{
	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		int r;

		*p = 0;
		r = mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
		*p = '/';
		if (r)
			return r;
	}
	return mkdir(path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int state_dir(const struct conf *conf, char **ret)
{
	_cleanup_free_ char *path = NULL;
	struct stat st;
	int r = choose(conf, &path);

	if (r)
		return r;
	if (stat(path, &st) < 0) {
		if (errno != ENOENT)
			return -errno;
		r = make_dirs(path);
		if (r)
			return r;
		if (stat(path, &st) < 0)
			return -errno;
	}
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return -EPERM;
	*ret = path;
	path = NULL;
	return 0;
}

int state_context(struct state_context *c, const struct conf *conf, const struct zone_id *z)
{
	int r;

	memset(c, 0, sizeof(*c));
	r = state_dir(conf, &c->dir);
	if (r)
		return r;
	c->kp.state_dir = c->dir;
	c->kp.tenant = conf ? conf->tenant : NULL;
	c->kp.region = conf ? conf->region : NULL;
	c->kp.conf = conf ? conf_provider : NULL;
	c->kp.conf_arg = (void *)(uintptr_t)conf; /* read only */
	if (z) {
		choose_principal(c, z);
		state_hex(z->vol, sizeof(*z), c->binding);
		c->kp.principal = c->principal;
		c->kp.binding = c->binding;
	}
	return 0;
}

void state_context_done(struct state_context *c)
{
	free(c->dir);
	memset(c, 0, sizeof(*c));
}
