/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PINs of tokens: see pin.h.
 */
#include "pin.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/wait.h>

#include "crypto/secret.h"
#include "fs/lib/passphrase.h"

static int handed_fd = -1; /* see pin_hand_over(); read once, by the token that asks first */

static int ask(const char *what, char *ret, size_t *ret_n, struct kp_error *e)
{
	static const struct passphrase_source source = {
		.word = "PIN",
		.credential = "cmkfs-pkcs11-pin",
		.fd_variable = "CMKFS_PKCS11_PIN_FD",
		.hint = "name a file of mode 0600 by pin-file in [pkcs11], or by pin-source=file:/PATH "
			"in the URI; with pin-prompt = yes a mount asks before it is in the background",
	};
	_cleanup_secret_ char *p = secret_alloc(PASSPHRASE_MAX);
	size_t n = 0;
	int r;

	if (!p)
		return kp_fail(e, -EAGAIN, NULL, "no locked memory for a PIN");
	r = passphrase_from(&source, what, p, &n, e);
	if (!r && n >= KP_PIN_MAX)
		r = kp_fail(e, -EACCES, NULL, "the PIN of %s is longer than %d bytes", what,
			    KP_PIN_MAX - 1);
	if (r)
		return r;
	memcpy(ret, p, n + 1);
	*ret_n = n;
	return 0;
}

/* Whether there was one that was handed over. */
static bool take_handed(char *ret, size_t *ret_n)
{
	int fd = __atomic_exchange_n(&handed_fd, -1, __ATOMIC_ACQ_REL);
	ssize_t n = fd < 0 ? -1 : read(fd, ret, KP_PIN_MAX - 1);

	cleanup_close(&fd);
	if (n <= 0)
		return false;
	ret[n] = '\0';
	*ret_n = (size_t)n;
	return true;
}

static int token_pin(void *arg, const char *what, char *ret, size_t *ret_n, struct kp_error *e)
{
	(void)arg;
	return take_handed(ret, ret_n) ? 0 : ask(what, ret, ret_n, e);
}

void pin_setup(void)
{
	kp_pin_from(token_pin, NULL);
}

/* ---- across a fork ----------------------------------------------------------------- */

static void hand_over(int pin_fd, int error_fd)
{
	_cleanup_secret_ char *p = secret_alloc(KP_PIN_MAX);
	struct kp_error e = { 0 };
	size_t n = 0;
	int r = p ? ask("the token", p, &n, &e) :
		    kp_fail(&e, -EAGAIN, NULL, "no locked memory for a PIN");

	if (!r && write(pin_fd, p, n) != (ssize_t)n)
		r = kp_fail(&e, -EIO, NULL, "cannot hand the PIN over");
	if (write(error_fd, &e, sizeof(e)) != sizeof(e))
		_exit(1);
}

int pin_hand_over(const struct conf *conf, struct kp_error *e)
{
	const char *prompt = conf_provider((void *)(uintptr_t)conf, "pkcs11", "pin-prompt");
	struct kp_error said = { .code = -EACCES, .message = "the PIN cannot be read" };
	int pin[2] = { -1, -1 }, error[2] = { -1, -1 };
	pid_t pid;

	if (!prompt || strcmp(prompt, "yes") != 0)
		return 0;
	if (pipe2(pin, O_CLOEXEC) < 0 || pipe2(error, O_CLOEXEC) < 0 || (pid = fork()) < 0)
		return kp_fail(e, -EAGAIN, NULL, "cannot ask for the PIN: %s", strerror(errno));
	if (!pid) {
		hand_over(pin[1], error[1]);
		_exit(0);
	}
	close(pin[1]);
	close(error[1]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (read(error[0], &said, sizeof(said)) < 0)
		said.code = -EACCES;
	close(error[0]);
	handed_fd = pin[0];
	if (said.code && e)
		*e = said;
	return said.code;
}
