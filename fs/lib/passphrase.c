/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading passphrases: see passphrase.h.
 */
#include "passphrase.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <termios.h>

#include "crypto/secret.h"
#include "fs/lib/pin.h"
#include "keyprov/local/local.h"

#define CTRL_C 3
#define CTRL_D 4

/* Why there is none; -errno of its kind. */
struct why {
	char message[256];
};

static int fail(struct why *w, int r, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
static int fail(struct why *w, int r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->message, sizeof(w->message), fmt, ap);
	va_end(ap);
	return r;
}

/* The first line of FD, a byte at a time: what comes after is somebody else's. */
static int read_line(int fd, char *ret, size_t *ret_n, struct why *w)
{
	size_t n = 0;

	for (;;) {
		ssize_t got = read(fd, ret + n, 1);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return fail(w, -errno, "cannot read the passphrase: %s", strerror(errno));
		if (!got || ret[n] == '\n')
			break;
		if (++n == PASSPHRASE_MAX)
			return fail(w, -E2BIG, "the passphrase is longer than %d bytes",
				    PASSPHRASE_MAX - 1);
	}
	if (n && ret[n - 1] == '\r')
		n--;
	ret[n] = '\0';
	*ret_n = n;
	return 0;
}

static int from_file(const char *path, char *ret, size_t *ret_n, struct why *w)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return fail(w, -errno, "%s: %s", path, strerror(errno));
	if (S_ISREG(st.st_mode) && (st.st_mode & 077))
		return fail(w, -EPERM, "%s can be read by others (mode %04o); chmod 600", path,
			    (unsigned int)st.st_mode & 07777);
	return read_line(fd, ret, ret_n, w);
}

static int from_fd(const char *number, char *ret, size_t *ret_n, struct why *w)
{
	uint64_t fd;

	if (conf_number(number, 0, 65535, &fd))
		return fail(w, -EINVAL, "'%s' is not the number of a descriptor", number);
	return read_line((int)fd, ret, ret_n, w);
}

/* ---- terminal ----------------------------------------------------------------------- */

/* No signals while it does not echo, so that it always does again. */
static int ask(int tty, const char *question, char *ret, size_t *ret_n, struct why *w)
{
	struct termios before, quiet;
	size_t n = 0;
	char c = 0;

	if (tcgetattr(tty, &before) < 0)
		return fail(w, -errno, "cannot ask on this terminal: %s", strerror(errno));
	quiet = before;
	quiet.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ISIG | ICANON);
	quiet.c_cc[VMIN] = 1;
	quiet.c_cc[VTIME] = 0;
	/* What was typed before the question is no answer to it. */
	if (tcsetattr(tty, TCSAFLUSH, &quiet) < 0)
		return fail(w, -errno, "cannot ask on this terminal: %s", strerror(errno));
	dprintf(tty, "%s: ", question);
	while (n < PASSPHRASE_MAX - 1 && read(tty, &c, 1) == 1 && c != '\n' && c != '\r' &&
	       c != CTRL_C && c != CTRL_D) {
		if ((cc_t)c == before.c_cc[VERASE])
			n -= n > 0;
		else if ((cc_t)c == before.c_cc[VKILL])
			n = 0;
		else
			ret[n++] = c;
	}
	tcsetattr(tty, TCSADRAIN, &before);
	dprintf(tty, "\n");
	ret[n] = '\0';
	*ret_n = n;
	return c == '\n' || c == '\r' ? 0 : fail(w, -ECANCELED, "no passphrase was given");
}

static int from_terminal(const char *word, const char *what, bool twice, char *ret, size_t *ret_n,
			 struct why *w)
{
	_cleanup_close_ int tty = open("/dev/tty", O_RDWR | O_CLOEXEC);
	_cleanup_secret_ char *again = NULL;
	char question[160];
	size_t n;
	int r;

