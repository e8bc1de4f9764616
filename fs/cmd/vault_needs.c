/* SPDX-License-Identifier: Apache-2.0 */
#include "vault_needs.h"

#include <errno.h>
#include <stdio.h>

#include "fs/lib/uses.h"

/* What is taken away: a vault, a key of it, or a version of that. */
struct target {
	struct local_uri u;
	const char *what, *noun; /* as the command names it; "key " of a key */
	bool final;		 /* it could not be had back */
	json_t *found;		 /* objects: dir, volume, zone, kid, last */
};

static bool hits(const struct target *t, const char *kid)
{
	struct local_uri u;

	return kid && !local_uri_parse(kid, &u, NULL) && !strcmp(u.vault, t->u.vault) &&
	       (!t->u.key[0] || !strcmp(u.key, t->u.key)) &&
	       (!t->u.version[0] || !strcmp(u.version, t->u.version));
}

/* The kid that closes WAY, or NULL. */
static const char *closes(const struct target *t, const json_t *way)
{
	const json_t *kid;
	size_t i;

	json_array_foreach(way, i, kid)
		if (hits(t, json_string_value(kid)))
			return json_string_value(kid);
	return NULL;
}

/* A uses_fn. */
static int look(void *arg, const struct use *u)
{
	const struct target *t = arg;
	const char *kid = NULL;
	unsigned int open = 0;
	const json_t *way;
	size_t i;

	json_array_foreach(u->ways, i, way) {
		const char *by = closes(t, way);

		kid = kid ? kid : by;
		open += !by;
	}
	if (kid)
		json_array_append_new(t->found, json_pack("{ss ss ss ss sb}", "dir", u->dir, "volume",
							  u->volume, "zone", u->zone, "kid", kid,
							  "last", !open));
	return 0;
}

/* A bad name is refused by who looks for it. */
static void find(const struct vault_session *s, const char *what, struct target *t)
{
	bool key = strstr(what, "/keys/");

	*t = (struct target){ .what = what, .noun = key ? "key " : "", .found = json_array() };
	if (key ? !local_uri_parse(what, &t->u, NULL) : !local_vault_name(what, t->u.vault, NULL))
		uses_each(s->ctx.dir, look, t);
}

static const char *word(const json_t *f, const char *key)
{
	return json_string_value(json_object_get(f, key));
}

static bool is_last(const json_t *f)
{
	return json_is_true(json_object_get(f, "last"));
}

static bool is_soft(const struct vault_session *s, const struct target *t)
{
	struct local_vault v;

	return !local_vault_get(s->l, t->u.vault, &v, NULL) && v.soft_delete;
}

static void tell(const struct target *t, const json_t *f)
{
	if (!is_last(f))
		cmd_note("zone %s of %s loses one of its keys, %s, and opens by another",
			 word(f, "zone"), word(f, "dir"), word(f, "kid"));
	else if (!t->final)
		cmd_note("zone %s of %s still needs %s: locked until cmkfs vault %srecover %s",
			 word(f, "zone"), word(f, "dir"), word(f, "kid"), t->noun, t->what);
	else
		cmd_note("zone %s of %s needed %s: nothing opens it any more", word(f, "zone"),
			 word(f, "dir"), word(f, "kid"));
}

static int refuse(const struct target *t, const json_t *f, enum needs_act act)
{
	char hint[2 * KP_URI_MAX + 256], zone[32] = "", first[KP_URI_MAX + 64] = "";

	if (strcmp(word(f, "zone"), "0"))
		snprintf(zone, sizeof(zone), " --zone %.8s", word(f, "zone"));
	if (act == NEEDS_PURGE)
		snprintf(first, sizeof(first), "cmkfs vault %srecover %s, then ", t->noun, t->what);
	snprintf(hint, sizeof(hint), "%scmkfs key set%s %s URI moves it to another key; --force if that "
		 "is meant", first, zone, word(f, "dir"));
	return cmd_fail(CMD_LOCKED, hint, "zone %s of %s still needs %s: what is in it could never be "
			"read again", word(f, "zone"), word(f, "dir"), word(f, "kid"));
}

int needs_check(const struct vault_session *s, const char *what, enum needs_act act, bool force)
{
	struct target t;
	const json_t *f;
	int r = CMD_OK;
	size_t i;

	find(s, what, &t);
	t.final = json_array_size(t.found) && (act == NEEDS_PURGE || !is_soft(s, &t));
	json_array_foreach(t.found, i, f)
		if (!r && t.final && !force && is_last(f))
			r = refuse(&t, f, act);
	if (!r)
		json_array_foreach(t.found, i, f)
			tell(&t, f);
	json_decref(t.found);
	return r;
}

/* The zone of F has an identity of its own only if its credential is here. */
static bool asks_as(const struct vault_session *s, const json_t *f, const char *principal)
{
	_cleanup_free_ char *own = NULL, *cred = NULL;
	char volume[STATE_PRINCIPAL_LEN];

	snprintf(volume, sizeof(volume), "cmkfs-%s", word(f, "volume"));
	if (asprintf(&own, "%s-%.8s", volume, word(f, "zone")) < 0)
		own = NULL;
	if (own && !strcmp(principal, own))
		return true;
	if (strcmp(principal, volume) || !own ||
	    asprintf(&cred, "%s/identities/%s.cred", s->ctx.dir, own) < 0)
		return false;
	return access(cred, F_OK);
}

void needs_tell_policy(const struct vault_session *s, const char *vault, const char *principal)
{
	struct target t;
	const json_t *f;
	size_t i;

	find(s, vault, &t);
	json_array_foreach(t.found, i, f)
		if (is_last(f) && asks_as(s, f, principal))
			cmd_note("zone %s of %s still needs %s: locked until "
				 "cmkfs vault policy set %s %s use", word(f, "zone"), word(f, "dir"), word(f, "kid"), vault, principal);
	json_decref(t.found);
}

json_t *needs_of(const struct vault_session *s, const char *kid)
{
	json_t *list = json_array();
	struct target t;
	const json_t *f;
	size_t i;

	find(s, kid, &t);
	json_array_foreach(t.found, i, f)
		json_array_append_new(list, json_sprintf("zone %s of %s", word(f, "zone"),
							 word(f, "dir")));
	json_decref(t.found);
	return list;
}
