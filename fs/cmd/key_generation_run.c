/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `key rotate --generation` and `--reencrypt`: the work under a new generation is
 * the mount's, which is asked how far it is.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "ask.h"
#include "fs/lib/progress.h"
#include "fs/mount/control.h"
#include "key_generation.h"

#define POLL_MS 200

static _Atomic bool interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = true;
}

/* ---- which kind of work the generation was made for -------------------------------------- */

#define STATE_FILE "reencrypt-"

/*
 * In the host's state, for a command that goes on: STATE/reencrypt-ZONE holds
 * the number of the generation that --reencrypt made.  Lost, the work begins anew.
 */
static char *state_path(const struct volkeys *k)
{
	char zone[2 * ID_LEN + 1], *path;

	state_hex(k->zone.zone, ID_LEN, zone);
	return asprintf(&path, "%s/" STATE_FILE "%s", k->ctx.dir, zone) < 0 ? NULL : path;
}

static void remember_reencrypt(const struct volkeys *k, uint32_t g)
{
	_cleanup_free_ char *path = state_path(k);
	FILE *f = path ? fopen(path, "we") : NULL;

	if (!f)
		return;
	fprintf(f, "%u\n", g);
	fclose(f);
}

static bool made_by_reencrypt(const struct volkeys *k)
{
	_cleanup_free_ char *path = state_path(k);
	FILE *f = path ? fopen(path, "re") : NULL;
	unsigned int g = 0;
	bool r;

	if (!f)
		return false;
	r = fscanf(f, "%u", &g) == 1 && g == k->ring->active;
	fclose(f);
	return r;
}

/* ---- the mount's part -------------------------------------------------------------------- */

/* The first of them; cmkfs verify lists all, and what of each. */
static void say_damaged(const json_t *paths)
{
	const json_t *path;
	size_t i;

	json_array_foreach(paths, i, path)
		cmd_note("damaged: %s", json_string_value(path));
}

/* What the end was, in words and a code. */
static int finished(const json_t *a)
{
	const char *error = json_string_value(json_object_get(a, "error"));
	char bytes[24];

	progress_bytes(ask_number(a, "bytes"), bytes);
	if (ask_is_state(a, "done")) {
		printf("all is under generation %ju: %ju objects changed, %s written anew\n",
		       (uintmax_t)ask_number(a, "generation"),
		       (uintmax_t)ask_number(a, "changed"), bytes);
		return CMD_OK;
	}
	say_damaged(json_object_get(a, "damaged"));
	if (ask_is_state(a, "stopped"))
		return cmd_fail(CMD_UNCHECKED, "the same command again goes on with it",
				"stopped: %ju objects and %s were done",
				(uintmax_t)ask_number(a, "changed"), bytes);
	if (ask_number(a, "failed"))
		return cmd_fail(CMD_INTEGRITY, "restore or remove what is damaged; the same command "
				"again goes on with it", "%s", error ? error : "it failed");
	return cmd_fail(CMD_FAILED, "the same command again goes on with it", "%s",
			error ? error : "it failed");
}

static int watch(int fd, const struct volkeys *k, struct progress *p, json_t *a)
{
	const struct timespec t = { 0, POLL_MS * 1000000L };
	bool asked = false;
	int r = CMD_OK;

	while (ask_is_state(a, "running") || ask_is_state(a, "waiting")) {
		progress_show(p, ask_number(a, "bytes"), ask_number(a, "changed"));
		json_decref(a);
		a = NULL;
		nanosleep(&t, NULL);
		r = ask_over(fd, k->dir,
			     json_pack("{s:s}", "cmd", interrupted && !asked ? "rekey-stop" :
				       "rekey-status"), &a);
		asked |= interrupted;
		if (r)
			return r;
	}
	progress_end(p, ask_number(a, "bytes"), ask_number(a, "changed"));
	r = finished(a);
	json_decref(a);
	return r;
}

static int parse_rate(const char *text, json_int_t *ret)
{
	char *end;
	double n = text ? strtod(text, &end) : 0;
	const char *unit = "KMG", *at;

	*ret = 0;
	if (!text)
		return CMD_OK;
	at = *end ? strchr(unit, *end) : NULL;
	if (at)
		end++;
	for (; at && at >= unit; at--)
		n *= 1024;
	if (end == text || *end || !(n >= 1 && n < 1e15))
		return cmd_fail(CMD_USAGE, "bytes a second, like 500K, 50M or 1G",
				"'%s' is no rate", text);
	*ret = (json_int_t)n;
	return CMD_OK;
}

