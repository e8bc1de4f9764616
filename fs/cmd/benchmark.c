/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs benchmark`: how fast a directory is with and without encryption.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "fs/bench/compare.h"
#include "fs/lib/cmd.h"
#include "fs/lib/table.h"

static const char *cipher, *size, *files, *runs, *options;
static bool json;

static const struct opt opts[] = {
	{ .name = "cipher", .letter = 'c', .arg = "gcm|xts", .help = "cipher of the volume (gcm)",
	  .value = &cipher },
	{ .name = "size", .arg = "MIB", .help = "size of the large file (256)", .value = &size },
	{ .name = "files", .arg = "N", .help = "number of small files (2000)", .value = &files },
	{ .name = "runs", .arg = "N", .help = "repetitions, of which the medians are shown (3)",
	  .value = &runs },
	{ .name = "options", .letter = 'o', .arg = "OPTIONS", .help = "options of the mount",
	  .value = &options },
	OPT_JSON(&json),
	OPT_END
};

static const struct column columns[] = {
	{ .key = "load", .heading = "load" },
	{ .key = "unit", .heading = "unit" },
	{ .key = "plain", .heading = "plain", .right = true },
	{ .key = "encrypted", .heading = "encrypted", .right = true },
	{ .key = "ratio", .heading = "ratio", .right = true },
};

#define SECONDS 1.0

static void on_signal(int sig)
{
	(void)sig;
	load_stop = true;
}

static void note(void *arg, const char *load, unsigned int run)
{
	const struct compare_options *o = arg;

	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%u/%u %-30s", run + 1, o->runs, load);
}

/* TEXT, or FALLBACK where there is none, as a number in [MIN, MAX]. */
static int number(const char *name, const char *text, unsigned int min, unsigned int max,
		  unsigned int fallback, unsigned int *ret)
{
	unsigned long v = fallback;
	char *end = NULL;

	errno = 0;
	if (text)
		v = strtoul(text, &end, 10);
	if ((text && (*end || end == text || *text == '-')) || errno || v < min || v > max)
		return cmd_fail(CMD_USAGE, "cmkfs benchmark --help says what is taken without it",
				"--%s is a number from %u to %u", name, min, max);
	*ret = (unsigned int)v;
	return CMD_OK;
}

static int print(const struct compare_row *rows, size_t n)
{
	json_t *a = json_array();

	for (size_t i = 0; i < n; i++) {
		const struct compare_row *w = &rows[i];

		json_array_append_new(a, json_pack("{ss ss sf sf sf}", "load", w->load, "unit",
						   w->unit, "plain", w->plain, "encrypted",
						   w->encrypted, "ratio", w->ratio));
	}
	return table_print(stdout, a, columns, ARRAY_SIZE(columns), json) ? CMD_FAILED : CMD_OK;
}

static int options_of(const struct cmd *c, struct compare_options *o)
{
	int r;

	*o = (struct compare_options){ .dir = c->argv[0], .cipher = cipher ? cipher : "gcm",
				       .mount_options = options, .seconds = SECONDS };
	if (strcmp(o->cipher, "gcm") && strcmp(o->cipher, "xts"))
		return cmd_fail(CMD_USAGE, "--cipher is gcm or xts", "there is no cipher '%s'", cipher);
	r = number("size", size, 1, 1u << 20, 256, &o->size_mib);
	if (!r)
		r = number("files", files, 1, 10000000, 2000, &o->files);
	return r ? r : number("runs", runs, 1, COMPARE_RUNS_MAX, 3, &o->runs);
}

static int run(const struct cmd *c)
{
	struct sigaction sa = { .sa_handler = on_signal };
	struct compare_options o;
	struct compare_row *rows;
	char why[256] = "";
	size_t n;
	int r = options_of(c, &o);

	if (r)
		return r;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGHUP, &sa, NULL);
	r = compare(&o, note, &o, &rows, &n, why);
	if (isatty(STDERR_FILENO))
		fprintf(stderr, "\r%40s\r", "");
	if (r == -EINTR)
		return cmd_fail(CMD_FAILED, NULL, "interrupted; what was made in %s is removed again",
				o.dir);
	if (r)
		return cmd_fail(CMD_FAILED,
				r == -ENOSPC ? "less is needed with a smaller --size and --files" :
					       "name a directory that can be written, on the disk in question",
				"cannot measure: %s", why[0] ? why : strerror(-r));
	r = print(rows, n);
	free(rows);
	return r;
}

const struct verb verb_benchmark = {
	.name = "benchmark",
	.args = "DIR",
	.summary = "Measure a directory with and without encryption",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = run,
};
