/* SPDX-License-Identifier: Apache-2.0 */
/*
 * `cmkfs key backup` and `key restore`: the keyrings of a volume in one file,
 * encrypted as they are.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "volkeys.h"

#define BACKUP_MAX (64u << 20)

/* ---- backup ------------------------------------------------------------------------ */

static int write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);

		if (w < 0)
			return -errno;
		p += w;
		n -= (size_t)w;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int write_new(const char *file, const uint8_t *p, size_t n)
{
	int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), r;

	if (fd < 0)
		return cmd_fail(CMD_FAILED, errno == EEXIST ? "give another name" : NULL, "%s: %s", file,
				strerror(errno));
	r = write_all(fd, p, n);
	if (close(fd) < 0 && !r)
		r = -errno;
	if (r)
		unlink(file);
	return r ? cmd_fail(CMD_FAILED, NULL, "cannot write %s: %s", file, strerror(-r)) : CMD_OK;
}

static int run_backup(const struct cmd *c)
{
	_cleanup_free_ uint8_t *p = NULL;
	struct store_error err = { "", "" };
	size_t n;
	int r = volume_backup_keys(c->argv[0], &p, &n, &err);

	return r ? cmd_fail_store(r, &err, c->argv[0]) : write_new(c->argv[1], p, n);
}

const struct verb verb_key_backup = {
	.name = "key backup",
	.args = "DIR FILE",
	.summary = "Save the keyrings of a volume, encrypted as they are",
	.min_args = 2,
	.max_args = 2,
	.run = run_backup,
};

/* ---- restore ------------------------------------------------------------------------- */

static bool force;

static const struct opt opts[] = {
	{ .name = "force", .help = "also replace a whole keyring that is not the backup's",
	  .flag = &force },
	OPT_END
};

static int read_all(const char *file, uint8_t **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = open(file, O_RDONLY | O_CLOEXEC);
	_cleanup_free_ uint8_t *p = NULL;
	size_t n = 0;
	ssize_t got = 1;

	while (fd >= 0 && got > 0 && n < BACKUP_MAX) {
		uint8_t *q = realloc(p, n + 65536);

		if (!q)
			return cmd_fail(CMD_FAILED, NULL, "out of memory");
		p = q;
		got = read(fd, p + n, 65536);
		n += (size_t)MAX(got, 0);
	}
	if (fd < 0 || got < 0)
		return cmd_fail(CMD_USAGE, "give a file that cmkfs key backup made", "%s: %s", file,
				strerror(errno));
	*ret = p;
	*ret_n = n;
	p = NULL;
	return CMD_OK;
}

/* A volume_restored_fn. */
static void tell(void *arg, const struct zone_id *z, enum restored what)
{
	static const char *const words[] = {
		[RESTORED_NEW] = "restored", [RESTORED_REPLACED] = "replaced",
		[RESTORED_SAME] = "is the backup's", [RESTORED_KEPT] = "kept: it is whole, and another",
	};
	char id[2 * ID_LEN + 1];
	bool *kept = arg;

	state_hex(z->zone, ID_LEN, id);
	printf("%s %s\n", id, words[what]);
	*kept |= what == RESTORED_KEPT;
}

static int run_restore(const struct cmd *c)
{
	_cleanup_free_ uint8_t *p = NULL;
	struct store_error err = { "", "" };
	bool kept = false;
	size_t n = 0;
	int r = read_all(c->argv[1], &p, &n);

	if (r)
		return r;
	r = volume_restore_keys(c->argv[0], p, n, force, tell, &kept, &err);
	if (r)
		return cmd_fail(r == -EBADMSG || r == -EINVAL ? CMD_USAGE : cmd_exit_of(r), err.hint,
				"%s: %s", c->argv[1], err.message);
	if (kept)
		cmd_note("--force replaces what was kept; a mount then wants --accept-rollback once");
	return CMD_OK;
}

const struct verb verb_key_restore = {
	.name = "key restore",
	.args = "DIR FILE",
	.summary = "Put keyrings back that are missing or damaged",
	.opts = opts,
	.min_args = 2,
	.max_args = 2,
	.run = run_restore,
};
