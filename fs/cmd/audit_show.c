/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs audit show`: who asked what of a volume or a vault, and what came of
 * it.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "audit.h"

#define FOLLOW_NS 200000000L /* between two looks */

static bool json, follow;
static const char *last, *since, *until, *event, *principal, *result, *key;

static const struct opt opts[] = {
	{ .name = "last", .arg = "N", .help = "only the N newest", .value = &last },
	{ .name = "since", .arg = "TIME", .help = "not older; -1h is an hour ago",
	  .value = &since },
	{ .name = "until", .arg = "TIME", .help = "not newer", .value = &until },
	{ .name = "event", .arg = "WORD", .help = "only this operation, or those that begin with "
						  "WORD.",
	  .value = &event },
	{ .name = "principal", .arg = "NAME", .help = "only by this principal",
	  .value = &principal },
	{ .name = "result", .arg = "WORD", .help = "only this outcome, or `denied` for all but ok",
	  .value = &result },
	{ .name = "key", .arg = "URI", .help = "only about this key, in any version or the one "
					       "named",
	  .value = &key },
	{ .name = "follow", .letter = 'f', .help = "go on with what comes, until it is interrupted",
	  .flag = &follow },
	OPT_JSON(&json), OPT_END
};

static const struct column columns[] = {
	{ .key = "seq", .heading = "SEQ", .right = true },
	{ .key = "time", .heading = "TIME" },
	{ .key = "principal", .heading = "PRINCIPAL" },
	{ .key = "operation", .heading = "OPERATION" },
	{ .key = "object", .heading = "OBJECT" },
	{ .key = "outcome", .heading = "OUTCOME" },
	{ .key = "detail", .heading = "DETAIL" },
	{ .key = "log" },
	{ .key = "key" },
	{ .key = "actor" },
};

/* ---- which records ----------------------------------------------------------------- */

struct source { /* one log, as far as it was read */
	char name[AUDIT_NAME_LEN];
	struct kp_audit_cursor at;
};

struct query {
	struct audit_subject s;
	char since[40], until[40]; /* as in the records, or empty */
	struct source *v;
	size_t n;
	struct source *now; /* being read */
	json_t *rows;
};

static const char *text(const json_t *o, const char *name)
{
	const char *s = json_string_value(json_object_get(o, name));

	return s ? s : "";
}

/* NAME, or something that begins with it and SEPARATOR. */
static bool is_under(const char *s, const char *name, char separator)
{
	size_t n = strlen(name);

	return !strncmp(s, name, n) && (!s[n] || s[n] == separator);
}

static bool about_the_volume(const struct query *q, const json_t *o)
{
	const char *who = q->s.principal;

	return !strcmp(text(o, "principal"), who) || !strcmp(text(o, "object"), who) ||
	       strstr(text(o, "detail"), who);
}

static bool wanted(const struct query *q, const json_t *o)
{
	const char *t = text(o, "time"), *out = text(o, "outcome");

	if (strcmp(q->now->name, q->s.name) != 0 && !about_the_volume(q, o))
		return false;
	if ((q->since[0] && strcmp(t, q->since) < 0) || (q->until[0] && strcmp(t, q->until) > 0))
		return false;
	if ((event && !is_under(text(o, "operation"), event, '.')) ||
	    (principal && strcmp(text(o, "principal"), principal) != 0))
		return false;
	if (result && (strcmp(result, "denied") ? strcmp(out, result) != 0 : !strcmp(out, "ok")))
		return false;
	return !key || is_under(text(o, "key"), key, '/') || is_under(text(o, "object"), key, '/');
}

static int take_line(void *arg, const char *line, size_t n)
{
	static const char *const inner[] = { "hash", "mac", "public", "signature", "call" };
	struct query *q = arg;
	json_t *o = json_loadb(line, n, 0, NULL);

	if (!json_is_object(o) || !wanted(q, o)) {
		json_decref(o); /* what is no record is for `audit verify` to find */
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(inner); i++)
		json_object_del(o, inner[i]);
	if (!*text(o, "key"))
		json_object_set_new(o, "key", json_null());
	json_object_set_new(o, "log", json_string(q->now->name));
	json_array_append_new(q->rows, o);
	return 0;
}

/* ---- reading ----------------------------------------------------------------------- */

static int add_source(void *arg, const char *name)
{
	struct query *q = arg;
	struct source *v;

	if (!audit_concerns(&q->s, name))
		return 0;
	for (size_t i = 0; i < q->n; i++)
		if (!strcmp(q->v[i].name, name))
			return 0;
	v = reallocarray(q->v, q->n + 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	q->v = v;
	v += q->n++;
	memset(v, 0, sizeof(*v));
	snprintf(v->name, sizeof(v->name), "%s", name);
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const json_t *x = *(json_t *const *)a, *y = *(json_t *const *)b;
	int r = strcmp(text(x, "time"), text(y, "time"));
	json_int_t i = json_integer_value(json_object_get(x, "seq"));
	json_int_t k = json_integer_value(json_object_get(y, "seq"));

	return r ? r : (i > k) - (i < k);
}

/* The records of several logs in the order in which they were made. */
static int sort(json_t **rows)
{
	size_t n = json_array_size(*rows);
	json_t **v = calloc(n + 1, sizeof(json_t *)), *sorted = json_array();

	if (!v || !sorted) {
		free(v);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		v[i] = json_array_get(*rows, i);
	qsort(v, n, sizeof(json_t *), by_time);
	for (size_t i = 0; i < n; i++)
		json_array_append(sorted, v[i]);
	free(v);
	json_decref(*rows);
	*rows = sorted;
	return 0;
}

static int read_new(struct query *q)
{
	struct kp_error e = { 0 };
	int r = kp_audit_logs(q->s.log, add_source, q, &e);

	for (size_t i = 0; i < q->n && !r; i++) {
		q->now = &q->v[i];
		r = kp_audit_read(q->s.log, q->now->name, &q->now->at, take_line, q, &e);
	}
	if (!r && q->n > 1)
		r = sort(&q->rows);
	if (r == -ENOMEM)
		return cmd_fail(CMD_FAILED, NULL, "out of memory");
	return vault_result(r, &e);
}

/* ---- printing ---------------------------------------------------------------------- */

static void cut(json_t *rows, uint64_t n)
{
	while (n && json_array_size(rows) > n)
		json_array_remove(rows, 0);
}

static int print_line(const json_t *o)
{
	if (json)
		return json_dumpf(o, stdout, JSON_COMPACT) || putchar('\n') == EOF;
	return printf("%s %s %s %s %s %s\n", text(o, "time"), text(o, "principal"),
		      text(o, "operation"), text(o, "object"), text(o, "outcome"),
		      text(o, "detail")) < 0;
}

/* A record a line, for as long as somebody reads them. */
static int follow_all(struct query *q)
{
	const struct timespec pause = { 0, FOLLOW_NS };
	size_t i;
	json_t *o;
	int r = CMD_OK;

	while (!r) {
		json_array_foreach(q->rows, i, o)
			if (print_line(o))
				return CMD_FAILED;
		if (fflush(stdout) == EOF)
			return CMD_FAILED;
		json_array_clear(q->rows);
		nanosleep(&pause, NULL);
		r = read_new(q);
	}
	return r;
}

static int bound(const char *s, const char *what, char ret[static 40])
{
	int64_t t;
	int r = vault_time(s, what, 0, &t);
	time_t tt = (time_t)t;
	struct tm tm;

	if (!r && t && gmtime_r(&tt, &tm))
		strftime(ret, 40, "%Y-%m-%dT%H:%M:%S.000Z", &tm);
	return r;
}

static int show(const struct cmd *c)
{
	struct query q = { .rows = json_array() };
	uint64_t n = 0;
	int r = CMD_OK;

	if (last && conf_number(last, 1, UINT32_MAX, &n))
		r = cmd_fail(CMD_USAGE, "give the number of records",
			     "--last: '%s' is not a number", last);
	if (!r)
		r = bound(since, "since", q.since);
	if (!r)
		r = bound(until, "until", q.until);
	if (!r)
		r = audit_subject(c, c->argv[0], &q.s);
	if (!r)
		r = read_new(&q);
	if (!r) {
		cut(q.rows, n);
		if (follow)
			r = follow_all(&q);
		else if (table_print(stdout, json_incref(q.rows), columns, ARRAY_SIZE(columns),
				     json))
			r = CMD_FAILED;
	}
	json_decref(q.rows);
	free(q.v);
	audit_subject_done(&q.s);
	return r;
}

const struct verb verb_audit_show = {
	.name = "audit show",
	.args = "DIR|VAULT",
	.summary = "Show what was asked for a volume, or of a vault",
	.opts = opts,
	.min_args = 1,
	.max_args = 1,
	.run = show,
};
