/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of the master key.  Plain: 32 bytes or 64 hex digits.  Under a
 * passphrase: "CMKFSVK1" 8 · log2 N, r, p of scrypt 3 · check of the key 5 ·
 * salt 32 · the key sealed by AES-256-GCM (nonce, text, tag) with all before it as
 * associated data.  So a passphrase is set, changed and taken away without
 * touching what the master key protects.
 */
#include "master.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "crypto/aead.h"
#include "crypto/mac.h"
#include "crypto/rand.h"
#include "crypto/secret.h"

#define MAGIC "CMKFSVK1"
#define CHECK_AT 11
#define CHECK_LEN 5 /* tells whether the key that we keep is this one */
#define SALT_AT 16
#define SEALED_AT (SALT_AT + PASSPHRASE_SALT)
#define FILE_LEN (SEALED_AT + MASTER_LEN + SEALED_EXTRA)
#define TEXT_LEN (2 * MASTER_LEN + 1) /* in hex, with a newline */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects the following */
static uint8_t *kept; /* secret: the last one that a passphrase opened */
static int handed_fd = -1; /* see local_master_hand_over() */

static int bad(struct kp_error *e, const char *path, const char *why)
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

/* P has FILE_LEN + 1 bytes.  Its length, or -errno. */
static ssize_t read_file(const char *path, bool private, uint8_t *p, struct kp_error *e)
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
		n = read(fd, p, FILE_LEN + 1);
	while (n < 0 && errno == EINTR);
	return n < 0 ? bad(e, path, strerror(errno)) : n;
}

/* ---- under a passphrase ------------------------------------------------------------ */

static bool is_sealed(const uint8_t *p, ssize_t n)
{
	return n == FILE_LEN && !memcmp(p, MAGIC, 8);
}

static int check_of(const uint8_t *master, uint8_t ret[static MAC_LEN])
{
	static const char label[] = "cmkfs vault master kept";

	return mac(master, MASTER_LEN, label, sizeof(label), ret);
}

static bool is_kept(const uint8_t *file)
{
	uint8_t m[MAC_LEN];

	return kept && !check_of(kept, m) && !memcmp(m, file + CHECK_AT, CHECK_LEN);
}

/* One that was opened by the process that started this one; read once. */
static bool take_handed(uint8_t *ret)
{
	bool ok = handed_fd >= 0 && read(handed_fd, ret, MASTER_LEN) == MASTER_LEN;

	if (handed_fd >= 0)
		close(handed_fd);
	handed_fd = -1;
	return ok;
}

static int open_sealed(const uint8_t *file, const char *pass, size_t n, uint8_t *ret,
		       const char *path, struct kp_error *e)
{
	const struct passphrase_cost cost = { file[8], file[9], file[10] };
	uint8_t *key = secret_alloc(AEAD_KEY_LEN);
	int r;

	if (!key)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for a key");
	r = passphrase_scrypt(pass, n, file + SALT_AT, cost, key, AEAD_KEY_LEN);
	if (r)
		r = bad(e, path, "its cost is none that is used");
	else if (aead_open_message(key, file, SEALED_AT, file + SEALED_AT,
				   MASTER_LEN + SEALED_EXTRA,
				   ret))
		r = kp_fail(e, -EACCES, "try again; without it the keys of the vaults are lost",
			    "the passphrase of %s is wrong, or the file is damaged",
			    path);
	secret_free(key);
	return r;
}

static int ask_and_open(const uint8_t *file, uint8_t *ret, const char *path, struct kp_error *e)
{
	_cleanup_secret_ char *pass = secret_alloc(LOCAL_PASSPHRASE_MAX);
	size_t n = 0;
	int r;

	if (!pass)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for a passphrase");
	r = passphrase_ask("the embedded vault", pass, &n, e);
	return r ? r : open_sealed(file, pass, n, ret, path, e);
}

static int unseal(const uint8_t *file, uint8_t *ret, const char *path, struct kp_error *e)
{
	int r = 0;

	pthread_mutex_lock(&lock);
	if (!kept)
		kept = secret_alloc(MASTER_LEN);
	if (!kept)
		r = kp_fail(e, -EAGAIN, NULL, "no locked memory for the vault master key");
	else if (!is_kept(file) && !(take_handed(kept) && is_kept(file)))
		r = ask_and_open(file, kept, path, e);
	if (!r)
		memcpy(ret, kept, MASTER_LEN);
	pthread_mutex_unlock(&lock);
	return r;
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
		return bad(e, path, strerror(errno));
	r = fill_new(fd, p, n);
	if (!r && replace && rename(tmp, path) < 0)
		r = -errno;
	if (!r && !replace && link(tmp, path) < 0 && errno != EEXIST)
		r = -errno;
	if (r || !replace)
		unlink(tmp);
	if (!r && fsync(dir) < 0)
		r = -errno;
	return r ? bad(e, path, strerror(-r)) : 0;
}

