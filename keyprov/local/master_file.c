/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the master key, and what is in it: 32 bytes, 64 hex digits, or the
 * key under a passphrase (master_sealed.c).
 */
#include "master_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "crypto/rand.h"
#include "crypto/secret.h"

#define TEXT_LEN (2 * MASTER_LEN + 1) /* in hex, with a newline */

int master_bad(struct kp_error *e, const char *path, const char *why)
{
	kp_fail(e, -EIO, NULL, "vault master key %s: %s", path, why);
	return kp_hint(e, -EIO, "restore the file of 32 bytes that belongs to vault.db, mode 0600");
}

static int nibble(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 32 bytes, or 64 hex digits: in place. */
static bool decode(uint8_t *p, size_t n)
{
	int hi, lo;

	if (n == MASTER_LEN)
		return true;
	if (n == TEXT_LEN && p[n - 1] == '\n')
		n--;
	if (n != 2 * MASTER_LEN)
		return false;
	for (size_t i = 0; i < MASTER_LEN; i++) {
		hi = nibble(p[2 * i]);
		lo = nibble(p[2 * i + 1]);
		if (hi < 0 || lo < 0)
			return false;
		p[i] = (uint8_t)(hi << 4 | lo);
	}
	return true;
}

/* P has MASTER_FILE_LEN + 1 bytes.  Its length, or -errno. */
static ssize_t read_file(const char *path, bool private, uint8_t *p, struct kp_error *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return master_bad(e, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return master_bad(e, path, "not a regular file");
	if (private && (st.st_mode & 077)) {
		kp_fail(e, -EIO, NULL, "vault master key %s can be read by others (mode %04o)",
			path, (unsigned int)st.st_mode & 07777);
		return kp_hint(e, -EIO, "chmod 600 %s, and think of who may have read it", path);
	}
	do
		n = read(fd, p, MASTER_FILE_LEN + 1);
	while (n < 0 && errno == EINTR);
	return n < 0 ? master_bad(e, path, strerror(errno)) : n;
}

/* ---- making ------------------------------------------------------------------------ */

static int fill_new(int fd, const uint8_t *p, size_t n)
{
	return write(fd, p, n) == (ssize_t)n && fsync(fd) == 0 ? 0 : -EIO;
}

/* All of it or nothing appears under PATH; with REPLACE instead of what is there. */
static int put_file(const char *state_dir, const char *path, const uint8_t *p, size_t n,
		    bool replace, struct kp_error *e)
{
	_cleanup_close_ int fd = -1, dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char tmp[4096];
	int r;

	snprintf(tmp, sizeof(tmp), "%s/.%s.XXXXXX", state_dir, VAULT_KEY_FILE);
	fd = mkostemp(tmp, O_CLOEXEC);
	if (dir < 0 || fd < 0)
		return master_bad(e, path, strerror(errno));
	r = fill_new(fd, p, n);
	if (!r && replace && rename(tmp, path) < 0)
		r = -errno;
	if (!r && !replace && link(tmp, path) < 0 && errno != EEXIST)
		r = -errno;
	if (r || !replace)
		unlink(tmp);
	if (!r && fsync(dir) < 0)
		r = -errno;
	return r ? master_bad(e, path, strerror(-r)) : 0;
}

static int make_key(const char *state_dir, const char *path, struct kp_error *e)
{
	uint8_t key[MASTER_LEN];
	int r = rand_secret(key, sizeof(key));

	r = r ? master_bad(e, path, "no random numbers") :
		put_file(state_dir, path, key, sizeof(key), false, e);
	secret_wipe(key, sizeof(key));
	return r;
}

/* ---- reading ----------------------------------------------------------------------- */

/* Whether it is a credential; the path in either case. */
static bool choose(const char *state_dir, char ret[static 4096])
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	snprintf(ret, 4096, "%s/%s", dir ? dir : "", VAULT_CREDENTIAL);
	if (dir && access(ret, F_OK) == 0)
		return true;
	snprintf(ret, 4096, "%s/%s", state_dir, VAULT_KEY_FILE);
	return false;
}

int master_read(const char *state_dir, bool create, uint8_t ret[static MASTER_LEN],
		struct kp_error *e)
{
	_cleanup_secret_ uint8_t *p = secret_alloc(MASTER_FILE_LEN + 1);
	char path[4096];
	bool credential = choose(state_dir, path);
	ssize_t n = 0;

	if (!p)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for the vault master key");
	if (!credential && create && access(path, F_OK) < 0 && errno == ENOENT)
		n = make_key(state_dir, path, e);
	if (!n)
		n = read_file(path, !credential, p, e);
	if (n < 0)
		return (int)n;
	if (master_is_sealed(p, n))
		return master_unseal(p, ret, path, e);
	if (!decode(p, (size_t)n))
		return master_bad(e, path, "not 32 bytes or 64 hex digits");
	memcpy(ret, p, MASTER_LEN);
	return 0;
}

/* ---- administration ---------------------------------------------------------------- */

int local_master_kind(const char *state_dir, enum local_master *ret, struct kp_error *e)
{
	uint8_t p[MASTER_FILE_LEN + 1]; /* a mount asks before its arena of secrets is made: that is not to be it */
	char path[4096];
	ssize_t n;

	*ret = LOCAL_MASTER_CREDENTIAL;
	if (choose(state_dir, path))
		return 0;
	n = read_file(path, true, p, e);
	if (n >= 0)
		*ret = master_is_sealed(p, n) ? LOCAL_MASTER_PASSPHRASE : LOCAL_MASTER_FILE;
	secret_wipe(p, sizeof(p));
	return n < 0 ? (int)n : 0;
}

int local_master_set(const char *state_dir, const char *pass, size_t n, struct kp_error *e)
{
	_cleanup_secret_ uint8_t *master = secret_alloc(MASTER_LEN);
	uint8_t file[MASTER_FILE_LEN];
	char path[4096];
	int r;

	if (!master)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for the vault master key");
	if (choose(state_dir, path))
		return kp_fail(e, -EPERM, "change the credential where it is made",
			       "the vault master "
			       "key is a credential of systemd: %s", path);
	r = master_read(state_dir, false, master, e);
	if (!r && pass)
		master_keep(master);
	if (!r && !pass)
		return put_file(state_dir, path, master, MASTER_LEN, true, e);
	if (!r && master_seal_file(master, pass, n, file))
		r = kp_fail(e, -EIO, NULL, "sealing the vault master key failed");
	return r ? r : put_file(state_dir, path, file, sizeof(file), true, e);
}
