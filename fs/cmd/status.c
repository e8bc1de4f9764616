/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs status`: the mounts of this host, or one of them.
 */
#include <errno.h>
#include <stdio.h>
#include <time.h>

#include "ask.h"
#include "fs/lib/state.h"
#include "fs/lib/table.h"
#include "fs/mount/control.h"

static bool json, watch;

static const struct opt opts[] = {
	OPT_JSON(&json),
	{ .name = "watch", .letter = 'w', .help = "print a line at every change, until it is unmounted",
	  .flag = &watch },
	OPT_END
};

#define DAY 86400

static const struct column list_columns[] = {
	{ .key = "mountpoint", .heading = "MOUNTPOINT" }, { .key = "dir", .heading = "VOLUME" },
	{ .key = "mode", .heading = "MODE" },		  { .key = "state", .heading = "STATE" },
	{ .key = "reason", .heading = "REASON" },
};

static const struct column columns[] = {
	{ .key = "mountpoint", .heading = "mount point" },
	{ .key = "dir", .heading = "volume" },
	{ .key = "vol_id", .heading = "ID" },
	{ .key = "cipher", .heading = "cipher" },
	{ .key = "mode", .heading = "mode" },
	{ .key = "transport", .heading = "transport" },
	{ .key = "state", .heading = "state" },
	{ .key = "errno", .heading = "errno" },
	{ .key = "reason", .heading = "reason" },
	{ .key = "hint", .heading = "hint" },
	{ .key = "kid", .heading = "key" },
	{ .key = "ways", .heading = "slots" },
	{ .key = "recovery", .heading = "opened by" },
	{ .key = "confirmed", .heading = "confirmed" },
	{ .key = "expiry", .heading = "key expires" },
	{ .key = "grace", .heading = "grace left" },
	{ .key = "deployed", .heading = "stays readable" },
	{ .key = "open_files", .heading = "open files" },
	{ .key = "pending_bytes", .heading = "pending bytes" },
	{ .key = "audit_log", .heading = "audit log" },
	{ .key = "pid", .heading = "daemon" },
};

/* "12 s ago" of milliseconds; NULL: never. */
static json_t *ago(json_int_t ms)
{
	return ms < 0 ? json_string("never") : json_sprintf("%.1f s ago", (double)ms / 1000);
}

/* NULL: there is nothing to say of it. */
static json_t *audit_words(const json_t *audit)
{
	json_int_t lost = json_integer_value(json_object_get(audit, "lost"));

	if (!json_is_false(json_object_get(audit, "written")))
		return NULL;
	return json_sprintf("cannot be written, %s: %s (%lld records lost)",
			    json_string_value(json_object_get(audit, "mode")),
			    json_string_value(json_object_get(audit, "reason")), (long long)lost);
}

static json_t *expiry(json_int_t expires)
{
	json_t *t = table_time(expires), *s;
	long long days = (expires - (long long)time(NULL)) / DAY;

	if (!expires)
		return t;
	s = json_sprintf("%s%s", json_string_value(t),
			 days < 0 ? " (expired)" : days < 7 ? " (in less than 7 days)" :
			 days < 30 ? " (in less than 30 days)" : "");
	json_decref(t);
	return s;
}

/* Each slot of several in a few words; NULL: there is one, which the rest is about. */
static json_t *slot_words(const json_t *zone)
{
	json_t *slots = json_object_get(zone, "slots"), *s, *a;
	size_t i;

	if (json_array_size(slots) < 2)
		return NULL;
	a = json_array();
	json_array_foreach(slots, i, s) {
		const char *reason = json_string_value(json_object_get(s, "reason"));

		json_array_append_new(a, json_sprintf("slot %d %s%s%s%s",
			(int)json_integer_value(json_object_get(s, "slot")),
			json_string_value(json_object_get(s, "state")), reason ? " (" : "",
			reason ? reason : "", reason ? ")" : ""));
	}
	return a;
}

/* Deployments are always shown: a way round a revocation.  NULL: there are none. */
static json_t *deployed_words(const json_t *list)
{
	json_t *a, *d;
	size_t i;

	if (!json_array_size(list))
		return NULL;
	a = json_array();
	json_array_foreach(list, i, d)
		json_array_append_new(a, json_sprintf("%s (deployed, %lld files)",
			json_string_value(json_object_get(d, "path")),
			(long long)json_integer_value(json_object_get(d, "files"))));
	return a;
}

/* Put what is shown of ZONE into O. */
static void add_zone(json_t *o, json_t *zone)
{
	const char *by = json_string_value(json_object_get(zone, "opened_by"));

	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		json_t *v = json_object_get(zone, columns[i].key);

		if (v)
			json_object_set(o, columns[i].key, v);
	}
	json_object_set_new(o, "ways", slot_words(zone));
	if (by && !strncmp(by, "recovery", 8))
		json_object_set_new(o, "recovery", json_string(by));
	json_object_set_new(o, "confirmed",
			    ago(json_integer_value(json_object_get(zone, "confirmed_ms_ago"))));
	json_object_set_new(o, "audit_log", audit_words(json_object_get(o, "audit")));
	json_object_set_new(o, "expiry", expiry(json_integer_value(json_object_get(zone, "expires"))));
	if (!strcmp(json_string_value(json_object_get(o, "state")) ?: "", "grace"))
		json_object_set_new(o, "grace", json_sprintf("%.0f s", (double)json_integer_value(
				    json_object_get(zone, "grace_left_ms")) / 1000));
}

/* One level of what is shown: the mount with its root zone's words. */
static json_t *flat(json_t *status)
{
	json_t *o = json_copy(status);

	if (o)
		add_zone(o, json_array_get(json_object_get(status, "zones"), 0));
	if (o)
		json_object_set_new(o, "deployed", deployed_words(json_object_get(o, "deployments")));
	return o;
}

static const struct column zone_columns[] = {
	{ .key = "zone", .heading = "ZONE" },	  { .key = "path", .heading = "PATH" },
	{ .key = "state", .heading = "STATE" },	  { .key = "errno", .heading = "ERRNO" },
	{ .key = "kid", .heading = "KEY" },	  { .key = "ways", .heading = "SLOTS" },
	{ .key = "expiry", .heading = "EXPIRES" },
	{ .key = "reason", .heading = "REASON" },
};

/* The zones of a mount that has several. */
static int show_zones(json_t *status)
{
	json_t *zones = json_object_get(status, "zones"), *rows = json_array(), *z;
	size_t i;

	json_array_foreach(zones, i, z) {
		json_t *o = json_copy(z);

		add_zone(o, z);
		if (!i)
			json_object_set_new(o, "zone", json_string("0"));
		json_array_append_new(rows, o);
	}
	if (json_array_size(rows) < 2) {
		json_decref(rows);
		return 0;
	}
	printf("\n");
	return table_print(stdout, rows, zone_columns, ARRAY_SIZE(zone_columns), false);
}

/* Out of the text form goes what is not set. */
static json_t *without_nulls(json_t *o)
{
	const char *key;
	json_t *v;
	void *next;

	json_object_foreach_safe(o, next, key, v) {
		if (json_is_null(v) || (json_is_string(v) && !*json_string_value(v)))
			json_object_del(o, key);
	}
	return o;
}

static void collect(void *arg, json_t *status)
{
	json_object_del(status, "ok");
	if (json)
		json_array_append(arg, status);
	else
		json_array_append_new(arg, flat(status));
}

static int show_all(const struct cmd *c)
{
	_cleanup_free_ char *state = NULL;
	json_t *rows = json_array();
	int r = state_dir(c->conf, &state);

	if (!r)
		r = control_each(state, collect, rows);
	if (r && r != -EACCES) { /* others' mounts are left out */
		json_decref(rows);
		return cmd_fail(CMD_FAILED, "CMKFS_STATE_DIR or state-dir in the configuration names it",
				"cannot ask the mounts: %s", strerror(-r));
	}
	return table_print(stdout, rows, list_columns, ARRAY_SIZE(list_columns), json) ? CMD_FAILED :
											 CMD_OK;
}

/* A volume that is not mounted here is worth a word, too. */
static int show_unmounted(const char *dir, bool *ret_is_volume)
{
	static const struct column cols[] = { { .key = "dir", .heading = "volume" },
					      { .key = "vol_id", .heading = "ID" },
					      { .key = "state", .heading = "state" } };
	char id[2 * ID_LEN + 1];
	struct store_error err;
	struct volume_block v;

	*ret_is_volume = !volume_peek(dir, &v, NULL, &err);
	if (!*ret_is_volume)
		return CMD_OK;
	state_hex(v.root.vol, ID_LEN, id);
	return table_record(stdout, json_pack("{ss ss ss}", "dir", dir, "vol_id", id, "state",
					      "not mounted"), cols, ARRAY_SIZE(cols), json) ?
		       CMD_FAILED : CMD_OK;
}

static bool mounted(const struct cmd *c, const char *what)
{
	_cleanup_free_ char *state = NULL;
	_cleanup_close_ int fd = -1;

	return !state_dir(c->conf, &state) && control_connect(state, what, &fd) != -ENOENT;
}

static int show_one(const struct cmd *c, const char *what)
{
	bool is_volume = false;
	json_t *a;
	int r;

	if (!mounted(c, what)) {
		r = show_unmounted(what, &is_volume);
		if (is_volume)
			return r;
	}
	r = ask(c, what, "status", &a, NULL);
	if (r)
		return r;
	json_object_del(a, "ok");
	if (json)
		return table_record(stdout, a, columns, ARRAY_SIZE(columns), true) ? CMD_FAILED : CMD_OK;
	r = table_record(stdout, without_nulls(flat(a)), columns, ARRAY_SIZE(columns), false);
	if (!r)
		r = show_zones(a);
	json_decref(a);
	return r ? CMD_FAILED : CMD_OK;
}

static const char *word(const json_t *o, const char *key)
{
	return json_string_value(json_object_get(o, key)) ?: "";
}

/* Print the line of a zone if it is another than LAST has. */
static void watch_zone(const json_t *zone, bool several, json_t *last)
{
	const char *e = word(zone, "errno"), *id = word(zone, "zone");
	json_t *line = json_sprintf("%s%s%s%s %s %s", several ? "zone " : "", several ? id : "",
				    several ? ": " : "", word(zone, "state"), *e ? e : "-",
				    word(zone, "reason"));
	json_t *t;

	if (line && !json_equal(line, json_object_get(last, id))) {
		t = table_time(time(NULL));
		printf("%s %s\n", json_string_value(t), json_string_value(line));
		fflush(stdout);
		json_decref(t);
		json_object_set(last, id, line);
	}
	json_decref(line);
}

/* A line with the time whenever state, errno or reason of a zone have changed. */
static int watch_one(const struct cmd *c, const char *what)
{
	const struct timespec pause = { 0, 100000000 };
	json_t *last = json_object(), *a, *zones, *z;
	int r = CMD_OK;
	size_t i;

	while (!r && (!json_object_size(last) || mounted(c, what))) {
		r = ask(c, what, "status", &a, NULL);
		if (r)
			break;
		zones = json_object_get(a, "zones");
		json_array_foreach(zones, i, z)
			watch_zone(z, json_array_size(zones) > 1, last);
		json_decref(a);
		nanosleep(&pause, NULL);
	}
	json_decref(last);
	return r;
}

static int run(const struct cmd *c)
{
	if (watch && !c->argc)
		return cmd_fail(CMD_USAGE, "usage: cmkfs status --watch MNT", "--watch needs a mount");
	if (!c->argc)
		return show_all(c);
	return watch ? watch_one(c, c->argv[0]) : show_one(c, c->argv[0]);
}

const struct verb verb_status = {
	.name = "status",
	.args = "[MNT|DIR]",
	.summary = "Show the mounts of this host, or one of them",
	.opts = opts,
	.max_args = 1,
	.run = run,
};
