/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials that are fetched: see token.h.
 */
#include "token.h"

#include <errno.h>

#include "crypto/rand.h"
#include "crypto/secret.h"
#include "keyprov/clock.h"

static void drop(struct token *t)
{
	secret_free(t->value);
	t->value = NULL;
}

void token_done(struct token *t)
{
	drop(t);
	*t = (struct token){ 0 };
}

bool token_refused(struct token *t)
{
	bool new = t->value && boottime_ms() - t->fetched < TOKEN_PAUSE_MS;

	drop(t);
	return !new;
}

/* So that many volumes do not ask together: the upper half is jitter. */
static int64_t pause_ms(unsigned int failures)
{
	int64_t ms = MIN((int64_t)TOKEN_PAUSE_MS << MIN(failures, 8U), TOKEN_PAUSE_MAX_MS);
	uint32_t dice = 0;

	if (rand_bytes(&dice, sizeof(dice)))
		dice = 0;
	return ms - dice % (ms / 2);
}

static int failed(struct token *t, int r, int64_t now, const struct kp_error *why,
		  struct kp_error *e)
{
	t->asked_again = now + pause_ms(t->failures++);
	t->failure = *why;
	t->failure.code = r;
	if (e)
		*e = t->failure;
	return r;
}

static void keep(struct token *t, char *value, int64_t life, int64_t now)
{
	drop(t);
	t->value = value;
	t->fetched = now;
	t->expires = life > 0 ? now + life : INT64_MAX;
	t->refresh = life > 0 ? t->expires - MIN(life / 5, TOKEN_AHEAD_MS) : INT64_MAX;
	t->failures = 0;
	t->asked_again = 0;
}

static int fetch(struct token *t, token_fn *fn, void *arg, int64_t now, struct kp_error *e)
{
	struct kp_error why = { 0 };
	char *value = secret_alloc(TOKEN_MAX);
	int64_t life = 0;
	int r = value ? fn(arg, value, &life, &why) :
			kp_fail(&why, -EAGAIN, NULL, "no memory for a credential");

	if (!r) {
		keep(t, value, life, now); /* counted from before it was asked for */
		return 0;
	}
	secret_free(value);
	return failed(t, r, boottime_ms(), &why, e);
}

int token_get(struct token *t, token_fn *fn, void *arg, const char **ret, struct kp_error *e)
{
	int64_t now = boottime_ms();
	int r = 0;

	if (t->value && now >= t->expires)
		drop(t);
	if (now < t->asked_again) {
		r = t->failure.code;
		if (e && !t->value)
			*e = t->failure;
	} else if (!t->value || now >= t->refresh) {
		r = fetch(t, fn, arg, now, e);
	}
	if (!t->value)
		return r;
	*ret = t->value; /* maybe the old one: it is good yet */
	return 0;
}
