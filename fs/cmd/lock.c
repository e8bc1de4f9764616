/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs lock` and `cmkfs unlock`: an operator locks a mount, whatever the
 * vault says, and takes that back.
 */
#include <stdio.h>

#include "ask.h"

static const char *zone;

static const struct opt opts[] = { OPT_ZONE(&zone), OPT_END };

static int run_lock(const struct cmd *c)
{
	json_t *a;
	int r = ask_request(c, c->argv[0], ask_about_zone("lock", zone), &a, NULL);

	if (r)
		return r;
	printf("locked in %.1f ms\n", json_number_value(json_object_get(a, "ms")));
	if (json_integer_value(json_object_get(a, "lost")))
		cmd_note("some data could not be written in time: cmkfs audit show has the ranges");
	json_decref(a);
	return CMD_OK;
}

const struct verb verb_lock = {
	.name = "lock",
	.args = "MNT",
	.summary = "Lock a mount: drain, wipe the keys, throw out what is cached",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run_lock,
};

static int run_unlock(const struct cmd *c)
{
	json_t *a;
	int r = ask_request(c, c->argv[0], ask_about_zone("unlock", zone), &a, NULL);

	if (!r)
		json_decref(a);
	return r;
}

const struct verb verb_unlock = {
	.name = "unlock",
	.args = "MNT",
	.summary = "Unlock a mount, if the key's vault allows it",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run_unlock,
};
