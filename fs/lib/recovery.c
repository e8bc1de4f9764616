/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recovery secrets: see recovery.h.
 */
#include "recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "crypto/rsa.h"
#include "crypto/secret.h"

#define FILE_MAX 32768u

/* All of PATH into secret memory. */
static int read_secret(const char *path, uint8_t **ret, size_t *ret_n)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint8_t *p = fd < 0 ? NULL : secret_alloc(FILE_MAX);
	size_t n = 0;
	ssize_t got;

	if (fd < 0)
		return -errno;
	if (!p)
		return -ENOMEM;
	while (n < FILE_MAX && (got = read(fd, p + n, FILE_MAX - n)) != 0) {
		if (got < 0) {
			int r = -errno;

			secret_free(p);
			return r;
		}
		n += (size_t)got;
	}
	if (n == FILE_MAX) {
		secret_free(p);
		return -EFBIG;
	}
	*ret = p;
	*ret_n = n;
	return 0;
}

static size_t first_line(const uint8_t *p, size_t n)
{
	const uint8_t *end = memchr(p, '\n', n);

	n = end ? (size_t)(end - p) : n;
	return n && p[n - 1] == '\r' ? n - 1 : n;
}

static int take_key(struct recovery *r, const uint8_t *p, size_t n, bool private, char *why)
{
	int e = rsa_parse(p, n, &r->key);

	if (e == -EKEYREJECTED)
		snprintf(why, 256, "the key is not an RSA key");
	else if (e)
		snprintf(why, 256, "it is no key that can be read");
	else if (private && !rsa_is_private(r->key))
		snprintf(why, 256, "this is the public half of the key");
	else
		return 0;
	return -EINVAL;
}

static bool is_pem(const uint8_t *p, size_t n)
{
	return n > 11 && !memcmp(p, "-----BEGIN ", 11);
}

static int load(const char *path, bool public, struct recovery **ret, char *why)
{
	struct recovery *r = secret_alloc(sizeof(*r));
	uint8_t *p = NULL;
	size_t n = 0;
	int e = r ? read_secret(path, &p, &n) : -ENOMEM;

	if (e) {
		snprintf(why, 256, "%s", strerror(-e));
	} else if (public || is_pem(p, n) || (n && *p == 0x30 && !rsa_parse(p, n, &r->key))) {
		rsa_free(r->key);
		e = take_key(r, p, n, !public, why);
		secret_free(p);
	} else {
		r->pass = p;
		r->n = first_line(p, n);
		if (!r->n) {
			snprintf(why, 256, "it is empty");
			e = -EINVAL;
		}
	}
	if (e)
		recovery_free(r);
	else
		*ret = r;
	return e;
}

int recovery_load(const char *path, struct recovery **ret, char why[static 256])
{
	return load(path, false, ret, why);
}

int recovery_load_public(const char *path, struct recovery **ret, char why[static 256])
{
	return load(path, true, ret, why);
}

void recovery_free(struct recovery *r)
{
	if (!r)
		return;
	rsa_free(r->key);
	secret_free((void *)(uintptr_t)r->pass);
	secret_free(r);
}
