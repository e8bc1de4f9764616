/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which keys may protect a volume (design: what is refused), each refusal
 * with its reason and the command that mends it.
 */
#include "keyprov.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

#define MIN_RSA_BITS 2048u

static bool differs(const char *a, const char *b)
{
	return a && a[0] && b && b[0] && strcasecmp(a, b) != 0;
}

static const char *iso_time(int64_t t, char *buf, size_t cap)
{
	time_t tt = (time_t)t;
	struct tm tm;

	if (!gmtime_r(&tt, &tm) || !strftime(buf, cap, "%Y-%m-%dT%H:%M:%SZ", &tm))
		snprintf(buf, cap, "%lld", (long long)t);
	return buf;
}

/* The kid without its version, where one tells them apart. */
static void key_of(const struct kp_info *i, char ret[static KP_URI_MAX])
{
	const char *p = strstr(i->kid, "/keys/");
	const char *end = p ? strpbrk(p + 6, "/?") : NULL;

	snprintf(ret, KP_URI_MAX, "%.*s", end ? (int)(end - i->kid) : (int)strlen(i->kid), i->kid);
}

static int check_kind(const struct kp_info *i, const char *key, struct kp_error *e)
{
	if (strcmp(i->type, "RSA") != 0 && strcmp(i->type, "oct") != 0) {
		kp_fail(e, -EKEYREJECTED, NULL, "%s is of type %s; RSA is needed", key, i->type);
		return kp_hint(e, -EKEYREJECTED, "make an RSA key: cmkfs vault key create "
			       "local://%s/keys/NEW-NAME --size 2048", i->vault);
	}
	if (!strcmp(i->type, "RSA") && i->bits < MIN_RSA_BITS) {
		kp_fail(e, -EKEYREJECTED, NULL, "%s has %u bits; at least %u are needed", key,
			i->bits, MIN_RSA_BITS);
		return kp_hint(e, -EKEYREJECTED, "make a longer one: cmkfs vault key create "
			       "local://%s/keys/NEW-NAME --size 2048", i->vault);
	}
	return 0;
}

static int check_vault(const struct kp_info *i, const struct kp_context *ctx, struct kp_error *e)
{
	int r = -EKEYREJECTED;

	if (!i->soft_delete) {
		kp_fail(e, r, NULL, "vault %s has no soft delete", i->vault);
		return kp_hint(e, r, "cmkfs vault update %s --soft-delete", i->vault);
	}
	if (!i->purge_protection && !i->service_managed) {
		kp_fail(e, r, NULL, "vault %s has no purge protection", i->vault);
		return kp_hint(e, r, "cmkfs vault update %s --purge-protection", i->vault);
	}
	if (differs(i->tenant, ctx->tenant)) {
		kp_fail(e, r, NULL, "vault %s belongs to tenant %s, the volume to %s", i->vault,
			i->tenant, ctx->tenant);
		return kp_hint(e, r, "take a vault of the volume's tenant: "
			       "cmkfs vault create NEW-VAULT --purge-protection --tenant %s",
			       ctx->tenant);
	}
	if (differs(i->region, ctx->region)) {
		kp_fail(e, r, NULL, "vault %s is in region %s, the volume in %s", i->vault,
			i->region, ctx->region);
		return kp_hint(e, r, "take a vault of the volume's region: "
			       "cmkfs vault create NEW-VAULT --purge-protection --region %s",
			       ctx->region);
	}
	if (i->firewall_blocks) {
		kp_fail(e, -EACCES, NULL,
			"the firewall of vault %s is on and does not let trusted services in",
			i->vault);
		return kp_hint(e, -EACCES, "cmkfs vault firewall %s on --trusted-services",
			       i->vault);
	}
	return 0;
}

static int check_policy(const struct kp_info *i, const struct kp_context *ctx, struct kp_error *e)
{
	const char *who = ctx->principal ? ctx->principal : "PRINCIPAL";

	if (i->may_get && i->may_wrap && i->may_unwrap)
		return 0;
	kp_fail(e, -EACCES, NULL, "the policy of vault %s does not grant %s: %s%s%s", i->vault, who,
		i->may_get ? "" : "get ", i->may_wrap ? "" : "wrapKey ",
		i->may_unwrap ? "" : "unwrapKey ");
	return kp_hint(e, -EACCES, "cmkfs vault policy set %s %s get,wrapKey,unwrapKey", i->vault,
		       who);
}

static int check_times(const struct kp_info *i, const char *key, int64_t now, struct kp_error *e)
{
	char t[32];

	if (i->expires && now >= i->expires) {
		kp_fail(e, -EKEYEXPIRED, NULL, "%s expired at %s", i->kid,
			iso_time(i->expires, t, sizeof(t)));
		return kp_hint(e, -EKEYEXPIRED, "cmkfs vault key rotate %s, or cmkfs vault key "
			       "update %s --expires none", key, i->kid);
	}
	if (i->not_before && now < i->not_before) {
		kp_fail(e, -EKEYEXPIRED, NULL, "%s is not valid before %s", i->kid,
			iso_time(i->not_before, t, sizeof(t)));
		return kp_hint(e, -EKEYEXPIRED, "wait, or cmkfs vault key update %s "
			       "--not-before none", i->kid);
	}
	return 0;
}

int kp_acceptable(const struct kp_info *info, const struct kp_context *ctx, int64_t now,
		  struct kp_error *e)
{
	char key[KP_URI_MAX];
	int r;

	if (info->refusal.code) {
		if (e)
			*e = info->refusal;
		return info->refusal.code;
	}
	key_of(info, key);
	r = check_vault(info, ctx, e);
	if (!r)
		r = check_kind(info, key, e);
	if (!r)
		r = check_policy(info, ctx, e);
	if (r)
		return r;
	if (!info->enabled) {
		kp_fail(e, -EKEYREVOKED, NULL, "%s is disabled", info->kid);
		return kp_hint(e, -EKEYREVOKED, "cmkfs vault key enable %s", key);
	}
	return check_times(info, key, now, e);
}
