/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs vault backup` and `vault restore`: a vault as one encrypted file.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "crypto/secret.h"
#include "fs/lib/passphrase.h"
#include "vault_common.h"

#define FILE_MAX (256 << 20)

static struct passphrase_opt pass;
static bool merge, json;

/* ---- backup ------------------------------------------------------------------------ */

static const struct opt backup_opts[] = { OPT_PASSPHRASE(pass), OPT_END };

static int unwritable(const char *path, int err)
{
	return cmd_fail(CMD_FAILED, err == EEXIST ? "name a file that does not exist" : NULL,
			"cannot write %s: %s", path, strerror(err));
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
	for (size_t done = 0; done < n;) {
		ssize_t w = write(fd, p + done, n - done);

		if (w < 0 && errno != EINTR)
			return -errno;
		done += w > 0 ? (size_t)w : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

/* All of it or nothing appears under PATH, which must be free. */
static int write_file(const char *path, const uint8_t *p, size_t n)
{
	_cleanup_free_ char *tmp = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (access(path, F_OK) == 0)
		return unwritable(path, EEXIST);
	if (asprintf(&tmp, "%s.XXXXXX", path) < 0)
		return unwritable(path, ENOMEM);
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return unwritable(path, errno);
	r = write_all(fd, p, n);
	if (!r && link(tmp, path) < 0)
		r = -errno;
	unlink(tmp);
	return r ? unwritable(path, -r) : CMD_OK;
}

static int backup(const struct cmd *c)
{
	struct kp_error e = { 0 };
	struct vault_session s;
	uint8_t *p = NULL;
	char *secret = NULL;
	size_t n = 0, len = 0;
	int r = vault_session(c, VAULT_NEEDED, &s);

	if (!r)
		r = passphrase_read(&pass, "the backup", true, &secret, &len);
	if (!r)
		r = vault_result(local_vault_backup(s.l, c->argv[0], secret, len, &p, &n, &e), &e);
	if (!r)
		r = write_file(c->argv[1], p, n);
	secret_free(secret);
	free(p);
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_backup = {
	.name = "vault backup",
	.args = "VAULT FILE",
	.summary = "Write a vault with all its keys to an encrypted file",
	.opts = backup_opts,
	.min_args = 2,
	.max_args = 2,
	.run = backup,
};

/* ---- restore ----------------------------------------------------------------------- */

static const struct opt restore_opts[] = {
	{ .name = "merge", .help = "add what is missing to a vault that is there", .flag = &merge },
	OPT_PASSPHRASE(pass), OPT_JSON(&json), OPT_END
};

static const struct column columns[] = {
	{ .key = "vault", .heading = "VAULT" },
	{ .key = "keys", .heading = "KEYS", .right = true },
	{ .key = "versions", .heading = "VERSIONS", .right = true },
	{ .key = "left", .heading = "LEFT-AS-THEY-ARE", .right = true },
};

static int unreadable(const char *path, const char *why)
{
	return cmd_fail(CMD_USAGE, "give a file that cmkfs vault backup has made",
			"cannot read %s: %s",
			path, why);
}

static int read_file(const char *path, uint8_t **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	size_t n = 0;
	ssize_t got;
	uint8_t *p;

	if (fd < 0 || fstat(fd, &st) < 0)
		return unreadable(path, strerror(errno));
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return unreadable(path, S_ISREG(st.st_mode) ? "too long for a backup" :
							      "not a regular file");
	p = malloc((size_t)st.st_size + 1);
	if (!p)
		return unreadable(path, strerror(ENOMEM));
	while (n < (size_t)st.st_size && (got = read(fd, p + n, (size_t)st.st_size - n)) != 0) {
		if (got < 0 && errno != EINTR) {
			free(p);
			return unreadable(path, strerror(errno));
		}
		n += got > 0 ? (size_t)got : 0;
	}
	*ret = p;
	*ret_n = n;
	return CMD_OK;
}

static int print(const struct local_restored *d)
{
	json_t *o = json_pack("{ss si si si}", "vault", d->vault, "keys", (int)d->keys, "versions",
			      (int)d->versions, "left", (int)d->left);

	return table_record(stdout, o, columns, ARRAY_SIZE(columns), json) ? CMD_FAILED : CMD_OK;
}

static int restore(const struct cmd *c)
{
	struct vault_session s = { .l = NULL };
	struct local_restored done;
	struct kp_error e = { 0 };
	uint8_t *p = NULL;
	char *secret = NULL;
	size_t n = 0, len = 0;
	int r = read_file(c->argv[0], &p, &n);

	if (!r)
		r = passphrase_read(&pass, "the backup", false, &secret, &len);
	if (!r)
		r = vault_session(c, VAULT_MAKE, &s);
	if (!r)
		r = vault_result(local_vault_restore(s.l, p, n, secret, len, merge, &done, &e), &e);
	if (!r)
		r = print(&done);
	secret_free(secret);
	free(p);
	vault_session_done(&s);
	return r;
}

const struct verb verb_vault_restore = {
	.name = "vault restore",
	.args = "FILE",
	.summary = "Put a vault back from its backup",
	.opts = restore_opts,
	.min_args = 1,
	.max_args = 1,
	.run = restore,
};
