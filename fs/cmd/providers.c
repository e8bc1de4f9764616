/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs providers`: the key providers that are built in.
 */
#include <stdio.h>

#include "fs/lib/cmd.h"
#include "fs/lib/table.h"

static bool json;

static const struct opt opts[] = { OPT_JSON(&json), OPT_END };

static const struct column columns[] = {
	{ .key = "provider", .heading = "PROVIDER" },
	{ .key = "schemes", .heading = "SCHEMES" },
	{ .key = "watched", .heading = "WATCHED" },
	{ .key = "summary", .heading = "SUMMARY" },
};

static const char *const types[] = {
	[KP_CONF_TEXT] = "text",
	[KP_CONF_PATH] = "path",
	[KP_CONF_CHOICE] = "choice",
	[KP_CONF_SECONDS] = "seconds",
};

/* Of a choice the first word is the default. */
static json_t *conf_key(const struct kp_conf_key *k)
{
	json_t *choices = k->type == KP_CONF_CHOICE ? json_array() : NULL;
	const char *s = k->choices;
	size_t n = s ? strlen(s) : 0;

	if (choices) {
		n = strcspn(s, " ");
		for (const char *p = s; *p; p += strcspn(p, " "), p += strspn(p, " "))
			json_array_append_new(choices, json_stringn(p, strcspn(p, " ")));
	}
	return json_pack("{ss ss so so}", "name", k->name, "type", types[k->type], "choices",
			 choices ? choices : json_null(), "default",
			 s ? json_stringn(s, n) : json_null());
}

static json_t *row(const struct kp_ops *ops)
{
	json_t *schemes = json_array(), *keys = json_array();

	for (const struct kp_conf_key *k = ops->conf_keys; k && k->name; k++)
		json_array_append_new(keys, conf_key(k));
	for (const char *const *s = ops->schemes; *s; s++)
		json_array_append_new(schemes, json_string(*s));
	return json_pack("{ss so sb so ss}", "provider", ops->name, "schemes", schemes, "watched",
			 ops->watched, "configuration", keys, "summary", ops->summary);
}

static int run(const struct cmd *c)
{
	json_t *rows = json_array();

	(void)c;
	for (const struct kp_ops *const *p = kp_providers; *p; p++)
		json_array_append_new(rows, row(*p));
	for (const struct kp_lack *l = kp_lacking; l->name; l++)
		cmd_note("the provider %s is not part of this build, which was made without %s", l->name,
			 l->library);
	return table_print(stdout, rows, columns, ARRAY_SIZE(columns), json) ? CMD_FAILED : CMD_OK;
}

const struct verb verb_providers = {
	.name = "providers",
	.args = "",
	.summary = "List the key providers that are built in",
	.opts = opts,
	.run = run,
};
