/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key test`: whether a key could protect a volume, without changing
 * anything but the vault's audit log.
 */
#include <stdio.h>

#include "crypto/rand.h"
#include "crypto/secret.h"
#include "volkeys.h"

static const char *dir;

static const struct opt opts[] = {
	{ .name = "as", .arg = "DIR", .help = "ask as the identity of this volume", .value = &dir },
	OPT_END
};

static int test_key(const struct kp_context *ctx, const char *uri)
{
	_cleanup_secret_ uint8_t *vk = secret_alloc(KEY_LEN);
	struct keyslot s;
	struct kp_error e = { 0 };
	int r;

	if (!vk || rand_bytes(vk, KEY_LEN))
		return cmd_fail(CMD_FAILED, NULL, "cannot make a key to try");
	r = volkeys_wrap(ctx, uri, ROLE_CUSTOMER, vk, &s, &e);
	if (r)
		return cmd_fail_kp(&e, NULL);
	printf("%s can protect a volume\n", s.kid);
	kp_slot_done(&s);
	return CMD_OK;
}

static int run(const struct cmd *c)
{
	struct state_context ctx;
	struct volkeys k;
	int r;

	if (dir) {
		r = volkeys_load(c, dir, NULL, &k);
		if (!r)
			r = test_key(&k.ctx.kp, c->argv[0]);
		volkeys_done(&k);
		return r;
	}
	r = state_context(&ctx, c->conf, NULL);
	if (r)
		return cmd_fail(CMD_FAILED, "CMKFS_STATE_DIR or state-dir in the configuration names it",
				"cannot use the state directory: %s", strerror(-r));
	r = test_key(&ctx.kp, c->argv[0]);
	state_context_done(&ctx);
	return r;
}

const struct verb verb_key_test = {
	.name = "key test",
	.args = "URI",
	.summary = "Check whether a key could protect a volume",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
