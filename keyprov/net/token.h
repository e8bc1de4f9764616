/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A credential that is fetched, used for a while and fetched again.  It counts
 * on the clock of leases, so that neither a suspended machine nor a clock that
 * is set back makes one live longer.  One thread at a time.
 *
 * It is fetched anew when a fifth of its life is left, at most
 * TOKEN_AHEAD_MS; if that fails the old one goes on until its end.  After a
 * failure nobody is asked for TOKEN_PAUSE_MS, doubled each time up to
 * TOKEN_PAUSE_MAX_MS: until then the failure itself is the answer.
 */
#ifndef CMKFS_NET_TOKEN_H
#define CMKFS_NET_TOKEN_H

#include "keyprov/keyprov.h"

#define TOKEN_MAX 16384 /* bytes with the NUL */
#define TOKEN_AHEAD_MS 300000
#define TOKEN_PAUSE_MS 1000
#define TOKEN_PAUSE_MAX_MS 16000

struct token {
	char *value;	 /* secret memory; NULL: none */
	int64_t fetched, expires, refresh; /* boottime ms */
	int64_t asked_again; /* nobody is asked before */
	unsigned int failures;
	struct kp_error failure;
};

/*
 * Fetch one: TOKEN_MAX bytes of secret memory at RET, and for how many
 * milliseconds it is good; 0: until it is refused.
 */
typedef int token_fn(void *arg, char *ret, int64_t *ret_life_ms, struct kp_error *e);

/* *RET is good until the next call.  0, or what FN said. */
int token_get(struct token *t, token_fn *fn, void *arg, const char **ret, struct kp_error *e);
/*
 * The service has refused it: the next token_get() fetches.  False: it is so
 * new (TOKEN_PAUSE_MS) that another would be refused as well.
 */
bool token_refused(struct token *t);
void token_done(struct token *t); /* wipes; may be called again */

#endif
