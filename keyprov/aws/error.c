/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What KMS and STS say when they refuse: see aws.h.
 */
#include "aws.h"

#include <errno.h>
#include <stdio.h>

/*
 * By name, without the "Exception" that some of them end with, since both
 * spellings are seen of one thing.  A hint that ends with a space is followed by
 * the name of the key.
 */
static const struct aws_verdict verdicts[] = {
	{ "AccessDenied", -EACCES, AWS_FINAL,
	  "grant kms:DescribeKey, kms:Encrypt and kms:Decrypt on the key, in IAM or in the key's "
	  "own policy: cmkfs-providers(7) has both to paste" },
	{ "InvalidGrantToken", -EACCES, AWS_FINAL, NULL },
	{ "OptInRequired", -EACCES, AWS_FINAL, NULL },

	{ "Disabled", -EKEYREVOKED, AWS_FINAL, "aws kms enable-key --key-id " },
	{ "KMSInvalidState", -EKEYREVOKED, AWS_FINAL, "aws kms describe-key --key-id " },
	{ "NotFound", -ENOENT, AWS_FINAL,
	  "look at its name, account and region: aws kms describe-key --key-id " },

	{ "InvalidArn", -EINVAL, AWS_FINAL, NULL },
	{ "Validation", -EINVAL, AWS_FINAL, NULL },
	{ "InvalidKeyUsage", -EKEYREJECTED, AWS_FINAL,
	  "make a key for encryption: aws kms create-key --key-usage ENCRYPT_DECRYPT" },
	{ "UnsupportedOperation", -EKEYREJECTED, AWS_FINAL, NULL },

	{ "InvalidCiphertext", -EBADMSG, AWS_FINAL, NULL },
	{ "IncorrectKey", -EBADMSG, AWS_FINAL, NULL },

	{ "ExpiredToken", -EKEYREJECTED, AWS_CREDENTIALS, NULL },
	{ "UnrecognizedClient", -EKEYREJECTED, AWS_CREDENTIALS, NULL },
	{ "InvalidClientTokenId", -EKEYREJECTED, AWS_CREDENTIALS, NULL },
	{ "InvalidSignature", -EKEYREJECTED, AWS_CREDENTIALS, NULL },
	{ "SignatureDoesNotMatch", -EKEYREJECTED, AWS_CREDENTIALS, NULL },
	{ "IncompleteSignature", -EKEYREJECTED, AWS_CREDENTIALS, NULL },
	{ "MissingAuthenticationToken", -EKEYREJECTED, AWS_CREDENTIALS, NULL },
	{ "InvalidIdentityToken", -EKEYREJECTED, AWS_CREDENTIALS, NULL },
	{ "IDPRejectedClaim", -EKEYREJECTED, AWS_CREDENTIALS, NULL },

	{ "RequestTimeTooSkewed", -EAGAIN, AWS_CLOCK, NULL },
	{ "RequestExpired", -EAGAIN, AWS_CLOCK, NULL },

	{ "Throttling", -EAGAIN, AWS_RETRY, NULL },
	{ "Throttled", -EAGAIN, AWS_RETRY, NULL },
	{ "RequestThrottled", -EAGAIN, AWS_RETRY, NULL },
	{ "TooManyRequests", -EAGAIN, AWS_RETRY, NULL },
	{ "RequestLimitExceeded", -EAGAIN, AWS_RETRY, NULL },
	{ "LimitExceeded", -EAGAIN, AWS_RETRY, NULL },
	{ "KeyUnavailable", -EAGAIN, AWS_RETRY, NULL },
	{ "DependencyTimeout", -EAGAIN, AWS_RETRY, NULL },
	{ "KMSInternal", -EAGAIN, AWS_RETRY, NULL },
	{ "InternalFailure", -EAGAIN, AWS_RETRY, NULL },
	{ "InternalServerError", -EAGAIN, AWS_RETRY, NULL },
	{ "InternalError", -EAGAIN, AWS_RETRY, NULL },
	{ "ServiceUnavailable", -EAGAIN, AWS_RETRY, NULL },
	{ "RequestTimeout", -EAGAIN, AWS_RETRY, NULL },
	{ "IDPCommunicationError", -EAGAIN, AWS_RETRY, NULL },
};

/* By status, of an answer that names no error that we know. */
static const struct aws_verdict unknown_denied = { "", -EACCES, AWS_FINAL, NULL };
static const struct aws_verdict unknown_busy = { "", -EAGAIN, AWS_RETRY, NULL };
static const struct aws_verdict unknown_clock = { "", -EAGAIN, AWS_CLOCK, NULL };
static const struct aws_verdict unknown_answer = { "", -EPROTO, AWS_FINAL, NULL };

/* "com.amazonaws.kms#DisabledException:http://…" is "Disabled". */
static size_t bare(const char **name)
{
	const char *hash = strchr(*name, '#');
	size_t n;

	if (hash)
		*name = hash + 1;
	n = strcspn(*name, ":");
	if (n > 9 && !strncmp(*name + n - 9, "Exception", 9))
		n -= 9;
	return n;
}

/* The clock is told by the name of another error. */
static bool about_time(const char *message)
{
	return strstr(message, "Signature expired") || strstr(message, "Signature not yet current");
}

const struct aws_verdict *aws_verdict(const char *type, const char *message, long status)
{
	size_t n = bare(&type);

	for (unsigned int i = 0; i < ARRAY_SIZE(verdicts); i++) {
		const struct aws_verdict *v = &verdicts[i];

		if (strlen(v->type) != n || strncmp(v->type, type, n) != 0)
			continue;
		return v->act == AWS_CREDENTIALS && about_time(message) ? &unknown_clock : v;
	}
	if (status == 429 || status >= 500)
		return &unknown_busy;
	return n && (status == 401 || status == 403) ? &unknown_denied : &unknown_answer;
}
