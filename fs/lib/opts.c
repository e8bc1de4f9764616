/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verbs and options: parser, --help and completion from the one table.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>

#include "cmd.h"

#define MAX_OPTS 24
#define LETTER_BASE 0x100 /* getopt's value of option i: above every letter */

static size_t count(const struct opt *o)
{
	size_t n = 0;

	while (o && o[n].name)
		n++;
	return n;
}

static void help_option(const struct opt *o)
{
	char left[80], letter[8] = "    ";

	if (o->letter)
		snprintf(letter, sizeof(letter), "-%c, ", o->letter);
	snprintf(left, sizeof(left), "%s--%s%s%s", letter, o->name, o->arg ? " " : "",
		 o->arg ? o->arg : "");
	printf(" %-28s %s\n", left, o->help);
}

void opts_help(const struct verb *v)
{
	static const struct opt help = { .name = "help", .letter = 'h', .help = "print this help" };

	printf("\nUsage:\n cmkfs %s%s%s%s\n\n%s.\n\nOptions:\n", v->name,
	       v->opts ? " [options]" : "", *v->args ? " " : "", v->args, v->summary);
	for (const struct opt *o = v->opts; o && o->name; o++)
		help_option(o);
	help_option(&help);
	if (v->more_help)
		v->more_help();
	printf("\nFor more see cmkfs(1).\n");
}

void opts_help_all(void)
{
	printf("\nUsage:\n cmkfs VERB [options] [arguments]\n\n"
	       "Encrypt a directory under a key that its owner controls.\n\nVerbs:\n");
	for (const struct verb *const *v = cmd_verbs; *v; v++)
		printf(" %-28s %s\n", (*v)->name, (*v)->summary);
	printf("\nOptions:\n -h, --help                   print this help, or that of a verb\n"
	       " -V, --version                print the version\n"
	       "\nFirst steps:\n cmkfs init DIR; cmkfs mount DIR MNT; cmkfs umount MNT\n"
	       "\nFor more see cmkfs(1).\n");
}

/* Add VALUE to the comma-separated *LIST. */
static int append(char **list, const char *value)
{
	char *s = NULL;

	if (asprintf(&s, "%s%s%s", *list ? *list : "", *list ? "," : "", value) < 0)
		return -ENOMEM;
	free(*list);
	*list = s;
	return 0;
}

static int take(const struct opt *o, const char *value)
{
	if (o->flag)
		*o->flag = true;
	else if (o->value)
		*o->value = value;
	else if (o->list && append(o->list, value))
		return cmd_fail(CMD_FAILED, NULL, "out of memory");
	return -1;
}

static int bad_option(const struct verb *v, int code, char **argv)
{
	char hint[128];
	const char *word = argv[optind - 1];

	snprintf(hint, sizeof(hint), "cmkfs %s --help lists the options", v->name);
	if (optopt && optopt < LETTER_BASE && strncmp(word, "--", 2))
		return code == ':' ?
			cmd_fail(CMD_USAGE, hint, "%s: option -%c needs a value", v->name, optopt) :
			cmd_fail(CMD_USAGE, hint, "%s: there is no option -%c", v->name, optopt);
	if (code == ':')
		return cmd_fail(CMD_USAGE, hint, "%s: option %s needs a value", v->name, word);
	return cmd_fail(CMD_USAGE, hint, "%s: option %s is unknown, ambiguous or takes no value",
			v->name, word);
}

int opts_parse(const struct verb *v, int argc, char **argv, struct cmd *ret)
{
	struct option longs[MAX_OPTS + 2] = { { NULL, 0, NULL, 0 } };
	char shorts[2 * MAX_OPTS + 8] = ":h", hint[160];
	size_t n = count(v->opts), len = strlen(shorts);
	int c, r;

	for (size_t i = 0; i < n && i < MAX_OPTS; i++) {
		const struct opt *o = &v->opts[i];

		longs[i] = (struct option){ o->name, o->arg ? required_argument : no_argument, NULL,
					    LETTER_BASE + (int)i };
		if (o->letter)
			len += (size_t)sprintf(shorts + len, "%c%s", o->letter, o->arg ? ":" : "");
	}
	longs[MIN(n, MAX_OPTS)] = (struct option){ "help", no_argument, NULL, 'h' };
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	while ((c = getopt_long(argc, argv, shorts, longs, NULL)) != -1) {
		size_t i = n;

		if (c == ':' || c == '?')
			return bad_option(v, c, argv);
		if (c >= LETTER_BASE)
			i = (size_t)(c - LETTER_BASE);
		else
			for (i = 0; i < n && v->opts[i].letter != c; i++)
				;
		if (i == n) { /* -h; a verb may use the letter itself */
			opts_help(v);
			return CMD_OK;
		}
		r = take(&v->opts[i], optarg);
		if (r >= 0)
			return r;
	}
	ret->verb = v;
	ret->argc = argc - optind;
	ret->argv = argv + optind;
	snprintf(hint, sizeof(hint), "usage: cmkfs %s%s%s", v->name, *v->args ? " " : "", v->args);
	if (ret->argc < v->min_args)
		return cmd_fail(CMD_USAGE, hint, "%s: an argument is missing", v->name);
	if (ret->argc > v->max_args)
		return cmd_fail(CMD_USAGE, hint, "%s: too many arguments: '%s'", v->name,
				ret->argv[v->max_args]);
	return -1;
}

/* How many words of ARGV agree with NAME; *RET_ALL: they are all of NAME. */
static int match(const char *name, int argc, char **argv, bool *ret_all)
{
	int words = 0;

	*ret_all = false;
	while (words < argc) {
		size_t n = strcspn(name, " ");

		if (strlen(argv[words]) != n || memcmp(argv[words], name, n))
			return words;
		words++;
		name += n;
		if (!*name) {
			*ret_all = true;
			return words;
		}
		name++;
	}
	return words;
}

const struct verb *opts_find(int argc, char **argv, int *ret_words)
{
	const struct verb *best = NULL;
	int best_words = 0, began = 0;

	for (const struct verb *const *v = cmd_verbs; *v; v++) {
		bool all;
		int n = match((*v)->name, argc, argv, &all);

		began = MAX(began, n);
		if (all && n > best_words) {
			best = *v;
			best_words = n;
		}
	}
	*ret_words = best ? best_words : began;
	return best;
}

/* ---- completion --------------------------------------------------------------- */

/* The word of NAME after N words, if ARGV's N words begin it; printed once in a row. */
static void complete_word(const char *name, int n, const char **last)
{
	size_t len, last_len;

	while (n--)
		name += strcspn(name, " ") + 1;
	len = strcspn(name, " ");
	last_len = *last ? strcspn(*last, " ") : 0;
	if (*last && last_len == len && !memcmp(*last, name, len))
		return;
	printf("%.*s\n", (int)len, name);
	*last = name;
}

void opts_complete(int argc, char **argv)
{
	int words;
	const struct verb *v = opts_find(argc, argv, &words);
	const char *last = NULL;

	for (const struct verb *const *p = cmd_verbs; *p; p++) {
		bool all;

		if (match((*p)->name, argc, argv, &all) == argc && !all)
			complete_word((*p)->name, argc, &last);
	}
	if (!v)
		return;
	for (const struct opt *o = v->opts; o && o->name; o++)
		printf("--%s\n", o->name);
	puts("--help");
}
