/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lines of JSON over a stream socket.
 */
#include <errno.h>
#include <sys/socket.h>

#include "crypto/base.h"
#include "fs/mount/control_io.h"

int control_send(int fd, const json_t *o)
{
	_cleanup_free_ char *text = json_dumps(o, JSON_COMPACT);
	size_t n, done;

	if (!text)
		return -ENOMEM;
	n = strlen(text);
	text[n++] = '\n'; /* over the NUL */
	for (done = 0; done < n;) {
		ssize_t r = send(fd, text + done, n - done, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return errno == ECONNRESET ? -EPIPE : -errno;
		done += (size_t)r;
	}
	return 0;
}

/* Append what has come to *P.  Bytes come one line a request: nothing is left over. */
static int receive_some(int fd, char **p, size_t *n, size_t *cap)
{
	ssize_t r;

	if (*cap - *n < 4096) {
		char *q = realloc(*p, *cap + 16384);

		if (!q)
			return -ENOMEM;
		*p = q;
		*cap += 16384;
	}
	do
		r = recv(fd, *p + *n, *cap - *n, 0);
	while (r < 0 && errno == EINTR);
	if (r == 0 || (r < 0 && errno == ECONNRESET))
		return -EPIPE;
	if (r < 0)
		return -errno;
	*n += (size_t)r;
	return 0;
}

int control_receive(int fd, json_t **ret)
{
	_cleanup_free_ char *p = NULL;
	size_t n = 0, cap = 0;
	json_t *o;
	int r;

	do {
		r = receive_some(fd, &p, &n, &cap);
		if (r < 0)
			return r;
		if (n > CONTROL_LINE_MAX)
			return -EPROTO;
	} while (p[n - 1] != '\n');
	o = json_loadb(p, n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(o)) {
		json_decref(o);
		return -EPROTO;
	}
	*ret = o;
	return 0;
}
