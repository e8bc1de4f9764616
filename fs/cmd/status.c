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
	{ .key = "state", .heading = "state" },
	{ .key = "errno", .heading = "errno" },
	{ .key = "reason", .heading = "reason" },
	{ .key = "hint", .heading = "hint" },
	{ .key = "kid", .heading = "key" },
	{ .key = "confirmed", .heading = "confirmed" },
	{ .key = "expiry", .heading = "key expires" },
	{ .key = "grace", .heading = "grace left" },
	{ .key = "open_files", .heading = "open files" },
	{ .key = "pending_bytes", .heading = "pending bytes" },
	{ .key = "pid", .heading = "daemon" },
};

/* "12 s ago" of milliseconds; NULL: never. */
static json_t *ago(json_int_t ms)
{
	return ms < 0 ? json_string("never") : json_sprintf("%.1f s ago", (double)ms / 1000);
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

/* One level of what is shown: the mount with its root zone's words. */
static json_t *flat(json_t *status)
{
	json_t *zone = json_array_get(json_object_get(status, "zones"), 0);
	json_t *o = json_copy(status);

	if (!o)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
		json_t *v = json_object_get(zone, columns[i].key);

		if (v)
			json_object_set(o, columns[i].key, v);
	}
	json_object_set_new(o, "confirmed",
			    ago(json_integer_value(json_object_get(zone, "confirmed_ms_ago"))));
	json_object_set_new(o, "expiry", expiry(json_integer_value(json_object_get(zone, "expires"))));
	if (!strcmp(json_string_value(json_object_get(o, "state")) ?: "", "grace"))
		json_object_set_new(o, "grace", json_sprintf("%.0f s", (double)json_integer_value(
				    json_object_get(zone, "grace_left_ms")) / 1000));
	return o;
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
	if (!json) {
		json_t *o = without_nulls(flat(a));

		json_decref(a);
		a = o;
	}
	return table_record(stdout, a, columns, ARRAY_SIZE(columns), json) ? CMD_FAILED : CMD_OK;
}

/* A line with the time whenever state, errno or reason have changed. */
static int watch_one(const struct cmd *c, const char *what)
{
	const struct timespec pause = { 0, 100000000 };
	_cleanup_free_ char *last = NULL;

	while (!last || mounted(c, what)) {
		_cleanup_free_ char *line = NULL;
		json_t *a, *o;
		int r = ask(c, what, "status", &a, NULL);

		if (r)
			return r;
		o = without_nulls(flat(a));
		if (asprintf(&line, "%s %s %s", json_string_value(json_object_get(o, "state")) ?: "",
			     json_string_value(json_object_get(o, "errno")) ?: "-",
			     json_string_value(json_object_get(o, "reason")) ?: "") < 0)
			line = NULL;
		json_decref(a);
		json_decref(o);
		if (line && (!last || strcmp(last, line))) {
			json_t *t = table_time(time(NULL));

			printf("%s %s\n", json_string_value(t), line);
			fflush(stdout);
			json_decref(t);
			free(last);
			last = line;
			line = NULL;
		}
		nanosleep(&pause, NULL);
	}
	return CMD_OK;
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
