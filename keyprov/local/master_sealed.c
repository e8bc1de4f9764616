/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of a master key under a passphrase: "CMKFSVK1" 8 · log2 N, r, p of
 * scrypt 3 · check of the key 5 · salt 32 · the key sealed by AES-256-GCM (nonce,
 * text, tag) with all before it as associated data.  So a passphrase is set,
 * changed and taken away without touching what the master key protects.
 *
 * The key that was opened stays in this process; the one that it starts gets it
 * through a pipe.
 */
#include "master_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "crypto/mac.h"
#include "crypto/rand.h"
#include "crypto/secret.h"

#define MAGIC "CMKFSVK1"
#define CHECK_AT 11
#define CHECK_LEN 5 /* tells whether the key that we keep is this one */
#define SALT_AT 16
#define SEALED_AT (SALT_AT + PASSPHRASE_SALT)

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* protects the following */
static uint8_t *kept; /* secret: the last one that a passphrase opened */
static int handed_fd = -1; /* see local_master_hand_over() */

bool master_is_sealed(const uint8_t *p, ssize_t n)
{
	return n == MASTER_FILE_LEN && !memcmp(p, MAGIC, 8);
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
		r = master_bad(e, path, "its cost is none that is used");
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

int master_unseal(const uint8_t *file, uint8_t *ret, const char *path, struct kp_error *e)
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

int master_seal_file(const uint8_t *master, const char *pass, size_t n,
		     uint8_t file[static MASTER_FILE_LEN])
{
	const struct passphrase_cost cost = PASSPHRASE_COST;
	_cleanup_secret_ uint8_t *key = secret_alloc(AEAD_KEY_LEN);
	uint8_t check[MAC_LEN];

	memset(file, 0, MASTER_FILE_LEN);
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

void master_keep(const uint8_t *master)
{
	pthread_mutex_lock(&lock);
	if (!kept)
		kept = secret_alloc(MASTER_LEN);
	if (kept)
		memcpy(kept, master, MASTER_LEN);
	pthread_mutex_unlock(&lock);
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
