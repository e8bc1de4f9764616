/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file of an Arc challenge: whoever answers on the port could name any, so
 * only those are read that Arc's agent writes.
 */
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "azure.h"
#include "keyprov/net/file.h"

#define DIRECTORY "/var/opt/azcmagent/tokens/"
#define FILE_MAX_BYTES 4096

static int not_arc(struct kp_error *e)
{
	return kp_fail(e, -EKEYREJECTED, "is it Azure Arc's agent that answers at IDENTITY_ENDPOINT?",
		       "the identity endpoint names a file that is not of Arc");
}

/* Directly in DIRECTORY, *.key. */
static bool good_path(const char *path, size_t n)
{
	size_t k = strlen(DIRECTORY);

	return n > k + 4 && !strncmp(path, DIRECTORY, k) && !memchr(path + k, '/', n - k) &&
	       !strncmp(path + n - 4, ".key", 4);
}

int az_arc_secret(const char *challenge, char *ret, size_t cap, struct kp_error *e)
{
	char path[512];
	size_t n;

	if (strncasecmp(challenge, "Basic realm=", 12) != 0)
		return not_arc(e);
	challenge += 12;
	n = strlen(challenge);
	if (n >= 2 && challenge[0] == '"' && challenge[n - 1] == '"') {
		challenge++;
		n -= 2;
	}
	if (n >= sizeof(path) || !good_path(challenge, n))
		return not_arc(e);
	snprintf(path, sizeof(path), "%.*s", (int)n, challenge);
	return net_read_word(path, false, ret, MIN(cap, FILE_MAX_BYTES + 1), e);
}
