/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The master key of the embedded vault: where it comes from, and what is done
 * with the keys derived from it (KBKDF in counter mode with HMAC-SHA-256, one
 * block).  It is in memory only for the length of a call.
 */
#include "db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "crypto/aead.h"
#include "crypto/mac.h"
#include "crypto/rand.h"
#include "crypto/secret.h"

#define MASTER_LEN 32
#define MASTER_TEXT (2 * MASTER_LEN + 1) /* in hex, with a newline */

struct master {
	uint8_t seal[AEAD_KEY_LEN];
	uint8_t audit[MAC_LEN];
	uint8_t raw[MASTER_TEXT + 1]; /* as read; wiped once the others are derived */
};

static int bad(struct kp_error *e, const char *path, const char *why)
{
	kp_fail(e, -EIO, NULL, "vault master key %s: %s", path, why);
	return kp_hint(e, -EIO, "restore the file of 32 bytes that belongs to %s, mode 0600",
		       VAULT_DB);
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
	if (n == MASTER_TEXT && p[n - 1] == '\n')
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

static int read_key(const char *path, bool private, struct master *m, struct kp_error *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return bad(e, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return bad(e, path, "not a regular file");
	if (private && (st.st_mode & 077)) {
		kp_fail(e, -EIO, NULL, "vault master key %s can be read by others (mode %04o)",
			path, (unsigned int)st.st_mode & 07777);
		return kp_hint(e, -EIO, "chmod 600 %s, and think of who may have read it", path);
	}
	do
		n = read(fd, m->raw, sizeof(m->raw));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return bad(e, path, strerror(errno));
	return decode(m->raw, (size_t)n) ? 0 : bad(e, path, "not 32 bytes or 64 hex digits");
}

static int write_new(int fd)
{
	uint8_t key[MASTER_LEN];
	int r = rand_secret(key, sizeof(key));

	if (!r && (write(fd, key, sizeof(key)) != sizeof(key) || fsync(fd) < 0))
		r = -EIO;
	secret_wipe(key, sizeof(key));
	return r;
}

/* All of it or nothing appears under PATH; one that is there stays. */
static int make_key(const char *state_dir, const char *path, struct kp_error *e)
{
	_cleanup_close_ int fd = -1, dir = open(state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char tmp[4096];
	int r;

	snprintf(tmp, sizeof(tmp), "%s/.%s.XXXXXX", state_dir, VAULT_KEY_FILE);
	fd = mkostemp(tmp, O_CLOEXEC);
	if (dir < 0 || fd < 0)
		return bad(e, path, strerror(errno));
	r = write_new(fd);
	if (!r && link(tmp, path) < 0 && errno != EEXIST)
		r = -errno;
	unlink(tmp);
	if (!r && fsync(dir) < 0)
		r = -errno;
	return r ? bad(e, path, strerror(-r)) : 0;
}

static int derive(const struct master *m, const char *label, uint8_t ret[static MAC_LEN])
{
	static const uint8_t one[4] = { 0, 0, 0, 1 }, bits[4] = { 0, 0, 1, 0 };
	struct iovec iov[] = {
		{ (void *)(uintptr_t)one, sizeof(one) },
		{ (void *)(uintptr_t)label, strlen(label) + 1 },
		{ (void *)(uintptr_t)bits, sizeof(bits) },
	};

	return mac_v(m->raw, MASTER_LEN, iov, (int)ARRAY_SIZE(iov), ret);
}

static int load(const char *state_dir, bool create, struct master *m, struct kp_error *e)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "", VAULT_CREDENTIAL);
	if (dir && access(path, F_OK) == 0)
		return read_key(path, false, m, e);
	snprintf(path, sizeof(path), "%s/%s", state_dir, VAULT_KEY_FILE);
	if (create && access(path, F_OK) < 0 && errno == ENOENT) {
		r = make_key(state_dir, path, e);
		if (r)
			return r;
	}
	return read_key(path, true, m, e);
}

int master_load(const char *state_dir, bool create, struct master **ret, struct kp_error *e)
{
	struct master *m = secret_alloc(sizeof(*m));
	int r;

	if (!m)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for the vault master key");
	r = load(state_dir, create, m, e);
	if (!r && (derive(m, "cmkfs vault seal", m->seal) ||
		   derive(m, "cmkfs vault audit", m->audit)))
		r = kp_fail(e, -EIO, NULL, "deriving from the vault master key failed");
	secret_wipe(m->raw, sizeof(m->raw));
	if (r) {
		secret_free(m);
		return r;
	}
	*ret = m;
	return 0;
}

void master_free(struct master *m)
{
	secret_free(m);
}

int master_mac(const struct master *m, const void *p, size_t n, uint8_t ret[static HASH_LEN])
{
	return mac(m->audit, sizeof(m->audit), p, n, ret);
}

int master_check_value(const struct master *m, uint8_t ret[static HASH_LEN])
{
	static const char text[] = "cmkfs vault master check";

	return master_mac(m, text, sizeof(text), ret);
}

/* What a sealed key is bound to: it opens nowhere else. */
static size_t seal_aad(const struct local_uri *u, char *buf, size_t cap)
{
	return (size_t)snprintf(buf, cap, "cmkfs vault key 1|%s|%s|%s", u->vault, u->key,
				u->version);
}

int master_seal(const struct master *m, const struct local_uri *u, const uint8_t *p, size_t n,
		uint8_t *ret)
{
	char aad[KP_URI_MAX];

	return aead_seal_message(m->seal, aad, seal_aad(u, aad, sizeof(aad)), p, n, ret);
}

int master_open(const struct master *m, const struct local_uri *u, const uint8_t *sealed,
		size_t n, uint8_t *ret)
{
	char aad[KP_URI_MAX];

	return aead_open_message(m->seal, aad, seal_aad(u, aad, sizeof(aad)), sealed, n, ret);
}
