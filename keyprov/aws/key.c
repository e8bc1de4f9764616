/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where a key is asked for: region and endpoint.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "key.h"

/* From the ARN, the configuration, the environment or the profile. */
static int find_region(struct kp *kp, struct kp_error *e)
{
	_cleanup_secret_ struct aws_profile *p = secret_alloc(sizeof(*p));
	const char *region = kp->uri.region[0] ? kp->uri.region : kp->login.region;
	int r = 0;

	if (!p)
		return kp_fail(e, -EAGAIN, NULL, "no memory for a profile");
	if (!region) {
		r = aws_profile_load(&kp->login, p, e);
		region = p->region;
	}
	if (r && r != -ENOENT)
		return r;
	if (!region[0] || strlen(region) >= sizeof(kp->login.key_region) ||
	    region[strspn(region, "abcdefghijklmnopqrstuvwxyz0123456789-")])
		return kp_fail(e, -EINVAL, "name the key by its ARN, or set region in [aws] of "
			       "cmkfs.conf(5)", "the region of the key is not known");
	snprintf(kp->login.key_region, sizeof(kp->login.key_region), "%s", region);
	return 0;
}

int aws_key_setup(struct kp *kp, const struct kp_context *ctx, struct kp_error *e)
{
	struct http_options opt = { .ca_file = NULL };
	int r;

	aws_login_setup(&kp->login, ctx);
	r = find_region(kp, e);
	if (r)
		return r;
	if (kp->uri.endpoint[0])
		snprintf(kp->url, sizeof(kp->url), "https://%s/", kp->uri.endpoint);
	else
		snprintf(kp->url, sizeof(kp->url), "https://kms.%s.%s/", kp->login.key_region,
			 aws_domain(kp->login.key_region));
	snprintf(kp->place.tenant, sizeof(kp->place.tenant), "%s", ctx->tenant ? ctx->tenant : "");
	snprintf(kp->place.region, sizeof(kp->place.region), "%s", ctx->region ? ctx->region : "");
	if (ctx->binding) {
		kp->binding = strdup(ctx->binding);
		if (!kp->binding)
			return kp_fail(e, -EAGAIN, NULL, "no memory for a key");
	}
	opt.ca_file = kp->login.ca_file;
	return http_new(&opt, &kp->http, e);
}
