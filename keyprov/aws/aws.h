/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside the provider of AWS KMS: names, credentials, errors, calls.  Not for
 * callers; they have kp_aws.
 */
#ifndef CMKFS_AWS_H
#define CMKFS_AWS_H

#include <jansson.h>

#include "keyprov/keyprov.h"

extern const struct kp_ops kp_aws;

/* ---- uri.c: names ------------------------------------------------------------------ */

/*
 * awskms://[ENDPOINT]/NAME: an ARN, the ID of a key, or "alias/NAME".  AWS gives
 * the versions of a key no name; what stands for a version is the key that an
 * alias names: awskms://[ENDPOINT]/ALIAS?version=ID.
 */
#define AWS_NAME_MAX 400

struct aws_uri {
	char endpoint[160]; /* HOST[:PORT]; "": the service's own of the region */
	char partition[24], region[32], account[16]; /* of an ARN, else "" */
	char resource[280]; /* "key/ID" or "alias/NAME" */
	char key[96];	    /* ID of the key that the alias names; "": whichever it is now */
};

/* 0; -EINVAL. */
int aws_uri_parse(const char *s, struct aws_uri *ret, struct kp_error *e);
/* 0; -EINVAL: longer than a URI may be. */
int aws_uri_format(const struct aws_uri *u, char ret[static KP_URI_MAX]);
/* An ARN alone, as the service writes it, into all but the endpoint.  0; -EINVAL. */
int aws_arn_parse(const char *arn, struct aws_uri *ret);
bool aws_is_alias(const struct aws_uri *u);
/* What KeyId is to say: the key of the version where there is one, else the name. */
void aws_name(const struct aws_uri *u, char ret[static AWS_NAME_MAX]);
/* The name alone, without the version. */
void aws_alias(const struct aws_uri *u, char ret[static AWS_NAME_MAX]);

/* ---- profile.c: files of profiles -------------------------------------------------- */

#define AWS_TOKEN_MAX 4096

struct aws_creds { /* in secret memory */
	char id[132], secret[132];
	char token[AWS_TOKEN_MAX]; /* of a session; "": none */
	int64_t expires;	   /* unix seconds; 0: never */
};

struct aws_profile { /* in secret memory; "": not set */
	struct aws_creds creds;
	char region[32];
	char role_arn[256], role_session_name[65], web_identity_token_file[512];
	char source_profile[128]; /* or a source: a role that is assumed by other credentials */
	char process[512];	  /* credentials of a program or of single sign-on */
};

/*
 * Take the settings of PROFILE in N bytes of TEXT over what RET has: of a file
 * of credentials, or, with CONFIG, where sections are called "profile NAME".
 * Settings that are not of interest are passed over.  Untrusted input.
 * 0; -ENOENT: no such section; -EMSGSIZE: a value is too long.
 */
int aws_profile_parse(const char *text, size_t n, bool config, const char *profile,
		      struct aws_profile *ret);

/* ---- reply.c, xml.c, error.c: answers, untrusted ------------------------------------ */

struct aws_key { /* of DescribeKey; "", 0: not told */
	char arn[AWS_NAME_MAX];
	struct aws_uri name; /* the same, taken apart: of a key, without endpoint */
	char spec[32], state[32], usage[32], manager[16];
	int64_t deletion, valid_to; /* unix seconds */
};
/* 0; -EPROTO: no ARN of a key, no spec or no state in it, or of the wrong type. */
int aws_key_take(const json_t *answer, struct aws_key *ret, struct kp_error *e);

struct aws_place { /* of the volume; "": anywhere */
	char tenant[64], region[64];
};
/* info.c: the same in the words of all providers, but for kid, newest and vault. */
void aws_info(const struct aws_key *k, const struct aws_place *of, struct kp_info *ret);

/*
 * Credentials of a role.  0; -EPROTO: not whole (what there is of them is in RET).
 */
int aws_creds_json(const json_t *answer, struct aws_creds *ret);
int aws_creds_xml(const char *text, struct aws_creds *ret);

struct aws_failure { /* "": not told */
	char type[128], message[200];
};
/* ANSWER, or, where it is NULL, the TEXT that is XML; and the header x-amzn-ErrorType. */
void aws_failure_take(const json_t *answer, const char *text, const char *error_type,
		      struct aws_failure *ret);

enum aws_act {
	AWS_FINAL,	 /* believe it */
	AWS_RETRY,	 /* ask again after a pause */
	AWS_CREDENTIALS, /* fetch other credentials once, then believe it */
	AWS_CLOCK,	 /* the clock of this machine is wrong */
};

struct aws_verdict {
	const char *type;
	int code;
	enum aws_act act;
	const char *hint; /* NULL: none; see error.c */
};

/*
 * What an answer with STATUS means that names the error TYPE ("" where it names
 * none), with or without a prefix, and says MESSAGE.  Never NULL.
 */
const struct aws_verdict *aws_verdict(const char *type, const char *message, long status);

/*
 * The text of the first ELEMENT in XML.  0; -ENOENT: there is none; -EPROTO: it is
 * not plain text, or is cut off; -EMSGSIZE.  Untrusted input.
 */
int aws_xml_text(const char *xml, const char *element, char *ret, size_t cap);

#endif