	if (tty < 0)
		return fail(w, -ENOTTY, "the %s of %s is needed, and there is no terminal "
			    "to ask on", word, what);
	snprintf(question, sizeof(question), "%c%s of %.100s", toupper((unsigned char)word[0]),
		 word + 1, what);
	r = ask(tty, question, ret, ret_n, w);
	if (r || !twice)
		return r;
	again = secret_alloc(PASSPHRASE_MAX);
	if (!again)
		return fail(w, -ENOMEM, "no locked memory for a passphrase");
	r = ask(tty, "The same again", again, &n, w);
	if (!r && (n != *ret_n || !secret_equal(ret, again, n)))
		r = fail(w, -EINVAL, "the two are not the same");
	return r;
}

/* ---- for verbs ----------------------------------------------------------------------- */

int passphrase_read(const struct passphrase_opt *o, const char *what, bool new, char **ret,
		    size_t *ret_n)
{
	char *p = secret_alloc(PASSPHRASE_MAX);
	struct why w = { "no locked memory for a passphrase" };
	int r = -ENOMEM;

	if (o->file && o->fd)
		r = fail(&w, -EINVAL, "--passphrase-file and --passphrase-fd exclude each other");
	else if (p && o->file)
		r = from_file(o->file, p, ret_n, &w);
	else if (p && o->fd)
		r = from_fd(o->fd, p, ret_n, &w);
	else if (p)
		r = from_terminal("passphrase", what, new, p, ret_n, &w);
	if (!r && !*ret_n)
		r = fail(&w, -EINVAL, "the passphrase is empty");
	if (!r && new && *ret_n < PASSPHRASE_MIN)
		r = fail(&w, -EINVAL, "a passphrase of less than %d bytes is none to rely on",
			 PASSPHRASE_MIN);
	if (!r) {
		*ret = p;
		return CMD_OK;
	}
	secret_free(p);
	return cmd_fail(CMD_USAGE, "give it by --passphrase-file, --passphrase-fd or on a terminal",
			"%s", w.message);
}

/* ---- for key providers ----------------------------------------------------------------- */

/* Whether systemd gives NAME; the path in RET. */
static bool credential(const char *name, char ret[static 4096])
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");

	snprintf(ret, 4096, "%s/%s", dir ? dir : "", name);
	return dir && access(ret, F_OK) == 0;
}

static int from_credential(const char *path, char *ret, size_t *ret_n, struct why *w)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? fail(w, -errno, "%s: %s", path, strerror(errno)) :
			read_line(fd, ret, ret_n, w);
}

int passphrase_from(const struct passphrase_source *s, const char *what, char *ret, size_t *ret_n,
		    struct kp_error *e)
{
	const char *fd = getenv(s->fd_variable);
	struct why w = { "" };
	char path[4096];
	int r;

	if (credential(s->credential, path))
		r = from_credential(path, ret, ret_n, &w);
	else if (s->file)
		r = from_file(s->file, ret, ret_n, &w);
	else if (fd)
		r = from_fd(fd, ret, ret_n, &w);
	else
		r = from_terminal(s->word, what, false, ret, ret_n, &w);
	return r ? kp_fail(e, -EACCES, s->hint, "%s", w.message) : 0;
}

static int vault_passphrase(void *arg, const char *what, char *ret, size_t *ret_n,
			    struct kp_error *e)
{
	const struct conf *conf = arg;
	const struct passphrase_source s = {
		.word = "passphrase",
		.credential = "cmkfs-vault-passphrase",
		.file = conf->vault_passphrase_file,
		.fd_variable = "CMKFS_VAULT_PASSPHRASE_FD",
		.hint = "vault-passphrase-file in the configuration names a file of it",
	};

	return passphrase_from(&s, what, ret, ret_n, e);
}

void passphrase_setup(const struct conf *conf)
{
	local_passphrase_from(vault_passphrase, (void *)(uintptr_t)conf);
	pin_setup();
}
