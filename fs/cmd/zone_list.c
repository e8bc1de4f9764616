/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs zone list`: the zones of a mount, with where they begin, or those of a
 * volume, as far as that can be told without keys.
 */
#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "fs/lib/table.h"
#include "fs/mount/control.h"
#include "volkeys.h"

static bool json;

static const struct opt opts[] = { OPT_JSON(&json), OPT_END };

static const struct column columns[] = {
	{ .key = "zone", .heading = "ZONE" },	{ .key = "path", .heading = "PATH" },
	{ .key = "state", .heading = "STATE" }, { .key = "generation", .heading = "GENERATION" },
	{ .key = "uri", .heading = "KEY" },	{ .key = "parent", .heading = "IN" },
	{ .key = "takes_over", .heading = "TAKES-OVER" },
};

struct listing {
	json_t *rows;
	json_t *mounted; /* the zones as the mount has them; NULL: it is none */
};

/* Word KEY of the mount's zone NAME, or null. */
static json_t *word(const struct listing *l, const struct volkeys *k, const char *key)
{
	char id[2 * ID_LEN + 1];
	json_t *z;
	size_t i;

	state_hex(k->zone.zone, ID_LEN, id);
	json_array_foreach(l->mounted, i, z)
		if (!strcmp(json_string_value(json_object_get(z, "zone")) ?: "", id)) {
			json_t *v = json_object_get(z, key);

			return v ? json_incref(v) : json_null();
		}
	return json_null();
}

/* What the zone is under: the first provider's slot. */
static json_t *first_uri(const struct volkeys *k)
{
	struct generation *gen = keyring_generation(k->ring, k->ring->active);
	char uri[KP_URI_MAX], version[KP_URI_MAX];

	for (unsigned int i = 0; gen && i < gen->nslots; i++) {
		enum slot_use use = keyslot_use(&gen->slots[i]);

		if (use != USE_ALONE && use != USE_SHARE)
			continue;
		volkeys_split(gen->slots[i].kid, uri, version);
		return json_string(uri);
	}
	return json_null();
}

static json_t *parent_name(const struct volkeys *k)
{
	char id[2 * ID_LEN + 1];

	if (!strcmp(k->name, "0"))
		return json_null();
	if (!memcmp(k->ring->parent, k->vol.root.zone, ID_LEN))
		return json_string("0");
	state_hex(k->ring->parent, ID_LEN, id);
	return json_string(id);
}

/* A volkeys_fn. */
static int add_row(void *arg, struct volkeys *k)
{
	struct listing *l = arg;

	json_array_append_new(l->rows,
			      json_pack("{ss so so si so so sb}", "zone", k->name, "path",
					word(l, k, "path"), "state", word(l, k, "state"),
					"generation", (int)k->ring->active, "uri", first_uri(k),
					"parent", parent_name(k), "takes_over",
					keyring_takes(k->ring)));
	return CMD_OK;
}

static int run(const struct cmd *c)
{
	_cleanup_free_ char *state = NULL;
	_cleanup_close_ int fd = -1;
	const char *what = c->argv[0], *dir = what;
	struct listing l = { .rows = json_array() };
	json_t *status = NULL, *zones = NULL;
	int r = CMD_OK;

	if (!state_dir(c->conf, &state) && control_connect(state, what, &fd) != -ENOENT) {
		r = ask(c, what, "status", &status, NULL);
		if (!r)
			r = ask(c, what, "zones", &zones, NULL);
		if (!r) {
			l.mounted = json_object_get(zones, "zones");
			dir = json_string_value(json_object_get(status, "dir"));
		}
	}
	if (!r)
		r = volkeys_each(c, dir, add_row, &l);
	if (!r)
		r = table_print(stdout, json_incref(l.rows), columns, ARRAY_SIZE(columns), json) ?
			    CMD_FAILED : CMD_OK;
	json_decref(l.rows);
	json_decref(status);
	json_decref(zones);
	return r;
}

const struct verb verb_zone_list = {
	.name = "zone list",
	.args = "MNT|DIR",
	.summary = "List the zones of a mount or a volume",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
