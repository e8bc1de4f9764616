/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs vault key create`, `import`, `rotate`, `update`, `enable`, `disable`,
 * `recover`: keys of the embedded vaults.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "crypto/secret.h"
#include "fs/lib/passphrase.h"
#include "vault_common.h"

#define FILE_MAX 65536 /* of a key to import; as much as secret memory gives at once */

static const char *size, *not_before, *expires, *file;

#define OPT_SIZE                                                                                   \
	{ .name = "size", .arg = "BITS", .help = "2048 (default), 3072 or 4096", .value = &size }
#define OPT_TIMES                                                                                  \
	{ .name = "not-before", .arg = "TIME", .help = "refuse to use it earlier",                 \
	  .value = &not_before },                                                                  \
	{ .name = "expires", .arg = "TIME", .help = "refuse to use it from then on",               \
	  .value = &expires }

static int take_options(struct local_key_options *o)
{
	uint64_t n = 0;
	int r = vault_time(not_before, "not-before", 0, &o->not_before);

	if (!r)
		r = vault_time(expires, "expires", 0, &o->expires);
	if (r)
		return r;
	if (size && conf_number(size, 1, 65536, &n))
		return cmd_fail(CMD_USAGE, "give --size 2048, 3072 or 4096",
				"--size: '%s' is not a number of bits", size);
	o->bits = (unsigned int)n;
	return CMD_OK;
}

typedef int make_fn(struct local *l, const char *uri, const struct local_key_options *o,
		    char ret_kid[static KP_URI_MAX], struct kp_error *e);

/* Prints the kid of the new version: what a script needs next. */
static int make(const struct cmd *c, make_fn *fn)
{
	struct local_key_options o = { 0 };
	char kid[KP_URI_MAX];
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = take_options(&o);

	if (r)
		return r;
	r = vault_session(c, VAULT_NEEDED, &s);
	if (!r)
		r = vault_result(fn(s.l, c->argv[0], &o, kid, &e), &e);
	if (!r)
		printf("%s\n", kid);
	vault_session_done(&s);
	return r;
}

static int create(const struct cmd *c)
{
	return make(c, local_key_create);
}

static int rotate(const struct cmd *c)
{
	return make(c, local_key_rotate);
}

static const struct opt make_opts[] = { OPT_SIZE, OPT_TIMES, OPT_END };

const struct verb verb_vault_key_create = {
	.name = "vault key create",
	.args = "URI",
	.summary = "Make an RSA key in a vault",
	.opts = make_opts,
	.min_args = 1,
	.max_args = 1,
	.run = create,
};

const struct verb verb_vault_key_rotate = {
	.name = "vault key rotate",
	.args = "URI",
	.summary = "Make a new version of a key",
	.opts = make_opts,
	.min_args = 1,
	.max_args = 1,
	.run = rotate,
};

/* ---- import -------------------------------------------------------------------- */

static struct passphrase_opt key_pass;

static const struct opt import_opts[] = {
	{ .name = "file", .arg = "PEM", .help = "the key; standard input without",
	  .value = &file },
	OPT_PASSPHRASE(key_pass), OPT_TIMES, OPT_END
};

static struct {
	uint8_t *p; /* secret */
	size_t n;
	char *pass; /* secret; NULL: it is not encrypted */
	size_t pass_len;
} input;

static int unreadable(const char *why)
{
	return cmd_fail(CMD_USAGE, "give a PEM or DER file with --file, or on standard input",
			"cannot read %s: %s", file ? file : "standard input", why);
}

static int read_file(void)
{
	_cleanup_close_ int fd = -1;
	ssize_t n = 0;

	input.p = secret_alloc(FILE_MAX);
	if (input.p)
		fd = file ? open(file, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	if (fd < 0)
		return unreadable(strerror(errno));
	while (input.n < FILE_MAX && (n = read(fd, input.p + input.n, FILE_MAX - input.n)) != 0) {
		if (n < 0 && errno != EINTR)
			return unreadable(strerror(errno));
		input.n += n > 0 ? (size_t)n : 0;
	}
	if (input.n == FILE_MAX)
		return unreadable("too long for a key");
	return CMD_OK;
}

static int note_kind(void *arg, const struct local_version *v)
{
	(void)arg;
	if (strcmp(v->type, "RSA") != 0 || v->bits < 2048)
		cmd_note("no volume will take this key: %s of %u bits", v->type, v->bits);
	return 0;
}

static int import_input(struct local *l, const char *uri, const struct local_key_options *o,
			char ret_kid[static KP_URI_MAX], struct kp_error *e)
{
	struct local_key_options with = *o;
	int r;

	with.pass = input.pass;
	with.pass_len = input.pass_len;
	r = local_key_import(l, uri, input.p, input.n, &with, ret_kid, e);

	if (!r)
		local_key_versions(l, ret_kid, note_kind, NULL, NULL);
	return r;
}

static int import(const struct cmd *c)
{
	int r = read_file();

	if (!r && (key_pass.file || key_pass.fd || local_key_encrypted(input.p, input.n)))
		r = passphrase_read(&key_pass, file ? file : "the key", false, &input.pass,
				    &input.pass_len);
	if (!r)
		r = make(c, import_input);
	secret_free(input.pass);
	secret_free(input.p);
	return r;
}

const struct verb verb_vault_key_import = {
	.name = "vault key import",
	.args = "URI",
	.summary = "Take a key from a PEM or DER file",
	.opts = import_opts,
	.min_args = 1,
	.max_args = 1,
	.run = import,
};

/* ---- update -------------------------------------------------------------------- */

static const struct opt update_opts[] = { OPT_TIMES, OPT_END };

static int update(const struct cmd *c)
{
	int64_t from, to;
	struct kp_error e = { 0 };
	struct vault_session s;
	int r = vault_time(not_before, "not-before", LOCAL_UNCHANGED, &from);

	if (!r)
		r = vault_time(expires, "expires", LOCAL_UNCHANGED, &to);
	if (r)
		return r;
	r = vault_session(c, VAULT_NEEDED, &s);
	if (!r)
		r = vault_result(local_key_update(s.l, c->argv[0], from, to, &e), &e);
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_key_update = {
	.name = "vault key update",
	.args = "URI",
	.summary = "Change the times of a key version",
	.opts = update_opts,
	.min_args = 1,
	.max_args = 1,
	.run = update,
};

/* ---- what needs no more than a URI --------------------------------------------- */

static int call_enable(struct local *l, const char *uri, struct kp_error *e)
{
	return local_key_enable(l, uri, true, e);
}

static int call_disable(struct local *l, const char *uri, struct kp_error *e)
{
	return local_key_enable(l, uri, false, e);
}

static int enable(const struct cmd *c)
{
	return vault_simple(c, call_enable);
}

static int disable(const struct cmd *c)
{
	return vault_simple(c, call_disable);
}

static int recover(const struct cmd *c)
{
	return vault_simple(c, local_key_recover);
}

#define URI_VERB(word, text)                                                                       \
	const struct verb verb_vault_key_##word = {                                                \
		.name = "vault key " #word,                                                        \
		.args = "URI",                                                                     \
		.summary = text,                                                                   \
		.min_args = 1,                                                                     \
		.max_args = 1,                                                                     \
		.run = word,                                                                       \
	}

URI_VERB(enable, "Let a key, or one version of it, be used again");
URI_VERB(disable, "Refuse a key, or one version of it: volumes under it lock");
URI_VERB(recover, "Take the deletion of a key or version back, within the retention");
