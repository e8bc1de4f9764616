/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the verbs of the embedded vault share: opening it as the operator, and
 * reading times.  Functions that return an enum cmd_exit have printed their
 * error.
 */
#ifndef CMKFS_VAULT_COMMON_H
#define CMKFS_VAULT_COMMON_H

#include "fs/lib/cmd.h"
#include "fs/lib/state.h"
#include "fs/lib/table.h"
#include "keyprov/local/local.h"

struct vault_session {
	struct state_context ctx;
	struct local *l; /* NULL: there is no vault on this host */
};

enum vault_missing { VAULT_MAKE, VAULT_NEEDED, VAULT_MAY_MISS };

/* Free with vault_session_done(), also after a failure. */
int vault_session(const struct cmd *c, enum vault_missing missing, struct vault_session *ret);
void vault_session_done(struct vault_session *s);

/* R of a call on S->l as an exit code, with E printed. */
int vault_result(int r, const struct kp_error *e);

/*
 * The end of a listing: print ROWS (taken over) if R, an exit code, is CMD_OK,
 * and free S.  An exit code.
 */
int vault_print(struct vault_session *s, int r, json_t *rows, const struct column *columns, size_t n,
		bool json);

/* One call by a name: most verbs are no more. */
typedef int vault_call_fn(struct local *l, const char *name, struct kp_error *e);
int vault_simple(const struct cmd *c, vault_call_fn *fn);

/*
 * 2027-01-31, 2027-01-31T12:00:00Z (UTC), +90d, -1h (s, m, h, d, w), unix seconds,
 * "none" (0); NULL: DFLT.  WHAT names the option in the error.
 */
int vault_time(const char *s, const char *what, int64_t dflt, int64_t *ret);

#endif
