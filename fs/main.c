/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of verbs, and the finding of one.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "fs/cmd/mount_helper.h"
#include "fs/cmd/verbs.h"
#include "fs/lib/cmd.h"
#include "fs/lib/passphrase.h"

#define DECLARE(name) extern const struct verb verb_##name;
VERBS(DECLARE)
#undef DECLARE

const struct verb *const cmd_verbs[] = {
#define ENTRY(name) &verb_##name,
	VERBS(ENTRY)
#undef ENTRY
	NULL
};

/* Keys pass through this process: no core dump, and no debugger of the same user. */
static void keep_memory_private(void)
{
	const struct rlimit none = { 0, 0 };

	prctl(PR_SET_DUMPABLE, 0);
	setrlimit(RLIMIT_CORE, &none);
}

static int unknown_verb(int argc, char **argv, int words)
{
	char said[256] = "";
	size_t n = 0;

	for (int i = 0; i < argc && i <= words && n < sizeof(said); i++)
		n += (size_t)snprintf(said + n, sizeof(said) - n, "%s%s", i ? " " : "", argv[i]);
	if (words && words == argc)
		return cmd_fail(CMD_USAGE, "cmkfs help lists what may follow",
				"'%s' needs another word", said);
	return cmd_fail(CMD_USAGE, "cmkfs help lists the verbs", "there is no verb '%s'", said);
}

static int run(const struct verb *v, int argc, char **argv)
{
	static struct conf *conf; /* kept to the end: see conf_provider() */
	struct conf_error err;
	struct cmd c;
	int r = opts_parse(v, argc, argv, &c);

	if (r >= 0)
		return r;
	r = conf_load(&conf, &err);
	if (r)
		return cmd_fail(r == -ENOMEM ? CMD_FAILED : CMD_USAGE, err.hint, "%s", err.message);
	c.conf = conf;
	kp_audit_set_best_effort(!conf->audit);
	passphrase_setup(conf);
	return v->run(&c);
}

static int main_verb(int argc, char **argv)
{
	const struct verb *v;
	int words;

	if (argc < 2) {
		opts_help_all();
		return CMD_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		opts_help_all();
		return CMD_OK;
	}
	if (!strcmp(argv[1], "--version") || !strcmp(argv[1], "-V"))
		return run(&verb_version, 1, argv);
	v = opts_find(argc - 1, argv + 1, &words);
	if (!v)
		return unknown_verb(argc - 1, argv + 1, words);
	return run(v, argc - words, argv + words);
}

int main(int argc, char **argv)
{
	int r;

	keep_memory_private();
	if (!strncmp(program_invocation_short_name, "mount.", 6))
		return mount_helper(argc, argv);
	r = main_verb(argc, argv);
	if (fflush(stdout) == EOF && r == CMD_OK)
		return cmd_fail(CMD_FAILED, NULL, "cannot write to standard output");
	return r;
}
