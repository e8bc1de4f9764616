/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keyring of a zone, seen from the command line.
 */
#include "volkeys.h"

#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"

/* ---- which zone -------------------------------------------------------------------- */

static int load(const struct cmd *c, const char *dir, const struct zone_id *id,
		struct volkeys *ret)
{
	struct store_error err = { "", "" };
	bool root;
	int r;

	memset(ret, 0, sizeof(*ret));
	ret->dir = dir;
	r = volume_peek(dir, &ret->vol, NULL, &err);
	if (!r) {
		ret->zone = id ? *id : ret->vol.root;
		root = !memcmp(&ret->zone, &ret->vol.root, sizeof(ret->zone));
		r = root ? volume_peek(dir, NULL, &ret->ring, &err) :
			   volume_peek_zone(dir, &ret->zone, &ret->ring, &err);
	}
	if (r)
		return cmd_fail_store(r, &err, dir);
	if (root)
		strcpy(ret->name, "0");
	else
		state_hex(ret->zone.zone, ID_LEN, ret->name);
	r = state_context(&ret->ctx, c->conf, &ret->zone);
	if (r)
		return cmd_fail(CMD_FAILED, "CMKFS_STATE_DIR or state-dir in the configuration names it",
				"cannot use the state directory: %s", strerror(-r));
	return CMD_OK;
}

int volkeys_load_zone(const struct cmd *c, const char *dir, const struct zone_id *id,
		      struct volkeys *ret)
{
	return load(c, dir, id, ret);
}

/* The zone that NAME begins, of 4 digits or more. */
static int find_zone(const char *dir, const char *name, struct zone_id *ret)
{
	_cleanup_free_ struct zone_id *all = NULL;
	struct store_error err = { "", "" };
	char hex[2 * ID_LEN + 1];
	unsigned int n = 0, found = 0;
	int r = volume_zones(dir, &all, &n, &err);

	if (r)
		return cmd_fail_store(r, &err, dir);
	for (unsigned int i = 0; i < n; i++) {
		state_hex(all[i].zone, ID_LEN, hex);
		if (strlen(name) < 4 || strncmp(hex, name, strlen(name)))
			continue;
		*ret = all[i];
		found++;
	}
	if (found == 1)
		return CMD_OK;
	return cmd_fail(CMD_USAGE, "cmkfs zone list DIR lists them",
			found ? "'%s' begins several zones" : "there is no zone '%s'", name);
}

int volkeys_load(const struct cmd *c, const char *dir, const char *zone, struct volkeys *ret)
{
	struct zone_id id;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (!zone || !strcmp(zone, "0"))
		return load(c, dir, NULL, ret);
	r = find_zone(dir, zone, &id);
	return r ? r : load(c, dir, &id, ret);
}

void volkeys_done(struct volkeys *k)
{
	keyring_free(k->ring);
	state_context_done(&k->ctx);
	recovery_free(k->by);
}

int volkeys_open_with(struct volkeys *k, const char *file)
{
	char why[256];
	int r = file ? recovery_load(file, &k->by, why) : 0;

	return r ? cmd_fail(CMD_USAGE, "it holds a passphrase, or a private RSA key in PEM", "%s: %s",
			    file, why) :
		   CMD_OK;
}

int volkeys_each(const struct cmd *c, const char *dir, volkeys_fn *fn, void *arg)
{
	_cleanup_free_ struct zone_id *all = NULL;
	struct store_error err = { "", "" };
	struct volkeys k;
	unsigned int n = 0;
	int r = volume_zones(dir, &all, &n, &err);

	if (r)
		return cmd_fail_store(r, &err, dir);
	for (unsigned int i = 0; i <= n && !r; i++) {
		r = load(c, dir, i ? &all[i - 1] : NULL, &k);
		if (!r && (!i || k.ring->active)) /* not one that was destroyed */
			r = fn(arg, &k);
		volkeys_done(&k);
	}
	return r;
}

/* ---- opening, wrapping ----------------------------------------------------------------- */

static int by_recovery(const struct volkeys *k, const struct generation *gen, uint8_t *ret_vk)
{
	int r = recovery_open(k->by, &k->zone, gen, ret_vk, NULL);

	if (r == -ENOENT)
		return cmd_fail(CMD_LOCKED, "cmkfs key show lists the slots",
				"generation %u has no recovery slot of this kind", gen->g);
	return r ? cmd_fail(CMD_LOCKED, "cmkfs key show lists the slots",
			    "no recovery slot of generation %u opens by this", gen->g) :
		   CMD_OK;
}

int volkeys_unwrap(const struct volkeys *k, const struct generation *gen, uint8_t *ret_vk)
{
	struct way ways[KEYRING_SLOTS];
	struct kp_error e = { 0 };

	if (k->by)
		return by_recovery(k, gen, ret_vk);
	if (!generation_ways(gen, ways))
		return cmd_fail(CMD_LOCKED, "cmkfs key show lists the slots",
				"generation %u has no slot of a key provider", gen->g);
	return kp_open_generation(&k->ctx.kp, &k->zone, gen, 0, ret_vk, NULL, &e) ?
		       cmd_fail_kp(&e, "the volume's present key cannot be used") : CMD_OK;
}

int volkeys_wrap(const struct kp_context *ctx, const char *uri, enum slot_role role,
		 const uint8_t *secret, struct keyslot *ret_slot, struct kp_error *e)
{
	struct kp_protected info = { 0 };
	int r = kp_protect(ctx, uri, secret, ret_slot, &info, e);

	if (r)
		return r;
	ret_slot->role = (uint8_t)role;
	if (ctx->principal && info.may_more)
		cmd_note("the policy of vault %s grants %s more than get, wrapKey and unwrapKey",
			 info.vault, ctx->principal);
	return 0;
}

/* ---- words --------------------------------------------------------------------------------- */

void volkeys_split(const char *kid, char ret_uri[static KP_URI_MAX],
		   char ret_version[static KP_URI_MAX])
{
	const char *name = strstr(kid, "/keys/"), *v = strstr(kid, "?version=");
	const struct kp_ops *ops = kp_provider_of(kid, NULL);
	size_t skip = strlen("?version=");

	if (ops && ops->split) {
		ops->split(kid, ret_uri, ret_version);
		return;
	}
	if (!v && name) {
		v = strchr(name + 6, '/');
		skip = 1;
	}
	snprintf(ret_version, KP_URI_MAX, "%s", v ? v + skip : "");
	snprintf(ret_uri, KP_URI_MAX, "%.*s", (int)(v ? (size_t)(v - kid) : strlen(kid)), kid);
}

const char *volkeys_role(const struct keyslot *s)
{
	static const char *const names[] = { "unknown", "service", "customer", "recovery", "share" };

	if (s->type == SLOT_COMBINER)
		return "combiner";
	return names[s->role < ARRAY_SIZE(names) ? s->role : 0];
}