static int make_key(const char *state_dir, const char *path, struct kp_error *e)
{
	uint8_t key[MASTER_LEN];
	int r = rand_secret(key, sizeof(key));

	r = r ? bad(e, path, "no random numbers") :
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
	_cleanup_secret_ uint8_t *p = secret_alloc(FILE_LEN + 1);
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
	if (is_sealed(p, n))
		return unseal(p, ret, path, e);
	if (!decode(p, (size_t)n))
		return bad(e, path, "not 32 bytes or 64 hex digits");
	memcpy(ret, p, MASTER_LEN);
	return 0;
}

/* ---- administration ---------------------------------------------------------------- */

int local_master_kind(const char *state_dir, enum local_master *ret, struct kp_error *e)
{
	uint8_t p[FILE_LEN + 1]; /* a mount asks before its arena of secrets is made: that is not to be it */
	char path[4096];
	ssize_t n;

	*ret = LOCAL_MASTER_CREDENTIAL;
	if (choose(state_dir, path))
		return 0;
	n = read_file(path, true, p, e);
	if (n >= 0)
		*ret = is_sealed(p, n) ? LOCAL_MASTER_PASSPHRASE : LOCAL_MASTER_FILE;
	secret_wipe(p, sizeof(p));
	return n < 0 ? (int)n : 0;
}

static int seal(const uint8_t *master, const char *pass, size_t n, uint8_t file[static FILE_LEN])
{
	const struct passphrase_cost cost = PASSPHRASE_COST;
	_cleanup_secret_ uint8_t *key = secret_alloc(AEAD_KEY_LEN);
	uint8_t check[MAC_LEN];

	memset(file, 0, FILE_LEN);
	memcpy(file, MAGIC, 8);
	file[8] = cost.log_n;
	file[9] = cost.r;
	file[10] = cost.p;
	if (check_of(master, check))
		return -EIO;
	memcpy(file + CHECK_AT, check, CHECK_LEN);
	if (!key || rand_bytes(file + SALT_AT, PASSPHRASE_SALT) ||
	    passphrase_scrypt(pass, n, file + SALT_AT, cost, key, AEAD_KEY_LEN) ||
	    aead_seal_message(key, file, SEALED_AT, master, MASTER_LEN, file + SEALED_AT))
		return -EIO;
	return 0;
}

/* Nobody is asked for what was just set. */
static void keep(const uint8_t *master)
{
	pthread_mutex_lock(&lock);
	if (!kept)
		kept = secret_alloc(MASTER_LEN);
	if (kept)
		memcpy(kept, master, MASTER_LEN);
	pthread_mutex_unlock(&lock);
}

int local_master_set(const char *state_dir, const char *pass, size_t n, struct kp_error *e)
{
	_cleanup_secret_ uint8_t *master = secret_alloc(MASTER_LEN);
	uint8_t file[FILE_LEN];
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
		keep(master);
	if (!r && !pass)
		return put_file(state_dir, path, master, MASTER_LEN, true, e);
	if (!r && seal(master, pass, n, file))
		r = kp_fail(e, -EIO, NULL, "sealing the vault master key failed");
	return r ? r : put_file(state_dir, path, file, sizeof(file), true, e);
}

/* ---- across a fork ----------------------------------------------------------------- */

static void hand_over(const char *state_dir, int key_fd, int error_fd)
{
	_cleanup_secret_ uint8_t *p = secret_alloc(MASTER_LEN);
	struct kp_error e = { 0 };
	int r = p ? master_read(state_dir, false, p, &e) :
		    kp_fail(&e, -EAGAIN, NULL, "no locked memory for the vault master key");

	if (!r && write(key_fd, p, MASTER_LEN) != MASTER_LEN)
		r = kp_fail(&e, -EIO, NULL, "cannot hand the vault master key over");
	if (write(error_fd, &e, sizeof(e)) != sizeof(e))
		_exit(1);
}

int local_master_hand_over(const char *state_dir, struct kp_error *e)
{
	int key[2] = { -1, -1 }, error[2] = { -1, -1 };
	enum local_master kind;
	struct kp_error said = { .code = -EIO, .message = "the vault master key cannot be read" };
	pid_t pid;

	if (local_master_kind(state_dir, &kind, NULL) || kind != LOCAL_MASTER_PASSPHRASE)
		return 0;
	if (pipe2(key, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return kp_fail(e, -EAGAIN, NULL, "cannot read the vault master key: %s",
			       strerror(errno));
	if (!pid) {
		hand_over(state_dir, key[1], error[1]);
		_exit(0);
	}
	close(key[1]);
	close(error[1]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (read(error[0], &said, sizeof(said)) < 0)
		said.code = -EIO;
	close(error[0]);
	handed_fd = key[0];
	if (said.code && e)
		*e = said;
	return said.code;
}
