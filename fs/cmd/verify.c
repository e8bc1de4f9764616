/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs verify`: read and authenticate everything in a volume.
 */
#include "check.h"

static struct check_args args;
static const char *state;

static const struct opt opts[] = {
	{ .name = "state", .arg = "FILE", .help = "remember in FILE how far it is, and go on there",
	  .value = &state },
	OPTS_CHECK(&args),
	OPT_END
};

static int run(const struct cmd *c)
{
	struct checker k = {
		.cmd = c, .args = &args, .verb = "verify", .state = state, .opt = { .contents = true },
	};

	return check_run(&k, c->argv[0]);
}

const struct verb verb_verify = {
	.name = "verify",
	.args = "DIR|MNT",
	.summary = "Read and authenticate everything in a volume",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
