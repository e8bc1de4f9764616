/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls of KMS.  Deadline of one: that of http_call(), and the same again where
 * credentials are fetched, or fetched anew because they were refused.
 */
#ifndef CMKFS_AWS_CALL_H
#define CMKFS_AWS_CALL_H

#include "login.h"

struct aws_call {
	struct aws_login *login;
	struct http *http;
	const char *url;
	const char *operation;	 /* "Decrypt" */
	const char *key;	 /* for hints: what KeyId says */
	const struct text *body; /* JSON */
};

/*
 * *RET is to be freed by json_decref().  0; errors as in the table of error.c and
 * those of http_call() and aws_login().
 */
int aws_call(struct aws_call *c, json_t **ret, struct kp_error *e);

/* What REPLY, whose status is not 200, means; said of WHO.  Its code. */
int aws_refused(const struct http_reply *reply, const char *who, const char *key,
		enum aws_act *ret_act, struct kp_error *e);
bool aws_busy(const struct http_reply *reply);

/* "amazonaws.com", or that of the region's own cloud. */
const char *aws_domain(const char *region);

#endif
