/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key show`: which keys open the zones of a volume, read without any key.
 */
#include <stdio.h>

#include "ask.h"
#include "fs/lib/table.h"
#include "volkeys.h"

static bool json;
static const char *zone;

static const struct opt opts[] = { OPT_JSON(&json), OPT_ZONE(&zone), OPT_END };

static const struct column columns[] = {
	{ .key = "zone", .heading = "ZONE" },
	{ .key = "generation", .heading = "GENERATION", .right = true },
	{ .key = "slot", .heading = "SLOT", .right = true },
	{ .key = "role", .heading = "ROLE" },
	{ .key = "group", .heading = "GROUP", .right = true },
	{ .key = "provider", .heading = "PROVIDER" },
	{ .key = "uri", .heading = "URI" },
	{ .key = "version", .heading = "VERSION" },
	{ .key = "follow", .heading = "FOLLOWS" },
};

/* Of what has no provider. */
static const char *kind(const struct keyslot *s)
{
	return s->type == SLOT_PASSPHRASE ? "passphrase" : s->type == SLOT_OFFLINE ? "offline RSA" : NULL;
}

static json_t *row(const struct volkeys *k, const struct generation *gen, const struct keyslot *s)
{
	char uri[KP_URI_MAX], version[KP_URI_MAX];
	const struct kp_ops *ops = kp_provider_of(s->kid, NULL);

	volkeys_split(s->kid, uri, version);
	return json_pack("{ss si si ss si ss? ss? ss? sb}", "zone", k->name, "generation",
			 (int)gen->g, "slot", s->id, "role", volkeys_role(s), "group", s->group,
			 "provider", ops ? ops->name : kind(s), "uri", *uri ? uri : NULL, "version",
			 *version ? version : NULL, "follow",
			 s->params_len == 1 && s->params[0] & SLOT_FOLLOW);
}

/* A volkeys_fn: the slots of the generation in use, then those of older ones. */
static int add_rows(void *rows, struct volkeys *k)
{
	for (unsigned int i = 0; i < k->ring->ngens; i++) {
		const struct generation *gen = &k->ring->gens[i];

		for (unsigned int s = 0; s < gen->nslots; s++)
			json_array_append_new(rows, row(k, gen, &gen->slots[s]));
	}
	return CMD_OK;
}

static int run(const struct cmd *c)
{
	json_t *rows = json_array();
	struct volkeys k;
	int r;

	if (zone) {
		r = volkeys_load(c, c->argv[0], zone, &k);
		if (!r)
			add_rows(rows, &k);
		volkeys_done(&k);
	} else {
		r = volkeys_each(c, c->argv[0], add_rows, rows);
	}
	if (!r)
		r = table_print(stdout, json_incref(rows), columns, ARRAY_SIZE(columns), json) ?
			    CMD_FAILED : CMD_OK;
	json_decref(rows);
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
