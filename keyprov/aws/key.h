/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An opened key of AWS KMS.
 */
#ifndef CMKFS_AWS_KEY_H
#define CMKFS_AWS_KEY_H

#include "call.h"

enum kind { KIND_UNKNOWN, KIND_SYMMETRIC, KIND_RSA };

struct kp {
	struct aws_uri uri;
	struct aws_login login;
	struct http *http;
	char url[320];
	struct aws_place place;
	char *binding; /* volume ‖ zone in hex; NULL: none */
	/* Of the key that was described last: by which name, which it is, its kind. */
	char name[AWS_NAME_MAX], arn[AWS_NAME_MAX];
	enum kind kind;
};

/*
 * Find the region and the endpoint of KP->uri, and make what calls need.  0;
 * -EINVAL: the region is not known; -EAGAIN, -EIO.
 */
int aws_key_setup(struct kp *kp, const struct kp_context *ctx, struct kp_error *e);

#endif
