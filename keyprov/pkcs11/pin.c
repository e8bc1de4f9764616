/* SPDX-License-Identifier: Apache-2.0 */
/*
 * PINs: where they come from, and which are not tried again.
 */
#include "p11.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "crypto/secret.h"

/* ---- of which token what is known ------------------------------------------------- */

struct known {
	struct known *next;
	char label[33], serial[17];
	char *kept, *refused; /* secret memory of P11_PIN_MAX bytes, or NULL */
	size_t kept_n, refused_n;
};

static pthread_mutex_t known_lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *all; /* protected by known_lock; one a token, for the process's life */

static struct known *known_locked(const struct p11_token *t)
{
	struct known *k;

	for (k = all; k; k = k->next)
		if (!strcmp(k->label, t->label) && !strcmp(k->serial, t->serial))
			return k;
	k = calloc(1, sizeof(*k));
	if (!k)
		return NULL;
	memcpy(k->label, t->label, sizeof(k->label));
	memcpy(k->serial, t->serial, sizeof(k->serial));
	k->next = all;
	all = k;
	return k;
}

static void set(char **to, size_t *to_n, const char *pin, size_t n)
{
	if (!*to)
		*to = secret_alloc(P11_PIN_MAX);
	if (!*to)
		return;
	secret_wipe(*to, P11_PIN_MAX);
	memcpy(*to, pin, n);
	*to_n = n;
}

static void drop(char **pin)
{
	secret_free(*pin);
	*pin = NULL;
}

static bool equals(const char *a, size_t a_n, const char *b, size_t b_n)
{
	return a && a_n == b_n && secret_equal(a, b, b_n);
}

void p11_pin_refused(const struct p11_token *t, const char *pin, size_t n)
{
	struct known *k;

	pthread_mutex_lock(&known_lock);
	k = known_locked(t);
	if (k) {
		set(&k->refused, &k->refused_n, pin, n);
		if (equals(k->kept, k->kept_n, pin, n))
			drop(&k->kept);
	}
	pthread_mutex_unlock(&known_lock);
}

void p11_pin_worked(const struct p11_token *t, const char *file, const char *pin, size_t n)
{
	struct known *k;

	pthread_mutex_lock(&known_lock);
	k = known_locked(t);
	if (k) {
		drop(&k->refused);
		if (!file)
			set(&k->kept, &k->kept_n, pin, n);
	}
	pthread_mutex_unlock(&known_lock);
}

/* ---- where they come from ----------------------------------------------------------- */

static int from_file(const char *path, char *ret, size_t *ret_n, struct kp_error *e)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0)
		return kp_fail(e, -EACCES, "look at its path and permissions", "PIN file %.150s: %s",
			       path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return kp_fail(e, -EACCES, "a PIN is the first line of an ordinary file",
			       "PIN file %.150s is no file", path);
	if (st.st_mode & 077 || (st.st_uid && st.st_uid != geteuid())) {
		kp_fail(e, -EACCES, NULL, "PIN file %.150s can be read or changed by others", path);
		return kp_hint(e, -EACCES, "chmod 600 %.200s", path);
	}
	do
		n = read(fd, ret, P11_PIN_MAX - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return kp_fail(e, -EACCES, NULL, "PIN file %.150s: %s", path, strerror(errno));
	ret[n] = '\0';
	*ret_n = strcspn(ret, "\r\n");
	if (*ret_n == P11_PIN_MAX - 1)
		return kp_fail(e, -EACCES, NULL, "PIN file %.150s: a line of more than %d bytes is "
			       "no PIN", path, P11_PIN_MAX - 2);
	return 0;
}

static int from_source(const struct p11_token *t, char *ret, size_t *ret_n, struct kp_error *e)
{
	const struct known *k;
	char what[64];
	bool kept;

	pthread_mutex_lock(&known_lock);
	k = known_locked(t);
	kept = k && k->kept;
	if (kept) {
		memcpy(ret, k->kept, k->kept_n);
		*ret_n = k->kept_n;
	}
	pthread_mutex_unlock(&known_lock);
	if (kept)
		return 0;
	snprintf(what, sizeof(what), "token %s", t->label);
	return kp_pin_ask(what, ret, ret_n, e);
}

int p11_pin_get(const struct p11_token *t, const char *file, char *ret, size_t *ret_n,
		struct kp_error *e)
{
	const struct known *k;
	int r = file ? from_file(file, ret, ret_n, e) : from_source(t, ret, ret_n, e);

	if (r)
		return r;
	if (!*ret_n)
		return kp_fail(e, -EACCES, "put it on the first line", "the PIN of token %s is empty",
			       t->label);
	pthread_mutex_lock(&known_lock);
	k = known_locked(t);
	if (k && equals(k->refused, k->refused_n, ret, *ret_n))
		r = kp_fail(e, -EKEYREJECTED, "put the right PIN into its file: it is read again, "
			    "and the same one is not tried a second time, lest the token be locked",
			    "the PIN of token %s was refused", t->label);
	pthread_mutex_unlock(&known_lock);
	return r;
}
