/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where credentials come from, in the order of AWS's own tools: see login.h.
 */
#include "login.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#include "crypto/secret.h"

_Static_assert(sizeof(struct aws_creds) <= TOKEN_MAX, "credentials are kept as a token");

#define FILE_LIFE_MS 60000 /* a file may be another one by then */

static int from_environment(struct aws_login *l, struct aws_creds *ret, struct kp_error *e)
{
	const char *id = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
	const char *token = getenv("AWS_SESSION_TOKEN");

	(void)l;
	if (!id || !*id || !secret || !*secret)
		return -ENOENT;
	if (snprintf(ret->id, sizeof(ret->id), "%s", id) >= (int)sizeof(ret->id) ||
	    snprintf(ret->secret, sizeof(ret->secret), "%s", secret) >= (int)sizeof(ret->secret) ||
	    snprintf(ret->token, sizeof(ret->token), "%s", token ? token : "") >=
		    (int)sizeof(ret->token))
		return kp_fail(e, -EIO, NULL, "the credentials of the environment are too long");
	return 0;
}

static int from_web_identity(struct aws_login *l, struct aws_creds *ret, struct kp_error *e)
{
	if (!l->role_arn || !l->web_identity_token_file)
		return -ENOENT;
	return aws_assume_role(l, l->role_arn, l->role_session_name, l->web_identity_token_file,
			       ret, e);
}

static int from_profile(struct aws_login *l, struct aws_creds *ret, struct kp_error *e)
{
	_cleanup_secret_ struct aws_profile *p = secret_alloc(sizeof(*p));
	int r = p ? aws_profile_load(l, p, e) : kp_fail(e, -EAGAIN, NULL, "no memory for a profile");

	if (r)
		return r;
	if (p->creds.id[0] && p->creds.secret[0]) {
		*ret = p->creds;
		return 0;
	}
	if (p->role_arn[0] && p->web_identity_token_file[0])
		return aws_assume_role(l, p->role_arn, p->role_session_name,
				       p->web_identity_token_file, ret, e);
	if (p->source_profile[0] || p->process[0])
		return kp_fail(e, -EIO, "name a profile with a key of its own or a web identity, or "
			       "let the tool that has the credentials write them into a profile",
			       "profile %.64s has its credentials from another profile, a program "
			       "or single sign-on, which are not asked", l->profile);
	return -ENOENT;
}

static const struct {
	const char *name; /* of `credentials` in the configuration */
	int (*fetch)(struct aws_login *l, struct aws_creds *ret, struct kp_error *e);
	int64_t life_ms; /* of what does not say itself how long it is good; 0: until refused */
} sources[] = {
	{ "environment", from_environment, 0 },
	{ "web-identity", from_web_identity, 0 },
	{ "profile", from_profile, FILE_LIFE_MS },
	{ "container", aws_from_container, 0 },
	{ "instance", aws_from_instance, 0 },
};

static int life_of(const struct aws_creds *c, int64_t otherwise, int64_t *ret_ms,
		   struct kp_error *e)
{
	int64_t now = time(NULL);

	*ret_ms = otherwise;
	if (!c->expires)
		return 0;
	if (c->expires <= now)
		return kp_fail(e, -EKEYREJECTED, "is the clock of this machine right?",
			       "the credentials of AWS were over when they came");
	*ret_ms = (c->expires - now) * 1000;
	return 0;
}

/* A token_fn: what is kept is a struct aws_creds. */
static int fetch(void *arg, char *ret, int64_t *ret_life_ms, struct kp_error *e)
{
	struct aws_creds *c = (struct aws_creds *)(void *)ret;
	struct aws_login *l = arg;
	int r;

	for (unsigned int i = 0; i < ARRAY_SIZE(sources); i++) {
		if (l->only && strcmp(l->only, sources[i].name) != 0)
			continue;
		memset(c, 0, sizeof(*c));
		r = sources[i].fetch(l, c, e);
		if (!r)
			return life_of(c, sources[i].life_ms, ret_life_ms, e);
		if (r == -EAGAIN && !l->only && i == ARRAY_SIZE(sources) - 1)
			kp_hint(e, r, "%s", "if this is no EC2 instance, it has no credentials: "
				"cmkfs-providers(7) tells where they are looked for");
		if (r != -ENOENT)
			return r;
	}
	return kp_fail(e, -EAGAIN, "cmkfs-providers(7) tells where they are looked for",
		       "there are no credentials of AWS%s%s", l->only ? " from: " : "",
		       l->only ? l->only : "");
}

int aws_login(struct aws_login *l, const struct aws_creds **ret, struct kp_error *e)
{
	const char *value;
	int r = token_get(&l->token, fetch, l, &value, e);

	if (!r)
		*ret = (const struct aws_creds *)(const void *)value;
	return r;
}

static const char *conf_or_env(const struct kp_context *ctx, const char *key, const char *variable)
{
	const char *s = kp_conf(ctx, "aws", key);

	if (!s && variable)
		s = getenv(variable);
	return s && *s ? s : NULL;
}

void aws_login_setup(struct aws_login *l, const struct kp_context *ctx)
{
	const char *only = kp_conf(ctx, "aws", "credentials");

	memset(l, 0, sizeof(*l));
	l->only = only && strcmp(only, "auto") ? only : NULL;
	l->profile = conf_or_env(ctx, "profile", "AWS_PROFILE");
	l->profile_named = l->profile != NULL;
	if (!l->profile)
		l->profile = "default";
	l->credentials_file = conf_or_env(ctx, "credentials-file", "AWS_SHARED_CREDENTIALS_FILE");
	l->config_file = conf_or_env(ctx, "config-file", "AWS_CONFIG_FILE");
	l->role_arn = conf_or_env(ctx, "role-arn", "AWS_ROLE_ARN");
	l->role_session_name = conf_or_env(ctx, "role-session-name", "AWS_ROLE_SESSION_NAME");
	l->web_identity_token_file =
		conf_or_env(ctx, "web-identity-token-file", "AWS_WEB_IDENTITY_TOKEN_FILE");
	l->sts_endpoint = conf_or_env(ctx, "sts-endpoint", NULL);
	l->metadata_endpoint = conf_or_env(ctx, "metadata-endpoint",
					   "AWS_EC2_METADATA_SERVICE_ENDPOINT");
	l->ca_file = conf_or_env(ctx, "ca-file", NULL);
	l->region = conf_or_env(ctx, "region", "AWS_REGION");
	if (!l->region)
		l->region = conf_or_env(ctx, "region", "AWS_DEFAULT_REGION");
}

void aws_login_done(struct aws_login *l)
{
	token_done(&l->token);
	http_free(l->sts);
	http_free(l->near);
	l->sts = l->near = NULL;
}