static unsigned int live_generations(const struct keyring *ring)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < ring->ngens; i++)
		n += ring->gens[i].state != GEN_DESTROYED;
	return n;
}

static int rotate(int fd, const struct volkeys *k, const struct generation_args *a,
		  json_int_t rate, struct progress *p)
{
	struct sigaction s = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
	json_t *answer = NULL;
	int r = CMD_OK;

	if (live_generations(k->ring) > 1 && (!a->reencrypt || made_by_reencrypt(k))) {
		cmd_note("generation %u is not all there is yet: going on with that", k->ring->active);
	} else {
		r = generation_make(k);
		if (!r && a->reencrypt)
			remember_reencrypt(k, k->ring->gens[0].g + 1);
	}
	if (r)
		return r;
	sigaction(SIGINT, &s, NULL); /* a second one ends it at once */
	sigaction(SIGTERM, &s, NULL);
	r = ask_over(fd, k->dir,
		     json_pack("{s:s, s:s, s:b, s:I}", "cmd", "rekey", "zone", k->name,
			       "contents", a->reencrypt, "bandwidth", rate), &answer);
	return r ? r : watch(fd, k, p, answer);
}

/* What is under way is what is asked for. */
static int is_same(const struct volkeys *k, const struct generation_args *a, const json_t *answer)
{
	const char *zone = json_string_value(json_object_get(answer, "zone"));
	char own[2 * ID_LEN + 1];

	state_hex(k->zone.zone, ID_LEN, own);
	if (zone && !strcmp(zone, own) &&
	    a->reencrypt == json_is_true(json_object_get(answer, "contents")))
		return CMD_OK;
	return cmd_fail(CMD_BUSY, "wait for it, or cmkfs key rotate DIR --stop",
			"the mount is busy with another zone, or with other work on this one");
}

/* Begin it, or join what is under way.  STATUS is what the mount says now. */
static int begin(int fd, const struct volkeys *k, const struct generation_args *a,
		 json_int_t rate, struct progress *p, json_t *status)
{
	int r;

	if (ask_is_state(status, "running") || ask_is_state(status, "waiting")) {
		r = is_same(k, a, status);
		if (r) {
			json_decref(status);
			return r;
		}
		cmd_note("it is under way already");
		return watch(fd, k, p, status);
	}
	r = json_is_true(json_object_get(status, "read-only")) ?
		    cmd_fail(CMD_FAILED, "mount it read-write", "%s is mounted read-only", k->dir) : 0;
	json_decref(status);
	return r ? r : rotate(fd, k, a, rate, p);
}

static int say_stopped(json_t *status)
{
	if (ask_is_state(status, "stopped"))
		printf("stopped: the same `key rotate` again goes on with it\n");
	else
		cmd_note("nothing was under way");
	json_decref(status);
	return CMD_OK;
}

int generation_run(const struct volkeys *k, const struct generation_args *a)
{
	_cleanup_close_ int fd = -1;
	struct progress p;
	enum progress_mode mode;
	json_t *status = NULL;
	json_int_t rate;
	int r = parse_rate(a->bandwidth, &rate);

	if (r)
		return r;
	if (progress_parse(a->progress, &mode))
		return cmd_fail(CMD_USAGE, "it is bar, json or none", "'%s' is no kind of progress",
				a->progress);
	r = control_connect(k->ctx.dir, k->dir, &fd);
	if (r == -ENOENT)
		return cmd_fail(CMD_USAGE, "cmkfs mount it, and use it meanwhile",
				"%s is not mounted: its mount does this work", k->dir);
	if (r)
		return cmd_fail(CMD_FAILED, NULL, "%s: %s", k->dir, strerror(-r));
	r = ask_over(fd, k->dir,
		     json_pack("{s:s}", "cmd", a->stop ? "rekey-stop" : "rekey-status"), &status);
	if (r)
		return r;
	progress_begin(&p, mode, a->reencrypt ? "re-encrypt" : "rewrap", 0, 0);
	return a->stop ? say_stopped(status) : begin(fd, k, a, rate, &p, status);
}
