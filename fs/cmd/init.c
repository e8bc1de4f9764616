/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs init`: make a volume, by default under a service-managed key in the
 * host's embedded vault.
 */
#include <errno.h>
#include <stdio.h>

#include "fs/lib/uses.h"
#include "keyprov/local/local.h"
#include "volkeys.h"

static const char *key, *cipher;
static bool plain_names;

static const struct opt opts[] = {
	{ .name = "key", .letter = 'k', .arg = "URI", .help = "use this customer's key",
	  .value = &key },
	{ .name = "cipher", .letter = 'c', .arg = "gcm|xts",
	  .help = "AES-256-GCM (default), or XTS, which does not detect tampering",
	  .value = &cipher },
	{ .name = "plain-names", .help = "leave file names unencrypted", .flag = &plain_names },
	OPT_END
};

struct making {
	const struct conf *conf;
	struct kp_error e; /* of the provider, when the slot failed */
	char kid[KP_URI_MAX], principal[STATE_ZONE_PRINCIPAL_LEN];
};

/*
 * Make the new volume's identity and let it use the embedded vault's key URI.
 * The operator of an embedded vault may do so, and nobody could have granted
 * it before: the identity's name comes from the volume.
 */
static int grant(const struct state_context *ctx, const char *uri, struct kp_error *e)
{
	struct local_uri u;
	struct local *l;
	int r = local_uri_parse(uri, &u, e);

	if (!r)
		r = local_open(ctx->dir, NULL, true, &l, e);
	if (r)
		return r;
	r = local_identity_create(l, ctx->principal, e);
	if (!r)
		r = local_policy_set(l, u.vault, ctx->principal, PERM_USE, e);
	local_close(l);
	return r;
}

static void ungrant(const struct state_context *ctx, const char *uri)
{
	struct local_uri u;
	struct local *l;

	if (local_uri_parse(uri, &u, NULL) || local_open(ctx->dir, NULL, true, &l, NULL))
		return;
	local_policy_delete(l, u.vault, ctx->principal, NULL);
	local_close(l);
}

static int customer_slot(const struct state_context *ctx, const uint8_t *vk, struct keyslot *ret,
			 struct kp_error *e)
{
	const struct kp_ops *ops = kp_provider_of(key, e);
	bool embedded = ops == &kp_local;
	int r = ops ? 0 : e->code;

	if (!r && embedded)
		r = grant(ctx, key, e);
	if (!r)
		r = volkeys_wrap(&ctx->kp, key, ROLE_CUSTOMER, vk, ret, e);
	if (r && embedded)
		ungrant(ctx, key);
	return r;
}

static int service_slot(const struct state_context *ctx, const struct zone_id *z,
			const uint8_t *vk, struct keyslot *ret, struct kp_error *e)
{
	char uri[KP_URI_MAX], name[2 * ID_LEN + 1];
	int r;

	state_hex(z->vol, ID_LEN, name);
	r = local_service_key(&ctx->kp, name, uri, e);
	return r ? r : volkeys_wrap(&ctx->kp, uri, ROLE_SERVICE, vk, ret, e);
}

/* An init_slot_fn: wrap the new volume's key. */
static int add_slot(void *arg, const uint8_t vk[static KEY_LEN], const struct zone_id *z,
		    struct keyslot *ret)
{
	struct making *m = arg;
	struct state_context ctx;
	int r = state_context(&ctx, m->conf, z);

	if (r)
		kp_fail(&m->e, r, "CMKFS_STATE_DIR or state-dir in the configuration names it",
			"cannot use the state directory: %s", strerror(-r));
	else
		r = key ? customer_slot(&ctx, vk, ret, &m->e) :
			  service_slot(&ctx, z, vk, ret, &m->e);
	if (!r) {
		snprintf(m->kid, sizeof(m->kid), "%s", ret->kid);
		snprintf(m->principal, sizeof(m->principal), "%s", ctx.principal);
	}
	state_context_done(&ctx);
	return r;
}

static int suite_of(const struct conf *conf, enum suite *ret)
{
	const char *name = cipher ? cipher : conf->cipher ? "xts" : "gcm";

	*ret = strcmp(name, "xts") ? SUITE_GCM : SUITE_XTS;
	if (strcmp(name, "xts") && strcmp(name, "gcm"))
		return cmd_fail(CMD_USAGE, "--cipher is gcm or xts", "there is no cipher '%s'", name);
	return CMD_OK;
}

static int run(const struct cmd *c)
{
	struct init_options o = { .names = plain_names || c->conf->plain_names ? NAME_PLAIN :
										 NAME_ENCRYPTED,
				  .padding = 16,
				  .binding = (uint8_t)c->conf->binding,
				  .crash = (uint8_t)c->conf->crash };
	struct store_error err = { "", "" };
	struct making m = { .conf = c->conf };
	_cleanup_free_ char *state = NULL;
	const char *dir = c->argv[0];
	char id[2 * ID_LEN + 1];
	struct zone_id z;
	int r = suite_of(c->conf, &o.suite);

	if (r)
		return r;
	if (key && !kp_provider_of(key, &m.e)) /* before anything is made */
		return cmd_fail_kp(&m.e, NULL);
	r = volume_init(dir, &o, add_slot, &m, &z, &err);
	if (r && m.e.code)
		return cmd_fail_kp(&m.e, NULL);
	if (r)
		return cmd_fail_store(r, &err, dir);
	if (!state_dir(c->conf, &state))
		uses_note(state, dir);
	state_hex(z.vol, ID_LEN, id);
	printf("volume:   %s\nkey:      %s\nidentity: %s\ncipher:   %s\n", id, m.kid, m.principal,
	       o.suite == SUITE_GCM ? "AES-256-GCM" : "AES-256-XTS");
	if (o.suite == SUITE_XTS)
		cmd_note_xts();
	return CMD_OK;
}

const struct verb verb_init = {
	.name = "init",
	.args = "DIR",
	.summary = "Make a volume in an empty or new directory",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
