/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs vault delete` and `purge`, `vault key delete` and `purge`: what takes a
 * key away, and whose it was.
 */
#include <stdio.h>

#include "vault_needs.h"

static bool force;

static const struct opt opts[] = {
	{ .name = "force", .help = "even if that is the last key of data that still exists",
	  .flag = &force },
	OPT_END
};

static int end(const struct cmd *c, enum needs_act act, vault_call_fn *fn)
{
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = vault_session(c, VAULT_NEEDED, &s);

	if (!r)
		r = needs_check(&s, c->argv[0], act, force);
	if (!r)
		r = vault_result(fn(s.l, c->argv[0], &e), &e);
	vault_session_done(&s);
	return r;
}

static int delete(const struct cmd *c)
{
	return end(c, NEEDS_DELETE, local_vault_delete);
}

static int purge(const struct cmd *c)
{
	return end(c, NEEDS_PURGE, local_vault_purge);
}

static int key_delete(const struct cmd *c)
{
	return end(c, NEEDS_DELETE, local_key_delete);
}

static int key_purge(const struct cmd *c)
{
	return end(c, NEEDS_PURGE, local_key_purge);
}

#define END_VERB(word, verb_name, argument, text)                                                  \
	const struct verb verb_vault_##word = {                                                    \
		.name = verb_name,                                                                 \
		.args = argument,                                                                  \
		.summary = text,                                                                   \
		.opts = opts,                                                                      \
		.min_args = 1,                                                                     \
		.max_args = 1,                                                                     \
		.run = word,                                                                       \
	}

END_VERB(delete, "vault delete", "VAULT", "Delete a vault: its keys are refused at once");
END_VERB(purge, "vault purge", "VAULT", "End a deleted vault and its keys for good");
END_VERB(key_delete, "vault key delete", "URI",
	 "Delete a key, or one version of it: volumes under it lock");
END_VERB(key_purge, "vault key purge", "URI", "End a deleted key or version for good");
