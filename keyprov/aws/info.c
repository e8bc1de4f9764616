/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What KMS says of a key, in the words of all providers: see aws.h.
 *
 * A key that is scheduled for deletion can be saved for 7 to 30 days, and nobody
 * can shorten that: this is soft delete and purge protection in one.
 */
#include "aws.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

static void kind_of(const char *spec, struct kp_info *ret)
{
	int n = (int)strcspn(spec, "_");

	if (!strcmp(spec, "SYMMETRIC_DEFAULT")) {
		snprintf(ret->type, sizeof(ret->type), "oct");
		ret->bits = 256;
		return;
	}
	snprintf(ret->type, sizeof(ret->type), "%.*s", MIN(n, (int)sizeof(ret->type) - 1), spec);
	if (!strcmp(ret->type, "RSA"))
		ret->bits = (unsigned int)strtoul(spec + n + 1, NULL, 10);
}

static bool is(const char *state, const char *word)
{
	return !strcmp(state, word);
}

static void refuse_deletion(const struct aws_key *k, struct kp_error *e)
{
	time_t t = (time_t)k->deletion;
	char date[32] = "soon";
	struct tm tm;

	if (t && gmtime_r(&t, &tm))
		strftime(date, sizeof(date), "on %Y-%m-%d", &tm);
	kp_fail(e, -EKEYREVOKED, NULL, "%.120s is pending deletion, %s", k->arn, date);
	kp_hint(e, -EKEYREVOKED, "aws kms cancel-key-deletion --key-id %.110s && "
		"aws kms enable-key --key-id %.110s", k->arn, k->arn);
}

static void refuse_state(const struct aws_key *k, struct kp_error *e)
{
	if (is(k->state, "Enabled") || is(k->state, "Updating"))
		return;
	if (is(k->state, "PendingDeletion") || is(k->state, "PendingReplicaDeletion")) {
		refuse_deletion(k, e);
	} else if (is(k->state, "Disabled")) {
		kp_fail(e, -EKEYREVOKED, NULL, "%.120s is disabled", k->arn);
		kp_hint(e, -EKEYREVOKED, "aws kms enable-key --key-id %.200s", k->arn);
	} else if (is(k->state, "PendingImport")) {
		kp_fail(e, -EKEYREVOKED, NULL, "%.120s has no key material", k->arn);
		kp_hint(e, -EKEYREVOKED, "aws kms import-key-material --key-id %.200s …", k->arn);
	} else {
		kp_fail(e, -EAGAIN, "the key store of the key may be disconnected",
			"%.120s is in state %.32s", k->arn, k->state);
	}
}

static void refuse(const struct aws_key *k, const char *type, struct kp_error *e)
{
	if (is(k->manager, "AWS"))
		kp_fail(e, -EKEYREJECTED, "make a key of your own: aws kms create-key",
			"%.120s is managed by AWS, not by you", k->arn);
	else if (!is(k->usage, "ENCRYPT_DECRYPT") || (!is(type, "oct") && !is(type, "RSA")))
		kp_fail(e, -EKEYREJECTED, "make a key for encryption: aws kms create-key",
			"%.120s is of kind %.32s, for %.32s", k->arn, k->spec,
			k->usage[0] ? k->usage : "no use that is told");
	else
		refuse_state(k, e);
}

static bool differs(const char *a, const char *b)
{
	return a[0] && strcasecmp(a, b) != 0;
}

/* Where it is, which all providers look at, in the words of this one. */
static void refuse_place(const struct aws_key *k, const struct aws_place *p, struct kp_error *e)
{
	const char *account = k->name.account, *region = k->name.region;

	if (differs(p->tenant, account)) {
		kp_fail(e, -EKEYREJECTED, NULL, "%.120s is of account %s, the volume of tenant %s",
			k->arn, account, p->tenant);
		kp_hint(e, -EKEYREJECTED, "take a key of account %s", p->tenant);
	} else if (differs(p->region, region)) {
		kp_fail(e, -EKEYREJECTED, NULL, "%.120s is in region %s, the volume in %s", k->arn,
			region, p->region);
		kp_hint(e, -EKEYREJECTED, "take a key of that region: aws kms create-key --region %s",
			p->region);
	}
}

void aws_info(const struct aws_key *k, const struct aws_place *of, struct kp_info *ret)
{
	memset(ret, 0, sizeof(*ret));
	kind_of(k->spec, ret);
	ret->enabled = is(k->state, "Enabled") || is(k->state, "Updating");
	ret->expires = k->valid_to;
	ret->soft_delete = ret->purge_protection = true;
	/* Only trying tells; wrapping and unwrapping are tried. */
	ret->may_get = ret->may_wrap = ret->may_unwrap = true;
	snprintf(ret->tenant, sizeof(ret->tenant), "%s", k->name.account);
	snprintf(ret->region, sizeof(ret->region), "%s", k->name.region);
	refuse_place(k, of, &ret->refusal);
	if (!ret->refusal.code)
		refuse(k, ret->type, &ret->refusal);
}
