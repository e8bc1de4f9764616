/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key show`: which keys open a volume, read without any key.
 */
#include <stdio.h>

#include "fs/lib/table.h"
#include "volkeys.h"

static bool json;

static const struct opt opts[] = { OPT_JSON(&json), OPT_END };

static const struct column columns[] = {
	{ .key = "zone", .heading = "ZONE" },
	{ .key = "generation", .heading = "GENERATION", .right = true },
	{ .key = "slot", .heading = "SLOT", .right = true },
	{ .key = "role", .heading = "ROLE" },
	{ .key = "provider", .heading = "PROVIDER" },
	{ .key = "uri", .heading = "URI" },
	{ .key = "version", .heading = "VERSION" },
	{ .key = "follow", .heading = "FOLLOWS" },
};

static const char *role_name(const struct keyslot *s)
{
	static const char *const names[] = { "unknown", "service", "customer", "recovery", "share" };

	return names[s->role < ARRAY_SIZE(names) ? s->role : 0];
}

static json_t *row(const struct generation *gen, const struct keyslot *s)
{
	char uri[KP_URI_MAX], version[KP_URI_MAX];
	const struct kp_ops *ops = kp_provider_of(s->kid, NULL);

	volkeys_split(s->kid, uri, version);
	return json_pack("{ss si si ss ss? ss? ss? sb}", "zone", "0", "generation", (int)gen->g, "slot",
			 s->id, "role", role_name(s), "provider", ops ? ops->name : NULL, "uri",
			 *uri ? uri : NULL, "version", *version ? version : NULL, "follow",
			 s->params_len == 1 && s->params[0] & SLOT_FOLLOW);
}

static int run(const struct cmd *c)
{
	json_t *rows = json_array();
	struct generation *gen;
	struct volkeys k;
	int r = volkeys_load(c, c->argv[0], &k);

	if (!r) {
		gen = keyring_generation(k.ring, k.ring->active);
		for (unsigned int i = 0; gen && i < gen->nslots; i++)
			json_array_append_new(rows, row(gen, &gen->slots[i]));
		r = table_print(stdout, json_incref(rows), columns, ARRAY_SIZE(columns), json) ?
			    CMD_FAILED : CMD_OK;
	}
	json_decref(rows);
	volkeys_done(&k);
	return r;
}

const struct verb verb_key_show = {
	.name = "key show",
	.args = "DIR",
	.summary = "Show the keys that open a volume",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
