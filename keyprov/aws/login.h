/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials of AWS: found, kept until they are over or refused, and fetched
 * anew.  One thread at a time.  The order is that of AWS's own tools:
 * environment, web identity, profile, container, instance; `credentials` in the
 * configuration names one of them alone.
 */
#ifndef CMKFS_AWS_LOGIN_H
#define CMKFS_AWS_LOGIN_H

#include "aws.h"
#include "keyprov/net/http.h"
#include "keyprov/net/text.h"
#include "keyprov/net/token.h"

struct aws_login {
	/* Of the configuration and the environment; they live as long as the process. */
	const char *only;	/* the one source; NULL: all in order */
	const char *profile;	/* never NULL */
	bool profile_named;	/* it must be there */
	const char *credentials_file, *config_file;
	const char *role_arn, *role_session_name, *web_identity_token_file;
	const char *sts_endpoint, *metadata_endpoint, *ca_file;
	const char *region;	/* NULL: not set there */

	char key_region[32];	/* of the key: STS is asked in the same one */
	struct http *sts, *near; /* NULL until they are needed */
	struct token token;
};

void aws_login_setup(struct aws_login *l, const struct kp_context *ctx);
void aws_login_done(struct aws_login *l); /* wipes; may be called again */

/*
 * Credentials in *RET, good until the next call.  0; -EAGAIN: there are none, or
 * their source cannot be reached; -EKEYREJECTED, -EACCES: their source refuses;
 * -EIO: a file cannot be read or says what is not understood; -EPROTO.
 */
int aws_login(struct aws_login *l, const struct aws_creds **ret, struct kp_error *e);

/* ---- the sources.  -ENOENT: not set up, the next one is asked. ----------------------- */

/* login_file.c.  The profile of L in the two files. */
int aws_profile_load(const struct aws_login *l, struct aws_profile *ret, struct kp_error *e);

/* login_net.c.  SESSION may be NULL or "". */
int aws_assume_role(struct aws_login *l, const char *role, const char *session,
		    const char *token_file, struct aws_creds *ret, struct kp_error *e);
int aws_from_container(struct aws_login *l, struct aws_creds *ret, struct kp_error *e);
int aws_from_instance(struct aws_login *l, struct aws_creds *ret, struct kp_error *e);

#endif
