/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A new generation: made here, with a slot for each of the old one's; the work
 * under it is the mount's, which is asked how far it is.
 */
#include "key_generation.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>

#include "ask.h"
#include "crypto/rand.h"
#include "crypto/secret.h"
#include "fs/lib/progress.h"
#include "fs/mount/control.h"

#define POLL_MS 200

static _Atomic bool interrupted;

static void on_signal(int sig)
{
	(void)sig;
	interrupted = true;
}

/* ---- the new generation --------------------------------------------------------------- */

struct making {
	const struct volkeys_open *o;
	uint8_t *vk, *zik; /* secret memory; the new vault key, and room for the identity key */
	unsigned int n;
	struct keyslot slots[KEYRING_SLOTS];
};

/* The URI that S was named by. */
static const char *uri_of(const struct keyslot *s, char buf[static KP_URI_MAX])
{
	char version[KP_URI_MAX];

	volkeys_split(s->kid, buf, version);
	return s->params_len && s->params[0] & SLOT_FOLLOW ? buf : s->kid;
}

static int wrap_for(struct making *m, const struct keyslot *like, const uint8_t *secret)
{
	struct kp_error e = { 0 };
	char uri[KP_URI_MAX];

	if (volkeys_wrap(&m->o->k->ctx.kp, uri_of(like, uri), like->role, secret,
			 &m->slots[m->n], &e))
		return cmd_fail_kp(&e, NULL);
	m->slots[m->n++].group = like->group;
	return CMD_OK;
}

/* A way by one key, or by all of a group with fresh shares. */
static int copy_way(struct making *m, const struct way *w, uint32_t g)
{
	_cleanup_secret_ uint8_t *shares = secret_alloc(KEYRING_SLOTS * KEY_LEN);
	const struct volkeys *k = m->o->k;
	int r = shares ? CMD_OK : cmd_fail(CMD_FAILED, NULL, "out of memory");

	if (!r && !w->combiner)
		return wrap_for(m, w->slot[0], m->vk);
	for (unsigned int i = 0; i < w->n && !r; i++) {
		if (rand_secret(shares + i * KEY_LEN, KEY_LEN))
			return cmd_fail(CMD_FAILED, NULL, "no random numbers");
		r = wrap_for(m, w->slot[i], shares + i * KEY_LEN);
	}
	if (!r && combiner_make(&k->zone, g, w->combiner->group, shares, w->n, m->vk,
				&m->slots[m->n]))
		r = cmd_fail(CMD_FAILED, NULL, "cannot make the group's slot");
	if (!r)
		m->n++;
	return r;
}

static int copy_slots(struct making *m)
{
	const struct volkeys *k = m->o->k;
	struct generation *gen = keyring_generation(k->ring, k->ring->active);
	struct way ways[KEYRING_SLOTS];
	unsigned int n;
	int r = CMD_OK;

	for (unsigned int i = 0; gen && i < gen->nslots; i++)
		if (keyslot_use(&gen->slots[i]) == USE_RECOVERY)
			return cmd_fail(CMD_USAGE, "cmkfs key remove it, and key add it again afterwards",
					"a recovery slot cannot be carried over: its secret is not here");
	n = gen ? generation_ways(gen, ways) : 0;
	if (!n)
		return cmd_fail(CMD_FAILED, "cmkfs key set gives it one",
				"%s has no key of a provider", k->dir);
	for (unsigned int i = 0; i < n && !r; i++)
		r = copy_way(m, &ways[i], k->ring->gens[0].g + 1);
	return r;
}

/* A keyring_edit_fn. */
static int add_generation(void *arg, struct keyring *ring)
{
	struct making *m = arg;
	const struct keyring *was = m->o->k->ring;
	struct generation *gen = keyring_generation(ring, was->active);
	const uint8_t *vk = NULL;
	int r;

	for (unsigned int i = 0; i < m->o->n; i++)
		if (m->o->g[i] == was->active)
			vk = m->o->vk[i];
	if (!gen || !vk || ring->active != was->active || ring->gens[0].g != was->gens[0].g)
		return -EAGAIN;
	r = keyring_take(ring, gen, vk, m->zik);
	if (!r)
		r = keyring_add_generation(ring, m->vk, m->zik, (uint64_t)time(NULL), &gen);
	for (unsigned int i = 0; i < m->n && !r; i++)
		r = generation_add_slot(gen, &m->slots[i], NULL);
	return r;
}

static int make_generation(const struct volkeys *k)
{
	struct volkeys_open o;
	struct making m = { .o = &o, .vk = secret_alloc(KEY_LEN), .zik = secret_alloc(KEY_LEN) };
	char detail[32];
	int r = volkeys_open(k, &o);

	if (!r && (!m.vk || !m.zik || rand_secret(m.vk, KEY_LEN)))
		r = cmd_fail(CMD_FAILED, NULL, "no key can be made");
	if (!r)
		r = copy_slots(&m);
	snprintf(detail, sizeof(detail), "%u", k->ring->gens[0].g + 1);
	if (!r)
		r = volkeys_commit(&o, add_generation, &m, "key.generation", detail);
	for (unsigned int i = 0; i < m.n; i++)
		kp_slot_done(&m.slots[i]);
	secret_free(m.vk);
	secret_free(m.zik);
	volkeys_close(&o);
	return r;
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
	if (ask_is_state(a, "stopped"))
		return cmd_fail(CMD_UNCHECKED, "the same command again goes on with it",
				"stopped: %ju objects and %s were done",
				(uintmax_t)ask_number(a, "changed"), bytes);
	return cmd_fail(ask_number(a, "failed") ? CMD_INTEGRITY : CMD_FAILED,
			"cmkfs verify DIR says what is damaged", "%s", error ? error : "it failed");
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
		r = make_generation(k);
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

int generation_run(const struct volkeys *k, const struct generation_args *a)
{
	_cleanup_close_ int fd = -1;
	struct progress p;
	enum progress_mode mode;
	json_t *answer = NULL;
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
		     json_pack("{s:s}", "cmd", a->stop ? "rekey-stop" : "rekey-status"), &answer);
	if (r)
		return r;
	progress_begin(&p, mode, a->reencrypt ? "re-encrypt" : "rewrap", 0, 0);
	if (a->stop) {
		if (ask_is_state(answer, "stopped"))
			printf("stopped: the same `key rotate` again goes on with it\n");
		else
			cmd_note("nothing was under way");
	} else if (ask_is_state(answer, "running") || ask_is_state(answer, "waiting")) {
		r = is_same(k, a, answer);
		if (!r) {
			cmd_note("it is under way already");
			return watch(fd, k, &p, answer);
		}
	} else {
		r = rotate(fd, k, a, rate, &p);
	}
	json_decref(answer);
	return r;
}
