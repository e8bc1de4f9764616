/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs fsck`: the structure of a volume, and what can be mended of it.
 */
#include "check.h"

static struct check_args args;
static bool repair, rebind;

static const struct opt opts[] = {
	{ .name = "repair", .help = "mend what is certain; removes no data", .flag = &repair },
	{ .name = "rebind", .help = "with --repair: give objects the names they lie under",
	  .flag = &rebind },
	OPTS_CHECK(&args),
	OPT_END
};

static int run(const struct cmd *c)
{
	struct checker k = {
		.cmd = c, .args = &args, .verb = "fsck", .notes = true,
		.opt = { .repair = repair, .rebind = repair && rebind },
	};

	if (rebind && !repair)
		return cmd_fail(CMD_USAGE, "cmkfs fsck --repair --rebind DIR", "--rebind is a repair");
	return check_run(&k, c->argv[0]);
}

const struct verb verb_fsck = {
	.name = "fsck",
	.args = "DIR",
	.summary = "Check the structure of a volume, and repair it",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
