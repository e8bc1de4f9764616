/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key test`: all that a volume will ask of a key and its provider, one
 * step after the other, without changing anything but the vault's audit log.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "crypto/rand.h"
#include "crypto/secret.h"
#include "fs/lib/clock.h"
#include "fs/lib/table.h"
#include "volkeys.h"

static const char *dir;
static bool json;

static const struct opt opts[] = {
	{ .name = "as", .arg = "DIR", .help = "ask as the identity of this volume", .value = &dir },
	OPT_JSON(&json), OPT_END
};

static const struct column columns[] = {
	{ .key = "step", .heading = "STEP" },
	{ .key = "result", .heading = "RESULT" },
	{ .key = "ms", .heading = "MS", .right = true },
	{ .key = "detail", .heading = "DETAIL" },
};

struct trial {
	const struct kp_ops *ops;
	struct kp_context ctx;
	const char *uri; /* in its normal form */
	struct kp *kp;
	struct kp_info info;
	uint8_t *secret, *back; /* KP_SECRET_LEN bytes each */
	uint8_t blob[KP_BLOB_MAX];
	size_t n;
	char kid[KP_URI_MAX];
	char detail[KP_URI_MAX + 64]; /* of the step, when it goes well */
};

/* ---- the steps: 0, or what E says ---------------------------------------------------- */

static int do_open(struct trial *t, struct kp_error *e)
{
	snprintf(t->detail, sizeof(t->detail), "provider %s", t->ops->name);
	return t->ops->open(&t->ctx, t->uri, &t->kp, e);
}

static int do_describe(struct trial *t, struct kp_error *e)
{
	int r = t->ops->describe(t->kp, NULL, &t->info, e);

	if (!r)
		snprintf(t->detail, sizeof(t->detail), "%s, %u bits, in %s", t->info.type,
			 t->info.bits, t->info.vault);
	return r;
}

static int do_judge(struct trial *t, struct kp_error *e)
{
	const struct kp_info *i = &t->info;

	snprintf(t->detail, sizeof(t->detail), "get, wrapKey, unwrapKey%s",
		 i->may_more ? ", and more than is needed" : "");
	return kp_acceptable(i, &t->ctx, time(NULL), e);
}

static int do_wrap(struct trial *t, struct kp_error *e)
{
	int r = t->ops->wrap(t->kp, t->secret, KP_SECRET_LEN, t->blob, &t->n, t->kid, e);

	if (!r)
		snprintf(t->detail, sizeof(t->detail), "%zu bytes under %s", t->n, t->kid);
	return r;
}

static int do_unwrap(struct trial *t, struct kp_error *e)
{
	int r = t->ops->unwrap(t->kp, t->kid, t->blob, t->n, t->back, e);

	if (!r && !secret_equal(t->back, t->secret, KP_SECRET_LEN))
		r = kp_fail(e, -EBADMSG, NULL, "%s does not unwrap what it wrapped", t->kid);
	snprintf(t->detail, sizeof(t->detail), "the same key");
	return r;
}

/* What must be refused is: R is what the provider said. */
static int must_refuse(struct trial *t, int r, const char *what, struct kp_error *e)
{
	if (!r)
		return kp_fail(e, -EKEYREJECTED, "do not use this key",
			       "%s unwraps %s", t->kid, what);
	if (!kp_error_row(r)->denied)
		return r;
	snprintf(t->detail, sizeof(t->detail), "refused: %s", e->message);
	*e = (struct kp_error){ 0 };
	return 0;
}

static int do_damaged(struct trial *t, struct kp_error *e)
{
	int r;

	t->blob[t->n - 3] ^= 1; /* of a base64 text it is no padding */
	r = t->ops->unwrap(t->kp, t->kid, t->blob, t->n, t->back, e);
	t->blob[t->n - 3] ^= 1;
	return must_refuse(t, r, "a damaged ciphertext", e);
}

/* An RSA ciphertext is bound to nothing: the volume's own check of the key is all there is. */
static int do_binding(struct trial *t, struct kp_error *e)
{
	struct kp_context other = t->ctx;
	struct kp *kp = NULL;
	int r;

	if (strcmp(t->info.type, "oct") != 0) {
		snprintf(t->detail, sizeof(t->detail), "none: a key of type %s takes none",
			 t->info.type);
		return 0;
	}
	other.binding = "another zone";
	r = t->ops->open(&other, t->uri, &kp, e);
	if (r)
		return r;
	r = t->ops->unwrap(kp, t->kid, t->blob, t->n, t->back, e);
	t->ops->close(kp);
	return must_refuse(t, r, "what was wrapped for another zone", e);
}

static const struct step {
	const char *name;
	int (*fn)(struct trial *t, struct kp_error *e);
} steps[] = {
	{ "open", do_open },	   { "describe", do_describe }, { "judge", do_judge },
	{ "wrap", do_wrap },	   { "unwrap", do_unwrap },	{ "damaged", do_damaged },
	{ "binding", do_binding },
};

static int run_steps(struct trial *t, json_t *rows, struct kp_error *e)
{
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(steps) && !r; i++) {
		uint64_t begin = clock_ms();

		r = steps[i].fn(t, e);
		json_array_append_new(rows, json_pack("{ss ss sI ss}", "step", steps[i].name,
						      "result", r ? kp_error_row(r)->name : "ok",
						      "ms", (json_int_t)(clock_ms() - begin),
						      "detail", r ? e->message : t->detail));
	}
	return r;
}

/* ---- the command ----------------------------------------------------------------------- */

static int test_key(const struct kp_context *ctx, const char *uri)
{
	_cleanup_secret_ uint8_t *keys = secret_alloc(2 * KP_SECRET_LEN);
	struct trial t = { .ctx = *ctx, .secret = keys };
	char normal[KP_URI_MAX];
	struct kp_error e = { 0 };
	json_t *rows;
	int r;

	if (!keys || rand_bytes(keys, KP_SECRET_LEN))
		return cmd_fail(CMD_FAILED, NULL, "cannot make a key to try");
	t.back = keys + KP_SECRET_LEN;
	t.uri = normal;
	t.ops = kp_provider_of(uri, &e);
	r = t.ops ? t.ops->check(uri, normal, &e) : -ENOTSUP;
	if (r)
		return cmd_fail_kp(&e, NULL);
	rows = json_array();
	r = run_steps(&t, rows, &e);
	if (t.kp)
		t.ops->close(t.kp);
	if (table_print(stdout, rows, columns, ARRAY_SIZE(columns), json))
		return CMD_FAILED;
	if (r)
		return cmd_fail_kp(&e, NULL);
	if (!json)
		printf("%s can protect a volume\n", t.kid);
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
	.summary = "Try all that a volume needs of a key",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
