/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs vault key rotation`: at which age a key gets a new version by itself.
 */
#include <stdio.h>

#include "vault_common.h"

#define AGE_MAX_MS (UINT64_C(100) * 366 * 86400 * 1000)

static const char *after, *expires_after;
static bool off;

static const struct opt opts[] = {
	{ .name = "after", .arg = "AGE", .help = "make a new version when the newest is so old: "
						 "90d",
	  .value = &after },
	{ .name = "expires-after", .arg = "AGE", .help = "let a version made so expire at this age",
	  .value = &expires_after },
	{ .name = "off", .help = "no rotation by itself", .flag = &off },
	OPT_END
};

static int take_age(const char *s, const char *what, int64_t *ret)
{
	uint64_t ms = 0;

	if (s && conf_duration(s, 1000, AGE_MAX_MS, &ms))
		return cmd_fail(CMD_USAGE, "give an age of at least a second: 90d, 12h",
				"--%s: '%s' is not an age", what, s);
	*ret = (int64_t)(ms / 1000);
	return CMD_OK;
}

static int run(const struct cmd *c)
{
	int64_t rotate, expire;
	struct kp_error e = { 0 };
	struct vault_session s;
	int r;

	if (!after == !off || (off && expires_after))
		return cmd_fail(CMD_USAGE, "cmkfs vault key rotation URI --after 90d, or --off",
				"say either when to rotate or that it is off");
	r = take_age(after, "after", &rotate);
	if (!r)
		r = take_age(expires_after, "expires-after", &expire);
	if (r)
		return r;
	r = vault_session(c, VAULT_NEEDED, &s);
	if (!r)
		r = vault_result(local_key_rotation(s.l, c->argv[0], rotate, expire, &e), &e);
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_key_rotation = {
	.name = "vault key rotation",
	.args = "URI",
	.summary = "Set at which age a key is rotated by itself",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
