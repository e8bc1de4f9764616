/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs help`: all verbs, or one; and the words for shell completion.
 */
#include <stdio.h>

#include "fs/lib/cmd.h"

static bool words;

static const struct opt opts[] = {
	{ .name = "words", .help = "print what may come next, for shell completion", .flag = &words },
	OPT_END
};

static int run(const struct cmd *c)
{
	const struct verb *v;
	int n;

	if (words) {
		opts_complete(c->argc, c->argv);
		return CMD_OK;
	}
	if (!c->argc) {
		opts_help_all();
		return CMD_OK;
	}
	v = opts_find(c->argc, c->argv, &n);
	if (!v)
		return cmd_fail(CMD_USAGE, "cmkfs help lists the verbs", "there is no verb '%s'",
				c->argv[0]);
	opts_help(v);
	return CMD_OK;
}

const struct verb verb_help = {
	.name = "help",
	.args = "[VERB]",
	.summary = "Print the verbs, or how to use one",
	.opts = opts,
	.max_args = 4096, /* --words: the whole command line */
	.run = run,
};
