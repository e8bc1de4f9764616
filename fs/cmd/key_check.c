/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key check`: would every zone open today, and by which slots.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "fs/lib/table.h"
#include "volkeys.h"

static bool json;

static const struct opt opts[] = { OPT_JSON(&json), OPT_END };

static const struct column columns[] = {
	{ .key = "zone", .heading = "ZONE" },
	{ .key = "generation", .heading = "GENERATION", .right = true },
	{ .key = "slots", .heading = "SLOTS" },
	{ .key = "opens", .heading = "OPENS" },
	{ .key = "kid", .heading = "KEY" },
	{ .key = "reason", .heading = "REASON" },
};

struct checking {
	json_t *rows;
	uint8_t *vk; /* secret */
	unsigned int closed, lost; /* generations that do not open; ways that are lost */
	char first[256]; /* what closes the first of them */
};

static json_t *slot_ids(const struct way *w)
{
	json_t *a = json_array();

	for (unsigned int i = 0; i < w->n; i++)
		json_array_append_new(a, json_integer(w->slot[i]->id));
	return a;
}

/* One way, asked as a lease would. */
static bool check_way(struct checking *c, const struct volkeys *k, const struct generation *gen,
		      const struct way *w)
{
	const struct keyslot *failed = w->slot[0];
	struct kp_error e = { 0 };
	int r = kp_open_way(&k->ctx.kp, &k->zone, gen, w, true, c->vk, &failed, &e);

	secret_wipe(c->vk, KEY_LEN);
	json_array_append_new(c->rows, json_pack("{ss si so sb ss ss?}", "zone", k->name, "generation",
						 (int)gen->g, "slots", slot_ids(w), "opens", !r, "kid",
						 failed->kid, "reason", r ? e.message : NULL));
	if (r && !c->first[0])
		snprintf(c->first, sizeof(c->first), "%s", e.message);
	return !r;
}

static void check_recovery(struct checking *c, const struct volkeys *k, const struct generation *gen)
{
	for (unsigned int i = 0; i < gen->nslots; i++)
		if (keyslot_use(&gen->slots[i]) == USE_RECOVERY)
			json_array_append_new(c->rows,
				json_pack("{ss si s[i] sn ss ss}", "zone", k->name, "generation",
					  (int)gen->g, "slots", gen->slots[i].id, "opens", "kid",
					  gen->slots[i].kid, "reason",
					  "recovery slot: not tried, a way round a revocation"));
}

/* A volkeys_fn. */
static int check_zone(void *arg, struct volkeys *k)
{
	struct checking *c = arg;

	for (unsigned int i = 0; i < k->ring->ngens; i++) {
		const struct generation *gen = &k->ring->gens[i];
		struct way ways[KEYRING_SLOTS];
		unsigned int n, open = 0;

		if (gen->state == GEN_DESTROYED)
			continue;
		n = generation_ways(gen, ways);
		for (unsigned int w = 0; w < n; w++)
			open += check_way(c, k, gen, &ways[w]);
		c->lost += open ? n - open : 0;
		c->closed += !open;
		check_recovery(c, k, gen);
	}
	return CMD_OK;
}

static int run(const struct cmd *c)
{
	struct checking k = { .rows = json_array(), .vk = secret_alloc(KEY_LEN) };
	int r = k.vk ? volkeys_each(c, c->argv[0], check_zone, &k) :
		       cmd_fail(CMD_FAILED, NULL, "out of memory");

	if (!r)
		r = table_print(stdout, json_incref(k.rows), columns, ARRAY_SIZE(columns), json) ?
			    CMD_FAILED : CMD_OK;
	if (!r && k.closed)
		r = cmd_fail(CMD_LOCKED, "the table has the reasons",
			     "not every zone would open today: %s",
			     k.first[0] ? k.first : "there is no way in by a provider");
	else if (!r && k.lost)
		cmd_note("every zone would open, but not by all of its keys");
	json_decref(k.rows);
	secret_free(k.vk);
	return r;
}

const struct verb verb_key_check = {
	.name = "key check",
	.args = "DIR",
	.summary = "Tell whether every zone of a volume would open today",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
