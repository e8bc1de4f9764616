/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key add`: another way into a zone: a second key, a key that is needed
 * together with the present one, or a recovery slot.
 */
#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "crypto/rand.h"
#include "crypto/secret.h"
#include "volkeys.h"

static const char *zone, *kind, *pass_file, *key_file, *open_with;
static bool together;

static const struct opt opts[] = {
	OPT_ZONE(&zone),
	{ .name = "together", .help = "the zone opens only by all of its keys, this one included",
	  .flag = &together },
	{ .name = "recovery", .arg = "passphrase|rsa",
	  .help = "a recovery slot, which no revocation closes", .value = &kind },
	{ .name = "passphrase-file", .arg = "FILE", .help = "its first line is the passphrase",
	  .value = &pass_file },
	{ .name = "public-key", .arg = "FILE", .help = "of the RSA key that is kept offline",
	  .value = &key_file },
	OPT_OPEN_WITH(&open_with),
	OPT_END
};

/* What is to be in each generation: the slots of ADD come, and, if any, those of DROP go. */
struct adding {
	const struct volkeys_open *o;
	unsigned int n[KEYRING_GENERATIONS]; /* in the order of o->g */
	struct keyslot add[KEYRING_GENERATIONS][KEYRING_SLOTS];
	bool drop; /* all other slots of providers */
};

static int keep(struct adding *a, unsigned int i, const struct keyslot *s)
{
	a->add[i][a->n[i]++] = *s;
	return CMD_OK;
}

/* A keyring_edit_fn. */
static int put(void *arg, struct keyring *ring)
{
	const struct adding *a = arg;

	for (unsigned int i = 0; i < a->o->n; i++) {
		struct generation *gen = keyring_generation(ring, a->o->g[i]);

		if (!gen || gen->state == GEN_DESTROYED)
			return -EAGAIN;
		for (unsigned int s = gen->nslots; a->drop && s-- > 0;)
			if (keyslot_use(&gen->slots[s]) != USE_RECOVERY)
				generation_remove_slot(gen, gen->slots[s].id);
		for (unsigned int s = 0; s < a->n[i]; s++) {
			int r = generation_add_slot(gen, &a->add[i][s], NULL);

			if (r)
				return r;
		}
	}
	return 0;
}

/* ---- a key of its own ------------------------------------------------------------- */

static bool has_key(const struct volkeys *k, const struct keyslot *s)
{
	struct generation *gen = keyring_generation(k->ring, k->ring->active);

	for (unsigned int i = 0; gen && i < gen->nslots; i++)
		if (!strcmp(gen->slots[i].kid, s->kid) && *s->kid)
			return true;
	return false;
}

static int add_alone(struct adding *a, const char *uri)
{
	const struct volkeys *k = a->o->k;
	struct kp_error e = { 0 };
	struct keyslot s;

	for (unsigned int i = 0; i < a->o->n; i++) {
		if (volkeys_wrap(&k->ctx.kp, uri, ROLE_CUSTOMER, a->o->vk[i], &s, &e))
			return cmd_fail_kp(&e, NULL);
		keep(a, i, &s);
		if (has_key(k, &s))
			return cmd_fail(CMD_USAGE, "cmkfs key show lists the slots",
					"the zone opens by %s already", s.kid);
	}
	return CMD_OK;
}

/* ---- a key that is needed together with the present ones -------------------------------- */

/* A fresh share under URI (or the kid of a slot) as a member of GROUP. */
static int add_share(struct adding *a, unsigned int i, uint8_t group, const char *uri, uint8_t *share)
{
	struct kp_error e = { 0 };
	struct keyslot s;

	if (rand_secret(share, KEY_LEN))
		return cmd_fail(CMD_FAILED, NULL, "no random numbers");
	if (volkeys_wrap(&a->o->k->ctx.kp, uri, ROLE_SHARE, share, &s, &e))
		return cmd_fail_kp(&e, NULL);
	s.group = group;
	return keep(a, i, &s);
}

/* The present key of slot S, by the URI that it was named by. */
static int add_member(struct adding *a, unsigned int i, const struct keyslot *s, uint8_t *share)
{
	char uri[KP_URI_MAX], version[KP_URI_MAX];
	bool follow = s->params_len && s->params[0] & SLOT_FOLLOW;

	volkeys_split(s->kid, uri, version);
	return add_share(a, i, 1, follow ? uri : s->kid, share);
}

static int make_group(struct adding *a, unsigned int i, const struct generation *gen,
		      const char *uri)
{
	_cleanup_secret_ uint8_t *shares = secret_alloc(KEYRING_SLOTS * KEY_LEN);
	const struct volkeys_open *o = a->o;
	struct way ways[KEYRING_SLOTS];
	struct keyslot combiner;
	unsigned int n = generation_ways(gen, ways), m = 0;
	int r = shares ? CMD_OK : cmd_fail(CMD_FAILED, NULL, "out of memory");

	if (!r && n != 1)
		return cmd_fail(CMD_USAGE, "cmkfs key set leaves one, cmkfs key remove takes one away",
				"the zone has %u ways in: a key is needed together with one only", n);
	if (!r && ways[0].n + 2 > KEYRING_SLOTS)
		return cmd_fail(CMD_FAILED, NULL, "so many keys cannot be needed together");
	for (; m < ways[0].n && !r; m++)
		r = add_member(a, i, ways[0].slot[m], shares + m * KEY_LEN);
	if (!r)
		r = add_share(a, i, 1, uri, shares + m++ * KEY_LEN);
	if (r)
		return r;
	if (combiner_make(&o->k->zone, gen->g, 1, shares, m, o->vk[i], &combiner))
		return cmd_fail(CMD_FAILED, NULL, "cannot make the group's slot");
	return keep(a, i, &combiner);
}

static int add_together(struct adding *a, const char *uri)
{
	int r = CMD_OK;

	a->drop = true;
	for (unsigned int i = 0; i < a->o->n && !r; i++)
		r = make_group(a, i, keyring_generation(a->o->k->ring, a->o->g[i]), uri);
	return r;
}

/* ---- recovery -------------------------------------------------------------------------------- */

static int load_recovery(struct recovery **ret)
{
	bool rsa = !strcmp(kind, "rsa");
	const char *file = rsa ? key_file : pass_file;
	char why[256];
	int r;

	if (!rsa && strcmp(kind, "passphrase"))
		return cmd_fail(CMD_USAGE, "it is passphrase or rsa",
				"there is no recovery by '%s'", kind);
	if (!file)
		return cmd_fail(CMD_USAGE, rsa ? "--public-key FILE" : "--passphrase-file FILE",
				"what the recovery slot is to open by is missing");
	r = rsa ? recovery_load_public(file, ret, why) : recovery_load(file, ret, why);
	if (r)
		return cmd_fail(CMD_USAGE, rsa ? "it holds a public RSA key in PEM" :
				"its first line is the passphrase", "%s: %s", file, why);
	if (!rsa && ((*ret)->key || (*ret)->n < RECOVERY_PASS_MIN))
		return cmd_fail(CMD_USAGE, "its first line has 8 characters or more",
				"%s: this is no passphrase to rely on", file);
	return CMD_OK;
}

/* The same word in every generation, so that they are known to be one slot. */
static char *new_label(void)
{
	uint8_t id[4];
	char *label;

	if (rand_bytes(id, sizeof(id)) ||
	    asprintf(&label, "recovery-%02x%02x%02x%02x", id[0], id[1], id[2], id[3]) < 0)
		return NULL;
	return label;
}

static int add_recovery(struct adding *a)
{
	_cleanup_free_ char *label = new_label();
	struct recovery *by = NULL;
	struct keyslot s;
	int r = load_recovery(&by);

	for (unsigned int i = 0; i < a->o->n && !r; i++) {
		int e = label ? recovery_make(by, a->o->vk[i], &s) : -ENOMEM;

		if (e == -EKEYREJECTED)
			r = cmd_fail(CMD_USAGE, "an RSA key has 2048, 3072 or 4096 bits",
				     "%s: the key has not the right size", key_file);
		else if (e)
			r = cmd_fail(CMD_FAILED, NULL, "cannot make the slot: %s", strerror(-e));
		if (r)
			break;
		s.kid = strdup(label);
		keep(a, i, &s);
	}
	recovery_free(by);
	if (!r)
		cmd_note("a recovery slot is a way round a revocation: who has its secret and the "
			 "volume reads it, whatever the vault says");
	return r;
}

/* ---- the verb ---------------------------------------------------------------------------------- */

static int usage(const struct cmd *c)
{
	if (!kind == (c->argc == 1))
		return cmd_fail(CMD_USAGE, "cmkfs key add DIR URI, or cmkfs key add DIR --recovery KIND",
				kind ? "a recovery slot has no URI" : "the URI of the key is missing");
	if (kind && together)
		return cmd_fail(CMD_USAGE, "cmkfs key add DIR URI --together",
				"a recovery slot opens alone");
	return CMD_OK;
}

static int add(const struct cmd *c, const struct volkeys *k)
{
	struct adding *a = calloc(1, sizeof(*a));
	struct volkeys_open o;
	int r = a ? volkeys_open(k, &o) : cmd_fail(CMD_FAILED, NULL, "out of memory");

	if (!a)
		return r;
	a->o = &o;
	if (!r)
		r = kind ? add_recovery(a) :
		    together ? add_together(a, c->argv[1]) : add_alone(a, c->argv[1]);
	if (!r)
		r = volkeys_commit(&o, put, a, "key.add", kind ? "recovery" : c->argv[1]);
	for (unsigned int i = 0; i < o.n; i++)
		for (unsigned int s = 0; s < a->n[i]; s++) {
			if (!r && !i && a->add[i][s].kid)
				printf("%s\n", a->add[i][s].kid);
			kp_slot_done(&a->add[i][s]);
		}
	volkeys_close(&o);
	free(a);
	return r;
}

static int run(const struct cmd *c)
{
	struct volkeys k = { .ring = NULL };
	int r = usage(c);

	if (r)
		return r;
	r = volkeys_load(c, c->argv[0], zone, &k);
	if (!r)
		r = volkeys_open_with(&k, open_with);
	if (!r)
		r = add(c, &k);
	volkeys_done(&k);
	return r;
}

const struct verb verb_key_add = {
	.name = "key add",
	.args = "DIR [URI]",
	.summary = "Give a volume another key, beside or together with its own",
	.opts = opts,
	.min_args = 1,
	.max_args = 2,
	.run = run,
};
