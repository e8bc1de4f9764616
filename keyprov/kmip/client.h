/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One question to a KMIP server, with its deadline.  One thread at a time.
 */
#ifndef CMKFS_KMIP_CLIENT_H
#define CMKFS_KMIP_CLIENT_H

#include "kmip.h"

struct kmip_client;

/* To the server of U, by the section [kmip] of CTX.  0; -EAGAIN, -EIO, -EINVAL. */
int kmip_client_new(const struct kp_context *ctx, const struct kmip_uri *u,
		    struct kmip_client **ret, struct kp_error *e);
void kmip_client_free(struct kmip_client *c); /* NULL-safe; wipes */
unsigned int kmip_client_major(const struct kmip_client *c); /* of the version that is spoken */
const char *kmip_client_server(const struct kmip_client *c); /* for messages */

/* From now on all questions together have HTTP_CALL_MS. */
void kmip_client_begin(struct kmip_client *c);

/*
 * Send Q, whose version is filled in, and take the answer, which points into
 * memory of C until the next call.  0: there is one, of any status; -EAGAIN, -EPROTO, -EIO.
 */
int kmip_call(struct kmip_client *c, struct kmip_request *q, struct kmip_reply *ret,
	      struct kp_error *e);

#endif
