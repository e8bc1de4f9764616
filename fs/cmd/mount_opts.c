/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing of -o.
 */
#include "mount_opts.h"

#include <stdio.h>

#include "fs/lib/cmd.h"

enum kind { FLAG, UNFLAG, DURATION, NUMBER, WORD };

/* X(name, value's word in the help, kind, field, minimum, maximum, words, help) */
#define MOUNT_OPTS(X)                                                                              \
	X("ro", NULL, FLAG, read_only, 0, 0, NULL, "read-only")                                    \
	X("rw", NULL, UNFLAG, read_only, 0, 0, NULL, "read-write (default)")                       \
	X("allow_other", NULL, FLAG, allow_other, 0, 0, NULL, "let other users in, by the modes")  \
	X("allow-deployments", NULL, FLAG, allow_deployments, 0, 0, NULL,                          \
	  "let subtrees be deployed: readable through a lock")                                     \
	X("nonempty", NULL, FLAG, nonempty, 0, 0, NULL, "mount over a directory that is not empty") \
	X("locked", NULL, FLAG, locked_ok, 0, 0, NULL, "mount even if the key is denied: locked")  \
	X("nowriteback", NULL, UNFLAG, writeback, 0, 0, NULL, "no writeback cache in the kernel")  \
	X("io_uring", NULL, FLAG, io_uring, 0, 0, NULL,                                            \
	  "requests over io_uring, where the kernel offers it")                                    \
	X("no_io_uring", NULL, UNFLAG, io_uring, 0, 0, NULL, "requests over /dev/fuse (default)")  \
	X("noacl", NULL, FLAG, no_acl, 0, 0, NULL, "decide by modes alone, not by POSIX ACLs")     \
	X("accept-rollback", NULL, FLAG, accept_rollback, 0, 0, NULL,                              \
	  "take a volume older than the one seen last")                                            \
	X("lease", "TIME", DURATION, lease_ms, 1000, 3600000, NULL, "confirm the key this often")  \
	X("grace", "TIME", DURATION, grace_ms, 0, 86400000, NULL,                                  \
	  "go on so long while the key's vault cannot be reached")                                 \
	X("drain", "TIME", DURATION, drain_ms, 0, 60000, NULL,                                     \
	  "write out dirty data for so long when locking")                                         \
	X("threads", "N", NUMBER, threads, 0, 256, NULL, "threads; 0: by processors")              \
	X("binding", "WORD", WORD, binding, 0, 0, "off audit enforce",                             \
	  "check of names against files: off, audit, enforce")                                     \
	X("audit", "WORD", WORD, audit_required, 0, 0, "best-effort required",                     \
	  "what if the audit log cannot be written: best-effort, required")                        \
	X("crash", "WORD", WORD, crash, 0, 0, "relaxed ordered",                                   \
	  "order of overwrites: relaxed, ordered")

static const struct mount_opt {
	const char *name, *arg;
	enum kind kind;
	size_t offset;
	uint64_t min, max;
	const char *words, *help;
} table[] = {
#define ROW(n, a, k, f, lo, hi, w, h) { n, a, k, offsetof(struct mount_options, f), lo, hi, w, h },
	MOUNT_OPTS(ROW)
#undef ROW
};

/* For mount(2). */
static const char *const kernel_words[] = {
	"atime", "noatime", "relatime", "strictatime", "diratime", "nodiratime", "lazytime", "suid",
	"nosuid", "dev", "nodev", "exec", "noexec", "sync", "async", "dirsync",
};

/* Of mount(8) and systemd: nothing to do with the filesystem. */
static const char *const ignored_words[] = {
	"defaults", "auto", "noauto", "user", "nouser", "users", "nousers", "owner", "noowner", "group",
	"nogroup", "_netdev", "nofail", "default_permissions",
};

static bool is_in(const char *const *list, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], word))
			return true;
	return false;
}

void mount_opts_help(void)
{
	printf("\nMount options (-o):\n");
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s%s%s", table[i].name, table[i].arg ? "=" : "",
			 table[i].arg ? table[i].arg : "");
		printf(" %-28s %s\n", left, table[i].help);
	}
	printf(" and of mount(8): noatime, nosuid, nodev, noexec and their like\n");
}

static int set(const struct mount_opt *m, const char *value, struct mount_options *o)
{
	char *place = (char *)o + m->offset;
	uint64_t n = 0;
	int r = 0;

	switch (m->kind) {
	case FLAG:
		*(bool *)place = true;
		return 0;
	case UNFLAG:
		*(bool *)place = false;
		return 0;
	case DURATION:
		r = conf_duration(value, m->min, m->max, &n);
		break;
	case NUMBER:
		r = conf_number(value, m->min, m->max, &n);
		break;
	case WORD:
		r = conf_choice(value, m->words, &n);
		break;
	}
	if (!r)
		*(unsigned int *)place = (unsigned int)n;
	return r;
}

static int add_kernel(struct mount_parsed *p, const char *word)
{
	char *s = NULL;

	if (asprintf(&s, "%s%s%s", p->kernel ? p->kernel : "", p->kernel ? "," : "", word) < 0)
		return cmd_fail(CMD_FAILED, NULL, "out of memory");
	free(p->kernel);
	p->kernel = s;
	p->o.kernel_options = s;
	return CMD_OK;
}

/* WORD is one option, NUL-terminated and writable. */
static int parse_one(struct mount_parsed *p, char *word)
{
	char *value = strchr(word, '=');

	if (is_in(kernel_words, ARRAY_SIZE(kernel_words), word))
		return add_kernel(p, word);
	if (!*word || is_in(ignored_words, ARRAY_SIZE(ignored_words), word) ||
	    !strncmp(word, "x-", 2) || !strncmp(word, "comment=", 8))
		return CMD_OK;
	if (value)
		*value++ = 0;
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		if (strcmp(table[i].name, word))
			continue;
		if (!value != !table[i].arg)
			return cmd_fail(CMD_USAGE, "cmkfs mount --help lists the options",
					"mount option '%s' %s a value", word,
					value ? "takes no" : "needs");
		if (set(&table[i], value, &p->o))
			return cmd_fail(CMD_USAGE, table[i].words ? table[i].help :
					"times are like 500ms, 30s, 10min; cmkfs(1) says the limits",
					"'%s' is no good value of mount option '%s'", value, word);
		return CMD_OK;
	}
	return cmd_fail(CMD_USAGE, "cmkfs mount --help lists the options",
			"there is no mount option '%s'", word);
}

int mount_opts_parse(struct mount_parsed *p, const char *text)
{
	_cleanup_free_ char *copy = text ? strdup(text) : NULL;
	char *rest = copy, *word;
	int r = CMD_OK;

	if (text && !copy)
		return cmd_fail(CMD_FAILED, NULL, "out of memory");
	while (!r && (word = strsep(&rest, ",")))
		r = parse_one(p, word);
	return r;
}
