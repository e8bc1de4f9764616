/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs vault master show` and `vault master set`: how the master key of the
 * embedded vaults is kept.
 */
#include <stdio.h>

#include "crypto/secret.h"
#include "fs/lib/passphrase.h"
#include "vault_common.h"

static bool json, plain;
static struct passphrase_opt pass;

static const struct opt show_opts[] = { OPT_JSON(&json), OPT_END };

static const struct column columns[] = {
	{ .key = "kept", .heading = "KEPT" },
	{ .key = "file", .heading = "FILE" },
};

static int show(const struct cmd *c)
{
	static const char *const words[] = {
		[LOCAL_MASTER_FILE] = "plain file",
		[LOCAL_MASTER_PASSPHRASE] = "file under a passphrase",
		[LOCAL_MASTER_CREDENTIAL] = "systemd credential",
	};
	enum local_master kind;
	struct kp_error e = { 0 };
	struct vault_session s;
	char path[4200];
	int r = vault_session(c, VAULT_NEEDED, &s);

	if (!r)
		r = vault_result(local_master_kind(s.ctx.dir, &kind, &e), &e);
	if (!r) {
		snprintf(path, sizeof(path), "%s/vault.key", s.ctx.dir);
		r = table_record(stdout, json_pack("{ss ss?}", "kept", words[kind], "file",
						   kind == LOCAL_MASTER_CREDENTIAL ? NULL : path),
				 columns, ARRAY_SIZE(columns), json) ? CMD_FAILED : CMD_OK;
	}
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_master_show = {
	.name = "vault master show",
	.args = "",
	.summary = "Show how the master key of the embedded vaults is kept",
	.opts = show_opts,
	.run = show,
};

static const struct opt set_opts[] = {
	{ .name = "plain", .help = "keep it plain in its file, readable by its owner only",
	  .flag = &plain },
	OPT_PASSPHRASE(pass), OPT_END
};

static int set(const struct cmd *c)
{
	char *p = NULL;
	struct kp_error e = { 0 };
	struct vault_session s;
	size_t n = 0;
	int r;

	if (plain && (pass.file || pass.fd))
		return cmd_fail(CMD_USAGE, "cmkfs vault master set --plain, or with a passphrase",
				"--plain takes no passphrase");
	r = vault_session(c, VAULT_NEEDED, &s);
	if (!r && !plain)
		r = passphrase_read(&pass, "the embedded vault from now on", true, &p, &n);
	if (!r)
		r = vault_result(local_master_set(s.ctx.dir, plain ? NULL : p, n, &e), &e);
	if (!r)
		r = vault_result(local_note(s.l, "master.set", "vault.key",
					    plain ? "plain" : "passphrase", &e), &e);
	secret_free(p);
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_master_set = {
	.name = "vault master set",
	.args = "",
	.summary = "Keep the master key under a passphrase, or plain in its file",
	.opts = set_opts,
	.run = set,
};
